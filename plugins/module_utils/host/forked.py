# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process that is forked for many connections does to itself, so that it harms nobody and outlives nobody."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import typing as t

#: include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15

#: Loaded now: below a deleted module directory nothing can be.
_LIBC = ctypes.CDLL(None, use_errno=True)


def name(text: str) -> None:
    """Be shown by this name, of at most 15 bytes, in /proc/PID/comm and by ps(1)."""
    _LIBC.prctl(_PR_SET_NAME, text.encode(), 0, 0, 0)


def die_with(parent: int) -> bool:
    """Be killed when the process ``parent``, which forked this one, ends; return whether it still lives.

    A change of the user ids undoes it (prctl(2), PR_SET_PDEATHSIG): to be called after that.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # It may have died before the kernel was told.
    return os.getppid() == parent


def be_killed_first() -> None:
    """Be the first that the kernel ends when memory runs out (proc_pid_oom_score_adj(5))."""
    with contextlib.suppress(OSError):
        # Without the layers of open(), which a process among hundreds would have to itself.
        handle = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, b"1000")
        finally:
            os.close(handle)


def let_go(keep: t.Container[int]) -> None:
    """Close every descriptor but the first three, which become /dev/null, and those in ``keep``.

    Whoever started the process may wait for the end of its pipes.
    """
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2 and int(entry) not in keep:
            # The listing's own descriptor is closed by now.
            with contextlib.suppress(OSError):
                os.close(int(entry))
