# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask a container manager for, where the container itself cannot change a limit or a key."""

from __future__ import annotations

import typing as t

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
