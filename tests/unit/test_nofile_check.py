# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

import jinja2
import pytest
import yaml

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_limits, systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    grants,
    hard_limits,
    safety_check,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.safety_check import CheckRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DROP_IN = "/etc/security/limits.d/99-zz-fourtuple.conf"
CRON = "/usr/lib/systemd/system/cron.service"
CRON_DROP_IN = "/etc/systemd/system/cron.service.d/zzzz-fourtuple.conf"
TABLE = "Max open files %d %d files\n"


@pytest.fixture
def debian(debian):
    """A Debian 12 that systemd runs, as installed."""
    debian.put(CRON, "[Service]\nExecStart=/usr/sbin/cron -f\n")
    return debian


def ask(host, live=True, **options):
    return safety_check.check(host.look(live), CheckRequest(**options))


def brief(result):
    return [
        (o["source"], o["line"], o.get("domain") or o.get("unit"), o["value"], o["maximum"], o["when"])
        for o in result["offenders"]
    ]


def test_a_host_as_installed_is_safe(debian):
    result, message = ask(debian)
    assert (result["ok"], result["offenders"], message) == (True, [], "")
    assert (result["nr_open_now"], result["nr_open_after_boot"], result["nofile_hard_max"]) == (
        1048576,
        1048576,
        524288,
    )


def test_the_articles_host_would_lose_its_services(debian):
    """nr_open=210000 as the article advises, and nofile in limits.conf."""
    debian.put("/etc/sysctl.conf", "fs.nr_open=210000\n")
    debian.put("/etc/sysctl.d/99-sysctl.conf", "fs.file-max=200000\nfs.nr_open=210000\n")
    debian.put("/etc/security/limits.conf", "root soft nofile 300000\nroot hard nofile 300000\n")
    result, message = ask(debian)
    assert brief(result) == [
        ("/etc/security/limits.conf", 2, "root", 300000, 210000, "after_boot"),
        (hard_limits.systemd_limits.BUILT_IN_SOURCE, 0, hard_limits.EVERY_UNIT, 524288, 210000, "after_boot"),
    ]
    assert (
        "/etc/security/limits.conf:2: domain root, hard nofile 300000, maximum 210000 after the next reboot" in message
    )
    assert "210000 after the next reboot from /etc/sysctl.d/99-sysctl.conf:2" in message
    assert message.endswith("or lower these limits to at most 210000.")


def test_what_comes_of_it_is_said(debian):
    refuses = "pam_limits of this host refuses a session that is to get such a limit, root's too."
    goes_on = "pam_limits of this host logs such a limit, and leaves the session with what it inherits."
    not_started = "After the next reboot systemd does not start such a unit (205/LIMITS)."

    def consequences():
        return [line for line in (refuses, goes_on, not_started) if line in ask(debian)[1].splitlines()]

    debian.put("/etc/security/limits.conf", "* hard nofile 2000000\n")
    assert consequences() == [goes_on]
    debian.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "Could not set limit for '%s': %m\0")
    assert consequences() == [refuses]
    debian.put("/etc/systemd/system/loadgen.service", "[Service]\nLimitNOFILE=2000000\n")
    # systemd then asks for less, its own hard limit: the kernel's default of nr_open.
    assert consequences() == [refuses]
    debian.put("/etc/sysctl.d/90-article.conf", "fs.nr_open=210000\n")
    assert consequences() == [refuses, not_started]
    # As on Debian 13, whose PID 1 has the most there can be: a unit with infinity keeps that, and starts.
    debian.sysctl(fs__nr_open=hard_limits.nr_open_bounds(debian.look())[1])
    debian.put("/etc/sysctl.d/90-article.conf", "fs.nr_open=1048576\n")
    assert consequences() == [refuses, not_started]
    debian.put("/etc/systemd/system/loadgen.service", "[Service]\nLimitNOFILE=infinity\n")
    assert consequences() == [refuses]
    assert "unit loadgen.service, hard nofile infinity, maximum 1048576 after the next reboot" in ask(debian)[1]


