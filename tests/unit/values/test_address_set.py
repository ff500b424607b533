# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def info(text: str, **more: t.Any) -> dict[str, t.Any]:
    address = ipaddress.ip_interface(text)
    family = "inet" if address.version == 4 else "inet6"
    return {
        "family": family,
        "local": str(address.ip),
        "prefixlen": address.network.prefixlen,
        "scope": "global",
        **more,
    }


def link(name: str, *infos: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"ifname": name, "ifindex": 2, "addr_info": list(infos)}


def texts(*entries: object) -> list[str]:
    return [str(address) for address in address_set.expand("addresses_list", entries)]


def refusal(*entries: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        address_set.expand("addresses_list", entries)
    return caught.value


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("198.51.100.7", ["198.51.100.7"]),
        (" 198.51.100.7 ", ["198.51.100.7"]),
        ("198.51.100.254-198.51.101.1", ["198.51.100.254", "198.51.100.255", "198.51.101.0", "198.51.101.1"]),
        ("198.51.100.7 - 198.51.100.7", ["198.51.100.7"]),
        ("198.51.100.4/30", ["198.51.100.5", "198.51.100.6"]),
        ("198.51.100.4/31", ["198.51.100.4", "198.51.100.5"]),
        ("198.51.100.4/32", ["198.51.100.4"]),
        ("2001:db8::/126", ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::5/128", ["2001:db8::5"]),
        ("2001:DB8::0-2001:db8::1", ["2001:db8::", "2001:db8::1"]),
    ],
)
def test_expands(entry: str, expected: list[str]) -> None:
    assert texts(entry) == expected


def test_keeps_the_order_and_drops_what_is_named_twice() -> None:
    assert texts("198.51.100.9", "198.51.100.8/30", "2001:db8::1", "198.51.100.1") == [
        "198.51.100.9",
        "198.51.100.10",
        "2001:db8::1",
        "198.51.100.1",
    ]


def test_remembers_the_first_place_that_names_an_address() -> None:
    wanted = address_set.pieces("addresses_list", ["198.51.100.9", "198.51.100.8/30"])
    assert [(*map(str, piece.addresses()), piece.place) for piece in wanted] == [
        ("198.51.100.9", "addresses_list[0]"),
        ("198.51.100.10", "addresses_list[1]"),
    ]


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("198.51.100.256", "does not appear to be"),
        ("198.51.100", "does not appear to be"),
        ("", "does not appear to be"),
        ("host.example", "does not appear to be"),
        ("198.51.100.1-", "does not appear to be"),
        ("fe80::1%eth0", "zone"),
        ("198.51.100.0/33", "198.51.100.0/24"),
        ("198.51.100.0/255.255.255.0", "as a length"),
        ("198.51.100.0/0.0.0.255", "as a length"),
        ("198.51.100.0/", "as a length"),
        ("198.51.100.3/24", "write 198.51.100.0/24"),
        ("nonsense/24", "198.51.100.0/24"),
        ("198.51.100.9-198.51.100.1", "Swap"),
        ("198.51.100.9-2001:db8::1", "one range a family"),
        ("127.0.0.1", "loopback"),
        ("127.0.0.0/30", "loopback"),
        ("::1", "loopback"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:198.51.100.1", "IPv4"),
        (True, "YAML read it as a bool"),
        (None, "YAML read it as a NoneType"),
        (198.51, "YAML read it as a float"),
        (19851, "YAML read it as a int"),
        ({"a": 1}, "YAML read it as a dict"),
    ],
)
def test_refuses(entry: object, part: str) -> None:
    error = refusal("198.51.100.1", entry)
    assert error.where == "addresses_list[1]"
    assert error.value == entry
    assert part in str(error)


def test_holds_65536_addresses_and_names_the_entry_that_is_one_too_many() -> None:
    # A /16 has 65,534 hosts; duplicates do not count.
    full = ["10.1.0.0/16", "10.1.0.5", "10.2.0.1", "10.2.0.2"]
    assert len(address_set.expand("addresses_list", full)) == address_set.MAX_ADDRESSES
    error = refusal(*full, "10.2.0.3")
    assert error.where == "addresses_list[4]"
    assert "65536" in error.allowed


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "10.0.0.0/15", "2001:db8::/64", "10.0.0.0-10.1.0.0"])
def test_refuses_a_huge_entry_without_expanding_it(entry: str) -> None:
    assert refusal(entry).where == "addresses_list[0]"


