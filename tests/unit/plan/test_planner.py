# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import ipaddress
import re
import typing as t

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from limits_builder import address, container, limits_of, local, subject

from ansible_collections.fourtuple.clients.plugins.filter.plan import FilterModule
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BINDINGS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.prediction import predict

Limits = dict[str, t.Any]

POOL = {"binding": "bind_no_port", "address_pool": ["198.51.100.0/24"], "slot": 2}
TRACKING = {"loaded": True, "max": 65536, "count": 112, "buckets": 65536, "tracks_local": True, "why": "it counts"}


def plan(limits: Limits | None = None, explicit: dict[str, t.Any] | None = None, **stated: t.Any) -> dict[str, t.Any]:
    """Return a plan that must not be refused."""
    found = planner.plan(limits or limits_of(), stated | {"explicit": explicit or {}})
    assert "refusal" not in found, found["refusal"]
    return found


def settings(limits: Limits | None = None, explicit: dict[str, t.Any] | None = None, **stated: t.Any) -> t.Any:
    return plan(limits, explicit, **stated)["settings"]


def refusal(limits: Limits | None = None, explicit: dict[str, t.Any] | None = None, **stated: t.Any) -> str:
    found = planner.plan(limits or limits_of(), stated | {"explicit": explicit or {}})
    # A container is told besides what its outside could set (test_container.py).
    assert found.keys() - {"container"} == {"refusal", "before"}, found
    assert found["before"]["constraints"]
    return t.cast(str, found["refusal"])


def test_nothing_stated_plans_for_one_source_address() -> None:
    found = plan()
    assert (found["target"], found["sources"], found["slot"], found["claim"]) == (32256, 1, None, None)
    assert found["settings"] == {
        "sysctl_floors": {"fs.nr_open": 1048576, "fs.file-max": 97792, "fs.epoll.max_user_watches": 32320},
        "sysctl_values": {"net.ipv4.ip_local_port_range": "1024 65535"},
        "reserved_ports": [],
        "nofile_soft": 66560,
        "nofile_hard": 1048576,
        "domains": ["*", "root"],
        "units": [],
        "addresses": [],
        "addresses_method": "auto",
        "interface": None,
    }
    assert (found["before"]["ceiling"], found["after"]["ceiling"]) == (960, 64512)


def test_a_million_takes_addresses_of_the_slot() -> None:
    found = plan(target_connections=1000000, destinations=4, processes=2, **POOL)
    # 64512 ports x 4 destinations x 0.5 = 129024 a source address: 8 are needed, one is there
    assert found["settings"]["addresses"] == ["198.51.100.33-198.51.100.39"]
    assert (found["sources"], found["slot"], found["target"]) == (8, 2, 1000000)
    assert found["claim"] == [["198.51.100.33", "198.51.100.48"]]
    assert found["after"]["meets_target"]
    assert found["after"]["advised"] >= 1000000


def test_the_slot_may_come_from_the_primary_address() -> None:
    asked = dict(POOL, slot=None)
    # 254 addresses are 15 slots of 16: three low bits of 192.0.2.10.
    assert plan(target_connections=40000, **asked)["slot"] == 2
    # A slot that nobody needs and nobody states is not looked for.
    assert plan(target_connections=20000, **asked)["slot"] is None
    assert plan(target_connections=20000, **POOL)["slot"] == 2


