# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else sets the sysctl keys, or the nofile, that this collection sets, and beats its drop-ins."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils import (
    containment,
    kernel_limits,
    shell_limits,
    sysctl_d,
    tuned,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.reading import Reading

_SYSCTL_CONF = "/etc/sysctl.conf"

_LATER = "a file of sysctl.d that sorts after ours"
_PROCPS = "procps, which reads it last at boot"
_TUNED_LAST = "TuneD, which applies it last (reapply_sysctl)"
_SHELLS = ", which run it after pam_limits"
_UNKNOWN = " (what it comes to cannot be told here)"

#: Stands for the limit, among the keys of sysctl.
NOFILE = "nofile"


def overrides(
    reading: Reading,
    ours: t.Mapping[str, str],
    homes: t.Iterable[str] = (),
    ways: t.Iterable[str] = shell_limits.WAYS,
) -> t.List[t.Dict[str, str]]:
    """Return each foreign line that beats our drop-in, or would if it were there.

    ours: the keys and values of our drop-in as it is. Of the keys that are not in it the collection's usual ones
    are looked at, so that a first run is warned too.

    homes, ways: of the users whose sessions count, and in which they come
    """
    contained = containment.in_container(reading.root)
    keys = [
        key
        for key in sorted(set(kernel_limits.KEYS) | set(ours))
        if not (contained and containment.is_machine_wide(reading.root, key))
    ]
    found = _at_boot(reading, ours, keys)
    active = reading.attempt("/etc/tuned", lambda: tuned.active(reading))
    if active is not None:
        found += _by_tuned(reading, ours, keys, active)
    for line in shell_limits.lines(reading, homes, ways):
        who = line.who + _SHELLS if line.is_known else line.who + _SHELLS + _UNKNOWN
        found.append(_entry(NOFILE, line.path, line.line, line.value, who))
    return list({(entry["key"], entry["file"]): entry for entry in reversed(found)}.values())[::-1]


def _at_boot(reading: Reading, ours: t.Mapping[str, str], keys: t.Sequence[str]) -> t.List[t.Dict[str, str]]:
    planned = {key: ours.get(key, "") for key in keys}
    assignments = reading.attempt("sysctl.d", lambda: sysctl_d.at_boot(reading.root, planned)) or []
    found = []
    for key in keys:
        won = sysctl_d.winner(assignments, key)
        if won is not None and won.path != sysctl_d.DROP_IN and _differs(won.value, ours.get(key)):
            found.append(_entry(key, won.path, won.line, won.value, _PROCPS if won.path == _SYSCTL_CONF else _LATER))
    return found


def _by_tuned(
    reading: Reading, ours: t.Mapping[str, str], keys: t.Sequence[str], active: tuned.Tuned
) -> t.List[t.Dict[str, str]]:
    if not active.reapplies:
        who = "TuneD profile %s" % active.profile
        return [
            _entry(key, active.keys[key].path, active.keys[key].line, active.keys[key].value, who)
            for key in keys
            if key in active.keys and tuned.wins(active.keys[key], ours.get(key))
        ]
    assignments = sysctl_d.parse(reading.text(_SYSCTL_CONF) or "", _SYSCTL_CONF)
    last = {line.key: line for line in assignments if line.value is not None}
    return [
        _entry(key, last[key].path, last[key].line, last[key].value, _TUNED_LAST)
        for key in keys
        if key in last and _differs(last[key].value, ours.get(key))
    ]


def _differs(value: t.Optional[str], ours: t.Optional[str]) -> bool:
    return ours is None or (value or "").split() != ours.split()


def _entry(key: str, path: str, line: int, value: t.Optional[str], who: str) -> t.Dict[str, str]:
    return {"key": key, "file": "%s:%d" % (path, line), "value": " ".join((value or "").split()), "who": who}
