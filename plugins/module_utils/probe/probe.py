# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe: opens real connections, holds them, has them answer, and lets them go.

One process hands out the work in pieces and looks after the clock, the memory and whoever waits for the result; the
others connect (worker_process.py), as many at a time as there are processors. When one is full the next
begins: hundreds at once would only take turns.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import gc
import json
import os
import resource
import select
import signal
import socket
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import memory, memory_guard, socket_count
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import (
    constraints,
    figures,
    host_facts,
    messages,
    summary,
    worker_handle,
    worker_process,
    worker_start,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import Gone
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece, Pieces, split
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.request import ProbeRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND_PORT, TAKES_PORT

#: Seconds between two looks at the memory.
_MEMORY_SECONDS = 0.1
#: Seconds between two lines of progress.
_PROGRESS_SECONDS = 1.0
#: Seconds that connections under way have when no more are opened.
_LAST_SECONDS = 10
#: Seconds for the answers, and for each thousand of them.
_ASK_SECONDS, _ASK_SECONDS_PER_THOUSAND = 30, 1
#: A server that refuses so many before it takes as many is not there.
_MAX_REFUSED = 1000
#: Workers forked at once. What this process writes afterwards parts its memory from theirs: a megabyte for each that
#: is forked alone.
_FORKS_AT_ONCE = 16
#: The parent's own descriptors; each worker takes one more.
_OWN_DESCRIPTORS = 32


class Probe:
    """One run."""

    def __init__(self, request: ProbeRequest, host: host_facts.Facts) -> None:
        self._request = request
        self._host = host
        #: Whether each connection names its port; with SO_REUSEADDR one port has a connection to each destination.
        self._named = request.binding == BIND_PORT
        self._pieces = Pieces(
            request.sources,
            request.destinations,
            request.binding in TAKES_PORT and not (self._named and request.reuse_address),
            host.ports,
            host.usable,
            request.target,
            host.narrowing,
            request.program_ports,
        )
        self._next = 0
        self._left_over: t.List[Piece] = []
        self._workers: t.List[worker_handle.WorkerHandle] = []
        self._poll = select.poll()
        self._channels: t.Dict[int, worker_handle.WorkerHandle] = {}
        self._processors = len(os.sched_getaffinity(0))
        self._errors: t.Counter[int] = collections.Counter()
        self._unanswered: t.Counter[int] = collections.Counter()
        self._first_limit: t.Optional[str] = None
        self._began = self._ends = 0.0
        self._seconds: t.Optional[float] = None
        self._looked = self._told = 0.0
        self._memory_left: t.Optional[int] = None
        self._phase = "connecting"
        self._opened = self._given = 0
        self._microseconds: t.List[int] = []
        self._room = 0
        self._descriptors = 0

    def run(self) -> t.Dict[str, t.Any]:
        """Open, hold, ask, count, and let go. raises: Gone, ProbeFailed"""
        request = self._request
        before = socket_count.towards(request.destinations, ["ESTABLISHED"])["ESTABLISHED"]
        slabs = figures.slab_bytes()
        self._poll.register(1, 0)
        try:
            self._began = self._told = time.monotonic()
            self._ends = self._began + request.timeout
            self._connect()
            self._seconds = seconds = time.monotonic() - self._began
            grown = figures.slab_bytes() - slabs
            held_from = time.time()
            self._hold()
            held_until = time.time()
            established = socket_count.towards(request.destinations, ["ESTABLISHED"])["ESTABLISHED"] - before
            self._phase = "asking"
            sampled = request.sampled(self._opened)
            self._ask(sampled)
        finally:
            self._phase = "letting go"
            self._end()
        left = socket_count.towards(request.destinations, ["TIME_WAIT"])["TIME_WAIT"]
        found = {
            "established": established,
            "opened": self._opened,
            "seconds": round(seconds, 3),
            "per_second": round(self._opened / seconds) if seconds else 0,
            "bytes_per_connection": round(grown / self._opened) if self._opened and grown > 0 else None,
            "errors": summary.by_name(self._errors + self._unanswered),
            "first_limit": self._first_limit,
            "sampled": sampled,
            "alive": len(self._microseconds),
            "latency": figures.percentiles(self._microseconds),
            "processes": len(self._workers),
            "nofile": self._host.nofile,
            "descriptors": self._descriptors,
            "sources": len(request.sources) or 1,
            "reserve": request.kept_free(memory.read(Host(), resource.getpagesize())["total"] or 0),
            "held_from": round(held_from, 3),
            "held_until": round(held_until, 3),
            "past_file_max": constraints.past_file_max(request.user),
            "time_wait": left,
        }
        return {**found, "msg": summary.message(found, request.target, self._errors, self._unanswered)}

    # --- connecting ---

    def _connect(self) -> None:
        while not self._done():
            self._hand_out()
            self._listen(_MEMORY_SECONDS)
        self._opened_by_all(_LAST_SECONDS)

    def _done(self) -> bool:
        """Return whether no more connections are to be opened; says why in first_limit."""
        if self._opened >= self._request.target or self._first_limit:
            return True
        if time.monotonic() > self._ends:
            self._limit(constraints.CONNTRACK if constraints.conntrack_full(Host()) else constraints.TIMEOUT)
        elif self._given > self._opened:
            return False
        elif self._exhausted():
            # Whoever names his ports and has tried each knows of no other.
            none_left = worker_process.FULL & set(self._errors) or (self._named and not self._errors)
            self._limit(constraints.FOUR_TUPLES if none_left else constraints.UNREACHABLE)
        elif not self._can_take():
            self._limit(constraints.NOFILE)
        else:
            return False
        return True

    def _exhausted(self) -> bool:
        return self._next >= len(self._pieces) and not self._left_over

    def _can_take(self) -> bool:
        return any(worker.left for worker in self._workers) or len(self._workers) < self._maximum_workers()

    def _limit(self, name: str) -> None:
        self._first_limit = self._first_limit or name

    def _maximum_workers(self) -> int:
        """Return how many workers there may be: as asked for, or as many as the target takes."""
        possible = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _OWN_DESCRIPTORS
        asked = self._request.processes
        # Until the first worker has told its room nobody knows how many it takes.
        needed = -(-self._request.target // self._room) if self._room else 1
        return max(1, min(possible, needed if asked is None else asked))

    def _hand_out(self) -> None:
        """Have more workers while processors are idle, and give pieces to those who wait for one."""
        connecting = [worker for worker in self._workers if worker.left][: self._processors]
        wanted = self._given < self._request.target and not self._exhausted() and not self._first_limit
        if wanted and len(connecting) < self._processors:
            # The first one says how much room one has.
            for _number in range(
                min(_FORKS_AT_ONCE if self._room else 1, self._maximum_workers() - len(self._workers))
            ):
                if not self._first_limit:
                    self._fork()
        for worker in connecting:
            if worker.idle and not self._first_limit:
                piece = self._take(worker.left)
                if piece is None:
                    return
                self._give(worker, piece)

    def _take(self, maximum: int) -> t.Optional[Piece]:
        """Return the next piece, of at most so many connections; None where there is none, or not now."""
        maximum = min(maximum, self._request.target - self._given, self._allowance())
        if maximum <= 0 or self._exhausted():
            return None
        if self._left_over:
            piece = self._left_over.pop()
        else:
            piece = self._pieces[self._next]
            self._next += 1
        if piece.limit > maximum:
            piece, rest = split(piece, maximum, self._named)
            self._left_over.append(rest)
        return piece

    def _allowance(self) -> int:
        """Return how many connections the rate allows now."""
        rate = self._request.rate
        if not rate:
            return self._request.target
        return int(rate * (time.monotonic() - self._began)) + 1 - self._given

    def _give(self, worker: worker_handle.WorkerHandle, piece: Piece) -> None:
        worker.idle = False
        worker.piece = piece
        worker.given += piece.limit
        self._given += piece.limit
        self._send(worker, messages.Open(piece))

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        # What was allocated up to here stays shared: no collector writes into it.
        gc.disable()
        gc.freeze()
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._limit(constraints.MEMORY if error.errno == errno.ENOMEM else constraints.TASKS)
            return
        if pid == 0:
            worker_start.be_worker(parent, theirs, self._request, self._host.nofile, self._ends)
        theirs.close()
        share = self._request.target
        if self._request.processes is not None:
            share = -(-share // self._request.processes)
        elif self._room:
            share = self._room
        worker = worker_handle.WorkerHandle(pid, ours, share)
        self._workers.append(worker)
        self._channels[ours.fileno()] = worker
        self._poll.register(ours.fileno(), select.POLLIN)

    def _opened_by_all(self, seconds: float) -> None:
        """Wait for the connections under way, and no longer than that."""
        for worker in self._workers:
            self._send(worker, messages.Finish(seconds))
        while not all(worker.settled for worker in self._workers):
            self._listen(_MEMORY_SECONDS)

    # --- talking with the workers ---

    def _send(self, worker: worker_handle.WorkerHandle, message: messages.Message) -> None:
        try:
            worker.channel.send(messages.encode(message))
        except OSError as error:
            raise worker_handle.lost(worker, error) from None

    def _listen(self, seconds: float) -> None:
        """Take what the workers say, for at most so many seconds; look after everything else."""
        for number, events in self._poll.poll(seconds * 1000):
            worker = self._channels.get(number)
            if worker is not None:
                self._hear(worker)
            elif events & (select.POLLERR | select.POLLHUP):
                raise Gone
        now = time.monotonic()
        if now - self._looked >= _MEMORY_SECONDS:
            self._looked = now
            self._memory_left, which = memory_guard.left(Host(), self._request.kept_free)
            if self._memory_left is not None and self._memory_left <= 0 and self._phase == "connecting":
                self._limit(which)
        if self._request.progress and now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._tell(self._request.progress, now)

    def _hear(self, worker: worker_handle.WorkerHandle) -> None:
        try:
            data = worker.channel.recv(messages.MAX_BYTES)
        except OSError as error:
            raise worker_handle.lost(worker, error) from None
        if not data:
            raise worker_handle.lost(worker, None)
        said = messages.decode(data)
        if not isinstance(said, messages.Report):
            raise ValueError("a worker says %r" % (said,))
        if said.room is not None and said.descriptors is not None:
            self._room, self._descriptors = said.room, said.descriptors
            if self._request.processes is None:
                worker.share = self._room
        worker.opened += said.opened
        self._opened += said.opened
        worker.given -= said.returned
        self._given -= said.returned
        (self._unanswered if self._phase == "asking" else self._errors).update(said.errors)
        if said.rest and worker.piece is not None:
            self._left_over.append(split(worker.piece, worker.piece.limit - said.rest, self._named)[1])
        if said.exhausted:
            worker.full = True
            if said.exhausted != errno.EMFILE:
                self._limit(constraints.OF_ERROR[said.exhausted])
        worker.idle = worker.idle or said.idle
        worker.settled = worker.settled or said.settled
        if self._phase == "connecting" and self._refused() > max(_MAX_REFUSED, self._opened):
            self._limit(constraints.UNREACHABLE)
        self._microseconds += said.microseconds
        worker.asked_all = worker.asked_all or said.asked_all

    def _refused(self) -> int:
        known = worker_process.FULL | worker_process.EXHAUSTED
        return sum(times for number, times in self._errors.items() if number not in known)

    # --- holding, asking ---

    def _hold(self) -> None:
        self._phase = "holding"
        self._ends = time.monotonic() + self._request.hold
        while True:
            left = self._ends - time.monotonic()
            if left <= 0:
                return
            self._listen(min(left, _MEMORY_SECONDS))

    def _ask(self, sampled: int) -> None:
        """Have a part of every worker's connections answer, one worker after the other: nothing else disturbs."""
        self._ends = time.monotonic() + _ASK_SECONDS + sampled / 1000 * _ASK_SECONDS_PER_THOUSAND
        done = 0
        behind = 0
        for worker in self._workers:
            behind += worker.opened
            part = sampled * behind // self._opened - done if self._opened else 0
            done += part
            if not part:
                continue
            self._send(worker, messages.Ask(part, max(0.0, self._ends - time.monotonic())))
            while not worker.asked_all:
                self._listen(_MEMORY_SECONDS)

    # --- the end ---

    def _end(self) -> None:
        """Kill the workers; the kernel resets their connections. Wait until the last of them is gone."""
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        for worker in self._workers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
            worker.channel.close()
        if self._request.progress:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._request.progress)

    def _tell(self, path: str, now: float) -> None:
        seconds = self._seconds or now - self._began
        line = {
            "phase": self._phase,
            "established": self._opened,
            "target": self._request.target,
            "per_second": round(self._opened / seconds) if seconds else 0,
            "memory_left": self._memory_left,
            "seconds_left": max(0, round(self._ends - now)),
            "processes": len(self._workers),
        }
        with open(path + ".new", "w", encoding="ascii") as stream:
            stream.write(json.dumps(line) + "\n")
        os.replace(path + ".new", path)
