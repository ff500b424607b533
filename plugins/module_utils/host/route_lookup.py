# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the kernel would send, with all rules and tables: what ``ip route get`` asks, by rtnetlink(7)."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_NETLINK_ROUTE = 0
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
#: No route, an unreachable one, a prohibited one, a blackhole.
_NO_ROUTE = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL))
#: struct rtmsg: family, length of destination and source, tos, table, protocol, scope, type, flags.
_ROUTE = struct.Struct("=8BI")
_RTA_DST, _RTA_SRC, _RTA_OIF = 1, 2, 4
#: Types of routes, of rtnetlink.h.
UNICAST, LOCAL = 1, 2


class Way(t.NamedTuple):
    """The type of a route and the number of its interface; 0 and 0 for none."""

    kind: int
    interface: int


class WayReader(netlink.Reader):
    """Takes the one route by which the kernel would send."""

    def __init__(self) -> None:
        super().__init__()
        self.way = Way(0, 0)

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _RTM_NEWROUTE or end - start < _ROUTE.size:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no route" % (kind, end - start))
        number = netlink.attributes(data, start + _ROUTE.size, end).get(_RTA_OIF, b"")
        interface = int(struct.unpack("=I", number)[0]) if len(number) == 4 else 0
        self.way = Way(_ROUTE.unpack_from(data, start)[7], interface)
        self.done = True


def way_to(address: Address, source: t.Optional[Address] = None) -> Way:
    """Return how packets would leave for an address, from a source address of this host or from any.

    raises: netlink.NetlinkError
    """
    family = int(socket.AF_INET if address.version == 4 else socket.AF_INET6)
    length = 0 if source is None else source.max_prefixlen
    body = _ROUTE.pack(family, address.max_prefixlen, length, 0, 0, 0, 0, 0, 0)
    body += netlink.attribute(_RTA_DST, address.packed)
    if source is not None:
        body += netlink.attribute(_RTA_SRC, source.packed)
    try:
        return netlink.ask(_NETLINK_ROUTE, _RTM_GETROUTE, body, WayReader).way
    except netlink.NetlinkError as error:
        if error.number not in _NO_ROUTE:
            raise
        return Way(0, 0)
