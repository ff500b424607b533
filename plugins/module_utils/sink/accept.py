# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sink that really accepts: sends back what it gets, and leaves no TIME_WAIT on either side.

All processes share the listening sockets, so no connection is lost to one that is full: with SO_REUSEPORT each has a
queue of its own, and what waits there is its alone. Of a connection that has nothing to say nothing is kept here but
its descriptor, in the kernel.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import socket
import struct
import termios
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import memory_guard, tcp_sockets
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import daemon, records
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import Endpoint, text_of

#: Connections accepted in a row before the others get their answers.
_MAX_ACCEPTED_IN_A_ROW = 128
#: Seconds in which connections gather while they keep coming: to be woken for each costs more than to accept it, and
#: no client waits for accept(2). On two processors with both ends that is 57,000 per second instead of 35,000.
_GATHER_SECONDS = 0.001
#: The maximum number of events taken at once.
_MAX_EVENTS = 1024
#: Bytes read at once.
_READ_BYTES = 65536
#: Descriptors that a process needs for itself.
_OWN_DESCRIPTORS = 32
#: Bytes of memory below which nothing more is accepted, and the part of a small machine's.
_MIN_RESERVED_BYTES = 128 << 20
_RESERVED_PART = 20

_WAITS = {
    errno.EMFILE: records.NOFILE,
    errno.ENFILE: records.FILE_MAX,
    errno.ENOMEM: records.MEMORY,
    errno.ENOBUFS: records.MEMORY,
    errno.ENOSPC: records.EPOLL_WATCHES,
}
#: On, and no time: close(2) then sends RST (socket(7); net/ipv4/tcp.c, __tcp_close). Accepted sockets inherit it, so it
#: holds for a process that is killed as well.
_RESET = struct.pack("ii", 1, 0)
_LINGER_OFF = struct.pack("ii", 0, 0)
#: The connection is no more; what it had not sent is gone (net/ipv4/tcp.c, tcp_poll; tcp_input.c, tcp_reset).
_CLOSED_EVENTS = select.EPOLLERR | select.EPOLLHUP


