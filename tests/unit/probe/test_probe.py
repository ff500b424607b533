# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parent's part of a probe; what it does with the kernel's help is in test_connection_probe.py."""

from __future__ import annotations

import collections
import errno
import gc
import json
import os
import select
import signal
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import (
    constraints,
    host_facts,
    messages,
    worker_handle,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import (
    probe as probe_module,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import (
    request as probe_request,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import ProbeFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece

TARGET = ("192.0.2.1", 7000)
HOST = host_facts.Facts(ports=(20000, 20099), usable=100, narrowing=True, nofile=1000)


def a_request(**options):
    request = probe_request.ProbeRequest([TARGET], [], "autobind", 1000, 0, 0, None, None, None, 0, 60, None)
    return request._replace(**options)


def a_probe(host=HOST, **options):
    return probe_module.Probe(a_request(**options), host)


class FakeWorker:
    """A worker that a test speaks for."""

    def __init__(self, probe, share=10**6, pid=0):
        ours, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.known = worker_handle.WorkerHandle(pid, ours, share)
        self.probe = probe
        probe._workers.append(self.known)
        probe._channels[ours.fileno()] = self.known
        probe._poll.register(ours.fileno(), select.POLLIN)

    def say(self, **said):
        self.channel.send(messages.encode(messages.Report(**said)))
        self.probe._hear(self.known)

    def told(self):
        return messages.decode(self.channel.recv(1 << 16))


@pytest.fixture
def speaking():
    made = []

    def make(probe, **options):
        made.append(FakeWorker(probe, **options))
        return made[-1]

    yield make
    for each in made:
        each.channel.close()
        each.known.channel.close()


@pytest.fixture
def collector():
    """Undo what a probe does to this process's garbage collector."""
    yield
    gc.unfreeze()
    gc.enable()


# --- what is handed out ---


@given(
    st.integers(1, 3000),
    st.lists(st.tuples(st.integers(1, 700), st.integers(0, 700), st.booleans()), max_size=30),
    st.booleans(),
)
def test_never_more_is_handed_out_than_wanted(target, turns, narrowing):
    """turns: what a worker can take, how many of these fail, and whether it gives back the rest."""
    probe = a_probe(HOST._replace(ports=(20000, 21999), usable=2000, narrowing=narrowing), target=target)
    blocks = collections.Counter()
    for most, failed, exhausted in turns:
        piece = probe._take(most)
        if piece is None:
            assert probe._given == target or probe._exhausted()
            continue
        assert 0 < piece.limit <= most
        blocks[piece.ports] += piece.limit
        probe._given += piece.limit
        assert probe._given <= target
        returned = min(failed, piece.limit)
        probe._given -= returned
        if exhausted and returned:
            probe._left_over.append(piece._replace(limit=returned))
            blocks[piece.ports] -= returned
    for ports, given_out in blocks.items():
        assert ports is None or given_out <= ports[1] - ports[0] + 2


def test_a_piece_that_is_too_large_is_shared():
    probe = a_probe()
    first, second = probe._take(30), probe._take(1000)
    assert first == Piece(None, [TARGET], (20000, 20099), 30)
    assert second == first._replace(limit=71)
    assert probe._take(1000) is None


def test_what_the_rate_allows(monkeypatch):
    probe, now = a_probe(rate=100), [1000.0]
    monkeypatch.setattr(probe_module.time, "monotonic", lambda: now[0])
    probe._began = 1000.0
    assert probe._take(1000).limit == 1
    probe._given = 1
    assert probe._take(1000) is None
    now[0] = 1000.5
    assert probe._take(1000).limit == 50
    probe._given = 51
    assert probe._take(1000) is None


# --- what workers say ---


@pytest.mark.parametrize(
    ("number", "limit"),
    [
        (errno.EMFILE, None),
        (errno.ENFILE, "file_max"),
        (errno.ENOMEM, "memory"),
        (errno.ENOBUFS, "memory"),
    ],
)
def test_what_a_host_that_is_exhausted_means(speaking, number, limit):
    probe = a_probe()
    worker = speaking(probe)
    probe._give(worker.known, probe._take(60))
    assert worker.told() == messages.Open(Piece(None, [TARGET], (20000, 20099), 60))
    worker.say(opened=10, returned=50, rest=50, errors={number: 1}, exhausted=number, idle=True)
    assert (probe._opened, probe._given, probe._errors) == (10, 10, {number: 1})
    assert probe._first_limit == limit
    assert (worker.known.full, worker.known.left, worker.known.idle) == (True, 0, True)
    # Another one goes on where it ended.
    assert probe._take(1000) == Piece(None, [TARGET], (20000, 20099), 50)


def test_idle_stays_until_a_piece_is_given(speaking):
    probe = a_probe()
    worker = speaking(probe)
    worker.say(idle=True, room=70, descriptors=4)
    assert (worker.known.share, probe._room, probe._descriptors) == (70, 70, 4)
    worker.say(opened=1)
    assert worker.known.idle
    probe._give(worker.known, probe._take(10))
    assert not worker.known.idle
    worker.say(idle=True)
    assert not worker.known.settled
    worker.say(idle=True, settled=True)
    assert worker.known.settled


def test_a_server_that_refuses_is_not_asked_for_ever(speaking):
    probe = a_probe(target=10**6)
    worker = speaking(probe)
    worker.say(errors={errno.ECONNREFUSED: 1000, errno.EADDRNOTAVAIL: 9999})
    assert probe._first_limit is None
    worker.say(errors={errno.ECONNREFUSED: 1})
    assert probe._first_limit == "unreachable"


def test_a_server_that_refuses_some_is(speaking):
    probe = a_probe(target=10**6)
    worker = speaking(probe)
    worker.say(opened=5000, errors={errno.ECONNREFUSED: 4000})
    assert probe._first_limit is None


@pytest.mark.parametrize(
    ("errors", "limit"),
    [
        ({errno.EADDRNOTAVAIL: 1}, "four_tuples"),
        ({errno.EADDRINUSE: 1}, "four_tuples"),
        ({errno.EADDRNOTAVAIL: 1, errno.ECONNREFUSED: 5}, "four_tuples"),
        ({errno.ECONNREFUSED: 5}, "unreachable"),
        ({}, "unreachable"),
    ],
)
def test_when_there_is_nothing_more_to_try(errors, limit):
    probe = a_probe()
    probe._ends = time.monotonic() + 60
    probe._next = len(probe._pieces)
    probe._errors.update(errors)
    assert probe._done()
    assert probe._first_limit == limit


@pytest.mark.parametrize(("full", "limit"), [(True, "conntrack"), (False, "timeout")])
def test_when_the_time_is_over(monkeypatch, full, limit):
    monkeypatch.setattr(constraints, "conntrack_full", lambda reading: full)
    probe = a_probe()
    probe._ends = time.monotonic() - 1
    assert probe._done()
    assert probe._first_limit == limit


def test_the_first_limit_stays():
    probe = a_probe()
    probe._limit("memory")
    probe._limit("nofile")
    assert probe._done()
    assert probe._first_limit == "memory"


def test_how_many_workers(monkeypatch):
    monkeypatch.setattr(probe_module.resource, "getrlimit", lambda which: (1024, 1032))
    probe = a_probe(target=10**6)
    assert probe._maximum_workers() == 1
    probe._room = 900
    assert probe._maximum_workers() == 1000
    probe._room = 90000
    assert probe._maximum_workers() == 12
    assert a_probe(processes=7)._maximum_workers() == 7
    assert a_probe(processes=2000)._maximum_workers() == 1000


def test_who_does_not_answer_is_told_from_who_does_not_connect(speaking):
    probe = a_probe()
    worker = speaking(probe)
    worker.say(errors={errno.ECONNRESET: 3})
    probe._phase = "asking"
    worker.say(errors={errno.ECONNRESET: 2})
    assert (probe._errors, probe._unanswered) == ({errno.ECONNRESET: 3}, {errno.ECONNRESET: 2})


def test_the_sample_is_spread_over_the_workers(speaking, monkeypatch):
    probe = a_probe()
    workers = [speaking(probe) for _ in range(4)]
    for worker, opened in zip(workers, (100, 0, 7, 53), strict=True):
        worker.known.opened = opened
        probe._opened += opened

    def listen(seconds):
        asked = next(worker for worker in workers if not worker.known.asked_all and worker.known.opened)
        asked.part = asked.told().connections
        asked.say(microseconds=[9] * asked.part, asked_all=True)

    monkeypatch.setattr(probe, "_listen", listen)
    probe._ask(80)
    assert [worker.part for worker in workers if worker.known.opened] == [50, 3, 27]
    assert probe._microseconds == [9] * 80


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "17 connections open, killed by SIGKILL. Look"),
        (lambda: os._exit(0), "17 connections open. Look"),
    ],
)
def test_a_worker_that_is_lost(speaking, how, words):
    probe = a_probe()
    pid = os.fork()
    if pid == 0:
        how()
    worker = speaking(probe, pid=pid)
    worker.known.opened = 17
    worker.channel.close()
    with pytest.raises(ProbeFailed) as caught:
        probe._hear(worker.known)
    assert words in str(caught.value)
    with pytest.raises(ProbeFailed, match="Broken pipe"):
        probe._send(worker.known, messages.Finish(1))


# --- processes that cannot be had ---


@pytest.mark.parametrize(("number", "limit"), [(errno.EAGAIN, "tasks"), (errno.ENOMEM, "memory")])
def test_a_worker_that_cannot_be_started(monkeypatch, collector, number, limit):
    def fork():
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(probe_module.os, "fork", fork)
    monkeypatch.setattr(probe_module.socket_count, "towards", lambda destinations, states: dict.fromkeys(states, 0))
    result = a_probe().run()
    assert (result["first_limit"], result["established"], result["opened"], result["processes"]) == (limit, 0, 0, 0)
    assert (result["alive"], result["sampled"], result["bytes_per_connection"]) == (0, 0, None)
    assert result["msg"] == "0 of 1000 connections are established; %s ended it." % limit
    json.dumps(result)
