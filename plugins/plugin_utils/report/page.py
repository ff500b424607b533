# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as its HTML page needs it: texts, and places on the page's logarithmic scale in per cent.

All of it is data, nothing is HTML: what escapes it is roles/report/templates/report.html.j2.
"""

from __future__ import annotations

import collections
import math
import typing as t
import urllib.parse

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import pressure
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import document as reports
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import parse

#: So few hosts are shown with all their constraints at once.
_MAX_OPEN = 4
#: A browser takes seconds for the details of a thousand hosts. In a larger fleet than this the first ones have them,
#: which are those with problems; of the others a row is shown, and what is said of them once for all.
_MAX_DETAILED = 500
_DETAILED_OF_MANY = 200
_MAX_SAID = 50

#: So many ranges of source addresses are shown; the files have them all.
_MAX_RANGES = 6

_LABELS = {
    "failed": "failed",
    "refused": "refused",
    "short": "short of target",
    "unreachable": "unreachable",
    "no result": "not reached",
    "untuned": "untuned",
    "left alone": "left alone",
    "no target": "no target",
    "meets": "meets target",
}
#: What tells verdicts apart beside colour and text.
_SIGNS = {
    "failed": "×",
    "refused": "×",
    "short": "!",
    "unreachable": "?",
    "no result": "–",
    "untuned": "–",
    "left alone": "–",
    "no target": "–",
    "meets": "✓",
}
_WEIGHTS = {
    **dict.fromkeys(("failed", "refused", "unreachable"), "bad"),
    **dict.fromkeys(("short", "drift", "warning"), "warn"),
}
_OUTLOOKS = {"after": "After", "predicted": "Predicted", "before": "Now"}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNITS = ("", " k", " M", " G", " T", " P", " E")


class Scale:
    """The page's one logarithmic axis, the same for every host so that hosts can be compared.

    It ends a power of ten above the largest ceiling and target; what a host has beyond that, such as a file-max of
    9,223,372,036,854,775,807, does not limit anybody and would only squeeze the rest.
    """

    def __init__(self, numbers: t.Iterable[int | None]) -> None:
        positive = [math.log10(number) for number in numbers if number]
        self._low = math.floor(min(positive, default=3))
        self._high = math.floor(max(positive, default=5)) + 2

    def at(self, number: int | None) -> float | None:
        """Return the place of a number in per cent, 0 to 100; None for no number."""
        if number is None:
            return None
        if number <= 0:
            return 0.0
        return round(min(max((math.log10(number) - self._low) / (self._high - self._low) * 100, 0.0), 100.0), 1)

    def beyond(self, number: int | None) -> bool:
        return number is not None and number > 10**self._high

    def ticks(self) -> list[dict[str, t.Any]]:
        """Return the powers of ten, at most six of them."""
        powers = range(self._low, self._high + 1, self._powers())
        return [{"at": self.at(10**power), "label": _power(power)} for power in powers]

    def step(self) -> float | None:
        """Return the distance of two ticks in per cent."""
        return self.at(10 ** (self._low + self._powers()))

    def _powers(self) -> int:
        return math.ceil((self._high - self._low) / 5)


def content(report: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what the page of a report says."""
    hosts, totals = report["hosts"], report["totals"]
    domain = reports.common_domain([host["host"] for host in hosts])
    scale = Scale(number for host in hosts for number in _of_the_scale(host))
    detailed = len(hosts) if len(hosts) <= _MAX_DETAILED else _DETAILED_OF_MANY
    return {
        "title": report["title"],
        "generated": report["generated"].replace("T", " ").replace("Z", " UTC"),
        "many": len(hosts) > _MAX_OPEN,
        "headline": _headline(totals),
        "figures": _figures(totals),
        "verdicts": [
            {"verdict": verdict, "sign": _SIGNS[verdict], "label": reports.COUNTED[verdict], "count": totals[name]}
            for verdict, name in reports.VERDICTS.items()
            if totals[name]
        ],
        "ticks": scale.ticks(),
        "step": scale.step(),
        "domain": domain,
        "hosts": [_host(host, scale, number, domain, number <= detailed) for number, host in enumerate(hosts, 1)],
        "said": _said(hosts[detailed:]),
    }


