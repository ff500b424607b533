# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ties a probe to its play, with real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

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


PROGRESS = {
    "phase": "connecting",
    "established": 587264,
    "target": 1000000,
    "per_second": 28901,
    "memory_left": 17268419789,
    "seconds_left": 280,
    "processes": 30,
}
SHOWN = "client1: connecting, 587,264 of 1,000,000 established, 28,901 per second, 17.3 GB of memory left, 280 s left"


def test_progress_is_one_line() -> None:
    assert connection_probe.line("client1", PROGRESS) == SHOWN
    assert "memory" not in connection_probe.line("client1", {**PROGRESS, "memory_left": None})


class Connection:
    """Answers as a connection plugin does, and says when it has been asked for the last time."""

    def __init__(self, answers: list[tuple[int, bytes, bytes]], over: threading.Event) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.over = over

    def exec_command(self, command: str, in_data: bytes | None, sudoable: bool) -> tuple[int, bytes, bytes]:
        self.asked.append(command)
        if not self.answers:
            self.over.set()
            return 1, b"", b"gone"
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "shown", "asked"),
    [
        ([(1, b"", b"no such file"), (0, json.dumps(PROGRESS).encode(), b"")], [SHOWN], 3),
        # Half of a line, or somebody else's file: nothing more is shown.
        ([(0, b'{"phase', b"")], [], 1),
        ([(0, b"{}", b"")], [], 1),
    ],
)
def test_progress_is_shown_until_the_probe_is_over(
    monkeypatch: pytest.MonkeyPatch, answers: list[tuple[int, bytes, bytes]], shown: list[str], asked: int
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(connection_probe.Display, "display", lambda _self, text: lines.append(text))
    over = threading.Event()
    connection = Connection(answers, over)
    connection_probe.watch(connection, "/run/a file", "client1", 0.01, over)
    assert lines == shown
    assert connection.asked == ["cat '/run/a file'"] * asked
