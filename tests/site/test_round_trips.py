# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a run asks a host something, and how many results Ansible has to handle."""

from __future__ import annotations

import pathlib
import pickle
import re
import typing as t

import pytest
from house import Site
from sandbox import Played

RECORDER = pathlib.Path(__file__).parents[1] / "crash/recorder"

#: Every file and key that the collection has.
EVERYTHING = {
    "tune_target_connections": 200000,
    "tune_binding": "bind_no_port",
    "tune_address_pool": ["198.18.0.0/24"],
    "tune_slot": 0,
    "tune_slot_size": 8,
    "tune_units": ["client.service"],
    "tune_reserved_ports": [8080],
    "tune_systemd_default": True,
    "tune_nofile_hard": 1200000,
}


@pytest.fixture
def asked(site: Site, tmp_path: pathlib.Path) -> t.Callable[..., tuple[list[str], Played]]:
    """Return a function that runs a playbook, and returns the modules that the host has executed."""
    runs = iter(range(100))

    def run(*options: str, playbook: str = "tune_clients.yml") -> tuple[list[str], Played]:
        folder = tmp_path / ("run%d" % next(runs))
        folder.mkdir()
        recorded = {"RECORD": str(folder)}
        played = site.host.play(playbook, *options, environment=recorded, enter=RECORDER, **EVERYTHING).expect(0)
        sent = [pickle.loads(path.read_bytes())[1] for path in sorted(folder.iterdir())]  # noqa: S301
        found = [re.search(rb"(?:plugins|ansible)\.modules\.(\w+)", data) for data in sent]
        assert all(found), "something that is no module was executed"
        return [name[1].decode() for name in found if name], played

    return run


def results(played: Played) -> int:
    return sum(played.counts[name] for name in ("ok", "skipped", "failed"))


def test_a_run_that_changes_nothing_asks_once(asked: t.Callable[..., tuple[list[str], Played]]) -> None:
    modules, played = asked()
    assert played.counts["changed"] == 1
    assert len(modules) <= 8, modules
    for options in [(), ("--check",)]:
        modules, played = asked(*options)
        assert (modules, played.counts["changed"]) == (["client_settings"], 0)
        assert results(played) <= 14


def test_another_request_asks_twice_before_it_changes_anything(
    asked: t.Callable[..., tuple[list[str], Played]],
) -> None:
    asked()
    modules, played = asked("--check", "-e", "tune_nofile_hard=1300000")
    assert (modules, played.counts["changed"]) == (["client_settings", "client_settings"], 1)
    modules, played = asked("--tags", "sysctl")
    assert (modules, played.counts["changed"]) == (["client_settings", "client_settings"], 0)


def test_check_mode_predicts_from_the_same_reading(asked: t.Callable[..., tuple[list[str], Played]]) -> None:
    modules, played = asked("--check")
    assert (modules, played.counts["changed"]) == (["client_settings", "client_settings"], 1)


def test_untuning_asks_once_and_tells_systemd(asked: t.Callable[..., tuple[list[str], Played]]) -> None:
    asked()
    assert asked(playbook="untune_clients.yml")[0] == ["client_settings", "systemd_service"]
    assert asked(playbook="untune_clients.yml")[0] == ["client_settings"]


def test_metrics_are_one_call_where_they_are_asked_for(
    asked: t.Callable[..., tuple[list[str], Played]], site: Site
) -> None:
    site.host.path("/var/lib/prometheus/node-exporter").mkdir(parents=True)
    for where, modules in [
        ("none", ["client_settings"]),
        ("host", ["client_settings", "metrics_file"]),
        ("absent", ["client_settings", "metrics_file"]),
    ]:
        audit = {"tune_target_connections": 1}
        options = [
            word
            for name, value in {**audit, "report_metrics": where}.items()
            for word in ("-e", "%s=%s" % (name, value))
        ]
        assert asked(*options, playbook="audit_clients.yml")[0] == modules
