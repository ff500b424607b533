# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process that hands out the work knows of each of the others, and says of one that is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import ProbeFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece


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


def lost(worker: WorkerHandle, error: t.Optional[OSError]) -> ProbeFailed:
    """Wait for a worker that is lost; return what to raise. error: what its channel said, None for its end"""
    why = "" if error is None else " (%s)" % error.strerror
    with contextlib.suppress(ChildProcessError):
        _pid, status = os.waitpid(worker.pid, 0)
        if os.WIFSIGNALED(status):
            why = ", killed by %s" % signal.Signals(os.WTERMSIG(status)).name
    return ProbeFailed(
        "A process of the probe ended with %d connections open%s. Look into the kernel's log for the reason, such as "
        "memory that ran out." % (worker.opened, why)
    )
