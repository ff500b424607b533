# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses this host can connect from: those of its interfaces, and prefixes that are local as a whole. And
which it knows that others have: gateways, routers, the other ends of point-to-point links. And by which interface
packets leave from each.

Read by rtnetlink(7), so that a host needs no ``ip`` program and 65,536 addresses take no text. observe() asks the
kernel; describe() is pure and works as well on what another host observed.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, route_lookup
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges

_NETLINK_ROUTE = 0

# include/uapi/linux/rtnetlink.h, if_addr.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_RTM_NEWRULE, _RTM_GETRULE = 32, 34
#: struct ifaddrmsg: family, prefix length, flags, scope, interface.
_ADDRESS = struct.Struct("=4BI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
#: For IPv6 the same bit is IFA_F_TEMPORARY: in both cases no address to know a host by.
_IFA_F_SECONDARY = 0x01
#: May be used though it is still being asked about (RFC 4429).
_IFA_F_OPTIMISTIC = 0x04
#: Another host on the link has it.
_IFA_F_DADFAILED = 0x08
#: Its preferred lifetime is over: nobody leaves from it who does not bind to it.
_IFA_F_DEPRECATED = 0x20
#: Nobody can bind to it until it is known that no other host on the link has it.
_IFA_F_TENTATIVE = 0x40
#: struct ifa_cacheinfo: preferred and valid lifetime in seconds, and when it was made and changed.
_LIFETIMES = struct.Struct("=4I")
_FOREVER = 0xFFFFFFFF
#: RTPROT_KEEPALIVED; IFA_PROTO is of Linux 5.18 on.
_PROTO_KEEPALIVED = 18
#: struct rtmsg: family, length of destination and source, tos, table, protocol, scope, type, flags.
_ROUTE = struct.Struct("=8BI")
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_RT_TABLE_MAIN, _RT_TABLE_LOCAL = 254, 255
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH = 1, 4, 5, 6, 7, 9
_RTA_TABLE, _RTA_VIA = 15, 18
_RTPROT_KERNEL = 2
_FRA_SRC = 2
#: struct rtnexthop: length, flags, hops, interface.
_NEXT_HOP = struct.Struct("=HBBi")
_NUMBER = struct.Struct("=I")

#: nexthop.h, struct nhmsg: family, scope, protocol, reserved, flags.
_RTM_NEWNEXTHOP, _RTM_GETNEXTHOP = 104, 106
_NEXT_HOP_OBJECT = struct.Struct("=4BI")
_NHA_OIF, _NHA_GATEWAY = 5, 6
#: neighbour.h, struct ndmsg: family, padding, interface, state, flags, type.
_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NEIGHBOUR = struct.Struct("=B3xiHBB")
_NDA_DST = 1
_NTF_ROUTER = 0x80
#: NUD_REACHABLE, which answered within the last seconds, and NUD_PERMANENT, which somebody wrote. One that is stale
#: may have been one of ours on another host long ago.
_CERTAIN_STATES = 0x02 | 0x80

_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}

#: The families by the number of their packed address's bytes, and by the kernel's number.
_BITS = {4: 32, 6: 128}
_VERSIONS = {int(socket.AF_INET): 4, int(socket.AF_INET6): 6}

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")

#: How many runs of sources and how many destinations the kernel is asked for: each answer takes some 20 microseconds.
_MAX_SOURCES, _MAX_DESTINATIONS = 256, 16
#: What is asked for where no destination is stated: a documentation address (RFC 5737, RFC 3849), to which the default
#: route leads as to most of the world. Of several the first that is none of the host's own.
_ANYWHERE = {4: ("203.0.113.1", "198.51.100.1", "192.0.2.1"), 6: ("2001:db8:ffff::1", "3fff::1")}

Observed = t.Dict[str, t.Any]
#: See taken_addresses.
Entries = t.List[t.Dict[str, str]]


def _note(found: t.Dict[str, str], packed: t.Optional[bytes], whose: str) -> None:
    """Remember whose an address is, if it is one; what was known of it before goes first."""
    version = {4: 4, 16: 6}.get(len(packed or b""))
    if version is not None and packed is not None and any(packed):
        found.setdefault(_text(version, packed), whose)


