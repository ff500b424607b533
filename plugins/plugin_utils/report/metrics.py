# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as metrics, for the textfile collector of the Prometheus node exporter.

One text in two formats: the node exporter reads the Prometheus text format 0.0.4 (expfmt.TextParser of
prometheus/common), and others OpenMetrics 1.0. So there is nothing in it that only one of them has:

- no type but gauge: that of an info metric has another name in each, and 0.0.4 has no state sets;
- no comment of our own, which OpenMetrics has no place for: the first line, a HELP, says whose the file is;
- no quotation mark in a HELP, which only OpenMetrics escapes;
- no timestamp of a sample, which the node exporter refuses;
- no series twice, for which the node exporter fails as a whole, with all its other metrics;
- ``# EOF`` at the end, which is a comment in 0.0.4.
"""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import VERDICTS

#: Each metric with its HELP, in the order of the file; all are gauges.
METRICS = {
    owned.METRICS_FIRST: owned.METRICS_MARK + " When the report was made, in seconds since 1970.",
    "fourtuple_host_info": "What the host is; the value is always 1.",
    "fourtuple_host_verdict": "1 for what the report says of the host, 0 for what it does not.",
    "fourtuple_target_connections": "How many connections the host is asked to hold.",
    "fourtuple_ceiling_connections": "How many connections the host can hold: the least that a constraint allows.",
    "fourtuple_advised_connections": "How many connections are advised: the least of the constraints' advised.",
    "fourtuple_constraint_connections": "How many connections a constraint allows; missing where it does not limit.",
    "fourtuple_binding_constraint": "1 for the constraint that sets the ceiling, 0 for the others.",
    "fourtuple_drifted_settings": "Settings that were applied earlier and are no longer so.",
    "fourtuple_warnings": "Warnings in the report of the host.",
    "fourtuple_unread_sources": "Files and interfaces that could not be read on the host.",
    "fourtuple_usable_ports": "Ports of the local port range without those that are reserved or that listen.",
    "fourtuple_taken_ports": "Usable ports that plain and explicit binds have taken from every connect().",
    "fourtuple_unreserved_ports": "Ports of the local port range on which somebody listens or is bound, not reserved.",
    "fourtuple_program_connections": "Connections of a program, with one of its binding modes.",
    "fourtuple_pair_connections": "Connections of a pair of source and destination.",
    "fourtuple_pair_time_wait_connections": "Closed connections of the pair in TIME_WAIT.",
    "fourtuple_pair_ports": "Ports that there are for the pair; missing where its programs name their own.",
    "fourtuple_pair_used_ratio": "The part of these ports that is in use; missing where programs name their own.",
    "fourtuple_pair_program_connections": "Connections of a program of the pair.",
}

#: What stands where the report has null. No address is called so, and no kind of a program.
ANY, UNKNOWN = "any", "unknown"

#: What no label value can be: not UTF-8, or the end of the text to Prometheus' own parser.
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Json = t.Mapping[str, t.Any]
Labels = dict[str, str]
#: A metric, its labels, its value.
Sample = tuple[str, Labels, float]


def render(document: Json, host_label: bool = True) -> str:
    """Return the metrics of a report.

    document: what document.report() returns, with ``generated`` as ISO 8601 text
    host_label: whether each series has the label ``host``; without it, a report of one host
    raises: ValueError
    """
    if not host_label and len(document["hosts"]) != 1:
        raise ValueError(
            "Metrics without the label host are of one host, and this report has %d." % len(document["hosts"])
        )
    # Python 3.10 knows no Z.
    made = datetime.datetime.fromisoformat(re.sub("Z$", "+00:00", document["generated"]))
    found: dict[str, dict[str, str]] = {name: {} for name in METRICS}
    for host in document["hosts"]:
        label = {"host": host["host"]} if host_label else {}
        for name, labels, value in _of_host(host, made.timestamp()):
            # Texts that differ in what is replaced alone must not be a series twice.
            found[name].setdefault(_written({**label, **labels}), _number(value))
    lines = []
    for name, series in found.items():
        if series or name == owned.METRICS_FIRST:
            lines += ["# HELP %s %s" % (name, METRICS[name]), "# TYPE %s gauge" % name]
            lines += ["%s%s %s" % (name, labels, value) for labels, value in series.items()]
    return "\n".join([*lines, "# EOF", ""])


def _written(labels: Labels) -> str:
    """Return labels as they are written; one that is empty is as one that is missing (the data model of Prometheus)."""
    said = [
        '%s="%s"' % (name, _NOT_TEXT.sub(_REPLACEMENT, value).translate(_ESCAPED))
        for name, value in labels.items()
        if value
    ]
    return "{%s}" % ",".join(said) if said else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _of_host(host: Json, made: float) -> t.Iterator[Sample]:
    facts = host["host_facts"]
    yield owned.METRICS_FIRST, {}, made
    info = {name: str(facts[name]) for name in ("kernel", "os") if facts.get(name)}
    if facts:
        info["container"] = "true" if facts.get("container") else "false"
    yield "fourtuple_host_info", info, 1
    for verdict in VERDICTS:
        yield "fourtuple_host_verdict", {"verdict": verdict}, host["verdict"] == verdict
    if host["target"] is not None:
        yield "fourtuple_target_connections", {}, host["target"]
    # What holds: in check mode what a run would bring does not.
    yield from _of_ceilings(host["after"] or host["before"])
    yield "fourtuple_drifted_settings", {}, len(host["drift"])
    yield "fourtuple_warnings", {}, len(host["warnings"])
    yield "fourtuple_unread_sources", {}, len(host["unread"])
    yield from _of_pressure(host["pressure"])


def _of_ceilings(ceilings: Json | None) -> t.Iterator[Sample]:
    if not ceilings:
        return
    for name in ("ceiling", "advised"):
        if ceilings[name] is not None:
            yield "fourtuple_%s_connections" % name, {}, ceilings[name]
    for one in ceilings["constraints"]:
        labels = {"constraint": one["name"]}
        if one["allows"] is not None:
            yield "fourtuple_constraint_connections", {**labels, "scope": one["scope"]}, one["allows"]
        yield "fourtuple_binding_constraint", labels, one["name"] == ceilings["binding_constraint"]


def _of_pressure(pressure: Json | None) -> t.Iterator[Sample]:
    """A snapshot has only so many programs and pairs: the largest and the fullest (module_utils/host/pressure.py)."""
    if not pressure:
        return
    yield "fourtuple_usable_ports", {}, pressure["usable"]
    yield "fourtuple_taken_ports", {}, pressure["taken"]
    yield "fourtuple_unreserved_ports", {}, len(pressure["waiting"]) + pressure["waiting_other"]
    for program in pressure["programs"]:
        labels = {**_program(program), "certainty": program["certainty"]}
        yield "fourtuple_program_connections", labels, program["connections"]
    yield from _of_pairs(pressure["pairs"])


def _of_pairs(pairs: t.Iterable[Json]) -> t.Iterator[Sample]:
    """A pair has two entries where some programs name their ports and others do not; only the latter has a share."""
    connections: t.Counter[tuple[str, str]] = collections.Counter()
    time_wait: t.Counter[tuple[str, str]] = collections.Counter()
    for pair in pairs:
        source, destination = place = pair["source"] or ANY, pair["destination"] or ANY
        labels = {"source": source, "destination": destination}
        connections[place] += pair["connections"]
        time_wait[place] += pair["timewait"]
        if pair["share"] is not None:
            yield "fourtuple_pair_ports", labels, pair["ports"]
            yield "fourtuple_pair_used_ratio", labels, pair["share"]
        for program in pair["programs"]:
            yield "fourtuple_pair_program_connections", {**labels, **_program(program)}, program["connections"]
    for (source, destination), number in connections.items():
        labels = {"source": source, "destination": destination}
        yield "fourtuple_pair_connections", labels, number
        yield "fourtuple_pair_time_wait_connections", labels, time_wait[source, destination]


def _program(program: Json) -> Labels:
    return {name: program[name] or UNKNOWN for name in ("program", "kind", "binding")}
