# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sink's life in the background: started, kept to its time, stopped, and never outlived by what it started.

The module's process forks twice, and what is left over is the supervisor. It opens what the sink needs, forks the
processes that do the work, writes the state file, and waits. Whatever ends it, SIGKILL as well, ends its workers
(PR_SET_PDEATHSIG, prctl(2)); and with the last of them go the sockets, the tun device and its routes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import time
import traceback
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import forked
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import records
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: Seconds that a sink has to open everything: hundreds of forks.
_START_SECONDS = 60
#: Seconds that it has to end. A million sockets take 20.
_END_SECONDS = 180
#: SIGUSR1 begins the lifetime anew; SIGTERM ends the sink.
_RENEW = signal.SIGUSR1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, _RENEW)


class SinkFailed(Exception):
    """The sink could not be started or stopped; the text says why."""


class Service:
    """What a sink does, for those who inherit.

    Everything is opened before anything is forked: a failure is then the module's, not that of a process in the
    background.
    """

    #: Seconds between two calls of watch().
    interval = 60.0
    processes = 1

    def open(self) -> t.Dict[str, t.Any]:
        """Open what the workers need, and return what others shall know of it."""
        raise NotImplementedError

    def work(self, index: int, board: records.Board) -> None:
        """Do the work of one process, for ever."""
        raise NotImplementedError

    def leave(self) -> None:
        """Close in the supervisor what only the workers need."""

    def lost(self) -> None:
        """Take back in the supervisor what a worker had that ended although nobody wanted it to."""

    def watch(self, board: records.Board) -> None:
        """Look after things in the supervisor."""


def start(directory: str, name: str, options: t.Dict[str, t.Any], service: Service, lifetime: float) -> None:
    """Start a sink; return when it serves.

    raises: SinkFailed, with nothing left behind
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # The module's own end belongs to its parent: no handler, no buffer of it may run here.
        try:
            os.setsid()
            if os.fork() == 0:
                _supervise(theirs, directory, name, options, service, lifetime)
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    answer = _await(ours)
    if answer != "{}":
        raise SinkFailed(json.loads(answer)["error"] if answer else "The sink ended before it served.")


def _await(pipe: int) -> str:
    """Return what comes through the pipe until its other end is closed."""
    answer = b""
    ends = time.monotonic() + _START_SECONDS
    try:
        while select.select([pipe], [], [], max(0.0, ends - time.monotonic()))[0]:
            data = os.read(pipe, 65536)
            if not data:
                return answer.decode()
            answer += data
    finally:
        os.close(pipe)
    raise SinkFailed("The sink did not start within %d seconds." % _START_SECONDS)


def renew(state: records.State) -> None:
    """Let the lifetime begin anew."""
    _signal(state, _RENEW)


def stop(directory: str, name: str, state: records.State) -> None:
    """End a sink and wait until nothing of it is left; also after one that was killed."""
    ends = time.monotonic() + _END_SECONDS
    _signal(state, signal.SIGTERM)
    while not state.gone:
        if time.monotonic() > ends:
            _signal(state, signal.SIGKILL)
            raise SinkFailed("The sink %s (pid %d) did not end within %d seconds." % (name, state.pid, _END_SECONDS))
        time.sleep(0.02)
    records.remove_state(directory, name)


def _signal(state: records.State, number: int) -> None:
    if state.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, number)


def _supervise(
    pipe: int, directory: str, name: str, options: t.Dict[str, t.Any], service: Service, lifetime: float
) -> t.NoReturn:
    """Be the supervisor, from its first moment to its last."""
    workers: t.Dict[int, int] = {}
    try:
        _detach(keep=pipe)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        details = service.open()
        board = records.Board(directory, service.processes)
        _fork_workers(service, board, workers, pipe)
        service.leave()
        me, now = os.getpid(), int(time.time())
        started = records.start_time(me)
        if started is None:
            raise SinkFailed("/proc is that of another PID namespace: the sink could not be found there again.")
        number, place = board.fileno(), records.here()
        state = records.State(me, started, list(workers.items()), options, now, number, details, place)
        records.write_state(directory, name, state)
        os.write(pipe, b"{}")
    except BaseException as error:  # noqa: BLE001 a bug's only trace
        _end(workers)
        records.remove_state(directory, name)
        # Nobody listens any more where it took too long.
        with contextlib.suppress(OSError):
            os.write(pipe, json.dumps({"error": _words(error)}).encode())
        os._exit(1)
    os.close(pipe)
    try:
        _wait(service, board, workers, lifetime)
    finally:
        # First the processes, then the file: who finds it gone finds nothing of the sink.
        _end(workers)
        records.remove_state(directory, name)
        records.remove_directory(directory)
        os._exit(0)


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    known = (OSError, Refusal, NetlinkError, SinkFailed)
    return str(error) if isinstance(error, known) else traceback.format_exc()


def _detach(keep: int) -> None:
    """Let go of everything that the module's process had, and be the background process that it becomes."""
    forked.let_go(keep=(keep,))
    # A daemon pins no directory.
    os.chdir("/")
    os.umask(0o077)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    forked.name("fourtuple-sink")
    forked.be_killed_first()


def _fork_workers(service: Service, board: records.Board, workers: t.Dict[int, int], pipe: int) -> None:
    """Fork the workers into ``workers``, as pid and start time."""
    supervisor = os.getpid()
    # What was allocated up to here stays shared: no collector writes into it.
    gc.disable()
    gc.freeze()
    for index in range(service.processes):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(pipe)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                if forked.die_with(supervisor):
                    service.work(index, board)
            finally:
                os._exit(status)
        workers[pid] = records.start_time(pid) or 0


def _wait(service: Service, board: records.Board, workers: t.Dict[int, int], lifetime: float) -> None:
    """Wait for the end of the lifetime, a signal, or the last worker's end."""
    ends = time.monotonic() + lifetime
    looks = 0.0
    while workers:
        now = time.monotonic()
        if now >= ends:
            return
        if now >= looks:
            service.watch(board)
            looks = now + service.interval
        got = signal.sigtimedwait(_SIGNALS, max(0.0, min(ends, looks) - now))
        if got is None:
            continue
        if got.si_signo == _RENEW:
            ends = time.monotonic() + lifetime
        elif got.si_signo == signal.SIGCHLD:
            for pid in _ended():
                workers.pop(pid, None)
                board.lose()
                service.lost()
        else:
            return


def _ended() -> t.Iterator[int]:
    """Yield the children that have ended: several of them may be told by one signal."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            yield pid


def _end(workers: t.Dict[int, int]) -> None:
    """Kill the workers and wait for their end; the kernel closes their sockets."""
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in workers:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
