# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role prove lets a client connect to, by what the sinks have said."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VARIABLES = pathlib.Path(__file__).parents[2] / "roles/prove/vars/main.yml"
RUNS = {"running": True, "prefix": None, "listen": ["192.0.2.21:7000", "127.0.0.1:7000", "[::1]:7000"]}
ELSEWHERE = {"running": True, "prefix": None, "listen": ["192.0.2.22:7000", "127.0.0.53:7001"]}
RESPONDS = {"running": True, "prefix": "198.19.0.0/24", "listen": []}
FAILED = {"failed": True, "msg": "prove_listen is '192.0.2.22:7000'"}
STOPPED = {**ELSEWHERE, "running": False}


def value(name: str, host: str, results: dict[str, dict[str, t.Any] | None]) -> t.Any:
    """Return one of the role's variables on a host, where the sinks' tasks have come to ``results``."""
    variables = {
        name: trust_as_template(text)
        for name, text in yaml.safe_load(VARIABLES.read_text()).items()
        if isinstance(text, str)
    }
    hostvars = {name: {} if result is None else {"__prove_sink": result} for name, result in results.items()}
    known = {"inventory_hostname": host, "hostvars": hostvars, "prove_sinks": list(results)}
    return Templar(DataLoader(), variables={**variables, **known}).template(variables[name])


@pytest.mark.parametrize(
    ("host", "results", "own"),
    [
        ("client1", {"sink1": RUNS, "sink2": ELSEWHERE}, ["192.0.2.21:7000", "192.0.2.22:7000"]),
        ("sink1", {"sink1": RUNS, "sink2": ELSEWHERE}, ["192.0.2.22:7000", *RUNS["listen"]]),
        ("client1", {"sink1": RUNS, "sink2": FAILED}, ["192.0.2.21:7000"]),
        ("client1", {"sink1": RUNS, "sink2": STOPPED}, ["192.0.2.21:7000"]),
        ("client1", {"sink1": None, "sink2": {"unreachable": True, "msg": "no route"}}, []),
        ("client1", {"client1": RESPONDS, "client2": RESPONDS}, ["198.19.0.0/24", "198.19.0.0/24"]),
        ("client1", {}, []),
    ],
)
def test_only_what_has_started_is_ours(host, results, own):
    assert value("__prove_own", host, results) == own


def test_who_has_not_started_and_why():
    results = {"sink1": RUNS, "sink2": FAILED, "sink3": STOPPED, "sink4": None, "sink5": {"skipped": True}}
    assert value("__prove_not_started", "client1", results) == ["sink2", "sink3", "sink4", "sink5"]
    lost = "The host was lost, or the play has not come to it."
    said = f"sink2: prove_listen is '192.0.2.22:7000' sink3: {lost} sink4: {lost} sink5: {lost}"
    assert value("__prove_why_not_started", "client1", results).strip() == said
