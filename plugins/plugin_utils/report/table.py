# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a table for a terminal or a log: plain ASCII, at most so many columns, the hosts with problems first."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import document as reports

_HEADINGS = ("HOST", "TARGET", "BEFORE", "AFTER", "ADVISED", "BINDS", "NEXT", "VERDICT")
_NUMBERS = range(1, 5)
_GAP = "  "
_LEAST_WIDTH = 100
#: With the widest figures and names this leaves the host eight columns.
_WIDEST_NAME = 11
#: Names of constraints that are longer than their column.
_SHORT_NAMES = {"epoll_watches": "epoll", "cgroup_memory": "cgroup_mem"}
_MAX_NAMED = 3
#: Of a larger fleet those hosts have a row that somebody has to look at, and the others one for each verdict.
_MAX_ROWS = 40
_PROBLEMS = ("failed", "refused", "unreachable", "short")
_MAX_NAMED_LOST = 20
_LEGEND = (
    "Figures are simultaneous TCP connections. BEFORE and AFTER: the ceiling, which BINDS sets; NEXT sets it once that"
    " is raised. ADVISED: where the kernel still finds ports quickly."
)
_PREDICTED = " ~: predicted, nothing was changed."
_PRESSURE_OF_MANY = "the ports that are in use are in the page and the JSON report (report_dir)."
_UNITS = (("G", 10**9), ("T", 10**12), ("P", 10**15), ("E", 10**18))
_COLOURS = {"meets": "32", "short": "33", "refused": "31", "failed": "31", "unreachable": "31"}


def render(report: t.Mapping[str, t.Any], width: int = _LEAST_WIDTH, colour: bool = False) -> str:
    """Return the table of a report: a row for each host that has a result, the totals, and below what else is to say.

    Of more than 40 hosts those without a problem share a row for each verdict.
    Lines are at most ``width`` columns, which is at least 100, and hold printable ASCII only: what hosts say cannot
    steer the terminal. Counts of a thousand million and more are rounded down: 4.21 G is 4,210,000,000 and some.
    """
    width = max(width, _LEAST_WIDTH)
    totals = report["totals"]
    shown = [host for host in report["hosts"] if host["outlook"]]
    heading = "%s, %s. %s" % (report["title"], report["generated"], reports.summary(totals))
    parts = [
        _wrap(heading, width, ""),
        _rows(shown, totals, width, colour) if shown else [],
        _notes(report["hosts"], width),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def count(number: int | None) -> str:
    """Return a number for people, in at most 11 characters: exact below a thousand million."""
    if number is None:
        return "-"
    if number < _UNITS[0][1]:
        return format(number, ",")
    letter, unit = next((letter, unit) for letter, unit in reversed(_UNITS) if number >= unit)
    return "%s.%02d %s" % (format(number // unit, ","), number * 100 // unit % 100, letter)


_NOT_TOGETHER = " Not all of them at one time: some hosts let go before others were done; raise prove_hold."


def plain(text: object) -> str:
    """Return one line of printable ASCII; everything else is written as Python escapes it."""
    words = " ".join(str(text).split())
    return "".join(
        character if " " <= character <= "~" else character.encode("unicode_escape").decode("ascii")
        for character in words
    )


def shorten(text: str, width: int, tail: int) -> str:
    """Shorten in the middle, to so many last characters and as many first ones as fit."""
    if len(text) <= width:
        return text
    return "%s..%s" % (text[: width - 2 - tail], text[len(text) - tail :])


def short_names(names: t.Sequence[str], width: int) -> list[str]:
    """Shorten the names of a fleet's hosts at the place where most of them stay different, near the middle if any."""

    def shortened(tail: int) -> list[str]:
        return [shorten(name, width, tail) for name in names]

    middle = (width - 2) // 2
    best = max(range(width - 1), key=lambda tail: (len(set(shortened(tail))), -abs(tail - middle)))
    return shortened(best)


def _rows(
    hosts: t.Sequence[t.Mapping[str, t.Any]], totals: t.Mapping[str, t.Any], width: int, colour: bool
) -> list[str]:
    named = [host for host in hosts if len(hosts) <= _MAX_ROWS or host["verdict"] in _PROBLEMS]
    domain = reports.common_domain([plain(host["host"]) for host in hosts])
    names = [plain(host["host"]).removesuffix(domain) for host in named]
    summed = [_sum(verdict, rest) for verdict, rest in _unnamed(hosts, named).items()]
    rows, total = [*map(_row, named), *summed], _total(totals)
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows, total)) for column in range(len(_HEADINGS))]
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    widths[0] = min(max([widths[0], *map(len, names)]), width - others)
    rule = _GAP.join("-" * wide for wide in widths)
    lines = [_line(_HEADINGS, widths), rule]
    for host, name, row in zip(named, short_names(names, widths[0]), rows, strict=False):
        line = _line((name, *row[1:]), widths)
        code = _COLOURS.get(host["verdict"]) if colour else None
        lines.append("\033[%sm%s\033[0m" % (code, line) if code else line)
    lines += [_line(row, widths) for row in summed]
    lines += [rule, _line(total, widths)]
    legend = _LEGEND + (_PREDICTED if totals["predicted"] else "") + (" HOST: without %s." % domain if domain else "")
    lines += ["", *_wrap(legend, width, "")]
    return [*lines, *_wrap(_measured(totals), width, "")] if totals["measured"] else lines


