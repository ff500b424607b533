# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a responder answers to a TCP packet: a server that keeps nothing of a connection.

Everything it would have to remember stands in the packet, by three rules that it holds its clients to:

* Its sequence numbers are the client's: SYN-ACK has the client's initial number, so the echo of a byte has that
  byte's number. What a segment is answered with does not depend on any other segment.
* The client's acknowledgement is then a receipt for everything before it. A segment is acknowledged, and echoed, only
  where it begins at that receipt or before; to one beyond a gap the answer is the receipt.
* The window is 536 bytes, never scaled: a client of Linux has one segment under way then (net/ipv4/tcp_output.c,
  tcp_bound_to_half_wnd: up to TCP_MSS_DEFAULT the window is no multiple of a segment). Or it is 0, while the client's
  is: an echo that finds no room would be lost.

So options are kept in their places, and the length, but not all of their values: a timestamp is sent back as our own
clock and as its echo, the window scale becomes 0, and what is not understood, SACK too, becomes padding: a client must
not find its own SACK blocks, or MPTCP keys, in an answer.

One thing cannot be helped without a memory: an echo that the client's kernel drops although its window had room for it
(SO_RCVBUF made smaller on an open connection, no memory at all). Its acknowledgement may have been taken, and such a
connection stands still.

FIN is answered by RST: the client has no TIME_WAIT then, and no second closing direction would have to be remembered.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import records
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.records import CLOSED, ECHOED, HANDSHAKES

#: struct virtio_net_hdr (include/uapi/linux/virtio_net.h), in the machine's order: flags, gso_type, hdr_len, gso_size,
#: csum_start, csum_offset.
VNET = struct.Struct("=BBHHHH")
_IP = VNET.size
_NEEDS_CSUM, _DATA_VALID = 1, 2
_NO_CHECK = _NEEDS_CSUM | _DATA_VALID

#: Version and header length, total length, fragment, protocol; 20 bytes, and addresses from the 12th.
_IPV4 = struct.Struct("!BxH2xHxB")
#: Version, payload length, next header; 40 bytes, and addresses from the 8th.
_IPV6 = struct.Struct("!B3xHB")
#: Ports, sequence, acknowledgement, offset, flags, window, checksum, urgent pointer.
_TCP = struct.Struct("!HHIIBBHHH")
_CHECKSUM = 16

_MORE_OR_OFFSET = 0x3FFF
_PROTOCOL = 6

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

WINDOW = 536
#: A client whose window is below that, whatever its scale, may find no room for an echo although it has announced it:
#: it then drops the data, but takes the acknowledgement (net/ipv4/tcp_input.c, tcp_data_queue). So it gets the echo
#: alone; when it sends the segment again, its receipt tells what became of that.
_TIGHT = 16

_END, _NOTHING, _MSS, _SCALE, _TIMESTAMP = 0, 1, 2, 3, 8
#: The options that an answer has, and their lengths.
_IN_SYN = {_MSS: 4, _SCALE: 3, _TIMESTAMP: 10}
_LATER = {_TIMESTAMP: 10}
#: How Linux lays them out (tcp_output.c, tcp_options_write): where a SYN has MSS, SACK permitted, timestamp, scale, and
#: where anything later has a timestamp.
_LINUX_SYN = (b"\x02\x04", b"\x04\x02\x08\x0a", b"\x01\x03\x03")
_LINUX_LATER = b"\x01\x01\x08\x0a"


class Responder:
    """Answers packets, and counts what it answered.

    counters: numbers, at the places that sink_state gives them
    ports:    a byte for each port, which is not 0 where it is served; others are refused. None for all.
    """

    def __init__(self, counters: records.Counters, ports: t.Optional[bytes] = None) -> None:
        self._counters = counters
        self._ports = ports

    def answer(self, packet: bytearray, size: int) -> int:
        """Turn a packet into its answer, in place; return the answer's size, 0 for none.

        packet: a vnet header and an IP packet, as a tun device gives them
        size:   how many bytes of it there are

        Whatever the bytes are, nothing is raised.
        """
        place = _locate(packet, size)
        if place is None:
            return 0
        addresses, middle, tcp, end = place
        source, target, sequence, receipt, offset, flags, window, _checksum, _urgent = _TCP.unpack_from(packet, tcp)
        data = tcp + (offset >> 4) * 4
        if data < tcp + 20 or data > end:
            return 0
        if flags & (SYN | RST | ACK) == ACK:
            say = self._later(sequence, receipt, flags, window, (data, end))
        elif flags & (SYN | RST | ACK | FIN) == SYN:
            say = self._first(sequence, target, data)
        else:
            self._counters[CLOSED] += flags >> 2 & 1
            return 0
        if say is None:
            return 0

        answer_flags, answer_sequence, answer_receipt, answer_window, answer_end = say
        if data > tcp + 20:
            _options(packet, tcp + 20, data, flags & SYN)
        behind = middle * 2 - addresses
        packet[addresses:behind] = packet[middle:behind] + packet[addresses:middle]
        if answer_end != end:
            _shorten(packet, tcp, answer_end)
        # The kernel adds up the rest (Documentation/networking/checksum-offloads.rst): it finds the pseudo-header's sum
        # where the checksum will be. Modulo 65535 is the sum with the carry added.
        pseudo = (int.from_bytes(packet[addresses:behind], "big") + _PROTOCOL + answer_end - tcp) % 65535
        _TCP.pack_into(
            packet,
            tcp,
            target,
            source,
            answer_sequence & 0xFFFFFFFF,
            answer_receipt & 0xFFFFFFFF,
            offset & 0xF0,
            answer_flags,
            answer_window,
            pseudo,
            0,
        )
        VNET.pack_into(packet, 0, _NEEDS_CSUM, 0, 0, 0, tcp - _IP, _CHECKSUM)
        return answer_end

    def _first(self, sequence: int, port: int, data: int) -> t.Tuple[int, int, int, int, int]:
        """Return what to say to a SYN: flags, sequence, acknowledgement, window, and where the answer ends.

        What it carries (TCP fast open) is not taken: it comes again.
        """
        if self._ports is None or self._ports[port]:
            self._counters[HANDSHAKES] += 1
            return SYN | ACK, sequence, sequence + 1, WINDOW, data
        return RST | ACK, 0, sequence + 1, 0, data

    def _later(
        self, sequence: int, receipt: int, flags: int, window: int, data: t.Tuple[int, int]
    ) -> t.Optional[t.Tuple[int, int, int, int, int]]:
        """Return what to say to anything but the first packet; None for nothing."""
        start, end = data
        length = end - start
        # How far it begins beyond the receipt; half of all numbers lie before it (RFC 9293, 3.4).
        beyond = (sequence - receipt) & 0xFFFFFFFF
        before = beyond >= 0x80000000
        if length:
            new = not beyond or (before and beyond + length > 0x100000000)
            if new and window:
                self._counters[ECHOED] += length
                return ACK | PSH, sequence, receipt if window < _TIGHT else sequence + length, WINDOW, end
        elif flags & FIN:
            if not beyond or before:
                self._counters[CLOSED] += 1
                return RST | ACK, receipt, sequence + 1, 0, start
        elif not before:
            # An acknowledgement, to which nothing is said.
            return None
        # A probe, of the connection or of the window; a segment again, or too early: this is how far we are.
        return ACK, receipt, receipt, WINDOW if window else 0, start


