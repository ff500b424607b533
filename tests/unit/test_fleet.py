# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fractions
import itertools
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.filter.fleet import FilterModule
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import fleet
from ansible_collections.fourtuple.clients.plugins.plugin_utils.fleet import Pool, duplicates, slice_of

FILTERS = FilterModule().filters()

#: Around the places where prefixes and ranges begin and end.
_V4 = st.integers(0, 63).map(lambda number: "198.51.100.%d" % number)
_V6 = st.integers(0, 63).map(lambda number: "2001:db8::%x" % number)
_ENTRIES = st.one_of(
    _V4,
    _V6,
    st.tuples(_V4, _V4).map("-".join),
    st.tuples(_V6, _V6).map(" - ".join),
    st.tuples(st.integers(0, 63), st.integers(26, 32)).map(
        lambda pair: "198.51.100.%d/%d" % (pair[0] & (0xFF << (32 - pair[1])), pair[1])
    ),
    st.tuples(st.integers(0, 63), st.integers(122, 128)).map(
        lambda pair: "2001:db8::%x/%d" % (pair[0] & (0xFF << (128 - pair[1])), pair[1])
    ),
    # What address_set refuses.
    st.sampled_from(
        (
            "127.0.0.1",
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:192.0.2.1",
            "224.0.0.0/30",
            "255.255.255.255",
            "198.51.100.1/24",
            "126.255.255.250-127.0.0.3",
            "fe80::1%eth0",
            "198.51.100.0/x",
            "1-2-3",
            "host",
            "",
            7,
            None,
            True,
        )
    ),
)


def expanded(pool: Pool) -> list[address_set.Address]:
    return each(pool.runs)


def each(runs: t.Iterable[address_set.Run]) -> list[address_set.Address]:
    return [address_set.MAKE[version](number) for version, first, last in runs for number in range(first, last + 1)]


@given(entries=st.lists(_ENTRIES, max_size=8))
def test_a_pool_is_what_address_set_expands(entries: list[t.Any]) -> None:
    def outcome(of: t.Callable[[], list[address_set.Address]]) -> list[address_set.Address] | str:
        try:
            return of()
        except Refusal as refusal:
            return refusal.where

    wanted = outcome(lambda: address_set.expand("tune_address_pool", entries))
    assert outcome(lambda: expanded(Pool("tune_address_pool", entries))) == wanted
    if isinstance(wanted, list):
        assert Pool("tune_address_pool", entries).size == len(wanted)


@given(entries=st.lists(_V4 | _V6 | st.tuples(_V4, _V4).map("-".join), min_size=1, max_size=8), size=st.integers(1, 9))
def test_slices_are_disjoint_and_all_of_the_pool(entries: list[str], size: int) -> None:
    try:
        pool = Pool("p", entries)
    except Refusal:
        return
    slots = pool.size // size
    slices = [slice_of(pool, size, slot, None) for slot in range(slots)]
    assert [address for one in slices for address in each(one.runs)] == expanded(pool)[: slots * size]
    assert {one.size for one in slices} <= {size}
    duplicates([(str(one.slot), first, last) for one in slices for first, last in one.claim()])
    for one, other in itertools.pairwise(slices):
        twice = [("a", *run) for run in one.claim()] + [("b", *run) for run in other.claim() + one.claim()[:1]]
        with pytest.raises(Refusal, match="tune_slot of a and b is"):
            duplicates(twice)


def test_a_large_pool_takes_no_longer() -> None:
    begun = time.process_time()
    for slot in range(1000):
        found = slice_of(Pool("p", ["10.0.0.0/8", "2001:db8::/32"]), 1000, slot * 16, None)
    assert time.process_time() - begun < 1
    assert found.claim() == [["10.243.229.129", "10.243.233.104"]]


def test_a_slice_across_two_entries() -> None:
    found = slice_of(Pool("p", ["198.51.100.0/30", "198.51.100.8-198.51.100.9"]), 3, 0, None)
    assert found.claim() == [["198.51.100.1", "198.51.100.2"], ["198.51.100.8", "198.51.100.8"]]
    assert [str(address) for address in each(found.runs)] == ["198.51.100.1", "198.51.100.2", "198.51.100.8"]


