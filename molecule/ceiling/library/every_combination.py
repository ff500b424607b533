#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what connection_probe runs once for every combination, in one process: a module call costs more than a probe.

Takes the source addresses and the destinations by family, and returns ``probes``: what connection_probe returns, and
``item``, the binding mode, the number of destinations and the family.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import host_facts
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import request as probe_request
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.probe import Probe
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND_PORT, BINDINGS, BY_ROUTE

#: More than there are four-tuples, and connection_probe's defaults.
OPTIONS: dict[str, t.Any] = {
    "confirmed": False,
    "target": 2000,
    "rate": 0,
    "hold": 0,
    "processes": None,
    "user": None,
    "sample": None,
    "reserve": None,
    "timeout": 30,
    "progress": None,
    "program_ports": None,
    "reuse_address": False,
    "variable_prefix": "",
}


def probe(binding: str, sources: list[str], destinations: list[str]) -> dict[str, t.Any]:
    options = {
        "binding": binding,
        "source_addresses": [] if binding in BY_ROUTE else sources,
        "destinations": destinations,
        "own_sinks": destinations,
    }
    request = probe_request.parse(OPTIONS | options)
    return Probe(request, host_facts.look_at_host(request, "")).run()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "dict", "required": True},
            "destinations": {"type": "dict", "required": True},
        }
    )
    sources, destinations = module.params["sources"], module.params["destinations"]
    probes = []
    for family, number, binding in itertools.product(destinations, (1, 2), BINDINGS):
        if binding == BIND_PORT:
            # Has a range of its own: tests/unit/test_connection_probe.py.
            continue
        found = probe(binding, sources[family], destinations[family][:number])
        probes.append({"item": [binding, number, family], **found})
    module.exit_json(changed=False, probes=probes)


if __name__ == "__main__":
    main()
