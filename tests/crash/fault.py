# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a sandbox and be asked, by the kernel, about each system call of it that changes something.

fault.py PID COMMAND                    let all of them pass
fault.py PID COMMAND NUMBER kill        at the call of this number, end every process of the command instead
fault.py PID COMMAND NUMBER torn        the same, with half of what write(2) was to write
fault.py PID COMMAND NUMBER ERRNO       let that one call fail, with an error such as ENOSPC, and the rest pass
fault.py PID COMMAND NUMBER held        stop itself (SIGSTOP), which keeps the command there until it is continued

Prints JSON: {"status": of the command, "output": what it printed, "calls": [{"call", "path", "to" or "data"}]}, from 1.

seccomp_unotify(2) and not `strace --inject`: strace counts the calls of each process by itself and kills the one that
makes the call, whereas a host that dies takes the module and its `ip` at once. The call waits for the answer before it
has any effect, children inherit the filter, and all calls that change nothing run at native speed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import platform
import select
import signal
import stat
import struct
import sys
import typing as t

ENTER = pathlib.Path(__file__).parents[1] / "sandbox/enter"

#: The number of each call on x86_64 and, from the kernel's asm-generic/unistd.h, on aarch64. The latter has none of the
#: old ones that take no directory.
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    "openat": (257, 56),
    "open": (2, None),
    "creat": (85, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "utimensat": (280, 88),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "mount": (165, 40),
    "flock": (73, 32),
}
_MACHINES = ["x86_64", "aarch64"]
CALLS = {
    numbers[_MACHINES.index(platform.machine())]: name
    for name, numbers in _NUMBERS.items()
    if numbers[_MACHINES.index(platform.machine())] is not None
}

#: Which argument holds what: a path (after its directory's descriptor), or a descriptor.
_PATH = {"open": 0, "creat": 0, "truncate": 0, "unlink": 0, "rmdir": 0, "mkdir": 0, "mknod": 0, "chmod": 0}
_PATH |= {"chown": 0, "lchown": 0, "setxattr": 0, "lsetxattr": 0, "rename": 0, "link": 0, "symlink": 1, "mount": 1}
_AT = {"openat": 0, "unlinkat": 0, "mkdirat": 0, "mknodat": 0, "fchmodat": 0, "fchmodat2": 0, "fchownat": 0}
_AT |= {"utimensat": 0, "renameat": 0, "renameat2": 0, "linkat": 0, "symlinkat": 1}
_TO = {"rename": 1, "link": 1}
_TO_AT = {"renameat": 2, "renameat2": 2, "linkat": 2}
_AT_FDCWD = -100

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

#: include/uapi/linux/seccomp.h, filter.h, audit.h; asm-generic/unistd.h
_SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_RECEIVE = 3 << 30 | _NOTIFICATION.size << 16 | ord("!") << 8
_SEND = 3 << 30 | _RESPONSE.size << 16 | ord("!") << 8 | 1
_CONTINUE = 1
_CLONE_NEWNS = 0x20000

_LIBC = ctypes.CDLL(None, use_errno=True)


class Call(t.NamedTuple):
    """A system call that waits: of the process ``pid``, with its arguments."""

    number: int
    pid: int
    name: str
    arguments: tuple[int, ...]