@given(st.integers(0x0B000000, 0x0B0FFFFF), st.integers(0, 300))
def test_a_range_is_every_number_between(low: int, more: int) -> None:
    first, last = ipaddress.IPv4Address(low), ipaddress.IPv4Address(low + more)
    found = address_set.expand("x", ["%s-%s" % (first, last)])
    assert [int(address) for address in found] == list(range(low, low + more + 1))


LINKS = [
    {},
    link("lo", info("127.0.0.1/8"), info("::1/128")),
    link(
        "eth0",
        info("198.51.100.200/32"),
        info("192.0.2.10/24", broadcast="192.0.2.255"),
        info("192.0.2.11/24", secondary=True),
        info("fe80::1/64", scope="link"),
        info("2001:db8::aaaa/64", temporary=True),
        info("2001:db8::10/64"),
    ),
    link("eth1", info("203.0.113.5/24"), info("198.51.100.77/32"), {"family": "inet", "address": "no local here"}),
]


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("192.0.2.10", "the primary address of eth0"),
        ("2001:db8::10", "the primary address of eth0"),
        ("192.0.2.0", "the network address of 192.0.2.0/24 on eth0"),
        ("192.0.2.255", "the broadcast address of 192.0.2.0/24 on eth0"),
        ("2001:db8::", "the network address of 2001:db8::/64 on eth0"),
        ("203.0.113.5", "already on the interface eth1"),
        ("198.51.100.77", "already on the interface eth1"),
    ],
)
def test_refuses_what_the_host_cannot_take(address: str, part: str) -> None:
    wanted = address_set.pieces("addresses_list", ["198.51.100.1", address])
    with pytest.raises(Refusal) as caught:
        address_set.check_against_host(wanted, "eth0", LINKS)
    assert caught.value.where == "addresses_list[1]"
    assert part in str(caught.value)


@pytest.mark.parametrize("address", ["192.0.2.11", "192.0.2.12", "198.51.100.200", "203.0.113.255", "2001:db8::aaaa"])
def test_takes_the_others(address: str) -> None:
    address_set.check_against_host(address_set.pieces("x", [address]), "eth0", LINKS)


def test_what_is_ours_may_move_to_another_interface() -> None:
    wanted = address_set.pieces("x", ["198.51.100.77"])
    address_set.check_against_host(wanted, "eth0", LINKS, {("eth1", "198.51.100.77/32")})


def test_a_host_without_addresses_takes_any() -> None:
    address_set.check_against_host(address_set.pieces("x", ["198.51.100.77"]), "eth0", [link("eth0")])


def test_ours_is_never_taken_for_the_primary() -> None:
    only_single = link("eth0", info("198.51.100.1/32"), info("198.51.100.2/32"))
    assert address_set.primaries(only_single, set()) == {"198.51.100.1": "the primary address of eth0"}
    ours = {("eth0", "198.51.100.1/32")}
    assert address_set.primaries(only_single, ours) == {"198.51.100.2": "the primary address of eth0"}


def test_the_primary_is_the_same_in_whatever_order_the_host_has_its_addresses() -> None:
    infos = [
        info("198.51.100.1/32"),
        info("192.0.2.9/24"),
        info("192.0.2.2/24", secondary=True),
        info("192.0.2.7/24"),
        info("2001:db8::9/64"),
        info("2001:db8::1/64", temporary=True),
    ]
    for order in (infos, infos[::-1]):
        assert list(address_set.primaries(link("eth0", *order), set())) == ["192.0.2.7", "2001:db8::9"]


def test_the_subnet_of_a_point_to_point_address_is_its_peer_s() -> None:
    tunnel = link("tun0", info("10.0.0.1/24", address="10.9.0.7"))
    with pytest.raises(Refusal, match=r"10\.9\.0\.0/24"):
        address_set.check_against_host(address_set.pieces("x", ["10.9.0.255"]), "tun0", [tunnel])


