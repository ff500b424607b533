# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keys are after sysctl.d has been applied, where a kernel takes or refuses each line.

The tool that applies it at boot, systemd-sysctl or procps' sysctl --system, and the keys of this host's own network.
"""

from __future__ import annotations

import os
import subprocess
import typing as t

from oracles import oracle, sysctl

_START, _RANGE = "net/ipv4/ip_unprivileged_port_start", "net/ipv4/ip_local_port_range"

#: What the keys have before, in an order in which each can be written.
BEFORE = (
    (_START, "0"),
    (_RANGE, "32768 60999"),
    (_START, "1024"),
    ("net/ipv4/ip_local_reserved_ports", ""),
    ("net/core/somaxconn", "4096"),
    ("net/ipv4/tcp_max_tw_buckets", "1000"),
    ("net/ipv4/tcp_notsent_lowat", "4294967295"),
    ("net/ipv4/tcp_tw_reuse", "2"),
)


def answer(_given: dict[str, t.Any]) -> oracle.Answers:
    """Return what each key has afterwards, its white space folded."""
    for key, value in BEFORE:
        with open("/proc/sys/" + key, "w", encoding="ascii") as stream:
            stream.write(value + "\n")
    # The status says no more than that some line failed.
    subprocess.run(TOOL, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    found: oracle.Answers = {}
    for key, _value in BEFORE:
        with open("/proc/sys/" + key, encoding="ascii") as stream:
            found[key] = " ".join(stream.read().split())
    return found


if __name__ == "__main__":
    booted_by_systemd = os.path.isdir("/run/systemd/system")
    TOOL = sysctl.tool(booted_by_systemd)
    sysctl.remove_configuration()
    oracle.serve(sysctl.mark(booted_by_systemd), answer)
