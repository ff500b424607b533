# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a constraint is and what it answers, and whose the resource is that it counts."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

Limits = t.Mapping[str, t.Any]

HOST, NAMESPACE, PROCESS, MACHINE = "host", "namespace", "process", "machine"


class Allowance(t.NamedTuple):
    """What one limit allows: ``allows`` is None where it does not limit; ``advised`` is what to plan for."""

    allows: int | None
    advised: int | None
    scope: str
    formula: str
    change: str


class Unknown(t.NamedTuple):
    """A limit of which the snapshot does not tell enough."""

    why: str


Answer = Allowance | Unknown


class Constraint(t.NamedTuple):
    """An entry of the table of constraints.

    name, title: for programs, and for people
    answer: says what it allows a host of this snapshot, for this request
    key: the sysctl key that sets it, None where none does
    of_memory: whether it counts free memory, which changes by itself
    """

    name: str
    title: str
    answer: t.Callable[[Limits, ClientRequest], Answer]
    key: str | None = None
    of_memory: bool = False


def scope_of(limits: Limits, key: str) -> str:
    """Return whose a sysctl key is: the host's, the network namespace's, or the machine's under a container."""
    entry = limits["keys"].get(key) or {}
    # A key that could not be read: in a container only net.* can be its own.
    unread = MACHINE if limits["host"]["container"] and not key.startswith("net.") else None
    if entry.get("scope", unread) == MACHINE:
        return MACHINE
    return NAMESPACE if key.startswith("net.") else HOST


def is_settable(limits: Limits, key: str) -> bool:
    """Tell whether a run may set a key: not the machine's under a container, nor one that the host cannot write."""
    return scope_of(limits, key) != MACHINE and (limits["keys"].get(key) or {}).get("writable") is not False


def on_machine(scope: str) -> str:
    return " on the machine under this container" if scope == MACHINE else ""


def established(limits: Limits) -> int:
    return int(limits["sockets"]["established"] or 0)


def number_of(number: int, what: str, plural: str = "s") -> str:
    return "%d %s%s" % (number, what, "" if number == 1 else plural)
