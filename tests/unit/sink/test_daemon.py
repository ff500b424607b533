# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import control, daemon, records
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.daemon import SinkFailed


class Counting(daemon.Service):
    """Counts, as fast as it can be seen; it opens nothing."""

    interval = 0.05
    processes = 3

    def open(self):
        return {"processes": 3}

    def work(self, index, board):
        while True:
            board.row(index)[records.ACCEPTED] += 1
            time.sleep(0.01)

    def watch(self, board):
        board.paused = True


class Failing(Counting):
    def __init__(self, error):
        self.error = error

    def open(self):
        raise self.error


class FakeRequest:
    name = "a"
    prefix = None
    endpoints = ()

    def __init__(self, lifetime=60, service=Counting):
        self.lifetime = lifetime
        self.service = service

    def options(self):
        return {"mode": "accept", "listen": [], "lifetime": self.lifetime}


@pytest.fixture
def folder(tmp_path):
    yield str(tmp_path)
    for name in ("a", "b"):
        control.stopped(name, str(tmp_path), False)


def until(condition, seconds=10):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_from_start_to_stop(folder):
    predicted = control.started(FakeRequest(), folder, True)
    assert (predicted["changed"], predicted["running"], predicted["pid"]) == (True, True, None)
    assert os.listdir(folder) == []

    first = control.started(FakeRequest(), folder, False)
    assert (first["changed"], first["running"], first["processes"]) == (True, True, 3)
    assert os.listdir(folder) == ["sink-a.%d.json" % records.here().network]
    state = records.read_state(folder, "a")
    assert state.pid == first["pid"] != os.getpid()
    assert os.getsid(state.pid) != os.getsid(0)
    # What it had of its parent it has let go: three times /dev/null, the board, and its memory.
    links = [os.readlink("/proc/%d/fd/%s" % (state.pid, entry)) for entry in os.listdir("/proc/%d/fd" % state.pid)]
    assert links.count("/dev/null") == 3
    assert sorted(link for link in links if link != "/dev/null" and not link.startswith(folder)) == []
    for pid, _start in [(state.pid, 0), *state.workers]:
        with open("/proc/%d/oom_score_adj" % pid) as stream:
            assert stream.read().strip() == "1000"
        with open("/proc/%d/comm" % pid) as stream:
            assert stream.read().strip() == "fourtuple-sink"

    for check in (True, False):
        again = control.started(FakeRequest(), folder, check)
        assert (again["changed"], again["pid"], again["since"]) == (False, first["pid"], first["since"])
    until(lambda: control.started(FakeRequest(), folder, True)["statistics"]["accepted"] > 10)

    other = control.started(FakeRequest(70), folder, True)
    assert (other["changed"], other["lifetime"], state.alive) == (True, 70, True)
    other = control.started(FakeRequest(70), folder, False)
    assert (other["changed"], other["lifetime"], state.gone) == (True, 70, True)
    assert other["pid"] != first["pid"]

    assert control.stopped("a", folder, True)["changed"] is True
    running = records.read_state(folder, "a")
    assert running.alive
    stopped = control.stopped("a", folder, False)
    assert (stopped["changed"], stopped["running"], stopped["pid"], stopped["mode"]) == (True, False, None, "accept")
    assert running.gone
    assert not os.path.exists(folder)
    for check in (True, False):
        assert control.stopped("a", folder, check)["changed"] is False


def test_killed_it_leaves_a_file_that_is_known_to_be_stale(folder):
    control.started(FakeRequest(), folder, False)
    state = records.read_state(folder, "a")
    os.kill(state.pid, signal.SIGKILL)
    until(lambda: state.gone)
    assert os.listdir(folder) == ["sink-a.%d.json" % records.here().network]
    predicted = control.started(FakeRequest(), folder, True)
    assert predicted["changed"] is True
    again = control.started(FakeRequest(), folder, False)
    assert again["changed"] is True
    assert again["pid"] != state.pid
    os.kill(again["pid"], signal.SIGKILL)
    stopped = control.stopped("a", folder, False)
    assert (stopped["changed"], stopped["running"]) == (True, False)
    assert not os.path.exists(folder)


def test_another_process_that_has_its_pid_is_left_alone(folder):
    me = records.State(os.getpid(), 1, [], {"mode": "accept"}, 1, 0, {}, records.here())
    records.write_state(folder, "a", me)
    assert control.stopped("a", folder, False)["running"] is False
    assert not os.path.exists(folder)


def test_its_lifetime_ends_it_and_can_begin_anew(folder):
    control.started(FakeRequest(1), folder, False)
    state = records.read_state(folder, "a")
    ends = time.monotonic() + 2.5
    while time.monotonic() < ends:
        time.sleep(0.2)
        assert control.started(FakeRequest(1), folder, False)["changed"] is False
    until(lambda: state.gone and not os.path.exists(folder))
    assert control.stopped("a", folder, False)["changed"] is False


@pytest.mark.parametrize(
    ("error", "words"), [(OSError("no room"), "no room"), (RuntimeError("a bug"), "Traceback.*a bug")]
)
def test_what_goes_wrong_at_the_start_is_told(folder, error, words):
    with pytest.raises(SinkFailed, match="(?s)" + words):
        control.started(FakeRequest(service=lambda: Failing(error)), folder, False)
    assert not os.path.exists(folder)


def test_a_process_that_is_lost_is_counted(folder):
    control.started(FakeRequest(), folder, False)
    os.kill(records.read_state(folder, "a").workers[1][0], signal.SIGKILL)
    until(lambda: control.started(FakeRequest(), folder, True)["statistics"]["lost_processes"] == 1)
    state = records.read_state(folder, "a")
    # The last one's end is the sink's.
    for pid, _start in state.workers:
        if records.start_time(pid):
            os.kill(pid, signal.SIGKILL)
    until(lambda: state.gone and not os.path.exists(folder))


def test_one_that_does_not_serve_when_it_has_started_is_stopped(folder):
    class Listening(FakeRequest):
        def options(self):
            return {**super().options(), "listen": ["127.0.0.1:7000"]}

    words = "The sink a was started and does not serve: its record names 0 sockets for 1 addresses"
    with pytest.raises(SinkFailed, match=words):
        control.started(Listening(), folder, False)
    assert not os.path.exists(folder)


def test_what_does_not_end_is_killed(folder, monkeypatch):
    control.started(FakeRequest(), folder, False)
    state = records.read_state(folder, "a")
    os.kill(state.pid, signal.SIGSTOP)
    monkeypatch.setattr(daemon, "_END_SECONDS", 0.2)
    with pytest.raises(SinkFailed, match="did not end within"):
        control.stopped("a", folder, False)
    until(lambda: state.gone)


def test_patience_at_the_start_ends(folder, monkeypatch):
    class Slow(Counting):
        def open(self):
            time.sleep(1.5)
            return super().open()

    monkeypatch.setattr(daemon, "_START_SECONDS", 0.2)
    with pytest.raises(SinkFailed, match="did not start within"):
        control.started(FakeRequest(service=Slow), folder, False)
    time.sleep(2)
    assert not os.path.exists(folder)
