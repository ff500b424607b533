# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else sets the sysctl keys, or the nofile, that this collection sets, and beats its drop-ins."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    kube_proxy,
    other_writers,
    shell_limits,
    sysctl_d,
    tuned,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import place_of

_SYSCTL_CONF = "/etc/sysctl.conf"

_LATER = "a file of sysctl.d that sorts after ours"
_PROCPS = "procps, which reads it last at boot"
_SHELLS = ", which run it after pam_limits"
_UNKNOWN = " (what it comes to cannot be told here)"


def find(
    host: Host,
    ours: t.Mapping[str, str],
    cpus: t.Optional[int] = None,
    homes: t.Iterable[str] = (),
    ways: t.Iterable[str] = shell_limits.WAYS,
) -> t.List[t.Dict[str, str]]:
    """Return each foreign line that beats our drop-in, or would if it were there.

    ours: the keys and values of our drop-in as it is. Of the keys that are not in it the collection's usual ones
          are looked at, so that a first run is warned too.
    cpus: the processors of the host, by which kube-proxy reckons
    homes, ways: of the users whose sessions count, and in which they come

    A line that sets nofile for one service alone has its ``unit``, too.
    """
    keys = _keys(host, ours)
    found = _at_boot(host, ours, keys)
    active = host.attempt("/etc/tuned", lambda: tuned.active(host))
    if active is not None and not active.reapplies:
        found += _by_tuned(host, ours, keys, active)
    by_proxy = kube_proxy.conntrack_max(host, cpus) if kube_proxy.KEY in keys else None
    if by_proxy is not None and _differs(kube_proxy.KEY, by_proxy.value, ours.get(kube_proxy.KEY)):
        found.append(_entry(*by_proxy))
    for line in shell_limits.lines(host, homes, ways):
        who = line.who + _SHELLS if line.is_known else line.who + _SHELLS + _UNKNOWN
        found.append(_entry(sysctl_keys.NOFILE, line.value, line.path, line.line, who))
    for setting, unit in other_writers.nofile_lines(host):
        found.append(dict(_entry(*setting), **({"unit": unit} if unit else {})))
    return list({(entry["key"], entry["file"]): entry for entry in reversed(found)}.values())[::-1]


def refused(host: Host, ours: t.Mapping[str, str]) -> t.List[t.Dict[str, str]]:
    """Return each line about one of the keys of find() that the kernel refuses, wherever it sorts."""
    keys = _keys(host, ours)
    then = _with_every(host, ours, keys)
    lines = host.attempt("sysctl.d", lambda: sysctl_d.refused_lines(then, keys)) or []
    found = [line.as_dict() for line in lines]
    kernel = sysctl_d.kernel_at_start(host)
    before, after = other_writers.settings(host)
    for one in [*before, *after]:
        if one.key in keys and sysctl_d.settle([one], one.key, kernel).refused:
            why = "the kernel refuses it and takes %s" % sysctl_keys.allowed(one.key, kernel)
            found.append({"key": one.key, "file": place_of(one.path, one.line), "value": one.value, "why": why})
    return found


def _keys(host: Host, ours: t.Mapping[str, str]) -> t.List[str]:
    """Return the keys of our drop-in and the usual ones, without those of the machine under a container."""
    contained = containment.in_container(host)
    return [
        key
        for key in sorted(set(sysctl_table.OF_SNAPSHOT) | set(ours))
        if not (contained and containment.is_machine_wide(host, key))
    ]


def _with_every(host: Host, ours: t.Mapping[str, str], keys: t.Iterable[str]) -> Host:
    """Return the host with a drop-in of ours that has all of ``keys``."""
    return host.planning(sysctl_d.drop_in({key: ours.get(key, "") for key in keys}))


def _at_boot(host: Host, ours: t.Mapping[str, str], keys: t.Sequence[str]) -> t.List[t.Dict[str, str]]:
    """Return who wins a key at the next reboot, if that is not us.

    Where the file of ours is not there yet, it stands for it that it will be: the kernel's command line, which comes
    before it, beats nothing.
    """
    then = _with_every(host, ours, keys)
    winners = host.attempt("sysctl.d", lambda: other_writers.foreign_winners(then, keys)) or {}
    found = []
    for key, won in winners.items():
        if not _differs(key, won.value, ours.get(key)):
            continue
        who = _PROCPS if won.path == _SYSCTL_CONF else _LATER
        if isinstance(won, sysctl_d.Setting):
            who = won.who
        found.append(_entry(key, won.value, won.path, won.line, who))
    return found


def _by_tuned(
    host: Host, ours: t.Mapping[str, str], keys: t.Sequence[str], active: tuned.Tuned
) -> t.List[t.Dict[str, str]]:
    kernel = sysctl_d.kernel_now(host)
    who = "TuneD profile %s" % active.profile
    return [
        _entry(key, active.keys[key].value, active.keys[key].path, active.keys[key].line, who)
        for key in keys
        if key in active.keys and tuned.wins(key, active.keys[key], ours.get(key), kernel)
    ]


def _differs(key: str, value: t.Optional[str], ours: t.Optional[str]) -> bool:
    return ours is None or not sysctl_keys.same(key, ours, value or "", sysctl_keys.WIDEST)


def _entry(key: str, value: t.Optional[str], path: str, line: int, who: str) -> t.Dict[str, str]:
    return {"key": key, "file": place_of(path, line), "value": " ".join((value or "").split()), "who": who}