class TestAddresses:
    def test_those_of_an_earlier_run_are_not_there(self) -> None:
        ours = address("198.51.100.33", last="198.51.100.39", count=7, prefix=32, ours=True)
        limits = limits_of(addresses={"list": [address("192.0.2.10"), ours]})
        assert settings(limits, target_connections=90000, **POOL)["addresses"] == ["198.51.100.33-198.51.100.34"]
        assert settings(limits)["addresses"] == []

    def test_those_of_others_are_sources(self) -> None:
        theirs = address("192.0.2.11", last="192.0.2.12", count=2)
        limits = limits_of(addresses={"list": [address("192.0.2.10"), theirs]})
        assert settings(limits, target_connections=90000, **POOL)["addresses"] == []

    def test_one_of_the_slice_that_is_there_already_is_passed_over(self) -> None:
        limits = limits_of(addresses={"list": [address("192.0.2.10"), address("198.51.100.34")]})
        found = settings(limits, target_connections=128000, **POOL)["addresses"]
        assert found == ["198.51.100.33", "198.51.100.35"]

    def test_only_those_of_the_destinations_family(self) -> None:
        asked = dict(POOL, slot=0, address_pool=["2001:db8::/124", "198.51.100.0/24"], slot_size=64)
        found = settings(target_connections=60000, **asked)["addresses"]
        assert found == ["198.51.100.1"]

    def test_a_list_goes_before_the_pool(self) -> None:
        found = plan(None, {"addresses": ["198.51.100.7-198.51.100.9"]}, target_connections=100000, **POOL)
        assert found["settings"]["addresses"] == ["198.51.100.7-198.51.100.9"]

    def test_a_prefix_that_is_local_as_a_whole_needs_none(self) -> None:
        limits = limits_of(addresses={"anyip": [local("198.51.100.0-198.51.100.255")]})
        found = plan(limits, target_connections=2000000, processes=4, **POOL)
        assert (found["settings"]["addresses"], found["sources"]) == ([], 257)


class TestLimits:
    def test_one_process_that_holds_more_than_the_kernels_own_nr_open(self) -> None:
        found = settings(target_connections=2000000, destinations=100)
        assert found["nofile_hard"] == found["nofile_soft"] == 2001088
        assert found["sysctl_floors"]["fs.nr_open"] == 2001088

    def test_users_and_units(self) -> None:
        limits = limits_of(nofile={"subjects": [subject("user", "u", 1024), subject("unit", "a.service", 1024)]})
        found = plan(limits, users=["u"], units=["a.service"])
        assert found["settings"]["domains"] == ["u"]
        assert found["settings"]["units"] == ["a.service"]
        assert "a.service runs with a soft nofile of 1024 until it is restarted." in found["warnings"]

    def test_a_group_whose_limit_no_snapshot_has(self) -> None:
        assert settings(users=["@loadgen"])["domains"] == ["@loadgen"]

    def test_a_higher_limit_of_others_stays(self) -> None:
        units = [
            subject("unit", "a.service", 2000000, by="/etc/systemd/system/a.service:5"),
            subject("unit", "b.service", 2000000, by="/etc/systemd/system/b.service.d/zzzz-fourtuple.conf:2"),
            subject("unit", "c.service", 2000000),
        ]
        limits = limits_of(nofile={"subjects": units})
        planned = settings(limits, units=["a.service", "b.service", "c.service"])
        after = {one["name"]: one["now"]["soft"] for one in predict(limits, planned)["nofile"]["subjects"]}
        assert after["a.service"] == 2000000
        assert after["b.service"] == after["c.service"] == planned["nofile_soft"] == 66560

    def test_others_who_have_many_files_keep_room(self) -> None:
        limits = limits_of(nofile={"file_max": {"allocated": 100012}})
        assert settings(limits, target_connections=1000)["sysctl_floors"]["fs.file-max"] == 1000 + 4 * 65536

    def test_tracked_connections(self) -> None:
        limits = limits_of(conntrack=TRACKING, keys={"net.netfilter.nf_conntrack_max": 65536})
        found = settings(limits, target_connections=20000, churn=10)
        assert found["sysctl_floors"]["net.netfilter.nf_conntrack_max"] == 20000 + 1200 + 65536
        assert "net.netfilter.nf_conntrack_max" not in settings(target_connections=20000)["sysctl_floors"]


