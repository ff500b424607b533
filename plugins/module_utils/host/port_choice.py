# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the kernel about a choice that it would make: is a local port to be had, which source has a route.

No packet leaves for either: not even on the loopback interface.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import socket
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink

#: linux/in.h, since Linux 6.3: the lower 16 bits are the first port that the socket may get, the upper 16 the last one.
_IP_LOCAL_PORT_RANGE = 51
#: linux/tcp.h, since Linux 4.11 and 4.15.
_TCP_FASTOPEN_CONNECT = 30
_TCP_FASTOPEN_NO_COOKIE = 34
_LOOPBACK = "127.0.0.1"

_AF_INET, _AF_INET6 = 2, 10
_NETLINK_ROUTE, _RTM_NEWRULE, _RTM_GETRULE, _RULE_SIZE = 0, 32, 34, 12
#: Of IPv4 the tables local, main and default; IPv6 has no third one (net/ipv4/fib_rules.c, fib_default_rules_init).
_USUAL_RULES = {_AF_INET: 3, _AF_INET6: 2}
_ANY_PORT = 9


def is_taken(port: int, closed: int) -> t.Optional[bool]:
    """Return whether connect() passes over a local port, whatever the destination; None where the kernel does not say.

    It does where somebody has the port by bind(2): the port then has a bind bucket that says so (net/ipv4/
    inet_hashtables.c, __inet_hash_connect: tb->fastreuse >= 0). A port that connect() itself chose can be had again.

    The socket may get this port alone. With TCP_FASTOPEN_CONNECT, and no need of a cookie, connect(2) chooses the port
    and leaves the rest to the first write, which never comes (net/ipv4/tcp_fastopen.c, tcp_fastopen_defer_connect).

    closed: a port on which nobody listens, for the case that the kernel mistrusts Fast Open at the moment
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as one:
            one.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, 1)
            one.setsockopt(socket.IPPROTO_TCP, _TCP_FASTOPEN_NO_COOKIE, 1)
            one.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
            number = one.connect_ex((_LOOPBACK, closed))
            if number == errno.EADDRNOTAVAIL:
                return True
            # A port outside the range of the host is not the one that was asked for.
            return False if one.getsockname()[1] == port or number == errno.ECONNREFUSED else None
    except OSError:
        return None


def source_to(destination: bytes) -> t.Optional[bytes]:
    """Return the source address that the route to an address gives, both in 4 or 16 bytes; None where there is none.

    A socket of UDP that is connected has it (udp(7)).
    """
    family = socket.AF_INET if len(destination) == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((socket.inet_ntop(family, destination), _ANY_PORT))
            return socket.inet_pton(family, one.getsockname()[0].partition("%")[0])
    except OSError:
        return None


class Rules(netlink.Reader):
    """Counts the rules that choose between tables of routes, by the family that struct fib_rule_hdr begins with."""

    def __init__(self) -> None:
        super().__init__()
        self.number: t.Counter[int] = collections.Counter()

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _RTM_NEWRULE or end - start < _RULE_SIZE:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no rule" % (kind, end - start))
        self.number[data[start]] += 1


def routes_are_plain() -> bool:
    """Tell whether a route depends on the addresses alone: there are no rules but the kernel's own (ip-rule(8))."""
    # A kernel that has no rules says so.
    with contextlib.suppress(netlink.NetlinkError):
        number = netlink.dump(_NETLINK_ROUTE, _RTM_GETRULE, bytes(_RULE_SIZE), Rules).number
        return all(number[family] <= usual for family, usual in _USUAL_RULES.items())
    return True
