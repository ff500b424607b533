# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask a container manager for, where the container itself cannot change a limit or a key."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_table

#: What Docker and Podman take of --sysctl beside net.* (github.com/docker/cli, opts/opts.go, ValidateSysctl;
#: github.com/containers/common, pkg/sysctl, Validate): keys of an IPC namespace. A kubelet takes the same.
_OF_IPC = frozenset(
    "kernel." + name for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_PREFIX_OF_IPC = "fs.mqueue."

#: Where container managers take the limits of a container from.
NOFILE_OPTIONS = (
    "lxc.prlimit.nofile of LXC and Proxmox, limits.kernel.nofile of LXD and Incus, --ulimit nofile= of Podman and "
    "Docker, --rlimit= of systemd-nspawn, for a pod LimitNOFILE= of its node's containerd or CRI-O"
)


def start_with_nofile(hard: t.Union[int, str]) -> str:
    """Return how a container comes to a hard limit that nobody inside can give it."""
    return "start the container with a hard nofile of %s (%s)" % (
        hard if isinstance(hard, str) else "%d or more" % hard,
        NOFILE_OPTIONS,
    )


def start_with_sysctl(key: str, value: str) -> str:
    """Return how a container comes to a value of a key that it cannot write itself."""
    return (
        "start the container with %s = %s (Podman, Docker: --sysctl; a pod: securityContext.sysctls; LXC: lxc.sysctl), "
        "or with a /proc/sys that it may write (--security-opt; unmask=/proc/sys of Podman, "
        "systempaths=unconfined of Docker)"
    ) % (key, value)


def is_containers_own(key: str) -> bool:
    """Tell whether an engine can give a container a value of ``key`` that is the container's alone."""
    if key in _OF_IPC or key.startswith(_PREFIX_OF_IPC):
        return True
    row = sysctl_table.KEYS.get(key)
    return key.startswith("net.") and (row is None or row.namespaces == sysctl_table.OWN)