class TestContainer:
    def test_keys_of_the_machine_are_left_out(self) -> None:
        assert settings(container())["sysctl_floors"] == {}

    @pytest.mark.parametrize(
        ("key", "value"), [("fs.nr_open", 20000), ("fs.file-max", 20000), ("fs.epoll.max_user_watches", 20000)]
    )
    def test_and_refused_where_they_do_not_suffice(self, key: str, value: int) -> None:
        message = refusal(container(keys={key: value}), target_connections=30000)
        assert "tune_target_connections is 30000; allowed: at most" in message
        assert re.search("%s|nofile" % re.escape(key), message)

    def test_the_least_that_the_machine_must_have_is_told(self) -> None:
        message = refusal(container(keys={"fs.file-max": 20000}), target_connections=30000)
        assert "Raise fs.file-max on the machine under this container to 31188 or more." in message

    def test_limits_stay_within_the_machines_nr_open(self) -> None:
        found = plan(container(keys={"fs.nr_open": 20000}))
        assert (found["settings"]["nofile_hard"], found["target"]) == (20000, 20000 - 64)

    def test_an_explicit_limit_above_it(self) -> None:
        message = refusal(container(), {"nofile_hard": 1048577})
        assert "nofile_hard is 1048577; allowed: at most 1048576, the fs.nr_open of the machine" in message

    def test_without_the_right_to_raise_limits(self) -> None:
        found = {"subjects": [subject("user", "root", 1024, 20000)], "inherited": {"soft": 1024, "hard": 20000}}
        limits = container(host={"capabilities": ["CAP_NET_ADMIN"]}, nofile=found)
        assert settings(limits)["nofile_hard"] == 20000
        message = refusal(limits, target_connections=30000)
        assert "Give the container CAP_SYS_RESOURCE, or start it with a nofile of 30064 or more." in message
        # A snapshot from before PID 1's limits were told.
        del limits["nofile"]["inherited"]
        assert settings(limits)["nofile_hard"] == 20000
        # An unprivileged reader has no capabilities, which says nothing of the host.
        limits["host"]["uid"] = 1000
        assert settings(limits)["nofile_hard"] == 1048576


class TestExplicit:
    def test_values_win(self) -> None:
        explicit = {
            "sysctl_floors": {"fs.nr_open": 3000000},
            "sysctl_values": {"net.ipv4.tcp_tw_reuse": 1},
            "reserved_ports": ["2000-2009"],
            "nofile_hard": 2000000,
            "nofile_soft": 100000,
            "domains": ["v"],
            "addresses": ["198.51.100.1"],
        }
        found = settings(None, explicit, users=["u"], units=["a.service"], interface="eth9", binding="bind")
        assert found["sysctl_floors"]["fs.nr_open"] == 3000000
        assert found["sysctl_values"]["net.ipv4.tcp_tw_reuse"] == 1
        assert found["reserved_ports"] == ["2000-2009"]
        assert (found["nofile_hard"], found["nofile_soft"]) == (2000000, 100000)
        assert (found["domains"], found["units"]) == (["v"], ["a.service"])
        assert (found["addresses"], found["interface"]) == (["198.51.100.1"], "eth9")

    def test_a_value_takes_the_place_of_a_planned_floor(self) -> None:
        found = settings(None, {"sysctl_values": {"fs.nr_open": 210000}})
        assert "fs.nr_open" not in found["sysctl_floors"]
        assert found["nofile_hard"] == 210000

    def test_a_range_of_its_own(self) -> None:
        found = plan(None, {"sysctl_values": {"net.ipv4.ip_local_port_range": "40000 40099"}})
        assert (found["target"], found["after"]["ceiling"]) == (50, 100)

    @pytest.mark.parametrize("value", ["unlimited", True, 0])
    def test_a_nofile_that_is_no_number_is_refused(self, value: object) -> None:
        assert "nofile_hard is" in refusal(None, {"nofile_hard": value})

    def test_a_nofile_below_the_need_is_refused(self) -> None:
        message = refusal(None, {"nofile_hard": 1000}, target_connections=20000)
        assert "nofile_hard is 1000; allowed: 20064 or more, for 20000 connections in 1 process." in message
        assert "nofile_soft is 9" in refusal(None, {"nofile_soft": 9}, target_connections=20000)

    def test_a_nofile_without_a_target_sets_one(self) -> None:
        assert plan(None, {"nofile_hard": 1064}, processes=3)["target"] == 3000

    def test_a_key_that_is_set_too_low_is_named(self) -> None:
        message = refusal(None, {"sysctl_values": {"fs.file-max": 5000}}, target_connections=20000)
        assert "Raise fs.file-max to 21188 or more." in message


