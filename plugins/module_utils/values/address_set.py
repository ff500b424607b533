# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of source addresses: what a list names, whether a host can take it, and what has to change.

``links`` is what ``ip -json address show`` prints, decoded: the live addresses of a host.
"""

from __future__ import annotations

import ipaddress
import typing as t

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

#: More would take hours to add one by one, and belongs into a route (AnyIP).
MAX_ADDRESSES = 65536

_ALLOWED = "an address, a range a-b of one family, or a prefix"
_REMEDY = "Write 198.51.100.7, 198.51.100.10-198.51.100.20 or 198.51.100.0/24, in quotes where YAML needs them."
_LIMITED_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def expand(where: str, entries: t.Iterable[object], loopback: bool = False) -> t.List[Address]:
    """Return the addresses that ``entries`` name, in their order, each once.

    loopback: allow those, which every host has already
    """
    return list(locate(where, entries, loopback))


def locate(where: str, entries: t.Iterable[object], loopback: bool = False) -> t.Dict[Address, str]:
    """Return the addresses that ``entries`` name, in their order, with the place that names each first."""
    places: t.Dict[Address, str] = {}
    for index, entry in enumerate(entries):
        place = "%s[%d]" % (where, index)
        for address in _members(place, entry):
            places.setdefault(_usable(place, entry, address, loopback), place)
        if len(places) > MAX_ADDRESSES:
            raise _too_many(place, entry)
    return places


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
    network = ipaddress.ip_network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    if last - first > 1:
        # Neither the network nor the broadcast address; of IPv6 not the subnet-router anycast address.
        first, last = first + 1, last - (network.version == 4)
    return network.version, first, last


def with_length(address: Address) -> str:
    """Return ``address`` as it is added: with all bits as its prefix.

    The kernel makes an address the secondary of another in the same subnet, and removes it together
    with that one (net/ipv4/devinet.c, __inet_del_ifa); a /32 is its own subnet.
    """
    return "%s/%d" % (address, address.max_prefixlen)


def _too_many(place: str, entry: object) -> Refusal:
    remedy = "Take a longer prefix; a whole prefix can be made local by one route instead."
    return Refusal(place, entry, "at most %d addresses in the whole list" % MAX_ADDRESSES, remedy)


def _members(place: str, entry: object) -> t.Iterable[Address]:
    if isinstance(entry, bool) or not isinstance(entry, str):
        remedy = "YAML read it as a %s. %s" % (type(entry).__name__, _REMEDY)
        raise Refusal(place, entry, _ALLOWED, remedy)
    text = entry.strip()
    first, dash, last = text.partition("-")
    if dash:
        return _range(place, entry, first.strip(), last.strip())
    if "/" in text:
        return _prefix(place, entry, text)
    return [_parse(place, entry, text)]


def _parse(place: str, entry: str, text: str) -> Address:
    try:
        if "%" in text:
            raise ValueError("a zone is no part of an address that a host holds")
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise Refusal(place, entry, _ALLOWED, "%s. %s" % (error, _REMEDY)) from None


def _usable(place: str, entry: object, address: Address, loopback: bool) -> Address:
    kind = None
    if address.is_unspecified:
        kind = "the unspecified address"
    elif address.is_loopback and not loopback:
        kind = "a loopback address"
    elif address.is_multicast:
        kind = "a multicast address"
    elif address == _LIMITED_BROADCAST:
        kind = "the broadcast address"
    elif isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        kind = "an IPv4 address in IPv6 notation"
    if kind:
        raise Refusal(place, entry, "unicast addresses that a host can hold", "%s is %s: remove it." % (address, kind))
    return address


def _range(place: str, entry: str, first: str, last: str) -> t.List[Address]:
    low, high = _parse(place, entry, first), _parse(place, entry, last)
    if low.version != high.version:
        raise Refusal(place, entry, "a range whose two ends are of one family", "Write one range a family.")
    if int(high) < int(low):
        raise Refusal(place, entry, "a range whose first address is not above its last", "Swap the two ends.")
    if int(high) - int(low) >= MAX_ADDRESSES:
        raise _too_many(place, entry)
    kind: t.Callable[[int], Address] = type(low)
    return [kind(number) for number in range(int(low), int(high) + 1)]


def _prefix(place: str, entry: str, text: str) -> t.List[Address]:
    if not text.rpartition("/")[2].isdigit():
        raise Refusal(place, entry, _ALLOWED, "Write the prefix as a length, such as 198.51.100.0/24.")
    try:
        network: Network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Refusal(place, entry, _ALLOWED, "%s. %s" % (error, _REMEDY)) from None
    if network.network_address != _parse(place, entry, text.partition("/")[0]):
        remedy = "It has bits beyond its length: write %s for all of it, or one address without a length." % network
        raise Refusal(place, entry, "a prefix that begins at its network address", remedy)
    # All but the network and the broadcast address; of IPv6 all but the subnet-router anycast address.
    if network.num_addresses > MAX_ADDRESSES + 2:
        raise _too_many(place, entry)
    return [network.network_address] if network.num_addresses == 1 else list(network.hosts())


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
    places: t.Mapping[Address, str],
    interface: str,
    links: Links,
    ours: t.AbstractSet[Pair] = frozenset(),
) -> None:
    """Refuse addresses that ``interface`` cannot take.

    places: the addresses wanted, each with the place that names it (see locate)
    ours:   what an earlier run added, wherever it is; that may move
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
    if not taken:
        return
    for address, place in places.items():
        if str(address) in taken:
            what, remedy = taken[str(address)]
            allowed = "addresses that no interface of the host holds and no subnet reserves"
            raise Refusal(place, str(address), allowed, "It is %s. %s" % (what, remedy))


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
