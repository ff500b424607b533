# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard nofile limits against the fs.nr_open that they must not exceed, now and after the next boot.

setrlimit(2) fails with EPERM for a hard limit above fs.nr_open, also with CAP_SYS_RESOURCE and also when the
process has that hard limit already (kernel/sys.c, do_prlimit). Whoever meets that is locked out: pam_limits
refuses the session, systemd fails the unit with 205/LIMITS.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils import (
    container_engines,
    other_writers,
    pam_limits,
    running_limits,
    sysctl_d,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.containment import in_container
from ansible_collections.fourtuple.clients.plugins.module_utils.host_files import OWNER_MARK, unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host_tree import HostTree
from ansible_collections.fourtuple.clients.plugins.module_utils.reading import Reading
from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal, decimal

NR_OPEN = "fs.nr_open"

#: fs/file.c: sysctl_nr_open, sysctl_nr_open_min and sysctl_nr_open_max on 64 bits.
NR_OPEN_KERNEL = 1048576
NR_OPEN_MINIMUM = 64
NR_OPEN_MAXIMUM = 1073741816

#: The first line of the files that role limits writes; the rest of the line is part of the contract.
HEADER = OWNER_MARK + " (role limits). Changes here are overwritten."

NOW = "now"
AFTER_BOOT = "after_boot"

#: The "unit" that DefaultLimitNOFILE= stands for.
EVERY_UNIT = "every unit without LimitNOFILE="
EVERY_USER_UNIT = "every user's unit without LimitNOFILE="


class Ceiling(t.NamedTuple):
    """An fs.nr_open and where it comes from; line 0 is no file's line."""

    value: int
    source: str
    line: int


class HardLimit(t.NamedTuple):
    """A hard limit that somebody has or will get: what is asked of the kernel now, and after the next boot.

    0 stands for "nothing is asked": a running process does not outlive the boot.
    """

    source: str
    line: int
    kind: str  # domain or unit
    name: str
    shown: t.Union[int, str]
    now: int
    after_boot: int


class Offender(t.NamedTuple):
    """A hard limit above the nr_open that holds then."""

    limit: HardLimit
    maximum: int
    when: str

    def as_dict(self) -> t.Dict[str, t.Any]:
        return {
            "source": self.limit.source,
            "line": self.limit.line,
            self.limit.kind: self.limit.name,
            "value": self.limit.shown,
            "maximum": self.maximum,
            "when": self.when,
        }


def nr_open_now(root: str) -> t.Optional[int]:
    """Return the live value, or None below a root that is no running host."""
    text = sysctl_d.live(root, NR_OPEN)
    return None if text is None else decimal(text)


def nr_open_at_start(root: str) -> int:
    """Return the nr_open of the moment at which PID 1 starts, before any sysctl.d is applied.

    systemd since 240 may raise it to the maximum there, if built so, as on Debian 13 (src/core/main.c,
    bump_file_max_and_nr_open); it then takes it for its own hard limit, which tells even where sysctl.d has
    lowered the value since.
    """
    first = running_limits.read_process(root, 1)
    seen = (nr_open_now(root), first.hard if first is not None else None)
    if NR_OPEN_MAXIMUM in seen and sysctl_d.boots_with_systemd(root):
        return NR_OPEN_MAXIMUM
    told = _by_kernel_line(root)
    return told.value if told is not None else NR_OPEN_KERNEL


def nr_open_after_boot(root: str, own: t.Optional[t.Mapping[str, str]] = None) -> Ceiling:
    """Return the nr_open that holds after the next boot; ``own`` as in sysctl_d.after_boot.

    /run/sysctl.d is empty then, yet holds for whoever applies sysctl.d before: of the two values the lower counts.
    So it does of what other programs set after or beside sysctl.d: in some part of a boot each of them holds.
    A container's boot changes nothing: the value is the machine's.
    """
    now = nr_open_now(root)
    if now is not None and in_container(root):
        return Ceiling(now, "the machine under this container", 0)
    found = [_nr_open_set(root, own, volatile) for volatile in (False, True)]
    return min(found + _ceilings(other_writers.settings(Reading(root))[1]), key=lambda found: found.value)


def _ceilings(settings: t.Iterable[sysctl_d.Setting]) -> t.List[Ceiling]:
    """Return what the lines that set nr_open make of it; one that the kernel refuses sets nothing."""
    found = []
    for one in settings:
        value = _kernel_number(one.value) if one.key == NR_OPEN else None
        if value is not None and NR_OPEN_MINIMUM <= value <= NR_OPEN_MAXIMUM:
            found.append(Ceiling(value, one.path, one.line))
    return found


def _by_kernel_line(root: str) -> t.Optional[Ceiling]:
    """Return the nr_open of the kernel's command line, of this boot's and the next one's the lower."""
    return min(_ceilings(other_writers.kernel_line(Reading(root))), key=lambda found: found.value, default=None)


def _nr_open_set(root: str, own: t.Optional[t.Mapping[str, str]], volatile: bool) -> Ceiling:
    winner = sysctl_d.after_boot(root, NR_OPEN, own, volatile)
    value = _kernel_number(winner.value) if winner is not None and winner.value is not None else None
    if winner is not None and value is not None and NR_OPEN_MINIMUM <= value <= NR_OPEN_MAXIMUM:
        return Ceiling(value, winner.path, winner.line)
    # A value that the kernel refuses (EINVAL) leaves the one before.
    start, told = nr_open_at_start(root), _by_kernel_line(root)
    if told is not None and told.value == start:
        return told
    return Ceiling(start, "no sysctl.d file sets it: the default", 0)


def _kernel_number(text: str) -> t.Optional[int]:
    """proc_get_long and its strtoul_lenient(base 0): decimal, 0x or octal."""
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,16})|0([0-7]{0,22})|([1-9][0-9]{0,18})", text.strip())
    if match is None:
        return None
    for digits, base in zip(match.groups(), (16, 8, 10)):
        if digits is not None:
            return int(digits or "0", base)
    return None


