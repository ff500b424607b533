# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import os

import pytest
from host_folder import no_programs

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import drop_in
from ansible_collections.fourtuple.clients.plugins.module_utils.host import files
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

LIMITS = owned.LIMITS_DROP_IN
UNIT = "/etc/systemd/system/app.service.d/zzzz-fourtuple.conf"
HEADER = owned.OWNER_MARK + "\n"


@pytest.fixture
def debian(debian):
    debian.put("/sbin/init", "")
    debian.put("/usr/lib/systemd/system/app.service", "[Service]\nExecStart=/bin/true\n")
    return debian


def change(host, path, content):
    planned = drop_in.plan(host.look(), path, content)
    if planned.before != planned.after:
        drop_in.carry_out(host.look(), planned, no_programs())
    return planned


def limits(hard):
    return HEADER + "* hard nofile %d\n" % hard


def test_a_file_is_written_replaced_and_removed(debian):
    assert change(debian, LIMITS, limits(600000)) == (LIMITS, None, limits(600000))
    assert change(debian, LIMITS, limits(700000)) == (LIMITS, limits(600000), limits(700000))
    assert debian.text(LIMITS) == limits(700000)
    assert os.listdir(debian.path / "etc/security/limits.d") == ["99-zz-fourtuple.conf"]
    assert change(debian, LIMITS, None) == (LIMITS, limits(700000), None)
    assert os.listdir(debian.path / "etc/security/limits.d") == []


def test_a_drop_in_directory_goes_with_the_last_file(debian):
    change(debian, UNIT, HEADER + "[Service]\nLimitNOFILE=600000\n")
    debian.put("/etc/systemd/system/app.service.d/other.conf", "[Service]\n")
    change(debian, UNIT, None)
    assert debian.exists("/etc/systemd/system/app.service.d/other.conf")
    (debian.path / "etc/systemd/system/app.service.d/other.conf").unlink()
    change(debian, UNIT, HEADER + "[Service]\nLimitNOFILE=600000\n")
    change(debian, UNIT, None)
    assert not debian.exists("/etc/systemd/system/app.service.d")


def test_what_a_killed_run_left_of_a_file_is_removed(debian):
    for path in (UNIT, owned.MANAGER_DROP_IN, LIMITS):
        debian.put(files.unfinished(path), "[Ser")
        planned = drop_in.plan(debian.look(), path, None)
        assert drop_in.is_due(debian.look(), planned)
        drop_in.carry_out(debian.look(), planned, no_programs())
        assert not drop_in.is_due(debian.look(), planned)
    assert sorted(os.listdir(debian.path / "etc/systemd")) == ["system"]
    assert os.listdir(debian.path / "etc/systemd/system") == os.listdir(debian.path / "etc/security/limits.d") == []
    (debian.path / "etc/systemd/system/app.service.d").mkdir()
    assert drop_in.is_due(debian.look(), drop_in.plan(debian.look(), UNIT, None))


def test_a_limit_above_the_nr_open_of_now_or_of_the_next_boot_is_refused(debian):
    with pytest.raises(Refusal) as now:
        change(debian, LIMITS, limits(2000000))
    assert str(now.value).startswith(
        LIMITS + ":2 is 2000000; allowed: at most 1048576, fs.nr_open now. Nothing was written to " + LIMITS
    )
    assert not debian.exists(LIMITS)
    debian.sysctl(fs__nr_open=3000000)
    with pytest.raises(Refusal, match=r"at most 1048576, fs.nr_open after the next reboot"):
        change(debian, UNIT, HEADER + "[Service]\nLimitNOFILE=2000000\n")
    assert not debian.exists(UNIT)
    change(debian, owned.SYSCTL_DROP_IN, HEADER + "fs.nr_open = 3000000\n")
    change(debian, UNIT, HEADER + "[Service]\nLimitNOFILE=2000000\n")


def test_an_nr_open_that_a_limit_needs_stays_in_its_drop_in(debian):
    debian.sysctl(fs__nr_open=3000000)
    change(debian, owned.SYSCTL_DROP_IN, HEADER + "fs.nr_open = 3000000\n")
    change(debian, LIMITS, limits(2000000))
    for lower in (HEADER + "fs.nr_open = 1500000\n", None):
        with pytest.raises(Refusal, match=r"at most .* after the next reboot"):
            change(debian, owned.SYSCTL_DROP_IN, lower)
    assert debian.text(owned.SYSCTL_DROP_IN) == HEADER + "fs.nr_open = 3000000\n"
    change(debian, LIMITS, None)
    change(debian, owned.SYSCTL_DROP_IN, None)


