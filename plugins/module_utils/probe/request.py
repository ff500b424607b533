# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a probe: options read, and refused where they make no sense or would load a stranger's server."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND_NO_PORT, BIND_PORT, BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import (
    Endpoint,
    parse_endpoint,
    text_of,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number

#: Of a host with 100,000 connections or fewer each one has to answer.
SAMPLE = 100000

_MAX_CONNECTIONS = 10**9
_MAX_PROCESSES = 100000
_MAX_SECONDS = 86400
#: The filter that has the kernel count the connections takes 24 bytes a destination, and jumps at most 65,535 far.
MAX_DESTINATIONS = 1000

_RESERVED_PART = 20
_MIN_RESERVED_BYTES = 256 << 20


class ProbeRequest(t.NamedTuple):
    """A probe as it shall run; None stands for what the probe finds out by itself.

    program_ports: first and last port that connections name, None where the kernel chooses
    """

    destinations: t.List[Endpoint]
    sources: t.List[address_set.Address]
    binding: str
    target: int
    rate: int
    hold: int
    processes: t.Optional[int]
    user: t.Optional[str]
    sample: t.Optional[int]
    reserve: t.Optional[int]
    timeout: int
    progress: t.Optional[str]
    program_ports: t.Optional[t.Tuple[int, int]] = None
    reuse_address: bool = False

    def sampled(self, opened: int) -> int:
        """Return how many of ``opened`` connections have to answer."""
        return min(opened, SAMPLE if self.sample is None else self.sample)

    def kept_free(self, total: int) -> int:
        """Return the bytes to leave free of ``total``, which is a host's or a control group's memory."""
        if self.reserve is not None:
            return self.reserve
        # A control group of a few hundred MiB would else have nothing for connections.
        return max(total // _RESERVED_PART, min(_MIN_RESERVED_BYTES, total // 4))


def parse(params: t.Mapping[str, t.Any]) -> ProbeRequest:
    """Return the request that the module's options make. raises: Refusal"""
    before = params["variable_prefix"]

    def number(option: str, minimum: int, maximum: int, remedy: str) -> int:
        return whole_number(before + option, params[option], minimum, maximum, remedy)

    def or_none(option: str, minimum: int, maximum: int, remedy: str) -> t.Optional[int]:
        return None if params[option] is None else number(option, minimum, maximum, remedy)

    destinations = _destinations(before, params)
    sources = address_set.expand(before + "source_addresses", params["source_addresses"], loopback=True)
    _check_sources(before, params["binding"], destinations, sources)
    return ProbeRequest(
        destinations,
        sources,
        params["binding"],
        number("target", 1, _MAX_CONNECTIONS, "Write how many connections to open."),
        number("rate", 0, 10**7, "Write connections per second; 0 for as fast as possible."),
        number("hold", 0, _MAX_SECONDS, "Write seconds, a day at most."),
        or_none("processes", 1, _MAX_PROCESSES, "Leave it out for as many as nofile demands."),
        params["user"],
        or_none("sample", 0, _MAX_CONNECTIONS, "Write how many connections have to answer; 0 for none."),
        or_none("reserve", 0, 2**50, "Write bytes."),
        number("timeout", 1, _MAX_SECONDS, "Write seconds, a day at most."),
        params["progress"],
        _program_ports(before, params["binding"], params["program_ports"]),
        params["reuse_address"],
    )


def _program_ports(before: str, binding: str, value: object) -> t.Optional[t.Tuple[int, int]]:
    where = before + "program_ports"
    if value is None or value == "":
        if binding == BIND_PORT:
            raise Refusal(where, value, "a range of ports with %s" % BIND_PORT, "Write it as 20000-29999.")
        return None
    if binding != BIND_PORT:
        remedy = "Leave it out, or set %sbinding to %s." % (before, BIND_PORT)
        raise Refusal(where, value, "nothing with %s" % binding, remedy)
    return port_set.parse_range(where, value)


def _destinations(before: str, params: t.Mapping[str, t.Any]) -> t.List[Endpoint]:
    where = before + "destinations"
    if not params["destinations"]:
        raise Refusal(where, params["destinations"], "at least one address:port", "Say what to connect to.")
    if len(params["destinations"]) > MAX_DESTINATIONS:
        remedy = "Leave out some: one destination is good for a port range per source address."
        raise Refusal(where, len(params["destinations"]), "at most %d of them" % MAX_DESTINATIONS, remedy)
    own, prefixes = _own_sinks(before + "own_sinks", params["own_sinks"])
    found: t.List[Endpoint] = []
    for index, entry in enumerate(params["destinations"]):
        place = "%s[%d]" % (where, index)
        endpoint = parse_endpoint(place, entry)
        _check_reachable(place, entry, endpoint)
        ours = endpoint in own or any(ipaddress.ip_address(endpoint[0]) in prefix for prefix in prefixes)
        if not ours and not params["confirmed"]:
            remedy = "If it is yours and made for %d connections, set %sconfirmed: true." % (
                whole_number(before + "target", params["target"], 1, _MAX_CONNECTIONS, "Write a number."),
                before,
            )
            raise Refusal(place, entry, "the play's own sinks, and others once they are confirmed", remedy)
        if endpoint in found:
            raise Refusal(place, entry, "different address:port pairs", "Name each destination once.")
        found.append(endpoint)
    return found


def _check_reachable(place: str, entry: str, endpoint: Endpoint) -> None:
    """Refuse what the kernel would take for another address, towards which it would count nothing."""
    address = ipaddress.ip_address(endpoint[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped or address.is_unspecified or address.is_multicast:
        remedy = "Write the address of a server%s." % (
            ", such as %s" % text_of((str(mapped), endpoint[1])) if mapped else ""
        )
        raise Refusal(place, entry, "unicast addresses, those of IPv4 in their own notation", remedy)


def _own_sinks(
    where: str, entries: t.Iterable[str]
) -> t.Tuple[t.Set[Endpoint], t.List[t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]]]:
    """Return what the play's own sinks answer on: endpoints, and prefixes as a whole."""
    endpoints, prefixes = set(), []
    for index, entry in enumerate(entries):
        place = "%s[%d]" % (where, index)
        if "/" in entry:
            try:
                prefixes.append(ipaddress.ip_network(entry))
            except ValueError as error:
                raise Refusal(place, entry, "address:port, or a prefix", "%s: correct it." % error) from None
        else:
            endpoints.add(parse_endpoint(place, entry))
    return endpoints, prefixes


def _check_sources(
    before: str, binding: str, destinations: t.Sequence[Endpoint], sources: t.Sequence[address_set.Address]
) -> None:
    where = before + "source_addresses"
    if binding in BY_ROUTE:
        if sources:
            remedy = "Leave it empty, or set %sbinding to %s." % (before, BIND_NO_PORT)
            raise Refusal(where, [str(source) for source in sources[:3]], "nothing with %s" % binding, remedy)
        return
    if not sources:
        raise Refusal(where, [], "at least one address with %s" % binding, "Name the addresses to connect from.")
    versions = {source.version for source in sources}
    for index, endpoint in enumerate(destinations):
        if ipaddress.ip_address(endpoint[0]).version not in versions:
            allowed = "destinations of a family that a source address has"
            place = "%sdestinations[%d]" % (before, index)
            raise Refusal(place, text_of(endpoint), allowed, "Name a source address of its family too.")
