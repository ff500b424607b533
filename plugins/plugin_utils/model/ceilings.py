# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many simultaneous connections a host can hold, and which limit sets that: the ceiling model.

Pure: a snapshot (``limits`` of connection_limits_info) and a request go in, numbers come out. Each constraint says
how many connections it allows, and never allows fewer when there is more of its resource.

| Constraint | Allows | Source |
|---|---|---|
| four_tuples | the sum over the address families of source addresses x usable ports x destinations, less the \
connections in TIME_WAIT. ``autobind``: one source a family, which the route chooses. ``bind``: a port is taken once \
for an address, whatever the destination | net/ipv4/inet_hashtables.c, __inet_hash_connect; \
net/ipv4/inet_connection_sock.c, inet_csk_get_port; measured |
| nofile | (lowest soft limit - other descriptors of a process) x processes | fs/file.c, alloc_fd; getrlimit(2) |
| nr_open | the same with fs.nr_open, to which nofile can be raised at most | kernel/sys.c, do_prlimit |
| file_max | fs.file-max - open files of others | fs/file_table.c, alloc_empty_file; CAP_SYS_ADMIN passes it by |
| epoll_watches | fs.epoll.max_user_watches | fs/eventpoll.c, ep_insert; for all processes of a user together |
| conntrack | nf_conntrack_max - entries of others - closed connections, while their entries last; only where local \
connections are tracked | net/netfilter/nf_conntrack_core.c, __nf_conntrack_alloc |
| memory | (free + page cache + unused dentries and inodes - what the kernel keeps free + what the sockets of now have \
- TIME_WAIT) / bytes of a connection | module_utils/host/slab.py, module_utils/host/memory.py |
| cgroup_memory | the same with limit - used + page cache, of the tightest level | mm/memcontrol.c, try_charge_memcg |
| tasks | where fewer tasks than processes can start: their number x connections of a process | kernel/fork.c, \
copy_process; kernel/cgroup/pids.c |
"""

from __future__ import annotations

import ipaddress
import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAX_ADDRESSES
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import AUTOBIND, BIND, Request, parse

SCHEMA = 1

Limits = t.Mapping[str, t.Any]
#: First and last address as numbers, by family.
Intervals = dict[int, list[tuple[int, int]]]

#: net/netfilter/nf_conntrack_proto_tcp.c, tcp_timeouts[TCP_CONNTRACK_TIME_WAIT].
CONNTRACK_TIMEWAIT_SECONDS = 120

HOST, NAMESPACE, PROCESS, MACHINE = "host", "namespace", "process", "machine"

#: With net.ipv4.tcp_tw_reuse = 1 connect() takes a port over after a second (net/ipv4/tcp_ipv4.c, tcp_twsk_unique).
_REUSE_SECONDS = 1
_ALWAYS_REUSE = 1
#: A bind bucket for all addresses exists once a port (see module_utils/host/slab.py).
_MAX_PORTS = 65535
#: Published: nothing lost at an average chain of 1, 11 % of the throughput at 48.
_LONG_CHAIN = 8
#: net/ipv4/sysctl_net_ipv4.c, tcp_child_ehash_entries_max.
_MAX_CHILD_BUCKETS = 2**24
#: An administrator's and Ansible's own sessions are no client that loses ports to us.
_FEW_CONNECTIONS = 100


class Constraint(t.NamedTuple):
    """One limit: ``allows`` is None where it does not limit; ``advised`` is what to plan for."""

    name: str
    title: str
    allows: int | None
    advised: int | None
    scope: str
    formula: str
    change: str


class Unknown(t.NamedTuple):
    """A limit of which the snapshot does not tell enough."""

    name: str
    why: str


Answer = Constraint | Unknown


def ceilings(limits: Limits, stated: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return every constraint with the connections that it allows, the lowest first.

    stated: ``target_connections``, ``destinations``, ``binding``, ``processes``, ``users``, ``units``, ``interface``,
            ``port_fill``, ``app_bytes``, ``churn`` as the role variables ``tune_<name>`` have them;
            ``app_descriptors`` (64), ``app_nofile`` (that of the users and units), ``kernel_bytes`` (a socket with
            epoll), ``memory_reserve`` (0), ``exempt_from`` (names of constraints) and ``after_restart`` (False); every
            one may be missing
    raises: Refusal for a request that is not in order
    """
    return ceilings_of(limits, parse(stated))


