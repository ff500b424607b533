# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tun device of one's own, and the route through it; both vanish with the last descriptor of the device.

By ioctl(2) and rtnetlink(7): a host needs no ``ip`` program.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, route_lookup
from ansible_collections.fourtuple.clients.plugins.module_utils.host.route_lookup import LOCAL, UNICAST

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

#: include/uapi/linux/if_tun.h, as every architecture but alpha, mips, powerpc and sparc numbers them.
_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_IFF_TUN, _IFF_MULTI_QUEUE, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x0100, 0x1000, 0x4000
_TUN_F_CSUM = 1
#: include/uapi/linux/sockios.h, if.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFTXQLEN = 0x8913, 0x8914, 0x8943
_IFF_UP = 1
#: struct ifreq: a name, and a union of 24 bytes.
_REQUEST_FLAGS = struct.Struct("=16sH22x")
_REQUEST_NUMBER = struct.Struct("=16si20x")

#: Packets that may wait in each queue; with the default of 500 many clients' bursts are dropped, and sent again.
_PACKETS_OF_A_QUEUE = 16384

_NETLINK_ROUTE = 0
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 0x04, 0x200, 0x400
#: struct rtmsg: family, length of destination and source, tos, table, protocol, scope, type, flags.
_ROUTE = struct.Struct("=8BI")
_RT_TABLE_MAIN, _RT_TABLE_LOCAL = 254, 255
_RTPROT_STATIC = 4
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK = 0, 253
_RTA_DST, _RTA_OIF = 1, 4


class Device(t.NamedTuple):
    """A tun device: its name, and a descriptor for each of its queues."""

    name: str
    queues: t.List[int]


def open_device(queues: int) -> Device:
    """Make a tun device that is up. raises: OSError with the step that failed"""
    name, opened = b"ftsink%d", []
    try:
        for index in range(queues):
            with _step(
                "/dev/net/tun cannot be opened; the module tun has to be loaded, and a container given the device"
            ):
                opened.append(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
            flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if queues > 1 else 0)
            with _step("a tun device cannot be made"):
                made = fcntl.ioctl(opened[index], _TUNSETIFF, _REQUEST_FLAGS.pack(name, flags))
                # The kernel may then leave a checksum to us, and we never look at it.
                fcntl.ioctl(opened[index], _TUNSETOFFLOAD, _TUN_F_CSUM)
            name = made[:16].rstrip(b"\0")
        with _step("%s cannot be brought up" % name.decode()), socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM
        ) as control:
            fcntl.ioctl(control, _SIOCSIFTXQLEN, _REQUEST_NUMBER.pack(name, _PACKETS_OF_A_QUEUE))
            current = _REQUEST_FLAGS.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, _REQUEST_FLAGS.pack(name, 0)))[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, _REQUEST_FLAGS.pack(name, current | _IFF_UP))
    except OSError:
        for number in opened:
            os.close(number)
        raise
    return Device(name.decode(), opened)


@contextlib.contextmanager
def _step(what: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, "%s: %s" % (what, error.strerror)) from None


def _family(network: Network) -> int:
    return int(socket.AF_INET if network.version == 4 else socket.AF_INET6)


def route_request(network: Network, interface: int) -> bytes:
    """Return the message that makes a new route, and fails where there is one already."""
    scope = _RT_SCOPE_LINK if network.version == 4 else _RT_SCOPE_UNIVERSE
    body = _ROUTE.pack(_family(network), network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, UNICAST, 0)
    body += netlink.attribute(_RTA_DST, network.network_address.packed)
    body += netlink.attribute(_RTA_OIF, struct.pack("=I", interface))
    flags = netlink.NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_EXCL | _NLM_F_CREATE
    return netlink.HEADER.pack(netlink.HEADER.size + len(body), _RTM_NEWROUTE, flags, 1, 0) + body


def add_route(network: Network, device: str) -> None:
    """Lead a prefix through a device. raises: OSError, netlink.NetlinkError"""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE) as channel:
        channel.settimeout(10)
        channel.send(route_request(network, socket.if_nametoindex(device)))
        try:
            netlink.Reader().feed(channel.recv(65536))
        except netlink.NetlinkError as error:
            raise netlink.NetlinkError("the route of %s through %s: %s" % (network, device, error)) from None


class Routes(netlink.Reader):
    """Collects the prefixes that this host has routes of its own for, as (prefix, interface); no default routes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.List[t.Tuple[Network, int]] = []

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _RTM_NEWROUTE or end - start < _ROUTE.size:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no route" % (kind, end - start))
        family, length, _source, _tos, table, _protocol, _scope, route_type, _flags = _ROUTE.unpack_from(data, start)
        if table not in (_RT_TABLE_MAIN, _RT_TABLE_LOCAL) or route_type not in (UNICAST, LOCAL):
            return
        attributes = netlink.attributes(data, start + _ROUTE.size, end)
        packed = attributes.get(_RTA_DST, b"")
        if len(packed) != {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family) or not 0 < length <= 8 * len(packed):
            return
        number = attributes.get(_RTA_OIF, b"")
        interface = int(struct.unpack("=I", number)[0]) if len(number) == 4 else 0
        self.found.append((ipaddress.ip_network((packed, length), strict=False), interface))


def is_local(address: Address) -> t.Optional[bool]:
    """Return whether what is sent to an address stays in this host; None where the kernel does not say."""
    try:
        return route_lookup.way_to(address).kind == LOCAL
    except netlink.NetlinkError:
        return None


def index(device: str) -> int:
    """Return an interface's number in this network namespace. raises: OSError where there is none of that name"""
    return socket.if_nametoindex(device)


def is_up(device: str) -> bool:
    """Return whether an interface of this network namespace is up."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = _REQUEST_FLAGS.pack(device.encode(), 0)
        return bool(_REQUEST_FLAGS.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, asked))[1] & _IFF_UP)
    return False


def device_of(pid: int, number: int) -> t.Optional[str]:
    """Return the tun device that a process's descriptor is a queue of (drivers/net/tun.c, tun_chr_show_fdinfo)."""
    with contextlib.suppress(OSError), open("/proc/%d/fdinfo/%d" % (pid, number), encoding="utf-8") as stream:
        for line in stream:
            name, _colon, value = line.partition(":")
            if name == "iff":
                return value.strip()
    return None


def overlapping(network: Network, but_for: t.Optional[str]) -> t.Optional[Network]:
    """Return an address or a prefix of this host that ``network`` touches; None where there is none.

    but_for: a device whose routes do not count
    """
    ignored = 0
    if but_for is not None:
        with contextlib.suppress(OSError):
            ignored = socket.if_nametoindex(but_for)
    body = _ROUTE.pack(_family(network), 0, 0, 0, 0, 0, 0, 0, 0)
    routes = netlink.dump(_NETLINK_ROUTE, _RTM_GETROUTE, body, Routes)
    for found, interface in routes.found:
        if found.version == network.version and found.overlaps(network) and not (ignored and interface == ignored):
            return found
    return None
