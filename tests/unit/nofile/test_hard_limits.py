# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

TABLE = "Max open files %d %d files\n"


@pytest.fixture
def systemd(host):
    """A host that systemd runs, nr_open as the kernel has it."""
    host.put("/usr/lib/systemd/systemd", "")
    (host.path / "run/systemd/system").mkdir(parents=True)
    host.sysctl(fs__nr_open=1048576)
    return host


def above(host, maximum, **options):
    return [
        (o.limit.source, o.limit.line, o.limit.name, o.limit.shown, o.when)
        for o in hard_limits.limits_above(host.look(), maximum, **options)
    ]


def test_nr_open_now(host):
    assert hard_limits.nr_open_now(host.look()) is None
    host.sysctl(fs__nr_open=5000)
    assert hard_limits.nr_open_now(host.look()) == 5000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("210000", 210000),
        ("0x100000", 1048576),
        ("0200", 128),
        ("many", 1048576),
        ("63", 1048576),
        ("2147483584", 2147483584),
        ("2147483585", 1048576),
        ("210000  # why", 210000),
        ('"210000"', 1048576),
        ("", 1048576),
    ],
)
def test_nr_open_after_boot_from_a_file(systemd, value, expected):
    systemd.put("/etc/sysctl.d/50.conf", "#\nfs.nr_open=%s\n" % value)
    found = hard_limits.nr_open_after_boot(systemd.look())
    assert found.value == expected
    if expected != 1048576:
        assert (found.source, found.line) == ("/etc/sysctl.d/50.conf", 2)


def test_nr_open_after_boot_without_a_file(systemd):
    systemd.sysctl(fs__nr_open=2000000)
    assert hard_limits.nr_open_after_boot(systemd.look()).value == 1048576
    systemd.sysctl(fs__nr_open=1073741816)
    assert hard_limits.nr_open_after_boot(systemd.look()).value == 1073741816
    systemd.sysctl(fs__nr_open=1048576)
    systemd.put("/proc/1/limits", TABLE % (1073741816, 1073741816))
    assert hard_limits.nr_open_after_boot(systemd.look()).value == 1073741816


def test_nr_open_after_boot_counts_neither_on_what_the_boot_takes_nor_on_its_being_gone(systemd):
    systemd.put("/run/sysctl.d/99-zzz.conf", "fs.nr_open=3000000\n")
    assert hard_limits.nr_open_after_boot(systemd.look()) == (1048576, "no sysctl.d file sets it: the default", 0)
    systemd.put("/etc/sysctl.d/50.conf", "fs.nr_open=2000000\n")
    assert hard_limits.nr_open_after_boot(systemd.look()) == (2000000, "/etc/sysctl.d/50.conf", 1)
    systemd.put("/run/sysctl.d/99-zzz.conf", "fs.nr_open=1500000\n")
    assert hard_limits.nr_open_after_boot(systemd.look()) == (1500000, "/run/sysctl.d/99-zzz.conf", 1)


def test_nr_open_after_boot_without_systemd(host):
    host.sysctl(fs__nr_open=1073741816)
    assert hard_limits.nr_open_after_boot(host.look()).value == 1048576


def test_nr_open_of_a_container_is_the_machines(systemd):
    systemd.put("/run/systemd/container", "podman\n")
    systemd.sysctl(fs__nr_open=300000)
    systemd.put("/etc/sysctl.d/50.conf", "fs.nr_open=2000000\n")
    assert hard_limits.nr_open_after_boot(systemd.look()).value == 300000
    # systemd's own default is capped where nr_open cannot change after PID 1 has read it.
    assert above(systemd, 300000) == []


def test_the_built_in_default(systemd):
    every = (hard_limits.systemd_limits.BUILT_IN_SOURCE, 0, hard_limits.EVERY_UNIT, 524288)
    assert above(systemd, 210000) == [every + ("now",), every + ("after_boot",)]
    assert above(systemd, 524288) == []
    systemd.put("/etc/systemd/system.conf", "[Manager]\nDefaultLimitNOFILE=1000:200000\n")
    assert above(systemd, 210000) == []


def test_a_host_without_systemd(host):
    assert above(host, 210000) == []


def test_every_kind_of_limit(systemd):
    systemd.put("/etc/security/limits.conf", "* hard nofile 2000000\nroot hard nofile unlimited\nbob soft nofile 9\n")
    systemd.put("/usr/lib/systemd/system/a.service", "[Service]\nLimitNOFILE=1:3000000\n")
    systemd.put("/usr/lib/systemd/system/i.service", "[Service]\nLimitNOFILE=infinity\n")
    systemd.put("/etc/systemd/user.conf", "[Manager]\nDefaultLimitNOFILE=4000000\n")
    for pid in (7, 8):
        systemd.put("/proc/%d/limits" % pid, TABLE % (1, 5000000))
        systemd.put("/proc/%d/comm" % pid, "worker\n")
    configured = [
        ("/etc/security/limits.conf", 1, "*", 2000000),
        ("/etc/security/limits.conf", 2, "root", "unlimited"),
        ("/usr/lib/systemd/system/a.service", 2, "a.service", 3000000),
        ("/etc/systemd/user.conf", 2, hard_limits.EVERY_USER_UNIT, 4000000),
    ]
    expected = [row + (when,) for row in configured for when in ("now", "after_boot")]
    assert above(systemd, 1048576) == expected + [("/proc/7/limits", 1, "worker", 5000000, "now")]
    assert above(systemd, 1048576, live=False) == [row for row in expected if row[-1] == "after_boot"]
    systemd.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "/proc/sys/fs/nr_open")
    assert not [row for row in above(systemd, 1048576) if row[3] == "unlimited"]


def test_infinity_is_what_pid_1_has(systemd):
    """setrlimit_closest falls back on PID 1's hard limit, which a lowered nr_open refuses too."""
    systemd.put("/usr/lib/systemd/system/i.service", "[Service]\nLimitNOFILE=infinity\n")
    systemd.put("/proc/1/limits", TABLE % (1048576, 1048576))
    assert above(systemd, 1048576) == []
    infinite = ("/usr/lib/systemd/system/i.service", 2, "i.service", "infinity")
    assert [row for row in above(systemd, 600000) if row[3] == "infinity"] == [
        infinite + ("now",),
        infinite + ("after_boot",),
    ]


def test_our_own_files_may_be_left_out(systemd):
    systemd.put("/etc/security/limits.conf", "")
    systemd.put("/etc/security/limits.d/99-zz-fourtuple.conf", owned.OWNER_MARK + "\n* hard nofile 2000000\n")
    systemd.put("/usr/lib/systemd/system/a.service", "[Service]\n")
    systemd.put(
        "/etc/systemd/system/a.service.d/zzzz-fourtuple.conf", owned.OWNER_MARK + "\n[Service]\nLimitNOFILE=2000000\n"
    )
    assert len(above(systemd, 1048576)) == 4
    assert hard_limits.limits_above(hard_limits.without_own(systemd.look()), 1048576) == []
    assert hard_limits.own_files(systemd.look()) == [
        "/etc/security/limits.d/99-zz-fourtuple.conf",
        "/etc/systemd/system/a.service.d/zzzz-fourtuple.conf",
    ]


def test_a_file_with_our_name_and_another_owner_is_refused(host):
    host.put("/etc/systemd/system.conf.d/zzzz-fourtuple.conf", "[Manager]\n")
    with pytest.raises(Refusal, match=r"system.conf.d/zzzz-fourtuple.conf:1 is '\[Manager\]'"):
        hard_limits.own_files(host.look())
