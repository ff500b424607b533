# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the source addresses that runs have added to a host: what is ours, and who keeps it."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    broken_state,
    drop_state,
    load_state,
    save_state,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import (
    MAKE,
    Pair,
    in_order,
    run_of_network,
)

TOPIC = "addresses"

#: First and last addresses as numbers, by version.
Runs = t.Dict[int, t.List[ranges.Range]]


class Recorded(t.NamedTuple):
    """What is ours on a host.

    added:  addresses on an interface, as (interface, ``198.51.100.1/32``)
    routes: prefixes that a route on lo makes local, such as ``198.51.100.0/28``
    """

    added: t.FrozenSet[Pair] = frozenset()
    routes: t.FrozenSet[str] = frozenset()

    def __or__(self, other: object) -> Recorded:  # what a tuple has no use for
        if not isinstance(other, Recorded):
            return NotImplemented
        return Recorded(self.added | other.added, self.routes | other.routes)


def runs_of(held: Recorded) -> Runs:
    """Return the addresses that are held, whichever way."""
    found: Runs = {version: [] for version in MAKE}
    for text in [*(address for _interface, address in held.added), *held.routes]:
        version, first, last = run_of_network(text)
        found[version].append((first, last))
    return {version: ranges.merged(several) for version, several in found.items()}


def minus(ones: Runs, others: Runs) -> Runs:
    return {version: ranges.difference(several, others[version]) for version, several in ones.items()}


def texts(runs: Runs) -> t.List[str]:
    """Return ranges such as ``198.51.100.10-198.51.100.29``."""
    return [ranges.text(one, MAKE[version]) for version, several in runs.items() for one in several]


def recorded(host: Host) -> Recorded:
    """Return what earlier runs added. raises: ValueError for a record that is not ours"""
    state = load_state(host.root, TOPIC) or {}
    added, routes = state.get("added", []), state.get("routes", [])
    if not isinstance(added, list) or not all(_is_pair(pair) for pair in added):
        raise broken_state(TOPIC, "no pairs of an interface and an address")
    if not isinstance(routes, list) or not all(map(is_prefix, routes)):
        raise broken_state(TOPIC, "no prefixes of routes")
    return Recorded(frozenset((pair[0], pair[1]) for pair in added), frozenset(routes))


def recorded_role(host: Host) -> t.Optional[str]:
    """Return the role that keeps the recorded addresses; None where the record names none, or is not ours."""
    try:
        role = (load_state(host.root, TOPIC) or {}).get("role")
    except ValueError:
        return None
    return role if isinstance(role, str) else None


def record(host: Host, role: t.Optional[str], known: Recorded, found: Recorded) -> None:
    """Remember what is ours, and which role keeps it: without files that persist it no file says so."""
    if not any(found):
        drop_state(host.root, TOPIC)
    elif found != known:
        state: t.Dict[str, t.Any] = {
            "added": [list(pair) for pair in in_order(found.added)],
            "routes": prefixes_in_order(found.routes),
        }
        save_state(host.root, TOPIC, dict(state, role=role) if role else state)


def prefixes_in_order(prefixes: t.Iterable[str]) -> t.List[str]:
    def key(prefix: str) -> t.Tuple[int, int, int]:
        network = ipaddress.ip_network(prefix)
        return network.version, int(network.network_address), network.prefixlen

    return sorted(prefixes, key=key)


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and is_address(pair[1])


def is_address(text: object) -> bool:
    """Tell whether a text is an address, with a length or without."""
    try:
        return isinstance(text, str) and bool(ipaddress.ip_interface(text))
    except ValueError:
        return False


def is_prefix(text: object) -> bool:
    """Tell whether a text is a prefix as ``ip route`` takes it."""
    try:
        return isinstance(text, str) and bool(ipaddress.ip_network(text))
    except ValueError:
        return False
