# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports to reserve, so that the kernel leaves them to whoever waits on them or will."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.originals import records
from ansible_collections.fourtuple.clients.plugins.module_utils.config import port_claims, sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS

#: So many ports stay reserved on which somebody waited at an earlier run and nobody does now: services that happen to
#: be stopped. Of more, as of a daemon that picks a port itself at each start, the oldest are given back.
_MAX_UNUSED = 64


class _InUse(t.NamedTuple):
    """Ports of the local port range that somebody waits on, and those that somebody will want."""

    waiting: t.Set[int]
    claims: t.List[port_claims.Claim]

    @property
    def ports(self) -> t.Set[int]:
        return self.waiting.union(*(claim.ports for claim in self.claims))

    def said(self, of: t.Set[int]) -> str:
        """Return whose some ports are, for people."""
        whose = [(self.waiting, "somebody waits on them")]
        whose += [(claim.ports, "%s (%s)" % (claim.why, claim.by)) for claim in self.claims]
        return "; ".join(
            "%s: %s" % (port_set.format_kernel_list(ports & of), who) for ports, who in whose if ports & of
        )


def _in_use(host: Host, low: int, high: int) -> _InUse:
    """Return what is in use of the range from ``low`` to ``high``; not the ports that the kernel chose itself."""
    found = listening.observe(host.root)
    waiting = {port for port in found.tcp.named | found.udp.named if low <= port <= high}
    claims = [claim for claim in port_claims.claims(host) if claim.low <= high and claim.high >= low]
    return _InUse(waiting, claims)


class Reserved(t.NamedTuple):
    """The list of reserved ports to set, empty where there is none; why, and what of it is recorded as listeners."""

    text: str = ""
    why: str = ""
    listeners: t.Sequence[int] = ()


def plan_reserved(host: Host, request: KeysRequest, values: t.Mapping[str, str]) -> Reserved:
    """Return what is to be reserved: what is there, what the operator names, what is in use in the range."""
    asked = port_set.parse_ports(request.names.of("reserved_ports"), request.reserved_ports)
    if not asked and PORT_RANGE not in values:
        return Reserved()
    at_boot = sysctl_d.after_boot(host.planning(sysctl_d.drop_in({})), RESERVED_PORTS)
    live, boot = sysctl_d.live(host, RESERVED_PORTS), at_boot.value if at_boot else None
    low, high = port_set.parse_range(PORT_RANGE, values.get(PORT_RANGE) or sysctl_d.live(host, PORT_RANGE) or "1 65535")
    used = _in_use(host, low, high)
    wanted = port_set.to_reserve((live, boot), asked, used.ports, low, high)
    unreserved = wanted - port_set.to_reserve((live, boot), asked, set(), low, high)
    if unreserved and not request.reserve_listeners:
        raise Refusal(
            request.names.of("values[%s]" % PORT_RANGE),
            "%d %d" % (low, high),
            "a range without the ports that are in use on this host (%s)" % port_set.format_kernel_list(unreserved),
            "Add them to %s, or set %s to true (%s)."
            % (request.names.of("reserved_ports"), request.names.of("reserve_listeners"), used.said(unreserved)),
        )
    record = records(host).get(RESERVED_PORTS) or {}
    recorded: t.List[int] = record.get("listeners") or []
    present = port_set.parse_kernel_list(live or "")
    if wanted != present:
        # A run changes nothing for that alone.
        others = port_set.to_reserve((record.get("before"), boot), asked, used.ports, low, high)
        wanted -= set([port for port in recorded if port not in others][:-_MAX_UNUSED])
    kept = [port for port in recorded if port in wanted]
    first_seen = (used.waiting & wanted) - asked - present - set(kept)
    return Reserved(port_set.format_kernel_list(wanted), used.said(wanted), kept + sorted(first_seen))