def count(number: int | None) -> str:
    """Return a number for people; past a million million it is as good as unlimited and told by its magnitude."""
    if number is None:
        return "–"
    if number < 10**12:
        return format(number, ",")
    power = len(str(number)) - 1
    return "%s × 10%s" % (number * 10 // 10**power / 10, str(power).translate(_RAISED))


def _power(power: int) -> str:
    return "%d%s" % (10 ** (power % 3), _UNITS[power // 3]) if power // 3 < len(_UNITS) else "10^%d" % power


def _of_the_scale(host: t.Mapping[str, t.Any]) -> list[int | None]:
    now = reports.outlook(host) or {}
    return [host["target"], (host["before"] or {}).get("ceiling"), now.get("ceiling"), now.get("next_ceiling")]


def _headline(totals: t.Mapping[str, t.Any]) -> str:
    hosts = totals["hosts"]
    if totals["no_target"] == hosts:
        return "No target is set."
    if hosts == 1:
        return "The host meets its target." if totals["meeting"] else "The host does not meet its target."
    if totals["meeting"] == hosts:
        return "All %s hosts meet their target." % count(hosts)
    return "%s of %s hosts meet their target." % (count(totals["meeting"]), count(hosts))


def _figures(totals: t.Mapping[str, t.Any]) -> list[dict[str, str]]:
    before, after = totals["ceiling_before"], totals["ceiling_after"]
    times = after / before if before else 0
    shown = format(times, ",.0f") if times >= 10 else format(times, ".1f")
    growth = "%s × before" % shown if times and shown != "1.0" else ""
    predicted = 0 < totals["predicted"] == totals["hosts"] - totals["no_result"] - totals["unreachable"]
    measured = {
        "label": "Measured",
        "value": count(totals["established"]),
        "more": "real connections, %s predicted" % count(totals["established_predicted"]),
    }
    return [
        {"label": "Target", "value": count(totals["target"]), "more": "of all hosts together"},
        {"label": "Ceiling before", "value": count(before), "more": "advised %s" % count(totals["advised_before"])},
        {
            "label": "Ceiling predicted" if predicted else "Ceiling after",
            "value": count(after),
            "more": ", ".join(filter(None, (growth, "advised %s" % count(totals["advised_after"])))),
        },
        {
            "label": "Missing",
            "value": count(totals["shortfall"]),
            "more": "what single hosts lack of their target",
        },
        *([measured] if totals["measured"] else []),
    ]


def _said(hosts: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return what is said of the hosts that have no details: each text once, with the number of hosts."""
    counted = collections.Counter(note for host in hosts for note in reports.notes(host) if note[0] != "pressure")
    return [
        {"kind": kind, "text": text, "weight": _WEIGHTS.get(kind, ""), "hosts": count(number)}
        for (kind, text), number in counted.most_common(_MAX_SAID)
    ]


def _host(
    host: t.Mapping[str, t.Any], scale: Scale, number: int, domain: str, detailed: bool = True
) -> dict[str, t.Any]:
    before, now = host["before"] or {}, reports.outlook(host) or {}
    changed = host["outlook"] in ("after", "predicted")
    return {
        "number": number,
        "host": host["host"],
        "short": host["host"].removesuffix(domain),
        "verdict": host["verdict"],
        "sign": _SIGNS[host["verdict"]],
        "label": "would meet" if host["checked_only"] and host["verdict"] == "meets" else _LABELS[host["verdict"]],
        "changed": changed,
        "outlook": _OUTLOOKS.get(host["outlook"], "After"),
        "target": count(host["target"]),
        "before": count(before.get("ceiling")),
        "after": count(now.get("ceiling")),
        "advised": count(now.get("advised")),
        "binds": (now.get("binding_constraint") or "–").replace("_", " "),
        "target_at": scale.at(host["target"]),
        "before_at": scale.at(before.get("ceiling")),
        "after_at": scale.at(now.get("ceiling")),
        # What the page sorts by.
        "room": _room(host["target"], now.get("ceiling")),
        "detailed": detailed,
        **(_details(host, scale, changed) if detailed else {}),
    }


def _details(host: t.Mapping[str, t.Any], scale: Scale, changed: bool) -> dict[str, t.Any]:
    before, now = host["before"] or {}, reports.outlook(host) or {}
    return {
        "facts": _facts(host),
        "sources": _sources(host["sources"]),
        "files": [{"name": name, "link": urllib.parse.quote(name)} for name in host["files"]],
        "notes": [
            {"kind": kind, "text": text, "weight": _WEIGHTS.get(kind, "")}
            for kind, text in reports.notes(host)
            # They have a place of their own.
            if kind not in ("pressure", "container")
        ],
        "constraints": _constraints(before, now, changed, scale),
        "pairs": [_pair(pair) for pair in (host["pressure"] or {}).get("pairs", ())],
        "engine": (host["container"] or {}).get("engine"),
        "outside": (host["container"] or {}).get("texts", []),
    }


def _pair(pair: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a row of the table of source and destination; its scale is linear, from none to all of the ports."""
    share = pair["share"]
    return {
        "between": pressure.between(pair),
        "share": "own ports" if share is None else pressure.share_of(pair),
        "at": None if share is None else round(100 * share, 1),
        "full": share is not None and share > pressure.FULL,
        "connections": count(pair["connections"]),
        "timewait": count(pair["timewait"]),
        "ports": count(pair["ports"]),
        "programs": [pressure.program_said(one) for one in pair["programs"]],
    }


def _sources(found: t.Mapping[str, t.Any] | None) -> str:
    """Return the source addresses in a few words; nothing for a host with one, which needs no choice."""
    if not found or found["count"] <= 1:
        return ""
    ranges, more = found["ranges"][:_MAX_RANGES], len(found["ranges"]) - _MAX_RANGES
    return "%s source addresses: %s%s" % (
        count(found["count"]),
        ", ".join(ranges),
        " and %s more ranges" % count(more) if more > 0 else "",
    )


def _room(target: int | None, ceiling: int | None) -> float:
    return round(ceiling / target, 4) if target and ceiling is not None else 0


def _constraints(
    before: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any], changed: bool, scale: Scale
) -> list[dict[str, t.Any]]:
    earlier = {one["name"]: one for one in before.get("constraints", [])}
    return [_constraint(one, earlier.get(one["name"], {}), now, changed, scale) for one in now.get("constraints", [])]


def _constraint(
    one: t.Mapping[str, t.Any], earlier: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any], changed: bool, scale: Scale
) -> dict[str, t.Any]:
    role = {now["binding_constraint"]: "binds", now["next_constraint"]: "next"}.get(one["name"], "")
    return {
        "title": one["title"],
        "role": role,
        "machine": one["scope"] == "machine",
        "before": _allows(earlier.get("allows")) if changed else "",
        "after": _allows(one["allows"]),
        "before_at": scale.at(earlier.get("allows")) if changed else None,
        "after_at": scale.at(one["allows"]),
        "before_beyond": changed and scale.beyond(earlier.get("allows")),
        "after_beyond": scale.beyond(one["allows"]),
        "formula": one["formula"],
        # A page that says how to raise what does not limit anything tells too much.
        "change": one["change"] if role else "",
    }


def _allows(number: int | None) -> str:
    return "no limit" if number is None else count(number)


def _facts(host: t.Mapping[str, t.Any]) -> list[str]:
    facts, request = host["host_facts"], host["request"]
    memory = facts.get("memory")
    destinations, processes = request.get("destinations"), request.get("processes")
    if isinstance(destinations, (list, tuple)):
        destinations = len(destinations)
    told = (
        facts.get("os"),
        "kernel %s" % facts["kernel"] if facts.get("kernel") else None,
        "%.1f GiB of memory" % (memory / 2**30) if memory else None,
        "a container" if facts.get("container") else None,
        request.get("program"),
        _binding(request),
        _number_of(destinations, "destination"),
        _number_of(processes, "process", "es"),
    )
    return [str(fact) for fact in told if fact]


def _binding(request: t.Mapping[str, t.Any]) -> object:
    """Return how the program binds, as stated or as it is known to; what was refused as it was written."""
    try:
        return parse(request).binding
    except Refusal:
        return request.get("binding")


def _number_of(number: object, noun: str, plural: str = "s") -> str | None:
    return "%s %s%s" % (number, noun, "" if str(number) == "1" else plural) if number else None
