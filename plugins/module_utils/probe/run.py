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
import pwd
import resource
import select
import signal
import socket
import struct
import subprocess
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    containment,
    forked,
    memory,
    memory_guard,
    socket_count,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import messages, worker_process
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece, Pieces
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.request import BIND, ProbeRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: The constraints of the ceiling model that can end a probe, and two that are none: what was not there to be reached.
FOUR_TUPLES, NOFILE, FILE_MAX, MEMORY, CONNTRACK, TASKS = (
    "four_tuples",
    "nofile",
    "file_max",
    "memory",
    "conntrack",
    "tasks",
)
TIMEOUT, UNREACHABLE = "timeout", "unreachable"

_CONSTRAINT_OF_ERROR = {
    errno.EMFILE: NOFILE,
    errno.ENFILE: FILE_MAX,
    errno.ENOMEM: MEMORY,
    errno.ENOBUFS: MEMORY,
}

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
#: include/uapi/linux/capability.h
_CAP_SYS_ADMIN = 21
#: The part of the connection table that is as good as full.
_NEARLY_FULL = 0.99


class Gone(Exception):
    """Whoever waits for the result does so no longer."""


class ProbeFailed(Exception):
    """The host does not let the probe run; the text says why."""


class WorkerHandle:
    """What is known of a worker: what it opened, what it has been given, and whether it can take more."""

    def __init__(self, pid: int, channel: socket.socket, share: int) -> None:
        self.pid = pid
        self.channel = channel
        self.share = share
        self.opened = 0
        self.given = 0
        self.idle = False
        self.settled = False
        self.full = False
        self.piece: t.Optional[Piece] = None
        self.asked_all = False

    @property
    def left(self) -> int:
        """How many connections it can still be given."""
        return 0 if self.full else self.share - self.given


class Facts(t.NamedTuple):
    """What has to be known of this host before the first connection."""

    ports: t.Tuple[int, int]
    usable: int
    narrowing: bool
    nofile: int


def look_at_host(request: ProbeRequest, before: str) -> Facts:
    """Return what a probe needs to know. raises: Refusal, ProbeFailed"""
    ports = _port_range()
    reserved = _reserved()
    usable = sum(1 for port in range(ports[0], ports[1] + 1) if port not in reserved)
    _check_held(before, request)
    nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if request.user is None else session_nofile(request.user)
    return Facts(ports, usable, _has_narrowing(), nofile)


def _port_range() -> t.Tuple[int, int]:
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as stream:
        return port_set.parse_range("net.ipv4.ip_local_port_range", stream.read())


def _reserved() -> t.Set[int]:
    with open("/proc/sys/net/ipv4/ip_local_reserved_ports", encoding="ascii") as stream:
        return port_set.parse_kernel_list(stream.read())


def _has_narrowing() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        try:
            trial.setsockopt(socket.IPPROTO_IP, worker_process.IP_LOCAL_PORT_RANGE, struct.pack("I", 0))
        except OSError:
            return False
    return True


def _check_held(before: str, request: ProbeRequest) -> None:
    """Refuse a source address that this host does not have: connect(2) would call it a full port range."""
    for version in (4, 6):
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        ours = [source for source in request.sources if source.version == version]
        for source in ours:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                with contextlib.suppress(OSError):
                    trial.setsockopt(socket.IPPROTO_IP, worker_process.IP_BIND_ADDRESS_NO_PORT, 1)
                try:
                    trial.bind((str(source), 0))
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        allowed = "addresses that this host has"
                        remedy = "Add it, by the role addresses or as a local route, or leave it out."
                        raise Refusal(before + "source_addresses", str(source), allowed, remedy) from None


def session_nofile(user: str) -> int:
    """Return the hard nofile of a real session of a user, as PAM makes it. raises: ProbeFailed"""
    command = ["runuser", "-u", user, "--", "cat", "/proc/self/limits"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeFailed("A session of the user %s cannot be opened: %s" % (user, error)) from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip()
        raise ProbeFailed("A session of the user %s cannot be opened: %s" % (user, said))
    for line in answer.stdout.decode().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[4])
    raise ProbeFailed("/proc/self/limits of the user %s has no line for open files." % user)


