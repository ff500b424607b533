# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a sink can serve here, and whether one that is recorded does: asked of the kernel, in this namespace."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, route_lookup, tcp_sockets
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import accept, records, tun
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.records import State
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import (
    Endpoint,
    parse_endpoint,
    text_of,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

#: A port that is refused although no socket is found that has it: sockets close, and change their state, meanwhile.
_ATTEMPTS = 5
_SECONDS_BETWEEN = 0.2


def check_endpoints(where: str, endpoints: t.Sequence[Endpoint], own: t.Container[int]) -> None:
    """Refuse what cannot be listened on in this network namespace. Nothing listens meanwhile.

    own: inodes of sockets that do not count, for they will be gone; the kernel itself says of each whether it can
    be bound.
    """
    together = frozenset(endpoints)
    for endpoint in endpoints:
        reason = _covered(endpoint, together) or _reason(endpoint, own)
        if reason:
            allowed = "addresses of this host, each with a port that nobody has there"
            text = "%s cannot be listened on: %s. Have the sink listen elsewhere, or free it."
            raise Refusal(where, text_of(endpoint), allowed, text % (text_of(endpoint), reason))


def _covered(endpoint: Endpoint, endpoints: t.Container[Endpoint]) -> t.Optional[str]:
    """Say which one of the same sink's has this endpoint already."""
    everywhere = (str(type(ipaddress.ip_address(endpoint[0]))(0)), endpoint[1])
    if endpoint == everywhere or everywhere not in endpoints:
        return None
    return "%s of the same sink covers it" % text_of(everywhere)


def _reason(endpoint: Endpoint, own: t.Container[int]) -> t.Optional[str]:
    attempts = _ATTEMPTS
    while True:
        error = _bind_error(endpoint)
        if error is None:
            return _not_local(endpoint)
        if error.errno != errno.EADDRINUSE:
            return accept.why_not(endpoint, error)
        others, attempts = tcp_sockets.holders(endpoint), attempts - 1
        if others or not attempts:
            break
        time.sleep(_SECONDS_BETWEEN)
    foreign = [other for other in others if other.inode not in own]
    return None if others and not foreign else accept.why_not(endpoint, error, foreign)


def _bind_error(endpoint: Endpoint) -> t.Optional[OSError]:
    try:
        accept.bound(endpoint).close()
    except OSError as error:
        return error
    return None


def _not_local(endpoint: Endpoint) -> t.Optional[str]:
    """Say that a socket would get nothing there: where net.ipv4.ip_nonlocal_bind is set anything can be bound."""
    address = ipaddress.ip_address(endpoint[0])
    if address.is_unspecified or tun.is_local(address) is not False:
        return None
    return "%s is no address of this host, and clients would reach whoever has it" % address


def faults(state: State) -> t.List[str]:
    """Return why a sink does not serve in this network namespace as its record says; nothing where it does."""
    if not state.alive:
        return ["its first process (pid %d) has ended" % state.pid]
    return [*_processes(state), *_listeners(state), *_route(state)]


def _processes(state: State) -> t.Iterator[str]:
    network = records.namespace(state.pid, "net")
    if network != records.here().network:
        yield "its first process (pid %d) is in the network namespace %d" % (state.pid, network)
    for pid, start in state.workers:
        if records.start_time(pid) != start:
            yield "its process %d has ended" % pid


def _listeners(state: State) -> t.Iterator[str]:
    wanted, opened = state.options.get("listen") or [], state.details.get("listeners") or []
    if len(wanted) != len(opened):
        yield "its record names %d sockets for %d addresses" % (len(opened), len(wanted))
        return
    found = tcp_sockets.listening() if wanted else None
    for text, (number, inode) in zip(wanted, opened):
        endpoint = parse_endpoint("listen", text)
        if not _is_listening(endpoint, inode, found) or not _has_socket(state, number, inode):
            yield "it no longer listens on %s" % text
        else:
            reason = _not_local(endpoint)
            if reason:
                yield reason


def _is_listening(endpoint: Endpoint, inode: int, found: t.Optional[t.Sequence[tcp_sockets.Socket]]) -> bool:
    """Return what the kernel says; where it has no sock_diag the descriptor has to do."""
    if found is None:
        return True
    address = ipaddress.ip_address(endpoint[0])
    return any((one.inode, one.address, one.port) == (inode, address, endpoint[1]) for one in found)


def _has_socket(state: State, number: int, inode: int) -> bool:
    """Return whether a worker has the socket, the first that lives: all were forked from the same process."""
    for pid, _start in state.workers:
        with contextlib.suppress(OSError):
            return os.readlink("/proc/%d/fd/%d" % (pid, number)) == "socket:[%d]" % inode
    return False


def _route(state: State) -> t.Iterator[str]:
    """Ask for the way to a responder's prefix, which has to lead into its own device."""
    prefix, device = state.options.get("prefix"), state.details.get("device")
    if prefix is None:
        return
    network = ipaddress.ip_network(prefix)
    try:
        number = tun.index(str(device))
    except OSError:
        yield "its device %s is not there" % device
        return
    for (pid, _start), queue in zip(state.workers, state.details.get("queues") or []):
        if tun.device_of(pid, queue) != device:
            yield "its process %d has no queue of %s" % (pid, device)
    ways = {route_lookup.way_to(address) for address in (network.network_address, network.broadcast_address)}
    if not tun.is_up(str(device)) or ways != {(route_lookup.UNICAST, number)}:
        yield "%s is not reached through its device %s" % (prefix, device)
    other = tun.overlapping(network, but_for=str(device))
    if other is not None:
        yield "this host has %s within %s" % (other, prefix)


def serves_another(state: State) -> bool:
    """Return whether a sink serves here whose processes cannot be seen: they are in another PID namespace.

    Two containers may share /run and a network namespace, but not this.
    """
    here = records.here()
    if state.place.boot != here.boot or state.place.processes == here.processes:
        return False
    inodes = {inode for _number, inode in state.details.get("listeners") or []}
    if any(one.inode in inodes for one in tcp_sockets.listening() or []):
        return True
    with contextlib.suppress(OSError, netlink.NetlinkError):
        return bool(state.details.get("device")) and tun.index(str(state.details["device"])) > 0
    return False