def ceilings_of(limits: Limits, request: Request) -> dict[str, t.Any]:
    """Return what ceilings() does, of a request that was parsed before."""
    answers = [_for_the_program(model(limits, request), request) for model in _MODELS]
    found = [answer for answer in answers if isinstance(answer, Constraint)]
    # Of equal ones the first in the order of the table binds: sorting is stable.
    found.sort(key=lambda constraint: (constraint.allows is None, constraint.allows))
    limiting = [constraint for constraint in found if constraint.allows is not None]
    ceiling = limiting[0].allows if limiting else None
    return {
        "schema": SCHEMA,
        "ceiling": ceiling,
        "binding_constraint": limiting[0].name if limiting else None,
        "next_constraint": limiting[1].name if len(limiting) > 1 else None,
        "next_ceiling": limiting[1].allows if len(limiting) > 1 else None,
        "advised": min((one.advised for one in limiting if one.advised is not None), default=None),
        "target": request.target,
        "meets_target": request.target is None or (ceiling is not None and ceiling >= request.target),
        "constraints": [constraint._asdict() for constraint in found],
        "unknown": [answer._asdict() for answer in answers if isinstance(answer, Unknown)],
        "warnings": _warnings(limits, request, ceiling),
    }


def _for_the_program(answer: Answer, request: Request) -> Answer:
    """Let a constraint not limit that the program is exempt from."""
    if answer.name not in request.exempt_from or isinstance(answer, Unknown):
        return answer
    formula = answer.formula + "; this program is exempt"
    return answer._replace(allows=None, advised=None, formula=formula, change="nothing")


# --- four-tuples ---


def four_tuples(limits: Limits, request: Request) -> Answer:
    """Allow what distinct (source address, source port, destination) there are."""
    name, ports = "four_tuples", limits["ports"]["usable"]
    intervals = source_intervals(limits, request.interface)
    if ports is None:
        return Unknown(name, "the local port range could not be read")
    if intervals is None:
        return Unknown(name, "the host's addresses could not be read")
    sources = {family: count(found) for family, found in intervals.items()}
    capacity = capacity_of_a_source(request, ports, sources)
    used = {family: min(1, number) if request.binding == AUTOBIND else number for family, number in sources.items()}
    held = in_timewait(limits, request)
    allows = max(0, sum(used[family] * capacity[family] for family in used) - held)
    destinations = destinations_by_family(request, sources)
    parts = [_four_tuple_part(request, used[f], ports, destinations[f]) for f in used if capacity[f]]
    formula = " + ".join(parts)
    if held:
        formula += " - %d in TIME_WAIT (%d closed per second)" % (held, request.churn)
    advised = math.floor(allows * request.port_fill)
    return Constraint(name, "four-tuples", allows, advised, NAMESPACE, formula, _more_four_tuples(request))


def source_intervals(limits: Limits, interface: str | None, ours: bool = True) -> Intervals | None:
    """Return the addresses that a client can connect from, None where they could not be read.

    These are the global ones of its interface (that of the family's default route where none is named; without a
    default route those of every interface), those on lo, and the prefixes of IPv4 that are local as a whole (AnyIP).

    ours: whether those that this collection added count
    """
    addresses = limits["addresses"]
    if addresses is None:
        return None
    found: Intervals = {4: [], 6: []}
    for entry in addresses["list"]:
        family = entry["family"]
        chosen = interface or addresses["default_interface"].get(str(family))
        if entry["scope"] != "global" or (entry.get("ours") and not ours):
            continue
        if entry["interface"] == "lo" or chosen is None or entry["interface"] == chosen:
            first = ipaddress.ip_address(entry["address"])
            found[family].append((int(first), int(ipaddress.ip_address(entry.get("last", entry["address"])))))
    for entry in addresses["anyip"]:
        network = ipaddress.ip_network(entry["prefix"], strict=False)
        if network.version == 6:
            # bind() wants an address of an interface, unless the program asks for IPV6_FREEBIND (net/ipv6/af_inet6.c,
            # __inet6_bind; measured).
            continue
        found[network.version].append((int(network.network_address), int(network.broadcast_address)))
    return {family: merged(intervals) for family, intervals in found.items()}


