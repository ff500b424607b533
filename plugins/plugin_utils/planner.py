# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a person states about the need to the variables of the three roles.

The simple rule of the first milestone: it looks at the request alone, not yet at the host. Host
state is checked afterwards, by the modules, before the first change.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils import address_set, port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal, whole_number

BINDINGS = ("autobind", "bind", "bind_no_port")

#: Descriptors of one process that are no connections: log files, libraries, epoll, its listeners.
_OTHER_DESCRIPTORS = 1024
#: Open files of everything else on the host, left free below fs.file-max.
_OTHER_FILES = 65536
#: The kernel's own fs.nr_open (include/uapi/linux/fs.h, NR_OPEN is 1024 * 1024): safe on every host.
_DEFAULT_NOFILE = 1048576
_MOST_CONNECTIONS = 10**9


def plan(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the variables of the three roles that meet ``request``, or refuse what cannot be met.

    request: ``target_connections`` (None: as many as the four-tuples allow), ``destinations`` (a number
    or a list), ``binding``, ``processes``, ``port_range``, ``port_fill`` (0 to 1), ``users``, ``units``,
    ``interface``, ``address_pool``, ``slot``, ``slot_size``, each as the role variable ``tune_<name>``
    has it, and ``explicit``, the role variables that the operator set, which win.

    Returned besides the role variables: ``sources`` (source addresses that the application has to use),
    ``ceiling`` (connections that the four-tuples and nofile allow) and ``target``.
    """
    explicit = request["explicit"]
    destinations = _destinations(request["destinations"])
    binding = _binding(request["binding"])
    processes = whole_number("tune_processes", request["processes"], 1, 10**6, "Write how many processes connect.")
    fill = _port_fill(request["port_fill"])
    low, high = port_set.parse_range("tune_port_range", request["port_range"])
    reserved = port_set.parse_ports("sysctl_reserved_ports", explicit["sysctl_reserved_ports"])
    ports = high - low + 1 - len([port for port in reserved if low <= port <= high])
    # A plain bind takes its port whatever the destination (net/ipv4/inet_connection_sock.c, inet_csk_get_port).
    four_tuples_per_source = ports * (1 if binding == "bind" else destinations)
    planned_per_source = max(1, int(four_tuples_per_source * fill))

    addresses = [str(a) for a in address_set.expand("addresses_list", explicit["addresses_list"])]
    target = request["target_connections"]
    if target is None:
        target = planned_per_source * _usable_sources(binding, addresses)
    else:
        mend = "Write how many connections the host must hold."
        target = whole_number("tune_target_connections", target, 1, _MOST_CONNECTIONS, mend)
        needed = math.ceil(target / planned_per_source)
        addresses = _addresses(request, binding, target, needed, planned_per_source, addresses)
    sources = _usable_sources(binding, addresses)

    nofile = max(_DEFAULT_NOFILE, math.ceil(target / processes) + _OTHER_DESCRIPTORS)
    hard = _explicit(explicit, "limits_nofile_hard", nofile)
    soft = _explicit(explicit, "limits_nofile_soft", hard)
    floors: dict[str, t.Any] = {
        # nr_open must allow the limit; the other two are host-wide sums (fs/file_table.c, fs/eventpoll.c)
        "fs.nr_open": whole_number("limits_nofile_hard", hard, 1, 2**31 - 64, "Write a number, never unlimited."),
        "fs.file-max": target + _OTHER_FILES,
        "fs.epoll.max_user_watches": target + _OTHER_DESCRIPTORS,
    }
    floors = {key: floor for key, floor in floors.items() if key not in explicit["sysctl_values"]}
    floors.update(explicit["sysctl_floors"])
    values = {"net.ipv4.ip_local_port_range": "%d %d" % (low, high)}
    values.update(explicit["sysctl_values"])
    held_by_nofile = whole_number("limits_nofile_soft", soft, 1, 2**31 - 64, "Write a number.") * processes
    if held_by_nofile < target:
        raise Refusal(
            "limits_nofile_soft",
            soft,
            "%d or more, for %d connections in %d process(es)" % (math.ceil(target / processes), target, processes),
            "Raise it, or leave limits_nofile_soft and limits_nofile_hard to the plan.",
        )
    return {
        "sysctl_floors": floors,
        "sysctl_values": values,
        "sysctl_reserved_ports": list(explicit["sysctl_reserved_ports"]),
        "limits_nofile_soft": soft,
        "limits_nofile_hard": hard,
        "limits_domains": _explicit(explicit, "limits_domains", list(request["users"]) or ["*", "root"]),
        "limits_units": _explicit(explicit, "limits_units", list(request["units"])),
        "addresses_list": addresses,
        "addresses_interface": _explicit(explicit, "addresses_interface", request["interface"]),
        "sources": sources,
        "target": target,
        "ceiling": min(sources * four_tuples_per_source, held_by_nofile),
    }


def _explicit(explicit: t.Mapping[str, t.Any], name: str, otherwise: t.Any) -> t.Any:
    value = explicit.get(name)
    return otherwise if value is None else value


def _destinations(value: object) -> int:
    mend = "Write how many server address and port pairs there are, or list them."
    if isinstance(value, (list, tuple)):
        if not value or len({str(item) for item in value}) != len(value):
            raise Refusal("tune_destinations", value, "a list of different address:port pairs, at least one", mend)
        return len(value)
    return whole_number("tune_destinations", value, 1, 10**6, mend)


def _binding(value: object) -> str:
    if value not in BINDINGS:
        raise Refusal("tune_binding", value, "one of " + ", ".join(BINDINGS), "Write how the application binds.")
    return str(value)


def _port_fill(value: object) -> float:
    try:
        fill = -1.0 if isinstance(value, bool) else float(t.cast(t.Any, value))
    except (TypeError, ValueError):
        fill = -1.0
    if not 0.0 < fill <= 1.0:
        mend = "0.5 stays where the kernel finds a free port quickly."
        raise Refusal("tune_port_fill", value, "a number above 0, up to 1", mend)
    return fill


def _usable_sources(binding: str, secondaries: t.Sequence[str]) -> int:
    """A program that never binds has the one source that the route gives it, however many there are."""
    return 1 if binding == "autobind" else 1 + len(secondaries)


def _addresses(
    request: t.Mapping[str, t.Any],
    binding: str,
    target: int,
    needed: int,
    per_source: int,
    listed: list[str],
) -> list[str]:
    """Return the secondary addresses: those listed, or as many of the slot's slice of the pool as are needed."""
    have = _usable_sources(binding, listed)
    if have >= needed:
        return listed
    reach = "at most %d, what %d source address%s can hold" % (have * per_source, have, "" if have == 1 else "es")
    more = "add destinations or raise tune_port_fill"
    if binding == "autobind":
        mend = "A program that does not bind has one source address: let it bind (tune_binding: bind_no_port), "
        raise Refusal("tune_target_connections", target, reach, mend + more + ".")
    if listed or not request["address_pool"]:
        mend = "It needs %d secondary addresses: name them in %s, " % (
            needed - 1,
            "addresses_list" if listed else "tune_address_pool with a tune_slot",
        )
        raise Refusal("tune_target_connections", target, reach, mend + more + ".")
    pool = address_set.expand("tune_address_pool", request["address_pool"])
    size = whole_number("tune_slot_size", request["slot_size"], 1, len(pool), "No slice is larger than the pool.")
    mend = "Give this host a slot that no other host has, or widen the pool."
    slot = whole_number("tune_slot", request["slot"], 0, len(pool) // size - 1, mend)
    if needed - 1 > size:
        reach = "at most %d, what %d source addresses can hold" % ((size + 1) * per_source, size + 1)
        mend = "It needs %d secondary addresses, a slot has %d: raise tune_slot_size on every host, " % (
            needed - 1,
            size,
        )
        raise Refusal("tune_target_connections", target, reach, mend + more + ".")
    return [str(address) for address in pool[slot * size : slot * size + needed - 1]]
