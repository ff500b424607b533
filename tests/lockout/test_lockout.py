# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hard nofile above fs.nr_open does to a host, and that the collection refuses it beforehand.

docs/lockout.md is the record of what these tests find.
"""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Collection, Login, Machine

#: The kernel's own nr_open, what Debian 12 boots with; Debian 13's systemd 257 halves INT_MAX until it fits.
NR_OPEN = 1048576
MAX = 1073741816
HARD = 2000000

#: What PID 1 asks for units, and the observer of conftest.py has: each tells who it was that a session inherits from.
UNITS_HARD = 524288
OBSERVERS_HARD = 4096

LIMITS_CONF = "/etc/security/limits.d/90-clients.conf"
LIMITS = "".join("%s %s nofile %d\n" % (domain, kind, HARD) for domain in ("*", "root") for kind in ("soft", "hard"))

UNIT = """[Service]
ExecStart=/bin/sleep infinity
LimitNOFILE=%s

[Install]
WantedBy=multi-user.target
"""
UNITS = {"number.service": str(HARD), "infinity.service": "infinity"}
UNIT_FILES = {"/etc/systemd/system/" + unit: UNIT % limit for unit, limit in UNITS.items()}

SYSTEM_CONF = "/etc/systemd/system.conf.d/90-clients.conf"

#: As hardening guides have it; Debian 12 has this value without any file. Files that sort after ours: others, the
#: collection's own drop-in beats, and corrects.
KERNELS_OWN = {"bookworm": {}, "trixie": {"/etc/sysctl.d/zz-hardening.conf": "fs.nr_open = %d\n" % NR_OPEN}}

#: The value of old articles.
ARTICLE = "/etc/sysctl.d/zz-article.conf"
ARTICLES = 210000

#: And their file: Debian 13 does not read /etc/sysctl.conf at boot.
ARTICLES_FILE = {"bookworm": "/etc/sysctl.conf", "trixie": "/etc/sysctl.d/90-article.conf"}

#: Every way in. cron has no session of its own on a host that has not booted since.
WAYS = {"ssh root", "ssh tester", "su root", "su tester", "sudo", "console", "cron"}
FROM_OBSERVER = {"su root", "su tester", "sudo"}

#: ssh's exit status: sshd lets in and then gives no session (its do_child), or there is no sshd.
NO_SESSION, NO_SERVER = 254, 255

#: By which people get in, and the network; terminal.service is the console of conftest.py.
EVERYBODYS = {"ssh.service", "cron.service", "terminal.service", "systemd-networkd.service"}

PAM_LOG = "pam_limits|pam_open_session|PAM failed|[Uu]nable to dlopen|faulty module"


def files_of(machine: Machine, state: str) -> dict[str, str]:
    """Return the files that make a state out of a fresh host."""
    if state == "above":
        return {LIMITS_CONF: LIMITS, **UNIT_FILES, **KERNELS_OWN[machine.release]}
    if state == "default":
        return {SYSTEM_CONF: "[Manager]\nDefaultLimitNOFILE=%d\n" % HARD, **KERNELS_OWN[machine.release]}
    return {ARTICLE: "fs.nr_open=%d\n" % ARTICLES}


@pytest.fixture
def written(machine: Machine) -> t.Callable[[str], None]:
    """Return a function that makes a host on which somebody has written files, but has not booted it since."""

    def make(state: str) -> None:
        if not machine.restore_if_saved(state):
            machine.restore("fresh")
            machine.write(files_of(machine, state))
            machine.observe("systemctl --quiet enable %s" % " ".join(UNITS) if state == "above" else "true")
            machine.save(state)

    return make


@pytest.fixture
def booted(machine: Machine, written: t.Callable[[str], None]) -> t.Callable[[str], None]:
    """Return a function that makes the host of ``written`` after its next reboot."""

    def make(state: str) -> None:
        if not machine.restore_if_saved(state + "-booted"):
            written(state)
            machine.reboot()
            machine.save(state + "-booted")

    return make


def hard_limits(sessions: dict[str, Login]) -> dict[str, int]:
    """Return the hard limit of every session; none may have been refused."""
    assert {way: session for way, session in sessions.items() if session.status} == {}
    return {way: int(session.output) for way, session in sessions.items()}


def limit_of(machine: Machine, unit: str) -> int:
    """Return the hard limit that a running unit really has."""
    return hard_limit(machine, "$(systemctl show -P MainPID %s)" % unit)


def hard_limit(machine: Machine, process: str) -> int:
    return int(machine.observe("awk '/open files/ { print $5 }' /proc/%s/limits" % process))


def offenders(result: dict[str, t.Any]) -> set[tuple[str, int, str, object, int, str]]:
    """Return who is above which nr_open, and when, without the processes that run."""
    return {
        (one["source"], one["line"], one.get("domain") or one["unit"], one["value"], one["maximum"], one["when"])
        for one in result["offenders"]
        if not one["source"].startswith("/proc/")
    }


# --- hard nofile above fs.nr_open, in limits.conf and in units ---


def test_limits_above_nr_open_in_files_are_refused_before_the_boot(
    machine: Machine, collection: Collection, written: t.Callable[[str], None]
) -> None:
    written("above")
    checked = collection.check()
    boots_lower = machine.release == "trixie"
    times = ["after_boot"] if boots_lower else ["now", "after_boot"]
    expected = [(LIMITS_CONF, 2, "*", HARD), (LIMITS_CONF, 4, "root", HARD)]
    expected += [("/etc/systemd/system/number.service", 3, "number.service", HARD)]
    found = {(*row, NR_OPEN, when) for row in expected for when in times}
    if boots_lower:
        found |= {("/etc/systemd/system/infinity.service", 3, "infinity.service", "infinity", NR_OPEN, "after_boot")}
    assert offenders(checked.result) == found

    tuned = collection.tune()
    assert (checked.changed, tuned.changed) == (0, 0)
    when = "after the next reboot" if boots_lower else "now and after the next reboot"
    for message in (checked.message, tuned.message):
        for line, domain in ((2, "*"), (4, "root")):
            said = "%s:%d: domain %s, hard nofile %d, maximum %d %s"
            assert said % (LIMITS_CONF, line, domain, HARD, NR_OPEN, when) in message
        assert "pam_limits of this host logs such a limit, and leaves the session with what it inherits." in message
        assert ("systemd does not start such a unit (205/LIMITS)" in message) == boots_lower
        assert "lower these limits to at most %d." % NR_OPEN in message


def test_debians_pam_limits_logs_and_goes_on(machine: Machine, booted: t.Callable[[str], None]) -> None:
    """Asked for two million, the session has what it inherits: on Debian 12 half of what it has without the lines."""
    booted("above")
    assert machine.observe("cat /proc/sys/fs/nr_open") == str(NR_OPEN)
    expected = {way: OBSERVERS_HARD if way in FROM_OBSERVER else UNITS_HARD for way in WAYS}
    assert hard_limits(machine.sessions()) == expected
    log = machine.log(PAM_LOG)
    for service in ("sshd", "su", "sudo", "login", "cron"):
        said = "pam_limits(%s:session): Could not set limit for 'nofile' to soft=%d, hard=%d: Operation not permitted"
        assert any(line.startswith(said % (service, HARD, HARD)) for line in log), (service, log)


@pytest.mark.nightly
def test_units_above_nr_open_get_less_or_do_not_start(machine: Machine, booted: t.Callable[[str], None]) -> None:
    """systemd falls back to the hard limit of PID 1: on Debian 12 that is nr_open, on 13 the most there can be."""
    booted("above")
    if machine.release == "bookworm":
        assert {unit: limit_of(machine, unit) for unit in UNITS} == dict.fromkeys(UNITS, NR_OPEN)
        assert machine.refused_units() == set()
        return
    assert machine.refused_units() == {"number.service"}
    assert machine.observe("systemctl show -P ExecMainStatus number.service") == "205"
    # Nothing is set where it would be PID 1's own limit; so this unit has one that nobody may set.
    assert limit_of(machine, "infinity.service") == hard_limit(machine, "1") == MAX


@pytest.mark.nightly
def test_the_check_says_so_after_the_boot_too(collection: Collection, booted: t.Callable[[str], None]) -> None:
    booted("above")
    checked = collection.check()
    assert {row[:3] for row in offenders(checked.result) if row[-1] == "now"} >= {
        (LIMITS_CONF, 2, "*"),
        (LIMITS_CONF, 4, "root"),
        ("/etc/systemd/system/number.service", 3, "number.service"),
    }


# --- the same with pam_limits as RHEL-likes ship it ---

BUILDS = pytest.mark.parametrize("build", ["without-032", "upstream"])


@BUILDS
def test_without_debians_patch_nobody_logs_in_root_included(
    machine: Machine, booted: t.Callable[[str], None], build: str
) -> None:
    booted("above")
    machine.install(build)
    machine.observe("rm /home/tester/cron /run/crond.reboot; systemctl restart cron; sleep 2")
    sessions = machine.sessions()
    assert {way for way, session in sessions.items() if session.status} == WAYS
    assert {sessions[way].status for way in ("ssh root", "ssh tester")} == {NO_SESSION}

    # The module was there and is what refused, for no other reason than the limit.
    log = machine.log(PAM_LOG)
    assert [line for line in log if "dlopen" in line or "faulty" in line or "unknown" in line] == []
    for service in ("sshd", "su", "sudo", "login", "cron"):
        assert any("(%s:session): Could not set limit for 'nofile'" % service in line for line in log), (service, log)
    assert any("pam_open_session(): Permission denied" in line for line in log)

    # The way back: one who is in already, here without PAM, raises nr_open, and everybody has what was asked for.
    machine.observe("echo %d >/proc/sys/fs/nr_open" % HARD)
    for user in ("root", "tester"):
        assert machine.ssh(user, "ulimit -Hn") == (0, str(HARD))


@pytest.mark.nightly
def test_upstreams_pam_limits_locks_root_out_by_a_line_for_everybody(
    machine: Machine, booted: t.Callable[[str], None]
) -> None:
    """Debian's build never applies ``*`` to root."""
    booted("above")
    everybody = "echo '* hard nofile %d' >" + LIMITS_CONF
    machine.observe(everybody % (NR_OPEN + 1))
    for build, status in (("without-032", 0), ("upstream", NO_SESSION)):
        machine.install(build)
        assert machine.ssh("root", "true").status == status
        assert machine.ssh("tester", "true").status == NO_SESSION
    machine.observe(everybody % NR_OPEN)
    assert machine.ssh("root", "ulimit -Hn") == machine.ssh("tester", "ulimit -Hn") == (0, str(NR_OPEN))


