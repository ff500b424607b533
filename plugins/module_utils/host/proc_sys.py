# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sysctl keys the kernel would let this host write, before anything is."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import mounts
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import located
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def mounted(host: Host) -> t.List[mounts.Mount]:
    """Return the mounts as the reader sees them. raises: OSError where they cannot be read"""
    return mounts.parse(host.read("/proc/self/mountinfo") or "")


def is_writable(host: Host, key: str, mounted_there: t.Iterable[mounts.Mount], uid: int = 0) -> t.Optional[bool]:
    """Tell whether a key, which the host has, can be written; None where only root could tell.

    A container engine mounts /proc/sys, or parts of it, read-only. A key without a write bit nobody writes, and the
    bits of one that is the machine's are no good to the root of a user namespace (fs/proc/proc_sysctl.c, test_perm):
    access(2) asks the kernel for both.

    uid: of the reader
    """
    path = sysctl_keys.proc_path(key)
    mount = mounts.covering(mounted_there, path)
    if mount is not None and mount.read_only:
        return False
    place = located(host.root, path) or ""
    try:
        if not os.stat(place).st_mode & _WRITE_BITS:
            return False
    except OSError:
        return False
    return os.access(place, os.W_OK) or (False if uid == 0 else None)
