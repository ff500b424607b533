# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os
import socket

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import memory_guard
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import accept, records


class Sink:
    """A worker in this process, behind a socket of the file system: nothing goes over a network."""

    def __init__(self, folder, room=None):
        self.path = str(folder / "listener")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(100)
        self.listener.setblocking(False)
        self.board = records.Board(str(folder), 1)
        self.row = self.board.row(0)
        self.turns_there_are = accept.Turns(1)
        self.worker = self.another(self.row, room)
        self.clients = []

    def another(self, row, room=None):
        worker = accept.Acceptor([self.listener], self.turns_there_are, self.board, row)
        if room is not None:
            worker._room = room
        return worker

    def close(self):
        for client in self.clients:
            client.close()
        self.turns()
        self.listener.close()
        self.turns_there_are.close()

    def client(self):
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(self.path)
        opened.settimeout(5)
        self.clients.append(opened)
        return opened

    def turns(self, number=5):
        for _ in range(number):
            self.worker.turn(0.01)

    def counted(self, name):
        return self.row[records.COUNTERS.index(name)]


@pytest.fixture
def sink(tmp_path):
    made = Sink(tmp_path)
    yield made
    made.close()


def test_what_is_sent_comes_back(sink):
    clients = [sink.client() for _ in range(5)]
    sink.turns()
    assert sink.counted("accepted") == 5
    for index, client in enumerate(clients):
        client.sendall(b"%d" % index * 100)
    sink.turns()
    assert [client.recv(1000) for client in clients] == [b"%d" % index * 100 for index in range(5)]
    assert sink.counted("echoed") == 500
    clients[0].close()
    clients[1].shutdown(socket.SHUT_WR)
    sink.turns()
    assert sink.counted("closed") == 2
    assert clients[1].recv(10) == b""


def test_who_does_not_take_what_comes_back_is_not_read(sink):
    client, other = sink.client(), sink.client()
    sink.turns()
    client.setblocking(False)
    sent = 0
    for _ in range(200):
        with contextlib.suppress(BlockingIOError):
            sent += client.send(b"x" * 65536)
        sink.turns(1)
    assert sink.worker._rest
    # The others do not wait for it.
    other.sendall(b"hello")
    sink.turns()
    assert other.recv(10) == b"hello"
    received = 0
    for _ in range(2000):
        with contextlib.suppress(BlockingIOError):
            data = client.recv(1 << 20)
            assert set(data) == {ord("x")}
            received += len(data)
        sink.turns(1)
        if received == sent:
            break
    assert received == sent
    assert not sink.worker._rest


def test_a_client_that_goes_before_it_took_all(sink):
    client = sink.client()
    sink.turns()
    client.setblocking(False)
    for _ in range(200):
        with contextlib.suppress(BlockingIOError):
            client.send(b"x" * 65536)
        sink.turns(1)
    assert sink.worker._rest
    client.close()
    sink.turns()
    assert sink.counted("closed") == 1
    assert not sink.worker._rest


def test_a_full_process_goes_on_and_takes_more_when_there_is_room(tmp_path):
    sink = Sink(tmp_path, room=3)
    clients = [sink.client() for _ in range(5)]
    sink.turns()
    assert sink.counted("accepted") == 3
    assert sink.counted("nofile") == 1
    clients[0].sendall(b"still")
    sink.turns()
    assert clients[0].recv(10) == b"still"
    assert sink.counted("accepted") == 3
    clients[0].close()
    clients[1].close()
    sink.turns()
    assert sink.counted("accepted") == 5
    clients[4].sendall(b"late")
    sink.turns()
    assert clients[4].recv(10) == b"late"
    assert sink.counted("nofile") == 2
    sink.close()


def test_one_accepts_until_it_is_full_and_then_the_next(tmp_path):
    sink = Sink(tmp_path, room=2)
    sink.board = records.Board(str(tmp_path), 2)
    rows = [sink.board.row(index) for index in range(2)]
    first, second = (sink.another(row, room=2) for row in rows)

    def turns():
        for _ in range(5):
            first.turn(0.01)
            second.turn(0.01)
        return [row[records.ACCEPTED] for row in rows]

    assert turns() == [0, 0]
    clients = [sink.client()]
    assert turns() == [1, 0]
    clients += [sink.client(), sink.client()]
    assert turns() == [2, 1]
    # What the first one has room for again waits until the second is full.
    clients[0].close()
    clients += [sink.client()]
    assert turns() == [2, 2]
    clients += [sink.client()]
    assert turns() == [3, 2]
    for client in clients[1:]:
        client.sendall(b"x")
    turns()
    assert [client.recv(1) for client in clients[1:]] == [b"x"] * 4
    sink.close()