def _locate(packet: bytearray, size: int) -> t.Optional[t.Tuple[int, int, int, int]]:
    """Return where the addresses, the second of them, the TCP header, and the end are; None if it is not for us."""
    # Both families take that many bytes at least. More than one segment is not announced, so it does not come.
    if size < _IP + 40 or packet[1]:
        return None
    kind = packet[_IP] >> 4
    if kind == 4:
        first, length, fragment, protocol = _IPV4.unpack_from(packet, _IP)
        place = (_IP + 12, _IP + 16, _IP + (first & 15) * 4, _IP + length)
        ours = protocol == _PROTOCOL and not fragment & _MORE_OR_OFFSET and first & 15 >= 5
    elif kind == 6:
        _first, length, protocol = _IPV6.unpack_from(packet, _IP)
        place = (_IP + 8, _IP + 24, _IP + 40, _IP + 40 + length)
        ours = protocol == _PROTOCOL
    else:
        return None
    if not ours or place[3] > size or place[2] + 20 > place[3]:
        return None
    return place if packet[0] & _NO_CHECK or _sound(packet, *place) else None


def _sound(packet: bytearray, addresses: int, middle: int, tcp: int, end: int) -> bool:
    """Check the TCP checksum of a packet that came from elsewhere: the kernel does not when it forwards."""
    total = int.from_bytes(packet[addresses : middle * 2 - addresses], "big") + _PROTOCOL + end - tcp
    # An odd byte at the end counts as the upper one.
    total += int.from_bytes(packet[tcp:end], "big") << (end - tcp) % 2 * 8
    return bool(total % 65535 == 0)


def _options(packet: bytearray, start: int, end: int, first: int) -> None:
    """Turn the options of a packet into those of its answer, each in its place."""
    if not first:
        if end - start == 12 and packet[start : start + 4] == _LINUX_LATER:
            packet[start + 8 : start + 12] = packet[start + 4 : start + 8]
            return
    elif (
        end - start == 20
        and packet[start + 4 : start + 8] == _LINUX_SYN[1]
        and packet[start : start + 2] == _LINUX_SYN[0]
        and packet[start + 16 : start + 19] == _LINUX_SYN[2]
    ):
        packet[start + 4 : start + 6] = b"\x01\x01"
        packet[start + 12 : start + 16] = packet[start + 8 : start + 12]
        packet[start + 19] = 0
        return
    _any_options(packet, start, end, _IN_SYN if first else _LATER)


def _any_options(packet: bytearray, start: int, end: int, kept: t.Mapping[int, int]) -> None:
    position = start
    while position < end:
        kind = packet[position]
        length = 1
        if kind != _NOTHING:
            length = packet[position + 1] if kind != _END and position + 1 < end else 0
            if length < 2 or position + length > end:
                # The end, or no option: the rest is padding.
                packet[position:end] = bytes(end - position)
                return
            if kept.get(kind) != length:
                packet[position : position + length] = b"\x01" * length
            elif kind == _TIMESTAMP:
                packet[position + 6 : position + 10] = packet[position + 2 : position + 6]
            elif kind == _SCALE:
                packet[position + 2] = 0
        position += length


def _shorten(packet: bytearray, tcp: int, end: int) -> None:
    """Write the length of a packet that now ends at ``end``, and the checksum of its IP header."""
    if packet[_IP] >> 4 == 6:
        struct.pack_into("!H", packet, _IP + 4, end - tcp)
        return
    struct.pack_into("!H", packet, _IP + 2, end - _IP)
    packet[_IP + 10 : _IP + 12] = b"\0\0"
    total = int.from_bytes(packet[_IP:tcp], "big") % 65535
    struct.pack_into("!H", packet, _IP + 10, 65535 - total)
