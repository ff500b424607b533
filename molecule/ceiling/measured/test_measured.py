# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real connections against the ceiling model: on hosts that nobody has tuned, and on the same hosts tuned."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings

Result = dict[str, t.Any]

BINDINGS = ("autobind", "bind", "bind_no_port")
COMBINED = (*BINDINGS, "bind_any")
#: connect() finds no port that is free for the destination, bind() none that is free for the address.
ENDED_BY = {
    "autobind": "EADDRNOTAVAIL",
    "bind": "EADDRINUSE",
    "bind_no_port": "EADDRNOTAVAIL",
    "bind_any": "EADDRINUSE",
}

IPV4 = ["198.51.100.10:7000", "198.51.100.10:7001"]
IPV6 = ["[2001:db8:1::10]:7000", "[2001:db8:1::10]:7001"]


def held(probe: Result, binding: str) -> int:
    """Return how many connections there were until no port was left; all of them lived, and left nothing behind."""
    assert probe["established"] == probe["opened"] == probe["sampled"] == probe["alive"]
    assert (probe["first_limit"], list(probe["errors"])) == ("four_tuples", [ENDED_BY[binding]])
    assert probe["time_wait"] == 0
    return probe["established"]


def predicted(limits: Result, **request: object) -> tuple[int, str]:
    """Return the ceiling that the model gives a host, and what sets it."""
    model = ceilings.predict(limits, request)
    return model["ceiling"], model["binding_constraint"]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("destinations", [1, 2])
@pytest.mark.parametrize("binding", COMBINED)
@pytest.mark.parametrize("reserved", [0, 10])
@pytest.mark.parametrize("sources", [1, 2, 3])
def test_every_combination(
    exact: Result, sources: int, reserved: int, binding: str, destinations: int, family: str
) -> None:
    state = next(one for one in exact["states"] if (one["sources"], bool(one["reserved"])) == (sources, bool(reserved)))
    probe = next(one for one in state["probes"] if one["item"] == [binding, destinations, family])
    ports = state["limits"]["ports"]
    usable = ports["high"] - ports["low"] + 1 - reserved

    # A client that binds no address of its own has one; a plain bind takes its port whatever the destination.
    used = 1 if binding in ("autobind", "bind_any") else sources
    by_hand = usable * used * (1 if binding in ("bind", "bind_any") else destinations)
    assert held(probe, binding) == by_hand
    to = {"ipv4": IPV4, "ipv6": IPV6}[family][:destinations]
    assert predicted(state["limits"], binding=binding, destinations=to) == (by_hand, "four_tuples")


@pytest.mark.parametrize("binding", BINDINGS)
def test_both_families_at_once(exact: Result, binding: str) -> None:
    """The host as it is, from the source addresses that the model counts."""
    found = exact["found"]
    probe = next(one for one in found["probes"] if one["item"] == binding)
    model = predicted(found["limits"], binding=binding, destinations=IPV4 + IPV6)
    assert (held(probe, binding), "four_tuples") == model


@pytest.mark.parametrize("bound", [5, 10])
def test_ports_that_another_program_binds_plainly(exact: Result, bound: int) -> None:
    """Each of them is lost to all who let connect() choose, from whatever address to whatever destination.

    Not to those who bind plainly to another address. Ten ports there are.
    """
    probes = next(one for one in exact["poisoned"] if one["bound"] == bound)["probes"]
    left = 10 - bound
    found = {(probe["item"][0], *probe["item"][1]): held(probe, probe["item"][0]) for probe in probes}
    assert found == {
        # to two destinations
        ("autobind",): 2 * left,
        ("bind_no_port", "198.51.100.10"): 2 * left,
        ("bind_no_port", "198.51.100.10", "203.0.113.1", "203.0.113.2"): 6 * left,
        ("bind_no_port", "2001:db8:1::10", "2001:db8:2::1", "2001:db8:2::2"): 6 * left,
        # to one or two alike; the first of these is the other program's address
        ("bind", "203.0.113.1"): left,
        ("bind", "203.0.113.2"): 10,
    }


@pytest.mark.parametrize(("name", "binding"), [("autobind", "autobind"), ("all_sources", "bind_no_port")])
def test_many_ports(stock: Result, name: str, binding: str) -> None:
    """In as many processes as their open files demand."""
    probe = stock[name]
    model = predicted(stock["limits"], binding=binding, destinations=IPV4[:1], processes=8)
    assert (held(probe, binding), "four_tuples") == model


def test_open_files_of_a_user(stock: Result) -> None:
    """One process, with the hard limit of a session of that user."""
    probe = stock["user"]
    hard = next(one for one in stock["limits"]["nofile"]["subjects"] if one["name"] == "tester")["now"]["hard"]
    model = predicted(
        stock["limits"],
        destinations=IPV4[:1],
        processes=1,
        app_nofile=hard,
        app_descriptors=probe["descriptors"],
    )
    assert (probe["processes"], probe["nofile"]) == (1, hard)
    assert (probe["established"], probe["first_limit"]) == model
    assert probe["alive"] == probe["sampled"] == probe["established"]
    assert probe["time_wait"] == 0


@pytest.mark.parametrize("name", ["exact", "stock"])
def test_a_stranger_is_not_connected_to(request: pytest.FixtureRequest, name: str) -> None:
    refused = request.getfixturevalue(name)["refused"]
    assert "established" not in refused
    assert not refused["changed"]
    assert "prove_destinations[1] is '198.51.100.99:7000'" in refused["msg"]
    assert "prove_confirmed" in refused["msg"]


@pytest.mark.parametrize("name", ["exact", "stock"])
def test_every_connection_was_accepted_and_closed(request: pytest.FixtureRequest, name: str) -> None:
    sink = request.getfixturevalue(name)["sink"]
    # The same sink as in the beginning.
    assert not sink["changed"]
    assert sink["statistics"]["accepted"] == sink["statistics"]["closed"] > 0
    assert (sink["statistics"]["exhausted"], sink["statistics"]["lost_processes"]) == ({}, 0)


def test_nothing_is_left(nothing_left: t.Callable[[], list[str]]) -> None:
    assert nothing_left() == []
