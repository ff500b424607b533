# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import functools
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
import yaml
from observed import OBSERVED

from ansible_collections.fourtuple.clients.plugins.module_utils.host import observation
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.whole import SnapshotRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "plugins/modules/connection_limits_info.py"

#: A dictionary whose keys are names, and what is documented is each value.
BY_NAME = {"keys"}

MARK = "# Managed by fourtuple.clients\n"


def returned():
    (block,) = MODULE.read_text().split('RETURN = r"""')[1:]
    return yaml.safe_load(block.split('"""')[0])["limits"]


def leaves(documented, path=""):
    """Yield every documented key as a path."""
    for name, entry in documented.get("contains", {}).items():
        yield "%s.%s" % (path, name)
        yield from leaves(entry, "%s.%s" % (path, name))


def undocumented(value, documented, path="", by_name=False):
    """Yield what is in a snapshot and not in its documentation; collect in SEEN what is in both."""
    if isinstance(value, list):
        for entry in value:
            yield from undocumented(entry, documented, path)
    elif isinstance(value, dict) and by_name:
        for entry in value.values():
            yield from undocumented(entry, documented, path)
    elif isinstance(value, dict) and "contains" in documented:
        for name, entry in value.items():
            place = "%s.%s" % (path, name)
            if name in documented["contains"]:
                SEEN.add(place)
                yield from undocumented(entry, documented["contains"][name], place, place[1:] in BY_NAME)
            else:
                yield place


SEEN: set[str] = set()


@pytest.fixture
def rich(debian):
    """A host of which every kind of thing can be said."""
    debian.put("/etc/kubernetes/kubelet.conf", "")
    debian.put("/etc/security/limits.d/x.conf", "x hard nofile 90000000\n")
    debian.put("/usr/lib/systemd/system/app.service", "[Service]\nLimitNOFILE=1:90000000\n")
    debian.put("/proc/self/limits", "Max open files 1 2 files\n")
    debian.put("/proc/1/limits", "Max open files 1048576 1048576 files\n")
    debian.put("/proc/self/cgroup", "0::/a\n")
    debian.put("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n")
    debian.put("/sys/fs/cgroup/a/memory.max", "1000000\n")
    debian.put("/sys/fs/cgroup/a/pids.max", "100\n")
    debian.put("/etc/docker/daemon.json", '{"default-ulimits": {"nofile": {"Soft": 1, "Hard": 2}}}')
    debian.put("/etc/default/app", "ulimit -n 5\n")
    debian.sysctl(fs__nr_open=1048576, net__ipv4__ip_local_port_range="32768 60999")
    debian.put("/etc/sysctl.d/99-zz-fourtuple.conf", MARK + "net.ipv4.ip_local_port_range = 1024 65535\n")
    debian.put("/etc/sysctl.d/zz.conf", "net.ipv4.ip_local_port_range = 2000 3000\nfs.file-max = -1\n")
    return debian


def test_every_key_is_documented_and_every_documented_key_is_there(rich):
    SEEN.clear()
    documented = returned()
    for request in (SnapshotRequest(), SnapshotRequest(units=["app.service"], processes=["none"])):
        limits = whole.snapshot(rich.look(), OBSERVED, request)
        assert list(undocumented(limits, documented)) == []
    assert set(leaves(documented)) - SEEN == set()


@pytest.mark.parametrize("key", [key for key, row in sysctl_table.KEYS.items() if row.place])
def test_the_snapshot_has_a_keys_number_where_its_row_says(rich, key):
    limits = whole.snapshot(rich.look(), OBSERVED, SnapshotRequest())
    found = functools.reduce(lambda part, name: part[name], sysctl_table.KEYS[key].place, limits)
    assert found == (int(limits["keys"][key]["now"]) if key in limits["keys"] else None)


def test_a_snapshot_is_json_and_versioned(rich):
    limits = whole.snapshot(rich.look(), OBSERVED, SnapshotRequest())
    assert json.loads(json.dumps(limits)) == limits
    assert limits["schema"] == 1
    assert [subject["name"] for subject in limits["nofile"]["subjects"]] == [
        "root",
        "every unit without LimitNOFILE=",
        "this session",
    ]
    assert limits["nofile"]["file_max"] == {"now": None, "after_boot": None, "by": None, "allocated": None}
    assert limits["memory"]["cgroups"][0]["limit"] == 1000000
    assert limits["addresses"]["primary"]["address"] == "192.0.2.10"
    assert limits["conntrack"]["tracks_local"] is False
    assert limits["overrides"][0]["file"] == "/etc/sysctl.d/zz.conf:1"
    assert {entry["where"] for entry in limits["drift"]} == {"live", "after_boot"}


