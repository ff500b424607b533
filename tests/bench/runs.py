# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of whole runs share: a process and what it took, and the figures, tables and plot in docs."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import diagram

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE, PLOT, FIGURES = (ROOT / "docs" / ("benchmarks." + kind) for kind in ("md", "svg", "json"))

Row = dict[str, t.Any]
Figures = dict[str, t.Any]


class Spent(t.NamedTuple):
    """What a command took, with all that it started and waited for.

    seconds, processor: seconds
    memory:             MiB of its largest process
    """

    seconds: float
    processor: float
    memory: float


def spent(command: t.Sequence[str], environment: t.Mapping[str, str], changes: bool = False) -> Spent:
    """Run a command of Ansible's, which must succeed.

    changes: whether it may change something
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        running = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        # wait4(2): the largest process and the processor's time of this command alone, not of those before it.
        _pid, status, used = os.wait4(running.pid, 0)
        took = time.monotonic() - began
        running.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if running.returncode or (not changes and re.search(r"changed=[1-9]", said)):
        sys.exit("%s\n%s" % (" ".join(command), said))
    return Spent(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def median(several: t.Iterable[Spent]) -> Spent:
    return Spent(*(statistics.median(one) for one in zip(*several, strict=True)))


def machine() -> Figures:
    """Return where and with what it is measured."""
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    version = subprocess.run(["ansible", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        "date": datetime.date.today().isoformat(),
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ansible-core": re.findall(r"core ([\d.]+)", version)[0],
    }


# --- what is published ---


def _number(value: float) -> str:
    return "%.1f" % value if value < 100 else "%d" % value


def tables_of(found: Figures) -> dict[str, str]:
    """Return the tables of the page, each by the name of its place there."""
    host = [
        "| Source addresses | Run | Role tune | Loop of tasks | Loop ÷ role | Rounds |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["one host"]:
        loop = row.get("loop")
        cells = ["{:,}".format(row["addresses"]), row["run"], _number(row["role"]) + " s"]
        cells += [_number(loop) + " s", _number(loop / row["role"])] if loop else ["–", "–"]
        host.append("| %s | %s |" % (" | ".join(cells), row["rounds"]))
    fleet = [
        "| Hosts | Forks | Time | Processor, each host | Ping, each host | Memory | Rounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["fleet"]:
        cells = [str(row["hosts"]), str(row["forks"]), _number(row["seconds"]) + " s"]
        cells += ["%.2f s" % row["processor"], "%.2f s" % row["ping"], "%d MiB" % row["memory"], str(row["rounds"])]
        fleet.append("| %s |" % " | ".join(cells))
    return {"one host": "\n".join(host), "fleet": "\n".join(fleet)}


def with_tables(guide: str, found: Figures) -> str:
    """Return the page with these figures in its tables."""
    for name, text in tables_of(found).items():
        before, heading, after = re.split(r"(<!-- %s: .*? -->\n\n)" % name, guide)
        guide = before + heading + text + after[after.index("\n\n") :]
    return guide


def plot(found: Figures) -> str:
    """Draw both: a second run by the number of addresses, and a host's part by the size of the fleet."""
    second = [row for row in found["one host"] if row["run"] == "second"]
    says = "%s addresses, %s: %.1f seconds"
    lines: list[diagram.Line] = []
    for key, name, style, marker in (("loop", "loop of tasks", "b", "square"), ("role", "role tune", "a", "circle")):
        points = [
            (float(row["addresses"]), float(row[key]), says % (row["addresses"], name, row[key]))
            for row in second
            if row.get(key)
        ]
        lines.append((name, style, marker, points))
    drawn = diagram.panel(70, 100, "A second run, one host", "source addresses", "seconds", lines)
    says = "%d hosts, %d forks: %.0f milliseconds of the processor, each"
    lines = []
    for forks, style, marker in ((5, "a", "circle"), (20, "b", "square"), (50, "c", "circle")):
        points = [
            (float(row["hosts"]), 1000.0 * row["processor"], says % (row["hosts"], forks, 1000 * row["processor"]))
            for row in found["fleet"]
            if row["forks"] == forks
        ]
        if points:
            lines.append(("%d forks" % forks, style, marker, points))
    title = "A second run of a fleet, for each host"
    drawn += diagram.panel(510, 100, title, "hosts", "milliseconds of the processor", lines)
    words = "Linux %s, %s, ansible-core %s; medians" % (found["kernel"], found["processor"], found["ansible-core"])
    return diagram.page((880, 420), "What a run costs that changes nothing", words, drawn)


def publish(part: str, rows: list[Row]) -> None:
    """Write a part of the figures, and the tables and the plot anew once there are both."""
    found = json.loads(FIGURES.read_text(encoding="ascii")) if FIGURES.is_file() else {}
    found |= machine() | {part: rows}
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    if {"one host", "fleet"} <= found.keys():
        PLOT.write_text(plot(found), encoding="utf-8")
        GUIDE.write_text(with_tables(GUIDE.read_text(encoding="utf-8"), found), encoding="utf-8")