def test_the_same_values_are_refused_before_they_are_written(machine: Machine, collection: Collection) -> None:
    """On a host whose pam_limits would lock everybody out, the message says so."""
    machine.restore("fresh")
    machine.install("upstream")
    checked = collection.check(nofile_hard=HARD, nr_open=NR_OPEN)
    assert ("nofile_hard", 0, "root", HARD, NR_OPEN, "after_boot") in offenders(checked.result)
    tuned = collection.tune(tune_nofile_hard=HARD, tune_sysctl_values={"fs.nr_open": NR_OPEN})
    assert (checked.changed, tuned.changed) == (0, 0)
    assert "nofile_hard: domain root, hard nofile %d, maximum %d" % (HARD, NR_OPEN) in checked.message
    assert "pam_limits of this host refuses a session that is to get such a limit, root's too." in checked.message


# --- fs.nr_open below systemd's default ---


def test_an_nr_open_below_systemds_default_is_refused_before_the_boot(
    machine: Machine, collection: Collection, written: t.Callable[[str], None]
) -> None:
    written("lowered")
    checked = collection.check()
    tuned = collection.tune()
    assert (checked.changed, tuned.changed) == (0, 0)
    assert {row[3:] for row in offenders(checked.result)} == {(UNITS_HARD, ARTICLES, "after_boot")}
    for message in (checked.message, tuned.message):
        assert "%d after the next reboot from %s:1" % (ARTICLES, ARTICLE) in message
        assert "every unit without LimitNOFILE=, hard nofile %d, maximum %d" % (UNITS_HARD, ARTICLES) in message
        assert "After the next reboot systemd does not start such a unit (205/LIMITS)." in message


