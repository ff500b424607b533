# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import ipaddress
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_builder import address, container, limits_of, local, subject

from ansible_collections.fourtuple.clients.plugins.filter.ceilings import FilterModule
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import CONSTRAINTS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import descriptors_needed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.memory import memory_room
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import (
    described,
    source_addresses,
    source_ranges,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import parse

TRACKING = {"loaded": True, "max": 262144, "count": 1012, "buckets": 65536, "tracks_local": True, "why": "it counts"}


def constraint(name: str, limits: t.Mapping[str, t.Any], **stated: t.Any) -> dict[str, t.Any]:
    (found,) = [one for one in ceilings.predict(limits, stated)["constraints"] if one["name"] == name]
    return found


def allows(name: str, limits: t.Mapping[str, t.Any], **stated: t.Any) -> int | None:
    return constraint(name, limits, **stated)["allows"]


def warnings(limits: t.Mapping[str, t.Any], **stated: t.Any) -> list[str]:
    return ceilings.predict(limits, stated)["warnings"]


def unknown(limits: t.Mapping[str, t.Any], **stated: t.Any) -> dict[str, str]:
    return {one["name"]: one["why"] for one in ceilings.predict(limits, stated)["unknown"]}


def test_the_shape() -> None:
    found = ceilings.predict(limits_of(), {"target_connections": 2000})
    assert found.keys() == {
        "schema",
        "ceiling",
        "binding_constraint",
        "next_constraint",
        "next_ceiling",
        "advised",
        "target",
        "meets_target",
        "constraints",
        "unknown",
        "warnings",
    }
    assert (found["schema"], found["ceiling"], found["binding_constraint"]) == (1, 960, "nofile")
    assert (found["next_constraint"], found["next_ceiling"], found["advised"]) == ("four_tuples", 28232, 960)
    assert (found["target"], found["meets_target"]) == (2000, False)
    assert {one["name"] for one in found["constraints"]} == {one.name for one in CONSTRAINTS}
    for one in found["constraints"]:
        assert one.keys() == {"name", "title", "allows", "advised", "scope", "formula", "change"}
        assert one["formula"]
        assert not one["change"].endswith(".")
    assert json.loads(json.dumps(found)) == found


def test_without_a_target_nothing_is_missed() -> None:
    found = ceilings.predict(limits_of(), {})
    assert (found["target"], found["meets_target"]) == (None, True)


class TestFourTuples:
    """Measured with a range of 100 ports; see the table in the ceiling scenario."""

    @pytest.mark.parametrize(
        ("binding", "sources", "destinations", "reserved", "held"),
        [
            ("autobind", 1, 1, 0, 100),
            ("autobind", 1, 2, 0, 200),
            ("bind", 1, 2, 0, 100),
            ("bind_no_port", 1, 2, 0, 200),
            ("bind_no_port", 3, 2, 0, 600),
            ("bind", 3, 1, 0, 300),
            ("bind_no_port", 1, 2, 10, 180),
            ("bind_any", 1, 1, 0, 100),
            ("bind_any", 3, 2, 0, 100),
            ("bind_any", 3, 2, 10, 90),
        ],
    )
    def test_as_measured(self, binding: str, sources: int, destinations: int, reserved: int, held: int) -> None:
        limits = limits_of(ports={"low": 40000, "high": 40099, "usable": 100 - reserved})
        limits["addresses"]["list"] = [address("192.0.2.%d" % (number + 10)) for number in range(sources)]
        assert allows("four_tuples", limits, binding=binding, destinations=destinations) == held

    @pytest.mark.parametrize(
        ("sources", "destinations", "reuse_address", "held"),
        [(1, 1, False, 50), (1, 2, False, 50), (1, 2, True, 100), (3, 2, True, 300), (3, 2, False, 150)],
    )
    def test_ports_of_the_program_as_measured(
        self, sources: int, destinations: int, reuse_address: bool, held: int
    ) -> None:
        limits = limits_of(ports={"usable": 10})
        limits["addresses"]["list"] = [address("192.0.2.%d" % (number + 10)) for number in range(sources)]
        asked = {"binding": "bind_port", "program_ports": "20000-20049", "reuse_address": reuse_address}
        assert allows("four_tuples", limits, destinations=destinations, **asked) == held
        # Nobody searches for a port that is named.
        assert constraint("four_tuples", limits, destinations=destinations, **asked)["advised"] == held
        # What listens on all addresses cannot be bound; what is reserved can.
        limits["ports"].update(listeners="22,20005", reserved="20000-20049")
        assert allows("four_tuples", limits, destinations=destinations, **asked) == held * 49 // 50

    def test_the_wildcard_address_takes_a_port_for_both_families(self) -> None:
        limits = limits_of(ports={"usable": 100})
        both = ["192.0.2.1:80", "192.0.2.1:81", "[2001:db8::9]:80"]
        limits["addresses"]["list"].append(address("2001:db8::1"))
        limits["addresses"]["default_interface"]["6"] = "eth0"
        assert allows("four_tuples", limits, binding="bind_any", destinations=both) == 100
        assert allows("four_tuples", limits, binding="bind_any", destinations=both[2:]) == 100
        found = constraint("four_tuples", limits, binding="bind_any", destinations=both)
        assert found["formula"] == "100 ports, whatever the source addresses and destinations"
        assert "bind_no_port" in found["change"]

    def test_a_program_that_does_not_bind_has_one_source(self) -> None:
        limits = limits_of(addresses={"list": [address("192.0.2.10", last="192.0.2.19", count=10)]})
        assert allows("four_tuples", limits, binding="autobind") == 28232
        assert allows("four_tuples", limits, binding="bind") == 282320

    def test_which_addresses_are_sources(self) -> None:
        found = [
            address("127.0.0.1", "lo"),
            address("192.0.2.10"),
            address("192.0.2.10", prefix=32),
            address("192.0.2.50", "lo"),
            address("192.0.2.60", "eth1"),
            address("192.0.2.70", scope="link"),
            address("192.0.2.80", last="192.0.2.83", count=4, ours=True),
        ]
        limits = limits_of(addresses={"list": found})
        asked = {"binding": "bind"}
        assert allows("four_tuples", limits, **asked) == 6 * 28232
        assert allows("four_tuples", limits, interface="eth1", **asked) == 2 * 28232
        limits["addresses"]["default_interface"]["4"] = None
        assert allows("four_tuples", limits, **asked) == 7 * 28232

    def test_prefixes_that_are_local_as_a_whole(self) -> None:
        limits = limits_of(addresses={"anyip": [local("192.0.2.0-192.0.2.15")]})
        # 192.0.2.10 is one of the sixteen.
        assert allows("four_tuples", limits, binding="bind_no_port") == 16 * 28232

    def test_families(self) -> None:
        limits = limits_of(addresses={"default_interface": {"4": "eth0", "6": "eth0"}})
        limits["addresses"]["list"] += [
            address("2001:db8::1"),
            address("2001:db8::2"),
            address("fe80::1", scope="link"),
        ]
        three = ["192.0.2.1:80", "[2001:db8::9]:80", "[2001:db8::9]:81"]
        assert allows("four_tuples", limits, binding="bind_no_port", destinations=3) == 3 * 28232
        assert allows("four_tuples", limits, binding="bind_no_port", destinations=three) == (1 + 2 * 2) * 28232
        assert allows("four_tuples", limits, binding="autobind", destinations=three) == 3 * 28232
        assert allows("four_tuples", limits, binding="bind", destinations=three) == 3 * 28232
        # A name may be of either family, like a destination that is only counted.
        assert allows("four_tuples", limits, destinations=["server.example:80"]) == 28232
        del limits["addresses"]["list"][:2]
        assert allows("four_tuples", limits, binding="bind_no_port", destinations=1) == 2 * 28232

    def test_advised_is_the_fill_of_it(self) -> None:
        limits = limits_of(ports={"usable": 100})
        assert constraint("four_tuples", limits)["advised"] == 50
        # 0.29 is no binary fraction: floats make 28 of this.
        assert constraint("four_tuples", limits, port_fill=0.29)["advised"] == 29

    def test_closed_connections_keep_their_four_tuple(self) -> None:
        assert allows("four_tuples", limits_of(), churn=100) == 28232 - 6000
        assert allows("four_tuples", limits_of(tcp={"tw_reuse": 1}), churn=100) == 28232 - 100
        assert allows("four_tuples", limits_of(tcp={"max_tw_buckets": 1000}), churn=100) == 28232 - 1000
        assert allows("four_tuples", limits_of(), churn=10**6) == 0
        assert "TIME_WAIT" in constraint("four_tuples", limits_of(), churn=100)["formula"]

    def test_who_closes_first(self) -> None:
        assert allows("four_tuples", limits_of(), churn=100, closes_first="server") == 28232
        assert allows("four_tuples", limits_of(), churn=100, closes_first="reset") == 28232
        assert warnings(limits_of(), churn=2000, closes_first="server") == []

    @pytest.mark.parametrize(("tw_reuse", "seconds"), [(0, 60), (1, 60), (2, 60)])
    def test_a_port_that_is_bound_waits_whatever_may_be_reused(self, tw_reuse: int, seconds: int) -> None:
        limits = limits_of(tcp={"tw_reuse": tw_reuse})
        for binding in ("bind", "bind_any"):
            assert allows("four_tuples", limits, churn=100, binding=binding) == 28232 - 100 * seconds
        asked: dict[str, t.Any] = {"churn": 100, "binding": "bind_port", "program_ports": "20000-29999"}
        assert allows("four_tuples", limits, **asked) == 10000 - 100 * seconds
        # A connection from a named port takes over a four-tuple in TIME_WAIT at once.
        assert allows("four_tuples", limits, **asked, reuse_address=True) == 10000

    def test_what_could_not_be_read(self) -> None:
        assert "addresses" in unknown(limits_of(addresses=None))["four_tuples"]
        assert "range" in unknown(limits_of(ports={"usable": None}))["four_tuples"]


class TestDescriptors:
    def test_the_lowest_of_those_asked_for(self) -> None:
        found = [subject("user", "a", 5000), subject("user", "b", 3000), subject("unit", "c.service", 2000)]
        limits = limits_of(nofile={"subjects": found})
        assert allows("nofile", limits, users=["a"]) == 5000 - 64
        assert allows("nofile", limits, users=["a", "b"], processes=3) == 3 * (3000 - 64)
        assert allows("nofile", limits, users=["a"], units=["c.service"], app_descriptors=1000) == 1000
        assert allows("nofile", limits, units=["c.service"]) == 2000 - 64
        assert allows("nofile", limits, explicit={"domains": ["*", "a"]}) == 5000 - 64

    def test_without_names_users_go_before_units_and_processes(self) -> None:
        found = [subject("process", "p", 100), subject("unit", "c.service", 2000)]
        assert allows("nofile", limits_of(nofile={"subjects": found})) == 2000 - 64
        assert allows("nofile", limits_of(nofile={"subjects": found[:1]})) == 36
        assert allows("nofile", limits_of(nofile={"subjects": [*found, subject("user", "a", 5000)]})) == 5000 - 64

    def test_a_name_that_the_snapshot_does_not_have(self) -> None:
        limits = limits_of()
        assert "@loadgen" in unknown(limits, users=["@loadgen"])["nofile"]
        assert allows("nofile", limits, users=["@loadgen", "root"]) == 960
        assert "@loadgen" in "".join(warnings(limits, users=["@loadgen", "root"]))

    def test_a_running_unit_that_waits_for_its_restart(self) -> None:
        unit = subject("unit", "c.service", 1024, after_boot={"soft": 9000, "hard": 9000})
        limits = limits_of(nofile={"subjects": [unit]})
        assert allows("nofile", limits, units=["c.service"]) == 960
        assert "restart c.service" in constraint("nofile", limits, units=["c.service"])["change"]
        assert allows("nofile", limits, units=["c.service"], after_restart=True) == 9000 - 64

    def test_nr_open_is_what_nofile_can_become(self) -> None:
        assert allows("nr_open", limits_of(keys={"fs.nr_open": 1000}), processes=2) == 2 * 936
        found = constraint("nr_open", container(), target_connections=2 * 10**6)
        assert (found["scope"], found["change"]) == (
            "machine",
            "raise fs.nr_open on the machine under this container to 2000064 or more",
        )
        assert "nr_open" in unknown(limits_of(nofile={"nr_open": {"now": None}}))

    def test_a_proxy_has_two_for_each_connection(self) -> None:
        # Measured: with a nofile of 400 nginx held 196, haproxy 186; Envoy with 300 held 131.
        for nofile, own, held in ((400, 8, 196), (400, 28, 186), (300, 38, 131)):
            limits = limits_of(nofile={"subjects": [subject("user", "root", nofile)]})
            proxy = {"descriptors_per_connection": 2, "app_descriptors": own}
            assert allows("nofile", limits, **proxy) == held
            # One that is left over is no connection, in each process.
            assert allows("nofile", limits, **dict(proxy, app_descriptors=own - 1), processes=3) == 3 * held
            assert "/ 2 of each connection" in constraint("nofile", limits, **proxy)["formula"]

    def test_a_program_may_raise_its_soft_limit(self) -> None:
        limits = limits_of(nofile={"subjects": [subject("user", "root", 1024, 4096)]})
        assert allows("nofile", limits, raises_nofile=True) == 4096 - 64
        found = constraint("nofile", limits, raises_nofile=True, target_connections=5000)
        assert found["formula"].startswith("(nofile 4096, to which the program raises that of user root - 64")
        assert found["change"] == "raise the hard nofile of user root to 5064 or more (tune_nofile_hard)"
        # A number is asked for once, and is not had where the hard limit is lower (locust: 10000).
        assert allows("nofile", limits, raises_nofile=2000) == 2000 - 64
        assert allows("nofile", limits, raises_nofile=500) == 1024 - 64
        assert allows("nofile", limits, raises_nofile=10000) == 1024 - 64
        assert allows("nofile", limits, raises_nofile="True") == 4096 - 64
        assert allows("nofile", limits, raises_nofile="False") == 1024 - 64

    def test_fewer_descriptors_than_the_process_has_anyway(self) -> None:
        assert allows("nofile", limits_of(), app_descriptors=2000) == 0


def test_file_max_is_shared_with_others() -> None:
    limits = limits_of(keys={"fs.file-max": 10000}, sockets={"established": 200})
    assert allows("file_max", limits) == 10000 - 1000
    assert "file_max" in unknown(limits_of(nofile={"file_max": {"allocated": None}}))


def test_a_proxy_has_two_of_everything() -> None:
    limits = limits_of(
        keys={"fs.file-max": 10000, "fs.epoll.max_user_watches": 5001},
        sockets={"established": 200},
        conntrack=dict(TRACKING, count=1200),
        memory={"free": 10**6, "file_cache": 0, "reserve": 0, "cgroups": []},
    )
    proxy = {"descriptors_per_connection": 2}
    assert allows("file_max", limits, **proxy) == (10000 - 1000) // 2
    assert allows("epoll_watches", limits, **proxy) == 2500
    assert allows("conntrack", limits, **proxy) == (262144 - 1000) // 2
    assert allows("conntrack", limits, churn=100, **proxy) == (262144 - 1000 - 2 * 12000) // 2
    assert allows("memory", limits, **proxy) == (10**6 + 200 * 3900) // (2 * 4100 + 136)
    # Bytes that are stated are those of a connection.
    assert allows("memory", limits, kernel_bytes=5000, **proxy) == (10**6 + 200 * 3900) // 5136
    wanted = "raise fs.file-max to %d or more" % (2 * 6000 + 1000)
    assert constraint("file_max", limits, target_connections=6000, **proxy)["change"] == wanted


def test_epoll_watches_are_counted_by_user() -> None:
    assert allows("epoll_watches", limits_of(keys={"fs.epoll.max_user_watches": 5000}), processes=4) == 5000
    assert "epoll_watches" in unknown(limits_of(epoll={"max_user_watches": None}))


class TestConntrack:
    def test_where_it_does_not_see_local_connections(self) -> None:
        assert allows("conntrack", limits_of()) is None

    def test_where_it_does(self) -> None:
        limits = limits_of(conntrack=TRACKING)
        assert allows("conntrack", limits) == 262144 - 1000
        assert allows("conntrack", limits, churn=100) == 262144 - 1000 - 12000
        # The entry lasts as long whoever closes first, and ten seconds after a RST.
        assert allows("conntrack", limits, churn=100, closes_first="server") == 262144 - 1000 - 12000
        assert allows("conntrack", limits, churn=100, closes_first="reset") == 262144 - 1000 - 1000
        assert "NOTRACK" in "".join(warnings(limits))

    def test_where_nobody_can_tell(self) -> None:
        limits = limits_of(conntrack={"tracks_local": None, "why": "nothing is tracked"})
        assert unknown(limits)["conntrack"] == "nothing is tracked"
        assert "conntrack" in unknown(limits_of(conntrack={"tracks_local": True}))


class TestMemory:
    def test_what_is_free_and_the_page_cache(self) -> None:
        limits = limits_of(memory={"free": 1000000, "file_cache": 500000, "reserve": 100000})
        limits["sockets"]["established"] = 0
        assert allows("memory", limits) == 1400000 // (4100 + 136)
        assert allows("memory", limits, app_bytes=10000) == 1400000 // (14100 + 136)
        limits["sockets"]["established"] = 100
        assert allows("memory", limits) == (1400000 + 390000) // (4100 + 136)
        assert allows("memory", limits, churn=1) == (1400000 + 390000 - 60 * 392) // (4100 + 136)

    def test_a_bucket_for_a_port_is_there_once(self) -> None:
        limits = limits_of(memory={"free": 10**9, "file_cache": 0, "reserve": 0}, sockets={"established": 0})
        assert allows("memory", limits) == (10**9 - 65535 * 136) // 4100

    def test_without_meminfo(self) -> None:
        assert "memory" in unknown(limits_of(memory={"free": None}))

    def test_the_tightest_group(self) -> None:
        chain = [
            {"path": "/a/b", "limit": 10**8, "used": 2 * 10**7, "file_cache": 10**7},
            {"path": "/a", "limit": 5 * 10**7, "used": 10**7, "file_cache": 0},
        ]
        limits = limits_of(memory={"cgroups": chain}, sockets={"established": 0})
        assert allows("cgroup_memory", limits) == 4 * 10**7 // 4236
        assert "/a " in constraint("cgroup_memory", limits)["change"]
        # The sockets of now are no more than what the group uses.
        limits["sockets"]["established"] = 10**6
        assert allows("cgroup_memory", limits) == 5 * 10**7 // 4236

    def test_the_groups_of_a_running_unit(self) -> None:
        chain = [{"path": "/system.slice/c.service", "limit": 10**6, "used": 0, "file_cache": 0}]
        limits = limits_of(nofile={"subjects": [subject("unit", "c.service", 5000, memory_cgroups=chain)]})
        assert allows("cgroup_memory", limits, units=["c.service"]) == 10**6 // 4236
        assert allows("cgroup_memory", limits_of(memory={"cgroups": []})) is None


class TestTasks:
    def test_enough_of_them_do_not_limit(self) -> None:
        assert allows("tasks", limits_of(), processes=1000) is None

    def test_too_few_hold_what_so_many_processes_hold(self) -> None:
        chain = [{"path": "/user.slice", "limit": 30, "used": 20}]
        assert allows("tasks", limits_of(tasks={"cgroups": chain}), processes=11) == 10 * 960
        assert allows("tasks", limits_of(tasks={"cgroups": chain}), processes=10) is None
        assert allows("tasks", limits_of(tasks={"threads_max": 100}), processes=2) == 0

    def test_what_could_not_be_read(self) -> None:
        assert "tasks" in unknown(limits_of(tasks={"threads": None}))


class TestWarnings:
    def test_none_for_a_plain_host(self) -> None:
        assert warnings(limits_of()) == []

    def test_long_chains_of_the_established_hash(self) -> None:
        limits = limits_of(established_hash={"buckets": 8192})
        assert warnings(limits, target_connections=65536) == []
        (found,) = warnings(limits, target_connections=100000)
        assert "100000 connections in the 8192 buckets" in found
        assert "chains of 12.2" in found
        assert "thash_entries=131072" in found
        limits["host"]["first_network_namespace"] = False
        assert "net.ipv4.tcp_child_ehash_entries=131072" in warnings(limits, target_connections=100000)[0]
        assert warnings(limits_of(established_hash={"buckets": None}), target_connections=10**8) == []

    def test_a_range_of_one_parity(self) -> None:
        (found,) = warnings(limits_of(keys={"net.ipv4.ip_local_port_range": "5000 65000"}))
        assert "prefer different parity" in found
        assert "64999" in found
        assert warnings(limits_of(keys={"net.ipv4.ip_local_port_range": "5000 5000"})) == []

    def test_a_plain_bind(self) -> None:
        assert "2 destinations hold no more than one" in warnings(limits_of(), binding="bind", destinations=2)[0]
        busy = limits_of(sockets={"by_source": [{"address": "192.0.2.10", "established": 500}]})
        assert "500 connections come from addresses that are not ours" in warnings(busy, binding="bind")[0]
        busy["addresses"]["list"][1]["ours"] = True
        assert warnings(busy, binding="bind") == []

    def test_the_wildcard_address_and_ports_that_are_named(self) -> None:
        (found,) = warnings(limits_of(), binding="bind_any", destinations=2)
        assert "bind_any) takes one port whatever the source address and the destination: 2 destinations" in found
        asked = {"binding": "bind_port", "program_ports": "20000 20099", "destinations": 2}
        assert "(tune_binding: bind_port) takes one port per source" in warnings(limits_of(), **asked)[0]
        assert warnings(limits_of(), reuse_address=True, **asked) == []

    def test_ports_of_the_program_in_the_local_port_range(self) -> None:
        asked = {"binding": "bind_port", "program_ports": "32760 32779"}
        (found,) = warnings(limits_of(), **asked)
        assert found.startswith("12 of the program's own ports")
        assert found.endswith('Reserve them (tune_reserved_ports: ["32768-32779"]).')
        assert warnings(limits_of(ports={"reserved": "32700-32779"}), **asked) == []
        assert '["32768-32769", "32771-32779"]' in warnings(limits_of(ports={"reserved": "32770"}), **asked)[0]

    @pytest.mark.parametrize(
        ("binding", "sources", "destinations", "more"),
        [("bind", 3, 2, 75), ("bind", 1, 3, 50), ("bind", 1, 4, 75), ("bind_any", 3, 2, 25)],
    )
    def test_ports_that_are_bound_twice(self, binding: str, sources: int, destinations: int, more: int) -> None:
        # Measured with a range of 100 ports, and a program that tries again thousands of times.
        limits = limits_of(keys={"net.ipv4.ip_local_port_range": "40000 40099", "net.ipv4.ip_autobind_reuse": 1})
        limits["addresses"]["list"] = [address("192.0.2.%d" % (number + 10)) for number in range(sources)]
        asked = {"binding": binding, "destinations": destinations, "reuse_address": True}
        assert "hold up to %d connections more" % more in warnings(limits, **asked)[1]
        assert not any("connections more" in one for one in warnings(limits, **dict(asked, reuse_address=False)))
        assert warnings(limits, **dict(asked, binding="bind_no_port")) == []
        limits["keys"]["net.ipv4.ip_autobind_reuse"]["now"] = "0"
        assert not any("connections more" in one for one in warnings(limits, **asked))

    def test_more_connections_close_than_timewait_holds(self) -> None:
        (found,) = warnings(limits_of(), churn=2000)
        assert "tcp_max_tw_buckets (65536)" in found


def test_a_request_that_is_not_in_order() -> None:
    found = FilterModule().filters()["ceilings"]
    assert found(limits_of(), {})["ceiling"] == 960
    with pytest.raises(Refusal, match="tune_processes is 0"):
        found(limits_of(), {"processes": 0})


#: Every number of which a host can have more: where it is, and a value that may bind.
_RESOURCES: dict[str, tuple[tuple[str | int, ...], st.SearchStrategy[int]]] = {
    "ports": (("ports", "usable"), st.integers(0, 65535)),
    "nofile": (("nofile", "subjects", 0, "now", "soft"), st.integers(0, 2**22)),
    "nr_open": (("nofile", "nr_open", "now"), st.integers(64, 2**22)),
    "file_max": (("nofile", "file_max", "now"), st.integers(0, 2**22)),
    "epoll": (("epoll", "max_user_watches"), st.integers(0, 2**22)),
    "conntrack": (("conntrack", "max"), st.integers(0, 2**22)),
    "free": (("memory", "free"), st.integers(0, 2**34)),
    "file_cache": (("memory", "file_cache"), st.integers(0, 2**34)),
    "group": (("memory", "cgroups", 0, "limit"), st.integers(0, 2**34)),
    "threads_max": (("tasks", "threads_max"), st.integers(0, 300)),
    "pid_max": (("tasks", "pid_max"), st.integers(0, 300)),
    "tasks": (("tasks", "cgroups", 0, "limit"), st.integers(0, 300)),
    "sources": (("addresses", "list", 1, "last"), st.integers(0, 200)),
    "anyip": (("addresses", "anyip", 0, "ranges"), st.integers(0, 24)),
}


def _put(limits: dict[str, t.Any], resource: str, number: int) -> None:
    place = _RESOURCES[resource][0]
    inner: t.Any = limits
    for name in place[:-1]:
        inner = inner[name]
    value: int | str | list[str] = number
    if resource == "sources":
        value = "192.0.2.%d" % (10 + number)
    elif resource == "anyip":
        value = ["198.18.0.0-%s" % (ipaddress.ip_address("198.18.0.0") + 2**number - 1)]
    inner[place[-1]] = value


@st.composite
def hosts(draw: st.DrawFn) -> dict[str, t.Any]:
    limits = limits_of(
        conntrack=TRACKING | {"tracks_local": draw(st.booleans())},
        memory={"cgroups": [{"path": "/a", "limit": 0, "used": 10**6, "file_cache": 10**5}]},
        tasks={"cgroups": [{"path": "/a", "limit": 0, "used": 10}], "threads": 10},
        addresses={"anyip": [local("198.18.0.0")]},
    )
    for name, (_place, numbers) in _RESOURCES.items():
        _put(limits, name, draw(numbers))
    return limits


REQUESTS = st.fixed_dictionaries(
    {
        "destinations": st.integers(1, 100),
        "binding": st.sampled_from(("autobind", "bind", "bind_no_port", "bind_any")),
        "reuse_address": st.booleans(),
        "descriptors_per_connection": st.integers(1, 3),
        "raises_nofile": st.sampled_from((False, True, 10000)),
        "closes_first": st.sampled_from(("client", "server", "reset")),
        "processes": st.integers(1, 64),
        "app_bytes": st.integers(0, 10**5),
        "churn": st.integers(0, 1000),
        "port_fill": st.sampled_from((0.1, 0.5, 1.0)),
    }
)


@given(limits=hosts(), asked=REQUESTS, resource=st.sampled_from(sorted(_RESOURCES)), data=st.data())
def test_more_of_a_resource_never_lowers_a_ceiling(
    limits: dict[str, t.Any], asked: dict[str, t.Any], resource: str, data: st.DataObject
) -> None:
    less, more = sorted((data.draw(_RESOURCES[resource][1]), data.draw(_RESOURCES[resource][1])))
    before, after = copy.deepcopy(limits), copy.deepcopy(limits)
    _put(before, resource, less)
    _put(after, resource, more)
    low, high = ceilings.predict(before, asked), ceilings.predict(after, asked)
    assert low["ceiling"] <= high["ceiling"]
    assert low["advised"] <= high["advised"]
    for one in low["constraints"]:
        found = next(other["allows"] for other in high["constraints"] if other["name"] == one["name"])
        assert found is None or (one["allows"] is not None and one["allows"] <= found)


PORTS = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted)


