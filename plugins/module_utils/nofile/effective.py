# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nofile limits that users' sessions, units and processes really get, now and after the next reboot.

Asked for and got differ: what the kernel or the service manager refuses, it refuses in its own way.

* Whether a session runs pam_limits at all, and on which file, depends on the way in: see session_ways.
* pam_limits starts from what the session inherits. Debian's builds of 1.5.x and before start from PID 1's limits
  instead, its soft one cut to 1024 (027_pam_limits_better_init_allow_explicit_root and
  pam-limits-nofile-fd-setsize-cap in the source package); Debian 13's 1.7.0 no longer does.
* The kernel refuses a hard limit above fs.nr_open, and one above the inherited hard limit to whoever
  lacks CAP_SYS_RESOURCE in the first user namespace. Debian's build then logs it and the session keeps what it
  inherited, soft and hard (032_pam_limits_EPERM_NOT_FATAL); upstream's refuses the session, which here is a limit of 0.
* systemd falls back to PID 1's own hard limit (src/basic/rlimit-util.c, setrlimit_closest); where fs.nr_open is even
  below that, the unit fails with 205/LIMITS, again a 0. Not so one with LimitNOFILE=infinity: it keeps what PID 1 has.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    pam_limits,
    pam_stack,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    cgroups,
    identity,
    running_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.containment import in_container
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    grants,
    hard_limits,
    remedies,
    session_ways,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, place_of

Pair = t.Tuple[int, int]

#: INR_OPEN_CUR and INR_OPEN_MAX, what the kernel gives to PID 1 (include/uapi/linux/fs.h).
_KERNEL = (1024, 4096)

_FD_SETSIZE = 1024
_FIRST_SOURCE = "/proc/1/limits, which Debian's pam_limits starts from"

_DEFAULT_SOURCE = "DefaultLimitNOFILE= of systemd"

_REFUSED = "the session is refused: %d is more than it may have"
_UNREADABLE = "the session is refused: pam_limits cannot read %s"
_KEPT = "pam_limits cannot set %d, the session keeps what it inherits"
_UNPRIVILEGED = "a user's unit without LimitNOFILE= gets this from the user's systemd"
_USER_UNITS = "set DefaultLimitNOFILE= in a file of /etc/systemd/user.conf.d, or LimitNOFILE= in the user's unit"
_FAILS = "the unit fails with 205/LIMITS: %d is above fs.nr_open, %d"

#: Name and number of each group.
Groups = t.List[t.Tuple[str, int]]
#: uid, gid and groups.
Account = t.Tuple[int, int, Groups]

_ROOT: Account = (0, 0, [("root", 0)])


class Outcome(t.NamedTuple):
    """A limit as it is got, the line that sets it, the hard one first, and what went wrong on the way.

    soft_by: the line that sets the soft limit, where that is another one
    way:     the way in of a session
    remedy:  what helps where a higher limit in limits.d does not, "" where it does
    reads:   pam_limits runs all the same
    """

    pair: t.Optional[Pair]
    by: t.Optional[str]
    note: str = ""
    soft_by: t.Optional[str] = None
    way: str = ""
    remedy: str = ""
    reads: bool = False


_UNKNOWN = Outcome(None, None)

#: What is said of a process, where there is none, or none that was asked for.
_NO_PROCESS: t.Dict[str, t.Any] = {"pid": None, "descriptors": None, "memory_cgroups": [], "tasks_cgroups": []}


