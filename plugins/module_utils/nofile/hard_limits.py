# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard nofile limits against the fs.nr_open that they must not exceed, now and after the next reboot.

setrlimit(2) fails with EPERM for a hard limit above fs.nr_open, also with CAP_SYS_RESOURCE and also when the
process has that hard limit already (kernel/sys.c, do_prlimit). Whoever meets that is locked out: pam_limits
refuses the session, systemd fails the unit with 205/LIMITS.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    container_engines,
    kernel_command_line,
    other_writers,
    pam_limits,
    sysctl_d,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import identity, running_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.containment import in_container
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, decimal, place_of

NR_OPEN = sysctl_table.NR_OPEN

#: fs/file.c: sysctl_nr_open, the kernel's own.
NR_OPEN_KERNEL = 1048576
#: Where the search of systemd 240 to 257 ends: from INT_MAX it halves what the kernel refuses, rounded down to a
#: multiple of its own pointer (src/core/main.c, bump_file_max_and_nr_open). By a kernel and a systemd of 64 bits; a
#: kernel of 64 and a systemd of 32; both of 32.
_FOUND_BY_SYSTEMD = (1073741816, 1073741820, 536870908)
#: What systemd from 258 on sets: the maximum, by its own size of a pointer (src/basic/fd-util.h, NR_OPEN_MAXIMUM).
_SET_BY_SYSTEMD = tuple(
    high for bits in (64, 32) for _low, high in [sysctl_keys.bounds_of_nr_open(sysctl_keys.Kernel(bits))]
)

NOW = "now"
AFTER_BOOT = "after_boot"
#: The two, as a person is told.
IN_WORDS = {NOW: "now", AFTER_BOOT: "after the next reboot"}

#: Whose a limit is: a domain's of pam_limits; a unit's, or that of a process outside units; that of every unit without
#: one of its own; that of the containers of an engine.
DOMAIN, UNIT, UNITS, CONTAINERS = "domain", "unit", "units", "containers"

#: The "unit" that DefaultLimitNOFILE= stands for.
EVERY_UNIT = "every unit without LimitNOFILE="
EVERY_USER_UNIT = "every user's unit without LimitNOFILE="


class Ceiling(t.NamedTuple):
    """An fs.nr_open and where it comes from; line 0 is no file's line."""

    value: int
    source: str
    line: int

    @property
    def place(self) -> str:
        """The source with its line, where it has one."""
        return place_of(self.source, self.line)


class HardLimit(t.NamedTuple):
    """A hard limit that somebody has or will get: what is asked of the kernel now, and after the next reboot.

    0 stands for "nothing is asked": a running process does not outlive the boot.
    """

    source: str
    line: int
    kind: str
    name: str
    shown: t.Union[int, str]
    now: int
    after_boot: int

    @property
    def place(self) -> str:
        return place_of(self.source, self.line)

    @property
    def text(self) -> str:
        """Where it stands, whose it is, and its value, as every message names a hard limit."""
        whose = "%s %s" % (self.kind, self.name) if self.kind in (DOMAIN, UNIT) else self.name
        return "%s: %s, hard nofile %s" % (self.place, whose, self.shown)


class Inherited(t.NamedTuple):
    """The hard limits above which nobody can go on a host whose root cannot raise any.

    now, after_boot: what sessions start with; units: PID 1's own, what systemd falls back to for a unit
    locks_out: whether pam_limits of the host refuses a session that is to have more; otherwise it stays without
    planned:   files of ours, which are to promise nothing that cannot be had
    """

    now: int
    after_boot: int
    units: int
    locks_out: bool
    planned: t.Container[str] = ()

    def maximum(self, limit: HardLimit) -> t.Optional[t.Tuple[int, int]]:
        """Return what a limit may be at most, now and after a reboot; None where more does no harm."""
        if limit.kind == DOMAIN and (self.locks_out or limit.source in self.planned):
            return self.now, self.after_boot
        return (self.units, self.units) if limit.source in self.planned else None


