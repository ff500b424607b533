# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of source addresses: what a list names, whether a host can take it, and what has to change.

``links`` is what ``ip -json address show`` prints, decoded: the live addresses of a host.
"""

from __future__ import annotations

import bisect
import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Links = t.Sequence[t.Mapping[str, t.Any]]
#: An address on an interface, as (interface, ``198.51.100.1/32``).
Pair = t.Tuple[str, str]
#: A run of addresses: version, first and last as numbers.
Run = t.Tuple[int, int, int]
#: What makes an address of a number, by version.
MAKE: t.Dict[int, t.Callable[[int], Address]] = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}

#: More addresses of IPv4, or of either family one by one, nobody has a use for: a /16.
MAX_ADDRESSES = 65536

_ALLOWED = "an address, a range a-b of one family, or a prefix"
_REMEDY = "Write 198.51.100.7, 198.51.100.10-198.51.100.20 or 198.51.100.0/24, in quotes where YAML needs them."

#: What no host can hold, or every host has: what it is called, and the first and last address of it.
_UNUSABLE: t.Tuple[t.Tuple[str, Run], ...] = tuple(
    (what, (network.version, int(network.network_address), int(network.broadcast_address)))
    for what, network in (
        ("the unspecified address", ipaddress.ip_network("0.0.0.0/32")),
        ("a loopback address", ipaddress.ip_network("127.0.0.0/8")),
        ("a multicast address", ipaddress.ip_network("224.0.0.0/4")),
        ("the broadcast address", ipaddress.ip_network("255.255.255.255/32")),
        ("the unspecified address", ipaddress.ip_network("::/128")),
        ("a loopback address", ipaddress.ip_network("::1/128")),
        ("an IPv4 address in IPv6 notation", ipaddress.ip_network("::ffff:0:0/96")),
        ("a multicast address", ipaddress.ip_network("ff00::/8")),
    )
)
_LOOPBACK = "a loopback address"


class Piece(t.NamedTuple):
    """A run of addresses that a list names, and the place that names it first, such as ``tune_addresses[0]``."""

    version: int
    first: int
    last: int
    place: str

    @property
    def run(self) -> Run:
        return self[:3]

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def addresses(self) -> t.Iterator[Address]:
        return map(MAKE[self.version], range(self.first, self.last + 1))


def pieces(
    where: str,
    entries: t.Iterable[object],
    loopback: bool = False,
    maximum: t.Optional[int] = MAX_ADDRESSES,
) -> t.List[Piece]:
    """Return the addresses that ``entries`` name, in their order, each once, as runs.

    loopback: allow those, which every host has already
    maximum:  of addresses of IPv4; of IPv6 there may be any number
    raises: Refusal
    """
    found: t.List[Piece] = []
    known = {4: ranges.Collected(), 6: ranges.Collected()}
    count = 0
    for index, entry in enumerate(entries):
        place = "%s[%d]" % (where, index)
        version, first, last = _usable(place, entry, _read(place, entry), loopback)
        new = known[version].add((first, last))
        found += [Piece(version, *one, place) for one in new]
        count += ranges.count(new) if version == 4 else 0
        if maximum is not None and count > maximum:
            raise _too_many(place, entry)
    return found


def index_of(where: str, place: str) -> int:
    """Return which entry of the list ``where`` a place such as ``where[0]`` is."""
    return int(place[len(where) + 1 : -1])


class Finder:
    """Finds addresses among pieces."""

    def __init__(self, wanted: t.Iterable[Piece]) -> None:
        self._sorted = sorted(wanted)
        self._starts = [piece[:2] for piece in self._sorted]

    def find(self, version: int, number: int) -> t.Optional[Piece]:
        index = bisect.bisect_right(self._starts, (version, number)) - 1
        piece = self._sorted[index] if index >= 0 else None
        return piece if piece is not None and piece.version == version and number <= piece.last else None

    def find_text(self, address: str) -> t.Optional[Piece]:
        """As find(), of an address such as ``198.51.100.1``."""
        parsed = ipaddress.ip_address(address)
        return self.find(parsed.version, int(parsed))


def without(wanted: t.Iterable[Piece], addresses: t.Iterable[str]) -> t.List[Piece]:
    """Return ``wanted`` without single addresses, such as ``198.51.100.1``."""
    wanted = list(wanted)
    finder = Finder(wanted)
    holes: t.Dict[Piece, t.List[ranges.Range]] = {}
    for address in map(ipaddress.ip_address, addresses):
        piece = finder.find(address.version, int(address))
        if piece is not None:
            holes.setdefault(piece, []).append((int(address), int(address)))
    return [
        piece._replace(first=first, last=last)
        for piece in wanted
        for first, last in (ranges.without(piece.run[1:], holes[piece]) if piece in holes else [piece.run[1:]])
    ]


def expand(where: str, entries: t.Iterable[object], loopback: bool = False) -> t.List[Address]:
    """Return the addresses that ``entries`` name, in their order, each once, one by one.

    raises: Refusal, for more than MAX_ADDRESSES, too
    """
    entries = list(entries)
    found: t.List[Address] = []
    for piece in pieces(where, entries, loopback):
        if len(found) + piece.size > MAX_ADDRESSES:
            raise _too_many(piece.place, entries[index_of(where, piece.place)])
        found.extend(piece.addresses())
    return found


def run_of(entry: object) -> t.Optional[Run]:
    """Return the addresses that one entry names, whatever their number and kind; None for what is no entry."""
    try:
        return _run_of(entry.strip()) if isinstance(entry, str) else None
    except ValueError:
        return None


def _run_of(text: str) -> t.Optional[Run]:
    one, dash, other = text.partition("-")
    if "%" in text:
        return None
    if dash:
        low, high = ipaddress.ip_address(one.strip()), ipaddress.ip_address(other.strip())
        return (low.version, int(low), int(high)) if low.version == high.version and int(low) <= int(high) else None
    if "/" not in text:
        address = ipaddress.ip_address(text)
        return address.version, int(address), int(address)
    if not text.rpartition("/")[2].isdigit():
        return None
    return _hosts_of(ipaddress.ip_network(text))


def run_of_network(text: str) -> Run:
    """Return every address of a prefix, or the one of an address with a length: ``198.51.100.0/28``."""
    network = ipaddress.ip_network(text, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def with_length(address: Address) -> str:
    """Return ``address`` as it is added: with all bits as its prefix.

    The kernel makes an address the secondary of another in the same subnet, and removes it together
    with that one (net/ipv4/devinet.c, __inet_del_ifa); a /32 is its own subnet.
    """
    return "%s/%d" % (address, address.max_prefixlen)


def _too_many(place: str, entry: object) -> Refusal:
    return Refusal(place, entry, "at most %d addresses in the whole list" % MAX_ADDRESSES, "Take a longer prefix.")


def _read(place: str, entry: object) -> Run:
    if isinstance(entry, bool) or not isinstance(entry, str):
        remedy = "YAML read it as a %s. %s" % (type(entry).__name__, _REMEDY)
        raise Refusal(place, entry, _ALLOWED, remedy)
    text = entry.strip()
    one, dash, other = text.partition("-")
    if dash:
        return _range(place, entry, one.strip(), other.strip())
    if "/" in text:
        return _prefix(place, entry, text)
    address = _parse(place, entry, text)
    return address.version, int(address), int(address)


def _parse(place: str, entry: str, text: str) -> Address:
    try:
        if "%" in text:
            raise ValueError("a zone is no part of an address that a host holds")
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise Refusal(place, entry, _ALLOWED, "%s. %s" % (error, _REMEDY)) from None


def _usable(place: str, entry: object, run: Run, loopback: bool) -> Run:
    for what, (version, first, last) in _UNUSABLE:
        shared = ranges.overlap(run[1:], (first, last)) if version == run[0] else None
        if shared is not None and not (loopback and what == _LOOPBACK):
            remedy = "%s is %s: remove it." % (MAKE[version](shared[0]), what)
            raise Refusal(place, entry, "unicast addresses that a host can hold", remedy)
    return run


def _range(place: str, entry: str, first: str, last: str) -> Run:
    low, high = _parse(place, entry, first), _parse(place, entry, last)
    if low.version != high.version:
        raise Refusal(place, entry, "a range whose two ends are of one family", "Write one range a family.")
    if int(high) < int(low):
        raise Refusal(place, entry, "a range whose first address is not above its last", "Swap the two ends.")
    return low.version, int(low), int(high)


def _prefix(place: str, entry: str, text: str) -> Run:
    if not text.rpartition("/")[2].isdigit():
        raise Refusal(place, entry, _ALLOWED, "Write the prefix as a length, such as 198.51.100.0/24.")
    try:
        network: Network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Refusal(place, entry, _ALLOWED, "%s. %s" % (error, _REMEDY)) from None
    if network.network_address != _parse(place, entry, text.partition("/")[0]):
        remedy = "It has bits beyond its length: write %s for all of it, or one address without a length." % network
        raise Refusal(place, entry, "a prefix that begins at its network address", remedy)
    return _hosts_of(network)


def _hosts_of(network: Network) -> Run:
    first, last = int(network.network_address), int(network.broadcast_address)
    if last - first > 1:
        # Neither the network nor the broadcast address; of IPv6 not the subnet-router anycast address.
        first, last = first + 1, last - (network.version == 4)
    return network.version, first, last


def address_infos(link: t.Mapping[str, t.Any]) -> t.Iterator[t.Mapping[str, t.Any]]:
    """Yield the IPv4 and IPv6 addresses of one of ``links``, as ``ip`` describes them."""
    for info in link.get("addr_info", ()):
        if "local" in info:
            yield info


def _pair(link: t.Mapping[str, t.Any], info: t.Mapping[str, t.Any]) -> Pair:
    # Through ipaddress, because the C library shortens some IPv6 addresses in another way.
    return link["ifname"], "%s/%d" % (ipaddress.ip_address(info["local"]), info["prefixlen"])


def _text(pair: Pair) -> str:
    return pair[1].partition("/")[0]


def live_pairs(links: Links) -> t.Set[Pair]:
    """Return every address that the host holds, and where."""
    return {_pair(link, info) for link in links if "ifname" in link for info in address_infos(link)}


def preferred_pairs(links: Links) -> t.Set[Pair]:
    """Return the IPv6 addresses that a program may leave from without binding to them: whose preferred lifetime lasts.

    Source selection prefers an address of any other kind to a deprecated one (RFC 6724, rule 3; net/ipv6/addrconf.c,
    ipv6_get_saddr_eval), and of two with equal prefixes the one that was added last.
    """
    return {
        _pair(link, info)
        for link in links
        if "ifname" in link
        for info in address_infos(link)
        if ":" in info["local"] and not info.get("deprecated") and info.get("preferred_life_time") != 0
    }


def find_link(links: Links, interface: str) -> t.Optional[t.Mapping[str, t.Any]]:
    return next((link for link in links if link.get("ifname") == interface), None)


def primaries(link: t.Mapping[str, t.Any], ours: t.AbstractSet[Pair]) -> t.Dict[str, str]:
    """Return the interface's primary address of each family, as address -> what it is called in a message."""
    found: t.Dict[str, str] = {}
    for family in ("inet", "inet6"):
        candidates = [
            info
            for info in address_infos(link)
            if info.get("family") == family and info.get("scope") != "link" and _pair(link, info) not in ours
        ]
        if candidates:
            primary = min(candidates, key=_rank)
            found[_text(_pair(link, primary))] = "the primary address of %s" % link["ifname"]
    return found


