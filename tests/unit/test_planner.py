# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.filter.plan import FilterModule
from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import planner


def request(explicit=None, **stated):
    asked = {
        "target_connections": None,
        "destinations": 1,
        "binding": "autobind",
        "processes": 1,
        "port_range": "1024 65535",
        "port_fill": 0.5,
        "users": [],
        "units": [],
        "interface": None,
        "address_pool": [],
        "slot": 0,
        "slot_size": 16,
    }
    asked.update(stated)
    none = {"sysctl_floors": {}, "sysctl_values": {}, "sysctl_reserved_ports": [], "addresses_list": []}
    none.update(explicit or {})
    asked["explicit"] = none
    return asked


def test_nothing_stated_plans_for_one_source_address():
    plan = planner.plan(request())
    assert plan["target"] == 32256
    assert plan["ceiling"] == 64512
    assert plan["limits_nofile_hard"] == plan["limits_nofile_soft"] == 1048576
    assert plan["limits_domains"] == ["*", "root"]
    assert plan["sysctl_values"] == {"net.ipv4.ip_local_port_range": "1024 65535"}
    assert plan["sysctl_floors"]["fs.nr_open"] == 1048576


def test_a_million_takes_addresses_of_the_slot():
    asked = {"binding": "bind_no_port", "address_pool": ["192.0.2.0/24"], "slot": 2, "processes": 2}
    plan = planner.plan(request(target_connections=1000000, destinations=4, **asked))
    # 64512 ports x 4 destinations x 0.5 = 129024 a source address: 8 are needed, one is there
    assert plan["addresses_list"] == ["192.0.2.%d" % n for n in range(33, 40)]
    assert plan["sources"] == 8
    assert plan["sysctl_floors"]["fs.file-max"] >= 1000000


def test_one_process_that_holds_more_than_the_kernels_default_nofile():
    plan = planner.plan(request(target_connections=2000000, destinations=100))
    assert plan["limits_nofile_hard"] == 2001024
    assert plan["sysctl_floors"]["fs.nr_open"] == 2001024


def test_a_plain_bind_has_its_ports_once_whatever_the_destinations():
    one = planner.plan(request(binding="bind"))
    assert planner.plan(request(binding="bind", destinations=9))["ceiling"] == one["ceiling"]


def test_reserved_ports_inside_the_range_count():
    plan = planner.plan(request({"sysctl_reserved_ports": [22, "2000-2009"]}))
    assert plan["ceiling"] == 64502


def test_explicit_values_win():
    explicit = {
        "sysctl_floors": {"fs.nr_open": 3000000},
        "sysctl_values": {"net.ipv4.tcp_tw_reuse": 1},
        "limits_nofile_hard": 2000000,
        "limits_nofile_soft": 100000,
        "limits_units": ["a.service"],
        "addresses_list": ["192.0.2.1"],
        "addresses_interface": "eth9",
    }
    plan = planner.plan(request(explicit, users=["u"], units=["b.service"], interface="eth1", binding="bind"))
    assert plan["sysctl_floors"]["fs.nr_open"] == 3000000
    assert plan["sysctl_values"]["net.ipv4.tcp_tw_reuse"] == 1
    assert (plan["limits_nofile_hard"], plan["limits_nofile_soft"]) == (2000000, 100000)
    assert (plan["limits_domains"], plan["limits_units"]) == (["u"], ["a.service"])
    assert (plan["addresses_list"], plan["addresses_interface"]) == (["192.0.2.1"], "eth9")
    assert plan["sources"] == 2


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"target_connections": True}, "tune_target_connections is True"),
        ({"target_connections": 0}, "tune_target_connections is 0"),
        ({"target_connections": "unlimited"}, "tune_target_connections is 'unlimited'"),
        ({"target_connections": 32257}, "at most 32256.*tune_binding: bind_no_port"),
        ({"target_connections": 40000, "binding": "bind"}, "It needs 1 secondary addresses: name them in tune_address"),
        ({"destinations": 0}, "tune_destinations is 0"),
        ({"destinations": []}, "tune_destinations"),
        ({"destinations": ["a:1", "a:1"]}, "different address:port"),
        ({"binding": "any"}, "tune_binding is 'any'; allowed: one of autobind"),
        ({"processes": 0}, "tune_processes"),
        ({"port_range": "65535 1024"}, "tune_port_range.*Swap"),
        ({"port_fill": 0}, "tune_port_fill"),
        ({"port_fill": True}, "tune_port_fill"),
        ({"port_fill": "x"}, "tune_port_fill"),
        (
            {"target_connections": 10**6, "binding": "bind", "address_pool": ["192.0.2.0/24"]},
            "a slot has 16: raise tune_slot_size",
        ),
        (
            {"target_connections": 10**5, "binding": "bind", "address_pool": ["192.0.2.0/24"], "slot": 15},
            "tune_slot is 15; allowed: a whole number from 0 to 14",
        ),
        (
            {"target_connections": 10**5, "binding": "bind", "address_pool": ["192.0.2.0/28"]},
            "tune_slot_size is 16",
        ),
    ],
)
def test_refusals(stated, message):
    with pytest.raises(Refusal, match=message):
        planner.plan(request(**stated))


def test_listed_addresses_that_do_not_suffice_are_named():
    with pytest.raises(Refusal, match="It needs 3 secondary addresses: name them in addresses_list"):
        planner.plan(request({"addresses_list": ["192.0.2.1"]}, target_connections=120000, binding="bind"))


@pytest.mark.parametrize("value", ["unlimited", True, 0])
def test_a_nofile_that_is_no_number_is_refused(value):
    with pytest.raises(Refusal, match="limits_nofile_hard is"):
        planner.plan(request({"limits_nofile_hard": value}))


def test_an_explicit_nofile_below_the_need_is_refused():
    with pytest.raises(Refusal, match="limits_nofile_soft is 1000; allowed: 20000 or more"):
        planner.plan(request({"limits_nofile_hard": 1000}, target_connections=20000))


def test_the_filter_answers_a_refusal_in_its_own_words():
    plan = FilterModule().filters()["plan"]
    assert plan(request())["target"] == 32256
    assert plan(request(processes=0)) == {
        "refusal": "tune_processes is 0; allowed: a whole number from 1 to 1000000. Write how many processes connect."
    }


def test_an_explicit_value_takes_the_place_of_a_planned_floor():
    plan = planner.plan(request({"sysctl_values": {"fs.nr_open": 210000}}))
    assert "fs.nr_open" not in plan["sysctl_floors"]


@given(
    target=st.integers(1, 2 * 10**6),
    destinations=st.integers(1, 200),
    binding=st.sampled_from(planner.BINDINGS),
    processes=st.integers(1, 64),
    slot=st.integers(0, 15),
)
def test_a_plan_holds_its_target_and_slots_do_not_overlap(target, destinations, binding, processes, slot):
    asked = {
        "target_connections": target,
        "destinations": destinations,
        "binding": binding,
        "processes": processes,
        "address_pool": ["10.0.0.0/20"],
        "slot_size": 64,
    }
    try:
        one = planner.plan(request(slot=slot, **asked))
        other = planner.plan(request(slot=slot + 1, **asked))
    except Refusal:
        return
    assert one["ceiling"] >= target
    assert one["limits_nofile_hard"] * processes >= target
    assert not set(one["addresses_list"]) & set(other["addresses_list"])
    assert one == planner.plan(request(slot=slot, **asked))