class Offender(t.NamedTuple):
    """A hard limit above what holds then: nr_open, or what is inherited and cannot be raised."""

    limit: HardLimit
    maximum: int
    when: str

    def as_dict(self) -> t.Dict[str, t.Any]:
        return {
            "source": self.limit.source,
            "line": self.limit.line,
            DOMAIN if self.limit.kind == DOMAIN else UNIT: self.limit.name,
            "value": self.limit.shown,
            "maximum": self.maximum,
            "when": self.when,
        }

    def refusal(self, remedy: str, why: str = "") -> Refusal:
        """Return the refusal of a change that would make it one. why: where the nr_open of that time comes from"""
        allowed = "at most %d, fs.nr_open %s%s" % (self.maximum, IN_WORDS[self.when], why and " (%s)" % why)
        return Refusal(self.limit.place, self.limit.shown, allowed, remedy)


def nr_open_now(host: Host) -> t.Optional[int]:
    """Return the live value, or None below a root that is no running host."""
    text = sysctl_d.live(host, NR_OPEN)
    return None if text is None else decimal(text)


def with_nr_open(host: Host, planned: t.Optional[int]) -> Host:
    """Return the host as it will be with that fs.nr_open, live and in our drop-in; None for what it has."""
    if planned is None:
        return host
    live = {sysctl_keys.proc_path(NR_OPEN): str(planned)}
    return host.planning({**sysctl_d.drop_in({NR_OPEN: str(planned)}), **live})


def nr_open_bounds(host: Host) -> t.Tuple[int, int]:
    """Return the minimum and the maximum fs.nr_open that the kernel of this host takes."""
    return sysctl_keys.bounds_of_nr_open(sysctl_d.kernel_at_start(host))


@looked_at_once
def nr_open_at_start(host: Host) -> int:
    """Return the nr_open of the moment at which PID 1 starts, before any sysctl.d is applied.

    systemd since 240 may raise it there, if built so, as on Debian 13; it then takes it for its own hard limit, which
    tells even where sysctl.d has lowered the value since. A live maximum that PID 1 has not met is somebody's else.
    """
    told = _by_kernel_line(host)
    kernels = told.value if told is not None else NR_OPEN_KERNEL
    if not identity.boots_with_systemd(host):
        return kernels
    first, now = running_limits.read_process(host, 1), nr_open_now(host.present)
    if first is not None and first.hard in _FOUND_BY_SYSTEMD + _SET_BY_SYSTEMD:
        return first.hard
    if now in _FOUND_BY_SYSTEMD or (first is None and now in _SET_BY_SYSTEMD):
        return now
    return kernels


@looked_at_once
def nr_open_after_boot(host: Host) -> Ceiling:
    """Return the nr_open that holds after the next reboot.

    /run/sysctl.d is empty then, yet holds for whoever applies sysctl.d before: of the two values the lower counts.
    So it does of what other programs set after or beside sysctl.d: in some part of a boot each of them holds.
    A container's boot changes nothing: the value is the machine's.
    """
    now = nr_open_now(host.present)
    if now is not None and in_container(host):
        return Ceiling(now, "the machine under this container", 0)
    found = [_nr_open_set(host, volatile) for volatile in (False, True)]
    found += _ceilings(host, other_writers.settings(host)[1])
    return min(found, key=lambda one: one.value)


def _ceilings(host: Host, settings: t.Iterable[sysctl_d.Setting]) -> t.List[Ceiling]:
    """Return what the lines that set nr_open make of it; one that the kernel refuses sets nothing."""
    kernel = sysctl_d.kernel_at_start(host)
    values = [(sysctl_keys.number(NR_OPEN, one.value, kernel), one) for one in settings if one.key == NR_OPEN]
    return [Ceiling(value, one.path, one.line) for value, one in values if value is not None]