def test_a_hardened_host_is_safe(debian):
    """As dev-sec's os_hardening leaves it: core dumps off by files of other names, a low soft limit."""
    debian.put("/etc/security/limits.d/10.hardcore.conf", "* hard core 0\n* soft nofile 1024\n* hard nofile 65536\n")
    debian.put("/etc/sysctl.d/99-hardening.conf", "fs.suid_dumpable = 0\nkernel.randomize_va_space = 2\n")
    result, _message = ask(debian, nofile_hard=1000000, nofile_soft=1000000)
    assert result["ok"]
    assert result["grants"]["domains"]["*"] == {"soft": 1000000, "hard": 1000000}


def test_planned_limits_above_nr_open_name_the_variable(debian):
    result, message = ask(debian, nofile_hard=2000000, nofile_soft=5, units=["cron.service"], names=Names("limits_"))
    assert brief(result)[0] == ("limits_nofile_hard", 0, "*", 2000000, 1048576, "now")
    assert ("limits_nofile_hard", 0, "cron.service", 2000000, 1048576, "after_boot") in brief(result)
    assert "limits_nofile_hard: domain *, hard nofile 2000000, maximum 1048576 now" in message
    assert "first raise fs.nr_open to at least 2000000" in message


def test_a_planned_nr_open_makes_room(debian):
    result, _message = ask(debian, nofile_hard=2000000, nofile_soft=2000000, nr_open=2000000)
    assert result["ok"]
    assert (result["nr_open_now"], result["nr_open_after_boot"]) == (1048576, 2000000)


def test_a_file_that_beats_the_planned_nr_open(debian):
    debian.put("/etc/sysctl.d/zzz.conf", "fs.nr_open = 1048576\n")
    result, message = ask(debian, nofile_hard=2000000, nofile_soft=2000000, nr_open=2000000, domains=["*"])
    assert brief(result) == [("nofile_hard", 0, "*", 2000000, 1048576, "after_boot")]
    assert "1048576 after the next reboot from /etc/sysctl.d/zzz.conf:1" in message
    way_out = "Either remove or raise fs.nr_open in /etc/sysctl.d/zzz.conf:1, which beats the planned 2000000, or lower"
    assert way_out in message
    _result, message = ask(debian, nofile_hard=3000000, nr_open=2000000)
    assert "Either plan fs.nr_open as at least 3000000, or lower" in message


def test_a_planned_nr_open_below_a_limit_in_force(debian):
    debian.put("/proc/77/limits", TABLE % (1, 700000))
    debian.put("/proc/77/comm", "worker\n")
    result, _message = ask(debian, nr_open=600000)
    assert brief(result) == [("/proc/77/limits", 1, "worker", 700000, 600000, "now")]
    assert ask(debian, nr_open=600000, live=False)[0]["ok"]


def test_a_container_cannot_have_the_plan(debian):
    debian.put("/run/systemd/container", "podman\n")
    result, message = ask(debian, nofile_hard=2000000, nr_open=2000000, domains=["*"])
    assert result["container"]
    assert [row[-1] for row in brief(result)] == ["now", "after_boot"]
    assert "belongs to the machine under this container: raise it there to 2000000" in message


def test_an_image_has_no_present(debian):
    result, message = ask(debian, live=False, nofile_hard=2000000, domains=["*"])
    assert result["nr_open_now"] is None
    assert [row[-1] for row in brief(result)] == ["after_boot"]
    assert "unknown now" in message


