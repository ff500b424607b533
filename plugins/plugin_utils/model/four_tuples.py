# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distinct four-tuples there are: source address, source port and destination."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import AUTOBIND, BIND
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
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: With net.ipv4.tcp_tw_reuse = 1 connect() takes a port over after a second (net/ipv4/tcp_ipv4.c, tcp_twsk_unique).
_REUSE_SECONDS = 1
_ALWAYS_REUSE = 1


def allowed(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what distinct (source address, source port, destination) there are."""
    ports = limits["ports"]["usable"]
    found = source_ranges(limits, request.interface)
    if ports is None:
        return Unknown("the local port range could not be read")
    if found is None:
        return Unknown("the host's addresses could not be read")
    sources = {family: ranges.count(several) for family, several in found.items()}
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
    return Allowance(allows, advised, NAMESPACE, formula, _more_four_tuples(request))


def capacity_of_a_source(request: ClientRequest, ports: int, sources: t.Mapping[int, int]) -> dict[int, int]:
    """Return the connections that one source address of each family can have.

    A plain bind takes its port before the destination is known (net/ipv4/inet_connection_sock.c, inet_csk_get_port).
    """
    destinations = destinations_by_family(request, sources)
    return {f: ports * (min(1, n) if request.binding == BIND else n) for f, n in destinations.items()}


def in_timewait(limits: Limits, request: ClientRequest) -> int:
    """Return how many closed connections keep their four-tuple at a time.

    60 seconds are built in (include/net/tcp.h, TCP_TIMEWAIT_LEN); above tcp_max_tw_buckets a connection is closed
    without TIME_WAIT (net/ipv4/inet_timewait_sock.c, inet_twsk_alloc).
    """
    tcp = limits["tcp"]
    seconds = _REUSE_SECONDS if tcp["tw_reuse"] == _ALWAYS_REUSE else tcp["timewait_seconds"]
    held = request.churn * seconds
    return held if tcp["max_tw_buckets"] is None else min(held, tcp["max_tw_buckets"])


def _four_tuple_part(request: ClientRequest, sources: int, ports: int, destinations: int) -> str:
    text = "%s x %d ports" % (number_of(sources, "source address", "es"), ports)
    if request.binding == BIND:
        return text + ", whatever the destinations"
    return "%s x %s" % (text, number_of(destinations, "destination"))


def _more_four_tuples(request: ClientRequest) -> str:
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