@given(limits=hosts(), asked=REQUESTS, own=PORTS)
def test_what_a_binding_gives_up_is_never_gained(limits: dict[str, t.Any], asked: dict[str, t.Any], own: t.Any) -> None:
    def held(binding: str, **more: t.Any) -> int:
        found = allows("four_tuples", limits, **dict(asked, binding=binding, churn=0, **more))
        assert found is not None
        return found

    assert held("bind_any") <= held("bind") <= held("bind_no_port")
    assert held("bind_any") <= held("autobind") <= held("bind_no_port")
    destinations = asked["destinations"]
    # The wildcard address: as many as there are ports, whatever else there is.
    assert held("bind_any") == limits["ports"]["usable"]
    # The program's own ports count, whatever the range of the kernel.
    asked = dict(asked, reuse_address=True)
    number = own[1] - own[0] + 1 - (own[0] <= 22 <= own[1])
    assert held("bind_port", program_ports=own) == number * _sources_of(limits) * destinations
    asked = dict(asked, reuse_address=False)
    assert held("bind_port", program_ports=own) == number * _sources_of(limits)
    limits["ports"]["usable"] = 0
    assert held("bind_port", program_ports=own) == number * _sources_of(limits)
    assert held("bind_any") == 0


def _sources_of(limits: dict[str, t.Any]) -> int:
    """Return how many addresses a host of this test has: its own run of them, and the prefix that is local."""
    runs = [(limits["addresses"]["list"][1]["address"], limits["addresses"]["list"][1]["last"])]
    runs.append(limits["addresses"]["anyip"][0]["ranges"][0].split("-"))
    return sum(int(ipaddress.ip_address(last)) - int(ipaddress.ip_address(first)) + 1 for first, last in runs)