def system_filter() -> bytes:
    """Return the BPF program: each of CALLS is asked about, openat(2) and open(2) only where they write."""
    code = [(_LOAD, 0, 0, 0)]
    for number, name in CALLS.items():
        flags = {"openat": 2, "open": 1}.get(name)
        if flags is None:
            code += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
        else:
            code += [(_JUMP_EQUAL, 0, 4, number), (_LOAD, 0, 0, 16 + 8 * flags), (_JUMP_SET, 0, 1, _WRITING)]
            code += [(_RETURN, 0, 0, _NOTIFY), (_RETURN, 0, 0, _ALLOW)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def call(number: int, *arguments: t.Any) -> int:
    result = int(_LIBC.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def start(command: list[str]) -> tuple[int, int, int]:
    """Start ``command`` behind the filter; return its number, the kernel's questions, and its output."""
    output, printed = os.pipe()
    go, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            code = ctypes.create_string_buffer(system_filter())
            program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(code)))
            os.close(ready)
            call(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, program)
            # The listener is closed by exec: wait until the other side has its own.
            os.read(go, 1)
            os.execv(command[0], command)  # noqa: S606
        finally:
            os._exit(127)
    os.close(printed)
    os.close(go)
    handle = call(_PIDFD_OPEN, child, 0)
    listener = None
    while listener is None:
        for name in os.listdir("/proc/%d/fd" % child):
            # A descriptor of before may be closed by now.
            with contextlib.suppress(FileNotFoundError):
                if os.readlink("/proc/%d/fd/%s" % (child, name)) == "anon_inode:seccomp notify":
                    listener = call(_PIDFD_GETFD, handle, int(name), 0)
    os.close(ready)
    return child, listener, output


