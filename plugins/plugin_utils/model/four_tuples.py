# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distinct four-tuples there are: source address, source port and destination."""

from __future__ import annotations

import fractions
import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import (
    AUTOBIND,
    BIND,
    BIND_ANY,
    BIND_PORT,
    BY_ROUTE,
    TAKES_PORT,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    NAMESPACE,
    Allowance,
    Answer,
    Limits,
    Unknown,
    number_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import (
    destinations_by_family,
    source_ranges,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import CLIENT, PROGRAMS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: With net.ipv4.tcp_tw_reuse = 1 connect() takes a port over after a second (net/ipv4/tcp_ipv4.c, tcp_twsk_unique).
_REUSE_SECONDS = 1
_ALWAYS_REUSE = 1


def allowed(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what distinct (source address, source port, destination) there are."""
    ports = usable_ports(limits, request)
    found = source_ranges(limits, request.interface)
    if ports is None:
        return Unknown("the local port range could not be read")
    if found is None:
        return Unknown("the host's addresses could not be read")
    sources = {family: ranges.count(several) for family, several in found.items()}
    capacity = capacity_of_a_source(request, ports, sources)
    used = {family: min(1, number) if request.binding in BY_ROUTE else number for family, number in sources.items()}
    held = in_timewait(limits, request)
    allows = max(0, sum(used[family] * capacity[family] for family in used) - held)
    destinations = destinations_by_family(request, sources)
    parts = [_four_tuple_part(request, used[f], ports, destinations[f]) for f in used if capacity[f]]
    formula = " + ".join(parts)
    if held:
        formula += " - %d in TIME_WAIT (%d closed per second)" % (held, request.churn)
    advised = math.floor(allows * fill_of(request))
    return Allowance(allows, advised, NAMESPACE, formula, _more_four_tuples(request))


def capacity_of_a_source(request: ClientRequest, ports: int, sources: t.Mapping[int, int]) -> dict[int, int]:
    """Return the connections that one source address of each family can have.

    A plain bind takes its port before the destination is known (net/ipv4/inet_connection_sock.c, inet_csk_get_port).
    One to the wildcard address takes it for every address, and a socket of IPv6 that may have addresses of IPv4 for
    both families (inet_rcv_saddr_any, ipv6_rcv_saddr_equal; measured: 100 of 100 ports, of one family or of both).
    """
    destinations = destinations_by_family(request, sources)
    capacity = {f: ports * (n if shares_ports(request) else min(1, n)) for f, n in destinations.items()}
    if request.binding == BIND_ANY:
        first = next((family for family in capacity if capacity[family] and sources[family]), 4)
        capacity = {family: held if family == first else 0 for family, held in capacity.items()}
    return capacity


def shares_ports(request: ClientRequest) -> bool:
    """Tell whether connections to different destinations can have one port.

    Where bind(2) takes the port, it does so only for a port that was named by sockets that all have SO_REUSEADDR
    (net/ipv4/inet_connection_sock.c, inet_csk_bind_conflict; measured: 50 ports, 3 sources, 2 destinations hold 300
    with the option, 150 without).
    """
    return request.binding not in TAKES_PORT or (request.binding == BIND_PORT and request.reuse_address)


def usable_ports(limits: Limits, request: ClientRequest) -> int | None:
    """Return the ports that a source address has: of the local port range, or of the program's own.

    Reserved ports are left out by automatic choice alone; one that listens on all addresses cannot be bound at all.
    """
    if request.program_ports is None:
        return t.cast(int | None, limits["ports"]["usable"])
    low, high = request.program_ports
    listening = port_set.parse_kernel_list(limits["ports"]["listeners"] or "")
    return high - low + 1 - sum(low <= port <= high for port in listening)


def fill_of(request: ClientRequest) -> fractions.Fraction:
    """Return the share of the ports to plan for: all of them where the program names each, and nobody searches."""
    return fractions.Fraction(1) if request.binding == BIND_PORT else request.port_fill


def reused_at_most(limits: Limits, request: ClientRequest) -> int:
    """Return how many connections more net.ipv4.ip_autobind_reuse = 1 may give a program with SO_REUSEADDR.

    Once no port is free, bind(2) of no port gives one that is taken, always of the lower half of the range and of its
    second parity, a quarter of the ports; connect(2) then fails where the four-tuple is in use
    (net/ipv4/inet_connection_sock.c, inet_csk_find_open_port: attempt_half, "offset |= 1U"). Measured, with thousands
    of such failures: 100 ports and 2, 3, 4 destinations hold 125, 150, 175, 400 ports 500, 600, 700; a program that
    ends at the first failure got 3 more than 300.
    """
    found = source_ranges(limits, request.interface)
    low, high = limits["ports"]["low"], limits["ports"]["high"]
    if found is None or low is None or high is None or not request.reuse_address:
        return 0
    if request.binding not in (BIND, BIND_ANY):
        return 0
    sources = {family: ranges.count(several) for family, several in found.items()}
    destinations = destinations_by_family(request, sources)
    quarter = int(high - low + 1) // 4
    if request.binding == BIND_ANY:
        return quarter * max(0, sum(n for family, n in destinations.items() if sources[family]) - 1)
    return sum(sources[family] * quarter * max(0, n - 1) for family, n in destinations.items())


def in_timewait(limits: Limits, request: ClientRequest) -> int:
    """Return how many closed connections keep their four-tuple at a time.

    60 seconds are built in (include/net/tcp.h, TCP_TIMEWAIT_LEN); above tcp_max_tw_buckets a connection is closed
    without TIME_WAIT (net/ipv4/inet_timewait_sock.c, inet_twsk_alloc). None do where the server closes first, or the
    client resets. A port that bind(2) takes is taken by TIME_WAIT too, whatever net.ipv4.tcp_tw_reuse says, unless the
    program names it and has SO_REUSEADDR: connect(2) from a port that was named takes a four-tuple over at once
    (__inet_hash_connect asks __inet_check_established without twp; measured, with tcp_tw_reuse 0, 1 and 2).
    """
    if request.closes_first != CLIENT or (request.binding == BIND_PORT and request.reuse_address):
        return 0
    tcp = limits["tcp"]
    reused = tcp["tw_reuse"] == _ALWAYS_REUSE and request.binding not in TAKES_PORT
    seconds = _REUSE_SECONDS if reused else tcp["timewait_seconds"]
    held = int(request.churn * seconds)
    return held if tcp["max_tw_buckets"] is None else min(held, tcp["max_tw_buckets"])


def _four_tuple_part(request: ClientRequest, sources: int, ports: int, destinations: int) -> str:
    if request.binding == BIND_ANY:
        return "%d ports, whatever the source addresses and destinations" % ports
    text = "%s x %d ports" % (number_of(sources, "source address", "es"), ports)
    if request.program_ports is not None:
        text += " of the program"
    if not shares_ports(request):
        return text + ", whatever the destinations"
    return "%s x %s" % (text, number_of(destinations, "destination"))


def _more_four_tuples(request: ClientRequest) -> str:
    if request.binding == AUTOBIND:
        ways = filter(None, [let_it_bind(request), "add destinations"])
        return "%s, or widen net.ipv4.ip_local_port_range (tune_port_range)" % ", ".join(ways)
    if request.binding == BIND_ANY:
        return (
            "let the program bind no address, or one with IP_BIND_ADDRESS_NO_PORT (tune_binding: autobind, "
            "bind_no_port), or widen net.ipv4.ip_local_port_range (tune_port_range)"
        )
    if request.binding == BIND_PORT:
        more = "or destinations" if request.reuse_address else "let it set SO_REUSEADDR (tune_reuse_address)"
        text = "add source addresses (tune_address_pool)%s %s, or give the program more ports (tune_program_ports)"
        return text % ("" if request.reuse_address else ",", more)
    if request.binding == BIND:
        return (
            "add source addresses (tune_address_pool), let the program set IP_BIND_ADDRESS_NO_PORT "
            "(tune_binding: bind_no_port), or widen net.ipv4.ip_local_port_range (tune_port_range)"
        )
    return (
        "add source addresses (tune_address_pool) or destinations, or widen net.ipv4.ip_local_port_range "
        "(tune_port_range)"
    )


def let_it_bind(request: ClientRequest) -> str | None:
    """Return how a program that binds no address would, None for one that has no option for that."""
    program = PROGRAMS.get(request.program or "")
    if program is None:
        return "let the program bind its source address (tune_binding: bind_no_port)"
    if program.option is None:
        return None
    option = program.option.replace("`", "")
    return "let %s bind its source address (%s, then tune_program_binds: true)" % (request.program, option)
