# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the link of an interface whether somebody has an address, and announces those that were added: packet(7).

Both for any number of addresses at once, as fast as the buffers of those who listen allow. The kernel does neither
for an address that is local by a route (AnyIP), and for others one by one, or not at all (IPv6 with nodad).

Who does not answer: a host that is off, one with arp_ignore 8 (for a prefix that is local by a route, any but 0), one
behind a filter, and for IPv6 one that has the address by a route alone. ipvlan interfaces share the MAC address of
their parent, by which one's own answers are told from others': from one of them, its siblings are not seen.

A switch that limits how much ARP comes from a port (storm control, dynamic ARP inspection) drops questions, or even
closes the port: there, nothing may be asked or announced at this pace.
"""

from __future__ import annotations

import array
import contextlib
import errno
import os
import select
import socket
import struct
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import link_frames, netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Address

#: Which addresses are in use, and by whom: a MAC address as ``02:00:00:00:00:01``.
Answers = t.Dict[Address, str]

#: RFC 5227, 1.1, PROBE_NUM. Where 30 % of the answers get lost, that finds 97 %.
ROUNDS = 3
#: Seconds from one round to the next, and after the last: RFC 5227 waits 1 to 2, for links of any kind. A host answers
#: in the kernel, within a millisecond.
_INTERVAL, _LAST_WAIT = 0.5, 0.75
#: Questions per second, and how many of them at a time: each may be answered, and on their way are queues of a few
#: hundred packets (a NIC's ring; net.core.netdev_max_backlog, 1000).
_QUESTIONS_PER_SECOND, _QUESTIONS_AT_ONCE = 8000, 40
#: Nobody answers an announcement.
_ANNOUNCEMENTS_PER_SECOND, _ANNOUNCEMENTS_AT_ONCE = 40000, 100
#: Of what it should take at most, what a link or a machine that is slow may take: as a factor, and seconds.
_PATIENCE, _GRACE = 2, 2.0

_RECEIVE_BUFFER = 4 << 20
#: A longer frame is no answer: those have less than 100 bytes.
_FRAME_BYTES = 2048

_NETLINK_ROUTE = 0
# include/uapi/linux/rtnetlink.h, if_link.h
_RTM_NEWLINK, _RTM_GETLINK = 16, 18
#: struct ifinfomsg: family, hardware, number, flags, changed flags.
_LINK = struct.Struct("=BxHiII")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_SLAVE_KIND = 1, 3, 18, 4
_ARPHRD_ETHER = 1
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT, _IFF_RUNNING, _IFF_NOARP = 0x1, 0x8, 0x10, 0x40, 0x80

# include/uapi/asm-generic/socket.h, linux/if_packet.h
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_ALLMULTI = 263, 1, 2
#: struct packet_mreq: interface, type, length of the address, address.
_MEMBERSHIP = struct.Struct("=iHH8x")
#: struct sock_filter, and struct sock_fprog with its address (linux/filter.h).
_INSTRUCTION, _PROGRAM = struct.Struct("=HBBI"), struct.Struct("@HP")
_LOAD_WORD, _LOAD_BYTE, _IF_EQUAL, _RETURN = 0x20, 0x30, 0x15, 0x06
#: SKF_AD_OFF + SKF_AD_PKTTYPE, and those of if_packet.h that are for this host: to it, to all, to a group. What is
#: left are frames for others, and those of a VLAN that no interface has taken (net/core/dev.c, check_vlan_id).
_PACKET_TYPE, _FOR_THIS_HOST = 0xFFFFF000 + 4, (0, 1, 2)


class Link(t.NamedTuple):
    """An interface: the kernel's number for it, its kind of hardware, flags, MAC address, and what it is a port of."""

    number: int
    hardware: int
    flags: int
    mac: bytes
    port_of: str


