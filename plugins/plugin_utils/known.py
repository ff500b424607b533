# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose an address is, as far as the inventory tells: hosts, sinks, destinations, lists.

The table is made once a run. It is a plain dictionary, because it is kept as a fact, and in parts, because a host then
looks at a few of these whatever the number of hosts. No name is resolved: a name server may answer each host otherwise.
"""

from __future__ import annotations

import contextlib
import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges, taken_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Address, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import address_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.taken_addresses import plain

Variables = t.Mapping[str, t.Any]

#: What one host has to itself, or nobody in particular (None): first and last number, whose in words, host.
Row = tuple[int, int, str, str | None]
#: {"near": {part: [row, ...]}, "wide": {family: [row, ...]}, "slots": the same of the slices of slots}
Table = t.Mapping[str, t.Any]

#: A part of the table has the addresses of one /24, or one /64.
_PART_BITS = {4: 8, 6: 64}
#: What takes more parts is looked at by every host: prefixes that are written once for all.
_MAX_PARTS = 256


class Known:
    """The table as one host sees it: what is its own does not count.

    table: what table_of() made; {} where nothing is known
    slots: look at the slices of slots instead
    """

    def __init__(self, table: Table, host: str | None, slots: bool = False) -> None:
        chosen = table.get("slots", {}) if slots else table
        self._near: t.Mapping[str, t.Sequence[Row]] = chosen.get("near", {})
        self._wide: t.Mapping[str, t.Sequence[Row]] = chosen.get("wide", {})
        self._host = host

    def whose(self, address: Address) -> str | None:
        """Return whose an address is, in words that follow "It is"; None where nobody else is known to have it."""
        version, number = address.version, int(address)
        part = self._near.get(_part(version, number), ())
        for row in (*part, *self._wide.get(str(version), ())):
            if row[0] <= number <= row[1] and row[3] != self._host:
                return str(row[2])
        return None

    def within(self, run: Run) -> list[ranges.Range]:
        """Return what of ``run`` anybody has, this host too: what hosts that share a pool have to leave out."""
        return [(first, last) for first, last, _whose, _host in self._overlapping(run)]

    def of_others(self, run: Run) -> list[int]:
        """Return the first address, as a number, of each part of ``run`` that others than this host have."""
        return [row[0] for row in self._overlapping(run) if row[3] != self._host]

    def entries(self, run: Run) -> list[dict[str, str]]:
        """Return what of ``run`` others have, as entries of taken_addresses."""
        make = MAKE[run[0]]
        found = [row for row in self._overlapping(run) if row[3] != self._host]
        return [{"address": "%s-%s" % (make(first), make(last)), "whose": whose} for first, last, whose, _host in found]

    def _overlapping(self, run: Run) -> list[Row]:
        version, first, last = run
        bits = _PART_BITS[version]
        if (last >> bits) - (first >> bits) < len(self._near):
            keys = [_part(version, number << bits) for number in range(first >> bits, (last >> bits) + 1)]
        else:
            keys = [key for key in self._near if key.startswith("%d:" % version)]
        rows = [row for key in keys for row in self._near.get(key, ())] + list(self._wide.get(str(version), ()))
        found = [(max(first, low), min(last, high), whose, host) for low, high, whose, host in rows]
        # A range has a row in each part that it reaches into.
        return sorted(
            {row for row in found if row[0] <= row[1]}, key=lambda row: (row[0], row[1], row[2], row[3] or "")
        )


def _part(version: int, number: int) -> str:
    return "%d:%x" % (version, number >> _PART_BITS[version])


def table_of(variables: t.Mapping[str, Variables], slots: t.Iterable[tuple[str, Run]] = ()) -> dict[str, t.Any]:
    """Return the table of what the hosts of an inventory have.

    variables: the variables of each host
    slots:     the slices of a pool that the inventory gives, as (host, run)
    """
    found, of_slots = _Parts(), _Parts()
    for name in sorted(variables):
        for run, whose, owner in _of_host(name, variables[name]):
            found.add(run, whose, owner)
    for name, run in slots:
        of_slots.add(run, "in the slot of %s (tune_slot)" % name, name)
    return dict(found.table(), slots=of_slots.table())


class _Parts:
    """A table that is being made."""

    def __init__(self) -> None:
        self._near: dict[str, list[Row]] = {}
        self._wide: dict[str, list[Row]] = {}
        self._seen: set[tuple[Run, str | None]] = set()

    def add(self, run: Run, whose: str, owner: str | None) -> None:
        """Add a row; what belongs to nobody in particular is mostly written once for many hosts, and kept once."""
        if (run, owner) in self._seen:
            return
        self._seen.add((run, owner))
        version, first, last = run
        bits, row = _PART_BITS[version], (first, last, whose, owner)
        if (last >> bits) - (first >> bits) >= _MAX_PARTS:
            self._wide.setdefault(str(version), []).append(row)
            return
        for number in range(first >> bits, (last >> bits) + 1):
            self._near.setdefault(_part(version, number << bits), []).append(row)

    def table(self) -> dict[str, t.Any]:
        return {"near": self._near, "wide": self._wide}


def _of_host(name: str, row: Variables) -> t.Iterator[tuple[Run, str, str | None]]:
    """Yield what a host has, connects to or listens on: a run, whose it is, and the host whose own it is, or None."""
    for run, what in _addresses(name, row):
        yield run, "%s of %s" % (what, name), name
    for variable in ("tune_addresses", "addresses_list"):
        for entry in _list(row, variable):
            named = address_set.run_of(entry)
            if named is not None:
                yield named, "in %s of %s" % (variable, name), name
    for address in _servers(row, "prove_listen"):
        yield _single(address), "what the sink %s listens on (prove_listen)" % name, name
    for variable in ("tune_destinations", "prove_destinations"):
        for address in _servers(row, variable):
            yield _single(address), "a destination of %s (%s)" % (name, variable), None
    prefix = _value(row, "prove_prefix")
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(prefix if isinstance(prefix, str) else "")
        run = (network.version, int(network.network_address), int(network.broadcast_address))
        yield run, "in the prefix that the sink %s answers for (prove_prefix)" % name, None


def _addresses(name: str, row: Variables) -> t.Iterator[tuple[Run, str]]:
    """Yield a host's own addresses, each with what it is called; what tells the most comes first."""
    limits = _value(_mapping(_value(row, "__tune_before")), "limits")
    snapshot = _mapping(_value(_mapping(limits), "addresses"))
    facts = _mapping(_value(row, "ansible_facts"))
    told: list[tuple[object, str]] = [
        (_value(_mapping(_value(snapshot, "primary")), "address"), "the primary address"),
        (_value(row, "ansible_host"), "the address (ansible_host)"),
        (name, "the address"),
    ]
    told += [(_value(_mapping(_value(facts, "default_ipv%d" % f)), "address"), "the primary address") for f in (4, 6)]
    in_facts = [one for name in ("all_ipv4_addresses", "all_ipv6_addresses") for one in _list(facts, name)]
    if in_facts:
        # A run may give those that this collection has added to another host: when all slots grow, each moves on.
        applied = _list(_mapping(_value(_mapping(limits), "applied")), "addresses")
        ours = taken_addresses.Taken({"address": str(one).partition("/")[0], "whose": name} for one in applied)
        told += [(address, "an address") for address in in_facts if not _has(ours, address)]
    for text, what in told:
        address = plain(text)
        if address is not None:
            yield _single(address), what
    for entry in map(_mapping, _list(snapshot, "list")):
        first = _value(entry, "address")
        run = address_set.run_of("%s-%s" % (first, _value(entry, "last") or first))
        if run is not None and not _value(entry, "ours") and _value(entry, "scope") == "global":
            yield run, "an address"
    for entry in map(_mapping, _list(snapshot, "anyip")):
        for run in map(address_set.run_of, [] if _value(entry, "ours") else _list(entry, "ranges")):
            if run is not None:
                yield run, "a local route"