class Subjects:
    """Answers for one host; the processes are read once."""

    def __init__(
        self,
        host: Host,
        accounts: t.Mapping[str, t.Any],
        ways: t.Sequence[str] = (session_ways.SSH,),
    ) -> None:
        """accounts: what the host's name service says of users, as Observation has it; ways: in which they come"""
        self.ways = ways
        self._lines_of: t.Dict[t.Optional[str], t.Tuple[t.List[pam_limits.Entry], t.Optional[str]]] = {}
        self._openings_of: t.Dict[str, t.List[session_ways.Opening]] = {}
        self.host = host
        self.accounts = accounts
        self.contained = in_container(host)
        self.raises_limits = identity.raises_limits(host)
        self.booted = identity.boots_with_systemd(host)
        self.has_systemd = systemd_limits.is_installed(self.host)
        self.everybody = host.attempt("/proc", lambda: running_limits.processes(host)) or []
        #: The host's own, without those of its containers.
        self.processes = [process for process in self.everybody if process.guest is None]
        self.first = next((process for process in self.processes if process.pid == 1), None)
        self.now = host.attempt(hard_limits.NR_OPEN, lambda: hard_limits.nr_open_now(host))
        boot = host.attempt("fs.nr_open after a reboot", lambda: hard_limits.nr_open_after_boot(host))
        self.nr_open_after_boot = boot or hard_limits.Ceiling(hard_limits.NR_OPEN_KERNEL, "the kernel", 0)
        self.boot = self.nr_open_after_boot.value

    # What is read once and asked often, by each user, way and unit.

    @property
    def _units(self) -> systemd_limits.Units:
        return systemd_limits.units(self.host)

    def _lines(self, conf: t.Optional[str]) -> t.Tuple[t.List[pam_limits.Entry], t.Optional[str]]:
        if conf not in self._lines_of:
            self._lines_of[conf] = pam_limits.read(self.host, pam_limits.behaviour(self.host), conf)
        return self._lines_of[conf]

    def _openings(self, way: str) -> t.List[session_ways.Opening]:
        if way not in self._openings_of:
            self._openings_of[way] = session_ways.openings(self.host, self._units, way)
        return self._openings_of[way]

    # --- users ---

    def user(self, where: str, name: str) -> t.Dict[str, t.Any]:
        """Return what a session of ``name`` that starts now, and after a reboot, gets; refuse an unknown user."""
        now, boot = self.session(where, name)
        lowest = _lowest([now, boot])
        kept = self.host.attempt("limits of systemd", lambda: self.kept_from(lowest))
        return dict(_subject("user", name, now, boot), way=lowest.way, remedy=lowest.remedy, kept_from=kept)

    def kept_from(self, outcome: Outcome) -> t.Optional[str]:
        """Return the unit whose limit a session keeps that reads no limits.d, None for one that does."""
        return session_ways.kept_from(self._units, outcome.way) if outcome.remedy and not outcome.reads else None

    def session(self, where: str, name: str) -> t.Tuple[Outcome, Outcome]:
        """Return the same as outcomes, of the way in with the lowest limits."""
        account = self.account(name)
        if account is None:
            raise Refusal(where, name, "users of this host", "Create the user first, or correct the name.")

        def outcomes() -> t.Tuple[Outcome, Outcome]:
            by_way = [self._by_way(way, name, user) for way in self.ways]
            return min(by_way, key=lambda pair: _rank(_lowest(pair)))

        user = account
        return self.host.attempt("limits of pam_limits", outcomes) or (_UNKNOWN, _UNKNOWN)

    def _by_way(self, way: str, name: str, account: Account) -> t.Tuple[Outcome, Outcome]:
        """Return what a session of a user gets that comes by this way, now and after a reboot."""
        openings = self._openings(way)
        now, boot = (
            _lowest([self._opened(opening, base, first, top, (name, account)) for opening in openings])._replace(
                way=way
            )
            for base, first, top in (
                (self._base(way, account, False), self._first_now(), self.now or self.boot),
                (self._base(way, account, True), self._first_after_boot(), self.boot),
            )
        )
        if way == session_ways.USER_SERVICE:
            return self._of_user_manager(now), self._of_user_manager(boot)
        return now, boot

    def _opened(
        self,
        opening: session_ways.Opening,
        inherited: Outcome,
        first: t.Optional[Pair],
        top: int,
        user: t.Tuple[str, Account],
    ) -> Outcome:
        """Return what each pam_limits of a session, one after the other, leaves it with."""
        found = inherited
        for run in opening.runs:
            found = self._run(run, found, first, top, user)
            if found.pair == (0, 0):
                return found
        by_its_own = (found.soft_by or found.by or "").rpartition(":")[0] in [run.conf for run in opening.runs]
        found = found._replace(remedy=opening.remedy, reads=bool(opening.runs))
        if not opening.note or by_its_own:
            return found
        return found._replace(by=opening.by, soft_by=None, note=opening.note)

    def _run(
        self, run: pam_stack.Run, inherited: Outcome, first: t.Optional[Pair], top: int, user: t.Tuple[str, Account]
    ) -> Outcome:
        build = pam_limits.behaviour(self.host)
        name, account = user
        lines, unreadable = self._lines(run.conf)
        granted = pam_limits.resolve(lines, build, name, *account)
        if unreadable is not None and not granted.stopped:
            found = Outcome((0, 0), unreadable, _UNREADABLE % unreadable)
        else:
            found = self._session(granted, build, inherited, first, top, run.set_all)
        return found if run.refuses or found.pair != (0, 0) else inherited

    def _base(self, way: str, account: Account, after_boot: bool) -> Outcome:
        """Return what a session of a way starts with."""
        top = self.boot if after_boot else self.now or self.boot
        if way in (session_ways.SU, session_ways.SUDO):
            caller = self._by_way(session_ways.SSH, "root", self.account("root") or _ROOT)[after_boot]
            caller = caller._replace(note="", remedy="", soft_by=None)
            # util-linux's su begins with a soft limit of 1024, whatever its caller has (measured: 2.38 and 2.41).
            return self._with_usual_soft(caller) if way == session_ways.SU else caller
        if way == session_ways.USER_SERVICE:
            return self._service_limit(top, "user@%d.service" % account[0])
        if after_boot:
            return self._service_limit(top, session_ways.unit(self._units, way))
        return self._inherited_now(way)

    @staticmethod
    def _with_usual_soft(outcome: Outcome) -> Outcome:
        hard = outcome.pair[1] if outcome.pair is not None else 0
        return outcome._replace(pair=(min(_FD_SETSIZE, hard), hard)) if hard else outcome

    def _of_user_manager(self, manager: Outcome) -> Outcome:
        """Return what a unit of a user gets that sets no limit: the soft one of the kernel, whatever the manager has.

        The manager may raise nothing beyond what it has itself (src/core/main.c, fallback_rlimit_nofile, and
        src/basic/rlimit-util.c, setrlimit_closest).
        """
        if manager.pair is None or manager.pair == (0, 0):
            return manager
        hard = manager.pair[1]
        chosen = systemd_limits.configured_default(self.host, "user")
        if chosen is None:
            if manager.note:
                return manager._replace(pair=(min(_FD_SETSIZE, hard), hard))
            pair = (min(_FD_SETSIZE, hard), hard)
            return Outcome(pair, manager.by, _UNPRIVILEGED, way=manager.way, remedy=_USER_UNITS, reads=True)
        pair = (min(chosen.soft, hard), min(chosen.hard, hard))
        by = place_of(chosen.path, chosen.line) if chosen.hard <= hard else manager.by
        return manager._replace(pair=pair, by=by)

    def without_limits_conf(self) -> Outcome:
        """Return what a session gets after a reboot where no line of limits.conf concerns its user."""
        build = pam_limits.behaviour(self.host)
        nothing = pam_limits.Grant(None, None)
        inherited = self._service_limit(self.boot, session_ways.unit(self._units, session_ways.SSH))
        return self._session(nothing, build, inherited, self._first_after_boot(), self.boot)

    def account(self, name: str) -> t.Optional[Account]:
        """Return the uid, gid and groups of a user, from the name service or the files; None for an unknown one."""
        known = self.accounts.get(name)
        if known is not None:
            return known["uid"], known["gid"], [(str(row[0]), int(row[1])) for row in known["groups"]]
        return self.host.attempt("/etc/passwd", lambda: pam_limits.account(self.host, name))

    def _session(
        self,
        grant: pam_limits.Grant,
        build: pam_limits.Behaviour,
        inherited: Outcome,
        first: t.Optional[Pair],
        top: int,
        set_all: bool = False,
    ) -> Outcome:
        """setup_limits: what pam_limits asks for, and what comes of it.

        inherited: what the session inherits; first: the limits of PID 1; top: fs.nr_open; set_all: its option
        """
        if grant.stopped is not None:
            return inherited._replace(by=place_of(grant.stopped.path, grant.stopped.line))
        if inherited.pair is None:
            return inherited
        base, by = inherited.pair, inherited.by
        if first is not None and build.spares_root and build.scans:
            base, by = (min(first[0], _FD_SETSIZE), first[1]), _FIRST_SOURCE
        elif first is not None and set_all:
            base, by = first, _FIRST_SOURCE
        soft_by, by = (
            by if entry is None else place_of(entry.path, entry.line)
            for entry in (grant.soft, grant.hard or grant.soft)
        )
        soft, hard = pam_limits.limits(grant, top)
        hard = base[1] if hard is None else hard
        soft = base[0] if soft is None else soft
        if hard <= top and (hard <= inherited.pair[1] or self.raises_limits):
            return Outcome((min(soft, hard), hard), by, soft_by=soft_by if soft < hard else None)
        if not build.refuses_session:
            return Outcome(inherited.pair, inherited.by, "%s: %s" % (by, _KEPT % hard))
        return Outcome((0, 0), by, _REFUSED % hard)

    def inherited(self, planned: t.Container[str] = ()) -> t.Optional[hard_limits.Inherited]:
        """Return what nobody on this host can go beyond; None where root can raise limits, or PID 1 cannot be seen.

        planned: the files of ours that will be written
        """
        if self.raises_limits or self.first is None:
            return None
        maximum = self.first.hard
        server = session_ways.unit(self._units, session_ways.SSH)
        sessions = (self._inherited_now().pair, self._service_limit(self.boot, server).pair)
        now, boot = (maximum if pair is None else pair[1] for pair in sessions)
        return hard_limits.Inherited(now, boot, maximum, pam_limits.behaviour(self.host).refuses_session, planned)

    def most_inherited(self) -> t.Optional[t.Dict[str, int]]:
        """Return the limits of PID 1, which everybody on the host starts from; None where they cannot be seen."""
        return None if self.first is None else {"soft": self.first.soft, "hard": self.first.hard}

    def _first_now(self) -> t.Optional[Pair]:
        return (self.first.soft, self.first.hard) if self.first is not None else None

    def _first_after_boot(self) -> t.Optional[Pair]:
        """systemd raises its own limits to the nr_open that it meets (src/core/main.c, bump_rlimit_nofile)."""
        if self.first is None or self.contained or not self.booted:
            return self._first_now()
        maximum = hard_limits.nr_open_at_start(self.host)
        return maximum, maximum

    def _inherited_now(self, way: str = session_ways.SSH) -> Outcome:
        """Return what a session starts with: the limits of the process that it comes from, else those of its unit."""
        servers = [process for process in self.processes if process.name in session_ways.PROCESSES[way]]
        if servers:
            server = min(servers)
            return Outcome((server.soft, server.hard), place_of(server.path, server.line))
        return self._service_limit(self.now or self.boot, session_ways.unit(self._units, way))

    def _service_limit(self, top: int, name: t.Optional[str]) -> Outcome:
        """Return the limit of a unit that sessions come from, or where there is none, of any service."""
        if not (self.has_systemd and self.booted):
            if self.first is not None:
                return Outcome((self.first.soft, self.first.hard), place_of(self.first.path, self.first.line))
            return Outcome(_KERNEL, None)
        return self._configured(self._units.limit(name) if name is not None else None, top)

    # --- units ---

    def unit(self, where: str, name: str) -> t.Dict[str, t.Any]:
        """Return what a unit has if it runs, and what it gets when it starts; refuse an unknown unit."""
        found = self.host.attempt("limits of systemd", lambda: self._unit(where, name))
        return found if found is not None else dict(_unknown("unit", name), **_NO_PROCESS)

    def _unit(self, where: str, name: str) -> t.Dict[str, t.Any]:
        boot = self.unit_after_boot(where, name)
        units = self._units
        real = units.real_name(name)
        limit = units.limit(name)
        running = [process for process in self.processes if process.unit == real]
        if not running:
            return dict(_subject("unit", name, self._configured(limit, self.now or self.boot), boot), **_NO_PROCESS)
        # A process may lower its own limits: the highest of the unit's is what the unit was given.
        highest = max(running, key=lambda process: (process.hard, process.soft))
        now = Outcome((highest.soft, highest.hard), boot.by)
        main = min(running)
        return dict(_subject("unit", name, now, boot), **self._details(main.pid))

    def unit_after_boot(self, where: str, name: str) -> Outcome:
        """Return what a unit gets after a reboot; refuse an unknown unit."""
        grants.check_units(self.host, [name], where)
        return self._configured(self._units.limit(name), self.boot)

    def there(self, users: t.Iterable[str], units: t.Iterable[str]) -> t.Tuple[t.Sequence[str], t.Sequence[str]]:
        """Return those of the users and of the units that the host has."""
        return (
            [name for name in users if self.account(name) is not None],
            [name for name in units if self.knows_unit(name)],
        )

    def knows_unit(self, name: str) -> bool:
        return self.has_systemd and self._units.file(name) is not None

    def every_unit(self) -> t.Optional[t.Dict[str, t.Any]]:
        """Return what a unit without a limit of its own gets; None without systemd."""
        if not self.has_systemd:
            return None
        tops = (self.now or self.boot, self.boot)
        found = self.host.attempt("limits of systemd", lambda: [self._configured(None, top) for top in tops])
        subject = (
            _unknown("unit", hard_limits.EVERY_UNIT)
            if found is None
            else _subject("unit", hard_limits.EVERY_UNIT, *found)
        )
        return dict(subject, **_NO_PROCESS)

    def _configured(self, limit: t.Optional[systemd_limits.Limit], top: int) -> Outcome:
        chosen = limit or hard_limits.unit_default(self.host)
        by = place_of(chosen.path, chosen.line) if chosen.line else _DEFAULT_SOURCE
        maximum = self.first.hard if self.first is not None and self.booted else hard_limits.nr_open_at_start(self.host)
        soft, hard = chosen.soft, chosen.hard
        if hard > top or (hard > maximum and not self.raises_limits):
            soft, hard = min(soft, maximum), min(hard, maximum)
        # Where that comes to PID 1's own limits, soft and hard, it sets nothing, and so nothing is refused.
        if hard > top and not soft == hard == maximum:
            return Outcome((0, 0), by, _FAILS % (hard, top))
        return Outcome((soft, hard), by)

    # --- processes ---

    def named(self, name: str) -> t.List[t.Dict[str, t.Any]]:
        """Return the processes of a name, or of a number; one entry without a limit where none runs."""
        found = [process for process in self.processes if name in (process.name, str(process.pid))]
        if not found:
            guests = [one for one in self.everybody if name in (one.name, str(one.pid))]
            note = "not running" if not guests else "not running on the host itself: %s" % guests[0].subject
            missing = _subject("process", name, Outcome(None, None, note), None)
            return [dict(missing, unit=None, **_NO_PROCESS)]
        return [
            dict(
                _subject("process", process.name, self._has(process), None),
                unit=process.unit,
                **self._details(process.pid),
            )
            for process in found
        ]

    def reader(self) -> t.Optional[t.Dict[str, t.Any]]:
        """Return the process that takes the snapshot: what Ansible's own sessions get on this host."""
        row = running_limits.parse_limits(self.host.text("/proc/self/limits") or "")
        if row is None:
            return None
        outcome = Outcome(row[:2], "/proc/self/limits:%d" % row[2])
        unit = running_limits.unit_of(self.host.text("/proc/self/cgroup") or "", self.host)
        return dict(_subject("process", "this session", outcome, None), unit=unit, **_NO_PROCESS)

    @staticmethod
    def _has(process: running_limits.Process) -> Outcome:
        return Outcome((process.soft, process.hard), place_of(process.path, process.line))

    def _details(self, pid: int) -> t.Dict[str, t.Any]:
        """Return how many descriptors a process has, and the groups that limit it."""
        return {
            "pid": pid,
            "descriptors": self._descriptors(pid),
            "memory_cgroups": cgroups.memory(self.host, str(pid)),
            "tasks_cgroups": cgroups.tasks(self.host, str(pid)),
        }

    def _descriptors(self, pid: int) -> t.Optional[int]:
        """Return the number of open descriptors.

        Since Linux 6.2 it is the size of the directory (fs/proc/fd.c, proc_readfd_count); before, it has to be listed.
        """
        path = "/proc/%d/fd" % pid

        def count() -> int:
            size = os.stat(self.host.place(path)).st_size if self.host.live else 0
            return size or len(os.listdir(self.host.place(path)))

        return self.host.attempt(path, count)

    # --- all of them ---

    def lockout(self) -> remedies.Lockout:
        """Return every hard limit above the fs.nr_open that holds then, as nofile_check does."""
        limits = self.host.attempt("nofile limits", lambda: hard_limits.find(self.host, live=False)) or []
        everything = [*limits, *hard_limits.of_processes(self.everybody)]
        inherited = self.host.attempt("nofile limits", self.inherited)
        offenders = hard_limits.offenders(everything, self.now, self.boot, inherited)
        return remedies.Lockout(self.host, offenders, self.now, self.nr_open_after_boot, None, inherited)


def _rank(outcome: Outcome) -> t.Tuple[int, int]:
    """Return what outcomes are compared by: the soft limit, then the hard one; an unknown one comes last."""
    return outcome.pair if outcome.pair is not None else (systemd_limits.INFINITY, systemd_limits.INFINITY)


def _lowest(outcomes: t.Sequence[Outcome]) -> Outcome:
    return min(outcomes, key=_rank)


def _subject(kind: str, name: str, now: Outcome, boot: t.Optional[Outcome]) -> t.Dict[str, t.Any]:
    worst = now if now.note or boot is None else boot
    return {
        "kind": kind,
        "name": name,
        "now": _limits(now),
        "after_boot": None if boot is None else _limits(boot),
        "by": now.by if boot is None else boot.by,
        "note": worst.note,
    }


def _unknown(kind: str, name: str) -> t.Dict[str, t.Any]:
    return _subject(kind, name, _UNKNOWN, _UNKNOWN)


def _limits(outcome: Outcome) -> t.Optional[t.Dict[str, int]]:
    return None if outcome.pair is None else {"soft": outcome.pair[0], "hard": outcome.pair[1]}
