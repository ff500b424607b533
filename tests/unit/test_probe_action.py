# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ties a probe to its play, with real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

from ansible_collections.fourtuple.clients.plugins.action import connection_probe

# A play that forks a worker, which like ansible-core's has a session of its own, and tells its pid.
PLAY = """
import os, sys, time
sys.path[:0] = %r
from %s import end_with_the_play
if os.fork() == 0:
    os.setsid()
    end_with_the_play()
    print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_worker_is_terminated_when_its_play_is_killed() -> None:
    script = PLAY % (sys.path, connection_probe.__name__)
    play = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert play.stdout is not None
    worker = int(play.stdout.readline())
    try:
        os.kill(play.pid, signal.SIGKILL)
        play.wait()
        # The pipe ends with the last process that has it.
        began = time.monotonic()
        assert play.stdout.read() == ""
        assert time.monotonic() - began < 30
    finally:
        play.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
