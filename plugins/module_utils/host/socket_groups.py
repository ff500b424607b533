# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP sockets of a dump of sock_diag(7), counted by owner, option, and pair of source and destination.

A message has the same attributes whatever is asked for (net/ipv4/inet_diag.c, inet_diag_msg_attrs_fill): the group of
its socket (Linux 5.8) and its options (5.10) among them. So nearly every message of a dump has one layout, and one
struct takes what is wanted out of a whole buffer; its tuples go to a Counter uninterpreted.

Memory does not grow with the number of sockets: beyond MAX_KEYS the rarest go, as in a summary of Misra and Gries. What
is left is then too low by at most the number of sockets / (MAX_KEYS / 2), and has to be counted again to be exact.
"""

from __future__ import annotations

import collections
import functools
import operator
import struct
import sys
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink

#: About 500 bytes each.
MAX_KEYS = 32768

TCPDIAG_GETSOCK = 18
#: struct inet_diag_msg behind its header. Its family is at 0, its state at 1; then struct inet_diag_sockid: ports at 4
#: and 6, addresses at 8 and 24, the interface at 40; then the user at 64 and the inode.
_MESSAGE_SIZE = 72
_HELD = struct.Struct("=17xB2x2s34xI")
_ATTRIBUTE = struct.Struct("=HH")
#: Every full socket has it; what stands for a closed connection has not (inet_twsk_diag_fill).
_SHUTDOWN = 8
_USER, _NUMBER = struct.Struct("=I"), struct.Struct("=Q")
_CGROUP_ID, _SOCKOPT = 21, 22
#: struct inet_diag_sockopt: bind_address_no_port is the first bit of its second byte, in the compiler's order of bits.
_NO_PORT = 1 if sys.byteorder == "little" else 0x80

_AF_INET = 2
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Owner(t.NamedTuple):
    """Whose a socket is: the user, and the number of the control group where the kernel tells it."""

    user: int
    cgroup: t.Optional[int]


class Pair(t.NamedTuple):
    """Addresses in 4 or 16 bytes, as of IPv4 where a socket of IPv6 has them; and the port of the destination."""

    source: bytes
    destination: bytes
    port: int


class Group(t.NamedTuple):
    """What sockets are counted by.

    owner:   None for what is left of a closed connection, of which the kernel tells none
    no_port: whether IP_BIND_ADDRESS_NO_PORT is set; None where the kernel does not tell
    """

    owner: t.Optional[Owner]
    no_port: t.Optional[bool]
    pair: Pair


class Layout(t.NamedTuple):
    """Where a message has its attributes, from its header on; None for one that it does not have."""

    length: int
    full: bool
    cgroup_at: t.Optional[int]
    option_at: t.Optional[int]


class Held(t.NamedTuple):
    """One socket with its own port; ``interface`` is the number of one that it is bound to, or 0."""

    group: Group
    port: int
    state: int
    interface: int


#: family, destination port and both addresses, user, and the attributes in the order in which they come
_Key = t.Tuple[bytes, ...]
#: What tells the owner of a key.
_REST: t.Callable[[_Key], _Key] = operator.itemgetter(slice(2, None))


class Grouping(netlink.Reader):
    """Counts the sockets of a dump.

    pruned: there were too many groups, and those that are left have too few
    lost:   by owner, the sockets that are in no group any longer
    """

    def __init__(self) -> None:
        super().__init__()
        self.pruned = False
        self.lost: t.Counter[t.Optional[Owner]] = collections.Counter()
        self._counted: t.Dict[Layout, t.Counter[_Key]] = {}

    def feed(self, data: bytes) -> None:
        layout = common_layout(data)
        if layout is None:
            super().feed(data)
            return
        counted = self._of(layout)
        counted.update(_struct(layout).iter_unpack(data))
        if len(counted) > MAX_KEYS:
            self._prune(layout)

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        begin = start - netlink.HEADER.size
        layout = layout_of(kind, data, begin, end)
        counted = self._of(layout)
        counted[_struct(layout).unpack_from(data, begin)] += 1
        if len(counted) > MAX_KEYS:
            self._prune(layout)

    def _of(self, layout: Layout) -> t.Counter[_Key]:
        return self._counted.setdefault(layout, collections.Counter())

    def _prune(self, layout: Layout) -> None:
        counted = self._counted[layout]
        less = sorted(counted.values())[-MAX_KEYS // 2]
        kept: t.Counter[_Key] = collections.Counter()
        kept.update({key: number - less for key, number in counted.items() if number > less})
        # Each has at least 1; nearly always that is all, and all is counted in C.
        lost: t.Counter[_Key] = collections.Counter(map(_REST, counted))
        if less > 1:
            for key, number in counted.items():
                lost[_REST(key)] += min(number, less) - 1
        for rest, number in lost.items():
            self.lost[_group(layout, (b"\2", bytes(34), *rest)).owner] += number
        self._counted[layout] = kept
        self.pruned = True

    def groups(self) -> t.Counter[Group]:
        found: t.Counter[Group] = collections.Counter()
        for layout, counted in self._counted.items():
            for key, number in counted.items():
                found[_group(layout, key)] += number
        return found


class Ports(Grouping):
    """Counts the sockets of a dump, and collects their own ports: at most 65,535."""

    def __init__(self) -> None:
        super().__init__()
        self._ports: t.Set[t.Tuple[bytes, ...]] = set()

    def feed(self, data: bytes) -> None:
        layout = common_layout(data)
        if layout is not None:
            self._ports.update(_port_struct(layout.length).iter_unpack(data))
        super().feed(data)

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        super().take(kind, data, start, end)
        self._ports.add((data[start + 4 : start + 6],))

    @property
    def ports(self) -> t.Set[int]:
        return {int.from_bytes(port, "big") for (port,) in self._ports}


class Waiting(netlink.Reader):
    """Collects the ports of sockets that are not connected: (port, state) -> whose the first of them is."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.Dict[t.Tuple[int, int], t.Optional[Owner]] = {}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        begin = start - netlink.HEADER.size
        layout = layout_of(kind, data, begin, end)
        place = int.from_bytes(data[start + 4 : start + 6], "big"), data[start + 1]
        if place not in self.found:
            self.found[place] = _group(layout, _struct(layout).unpack_from(data, begin)).owner