class TestSlot:
    POOL = Pool("tune_address_pool", ["198.51.100.0/24"])

    @pytest.mark.parametrize(
        ("primary", "size", "slot"),
        [
            ("192.0.2.10", 16, 2),
            ("192.0.2.15", 16, 7),
            ("192.0.2.16", 16, 0),
            ("192.0.2.255", 1, 127),
            ("192.0.2.1", 254, 0),
            ("2001:db8::b", 16, 3),
        ],
    )
    def test_from_the_low_bits_of_the_primary_address(self, primary: str, size: int, slot: int) -> None:
        assert slice_of(self.POOL, size, None, primary).slot == slot

    @pytest.mark.parametrize(
        ("size", "slot", "message"),
        [
            (16, 15, "tune_slot is 15; allowed: a whole number from 0 to 14"),
            (16, -1, "tune_slot is -1"),
            (16, "x", "tune_slot is 'x'"),
            (16, True, "tune_slot is True"),
            (255, 0, "tune_slot_size is 255; allowed: a whole number from 1 to 254"),
            (0, 0, "tune_slot_size is 0"),
            (16, None, "no primary address to take a slot from: set tune_slot"),
        ],
    )
    def test_refusals(self, size: t.Any, slot: t.Any, message: str) -> None:
        with pytest.raises(Refusal, match=message):
            slice_of(self.POOL, size, slot, None)

    def test_an_empty_pool(self) -> None:
        with pytest.raises(Refusal, match="tune_address_pool"):
            slice_of(Pool("tune_address_pool", []), 1, 0, None)


class TestShares:
    def test_by_weight_rounded_up(self) -> None:
        rows = {
            "a": {"tune_fleet_target": 100},
            "b": {"tune_fleet_target": 100, "tune_weight": 2},
            "c": {"tune_fleet_target": "100", "tune_weight": "0.5"},
            "d": {"tune_fleet_target": 100, "tune_weight": 0},
            "e": {"tune_weight": 5},
        }
        assert fleet.share_out(rows, rows) == {"shares": {"a": 29, "b": 58, "c": 15}}
        assert fleet.share_out({"e": {}}, ["e"]) == {"shares": {}}

    @pytest.mark.parametrize("weight", [-1, "heavy", True, float("nan"), float("inf"), [1]])
    def test_a_bad_weight_names_host_and_variable(self, weight: object) -> None:
        rows = {"a": {"tune_fleet_target": 1}, "b": {"tune_fleet_target": 1, "tune_weight": weight}}
        with pytest.raises(Refusal, match="tune_weight of b is"):
            fleet.share_out(rows, rows)

    def test_no_weight_at_all(self) -> None:
        rows = {"a": {"tune_fleet_target": 1, "tune_weight": 0}}
        with pytest.raises(Refusal, match="tune_weight of a is 0"):
            fleet.share_out(rows, rows)

    def test_targets_that_differ(self) -> None:
        rows = {"a": {"tune_fleet_target": 1}, "b": {"tune_fleet_target": 2}}
        with pytest.raises(Refusal, match="tune_fleet_target of b is 2; allowed: 1, as on a"):
            fleet.share_out(rows, rows)
        with pytest.raises(Refusal, match="tune_fleet_target of a is 'x'"):
            fleet.share_out({"a": {"tune_fleet_target": "x"}}, ["a"])

    @given(
        weights=st.dictionaries(st.text("abc", min_size=1), st.integers(0, 9), min_size=1),
        target=st.integers(1, 10**9),
        data=st.data(),
    )
    def test_they_hold_the_target_in_any_order(self, weights: dict[str, int], target: int, data: st.DataObject) -> None:
        rows = {name: {"tune_fleet_target": target, "tune_weight": weight} for name, weight in weights.items()}
        order = data.draw(st.permutations(sorted(rows)))
        if not any(weights.values()):
            return
        shares = fleet.share_out(rows, rows)["shares"]
        assert fleet.share_out({name: rows[name] for name in order}, order)["shares"] == shares
        assert target <= sum(shares.values()) < target + len(rows)
        for one, other in itertools.combinations(shares, 2):
            assert weights[one] != weights[other] or shares[one] == shares[other]


def awx_slices(names: t.Iterable[str], count: int) -> list[list[str]]:
    """Return the hosts of each job, as Inventory.get_sliced_hosts() in awx/main/models/inventory.py cuts them."""
    ordered = sorted(names)
    return [ordered[number::count] for number in range(count)] if count > 1 else [ordered]


