# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a sysctl key: this container, or the machine under it."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host_files import exists, read_text

#: Left by the container manager for whoever runs inside: systemd's Container Interface
#: (/run/systemd/container is written by PID 1 from its own $container), Podman, Docker.
_MARKS = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")

#: The namespaces that own keys outside net.*: ipc/ipc_sysctl.c, ipc/mq_sysctl.c, kernel/utsname_sysctl.c.
_OWN_KEYS = frozenset(("kernel.auto_msgmni", "kernel.domainname", "kernel.hostname", "kernel.sem"))
_OWN_PREFIXES = ("fs.mqueue.", "kernel.msg", "kernel.shm")


def in_container(root: str = "/") -> bool:
    """Tell whether the host below ``root`` is a container and shares its kernel with a machine."""
    if any(exists(root, mark) for mark in _MARKS):
        return True
    return any(entry.startswith("container=") for entry in _environment_of_init(root))


def _environment_of_init(root: str) -> t.List[str]:
    """Return PID 1's environment, where a manager that leaves no file sets ``container=``."""
    try:
        text = read_text(root, "/proc/1/environ")
    except OSError:
        # Not ours to read, or no file at all.
        return []
    return (text or "").split("\0")


def owns_network(root: str = "/") -> bool:
    """Tell whether this is the machine's first network namespace.

    net.ipv4.tcp_mem is registered for the first one only (net/ipv4/sysctl_net_ipv4.c, ipv4_table
    against ipv4_net_table), so its presence is the one sign that needs no privilege.
    """
    return exists(root, "/proc/sys/net/ipv4/tcp_mem")


def is_machine_wide(root: str, key: str) -> bool:
    """Tell whether ``key``, asked inside a container, belongs to the machine under it.

    Writing such a key from a privileged container works, and changes every other tenant: the
    collection never does.
    """
    if key.startswith("net."):
        return owns_network(root)
    return not (key in _OWN_KEYS or key.startswith(_OWN_PREFIXES))