def test_a_limit_that_no_nr_open_allows(debian):
    debian.put("/etc/security/limits.conf", "* hard nofile -5\n")
    assert "No fs.nr_open can be that high: lower these limits to at most 1048576." in ask(debian)[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"nofile_hard": "unlimited"},
            "limits_nofile_hard is 'unlimited'; allowed: a whole number from 1 to 2147483584",
        ),
        ({"nofile_hard": True}, "limits_nofile_hard is True.*booleans: write a number"),
        ({"nofile_soft": "1e6"}, "limits_nofile_soft is '1e6'"),
        ({"nofile_hard": 0}, "limits_nofile_hard is 0"),
        ({"nr_open": 63}, "limits_nr_open is 63"),
        ({"nofile_soft": 6, "nofile_hard": 5}, "limits_nofile_soft is 6; allowed: at most limits_nofile_hard, 5"),
        ({"nofile_hard": 5, "state": "absent"}, "limits_state is 'absent'"),
        ({"planned_files": {"etc/x": None}}, r"limits_planned_files\[etc/x\] is None; allowed: an absolute path"),
        ({"planned_files": {"/etc/x": 5}}, r"limits_planned_files\[/etc/x\] is 5"),
        ({"nofile_hard": 5, "domains": ["a b"]}, "limits_domains is 'a b'"),
        ({"nofile_hard": 5, "domains": ["%g"]}, "limits_domains is '%g'"),
        ({"nofile_hard": 5, "domains": ["x:1"]}, "limits_domains is 'x:1'"),
        ({"nofile_hard": 5, "units": ["nginx"]}, "limits_units is 'nginx'.*for example nginx.service"),
        ({"nofile_hard": 5, "units": ["nginx.service"]}, "limits_units is 'nginx.service'; allowed: units with a file"),
    ],
)
def test_refusals(debian, options, words):
    with pytest.raises(Refusal, match=words):
        ask(debian, names=Names("limits_"), **options)


def test_units_without_systemd_are_refused(host):
    host.sysctl(fs__nr_open=1048576)
    with pytest.raises(Refusal, match="host without systemd"):
        ask(host, nofile_hard=5, units=["cron.service"])
    with pytest.raises(Refusal, match="systemd_default is"):
        ask(host, nofile_hard=5, systemd_default=True)
    assert ask(host, nofile_hard=5)[0]["ok"]


def test_nobody_gets_less_than_other_files_grant(debian):
    debian.put("/etc/security/limits.d/50.conf", "* hard nofile 900000\n* soft nofile 10\nroot - nofile unlimited\n")
    debian.put(CRON, "[Service]\nLimitNOFILE=5:800000\n")
    debian.put("/usr/lib/systemd/system/b.service", "[Service]\nLimitNOFILE=infinity\n")
    debian.put("/usr/lib/systemd/system/c.service", "[Service]\nLimitNOFILE=5:infinity\n")
    result, _message = ask(
        debian, nofile_soft=100, nofile_hard=200, units=["cron.service", "b.service", "c.service"], systemd_default=True
    )
    assert result["grants"] == {
        "domains": {"*": {"soft": 100, "hard": 900000}},
        "units": {
            "cron.service": {"section": "Service", "limit": "100:800000"},
            "b.service": None,
            "c.service": {"section": "Service", "limit": "100:infinity"},
        },
        "default": None,
    }
    assert result["ok"]


def test_a_limit_copied_from_another_file_is_that_files(debian):
    debian.put("/etc/security/limits.d/50.conf", "* hard nofile 2000000\n")
    debian.put(CRON, "[Service]\nLimitNOFILE=5:3000000\n")
    result, _message = ask(debian, nofile_soft=100, nofile_hard=200, units=["cron.service"], domains=["*"])
    assert {row[:4] for row in brief(result)} == {
        ("/etc/security/limits.d/50.conf", 1, "*", 2000000),
        (CRON, 2, "cron.service", 3000000),
    }


def test_a_plan_for_soft_alone(debian):
    result, _message = ask(debian, nofile_soft=2000, domains=["*"])
    assert result["grants"]["domains"] == {"*": {"soft": 2000, "hard": None}}


