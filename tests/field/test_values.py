# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in other people's sysctl files: as the kernel takes them, or refuses them."""

from __future__ import annotations

import pytest
from limits_builder import limits_of
from observed import OBSERVED

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    NR_OPEN,
    PORT_RANGE,
    RESERVED_PORTS,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

LIMITS = "Max open files            %d                 %d                files\n"
DEFAULT_RANGE = "32768 60999"


@pytest.fixture
def debian(debian):
    """A Debian that systemd runs, as installed."""
    debian.put("/proc/1/limits", LIMITS % (1048576, 1048576))
    debian.sysctl(
        fs__nr_open=1048576,
        net__core__somaxconn=4096,
        net__ipv4__ip_local_port_range="32768\t60999",
        net__ipv4__ip_local_reserved_ports="",
        net__ipv4__ip_unprivileged_port_start=1024,
        net__ipv4__tcp_mem="1 2 3",
    )
    debian.put("/proc/sys/fs/file-max", "9223372036854775807\n")
    return debian


@pytest.fixture
def sysvinit(debian):
    """The same, where procps' sysctl --system applies the files at boot."""
    (debian.path / "run/systemd/system").rmdir()
    return debian


def check(host, **options):
    request = safety_check.CheckRequest(names=Names("limits_"), **options)
    return safety_check.check(host.look(live=True), request)


def apply(host, floors=None, values=None, reserved_ports=()):
    request = KeysRequest(floors or {}, values or {}, reserved_ports, True, Names("sysctl_"))
    return sysctl_change.plan_present(host.look(), request)


def persist(change):
    return {plan.key: plan.persist for plan in change.keys}


def told(change):
    """Return the warnings about refused lines, as the module gives them."""
    return [(line["key"], line["file"], line["value"]) for line in (found.as_dict() for found in change.refused)]


def limits(host):
    return whole.snapshot(host.look(), OBSERVED, whole.SnapshotRequest())


def tuned(host, **keys):
    """Let the host have our drop-in, and live what it says."""
    lines = {key.replace("__", "."): value for key, value in keys.items()}
    host.put(owned.SYSCTL_DROP_IN, OWNER_MARK + "\n" + "".join("%s = %s\n" % line for line in lines.items()))
    host.sysctl(**keys)


@pytest.mark.parametrize("comment", ["", "  # max handles", " ; max handles", "\t1048576", " 0"])
@pytest.mark.parametrize("number", ["210000", "0x33450", "0632120"])
def test_f1_a_number_with_more_behind_it_is_that_number(debian, number, comment):
    """A guide for a search engine sets nr_open with a comment behind: services with 524288 do not start."""
    debian.put("/etc/sysctl.d/60-search.conf", "fs.nr_open=%s%s\n" % (number, comment))
    result, message = check(debian)
    assert (result["ok"], result["nr_open_after_boot"]) == (False, 210000)
    assert result["nr_open_source"] == "/etc/sysctl.d/60-search.conf:1"
    assert "/etc/sysctl.d/60-search.conf:1" in message
    assert "524288" in message
    assert limits(debian)["keys"][NR_OPEN]["after_boot"] == "210000"


def test_f1_such_a_line_beats_ours_where_it_sorts_after_it(debian):
    """The same line in a file that sorts after ours: planned 2,000,000, and 210,000 after a reboot."""
    debian.put("/etc/sysctl.d/zz-search.conf", "fs.nr_open=210000  # max handles\n")
    result, message = check(debian, nr_open=2000000, nofile_hard=2000000)
    assert (result["ok"], result["nr_open_after_boot"]) == (False, 210000)
    assert "remove or raise fs.nr_open in /etc/sysctl.d/zz-search.conf:1, which beats the planned 2000000" in message
    (line,) = apply(debian, floors={NR_OPEN: 2000000}).overridden
    assert (line["source"], line["line"], line["value"]) == ("/etc/sysctl.d/zz-search.conf", 1, "210000")
    assert limits(debian)["overrides"][0]["value"] == "210000"


