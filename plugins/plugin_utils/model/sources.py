# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that connections can come from, and the destinations of each family."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, MAX_ADDRESSES, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import NONLOCAL_BIND_IPV6
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest, parse

#: A fact has so many source addresses one by one; more are ranges there, and one by one in a file of the report.
MAX_LISTED = 256

#: First and last address as numbers, by family.
SourceRanges = dict[int, list[ranges.Range]]


def source_ranges(limits: Limits, interface: str | None, ours: bool = True) -> SourceRanges | None:
    """Return the addresses that a client can connect from, None where they could not be read.

    These are ours and the global ones of its interface (that of the family's default route where none is named;
    without a default route those of every interface) and those on lo, but those that are no source; and what routes
    make local (AnyIP), of IPv6 where net.ipv6.ip_nonlocal_bind is 1.

    ours: whether those that this collection added count
    """
    addresses = limits["addresses"]
    if addresses is None:
        return None
    found: SourceRanges = {4: [], 6: []}
    for entry in addresses["list"]:
        family = entry["family"]
        chosen = interface or addresses["default_interface"].get(str(family))
        # Ours of IPv4 have the scope host, so that nobody leaves from one who does not bind to it.
        if "no_source" in entry or not (ours if entry.get("ours") else entry["scope"] == "global"):
            continue
        if entry["interface"] == "lo" or chosen is None or entry["interface"] == chosen:
            first = ipaddress.ip_address(entry["address"])
            found[family].append((int(first), int(ipaddress.ip_address(entry.get("last", entry["address"])))))
    for family, low, high in anyip_runs(addresses, None if ours else False):
        # bind() takes an address that is local by a route alone as a nonlocal one (net/ipv6/af_inet6.c, __inet6_bind:
        # ipv6_can_nonlocal_bind; measured). IP_FREEBIND and IPV6_FREEBIND do the same for one program.
        if family == 4 or _binds_nonlocal(limits):
            found[family].append((low, high))
    return {family: ranges.merged(several) for family, several in found.items()}


def anyip_runs(addresses: t.Mapping[str, t.Any], ours: bool | None = None) -> t.Iterator[Run]:
    """Yield what routes make local: all, or only what this collection added, or only what it did not."""
    for entry in addresses["anyip"]:
        if ours in (None, bool(entry.get("ours"))):
            for text in entry["ranges"]:
                first, _dash, last = text.partition("-")
                yield entry["family"], int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last or first))


def _binds_nonlocal(limits: Limits) -> bool:
    # The kernel takes any other number for 1 (include/net/ipv6.h, ipv6_can_nonlocal_bind).
    return (limits["keys"].get(NONLOCAL_BIND_IPV6) or {}).get("now") not in (None, "0")


def source_addresses(limits: Limits, stated: t.Mapping[str, t.Any], maximum: int = MAX_ADDRESSES) -> list[str]:
    """Return the source addresses that the ceiling of a request counts, as ranges ``first-last``, by family.

    maximum: no more than so many of each family, the lowest; a whole prefix that is local may have millions

    None are named for ``autobind`` and ``bind_any``, which leave the choice to the route.
    """
    request = parse(stated)
    sources_of = source_ranges(limits, request.interface) or {}
    numbers = {family: ranges.count(found) for family, found in sources_of.items()}
    if request.binding in BY_ROUTE or not sources_of:
        return []
    wanted = destinations_by_family(request, numbers)
    return [
        "%s-%s" % (MAKE[family](first), MAKE[family](last))
        for family, found in sources_of.items()
        if wanted[family]
        for first, last in ranges.first_numbers(found, maximum)
    ]


def described(limits: Limits, stated: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the source addresses that connections to the destinations of a request can have; None if they are unread.

    raises: Refusal for a request that is not in order

    Returns:
        count: how many there are
        used: how many of them the program uses that is asked for: one a family where the route chooses
        ranges: all of them, as ``first-last`` or the one address
        list: each, up to MAX_LISTED; empty where there are more
    """
    request = parse(stated)
    sources_of = source_ranges(limits, request.interface)
    if sources_of is None:
        return None
    wanted = destinations_by_family(request, {family: ranges.count(found) for family, found in sources_of.items()})
    found = {family: runs for family, runs in sources_of.items() if wanted[family]}
    count = sum(map(ranges.count, found.values()))
    listed = found if count <= MAX_LISTED else {}
    return {
        "count": count,
        "used": usable_sources(limits, request),
        "ranges": [ranges.text(run, MAKE[family]) for family, runs in found.items() for run in runs],
        "list": [str(MAKE[f](n)) for f, runs in listed.items() for low, high in runs for n in range(low, high + 1)],
    }


def usable_sources(limits: Limits, request: ClientRequest) -> int | None:
    """Return how many source addresses the connections of the request can have; one a family by the route."""
    sources_of = source_ranges(limits, request.interface)
    if sources_of is None:
        return None
    sources = {family: ranges.count(found) for family, found in sources_of.items()}
    families = [family for family, number in destinations_by_family(request, sources).items() if number]
    return sum(min(1, sources[f]) if request.binding in BY_ROUTE else sources[f] for f in families)


def destinations_by_family(request: ClientRequest, sources: t.Mapping[int, int]) -> dict[int, int]:
    """Return the destinations of each family; those that are only counted are IPv4's where the host has a source."""
    counted = 4 if sources[4] or not sources[6] else 6
    found = {4: request.destinations.get(4, 0), 6: request.destinations.get(6, 0)}
    found[counted] += request.destinations.get(None, 0)
    return found