class Host:
    """The sandbox as its processes see it: a path of theirs is one of ours from now on."""

    def __init__(self, pid: int) -> None:
        # /proc as from outside, where the kernel's question names processes.
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        namespace = os.open("/proc/%d/ns/mnt" % pid, os.O_RDONLY)
        root = os.open("/proc/%d/root/mnt/root" % pid, os.O_RDONLY | os.O_DIRECTORY)
        if _LIBC.setns(namespace, _CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
        os.fchdir(root)
        os.chroot(".")

    def memory(self, pid: int, address: int, length: int) -> bytes:
        handle = os.open("%d/mem" % pid, os.O_RDONLY, dir_fd=self.proc)
        try:
            return os.pread(handle, length, address)
        finally:
            os.close(handle)

    def text(self, pid: int, address: int) -> str:
        # To the end of the page at first: the next one may not be there.
        found = self.memory(pid, address, 4096 - address % 4096)
        if b"\0" not in found:
            found += self.memory(pid, address + len(found), 4096)
        return os.fsdecode(found.split(b"\0")[0])

    def descriptor(self, pid: int, number: int) -> str:
        return os.readlink("%d/fd/%d" % (pid, number), dir_fd=self.proc)

    def path(self, pid: int, directory: int, address: int) -> str:
        name = self.text(pid, address)
        if name.startswith("/"):
            return os.path.normpath(name)
        number = ctypes.c_int(directory).value
        place = os.readlink("%d/cwd" % pid, dir_fd=self.proc) if number == _AT_FDCWD else self.descriptor(pid, number)
        return os.path.normpath(os.path.join(place, name))

    def describe(self, asked: Call) -> dict[str, str] | None:
        """Return the call in words, or None for one that changes nothing: output, a question to the kernel."""
        name, pid, arguments = asked.name, asked.pid, asked.arguments
        told = {"call": name}
        if name in ("sendto", "sendmsg"):
            return told | {"path": "netlink"} if self._changes_network(asked) else None
        if name in _PATH:
            told["path"] = self.path(pid, _AT_FDCWD, arguments[_PATH[name]])
        elif name in _AT:
            told["path"] = self.path(pid, arguments[_AT[name]], arguments[_AT[name] + 1])
        else:
            told["path"] = self.descriptor(pid, arguments[0])
            if not told["path"].startswith("/") or told["path"].startswith("/dev/"):
                return None
            if name == "write":
                told["data"] = self.memory(pid, arguments[1], arguments[2]).decode("utf-8", "backslashreplace")
        if name in _TO:
            told["to"] = self.path(pid, _AT_FDCWD, arguments[_TO[name]])
        elif name in _TO_AT:
            told["to"] = self.path(pid, arguments[_TO_AT[name]], arguments[_TO_AT[name] + 1])
        return None if told["path"].startswith("/dev/") else told

    def _changes_network(self, asked: Call) -> bool:
        """Tell rtnetlink(7)'s NEW, DEL and SET from its GET: the type's last two bits."""
        address = asked.arguments[1]
        if asked.name == "sendmsg":
            vector = struct.unpack_from("@P", self.memory(asked.pid, address, 24), 16)[0]
            address = struct.unpack("@P", self.memory(asked.pid, vector, 8))[0]
        header = self.memory(asked.pid, address, 16)
        length, kind = struct.unpack_from("=IH", header)
        return bool(length >= 16 and 16 <= kind < 128 and kind % 4 != 2)

    def write_half(self, asked: Call) -> None:
        """Write half of what was to be written to a file, and for a key, which the kernel takes whole, nothing."""
        if asked.name != "write" or self.descriptor(asked.pid, asked.arguments[0]).startswith("/proc/"):
            return
        data = self.memory(asked.pid, asked.arguments[1], asked.arguments[2])
        handle = call(_PIDFD_GETFD, call(_PIDFD_OPEN, asked.pid, 0), asked.arguments[0], 0)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.write(handle, data[: len(data) // 2])

    def end(self, pid: int) -> None:
        """Kill a process and all its descendants, parents first, so that none sees another's end."""
        tree = [pid]
        for parent in tree:
            for task in os.listdir(os.open("%d/task" % parent, os.O_RDONLY, dir_fd=self.proc)):
                children = os.open("%d/task/%s/children" % (parent, task), os.O_RDONLY, dir_fd=self.proc)
                tree += map(int, os.read(children, 65536).split())
        for process in tree:
            os.kill(process, signal.SIGKILL)


def next_call(listener: int) -> Call | None:
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        # Its process was killed, or all are gone.
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    number, pid, _flags, call_number, _machine, _pointer, *arguments = _NOTIFICATION.unpack(buffer)
    return Call(number, pid, CALLS[call_number], tuple(arguments))


def answer(listener: int, asked: Call, error: int = 0) -> None:
    try:
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(asked.number, 0, -error, 0 if error else _CONTINUE))
    except OSError as problem:
        if problem.errno != errno.ENOENT:
            raise


class Supervisor:
    """Answers the kernel's questions; at the call of ``number`` it lets ``fault`` happen, 0 being none."""

    def __init__(self, pid: int, command: str, number: int, fault: str) -> None:
        self.child, self.listener, self.output = start([str(ENTER), str(pid), command])
        self.host = Host(pid)
        self.number = number
        self.fault = fault
        self.calls: list[dict[str, str]] = []
        self.printed = bytearray()

    def run(self) -> dict[str, t.Any]:
        """Supervise until all of the command's processes are gone."""
        poll = select.poll()
        handlers = {self.listener: self.question, self.output: self.read}
        for handle in handlers:
            poll.register(handle, select.POLLIN)
        while handlers:
            for handle, event in poll.poll():
                # Hanging up, with nothing left to read.
                if not event & select.POLLIN or not handlers[handle]():
                    poll.unregister(handle)
                    del handlers[handle]
        status = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return {"status": status, "output": self.printed.decode(errors="replace"), "calls": self.calls}

    def read(self) -> bool:
        data = os.read(self.output, 65536)
        self.printed += data
        return bool(data)

    def question(self) -> bool:
        asked = next_call(self.listener)
        if asked is None:
            return True
        told = self.host.describe(asked)
        if told is not None:
            self.calls.append(told)
        if told is None or len(self.calls) != self.number:
            answer(self.listener, asked)
        elif self.fault in ("kill", "torn"):
            if self.fault == "torn":
                self.host.write_half(asked)
            self.host.end(self.child)
        elif self.fault == "held":
            os.kill(os.getpid(), signal.SIGSTOP)
            answer(self.listener, asked)
        else:
            answer(self.listener, asked, getattr(errno, self.fault))
        return True


def main() -> None:
    pid, command, number, fault = [*sys.argv[1:], "0", ""][:4]
    json.dump(Supervisor(int(pid), command, int(number), fault).run(), sys.__stdout__)


if __name__ == "__main__":
    main()
