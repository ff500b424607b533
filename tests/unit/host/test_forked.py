# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from ansible_collections.fourtuple.clients.plugins.module_utils.host import forked


def child(work):
    """Fork, do ``work`` there, and return the pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return pid


def told_by(work):
    """Return what ``work`` in a child returns, as text."""
    reading, writing = os.pipe()
    pid = child(lambda: os.write(writing, str(work()).encode()) and os._exit(0))
    os.close(writing)
    with open(reading) as stream:
        text = stream.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return text


def read(path):
    with open(path) as stream:
        return stream.read().strip()


def gone(pid):
    try:
        return read("/proc/%d/stat" % pid).rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition, seconds=10):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_its_name_is_shown():
    assert told_by(lambda: (forked.name("fourtuple-probe"), read("/proc/self/comm"))[1]) == "fourtuple-probe"
    # TASK_COMM_LEN cuts what is longer.
    assert told_by(lambda: (forked.name("a" * 20), read("/proc/self/comm"))[1]) == "a" * 15


def test_it_is_killed_first():
    assert told_by(lambda: (forked.be_killed_first(), read("/proc/self/oom_score_adj"))[1]) == "1000"


def test_nothing_but_what_is_kept_stays_open():
    kept, other = os.open("/", os.O_RDONLY), os.pipe()
    answer, writing = os.pipe()

    def work():
        forked.let_go(keep=(kept, writing))
        os.write(writing, b"\n".join(os.readlink(b"/proc/self/fd/%d" % n) for n in range(3)))
        # One of the listing itself.
        os.write(writing, b"\n%d" % (len(os.listdir("/proc/self/fd")) - 1))
        os.fstat(kept)
        os._exit(0)

    pid = child(work)
    for number in (kept, writing, *other):
        os.close(number)
    with open(answer) as stream:
        assert stream.read().split() == ["/dev/null"] * 3 + ["5"]
    assert os.waitpid(pid, 0)[1] == 0


def test_it_dies_with_its_parent():
    script = (
        "import os, sys, time\n"
        "from ansible_collections.fourtuple.clients.plugins.module_utils.host import forked\n"
        "parent = os.getpid()\n"
        "if os.fork() == 0:\n"
        "    print(os.getpid(), forked.die_with(parent), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    ) as parent:
        pid, lives = parent.stdout.readline().split()
        assert lives == "True"
        assert not gone(int(pid))
        parent.send_signal(signal.SIGKILL)
    until(lambda: gone(int(pid)))


def test_it_is_told_that_its_parent_died_before():
    assert told_by(lambda: forked.die_with(os.getppid())) == "True"
    assert told_by(lambda: forked.die_with(2**22)) == "False"