def _rank(info: t.Mapping[str, t.Any]) -> t.Tuple[bool, bool, int]:
    return primary_rank(info["local"], info["prefixlen"], bool(info.get("secondary") or info.get("temporary")))


def primary_rank(address: str, prefix: int, secondary: bool) -> t.Tuple[bool, bool, int]:
    """Return what the addresses of one family and interface are compared by: the lowest is its primary address.

    None that is another's secondary, or temporary, which secondary says too; one with a subnet; the lowest, because
    after a reboot they may stand in another order.
    """
    parsed = ipaddress.ip_address(address)
    return secondary, prefix == parsed.max_prefixlen, int(parsed)


def _subnet_addresses(link: t.Mapping[str, t.Any]) -> t.Iterator[t.Tuple[str, str]]:
    for info in address_infos(link):
        # For a point-to-point address the subnet is the peer's.
        text = "%s/%d" % (info.get("address", info["local"]), info["prefixlen"])
        network: Network = ipaddress.ip_network(text, strict=False)
        if network.max_prefixlen - network.prefixlen < 2:
            continue
        yield str(network.network_address), "the network address of %s on %s" % (network, link["ifname"])
        if network.version == 4:
            yield str(network.broadcast_address), "the broadcast address of %s on %s" % (network, link["ifname"])
        if "broadcast" in info:
            yield info["broadcast"], "the broadcast address of %s on %s" % (network, link["ifname"])