def test_plans_the_difference() -> None:
    links = [
        link("eth0", info("192.0.2.10/24"), info("198.51.100.1/32"), info("198.51.100.2/32"), info("198.51.100.3/24")),
        link("eth1", info("198.51.100.5/32")),
    ]
    ours = {
        ("eth0", "198.51.100.1/32"),
        ("eth0", "198.51.100.2/32"),
        ("eth1", "198.51.100.5/32"),
        ("eth0", "9.9.9.9/32"),
    }
    wanted = address_set.expand("x", ["198.51.100.3-198.51.100.5", "198.51.100.1"])
    change = address_set.plan(wanted, "eth0", links, ours)
    assert change.add == [("eth0", "198.51.100.4/32"), ("eth0", "198.51.100.5/32")]
    assert change.remove == [("eth0", "198.51.100.2/32"), ("eth1", "198.51.100.5/32")]
    assert change.kept == [("eth0", "198.51.100.1/32")]
    assert change.foreign == [("eth0", "198.51.100.3/32")]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.8/30", ["127.0.0.9", "127.0.0.10"]),
        ("127.0.0.255-127.0.1.1", ["127.0.0.255", "127.0.1.0", "127.0.1.1"]),
        ("::1", ["::1"]),
        ("198.51.100.7", ["198.51.100.7"]),
    ],
)
def test_takes_loopback_addresses_where_they_are_asked_for(entry: str, expected: list[str]) -> None:
    assert [str(address) for address in address_set.expand("x", [entry], loopback=True)] == expected


@pytest.mark.parametrize("entry", ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "::ffff:127.0.0.1"])
def test_takes_nothing_else_that_no_host_can_hold(entry: str) -> None:
    for loopback in (True, False):
        with pytest.raises(Refusal, match="unicast addresses that a host can hold"):
            address_set.expand("x", ["198.51.100.7", entry], loopback=loopback)


@given(st.ip_addresses())
def test_loopback_only_ever_adds_loopback_addresses(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    def taken(loopback: bool) -> bool:
        try:
            return address_set.expand("x", [str(address)], loopback=loopback) == [address]
        except Refusal:
            return False

    assert taken(True) == (taken(False) or address.is_loopback)


def test_compares_ipv6_addresses_however_they_are_written() -> None:
    written = {"family": "inet6", "local": "2001:db8:0:0:0:0:0:1", "prefixlen": 128, "scope": "global"}
    change = address_set.plan(
        address_set.expand("x", ["2001:db8::1"]),
        "eth0",
        [link("eth0", written)],
        {("eth0", "2001:db8::1/128")},
    )
    assert (change.add, change.kept) == ([], [("eth0", "2001:db8::1/128")])


def test_orders_by_interface_family_and_number() -> None:
    pairs = [("b", "2001:db8::1/128"), ("b", "10.0.0.10/32"), ("b", "10.0.0.9/32"), ("a", "10.0.0.20/32")]
    assert address_set.in_order(pairs) == [pairs[3], pairs[2], pairs[1], pairs[0]]


@pytest.mark.parametrize(
    ("entry", "first", "last"),
    [
        ("198.51.100.7", "198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7 - 198.51.100.9 ", "198.51.100.7", "198.51.100.9"),
        ("198.51.100.0/24", "198.51.100.1", "198.51.100.254"),
        ("198.51.100.0/31", "198.51.100.0", "198.51.100.1"),
        ("2001:db8::/64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("0.0.0.0/0", "0.0.0.1", "255.255.255.254"),
    ],
)
def test_a_run_is_what_an_entry_names_without_its_expansion(entry: str, first: str, last: str) -> None:
    one, other = ipaddress.ip_address(first), ipaddress.ip_address(last)
    assert address_set.run_of(entry) == (one.version, int(one), int(other))


@pytest.mark.parametrize(
    "entry", [7, None, True, "", "x", "198.51.100.9-198.51.100.7", "1.1.1.1-::1", "198.51.100.1/24"]
)
def test_what_is_no_entry_is_no_run(entry: object) -> None:
    assert address_set.run_of(entry) is None


def test_an_ipv6_address_is_preferred_until_its_lifetime_is_over() -> None:
    infos = [
        {"local": "2001:db8::1", "prefixlen": 128, "preferred_life_time": 4294967295},
        {"local": "2001:db8::2", "prefixlen": 128, "preferred_life_time": 0},
        {"local": "2001:db8::3", "prefixlen": 128, "preferred_life_time": 7, "deprecated": True},
        {"local": "2001:db8::4", "prefixlen": 128},
        {"local": "192.0.2.1", "prefixlen": 32, "preferred_life_time": 4294967295},
    ]
    links = [{"ifname": "eth0", "addr_info": infos}, {"addr_info": infos}]
    assert address_set.preferred_pairs(links) == {("eth0", "2001:db8::1/128"), ("eth0", "2001:db8::4/128")}
