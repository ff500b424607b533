# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import worker_handle


def test_what_is_left_of_a_share():
    worker = worker_handle.WorkerHandle(0, None, 70)
    worker.given = 30
    assert worker.left == 40
    worker.full = True
    assert worker.left == 0


def test_one_that_is_no_child_any_more():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    worker = worker_handle.WorkerHandle(pid, None, 70)
    error = OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    assert "with 0 connections open (Broken pipe). Look" in str(worker_handle.lost(worker, error))