def check_against_host(
    wanted: t.Sequence[Piece],
    interface: str,
    links: Links,
    ours: t.AbstractSet[Pair] = frozenset(),
) -> None:
    """Refuse addresses that ``interface`` cannot take.

    ours: what an earlier run added, wherever it is; that may move
    """
    taken: t.Dict[str, t.Tuple[str, str]] = {}
    for link in links:
        if link.get("ifname") not in (None, interface):
            for info in address_infos(link):
                pair = _pair(link, info)
                if pair not in ours:
                    remedy = "Remove it there or from the list."
                    taken[_text(pair)] = ("already on the interface %s" % link["ifname"], remedy)
    own = find_link(links, interface)
    if own is not None:
        not_needed = "Remove it from the list: the host has it already."
        taken.update((text, (what, not_needed)) for text, what in primaries(own, ours).items())
        taken.update((text, (what, "Remove it from the list.")) for text, what in _subnet_addresses(own))
    finder = Finder(wanted)
    found = [(piece, text) for text in taken for piece in [finder.find_text(text)] if piece is not None]
    if found:
        # The first of the list.
        piece, text = min(found, key=lambda one: (wanted.index(one[0]), int(ipaddress.ip_address(one[1]))))
        allowed = "addresses that no interface of the host holds and no subnet reserves"
        what, remedy = taken[text]
        raise Refusal(piece.place, text, allowed, "It is %s. %s" % (what, remedy))