def _entries(found: t.Mapping[str, str]) -> Entries:
    return [{"address": address, "whose": whose} for address, whose in found.items()]


class Addresses(netlink.Reader):
    """Collects the addresses of a dump, in the kernel's order, for the interfaces that have a name."""

    def __init__(self, names: t.Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.found: t.List[t.Dict[str, t.Any]] = []
        #: The other ends of point-to-point addresses, and whose they are.
        self.peers: t.Dict[str, str] = {}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        family, prefix, flags, scope, index = _fixed_part(_ADDRESS, kind, _RTM_NEWADDR, data, start, end)
        version = _VERSIONS.get(family)
        found = netlink.attributes(data, start + _ADDRESS.size, end)
        # On a point-to-point interface IFA_ADDRESS is the peer's.
        packed = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
        if version is None or packed is None or index not in self._names:
            return
        flags = _number(found, _IFA_FLAGS, flags)
        entry = {
            "address": _text(version, packed),
            "prefix": _length(version, prefix),
            "interface": self._names[index],
            "family": version,
            "scope": _SCOPES.get(scope, str(scope)),
            "secondary": bool(flags & _IFA_F_SECONDARY),
        }
        entry.update((name, True) for name, holds in _state(version, flags, found) if holds)
        self.found.append(entry)
        if found.get(_IFA_ADDRESS, packed) != packed:
            _note(self.peers, found[_IFA_ADDRESS], "the other end of the point-to-point link %s" % entry["interface"])


def _state(version: int, flags: int, found: t.Mapping[int, bytes]) -> t.List[t.Tuple[str, bool]]:
    """Return what an address is besides, as observe() has it."""
    valid = found.get(_IFA_CACHEINFO, b"")
    finite = len(valid) == _LIFETIMES.size and _LIFETIMES.unpack(valid)[1] != _FOREVER
    duplicate = bool(flags & _IFA_F_DADFAILED)
    asking = flags & _IFA_F_TENTATIVE and not flags & _IFA_F_OPTIMISTIC
    return [
        ("deprecated", bool(flags & _IFA_F_DEPRECATED)),
        ("expires", finite),
        ("duplicate", version == 6 and duplicate),
        ("tentative", version == 6 and not duplicate and bool(asking)),
        ("keepalived", found.get(_IFA_PROTO) == bytes([_PROTO_KEEPALIVED])),
    ]


class Routes(netlink.Reader):
    """Collects from a dump the local prefixes, the default routes, and the gateways of all routes."""

    def __init__(self, names: t.Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.anyip: t.List[t.Dict[str, t.Any]] = []
        self.default_routes: t.List[t.Dict[str, t.Any]] = []
        #: Of default routes and of others, whose they are.
        self._default_gateways: t.Dict[str, str] = {}
        self._gateways: t.Dict[str, str] = {}

    @property
    def gateways(self) -> t.Dict[str, str]:
        return {**self._gateways, **self._default_gateways}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        route = _fixed_part(_ROUTE, kind, _RTM_NEWROUTE, data, start, end)
        family, length, table, route_type = route[0], route[1], route[4], route[7]
        version = _VERSIONS.get(family)
        if version is None:
            return
        if route_type == _RTN_LOCAL and table == _RT_TABLE_LOCAL:
            self._take_local(version, _length(version, length), netlink.attributes(data, start + _ROUTE.size, end))
        elif route_type == _RTN_UNICAST:
            found = netlink.attributes(data, start + _ROUTE.size, end)
            self._take_gateways(version, length, _number(found, _RTA_TABLE, table), found)
            if table == _RT_TABLE_MAIN and length == 0:
                self._take_default(version, found)

    def _take_gateways(self, version: int, length: int, table: int, found: t.Mapping[int, bytes]) -> None:
        known = self._gateways if length else self._default_gateways
        for index, hop in _hops_of(found):
            # struct rtvia: the family in two bytes, then the address, as of IPv6 in a route of IPv4.
            packed = hop.get(_RTA_GATEWAY) or hop.get(_RTA_VIA, b"")[2:]
            if packed:
                route = "the default route"
                if length:
                    route = "the route to %s/%d" % (_text(version, found.get(_RTA_DST, b"")), length)
                place = " on %s" % self._names[index] if index in self._names else ""
                of_table = "" if table == _RT_TABLE_MAIN else " (table %d)" % table
                _note(known, packed, "the gateway of %s%s%s" % (route, place, of_table))

    def _take_local(self, version: int, length: int, found: t.Mapping[int, bytes]) -> None:
        name = self._names.get(_number(found, _RTA_OIF, 0))
        # ::/0 and 0.0.0.0/0 come without a destination.
        prefix = "%s/%d" % (_text(version, found.get(_RTA_DST, bytes(_BITS[version] // 8))), length)
        if name is not None:
            self.anyip.append({"prefix": prefix, "interface": name, "family": version})

    def _take_default(self, version: int, found: t.Mapping[int, bytes]) -> None:
        metric = _number(found, _RTA_PRIORITY, 0)
        for index, _hop in _hops_of(found):
            if index in self._names:
                self.default_routes.append({"family": version, "interface": self._names[index], "metric": metric})


class NextHops(netlink.Reader):
    """Collects the gateways of next hop objects, which a route may name by number alone (ip-nexthop(8))."""

    def __init__(self, names: t.Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.gateways: t.Dict[str, str] = {}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        _fixed_part(_NEXT_HOP_OBJECT, kind, _RTM_NEWNEXTHOP, data, start, end)
        found = netlink.attributes(data, start + _NEXT_HOP_OBJECT.size, end)
        name = self._names.get(_number(found, _NHA_OIF, 0))
        _note(self.gateways, found.get(_NHA_GATEWAY), "the gateway of a next hop" + (" on %s" % name if name else ""))


class Neighbours(netlink.Reader):
    """Collects the neighbours that are there for certain, and the routers among all."""

    def __init__(self, names: t.Mapping[int, str]) -> None:
        super().__init__()
        self._names = names
        self.routers: t.Dict[str, str] = {}
        self.others: t.Dict[str, str] = {}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        _family, index, state, flags, _type = _fixed_part(_NEIGHBOUR, kind, _RTM_NEWNEIGH, data, start, end)
        packed = netlink.attributes(data, start + _NEIGHBOUR.size, end).get(_NDA_DST)
        name = self._names.get(index)
        if name is not None and flags & _NTF_ROUTER:
            _note(self.routers, packed, "a router on %s" % name)
        elif name is not None and state & _CERTAIN_STATES:
            _note(self.others, packed, "a neighbour on %s" % name)


def _fixed_part(
    layout: struct.Struct, kind: int, expected: int, data: bytes, start: int, end: int
) -> t.Tuple[t.Any, ...]:
    if kind != expected:
        raise netlink.NetlinkError("a message of type %d, where %d was asked for" % (kind, expected))
    if end - start < layout.size:
        raise netlink.NetlinkError("a message has %d bytes, its fixed part takes %d" % (end - start, layout.size))
    return layout.unpack_from(data, start)


def _number(found: t.Mapping[int, bytes], kind: int, otherwise: int) -> int:
    value = found.get(kind)
    if value is None:
        return otherwise
    if len(value) != _NUMBER.size:
        raise netlink.NetlinkError("attribute %d has %d bytes, a number takes %d" % (kind, len(value), _NUMBER.size))
    return t.cast(int, _NUMBER.unpack(value)[0])


def _length(version: int, length: int) -> int:
    if length > _BITS[version]:
        raise netlink.NetlinkError("a prefix length of %d for IPv%d" % (length, version))
    return length


def _text(version: int, packed: bytes) -> str:
    if len(packed) * 8 != _BITS[version]:
        raise netlink.NetlinkError("an address of %d bytes for IPv%d" % (len(packed), version))
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    # Through ipaddress, because the C library shortens some IPv6 addresses in another way.
    return str(ipaddress.IPv6Address(packed))


def _hops_of(found: t.Mapping[int, bytes]) -> t.List[t.Tuple[int, t.Mapping[int, bytes]]]:
    """Return where a route leads to, as interface and attributes: one, or several."""
    if _RTA_MULTIPATH in found:
        return list(_next_hops(found[_RTA_MULTIPATH]))
    return [(_number(found, _RTA_OIF, 0), found)]


def _next_hops(data: bytes) -> t.Iterator[t.Tuple[int, t.Dict[int, bytes]]]:
    """Yield the interface and the attributes of each."""
    position = 0
    while len(data) - position >= _NEXT_HOP.size:
        length, _flags, _hops, index = _NEXT_HOP.unpack_from(data, position)
        if length < _NEXT_HOP.size:
            raise netlink.NetlinkError("a next hop gives its length as %d" % length)
        yield index, netlink.attributes(data, position + _NEXT_HOP.size, min(position + length, len(data)))
        position += length + -length % 4


def observe(destinations: t.Sequence[str] = ()) -> Observed:
    """Return what this network namespace has, as JSON can hold it; describe() makes sense of it.

    destinations: addresses that clients will connect to, for ``paths``; without any, one in the wide world

    addresses:      [{"address", "prefix", "interface", "family": 4 or 6, "scope", "secondary"}], in the kernel's order;
                    ``secondary`` is also true for a temporary address of IPv6. There where they are true:
                    ``deprecated``, ``expires`` (its valid lifetime ends), ``duplicate``, ``tentative``, and
                    ``keepalived``, which says that it made it
    anyip:          [{"prefix", "interface", "family"}], the routes of type local that no address of an interface has
    default_routes: [{"family", "interface", "metric"}], one for each next hop
    taken:          [{"address", "whose"}], the gateways of the routes of all tables, the routers that have made
                    themselves known, and the other ends of point-to-point links
    paths:          [{"source", "destination", "interface"}], for the first address of each run, which a rule of policy
                    routing cuts: by which interface its packets leave, null where they do not
    raises: netlink.NetlinkError
    """
    names = dict(socket.if_nameindex())
    addresses = netlink.dump(_NETLINK_ROUTE, _RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0), lambda: Addresses(names))
    observed: Observed = {"addresses": addresses.found, "anyip": [], "default_routes": []}
    taken: t.Dict[str, str] = {}
    # No table: those of all.
    for table, route_type in ((_RT_TABLE_LOCAL, _RTN_LOCAL), (0, _RTN_UNICAST)):
        for family in _VERSIONS:
            routes = _routes(_ROUTE.pack(family, 0, 0, 0, table, 0, 0, route_type, 0), names)
            observed["anyip"] += routes.anyip if table == _RT_TABLE_LOCAL else []
            observed["default_routes"] += routes.default_routes if table == 0 else []
            taken = {**routes.gateways, **taken}
    own = {"%s/%d" % (entry["address"], _BITS[entry["family"]]) for entry in addresses.found}
    observed["anyip"] = [entry for entry in observed["anyip"] if entry["prefix"] not in own]
    observed["taken"] = _entries(
        {**_next_hop_gateways(names), **addresses.peers, **_neighbours(names).routers, **taken}
    )
    observed["paths"] = []
    with contextlib.suppress(netlink.NetlinkError):
        observed["paths"] = _paths(observed, destinations, names)
    return observed


class Rules(netlink.Reader):
    """Collects the source prefixes of the rules of policy routing (ip-rule(8)), as first and last numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: t.Dict[int, t.Set[ranges.Range]] = {version: set() for version in _BITS}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        # struct fib_rule_hdr has the lengths where struct rtmsg has them.
        family, _destination, length, *_others = _fixed_part(_ROUTE, kind, _RTM_NEWRULE, data, start, end)
        version = _VERSIONS.get(family)
        packed = netlink.attributes(data, start + _ROUTE.size, end).get(_FRA_SRC)
        if version is not None and packed is not None:
            text = "%s/%d" % (_text(version, packed), _length(version, length))
            network = ipaddress.ip_network(text, strict=False)
            self.sources[version].add((int(network.network_address), int(network.broadcast_address)))


def _rules() -> t.Mapping[int, t.Set[ranges.Range]]:
    found: t.Dict[int, t.Set[ranges.Range]] = {}
    for family, version in _VERSIONS.items():
        body = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        found[version] = netlink.dump(_NETLINK_ROUTE, _RTM_GETRULE, body, Rules).sources[version]
    return found


def _paths(
    observed: Observed, destinations: t.Sequence[str], names: t.Mapping[int, str]
) -> t.List[t.Dict[str, t.Optional[str]]]:
    """Return the paths of observe(); of one to anywhere only those that there are."""
    found: t.List[t.Dict[str, t.Optional[str]]] = []
    rules = _rules()
    for version in _BITS:
        sources = _sources(observed, version, rules[version])[:_MAX_SOURCES]
        asked = [one for one in destinations if ipaddress.ip_address(one).version == version][:_MAX_DESTINATIONS]
        if not destinations and sources:
            asked = [one for one in _ANYWHERE[version] if _way(one).kind != route_lookup.LOCAL][:1]
        for destination in asked:
            for source in sources:
                way = _way(destination, source)
                interface = names.get(way.interface) if way.kind == route_lookup.UNICAST else None
                if way.kind != route_lookup.LOCAL and (destinations or interface):
                    found.append({"source": source, "destination": destination, "interface": interface})
    return found


def _way(destination: str, source: t.Optional[str] = None) -> route_lookup.Way:
    return route_lookup.way_to(
        ipaddress.ip_address(destination), None if source is None else ipaddress.ip_address(source)
    )


def _sources(observed: Observed, version: int, rules: t.Iterable[ranges.Range]) -> t.List[str]:
    """Return the first address of each run of those that packets can leave from; a rule cuts a run."""
    listed = _ranges([one for one in observed["addresses"] if one["family"] == version], frozenset())
    # Ours of IPv4 have the scope host; on lo it is that of 127.0.0.1.
    listed = [
        one for one in listed if one["scope"] == "global" or (one["scope"] == "host" and one["interface"] != "lo")
    ]
    runs = [(one["address"], one["last"]) for one in listed if "no_source" not in one]
    for one in _anyip([one for one in observed["anyip"] if one["family"] == version], frozenset()):
        runs += [(text.partition("-")[0], text.rpartition("-")[2]) for text in one["ranges"]]
    found = []
    for first, last in ((int(ipaddress.ip_address(one)), int(ipaddress.ip_address(other))) for one, other in runs):
        starts = {first, *(number for low, high in rules for number in (low, high + 1) if first < number <= last)}
        found += [str(address_set.MAKE[version](number)) for number in sorted(starts)]
    return found


class RoutesOfLo(netlink.Reader):
    """Collects the local prefixes that were added as routes on lo with protocol kernel: not those of addresses."""

    def __init__(self, lo: int) -> None:
        super().__init__()
        self._lo = lo
        self.found: t.Set[str] = set()

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        route = _fixed_part(_ROUTE, kind, _RTM_NEWROUTE, data, start, end)
        family, length, table, protocol, route_type = route[0], route[1], route[4], route[5], route[7]
        version = _VERSIONS.get(family)
        if version is None or (table, protocol, route_type) != (_RT_TABLE_LOCAL, _RTPROT_KERNEL, _RTN_LOCAL):
            return
        found = netlink.attributes(data, start + _ROUTE.size, end)
        # The kernel's own, one for each address, has that address as its source, of IPv6 the metric 0
        # (net/ipv4/fib_frontend.c, fib_magic; net/ipv6/route.c, addrconf_f6i_alloc).
        of_address = _RTA_PREFSRC in found if version == 4 else _number(found, _RTA_PRIORITY, 0) == 0
        if _number(found, _RTA_OIF, 0) == self._lo and not of_address:
            destination = _text(version, found.get(_RTA_DST, bytes(_BITS[version] // 8)))
            self.found.add("%s/%d" % (destination, _length(version, length)))


def routes_of_lo() -> t.Set[str]:
    """Return the prefixes that a route on lo makes local, such as ``198.51.100.0/28``. raises: netlink.NetlinkError"""
    lo = socket.if_nametoindex("lo")
    found: t.Set[str] = set()
    for family in _VERSIONS:
        body = _ROUTE.pack(family, 0, 0, 0, _RT_TABLE_LOCAL, 0, 0, _RTN_LOCAL, 0)
        found |= _dump_routes(body, lambda: RoutesOfLo(lo)).found
    return found


def _routes(body: bytes, names: t.Mapping[int, str]) -> Routes:
    return _dump_routes(body, lambda: Routes(names))


def _dump_routes(body: bytes, make: t.Callable[[], netlink.SomeReader]) -> netlink.SomeReader:
    try:
        return netlink.dump(_NETLINK_ROUTE, _RTM_GETROUTE, body, make)
    except netlink.NetlinkError as error:
        # A new network namespace has no table before its first route (net/ipv4/fib_frontend.c, inet_dump_fib).
        if error.number != errno.ENOENT:
            raise
        return make()


def _next_hop_gateways(names: t.Mapping[int, str]) -> t.Dict[str, str]:
    # Linux has these objects from 5.3 on.
    with contextlib.suppress(netlink.NetlinkError):
        body = _NEXT_HOP_OBJECT.pack(0, 0, 0, 0, 0)
        return netlink.dump(_NETLINK_ROUTE, _RTM_GETNEXTHOP, body, lambda: NextHops(names)).gateways
    return {}


def _neighbours(names: t.Mapping[int, str]) -> Neighbours:
    body = _NEIGHBOUR.pack(0, 0, 0, 0, 0)
    return netlink.dump(_NETLINK_ROUTE, _RTM_GETNEIGH, body, lambda: Neighbours(names))


def neighbours() -> Entries:
    """Return the neighbours that are there for certain, as entries of taken_addresses. raises: netlink.NetlinkError"""
    return _entries(_neighbours(dict(socket.if_nameindex())).others)


def describe(
    observed: t.Mapping[str, t.Any], ours: t.AbstractSet[str], virtual: t.Optional[t.Mapping[str, str]] = None
) -> t.Dict[str, t.Any]:
    """Return the addresses of a snapshot.

    observed: what observe() returned
    ours:     the addresses that this collection added, such as ``198.51.100.1/32``, and the prefixes that it made local
    virtual:  addresses that are a service's and not the host's, and what they are, in words that follow "It is"

    Returns:
        default_interface: {"4": name, "6": name}, None where there is no default route or the best leave by several
        list: ranges, by interface, family and number, each {"address", "last", "count", "prefix", "interface",
              "family", "scope", "ours"}, ``deprecated`` where it is true, and ``no_source`` where nobody should count
              on connections from it: why, in words that follow "It is". Neighbouring /32s (/128s) that are alike
              in all of that make one range, so that 65,536 of them take no more room than one; anything else stands
              alone: ``last`` is ``address``.
        anyip: [{"interface", "family", "ours", "ranges"}] of what a route makes local, but 127.0.0.0/8; ``ranges`` are
              texts such as ``198.51.100.0-198.51.100.15``, neighbouring ones as one
        primary: {"address", "prefix", "interface"}, or None. Of the default interface (IPv4's, else IPv6's) the global
              address that is not ours and a source; of several the one that address_set.primary_rank() has first.
        paths: [{"destination", "interface", "sources"}]: by which interface packets from these sources leave;
              ``interface`` is None where they do not
    """
    best = {str(version): default_interfaces(observed["default_routes"], version) for version in _BITS}
    by_family = {version: names[0] if len(names) == 1 else None for version, names in best.items()}
    virtual = virtual or {}
    return {
        "default_interface": by_family,
        "list": _ranges(observed["addresses"], ours, virtual),
        "anyip": _anyip(observed["anyip"], ours),
        "primary": _primary(observed["addresses"], by_family, ours, virtual),
        "paths": _by_path(observed.get("paths", ())),
    }


def _by_path(paths: t.Iterable[t.Mapping[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    found: t.Dict[t.Tuple[str, t.Optional[str]], t.List[str]] = {}
    for path in paths:
        found.setdefault((path["destination"], path["interface"]), []).append(path["source"])
    return [
        {"destination": destination, "interface": interface, "sources": sources}
        for (destination, interface), sources in found.items()
    ]


def _anyip(routes: t.Iterable[t.Mapping[str, t.Any]], ours: t.AbstractSet[str]) -> t.List[t.Dict[str, t.Any]]:
    groups: t.Dict[t.Tuple[str, int, bool], t.List[ranges.Range]] = {}
    for route in routes:
        if not _is_loopback(route):
            network = ipaddress.ip_network(route["prefix"], strict=False)
            numbers = (int(network.network_address), int(network.broadcast_address))
            groups.setdefault((route["interface"], route["family"], route["prefix"] in ours), []).append(numbers)
    return [
        {
            "interface": interface,
            "family": family,
            "ours": own,
            "ranges": [ranges.text(one, address_set.MAKE[family]) for one in ranges.merged(found)],
        }
        for (interface, family, own), found in sorted(groups.items())
    ]


def _no_source(entry: t.Mapping[str, t.Any], own: bool, virtual: t.Mapping[str, str]) -> t.Optional[str]:
    """Return what an address is that nobody should count on connections from; None for one that is a source."""
    # The kernel refuses to bind to the first two (net/ipv6/af_inet6.c, __inet6_bind; ipv6_chk_addr_and_flags).
    asked = [
        (entry.get("duplicate"), "a duplicate: another host on the link has it"),
        (entry.get("tentative"), "tentative: the kernel is still asking whether another host has it"),
    ]
    if not own:
        # One whose valid lifetime has no end has been made so for those who bind to it.
        passing = entry.get("deprecated") and entry.get("expires")
        asked += [
            (entry["address"] in virtual, virtual.get(entry["address"], "")),
            (entry.get("keepalived"), "a virtual address of keepalived, which moves it between hosts"),
            (entry["family"] == 6 and entry["secondary"], "temporary: it changes every day (RFC 8981)"),
            (passing, "deprecated: its lifetime ends"),
        ]
    return next((what for holds, what in asked if holds), None)


def default_interfaces(routes: t.Sequence[t.Mapping[str, t.Any]], version: int) -> t.List[str]:
    """Return the interfaces by which the best default routes of a family leave, of what observe() returned."""
    usable = [route for route in routes if route["family"] == version]
    best = min((route["metric"] for route in usable), default=None)
    return sorted({route["interface"] for route in usable if route["metric"] == best})


def _is_loopback(entry: t.Mapping[str, t.Any]) -> bool:
    return entry["family"] == 4 and _LOOPBACK.supernet_of(ipaddress.IPv4Network(entry["prefix"], strict=False))


def _to_number(entry: t.Mapping[str, t.Any]) -> int:
    family = socket.AF_INET if entry["family"] == 4 else socket.AF_INET6
    return int.from_bytes(socket.inet_pton(family, entry["address"]), "big")


def _is_ours(entry: t.Mapping[str, t.Any], ours: t.AbstractSet[str]) -> bool:
    return "%s/%d" % (entry["address"], entry["prefix"]) in ours


def _ranges(
    addresses: t.Sequence[t.Mapping[str, t.Any]],
    ours: t.AbstractSet[str],
    virtual: t.Optional[t.Mapping[str, str]] = None,
) -> t.List[t.Dict[str, t.Any]]:
    found: t.List[t.Dict[str, t.Any]] = []
    alike, after = None, None
    keyed = (((entry["interface"], entry["family"], _to_number(entry)), entry) for entry in addresses)
    for (interface, family, number), entry in sorted(keyed, key=lambda pair: pair[0]):
        own = _is_ours(entry, ours)
        more: t.Dict[str, t.Any] = {}
        if entry.get("deprecated"):
            more["deprecated"] = True
        no_source = _no_source(entry, own, virtual or {})
        if no_source is not None:
            more["no_source"] = no_source
        kind = (interface, family, entry["prefix"], entry["scope"], own, more)
        if kind == alike and number == after and entry["prefix"] == _BITS[family]:
            found[-1]["last"] = entry["address"]
            found[-1]["count"] += 1
        else:
            found.append(
                {
                    "address": entry["address"],
                    "last": entry["address"],
                    "count": 1,
                    "prefix": entry["prefix"],
                    "interface": interface,
                    "family": family,
                    "scope": entry["scope"],
                    "ours": own,
                    **more,
                }
            )
        alike, after = kind, number + 1
    return found


def _primary(
    addresses: t.Sequence[t.Mapping[str, t.Any]],
    default_interface: t.Mapping[str, t.Optional[str]],
    ours: t.AbstractSet[str],
    virtual: t.Mapping[str, str],
) -> t.Optional[t.Dict[str, t.Any]]:
    for version in _BITS:
        candidates = [
            entry
            for entry in addresses
            if entry["interface"] == default_interface[str(version)]
            and entry["family"] == version
            and entry["scope"] == "global"
            and not _is_ours(entry, ours)
            and _no_source(entry, False, virtual) is None
        ]
        if candidates:
            first = min(candidates, key=lambda e: address_set.primary_rank(e["address"], e["prefix"], e["secondary"]))
            return {key: first[key] for key in ("address", "prefix", "interface")}
    return None
