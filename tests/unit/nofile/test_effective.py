# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

DROP_IN = "/etc/security/limits.d/x.conf"
UNIT = "/etc/systemd/system/app.service"
LIMITS = "Limit Soft Hard Units\nMax open files %d %d files\n"
NO_CAPABILITIES = "Name:\tsystemd\nCapEff:\t0000000000000000\n"


@pytest.fixture
def debian(debian):
    """A Debian that systemd runs, with an ssh server as a unit that does not run."""
    debian.put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbroken\n")
    debian.put("/etc/group", "root:x:0:\nann:x:1000:\nload:x:2000:bob,ann\nbroken:x\n")
    debian.put("/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd\n")
    debian.put("/proc/1/limits", LIMITS % (1048576, 1048576))
    debian.put("/proc/1/comm", "systemd\n")
    debian.put("/proc/1/cgroup", "0::/init.scope\n")
    return debian


def process(host, pid, name, soft, hard, unit="app.service"):
    host.put("/proc/%d/limits" % pid, LIMITS % (soft, hard))
    host.put("/proc/%d/comm" % pid, name + "\n")
    host.put("/proc/%d/cgroup" % pid, "0::/system.slice/%s\n" % unit)


def ask(host, accounts=None):
    return Subjects(host.look(), accounts or {})


def limits(subject, when="now"):
    return (subject[when]["soft"], subject[when]["hard"])


@pytest.fixture
def debian_13(debian):
    debian.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "/proc/sys/fs/nr_open\0")
    return debian


def test_debian_12_starts_from_process_1(debian):
    """As seen there: ssh sessions have 1024 and PID 1's hard limit, whatever the ssh server has."""
    process(debian, 50, "sshd", 7, 8, "ssh.service")
    found = ask(debian).user("users", "ann")
    assert limits(found) == limits(found, "after_boot") == (1024, 1048576)
    assert found["by"].startswith("/proc/1/limits, ")
    debian.put(DROP_IN, "ann soft nofile 700\n")
    assert limits(ask(debian).user("users", "ann")) == (700, 1048576)
    debian.put("/run/systemd/container", "podman")
    debian.put("/proc/1/limits", LIMITS % (20000, 20000))
    assert limits(ask(debian).user("users", "ann"), "after_boot") == (700, 20000)


def test_a_session_inherits_what_services_get(debian_13):
    debian = debian_13
    assert ask(debian).user("users", "ann") == {
        "kind": "user",
        "name": "ann",
        "now": {"soft": 1024, "hard": 524288},
        "after_boot": {"soft": 1024, "hard": 524288},
        "by": "DefaultLimitNOFILE= of systemd",
        "note": "",
        "way": "ssh",
        "remedy": "",
        "kept_from": None,
    }
    debian.put("/etc/systemd/system/ssh.service.d/a.conf", "[Service]\nLimitNOFILE=2000:3000\n")
    process(debian, 50, "sshd", 7, 8, "ssh.service")
    found = ask(debian).user("users", "ann")
    assert (limits(found), limits(found, "after_boot")) == ((7, 8), (2000, 3000))
    assert found["by"] == "/etc/systemd/system/ssh.service.d/a.conf:2"


def test_debian_12_refuses_sessions_without_a_file_that_it_wants(debian):
    (debian.path / "etc/security/limits.conf").unlink()
    found = ask(debian).user("users", "ann")
    assert limits(found) == limits(found, "after_boot") == (0, 0)
    assert found["note"] == "the session is refused: pam_limits cannot read /etc/security/limits.conf"


def test_debian_12_does_not_come_to_that_file_after_a_line_that_stops(debian):
    process(debian, 50, "sshd", 7, 8, "ssh.service")
    debian.put("/etc/security/limits.conf", "ann -\n")
    (debian.path / "etc/security/limits.d/a.conf").symlink_to("nothing")
    assert limits(ask(debian).user("users", "ann")) == (7, 8)
    assert limits(ask(debian).user("users", "root")) == (0, 0)