class TestRefusals:
    """Each says what would make it possible, with numbers."""

    @pytest.mark.parametrize(
        ("stated", "parts"),
        [
            ({"target_connections": True}, ["tune_target_connections is True"]),
            ({"target_connections": 0}, ["tune_target_connections is 0"]),
            ({"target_connections": "unlimited"}, ["tune_target_connections is 'unlimited'"]),
            ({"destinations": 0}, ["tune_destinations is 0"]),
            ({"destinations": []}, ["tune_destinations"]),
            ({"destinations": ["a:1", "a:1"]}, ["tune_destinations[1] is 'a:1'", "different address:port"]),
            ({"destinations": ["a"]}, ["tune_destinations[0] is 'a'", "198.51.100.7:443"]),
            ({"destinations": ["2001:db8::1:80"]}, ["[2001:db8::7]:443"]),
            ({"destinations": ["a:0"]}, ["tune_destinations[0] is 0; allowed: a whole number from 1"]),
            ({"binding": "any"}, ["tune_binding is 'any'; allowed: one of autobind"]),
            ({"processes": 0}, ["tune_processes is 0; allowed: a whole number from 1 to 1000000. Write how many"]),
            ({"port_range": "65535 1024"}, ["tune_port_range", "Swap"]),
            ({"port_fill": 0}, ["tune_port_fill"]),
            ({"port_fill": True}, ["tune_port_fill"]),
            ({"port_fill": "x"}, ["tune_port_fill"]),
            ({"port_fill": 1.5}, ["tune_port_fill"]),
            ({"app_bytes": -1}, ["tune_app_bytes"]),
            ({"churn": "many"}, ["tune_churn"]),
            (
                {"target_connections": 40000},
                ["at most 32256", "tune_binding: bind_no_port", "add 1 destination ", "tune_port_fill to 0.63."],
            ),
            (
                {"target_connections": 40000, "binding": "bind"},
                ["needs 2 source addresses and has 1", "tune_address_pool with a tune_slot_size of 1", "0.63"],
            ),
            (
                dict(POOL, target_connections=10**6, slot=14),
                ["needs 32 source addresses and has 17", "slots have 16 addresses", "tune_slot_size to 31"]
                + ["add 1 destination ", "tune_port_fill to 0.92"],
            ),
            (
                dict(POOL, target_connections=10**6, slot=0),
                ["raise tune_slot_size from 16 to 31 on every host"],
            ),
            (
                dict(POOL, target_connections=10**6, slot=0, binding="bind"),
                ["needs 32 source addresses", "or raise tune_port_fill to 0.92"],
            ),
            (dict(POOL, target_connections=10**5, slot=15), ["tune_slot is 15; allowed: a whole number from 0 to 14"]),
            (dict(POOL, slot=15), ["tune_slot is 15"]),
            (
                {"target_connections": 10**5, "binding": "bind", "address_pool": ["192.0.2.0/28"]},
                ["tune_slot_size is 16; allowed: a whole number from 1 to 14"],
            ),
        ],
    )
    def test_bad_input_and_too_few_addresses(self, stated: dict[str, t.Any], parts: list[str]) -> None:
        message = refusal(**stated)
        assert [part for part in parts if part not in message] == [], message

    def test_what_it_proposes_would_do(self) -> None:
        asked = dict(POOL, slot=0, target_connections=10**6)
        assert plan(**dict(asked, slot_size=31))["sources"] == 32
        assert plan(**dict(asked, destinations=2))
        assert plan(**dict(asked, port_fill=0.92))
        assert "0.92" in refusal(**dict(asked, port_fill=0.91))

    def test_listed_addresses_that_do_not_suffice(self) -> None:
        message = refusal(None, {"addresses": ["198.51.100.1"]}, target_connections=120000, binding="bind")
        assert "needs 4 source addresses and has 2: name 2 more in tune_addresses" in message

    def test_memory(self) -> None:
        message = refusal(target_connections=10**7, destinations=1000)
        assert "tune_target_connections is 10000000; allowed: at most 3631983." in message
        assert "It needs 41.0 GB of kernel memory and this host has 14.9 GB for connections" in message
        message = refusal(target_connections=10**6, destinations=100, app_bytes=20000)
        assert "24.1 GB of memory (4100 bytes each in the kernel, 20000 in the program)" in message

    def test_memory_of_a_control_group(self) -> None:
        group = {"path": "/load.slice", "limit": 10**8, "used": 0, "file_cache": 0}
        message = refusal(limits_of(memory={"cgroups": [group]}), target_connections=30000)
        assert "the control group /load.slice has 100.0 MB" in message
        assert "MemoryMax=" in message

    def test_churn_that_takes_every_port(self) -> None:
        assert "tune_target_connections is None" in refusal(churn=10**6, explicit={})

    def test_a_host_without_a_primary_address(self) -> None:
        limits = limits_of(addresses={"primary": None})
        assert "set tune_slot" in refusal(limits, target_connections=40000, **dict(POOL, slot=None))

    def test_addresses_that_could_not_be_read(self) -> None:
        assert "addresses could not be read" in refusal(limits_of(addresses=None))


