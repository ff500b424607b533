# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities as /proc shows them, and what one of them lets root do: read(7)."""

from __future__ import annotations

import re
import typing as t

#: include/uapi/linux/capability.h, by number.
_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)


def read(status: str, row: str = "CapEff") -> t.Optional[t.List[str]]:
    """Return the capabilities that /proc/<pid>/status shows: the effective ones, or those of another ``row``."""
    match = re.search(r"^%s:\s*([0-9a-f]+)$" % row, status, re.MULTILINE)
    if match is None:
        return None
    bits = int(match.group(1), 16)
    return ["CAP_" + name for number, name in enumerate(_CAPABILITIES) if bits >> number & 1]


def may_raise(capabilities_of_root: t.Optional[t.Collection[str]], first_user_namespace: t.Optional[bool]) -> bool:
    """Tell whether root can raise a hard limit: taken for so where it is not known.

    do_prlimit asks for CAP_SYS_RESOURCE in the first user namespace (kernel/sys.c): in any other one root has every
    capability, and may lower limits only.
    """
    if first_user_namespace is False:
        return False
    return capabilities_of_root is None or "CAP_SYS_RESOURCE" in capabilities_of_root