def test_a_line_that_stops_pam_limits_leaves_what_is_inherited(debian):
    process(debian, 50, "sshd", 7, 8, "ssh.service")
    debian.put(DROP_IN, "ann hard nofile 5000\nann -\n")
    assert limits(ask(debian).user("users", "ann")) == (7, 8)


def test_lines_of_pam_limits(debian):
    debian.put(DROP_IN, "* soft nofile 5000\n@load hard nofile 600000\n")
    found = ask(debian).user("users", "ann")
    assert (limits(found), found["by"], found["note"]) == ((5000, 600000), DROP_IN + ":2", "")
    # Neither of them is for root on Debian.
    assert limits(ask(debian).user("users", "root")) == (1024, 1048576)


def test_one_line_alone_is_clipped(debian_13):
    debian = debian_13
    debian.put(DROP_IN, "* soft nofile 600000\n")
    assert limits(ask(debian).user("users", "ann")) == (524288, 524288)
    debian.put(DROP_IN, "* hard nofile 500\n")
    assert limits(ask(debian).user("users", "ann")) == (500, 500)


def test_debian_keeps_what_is_inherited_when_the_kernel_refuses(debian):
    debian.put(DROP_IN, "* hard nofile 2000000\n* soft nofile 5000\n")
    found = ask(debian).user("users", "ann")
    assert limits(found) == limits(found, "after_boot") == (1024, 524288)
    assert found["note"] == DROP_IN + ":1: pam_limits cannot set 2000000, the session keeps what it inherits"
    debian.put("/etc/sysctl.d/a.conf", "fs.nr_open=3000000\n")
    found = ask(debian).user("users", "ann")
    assert (limits(found), limits(found, "after_boot")) == ((1024, 524288), (5000, 2000000))


def test_upstream_refuses_the_session(debian):
    debian.put("/etc/os-release", "ID=rocky\nID_LIKE=rhel\n")
    debian.put(DROP_IN, "* hard nofile 2000000\n")
    found = ask(debian).user("users", "ann")
    assert limits(found) == (0, 0)
    assert found["note"] == "the session is refused: 2000000 is more than it may have"


def test_without_cap_sys_resource_no_hard_limit_is_raised(debian):
    debian.put("/proc/1/status", NO_CAPABILITIES)
    debian.put("/proc/1/limits", LIMITS % (20000, 20000))
    debian.put(DROP_IN, "* - nofile 30000\n")
    process(debian, 50, "sshd", 7, 8, "ssh.service")
    # 30000, and PID 1's 20000 alike.
    assert limits(ask(debian).user("users", "ann")) == (7, 8)
    debian.put(DROP_IN, "")
    assert limits(ask(debian).user("users", "ann")) == (7, 8)


def test_accounts_of_the_name_service(debian):
    debian.put(DROP_IN, "@far - nofile 700\n")
    accounts = {"eve": {"uid": 70000, "gid": 70000, "groups": [["far", 70000]]}}
    assert limits(ask(debian, accounts).user("users", "eve")) == (700, 700)
    with pytest.raises(Refusal, match="tune_users is 'eve'; allowed: users of this host"):
        ask(debian).user("tune_users", "eve")


def test_without_systemd_process_1_decides(debian):
    (debian.path / "run/systemd/system").rmdir()
    debian.put("/proc/1/limits", LIMITS % (10, 20))
    subjects = ask(debian)
    assert limits(subjects.user("users", "root")) == (10, 20)
    (debian.path / "proc/1/limits").unlink()
    (debian.path / "usr/lib/systemd/systemd").unlink()
    assert limits(ask(debian).user("users", "root")) == (1024, 4096)
    assert ask(debian).every_unit() is None


def test_a_unit_that_does_not_run(debian):
    debian.put(UNIT, "[Service]\nLimitNOFILE=100:200\n")
    found = ask(debian).unit("units", "app.service")
    assert (limits(found), limits(found, "after_boot"), found["by"]) == ((100, 200), (100, 200), UNIT + ":2")
    assert (found["pid"], found["descriptors"], found["memory_cgroups"]) == (None, None, [])


