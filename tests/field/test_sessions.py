# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users' sessions and units get on hosts whose sshd, PAM stacks, shells and drop-ins are as people leave them."""

from __future__ import annotations

import pytest
from host_folder import no_programs

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import drop_in
from ansible_collections.fourtuple.clients.plugins.module_utils.config import systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

MARK = "# Managed by fourtuple.clients (role limits). Changes here are overwritten.\n"
UNITS = "/etc/systemd/system"


@pytest.fixture
def debian(debian):
    """A Debian 12 that systemd runs, with the ssh server and haproxy, as installed."""
    debian.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n")
    debian.put("/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n")
    debian.put("/usr/lib/systemd/system/haproxy.service", "[Service]\nExecStart=/usr/sbin/haproxy\n")
    return debian


def check(host, **options):
    request = safety_check.CheckRequest(**options)
    return safety_check.check(host.look(live=True), request)


def carry_out(host, result, units=(), default=False):
    """Write and remove what role limits does, in its order; return how many files that changed."""
    grants, changes = result["grants"], []
    for unit in units:
        if grants["units"][unit] is not None:
            text = "[%(section)s]\nLimitNOFILE=%(limit)s\n" % grants["units"][unit]
            changes.append(drop_in.plan(host.look(), owned.unit_drop_in(unit), MARK + text))
    if default and grants["default"] is not None:
        text = "[Manager]\nDefaultLimitNOFILE=%s\n" % grants["default"]
        changes.append(drop_in.plan(host.look(), owned.MANAGER_DROP_IN, MARK + text))
    changes += [drop_in.plan(host.look(), path, None) for path in result["removals"]]
    due = [change for change in changes if drop_in.is_due(host.look(), change)]
    for change in due:
        drop_in.carry_out(host.look(), change, no_programs())
    return len(due)


@pytest.mark.parametrize(
    "path",
    [
        UNITS + "/haproxy.service.d/override.conf",
        UNITS + "/haproxy.service.d/limits.conf",
        UNITS + "/haproxy.service.d/zz-limits.conf",
        UNITS + "/haproxy.service.d/zzz.conf",
        UNITS + "/service.d/override.conf",
        UNITS + "/service.d/zzz-limits.conf",
        "/run/systemd/system/haproxy.service.d/override.conf",
        UNITS + ".control/haproxy.service.d/50-LimitNOFILE.conf",
    ],
)
def test_f12_a_drop_in_of_ours_wins_over_what_others_call_theirs(debian, path):
    """haproxy.service.d/override.conf has LimitNOFILE=65536; the target needs 200,000."""
    debian.put(path, "[Service]\nLimitNOFILE=65536\n")
    options = {"nofile_soft": 400000, "nofile_hard": 400000, "domains": [], "units": ["haproxy.service"]}
    result, message = check(debian, **options, needed=200064)
    assert (result["ok"], message, result["overridden"]) == (True, "", [])
    assert carry_out(debian, result, ["haproxy.service"]) == 1
    limit = systemd_limits.Units(debian.look()).limit("haproxy.service")
    assert limit == (400000, 400000, UNITS + "/haproxy.service.d/zzzz-fourtuple.conf", 3)


def test_f12_what_sorts_after_ours_all_the_same_is_named_and_refused_where_it_matters(debian):
    debian.put(UNITS + "/service.d/zzzzz.conf", "[Service]\nLimitNOFILE=65536\n")
    options = {"nofile_soft": 400000, "nofile_hard": 400000, "domains": [], "units": ["haproxy.service"]}
    result, message = check(debian, **options, needed=200064)
    assert [row["source"] for row in result["overridden"]] == [UNITS + "/service.d/zzzzz.conf"]
    assert message.startswith(UNITS + "/service.d/zzzzz.conf:2 is 65536; allowed: at least 200064")
    result, message = check(debian, **options, needed=65536)
    assert (result["ok"], len(result["overridden"])) == (True, 1)


@pytest.fixture
def tuned_before(debian):
    """A host that release 0.1.0 has tuned, whose names for its drop-ins were others."""
    debian.put(UNITS + "/haproxy.service.d/fourtuple.conf", MARK + "[Service]\nLimitNOFILE=400000:400000\n")
    debian.put("/etc/systemd/system.conf.d/fourtuple.conf", MARK + "[Manager]\nDefaultLimitNOFILE=400000:524288\n")
    return debian


def test_f12_a_host_with_the_names_of_before_gets_todays_in_one_run(tuned_before):
    options = {"nofile_soft": 400000, "nofile_hard": 524288, "domains": [], "units": ["haproxy.service"]}
    options["systemd_default"] = True
    result, _message = check(tuned_before, **options)
    assert result["removals"] == [
        "/etc/systemd/system.conf.d/fourtuple.conf",
        UNITS + "/haproxy.service.d/fourtuple.conf",
    ]
    assert carry_out(tuned_before, result, ["haproxy.service"], default=True) == 4
    assert sorted(path.name for path in tuned_before.path.glob("etc/systemd/**/*.conf")) == ["zzzz-fourtuple.conf"] * 2
    again, _message = check(tuned_before, **options)
    assert carry_out(tuned_before, again, ["haproxy.service"], default=True) == 0


