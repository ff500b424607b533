# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading of every limit that caps the simultaneous client connections of a host.

Made of a directory that holds the host's files and one observation (see observation.py). What cannot be read is
null and named in ``unread``; nothing stops the rest.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import owners
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    container_engines,
    pam_limits,
    port_claims,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    cgroups,
    conntrack,
    containment,
    identity,
    interface_addresses,
    listening,
    memory,
    name_servers,
    slab,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits, session_ways
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import (
    drift,
    kernel_limits,
    overrides,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

SCHEMA = 1


class SnapshotRequest(t.NamedTuple):
    """Whose nofile is asked for, as the options of connection_limits_info name them."""

    users: t.Sequence[str] = ()
    units: t.Sequence[str] = ()
    processes: t.Sequence[str] = ()
    names: Names = Names()
    allow_missing: bool = False
    ways: t.Sequence[str] = (session_ways.SSH,)

    @property
    def all_users(self) -> t.Sequence[str]:
        """The users whose accounts an observation has to hold."""
        return self.users if self.users or self.units else ("root",)


def snapshot(host: Host, observation: t.Mapping[str, t.Any], request: SnapshotRequest) -> t.Dict[str, t.Any]:
    """Return ``limits``; refuse a user or a unit that the host does not have."""
    page_size = observation["page_size"]
    keys = kernel_limits.Keys(host)
    known = keys.all()
    ways = session_ways.check(request.names.of("ways"), request.ways)
    subjects = Subjects(host, observation["accounts"], ways=ways)
    applied = drift.applied(host)
    bytes_of = memory.read(host, page_size)
    sockets = observation["sockets"]
    addresses = _addresses(host, observation, applied)
    homes = _homes(host, observation, request)
    limits: t.Dict[str, t.Any] = {
        "schema": SCHEMA,
        "host": identity.describe(host, observation),
        "keys": known,
        "ports": _ports(host, keys, observation),
        "nofile": _nofile(host, known, subjects, request),
        "epoll": {"max_user_watches": keys.number("fs.epoll.max_user_watches")},
        "conntrack": conntrack.read(host, sockets["established"], containment.in_container(host)),
        "tcp": kernel_limits.tcp(host, keys),
        "established_hash": kernel_limits.established_hash(host, keys, bytes_of["total"]),
        "memory": dict(bytes_of, cgroups=cgroups.memory(host)),
        "slab": slab.sizes(host, page_size),
        "tasks": dict(kernel_limits.tasks(host, keys), cgroups=cgroups.tasks(host)),
        "addresses": addresses,
        "sockets": sockets,
        "overrides": overrides.find(host, applied.sysctl, observation["cpus"], homes, ways),
        "boot": sysctl_d.applier(host)._asdict(),
        "engines": [] if containment.in_container(host) else container_engines.engines(host),
        "refused": overrides.refused(host, applied.sysctl),
        "applied": drift.shown(applied),
        "drift": drift.find(host, keys, subjects, applied, addresses, request.all_users),
    }
    limits["unread"] = host.unread + list(observation["unread"])
    return limits


def _ports(host: Host, keys: kernel_limits.Keys, observation: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return the local ports; an observation that does not tell automatic ones is one of an earlier release."""
    listeners, automatic = observation["listeners"], observation.get("automatic_listeners")
    if automatic is None:
        low, high = listening.range_in_force(keys.live(sysctl_table.PORT_RANGE))
        automatic = listening.guessed(listeners, low, high).automatic
    claims = host.attempt("claims of ports", lambda: port_claims.claims(host)) or []
    udp = observation.get("udp_listeners") or ()
    return kernel_limits.ports(keys, listeners, automatic, udp, [claim.as_dict() for claim in claims])


def _addresses(
    host: Host, observation: t.Mapping[str, t.Any], applied: drift.Applied
) -> t.Optional[t.Dict[str, t.Any]]:
    """Return the addresses of the host, with those that it knows others to have; None where it could not be asked."""
    interfaces = observation["interfaces"]
    if interfaces is None:
        return None
    # What another role keeps is the host's own to whoever plans.
    keeper = host.attempt("addresses of ours", lambda: owners.owner(host, owners.ADDRESSES))
    kept = keeper is None or keeper[0] == owners.TUNE
    own = drift.own_addresses(applied)
    ours = {*(address for _interface, address in own.added), *own.routes} if kept else set()
    servers = host.attempt("name servers", lambda: name_servers.read(host)) or []
    # An observation that was recorded by an earlier version has neither of both.
    taken = [*interfaces.get("taken", ()), *observation.get("session", ()), *servers]
    return dict(interface_addresses.describe(interfaces, ours), taken=taken)


def _homes(host: Host, observation: t.Mapping[str, t.Any], request: SnapshotRequest) -> t.List[str]:
    """Return the homes of the users who count; an older record of a host does not have them."""
    found = []
    for name in request.all_users:
        known = observation["accounts"].get(name, {}).get("home")
        look = functools.partial(pam_limits.home, host, name)
        found.append(known or host.attempt("/etc/passwd", look) or "")
    return found


def _nofile(
    host: Host, known: t.Mapping[str, t.Mapping[str, t.Any]], subjects: Subjects, request: SnapshotRequest
) -> t.Dict[str, t.Any]:
    lockout = subjects.lockout()
    return {
        "nr_open": _numbers(known.get(hard_limits.NR_OPEN)),
        "file_max": dict(_numbers(known.get("fs.file-max")), allocated=_allocated(host)),
        "subjects": _subjects(subjects, request),
        "offenders": [offender.as_dict() for offender in lockout.offenders],
        "lockout": host.attempt("nofile limits", lockout.message) or "",
        "inherited": subjects.most_inherited(),
    }


def _subjects(subjects: Subjects, request: SnapshotRequest) -> t.List[t.Dict[str, t.Any]]:
    """Return those asked for; without any, root, every unit without a limit of its own, and this session."""
    found: t.List[t.Optional[t.Dict[str, t.Any]]] = []
    users, units = (
        subjects.there(request.users, request.units) if request.allow_missing else (request.users, request.units)
    )
    found += [subjects.user(request.names.of("users"), name) for name in users]
    found += [subjects.unit(request.names.of("units"), name) for name in units]
    for name in request.processes:
        found += subjects.named(name)
    if not request.users and not request.units:
        found += [subjects.user(request.names.of("users"), "root"), subjects.every_unit(), subjects.reader()]
    return [subject for subject in found if subject is not None]


def _numbers(key: t.Optional[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    """Return a key's values as numbers, null for what is none."""
    found: t.Dict[str, t.Any] = {"now": None, "after_boot": None, "by": None}
    if key is not None:
        for name in ("now", "after_boot"):
            found[name] = None if key[name] is None else decimal(key[name])
        found["by"] = key["by"]
    return found


def _allocated(host: Host) -> t.Optional[int]:
    """Return the open files of the machine: the first number of fs.file-nr (proc_sys_fs(5))."""
    words = (host.text("/proc/sys/fs/file-nr") or "").split()
    return decimal(words[0]) if words else None