def test_less_than_sessions_have_anyway_is_not_written(debian):
    result, _message = ask(debian, nofile_soft=100, nofile_hard=65536, domains=["*"])
    assert result["grants"]["domains"] == {"*": {"soft": 1024, "hard": 524288}}
    # Debian 12's pam_limits starts from the limits of PID 1, its soft one cut to 1024.
    debian.put("/proc/1/limits", TABLE % (1048576, 1048576))
    result, _message = ask(debian, nofile_soft=100, nofile_hard=65536, domains=["*"])
    assert result["grants"]["domains"] == {"*": {"soft": 1024, "hard": 1048576}}
    # Where somebody has lowered it for everybody, a higher one is no loss.
    debian.put("/etc/security/limits.conf", "* hard nofile 4096\n")
    result, _message = ask(debian, nofile_soft=100, nofile_hard=65536, domains=["*"])
    assert result["grants"]["domains"] == {"*": {"soft": 1024, "hard": 65536}}


def test_who_ends_with_less_than_needed_is_named_with_the_line(debian):
    debian.put("/etc/security/limits.d/zzz.conf", "root - nofile 4096\nbob -\n")
    debian.put("/etc/passwd", "root:x:0:0::/:/bin/sh\nbob:x:5:5::/:/bin/sh\nann:x:6:6::/:/bin/sh\n")
    debian.put("/etc/systemd/system/cron.service.d/zzzzz.conf", "[Service]\nLimitNOFILE=7\n")

    def short(needed, users=("root", "bob", "ann"), units=("cron.service",), domains=("*", "root")):
        result, message = ask(
            debian, nofile_soft=600000, nofile_hard=600000, domains=domains, units=units, users=users, needed=needed
        )
        assert result["ok"] == (not result["shortfalls"]) == (message == "")
        return [(one["name"], one["soft"], one["by"]) for one in result["shortfalls"]], message

    assert short(1) == ([], "")
    found, message = short(300000)
    zzz = "/etc/security/limits.d/zzz.conf:"
    assert found == [
        ("root", 4096, zzz + "1"),
        ("bob", 1024, zzz + "2"),
        ("cron.service", 7, "/etc/systemd/system/cron.service.d/zzzzz.conf:2"),
    ]
    assert message.splitlines()[0] == (
        zzz + "1 is 4096; allowed: at least 300000, the soft nofile that user root needs. Raise or remove that line, "
        "or rename its file to sort before ours."
    )
    found, message = short(300000, ["ann"], [], ["root"])
    assert found == [("ann", 1024, "DefaultLimitNOFILE= of systemd")]
    assert message.endswith("that user ann needs. Name it in domains.")
    found, message = short(700000, ["ann"], [])
    assert found == [("ann", 600000, DROP_IN + ":3")]
    assert message.endswith("Raise nofile_soft and nofile_hard.")
    with pytest.raises(Refusal, match="users is 'eve'"):
        short(1, ["eve"])


def test_a_session_needs_as_much_after_a_boot_as_now(debian):
    debian.put("/proc/50/comm", "sshd\n")
    debian.put("/proc/50/limits", TABLE % (600000, 600000))
    result, message = ask(debian, nofile_hard=600000, domains=["@ops"], users=["root"], needed=300000)
    assert not result["ok"]
    assert message == (
        "DefaultLimitNOFILE= of systemd is 1024; allowed: at least 300000, the soft nofile that user root needs. "
        "Name it in domains."
    )


def test_what_a_killed_run_left_is_removed_but_no_empty_directory_of_others(debian):
    debian.put(hard_limits.unfinished(DROP_IN), "* ha")
    for unit in ("cron.service", "other.service", "half.service"):
        (debian.path / "etc/systemd/system" / (unit + ".d")).mkdir(parents=True)
    half = owned.unit_drop_in("half.service")
    debian.put(hard_limits.unfinished(half), "[Ser")
    absent, _message = ask(debian, state="absent", units=["cron.service"])
    assert absent["removals"] == [DROP_IN, CRON_DROP_IN, half]
    assert absent["own_files"] == []