def merged(intervals: t.Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ``intervals`` ascending, none of which overlaps another."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def source_addresses(limits: Limits, stated: t.Mapping[str, t.Any], most: int = MAX_ADDRESSES) -> list[str]:
    """Return the source addresses that the ceiling of a request counts, as ranges ``first-last``, by family.

    most: no more than so many of each family, the lowest; a whole prefix that is local may have millions

    None for ``autobind``, which leaves the choice to the route.
    """
    request = parse(stated)
    intervals = source_intervals(limits, request.interface) or {}
    numbers = {family: count(found) for family, found in intervals.items()}
    if request.binding == AUTOBIND or not intervals:
        return []
    wanted = destinations_by_family(request, numbers)
    make: dict[int, t.Callable[[int], object]] = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    return [
        "%s-%s" % (make[family](first), make[family](last))
        for family, found in intervals.items()
        if wanted[family]
        for first, last in _at_most(found, most)
    ]


def _at_most(intervals: t.Iterable[tuple[int, int]], most: int) -> t.Iterator[tuple[int, int]]:
    """Yield the first ``most`` numbers of the intervals."""
    for first, last in intervals:
        if most <= 0:
            return
        yield first, min(last, first + most - 1)
        most -= last - first + 1


def count(intervals: t.Iterable[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in intervals)


def usable_sources(limits: Limits, request: Request) -> int | None:
    """Return how many source addresses the connections of the request can have; autobind has one a family."""
    intervals = source_intervals(limits, request.interface)
    if intervals is None:
        return None
    sources = {family: count(found) for family, found in intervals.items()}
    families = [family for family, number in destinations_by_family(request, sources).items() if number]
    return sum(min(1, sources[f]) if request.binding == AUTOBIND else sources[f] for f in families)


def destinations_by_family(request: Request, sources: t.Mapping[int, int]) -> dict[int, int]:
    """Return the destinations of each family; those that are only counted are IPv4's where the host has a source."""
    counted = 4 if sources[4] or not sources[6] else 6
    found = {4: request.destinations.get(4, 0), 6: request.destinations.get(6, 0)}
    found[counted] += request.destinations.get(None, 0)
    return found


def capacity_of_a_source(request: Request, ports: int, sources: t.Mapping[int, int]) -> dict[int, int]:
    """Return the connections that one source address of each family can have.

    A plain bind takes its port before the destination is known (net/ipv4/inet_connection_sock.c, inet_csk_get_port).
    """
    destinations = destinations_by_family(request, sources)
    return {f: ports * (min(1, n) if request.binding == BIND else n) for f, n in destinations.items()}


def in_timewait(limits: Limits, request: Request) -> int:
    """Return how many closed connections keep their four-tuple at a time.

    60 seconds are built in (include/net/tcp.h, TCP_TIMEWAIT_LEN); above tcp_max_tw_buckets a connection is closed
    without TIME_WAIT (net/ipv4/inet_timewait_sock.c, inet_twsk_alloc).
    """
    tcp = limits["tcp"]
    seconds = _REUSE_SECONDS if tcp["tw_reuse"] == _ALWAYS_REUSE else tcp["timewait_seconds"]
    held = request.churn * seconds
    return held if tcp["max_tw_buckets"] is None else min(held, tcp["max_tw_buckets"])


def _four_tuple_part(request: Request, sources: int, ports: int, destinations: int) -> str:
    text = "%s x %d ports" % (number_of(sources, "source address", "es"), ports)
    if request.binding == BIND:
        return text + ", whatever the destinations"
    return "%s x %s" % (text, number_of(destinations, "destination"))


def number_of(number: int, what: str, plural: str = "s") -> str:
    return "%d %s%s" % (number, what, "" if number == 1 else plural)


def _more_four_tuples(request: Request) -> str:
    if request.binding == AUTOBIND:
        return (
            "let the program bind its source address (tune_binding: bind_no_port), add destinations, or widen "
            "net.ipv4.ip_local_port_range (tune_port_range)"
        )
    if request.binding == BIND:
        return (
            "add source addresses (tune_address_pool), let the program set IP_BIND_ADDRESS_NO_PORT "
            "(tune_binding: bind_no_port), or widen net.ipv4.ip_local_port_range (tune_port_range)"
        )
    return (
        "add source addresses (tune_address_pool) or destinations, or widen net.ipv4.ip_local_port_range "
        "(tune_port_range)"
    )


# --- descriptors ---


def subjects(limits: Limits, request: Request) -> tuple[list[t.Mapping[str, t.Any]], list[str]]:
    """Return those whose nofile counts, and the names that the snapshot does not know.

    The users and units of the request; where it names none, the users of the snapshot, who stand for everybody that
    logs in; without any of these its units, then its processes.
    """
    found = [one for one in limits["nofile"]["subjects"] if one.get("now") is not None]
    named = [("user", name) for name in request.users] + [("unit", name) for name in request.units]
    if named:
        known = {(one["kind"], one["name"]): one for one in found}
        return [known[key] for key in named if key in known], [key[1] for key in named if key not in known]
    for kind in ("user", "unit", "process"):
        chosen = [one for one in found if one["kind"] == kind]
        if chosen:
            return chosen, []
    return [], []


def nofile(limits: Limits, request: Request) -> Answer:
    """Allow what the lowest soft limit of the subjects leaves to connections, or the one that the program has."""
    if request.app_nofile is not None:
        change = "raise the nofile of the program" + _to_hold(request)
        said = "soft nofile %d of the program" % request.app_nofile
        return _descriptors("nofile", "open files (nofile)", request.app_nofile, said, change, request)
    chosen, missing = subjects(limits, request)
    if not chosen:
        who = ", ".join(missing) or "any user, unit or process"
        return Unknown("nofile", "the snapshot has no limit of %s" % who)
    lowest = min(chosen, key=lambda one: _soft(one, request))
    soft, who = _soft(lowest, request), "%s %s" % (lowest["kind"], lowest["name"])
    change = "raise the soft nofile of %s%s (limits_nofile_soft)" % (who, _to_hold(request))
    if lowest.get("remedy"):
        who, change = "%s by %s" % (who, lowest["way"]), "%s: %s" % (lowest["by"], lowest["remedy"])
    if lowest["kind"] == "unit" and (lowest.get("after_boot") or lowest["now"])["soft"] > soft:
        change = "restart %s, which has another limit than it is configured to have" % lowest["name"]
    return _descriptors("nofile", "open files (nofile)", soft, "soft nofile %d of %s" % (soft, who), change, request)


def _soft(subject: t.Mapping[str, t.Any], request: Request) -> int:
    """Return the soft limit of a subject; that of a running unit may come with its next start only."""
    later = subject.get("after_boot") if request.after_restart and subject["kind"] == "unit" else None
    return int((later or subject["now"])["soft"])


def nr_open(limits: Limits, request: Request) -> Answer:
    """Allow what nofile could be raised to at most."""
    now = limits["nofile"]["nr_open"]["now"]
    if now is None:
        return Unknown("nr_open", "fs.nr_open could not be read")
    scope = scope_of(limits, "fs.nr_open")
    change = "raise fs.nr_open%s%s" % (_on_machine(scope), _to_hold(request))
    answer = _descriptors(
        "nr_open", "open files of a process (fs.nr_open)", now, "fs.nr_open %d" % now, change, request
    )
    return answer._replace(scope=scope)


def _descriptors(name: str, title: str, limit: int, said: str, change: str, request: Request) -> Constraint:
    allows = max(0, limit - request.app_descriptors) * request.processes
    processes = number_of(request.processes, "process", "es")
    formula = "(%s - %d for other files) x %s" % (said, request.app_descriptors, processes)
    return Constraint(name, title, allows, allows, PROCESS, formula, change)


def descriptors_needed(request: Request, connections: int) -> int:
    """Return the descriptors of one process that holds its part of ``connections``."""
    return math.ceil(connections / request.processes) + request.app_descriptors


def _to_hold(request: Request) -> str:
    return "" if request.target is None else " to %d or more" % descriptors_needed(request, request.target)


def file_max(limits: Limits, request: Request) -> Answer:
    """Allow what fs.file-max leaves besides the open files of everything else."""
    values = limits["nofile"]["file_max"]
    if values["now"] is None or values["allocated"] is None:
        return Unknown("file_max", "fs.file-max or fs.file-nr could not be read")
    others = other_files(limits)
    formula = "fs.file-max %d - %d files of others; CAP_SYS_ADMIN is exempt" % (values["now"], others)
    return _counted(
        limits, request, "file_max", "open files of the host", "fs.file-max", values["now"], others, formula
    )


def other_files(limits: Limits) -> int:
    """Return the open files that are no connections."""
    return max(0, (limits["nofile"]["file_max"]["allocated"] or 0) - _established(limits))


def epoll_watches(limits: Limits, request: Request) -> Answer:
    """Allow what one user's processes can watch together."""
    now = limits["epoll"]["max_user_watches"]
    if now is None:
        return Unknown("epoll_watches", "fs.epoll.max_user_watches could not be read")
    formula = "fs.epoll.max_user_watches %d, for all processes of one user" % now
    return _counted(limits, request, "epoll_watches", "epoll watches", "fs.epoll.max_user_watches", now, 0, formula)


def conntrack(limits: Limits, request: Request) -> Answer:
    """Allow what the connection tracking table has room for, where it sees local connections."""
    table, key, name = limits["conntrack"], "net.netfilter.nf_conntrack_max", "conntrack"
    if table["tracks_local"] is None:
        return Unknown(name, table["why"])
    title = "tracked connections"
    if not table["tracks_local"]:
        return Constraint(name, title, None, None, scope_of(limits, key), table["why"], "nothing")
    if table["max"] is None or table["count"] is None:
        return Unknown(name, "%s or its count could not be read" % key)
    others, closed = other_entries(limits), tracked_after_close(request)
    formula = "%s %d - %d entries of others" % (key, table["max"], others)
    if closed:
        formula += " - %d of closed connections" % closed
    return _counted(limits, request, name, title, key, table["max"], others + closed, formula)


def other_entries(limits: Limits) -> int:
    """Return the tracked connections that are not established sockets of this host."""
    return max(0, (limits["conntrack"]["count"] or 0) - _established(limits))


def tracked_after_close(request: Request) -> int:
    return request.churn * CONNTRACK_TIMEWAIT_SECONDS


def _counted(
    limits: Limits, request: Request, name: str, title: str, key: str, now: int, taken: int, formula: str
) -> Constraint:
    """Return the constraint of a key that counts connections one by one, ``taken`` of which are others'."""
    allows = max(0, now - taken)
    scope = scope_of(limits, key)
    needed = "" if request.target is None else " to %d or more" % (request.target + taken)
    return Constraint(name, title, allows, allows, scope, formula, "raise %s%s%s" % (key, _on_machine(scope), needed))


def scope_of(limits: Limits, key: str) -> str:
    """Return whose a sysctl key is: the host's, the network namespace's, or the machine's under a container."""
    entry = limits["keys"].get(key) or {}
    # A key that could not be read: in a container only net.* can be its own.
    unread = MACHINE if limits["host"]["container"] and not key.startswith("net.") else None
    if entry.get("scope", unread) == MACHINE:
        return MACHINE
    return NAMESPACE if key.startswith("net.") else HOST


def is_settable(limits: Limits, key: str) -> bool:
    """Tell whether a run may set a key: not the machine's under a container, nor one that the host cannot write."""
    return scope_of(limits, key) != MACHINE and (limits["keys"].get(key) or {}).get("writable") is not False


def _on_machine(scope: str) -> str:
    return " on the machine under this container" if scope == MACHINE else ""


def _established(limits: Limits) -> int:
    return int(limits["sockets"]["established"] or 0)


# --- memory ---


def bytes_of_connection(limits: Limits, request: Request) -> int:
    """Return what one connection takes in the kernel, with epoll unless stated otherwise, and in the application."""
    kernel = limits["slab"]["per_socket_epoll"] if request.kernel_bytes is None else request.kernel_bytes
    return int(kernel) + request.app_bytes


def memory_needed(limits: Limits, request: Request, connections: int) -> int:
    """Return the bytes that ``connections`` take."""
    per_port = int(limits["slab"].get("per_port") or 0)
    return connections * bytes_of_connection(limits, request) + min(connections, _MAX_PORTS) * per_port


def _held_by(limits: Limits, request: Request, room: int) -> int:
    """Return the connections that fit into ``room`` bytes: the inverse of memory_needed."""
    each = bytes_of_connection(limits, request)
    per_port = int(limits["slab"].get("per_port") or 0)
    held = max(0, room) // (each + per_port)
    return held if held <= _MAX_PORTS else (room - _MAX_PORTS * per_port) // each


def memory_room(limits: Limits, request: Request) -> int | None:
    """Return the bytes that this host has for connections.

    MemAvailable is not used: it counts the pinned inodes and dentries of sockets as reclaimable.
    """
    memory = limits["memory"]
    if memory["free"] is None or memory["file_cache"] is None:
        return None
    sockets = _established(limits) * limits["slab"]["per_socket"]
    room = memory["free"] + memory["file_cache"] + (memory.get("slab_cache") or 0) - (memory["reserve"] or 0) + sockets
    return int(max(0, room - request.memory_reserve - _timewait_bytes(limits, request)))


def _timewait_bytes(limits: Limits, request: Request) -> int:
    """Return what the connections in TIME_WAIT will take beyond those of now, whose memory is not free."""
    more = in_timewait(limits, request) - (limits["sockets"]["timewait"] or 0)
    return int(max(0, more) * limits["slab"]["per_timewait"])


def memory(limits: Limits, request: Request) -> Answer:
    """Allow what the host's memory holds."""
    room = memory_room(limits, request)
    if room is None:
        return Unknown("memory", "/proc/meminfo could not be read")
    scope = MACHINE if limits["host"]["container"] else HOST
    change = "add memory to %s" % ("the machine under this container" if scope == MACHINE else "the host")
    return _memory("memory", "memory", limits, request, room, "", scope, change)


def cgroup_room(limits: Limits, request: Request) -> tuple[int, str] | None:
    """Return the bytes that the tightest control group leaves to connections, and its path; None without any."""
    sockets = _established(limits) * limits["slab"]["per_socket"]
    rooms = []
    for level in _levels(limits, request, "memory"):
        used, cache = level["used"] or 0, level["file_cache"] or 0
        # The sockets of now may be charged to other groups: no more of them than the group uses.
        back = min(sockets, max(0, used - cache))
        rooms.append((max(0, level["limit"] - used + cache + back - _timewait_bytes(limits, request)), level["path"]))
    return min(rooms, default=None)


def cgroup_memory(limits: Limits, request: Request) -> Answer:
    """Allow what the tightest control group has room for; sockets are charged to it."""
    name, title = "cgroup_memory", "memory of the control group"
    scope = MACHINE if limits["host"]["container"] else HOST
    found = cgroup_room(limits, request)
    if found is None:
        return Constraint(name, title, None, None, scope, "no control group limits memory", "nothing")
    room, path = found
    change = "raise the memory limit of the control group %s (memory.max, MemoryMax=)" % path
    return _memory(name, title, limits, request, room, " in %s" % path, scope, change)


def _memory(
    name: str, title: str, limits: Limits, request: Request, room: int, where: str, scope: str, change: str
) -> Constraint:
    allows = _held_by(limits, request, room)
    formula = "%s for connections%s / %d bytes each" % (size(room), where, bytes_of_connection(limits, request))
    return Constraint(name, title, allows, allows, scope, formula, change)


def size(number: int) -> str:
    """Return bytes for people."""
    return "%.1f GB" % (number / 1e9) if number >= 1e9 else "%.1f MB" % (number / 1e6)


def _levels(limits: Limits, request: Request, what: str) -> t.Iterator[t.Mapping[str, t.Any]]:
    """Yield the groups with a limit: those of the request's units where they run, else of who took the snapshot."""
    running = [one for one in subjects(limits, request)[0] if one["kind"] != "user" and one.get("pid") is not None]
    if not running:
        yield from limits[what]["cgroups"]
    for subject in running:
        yield from subject.get("%s_cgroups" % what) or ()


# --- tasks ---


def tasks(limits: Limits, request: Request) -> Answer:
    """Allow what the processes that can start hold; all of them, as a rule."""
    name, title = "tasks", "tasks"
    scope = MACHINE if limits["host"]["container"] else HOST
    found = limits["tasks"]
    rooms = [(level["limit"] - (level["used"] or 0), level["path"]) for level in _levels(limits, request, "tasks")]
    if found["threads"] is not None:
        for key, most in (("kernel.threads-max", found["threads_max"]), ("kernel.pid_max", found["pid_max"])):
            if most is not None:
                rooms.append((most - found["threads"], key))
    if not rooms:
        return Unknown(name, "the limits of tasks could not be read")
    headroom, which = min(rooms)
    headroom = max(0, headroom)
    said = "%d more tasks can start (%s), %d are asked for" % (headroom, which, request.processes)
    each = nofile(limits, request)
    if headroom >= request.processes or isinstance(each, Unknown) or each.allows is None:
        return Constraint(name, title, None, None, scope, said, "nothing")
    allows = headroom * (each.allows // request.processes)
    change = "raise %s, or let fewer processes hold more connections each (tune_processes)" % which
    return Constraint(name, title, allows, allows, scope, said, change)


_MODELS: tuple[t.Callable[[Limits, Request], Answer], ...] = (
    four_tuples,
    nofile,
    nr_open,
    file_max,
    epoll_watches,
    conntrack,
    memory,
    cgroup_memory,
    tasks,
)


# --- warnings ---


def _warnings(limits: Limits, request: Request, ceiling: int | None) -> list[str]:
    found = [
        _chains(limits, request.target or ceiling or 0),
        _tracking(limits),
        _parity(limits),
        _bind_among_others(limits, request),
        _bind_with_destinations(request),
        _timewait_overflow(limits, request),
        _nobody_applies(limits),
        _containers(limits),
    ]
    unknown = subjects(limits, request)[1]
    found += ["The snapshot has no nofile of %s: it is not compared." % name for name in unknown]
    return [warning for warning in found if warning is not None]


def _chains(limits: Limits, sockets: int) -> str | None:
    table = limits["established_hash"]
    if not table["buckets"] or sockets <= _LONG_CHAIN * table["buckets"]:
        return None
    wanted = 1 << (sockets - 1).bit_length()
    if limits["host"]["first_network_namespace"]:
        remedy = "boot the kernel with thash_entries=%d" % wanted
    else:
        remedy = "set net.ipv4.tcp_child_ehash_entries=%d (Linux 6.1) before this network namespace is made" % min(
            wanted, _MAX_CHILD_BUCKETS
        )
    return "%d connections in the %d buckets of the established hash make chains of %.1f on average: %s." % (
        sockets,
        table["buckets"],
        sockets / table["buckets"],
        remedy,
    )


def _tracking(limits: Limits) -> str | None:
    if not limits["conntrack"]["tracks_local"]:
        return None
    why = limits["conntrack"]["why"]
    return "Connection tracking sees this host's own connections (%s): exempt them by a NOTRACK rule." % why


def _parity(limits: Limits) -> str | None:
    low, high = limits["ports"]["low"], limits["ports"]["high"]
    if low is None or high is None or low == high or low % 2 != high % 2:
        return None
    # net/ipv4/sysctl_net_ipv4.c, set_local_port_range()
    return (
        'The ends %d and %d of net.ipv4.ip_local_port_range are of one parity ("prefer different parity for start/end '
        'values"): end it at %d.' % (low, high, high - 1)
    )


def _nobody_applies(limits: Limits) -> str | None:
    """Warn of a host on which what is written to sysctl.d is read by nobody."""
    boot = limits.get("boot")
    if boot is None or boot["name"] is not None:
        return None
    return "Nobody applies /etc/sysctl.d when this host starts (%s), so its keys are lost then: %s." % (
        boot["why"],
        boot["remedy"],
    )


def _containers(limits: Limits) -> str | None:
    """Say, where containers may be the clients, that their limits do not come from sessions or units."""
    told = []
    for one in limits.get("engines") or ():
        nofile = "the engine's default"
        if one["nofile"] is not None:
            nofile = "%(soft)s:%(hard)s" % one["nofile"] + " by %s" % one["by"]
        told.append("%s: %s, set by %s" % (one["name"], nofile, one["setting"]))
    if not told:
        return None
    return (
        "Containers get neither the nofile of sessions nor that of units, but their engine's (%s): a client that runs "
        "in one needs it there." % "; ".join(told)
    )


def _bind_among_others(limits: Limits, request: Request) -> str | None:
    if request.binding != BIND or limits["addresses"] is None:
        return None
    ours = _ours(limits)
    others = 0
    for entry in limits["sockets"]["by_source"] or ():
        address = ipaddress.ip_address(entry["address"])
        if not any(first <= int(address) <= last for first, last in ours[address.version]):
            others += entry["established"]
    if others < _FEW_CONNECTIONS:
        return None
    # net/ipv4/inet_hashtables.c, __inet_hash_connect: tb->fastreuse >= 0
    return (
        "%d connections come from addresses that are not ours: a program that binds plainly (tune_binding: bind) takes "
        "each port from every program that lets the kernel choose, on all addresses." % others
    )


def _ours(limits: Limits) -> Intervals:
    found: Intervals = {4: [], 6: []}
    for entry in limits["addresses"]["list"]:
        if entry.get("ours"):
            last = entry.get("last", entry["address"])
            pair = (int(ipaddress.ip_address(entry["address"])), int(ipaddress.ip_address(last)))
            found[entry["family"]].append(pair)
    return found


def _bind_with_destinations(request: Request) -> str | None:
    if request.binding != BIND or sum(request.destinations.values()) < 2:
        return None
    return (
        "A program that binds plainly (tune_binding: bind) takes one port per source address whatever the destination: "
        "%d destinations hold no more than one." % sum(request.destinations.values())
    )


def _timewait_overflow(limits: Limits, request: Request) -> str | None:
    tcp = limits["tcp"]
    most = tcp["max_tw_buckets"]
    if most is None or request.churn * tcp["timewait_seconds"] <= most:
        return None
    return (
        "%d connections closed per second fill net.ipv4.tcp_max_tw_buckets (%d): those beyond close without TIME_WAIT, "
        "which protects the next one on the same four-tuple from late segments." % (request.churn, most)
    )
