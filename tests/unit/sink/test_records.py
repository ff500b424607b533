# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import records


def test_a_board_is_read_by_number(tmp_path):
    board = records.Board(str(tmp_path), 3)
    assert os.listdir(tmp_path) == []
    for process in range(3):
        row = board.row(process)
        row[records.ACCEPTED] += 100 + process
        row[records.ECHOED] += 2**40
        if process != 1:
            row[records.NOFILE] += 1
    board.row(1)[records.MEMORY] += 4
    board.lose()
    assert not board.paused
    board.paused = True
    assert board.paused
    state = records.State(os.getpid(), 0, [], {}, 0, board.fileno(), {}, records.here())
    expected = {
        "accepted": 303,
        "handshakes": 0,
        "echoed": 3 * 2**40,
        "closed": 0,
        "dropped": 0,
        "exhausted": {"memory": 4},
        "lost_processes": 1,
    }
    assert state.statistics() == expected
    # All of them are full, and only now is the sink.
    board.row(1)[records.NOFILE] += 1
    assert state.statistics()["exhausted"] == {"memory": 4, "nofile": 3}


@given(st.binary(max_size=600))
def test_any_bytes_as_a_board(data):
    assert set(records.read_board(data)) >= {"accepted", "exhausted"}


def test_a_process_is_known_by_its_start():
    me = records.start_time(os.getpid())
    assert me is not None
    child = subprocess.Popen(["sleep", "60"])
    started = records.start_time(child.pid)
    assert started is not None
    assert started >= me
    child.kill()
    # Not collected yet: a zombie is no process.
    while records.start_time(child.pid) is not None:
        time.sleep(0.01)
    child.wait()
    assert records.start_time(child.pid) is None


@pytest.mark.parametrize("name", ["sh", "a b", ") Z 1", "(()"])
def test_a_program_may_have_any_name(name):
    rest = "S 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1"
    assert records.parse_stat("12 (%s) %s\n" % (name, rest)) == (4711, "S")


@given(st.text())
def test_any_text_as_stat(text):
    records.parse_stat(text)


def test_a_state_comes_back(tmp_path):
    here = records.here()
    details = {"device": "ftsink0", "listeners": [(4, 5)], "queues": [3]}
    state = records.State(os.getpid(), 5, [(7, 8)], {"listen": ["[::1]:1"]}, 9, 10, details, here)
    records.write_state(str(tmp_path), "a", state)
    assert os.listdir(tmp_path) == ["sink-a.%d.json" % here.network]
    assert records.read_state(str(tmp_path), "a") == state
    # Another process has that pid now, so this one does not live.
    assert not state.alive
    alive = state._replace(start=records.start_time(os.getpid()))
    assert alive.alive
    # Pids of another boot, or of another PID namespace, are others' here.
    for place in (here._replace(boot="another"), here._replace(processes=1)):
        assert not alive._replace(place=place).alive
        assert alive._replace(place=place).gone
    assert records.read_state(str(tmp_path), "b") is None
    records.remove_state(str(tmp_path), "a")
    records.remove_state(str(tmp_path), "a")
    assert os.listdir(tmp_path) == []


def test_what_killed_sinks_have_left_is_removed_and_nothing_else(tmp_path):
    here = records.here()
    gone = records.State(os.getpid(), 5, [], {}, 9, 10, {}, here)
    runs = gone._replace(start=records.start_time(os.getpid()))
    unseen = gone._replace(place=here._replace(processes=1))
    rebooted = unseen._replace(place=unseen.place._replace(boot="another"))
    for name, state in (("gone", gone), ("runs", runs), ("unseen", unseen), ("rebooted", rebooted)):
        records.write_state(str(tmp_path), name, state)
    (tmp_path / "sink-of-another-version.json").write_text("{}")
    (tmp_path / "other.json").write_text("{}")
    records.remove_stale(str(tmp_path))
    left = {path.name.replace(".%d" % here.network, "") for path in tmp_path.iterdir()}
    assert left == {"sink-runs.json", "sink-unseen.json", "sink-of-another-version.json", "other.json"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "7", '{"pid": 1, "start": null}'])
def test_a_file_that_says_nothing_is_a_sink_that_is_gone(tmp_path, text):
    pathlib.Path(records.path_of(str(tmp_path), "a")).write_text(text)
    state = records.read_state(str(tmp_path), "a")
    assert state is not None
    assert not state.alive
    assert state.gone
    assert state.statistics()["accepted"] == 0


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda some: st.lists(some, max_size=3) | st.dictionaries(st.sampled_from(records.State._fields), some),
        max_leaves=9,
    )
)
def test_any_json_as_a_state(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("state")
    pathlib.Path(records.path_of(str(folder), "a")).write_text(json.dumps(found))
    assert isinstance(records.read_state(str(folder), "a"), records.State)


def test_one_after_the_other(tmp_path):
    """Another process waits for the lock, and gets it when it is let go."""
    script = "import sys; sys.path[:0] = %r\nfrom %s import lock\nwith lock(sys.argv[1]): print('got it', flush=True)"
    command = [sys.executable, "-c", script % (sys.path, records.__name__), str(tmp_path / "new")]
    got = threading.Event()
    with records.lock(str(tmp_path / "new")):
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        reader = threading.Thread(target=lambda: other.stdout.readline() and got.set())
        reader.start()
        assert not got.wait(0.5)
    assert got.wait(30)
    reader.join()
    assert other.wait() == 0
    assert not os.path.exists(tmp_path / "new")