class TestSlices:
    """A job of a part of the inventory, which is all that it sees."""

    @given(
        weights=st.dictionaries(st.text("abcdef", min_size=1), st.sampled_from([0, 1, 1, 2, 0.5, "0.1"]), min_size=1),
        target=st.integers(1, 10**9),
        primaries=st.lists(st.integers(0, 2**32 - 1), min_size=40, max_size=40),
        data=st.data(),
    )
    def test_any_number_of_them_gives_the_same_as_one_run(
        self, weights: dict[str, t.Any], target: int, primaries: list[int], data: st.DataObject
    ) -> None:
        total = sum(fractions.Fraction(str(weight)) for weight in weights.values())
        if not total:
            return
        pool = Pool("p", ["198.51.100.0/24"])
        row = {"tune_fleet_target": target, "tune_address_pool": ["198.51.100.0/24"], "tune_slot_size": 4}
        rows = {name: row | {"tune_weight": weight} for name, weight in weights.items()}
        for slot, name in enumerate(sorted(rows)[:30:2]):
            rows[name]["tune_slot"] = slot
        address = dict(zip(sorted(rows), map(address_set.MAKE[4], primaries), strict=False))
        stated = {name: row | {"tune_fleet_weight": str(float(total))} for name, row in rows.items()}

        def slots(names: t.Iterable[str], inventory: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
            return {
                name: slice_of(pool, 4, inventory[name].get("tune_slot"), str(address[name])).claim()
                for name in names
                if name in address
            }

        one = fleet.share_out(rows, rows)["shares"], slots(rows, rows)
        count = data.draw(st.integers(1, len(rows) + 2))
        cut: list[list[str]] = [[] for _ in range(count)]
        for name in rows:
            data.draw(st.sampled_from(cut)).append(name)
        for jobs in (awx_slices(rows, count), cut):
            shares: dict[str, int] = {}
            claims: dict[str, t.Any] = {}
            for names in jobs:
                seen = {name: stated[name] | {"awx_job_id": 7} for name in names}
                shares |= fleet.share_out(seen, seen)["shares"]
                claims |= slots(names, seen)
            assert (shares, claims) == one

    def test_a_job_of_awx_has_to_be_told_the_weight_of_all(self) -> None:
        for job in ("awx_job_id", "tower_job_id"):
            rows = {"b": {"tune_fleet_target": 10, job: 42}, "c": {"tune_fleet_target": 10, job: 42}}
            with pytest.raises(Refusal) as found:
                fleet.share_out(rows, rows)
            assert str(found.value) == (
                "tune_fleet_weight of b is None; allowed: a number above 0 in a job of AWX, here 42, which may see a "
                "part of the fleet only. Write the sum of tune_weight of all hosts that share the target."
            )
        assert fleet.share_out({"b": {"awx_job_id": 42}}, ["b"]) == {"shares": {}}

    @pytest.mark.parametrize(
        ("total", "allowed"),
        [
            (2, "is 2; allowed: 2.5 or more, the weight of the hosts that this run sees"),
            (0, "is 0; allowed: 2.5 or more"),
            (-1, "is -1; allowed: 2.5 or more"),
            ("all", "is 'all'; allowed: 2.5 or more"),
            (True, "is True; allowed: 2.5 or more"),
        ],
    )
    def test_a_weight_of_all_below_what_is_seen(self, total: t.Any, allowed: str) -> None:
        row = {"tune_fleet_target": 10, "tune_fleet_weight": total}
        rows = {"a": row | {"tune_weight": 2}, "b": row | {"tune_weight": 0.5}}
        with pytest.raises(Refusal, match="tune_fleet_weight of a %s" % allowed):
            fleet.share_out(rows, rows)

    def test_hosts_without_a_weight_in_a_fleet_of_none(self) -> None:
        rows = {"a": {"tune_fleet_target": 10, "tune_fleet_weight": 0, "tune_weight": 0}}
        with pytest.raises(Refusal, match="tune_fleet_weight of a is 0; allowed: a number above 0"):
            fleet.share_out(rows, rows)
        rows["a"]["tune_fleet_weight"] = 3
        assert fleet.share_out(rows, rows) == {"shares": {}}

    def test_weights_of_all_that_differ(self) -> None:
        rows = {"a": {"tune_fleet_target": 1, "tune_fleet_weight": 9}, "b": {"tune_fleet_target": 1}}
        with pytest.raises(Refusal, match="tune_fleet_weight of b is None; allowed: 9, as on a: one fleet has"):
            fleet.share_out(rows, rows)


class TestDuplicates:
    POOL: t.ClassVar[dict[str, t.Any]] = {"tune_address_pool": ["198.51.100.0/24"]}

    def test_one_slot_for_two_hosts(self) -> None:
        rows = {"a": self.POOL | {"tune_slot": 1}, "b": self.POOL, "c": self.POOL | {"tune_slot": "1"}}
        with pytest.raises(Refusal) as found:
            fleet.share_out(rows, rows)
        assert str(found.value).startswith(
            "tune_slot of a and c is '198.51.100.17-198.51.100.32'; allowed: each address for one host. Give one of"
        )

    def test_pools_that_overlap(self) -> None:
        other = {"tune_address_pool": ["198.51.100.30-198.51.100.60"], "tune_slot": 0, "tune_slot_size": 4}
        rows = {"a": self.POOL | {"tune_slot": 1}, "b": other}
        with pytest.raises(Refusal, match=r"tune_slot of a and b is '198.51.100.30-198.51.100.32'"):
            fleet.share_out(rows, rows)

    def test_a_slot_that_the_pool_does_not_have(self) -> None:
        rows = {"a": self.POOL | {"tune_slot": 99}}
        with pytest.raises(Refusal, match="tune_slot of a is 99; allowed: a whole number from 0 to 14"):
            fleet.share_out(rows, rows)
        with pytest.raises(Refusal, match="tune_address_pool of a"):
            fleet.share_out({"a": {"tune_address_pool": ["x"], "tune_slot": 0}}, ["a"])

    def test_one_slot_in_different_pools(self) -> None:
        rows = {"a": self.POOL | {"tune_slot": 1}, "b": {"tune_address_pool": ["203.0.113.0/24"], "tune_slot": 1}}
        assert fleet.share_out(rows, rows) == {"shares": {}}

    @given(
        claims=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 5)), max_size=8),
        data=st.data(),
    )
    def test_exactly_where_two_hosts_meet(self, claims: list[tuple[str, int, int]], data: st.DataObject) -> None:
        hosts: dict[int, set[str]] = {}
        for host, first, more in claims:
            for number in range(first, first + more + 1):
                hosts.setdefault(number, set()).add(host)
        texts = [(host, "192.0.2.%d" % first, "192.0.2.%d" % (first + more)) for host, first, more in claims]
        found = None
        for order in (texts, data.draw(st.permutations(texts))):
            try:
                duplicates(order)
                message = ""
            except Refusal as refusal:
                message = str(refusal)
            assert bool(message) == any(len(names) > 1 for names in hosts.values())
            assert found in (None, message)
            found = message


