# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a sink to the state that is asked for, and telling what it is like then."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import checks, daemon, records, tun
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.request import SinkRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

Result = t.Dict[str, t.Any]


def started(request: SinkRequest, directory: str, check: bool, variable_prefix: str = "") -> Result:
    """Have a sink run here as ``request`` says. raises: Refusal, daemon.SinkFailed, OSError, netlink.NetlinkError

    Here is the network namespace of the process that asks. A sink is said to run when the kernel says so: its processes
    live, and listen here, or have the device that the prefix's route leads to.
    """
    service = request.service()
    if check:
        return _compared(request, _recorded(directory, request.name), variable_prefix)
    with records.lock(directory):
        state = _recorded(directory, request.name)
        result = _compared(request, state, variable_prefix)
        if state is not None and not result["changed"]:
            daemon.renew(state)
            return result
        if state is not None:
            daemon.stop(directory, request.name, state)
        records.remove_stale(directory)
        daemon.start(directory, request.name, request.options(), service, request.lifetime)
        return {**_begun(directory, request.name), "changed": True, "reason": result["reason"]}


def _recorded(directory: str, name: str) -> t.Optional[records.State]:
    """Return what is written down of a sink of this network namespace."""
    state = records.read_state(directory, name)
    if state is not None and checks.serves_another(state):
        text = "The sink %s serves in this network namespace, but its processes are in the PID namespace %d, not in %d."
        now = records.here().processes
        raise daemon.SinkFailed(
            text % (name, state.place.processes, now) + " Start and stop it there, or use another name."
        )
    return state


def _begun(directory: str, name: str) -> Result:
    """Return what a sink is like that has just been started; one that does not serve is stopped."""
    state = records.read_state(directory, name)
    if state is None:
        raise daemon.SinkFailed("The sink %s ended as soon as it had started." % name)
    faults = checks.faults(state)
    if faults:
        daemon.stop(directory, name, state)
        raise daemon.SinkFailed("The sink %s was started and does not serve: %s." % (name, "; ".join(faults)))
    return describe(state)


def _compared(request: SinkRequest, state: t.Optional[records.State], variable_prefix: str) -> Result:
    """Return what a sink is like that runs as asked, or what one will be like. raises: Refusal where none can be"""
    options = request.options()
    reason = None
    if state is not None and state.options == options:
        faults = checks.faults(state)
        if not faults:
            return {**describe(state), "changed": False}
        reason = "; ".join(faults)
    own = {inode for _number, inode in state.details["listeners"]} if state is not None and state.visible else set()
    checks.check_endpoints(variable_prefix + "listen", request.endpoints, own)
    if request.prefix is not None:
        device = state.details.get("device") if state is not None else None
        found = tun.overlapping(request.prefix, but_for=device)
        if found is not None:
            raise Refusal(
                variable_prefix + "prefix",
                str(request.prefix),
                "a prefix that this host has neither an address nor a route in",
                "It has %s: choose another, or remove that." % found,
            )
    now = _nothing() if state is None else describe(state)
    known = {"statistics": now["statistics"], "network_namespace": records.here().network, "reason": reason}
    return {**_nothing(), **_shown(options), **known, "running": True, "changed": True}


def stopped(name: str, directory: str, check: bool) -> Result:
    """Have no sink of that name in this network namespace. raises: daemon.SinkFailed, OSError"""
    state = _recorded(directory, name)
    if state is not None and not check:
        with records.lock(directory):
            # Whoever held the lock may have stopped it.
            state = _recorded(directory, name)
            if state is not None:
                last = describe(state)
                daemon.stop(directory, name, state)
                records.remove_stale(directory)
                return {**last, "running": False, "pid": None, "changed": True}
    if state is None:
        return {**_nothing(), "changed": False}
    return {**describe(state), "running": False, "pid": None, "changed": True}


def _nothing() -> Result:
    return {
        **_shown({}),
        "running": False,
        "pid": None,
        "since": None,
        "device": None,
        "network_namespace": None,
        "reason": None,
        "statistics": records.read_board(b""),
    }


def _shown(options: t.Mapping[str, t.Any]) -> Result:
    mode = options.get("mode")
    return {
        "mode": mode,
        "listen": options.get("listen", []),
        "prefix": options.get("prefix"),
        "lifetime": options.get("lifetime"),
        "processes": options.get("processes"),
        "keeps_sockets": None if mode is None else mode == "accept",
    }


def describe(state: records.State) -> Result:
    """Return what a sink is like, from its state file and its counters."""
    return {
        **_shown(state.options),
        "running": state.alive,
        "pid": state.pid if state.alive else None,
        "since": state.since or None,
        "processes": state.details.get("processes"),
        "device": state.details.get("device"),
        "network_namespace": state.place.network or None,
        "reason": None,
        "statistics": state.statistics() if state.alive else records.read_board(b""),
    }