def foreign_on(interface: t.Optional[str], links: Links, ours: t.AbstractSet[Pair]) -> t.List[str]:
    """Return the addresses that the interface has from someone else."""
    return [_text(pair) for pair in live_pairs(links) - ours if pair[0] == interface]


class AddressesChange(t.NamedTuple):
    """What has to be done to a host; every list in the order of the request, or of the host."""

    add: t.List[Pair]
    remove: t.List[Pair]
    kept: t.List[Pair]
    foreign: t.List[Pair]


def plan(
    wanted: t.Iterable[Address], interface: t.Optional[str], links: Links, ours: t.AbstractSet[Pair]
) -> AddressesChange:
    """Compare ``wanted`` on ``interface`` with what is live. Only what is in ``ours`` is ever removed."""
    live = live_pairs(links)
    on_interface = {_text(pair) for pair in live if pair[0] == interface}
    add, kept, foreign = [], [], []
    for address in wanted:
        pair = (t.cast(str, interface), with_length(address))
        if pair in live and pair in ours:
            kept.append(pair)
        elif str(address) in on_interface:
            foreign.append(pair)
        else:
            add.append(pair)
    return AddressesChange(add, in_order((live & ours) - set(kept)), kept, foreign)


def in_order(pairs: t.Iterable[Pair]) -> t.List[Pair]:
    """Return ``pairs`` by interface, family and number."""

    def key(pair: Pair) -> t.Tuple[str, int, int]:
        address = ipaddress.ip_interface(pair[1])
        return pair[0], address.version, int(address)

    return sorted(pairs, key=key)
