# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in no file of a host (module_utils/host/observation.py), of one whose files a test makes."""

from __future__ import annotations

import typing as t

OBSERVED: dict[str, t.Any] = {
    "hostname": "client1",
    "kernel": "6.1.0",
    "machine": "x86_64",
    "page_size": 4096,
    "cpus": 2,
    "uid": 0,
    "accounts": {},
    "interfaces": {
        "addresses": [
            {
                "address": "192.0.2.10",
                "prefix": 24,
                "interface": "eth0",
                "family": 4,
                "scope": "global",
                "secondary": False,
            },
            {
                "address": "198.51.100.1",
                "prefix": 32,
                "interface": "eth0",
                "family": 4,
                "scope": "global",
                "secondary": False,
                "deprecated": True,
                "expires": True,
            },
        ],
        "anyip": [{"prefix": "10.240.0.0/16", "interface": "lo", "family": 4}],
        "default_routes": [{"family": 4, "interface": "eth0", "metric": 0}],
        "taken": [{"address": "192.0.2.1", "whose": "the gateway of the default route on eth0"}],
        "paths": [{"source": "192.0.2.10", "destination": "203.0.113.1", "interface": "eth0"}],
    },
    "session": [{"address": "192.0.2.7", "whose": "the other end of the session that Ansible uses"}],
    "listeners": [22],
    "sockets": {
        "states": {"ESTABLISHED": 1},
        "established": 1,
        "timewait": 0,
        "orphans": 0,
        "memory_pages": 0,
        "by_source": [{"address": "192.0.2.10", "established": 1}],
        "sources": 1,
        "by_source_other": 0,
        "by_source_estimated": False,
    },
    "unread": [{"what": "an example", "why": "to see it documented"}],
}