def test_the_turn_of_a_process_that_is_lost_is_given_to_another():
    service = accept.Accept([], 2)
    service.lost()
    service.open()
    turns = service._turns
    while turns.take():
        pass
    service.lost()
    assert turns.take()
    assert not turns.take()
    turns.close()


class Refusing:
    """A listener whose accept says no for a while."""

    def __init__(self, listener, number, times):
        self.listener, self.number, self.times = listener, number, times

    def fileno(self):
        return self.listener.fileno()

    def _accept(self):
        if self.times:
            self.times -= 1
            raise OSError(self.number, "no")
        return self.listener._accept()


@pytest.mark.parametrize(
    ("number", "counter"),
    [
        (errno.ENFILE, "file_max"),
        (errno.ENOMEM, "memory"),
        (errno.ENOBUFS, "memory"),
        (errno.ECONNABORTED, None),
        (errno.EPROTO, None),
    ],
)
def test_what_runs_out_is_counted_and_asked_for_again(sink, number, counter):
    sink.worker._listeners[sink.listener.fileno()] = Refusing(sink.listener, number, 2)
    client = sink.client()
    client.sendall(b"patience")
    sink.turns(8)
    assert client.recv(10) == b"patience"
    assert sink.counted("accepted") == 1
    for name in records.EXHAUSTED:
        assert sink.counted(name) == (2 if name == counter else 0)


def test_epoll_watches_that_run_out(sink):
    poll = sink.worker._poll

    class Full:
        def register(self, number, events):
            if number not in (sink.listener.fileno(), sink.turns_there_are.fileno()):
                raise OSError(errno.ENOSPC, "no")
            poll.register(number, events)

        def __getattr__(self, name):
            return getattr(poll, name)

    sink.turns()
    sink.worker._poll = Full()
    client = sink.client()
    sink.turns(1)
    assert sink.counted("epoll_watches") == 1
    assert sink.counted("accepted") == 0
    # Refused, and not left in the dark.
    assert client.recv(10) == b""
    sink.worker._poll = poll
    sink.turns()
    second = sink.client()
    sink.turns()
    second.sendall(b"x")
    sink.turns()
    assert second.recv(1) == b"x"


def test_for_want_of_memory_nothing_more_is_accepted(sink):
    sink.board.paused = True
    sink.turns()
    client = sink.client()
    client.sendall(b"x")
    sink.turns()
    assert sink.counted("accepted") == 0
    assert sink.counted("memory") == 1
    sink.board.paused = False
    sink.turns()
    assert client.recv(1) == b"x"


def test_a_reserve_stays_free():
    assert accept.reserve(64 << 30) == 128 << 20
    assert accept.reserve(1 << 30) == (1 << 30) // 20


def test_the_supervisor_stops_accepting_in_time(tmp_path, monkeypatch):
    service = accept.Accept([], 1)
    board = records.Board(str(tmp_path), 1)
    for left, paused in ((5, False), (-5, True), (None, False)):
        monkeypatch.setattr(memory_guard, "left", lambda reading, reserve, left=left: (left, "memory"))
        service.watch(board)
        assert board.paused is paused


@pytest.mark.parametrize(
    ("capacity", "one", "processors", "expected"),
    [
        (1000000, 19000, 2, 53),
        (1000000, 1048576, 8, 8),
        (500, 19000, 64, 1),
        (4000, 19000, 64, 4),
        (19001, 19000, 1, 2),
    ],
)
def test_as_many_processes_as_nofile_demands(capacity, one, processors, expected):
    assert accept.processes_for(capacity, one, processors) == expected


def test_listening(monkeypatch):
    service = accept.Accept([("127.0.0.1", 0), ("::1", 0)], 2)
    opened = service.open()
    four, six = service._listeners
    assert opened == {
        "processes": 2,
        "listeners": [[one.fileno(), os.fstat(one.fileno()).st_ino] for one in (four, six)],
    }
    assert (four.family, six.family) == (socket.AF_INET, socket.AF_INET6)
    taken = ("127.0.0.1", four.getsockname()[1])
    with pytest.raises(
        OSError, match=r"127\.0\.0\.1:%d cannot be listened on: Address already in use: .* listens on" % taken[1]
    ):
        accept.Accept([taken], 1).open()
    service.leave()
    assert four.fileno() == -1