def test_what_others_have(rich):
    rich.put("/etc/resolv.conf", "nameserver 192.0.2.53\nnameserver 127.0.0.53\n")
    found = {
        one["address"]: one["whose"]
        for one in whole.snapshot(rich.look(), OBSERVED, SnapshotRequest())["addresses"]["taken"]
    }
    assert found == {
        "192.0.2.1": "the gateway of the default route on eth0",
        "192.0.2.7": "the other end of the session that Ansible uses",
        "192.0.2.53": "a name server of this host (/etc/resolv.conf)",
        "127.0.0.53": "a name server of this host (/etc/resolv.conf)",
    }
    earlier = {name: value for name, value in OBSERVED.items() if name != "session"}
    earlier["interfaces"] = {name: value for name, value in OBSERVED["interfaces"].items() if name != "taken"}
    limits = whole.snapshot(rich.look(), earlier, SnapshotRequest())
    assert [one["address"] for one in limits["addresses"]["taken"]] == [
        "192.0.2.53", "127.0.0.53",
    ]  # fmt: skip


def test_recorded_addresses_are_ours(rich):
    rich.put("/var/lib/fourtuple/addresses.json", json.dumps({"added": [["eth0", "198.51.100.1/32"]]}))
    limits = whole.snapshot(rich.look(), OBSERVED, SnapshotRequest())
    assert {entry["address"]: entry["ours"] for entry in limits["addresses"]["list"]} == {
        "192.0.2.10": False,
        "198.51.100.1": True,
    }
    assert limits["applied"]["addresses"] == ["198.51.100.1"]


def test_an_empty_folder_is_no_crash(host):
    host.path.mkdir()
    observed = copy.deepcopy(OBSERVED)
    observed["interfaces"] = None
    observed["sockets"] = dict.fromkeys(observed["sockets"])
    limits = whole.snapshot(
        host.look(), dict(observed, accounts={"root": {"uid": 0, "gid": 0, "groups": []}}), SnapshotRequest()
    )
    assert limits["addresses"] is None
    assert limits["ports"]["usable"] is None
    assert limits["unread"] == OBSERVED["unread"]


def test_a_broken_record_is_no_crash(rich):
    rich.put("/var/lib/fourtuple/addresses.json", "[")
    (entry, _example) = whole.snapshot(rich.look(), OBSERVED, SnapshotRequest())["unread"]
    assert entry["what"] == "/var/lib/fourtuple/addresses.json"


def test_refusals(rich):
    with pytest.raises(Refusal, match="tune_users is 'nobody'; allowed: users of this host"):
        whole.snapshot(rich.look(), OBSERVED, SnapshotRequest(users=["nobody"], names=Names("tune_")))
    with pytest.raises(Refusal, match=r"tune_units is 'app'.*for example app.service"):
        whole.snapshot(rich.look(), OBSERVED, SnapshotRequest(units=["app"], names=Names("tune_")))


# --- on this machine ---


def run(directory, **options):
    """Run the module as Ansible would, and return its answer and the seconds that it took."""
    command = ["-m", "ansible_collections.fourtuple.clients.plugins.modules.connection_limits_info"]
    arguments = {
        "ANSIBLE_MODULE_ARGS": dict(options, _ansible_remote_tmp=str(directory), _ansible_keep_remote_files=False)
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-B", *command],
        input=json.dumps(arguments),
        env={"PYTHONPATH": os.pathsep.join(map(str, sys.path)), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout), time.monotonic() - began


def check(limits):
    assert list(undocumented(limits, returned())) == []
    assert limits["schema"] == 1
    assert limits["ports"]["usable"] > 0
    assert limits["slab"]["per_socket"] > 2000
    assert limits["memory"]["total"] > limits["memory"]["reserve"] > 0
    assert limits["established_hash"]["buckets"] > 0
    assert limits["sockets"]["established"] is not None


def test_on_this_machine(tmp_path):
    answer, seconds = run(tmp_path)
    assert answer["changed"] is False
    check(answer["limits"])
    assert seconds < 5


def test_refusals_of_the_module(tmp_path):
    answer, _seconds = run(tmp_path, users=["nobody.of.this.name"], variable_prefix="tune_")
    assert answer["failed"]
    assert answer["msg"].startswith("tune_users is 'nobody.of.this.name'; allowed: users of this host.")


def snapshot_as(uid):
    """Return the snapshot of this machine that another user takes, in a process that becomes that user."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            request = SnapshotRequest()
            limits = whole.snapshot(Host("/"), observation.observe(request.all_users), request)
            with os.fdopen(send, "w") as stream:
                json.dump(limits, stream)
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_on_this_machine_without_root():
    # What Python imports late may lie where only root can look, so everything is imported once before.
    whole.snapshot(Host("/"), observation.observe(["root"]), SnapshotRequest())
    limits = snapshot_as(65534)
    check(limits)
    assert limits["host"]["uid"] == 65534
    assert limits["host"]["capabilities"] == []
    assert {"what": "/proc/slabinfo", "why": "permission denied; run as root to read it"} in limits["unread"]
    assert limits["slab"]["source"].startswith("defaults: ")
