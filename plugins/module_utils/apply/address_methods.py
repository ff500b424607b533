# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to give a host source addresses, and which one works for which of them.

*route*: prefixes that a route on lo makes local (AnyIP). No program that manages the network removes them.
*interface*: each address on the interface, kept by what the interface's manager keeps.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import (
    Links,
    Network,
    Pair,
    Piece,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

AUTO, ROUTE, INTERFACE = "auto", "route", "interface"
METHODS = (AUTO, ROUTE, INTERFACE)

NONLOCAL_BIND = "net.ipv6.ip_nonlocal_bind"

#: systemd-networkd reads the routes whenever it starts, in a time that grows with their square: 5,000 take it half a
#: second, and with 65,536 the start of release 257 fails (measured).
MAX_ROUTES = 4096


class Divided(t.NamedTuple):
    """What goes which way."""

    by_route: t.List[Piece]
    by_interface: t.List[Piece]


class Ways(t.NamedTuple):
    """What decides on a host which way works.

    on_link:       prefixes that the interface's own addresses are of
    arp_ignore:    of the interface, as it counts
    nonlocal_bind: whether programs can bind to addresses of IPv6 that no interface has
    """

    interface: str
    on_link: t.List[Network]
    arp_ignore: int
    nonlocal_bind: bool


def look(
    host: Host,
    interface: str,
    links: Links,
    ours: t.AbstractSet[Pair],
    nonlocal_bind: t.Optional[str] = None,
) -> Ways:
    """Look at what decides.

    ours:          the addresses on interfaces that are ours: their subnets are none
    nonlocal_bind: the value that net.ipv6.ip_nonlocal_bind will have; what it is now when not given
    """
    return Ways(
        interface,
        _on_link(address_set.find_link(links, interface) or {}, ours),
        max(_number(host, "net/ipv4/conf/%s/arp_ignore" % one) for one in ("all", interface)),
        (nonlocal_bind or str(_number(host, "net/ipv6/ip_nonlocal_bind"))).strip() == "1",
    )


def divide(ways: Ways, where: str, method: str, wanted: t.Iterable[Piece]) -> Divided:
    """Return which of the wanted addresses go by route, and which on the interface; refuse what works neither way.

    where: the variable that names the method
    raises: Refusal
    """
    found = Divided([], [])
    for piece in wanted:
        if method == INTERFACE:
            found.by_interface.append(piece)
            continue
        for part, why in _parts(piece, ways):
            if why is None:
                found.by_route.append(part)
            elif method == ROUTE:
                remedy = "%s Set it to auto." % why
                raise Refusal(where, method, "a way that works for %s" % _text(part), remedy)
            else:
                _refuse_many(part, why)
                found.by_interface.append(part)
    return found


def works_by_route(ways: Ways, wanted: t.Iterable[Piece]) -> bool:
    return all(why is None for piece in wanted for _part, why in _parts(piece, ways))


def _parts(piece: Piece, ways: Ways) -> t.Iterator[t.Tuple[Piece, t.Optional[str]]]:
    """Yield what of a piece works by route, with None, and what does not, with the reason."""
    if piece.version == 4:
        reason = (
            "arp_ignore is %d on %s, so that the kernel answers ARP for addresses of the interface alone."
            % (ways.arp_ignore, ways.interface)
            if ways.arp_ignore
            else None
        )
        yield piece, reason
        return
    subnets = [(int(one.network_address), int(one.broadcast_address)) for one in ways.on_link if one.version == 6]
    on_link = filter(None, (ranges.overlap(piece.run[1:], subnet) for subnet in ranges.merged(subnets)))
    for first, last in on_link:
        reason = "Of IPv6 the kernel answers neighbour solicitations for addresses of %s alone." % ways.interface
        yield piece._replace(first=first, last=last), reason
    for first, last in ranges.without(piece.run[1:], subnets):
        reason = "No program can bind to an address of IPv6 that no interface has: %s is 0." % NONLOCAL_BIND
        yield piece._replace(first=first, last=last), None if ways.nonlocal_bind else reason


def _refuse_many(part: Piece, why: str) -> None:
    if part.size > address_set.MAX_ADDRESSES:
        remedy = "%s Have %s set to 1, as role sysctl and role tune do, or take a longer prefix." % (why, NONLOCAL_BIND)
        allowed = "at most %d addresses on an interface" % address_set.MAX_ADDRESSES
        raise Refusal(part.place, _text(part), allowed, remedy)


def _text(piece: Piece) -> str:
    return ranges.text(piece.run[1:], address_set.MAKE[piece.version])


def _on_link(link: t.Mapping[str, t.Any], ours: t.AbstractSet[Pair]) -> t.List[Network]:
    found: t.List[Network] = []
    for info in address_set.address_infos(link):
        network: Network = ipaddress.ip_network("%s/%d" % (info["local"], info["prefixlen"]), strict=False)
        if network.num_addresses > 1 and (link["ifname"], str(network)) not in ours:
            found.append(network)
    return found


def _number(host: Host, key: str) -> int:
    text = (host.read("/proc/sys/" + key) or "0").strip()
    return int(text) if text.isdigit() else 0


def cover(wanted: t.Sequence[Piece]) -> t.List[str]:
    """Return the fewest prefixes that hold exactly the wanted addresses.

    raises: Refusal, for more than MAX_ROUTES
    """
    found: t.List[str] = []
    for version, make in address_set.MAKE.items():
        for first, last in ranges.merged(piece.run[1:] for piece in wanted if piece.version == version):
            found += map(str, ipaddress.summarize_address_range(make(first), make(last)))
    if len(found) > MAX_ROUTES:
        where = wanted[0].place.partition("[")[0]
        remedy = "Name ranges or prefixes: addresses that stand side by side take one route, single ones a route each."
        raise Refusal(where, "%d prefixes" % len(found), "at most %d" % MAX_ROUTES, remedy)
    return found
