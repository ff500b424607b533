# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethernet frames that ask who has an address, that say who has it now, and what others' frames say of it: pure.

IPv4: ARP probe and announcement of RFC 5227. IPv6: the neighbour solicitation of duplicate address detection
(RFC 4862, 5.4.2) and the unsolicited neighbour advertisement (RFC 4861, 7.2.6). Linux answers both questions
itself: net/ipv4/arp.c, arp_process ("duplicate address detection packet"), and net/ipv6/ndisc.c, ndisc_recv_ns.

Addresses are packed, 4 or 16 bytes, and MAC addresses 6 bytes.
"""

from __future__ import annotations

import struct
import typing as t

#: include/uapi/linux/if_ether.h
ARP, IPV6 = 0x0806, 0x86DD
#: Where the IPv6 header has the protocol and the hop limit, and the type of the ICMPv6 message: from the frame's begin.
NEXT_HEADER_AT, HOP_LIMIT_AT, ICMPV6_AT = 20, 21, 54
ICMPV6 = 58
#: Nobody else's router has passed on a message that still has it (RFC 4861, 7.1).
HOP_LIMIT = 255
SOLICITATION, ADVERTISEMENT = 135, 136

_ETHERNET = struct.Struct("!6s6sH")
#: RFC 826: hardware, protocol, lengths of their addresses, operation; sender's and target's addresses.
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_KIND = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
#: Version, payload length, next header, hop limit, addresses.
_IPV6 = struct.Struct("!IHBB16s16s")
#: Type, code, checksum, flags of an advertisement, target.
_NEIGHBOUR = struct.Struct("!BBHI16s")
_NEIGHBOUR_AT = _ETHERNET.size + _IPV6.size
#: RFC 4861, 4.6.1: the type of the option, and its length in units of 8 bytes.
_TARGET_LINK_LAYER = b"\x02\x01"
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000

_BROADCAST = b"\xff" * 6
_NO_MAC = bytes(6)
_NOBODY_4, _NOBODY_6 = bytes(4), bytes(16)
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
#: RFC 4291, 2.7.1; the last 3 bytes are the address's.
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


class Claim(t.NamedTuple):
    """What a frame says: an address is in use, or about to be, and whose it is."""

    address: bytes
    mac: bytes


def question(address: bytes, mac: bytes) -> bytes:
    """Return the frame that asks whether somebody has an address; ``mac``: who asks, whose own address is not told."""
    if len(address) == 4:
        return _arp(mac, _NOBODY_4, address)
    body = _NEIGHBOUR.pack(SOLICITATION, 0, 0, 0, address)
    return _icmpv6(mac, _NOBODY_6, _SOLICITED_NODE + address[13:], body)


def announcement(address: bytes, mac: bytes, router: bool = False) -> bytes:
    """Return the frame that tells everybody who has an address now, over what they knew before.

    router: whether this host forwards, which only an advertisement of IPv6 says
    """
    if len(address) == 4:
        return _arp(mac, address, address)
    flags = _OVERRIDE | (_ROUTER if router else 0)
    body = _NEIGHBOUR.pack(ADVERTISEMENT, 0, 0, flags, address) + _TARGET_LINK_LAYER + mac
    return _icmpv6(mac, address, _ALL_NODES, body)


def parse(data: bytes) -> t.Optional[Claim]:
    """Return which address a frame claims, None for none; whatever the bytes are, nothing is raised.

    A question that gives no address of the one who asks claims what it asks for: he is about to use it.
    """
    if len(data) < _ETHERNET.size:
        return None
    _target, source, kind = _ETHERNET.unpack_from(data)
    if kind == ARP:
        return _parse_arp(data)
    return _parse_neighbour(data, source) if kind == IPV6 else None


def _parse_arp(data: bytes) -> t.Optional[Claim]:
    """RFC 5227, 2.1.1: whoever sends from an address has it, whether he asks or answers."""
    if len(data) < _ETHERNET.size + _ARP.size:
        return None
    *kind, operation, mac, sender, _target_mac, target = _ARP.unpack_from(data, _ETHERNET.size)
    if tuple(kind) != _ARP_KIND or operation not in (_REQUEST, _REPLY):
        return None
    if sender != _NOBODY_4:
        return Claim(sender, mac)
    return Claim(target, mac) if operation == _REQUEST and target != _NOBODY_4 else None


def _parse_neighbour(data: bytes, mac: bytes) -> t.Optional[Claim]:
    if len(data) < _NEIGHBOUR_AT + _NEIGHBOUR.size:
        return None
    first, length, protocol, hops, source, target = _IPV6.unpack_from(data, _ETHERNET.size)
    end = _NEIGHBOUR_AT + length
    # What an Ethernet frame has beyond the packet is padding.
    if first >> 28 != 6 or protocol != ICMPV6 or hops != HOP_LIMIT or length < _NEIGHBOUR.size or end > len(data):
        return None
    kind, code, _checksum, _flags, address = _NEIGHBOUR.unpack_from(data, _NEIGHBOUR_AT)
    if code or _sum(source, target, data[_NEIGHBOUR_AT:end]):
        return None
    if kind == ADVERTISEMENT:
        return Claim(address, _link_layer(data[_NEIGHBOUR_AT + _NEIGHBOUR.size : end]) or mac)
    if kind == SOLICITATION:
        return Claim(address if source == _NOBODY_6 else source, mac)
    return None


def _link_layer(options: bytes) -> t.Optional[bytes]:
    """Return the MAC address that an advertisement names, which need not be the frame's: a proxy names its own."""
    while len(options) >= 8 and options[1]:
        if options[:2] == _TARGET_LINK_LAYER:
            return options[2:8]
        options = options[8 * options[1] :]
    return None


def _arp(mac: bytes, sender: bytes, target: bytes) -> bytes:
    body = _ARP.pack(*_ARP_KIND, _REQUEST, mac, sender, _NO_MAC, target)
    return _ETHERNET.pack(_BROADCAST, mac, ARP) + body


def _icmpv6(mac: bytes, source: bytes, target: bytes, body: bytes) -> bytes:
    checksum = _sum(source, target, body).to_bytes(2, "big")
    header = _IPV6.pack(6 << 28, len(body), ICMPV6, HOP_LIMIT, source, target)
    # RFC 2464, 7: the MAC address of a multicast group.
    return _ETHERNET.pack(b"\x33\x33" + target[12:], mac, IPV6) + header + body[:2] + checksum + body[4:]


def _sum(source: bytes, target: bytes, body: bytes) -> int:
    """Return the checksum of an ICMPv6 message whose own is 0; 0 where it has the right one (RFC 8200, 8.1)."""
    pseudo = source + target + struct.pack("!II", len(body), ICMPV6)
    # An odd byte at the end counts as the upper one. Modulo 65535 is the sum with the carries added.
    total = int.from_bytes(pseudo + body + b"\0" * (len(body) % 2), "big") % 65535
    return 65535 - total if total else 0