@given(limits=hosts(), asked=REQUESTS, target=st.integers(1, 10**6), own=st.integers(1, 1000))
def test_the_descriptors_that_are_needed_are_enough_and_no_more(
    limits: dict[str, t.Any], asked: dict[str, t.Any], target: int, own: int
) -> None:
    request = parse(dict(asked, app_descriptors=own))
    needed = descriptors_needed(request, target)

    def held(nofile: int) -> int:
        found = allows("nofile", limits, **asked, app_nofile=nofile, app_descriptors=own)
        assert found is not None
        return found

    assert held(needed) >= target
    assert held(needed - 1) < target
    each = asked["descriptors_per_connection"]
    assert held(needed) // asked["processes"] * each + own <= needed


@given(limits=hosts(), asked=REQUESTS)
def test_more_descriptors_of_a_connection_never_raise_a_ceiling(
    limits: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    before = ceilings.predict(limits, dict(asked, descriptors_per_connection=1))
    after = ceilings.predict(limits, dict(asked, descriptors_per_connection=2))
    assert after["ceiling"] <= before["ceiling"]


@given(limits=hosts(), asked=REQUESTS)
def test_the_minimum_rules(limits: dict[str, t.Any], asked: dict[str, t.Any]) -> None:
    found = ceilings.predict(limits, asked)
    numbers = [one["allows"] for one in found["constraints"] if one["allows"] is not None]
    assert found["ceiling"] == min(numbers)
    assert numbers == sorted(numbers)
    assert (found["binding_constraint"], found["next_constraint"]) == tuple(
        one["name"] for one in found["constraints"][:2]
    )
    assert found["next_ceiling"] == numbers[1]
    assert found["advised"] == min(one["advised"] for one in found["constraints"] if one["advised"] is not None)


#: What raises each constraint beyond all others.
_LIFTS: dict[str, tuple[tuple[str, int], ...]] = {
    "four_tuples": (("ports", 65535), ("sources", 200), ("anyip", 24)),
    "nofile": (("nofile", 2**40),),
    "nr_open": (("nr_open", 2**40),),
    "file_max": (("file_max", 2**40),),
    "epoll_watches": (("epoll", 2**40),),
    "conntrack": (("conntrack", 2**40),),
    "memory": (("free", 2**60),),
    "cgroup_memory": (("group", 2**60),),
    "tasks": (("threads_max", 2**20), ("pid_max", 2**20), ("tasks", 2**20)),
}


@given(limits=hosts(), asked=REQUESTS.filter(lambda asked: asked["binding"] in ("bind", "bind_no_port")))
def test_lifting_the_binding_constraint_raises_the_ceiling_to_the_next(
    limits: dict[str, t.Any], asked: dict[str, t.Any]
) -> None:
    before = ceilings.predict(limits, asked)
    for resource, number in _LIFTS[before["binding_constraint"]]:
        _put(limits, resource, number)
    after = ceilings.predict(limits, asked)
    assert after["ceiling"] >= before["ceiling"]
    if before["next_ceiling"] > before["ceiling"]:
        assert after["ceiling"] > before["ceiling"]


def test_a_program_that_sets_its_own_nofile() -> None:
    limits = limits_of()
    assert allows("nofile", limits, app_nofile=5000, app_descriptors=10, processes=3) == 4990 * 3


def test_the_sources_are_those_that_the_ceiling_counts() -> None:
    limits = limits_of()
    limits["addresses"]["anyip"] = [local("10.240.0.0-10.240.255.255")]
    assert source_addresses(limits, {"binding": "autobind"}) == []
    assert "10.240.0.0-10.240.255.255" in source_addresses(limits, {"binding": "bind_no_port"})
    assert source_addresses(limits, {"binding": "bind_no_port", "destinations": ["[2001:db8::7]:1"]}) == []


def test_of_a_whole_prefix_only_so_many_sources_are_named() -> None:
    limits = limits_of()
    limits["addresses"]["list"] = []
    limits["addresses"]["anyip"] = [
        local("10.0.0.0-10.0.0.3"),
        local("10.192.0.0-10.255.255.255", ours=True),
    ]
    named = source_addresses(limits, {"binding": "bind_no_port"}, 6)
    assert named == ["10.0.0.0-10.0.0.3", "10.192.0.0-10.192.0.1"]


_ROUTED_IPV6 = "2001:db8:1::-2001:db8:1:0:ffff:ffff:ffff:ffff"
_TO_IPV6 = {"binding": "bind_no_port", "destinations": ["[2001:db8::7]:1"]}


@pytest.mark.parametrize(("key", "sources"), [(None, 0), ("0", 0), ("1", 2**64), ("2", 2**64)])
def test_a_prefix_of_ipv6_that_is_local_is_a_source_where_it_can_be_bound_to(key: str | None, sources: int) -> None:
    limits = limits_of(keys={} if key is None else {"net.ipv6.ip_nonlocal_bind": key})
    limits["addresses"]["anyip"] = [local(_ROUTED_IPV6)]
    if key is None:
        del limits["keys"]["net.ipv6.ip_nonlocal_bind"]
    assert allows("four_tuples", limits, **_TO_IPV6) == sources * 28232
    named = ["2001:db8:1::-2001:db8:1::ffff"] if sources else []
    assert source_addresses(limits, _TO_IPV6) == named


def with_sources(number: int) -> t.Any:
    limits = limits_of(keys={"net.ipv4.ip_local_port_range": "40000 40099"})
    limits["ports"].update(low=40000, high=40099)
    limits["addresses"]["list"] = [address("192.0.2.%d" % (10 + count)) for count in range(number)]
    return limits


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {},
            "%d connections, and the program 200 of them, as it does not bind its 6 source addresses: let the program ",
        ),
        (
            {"program": "haproxy"},
            "%d connections, and haproxy 200 of them, as it does not bind its 6 source addresses: ",
        ),
        (
            {"program": "wrk"},
            "%d connections, and wrk 200 of them, as it does not bind its 6 source addresses: wrk has ",
        ),
    ],
)
def test_a_program_that_holds_less_than_the_host_can_is_named(asked: dict[str, t.Any], said: str) -> None:
    limits = with_sources(6)
    asked = {"destinations": 2, "app_nofile": 10000, **asked}
    bound = allows("four_tuples", limits, destinations=2, binding="bind_no_port")
    (found,) = (one for one in warnings(limits, **asked) if one.startswith("The host can hold "))
    assert found.startswith("The host can hold " + said % bound)


