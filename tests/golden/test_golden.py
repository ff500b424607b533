# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded hosts (tests/hosts): all that the collection says of six of them, and the ceilings of each by hand.

`pytest tests/golden --update` writes the golden files anew. Read every difference before you commit one: what stands
there was compared with the real host, and the table below is there because reading tires.
"""

from __future__ import annotations

import copy
import functools
import json
import pathlib
import re
import subprocess
import tempfile
import typing as t

import pytest
import sample
from recorded import HOSTS, Recording, names

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import table
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import report
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import outcome

GOLDEN = pathlib.Path(__file__).parent

#: Chosen because they differ: they run through 99 % of the branches that seventeen recorded hosts ran through, and
#: unit tests through the rest.
CHOSEN = (
    "debian-13-busy",  # thousands of connections, from a prefix that is local as a whole; memory binds
    "debian-13-tuned",  # files of ours, and somebody who changed a value since
    "debian-13-unprivileged",  # much that cannot be read
    "rhel-8-like",  # control groups of version 1, TuneD, an older kernel and PAM
    "sysvinit-container",  # a container without systemd
    "ubuntu-24.04-like",  # connection tracking, and a file that sorts after ours
)

NO_TARGET = "no target"
ONE_DESTINATION = "100,000 to one destination"
FOUR_DESTINATIONS = "1,000,000 to four destinations"

REQUESTS: dict[str, dict[str, t.Any]] = {
    NO_TARGET: {},
    ONE_DESTINATION: {"target_connections": 100000, "destinations": 1, "binding": "bind_no_port"},
    FOUR_DESTINATIONS: {
        "target_connections": 1000000,
        "destinations": 4,
        "binding": "bind_no_port",
        "processes": 4,
        "address_pool": ["198.18.0.0/16"],
        "slot": 3,
        "slot_size": 64,
    },
}


@functools.cache
def limits(name: str) -> dict[str, t.Any]:
    """Return the snapshot of a recorded host."""
    recording = Recording.load(name)
    with tempfile.TemporaryDirectory() as folder:
        recording.materialise(pathlib.Path(folder))
        return as_json(recording.limits(pathlib.Path(folder)))


def all_ceilings(name: str) -> dict[str, t.Any]:
    """Return the ceilings of a recorded host for each request."""
    return as_json({asked: ceilings.predict(limits(name), request) for asked, request in REQUESTS.items()})


def all_plans(name: str) -> dict[str, t.Any]:
    """Return the plans of a recorded host, settings or refusal, for each request."""
    found = {}
    for asked, request in REQUESTS.items():
        found[asked] = plan(limits(name), request)
        # The ceilings without a plan stand in another file.
        found[asked].pop("before")
    return as_json(found)


def as_json(value: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return ``value`` as it arrives elsewhere."""
    return t.cast("dict[str, t.Any]", json.loads(json.dumps(value)))


def compare(found: dict[str, t.Any], golden: pathlib.Path, request: pytest.FixtureRequest) -> None:
    """Compare topic by topic, which shows what differs and not all that is equal."""
    if request.config.getoption("--update"):
        golden.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert golden.exists(), "a new host: pytest tests/golden --update, and read what it wrote"
    before = json.loads(golden.read_text())
    for topic in sorted(before.keys() | found.keys()):
        assert found.get(topic) == before.get(topic), topic


@pytest.mark.parametrize("name", CHOSEN)
def test_snapshot_is_as_before(name: str, request: pytest.FixtureRequest) -> None:
    compare(limits(name), GOLDEN / (name + ".limits.json"), request)


@pytest.mark.parametrize("name", CHOSEN)
def test_ceilings_are_as_before(name: str, request: pytest.FixtureRequest) -> None:
    compare(all_ceilings(name), GOLDEN / (name + ".ceilings.json"), request)


@pytest.mark.parametrize("name", CHOSEN)
def test_plans_are_as_before(name: str, request: pytest.FixtureRequest) -> None:
    compare(all_plans(name), GOLDEN / (name + ".plan.json"), request)


