# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TCP sockets of this network namespace have a port, and whose they are: sock_diag(7), and /proc/PID/fd."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, socket_count
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import Endpoint, text_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

_NETLINK_SOCK_DIAG = 4
_TCPDIAG_GETSOCK = 18
#: struct inet_diag_req, the one request that covers IPv4 and IPv6 (net/ipv4/inet_diag.c, inet_diag_dump_compat).
_REQUEST = struct.Struct("=4x48xII")
_ATTRIBUTE = struct.Struct("=HH")
_INET_DIAG_REQ_BYTECODE = 1
#: struct inet_diag_msg: family and state, then struct inet_diag_sockid; at its end the user, and the inode.
_MESSAGE_SIZE = 72
_OWNER = struct.Struct("=II")
_OWNER_AT = 64
_AF_INET = 2
#: An attribute that a listening socket of IPv6 has (inet_diag_msg_attrs_fill).
_INET_DIAG_SKV6ONLY = 11

#: include/net/tcp_states.h. From Linux 6.8 on a dump shows sockets that are bound and no more, when asked for.
LISTEN = 10
_BOUND_INACTIVE = 13
#: TIME_WAIT too: who had the port without SO_REUSEADDR keeps it from everybody for that minute.
_ANY = (1 << _BOUND_INACTIVE + 1) - 2

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Socket(t.NamedTuple):
    """One socket: its state by number, its own end, its inode and its user; ``only_ipv6`` as in ipv6(7).

    An address of IPv4 that a socket of IPv6 has is one of IPv4 here.
    """

    state: int
    address: Address
    port: int
    inode: int
    user: int
    only_ipv6: bool


class Sockets(netlink.Reader):
    """Collects the sockets of a dump."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.List[Socket] = []

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _TCPDIAG_GETSOCK or end - start < _MESSAGE_SIZE:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no socket" % (kind, end - start))
        size = 4 if data[start] == _AF_INET else 16
        address = ipaddress.ip_address(data[start + 8 : start + 8 + size])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        user, inode = _OWNER.unpack_from(data, start + _OWNER_AT)
        alone = netlink.attributes(data, start + _MESSAGE_SIZE, end).get(_INET_DIAG_SKV6ONLY, b"\0")
        port = int.from_bytes(data[start + 4 : start + 6], "big")
        self.found.append(Socket(data[start + 1], address, port, inode, user, any(alone)))


def listening() -> t.Optional[t.List[Socket]]:
    """Return the sockets that listen in this network namespace; None where the kernel has no TCP sock_diag for us."""
    return _ask(1 << LISTEN, b"")


def _on(port: int) -> t.Optional[t.List[Socket]]:
    """Return the sockets whose own port it is, whatever they do; the kernel walks them all."""
    return _ask(_ANY, socket_count.bytecode_of([(port, port)]))


def _ask(states: int, bytecode: bytes) -> t.Optional[t.List[Socket]]:
    body = _REQUEST.pack(states, 0)
    if bytecode:
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(bytecode), _INET_DIAG_REQ_BYTECODE) + bytecode
    try:
        return netlink.dump(_NETLINK_SOCK_DIAG, _TCPDIAG_GETSOCK, body, Sockets).found
    except netlink.NetlinkError:
        return None


def in_the_way(endpoint: Endpoint, other: Socket) -> bool:
    """Return whether a sink's socket cannot have ``endpoint`` while there is ``other``.

    As the kernel's bind(2) sees it (net/ipv4/inet_connection_sock.c, inet_csk_bind_conflict): equal addresses, or one
    that stands for all. The sink's sockets of IPv6 are for IPv6 alone.
    """
    if endpoint[1] != other.port:
        return False
    wanted, theirs = ipaddress.ip_address(endpoint[0]), other.address
    if wanted.version == theirs.version:
        return wanted == theirs or wanted.is_unspecified or theirs.is_unspecified
    return theirs.version == 6 and theirs.is_unspecified and not other.only_ipv6


def holders(endpoint: Endpoint) -> t.List[Socket]:
    """Return the sockets that keep a sink from ``endpoint``: those that listen, or else any that have the port."""
    for found in (listening(), _on(endpoint[1])):
        those = [other for other in found or [] if in_the_way(endpoint, other)]
        if those:
            return those
    return []


def said(holder: Socket) -> str:
    """Return who has a socket, and what for, in words."""
    end = text_of((str(holder.address), holder.port))
    if not holder.inode:
        return "a connection that is being closed has %s" % end
    process = owner(holder.inode)
    who = "%s (pid %d)" % process if process else "a process of user %d that cannot be seen from here" % holder.user
    what = "listens on" if holder.state == LISTEN else "has a socket on"
    return "%s %s %s" % (who, what, end)


def owner(inode: int) -> t.Optional[t.Tuple[str, int]]:
    """Return the name and the pid of a process that has a socket; None where none can be seen."""
    wanted = "socket:[%d]" % inode
    for entry in os.listdir("/proc"):
        pid = decimal(entry)
        if pid is not None and _has(pid, wanted):
            with contextlib.suppress(OSError), open("/proc/%d/comm" % pid, "rb") as stream:
                return stream.read().decode(errors="replace").strip(), pid
    return None


def _has(pid: int, wanted: str) -> bool:
    folder = "/proc/%d/fd" % pid
    # Processes end, and those of others may not be looked into.
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            with contextlib.suppress(OSError):
                if os.readlink(os.path.join(folder, entry)) == wanted:
                    return True
    return False