def test_a_target_that_nobody_stated_stays_within_memory() -> None:
    limits = limits_of(memory={"total": 2 * 10**8, "free": 10**8, "file_cache": 0, "reserve": 0})
    found = plan(limits)
    assert found["target"] == int(found["after"]["ceiling"] * 0.9)
    # The settings do not follow what is free at the moment.
    limits["memory"]["free"] -= 10**7
    assert plan(limits)["settings"] == found["settings"]


def test_lines_of_others_that_beat_ours() -> None:
    found = [
        {"key": "net.ipv4.ip_local_port_range", "file": "/etc/tuned/x:1", "value": "1024 65000", "who": "TuneD"},
        {"key": "fs.nr_open", "file": "/etc/sysctl.conf:2", "value": "2000000", "who": "procps"},
        {"key": "fs.file-max", "file": "/etc/sysctl.conf:3", "value": "1000", "who": "procps"},
        {"key": "net.core.somaxconn", "file": "/etc/sysctl.conf:4", "value": "1", "who": "procps"},
    ]
    told = plan(limits_of(overrides=found))["warnings"]
    assert told == [
        "net.ipv4.ip_local_port_range: /etc/tuned/x:1 (TuneD) sets 1024 65000 and beats the planned 1024 65535: "
        "remove it there.",
        "fs.file-max: /etc/sysctl.conf:3 (procps) sets 1000 and beats the planned 97792: remove it there.",
    ]


def test_a_ulimit_of_login_shells_beats_ours_only_below_the_planned_soft_limit() -> None:
    def warnings(value: str) -> list[str]:
        line = {"key": "nofile", "file": "/etc/profile:5", "value": value, "who": "login shells"}
        found = plan(limits_of(overrides=[line]), explicit={"nofile_soft": 65536, "nofile_hard": 2000000})
        assert (found["settings"]["nofile_soft"], found["settings"]["nofile_hard"]) == (65536, 2000000)
        return t.cast(list[str], found["warnings"])

    # A bare ulimit -n sets soft and hard.
    assert warnings("65535") == [
        "nofile: /etc/profile:5 (login shells) sets 65535 and beats the planned 65536: remove it there."
    ]
    assert warnings("65536") == warnings("3000000") == warnings("hard") == warnings("unlimited") == []
    # What the shell makes of it is not known here.
    assert warnings("$MAX") == [
        "nofile: /etc/profile:5 (login shells) sets $MAX and beats the planned 65536: remove it there."
    ]