def room(listeners: int) -> int:
    """Return how many connections one process can hold: its descriptors, less those of its own."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - listeners - _OWN_DESCRIPTORS)


def processes_for(capacity: int, one: int, processors: int) -> int:
    """Return how many processes hold ``capacity`` connections, ``one`` each; a few more where processors are idle."""
    return max(-(-capacity // one), min(processors, -(-capacity // 1000)))


def reserve(total: int) -> int:
    """Return how many bytes of ``total`` stay free."""
    return min(_MIN_RESERVED_BYTES, total // _RESERVED_PART)


class Turns:
    """A turn for each processor: who has one accepts, until it is full.

    Were all to wait at the listening sockets, each connection of a burst would wake another one, for nothing. The turns
    are bytes in a pipe, so that epoll(7) can wait for one.
    """

    def __init__(self, number: int) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(self._in, bytes(number))

    def fileno(self) -> int:
        return self._out

    def take(self) -> bool:
        """Return whether there was one."""
        try:
            return bool(os.read(self._out, 1))
        except BlockingIOError:
            return False

    def give(self) -> None:
        os.write(self._in, b"\0")

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


class Accept(daemon.Service):
    """The service that accepts."""

    #: In that time the fastest of clients takes less than the reserve.
    interval = 0.1

    def __init__(self, endpoints: t.Sequence[Endpoint], processes: int) -> None:
        self.processes = processes
        self._endpoints = endpoints
        self._listeners: t.List[socket.socket] = []
        self._turns: t.Optional[Turns] = None

    def open(self) -> t.Dict[str, t.Any]:
        for endpoint in self._endpoints:
            try:
                self._listeners.append(listen(endpoint))
            except OSError as error:
                reason = why_not(endpoint, error)
                raise OSError("%s cannot be listened on: %s" % (text_of(endpoint), reason)) from None
        self._turns = Turns(len(os.sched_getaffinity(0)))
        # The workers have them by the same numbers.
        listeners = [[listener.fileno(), os.fstat(listener.fileno()).st_ino] for listener in self._listeners]
        return {"processes": self.processes, "listeners": listeners}

    def leave(self) -> None:
        for listener in self._listeners:
            listener.close()

    def work(self, index: int, board: records.Board) -> None:
        if self._turns is not None:
            Acceptor(self._listeners, self._turns, board, board.row(index)).run()

    def lost(self) -> None:
        # It may have had a turn. One too many does less harm than one too few.
        if self._turns is not None:
            self._turns.give()

    def watch(self, board: records.Board) -> None:
        left, _constraint = memory_guard.left(Host(), reserve)
        board.paused = left is not None and left < 0


def why_not(endpoint: Endpoint, error: OSError, holders: t.Optional[t.Sequence[tcp_sockets.Socket]] = None) -> str:
    """Return why an endpoint cannot be bound, with who has it; ``holders``: those, where they are known."""
    words = error.strerror or str(error)
    if error.errno == errno.EADDRNOTAVAIL:
        return words + ", it is no address of this host"
    if error.errno != errno.EADDRINUSE:
        return words
    found = tcp_sockets.holders(endpoint) if holders is None else holders
    return "%s: %s" % (words, ", ".join(map(tcp_sockets.said, found)) or "the kernel does not say by whom")


def bound(endpoint: Endpoint) -> socket.socket:
    """Return a socket with an address and a port, as the sink has it: it shares them with nobody who listens."""
    opened = socket.socket(socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if opened.family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(endpoint)
    except OSError:
        opened.close()
        raise
    return opened


def listen(endpoint: Endpoint) -> socket.socket:
    opened = bound(endpoint)
    try:
        # The kernel cuts it down to net.core.somaxconn (listen(2)).
        opened.listen(65535)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


class Acceptor:
    """One process: accepts when it has a turn, sends back what comes, and closes what the other end has closed.

    Connections are bare descriptors: nothing is kept of those that are idle.
    """

    def __init__(
        self,
        listeners: t.Sequence[socket.socket],
        turns: Turns,
        board: records.Board,
        row: records.Counters,
    ) -> None:
        self._board = board
        self._row = row
        self._poll = select.epoll()
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._turns = turns
        self._room = room(len(listeners))
        self._held = 0
        #: What could not be sent yet.
        self._rest: t.Dict[int, bytes] = {}
        #: It has a turn, or waits for one; if neither, it is full.
        self._has_turn = False
        self._waits = False
        #: It watches the listening sockets. With a turn it does, unless the host lacks something.
        self._watches = False

    def run(self) -> t.NoReturn:
        while True:
            before = self._row[records.ACCEPTED]
            # Who has no turn has nothing to ask for again.
            self.turn(1.0 if self._has_turn else None)
            if 0 < self._row[records.ACCEPTED] - before < _MAX_ACCEPTED_IN_A_ROW:
                time.sleep(_GATHER_SECONDS)

    def turn(self, patience: t.Optional[float]) -> None:
        """Serve what is there, or comes within ``patience`` seconds."""
        if not (self._has_turn or self._waits) and self._held < self._room:
            self._wait_for_turn(True)
        events = self._poll.poll(patience, _MAX_EVENTS)
        for number, event in events:
            if number in self._listeners:
                self._accept(self._listeners[number])
            elif number == self._turns.fileno():
                self._take_turn()
            else:
                self._serve(number, event)
        if self._watches:
            if self._board.paused:
                self._pause(records.MEMORY)
        elif self._has_turn and not events and not self._board.paused:
            # What the host lacked is asked for again, at leisure.
            self._watch(True)

    def _serve(self, number: int, event: int) -> None:
        if event & _CLOSED_EVENTS:
            self._forget(number)
            os.close(number)
        elif number in self._rest:
            self._send(number, self._rest[number])
        else:
            self._echo(number)

    def _wait_for_turn(self, wait: bool) -> None:
        if wait:
            self._poll.register(self._turns.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        else:
            self._poll.unregister(self._turns.fileno())
        self._waits = wait

    def _take_turn(self) -> None:
        if self._turns.take():
            self._has_turn = True
            self._wait_for_turn(False)
            self._watch(True)

    def _watch(self, watch: bool) -> None:
        for number in self._listeners:
            if watch:
                self._poll.register(number, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            else:
                self._poll.unregister(number)
        self._watches = watch

    def _pause(self, counter: int) -> None:
        """Stop accepting; what is held goes on."""
        self._row[counter] += 1
        self._watch(False)
        if counter == records.NOFILE:
            self._has_turn = False
            self._turns.give()

    def _accept(self, listener: socket.socket) -> None:
        if not self._watches:
            # An event that was taken together with the one that filled this process up.
            return
        # The method below accept() gives the bare descriptor; a socket object costs another system call and 1 µs.
        accept = t.cast(t.Any, listener)._accept
        register = self._poll.register
        before = self._held
        try:
            for _turn in range(min(_MAX_ACCEPTED_IN_A_ROW, self._room - before)):
                number = accept()[0]
                try:
                    register(number, select.EPOLLIN)
                except OSError:
                    os.close(number)
                    raise
                self._held += 1
            if self._held >= self._room:
                self._pause(records.NOFILE)
        except OSError as error:
            # Anything else is the connection's own: it was reset while it waited, or another process was quicker.
            counter = _WAITS.get(error.errno or 0)
            if counter is not None:
                self._room = self._held if counter == records.NOFILE else self._room
                self._pause(counter)
        self._row[records.ACCEPTED] += self._held - before

    def _echo(self, number: int) -> None:
        # An accepted socket waits, whatever its listener does (accept(2)). Asked here, it is not asked by idle ones.
        try:
            os.set_blocking(number, False)
            data = os.read(number, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._send(number, data)
        else:
            self._close(number)

    def _send(self, number: int, data: bytes) -> None:
        try:
            sent = os.write(number, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(number)
            return
        self._row[records.ECHOED] += sent
        waited = number in self._rest
        if sent < len(data):
            # Until that is gone nothing more is read: who does not take, may not give.
            self._rest[number] = data[sent:]
            if not waited:
                self._poll.modify(number, select.EPOLLOUT)
        elif waited:
            del self._rest[number]
            self._poll.modify(number, select.EPOLLIN)

    def _close(self, number: int) -> None:
        """Close by RST: the other end, which closed first, then waits for nothing."""
        self._forget(number)
        # What it has not acknowledged would be lost; then this end closes in order.
        if struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))[0]:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        else:
            os.close(number)

    def _forget(self, number: int) -> None:
        self._rest.pop(number, None)
        self._held -= 1
        self._row[records.CLOSED] += 1
