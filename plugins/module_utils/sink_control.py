# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a sink to the state that is asked for, and telling what it is like then."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils import sink_daemon, sink_state, sink_tun
from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.sink_request import Request

Result = t.Dict[str, t.Any]


def started(request: Request, directory: str, check: bool, variable_prefix: str = "") -> Result:
    """Have a sink run as ``request`` says. raises: Refusal, sink_daemon.SinkFailed, OSError, netlink.NetlinkError"""
    service = request.service()
    options = request.options()
    if check:
        state = sink_state.read_state(directory, request.name)
        return _compared(request, state, options, variable_prefix)
    with sink_state.lock(directory):
        state = sink_state.read_state(directory, request.name)
        result = _compared(request, state, options, variable_prefix)
        if state is not None and not result["changed"]:
            sink_daemon.renew(state)
            return result
        if state is not None:
            sink_daemon.stop(directory, request.name, state)
        sink_daemon.start(directory, request.name, options, service, request.lifetime)
        now = sink_state.read_state(directory, request.name)
        if now is None or not now.alive:
            raise sink_daemon.SinkFailed("The sink %s ended as soon as it had started." % request.name)
        return {**describe(now), "changed": True}


def _compared(
    request: Request, state: t.Optional[sink_state.State], options: t.Dict[str, t.Any], variable_prefix: str
) -> Result:
    """Return what a sink is like that runs as asked, or what one will be like."""
    if state is not None and state.alive and state.options == options:
        return {**describe(state), "changed": False}
    if request.prefix is not None:
        own = state.details.get("device") if state is not None else None
        found = sink_tun.overlapping(request.prefix, but_for=own)
        if found is not None:
            raise Refusal(
                variable_prefix + "prefix",
                str(request.prefix),
                "a prefix that this host has neither an address nor a route in",
                "It has %s: choose another, or remove that." % found,
            )
    return {**_nothing(), **_shown(options), "running": True, "changed": True}


def stopped(name: str, directory: str, check: bool) -> Result:
    """Have no sink of that name. raises: sink_daemon.SinkFailed, OSError"""
    state = sink_state.read_state(directory, name)
    if state is not None and not check:
        with sink_state.lock(directory):
            # Whoever held the lock may have stopped it.
            state = sink_state.read_state(directory, name)
            if state is not None:
                last = describe(state)
                sink_daemon.stop(directory, name, state)
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
        "statistics": sink_state.read_board(b""),
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


def describe(state: sink_state.State) -> Result:
    """Return what a sink is like, from its state file and its counters."""
    return {
        **_shown(state.options),
        "running": state.alive,
        "pid": state.pid if state.alive else None,
        "since": state.since or None,
        "processes": state.details.get("processes"),
        "device": state.details.get("device"),
        "statistics": state.statistics() if state.alive else sink_state.read_board(b""),
    }