class TestPredict:
    def test_ports_as_sysctl_apply_leaves_them(self) -> None:
        limits = limits_of(ports={"reserved": "50000-50009", "listeners": "22,50005,40000"})
        limits["keys"]["net.ipv4.ip_local_reserved_ports"]["after_boot"] = "60000"
        planned = {
            "sysctl_values": {"net.ipv4.ip_local_port_range": "40000 50099"},
            "reserved_ports": [50001, "50090-50110"],
        }
        found = predict(limits, planned)["ports"]
        assert found["reserved"] == "40000,50000-50009,50090-50110,60000"
        assert (found["low"], found["high"], found["usable"]) == (40000, 50099, 10100 - 10 - 10 - 1)

    def test_nothing_planned_changes_nothing(self) -> None:
        limits = limits_of()
        assert predict(limits, {}) == limits

    def test_the_snapshot_stays_as_it_is(self) -> None:
        limits = limits_of()
        before = copy.deepcopy(limits)
        predict(limits, plan(limits, target_connections=10**6, destinations=4, **POOL)["settings"])
        assert limits == before

    def test_neighbouring_addresses_are_one_range(self) -> None:
        listed = ["198.51.100.1-198.51.100.3", "198.51.100.9", "2001:db8::1"]
        settings = {"addresses": listed, "interface": "eth1", "addresses_method": "interface"}
        found = predict(limits_of(), settings)
        ours = [one for one in found["addresses"]["list"] if one["ours"]]
        assert [(one["address"], one["last"], one["count"]) for one in ours] == [
            ("198.51.100.1", "198.51.100.3", 3),
            ("198.51.100.9", "198.51.100.9", 1),
            ("2001:db8::1", "2001:db8::1", 1),
        ]
        assert found["addresses"]["anyip"] == []
        routed = predict(limits_of(), {"addresses": listed, "interface": "eth1", "addresses_method": "route"})
        assert routed["addresses"]["anyip"] == [
            local("198.51.100.1-198.51.100.3", "198.51.100.9", ours=True),
            local("2001:db8::1", ours=True),
        ]


def test_the_filter() -> None:
    found = FilterModule().filters()["plan"]
    assert found(limits_of(), {})["target"] == 32256
    assert found(limits_of(), {"processes": 0})["refusal"].startswith("tune_processes is 0")


@st.composite
def hosts(draw: st.DrawFn) -> Limits:
    build = draw(st.sampled_from((limits_of, container)))
    limits = build(
        keys={
            "fs.nr_open": draw(st.sampled_from((1048576, 1073741816, 20000))),
            "fs.file-max": draw(st.integers(10**4, 10**7)),
            "fs.epoll.max_user_watches": draw(st.integers(10**4, 10**7)),
            "net.netfilter.nf_conntrack_max": draw(st.integers(10**4, 10**7)),
            "net.ipv4.ip_local_port_range": draw(st.sampled_from(("32768 60999", "1024 65535", "40000 40100"))),
        },
        conntrack=TRACKING | {"tracks_local": draw(st.sampled_from((True, False, None)))},
        memory={"free": draw(st.integers(10**8, 2 * 10**10))},
        ports={"listeners": draw(st.sampled_from(("", "22", "22,40000-40010"))), "reserved": "50000"},
        sockets={"established": draw(st.integers(0, 10**5))},
    )
    limits["nofile"]["file_max"]["allocated"] = draw(st.integers(0, 10**6))
    if draw(st.booleans()):
        ours = address("198.51.100.1", last="198.51.100.30", count=30, prefix=32, ours=True)
        limits["addresses"]["list"].append(ours)
    if draw(st.booleans()):
        limits["addresses"]["list"].append(address("198.51.100.70"))
    if draw(st.booleans()):
        limits["host"]["capabilities"] = []
    return t.cast(Limits, limits)


def _with_ports(asked: dict[str, t.Any]) -> dict[str, t.Any]:
    """Only a program that names its ports has a range of its own."""
    return asked if asked["binding"] == "bind_port" else dict(asked, program_ports=None)


REQUESTS = st.fixed_dictionaries(
    {
        "target_connections": st.none() | st.integers(1, 4 * 10**6),
        "destinations": st.integers(1, 50),
        "binding": st.sampled_from(BINDINGS),
        "processes": st.integers(1, 64),
        "port_fill": st.sampled_from((0.25, 0.5, 1.0)),
        "churn": st.sampled_from((0, 0, 50)),
        "app_bytes": st.sampled_from((0, 2000)),
        "program_ports": st.sampled_from(("1024 65535", "20000 20999")),
        "reuse_address": st.booleans(),
        "descriptors_per_connection": st.sampled_from((1, 1, 2)),
        "raises_nofile": st.sampled_from((False, True, 10000)),
        "closes_first": st.sampled_from(("client", "server")),
        "address_pool": st.sampled_from(([], ["198.51.100.0/24"], ["10.0.0.0/8"])),
        "slot": st.none() | st.integers(0, 3),
        "slot_size": st.sampled_from((16, 60)),
        "explicit": st.sampled_from(
            (
                {},
                {"addresses": ["198.51.100.200-198.51.100.210"]},
                {"nofile_hard": 300000},
                {"reserved_ports": ["2000-2009"], "sysctl_values": {"fs.file-max": 5 * 10**6}},
            )
        ),
    }
).map(_with_ports)


