# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import request as probe_request
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

PARAMS = {
    "destinations": ["192.0.2.1:7000"],
    "own_sinks": [],
    "confirmed": True,
    "source_addresses": [],
    "binding": "autobind",
    "target": 1000,
    "rate": 0,
    "hold": 10,
    "processes": None,
    "user": None,
    "sample": None,
    "reserve": None,
    "timeout": 300,
    "progress": None,
    "program_ports": None,
    "reuse_address": False,
    "variable_prefix": "",
}
MIB = 1 << 20


def parse(**options):
    return probe_request.parse({**PARAMS, **options})


def refused(**options):
    with pytest.raises(Refusal) as caught:
        parse(**options)
    return caught.value


def test_what_is_asked_for():
    request = parse(
        destinations=["192.0.2.1:7000", "[2001:db8::1]:80"],
        source_addresses=["198.51.100.0/30", "2001:db8::7"],
        binding="bind_no_port",
        target="2000",
        rate=100,
        hold="0",
        processes=3,
        user="nobody",
        sample=0,
        reserve="1000000",
        timeout=1,
        progress="/run/progress",
    )
    assert request == probe_request.ProbeRequest(
        [("192.0.2.1", 7000), ("2001:db8::1", 80)],
        [ipaddress.ip_address(text) for text in ("198.51.100.1", "198.51.100.2", "2001:db8::7")],
        "bind_no_port", 2000, 100, 0, 3, "nobody", 0, 1000000, 1, "/run/progress",
    )  # fmt: skip


def test_what_is_left_out_is_found_out_later():
    request = parse()
    assert (request.processes, request.user, request.sample, request.reserve, request.progress) == (None,) * 5


def test_ports_that_the_program_names():
    request = parse(
        binding="bind_port", source_addresses=["192.0.2.9"], program_ports="20000-20099", reuse_address=True
    )
    assert (request.program_ports, request.reuse_address) == ((20000, 20099), True)
    # Before ansible-core 2.19 a null arrives as an empty text.
    assert parse(binding="bind_any", program_ports="").program_ports is None


def test_loopback_addresses_are_sources_like_others():
    request = parse(source_addresses=["127.0.0.1-127.0.0.3"], binding="bind")
    assert [str(source) for source in request.sources] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize(
    "own",
    [["192.0.2.1:7000"], ["192.0.2.0/24"], ["2001:db8::/32", "192.0.2.1/32"], ["198.51.100.1:1", "192.0.2.1:7000"]],
)
def test_own_sinks_need_no_confirmation(own):
    assert parse(confirmed=False, own_sinks=own).destinations == [("192.0.2.1", 7000)]


@pytest.mark.parametrize("own", [[], ["192.0.2.1:7001"], ["192.0.2.2:7000"], ["192.0.2.2/32"], ["2001:db8::/32"]])
def test_others_do(own):
    refusal = refused(confirmed=False, own_sinks=own, variable_prefix="prove_")
    assert str(refusal) == (
        "prove_destinations[0] is '192.0.2.1:7000'; allowed: the play's own sinks, and others once they are confirmed. "
        "If it is yours and made for 1000 connections, set prove_confirmed: true."
    )


def test_one_that_is_not_ours_among_those_that_are():
    refusal = refused(confirmed=False, own_sinks=["192.0.2.1:7000"], destinations=["192.0.2.1:7000", "192.0.2.1:7001"])
    assert refusal.where == "destinations[1]"


