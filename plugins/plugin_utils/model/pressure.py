# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be said of the ports that clients use up, as connection_limits_info returns it."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import AUTOBIND, BIND_NO_PORT, TAKES_PORT
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: Past half of its ports the search of connect() for a free one gets slow; near the end it fails more and more often.
SLOW, FULL = 0.5, 0.8

#: So many of a kind are warned of one by one.
_MAX_NAMED = 3

#: Without users and units a program is compared that has at least so many connections: more than a few sessions.
_FEW_CONNECTIONS = 100

#: Ports that bind() takes are told from this part of the usable ones on.
_OF_USABLE = 0.01

Json = t.Mapping[str, t.Any]


def warnings(limits: Limits, request: ClientRequest) -> list[str]:
    """Return what to warn of; nothing where a snapshot has no pressure, as that of a tune run."""
    pressure = limits.get("pressure")
    if not pressure:
        return []
    return [
        *_full(pressure),
        *_others(pressure, request),
        *_taken(pressure),
        *_waiting(pressure, limits["ports"]["automatic"]),
    ]


def user_of(program: Json) -> str:
    """Return the name of a program for people."""
    if program["program"] is None:
        return "a program that is not known"
    return "%s%s" % ("user " if program["kind"] == "user" else "", program["program"])


def binding_of(program: Json) -> str:
    """Return how a program binds, and how sure that is."""
    if program["binding"] is None:
        return "binding unknown"
    also = [one for one in program["possible"] if one != program["binding"]]
    return "%s (%s%s)" % (program["binding"], program["certainty"], "".join(", or " + one for one in also))


def program_said(program: Json) -> str:
    """Return a program with its binding, such as ``haproxy.service, bind_no_port (sure)``."""
    return "%s, %s" % (user_of(program), binding_of(program))


def between(pair: Json) -> str:
    """Return whose ports a pair uses, such as ``10.9.0.1 towards 10.9.0.100:8001``."""
    source = pair["source"] or "all addresses together"
    return "%s towards %s" % (source, pair["destination"] or "any destination")


def share_of(pair: Json) -> str:
    """Return how full a pair is; a part that is in use is no zero."""
    return "under 1 %" if 0 < pair["share"] < _OF_USABLE else "%d %%" % int(100 * pair["share"])


def pair_said(pair: Json) -> str:
    """Return how full a pair is, and of whom."""
    users = "; ".join(map(program_said, pair["programs"][:2])) or "nobody any longer"
    if len(pair["programs"]) > 2:
        users += "; and %d more" % (len(pair["programs"]) - 2)
    closed = " and %s in TIME_WAIT" % format(pair["timewait"], ",") if pair["timewait"] else ""
    if pair["ports"] is None:
        used = "%s connections%s on ports of its own, from" % (format(pair["connections"], ","), closed)
    else:
        used = "%s of %s ports of" % (share_of(pair), format(pair["ports"], ","))
    more = "" if pair["ports"] is None else " (%s connections%s)" % (format(pair["connections"], ","), closed)
    return "%s: %s %s%s" % (users, used, between(pair), more)


def _full(pressure: Json) -> list[str]:
    full = [pair for pair in pressure["pairs"] if pair["share"] is not None and pair["share"] > SLOW]
    found = []
    for pair in full[:_MAX_NAMED]:
        why = "past half the kernel takes longer and longer to find a free one"
        if pair["share"] > FULL:
            why = "above 80 % connections soon fail"
        found.append("%s: %s. %s." % (pair_said(pair), why, _remedy(pair)))
    if len(full) > _MAX_NAMED:
        found.append("%d more pairs of source and destination are above half." % (len(full) - _MAX_NAMED))
    return found


def _remedy(pair: Json) -> str:
    """Return what makes room: what a program's binding counts (values/binding.py)."""
    if pair["destination"] is not None:
        return "Add source addresses or destinations"
    if pair["source"] is not None:
        return "Add source addresses, or set IP_BIND_ADDRESS_NO_PORT: then each destination has the ports again"
    return "Have the program leave the source to connect(), or bind an address"


def _others(pressure: Json, request: ClientRequest) -> list[str]:
    """Warn of programs that bind otherwise than the request says."""
    return [
        "%s has %s connections by %s, because %s; the ceilings are those of tune_binding: %s. "
        "State tune_binding: %s, or have the program bind as stated."
        % (
            user_of(one),
            format(one["connections"], ","),
            binding_of(one),
            one["why"],
            request.binding,
            one["binding"],
        )
        for one in _declared(pressure, request)
        if one["binding"] is not None and request.binding not in one["possible"]
    ]


def _declared(pressure: Json, request: ClientRequest) -> list[Json]:
    """Return the programs that a request is about, each with the binding that most of its connections have."""
    first: dict[tuple[str, str], Json] = {}
    for one in pressure["programs"]:
        first.setdefault((one["kind"], one["program"]), one)
    if request.units or request.users:
        names = [*(("unit", name) for name in request.units), *(("user", name) for name in request.users)]
        return [first[name] for name in names if name in first]
    return [one for one in list(first.values())[:1] if one["connections"] >= _FEW_CONNECTIONS]


def _taken(pressure: Json) -> list[str]:
    if pressure["taken"] < max(1, _OF_USABLE * (pressure["usable"] or 0)):
        return []
    of = [one for one in pressure["programs"] if one["binding"] in TAKES_PORT]
    others = [one for one in pressure["programs"] if one["binding"] in (None, AUTOBIND, BIND_NO_PORT)]
    if not others:
        return []
    return [
        "%s%s of %s ports are bound%s: every program that leaves the choice to connect() is without them, on all "
        "addresses. IP_BIND_ADDRESS_NO_PORT takes none; ports that a program names should be outside the local port "
        "range."
        % (
            "About " if pressure["taken_estimated"] else "",
            format(pressure["taken"], ","),
            format(pressure["usable"], ","),
            " (%s)" % "; ".join(map(program_said, of[:_MAX_NAMED])) if of else "",
        )
    ]


def _waiting(pressure: Json, automatic: str) -> list[str]:
    """Warn of ports that somebody has inside the range, and that are not reserved.

    automatic: the ports of listeners that the kernel chose, which have others after the next start
    """
    chosen = port_set.parse_kernel_list(automatic or "")
    said = [
        "%d (%s%s)" % (one["port"], user_of(one), "" if one["listens"] else ", bound and not connected")
        for one in pressure["waiting"]
        if not (one["listens"] and one["port"] in chosen)
    ]
    if not said:
        return []
    more = len(said) - _MAX_NAMED + pressure["waiting_other"]
    return [
        "Inside the local port range somebody has ports that are not reserved: %s%s. After a restart the kernel may "
        "have given them to a connection: reserve those that a program names (tune_reserved_ports)."
        % (", ".join(said[:_MAX_NAMED]), " and %d more" % more if more > 0 else "")
    ]