def _measured(totals: t.Mapping[str, t.Any]) -> str:
    return "MEASURED with real connections: %s established %s on %s, %s predicted.%s" % (
        format(totals["established"], ","),
        "in all" if totals["held_together"] is False else "at a time",
        "1 host" if totals["measured"] == 1 else "%d hosts" % totals["measured"],
        format(totals["established_predicted"], ","),
        _NOT_TOGETHER if totals["held_together"] is False else "",
    )


def _row(host: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    now = reports.outlook(host) or {}
    mark = "~" if host["outlook"] == "predicted" else ""
    return (
        "",
        count(host["target"]),
        count((host["before"] or {}).get("ceiling")),
        mark + count(now["ceiling"]),
        mark + count(now["advised"]),
        _name(now["binding_constraint"]),
        _name(now["next_constraint"]),
        host["verdict"],
    )


def _unnamed(
    hosts: t.Sequence[t.Mapping[str, t.Any]], named: t.Sequence[t.Mapping[str, t.Any]]
) -> dict[str, list[t.Mapping[str, t.Any]]]:
    """Return the hosts that have no row of their own by their verdict, the worst first: hosts come in that order."""
    found: dict[str, list[t.Mapping[str, t.Any]]] = {}
    own = {host["verdict"] for host in named}
    for host in hosts:
        if host["verdict"] not in own:
            found.setdefault(host["verdict"], []).append(host)
    return found


def _sum(verdict: str, hosts: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[str, ...]:
    """Return the row of the hosts of one verdict: what they have together."""
    now = [reports.outlook(host) or {} for host in hosts]
    mark = "~" if any(host["outlook"] == "predicted" for host in hosts) else ""
    return (
        "%s host%s" % (format(len(hosts), ","), "" if len(hosts) == 1 else "s"),
        count(sum(host["target"] or 0 for host in hosts)),
        count(sum((host["before"] or {}).get("ceiling") or 0 for host in hosts)),
        mark + count(sum(one.get("ceiling") or 0 for one in now)),
        mark + count(sum(one.get("advised") or 0 for one in now)),
        "",
        "",
        verdict,
    )


def _name(constraint: str | None) -> str:
    return plain(_SHORT_NAMES.get(constraint, constraint))[:_WIDEST_NAME] if constraint else "-"


def _total(totals: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return (
        "%d host%s" % (totals["hosts"], "" if totals["hosts"] == 1 else "s"),
        count(totals["target"]),
        count(totals["ceiling_before"]),
        count(totals["ceiling_after"]),
        count(totals["advised_after"]),
        "",
        "",
        "%d meet" % totals["meeting"],
    )


def _line(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    fitted = [
        cell.rjust(wide) if column in _NUMBERS else cell.ljust(wide)
        for column, (cell, wide) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join(fitted).rstrip()


def _notes(hosts: t.Iterable[t.Mapping[str, t.Any]], width: int) -> list[str]:
    """Say once what is the same on several hosts: a warning of 500 hosts is one paragraph."""
    hosts = list(hosts)
    few = sum(bool(host["pressure"]) for host in hosts) <= _MAX_NAMED
    grouped: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        found = reports.notes(host)
        if host["pressure"] and not few:
            # Each host has figures of its own. What is full is a warning as well.
            found = [note for note in found if note[0] != "pressure"] + [("pressure", _PRESSURE_OF_MANY)]
        for kind, text in found:
            grouped.setdefault((kind, plain(text)), []).append(plain(host["host"]))
    indent = max((len(kind) for kind, _text in grouped), default=0) + len(_GAP)
    lines = []
    for kind, text in sorted(grouped, key=lambda note: _GRAVITY.index(note[0])):
        named = _named(grouped[kind, text], _MAX_NAMED_LOST if kind in ("no result", "unreachable") else _MAX_NAMED)
        lines += _wrap("%s%s: %s" % (kind.ljust(indent), named, text), width, " " * indent)
    return lines


_GRAVITY = (*reports.VERDICTS, "measured", "drift", "warning", "pressure", "container", "unknown", "unread")


def _named(hosts: t.Sequence[str], maximum: int) -> str:
    if len(hosts) == 1:
        return hosts[0]
    more = "" if len(hosts) <= maximum else " and %d more" % (len(hosts) - maximum)
    return "%d hosts (%s%s)" % (len(hosts), ", ".join(hosts[:maximum]), more)


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(plain(text) if not indent else text, width, subsequent_indent=indent, break_on_hyphens=False)