@pytest.mark.nightly
def test_an_nr_open_that_our_drop_in_beats_is_repaired(machine: Machine, collection: Collection) -> None:
    """The check refuses it all the same; after tune_clients.yml the next reboot is safe."""
    machine.restore("fresh")
    machine.write({ARTICLES_FILE[machine.release]: "fs.nr_open=%d\n" % ARTICLES})
    checked = collection.check()
    assert {row[3:] for row in offenders(checked.result)} == {(UNITS_HARD, ARTICLES, "after_boot")}
    assert collection.tune(ok=True).changed
    assert collection.check(ok=True).result["nr_open_after_boot"] >= NR_OPEN


@pytest.mark.nightly
def test_an_nr_open_below_systemds_default_is_refused_as_a_variable(machine: Machine, collection: Collection) -> None:
    machine.restore("fresh")
    checked = collection.check(nr_open=ARTICLES)
    tuned = collection.tune(tune_sysctl_values={"fs.nr_open": ARTICLES})
    assert (checked.changed, tuned.changed) == (0, 0)
    assert "hard nofile %d, maximum %d" % (UNITS_HARD, ARTICLES) in checked.message
    assert "tune_sysctl_values[fs.nr_open] is '%d'" % ARTICLES in tuned.message


def test_an_nr_open_below_systemds_default_stops_services_at_the_next_boot(
    machine: Machine, booted: t.Callable[[str], None]
) -> None:
    """No sshd, no cron, no console on either release, whatever pam_limits does: nobody gets in."""
    booted("lowered")
    assert machine.refused_units() >= EVERYBODYS
    assert machine.ssh("root", "true").status == NO_SERVER
    console = (machine.run / "console").read_text(errors="replace")
    assert "Failed to start" in console

    # The way back, over the one line that is left.
    machine.observe("rm " + ARTICLE)
    machine.reboot()
    assert machine.ssh("root", "true").status == 0