class TestFilters:
    def test_a_refusal_is_data(self) -> None:
        rows = {"a": {"tune_fleet_target": 7, "tune_weight": -1}}
        assert FILTERS["fleet"](rows, ["a"])["refusal"].startswith("tune_weight of a is -1")
        assert FILTERS["fleet"]({"a": {"tune_fleet_target": 7}}, ["a"]) == {"shares": {"a": 7}}

    def test_plans_are_compared(self) -> None:
        def planned(*claim: list[str]) -> dict[str, t.Any]:
            return {"__tune_plan": {"claim": list(claim) or None}}

        rows = {
            "a": planned(["192.0.2.1", "192.0.2.9"]),
            "b": planned(["192.0.2.10", "192.0.2.19"]),
            "c": planned(),
            "d": {},
            "e": {"__tune_plan": {"refusal": "no"}},
        }
        assert FILTERS["claims"](rows, list(rows)) == {"compared": 2}
        rows["d"] = planned(["192.0.2.9", "192.0.2.9"])
        message = FILTERS["claims"](rows, list(rows))["refusal"]
        assert message.startswith("tune_slot of a and d is '192.0.2.9-192.0.2.9'")


@pytest.mark.parametrize("number", [1000, 10000])
def test_large_inventories(number: int) -> None:
    rows = {
        "client%d" % slot: {
            "tune_address_pool": ["10.0.0.0/8"],
            "tune_slot": slot,
            "tune_slot_size": 64,
            "tune_fleet_target": 10**8,
            "tune_weight": 1 + slot % 3,
        }
        for slot in range(number)
    }
    begun = time.process_time()
    assert len(fleet.share_out(rows, rows)["shares"]) == number
    # Measured: 30 microseconds a host.
    assert time.process_time() - begun < number * 0.001