@pytest.mark.parametrize(
    "value",
    ["1000 65535", "2000-60000", "2000,60000", '"2000 60000"', "60000 2000", "1023 60000", "1024 65536", "61000"],
)
def test_f2_a_port_range_that_the_kernel_refuses_is_no_rival(debian, value):
    """An MQTT broker's file sorts after ours and begins the range below the first unprivileged port."""
    tuned(debian, net__ipv4__ip_local_port_range="1024 65535")
    debian.put("/etc/sysctl.d/zz-emqx.conf", "# tuning\nnet.ipv4.ip_local_port_range = %s\n" % value)
    found = limits(debian)
    assert (found["overrides"], found["drift"]) == ([], [])
    (line,) = found["refused"]
    assert (line["key"], line["file"], line["value"]) == (PORT_RANGE, "/etc/sysctl.d/zz-emqx.conf:2", value)
    assert "two ports from 1024 to 65535" in line["why"]
    change = apply(debian, values={PORT_RANGE: "1024 65535"})
    assert change.overridden == []
    assert told(change) == [(PORT_RANGE, "/etc/sysctl.d/zz-emqx.conf:2", value)]


def test_f2_systemd_then_writes_no_line_at_all_and_procps_ours(debian):
    """systemd-sysctl keeps the last line of a key alone: refused, the key has the kernel's default."""
    tuned(debian, net__ipv4__ip_local_port_range="1024 65535")
    debian.put("/etc/sysctl.d/zz-emqx.conf", "net.ipv4.ip_local_port_range = 1000 65535\n")
    found = limits(debian)
    assert found["keys"][PORT_RANGE]["after_boot"] is None
    assert "one of ours would not be set at the next reboot: remove or correct that line" in found["refused"][0]["why"]
    (debian.path / "run/systemd/system").rmdir()
    found = limits(debian)
    assert (found["keys"][PORT_RANGE]["after_boot"], found["keys"][PORT_RANGE]["by"]) == (
        "1024 65535",
        owned.SYSCTL_DROP_IN + ":2",
    )
    assert "systemd" not in found["refused"][0]["why"]


def test_f2_the_range_may_begin_lower_where_the_files_say_so(debian):
    """The first unprivileged port is a key of its own, and the files may lower it first."""
    debian.put("/etc/sysctl.d/50-low.conf", "net.ipv4.ip_unprivileged_port_start = 80\n")
    debian.put("/etc/sysctl.d/zz-emqx.conf", "net.ipv4.ip_local_port_range = 1000 65535\n")
    found = limits(debian)
    assert (found["refused"], found["keys"][PORT_RANGE]["after_boot"]) == ([], "1000 65535")


def test_f2_a_glob_is_judged_too(debian):
    """What a glob sets is as refused as what a name sets, and once our file names the key the glob is passed over."""
    debian.put("/etc/sysctl.d/zz.conf", "net.ipv4.ip_local_port_r* = 1000 65535\n")
    (line,) = sysctl_d.refused_lines(debian.look(), [PORT_RANGE])
    assert (line.path, line.line, line.unwritten) == ("/etc/sysctl.d/zz.conf", 1, False)
    planned = debian.look().planning(sysctl_d.drop_in({PORT_RANGE: "1024 65535"}))
    assert sysctl_d.refused_lines(planned, [PORT_RANGE]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (NR_OPEN, "10000000000"),
        (NR_OPEN, "2147483585"),
        (NR_OPEN, "1e7"),
        (NR_OPEN, "10_000_000"),
        (NR_OPEN, "unlimited"),
        (NR_OPEN, "-1"),
        ("fs.file-max", "18446744073709551615"),
        ("fs.file-max", "9223372036854775808"),
        ("fs.file-max", "-1"),
    ],
)
def test_f3_a_line_that_the_kernel_refuses_is_no_floor(debian, key, value):
    """An article's number is too great for the kernel: it must not come into our plan, which would then fail."""
    debian.put("/etc/sysctl.d/50-x.conf", "%s = %s\n" % (key, value))
    debian.sysctl(fs__nr_open=1048576)
    debian.put("/proc/sys/fs/file-max", "400000\n")
    change = apply(debian, floors={key: 2000000})
    assert persist(change) == {key: "2000000"}
    assert told(change) == [(key, "/etc/sysctl.d/50-x.conf:1", value)]
    assert "the kernel refuses it and takes a whole number from" in change.refused[0].as_dict()["why"]
    assert limits(debian)["refused"][0]["file"] == "/etc/sysctl.d/50-x.conf:1"


def test_f3_and_warned_of_in_a_plan():
    """The controller has the snapshot alone."""
    line = {"key": NR_OPEN, "file": "/etc/sysctl.d/50-x.conf:1", "value": "10000000000", "why": "it is too much"}
    warnings = planner.plan(limits_of(refused=[line]), {})["warnings"]
    assert warnings == ["fs.nr_open: /etc/sysctl.d/50-x.conf:1 sets 10000000000, which sets nothing: it is too much."]
    snapshot_of_before = limits_of()
    del snapshot_of_before["refused"]
    assert planner.plan(snapshot_of_before, {})["warnings"] == []


