# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of steps on a host that is a folder."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import folder_host
import hypothesis
import machine
import pytest
from hypothesis.stateful import run_state_machine_as_test

#: The number of sequences; the nightly run sets a larger one.
SEQUENCES = int(os.environ.get("FOURTUPLE_STATEFUL_SEQUENCES", "30"))
STEPS = 30


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("stateful")
    for release in folder_host.RAISED:
        folder_host.template(release, path / release)
    return path


def life(folder: pathlib.Path) -> type[machine.Life]:
    class FolderLife(machine.Life):
        def make_host(self, release: str) -> folder_host.FolderHost:
            shutil.rmtree(folder / "host", ignore_errors=True)
            shutil.copytree(folder / release, folder / "host", symlinks=True)
            return folder_host.FolderHost(release, folder / "host")

    return FolderLife


def test_the_promises_hold_after_every_step(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.Life.steps.clear()
    run_state_machine_as_test(
        life(folder),
        settings=hypothesis.settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stdout.write("\n%d sequences of up to %d steps; runs: %s\n" % (SEQUENCES, STEPS, machine.Life.steps))
    # A machine whose every run is refused would prove nothing.
    assert machine.Life.steps.get("tune done", 0) > SEQUENCES / 10
    assert machine.Life.steps.get("untune done", 0) > SEQUENCES / 10


# --- sequences that once failed, or that every run has to try ---

SIMPLE = {"connections": 20000, "units": ["app.service"]}
APP = "/etc/systemd/system/app.service.d/10-site.conf"


@pytest.fixture
def begun(folder: pathlib.Path) -> machine.Life:
    machine.Life.steps.clear()
    state = life(folder)()
    state.begin(release="debian-12")
    return state


def test_a_key_that_somebody_lowered_for_now_is_not_lowered_at_every_boot(begun: machine.Life) -> None:
    begun.somebody_sets_a_key_now(assignment=("fs.file-max", "200000"))
    begun.tune_simply(hard=1048576, **SIMPLE)
    begun.boot()


def test_a_higher_limit_of_others_stays(begun: machine.Life) -> None:
    begun.somebody_sets_keys_at_boot(path="/etc/sysctl.d/10-site.conf", lines=[("fs.nr_open", "3000000")])
    begun.boot()
    begun.somebody_sets_limits(path="/etc/security/limits.d/10-site.conf", lines=["* - nofile 2000000"])
    begun.somebody_sets_a_units_limit(path=APP, limit="2000000")
    begun.tune_simply(hard=1048576, **SIMPLE)
    begun.boot()
    begun.untune()


def test_a_session_that_is_still_open_keeps_its_nr_open(begun: machine.Life) -> None:
    begun.tune_simply(hard=2000000, **SIMPLE)
    begun.somebody_logs_in(user="tester")
    begun.untune()
    begun.boot()
    begun.untune()


def test_a_limit_that_somebody_relied_on_our_nr_open_for_is_not_cut_off(begun: machine.Life) -> None:
    begun.tune_simply(hard=2000000, **SIMPLE)
    begun.somebody_sets_limits(path="/etc/security/limits.d/10-site.conf", lines=["tester - nofile 2000000"])
    begun.untune()
    begun.boot()
    assert begun.steps["untune failed"]


def test_what_somebody_changed_since_stays(begun: machine.Life) -> None:
    begun.tune_simply(hard=2000000, **SIMPLE)
    begun.somebody_sets_a_key_now(assignment=("net.ipv4.ip_local_port_range", "5000 65000"))
    begun.somebody_sets_a_key_now(assignment=("net.ipv4.ip_local_reserved_ports", ""))
    begun.untune()
    assert begun.host.keys()["net.ipv4.ip_local_port_range"] == "5000 65000"


def test_addresses_go_with_a_request_that_needs_fewer(begun: machine.Life) -> None:
    request = {
        "tune_target_connections": 150000,
        "tune_destinations": 1,
        "tune_binding": "bind",
        "tune_processes": 1,
        "tune_address_pool": ["198.51.100.0/26"],
        "tune_slot": 1,
    }
    begun.somebody_adds_an_address(number=1)
    begun.tune(request=request)
    many = len(begun.host.addresses["eth0"])
    begun.boot()
    begun.somebody_adds_an_address(number=1)
    begun.tune(request=request | {"tune_target_connections": 120000})
    assert 2 < len(begun.host.addresses["eth0"]) < many
    begun.untune()


def test_a_file_that_beats_our_nr_open_is_refused_before_anything_is_written(begun: machine.Life) -> None:
    begun.somebody_sets_keys_at_boot(path="/etc/sysctl.d/99-zzz-site.conf", lines=[("fs.nr_open", "1048576")])
    begun.tune_simply(hard=2000000, **SIMPLE)
    assert begun.steps["tune refused"]
