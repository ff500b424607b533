# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a sink: options read, refused where they make no sense, and in one form whoever wrote them."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import accept, daemon, responder
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import (
    Endpoint,
    parse_endpoint,
    text_of,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_PROCESSES = 4096
_MAX_CAPACITY = 100000000
_MAX_LIFETIME_SECONDS = 86400
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
#: A shorter prefix is more than any test needs, and a part of the Internet.
_MIN_PREFIX_LENGTH = {4: 8, 6: 16}


class SinkRequest(t.NamedTuple):
    """A sink as it shall run."""

    mode: str
    name: str
    endpoints: t.List[Endpoint]
    prefix: t.Optional[Network]
    ports: t.FrozenSet[int]
    lifetime: int
    processes: t.Optional[int]
    capacity: int

    def options(self) -> t.Dict[str, t.Any]:
        """Return what a running sink is compared by, as JSON gives it back."""
        return {
            "mode": self.mode,
            "listen": [text_of(endpoint) for endpoint in self.endpoints],
            "prefix": None if self.prefix is None else str(self.prefix),
            "ports": port_set.format_kernel_list(self.ports),
            "lifetime": self.lifetime,
            "processes": self.processes,
            "capacity": self.capacity if self.mode == "accept" else None,
        }

    def service(self) -> daemon.Service:
        """Return what carries it out. raises: Refusal where this host's nofile does not allow the capacity"""
        if self.prefix is not None:
            served = bytes(port in self.ports for port in range(65536)) if self.ports else None
            return responder.Respond(self.prefix, served, self.processes or 1)
        processes = self.processes
        if processes is None:
            one = accept.room(len(self.endpoints))
            processes = accept.processes_for(self.capacity, one, len(os.sched_getaffinity(0)))
            if processes > MAX_PROCESSES:
                allowed = "at most %d, %d processes of %d connections" % (MAX_PROCESSES * one, MAX_PROCESSES, one)
                raise Refusal("capacity", self.capacity, allowed, "Raise the hard nofile limit of this host.")
        return accept.Accept(self.endpoints, processes)


def parse_name(where: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        allowed = "up to 64 letters, digits, dots, dashes and underscores"
        raise Refusal(where, value, allowed, "It becomes a part of a file's name: choose another.")
    return value


def parse_prefix(where: str, value: str) -> Network:
    """Return the prefix that a responder answers for."""
    allowed = "a prefix such as 198.18.0.0/15, which RFC 2544 keeps for tests"
    try:
        network: Network = ipaddress.ip_network(value.strip())
    except ValueError as error:
        raise Refusal(where, value, allowed, "%s: write it that way." % error) from None
    shortest = _MIN_PREFIX_LENGTH[network.version]
    if network.prefixlen < shortest:
        raise Refusal(where, value, "at least /%d" % shortest, "Choose a longer prefix: it takes every packet to it.")
    if network.is_loopback or network.is_multicast or network.is_link_local:
        raise Refusal(where, value, allowed, "Choose one that hosts can be reached by.")
    return network


def parse(params: t.Mapping[str, t.Any]) -> SinkRequest:
    """Return the request that the module's options make. raises: Refusal"""
    before = params["variable_prefix"]
    mode = params["mode"]
    name = parse_name(before + "name", params["name"])
    lifetime = whole_number(
        before + "lifetime", params["lifetime"], 1, _MAX_LIFETIME_SECONDS, "Write seconds, a day at most."
    )
    capacity = whole_number(
        before + "capacity", params["capacity"], 1, _MAX_CAPACITY, "Write how many connections it shall hold."
    )
    processes = params["processes"]
    if processes is not None:
        processes = whole_number(before + "processes", processes, 1, MAX_PROCESSES, "Leave it out for enough of them.")
    endpoints: t.List[Endpoint] = []
    prefix = None
    for option, wanted in (("listen", "accept"), ("prefix", "responder"), ("ports", "responder")):
        if params[option] and mode != wanted:
            raise Refusal(before + option, params[option], "nothing with mode %s" % mode, "It is for mode %s." % wanted)
    if mode == "accept":
        if not params["listen"]:
            raise Refusal(before + "listen", params["listen"], "at least one address:port", "Say where it listens.")
        for index, entry in enumerate(params["listen"]):
            endpoint = parse_endpoint("%slisten[%d]" % (before, index), entry)
            if endpoint not in endpoints:
                endpoints.append(endpoint)
    else:
        if not params["prefix"]:
            raise Refusal(before + "prefix", params["prefix"], "a prefix", "Say what it answers for: 198.18.0.0/15.")
        prefix = parse_prefix(before + "prefix", params["prefix"])
    ports = frozenset(port_set.parse_ports(before + "ports", params["ports"]))
    return SinkRequest(mode, name, endpoints, prefix, ports, lifetime, processes, capacity)
