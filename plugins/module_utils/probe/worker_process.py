# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process of a probe: opens connections until it is full, holds them, and has them answer.

It talks with the process that forked it over a socket that keeps messages apart, in JSON. What it says has the figures
since it last said something; see messages.Report.
"""

from __future__ import annotations

import array
import collections
import errno
import os
import random
import resource
import select
import socket
import struct
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import messages
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND_ANY, BIND_NO_PORT, BIND_PORT

#: include/uapi/linux/in.h; socket has the first from Python 3.12 on.
IP_BIND_ADDRESS_NO_PORT = 24
IP_LOCAL_PORT_RANGE = 51

#: On, and no time: whatever closes the socket, also the end of its process, sends RST and leaves no TIME_WAIT
#: (socket(7); net/ipv4/tcp.c, __tcp_close).
_RESET = struct.pack("ii", 1, 0)

# As plain numbers: an enumeration's member costs a lookup, and its | a microsecond.
_SOCKET_TYPE = int(socket.SOCK_STREAM) | int(socket.SOCK_NONBLOCK) | int(socket.SOCK_CLOEXEC)
_SOL_SOCKET, _SO_LINGER, _SOL_IP = int(socket.SOL_SOCKET), int(socket.SO_LINGER), int(socket.IPPROTO_IP)
_SO_REUSEADDR = int(socket.SO_REUSEADDR)
#: The wildcard addresses of a client, which does not listen.
_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104
_WRITABLE = select.POLLOUT
_UNDER_WAY = (errno.EINPROGRESS, 0)

#: All ports of a piece are taken: for connect(2), and for a plain bind(2).
FULL = frozenset((errno.EADDRNOTAVAIL, errno.EADDRINUSE))
#: The host has no more for any connection; what was tried can be tried again.
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))

#: Connections tried before their answers are looked at.
_CONNECTIONS_OF_A_BATCH = 64
#: Connections that may wait for their answers. Where a server's queue is full its kernel drops SYNs, and each of those
#: waits a second for the next: the rest goes on meanwhile.
_MAX_WAITING = 1024
#: Descriptors that are kept together.
_DESCRIPTORS_OF_A_PART = 2048
#: Seconds between two messages while nothing else has to be said.
_NEWS_SECONDS = 0.2
#: Seconds within which a connection has to answer.
_CONNECT_SECONDS = 2.0
#: Answers told at once.
_MAX_ANSWERS_TOLD = 2000
#: Bytes sent to see whether a connection is alive; the destination sends them back.
_QUESTION = struct.Struct("=QQ")


class Connector:
    """Obeys Open, Finish and Ask, and answers with reports.

    ends: when connections that are under way are given up, by the monotonic clock
    reuse_address: whether they have SO_REUSEADDR
    """

    def __init__(self, channel: socket.socket, binding: str, ends: float, reuse_address: bool = False) -> None:
        self._channel = channel
        self._no_port, self._any, self._named = (binding == mode for mode in (BIND_NO_PORT, BIND_ANY, BIND_PORT))
        self._reuse_address = reuse_address
        self._ends = ends
        # In parts, for one that grows is moved again and again, and leaves its former places behind.
        self._parts = [array.array("i")]
        self._waiting: t.Set[int] = set()
        self._poll = select.poll()
        self._errors: t.Counter[int] = collections.Counter()
        self._opened = 0
        self._returned = 0
        self._exhausted: t.Optional[int] = None
        self._rest = 0
        self._told = 0.0

    def run(self) -> None:
        """Work until the channel is closed."""
        room, descriptors = room_of_this_process()
        self._tell(messages.Report(idle=True, room=room, descriptors=descriptors))
        while True:
            message = self._hear()
            if message is None:
                return
            if isinstance(message, messages.Open):
                self._open(message.piece)
                self._settle(_MAX_WAITING // 2)
                self._tell(messages.Report(idle=True))
            elif isinstance(message, messages.Finish):
                self._ends = min(self._ends, time.monotonic() + message.seconds)
                self._settle(0)
                self._tell(messages.Report(idle=True, settled=True))
            elif isinstance(message, messages.Ask):
                self._ask(message.connections, message.seconds)

    def _hear(self) -> t.Optional[messages.Message]:
        """Return the next message, None at the end; looks after what waits meanwhile."""
        while self._waiting and not select.select([self._channel], [], [], 0)[0]:
            self._look(50)
            if self._waiting:
                self._news()
            else:
                self._tell()
        data = self._channel.recv(messages.MAX_BYTES)
        return messages.decode(data) if data else None

    def _tell(self, report: t.Optional[messages.Report] = None) -> None:
        report = (report or messages.Report())._replace(
            opened=self._opened,
            returned=self._returned,
            errors=dict(self._errors),
            exhausted=self._exhausted,
            rest=self._rest,
        )
        self._opened = self._returned = self._rest = 0
        self._errors.clear()
        self._told = time.monotonic()
        self._channel.send(messages.encode(report))

    def _news(self) -> None:
        if time.monotonic() - self._told > _NEWS_SECONDS:
            self._tell()

    def _open(self, piece: Piece) -> None:
        """Try all connections of a piece; return when each is established, waits for its answer, or is given back.

        Nine tenths of the time are the kernel's. The rest is kept small: everything that can be is done before the
        loop, options are numbers (bytes take the interpreter twice as long), and of a connection nothing is kept but
        its number, for an object would take more memory than the descriptor does in the kernel's table.
        """
        family = int(socket.AF_INET6 if ":" in piece.destinations[0][0] else socket.AF_INET)
        options, (source, first, step) = self._options(piece), self._source(piece)
        # Whoever names his ports goes on with the next one.
        final = EXHAUSTED if self._named else FULL | EXHAUSTED
        turns, register, waiting = len(piece.destinations), self._poll.register, self._waiting.add
        for number in range(piece.limit):
            failed, opened = 0, None
            try:
                opened = socket.SocketType(family, _SOCKET_TYPE, 0)
                opened.setsockopt(_SOL_SOCKET, _SO_LINGER, _RESET)
                for level, name, value in options:
                    opened.setsockopt(level, name, value)
                if source is not None:
                    opened.bind((source, first + number * step))
                failed = opened.connect_ex(piece.destinations[number % turns])
            except OSError as error:
                failed = error.errno or errno.EIO
            if opened is not None and failed in _UNDER_WAY:
                descriptor = opened.detach()
                register(descriptor, _WRITABLE)
                waiting(descriptor)
            else:
                if opened is not None:
                    opened.close()
                self._errors[failed] += 1
                if failed in EXHAUSTED:
                    self._exhausted = failed
                    self._rest = piece.limit - number
                if failed in final:
                    self._returned += piece.limit - number
                    return
                self._returned += 1
            if number % _CONNECTIONS_OF_A_BATCH == _CONNECTIONS_OF_A_BATCH - 1:
                self._look(0)
                self._settle(_MAX_WAITING)

    def _source(self, piece: Piece) -> t.Tuple[t.Optional[str], int, int]:
        """Return what to bind: the address, None for none, the first port, and from port to port how far."""
        if self._any:
            return _ANY_IPV6 if ":" in piece.destinations[0][0] else _ANY_IPV4, 0, 0
        if self._named and piece.ports is not None:
            return piece.source, piece.ports[0], 1
        return piece.source, 0, 0

    def _options(self, piece: Piece) -> t.List[t.Tuple[int, int, int]]:
        """Return level, name and value; those of SOL_IP IPv6 has as well (ip(7); net/ipv6/ipv6_sockglue.c)."""
        options = []
        if self._reuse_address:
            options.append((_SOL_SOCKET, _SO_REUSEADDR, 1))
        if self._no_port and piece.source is not None:
            options.append((_SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1))
        if piece.ports is not None and not self._named:
            low, high = piece.ports
            # 32 bits, which Python takes with a sign.
            options.append((_SOL_IP, IP_LOCAL_PORT_RANGE, (high << 16 | low) - (1 << 32 if high >= 1 << 15 else 0)))
        return options

    def _settle(self, maximum: int) -> None:
        """Wait until at most so many wait for their answers; give them up when the time is over."""
        while len(self._waiting) > maximum:
            if time.monotonic() > self._ends:
                self._give_up()
            else:
                self._look(50)
                self._news()

    def _give_up(self) -> None:
        for number in self._waiting:
            self._poll.unregister(number)
            self._errors[errno.ETIMEDOUT] += 1
            os.close(number)
        self._returned += len(self._waiting)
        self._waiting.clear()

    def _look(self, milliseconds: int) -> None:
        """Take what has been established, or has failed."""
        unregister, discard, part = self._poll.unregister, self._waiting.discard, self._parts[-1]
        hold, before = part.append, len(part)
        for number, events in self._poll.poll(milliseconds):
            unregister(number)
            discard(number)
            if events == _WRITABLE:
                hold(number)
            else:
                self._errors[_failure(number)] += 1
                self._returned += 1
                os.close(number)
        self._opened += len(part) - before
        if len(part) >= _DESCRIPTORS_OF_A_PART:
            self._parts.append(array.array("i"))

    @property
    def held(self) -> t.Sequence[int]:
        """The descriptors of the connections that it holds."""
        return array.array("i", b"".join(part.tobytes() for part in self._parts))

    def _ask(self, count: int, seconds: float) -> None:
        """Have connections answer, one after the other, in an order that no cache knows; tell how long each took."""
        ends = time.monotonic() + seconds
        took = []
        held = self.held
        chosen = random.sample(range(len(held)), min(count, len(held)))
        for asked, number in enumerate(map(held.__getitem__, chosen), 1):
            left = ends - time.monotonic()
            if left <= 0:
                break
            try:
                took.append(_round_trip(number, asked, min(left, _CONNECT_SECONDS)))
            except OSError as error:
                self._errors[error.errno or errno.ETIMEDOUT] += 1
            if asked % _MAX_ANSWERS_TOLD == 0:
                self._tell(messages.Report(microseconds=took))
                took = []
        self._tell(messages.Report(microseconds=took, asked_all=True))


def _failure(number: int) -> int:
    """Return the errno of a connection that was not established."""
    failed = socket.socket(fileno=number)
    try:
        return failed.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.ECONNRESET
    finally:
        failed.detach()


def _round_trip(number: int, token: int, patience: float) -> int:
    """Send a few bytes over a connection and return after how many microseconds they were back. raises: OSError"""
    question = _QUESTION.pack(number, token)
    began = time.perf_counter()
    os.write(number, question)
    ends = began + patience
    answer = b""
    while len(answer) < len(question):
        try:
            data = os.read(number, len(question) - len(answer))
        except BlockingIOError:
            left = ends - time.perf_counter()
            if left <= 0:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
            wait = select.poll()
            wait.register(number, select.POLLIN)
            wait.poll(left * 1000)
            continue
        if not data:
            raise OSError(errno.ECONNRESET, "closed by the other end")
        answer += data
    if answer != question:
        raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
    return round((time.perf_counter() - began) * 1e6)


def room_of_this_process() -> t.Tuple[int, int]:
    """Raise the soft nofile to the hard one; return how many connections fit, and the descriptors there are already."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The listing has a descriptor of its own meanwhile.
    used = len(os.listdir("/proc/self/fd")) - 1
    return hard - used, used
