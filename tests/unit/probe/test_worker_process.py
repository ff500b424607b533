# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in a thread of this process, towards listeners of this process on the loopback."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import host_facts, messages, worker_process
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece

# An older kernel has nothing to test here; the same connections without it are tested on every one.
needs_narrowing = pytest.mark.skipif(not host_facts._has_narrowing(), reason="IP_LOCAL_PORT_RANGE came with Linux 6.3")


class Boss:
    """The other end of a worker's channel, with the sums of all that it said."""

    def __init__(self, binding="autobind", patience=60, reuse_address=False):
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(20)
        self.theirs = theirs
        self.worker = worker_process.Connector(theirs, binding, time.monotonic() + patience, reuse_address)
        self.thread = threading.Thread(target=self.worker.run, daemon=True)
        self.thread.start()
        self.first = self.hear()
        self.opened = self.returned = self.rest = self.idle = 0
        self.errors = {}
        self.microseconds = []
        self.said = []

    def hear(self):
        return messages.decode(self.channel.recv(messages.MAX_BYTES))

    def tell(self, message):
        self.channel.send(messages.encode(message))

    def listen(self, until):
        """Take what it says until a message has ``until``."""
        while True:
            said = self.hear()
            self.said.append(said)
            for name in ("opened", "returned", "rest", "idle"):
                setattr(self, name, getattr(self, name) + getattr(said, name))
            for number, times in said.errors.items():
                self.errors[number] = self.errors.get(number, 0) + times
            self.microseconds += said.microseconds
            if getattr(said, until):
                return self

    def open(self, targets, limit, source=None, ports=None):
        """Have it open a piece; return when nothing is under way any more, or the time is over."""
        self.begin(targets, limit, source, ports)
        return self.last()

    def begin(self, targets, limit, source=None, ports=None):
        self.tell(messages.Open(Piece(source, targets, ports, limit)))
        return self.listen("idle")

    def last(self, seconds=10):
        self.tell(messages.Finish(seconds))
        return self.listen("settled")

    def ask(self, count, seconds=10):
        self.tell(messages.Ask(count, seconds))
        return self.listen("asked_all")

    def held(self):
        """Yield what it holds, as sockets that may be looked at."""
        for number in self.worker.held:
            with socket.socket(fileno=os.dup(number)) as opened:
                yield opened

    def end(self):
        self.channel.close()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.theirs.close()
        for number in self.worker.held:
            os.close(number)


@pytest.fixture
def boss(monkeypatch):
    # The process that runs the tests keeps its own soft limit.
    monkeypatch.setattr(worker_process.resource, "setrlimit", lambda which, limits: None)
    made = []

    def make(**options):
        made.append(Boss(**options))
        return made[-1]

    yield make
    for each in made:
        each.end()


def serve(opened, answer):
    while True:
        try:
            accepted = opened.accept()[0]
        except OSError:
            return
        threading.Thread(target=converse, args=(accepted, answer), daemon=True).start()


def converse(accepted, answer):
    with accepted, contextlib.suppress(OSError):
        while data := accepted.recv(4096):
            parts = answer(data)
            if parts is None:
                return
            for part in parts:
                accepted.sendall(part)
                time.sleep(0.005 * (len(parts) - 1))


@pytest.fixture
def server():
    """Return a server that accepts, and sends back what ``answer`` makes of what it got; None closes."""
    listening = []

    def make(answer=lambda data: [data], family=socket.AF_INET):
        address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        opened = socket.create_server((address, 0), family=family, backlog=999)
        listening.append(opened)
        threading.Thread(target=serve, args=(opened, answer), daemon=True).start()
        return opened.getsockname()[:2]

    yield make
    for opened in listening:
        opened.shutdown(socket.SHUT_RDWR)
        opened.close()