def test_lines_that_beat_ours_are_named(debian):
    debian.put("/etc/security/limits.d/zzz.conf", "* hard nofile 9\nalice hard nofile unlimited\nbob -\n")
    debian.put("/etc/systemd/system/cron.service.d/zzzzz.conf", "[Service]\nLimitNOFILE=7:infinity\n")
    debian.put("/etc/systemd/system.conf.d/zzzzz.conf", "[Manager]\nDefaultLimitNOFILE=8\n")
    result, _message = ask(
        debian,
        nofile_soft=100,
        nofile_hard=100,
        domains=["*", "bob", "alice"],
        units=["cron.service"],
        systemd_default=True,
    )
    assert [(row["source"], row["line"], row["value"], row["wanted"]) for row in result["overridden"]] == [
        ("/etc/security/limits.d/zzz.conf", 1, 9, 100),
        ("/etc/security/limits.d/zzz.conf", 3, "no limits", 100),
        ("/etc/systemd/system/cron.service.d/zzzzz.conf", 2, "7:infinity", "100:infinity"),
        ("/etc/systemd/system.conf.d/zzzzz.conf", 2, "8:8", "100:100"),
    ]


def write(host, result):
    """Write what the role would write, from the role's own templates."""
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)  # noqa: S701 no HTML
    templates = REPOSITORY / "roles/limits/templates"

    def render(name, **variables):
        return environment.from_string((templates / name).read_text()).render(
            __limits_check=result, __limits_role="limits", **variables
        )

    if result["grants"]["domains"]:
        host.put(DROP_IN, render("limits.conf.j2"))
    for unit, value in result["grants"]["units"].items():
        if value:
            item = {"key": unit, "value": value}
            host.put("/etc/systemd/system/%s.d/zzzz-fourtuple.conf" % unit, render("unit.conf.j2", item=item))
    if result["grants"]["default"]:
        host.put(owned.MANAGER_DROP_IN, render("system.conf.j2"))


def test_the_templates_write_what_was_checked(debian):
    options = {"nofile_soft": 700000, "nofile_hard": 800000, "units": ["cron.service"], "systemd_default": True}
    debian.put("/etc/security/limits.d/50.conf", "root hard nofile unlimited\n")
    result, _message = ask(debian, **options)
    request = CheckRequest(**options)
    host = debian.look()
    plan = grants.make_plan(host, 700000, 800000, request.domains, request.units, True)
    planned = grants.planned(host, plan)
    write(debian, result)
    written = debian.look()
    assert plan.files() == result["planned_files"]
    assert sorted(plan.files()) == hard_limits.own_files(written)
    build = pam_limits.behaviour(written)
    assert pam_limits.entries(written, build) == pam_limits.entries(planned, build)
    assert systemd_limits.default(written) == systemd_limits.default(planned)
    limits = [systemd_limits.units(look).limit("cron.service") for look in (written, planned)]
    assert limits[0] == limits[1] == (700000, 800000, CRON_DROP_IN, 3)
    first, _newline, rest = debian.text(DROP_IN).partition("\n")
    assert first == owned.OWNER_MARK + ": role limits. Changes here are overwritten."
    assert rest == "* soft nofile 700000\n* hard nofile 800000\nroot soft nofile 700000\n"
    again, _message = ask(debian, **options)
    assert again["grants"] == result["grants"]
    assert again["removals"] == []
    assert again["own_files"] == [DROP_IN, owned.MANAGER_DROP_IN, CRON_DROP_IN]
    # A unit that is no longer named.
    fewer, _message = ask(debian, nofile_soft=700000, nofile_hard=800000)
    assert fewer["removals"] == [owned.MANAGER_DROP_IN, CRON_DROP_IN]
    absent, _message = ask(debian, state="absent")
    assert absent["removals"] == [DROP_IN, owned.MANAGER_DROP_IN, CRON_DROP_IN]


def test_removal_must_not_bring_a_limit_to_light(debian):
    debian.put("/etc/security/limits.d/50.conf", "* hard nofile 2000000\nbob hard nofile 3000000\n")
    debian.put(DROP_IN, owned.OWNER_MARK + "\n* hard nofile 1000\n")
    result, _message = ask(debian, state="absent")
    assert {row[:4] for row in brief(result)} == {("/etc/security/limits.d/50.conf", 1, "*", 2000000)}