@pytest.mark.parametrize(
    ("options", "where", "allowed", "remedy"),
    [
        ({"destinations": []}, "destinations", "at least one address:port", "Say what to connect to."),
        ({"destinations": ["192.0.2.1"]}, "destinations[0]", "an address and a port", "Write addresses, not names"),
        (
            {"destinations": ["192.0.2.1:7000", "192.0.2.1:80", " 192.0.2.1:7000"]},
            "destinations[2]",
            "different address:port pairs",
            "Name each destination once.",
        ),
        (
            {"destinations": ["192.0.2.1:%d" % port for port in range(1, 1002)]},
            "destinations",
            "at most 1000 of them",
            "one destination is good for a port range per source address",
        ),
        ({"destinations": ["0.0.0.0:80"]}, "destinations[0]", "unicast addresses", "Write the address of a server."),
        ({"destinations": ["[::]:80"]}, "destinations[0]", "unicast addresses", "Write the address of a server."),
        ({"destinations": ["224.0.0.1:80"]}, "destinations[0]", "unicast addresses", "Write the address of a server."),
        (
            {"destinations": ["[::ffff:192.0.2.1]:80"]},
            "destinations[0]",
            "those of IPv4 in their own notation",
            "such as 192.0.2.1:80.",
        ),
        (
            {"own_sinks": ["192.0.2.1/24"]},
            "own_sinks[0]",
            "address:port, or a prefix",
            "192.0.2.1/24 has host bits set",
        ),
        ({"own_sinks": ["192.0.2.1:7000", "sink"]}, "own_sinks[1]", "an address and a port", "Write addresses"),
        (
            {"source_addresses": ["192.0.2.9"]},
            "source_addresses",
            "nothing with autobind",
            "Leave it empty, or set binding to bind_no_port.",
        ),
        (
            {"binding": "bind_any", "source_addresses": ["192.0.2.9"]},
            "source_addresses",
            "nothing with bind_any",
            "Leave",
        ),
        (
            {"binding": "bind_port", "program_ports": "1-2"},
            "source_addresses",
            "at least one address with bind_port",
            "",
        ),
        ({"program_ports": "1-2"}, "program_ports", "nothing with autobind", "set binding to bind_port."),
        (
            {"binding": "bind_port", "source_addresses": ["192.0.2.9"]},
            "program_ports",
            "a range of ports with bind_port",
            "Write it as 20000-29999.",
        ),
        (
            {"binding": "bind_port", "source_addresses": ["192.0.2.9"], "program_ports": "2-1"},
            "program_ports",
            "the first not above the last",
            "Swap the two ends.",
        ),
        (
            {"binding": "bind"},
            "source_addresses",
            "at least one address with bind",
            "Name the addresses to connect from.",
        ),
        (
            {"binding": "bind_no_port"},
            "source_addresses",
            "at least one address with bind_no_port",
            "Name the addresses to connect from.",
        ),
        (
            {"binding": "bind", "source_addresses": ["192.0.2.9"], "destinations": ["192.0.2.1:1", "[2001:db8::1]:80"]},
            "destinations[1]",
            "destinations of a family that a source address has",
            "Name a source address of its family too.",
        ),
        ({"binding": "bind", "source_addresses": [5]}, "source_addresses[0]", "an address", "YAML read it as a int"),
        ({"binding": "bind", "source_addresses": ["0.0.0.0"]}, "source_addresses[0]", "unicast", "remove it"),
        ({"target": 0}, "target", "from 1 to 1000000000", "Write how many connections to open."),
        ({"target": True}, "target", "from 1", "booleans"),
        ({"target": "many"}, "target", "from 1", "Write how many"),
        ({"rate": -1}, "rate", "from 0 to 10000000", "0 for as fast as possible"),
        ({"hold": 86401}, "hold", "from 0 to 86400", "a day at most"),
        ({"processes": 0}, "processes", "from 1 to 100000", "as many as nofile demands"),
        ({"sample": -1}, "sample", "from 0", "0 for none"),
        ({"reserve": "1G"}, "reserve", "from 0", "Write bytes."),
        ({"timeout": 0}, "timeout", "from 1 to 86400", "a day at most"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "prove_"])
def test_every_refusal(options, where, allowed, remedy, prefix):
    refusal = refused(**options, variable_prefix=prefix)
    assert refusal.where == prefix + where
    assert allowed in refusal.allowed
    # The remedy names variables too.
    assert remedy.replace("set binding", "set %sbinding" % prefix) in refusal.remedy


def test_a_target_that_is_none_is_refused_before_it_is_named_in_a_message():
    assert refused(confirmed=False, target="x").where == "target"


def test_as_many_destinations_as_the_filter_takes():
    assert len(parse(destinations=["192.0.2.1:%d" % port for port in range(1, 1001)]).destinations) == 1000


@given(st.integers(0, 10**7), st.none() | st.integers(0, 10**7))
def test_the_sample_is_never_more_than_there_are(opened, sample):
    asked = parse(sample=sample).sampled(opened)
    assert asked == min(opened, 100000 if sample is None else sample)


@given(st.integers(0, 2**45))
def test_the_reserve_is_a_part_of_the_memory(total):
    kept = parse().kept_free(total)
    assert kept >= total // 20
    assert kept <= max(total // 4, 256 * MIB)
    assert kept <= total // 4 or kept == total // 20
    assert parse().kept_free(total + MIB) >= kept


@pytest.mark.parametrize(
    ("total", "kept"),
    [(400 * MIB, 100 * MIB), (1024 * MIB, 256 * MIB), (4096 * MIB, 256 * MIB), (20480 * MIB, 1024 * MIB)],
)
def test_reserves(total, kept):
    assert parse().kept_free(total) == kept
    assert parse(reserve=7).kept_free(total) == 7
