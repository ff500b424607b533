# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which local ports of this network namespace are in use for good: the named ones, apart from the automatic ones.

A *named* port is one that a program asked for; it asks for the same one when it starts again, so that it is worth
reserving. An *automatic* one the kernel chose, as for bind(2) with port 0 or listen(2) without bind: the next time it
chooses another. The kernel knows which is which: SOCK_BINDPORT_LOCK is set where the port was named
(net/ipv4/af_inet.c, __inet_bind), and sock_diag(7) filters by it (net/ipv4/inet_diag.c, INET_DIAG_BC_AUTO).

/proc/net does not show it. Where sock_diag is not to be had, and for a folder that stands for a host, a port inside
the local port range and of the part that is in every usual one, from 32768 on, is taken for an automatic one. Below,
where most services have their ports, it is taken for a named one, also where somebody has widened the range.

Resolvers (unbound, dnsmasq) name a random port of UDP for each query and close it with the answer. So a UDP port that
is not reserved yet counts when it is still there a moment later.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, proc_net
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

_NETLINK_SOCK_DIAG = 4
#: struct inet_diag_req_v2: family, protocol, extensions; states, struct inet_diag_sockid.
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = struct.Struct("=BBBxI48x")
_INET_DIAG_REQ_BYTECODE = 1
#: struct inet_diag_msg: family, state; at 4 the source port, in network order; at 64 the owner's uid.
_MESSAGE_SIZE = 72
_UID = struct.Struct("=I")
_UID_OFFSET = 64

_IPPROTO_TCP, _IPPROTO_UDP = 6, 17
_FAMILIES = (2, 10)
#: include/net/tcp_states.h; an unconnected UDP socket is in TCP_CLOSE (net/ipv4/udp.c).
_CLOSE, _LISTEN = 7, 10

#: struct inet_diag_bc_op: an operation, and by how many bytes to go on if it holds, and if not. A socket is wanted
#: where the end is met exactly (inet_diag_bc_run), so that a step beyond it rejects.
_OPERATION = struct.Struct("=BBH")
_BC_JMP, _BC_AUTO = 1, 6
_ONLY_AUTOMATIC = _OPERATION.pack(_BC_AUTO, 4, 8)
#: An automatic one meets the jump that follows, whose failing branch is the one taken; a named one passes over it.
_ONLY_NAMED = _OPERATION.pack(_BC_AUTO, 4, 8) + _OPERATION.pack(_BC_JMP, 4, 8)

_DEFAULT_RANGE = (32768, 60999)
_RESERVED_PORTS = "/proc/sys/net/ipv4/ip_local_reserved_ports"
#: Seconds; most answers of the DNS come sooner.
_RECHECK_SECONDS = 0.25

#: Servers of UDP whose usual port lies inside the kernel's default range: WireGuard's, Tailscale's.
_KNOWN_UDP = frozenset((51820, 41641))

#: A port, as (family, port, uid of the socket).
_Key = t.Tuple[int, int, int]


class Ports(t.NamedTuple):
    """The ports of one protocol that sockets wait on, on any address and either family."""

    named: t.FrozenSet[int]
    automatic: t.FrozenSet[int]


class Listening(t.NamedTuple):
    """Listening sockets of TCP, and bound, unconnected ones of UDP.

    exact: the kernel has told named ports from automatic ones
    """

    tcp: Ports
    udp: Ports
    exact: bool


class Sockets(netlink.Reader):
    """Takes the family, port and owner of each socket of a dump."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.Set[_Key] = set()

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _SOCK_DIAG_BY_FAMILY or end - start < _MESSAGE_SIZE:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no socket" % (kind, end - start))
        port = int.from_bytes(data[start + 4 : start + 6], "big")
        self.found.add((data[start], port, _UID.unpack_from(data, start + _UID_OFFSET)[0]))


def observe(root: str = "/") -> Listening:
    """Return the ports that are waited on in the network namespace of this process, or that a folder tells of.

    Cheap, however many connections there are: a dump of TCP_LISTEN alone never walks the established hash
    (inet_diag_dump_icsk), UDP has a table of its own.
    """
    if os.path.realpath(root) == "/":
        with contextlib.suppress(netlink.NetlinkError):
            return Listening(_asked(_IPPROTO_TCP, _LISTEN), _lasting_udp(), True)
    low, high = range_in_force(read_text(root, "/proc/sys/net/ipv4/ip_local_port_range"))
    tcp, udp = proc_net.listeners(root), proc_net.bound_udp(root)
    return Listening(guessed(tcp, low, high), guessed(udp, low, high, _KNOWN_UDP), False)


def range_in_force(text: t.Optional[str]) -> t.Tuple[int, int]:
    """Return the local port range of a key's text; the kernel's default where that says nothing."""
    try:
        return port_set.parse_range("net.ipv4.ip_local_port_range", text)
    except Refusal:
        return _DEFAULT_RANGE


def guessed(ports: t.Iterable[int], low: int, high: int, known: t.Container[int] = ()) -> Ports:
    """Tell named from automatic ports where only the range in force, ``low`` to ``high``, is known."""
    found = frozenset(ports)
    if high >= _DEFAULT_RANGE[0]:
        low = max(low, _DEFAULT_RANGE[0])
    automatic = frozenset(port for port in found if low <= port <= high and port not in known)
    return Ports(found - automatic, automatic)


def _lasting_udp() -> Ports:
    """Return the ports of UDP, without those that are gone in a moment; where all are reserved nobody waits."""
    found = _asked(_IPPROTO_UDP, _CLOSE)
    with contextlib.suppress(Refusal):
        if not found.named <= port_set.parse_kernel_list(read_text("/", _RESERVED_PORTS) or ""):
            time.sleep(_RECHECK_SECONDS)
            return found._replace(named=found.named & _asked(_IPPROTO_UDP, _CLOSE).named)
    return found


def _asked(protocol: int, state: int) -> Ports:
    named = _dump(protocol, state, _ONLY_NAMED)
    return told_apart(named, _dump(protocol, state, _ONLY_AUTOMATIC))


def told_apart(named: t.Iterable[_Key], automatic: t.Iterable[_Key]) -> Ports:
    """Return the ports of sockets (family, port, uid); the kernel says which were named.

    Who serves both families by a socket of each lets the kernel choose for the first and names what it got for the
    second: so do WireGuard (net/socket.c, wg_socket_init) and servers in many languages. That port is automatic.
    """
    chosen = set(automatic)
    ports = frozenset(port for _family, port, _uid in chosen)
    truly = frozenset(
        port
        for family, port, uid in named
        if not any((other, port, uid) in chosen for other in _FAMILIES if other != family)
    )
    return Ports(truly, ports - truly)


def _dump(protocol: int, state: int, bytecode: bytes) -> t.Set[_Key]:
    found: t.Set[_Key] = set()
    for family in _FAMILIES:
        body = _REQUEST.pack(family, protocol, 0, 1 << state)
        body += struct.pack("=HH", 4 + len(bytecode), _INET_DIAG_REQ_BYTECODE) + bytecode
        found |= netlink.dump(_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, body, Sockets).found
    return {key for key in found if key[1]}