def test_f12_a_migration_that_was_killed_goes_on_or_back(tuned_before):
    """Both names are there: the new one wins, each is removed by what comes next."""
    new = UNITS + "/haproxy.service.d/zzzz-fourtuple.conf"
    tuned_before.put(new, MARK + "[Service]\nLimitNOFILE=500000:500000\n")
    tree = tuned_before.look()
    assert systemd_limits.Units(tree).limit("haproxy.service") == (500000, 500000, new, 3)
    result, _message = check(tuned_before, state="absent")
    assert result["removals"] == [
        "/etc/systemd/system.conf.d/fourtuple.conf",
        UNITS + "/haproxy.service.d/fourtuple.conf",
        new,
    ]
    assert carry_out(tuned_before, result) == 3
    assert not list(tuned_before.path.glob("etc/systemd/**/*.conf"))
    assert not tuned_before.exists(UNITS + "/haproxy.service.d")


SSHD = "Max open files            %d                %d               files\n"
COMMON = "session [default=1] pam_permit.so\nsession requisite pam_deny.so\nsession required pam_permit.so\n"
LIMITS_D = "/etc/security/limits.d/99-zz-fourtuple.conf"
PLANNED = {"nofile_soft": 400000, "nofile_hard": 400000, "users": ["root"], "needed": 200064}


@pytest.fixture
def tuned(debian):
    """The same, with limits.d as we write it, PAM stacks as Debian has them, and the ssh server running."""
    debian.put(LIMITS_D, MARK + "".join("%s - nofile 400000\n" % name for name in ("*", "root")))
    debian.put("/proc/1/limits", SSHD % (1048576, 1048576))
    debian.put("/proc/200/comm", "sshd\n")
    debian.put("/proc/200/limits", SSHD % (1024, 524288))
    debian.put("/proc/200/cgroup", "0::/system.slice/ssh.service\n")
    debian.put(
        "/etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\n\n# As Debian has it\nX11Forwarding yes\nUsePAM yes\n",
    )
    for service in ("sshd", "login", "su", "sudo", "cron"):
        debian.put("/etc/pam.d/" + service, "session required pam_limits.so\n@include common-session\n")
    debian.put("/etc/pam.d/su-l", "session optional pam_keyinit.so force revoke\nsession include su\n")
    debian.put("/etc/pam.d/common-session", COMMON)
    debian.put("/etc/pam.d/other", "@include common-session\n")
    return debian


def session(host, user="root", ways=("ssh",)):
    return Subjects(host.look(), {}, ways=ways).user("users", user)


def limits(subject, when="now"):
    return (subject[when]["soft"], subject[when]["hard"])


@pytest.mark.parametrize("way", ["ssh", "console", "su", "sudo", "cron"])
def test_f11_a_way_in_whose_stack_runs_pam_limits_gives_what_limits_d_says(tuned, way):
    for user in ("root", "ann"):
        subject = session(tuned, user, [way])
        assert (limits(subject), limits(subject, "after_boot")) == ((400000, 400000),) * 2
        assert (subject["way"], subject["remedy"], subject["note"]) == (way, "", "")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf\n\n# As Debian has it\nX11Forwarding yes\nUsePAM no\n", ":5"),
        ("usepam=NO\nUsePAM yes\n", ":1"),
        ('"UsePAM" "no" # off\n', ":1"),
        ("Match User ann\nPasswordAuthentication no\nMatch all\nUsePAM no\n", ":4"),
        ("PermitRootLogin no\n#UsePAM yes\n", ""),
        ("", ""),
    ],
)
def test_f11_without_pam_an_ssh_session_keeps_what_the_ssh_server_has(tuned, text, place):
    """UsePAM no, in whatever spelling, or left out, as it is sshd's own default."""
    tuned.put("/etc/ssh/sshd_config", text)
    subject = session(tuned)
    assert (limits(subject), limits(subject, "after_boot")) == ((1024, 524288), (1024, 524288))
    assert (subject["by"], subject["kept_from"]) == ("/etc/ssh/sshd_config" + place, "ssh.service")
    result, message = check(tuned, **PLANNED)
    assert not result["ok"]
    assert message.startswith("/etc/ssh/sshd_config%s is 1024; allowed: at least 200064" % place)
    assert "UsePAM no: ssh sessions go without PAM, and keep what the ssh server has" in message
    assert "Set UsePAM yes" in message
    # Only where it matters: the target may need no more than there is.
    assert check(tuned, **dict(PLANNED, needed=1024))[0]["ok"]


def test_f11_the_remedies_work(tuned):
    tuned.put("/etc/ssh/sshd_config", "UsePAM no\n")
    assert check(tuned, **PLANNED, units=["ssh.service"])[1] == ""
    tuned.put(UNITS + "/ssh.service.d/fourtuple.conf", MARK + "[Service]\nLimitNOFILE=400000\n")
    tuned.put("/proc/200/limits", SSHD % (400000, 400000))
    assert limits(session(tuned)) == limits(session(tuned), "after_boot") == (400000, 400000)
    assert check(tuned, **PLANNED, units=["ssh.service"])[1] == ""
    tuned.put("/etc/ssh/sshd_config", "UsePAM yes\n")
    tuned.put("/proc/200/limits", SSHD % (1024, 524288))
    assert check(tuned, **PLANNED)[1] == ""


