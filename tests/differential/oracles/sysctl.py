# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sysctl.d makes of the keys, by the tool that applies it at boot: systemd-sysctl, or procps' sysctl --system.

Plain files stand for /proc/sys: neither tool asks what kind of file system it writes to, and so every key can be
had, the machine's own stay as they are, and no value is refused. Both write a line from the start of a file; its
first line is what was written last.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t

from oracles import oracle

#: The keys that there are, as paths below /proc/sys.
KEYS = (
    "fs/file-max",
    "fs/nr_open",
    "kernel/threads-max",
    "net/core/somaxconn",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/eth0.100/forwarding",
    "net/ipv4/conf/eth0.100/rp_filter",
    "net/ipv4/conf/eth0/forwarding",
    "net/ipv4/conf/eth0/rp_filter",
    "net/ipv4/conf/eth1/rp_filter",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_rmem",
    "net/netfilter/nf_conntrack_max",
    "vm/max_map_count",
)

#: One variable of the kernel by another name (net/netfilter/nf_conntrack_standalone.c, nf_ct_netfilter_table).
ALIAS = ("net/netfilter/nf_conntrack_max", "net/nf_conntrack_max")

_UNTOUCHED = "untouched"


def answer(_given: dict[str, t.Any]) -> oracle.Answers:
    """Return the first line of each key's file, None where nothing was written."""
    for key in KEYS:
        oracle.put("/proc/sys/" + key, _UNTOUCHED + "\n")
    name, alias = ("/proc/sys/" + key for key in ALIAS)
    if not os.path.exists(alias):
        os.link(name, alias)
    # The status says no more than that some line failed.
    subprocess.run(TOOL, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    found: oracle.Answers = {}
    for key in KEYS:
        with open("/proc/sys/" + key, encoding="latin-1", newline="") as stream:
            value = stream.read().split("\n")[0]
        found[key] = None if value == _UNTOUCHED else value
    return found


def tool(booted_by_systemd: bool) -> list[str]:
    """Return the command that applies the files at boot."""
    return ["/usr/lib/systemd/systemd-sysctl"] if booted_by_systemd else ["/sbin/sysctl", "--system"]


def mark(booted_by_systemd: bool) -> dict[str, str]:
    """Return the file that tells our code which of the two applies them."""
    return {"/run/systemd/system/mark" if booted_by_systemd else "/proc/1/comm": ""}


def remove_configuration() -> None:
    """Remove the image's own configuration, which would take part."""
    for directory in ("/etc", "/run", "/usr/local/lib", "/usr/lib"):
        shutil.rmtree(directory + "/sysctl.d", ignore_errors=True)
    if os.path.lexists("/etc/sysctl.conf"):
        os.unlink("/etc/sysctl.conf")


if __name__ == "__main__":
    oracle.leave_mounts()
    booted_by_systemd = os.path.isdir("/run/systemd/system")
    TOOL = tool(booted_by_systemd)
    oracle.mount_tmpfs("/proc/sys")
    remove_configuration()
    oracle.serve(mark(booted_by_systemd), answer)