def hard_limits(tree: HostTree, live: bool = True) -> t.List[HardLimit]:
    """Return every hard limit: configured in pam_limits' and systemd's files, and of running processes."""
    found = _session_limits(tree)
    if systemd_limits.is_installed(tree):
        found += _systemd_limits(tree)
    if not in_container(tree.root):
        found += _engine_limits(tree)
    if live:
        found += _running_limits(tree)
    return found


def _engine_limits(tree: HostTree) -> t.List[HardLimit]:
    """Return what container engines will ask for when their next container starts, now as after a boot."""
    return [
        HardLimit(one.path, one.line, "unit", one.name, one.shown, one.hard, one.hard)
        for one in container_engines.limits(Reading(tree.root))
    ]


def _session_limits(tree: HostTree) -> t.List[HardLimit]:
    build = pam_limits.behaviour(tree)
    found = []
    for domain, grant in pam_limits.winning(pam_limits.entries(tree, build)).items():
        entry = grant.hard
        if entry is None or (entry.value == pam_limits.UNLIMITED and build.caps_unlimited):
            continue
        shown = "unlimited" if entry.value == pam_limits.UNLIMITED else entry.value
        found.append(HardLimit(entry.path, entry.line, "domain", domain, shown, entry.value, entry.value))
    return found


def _systemd_limits(tree: HostTree) -> t.List[HardLimit]:
    default = systemd_limits.default(tree)
    now = nr_open_now(tree.root)
    if default.line == 0 and now is not None and in_container(tree.root):
        # fallback_rlimit_nofile takes no more than the nr_open that it meets, which here never changes.
        default = default._replace(hard=min(default.hard, now))
    if default.line == 0:
        # Likewise where the kernel's command line has put it lower before systemd starts.
        default = default._replace(hard=min(default.hard, nr_open_at_start(tree.root)))
    limits = [(EVERY_UNIT, default)] + list(systemd_limits.Units(tree).limits())
    user = systemd_limits.configured_default(tree, "user")
    if user is not None:
        limits.append((EVERY_USER_UNIT, user))
    return [_systemd_limit(tree, unit, limit) for unit, limit in limits]