@pytest.mark.parametrize(
    ("sources", "asked"),
    [
        (1, {}),
        (6, {"binding": "bind_no_port"}),
        (6, {"program": "haproxy", "program_binds": True}),
        # A plain bind shares no port: two destinations make as many as two addresses.
        (2, {"program": "squid", "destinations": 2}),
        # Something else is less.
        (6, {"app_nofile": 64 + 50}),
    ],
)
def test_a_program_that_holds_what_the_host_can_is_not(sources: int, asked: dict[str, t.Any]) -> None:
    assert not any(one.startswith("The host can hold ") for one in warnings(with_sources(sources), **asked))


def test_sources_are_described() -> None:
    limits = with_sources(3)
    asked = {"destinations": 2}
    assert described(limits, asked) == {
        "count": 3,
        "used": 1,
        "ranges": ["192.0.2.10-192.0.2.12"],
        "list": ["192.0.2.10", "192.0.2.11", "192.0.2.12"],
    }
    assert described(limits, {**asked, "binding": "bind"}) == {**described(limits, asked), "used": 3}  # type: ignore[dict-item]
    limits["addresses"]["anyip"] = [local("10.240.0.0-10.240.255.255")]
    found = described(limits, asked)
    assert found is not None
    assert (found["count"], found["list"]) == (3 + 2**16, [])
    assert found["ranges"] == ["10.240.0.0-10.240.255.255", "192.0.2.10-192.0.2.12"]
    limits["addresses"] = None
    assert described(limits, asked) is None


