# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local ports: which are reserved and in use, and what a plan refuses to do to them."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits, is_settable
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings, cannot_be_set


def in_use(ports: t.Mapping[str, t.Any]) -> set[int]:
    """Return the ports that somebody named, waits on or will want."""
    found = port_set.parse_kernel_list(ports["listeners"] or "")
    found -= port_set.parse_kernel_list(ports.get("automatic") or "")
    for text in (ports.get("udp"), *(claim["ports"] for claim in ports.get("claimed") or ())):
        found |= port_set.parse_kernel_list(text or "")
    return found


def predicted_ports(limits: Limits, new_range: str | None, named: t.Sequence[t.Any]) -> t.Mapping[str, t.Any]:
    """Return the ports as sysctl_apply leaves them: reserved are those of before, the named, and what is in use.

    A port that the kernel chose for a listener is not reserved; it is taken as long as it listens.
    """
    ports = limits["ports"]
    if ports["low"] is None or not (new_range or named):
        return t.cast(t.Mapping[str, t.Any], ports)
    low, high = port_set.parse_range("tune_sysctl_values[%s]" % PORT_RANGE, new_range or [ports["low"], ports["high"]])
    automatic = port_set.parse_kernel_list(ports.get("automatic") or "")
    boot = (limits["keys"].get(RESERVED_PORTS) or {}).get("after_boot")
    asked = port_set.parse_ports("tune_reserved_ports", named)
    reserved = port_set.to_reserve((ports["reserved"], boot), asked, in_use(ports), low, high)
    return dict(
        ports,
        low=low,
        high=high,
        reserved=port_set.format_kernel_list(reserved),
        usable=high - low + 1 - sum(low <= port <= high for port in reserved | automatic),
    )


def without_automatic(limits: Limits) -> Limits:
    """Return the snapshot as if no listener had a port that the kernel chose."""
    ports = limits["ports"]
    automatic = port_set.parse_kernel_list(ports.get("automatic") or "")
    if not automatic:
        return limits
    named = port_set.parse_kernel_list(ports["listeners"] or "") - automatic
    return dict(limits, ports=dict(ports, automatic="", listeners=port_set.format_kernel_list(named)))


def claimed(limits: Limits) -> str:
    """Return which ports of the range are left to somebody who does not use them yet, as the end of a refusal."""
    ports = limits["ports"]
    said = [
        "%s (%s, %s)" % (claim["ports"], claim["why"], claim["by"])
        for claim in ports.get("claimed") or ()
        if any(ports["low"] <= port <= ports["high"] for port in port_set.parse_kernel_list(claim["ports"]))
    ]
    return " Reserved of the range: %s." % "; ".join(said) if said else ""


def refuse_unreserved(limits: Limits, settings: Settings) -> None:
    """Refuse what needs ports reserved where the list of reserved ports cannot be written.

    A range that is widened over a port on which somebody listens would lose it to a connection when he restarts.
    """
    if RESERVED_PORTS not in limits["keys"] or is_settable(limits, RESERVED_PORTS):
        return
    ports = limits["ports"]
    present = port_set.parse_kernel_list(ports["reserved"] or "")
    named = port_set.parse_ports("tune_reserved_ports", settings["reserved_ports"])
    if named - present:
        listed = port_set.format_kernel_list(named - present)
        remedy = cannot_be_set(limits, RESERVED_PORTS, port_set.format_kernel_list(named | present))
        raise Refusal("tune_reserved_ports", listed, "ports that are reserved already", remedy)
    if ports["low"] is None or not is_settable(limits, PORT_RANGE):
        return
    wanted = settings["sysctl_values"][PORT_RANGE]
    low, high = port_set.parse_range("tune_sysctl_values[%s]" % PORT_RANGE, wanted)
    exposed = {p for p in in_use(ports) - present if low <= p <= high and not ports["low"] <= p <= ports["high"]}
    if exposed:
        listed = port_set.format_kernel_list(exposed)
        allowed = "a range without ports that listen here and are not reserved (%s)" % listed
        remedy = "Choose another tune_port_range. %s" % cannot_be_set(
            limits, RESERVED_PORTS, port_set.format_kernel_list(exposed | present)
        )
        raise Refusal("tune_sysctl_values[%s]" % PORT_RANGE, wanted, allowed, remedy)
