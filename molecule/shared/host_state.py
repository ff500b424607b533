# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a host: print, as JSON, everything there that the collection may change and must put back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys

#: What moves without anyone's doing.
_COUNTERS = ("nf_conntrack_count", "aio-nr", "dentry-state", "file-nr", "inode-nr", "inode-state")

#: What a router's announcement gives a route anew each time: how long it holds, and a number.
_PASSING = re.compile(r"\b(expires \d+sec|nhid \d+) ?")

_MAYBE_FOLDERS = ("/var/lib/fourtuple", "/run/fourtuple", "/run/systemd/system")


def sysctls():
    """Return the keys that the host owns: those of its network namespace, and of fs where the kernel is its own too."""
    found = {}
    for tree in ["net", "fs"] if os.access("/proc/sys/fs/nr_open", os.W_OK) else ["net"]:
        for folder, _folders, names in os.walk("/proc/sys/" + tree):
            for path in (os.path.join(folder, name) for name in names if name not in _COUNTERS):
                try:
                    with open(path, encoding="utf-8") as value:
                        found[path] = value.read()
                except OSError:
                    continue
    return found


def addresses():
    """Return the addresses of each interface, without the states that pass by themselves."""
    links = json.loads(subprocess.check_output(["ip", "-json", "address"]))
    passing = ("valid_life_time", "preferred_life_time", "tentative")
    return {
        link["ifname"]: [{key: info[key] for key in info if key not in passing} for info in link["addr_info"]]
        for link in links
    }


def routes():
    """Return the routes: an address brings one with it."""
    routes_of_all = subprocess.check_output(["ip", "route", "show", "table", "all"], text=True)
    return dict.fromkeys((_PASSING.sub("", line).strip() for line in routes_of_all.splitlines()), "there")


def describe(path):
    """Return what a file is and holds."""
    status = os.lstat(path)
    owner = "%o %d:%d" % (status.st_mode, status.st_uid, status.st_gid)
    if os.path.islink(path):
        return "%s -> %s" % (owner, os.readlink(path))
    if os.path.isfile(path):
        with open(path, "rb") as content:
            return "%s %s" % (owner, hashlib.sha256(content.read()).hexdigest())
    return owner


def files():
    """Return everything under /etc and wherever else a trace could stay."""
    found = {}
    for top in ("/etc",) + _MAYBE_FOLDERS:
        for folder, folders, names in os.walk(top):
            for name in [".", *folders, *names]:
                path = os.path.normpath(os.path.join(folder, name))
                found[path] = describe(path)
    return found


def service_manager():
    """Return the default limits that systemd gives, and which start of the client's unit runs."""
    if not os.path.isdir("/run/systemd/system"):
        return {}
    shown = subprocess.check_output(["systemctl", "show", "--property=DefaultLimitNOFILE,DefaultLimitNOFILESoft"])
    shown += subprocess.check_output(["systemctl", "show", "--property=InvocationID", "client.service"])
    return dict(line.split("=", 1) for line in shown.decode().splitlines())


json.dump(
    {
        "sysctl": sysctls(),
        "address": addresses(),
        "route": routes(),
        "file": files(),
        "service manager": service_manager(),
    },
    sys.stdout,
    indent=1,
)