class Probe:
    """One run."""

    def __init__(self, request: ProbeRequest, host: Facts) -> None:
        self._request = request
        self._host = host
        self._pieces = Pieces(
            request.sources,
            request.destinations,
            request.binding == BIND,
            host.ports,
            host.usable,
            request.target,
            host.narrowing,
        )
        self._next = 0
        self._left_over: t.List[Piece] = []
        self._workers: t.List[WorkerHandle] = []
        self._poll = select.poll()
        self._channels: t.Dict[int, WorkerHandle] = {}
        self._processors = len(os.sched_getaffinity(0))
        self._errors: t.Counter[int] = collections.Counter()
        self._host = host
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
        slabs = _slab()
        self._poll.register(1, 0)
        try:
            self._began = self._told = time.monotonic()
            self._ends = self._began + request.timeout
            self._connect()
            self._seconds = seconds = time.monotonic() - self._began
            grown = _slab() - slabs
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
        return {
            "established": established,
            "opened": self._opened,
            "seconds": round(seconds, 3),
            "per_second": round(self._opened / seconds) if seconds else 0,
            "bytes_per_connection": round(grown / self._opened) if self._opened and grown > 0 else None,
            "errors": {errno.errorcode.get(number, str(number)): n for number, n in sorted(self._errors.items())},
            "first_limit": self._first_limit,
            "sampled": sampled,
            "alive": len(self._microseconds),
            "latency": percentiles(self._microseconds),
            "processes": len(self._workers),
            "nofile": self._host.nofile,
            "descriptors": self._descriptors,
            "sources": len(request.sources) or 1,
            "reserve": request.kept_free(memory.memory(Host(), resource.getpagesize())["total"] or 0),
            "held_from": round(held_from, 3),
            "held_until": round(held_until, 3),
            "past_file_max": past_file_max(request.user),
            "time_wait": left,
        }

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
            self._limit(CONNTRACK if conntrack_full(Host()) else TIMEOUT)
        elif self._given > self._opened:
            return False
        elif self._exhausted():
            self._limit(FOUR_TUPLES if worker_process.FULL & set(self._errors) else UNREACHABLE)
        elif not self._can_take():
            self._limit(NOFILE)
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
            self._left_over.append(piece._replace(limit=piece.limit - maximum))
            piece = piece._replace(limit=maximum)
        return piece

    def _allowance(self) -> int:
        """Return how many connections the rate allows now."""
        rate = self._request.rate
        if not rate:
            return self._request.target
        return int(rate * (time.monotonic() - self._began)) + 1 - self._given

    def _give(self, worker: WorkerHandle, piece: Piece) -> None:
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
            self._limit(MEMORY if error.errno == errno.ENOMEM else TASKS)
            return
        if pid == 0:
            _be_worker(parent, theirs, self._request, self._host.nofile, self._ends)
        theirs.close()
        share = self._request.target
        if self._request.processes is not None:
            share = -(-share // self._request.processes)
        elif self._room:
            share = self._room
        worker = WorkerHandle(pid, ours, share)
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

    def _send(self, worker: WorkerHandle, message: messages.Message) -> None:
        try:
            worker.channel.send(messages.encode(message))
        except OSError as error:
            raise _lost(worker, error) from None

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

    def _hear(self, worker: WorkerHandle) -> None:
        try:
            data = worker.channel.recv(messages.MAX_BYTES)
        except OSError as error:
            raise _lost(worker, error) from None
        if not data:
            raise _lost(worker, None)
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
        self._errors.update(said.errors)
        if said.rest and worker.piece is not None:
            self._left_over.append(worker.piece._replace(limit=said.rest))
        if said.exhausted:
            worker.full = True
            if said.exhausted != errno.EMFILE:
                self._limit(_CONSTRAINT_OF_ERROR[said.exhausted])
        worker.idle = worker.idle or said.idle
        worker.settled = worker.settled or said.settled
        if self._phase == "connecting" and self._refused() > max(_MAX_REFUSED, self._opened):
            self._limit(UNREACHABLE)
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


def _lost(worker: WorkerHandle, error: t.Optional[OSError]) -> ProbeFailed:
    """Return what to say of a worker that is not there any more."""
    why = "" if error is None else " (%s)" % error.strerror
    with contextlib.suppress(ChildProcessError):
        _pid, status = os.waitpid(worker.pid, 0)
        if os.WIFSIGNALED(status):
            why = ", killed by %s" % signal.Signals(os.WTERMSIG(status)).name
    return ProbeFailed(
        "A process of the probe ended with %d connections open%s. Look into the kernel's log for the reason, such as "
        "memory that ran out." % (worker.opened, why)
    )


def _be_worker(parent: int, channel: socket.socket, request: ProbeRequest, nofile: int, ends: float) -> t.NoReturn:
    """Be a worker, from its first moment to its last."""
    try:
        forked.let_go(keep=(channel.fileno(),))
        forked.name("fourtuple-probe")
        # Not their parent, which has to tell.
        forked.be_killed_first()
        if request.user is not None:
            _become(request.user, nofile)
        if forked.die_with(parent):
            worker_process.Connector(channel, request.binding, ends).run()
    finally:
        os._exit(1)


def _become(user: str, nofile: int) -> None:
    """Be a process of this user, with the nofile that his sessions have."""
    entry = pwd.getpwnam(user)
    resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _slab() -> int:
    """Return the bytes of the kernel's slabs."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("Slab:"):
                return int(line.split()[1]) * 1024
    return 0


def past_file_max(user: t.Optional[str]) -> bool:
    """Return whether fs.file-max does not hold for the probe (fs/file_table.c, alloc_empty_file).

    CAP_SYS_ADMIN passes it by, in the first user namespace only; whoever becomes another user has lost it.
    """
    if user not in (None, "root"):
        return False
    with open("/proc/self/status", encoding="ascii") as stream:
        mine = next(int(line.split()[1], 16) for line in stream if line.startswith("CapEff:"))
    return containment.in_first_user_namespace(Host()) and bool(mine >> _CAP_SYS_ADMIN & 1)


def conntrack_full(host: Host) -> bool:
    """Return whether this network namespace's connection table is as good as full."""
    maximum = host.number("/proc/sys/net/netfilter/nf_conntrack_max")
    used = host.number("/proc/sys/net/netfilter/nf_conntrack_count")
    return bool(maximum) and used is not None and used >= _NEARLY_FULL * (maximum or 0)


def percentiles(microseconds: t.Sequence[int]) -> t.Dict[str, t.Optional[int]]:
    """Return the median and the 99th percentile, None of nothing."""
    found = sorted(microseconds)
    if not found:
        return {"p50": None, "p99": None}
    return {"p50": found[len(found) // 2], "p99": found[min(len(found) - 1, len(found) * 99 // 100)]}
