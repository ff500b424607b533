# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person says about a fleet reaches the play, and a host's plan is its own whoever else is in the run.

The hosts are this machine, which is only looked at: what is asked for cannot be had, so each refuses before a change.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Run

INVENTORY = """
[clients]
one
two
three
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter={{ ansible_playbook_python }}
tune_processes=0
tune_target_connections=1000
"""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("inventory") / "hosts.ini"
    path.write_text(INVENTORY)
    return path


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ((), {"one", "two", "three"}),
        (("-e", "clients_serial=1", "-e", "clients_max_fail_percentage=0"), {"one"}),
        (("-e", "clients_serial=2", "-e", "clients_max_fail_percentage=40"), {"one", "two"}),
        (("-e", "clients_hosts=two"), {"two"}),
        (("--limit", "three"), {"three"}),
        (("--tags", "limits"), {"one", "two", "three"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_who_is_reached(
    run: Run, copied_checkout: pathlib.Path, inventory: pathlib.Path, options: tuple[str, ...], reached: set[str]
) -> None:
    command = ("ansible-playbook", "playbooks/tune_clients.yml", "-i", inventory, *options)
    said = run(*command, cwd=copied_checkout, status=2).stdout
    refused = "tune_processes is 0; allowed: a whole number from 1 to 1000000. Write how many processes connect."
    assert said.count(refused) >= len(reached)
    assert set(re.findall(r"^(\w+) +: ok=.* failed=1 ", said, re.MULTILINE)) == reached


#: Two of six refuse. A host without a need is left alone, and is no failure.
HALF = INVENTORY.replace(
    "one\ntwo\nthree",
    "one\ntwo tune_target_connections=\nthree tune_target_connections=\n"
    "four\nfive tune_target_connections=\nsix tune_target_connections=",
)


@pytest.mark.parametrize(
    ("batches", "maximum", "reached"),
    [
        # Half of the first batch is more than 40 %, and not more than 50 %.
        ("2", "40", ["one", "two"]),
        ("2", "50", ["one", "two", "three", "four", "five", "six"]),
        # The canary has failed: Ansible itself stops where a whole batch has.
        ("[1, '100%']", "100", ["one"]),
        # No canary, but none that may fail.
        ("3", "0", ["one", "two", "three"]),
    ],
)
def test_a_run_stops_where_more_of_a_batch_fails_than_may(
    run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path, batches: str, maximum: str, reached: list[str]
) -> None:
    (tmp_path / "hosts.ini").write_text(HALF)
    given = {"clients_serial": json.loads(batches.replace("'", '"')), "report_dir": str(tmp_path)}
    options = ("-e", json.dumps(given), "-e", "clients_max_fail_percentage=" + maximum)
    command = ("ansible-playbook", "playbooks/tune_clients.yml", "-i", tmp_path / "hosts.ini", *options)
    run(*command, cwd=copied_checkout, status=2)
    # Written though the run has stopped, and with every host.
    report = json.loads((tmp_path / "report.json").read_text())
    verdicts = {host["host"]: host["verdict"] for host in report["hosts"]}
    names = ["one", "two", "three", "four", "five", "six"]
    as_tuned = {name: "refused" if name in ("one", "four") else "left alone" for name in names}
    assert verdicts == {name: as_tuned[name] if name in reached else "no result" for name in names}


PLANNED = """
- hosts: all
  gather_facts: false
  serial: "{{ batch | default('100%') }}"
  tasks:
    - ansible.builtin.import_role:
        name: fourtuple.clients.tune
      vars:
        tune_state: audit
    - ansible.builtin.copy:
        dest: "{{ folder }}/{{ inventory_hostname }}"
        content: "{{ __tune_refusal or __tune_plan | to_json(sort_keys=true) }}"
        mode: "0644"
"""

FLEET = """
[clients]
one tune_slot=0
two tune_slot=2 tune_weight=3
three tune_slot=5
spare tune_weight=0
[all:vars]
ansible_connection=local
ansible_python_interpreter={{ ansible_playbook_python }}
[clients:vars]
tune_fleet_target=24000
tune_port_range=20000 20999
tune_binding=bind_no_port
tune_processes=200
tune_interface=lo
tune_address_pool=['203.0.113.0/24']
tune_slot_size=32
"""


#: A range of ports is planned where it could be set, which in a container is its own network.
OWN_NETWORK = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))


class Planned(t.NamedTuple):
    """What the plan of a host came to."""

    target: int
    addresses: list[str]