def test_f3_a_refused_line_after_ours_is_a_lockout_under_systemd_alone(debian):
    """Nobody writes nr_open at the next reboot, so a limit of 2,000,000 would be above the kernel's default."""
    debian.put("/etc/sysctl.d/zz-x.conf", "fs.nr_open = 10000000000\n")
    result, message = check(debian, nr_open=2000000, nofile_hard=2000000)
    assert (result["ok"], result["nr_open_after_boot"]) == (False, 1048576)
    assert "/etc/sysctl.d/zz-x.conf:1" in message
    assert "because of which the planned 2000000 is not set at boot" in message
    assert apply(debian, floors={NR_OPEN: 2000000}).refused[0].unwritten
    (debian.path / "run/systemd/system").rmdir()
    assert check(debian, nr_open=2000000, nofile_hard=2000000)[0]["ok"]
    assert not apply(debian, floors={NR_OPEN: 2000000}).refused[0].unwritten


def test_f3_procps_leaves_what_an_earlier_line_set(sysvinit):
    """An earlier valid line of others holds, where procps applies the files; it is the floor then."""
    sysvinit.put("/etc/sysctl.d/50-x.conf", "fs.nr_open = 3000000\nfs.nr_open = 10000000000\n")
    assert persist(apply(sysvinit, floors={NR_OPEN: 2000000})) == {NR_OPEN: "3000000"}
    assert limits(sysvinit)["keys"][NR_OPEN]["by"] == "/etc/sysctl.d/50-x.conf:1"


@pytest.mark.parametrize(
    ("option", "key", "value", "allowed"),
    [
        ("floors", NR_OPEN, 10000000000, "a whole number from 0 to 2147483584"),
        ("floors", "fs.file-max", 2**64 - 1, "a whole number from 0 to 9223372036854775807"),
        ("floors", "net.ipv4.tcp_rmem", 4096, "a key that holds one number"),
        ("values", NR_OPEN, "1e6", "a whole number from 64 to 2147483584"),
        ("values", "net.ipv4.tcp_tw_reuse", 3, "a whole number from 0 to 2"),
        ("values", "net.ipv4.tcp_rmem", "4096,131072,6291456", "3 numbers from 1 to 2147483647"),
    ],
)
def test_f3_what_the_operator_asks_for_is_refused_beforehand(debian, option, key, value, allowed):
    """The variable is named, and the bounds of the key, before anything is written."""
    with pytest.raises(Refusal) as refusal:
        apply(debian, **{option: {key: value}})
    assert refusal.value.where == "sysctl_%s[%s]" % (option, key)
    assert allowed in refusal.value.allowed


@pytest.mark.parametrize(
    "value",
    ['"30000-32767"', "30000-32767 # node ports", "8080, 9090", "30000:32767", "8080 9090", ",8080", "70000", "9-1"],
)
def test_f4_a_list_of_ports_that_the_kernel_refuses_is_nobodys_fault(debian, value):
    """A Kubernetes guide quotes the list, or a person writes a space: the host is not refused because of it."""
    debian.put("/etc/sysctl.d/50-k8s.conf", "\nnet.ipv4.ip_local_reserved_ports = %s\n" % value)
    change = apply(debian, values={PORT_RANGE: "1024 65535"}, reserved_ports=[7000])
    assert persist(change)[RESERVED_PORTS] == "7000"
    assert told(change) == [(RESERVED_PORTS, "/etc/sysctl.d/50-k8s.conf:2", value)]
    found = limits(debian)
    assert found["keys"][RESERVED_PORTS]["after_boot"] is None
    assert [line["file"] for line in found["refused"]] == ["/etc/sysctl.d/50-k8s.conf:2"]


@pytest.mark.parametrize("value", ["8080,", "8080,8080", "0x1f90", "017620"])
def test_f4_a_list_that_the_kernel_takes_is_merged(debian, value):
    """What looks odd and is taken counts."""
    debian.put("/etc/sysctl.d/50-k8s.conf", "net.ipv4.ip_local_reserved_ports = %s\n" % value)
    assert persist(apply(debian, reserved_ports=[7000])) == {RESERVED_PORTS: "7000,8080"}
    assert limits(debian)["keys"][RESERVED_PORTS]["after_boot"] == "8080"