def _by_kernel_line(host: Host) -> t.Optional[Ceiling]:
    """Return the nr_open of the kernel's command line, of this boot's and the next one's the lower."""
    return min(_ceilings(host, kernel_command_line.kernel_line(host)), key=lambda one: one.value, default=None)


def _nr_open_set(host: Host, volatile: bool) -> Ceiling:
    won, refused = sysctl_d.settle(sysctl_d.at_boot(host, volatile), NR_OPEN, sysctl_d.kernel_at_start(host))
    if won is not None:
        return Ceiling(int(won.value or 0), won.path, won.line)
    at_start, told = nr_open_at_start(host), _by_kernel_line(host)
    if told is not None and told.value == at_start:
        return told
    if refused:
        return Ceiling(at_start, "the default, as the kernel refuses %s:%d" % (refused[-1].path, refused[-1].line), 0)
    return Ceiling(at_start, "no sysctl.d file sets it: the default", 0)


@looked_at_once
def highest(host: Host) -> t.Optional[int]:
    """Return the hard limit above which nobody on the host can go, PID 1's; None where root can raise it.

    PID 1 has what the container was started with: systemd tries to raise its own, and stays there (src/core/main.c,
    bump_rlimit_nofile).
    """
    if identity.raises_limits(host):
        return None
    first = running_limits.read_process(host, 1)
    return None if first is None else first.hard


@looked_at_once
def unit_default(host: Host) -> systemd_limits.Limit:
    """Return the limit of every unit that sets none itself, on this host.

    systemd's built-in one is 524288, or what PID 1 was started with if that is more, and never above the nr_open that
    it meets (src/core/main.c, fallback_rlimit_nofile). On a host of its own PID 1 is started with 4096.
    """
    default = systemd_limits.default(host)
    now = nr_open_now(host.present)
    if not default.line and not in_container(host):
        return default._replace(hard=min(default.hard, nr_open_at_start(host)))
    if default.line or now is None or not in_container(host):
        return default
    return default._replace(hard=min(now, max(default.hard, highest(host) or 0)))


def find(host: Host, live: bool = True) -> t.List[HardLimit]:
    """Return every hard limit: configured in pam_limits' and systemd's files, and of running processes."""
    found = _session_limits(host)
    if systemd_limits.is_installed(host):
        found += _systemd_limits(host)
    if not in_container(host):
        found += _engine_limits(host)
    if live:
        found += of_processes(running_limits.processes(host))
    return found


def _engine_limits(host: Host) -> t.List[HardLimit]:
    """Return what container engines will ask for when their next container starts, now as after a reboot."""
    return [
        HardLimit(one.path, one.line, CONTAINERS, one.name, one.shown, one.hard, one.hard)
        for one in container_engines.limits(host)
    ]


def _session_limits(host: Host) -> t.List[HardLimit]:
    build = pam_limits.behaviour(host)
    # What unlimited becomes matters only where the maximum is lower.
    capped = nr_open_now(host.present) if build.caps_unlimited and highest(host) is not None else None
    found = []
    for domain, grant in pam_limits.winning(pam_limits.entries(host, build)).items():
        entry = grant.hard
        if entry is None:
            continue
        shown, asked = t.cast(t.Union[int, str], entry.value), entry.value
        if entry.value == pam_limits.UNLIMITED:
            if build.caps_unlimited and capped is None:
                continue
            shown, asked = "unlimited", entry.value if capped is None else capped
        found.append(HardLimit(entry.path, entry.line, DOMAIN, domain, shown, asked, asked))
    return found


def _systemd_limits(host: Host) -> t.List[HardLimit]:
    limits = [(UNITS, EVERY_UNIT, unit_default(host))]
    limits += [(UNIT, unit, limit) for unit, limit in systemd_limits.units(host).limits()]
    user = systemd_limits.configured_default(host, "user")
    if user is not None:
        limits.append((UNITS, EVERY_USER_UNIT, user))
    return [_systemd_limit(host, *limit) for limit in limits]


