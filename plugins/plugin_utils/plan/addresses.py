# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source addresses that a target needs: those of this host's slice that nobody else has."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges, taken_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import (
    AUTOBIND,
    BIND_ANY,
    BIND_PORT,
    BY_ROUTE,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE
from ansible_collections.fourtuple.clients.plugins.plugin_utils import known
from ansible_collections.fourtuple.clients.plugins.plugin_utils.fleet import Pool, Slice, slice_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits, is_settable, number_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.four_tuples import (
    capacity_of_a_source,
    fill_of,
    in_timewait,
    let_it_bind,
    shares_ports,
    usable_ports,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import (
    destinations_by_family,
    source_ranges,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.ports import claimed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import cannot_be_set
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def slice_of_host(limits: Limits, request: ClientRequest, needed: bool = False) -> Slice | None:
    """Return this host's slice of the pool, None without a pool, or where nobody needs one that is not stated."""
    if not request.address_pool or not (needed or request.slot is not None):
        return None
    primary = (limits["addresses"] or {}).get("primary") or {}
    return slice_of(_pool(request), request.slot_size, request.slot, primary.get("address"))


def _pool(request: ClientRequest) -> Pool:
    return Pool("tune_address_pool", request.address_pool)


def addresses_of_slice(
    limits: Limits, request: ClientRequest, target: int, part: Slice | None, others: Others
) -> list[str]:
    """Return as many addresses of the slice as the target needs, as entries of a list.

    Refuse where they do not suffice, or others have them.

    limits: the host with everything else of the plan, and without the slice
    """
    need = _Need(limits, request, target)
    if request.binding in BY_ROUTE or request.explicit.addresses or part is None:
        raise need.refusal(part, 0)
    taken, missing = need.taken_of(part)
    for run in taken:
        others.refuse_of_pool(run)
    if missing:
        raise need.refusal(part, ranges.count(run[1:] for run in taken))
    return [ranges.text(run[1:], MAKE[run[0]]) for run in taken]


class Others:
    """Whose an address is: as this host sees it, as the request states it, and as the inventory tells."""

    def __init__(self, limits: Limits, request: ClientRequest, table: known.Table, host: str | None) -> None:
        addresses = limits["addresses"] or {}
        stated = [{"address": one, "whose": "a destination (tune_destinations)"} for one in request.servers]
        # What an earlier version read of a host has none.
        self._seen = taken_addresses.Taken([*addresses.get("taken", ()), *stated])
        self._known, self._slots = known.Known(table, host), known.Known(table, host, slots=True)
        self._request = request
        self._own = taken_addresses.Taken(
            {"address": "%s-%s" % (one["address"], one.get("last", one["address"])), "whose": "this host's"}
            for one in addresses.get("list", ())
            if not one.get("ours")
        )

    def whose(self, address: address_set.Address) -> str | None:
        return self._seen.whose(address) or self._known.whose(address)

    def within(self, run: address_set.Run) -> list[tuple[int, int]]:
        return self._seen.within(run) + self._known.within(run)

    def refuse_listed(self) -> None:
        """Refuse tune_addresses that name what others have. What the host has already is not added."""
        where, entries = "tune_addresses", self._request.explicit.addresses
        added = [
            piece._replace(first=first, last=last)
            for piece in address_set.pieces(where, entries)
            for first, last in ranges.without(piece.run[1:], self._own.within(piece.run))
        ]
        for others in (self, self._slots):
            taken_addresses.refuse(where, entries, added, others)

    def refuse_of_pool(self, run: Run) -> None:
        """Refuse addresses of the pool of which others have one, and say how all hosts that share it leave it out."""
        had = [first for first, _last in self._seen.within(run)]
        had += self._known.of_others(run) + self._slots.of_others(run)
        if not had:
            return
        address = MAKE[run[0]](min(had))
        whose, slot_of = self.whose(address), self._slots.whose(address)
        if whose is not None:
            entry = _pool(self._request).entry_of(address)
            shared = " on every host that shares the pool, or give this host another tune_slot"
            remedy = taken_addresses.without(entry, self.within, shared)
        else:
            remedy = "Give this host a tune_slot that no other host has."
        remedy = "It is %s. %s" % (whose or slot_of, remedy)
        raise Refusal("tune_address_pool", str(address), taken_addresses.ALLOWED, remedy)


#: How many sizes of a slot are tried before the pool is said to be too small.
_ATTEMPTS = 64


class _Need:
    """How many four-tuples a target takes, and what there is; the arithmetic of a refusal."""

    def __init__(self, limits: Limits, request: ClientRequest, target: int) -> None:
        self.limits, self.request, self.target = limits, request, target
        self.ports = usable_ports(limits, request) or 0
        self.fill = fill_of(request)
        self.claimed = claimed(limits)
        self.present = source_ranges(limits, request.interface) or {4: [], 6: []}
        sources = {family: ranges.count(found) for family, found in self.present.items()}
        self.capacity = capacity_of_a_source(request, self.ports, sources)
        destinations = destinations_by_family(request, sources)
        #: The family that more addresses would be of.
        self.family = max((4, 6), key=lambda family: (destinations[family], -family))
        self.destinations = destinations[self.family]
        self.sources = min(1, sources[self.family]) if request.binding in BY_ROUTE else sources[self.family]
        self.timewait = in_timewait(limits, request)
        #: floor(n * fill) >= target holds from this n on.
        self.four_tuples = math.ceil(target / self.fill) + self.timewait
        used = {f: min(1, n) if request.binding in BY_ROUTE else n for f, n in sources.items()}
        self.held = sum(used[family] * self.capacity[family] for family in used)

    def taken_of(self, part: Slice) -> tuple[list[Run], int]:
        """Return the addresses of a slice that are needed, and how many four-tuples are missing all the same."""
        taken: list[Run] = []
        missing = self.four_tuples - self.held
        for version, *ends in part.runs:
            each = self.capacity[version]
            for first, last in ranges.without((ends[0], ends[1]), self.present[version]) if each else ():
                if missing > 0:
                    end = min(last, first + math.ceil(missing / each) - 1)
                    taken.append((version, first, end))
                    missing -= each * (end - first + 1)
        return taken, max(0, missing)

    def refusal(self, part: Slice | None, taken: int) -> Refusal:
        if not any(self.present.values()):
            return self._no_source()
        each = self.capacity[self.family]
        maximum = self.held + taken * each
        sources = self.sources + taken
        allowed = "at most %d, what %s x %d ports%s can hold%s" % (
            max(0, math.floor((maximum - self.timewait) * self.fill)),
            number_of(sources, "source address", "es"),
            self.ports,
            " x " + number_of(self.destinations, "destination") if shares_ports(self.request) else "",
            "" if self.request.binding == BIND_PORT else " at tune_port_fill %s" % _decimal(self.fill),
        )
        missing = math.ceil((self.four_tuples - maximum) / each) if each else 0
        remedy = "It needs %s and has %d: %s." % (
            number_of(sources + missing, "source address", "es"),
            sources,
            _alternatives([self._more_addresses(part, missing), *self._without_addresses(maximum, sources)]),
        )
        if self.request.binding == AUTOBIND:
            bind = "let it bind (tune_binding: bind_no_port)" if self.request.program is None else None
            ways = [*filter(None, [bind or let_it_bind(self.request)]), *self._without_addresses(maximum, sources)]
            remedy = "A program that does not bind has one source address: %s." % _alternatives(ways)
        elif self.request.binding == BIND_ANY:
            ways = ["let it bind an address (tune_binding: bind_no_port)", *self._without_addresses(maximum, sources)]
            remedy = "A program that binds the wildcard address has each port once: %s." % _alternatives(ways)
        return Refusal("tune_target_connections", self.target, allowed, remedy + self._fixed_range() + self.claimed)

    def _no_source(self) -> Refusal:
        interface = self.request.interface
        place = "on %s (tune_interface)" % interface if interface else "on any interface"
        remedy = "Give %s an address%s." % (interface or "one", "" if interface else " and the host a default route")
        for entry in (self.limits["addresses"] or {}).get("list", ()):
            if "no_source" in entry and interface in (None, entry["interface"]):
                remedy += " %s does not count, as it is %s." % (entry["address"], entry["no_source"])
        allowed = "0: the host has no source address %s" % place
        return Refusal("tune_target_connections", self.target, allowed, remedy)

    def _fixed_range(self) -> str:
        """Return what would widen the range, where only that keeps it from what was asked for."""
        low, high = self.request.port_range
        present = (self.limits["keys"].get(PORT_RANGE) or {}).get("now")
        ports = self.limits["ports"]
        if present is None or is_settable(self.limits, PORT_RANGE) or not (low < ports["low"] or high > ports["high"]):
            return ""
        return " %s" % cannot_be_set(self.limits, PORT_RANGE, "%d %d" % (low, high))

    def _more_addresses(self, part: Slice | None, missing: int) -> str:
        if self.request.explicit.addresses:
            return "name %d more in tune_addresses" % missing
        if part is None:
            return "give it a tune_address_pool with a tune_slot_size of %d" % missing
        size = self._size_that_suffices(part.size + missing)
        if size is not None:
            return "raise tune_slot_size from %d to %d on every host" % (part.size, size)
        return "widen the pool, whose slots have %d addresses, and raise tune_slot_size to %d" % (
            part.size,
            part.size + missing,
        )

    def _size_that_suffices(self, size: int) -> int | None:
        """Return the size of a slot, this one or somewhat more, whose slice of the pool is enough; None without one.

        Another size is another slice, which may have addresses that do not count: the host's own, or of a family that
        no destination is of.
        """
        primary = ((self.limits["addresses"] or {}).get("primary") or {}).get("address")
        pool, each = _pool(self.request), self.capacity[self.family]
        for _attempt in range(_ATTEMPTS if each else 0):
            if size > pool.size or (self.request.slot is not None and pool.size // size <= int(self.request.slot)):
                return None
            _taken, missing = self.taken_of(slice_of(pool, size, self.request.slot, primary))
            if not missing:
                return size
            size += math.ceil(missing / each)
        return None

    def _without_addresses(self, maximum: int, sources: int) -> t.Iterator[str]:
        """Yield what else would do, alone."""
        per_destination = sources * self.ports
        if shares_ports(self.request) and per_destination:
            more = math.ceil((self.four_tuples - maximum) / per_destination)
            yield "add %s" % number_of(more, "destination")
        if self.request.binding == BIND_PORT:
            yield "give the program more ports (tune_program_ports)"
        elif maximum - self.timewait >= self.target:
            # Rounded up to a hundredth, as people write it.
            fill = math.ceil(self.target * 100 / (maximum - self.timewait)) / 100
            yield "raise tune_port_fill to %s" % _decimal(fill)


def _decimal(number: t.SupportsFloat) -> str:
    return str(float(number))


def _alternatives(ways: t.Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(ways[:-1]), ways[-1]]))