def _systemd_limit(tree: HostTree, unit: str, limit: systemd_limits.Limit) -> HardLimit:
    if limit.hard != systemd_limits.INFINITY:
        return HardLimit(limit.path, limit.line, "unit", unit, limit.hard, limit.hard, limit.hard)
    # setrlimit_closest then asks for PID 1's own hard limit, which is the nr_open at its start: fine, unless
    # nr_open has been lowered since.
    first = running_limits.read_process(tree.root, 1)
    booted = sysctl_d.boots_with_systemd(tree.root)
    now = first.hard if first is not None and booted else 0
    after_boot = 0 if in_container(tree.root) else nr_open_at_start(tree.root)
    return HardLimit(limit.path, limit.line, "unit", unit, "infinity", now, after_boot)


def _running_limits(tree: HostTree) -> t.List[HardLimit]:
    """Return one limit for each unit and value, not one for each of its thousand processes."""
    first_of: t.Dict[t.Tuple[str, int], HardLimit] = {}
    for process in running_limits.processes(tree.root):
        name = process.unit or process.name
        limit = HardLimit(process.path, process.line, "unit", name, process.hard, process.hard, 0)
        first_of.setdefault((name, process.hard), limit)
    return list(first_of.values())


def offenders(limits: t.Iterable[HardLimit], now: t.Optional[int], after_boot: int) -> t.List[Offender]:
    """Return the limits above the nr_open of their time; ``now`` is None where there is no present."""
    found = []
    for limit in limits:
        if now is not None and limit.now > now:
            found.append(Offender(limit, now, NOW))
        if limit.after_boot > after_boot:
            found.append(Offender(limit, after_boot, AFTER_BOOT))
    return found


def limits_above(root: str, maximum: int, own_gone: bool = False, live: bool = True) -> t.List[Offender]:
    """Return who would be locked out if fs.nr_open became ``maximum``, now and at every boot.

    own_gone: leave our own limits files out of account, as they will be gone by then
    """
    tree = HostTree(root)
    if own_gone:
        tree = HostTree(root, dict.fromkeys(own_files(tree)))
    return offenders(hard_limits(tree, live), maximum if live else None, maximum)


def own_files(tree: HostTree) -> t.List[str]:
    """Return the files of role limits on the host; refuse one that has the name but not the mark."""
    found = []
    for path in _own_paths(tree):
        text = tree.read(path)
        if text is None:
            continue
        if not text.startswith(OWNER_MARK):
            raise Refusal(
                path + ":1",
                text.split("\n", 1)[0],
                "a file that begins with %r" % OWNER_MARK,
                "Somebody else's file has our name: rename or remove it.",
            )
        found.append(path)
    return found


def left_over(tree: HostTree, asked: t.Container[str]) -> t.List[str]:
    """Return those files of role limits that are not there, of which a run that was killed has left something.

    That is an unfinished file; or an empty directory, which might be somebody else's, of a file among ``asked``.
    """
    return [
        path
        for path in _own_paths(tree)
        if tree.read(path) is None
        and (tree.exists(unfinished(path)) or (path in asked and not tree.names(os.path.dirname(path))))
    ]


def _own_paths(tree: HostTree) -> t.List[str]:
    """Return where files of role limits may be, in directories that exist."""
    directories = [name for name in tree.names(systemd_limits.UNIT_DIRECTORY) if name.endswith(".d")]
    paths = [pam_limits.DROP_IN, systemd_limits.DEFAULT_DROP_IN]
    paths += [systemd_limits.drop_in(name[:-2]) for name in directories]
    return [path for path in paths if tree.exists(os.path.dirname(path))]
