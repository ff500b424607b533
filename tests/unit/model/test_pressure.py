# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import typing as t

import pytest
import sample
from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, pressure
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import parse

Json = dict[str, t.Any]

QUIET: Json = {
    "usable": 64512,
    "taken": 0,
    "taken_estimated": False,
    "programs": [],
    "pairs": [],
    "waiting": [],
    "waiting_other": 0,
}
PROXY = sample.user("haproxy.service", "bind_no_port", "sure", 60641)
SQUID = sample.user("squid.service", "bind", "likely", 30000, "bind", "bind_any")


def warnings(found: Json | None, stated: Json | None = None, automatic: str = "") -> list[str]:
    limits = limits_of()
    limits["ports"]["automatic"] = automatic
    limits["pressure"] = found
    return pressure.warnings(limits, parse(stated or {}))


def test_nothing_is_said_of_a_quiet_host_nor_without_a_look() -> None:
    assert warnings(QUIET) == warnings(None) == []
    assert pressure.warnings(limits_of(), parse({})) == []


def test_the_ceilings_have_the_warnings() -> None:
    limits = dict(limits_of(), pressure=sample.under_pressure())
    said = ceilings.predict(limits, {"binding": "bind_no_port"})["warnings"]
    assert any(one.startswith("haproxy.service, bind_no_port (sure)") for one in said)


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.5, None), (0.51, "past half"), (0.8, "past half"), (0.81, "above 80 %"), (1.0, "above 80 %")],
)
def test_half_and_80_percent(share: float, said: str | None) -> None:
    found = warnings(QUIET | {"pairs": [sample.pair("10.9.0.1", "10.9.0.100:8001", share, PROXY, timewait=12)]})
    assert len(found) == (said is not None)
    if said:
        assert said in found[0]
        assert found[0].startswith(
            "haproxy.service, bind_no_port (sure): %d %% of 64,512 ports of 10.9.0.1 towards 10.9.0.100:8001 "
            "(60,641 connections and 12 in TIME_WAIT): " % (100 * share)
        )


def test_of_many_full_pairs_three_are_named() -> None:
    pairs = [sample.pair("10.9.0.%d" % number, "10.9.0.100:8001", 0.9, PROXY) for number in range(5)]
    found = warnings(QUIET | {"pairs": pairs})
    assert len(found) == 4
    assert found[3].startswith("2 more pairs")


def test_what_makes_room_depends_on_the_binding() -> None:
    (found,) = warnings(QUIET | {"pairs": [sample.pair("10.9.0.2", None, 0.9, SQUID)]})
    assert "10.9.0.2 towards any destination" in found
    assert "IP_BIND_ADDRESS_NO_PORT" in found
    own = sample.pair("10.9.0.2", "10.9.0.100:8001", None, SQUID)
    assert warnings(QUIET | {"pairs": [own]}) == []


@pytest.mark.parametrize(
    ("stated", "program", "differs"),
    [
        ({"binding": "bind_no_port", "units": ["haproxy.service"]}, PROXY, False),
        ({"program": "haproxy", "program_binds": True, "units": ["haproxy.service"]}, PROXY, False),
        ({"binding": "autobind", "units": ["haproxy.service"]}, PROXY, True),
        ({"program": "haproxy", "units": ["haproxy.service"]}, PROXY, True),
        # Somebody else's program is no matter of this request.
        ({"binding": "autobind", "units": ["nginx.service"]}, PROXY, False),
        # Without one that is named, the largest.
        ({"binding": "autobind"}, PROXY, True),
        ({"binding": "autobind"}, PROXY | {"connections": 99}, False),
        ({"binding": "autobind", "users": ["loadgen"]}, PROXY, False),
        ({"binding": "autobind", "users": ["loadgen"]}, PROXY | {"program": "loadgen", "kind": "user"}, True),
        # What cannot be told differs from nothing.
        ({"binding": "bind_any"}, SQUID, False),
        ({"binding": "bind_no_port"}, SQUID, True),
        ({"binding": "bind"}, sample.user("x.service", None, "unknown", 500), False),
    ],
)
def test_another_binding_than_the_declared_one(stated: Json, program: Json, differs: bool) -> None:
    found = warnings(QUIET | {"programs": [program]}, stated)
    assert len(found) == differs
    if differs:
        assert "State tune_binding: %s" % program["binding"] in found[0]


def test_ports_that_are_bound_are_lost_to_others() -> None:
    both = QUIET | {"programs": [PROXY, SQUID], "taken": 646, "taken_estimated": True}
    stated = {"binding": "bind_no_port"}
    (found,) = warnings(both, stated)
    assert found.startswith("About 646 of 64,512 ports are bound (squid.service, bind (likely, or bind_any)): ")
    assert warnings(both | {"taken": 645}, stated) == []
    assert warnings(both | {"programs": [SQUID]}, {"binding": "bind"}) == []


def test_ports_of_others_in_the_range() -> None:
    waiting = [
        {"port": 5000, "listens": True, "program": "registry.service", "kind": "unit"},
        {"port": 5001, "listens": True, "program": None, "kind": None},
        {"port": 40001, "listens": True, "program": "root", "kind": "user"},
        {"port": 40123, "listens": False, "program": "loadgen", "kind": "user"},
        {"port": 40125, "listens": False, "program": "loadgen", "kind": "user"},
    ]
    (found,) = warnings(QUIET | {"waiting": waiting, "waiting_other": 2}, automatic="40001")
    assert "5000 (registry.service), 5001 (a program that is not known), 40123 (user loadgen, bound" in found
    assert "and not connected) and 3 more. " in found
    assert "tune_reserved_ports" in found
    # The kernel chose it, and chooses another one the next time.
    assert warnings(QUIET | {"waiting": copy.deepcopy(waiting[2:3])}, automatic="40001") == []
