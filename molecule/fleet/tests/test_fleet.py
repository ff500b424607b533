# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three clients hold connections to two sinks at once: what each says, and what the kernels at both ends count."""

from __future__ import annotations

import concurrent.futures
import pathlib
import typing as t

import pytest

#: 3 source addresses x 4,000 ports x 3 destinations, and what the other two were asked for.
HELD = {"client1": 36000, "client2": 35000, "client3": 30000}
#: Seconds: the first client still holds when the last has opened its connections.
HOLD = 8


class Proof(t.NamedTuple):
    """What a run came to, and how many connections each kernel had while all clients held theirs."""

    played: t.Any
    report: dict[str, t.Any]
    established: dict[str, int]

    @property
    def measured(self) -> dict[str, dict[str, t.Any]]:
        return {host["host"]: host["measured"] for host in self.report["hosts"] if host["measured"]}


@pytest.fixture(scope="module")
def proof(play, clients, sinks, wait_until, read_report, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    folder: pathlib.Path = tmp_path_factory.mktemp("report")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        variables = {"clients_hosts": "clients:sinks", "prove_hold": HOLD, "report_dir": str(folder)}
        playing = pool.submit(play, "prove_clients.yml", **variables)
        wait_until(lambda: all(host.progress.get("phase") == "holding" for host in clients.values()), 90)
        # What a sink has not accepted yet its kernel has established.
        established = {name: host.sockets()["established"] for name, host in (clients | sinks).items()}
        return Proof(playing.result(), read_report(folder), established)


def test_every_client_holds_what_was_predicted(proof: Proof) -> None:
    assert proof.played.status == 0, proof.played.output
    assert {name: counts["changed"] for name, counts in proof.played.counts.items()} == dict.fromkeys(
        ["client1", "client2", "client3", "sink1", "sink2"], 0
    )
    assert {name: one["predicted"] for name, one in proof.measured.items()} == HELD
    assert {name: one["established"] for name, one in proof.measured.items()} == HELD
    assert [one["message"] for one in proof.measured.values()] == [""] * 3


def test_the_four_tuples_end_the_one_that_wants_more(proof: Proof) -> None:
    limits = {name: one["first_limit"] for name, one in proof.measured.items()}
    assert limits == {"client1": "four_tuples", "client2": None, "client3": None}
    assert [one["sources"] for one in proof.measured.values()] == [3] * 3


def test_every_connection_is_alive(proof: Proof) -> None:
    for held in proof.measured.values():
        assert held["alive"] == held["sampled"] == held["opened"] == held["established"]


def test_the_sinks_kernels_count_the_same(proof: Proof) -> None:
    clients = {name: number for name, number in proof.established.items() if name in HELD}
    assert clients == HELD
    sinks = [number for name, number in proof.established.items() if name not in HELD]
    assert sum(sinks) == sum(HELD.values())
    # To no destination more than to the others but for the rest of a division; sink1 listens on two ports.
    assert sinks == pytest.approx([sum(HELD.values()) * 2 / 3, sum(HELD.values()) / 3], rel=0.02)


def test_the_report_sums_up(proof: Proof) -> None:
    # Whoever is a sink alone is no client, whatever it could hold.
    assert {host["host"] for host in proof.report["hosts"]} == set(HELD)
    totals = proof.report["totals"]
    assert (totals["measured"], totals["held_together"]) == (3, True)
    assert totals["established"] == totals["established_predicted"] == sum(HELD.values())
    assert "101,000 established at a time" in proof.played.output


def test_nothing_is_left(proof: Proof, clients, sinks) -> None:
    assert [one["time_wait"] for one in proof.measured.values()] == [0] * 3
    assert [left for host in (clients | sinks).values() for left in host.left()] == []
