# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nofile limits a session gets, by a real one: libpam with pam_limits in a process of its own."""

from __future__ import annotations

import ctypes
import glob
import json
import os
import resource
import typing as t

from oracles import oracle

_SERVICE = "fourtuple-differential"
_SUCCESS = 0

_libpam = ctypes.CDLL("libpam.so.0")

_PASSWD = {"root": (0, 0), "alice": (1000, 1000), "bob": (1001, 50), "carol": (2000, 2000)}
_GROUP = {
    "root": (0, ""),
    "alice": (1000, ""),
    "staff": (50, "alice"),
    "carol": (2000, ""),
    "wheel": (60, "root,carol"),
}
_ACCOUNTS = {
    "/etc/passwd": "".join("%s:x:%d:%d::/:/bin/sh\n" % (name, *ids) for name, ids in _PASSWD.items()),
    "/etc/group": "".join("%s:x:%d:%s\n" % (name, *rest) for name, rest in _GROUP.items()),
}

#: What a session starts with, and the servers that our own code takes it from; as much as the hosts may have.
_INHERITED = (4000, 20000)
_LIMITS = "Max open files            %d                 %d                files\n" % _INHERITED
_SERVER = {"/proc/%d/limits" % pid: _LIMITS for pid in (200, 201, 202)}
_SERVER.update({"/proc/200/comm": "sshd\n", "/proc/201/comm": "agetty\n", "/proc/202/comm": "cron\n"})

#: What comes with each tree, mounted over the host's own.
_STAND_INS = ("/proc/1/limits", "/proc/sys/fs/nr_open")
_STAND_IN_DIRECTORY = "/run/differential"


class _Conversation(ctypes.Structure):
    _fields_ = [("function", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def answer(given: dict[str, t.Any]) -> oracle.Answers:
    """Return soft and hard limit of a session of each user, 0 and 0 for a session that is refused."""
    stand_in(given)
    return {user: session(_SERVICE, user) for user in _PASSWD}


def stand_in(given: dict[str, t.Any]) -> None:
    """Let this process, and those that it starts, see what comes with a tree."""
    for path, text in given["stand_ins"].items():
        oracle.put(_STAND_IN_DIRECTORY + path, text)


def session(service: str, user: str) -> list[int]:
    """Return soft and hard limit of a session, 0 and 0 for one that is refused."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, _INHERITED)
            handle, conversation = ctypes.c_void_p(), _Conversation()
            started = _libpam.pam_start(
                service.encode(), user.encode(), ctypes.byref(conversation), ctypes.byref(handle)
            )
            opened = _libpam.pam_open_session(handle, 0)
            limits = resource.getrlimit(resource.RLIMIT_NOFILE) if (started, opened) == (_SUCCESS, _SUCCESS) else (0, 0)
            # The limit itself may be so low that nothing can be opened; what is open stays so.
            os.write(writer, json.dumps(limits).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        return json.loads(os.read(reader, 4096))
    finally:
        os.close(reader)
        os.waitpid(pid, 0)


def prepare() -> dict[str, str]:
    """Put the stand-ins over what this process sees, and return the files that our own code has to see, too."""
    for path, text in {**_ACCOUNTS, **dict.fromkeys(_STAND_INS, "")}.items():
        oracle.put(_STAND_IN_DIRECTORY + path, text)
        oracle.bind(_STAND_IN_DIRECTORY + path, path)
    found = {**_ACCOUNTS, **_SERVER}
    libraries = [*glob.glob("/usr/lib/*/security/pam_limits.so"), *glob.glob("/usr/lib/*/libpam.so.0")]
    for path in ("/usr/lib/os-release", "/proc/1/status", *libraries):
        with open(path, "rb") as stream:
            found[path] = stream.read().decode("latin-1")
    return found


if __name__ == "__main__":
    oracle.leave_mounts()
    base = prepare()
    oracle.put("/etc/pam.d/" + _SERVICE, "session required pam_limits.so\n")
    for path in ["/etc/security/limits.conf", *glob.glob("/etc/security/limits.d/*")]:
        os.unlink(path)
    oracle.serve(base, answer)