def test_the_report_of_an_audit_is_as_before(request: pytest.FixtureRequest) -> None:
    """A proxy that is nearly full, beside programs that bind otherwise: the table, with the warnings of the model."""
    stated = {"binding": "autobind", "units": ["haproxy.service"]}
    snapshot = limits("ubuntu-24.04-like") | {"pressure": sample.under_pressure()}
    host = "client1.example.com"
    said = outcome.planned(host, "audited", stated, plan(snapshot, stated), snapshot, check_mode=False)
    found = table.render(report([said], "Client hosts", sample.GENERATED)) + "\n"
    golden = GOLDEN / "audited.table.txt"
    if request.config.getoption("--update"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_no_golden_file_without_a_host() -> None:
    assert {path.name.split(".json")[0].rpartition(".")[0] for path in GOLDEN.glob("*.json")} == set(CHOSEN)


#: What a host holds for the request FOUR_DESTINATIONS when its program raises its soft nofile to the hard one, worked
#: out by hand from the recorded files: no update of the golden files can hide an error here.
BY_HAND = {
    # 1 source x (60999 - 32768 + 1) ports x 4 destinations
    "debian-12": ("four_tuples", 112_928),
    "debian-13": ("four_tuples", 112_928),
    "debian-13-unprivileged": ("four_tuples", 112_928),
    # MemoryMax 100,663,296 - used 21,725,184 + page cache 8,974,336 - mapped 4,173,824 + the session's socket 3,814,
    # by 4,158
    "debian-12-cgroup": ("cgroup_memory", 20_140),
    # file-max 200000 - (448 open files - the session's socket)
    "debian-12-article": ("file_max", 199_553),
    # (hard nofile of PID 1 and all below 20000 - 64 other files) x 4 processes
    "sysvinit-container": ("nofile", 79_744),
    # free 869,777,408 + page cache 66,797,568 - mapped 29,405,184 - high watermarks 69,324,800 + 2 sockets 8,156 -
    # 65,535 ports of 136 each, by 4,286. four-tuples: 2 x 45,536 x 4 = 364,288
    "debian-13-tuned": ("memory", 193_406),
    # (the unit's and pam_limits' 16384 - 64) x 4 processes
    "rhel-8-like": ("nofile", 65_280),
    # nf_conntrack_max 65536 - (4 entries - 2 connections of now); four-tuples: 1 x 49,002 x 4 = 196,008
    "ubuntu-24.04-like": ("conntrack", 65_534),
    # free 835,936,256 + page cache 61,231,104 - mapped 28,364,800 - high watermarks 69,324,800 + 8,001 sockets of
    # 4,078 - 65,535 ports of 136, by 4,286; four-tuples: (1 + 256 of the AnyIP prefix) x 64,511 x 4
    "debian-13-busy": ("memory", 192_065),
}


@pytest.mark.parametrize("name", names())
def test_ceiling_worked_out_by_hand(name: str) -> None:
    snapshot = copy.deepcopy(limits(name))
    for subject in snapshot["nofile"]["subjects"]:
        subject["now"]["soft"] = subject["now"]["hard"]
    found = ceilings.predict(snapshot, REQUESTS[FOUR_DESTINATIONS])
    assert (found["binding_constraint"], found["ceiling"]) == BY_HAND[name]


#: What `ulimit -Sn; ulimit -Hn` said in sessions by ssh, or su where there is no ssh, on the hosts themselves.
#: Debian 12 starts each session from the limits of PID 1, the soft one at most 1024 (its patches
#: 027_pam_limits_better_init_allow_explicit_root and pam-limits-nofile-fd-setsize-cap); Debian 13 from those of sshd.
#: On debian-12-article PID 1 has more than fs.nr_open allows: root keeps sshd's.
MEASURED = [
    ("debian-12", "root", 1024, 1048576),
    ("debian-12", "tester", 1024, 1048576),
    ("debian-12-article", "root", 1024, 524288),
    ("debian-12-article", "tester", 200000, 200000),
    ("debian-13", "root", 1024, 524288),
    ("debian-13", "tester", 1024, 524288),
    ("sysvinit-container", "tester", 1024, 20000),
]


@pytest.mark.parametrize(("name", "user", "soft", "hard"), MEASURED)
def test_sessions_have_what_was_measured(name: str, user: str, soft: int, hard: int) -> None:
    (found,) = (one for one in limits(name)["nofile"]["subjects"] if (one["kind"], one["name"]) == ("user", user))
    assert found["now"] == {"soft": soft, "hard": hard}


@pytest.mark.parametrize("name", names())
def test_stock_soft_limit_binds_first(name: str) -> None:
    """A program that does not raise its soft nofile of 1024 gets no further: 1024 - 64, whatever the host."""
    soft = {"rhel-8-like": 16_384}.get(name, 1024)
    found = ceilings.predict(limits(name), REQUESTS[NO_TARGET])
    assert (found["binding_constraint"], found["ceiling"]) == ("nofile", soft - 64)


def test_tasks_bind_where_fewer_processes_can_start() -> None:
    """TasksMax=40, of which one runs: 39 processes with (1024 - 600) connections each."""
    request = {"processes": 100, "binding": "bind_no_port", "app_descriptors": 600}
    found = ceilings.predict(limits("debian-12-cgroup"), request)
    assert (found["binding_constraint"], found["ceiling"]) == ("tasks", 39 * 424)


class TestRecordings:
    def test_a_host_can_be_recorded(self) -> None:
        """This machine, as the host that `env` reaches."""
        command = [HOSTS / "record", "--process", "python", "this machine", "env"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        # What a reader cannot take is in no recording, and told of the host alone.
        assert "record: unread of the host" not in done.stderr, done.stderr
        assert {"/proc/meminfo", "/proc/sys/fs/nr_open"} <= found["files"].keys()

    @pytest.mark.parametrize("name", names())
    def test_says_what_it_is(self, name: str) -> None:
        content = json.loads((HOSTS / (name + ".json")).read_text())
        assert content["what"]
        assert content["made"] in ("recorded", "by hand")
        # A person who makes up a host says from what.
        assert (content["made"] == "by hand") == bool(content.get("source"))

    @pytest.mark.parametrize("name", names())
    def test_is_small_and_names_nobody(self, name: str) -> None:
        text = (HOSTS / (name + ".json")).read_text()
        assert len(text) < 150_000
        documentation = r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|127\.|0\.0\.0\.0|255\."
        found = re.findall(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.-])", text)
        assert [address for address in found if not re.match(documentation, address)] == []
        assert Recording.load(name).content["observation"]["hostname"] == "client1"