@pytest.fixture
def planned(run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    """Return a function that plans for hosts and returns the plan, or the refusal, of each."""

    def plan(inventory: str, *options: str) -> dict[str, t.Any]:
        folder = tmp_path / "plans"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        hosts, playbook = tmp_path / "hosts.ini", tmp_path / "planned.yml"
        hosts.write_text(inventory)
        hosts.chmod(0o700 if inventory.startswith("#!") else 0o600)
        playbook.write_text(PLANNED)
        command = ("ansible-playbook", playbook, "-i", hosts, "-e", "folder=%s" % folder, *options)
        path = str(copied_checkout / "playbooks/collections")
        run(*OWN_NETWORK, *command, cwd=copied_checkout, ANSIBLE_COLLECTIONS_PATH=path)
        found: dict[str, t.Any] = {}
        for path in folder.iterdir():
            text = path.read_text()
            found[path.name] = text
            if text.startswith("{"):
                answer = json.loads(text)
                found[path.name] = Planned(answer["target"], answer["settings"]["addresses"])
        return found

    return plan


def addresses(first: int, last: int) -> list[str]:
    return ["203.0.113.%d-203.0.113.%d" % (first, last)]


def test_the_fleets_target_and_the_slots(planned: t.Callable[..., dict[str, t.Any]]) -> None:
    """24,000 by the weights 1, 3, 1, and half of 1,000 ports for each source address; lo has none of its own."""
    plans = planned(FLEET, "--limit", "one,two,three")
    assert plans == {
        "one": Planned(4800, addresses(1, 10)),
        "two": Planned(14400, addresses(65, 93)),
        "three": Planned(4800, addresses(161, 170)),
    }
    assert planned(FLEET, "--limit", "two") == {"two": plans["two"]}
    assert planned(FLEET, "--limit", "three,one", "-e", "batch=1") == {name: plans[name] for name in ("one", "three")}


def jobs_of_awx(run: Run, folder: pathlib.Path, inventory: str, count: int) -> list[str]:
    """Return the inventory of each job of ``count`` slices, a script as AWX writes it.

    A job has the hosts of its slice and no others, and of every group the variables (get_script_data() and
    get_sliced_hosts() in awx/main/models/inventory.py, write_inventory_file() in awx/main/tasks/jobs.py).
    """
    (folder / "whole.ini").write_text(inventory)
    listed = run("ansible-inventory", "-i", "whole.ini", "--list", "--export", cwd=folder).stdout
    jobs = []
    for number in range(count):
        data = json.loads(listed)
        rows = data["_meta"]["hostvars"]
        names = sorted(rows)[number::count]
        data["_meta"]["hostvars"] = {name: rows[name] for name in names}
        for group in data.values():
            group["hosts"] = [name for name in group.get("hosts", ()) if name in names]
        jobs.append("#! /usr/bin/env python3\nprint(%r)\n" % json.dumps(data))
    return jobs


def test_job_slices_give_the_same_as_one_run(
    planned: t.Callable[..., dict[str, t.Any]], run: Run, tmp_path: pathlib.Path
) -> None:
    """Two jobs, of hosts one and three, and of spare and two; any number of them is in tests/unit/test_fleet.py."""
    job = ("-e", "awx_job_id=42")
    plans: dict[str, t.Any] = {}
    for inventory in jobs_of_awx(run, tmp_path, FLEET + "tune_fleet_weight=5\n", 2):
        plans |= planned(inventory, *job)
    assert plans == planned(FLEET)
    assert [plans[name].target for name in ("one", "two", "three")] == [4800, 14400, 4800]
    # Without the weight of all hosts, it would take the whole target for its own.
    refusals = planned(jobs_of_awx(run, tmp_path, FLEET, 2)[0], *job)
    assert refusals.keys() == {"one", "three"}
    for refusal in refusals.values():
        assert refusal.startswith("tune_fleet_weight of one is None; allowed: a number above 0 in a job of AWX, here ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("three tune_slot=5", "three tune_slot=2", "tune_slot of three and two is '203.0.113.65-203.0.113.96'"),
        ("three tune_slot=5", "three tune_slot=7", "tune_slot of three is 7; allowed: a whole number from 0 to 6"),
        ("tune_weight=3", "tune_weight=-3", "tune_weight of two is -3; allowed: a number, 0 or above"),
    ],
)
def test_what_two_hosts_cannot_have_stops_every_run(
    planned: t.Callable[..., dict[str, t.Any]], old: str, new: str, said: str
) -> None:
    """Also a run that leaves the other host out."""
    (refusal,) = planned(FLEET.replace(old, new), "--limit", "one").values()
    assert refusal.startswith(said)


@pytest.mark.parametrize(
    ("sinks", "why"),
    [("", "no host of this play is a sink"), ("[sinks]\nthree\n", "no sink of this play has a prove_listen")],
)
def test_a_proof_without_anything_to_connect_to_says_what_to_set(
    run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path, sinks: str, why: str
) -> None:
    (tmp_path / "hosts.ini").write_text(INVENTORY.replace("tune_processes=0\n", "") + sinks)
    command = ("ansible-playbook", "playbooks/prove_clients.yml", "-i", tmp_path / "hosts.ini")
    said = run(*command, cwd=copied_checkout, status=2).stdout
    assert said.count("prove_destinations is [], and %s; allowed: at least one address:port" % why) >= 2
    assert set(re.findall(r"changed=(\d+)", said)) == {"0"}


@pytest.mark.parametrize(
    ("role", "earlier", "now"),
    [
        ("limits", "limits_nr_open", "limits_planned_files"),
        ("sysctl", "sysctl_limits_absent", "sysctl_planned_files"),
    ],
)
def test_a_variable_by_its_earlier_name_is_refused(
    run: Run,
    copied_checkout: pathlib.Path,
    inventory: pathlib.Path,
    tmp_path: pathlib.Path,
    role: str,
    earlier: str,
    now: str,
) -> None:
    play = [{"hosts": "one", "gather_facts": False, "roles": ["fourtuple.clients." + role], "vars": {earlier: 1}}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    path = str(copied_checkout / "playbooks/collections")
    command = ("ansible-playbook", "play.yml", "-i", inventory, "--check")
    said = run(*command, cwd=tmp_path, status=2, ANSIBLE_COLLECTIONS_PATH=path).stdout
    assert "%s is now %s: " % (earlier, now) in said
    assert "changed=0" in said
