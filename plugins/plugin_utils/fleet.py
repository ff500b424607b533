# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on other hosts: which slice of an address pool is whose, and who holds how much of a fleet's target.

Never on which hosts are in the run: a slot comes from the host itself, a share from the whole inventory, or, where a
run has a part of it, from the weight of all hosts that it states (tune_fleet_weight).
"""

from __future__ import annotations

import contextlib
import decimal
import fractions
import ipaddress
import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number
from ansible_collections.fourtuple.clients.plugins.plugin_utils import known
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import MAX_CONNECTIONS, is_unset

#: What a host takes for itself: its name, first and last address.
Claim = tuple[str, str, str]
Variables = t.Mapping[str, t.Any]

_SLOT_SIZE = 16
_SLOT_MEND = "Give this host a slot that no other host has, or widen the pool."


class Pool:
    """The addresses of tune_address_pool in their order, each once.

    Nothing is expanded, so a pool may be a /8, and finding a slice takes no longer than in a /24.
    """

    def __init__(self, where: str, entries: t.Sequence[t.Any]) -> None:
        self._where, self._entries = where, entries
        self._pieces = address_set.pieces(where, entries, maximum=None)
        self.runs: list[Run] = [piece.run for piece in self._pieces]
        self.size = ranges.count(run[1:] for run in self.runs)

    def entry_of(self, address: address_set.Address) -> t.Any:
        """Return the first entry that names an address of the pool."""
        piece = address_set.Finder(self._pieces).find(address.version, int(address))
        if piece is None:
            raise LookupError("%s is not of the pool" % address)
        return self._entries[address_set.index_of(self._where, piece.place)]

    def runs_of(self, begin: int, size: int) -> list[Run]:
        """Return the runs of the ``size`` addresses from number ``begin`` on."""
        found = []
        end = begin + size
        position = 0
        for version, first, last in self.runs:
            low, high = max(begin, position), min(end, position + last - first + 1)
            if low < high:
                found.append((version, first + low - position, first + high - 1 - position))
            position += last - first + 1
        return found


class Slice(t.NamedTuple):
    """One host's part of a pool."""

    slot: int
    slots: int
    runs: list[Run]

    @property
    def size(self) -> int:
        return ranges.count(run[1:] for run in self.runs)

    def claim(self) -> list[list[str]]:
        """Return the slice as JSON can hold it: [[first, last], ...]."""
        return [[str(MAKE[version](first)), str(MAKE[version](last))] for version, first, last in self.runs]


def slice_of(pool: Pool, slot_size: t.Any, slot: t.Any, primary: str | None, where: str = "") -> Slice:
    """Return a host's slice of the pool; ``where`` follows the names of variables in refusals.

    slot_size: how many addresses each host gets
    slot, primary: see slot_of
    """
    remedy = "No slice is larger than the pool."
    size = whole_number("tune_slot_size" + where, slot_size, 1, max(1, pool.size), remedy)
    if not pool.size:
        raise Refusal("tune_address_pool" + where, [], "at least one address", "Name the addresses of the pool.")
    slots = pool.size // size
    number = slot_of(slots, slot, primary, where)
    return Slice(number, slots, pool.runs_of(number * size, size))


def slot_of(slots: int, slot: t.Any, primary: str | None, where: str = "") -> int:
    """Return the number of a host's slot among ``slots``.

    slot:    tune_slot, which wins
    primary: the host's primary address; of its bits the lowest are taken, as many as number slots without a rest
    """
    if slot is not None:
        return whole_number("tune_slot" + where, slot, 0, slots - 1, _SLOT_MEND)
    if primary is None:
        remedy = "It has no primary address to take a slot from: set tune_slot."
        raise Refusal("tune_slot" + where, None, "a whole number from 0 to %d" % (slots - 1), remedy)
    bits = slots.bit_length() - 1
    return int(ipaddress.ip_address(primary)) & ((1 << bits) - 1)


# --- the whole inventory ---