@pytest.mark.parametrize(
    ("path", "text", "place"),
    [
        ("/etc/ssh/sshd_config.d/10-site.conf", "UsePAM no\n", "/etc/ssh/sshd_config.d/10-site.conf:1"),
        ("/etc/default/ssh", "SSHD_OPTS='-4 -o UsePAM=no'\n", "/etc/default/ssh:1"),
        (
            UNITS + "/ssh.service.d/x.conf",
            "[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D -oUsePAM=no\n",
            UNITS + "/ssh.service.d/x.conf:3",
        ),
        ("/etc/pam.d/sshd", "@include common-session\n# session required pam_limits.so\n", "/etc/pam.d/sshd"),
        ("/etc/pam.d/sshd", "-session include common-session\nauth required pam_limits.so\n", "/etc/pam.d/sshd"),
        (
            "/etc/pam.d/sshd",
            "session [success=1 default=ignore] pam_succeed_if.so quiet uid >= 500\n"
            "session required \\\n pam_limits.so\n"
            "session required pam_unix.so\n",
            "/etc/pam.d/sshd:2",
        ),
        ("/etc/pam.d/sshd", "session sufficient pam_unix.so\nsession required pam_limits.so\n", "/etc/pam.d/sshd:2"),
        (
            "/etc/pam.d/sshd",
            "session required pam_limits.so conf=/etc/security/ssh.conf\n",
            "/etc/pam.d/sshd:1",
        ),
    ],
)
def test_f11_whatever_else_keeps_ssh_sessions_from_limits_d_is_named(tuned, path, text, place):
    tuned.put(
        "/usr/lib/systemd/system/ssh.service",
        "[Service]\nEnvironmentFile=-/etc/default/ssh\nExecStart=sshd -D $SSHD_OPTS\n",
    )
    tuned.put("/etc/security/ssh.conf", "\n")
    assert check(tuned, **PLANNED)[0]["ok"]
    tuned.put(path, text)
    result, message = check(tuned, **PLANNED)
    (short,) = result["shortfalls"]
    assert (short["by"], short["way"], short["soft"]) == (place, "ssh", 1024)
    assert message.startswith(place + " is 1024; allowed: at least 200064")


def test_f11_conf_gives_what_its_own_file_says(tuned):
    tuned.put("/etc/pam.d/sshd", "session required pam_limits.so conf=/etc/security/ssh.conf\n")
    tuned.put("/etc/security/ssh.conf", "root - nofile 300000\n")
    assert limits(session(tuned)) == (300000, 300000)
    assert session(tuned)["by"] == "/etc/security/ssh.conf:1"
    assert check(tuned, **PLANNED)[0]["ok"]
    assert "set the limit in /etc/security/ssh.conf" in check(tuned, **dict(PLANNED, needed=350000))[1]


def test_f11_the_lowest_of_the_ways_asked_for_counts(tuned):
    tuned.put("/etc/pam.d/cron", "@include common-session\n")
    tuned.put("/usr/lib/systemd/system/cron.service", "[Service]\nLimitNOFILE=2048:4096\n")
    assert limits(session(tuned, "ann", ["ssh", "su"])) == (400000, 400000)
    subject = session(tuned, "ann", ["ssh", "cron", "su"])
    assert (limits(subject), subject["way"], subject["kept_from"]) == ((2048, 4096), "cron", "cron.service")
    _result, message = check(tuned, **PLANNED, ways=["ssh", "cron"])
    assert message.startswith("/etc/pam.d/cron is 2048; allowed: at least 200064")
    assert "Add the line 'session required pam_limits.so' to /etc/pam.d/cron" in message
    assert check(tuned, **PLANNED, ways=["ssh"])[0]["ok"]


def test_f11_a_users_unit_has_the_soft_limit_of_the_kernel(tuned):
    tuned.put("/etc/pam.d/systemd-user", "session required pam_limits.so\n")
    assert limits(session(tuned, "ann", ["user_service"])) == (1024, 400000)
    _result, message = check(tuned, **PLANNED, ways=["user_service"])
    assert "Set DefaultLimitNOFILE= in a file of /etc/systemd/user.conf.d" in message
    tuned.put("/etc/systemd/user.conf.d/x.conf", "[Manager]\nDefaultLimitNOFILE=1000000\n")
    # No more than the user's manager has.
    assert limits(session(tuned, "ann", ["user_service"])) == (400000, 400000)
    assert check(tuned, **PLANNED, ways=["user_service"])[0]["ok"]


def test_f11_a_host_that_says_nothing_of_sshd_and_pam_is_as_distributions_have_it(debian):
    debian.put(LIMITS_D, MARK + "root - nofile 400000\n")
    assert limits(session(debian)) == (400000, 400000)
