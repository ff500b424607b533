# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of programs, and what of it goes into a request."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_builder import address, limits_of, subject

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BINDINGS, BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import request
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import PROGRAMS, VARIABLES

NAMES = st.sampled_from(sorted(PROGRAMS))


def parse(**stated: t.Any) -> request.ClientRequest:
    return request.parse(stated)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_row_is_in_order(name: str) -> None:
    program = PROGRAMS[name]
    assert program.what
    assert program.binding in BY_ROUTE
    assert (program.option is None) == (program.bound is None)
    assert program.bound is None or program.bound in BINDINGS
    found = parse(program=name)
    assert (found.program, found.binding) == (name, program.binding)
    assert found.descriptors_per_connection == program.descriptors
    # What was not looked at has the default, which promises least.
    assert found.raises_nofile == (program.raises_nofile or False)
    assert found.closes_first == (program.closes_first or "client")
    assert found.app_descriptors == (program.own or 64)


def test_with_its_source_option() -> None:
    assert parse(program="haproxy", program_binds=True).binding == "bind_no_port"
    assert parse(program="squid", program_binds="True").binding == "bind"
    assert parse(program="squid", program_binds="False").binding == "autobind"
    assert parse(program="tsung").binding == "bind_any"
    with pytest.raises(Refusal, match="tune_program_binds is True; allowed: false for wrk, which has no option for a"):
        parse(program="wrk", program_binds=True)
    with pytest.raises(Refusal, match="tune_program_binds is True; allowed: false without tune_program"):
        parse(program_binds=True)


def test_with_ports_of_its_own() -> None:
    found = parse(program="haproxy", program_ports="20000-20099")
    assert (found.binding, found.program_ports, found.reuse_address) == ("bind_port", (20000, 20099), True)
    assert not parse(program="curl", program_ports="20000-20099").reuse_address
    with pytest.raises(Refusal, match="tune_program_ports is '1-2'; allowed: nothing for nginx"):
        parse(program="nginx", program_ports="1-2")


@pytest.mark.parametrize("name", ["Apache", "", 7, "my own"])
def test_a_program_that_is_not_in_the_table(name: object) -> None:
    if not name:
        assert parse(program=name) == parse()
        return
    with pytest.raises(Refusal) as caught:
        parse(program=name)
    said = str(caught.value)
    assert said.startswith("tune_program is %r; allowed: one of nginx, haproxy, " % name)
    assert all(variable in said for variable in (*VARIABLES, *PROGRAMS))


#: What an operator may say himself.
SAID = st.fixed_dictionaries(
    {},
    optional={
        "binding": st.sampled_from(("autobind", "bind", "bind_no_port", "bind_any")),
        "reuse_address": st.booleans(),
        "descriptors_per_connection": st.integers(1, 3),
        "raises_nofile": st.sampled_from((False, True, 5000)),
        "closes_first": st.sampled_from(("client", "server", "reset")),
        "app_descriptors": st.integers(1, 100),
    },
)


@given(NAMES, SAID)
def test_what_the_operator_says_wins(name: str, said: dict[str, t.Any]) -> None:
    found = parse(program=name, **said)._asdict()
    without = parse(program=name)._asdict()
    assert {key: found[key] for key in said} == said
    others = found.keys() - said.keys() - {"app_nofile"}
    assert {key: found[key] for key in others} == {key: without[key] for key in others}
    assert found["app_nofile"] == (None if "raises_nofile" in said else PROGRAMS[name].nofile)


@pytest.mark.parametrize(
    ("stated", "held"),
    [
        ({"program": "nginx"}, 200),
        ({"program": "nginx", "program_binds": True}, 600),
        ({"program": "haproxy", "program_binds": True}, 600),
        ({"program": "squid", "program_binds": True}, 300),
        ({"program": "tsung"}, 100),
        ({"program": "haproxy", "program_ports": "50000-50049"}, 300),
        # Of ports that curl names each has one connection.
        ({"program": "curl", "program_ports": "50000-50049"}, 150),
        ({"program": "curl", "program_binds": True}, 600),
        ({"program": "node", "program_binds": True}, 300),
    ],
)
def test_as_measured(stated: dict[str, t.Any], held: int) -> None:
    """100 ports, three source addresses, two destinations."""
    limits = limits_of(keys={"net.ipv4.ip_local_port_range": "40000 40099"})
    limits["addresses"]["list"] = [address("192.0.2.%d" % (number + 10)) for number in range(3)]
    limits["nofile"]["subjects"] = [subject("user", "root", 10**6)]
    found = ceilings.predict(limits, {"destinations": 2, **stated})
    assert (found["ceiling"], found["binding_constraint"]) == (held, "four_tuples")


@pytest.mark.parametrize(
    ("program", "soft", "hard", "held"),
    [
        ("nginx", 400, 20000, 196),
        ("haproxy", 400, 400, 186),
        ("envoy", 300, 300, 131),
        # These raise it by themselves, locust to 10,000; httperf lowers it.
        ("haproxy", 400, 1000, 486),
        ("node", 400, 1000, 936),
        ("locust", 1024, 20000, 9936),
        ("locust", 1024, 9000, 960),
        ("httperf", 20000, 20000, 960),
        ("python", 400, 1000, 336),
    ],
)
def test_what_a_program_does_with_nofile(program: str, soft: int, hard: int, held: int) -> None:
    limits = limits_of(nofile={"subjects": [subject("user", "root", soft, hard)]})
    (found,) = (one for one in ceilings.predict(limits, {"program": program})["constraints"] if one["name"] == "nofile")
    assert found["allows"] == held


def test_a_refusal_names_the_programs_own_option() -> None:
    found = planner.plan(limits_of(), {"program": "haproxy", "target_connections": 40000})["refusal"]
    assert "let haproxy bind its source address (source A, then tune_program_binds: true), add 1 destination" in found
    found = planner.plan(limits_of(), {"program": "wrk", "target_connections": 40000})["refusal"]
    assert found.endswith("has one source address: add 1 destination or raise tune_port_fill to 0.63.")
    assert "let" not in found
    (one,) = (
        one for one in ceilings.predict(limits_of(), {"program": "wrk"})["constraints"] if one["name"] == "four_tuples"
    )
    assert one["change"].startswith("add destinations, or widen")


def test_a_million_through_haproxy() -> None:
    stated = {
        "target_connections": 1000000,
        "destinations": 4,
        "program": "haproxy",
        "program_binds": True,
        "address_pool": ["198.51.100.0/24"],
        "slot": 2,
    }
    found = planner.plan(limits_of(), stated)
    assert found["descriptors"] == 2 * 1000000 + 28
    assert found["sources"] == 8
    assert found["settings"]["sysctl_floors"]["fs.nr_open"] >= 2 * 1000000 + 28
    assert found["after"]["meets_target"]
