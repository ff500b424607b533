# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured against predicted: what a probe's real connections say of the ceiling model."""

from __future__ import annotations

import typing as t

#: The constraints that are counted, and so predicted exactly; the others depend on what is free at that moment.
_EXACT = ("four_tuples", "nofile")
_TOLERANCE = 0.10

_HANDED_ON = (
    "established",
    "opened",
    "per_second",
    "seconds",
    "bytes_per_connection",
    "alive",
    "sampled",
    "latency",
    "first_limit",
    "errors",
    "processes",
    "nofile",
    "sources",
    "held_from",
    "held_until",
    "time_wait",
)

_LOST = "The probe has not come back: the host was lost, or the run was cut short."


def compare(
    probe: t.Mapping[str, t.Any], ceilings: t.Mapping[str, t.Any], target: int, sinks: t.Iterable[str] = ()
) -> dict[str, t.Any]:
    """Return what the report shows of a probe.

    probe: what connection_probe returned; where it failed its ``msg`` alone, and nothing before it came back
    ceilings: of the host as it was then, for the same request
    target: how many connections were asked for
    sinks: the modes of the sinks, ``accept`` or ``responder``; none where the destinations are others'

    Returns the probe's figures, null where there are none; ``target`` and ``sinks``; ``predicted``, how many
    connections the model allows; ``deviation``, measured to predicted, less 1; ``as_predicted``, whether that is within
    what the model promises: nothing where the target, the four-tuples or nofile end it, a tenth where memory or another
    limit does; ``all_alive``, whether every connection that was asked has answered; and ``message``, what is wrong.
    """
    ceiling = ceilings["ceiling"]
    predicted = target if ceiling is None else min(target, ceiling)
    found: dict[str, t.Any] = {
        **{name: probe.get(name) for name in _HANDED_ON},
        "target": target,
        "sinks": sorted(set(sinks)),
        "predicted": predicted,
        "binding_constraint": None if predicted == target else ceilings["binding_constraint"],
        "deviation": None,
        "as_predicted": False,
        "all_alive": False,
    }
    established = probe.get("established")
    if established is None:
        return {**found, "message": probe.get("msg") or _LOST}
    exact = predicted == target or ceilings["binding_constraint"] in _EXACT
    deviation = established / predicted - 1 if predicted else float(established > 0)
    found["deviation"] = round(deviation, 4)
    found["as_predicted"] = established == predicted if exact else abs(deviation) <= _TOLERANCE
    found["all_alive"] = probe["alive"] == probe["sampled"]
    return {**found, "message": _wrong(found)}


def _wrong(found: t.Mapping[str, t.Any]) -> str:
    said = []
    if not found["as_predicted"]:
        text = "%d connections were established, %d were predicted" % (found["established"], found["predicted"])
        said.append(text + (" (%s ended it)." % found["first_limit"] if found["first_limit"] else "."))
    if not found["all_alive"]:
        said.append("%d of %d connections answered." % (found["alive"], found["sampled"]))
    if said and found["errors"]:
        said.append("Errors: %s." % ", ".join("%s %d times" % item for item in found["errors"].items()))
    return " ".join(said)