@pytest.fixture
def deaf():
    """A destination whose queue is full: its kernel drops every SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        held = []
        while True:
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            opened.settimeout(0.2)
            held.append(opened)
            try:
                opened.connect(listening.getsockname())
            except TimeoutError:
                break
        yield listening.getsockname()
        for opened in held:
            opened.close()


def refusing():
    """Return a destination where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()


def test_it_says_first_what_room_it_has(boss):
    first = boss().first
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert first.room + first.descriptors == hard
    assert first.descriptors > 3
    assert (first.opened, first.returned, first.errors, first.exhausted, first.idle) == (
        0,
        0,
        {},
        None,
        True,
    )


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("binding", ["autobind", "bind", "bind_no_port", "bind_any"])
def test_it_opens_and_holds(boss, server, family, binding):
    targets = [server(family=family), server(family=family)]
    source = None if binding in ("autobind", "bind_any") else targets[0][0]
    worker = boss(binding=binding).open(targets, 150, source)
    assert (worker.opened, worker.returned, worker.errors, worker.rest) == (150, 0, {}, 0)
    peers = [opened.getpeername()[1] for opened in worker.held()]
    assert [peers.count(port) for _address, port in targets] == [75, 75]
    for opened in worker.held():
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
        assert not os.get_blocking(opened.fileno())
    assert not any(os.get_inheritable(number) for number in worker.worker.held)


def test_ports_that_are_named(boss, server):
    source = "127.%d.%d.1" % (random.randrange(1, 255), random.randrange(255))
    one, other = server(), server()
    first = boss(binding="bind_port", reuse_address=True)
    first.open([one], 20, source, (30000, 30019))
    assert [opened.getsockname() for opened in first.held()] == [(source, 30000 + number) for number in range(20)]
    # The same ports to another destination; a connection that cannot be made does not keep the next from its own port.
    second = boss(binding="bind_port", reuse_address=True).open([other, one], 40, source, (29980, 30019))
    assert (second.opened, second.returned, second.errors) == (30, 10, {errno.EADDRNOTAVAIL: 10})
    third = boss(binding="bind_port").open([server()], 30, source, (30010, 30039))
    assert (third.opened, third.returned, third.errors) == (20, 10, {errno.EADDRINUSE: 10})


@needs_narrowing
@pytest.mark.parametrize("binding", ["autobind", "bind", "bind_no_port"])
def test_a_block_that_is_full(boss, server, binding):
    # An address that nobody else uses, of which all ports are free.
    source = None if binding == "autobind" else "127.%d.%d.1" % (random.randrange(1, 255), random.randrange(255))
    target = server()
    worker = boss(binding=binding).open([target], 100, source, (40000, 40007))
    assert (worker.opened, worker.returned) == (8, 92)
    assert worker.errors == {errno.EADDRINUSE if binding == "bind" else errno.EADDRNOTAVAIL: 1}
    ports = sorted(opened.getsockname()[1] for opened in worker.held())
    assert ports == list(range(40000, 40008))
    assert (worker.said[-1].exhausted, worker.rest) == (None, 0)


def test_a_refused_connection_is_given_back(boss):
    worker = boss().open([refusing()], 200)
    assert (worker.opened, worker.returned, worker.errors) == (0, 200, {errno.ECONNREFUSED: 200})
    assert len(worker.worker.held) == 0


def test_one_of_two_is_refused(boss, server):
    worker = boss().open([refusing(), server()], 200)
    assert (worker.opened, worker.returned, worker.errors) == (100, 100, {errno.ECONNREFUSED: 100})


@pytest.mark.parametrize("number", sorted(worker_process.EXHAUSTED))
def test_what_the_host_has_no_more_of(boss, server, monkeypatch, number):
    target, left, real = server(), [70], socket.SocketType

    def scarce(*arguments):
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        left[0] -= 1
        return real(*arguments)

    monkeypatch.setattr(worker_process.socket, "SocketType", scarce)
    worker = boss().open([target], 200)
    assert (worker.opened, worker.returned, worker.rest, worker.errors) == (70, 130, 130, {number: 1})
    assert worker.said[-1].exhausted == number


