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

#: The number of random sequences. Without one, for every change, the same few are tried each time.
ASKED = os.environ.get("FOURTUPLE_STATEFUL_SEQUENCES")
SEQUENCES = int(ASKED or "30")
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

        def teardown(self) -> None:
            """However a life went, its end is one more run and the way back; unless a promise is broken already."""
            if hasattr(self, "host") and sys.exc_info()[0] is None:
                self.tune_simply(hard=2000000, **SIMPLE)
                self.untune()
                self.boot()
                self.nobody_elses_file_is_touched_and_ours_are_named()

    return FolderLife


def test_the_promises_hold_after_every_step(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.Life.steps.clear()
    run_state_machine_as_test(
        life(folder),
        settings=hypothesis.settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=ASKED is None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stdout.write("\n%d sequences of up to %d steps; runs: %s\n" % (SEQUENCES, STEPS, machine.Life.steps))
    # A machine whose every run is refused would prove nothing.
    assert machine.Life.steps.get("tune done", 0) > SEQUENCES / 2
    assert machine.Life.steps.get("untune done", 0) > SEQUENCES / 2


# --- sequences that once failed, or that every run has to try ---

SIMPLE = {"connections": 20000, "units": ["app.service"]}
REQUEST = {
    "tune_target_connections": 20000,
    "tune_destinations": 4,
    "tune_binding": "bind_no_port",
    "tune_processes": 1,
    "tune_address_pool": ["198.51.100.0/26"],
    "tune_slot": 0,
    "tune_units": ["app.service"],
}
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


def test_whoever_is_locked_out_by_somebody_else_may_stay_so_with_a_lower_limit(begun: machine.Life) -> None:
    begun.tune_simply(hard=1048576, **SIMPLE)
    begun.somebody_sets_a_key_now(assignment=("fs.nr_open", "210000"))
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
        "tune_addresses_method": "interface",
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


def test_a_value_that_somebody_wrote_into_our_file_is_theirs(begun: machine.Life) -> None:
    begun.tune_simply(hard=2000000, **SIMPLE)
    text = begun.host.files()[machine.OUR_SYSCTL]
    begun.somebody_puts_into_our_file(machine.OUR_SYSCTL, text.replace("1024 65535", "2048 65535"))
    begun.boot()
    begun.untune()
    assert begun.host.keys()["net.ipv4.ip_local_port_range"] == "2048 65535"
    begun.boot()


def test_a_line_of_somebodys_that_leaves_too_little_is_refused_before_anything_is_written(begun: machine.Life) -> None:
    begun.somebody_sets_limits(
        path="/etc/security/limits.d/99-zzz-site.conf", lines=["root hard nofile 65536", "root soft nofile 4096"]
    )
    begun.tune_simply(connections=20000, hard=1048576, units=[])
    assert begun.steps == {"tune refused": 1}


def test_a_user_who_loses_what_the_ssh_server_passes_on_is_seen_beforehand(begun: machine.Life) -> None:
    request = REQUEST | {"tune_units": [], "tune_domains": ["*"], "tune_restart_units": True}
    begun.tune(request=REQUEST)
    begun.tune(request=request | {"tune_units": ["app.service", "ssh.service"]})
    begun.tune(request=request)
    assert begun.steps == {"tune done": 2, "tune refused": 1}


@pytest.mark.parametrize("path", [machine.OUR_SYSCTL, machine.OUR_LIMITS, machine.OUR_UNIT])
def test_a_file_that_somebody_took_over_stays_theirs(begun: machine.Life, path: str) -> None:
    begun.tune_simply(hard=2000000, **SIMPLE)
    begun.somebody_takes_over_our_file(path)
    begun.tune_simply(hard=1048576, **SIMPLE)
    begun.untune()
    begun.nobody_elses_file_is_touched_and_ours_are_named()
    assert begun.steps == {"tune done": 1, "tune refused": 1, "untune failed": 1}


def test_a_line_of_somebodys_that_beats_ours_is_named(begun: machine.Life) -> None:
    begun.somebody_sets_limits(path="/etc/security/limits.d/99-zzz-site.conf", lines=["* - nofile 65536"])
    begun.somebody_sets_keys_at_boot(path="/etc/sysctl.d/99-zzz-site.conf", lines=[("net.core.somaxconn", "128")])
    begun.somebody_sets_a_units_limit(path="/etc/systemd/system/app.service.d/zzzzz-site.conf", limit="65536")
    begun.tune(request=REQUEST | {"tune_domains": ["*", "root"], "tune_sysctl_floors": {"net.core.somaxconn": 8192}})
    assert begun.steps == {"tune done": 1}
    assert len(set(machine.who_leaves_less(begun.host.files()))) == 3


def test_untune_of_a_host_that_was_never_tuned_changes_nothing(begun: machine.Life) -> None:
    before = begun.host.files(), begun.host.keys(), begun.host.directories()
    begun.untune()
    assert (begun.host.files(), begun.host.keys(), begun.host.directories()) == before
    assert begun.steps == {"untune done": 1}


def test_a_file_that_beats_our_nr_open_is_refused_before_anything_is_written(begun: machine.Life) -> None:
    begun.somebody_sets_keys_at_boot(path="/etc/sysctl.d/99-zzz-site.conf", lines=[("fs.nr_open", "1048576")])
    begun.tune_simply(hard=2000000, **SIMPLE)
    assert begun.steps["tune refused"]
