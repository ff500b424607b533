# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the kernel over netlink(7): one request, and the dump or the one message that answers it.

Reading bytes is apart from the socket: a Reader is fed buffers, wherever they come from. Whatever the bytes
are, it raises nothing but NetlinkError and comes to an end, because every message is at least a header long.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import typing as t

# include/uapi/linux/netlink.h
NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4
NLM_F_REQUEST = 0x01
NLM_F_MULTI = 0x02
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
SOL_NETLINK = 270
NETLINK_GET_STRICT_CHK = 12

#: struct nlmsghdr: length, type, flags, sequence, port; in this machine's byte order.
HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR_CODE = struct.Struct("=i")
#: NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of an attribute's type.
_ATTRIBUTE_TYPE = 0x3FFF

#: A dump is handed out in pieces of at most 32 KiB, however large the buffer (af_netlink.c, netlink_recvmsg).
_RECEIVE_BYTES = 65536
#: Seconds; the kernel answers at once, and a dump that stalls must not hold up a run.
_TIMEOUT_SECONDS = 10
#: How often a dump is asked for that something changed meanwhile (NLM_F_DUMP_INTR).
_ATTEMPTS = 3


class NetlinkError(Exception):
    """The answer is not one; ``number`` is the kernel's errno where it refused, else None."""

    def __init__(self, text: str, number: t.Optional[int] = None) -> None:
        self.number = number
        super().__init__(text)


class Reader:
    """Takes the messages of one dump.

    done:        the dump has ended
    interrupted: what was dumped changed meanwhile, so that it may hold something twice or not at all
    """

    def __init__(self) -> None:
        self.done = False
        self.interrupted = False

    def feed(self, data: bytes) -> None:
        """Read one buffer."""
        position = 0
        while position < len(data) and not self.done:
            if len(data) - position < HEADER.size:
                raise NetlinkError("%d bytes are left, a message's header takes more" % (len(data) - position))
            length, kind, flags, _sequence, _port = HEADER.unpack_from(data, position)
            end = position + length
            if length < HEADER.size or end > len(data):
                raise NetlinkError("a message gives its length as %d, %d are left" % (length, len(data) - position))
            if flags & NLM_F_DUMP_INTR:
                self.interrupted = True
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                self._end(kind, data[position + HEADER.size : end])
            elif kind == NLMSG_OVERRUN:
                raise NetlinkError("the kernel lost a part of the answer")
            elif kind != NLMSG_NOOP:
                self.take(kind, data, position + HEADER.size, end)
            position += length + -length % 4

    def _end(self, kind: int, payload: bytes) -> None:
        # Both carry 0 or a negative errno; a bare NLMSG_DONE has been seen from old kernels.
        code = _ERROR_CODE.unpack_from(payload)[0] if len(payload) >= _ERROR_CODE.size else 0
        if code:
            raise NetlinkError("the kernel answers: %s" % os.strerror(abs(code)), abs(code))
        self.done = kind == NLMSG_DONE

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        """Take one message, whose payload is ``data[start:end]``; for those who inherit."""


SomeReader = t.TypeVar("SomeReader", bound=Reader)


def attributes(data: bytes, start: int, end: int) -> t.Dict[int, bytes]:
    """Return the attributes between two positions (struct nlattr, as struct rtattr), each type's last."""
    found = {}
    while end - start >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size or start + length > end:
            raise NetlinkError("an attribute gives its length as %d, %d are left" % (length, end - start))
        found[kind & _ATTRIBUTE_TYPE] = data[start + _ATTRIBUTE.size : start + length]
        start += length + -length % 4
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute of a request."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def request(kind: int, body: bytes, flags: int = NLM_F_DUMP) -> bytes:
    """Return a request, by default for a dump."""
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body


def ask(protocol: int, kind: int, body: bytes, make: t.Callable[[], SomeReader]) -> SomeReader:
    """Ask for one thing and return the reader that took it, and that says itself that it is done.

    raises: NetlinkError, also where there is no such socket
    """
    try:
        return _ask(protocol, request(kind, body, 0), make())
    except OSError as error:
        raise NetlinkError("netlink(7): %s" % (error.strerror or error), error.errno or errno.EIO) from None


def dump(protocol: int, kind: int, body: bytes, make: t.Callable[[], SomeReader]) -> SomeReader:
    """Ask for a dump and return the reader that took it, again where something changed meanwhile.

    The last attempt counts as it is: what never rests has no exact state.
    raises: NetlinkError, also where there is no such socket
    """
    try:
        for attempt in range(_ATTEMPTS):
            reader = _ask(protocol, request(kind, body), make())
            if not reader.interrupted or attempt == _ATTEMPTS - 1:
                break
    except OSError as error:
        raise NetlinkError("netlink(7): %s" % (error.strerror or error), error.errno or errno.EIO) from None
    return reader


def _ask(protocol: int, asked: bytes, reader: SomeReader) -> SomeReader:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as channel:
        channel.settimeout(_TIMEOUT_SECONDS)
        # Filters in the request are then obeyed (Linux 4.20 on); where not, whoever asks filters too.
        with contextlib.suppress(OSError):
            channel.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        channel.send(asked)
        while not reader.done:
            reader.feed(channel.recv(_RECEIVE_BYTES))
    return reader
