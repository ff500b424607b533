# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses a route on lo makes the host's, which stand on its interface, and what the former need."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import NONLOCAL_BIND_IPV6
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits, is_settable
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings, cannot_be_set
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import AUTO, INTERFACE

_METHOD = "addresses_method"


def split(addresses: t.Mapping[str, t.Any], settings: Settings) -> tuple[list[Run], list[Run]]:
    """Return the planned addresses that a route makes local, and those on the interface, as runs in order.

    addresses: of a snapshot
    settings:  ``addresses``, ``interface``, ``addresses_method``. With ``auto`` IPv6 is on the interface within the
               prefixes that are on its link, where nobody would answer for it otherwise. IPv4 is taken to be routed:
               the host decides, and it is a source either way.
    """
    method = settings.get(_METHOD, AUTO)
    routed: list[Run] = []
    added: list[Run] = []
    for version, first, last, _place in address_set.pieces("tune_addresses", settings.get("addresses", ())):
        on_link: list[ranges.Range] = []
        if method == INTERFACE:
            on_link = [(first, last)]
        elif method == AUTO and version == 6:
            on_link = _on_link(addresses, settings.get("interface"))
        added += [(version, *one) for one in _within((first, last), on_link)]
        routed += [(version, *one) for one in ranges.without((first, last), on_link)]
    return _joined(routed), _joined(added)


def _on_link(addresses: t.Mapping[str, t.Any], interface: str | None) -> list[ranges.Range]:
    """Return the prefixes of IPv6 that the interface has an address in that is not ours."""
    chosen = interface or addresses["default_interface"].get("6")
    found = []
    for entry in addresses["list"]:
        if entry["family"] == 6 and entry["interface"] == chosen and entry["prefix"] < 128 and not entry.get("ours"):
            network = ipaddress.ip_network("%s/%d" % (entry["address"], entry["prefix"]), strict=False)
            found.append((int(network.network_address), int(network.broadcast_address)))
    return found


def _within(one: ranges.Range, others: t.Iterable[ranges.Range]) -> list[ranges.Range]:
    return [shared for shared in (ranges.overlap(one, other) for other in ranges.merged(others)) if shared is not None]


def _joined(runs: t.Iterable[Run]) -> list[Run]:
    runs = list(runs)
    return [(family, *one) for family in MAKE for one in ranges.merged(run[1:] for run in runs if run[0] == family)]


def bind_routed(limits: Limits, settings: Settings) -> None:
    """Plan the key without which nobody can bind to an address of IPv6 that only a route makes local.

    raises: Refusal where it cannot be
    """
    if limits["addresses"] is None or all(run[0] == 4 for run in split(limits["addresses"], settings)[0]):
        return
    allowed = "%s where %s is not 1: addresses of IPv6 that no interface has need it" % (INTERFACE, NONLOCAL_BIND_IPV6)
    method, values = settings.get(_METHOD, AUTO), settings["sysctl_values"]
    if NONLOCAL_BIND_IPV6 in values:
        if str(values[NONLOCAL_BIND_IPV6]).strip() == "0":
            where = "tune_sysctl_values[%s]" % NONLOCAL_BIND_IPV6
            remedy = "Leave it out, or set tune_addresses_method to %s." % INTERFACE
            raise Refusal(where, values[NONLOCAL_BIND_IPV6], "1 for addresses of IPv6 that no interface has", remedy)
        return
    present = (limits["keys"].get(NONLOCAL_BIND_IPV6) or {}).get("now")
    if present is None:
        # Without IPv6, which the host says best itself.
        return
    if present == "1" or is_settable(limits, NONLOCAL_BIND_IPV6):
        values[NONLOCAL_BIND_IPV6] = "1"
    else:
        raise Refusal("tune_addresses_method", method, allowed, cannot_be_set(limits, NONLOCAL_BIND_IPV6, "1"))
