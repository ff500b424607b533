# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of a host: ``tune_result``, which the report is made of. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, sources

SCHEMA = 1

Json = dict[str, t.Any]

LEFT_ALONE = (
    "States no need, so it was left alone. Set tune_target_connections to the connections that it must hold, or to max."
)


def planned(
    host: str,
    state: str,
    request: t.Mapping[str, t.Any],
    plan: t.Mapping[str, t.Any],
    limits: t.Mapping[str, t.Any],
    check_mode: bool,
) -> Json:
    """Return what is known of a host before it is changed.

    state:  how far the run is: planned, audited
    plan:   as planner.plan() returns it
    limits: the snapshot
    """
    before = plan["before"]
    audited = state == "audited"
    return {
        **_named(host, state, check_mode, plan.get("refusal") or ""),
        "request": dict(request),
        "before": before,
        "after": None,
        "predicted": None if audited else plan.get("after"),
        # What the plan would aim at is no target of the host: one that nobody has set has nothing to meet.
        "target": before["target"] if audited else plan.get("target", before["target"]),
        "meets_target": before["meets_target"],
        "warnings": [*before["warnings"], *plan.get("lines", ())] if audited else _warnings(plan),
        "drift": limits["drift"],
        "unread": limits["unread"],
        "container": plan.get("container"),
        "sources": _sources(limits, request) if audited else plan.get("source_addresses"),
        # The next batches' hosts are compared with it.
        "claim": plan.get("claim"),
        # Where it was asked for: by an audit.
        "pressure": limits.get("pressure"),
        "host_facts": {
            "kernel": limits["host"]["kernel"],
            "os": limits["host"]["os"]["name"],
            "container": limits["host"]["container"],
            "memory": limits["memory"]["total"],
        },
        "measured": None,
    }


def _sources(limits: t.Mapping[str, t.Any], request: t.Mapping[str, t.Any]) -> Json | None:
    try:
        return sources.described(limits, request)
    except Refusal:
        # The message says it.
        return None


def _warnings(plan: t.Mapping[str, t.Any]) -> list[str]:
    return list(plan.get("warnings", plan["before"]["warnings"]))


def unplanned(host: str, state: str, message: str, check_mode: bool) -> Json:
    """Return what is known of a host that was not read."""
    return _named(host, state, check_mode, message)


def _named(host: str, state: str, check_mode: bool, message: str) -> Json:
    return {"schema": SCHEMA, "host": host, "state": state, "checked_only": check_mode, "message": message}


def tuned(outcome: t.Mapping[str, t.Any], verified: t.Mapping[str, t.Any] | None) -> Json:
    """Return the outcome of a host once it is tuned.

    outcome:  planned()
    verified: verified(); None in check mode, which has changed nothing: what it predicts is all there is
    """
    if verified is None:
        ceiling = (outcome["predicted"] or {}).get("ceiling")
        return {**outcome, "state": "tuned", "meets_target": ceiling is not None and ceiling >= outcome["target"]}
    return {**outcome, "state": "tuned", **verified}


def verified(outcome: t.Mapping[str, t.Any], limits: t.Mapping[str, t.Any]) -> Json:
    """Return what the last snapshot of a run says of a host."""
    after = ceilings.predict(limits, outcome["request"])
    return {
        "after": after,
        "meets_target": after["ceiling"] is not None and after["ceiling"] >= outcome["target"],
        "sources": sources.described(limits, outcome["request"]),
        "drift": limits["drift"],
        "unread": limits["unread"],
    }


def lockout(limits: t.Mapping[str, t.Any]) -> str:
    """Return how a snapshot says that a hard nofile is above fs.nr_open; empty where none is."""
    return str(limits["nofile"]["lockout"]) if limits["nofile"]["offenders"] else ""


def lost(outcome: t.Mapping[str, t.Any], told: t.Mapping[str, t.Any]) -> Json:
    """Return the outcome of a host that could no longer be reached while it was changed.

    outcome: planned()
    told:    what Ansible says of the host, with ``unreachable`` and ``msg``
    """
    message = "Lost while it was being changed: %s. The host is in a safe state: run again to go on." % (
        str(told.get("msg") or "it no longer answers").rstrip(". \n")
    )
    return {**outcome, "state": "unreachable", **told, "message": message}


def shortfall(ceilings_now: t.Mapping[str, t.Any], target: int, holds: str) -> str:
    """Return the message of a host that holds less than its target; ``holds``: how it begins."""
    lowest = ceilings_now["constraints"][0]
    return "%s %s connections of %s: %s. What to do: %s." % (
        holds,
        ceilings_now["ceiling"],
        target,
        lowest["formula"],
        lowest["change"],
    )


def headline(outcome: t.Mapping[str, t.Any]) -> str:
    """Return in one sentence how many connections a host can hold."""
    now = outcome["after"] or outcome["predicted"]
    lowest = now["constraints"][0]
    return "%s connections planned, %s possible; %s bind: %s." % (
        outcome["target"],
        now["ceiling"],
        lowest["title"],
        lowest["formula"],
    )
