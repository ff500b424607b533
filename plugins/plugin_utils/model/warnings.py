# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits no connection and should be known."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND, BIND_ANY, BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import AUTOBIND_REUSE, NEIGHBOURS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import four_tuples, pressure, subjects
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits, number_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import (
    SourceRanges,
    anyip_runs,
    source_ranges,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import CLIENT
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: Published: nothing lost at an average chain of 1, 11 % of the throughput at 48.
_LONG_CHAIN = 8

#: net/ipv4/sysctl_net_ipv4.c, tcp_child_ehash_entries_max.
_MAX_CHILD_BUCKETS = 2**24

#: net/ipv4/arp.c, arp_tbl; net/ipv6/ndisc.c, nd_tbl: gc_thresh3.
_NEIGHBOURS_BY_DEFAULT = 1024

#: An administrator's and Ansible's own sessions are no client that loses ports to us.
_FEW_CONNECTIONS = 100


def collect(limits: Limits, request: ClientRequest, ceiling: int | None) -> list[str]:
    found = [
        _chains(limits, request.target or ceiling or 0),
        _tracking(limits),
        _parity(limits),
        _bind_among_others(limits, request),
        _bind_with_destinations(request),
        _program_ports_in_range(limits, request),
        _autobind_reuse(limits, request),
        _timewait_overflow(limits, request),
        _nobody_applies(limits),
        _containers(limits),
        _cloud(limits),
        *_neighbours(limits, request),
        *_paths(limits, request),
    ]
    found += pressure.warnings(limits, request)
    found += _behind(limits, request) if request.after_restart else []
    unknown = subjects.of_request(limits, request)[1]
    found += ["The snapshot has no nofile of %s: it is not compared." % name for name in unknown]
    return [warning for warning in found if warning is not None]


def _chains(limits: Limits, sockets: int) -> str | None:
    table = limits["established_hash"]
    if not table["buckets"] or sockets <= _LONG_CHAIN * table["buckets"]:
        return None
    wanted = 1 << (sockets - 1).bit_length()
    if limits["host"]["first_network_namespace"]:
        remedy = "boot the kernel with thash_entries=%d" % wanted
    else:
        remedy = "set net.ipv4.tcp_child_ehash_entries=%d (Linux 6.1) before this network namespace is made" % min(
            wanted, _MAX_CHILD_BUCKETS
        )
    return "%d connections in the %d buckets of the established hash make chains of %.1f on average: %s." % (
        sockets,
        table["buckets"],
        sockets / table["buckets"],
        remedy,
    )


def _behind(limits: Limits, request: ClientRequest) -> list[str | None]:
    """Name the units whose next start is what counts, while they still run with less."""
    return [
        "%s runs with a soft nofile of %d until it is restarted." % (one["name"], one["now"]["soft"])
        for one in subjects.of_request(limits, request)[0]
        if one.get("pid") is not None and one["now"]["soft"] < (one["after_boot"] or one["now"])["soft"]
    ]


def _tracking(limits: Limits) -> str | None:
    if not limits["conntrack"]["tracks_local"]:
        return None
    why = limits["conntrack"]["why"]
    return "Connection tracking sees this host's own connections (%s): exempt them by a NOTRACK rule." % why


def _parity(limits: Limits) -> str | None:
    low, high = limits["ports"]["low"], limits["ports"]["high"]
    if low is None or high is None or low == high or low % 2 != high % 2:
        return None
    # net/ipv4/sysctl_net_ipv4.c, set_local_port_range()
    return (
        'The ends %d and %d of net.ipv4.ip_local_port_range are of one parity ("prefer different parity for start/end '
        'values"): end it at %d.' % (low, high, high - 1)
    )


def _nobody_applies(limits: Limits) -> str | None:
    """Warn of a host on which what is written to sysctl.d is read by nobody."""
    boot = limits.get("boot")
    if boot is None or boot["name"] is not None:
        return None
    return "Nobody applies /etc/sysctl.d when this host starts (%s), so its keys are lost then: %s." % (
        boot["why"],
        boot["remedy"],
    )


def _containers(limits: Limits) -> str | None:
    """Say, where containers may be the clients, that their limits do not come from sessions or units."""
    told = []
    for one in limits.get("engines") or ():
        nofile = "the engine's default"
        if one["nofile"] is not None:
            nofile = "%(soft)s:%(hard)s" % one["nofile"] + " by %s" % one["by"]
        told.append("%s: %s, set by %s" % (one["name"], nofile, one["setting"]))
    if not told:
        return None
    return (
        "Containers get neither the nofile of sessions nor that of units, but their engine's (%s): a client that runs "
        "in one needs it there." % "; ".join(told)
    )


def _bind_among_others(limits: Limits, request: ClientRequest) -> str | None:
    if request.binding not in (BIND, BIND_ANY) or limits["addresses"] is None:
        return None
    ours = _ours(limits)
    others = 0
    for entry in limits["sockets"]["by_source"] or ():
        address = ipaddress.ip_address(entry["address"])
        if not ranges.covers(ours[address.version], int(address)):
            others += entry["established"]
    if others < _FEW_CONNECTIONS:
        return None
    # net/ipv4/inet_hashtables.c, __inet_hash_connect: tb->fastreuse >= 0
    return (
        "%d connections come from addresses that are not ours: a program that binds plainly (tune_binding: %s) takes "
        "each port from every program that lets the kernel choose, on all addresses." % (others, request.binding)
    )


def _ours(limits: Limits, routed: bool = True) -> SourceRanges:
    """Return the addresses that this collection added; routed: those too that only a route makes local."""
    found: SourceRanges = {4: [], 6: []}
    for entry in limits["addresses"]["list"]:
        if entry.get("ours"):
            last = entry.get("last", entry["address"])
            pair = (int(ipaddress.ip_address(entry["address"])), int(ipaddress.ip_address(last)))
            found[entry["family"]].append(pair)
    for family, first, last in anyip_runs(limits["addresses"], ours=True) if routed else ():
        found[family].append((first, last))
    return {family: ranges.merged(several) for family, several in found.items()}


def _cloud(limits: Limits) -> str | None:
    """Warn of a network that lets only packets from assigned addresses out; a container's leave as the machine's."""
    cloud = limits["host"].get("cloud")
    if cloud is None or limits["addresses"] is None or limits["host"]["first_network_namespace"] is False:
        return None
    number = sum(map(ranges.count, _ours(limits).values()))
    if not number:
        return None
    return (
        "%s drops packets from addresses that are not assigned to this machine, unless that is switched off there: "
        "assign it the %s that this collection adds (docs/source-addresses.md)."
        % (cloud, number_of(number, "source address", "es"))
    )


def _neighbours(limits: Limits, request: ClientRequest) -> t.Iterator[str]:
    """Warn of tables of neighbours with fewer places than there are addresses on the link, there and here."""
    if limits["addresses"] is None:
        return
    # Of IPv6 only what is on the interface is on its link; of IPv4 whoever routes to the host has no need to ask.
    sources = {4: ranges.count(_ours(limits)[4]), 6: ranges.count(_ours(limits, routed=False)[6])}
    for family, key in NEIGHBOURS.items():
        if sources[family] > _NEIGHBOURS_BY_DEFAULT:
            yield (
                "Each gateway and server on this host's link has a neighbour for each of its %d source addresses of "
                "IPv%d: Linux has room for %d. Raise %s there, or have their prefix routed to this host."
                % (sources[family], family, _NEIGHBOURS_BY_DEFAULT, key)
            )
        room = int((limits["keys"].get(key) or {}).get("now") or 0)
        servers = _on_link(limits, request, family)
        if 0 < room < servers:
            yield (
                "%d destinations are on this host's link, and its table of neighbours has room for %d (%s): raise it "
                "(tune_sysctl_floors: {%s: %d})." % (servers, room, key, key, 2 * servers)
            )


def _on_link(limits: Limits, request: ClientRequest, family: int) -> int:
    """Return how many of the servers that are listed are on a link of this host."""
    links = []
    for entry in limits["addresses"]["list"]:
        if entry["family"] == family and entry["interface"] != "lo":
            network = ipaddress.ip_network("%s/%d" % (entry["address"], entry["prefix"]), strict=False)
            links.append((int(network.network_address), int(network.broadcast_address)))
    servers = {ipaddress.ip_address(one) for one in request.servers}
    links = ranges.merged(links)
    return sum(one.version == family and ranges.covers(links, int(one)) for one in servers)


def _paths(limits: Limits, request: ClientRequest) -> t.Iterator[str]:
    """Warn of sources whose packets leave by another interface, or not at all: by routes and rules, as the kernel says.

    Where the program binds no address, the route has the source that fits it.
    """
    found = source_ranges(limits, request.interface)
    if found is None or request.binding in BY_ROUTE:
        return
    # What an earlier version read of a host has none.
    for path in limits["addresses"].get("paths", ()):
        family = ipaddress.ip_address(path["destination"]).version
        expected = request.interface or limits["addresses"]["default_interface"].get(str(family))
        sources = [one for one in path["sources"] if ranges.covers(found[family], int(ipaddress.ip_address(one)))]
        if not sources or path["interface"] == expected:
            continue
        several = " and %d more" % (len(sources) - 1) if sources[1:] else ""
        asked = "ip route get %s from %s" % (path["destination"], sources[0])
        if path["interface"] is None:
            yield "Packets from the source address %s%s to %s do not leave this host (%s): correct its routes." % (
                sources[0],
                several,
                path["destination"],
                asked,
            )
        elif expected is not None:
            yield (
                "Packets from the source address %s%s to %s leave by %s, not by %s (%s), and whoever checks sources "
                "drops them: set tune_interface to %s, or add a rule for these sources."
                % (sources[0], several, path["destination"], path["interface"], expected, asked, path["interface"])
            )


def _bind_with_destinations(request: ClientRequest) -> str | None:
    destinations = sum(request.destinations.values())
    if four_tuples.shares_ports(request) or destinations < 2:
        return None
    per = "whatever the source address and" if request.binding == BIND_ANY else "per source address whatever"
    return (
        "A program that binds plainly (tune_binding: %s) takes one port %s the destination: "
        "%d destinations hold no more than one." % (request.binding, per, destinations)
    )


def _program_ports_in_range(limits: Limits, request: ClientRequest) -> str | None:
    """Warn of a program and a kernel that take ports from each other."""
    low, high = limits["ports"]["low"], limits["ports"]["high"]
    if request.program_ports is None or low is None or high is None:
        return None
    first, last = request.program_ports
    reserved = port_set.parse_kernel_list(limits["ports"]["reserved"] or "")
    shared = {port for port in range(max(first, low), min(last, high) + 1) if port not in reserved}
    if not shared:
        return None
    # net/ipv4/inet_connection_sock.c, inet_csk_bind_conflict; measured: of 10 ports that connect() has on an address
    # none can be bound there, and 10 bound ones of a range of 100 leave connect() 90.
    named = port_set.format_kernel_list(shared)
    return (
        "%d of the program's own ports (tune_program_ports) are in net.ipv4.ip_local_port_range: connect() of other "
        'programs takes them, and they are lost to connect(). Reserve them (tune_reserved_ports: ["%s"]).'
        % (len(shared), named.replace(",", '", "'))
    )


def _autobind_reuse(limits: Limits, request: ClientRequest) -> str | None:
    more = four_tuples.reused_at_most(limits, request)
    if not more or (limits["keys"].get(AUTOBIND_REUSE) or {}).get("now") != "1":
        return None
    return (
        "%s is 1: a program with SO_REUSEADDR that tries again may hold up to %d connections more than the four-tuples "
        "that are counted, and many of its connects fail with EADDRNOTAVAIL. IP_BIND_ADDRESS_NO_PORT allows more, "
        "without these (tune_binding: bind_no_port)." % (AUTOBIND_REUSE, more)
    )


def _timewait_overflow(limits: Limits, request: ClientRequest) -> str | None:
    tcp = limits["tcp"]
    maximum = tcp["max_tw_buckets"]
    if maximum is None or request.closes_first != CLIENT or request.churn * tcp["timewait_seconds"] <= maximum:
        return None
    return (
        "%d connections closed per second fill net.ipv4.tcp_max_tw_buckets (%d): those beyond close without TIME_WAIT, "
        "which protects the next one on the same four-tuple from late segments." % (request.churn, maximum)
    )