def test_what_is_under_way_when_the_time_is_over(boss, deaf):
    began = time.monotonic()
    worker = boss(patience=0.5).open([deaf], 30)
    assert (worker.opened, worker.returned, worker.errors) == (0, 30, {errno.ETIMEDOUT: 30})
    assert time.monotonic() - began < 5


def test_it_is_idle_once_though_connections_are_under_way(boss, deaf):
    worker = boss().begin([deaf], 30)
    # It tells what is new every fifth of a second, and is not taken for waiting for another piece.
    time.sleep(0.5)
    began = time.monotonic()
    worker.last(seconds=0.3)
    assert 0.2 < time.monotonic() - began < 5
    assert len(worker.said) >= 4
    assert [said.idle for said in worker.said] == [True] + [False] * (len(worker.said) - 2) + [True]
    assert (worker.opened, worker.returned, worker.errors) == (0, 30, {errno.ETIMEDOUT: 30})


def test_all_answer(boss, server, monkeypatch):
    monkeypatch.setattr(worker_process, "_MAX_ANSWERS_TOLD", 30)
    worker = boss().open([server()], 100).ask(70)
    assert (len(worker.microseconds), worker.errors) == (70, {})
    assert all(0 < took < 2e6 for took in worker.microseconds)
    assert len([said for said in worker.said if said.microseconds]) == 3
    # More than there are: each of them, and again.
    assert len(worker.ask(1000).microseconds) == 170


def test_an_answer_in_parts(boss, server):
    worker = boss().open([server(lambda data: [data[:1], data[1:9], data[9:]])], 5).ask(5)
    assert (len(worker.microseconds), worker.errors) == (5, {})


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (lambda data: [data[::-1]], errno.EBADMSG),
        (lambda data: [], errno.ETIMEDOUT),
        (lambda data: [data[:-1]], errno.ETIMEDOUT),
        (lambda data: None, errno.ECONNRESET),
    ],
)
def test_answers_that_are_none(boss, server, monkeypatch, answer, number):
    monkeypatch.setattr(worker_process, "_CONNECT_SECONDS", 0.1)
    worker = boss().open([server(answer)], 5).ask(5)
    assert (worker.microseconds, worker.errors) == ([], {number: 5})


def test_the_time_for_answers_is_over(boss, server):
    worker = boss().open([server()], 5).ask(5, seconds=0)
    assert (worker.microseconds, worker.errors) == ([], {})
    worker = boss().open([server(lambda data: [])], 5).ask(5, seconds=0.2)
    assert (worker.microseconds, worker.errors) == ([], {errno.ETIMEDOUT: 1})


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_block_as_an_option(one, other):
    low, high = sorted((one, other))
    worker = worker_process.Connector(None, "bind_no_port", 0)
    options = worker._options(Piece("192.0.2.1", [("192.0.2.2", 7000)], (low, high), 1))
    assert options[0] == (socket.IPPROTO_IP, worker_process.IP_BIND_ADDRESS_NO_PORT, 1)
    # As the kernel takes it: low in the lower half (ip(7)).
    assert struct.pack("i", options[1][2]) == struct.pack("I", high << 16 | low)


def test_no_more_options_than_it_takes():
    worker = worker_process.Connector(None, "autobind", 0)
    assert worker._options(Piece(None, [("192.0.2.2", 7000)], None, 1)) == []
    worker = worker_process.Connector(None, "bind_no_port", 0)
    assert worker._options(Piece("192.0.2.1", [("192.0.2.2", 7000)], None, 1)) == [(socket.IPPROTO_IP, 24, 1)]
    worker = worker_process.Connector(None, "bind_port", 0, True)
    wanted = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
    assert worker._options(Piece("192.0.2.1", [("192.0.2.2", 7000)], (20000, 20099), 100)) == wanted