@given(limits=hosts(), asked=REQUESTS)
def test_a_plan_holds_its_target_and_a_second_run_changes_nothing(limits: Limits, asked: dict[str, t.Any]) -> None:
    found = planner.plan(limits, asked)
    if "refusal" in found:
        assert found["refusal"].count("; allowed: ") == 1
        return
    assert found["after"]["advised"] >= found["target"]
    if asked["target_connections"]:
        assert found["target"] == asked["target_connections"]
        assert found["after"]["meets_target"]
    tuned = predict(limits, found["settings"])
    assert ceilings.predict(tuned, asked) == found["after"]
    again = planner.plan(tuned, asked)
    assert again["settings"] == found["settings"]
    assert again["slot"] == found["slot"]
    assert predict(tuned, again["settings"]) == tuned


@given(limits=hosts(), asked=REQUESTS)
def test_no_floor_that_is_not_the_hosts_own(limits: Limits, asked: dict[str, t.Any]) -> None:
    found = planner.plan(limits, asked)
    for key in found.get("settings", {}).get("sysctl_floors", {}):
        assert limits["keys"][key]["scope"] == "namespace"


@given(limits=hosts(), asked=REQUESTS)
def test_one_address_less_would_not_do(limits: Limits, asked: dict[str, t.Any]) -> None:
    found = planner.plan(limits, asked)
    if "refusal" in found or not found["settings"]["addresses"] or asked["explicit"].get("addresses"):
        return
    *others, last = found["settings"]["addresses"]
    first, dash, end = last.partition("-")
    shorter = ["%s-%s" % (first, ipaddress.ip_address(end) - 1)] if dash else []
    fewer = dict(found["settings"], addresses=others + shorter)
    assert ceilings.predict(predict(limits, fewer), asked)["advised"] < asked["target_connections"]


def test_an_nr_open_that_cannot_be_written_here() -> None:
    limits = limits_of(keys={"fs.nr_open": {"now": "5000", "writable": False}})
    found = refusal(limits, target_connections=20000, app_nofile=100000)
    assert "Raise fs.nr_open to 20064 or more. It cannot be written here: do that from where" in found


class TestHowProgramsBind:
    def test_a_proxy_has_two_descriptors_for_each_connection(self) -> None:
        found = plan(target_connections=20000, descriptors_per_connection=2, processes=2)
        assert found["descriptors"] == 2 * 10000 + 64
        # A quarter more, for processes do not share connections out evenly, in steps of 1024.
        assert found["settings"]["nofile_soft"] == 25600
        floors = found["settings"]["sysctl_floors"]
        assert floors["fs.file-max"] == 2 * 20000 + 65536
        assert floors["fs.epoll.max_user_watches"] == 2 * 20000 + 2 * 64
        keys = {"net.netfilter.nf_conntrack_max": 65536}
        tracked = plan(limits_of(conntrack=TRACKING, keys=keys), target_connections=20000, descriptors_per_connection=2)
        assert tracked["settings"]["sysctl_floors"]["net.netfilter.nf_conntrack_max"] == 2 * 20000 + 65536

    def test_processes_that_a_container_does_not_let_have_more(self) -> None:
        limits = container(host={"capabilities": []}, nofile={"inherited": {"soft": 1024, "hard": 4064}})
        found = refusal(limits, target_connections=10000, descriptors_per_connection=2)
        # (4064 - 64) / 2 are 2000 connections of a process
        assert "start it with a nofile of 20064 or more" in found
        assert "let 5 processes hold them (tune_processes)" in found

    def test_the_wildcard_address_gains_nothing_by_more_addresses(self) -> None:
        found = refusal(target_connections=50000, **dict(POOL, binding="bind_any"))
        assert found == (
            "tune_target_connections is 50000; allowed: at most 32256, what 1 source address x 64512 ports can hold at "
            "tune_port_fill 0.5. A program that binds the wildcard address has each port once: let it bind an address "
            "(tune_binding: bind_no_port) or raise tune_port_fill to 0.78."
        )
        assert plan(binding="bind_any", destinations=9)["target"] == 32256

    def test_ports_of_the_program(self) -> None:
        own = dict(POOL, binding="bind_port", program_ports="20000-29999")
        found = plan(target_connections=40000, destinations=2, reuse_address=True, **own)
        # 10000 ports x 2 destinations a source address, all of which can be planned for
        assert found["settings"]["addresses"] == ["198.51.100.33"]
        assert found["after"]["advised"] == 40000
        assert plan(target_connections=40000, destinations=2, **own)["sources"] == 4
        assert "tune_program_ports) are in net.ipv4.ip_local_port_range" in found["warnings"][0]
        reserved = plan(None, {"reserved_ports": ["20000-29999"]}, target_connections=10000, **own)
        assert reserved["warnings"] == []
        few = refusal(target_connections=40000, reuse_address=True, **dict(own, address_pool=[]))
        assert few == (
            "tune_target_connections is 40000; allowed: at most 10000, what 1 source address x 10000 ports x 1 "
            "destination can hold. It needs 4 source addresses and has 1: give it a tune_address_pool with a "
            "tune_slot_size of 3, add 3 destinations or give the program more ports (tune_program_ports)."
        )