def test_somebody_elses_limit_that_was_above_before_stops_nothing(debian):
    debian.put("/etc/security/limits.d/10-site.conf", "tester hard nofile 5000000\n")
    change(debian, LIMITS, limits(600000))
    assert debian.text(LIMITS) == limits(600000)


def test_a_limit_that_ours_held_back_is_not_brought_to_light(debian):
    debian.put("/etc/security/limits.d/10-site.conf", "* hard nofile 5000000\n")
    debian.put(LIMITS, limits(600000))
    with pytest.raises(Refusal, match=r"10-site.conf:1 is 5000000"):
        change(debian, LIMITS, None)
    assert debian.exists(LIMITS)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/systemd/system/a/b.d/fourtuple.conf",
        LIMITS + "x",
        "",
        "/etc/systemd/network/a/b.network.d/fourtuple.conf",
        "/etc/systemd/network/b.link.d/fourtuple.conf",
    ],
)
def test_only_our_own_files(debian, path):
    with pytest.raises(Refusal, match="path"):
        drop_in.plan(debian.look(), path, HEADER)


@pytest.mark.parametrize("path", [*owned.unit_drop_ins("app.service"), *owned.MANAGER_DROP_INS])
def test_by_its_earlier_name_a_drop_in_is_only_removed(debian, path):
    section = "[Manager]\nDefaultLimitNOFILE=5000" if "system.conf.d" in path else "[Service]\nLimitNOFILE=5000"
    debian.put(path, HEADER + section + "\n")
    assert change(debian, path, None).before is not None
    assert not (debian.path / path.lstrip("/")).parent.exists()
    if path.endswith(owned.UNIT_DROP_IN_NAME):
        change(debian, path, HEADER + section + "\n")
    else:
        with pytest.raises(Refusal, match=r"zzzz-fourtuple[.]conf"):
            change(debian, path, HEADER + section + "\n")


@pytest.mark.parametrize(
    "path",
    ["/etc/systemd/network/10-eth0.network.d/fourtuple.conf", owned.IFUPDOWN_BATCH, owned.MODULES_LOAD],
)
def test_files_that_limit_nothing_are_written_without_reading_every_limit(debian, monkeypatch, path):
    monkeypatch.setattr(hard_limits, "find", lambda *_arguments, **_options: pytest.fail("limits were read"))
    change(debian, path, HEADER + "x\n")
    assert debian.text(path) == HEADER + "x\n"
    change(debian, path, None)
    assert not debian.exists(path)
    assert debian.exists("/etc/systemd/network") is False or os.listdir(debian.path / "etc/systemd/network") == []


def test_a_script_can_be_run_and_is_corrected_where_it_cannot(debian):
    script = "#!/bin/sh\n%sexit 0\n" % HEADER
    change(debian, owned.IFUPDOWN_HOOK, script)
    place = debian.path / owned.IFUPDOWN_HOOK[1:]
    assert place.stat().st_mode & 0o777 == 0o755
    host = debian.look()
    assert not drop_in.is_due(host, drop_in.plan(host, owned.IFUPDOWN_HOOK, script))
    place.chmod(0o644)
    host = debian.look()
    again = drop_in.plan(host, owned.IFUPDOWN_HOOK, script)
    assert drop_in.is_due(host, again)
    drop_in.carry_out(host, again, no_programs())
    assert place.stat().st_mode & 0o777 == 0o755


def test_neither_a_file_of_others_nor_a_text_without_our_mark(debian):
    debian.put(LIMITS, "* hard nofile 5\n")
    with pytest.raises(Refusal, match="rename or remove that file"):
        drop_in.plan(debian.look(), LIMITS, HEADER)
    with pytest.raises(Refusal, match="content is"):
        drop_in.plan(debian.look(), UNIT, "[Service]\n")


def test_one_process_at_a_time_and_no_file_left_of_that(debian, monkeypatch):
    before = sorted(os.listdir(debian.path / "etc"))
    monkeypatch.setattr(files, "_LONGEST_WAIT", 0.1)
    other = os.open(debian.path / "etc", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError, match="another run"), files.locked(debian.root):
        pytest.fail("two at a time")
    os.close(other)
    with files.locked(debian.root):
        pass
    assert sorted(os.listdir(debian.path / "etc")) == before