def _has(ours: taken_addresses.Taken, text: object) -> bool:
    address = plain(text)
    return address is not None and ours.whose(ipaddress.ip_address(address)) is not None


def _servers(row: Variables, variable: str) -> t.Iterator[str]:
    return (host for host in map(address_of, _list(row, variable)) if host is not None)


def _single(address: str) -> Run:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed), int(parsed)


def _value(row: t.Mapping[str, t.Any], name: str) -> t.Any:
    """Return a variable, None also where its template does not work out: a host that is not in the run has no facts."""
    try:
        return row.get(name)
    except Exception:  # noqa: BLE001  # of Ansible, Jinja and whatever a plugin raises
        return None


def _mapping(value: object) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, t.Mapping) else {}


def _list(row: t.Mapping[str, t.Any], name: str) -> list[t.Any]:
    value = _value(row, name)
    if isinstance(value, str):
        return [value]
    try:
        return list(value) if isinstance(value, (list, tuple)) else []
    except Exception:  # noqa: BLE001  # as in _value: the entries are templates of their own
        return []


def taken(table: Table, host: str, entries: t.Iterable[object]) -> list[dict[str, str]]:
    """Return what others than ``host`` have of the addresses that ``entries`` name, as option taken has it.

    An entry that is none has nothing: whoever uses the list refuses it.
    """
    known = [Known(table, host), Known(table, host, slots=True)]
    runs = (address_set.run_of(entry) for entry in entries)
    return [found for run in runs if run is not None for one in known for found in one.entries(run)]