class Holders(netlink.Reader):
    """Collects the sockets of a dump one by one: for dumps of some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.List[Held] = []
        self._groups: t.Dict[t.Tuple[Layout, _Key], Group] = {}

    def feed(self, data: bytes) -> None:
        layout = common_layout(data)
        if layout is None:
            super().feed(data)
            return
        for begin in range(0, len(data), layout.length):
            self._add(layout, data, begin)

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        begin = start - netlink.HEADER.size
        self._add(layout_of(kind, data, begin, end), data, begin)

    def _add(self, layout: Layout, data: bytes, begin: int) -> None:
        key = layout, _struct(layout).unpack_from(data, begin)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _group(*key)
        state, port, interface = _HELD.unpack_from(data, begin)
        self.found.append(Held(group, int.from_bytes(port, "big"), state, interface))


def layout_of(kind: int, data: bytes, begin: int, end: int) -> Layout:
    """Return where the message ``data[begin:end]``, its header included, has what is wanted. raises: NetlinkError"""
    if kind != TCPDIAG_GETSOCK:
        raise netlink.NetlinkError("a message of type %d is no socket" % kind)
    at = begin + netlink.HEADER.size + _MESSAGE_SIZE
    if at > end:
        raise netlink.NetlinkError("a socket takes %d bytes, the message has %d" % (_MESSAGE_SIZE, end - begin))
    found = {}
    while end - at >= _ATTRIBUTE.size:
        length, number = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > end:
            raise netlink.NetlinkError("an attribute gives its length as %d, %d are left" % (length, end - at))
        found[number, length - _ATTRIBUTE.size] = at + _ATTRIBUTE.size - begin
        at += length + -length % 4
    full = any(number == _SHUTDOWN for number, _size in found)
    return Layout(end - begin, full, found.get((_CGROUP_ID, 8)), found.get((_SOCKOPT, 2)))


def common_layout(data: bytes) -> t.Optional[Layout]:
    """Return the layout of every message in ``data``, or None where they differ, are damaged, or no sockets."""
    if len(data) < netlink.HEADER.size:
        return None
    length, kind, flags = netlink.HEADER.unpack_from(data)[:3]
    if kind != TCPDIAG_GETSOCK or flags & netlink.NLM_F_DUMP_INTR or length % 4 or not length or len(data) % length:
        return None
    try:
        layout = layout_of(kind, data, 0, length)
    except netlink.NetlinkError:
        return None
    number = len(data) // length
    # The header's length, type and flags, and the head of each attribute: each comparison runs in C.
    same = list(range(8))
    at = netlink.HEADER.size + _MESSAGE_SIZE
    while length - at >= _ATTRIBUTE.size:
        same += range(at, at + _ATTRIBUTE.size)
        size = _ATTRIBUTE.unpack_from(data, at)[0]
        at += size + -size % 4
    if any(data[byte::length] != data[byte : byte + 1] * number for byte in same):
        return None
    return layout


@functools.lru_cache(maxsize=64)
def _parts(layout: Layout) -> t.List[t.Tuple[int, int, str]]:
    """Return where a message has what a key is made of, how many bytes each takes, and what it is."""
    parts = [(16, 1, "family"), (22, 34, "ends"), (80, 4, "user")]
    if layout.cgroup_at is not None:
        parts.append((layout.cgroup_at, 8, "cgroup"))
    if layout.option_at is not None:
        parts.append((layout.option_at, 2, "option"))
    return sorted(parts)


@functools.lru_cache(maxsize=64)
def _struct(layout: Layout) -> struct.Struct:
    """Return what takes a key out of a message."""
    text, position = "=", 0
    for at, size, _name in _parts(layout):
        text += "%dx%ds" % (at - position, size)
        position = at + size
    return struct.Struct("%s%dx" % (text, layout.length - position))


@functools.lru_cache(maxsize=64)
def _port_struct(length: int) -> struct.Struct:
    return struct.Struct("=20x2s%dx" % (length - 22))


def _group(layout: Layout, key: _Key) -> Group:
    parts = {name: part for (_at, _size, name), part in zip(_parts(layout), key)}
    owner = None
    if layout.full:
        cgroup = _NUMBER.unpack(parts["cgroup"])[0] if "cgroup" in parts else None
        owner = Owner(_USER.unpack(parts["user"])[0], cgroup)
    no_port = bool(parts["option"][1] & _NO_PORT) if "option" in parts else None
    family, ends = parts["family"][0], parts["ends"]
    port = int.from_bytes(ends[:2], "big")
    return Group(owner, no_port, Pair(_address(family, ends[2:18]), _address(family, ends[18:]), port))


def _address(family: int, packed: bytes) -> bytes:
    """Return an address in 4 or 16 bytes; that of IPv4 which a socket of IPv6 has is one of IPv4."""
    if family == _AF_INET:
        return packed[:4]
    return packed[12:] if packed.startswith(_MAPPED) else packed
