# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells of tuned hosts and changes nothing: the audit, the report, a second run, and one that is refused."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import testinfra

HOSTS = {"bookworm", "trixie", "sysvinit"}

Report = dict[str, dict[str, t.Any]]
Audit = t.Callable[..., tuple[int, Report]]


@pytest.fixture
def reported(play, tmp_path: pathlib.Path) -> Audit:
    """Return a function that runs a playbook and returns its exit status and the report's hosts, by name."""

    def run(name: str, *options: str, **variables: object) -> tuple[int, Report]:
        played = play(name, *options, report_dir=str(tmp_path), **variables)
        assert {host: counts["changed"] for host, counts in played.counts.items()} == dict.fromkeys(HOSTS, 0)
        report = json.loads((tmp_path / "report.json").read_text())
        return played.status, {host["host"]: host for host in report["hosts"]}

    return run


def test_a_unit_that_runs_with_its_old_limit_is_named_and_counts_with_the_next_as_for_tune(reported: Audit) -> None:
    """Nobody has restarted client.service: tune and audit count its next start alike, and both say so."""
    for playbook in ("audit_clients.yml", "tune_clients.yml"):
        status, hosts = reported(playbook, "--become")
        assert status == 0
        assert {name: host["meets_target"] for name, host in hosts.items()} == dict.fromkeys(HOSTS, True)
        for name in ("bookworm", "trixie"):
            warning = "client.service runs with a soft nofile of 1024 until it is restarted."
            assert hosts[name]["warnings"].count(warning) == 1, playbook


def test_hosts_that_meet_their_target(reported: Audit) -> None:
    status, hosts = reported("audit_clients.yml", "--become", tune_units=[])
    assert status == 0
    assert {name: host["meets_target"] for name, host in hosts.items()} == dict.fromkeys(HOSTS, True)
    assert [host["drift"] for host in hosts.values() if host["drift"]] == []


def test_hosts_that_do_not_meet_their_target(play) -> None:
    played = play("audit_clients.yml", "--become", tune_target_connections=50000000)
    assert played.status == 2
    assert played.messages.keys() == HOSTS
    for message in played.messages.values():
        assert "connections of 50000000" in message
        assert "What to do: " in message


def test_without_root_it_says_what_it_could_not_read(reported: Audit) -> None:
    _status, hosts = reported("audit_clients.yml", ansible_user="tester")
    for host in hosts.values():
        assert "/proc/slabinfo" in json.dumps(host["unread"])
        assert host["before"]["ceiling"] > 0


@pytest.fixture
def drifted(host: testinfra.host.Host) -> t.Iterator[None]:
    """Let somebody change a key that we set."""
    host.check_output("sysctl -w net.ipv4.ip_local_port_range='30000 50000'")
    yield
    host.check_output("sysctl -w net.ipv4.ip_local_port_range='20000 59999'")


@pytest.mark.usefixtures("drifted")
def test_drift_is_shown(reported: Audit, platform: str) -> None:
    _status, hosts = reported("audit_clients.yml", "--become")
    found = {name: {entry["what"]: entry for entry in host["drift"]} for name, host in hosts.items()}
    drift = found.pop(platform)["net.ipv4.ip_local_port_range"]
    assert (drift["applied"], drift["found"]) == ("20000 59999", "30000 50000")
    assert list(found.values()) == [{}, {}]


def test_what_the_plan_predicts_is_what_the_host_has(reported: Audit) -> None:
    """Four-tuples, nofile and the other configured limits, exactly; memory is what is free at that moment."""
    status, hosts = reported("tune_clients.yml")
    assert status == 0
    for host in hosts.values():
        predicted, after = (_configured(host[when]) for when in ("predicted", "after"))
        assert predicted == after
        assert after["four_tuples"] == 4 * 39990


def _configured(ceilings: dict[str, t.Any]) -> dict[str, int | None]:
    measured = ("memory", "cgroup_memory", "file_max", "tasks")
    return {one["name"]: one["allows"] for one in ceilings["constraints"] if one["name"] not in measured}


def test_hosts_whose_primary_addresses_give_one_slot_are_refused(play) -> None:
    """Without tune_slot the slot comes from the primary address, and here all three have the same one."""
    played = play("tune_clients.yml", tune_slot=None)
    assert {host: counts["changed"] for host, counts in played.counts.items()} == dict.fromkeys(HOSTS, 0)
    assert played.messages.keys() == HOSTS
    for message in played.messages.values():
        assert message.startswith("tune_slot of bookworm and ")
        assert "each address for one host" in message