def test_f5_the_kernels_maximum_is_kept(debian):
    """systemd from 258 on sets the kernel's maximum as it starts, and takes it for its own limit."""
    debian.sysctl(fs__nr_open=2147483584)
    debian.put("/proc/1/limits", LIMITS % (1024, 2147483584))
    result, message = check(debian, nr_open=2147483584, nofile_hard=2147483584)
    assert (result["ok"], message) == (True, "")
    assert check(debian)[0]["nr_open_after_boot"] == 2147483584
    (key,) = apply(debian, floors={NR_OPEN: 1048576}).keys
    assert (key.outcome, key.persist) == ("kept", "2147483584")
    with pytest.raises(Refusal, match="limits_nofile_hard is 2147483585; allowed: a whole number from 1 to 2147483584"):
        check(debian, nofile_hard=2147483585)


@pytest.mark.parametrize("value", ["2147483584", "0x7fffffc0", "2147483584 # for validators"])
def test_f5_a_file_with_the_maximum_is_kept(debian, value):
    """A guide for validators sets the maximum in a file: a limit as high as that fits."""
    debian.put("/etc/sysctl.d/60-validator.conf", "fs.nr_open = %s\n" % value)
    debian.put("/etc/security/limits.d/90-validator.conf", "* - nofile 2000000000\n")
    debian.sysctl(fs__nr_open=2147483584)
    result, message = check(debian)
    assert (result["ok"], message, result["nr_open_after_boot"]) == (True, "", 2147483584)
    assert persist(apply(debian, floors={NR_OPEN: 1048576})) == {NR_OPEN: "2147483584"}


def test_f5_a_maximum_that_somebody_has_typed_in_is_gone_after_a_boot(debian):
    """PID 1 has met the kernel's default: the live maximum is from somebody's sysctl -w."""
    debian.sysctl(fs__nr_open=2147483584)
    assert check(debian)[0]["nr_open_after_boot"] == 1048576


@pytest.mark.parametrize("found", [1073741816, 1073741820, 536870908, 1073741792])
def test_f5_what_other_systemds_end_at(debian, found):
    """systemd 240 to 257 halves its way down, by its own and by the kernel's word; 258 of 32 bits sets its maximum."""
    debian.put("/proc/1/limits", LIMITS % (1024, found))
    assert check(debian)[0]["nr_open_after_boot"] == found


def test_f5_of_a_kernel_of_32_bits_the_maximum_is_its_own(debian):
    """min(INT_MAX, ~0UL / sizeof(void *)) & -BITS_PER_LONG."""
    debian.sysctl(kernel__arch="armv7l")
    debian.put("/etc/sysctl.d/60.conf", "fs.nr_open = 1073741793\n")
    assert check(debian)[0]["nr_open_after_boot"] == 1048576
    with pytest.raises(Refusal, match="a whole number from 1 to 1073741792"):
        check(debian, nofile_hard=1073741793)
    with pytest.raises(Refusal, match="a whole number from 0 to 2147483647"):
        apply(debian, floors={"fs.file-max": 2**31})


def test_f5_the_plan_goes_by_the_same_maximum():
    """The controller knows the machine."""
    limits = limits_of(keys={NR_OPEN: 2147483584})
    found = planner.plan(limits, {"explicit": {"nofile_hard": 2147483584}})
    assert found["settings"]["sysctl_floors"][NR_OPEN] == 2147483584
    refused = planner.plan(limits, {"explicit": {"nofile_hard": 2147483585}})
    assert "allowed: a whole number from 1 to 2147483584" in refused["refusal"]
    of_32_bits = limits_of(host={"machine": "armv7l"})
    refused = planner.plan(of_32_bits, {"explicit": {"nofile_hard": 1073741793}})
    assert "allowed: a whole number from 1 to 1073741792" in refused["refusal"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("1024 65535", "1024\t65535 # x"), ("1024 65535", "0x400 0xffff"), ("1024 65535", "02000 65535 5")],
)
def test_values_are_compared_by_what_the_kernel_makes_of_them(debian, ours, theirs):
    """Another spelling of our own value is nobody's rival, now or after a reboot."""
    tuned(debian, net__ipv4__ip_local_port_range=ours)
    debian.put("/etc/sysctl.d/zz.conf", "net.ipv4.ip_local_port_range = %s\n" % theirs)
    found = limits(debian)
    assert (found["overrides"], found["drift"], found["refused"]) == ([], [], [])
    change = apply(debian, values={PORT_RANGE: ours})
    assert (change.overridden, change.refused) == ([], [])
