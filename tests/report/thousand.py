# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a fleet of recorded hosts and report on it, as a process of its own, and say what that took.

Usage: thousand.py HOSTS CHECKOUT FOLDER, with the collection and tests/golden/*.limits.json in CHECKOUT. Writes
FOLDER/report.json, report.html and table.txt, and prints a JSON object: seconds, bytes of memory at the peak beyond
what the snapshots take, which in a run are Ansible's, and characters of each file.
"""

from __future__ import annotations

import json
import pathlib
import resource
import sys
import time
import typing as t

import jinja2

#: Recorded hosts (tests/golden) in turns, with what is asked of each. Some meet it, some are refused.
HOSTS = (
    "debian-13-tuned",
    "rhel-8-like",
    "debian-13-unprivileged",
    "ubuntu-24.04-like",
    "sysvinit-container",
    "debian-13-busy",
)
REQUEST = {
    "destinations": 4,
    "binding": "bind_no_port",
    "processes": 4,
    "address_pool": ["198.18.0.0/15"],
    "slot_size": 16,
}
TARGETS = (100_000, 30_000, 60_000, 100_000, 50_000, 400_000)


def varied(snapshots: t.Sequence[str], number: int) -> dict[str, t.Any]:
    """Return the snapshot of host ``number``: one of the recorded ones with an address and a memory of its own."""
    limits = json.loads(snapshots[number % len(snapshots)].replace("192.0.2.", "10.%d.%d." % divmod(number, 256)))
    limits["memory"]["total"] += number * 4096
    limits["memory"]["available"] = (limits["memory"].get("available") or 0) + number * 4096
    return t.cast("dict[str, t.Any]", limits)


def main(hosts: int, checkout: pathlib.Path, folder: pathlib.Path) -> dict[str, t.Any]:
    """Return what it took."""
    from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
    from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import hosts as reports
    from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import page, table
    from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import outcome

    snapshots = [(checkout / "tests/golden" / (name + ".limits.json")).read_text() for name in HOSTS]
    began, results = time.process_time(), {}
    for number in range(hosts):
        limits, name = varied(snapshots, number), "client%d.example.com" % number
        request = {**REQUEST, "slot": number, "target_connections": TARGETS[number % len(TARGETS)]}
        plan = planner.plan(limits, request)
        said = outcome.planned(name, "planned", request, plan, limits, check_mode=True)
        refusal = plan.get("refusal")
        said = {**said, "state": "refused", "message": refusal} if refusal else outcome.tuned(said, None)
        # What a run keeps of a host arrives as JSON.
        results[name] = {"tune_result": json.loads(json.dumps(said))}
    planned = time.process_time()
    report = reports.of_hosts(results, results, "A fleet", "2026-01-02T03:04:05Z")
    # As Ansible has it, without autoescape: the template escapes what hosts say itself.
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    made = template.from_string((checkout / "roles/report/templates/report.html.j2").read_text())
    files = {
        "report.json": json.dumps(report, indent=4, sort_keys=True),
        "report.html": made.render(__report_page=page.content(report)),
        "table.txt": table.render(report),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return {
        "planned": planned - began,
        "reported": time.process_time() - planned,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "result": len(json.dumps(results)) // hosts,
        "characters": {name: len(text) for name, text in files.items()},
        "totals": report["totals"],
    }


if __name__ == "__main__":
    checkout = pathlib.Path(sys.argv[2])
    sys.path.insert(0, str(checkout / "playbooks/collections"))
    json.dump(main(int(sys.argv[1]), checkout, pathlib.Path(sys.argv[3])), sys.stdout)