def test_what_is_no_source_does_not_count() -> None:
    limits = limits_of()
    limits["addresses"]["list"].append(address("192.0.2.200", no_source="a virtual address"))
    assert allows("four_tuples", limits, binding="bind") == 28232


@given(
    anyip=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 20), st.booleans()), max_size=6),
    listed=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 20), st.booleans(), st.booleans()), max_size=6),
)
def test_sources_are_those_of_the_list_and_of_the_routes(
    anyip: list[tuple[int, int, bool]], listed: list[tuple[int, int, bool, bool]]
) -> None:
    """Against sets of single addresses; each counts once, and ours=False leaves out what only we added."""
    limits = limits_of()
    limits["addresses"]["list"] = [
        address("10.0.0.%d" % first, last="10.0.0.%d" % (first + more), ours=own, **({"no_source": "x"} if no else {}))
        for first, more, own, no in listed
    ]
    limits["addresses"]["anyip"] = [local("10.0.0.%d-10.0.0.%d" % (a, a + more), ours=own) for a, more, own in anyip]
    for with_ours in (True, False):
        expected = {n for a, more, own in anyip if with_ours or not own for n in range(a, a + more + 1)}
        expected |= {n for a, m, own, no in listed if not no and (with_ours or not own) for n in range(a, a + m + 1)}
        found = source_ranges(limits, None, with_ours)
        assert found is not None
        numbers = [number & 255 for first, last in found[4] for number in range(first, last + 1)]
        assert numbers == sorted(expected)


def test_what_a_program_takes_and_leaves() -> None:
    limits = limits_of()
    room = memory_room(limits, parse({}))
    assert memory_room(limits, parse({"memory_reserve": 10**9})) == room - 10**9
    per_port = limits["slab"]["per_port"]
    assert allows("memory", limits, kernel_bytes=10**6, app_bytes=10**6) == room // (2 * 10**6 + per_port)


def test_a_program_is_exempt_from_what_does_not_hold_for_it() -> None:
    limits = limits_of()
    assert allows("epoll_watches", limits) is not None
    assert allows("epoll_watches", limits, exempt_from=["epoll_watches", "file_max"]) is None
    found = ceilings.predict(limits, {"exempt_from": ["file_max"]})["constraints"]
    assert next(one["formula"] for one in found if one["name"] == "file_max").endswith("this program is exempt")
