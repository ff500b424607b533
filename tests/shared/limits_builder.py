# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots (``limits`` of connection_limits_info) for tests: one of a plain host, with what a test changes."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import KEYS

_KEYS = {
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.ip_local_reserved_ports": "",
    "fs.nr_open": "1048576",
    "fs.file-max": "9223372036854775807",
    "fs.epoll.max_user_watches": "3000000",
    "net.ipv4.tcp_max_tw_buckets": "65536",
    "net.ipv4.tcp_tw_reuse": "2",
    "kernel.threads-max": "60000",
    "kernel.pid_max": "4194304",
    "net.ipv6.ip_nonlocal_bind": "0",
}

_PLAIN: dict[str, t.Any] = {
    "schema": 1,
    "host": {
        "hostname": "client1",
        "kernel": "6.1.0-13-cloud-amd64",
        "machine": "x86_64",
        "page_size": 4096,
        "cpus": 2,
        "os": {"id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)"},
        "init": "systemd",
        "systemd": "252.17-1~deb12u1",
        "pam": "1.5.2",
        "container": False,
        "container_kind": None,
        "cloud": None,
        "first_network_namespace": True,
        "first_user_namespace": True,
        "uid": 0,
        "capabilities": ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"],
    },
    "unread": [],
    "keys": {
        key: {"now": now, "after_boot": None, "by": None, "scope": "namespace", "writable": True}
        for key, now in _KEYS.items()
    },
    "ports": {
        "low": 32768,
        "high": 60999,
        "reserved": "",
        "listeners": "22",
        "automatic": "",
        "udp": "",
        "claimed": [],
        "usable": 28232,
    },
    "nofile": {
        "nr_open": {"now": 1048576, "after_boot": 1048576, "by": None},
        "file_max": {"now": 9223372036854775807, "after_boot": None, "by": None, "allocated": 1200},
        "subjects": [
            {
                "kind": "user",
                "name": "root",
                "now": {"soft": 1024, "hard": 524288},
                "after_boot": {"soft": 1024, "hard": 524288},
                "by": "DefaultLimitNOFILE= of systemd",
                "note": "",
            }
        ],
        "offenders": [],
        "inherited": {"soft": 1048576, "hard": 1048576},
    },
    "epoll": {"max_user_watches": 3000000},
    "conntrack": {
        "loaded": False,
        "max": None,
        "count": None,
        "buckets": None,
        "tracks_local": False,
        "why": "nf_conntrack is not loaded",
    },
    "tcp": {
        "mem_pages": [180000, 240000, 360000],
        "mem_used_pages": 5,
        "max_orphans": 65536,
        "orphans": 0,
        "max_tw_buckets": 65536,
        "tw_reuse": 2,
        "timewait_seconds": 60,
    },
    "established_hash": {"buckets": 524288, "own": False, "child_entries": 0, "estimated": False},
    "memory": {
        "total": 16 * 10**9,
        "free": 14 * 10**9,
        "available": 14 * 10**9,
        "file_cache": 10**9,
        "reserve": 10**8,
        "swap_free": 0,
        "cgroups": [],
    },
    "slab": {
        "source": "/sys/kernel/slab",
        "objects": {"TCP": 2368},
        "taken": {"TCP": 2529},
        "per_socket": 3900,
        "per_socket_ipv6": 3900,
        "per_socket_epoll": 4100,
        "per_port": 136,
        "per_timewait": 392,
    },
    "tasks": {"threads_max": 60000, "pid_max": 4194304, "threads": 120, "cgroups": []},
    "addresses": {
        "default_interface": {"4": "eth0", "6": None},
        "list": [],
        "anyip": [],
        "paths": [],
        "primary": {"address": "192.0.2.10", "prefix": 24, "interface": "eth0"},
        "taken": [{"address": "192.0.2.1", "whose": "the gateway of the default route on eth0"}],
    },
    "sockets": {
        "states": {"ESTABLISHED": 12, "LISTEN": 1},
        "established": 12,
        "by_source": [{"address": "192.0.2.10", "established": 12}],
        "sources": 1,
        "timewait": 0,
    },
    "overrides": [],
    "refused": [],
    "applied": {"sysctl": {}, "nofile": {"domains": {}, "units": {}}, "addresses": []},
    "drift": [],
}


def address(text: str, interface: str = "eth0", **changes: t.Any) -> dict[str, t.Any]:
    """Return one entry of the host's addresses; ``last`` and ``count`` make it a range."""
    family = 6 if ":" in text else 4
    scope = "host" if text in ("127.0.0.1", "::1") else "global"
    entry = {"address": text, "last": text, "count": 1, "interface": interface, "family": family, "scope": scope}
    return entry | {"prefix": 24 if family == 4 else 64, "ours": False} | changes


def local(*ranges: str, **changes: t.Any) -> dict[str, t.Any]:
    """Return what routes on lo make local, such as ``198.51.100.0-198.51.100.15``, of one family."""
    return {"interface": "lo", "family": 6 if ":" in ranges[0] else 4, "ours": False, "ranges": list(ranges)} | changes


def subject(kind: str, name: str, soft: int, hard: int | None = None, **changes: t.Any) -> dict[str, t.Any]:
    """Return one of those whose nofile the snapshot tells; a unit runs as process 100 with no groups of its own."""
    numbers = {"soft": soft, "hard": soft if hard is None else hard}
    entry: dict[str, t.Any] = {"kind": kind, "name": name, "now": numbers, "after_boot": dict(numbers), "by": None}
    if kind != "user":
        entry |= {"pid": 100, "descriptors": 10, "memory_cgroups": [], "tasks_cgroups": []}
    return entry | changes


def limits_of(*changes: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """Return the snapshot of a plain Debian host; ``changes`` are merged into it, dictionary by dictionary.

    The host has one address, 192.0.2.10 on eth0. Keys of sysctl are said short, as in ``keys={"fs.nr_open": 1000}``;
    what the snapshot has of them elsewhere follows, and the usable ports follow the range.
    """
    limits = copy.deepcopy(_PLAIN)
    limits["addresses"]["list"] = [address("127.0.0.1", "lo", prefix=8), address("192.0.2.10")]
    for change in (*changes, more):
        _merge(limits, change)
    return limits


def container(**more: t.Any) -> dict[str, t.Any]:
    """Return the snapshot of a container, where fs.* and kernel.* are the machine's."""
    limits = limits_of(host={"container": True, "container_kind": "podman", "first_network_namespace": False})
    for key, entry in limits["keys"].items():
        if not key.startswith("net."):
            entry["scope"] = "machine"
    _merge(limits, more)
    return limits


def _merge(limits: dict[str, t.Any], change: t.Mapping[str, t.Any]) -> None:
    rest = dict(change)
    for key, value in rest.pop("keys", {}).items():
        entry = limits["keys"].setdefault(key, {"after_boot": None, "by": None, "scope": "namespace", "writable": True})
        entry.update(value if isinstance(value, dict) else {"now": str(value)})
        row = KEYS.get(key)
        if row is not None and row.place:
            inner = limits
            for name in row.place[:-1]:
                inner = inner[name]
            inner[row.place[-1]] = int(entry["now"])
        if key == "net.ipv4.ip_local_port_range":
            low, high = map(int, entry["now"].split())
            limits["ports"].update(low=low, high=high, usable=high - low + 1)
    _merge_plain(limits, rest)


def _merge_plain(into: dict[str, t.Any], change: t.Mapping[str, t.Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge_plain(into[name], value)
        else:
            into[name] = value
