# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a sink from outside: its state file, whether its processes live, and what they have counted."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import mmap
import os
import tempfile
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: Below /run, which a boot empties.
DIRECTORY = "/run/fourtuple"

#: What each process of a sink counts, in this order, as numbers of 64 bits.
COUNTERS = ("accepted", "handshakes", "echoed", "closed", "dropped", "nofile", "file_max", "memory", "epoll_watches")
(
    ACCEPTED,
    HANDSHAKES,
    ECHOED,
    CLOSED,
    DROPPED,
    NOFILE,
    FILE_MAX,
    MEMORY,
    EPOLL_WATCHES,
) = range(len(COUNTERS))
#: Those that say what a sink ran out of, under the constraint's name in the ceiling model.
EXHAUSTED = ("nofile", "file_max", "memory", "epoll_watches")

#: A line of the cache (128 bytes) for each process, so that counting does not slow the neighbour down.
_NUMBERS_OF_A_ROW = 16
#: The first row is the supervisor's.
_PAUSED, _LOST = 0, 1

Counters = t.Any  #: a memoryview of 64-bit numbers, which typeshed cannot say


class Board:
    """The counters of a sink's processes, in a file without a name: the last process takes it along.

    It is shared memory for those who are forked. Others read it as /proc/PID/fd/NUMBER, so that nobody has to write
    it out once a second.
    """

    def __init__(self, directory: str, processes: int) -> None:
        self._stream = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 it stays open as long as the process
        size = 8 * _NUMBERS_OF_A_ROW * (1 + processes)
        self._stream.truncate(size)
        self._words = memoryview(mmap.mmap(self._stream.fileno(), size)).cast("Q")

    def fileno(self) -> int:
        return self._stream.fileno()

    def row(self, process: int) -> Counters:
        """Return the counters of one process, numbered from 0."""
        return self._words[_NUMBERS_OF_A_ROW * (1 + process) : _NUMBERS_OF_A_ROW * (2 + process)]

    @property
    def paused(self) -> bool:
        """Whether nothing more is to be accepted, for want of memory."""
        return bool(self._words[_PAUSED])

    @paused.setter
    def paused(self, value: bool) -> None:
        self._words[_PAUSED] = int(value)

    def lose(self) -> None:
        """Count a process that ended although nobody wanted it to."""
        self._words[_LOST] += 1


