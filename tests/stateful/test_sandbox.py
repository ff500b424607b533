# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same steps with the real playbooks, and the folder compared with them: what it leaves out must not matter."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import folder_host
import hypothesis
import machine
import pytest
import sandbox_host
from hypothesis.stateful import run_state_machine_as_test

#: A run of a playbook takes seconds, and a few random sequences hardly get to one: they are for the nightly run.
SEQUENCES = int(os.environ.get("FOURTUPLE_SANDBOX_SEQUENCES", "0"))
STEPS = 12

REQUEST = {
    "tune_target_connections": 200000,
    "tune_destinations": 1,
    "tune_binding": "bind_no_port",
    "tune_processes": 1,
    "tune_address_pool": ["198.51.100.0/26"],
    "tune_slot": 1,
    "tune_slot_size": 16,
    "tune_units": ["app.service"],
    "tune_nofile_hard": 2000000,
    "tune_nofile_soft": 300000,
    "tune_domains": ["*", "root", "@ops"],
    "tune_systemd_default": True,
    "tune_sysctl_values": {"net.ipv4.tcp_tw_reuse": 1},
    "tune_reserved_ports": ["30000-30009"],
}
#: Somebody else's, of every kind.
THEIRS = {
    "/etc/sysctl.d/10-site.conf": "fs.nr_open = 1500000\nnet.core.somaxconn = 8192\n",
    "/etc/security/limits.d/10-site.conf": "@ops hard nofile 1200000\n",
    "/etc/systemd/system/app.service.d/10-site.conf": "[Service]\nLimitNOFILE=4096:1100000\n",
}
#: What REQUEST leaves on a host.
OURS = {
    machine.OUR_SYSCTL,
    machine.OUR_LIMITS,
    machine.OUR_UNIT,
    machine.OUR_DEFAULT,
    machine.ASKED,
    machine.STATE + "/sysctl.json",
    machine.STATE + "/addresses.json",
    "/etc/systemd/system/fourtuple-addresses.service",
    "/etc/systemd/system/sysinit.target.d/fourtuple-addresses.conf",
}
#: Keys whose value follows the machine's memory.
_BY_MEMORY = ("fs.epoll.max_user_watches",)


@pytest.fixture
def both(tmp_path: pathlib.Path) -> t.Iterator[tuple[machine.Host, machine.Host]]:
    folder_host.template("debian-12", tmp_path / "host")
    folder = folder_host.FolderHost("debian-12", tmp_path / "host")
    with sandbox_host.fresh("debian-12") as sandbox:
        yield folder, sandbox_host.SandboxHost("debian-12", sandbox)


def _ours(host: machine.Host) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    for path, text in host.files().items():
        if not machine.is_ours(path, text):
            continue
        if path.endswith("sysctl.json"):
            record = json.loads(text)
            found[path] = {key: entry for key, entry in record.items() if key not in _BY_MEMORY}
        else:
            found[path] = [line for line in text.splitlines() if not line.startswith(_BY_MEMORY)]
    return found


def test_a_folder_and_a_real_run_come_to_the_same(both: tuple[machine.Host, machine.Host]) -> None:
    outcomes = []
    for host in both:
        for path, text in THEIRS.items():
            host.put(path, text)
        host.boot()
        before = (host.files(), host.keys(), host.addresses["eth0"][:])
        steps: list[t.Any] = [host.tune(REQUEST)]
        for _again in range(2):
            steps += [_ours(host), host.keys()["net.ipv4.ip_local_port_range"], sorted(host.addresses["eth0"])]
            host.boot()
        # Where a unit runs with more than the nr_open of before, that comes back with a boot, and the record goes then.
        steps.append(host.untune({}))
        host.boot()
        steps.append(host.untune({}))
        assert (host.files(), host.addresses["eth0"]) == (before[0], before[2])
        assert host.keys() == before[1]
        outcomes.append(steps)
    folder, sandbox = outcomes
    assert folder == sandbox
    assert folder[0] == "done"
    assert set(folder[1]) == OURS


class SandboxLife(machine.Life):
    kills = False
    steps: t.ClassVar[dict[str, int]] = {}

    def make_host(self, release: str) -> machine.Host:
        return sandbox_host.SandboxHost(release, sandbox_host.fresh(release))

    def teardown(self) -> None:
        if hasattr(self, "host"):
            t.cast(sandbox_host.SandboxHost, self.host).sandbox.close()


def test_a_life_of_every_kind_of_step() -> None:
    SandboxLife.steps.clear()
    state = SandboxLife()
    state.begin(release="debian-13")
    try:
        state.somebody_sets_a_key_now(assignment=("fs.file-max", "200000"))
        state.somebody_sets_limits(path="/etc/security/limits.d/10-site.conf", lines=["@ops - nofile 1500000"])
        state.tune_simply(connections=60000, hard=2000000, units=["app.service"])
        state.somebody_logs_in(user="tester")
        state.somebody_adds_an_address(number=1)
        state.boot()
        state.somebody_sets_a_units_limit(path="/etc/systemd/system/app.service.d/10-site.conf", limit="3000000")
        state.tune_simply(connections=20000, hard=1048576, units=[])
        state.somebody_sets_a_key_now(assignment=("net.ipv4.ip_local_port_range", "5000 65000"))
        state.untune()
        state.boot()
    finally:
        state.teardown()
    assert SandboxLife.steps == {"tune done": 2, "untune done": 1}


@pytest.mark.skipif(not SEQUENCES, reason="takes minutes: make nightly sets FOURTUPLE_SANDBOX_SEQUENCES")
def test_the_promises_hold_after_every_step_of_real_runs(capsys: pytest.CaptureFixture[str]) -> None:
    SandboxLife.steps.clear()
    run_state_machine_as_test(
        SandboxLife,
        settings=hypothesis.settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            # Shrinking would run playbooks for hours; the folder's machine shrinks.
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stdout.write(
            "\n%d sequences of up to %d steps with real runs: %s\n" % (SEQUENCES, STEPS, SandboxLife.steps)
        )
    assert SandboxLife.steps.get("tune done", 0) > SEQUENCES / 4