def test_a_running_unit_has_what_its_processes_have(debian):
    debian.put(UNIT, "[Service]\nLimitNOFILE=100:200\n")
    process(debian, 60, "app", 50, 60)
    process(debian, 61, "worker", 70, 80)
    for number in range(3):
        debian.put("/proc/60/fd/%d" % number, "")
    found = ask(debian).unit("units", "app.service")
    assert (limits(found), limits(found, "after_boot")) == ((70, 80), (100, 200))
    assert (found["pid"], found["descriptors"]) == (60, 3)


def test_more_than_systemd_can_set(debian):
    debian.put(UNIT, "[Service]\nLimitNOFILE=infinity\n")
    assert limits(ask(debian).unit("units", "app.service")) == (1048576, 1048576)
    debian.put(UNIT, "[Service]\nLimitNOFILE=5:2000000\n")
    assert limits(ask(debian).unit("units", "app.service")) == (5, 1048576)


def test_a_lowered_nr_open_stops_units(debian):
    debian.put("/etc/sysctl.conf", "fs.nr_open=210000\n")
    debian.put("/etc/sysctl.d/99-sysctl.conf", "fs.nr_open=210000\n")
    found = ask(debian).every_unit()
    assert (found["name"], limits(found), limits(found, "after_boot")) == (
        hard_limits.EVERY_UNIT,
        (1024, 524288),
        (0, 0),
    )
    assert found["note"] == "the unit fails with 205/LIMITS: 524288 is above fs.nr_open, 210000"
    # Where nothing is left to set, nothing is refused: the unit keeps what PID 1 has.
    for limit, got in (("infinity", (1048576, 1048576)), ("5:infinity", (0, 0))):
        debian.put(UNIT, "[Service]\nLimitNOFILE=%s\n" % limit)
        assert limits(ask(debian).unit("units", "app.service"), "after_boot") == got


def test_unknown_units(debian):
    with pytest.raises(Refusal, match=r"tune_units is 'app\.service'"):
        ask(debian).unit("tune_units", "app.service")


def test_named_processes(debian):
    process(debian, 60, "app", 50, 60)
    process(debian, 61, "app", 51, 61)
    subjects = ask(debian)
    assert [(found["pid"], found["unit"], limits(found)) for found in subjects.named("app")] == [
        (60, "app.service", (50, 60)),
        (61, "app.service", (51, 61)),
    ]
    assert [found["by"] for found in subjects.named("61")] == ["/proc/61/limits:2"]
    (missing,) = subjects.named("other")
    assert (missing["now"], missing["pid"], missing["note"]) == (None, None, "not running")


def test_the_reader(debian):
    assert ask(debian).reader() is None
    debian.put("/proc/self/limits", LIMITS % (1, 2))
    debian.put("/proc/self/cgroup", "0::/user.slice/session-1.scope\n")
    found = ask(debian).reader()
    assert (found["name"], found["unit"], found["by"]) == ("this session", "session-1.scope", "/proc/self/limits:2")


def test_offenders(debian):
    debian.put(DROP_IN, "* hard nofile 2000000\n")
    process(debian, 60, "app", 50, 3000000)
    found = [(one.limit.source, one.when) for one in ask(debian).lockout().offenders]
    assert found == [(DROP_IN, "now"), (DROP_IN, "after_boot"), ("/proc/60/limits", "now")]


def test_what_cannot_be_read_is_unknown(debian, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", debian.root + DROP_IN)

    debian.put(UNIT, "[Service]\n")
    subjects = ask(debian)
    monkeypatch.setattr("ansible_collections.fourtuple.clients.plugins.module_utils.config.pam_limits.entries", refuse)
    monkeypatch.setattr(
        "ansible_collections.fourtuple.clients.plugins.module_utils.config.systemd_limits.default", refuse
    )
    assert subjects.user("users", "ann")["now"] is None
    assert subjects.unit("units", "app.service")["after_boot"] is None
    assert subjects.every_unit()["now"] is None
    assert [entry["what"] for entry in subjects.host.unread] == [DROP_IN]