def test_what_an_earlier_step_plans_is_taken_for_done(debian):
    planned = {"/proc/sys/fs/nr_open": "2000000\n", "/etc/sysctl.d/99-zz-fourtuple.conf": "fs.nr_open = 2000000\n"}
    assert not ask(debian, nofile_hard=2000000)[0]["ok"]
    result, _message = ask(debian, nofile_hard=2000000, planned_files=planned)
    assert (result["ok"], result["nr_open_now"], result["nr_open_after_boot"]) == (True, 2000000, 2000000)
    assert result["planned_files"] == {
        **planned,
        DROP_IN: owned.OWNER_MARK + "\n* hard nofile 2000000\nroot hard nofile 2000000\n",
    }
    debian.put(DROP_IN, owned.OWNER_MARK + "\n* hard nofile 1000\n")
    assert ask(debian, state="absent")[0]["planned_files"] == {DROP_IN: None}


def test_units_that_need_a_restart(debian):
    debian.put("/proc/1/limits", TABLE % (1048576, 1048576))
    for pid, unit, soft, hard in [(5, "cron", 1024, 524288), (6, "b", 524288, 524288), (8, "c", 9, 1048576)]:
        debian.put("/usr/lib/systemd/system/%s.service" % unit, "[Service]\n")
        debian.put("/proc/%d/limits" % pid, TABLE % (soft, hard))
        debian.put("/proc/%d/cgroup" % pid, "0::/system.slice/%s.service\n" % unit)
    debian.put("/usr/lib/systemd/system/c.service", "[Service]\nLimitNOFILE=infinity\n")
    debian.put("/usr/lib/systemd/system/idle.service", "[Service]\n")
    units = ["cron.service", "b.service", "c.service", "idle.service"]
    assert ask(debian, units=units)[0]["restart_needed"] == ["c.service"]
    planned = ask(debian, units=units, nofile_soft=1000000, nofile_hard=1000000)[0]
    assert planned["restart_needed"] == ["b.service", "c.service", "cron.service"]
    # A unit that is no longer named but still has our drop-in is looked at too.
    debian.put(CRON_DROP_IN, owned.OWNER_MARK + "\n[Service]\nLimitNOFILE=600000\n")
    assert ask(debian)[0]["restart_needed"] == ["cron.service"]
    assert ask(debian, state="absent")[0]["restart_needed"] == []


def test_a_container_whose_pid_1_may_not_raise_limits(debian):
    debian.put("/run/systemd/container", "podman\n")
    debian.put("/proc/1/status", "CapEff:\t00000000a82435fb\n")
    debian.put("/proc/1/limits", TABLE % (20000, 20000))
    debian.put("/proc/5/limits", TABLE % (1024, 20000))
    debian.put("/proc/5/cgroup", "0::/system.slice/cron.service\n")
    assert ask(debian, units=["cron.service"])[0]["restart_needed"] == []
    planned = {"units": ["cron.service"], "nofile_soft": 1000000, "nofile_hard": 1000000}
    assert ask(debian, **planned)[0]["restart_needed"] == ["cron.service"]
    debian.put("/proc/5/limits", TABLE % (20000, 20000))
    assert ask(debian, **planned)[0]["restart_needed"] == []


def test_report_takes_only_the_running_host_as_live(debian):
    assert safety_check.report(Host(debian.root), CheckRequest())[0]["nr_open_now"] is None