# --- each way out of a refusal, followed ---


def ways_out(message: str) -> dict[str, int | float]:
    """Return what a refusal for want of source addresses says would do, each alone, as the request has it."""
    said = {
        "slot_size": r"raise tune_slot_size from \d+ to (\d+)",
        "destinations": r"add (\d+) destination",
        "port_fill": r"raise tune_port_fill to ([0-9]+[.][0-9]+)",
        "wider": r"widen the pool, .* and raise tune_slot_size to (\d+)",
        "pool": r"give it a tune_address_pool with a tune_slot_size of (\d+)",
    }
    found = {name: re.search(pattern, message) for name, pattern in said.items()}
    return {name: float(match[1]) if name == "port_fill" else int(match[1]) for name, match in found.items() if match}


@given(
    target=st.integers(10_000, 3_000_000),
    binding=st.sampled_from(["bind", "bind_no_port"]),
    destinations=st.integers(1, 4),
    # Some addresses of the pool are the host's own, some of a family that no destination is of.
    pool=st.sampled_from(
        [
            None,
            ["198.51.100.0/24"],
            ["192.0.2.0/25"],
            ["2001:db8::1-2001:db8::5", "198.51.100.0/24"],
            ["198.51.100.0/28", "2001:db8::/122", "203.0.113.0/24"],
        ]
    ),
    slot=st.integers(0, 3),
    slot_size=st.integers(1, 8),
)
def test_each_way_out_of_a_refusal_works_when_it_is_followed(
    target: int, binding: str, destinations: int, pool: list[str] | None, slot: int, slot_size: int
) -> None:
    asked: dict[str, t.Any] = {
        "target_connections": target,
        "binding": binding,
        "destinations": ["192.0.2.200:%d" % (port + 1) for port in range(destinations)],
        "processes": 64,
    }
    asked |= {} if pool is None else {"address_pool": pool, "slot": slot, "slot_size": slot_size}
    found = planner.plan(limits_of(), asked)
    assume("refusal" in found and "source address" in found["refusal"])
    ways = ways_out(found["refusal"])
    assert ways, found["refusal"]
    for way, number in ways.items():
        followed = dict(asked)
        if way == "destinations":
            more = ["192.0.2.201:%d" % (port + 1) for port in range(int(number))]
            followed["destinations"] = [*asked["destinations"], *more]
        elif way == "wider":
            followed |= {"address_pool": [*(pool or ()), "198.18.0.0/15"], "slot_size": number}
        elif way == "pool":
            followed |= {"address_pool": ["198.18.0.0/15"], "slot": 0, "slot_size": number}
        else:
            followed[way] = number
        after = planner.plan(limits_of(), followed)
        # Something else may be next, but no more of what was added.
        assert "source address" not in after.get("refusal", ""), (found["refusal"], way, after["refusal"])