def share_out(variables: t.Mapping[str, Variables], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return ``shares``: what each host holds of tune_fleet_target; refuse slots that the inventory gives twice.

    variables: the variables of each host; those that are looked at are tune_address_pool, tune_slot,
               tune_slot_size, tune_fleet_target, tune_weight, tune_fleet_weight, and the number of a job of AWX
    hosts: the whole inventory, whichever hosts are in the run; or a part of it, where tune_fleet_weight is set

    A share is fleet target x weight / weight of all hosts, rounded up. A host without a fleet target, or with the
    weight 0, has none. The weight of all hosts is tune_fleet_weight, or else the sum over ``hosts``.
    """
    names = sorted(hosts)
    rows = {name: variables[name] for name in names}
    pools: dict[str, Pool] = {}
    claims: list[Claim] = []
    targets: dict[str, int] = {}
    weights: dict[str, fractions.Fraction] = {}
    totals: dict[str, t.Any] = {}
    for name, row in rows.items():
        if row.get("tune_address_pool") and row.get("tune_slot") is not None:
            claims += _claims(name, row, pools)
        if row.get("tune_fleet_target") is not None:
            place, remedy = "tune_fleet_target of %s" % name, "Write how many connections the fleet must hold."
            targets[name] = whole_number(place, row.get("tune_fleet_target"), 1, MAX_CONNECTIONS * 10**6, remedy)
            weights[name] = _weight(name, row.get("tune_weight"))
            totals[name] = row.get("tune_fleet_weight")
    duplicates(claims)
    if not targets:
        return {"shares": {}}
    target = _alike(targets, "target")
    return {"shares": _shares(target, weights, _total(rows, weights, totals))}


def known_addresses(variables: t.Mapping[str, Variables], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return the table of whose addresses are whose, the slices of slots that the inventory gives among them.

    variables, hosts: as for share_out(), which refuses what is passed over here: a pool or slot that is not in order
    """
    rows = {name: variables[name] for name in sorted(hosts)}
    pools: dict[str, Pool] = {}
    claims: list[Claim] = []
    for name, row in rows.items():
        # A template may not work out on a host that is not in the run.
        with contextlib.suppress(Exception):
            if row.get("tune_address_pool") and row.get("tune_slot") is not None:
                claims += _claims(name, row, pools)
    return known.table_of(rows, _runs(claims))


def _runs(claims: t.Iterable[Claim]) -> t.Iterator[tuple[str, Run]]:
    for host, low, high in claims:
        first = ipaddress.ip_address(low)
        yield host, (first.version, int(first), int(ipaddress.ip_address(high)))


def _claims(name: str, row: Variables, pools: dict[str, Pool]) -> t.Iterator[Claim]:
    entries = row.get("tune_address_pool")
    entries = list(entries) if isinstance(entries, (list, tuple)) else [entries]
    where = " of %s" % name
    # Hosts mostly share one pool: it is read once.
    key = repr(entries)
    pool = pools[key] = pools.get(key) or Pool("tune_address_pool" + where, entries)
    size = row.get("tune_slot_size")
    found = slice_of(pool, _SLOT_SIZE if size is None else size, row.get("tune_slot"), None, where)
    return ((name, first, last) for first, last in found.claim())


def _weight(name: str, value: t.Any) -> fractions.Fraction:
    """Return a weight as the decimal that was written."""
    weight = fractions.Fraction(1) if is_unset(value) else _decimal(value)
    if weight is None:
        raise Refusal("tune_weight of %s" % name, value, "a number, 0 or above", "Write 1 for a host like the others.")
    return weight


def _decimal(value: t.Any) -> fractions.Fraction | None:
    """Return a number, 0 or above, as the decimal that was written, or None."""
    try:
        number = fractions.Fraction(-1 if isinstance(value, bool) else str(value))
    except (ValueError, ZeroDivisionError):
        return None
    return number if number >= 0 else None


def _total(
    rows: t.Mapping[str, Variables], weights: t.Mapping[str, fractions.Fraction], totals: t.Mapping[str, t.Any]
) -> fractions.Fraction:
    """Return the weight of all hosts that share the fleet's target, those too that this run does not see."""
    stated = _alike({name: None if is_unset(total) else total for name, total in totals.items()}, "weight")
    first, seen = min(totals), sum(weights.values(), fractions.Fraction(0))
    where, remedy = (
        "tune_fleet_weight of %s" % first,
        "Write the sum of tune_weight of all hosts that share the target.",
    )
    if stated is None:
        _refuse_a_part(where, rows[first], remedy)
        if not seen:
            remedy = "Give at least one host that shares tune_fleet_target a weight."
            names = ", ".join(sorted(weights)[:3])
            raise Refusal("tune_weight of %s" % names, 0, "a number above 0 on some host", remedy)
        return seen
    total = _decimal(stated)
    if not total or total < seen:
        least = decimal.Decimal(seen.numerator) / seen.denominator
        allowed = "%s or more, the weight of the hosts that this run sees" % least if seen else "a number above 0"
        raise Refusal(where, stated, allowed, remedy)
    return total


def _refuse_a_part(where: str, row: Variables, remedy: str) -> None:
    """Refuse to sum up the weights of an inventory that may be a part.

    A job of AWX has an inventory of the enabled hosts of its slice (get_script_data() in awx/main/models/inventory.py),
    and its variables do not tell a slice from a job of its own (awx_meta_vars() in unified_jobs.py and jobs.py), least
    of all a slice that is launched again, outside its workflow (copy_unified_job() in jobs.py).
    """
    job = next((row.get(name) for name in ("awx_job_id", "tower_job_id") if row.get(name) is not None), None)
    if job is not None:
        allowed = "a number above 0 in a job of AWX, here %s, which may see a part of the fleet only" % job
        raise Refusal(where, None, allowed, remedy)


def _alike(values: t.Mapping[str, t.Any], what: str) -> t.Any:
    """Return what all hosts have of the fleet's target or weight; refuse another one."""
    first = min(values)
    for name, other in values.items():
        if other != values[first]:
            allowed = "%s, as on %s: one fleet has one %s" % (values[first], first, what)
            remedy = "Give it to all hosts alike, and set tune_target_connections on hosts of their own."
            raise Refusal("tune_fleet_%s of %s" % (what, name), other, allowed, remedy)
    return values[first]


def _shares(target: int, weights: t.Mapping[str, fractions.Fraction], total: fractions.Fraction) -> dict[str, int]:
    return {name: math.ceil(target * weight / total) for name, weight in weights.items() if weight}


def duplicates(claims: t.Iterable[Claim]) -> None:
    """Refuse addresses that two hosts claim; the message names both hosts and the first such addresses."""
    runs: list[tuple[int, int, int, str]] = []
    for host, low, high in claims:
        address = ipaddress.ip_address(low)
        runs.append((address.version, int(address), int(ipaddress.ip_address(high)), host))
    runs.sort()
    furthest: dict[int, tuple[int, str]] = {}
    for version, first, last, host in runs:
        end, other = furthest.get(version, (-1, host))
        if first <= end and host != other:
            names = tuple(sorted((host, other)))
            shared = "%s-%s" % (MAKE[version](first), MAKE[version](min(last, end)))
            remedy = "Give one of them another tune_slot; a slot that is not set comes from a host's primary address."
            raise Refusal("tune_slot of %s and %s" % names, shared, "each address for one host", remedy)
        furthest[version] = max((end, other), (last, host))


# --- with a refusal as data, so that the role can say it in its own words alone ---


def shares(variables: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return what share_out() does, or ``refusal``."""
    try:
        return share_out(variables, hosts)
    except Refusal as refusal:
        return {"refusal": str(refusal)}


def claims(
    variables: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str], fact: str = "__tune_plan"
) -> dict[str, t.Any]:
    """Compare the slices that the plans of hosts claim, which each host keeps in a fact; return ``refusal``, if any.

    Of a host that an earlier batch was done with only the fact ``tune_result`` is left, which has the same claim.
    """
    found = []
    for host in hosts:
        row = variables[host]
        claim = (row.get(fact) or {}).get("claim") or (row.get("tune_result") or {}).get("claim")
        found += [(host, first, last) for first, last in claim or ()]
    try:
        duplicates(found)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    return {"compared": len({host for host, _first, _last in found})}