def _systemd_limit(host: Host, kind: str, unit: str, limit: systemd_limits.Limit) -> HardLimit:
    if limit.hard != systemd_limits.INFINITY:
        return HardLimit(limit.path, limit.line, kind, unit, limit.hard, limit.hard, limit.hard)
    # setrlimit_closest then asks for PID 1's own hard limit, which is the nr_open at its start: fine, unless
    # nr_open has been lowered since.
    first = running_limits.read_process(host, 1)
    booted = identity.boots_with_systemd(host)
    now = first.hard if first is not None and booted else 0
    after_boot = 0 if in_container(host) else nr_open_at_start(host)
    return HardLimit(limit.path, limit.line, kind, unit, "infinity", now, after_boot)


def of_processes(processes: t.Iterable[running_limits.Process]) -> t.List[HardLimit]:
    """Return one limit for each unit and value, not one for each of its thousand processes."""
    first_of: t.Dict[t.Tuple[str, int], HardLimit] = {}
    for process in processes:
        name = process.subject
        limit = HardLimit(process.path, process.line, UNIT, name, process.hard, process.hard, 0)
        first_of.setdefault((name, process.hard), limit)
    return list(first_of.values())


def offenders(
    limits: t.Iterable[HardLimit], now: t.Optional[int], after_boot: int, inherited: t.Optional[Inherited] = None
) -> t.List[Offender]:
    """Return the limits above the nr_open of their time, and those above what is inherited where nobody can raise it.

    now: None where there is no present
    """
    found = []
    for limit in limits:
        inheritable = inherited.maximum(limit) if inherited is not None else None
        maximum_now, maximum_after_boot = (now, after_boot)
        if inheritable is not None:
            maximum_now = None if now is None else min(now, inheritable[0])
            maximum_after_boot = min(after_boot, inheritable[1])
        if maximum_now is not None and limit.now > maximum_now:
            found.append(Offender(limit, maximum_now, NOW))
        if limit.after_boot > maximum_after_boot:
            found.append(Offender(limit, maximum_after_boot, AFTER_BOOT))
    return found


def limits_above(host: Host, maximum: int, live: bool = True) -> t.List[Offender]:
    """Return who would be locked out if fs.nr_open became ``maximum``, now and at every boot."""
    return offenders(find(host, live), maximum if live else None, maximum)


def without_own(host: Host) -> Host:
    """Return the host as if none of our limits files were there."""
    return host.planning(dict.fromkeys(own_files(host)))


@looked_at_once
def own_files(host: Host) -> t.List[str]:
    """Return the files of role limits on the host; refuse one that has the name but not the mark."""
    found = []
    for path in _own_paths(host):
        text = host.read(path)
        if text is None:
            continue
        owned.refuse_foreign(path, text)
        found.append(path)
    return found


def left_over(host: Host, asked: t.Container[str]) -> t.List[str]:
    """Return those files of role limits that are not there, of which a run that was killed has left something.

    That is an unfinished file; or an empty directory, which might be somebody else's, of a file among ``asked``.
    """
    return [
        path
        for path in _own_paths(host)
        if host.read(path) is None
        and (host.exists(unfinished(path)) or (path in asked and not host.list(os.path.dirname(path))))
    ]


def _own_paths(host: Host) -> t.List[str]:
    """Return where files of role limits may be, in directories that exist.

    Of one unit those by earlier names come first: removed in this order, each step leaves the winner for the last.
    """
    directories = [name for name in host.list(owned.UNIT_DIRECTORY) if name.endswith(".d")]
    paths = [owned.LIMITS_DROP_IN, *owned.MANAGER_DROP_INS]
    paths += [path for name in directories for path in owned.unit_drop_ins(name[:-2])]
    return [path for path in paths if host.exists(os.path.dirname(path))]