class Links(netlink.Reader):
    """Collects the interfaces of a dump, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: t.Dict[str, Link] = {}

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _RTM_NEWLINK or end - start < _LINK.size:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no interface" % (kind, end - start))
        _family, hardware, number, flags, _changed = _LINK.unpack_from(data, start)
        found = netlink.attributes(data, start + _LINK.size, end)
        info = found.get(_IFLA_LINKINFO, b"")
        port_of = _text(netlink.attributes(info, 0, len(info)).get(_IFLA_INFO_SLAVE_KIND, b""))
        link = Link(number, hardware, flags, found.get(_IFLA_ADDRESS, b""), port_of)
        self.found[_text(found.get(_IFLA_IFNAME, b""))] = link


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "surrogateescape")


def longest(count: int) -> float:
    """Return the seconds that asking for a number of addresses takes if none of them is answered.

    1.9 for 1,000, 4.5 for 10,000, 25.3 for 65,536. probe() gives up after twice that and 2 seconds.
    """
    asking = count / _QUESTIONS_PER_SECOND
    return (ROUNDS - 1) * max(_INTERVAL, asking) + asking + _LAST_WAIT


def obstacle(interface: str) -> t.Optional[str]:
    """Return why the link of an interface can neither be asked nor told anything; None where it can.

    raises: OSError where there is no such interface, or no netlink(7)
    """
    link = _links(interface)[interface]
    reason = _obstacle(link)
    if reason is not None:
        return "%s %s" % (interface, reason)
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0).close()
    except PermissionError:
        return "%s can only be asked with the capability CAP_NET_RAW, which this process does not have" % interface
    except OSError as error:
        return "%s cannot be asked: the kernel opens no packet socket (%s)" % (interface, error.strerror)
    return None


def _obstacle(link: Link) -> t.Optional[str]:
    if link.hardware != _ARPHRD_ETHER or len(link.mac) != 6 or link.flags & (_IFF_LOOPBACK | _IFF_POINTOPOINT):
        return "is no Ethernet interface"
    if link.flags & _IFF_NOARP:
        return "uses no ARP"
    if not link.flags & _IFF_UP:
        return "is down"
    if not link.flags & _IFF_RUNNING:
        return "has no carrier"
    # The frames of a port go to what it is a port of, before any socket; not those of an interface in a VRF.
    if link.port_of not in ("", "vrf"):
        return "is a port (%s): what it is a port of has its addresses" % link.port_of
    return None


def _links(interface: str) -> t.Dict[str, Link]:
    """Return the interfaces of this network namespace, among them the one that is meant."""
    try:
        body = _LINK.pack(0, 0, 0, 0, 0)
        found = netlink.dump(_NETLINK_ROUTE, _RTM_GETLINK, body, Links).found
    except netlink.NetlinkError as error:
        raise OSError(error.number or errno.EIO, "%s: %s" % (interface, error)) from None
    if interface not in found:
        raise OSError(errno.ENODEV, "there is no interface %s" % interface)
    return found


def _able(interface: str, links: t.Mapping[str, Link]) -> Link:
    """Return the interface, which has a link that can be asked. raises: OSError"""
    reason = _obstacle(links[interface])
    if reason is not None:
        raise OSError(errno.ENETDOWN, "%s %s" % (interface, reason))
    return links[interface]


def probe(interface: str, addresses: t.Iterable[Address]) -> Answers:
    """Ask for all addresses at once which are in use on a link: those that somebody has, or asks for at the same time.

    What this host itself has does not count. It ends early only when every address is in use; see longest().
    raises: OSError, which names the interface; ask obstacle() before
    """
    links = _links(interface)
    link = _able(interface, links)
    own = {one.mac for one in links.values()}
    pending = {address.packed: address for address in addresses}
    answers: Answers = {}
    start = time.monotonic()
    end = start + _PATIENCE * longest(len(pending)) + _GRACE

    def take(data: bytes) -> bool:
        claim = link_frames.parse(data)
        if claim is not None and claim.address in pending and claim.mac not in own:
            answers[pending.pop(claim.address)] = claim.mac.hex(":")
        return not pending

    sizes = {len(packed) for packed in pending}
    with _named(interface), contextlib.closing(_Wire(interface, link, sizes, end)) as wire:
        for number in range(ROUNDS):
            # Later rounds ask only for what was not answered.
            frames = (link_frames.question(packed, link.mac) for packed in list(pending) if packed in pending)
            wire.send(frames, _QUESTIONS_AT_ONCE, _QUESTIONS_PER_SECOND, take)
            if not pending:
                break
            last = number == ROUNDS - 1
            wire.listen(time.monotonic() + _LAST_WAIT if last else start + (number + 1) * _INTERVAL, take)
    # Without a carrier everything is silent, and frames vanish without an error.
    _able(interface, _links(interface))
    return answers


def announce(interface: str, addresses: t.Iterable[Address]) -> None:
    """Tell a link that this host has addresses: a gateway that knew them elsewhere would send there for seconds.

    interface: the one on whose link they are used; where they are local by a route, that is not the route's

    1,000 take 0.03 s, 65,536 take 2 s.
    raises: OSError, which names the interface; ask obstacle() before
    """
    link = _able(interface, _links(interface))
    told = list(dict.fromkeys(address.packed for address in addresses))
    router = _forwards(interface)
    end = time.monotonic() + _PATIENCE * len(told) / _ANNOUNCEMENTS_PER_SECOND + _GRACE
    with _named(interface), contextlib.closing(_Wire(interface, link, set(), end)) as wire:
        frames = (link_frames.announcement(packed, link.mac, router) for packed in told)
        wire.send(frames, _ANNOUNCEMENTS_AT_ONCE, _ANNOUNCEMENTS_PER_SECOND)


def _forwards(interface: str) -> bool:
    """Return whether this host is a router on an interface (net/ipv6/ndisc.c, ndisc_send_unsol_na)."""
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv6/conf/%s/forwarding" % interface, "rb") as stream:
        return stream.read().strip() != b"0"
    return False


@contextlib.contextmanager
def _named(interface: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, "%s, packet(7): %s" % (interface, error.strerror or os.strerror(number))) from None


#: Takes a frame; returns whether nothing more is waited for.
_Take = t.Callable[[bytes], bool]


def _nothing(_data: bytes) -> bool:
    return False


class _Wire:
    """Packet sockets on a link: one that sends, and one for each kind of frame that is listened to.

    sizes: the bytes of the addresses that are asked for: 4, 16
    end:   the time at which sending is given up
    """

    def __init__(self, interface: str, link: Link, sizes: t.Collection[int], end: float) -> None:
        self._end = end
        self._poll = select.poll()
        self._listening: t.Dict[int, socket.socket] = {}
        self._sending = self._open()
        try:
            # Bound to no protocol, it receives nothing.
            self._sending.bind((interface, 0))
            for kind, size in ((link_frames.ARP, 4), (link_frames.IPV6, 16)):
                if size in sizes:
                    self._listen_to(interface, link, kind)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _open() -> socket.socket:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        opened.setblocking(False)
        return opened

    def _listen_to(self, interface: str, link: Link, kind: int) -> None:
        """Open a socket for what a link receives of a protocol; what this host sends is not among it (ptype_base)."""
        listening = self._open()
        self._listening[listening.fileno()] = listening
        program = array.array("B", _filter(kind))
        address, length = program.buffer_info()
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(length // _INSTRUCTION.size, address))
        try:
            listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            # Without CAP_NET_ADMIN net.core.rmem_max caps it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if kind == link_frames.IPV6:
            # Another's question for the same address goes to that address's own group (RFC 4862, 5.4.2).
            membership = _MEMBERSHIP.pack(link.number, _PACKET_MR_ALLMULTI, 0)
            listening.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        # Last, so that nothing comes that the filter has not seen.
        listening.bind((interface, kind))
        self._poll.register(listening, select.POLLIN)

    def send(self, frames: t.Iterator[bytes], at_once: int, per_second: int, take: _Take = _nothing) -> None:
        """Send frames in bursts, and take in between what comes."""
        due, step = time.monotonic(), at_once / per_second
        for sent, frame in enumerate(frames):
            if sent and sent % at_once == 0:
                # poll(2) oversleeps by up to a millisecond, which the next burst makes up for; no more is caught up.
                due = max(due, time.monotonic() - step) + step
                self.listen(due, take)
            while not self._sent(frame):
                if time.monotonic() > self._end:
                    raise TimeoutError(errno.ETIMEDOUT, "the link takes no more frames, after %d of them" % sent)
                self.listen(time.monotonic() + 0.001, take)

    def _sent(self, frame: bytes) -> bool:
        try:
            self._sending.send(frame)
        except BlockingIOError:
            return False
        except OSError as error:
            # The interface's queue is full.
            if error.errno != errno.ENOBUFS:
                raise
            return False
        return True

    def listen(self, until: float, take: _Take) -> None:
        """Take what comes up to a time, or until nothing more is waited for; at least what has come already."""
        while True:
            wait = max(0.0, until - time.monotonic())
            for number, _events in self._poll.poll(wait * 1000):
                if self._drain(self._listening[number], until, take):
                    return
            if time.monotonic() >= until:
                return

    @staticmethod
    def _drain(listening: socket.socket, until: float, take: _Take) -> bool:
        """Take what a socket holds; on a link that never rests, a few frames more than the time allows."""
        with contextlib.suppress(BlockingIOError):
            while True:
                for _number in range(64):
                    if take(listening.recv(_FRAME_BYTES)):
                        return True
                if time.monotonic() >= until:
                    break
        return False

    def close(self) -> None:
        for opened in (self._sending, *self._listening.values()):
            opened.close()


def _filter(kind: int) -> bytes:
    """Return the program that the kernel runs on each frame (filter(7)): nobody else's link, nothing but neighbours."""
    tests: t.List[t.Tuple[int, int, t.Tuple[int, ...]]] = [(_LOAD_WORD, _PACKET_TYPE, _FOR_THIS_HOST)]
    if kind == link_frames.IPV6:
        tests += [
            (_LOAD_BYTE, link_frames.NEXT_HEADER_AT, (link_frames.ICMPV6,)),
            (_LOAD_BYTE, link_frames.HOP_LIMIT_AT, (link_frames.HOP_LIMIT,)),
            (_LOAD_BYTE, link_frames.ICMPV6_AT, (link_frames.SOLICITATION, link_frames.ADVERTISEMENT)),
        ]
    program: t.List[bytes] = []
    for load, place, allowed in tests:
        program.append(_INSTRUCTION.pack(load, 0, 0, place))
        for index, value in enumerate(allowed):
            # Where it is equal, over the other values and the return that drops the frame.
            program.append(_INSTRUCTION.pack(_IF_EQUAL, len(allowed) - index, 0, value))
        program.append(_INSTRUCTION.pack(_RETURN, 0, 0, 0))
    program.append(_INSTRUCTION.pack(_RETURN, 0, 0, 0xFFFFFFFF))
    return b"".join(program)