def read_board(data: bytes) -> t.Dict[str, t.Any]:
    """Return the sums of what a board's file holds, as a sink's statistics."""
    words = memoryview(data[: len(data) // 8 * 8]).cast("Q")
    sums = {
        name: sum(words[_NUMBERS_OF_A_ROW + index :: _NUMBERS_OF_A_ROW]) if len(words) > _NUMBERS_OF_A_ROW else 0
        for index, name in enumerate(COUNTERS)
    }
    exhausted = {name: sums.pop(name) for name in EXHAUSTED}
    if not all(words[_NUMBERS_OF_A_ROW + NOFILE :: _NUMBERS_OF_A_ROW]):
        # One process that is full is nothing to tell of while another is not.
        exhausted["nofile"] = 0
    return {
        **sums,
        "exhausted": {name: number for name, number in exhausted.items() if number},
        "lost_processes": words[_LOST] if len(words) > _LOST else 0,
    }


def parse_stat(text: str) -> t.Optional[t.Tuple[int, str]]:
    """Return (start time, state) from the text of /proc/PID/stat, None where it is none.

    The second field is the program's name, which may hold anything: the last parenthesis ends it (proc_pid_stat(5)).
    """
    fields = text.rpartition(")")[2].split()
    start = decimal(fields[19]) if len(fields) > 19 else None
    return None if start is None else (start, fields[0])


def start_time(pid: int) -> t.Optional[int]:
    """Return when a process started, in clock ticks since boot; None where there is none, or only its corpse."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            found = parse_stat(stream.read())
    except (FileNotFoundError, ProcessLookupError):
        return None
    # In a container whose first process collects nobody a zombie stays for ever.
    return None if found is None or found[1] in "ZX" else found[0]


class Place(t.NamedTuple):
    """Where a sink runs: the boot, and the inodes of its network namespace and of the one that its pids are of."""

    boot: str
    network: int
    processes: int


def here() -> Place:
    """Return the place of the process that asks."""
    boot = ""
    # A sandbox may hide it; start times then have to do.
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    return Place(boot, namespace("self", "net"), namespace("self", "pid"))


def namespace(process: t.Union[int, str], kind: str) -> int:
    """Return the number of a process's namespace (namespaces(7)); 0 where it cannot be seen."""
    with contextlib.suppress(OSError):
        return os.stat("/proc/%s/ns/%s" % (process, kind)).st_ino
    return 0


class State(t.NamedTuple):
    """A state file's content; a process is known by its pid and start time, for pids are used again."""

    pid: int
    start: int
    workers: t.List[t.Tuple[int, int]]
    options: t.Dict[str, t.Any]
    since: int
    board: int
    details: t.Dict[str, t.Any]
    place: Place

    @property
    def visible(self) -> bool:
        """Whether its pids are those of this boot, and of this PID namespace."""
        now = here()
        return (self.place.boot, self.place.processes) == (now.boot, now.processes)

    @property
    def alive(self) -> bool:
        """Whether its first process lives, without which the others do not: sink_check tells whether it serves."""
        return self.visible and start_time(self.pid) == self.start

    @property
    def gone(self) -> bool:
        """Whether none of its processes is left that could be seen."""
        processes = [(self.pid, self.start), *self.workers]
        return not self.visible or all(start_time(pid) != start for pid, start in processes)

    def statistics(self) -> t.Dict[str, t.Any]:
        """Return what the sink has counted; zeros where it ends this very moment."""
        data = b""
        with contextlib.suppress(OSError), open("/proc/%d/fd/%d" % (self.pid, self.board), "rb") as stream:
            data = stream.read()
        return read_board(data)


def path_of(directory: str, name: str) -> str:
    """Return where a sink of this network namespace is written down: a name is one's own in each of them."""
    return os.path.join(directory, "sink-%s.%d.json" % (name, here().network))


def read_state(directory: str, name: str) -> t.Optional[State]:
    """Return what the state file says, None where there is none or it was not written by us."""
    try:
        return _read(path_of(directory, name))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(path: str) -> State:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return parse_state(stream.read())


def remove_stale(directory: str) -> None:
    """Remove what killed sinks have left in other network namespaces, which may never be asked for again."""
    for path in glob.glob(os.path.join(glob.escape(directory), "sink-*.json")):
        with contextlib.suppress(OSError):
            state = _read(path)
            # Of those of another PID namespace nothing is known, unless they are of another boot; nor of what another
            # version has written.
            if state.pid and state.gone and (state.visible or state.place.boot != here().boot):
                os.unlink(path)


def parse_state(text: str) -> State:
    """Return what a state file's text says; nothing that is alive where it was not written by us."""
    try:
        found = json.loads(text)
        numbers = [int(found[key]) for key in ("pid", "start", "since", "board")]
        workers = [(int(pid), int(start)) for pid, start in found["workers"]]
        options, details = dict(found["options"]), dict(found["details"])
        details["listeners"] = [(int(number), int(inode)) for number, inode in details.get("listeners", [])]
        details["queues"] = [int(number) for number in details.get("queues", [])]
        boot, network, of_processes = found["place"]
        place = Place(str(boot), int(network), int(of_processes))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return _UNKNOWN
    return State(numbers[0], numbers[1], workers, options, numbers[2], numbers[3], details, place)


#: Stands for a file that says nothing: no process has the pid 0.
_UNKNOWN = State(0, -1, [], {}, 0, -1, {}, Place("", 0, 0))


def write_state(directory: str, name: str, state: State) -> None:
    """Write the state file; a reader sees all of it or nothing. It lies in memory, so nothing is synced."""
    target = path_of(directory, name)
    temporary = target + ".new"
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(state._asdict(), stream)
    os.rename(temporary, target)


def remove_state(directory: str, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(directory, name))


def remove_directory(directory: str) -> None:
    """Remove the directory if nothing is in it; whoever starts or stops a sink at this moment does that himself."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rmdir(directory)
        finally:
            os.close(handle)


@contextlib.contextmanager
def lock(directory: str) -> t.Iterator[None]:
    """Let one after the other start and stop sinks. The directory itself is locked: no file is left behind."""
    handle = _locked(directory)
    try:
        yield
    finally:
        # Where no sink is left nothing is; nobody else makes one meanwhile.
        with contextlib.suppress(OSError):
            os.rmdir(directory)
        os.close(handle)


def _locked(directory: str) -> int:
    """Return a descriptor of the directory, locked, and still the one that its path leads to."""
    while True:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        try:
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            # Whoever held the lock has just removed it with the last sink.
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(handle), os.stat(directory)):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