@pytest.mark.nightly
def test_lowered_without_a_boot_sessions_go_on_and_units_do_not_start(
    machine: Machine, written: t.Callable[[str], None]
) -> None:
    """What `sysctl -p` does of it at once: who is in stays in, and the next restart of a service fails."""
    written("lowered")
    machine.observe("echo %d >/proc/sys/fs/nr_open" % ARTICLES)
    for user in ("root", "tester"):
        assert machine.ssh(user, "ulimit -Hn") == (0, str(UNITS_HARD))
    assert "Job for ssh.service failed" in machine.observe("systemctl restart ssh")
    assert "ssh.service" in machine.refused_units()
    assert machine.ssh("root", "true").status == NO_SERVER


# --- DefaultLimitNOFILE= above fs.nr_open ---


@pytest.mark.nightly
def test_a_default_above_nr_open_is_refused_before_the_boot(
    machine: Machine, collection: Collection, written: t.Callable[[str], None]
) -> None:
    written("default")
    checked = collection.check()
    tuned = collection.tune()
    assert (checked.changed, tuned.changed) == (0, 0)
    for message in (checked.message, tuned.message):
        said = "%s:2: every unit without LimitNOFILE=, hard nofile %d, maximum %d"
        assert said % (SYSTEM_CONF, HARD, NR_OPEN) in message


@pytest.mark.nightly
def test_a_default_above_nr_open_gives_less_or_stops_services(
    machine: Machine, booted: t.Callable[[str], None]
) -> None:
    booted("default")
    if machine.release == "bookworm":
        assert machine.refused_units() == set()
        assert {unit: limit_of(machine, unit) for unit in ("ssh", "cron")} == {"ssh": NR_OPEN, "cron": NR_OPEN}
        assert machine.ssh("root", "ulimit -Hn") == (0, str(NR_OPEN))
        return
    assert machine.refused_units() >= EVERYBODYS
    assert machine.ssh("root", "true").status == NO_SERVER
