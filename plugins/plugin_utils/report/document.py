# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run found out about a fleet, as one document: the JSON report, from which table and page are made.

roles/report/files/report-schema-1.json describes the document property by property.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import pressure
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import files, outside
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import MAXIMUM, is_unset

SCHEMA = 1

_SEVERAL = 2

#: So many programs, and pairs of source and destination, are said of a host beside its figures.
_FULLEST = 3

#: What is said of a host, the worst first, with the name of its count in the totals.
VERDICTS = {
    "failed": "failed",
    "refused": "refused",
    "unreachable": "unreachable",
    "no result": "no_result",
    "short": "short",
    "untuned": "untuned",
    "no target": "no_target",
    "left alone": "left_alone",
    "meets": "meeting",
}

#: What is said of several hosts.
COUNTED = {
    "failed": "failed",
    "refused": "refused",
    "unreachable": "unreachable",
    "no result": "not reached",
    "short": "short of target",
    "untuned": "put back",
    "no target": "without target",
    "left alone": "left alone",
    "meets": "meeting the target",
}

Json = dict[str, t.Any]


def report(results: t.Iterable[t.Mapping[str, t.Any]], title: str, generated: str) -> Json:
    """Return the JSON report, those hosts first that do not hold their target.

    results: the fact ``tune_result`` of each host; of a host that has none, ``host`` alone. generated: when, as
    ISO 8601 text. All counts are simultaneous TCP connections, None where a host has no such figure.
    """
    hosts = sorted((_host(result) for result in results), key=_order)
    return {"schema": SCHEMA, "title": title, "generated": generated, "totals": _totals(hosts), "hosts": hosts}


def summary(totals: t.Mapping[str, t.Any]) -> str:
    """Return the totals' counts of hosts as one sentence."""
    said = [
        "%s %s" % (format(totals[name], ","), COUNTED[verdict])
        for verdict, name in reversed(VERDICTS.items())
        if totals[name] or verdict == "meets"
    ]
    return "%s host%s: %s." % (format(totals["hosts"], ","), "" if totals["hosts"] == 1 else "s", ", ".join(said))


def outlook(host: t.Mapping[str, t.Any]) -> Json | None:
    """Return the ceilings that hold for a host of a report once the run is over."""
    return host[host["outlook"]] if host["outlook"] else None