def module(**arguments):
    """Run the module itself, as Ansible would on a host."""
    arguments.update(_ansible_remote_tmp="/tmp", _ansible_keep_remote_files=False)
    script = (
        "import json, sys\n"
        "from ansible.module_utils import basic\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.fourtuple.clients.plugins.modules import nofile_check\n"
        "with patch_module_args(json.loads(sys.argv[1])):\n"
        "    nofile_check.main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)],
        env={"PYTHONPATH": str(REPOSITORY / "playbooks/collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, json.loads(run.stdout)


def test_the_module_reports_and_fails(debian):
    status, result = module(root=debian.root, nofile_hard=2000000, domains=["*"], variable_prefix="limits_")
    assert (status, result["ok"], result["failed"]) == (1, False, True)
    assert "limits_nofile_hard: domain *, hard nofile 2000000" in result["msg"]
    status, result = module(root=debian.root, nofile_hard=2000000, domains=["*"], enforce=False)
    assert (status, result["ok"], result["changed"]) == (0, False, False)
    status, result = module(root=debian.root, nofile_hard="unlimited")
    assert (status, "nofile_hard is 'unlimited'" in result["msg"]) == (1, True)
    debian.put("/etc/security/limits.d/zzz.conf", "* hard nofile 9\n")
    assert "beats our 100" in json.dumps(module(root=debian.root, nofile_hard=100)[1]["warnings"])


def test_the_argument_specs_equal_the_defaults():
    role = REPOSITORY / "roles/limits"
    options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    assert {name: option.get("default") for name, option in options.items()} == defaults


def test_everything_is_read_once_and_the_processes_are_counted_once(debian):
    """Three files a process, one a unit; the groups of PID 1 and of this process are compared with everybody's."""
    for number in range(100):
        debian.put("/usr/lib/systemd/system/app%d.service" % number, "[Service]\n")
        debian.put("/proc/%d/limits" % (number + 1), TABLE % (1024, 524288))
        debian.put("/proc/%d/cgroup" % (number + 1), "0::/system.slice/app%d.service\n" % number)
        debian.put("/proc/%d/comm" % (number + 1), "app\n")
    with looking(debian.root) as seen:
        ask(debian, nofile_soft=700000, nofile_hard=800000, nr_open=1000000, users=["root"], needed=5000)
    assert seen.pop("/proc/1/cgroup") <= 4
    assert {path: times for path, times in seen.items() if times > 2} == {}
    assert sum(seen.values()) <= 400 + 60
    assert seen["/proc"] == 1


@contextlib.contextmanager
def looking(root):
    """Count what is opened or listed below a folder: path -> how often."""
    seen = collections.Counter()

    def counted(call):
        def counting(path, *arguments, **options):
            if isinstance(path, str) and path.startswith(root):
                seen[path[len(root) :]] += 1
            return call(path, *arguments, **options)

        return counting

    with mock.patch("os.open", counted(os.open)), mock.patch("os.listdir", counted(os.listdir)):
        yield seen


COUNT = r"""
import collections, json, sys
sys.path = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import safety_check
opened, listed, counting = collections.Counter(), collections.Counter(), []

def count(event, arguments):
    # os.open() has no mode, and is called by open() here.
    if counting and event == "open" and arguments[1] is not None:
        opened[str(arguments[0])] += 1
    elif counting and event in ("os.listdir", "os.scandir"):
        listed[str(arguments[0])] += 1

sys.addaudithook(count)
counting.append(True)
safety_check.report(Host(), safety_check.CheckRequest(nofile_hard=500000, nr_open=2000000, users=["root"], needed=1000))
counting.clear()
print(json.dumps([opened, listed]))
"""


def test_a_check_reads_each_file_and_directory_of_a_host_once() -> None:
    """This machine is the host. Of PID 1 two parts of the check want to know more than of other processes."""
    command = [sys.executable, "-c", COUNT, json.dumps(sys.path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    opened, listed = json.loads(done.stdout)
    assert "/etc/security/limits.conf" in opened
    assert {path: number for path, number in opened.items() if number > 1 and not path.startswith("/proc/1/")} == {}
    assert max(opened.values()) <= 3
    assert {path: number for path, number in listed.items() if number > 1} == {}
    assert listed["/proc"] == 1
    # What the processes do not account for is the configuration: a host has a few hundred files of it at most.
    assert len([path for path in opened if not path.startswith("/proc/")]) < 300