def binding(ceilings: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """Return the constraint that sets a ceiling; an empty one where nothing does."""
    found = (one for one in ceilings["constraints"] if one["name"] == ceilings["binding_constraint"])
    return next(found, {})


def notes(host: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """Return what is to be said of a host beside its figures: pairs of a kind and a text, the gravest first.

    Kinds: a verdict of VERDICTS, ``measured``, ``drift``, ``warning``, ``pressure``, ``container`` (what its engine is
    to give it), ``unknown`` (a constraint), ``unread`` (a file).
    """
    found = []
    if host["message"]:
        found.append((host["verdict"], host["message"]))
    now = outlook(host)
    if host["verdict"] == "short" and now:
        limit = binding(now)
        if limit:
            # Without the formula, whose figures differ from host to host: a fleet's notes are grouped by their text.
            found.append(("short", "%s binds. What to do: %s." % (limit["title"], limit["change"])))
    if host["measured"] and host["measured"]["established"] is not None:
        found.append(("measured", _measured(host["measured"], bool(host["host_facts"].get("container")))))
    found += [("drift", _drift(one)) for one in host["drift"]]
    found += [("warning", text) for text in host["warnings"]]
    found += [("pressure", text) for text in _pressure(host["pressure"])]
    found += [("container", outside.sentence(one)) for one in [host["container"]] if one]
    found += [("unknown", "%s: %s" % (one["name"], one["why"])) for one in (now or {}).get("unknown", [])]
    found += [("unread", "%s: %s" % (one["what"], one["why"])) for one in host["unread"]]
    return found


def _measured(one: t.Mapping[str, t.Any], container: bool) -> str:
    """Say what real connections showed, beside what was predicted.

    In a container the bytes are of the machine's slabs, with whatever else went on there.
    """
    said = "%s established, %s predicted" % (format(one["established"], ","), format(one["predicted"], ","))
    # -0.0 % is no news.
    if one["deviation"] and round(100 * one["deviation"], 1):
        said += " (%+.1f %%)" % (100 * one["deviation"])
    if one["binding_constraint"]:
        said += ", for %s" % one["binding_constraint"]
    if one["sampled"]:
        said += "; %s of %s answered" % (format(one["alive"], ","), format(one["sampled"], ","))
    if one["per_second"]:
        said += "; %s per second" % format(round(one["per_second"]), ",")
    if one["bytes_per_connection"]:
        said += ", %s bytes each" % format(round(one["bytes_per_connection"]), ",")
        said += " of the machine's slabs" if container else ""
    return said + (" (towards a sink without sockets)" if "responder" in one["sinks"] else "")


def _pressure(one: t.Mapping[str, t.Any] | None) -> list[str]:
    """Say which programs use up the ports, and the fullest pairs."""
    if not one:
        return []
    programs = [
        "%s: %s connections" % (pressure.program_said(program), format(program["connections"], ","))
        for program in one["programs"][:_FULLEST]
    ]
    return programs + [pressure.pair_said(pair) for pair in one["pairs"][:_FULLEST]]


def _drift(one: t.Mapping[str, t.Any]) -> str:
    where = " (%s)" % one["where"] if one.get("where") else ""
    return "%s: applied %s, found %s%s" % (one["what"], one["applied"], one["found"], where)


def _host(result: t.Mapping[str, t.Any]) -> Json:
    """Return a host's row. Before ansible-core 2.19 a template makes an empty text of a null, and text of a number."""
    target = int(result.get("target") or 0) or None
    facts = dict(result.get("host_facts") or {})
    if facts.get("memory"):
        facts["memory"] = int(facts["memory"])
    state = result.get("state") or "no result"
    wrong = (result.get("measured") or {}).get("message") or ""
    host = {
        "host": result["host"],
        "state": state,
        "verdict": "failed" if wrong else _verdict(state, target, bool(result.get("meets_target"))),
        "checked_only": bool(result.get("checked_only")),
        "message": result.get("message") or wrong or _silent(state),
        "request": _request(result.get("request") or {}),
        "target": target,
        "meets_target": bool(result.get("meets_target")),
        "before": result.get("before") or None,
        "after": result.get("after") or None,
        "predicted": result.get("predicted") or None,
        "warnings": list(result.get("warnings") or []),
        "drift": list(result.get("drift") or []),
        "unread": list(result.get("unread") or []),
        "host_facts": facts,
        "measured": result.get("measured") or None,
        "pressure": result.get("pressure") or None,
        "container": result.get("container") or None,
        "sources": _sources(result.get("sources") or None),
    }
    return {**host, "outlook": _outlook(host), "files": files.names(host)}


def _sources(found: t.Mapping[str, t.Any] | None) -> Json | None:
    """Return the source addresses of a host, their numbers as numbers again."""
    if found is None:
        return None
    used = found["used"]
    return {**found, "count": int(found["count"]), "used": None if is_unset(used) else int(used)}


def _request(stated: t.Mapping[str, t.Any]) -> Json:
    request = {name: _without_empty_texts(value) for name, value in stated.items()}
    target = request.get("target_connections")
    if target is not None and target != MAXIMUM:
        request["target_connections"] = int(target)
    return request


def _without_empty_texts(value: t.Any) -> t.Any:
    if isinstance(value, t.Mapping):
        return {name: _without_empty_texts(one) for name, one in value.items()}
    return None if is_unset(value) else value


def _verdict(state: str, target: int | None, meets: bool) -> str:
    if state == "planned":  # and nothing was heard of the host since
        return "failed"
    if state in VERDICTS:
        return state
    if target is None:
        return "no target"
    return "meets" if meets else "short"


def _silent(state: str) -> str:
    """Say what the state of a host means that could not say it itself."""
    return {
        "planned": "The run was planned on this host and did not finish there.",
        "no result": "The run has not come to this host.",
    }.get(state, "")


def _outlook(host: t.Mapping[str, t.Any]) -> str | None:
    """Name the ceilings that hold when the run is over: where nothing was changed, those from before."""
    if host["after"]:
        return "after"
    if host["checked_only"] and host["state"] == "tuned" and host["predicted"]:
        return "predicted"
    return "before" if host["before"] else None


def _order(host: t.Mapping[str, t.Any]) -> tuple[int, list[tuple[int, str]]]:
    """Problems first, then by name, where client2 comes before client10."""
    words = re.split(r"([0-9]+)", host["host"])
    return list(VERDICTS).index(host["verdict"]), [(int(word) if word.isdecimal() else -1, word) for word in words]


def _totals(hosts: t.Sequence[Json]) -> Json:
    now = [outlook(host) for host in hosts]
    counts = {name: sum(host["verdict"] == verdict for host in hosts) for verdict, name in reversed(VERDICTS.items())}
    return {
        "hosts": len(hosts),
        **counts,
        "target": _sum(host["target"] for host in hosts),
        "shortfall": _sum(_shortfall(host, ceilings) for host, ceilings in zip(hosts, now, strict=True)),
        "ceiling_before": _sum((host["before"] or {}).get("ceiling") for host in hosts),
        "ceiling_after": _sum((ceilings or {}).get("ceiling") for ceilings in now),
        "advised_before": _sum((host["before"] or {}).get("advised") for host in hosts),
        "advised_after": _sum((ceilings or {}).get("advised") for ceilings in now),
        "predicted": sum(host["outlook"] == "predicted" for host in hosts),
        "with_warnings": sum(bool(host["warnings"]) for host in hosts),
        "drifted": sum(bool(host["drift"]) for host in hosts),
        "measured": len(_held(hosts)),
        "held_together": _together(_held(hosts)),
        "established": sum(one["established"] for one in _held(hosts)),
        "established_predicted": _sum((host["measured"] or {}).get("predicted") for host in hosts),
    }


def _held(hosts: t.Sequence[Json]) -> list[Json]:
    """Return what was measured of the hosts whose probe came back."""
    return [host["measured"] for host in hosts if host["measured"] and host["measured"]["established"] is not None]


def _together(measured: t.Sequence[Json]) -> bool | None:
    """Return whether there was a moment at which all of them held what they had; None where that is no question."""
    if len(measured) < _SEVERAL:
        return None
    return bool(max(one["held_from"] for one in measured) <= min(one["held_until"] for one in measured))


def _sum(numbers: t.Iterable[int | None]) -> int:
    return sum(number for number in numbers if number is not None)


def _shortfall(host: t.Mapping[str, t.Any], ceilings: t.Mapping[str, t.Any] | None) -> int | None:
    """What one host lacks, another's surplus does not make up for."""
    if host["target"] is None or not ceilings or ceilings["ceiling"] is None:
        return None
    return max(0, int(host["target"]) - int(ceilings["ceiling"]))


def common_domain(names: t.Sequence[str]) -> str:
    """Return the domain that all names have, with its dot; none when there is but one name, or an address."""
    domains = {name.partition(".")[2] for name in names}
    domain = domains.pop() if len(domains) == 1 and len(names) > 1 else ""
    return "." + domain if any(character.isalpha() for character in domain) else ""
