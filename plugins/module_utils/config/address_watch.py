# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher, which gives an interface back the source addresses that whoever manages it removes without an event.

NetworkManager runs no script where a link was down for less than five seconds, and ifupdown none where dhclient has
another address. So beside their own script there is a unit of ours, wherever systemd starts the host.
"""

from __future__ import annotations

import os
import sys
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import boot_routes
from ansible_collections.fourtuple.clients.plugins.module_utils.host import daemons, identity
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

UNIT = os.path.basename(owned.WATCH_UNIT)

#: By the names of their templates. What another names comes before it.
_FILES = {"watch_script": owned.WATCH_SCRIPT, "watch_unit": owned.WATCH_UNIT, "watch_target": owned.WATCH_TARGET}

#: Debian's and most others', and that of RHEL 8. An upgrade of Python leaves both where they are.
_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")


def find(host: Host, kept: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return the files that the watcher takes, kind -> path, in the order of writing; none where it has no use.

    kept: the files by which the interface's manager keeps the addresses
    raises: Refusal for a file of that name that is not ours
    """
    if "batch" not in kept or not identity.boots_with_systemd(host):
        return {}
    for path in _FILES.values():
        owned.refuse_foreign(path, host.read(path))
    return dict(_FILES)


def own_files(host: Host) -> t.List[str]:
    """Return the files of ours that exist, and what a killed run left of one, in the order of removal."""
    return boot_routes.existing(host, reversed(list(_FILES.values())))


def python(host: Host) -> str:
    """Return the interpreter for the script: that of this module may be one that an upgrade removes."""
    return host.first(_PYTHONS) or sys.executable


def missing(host: Host) -> t.List[str]:
    """Return the files of the watcher that are gone, although there is a batch of ours for it to read."""
    batches = (host.text(path) for path in (owned.NETWORKMANAGER_BATCH, owned.IFUPDOWN_BATCH))
    if not identity.boots_with_systemd(host) or not any(text and owned.is_ours(text) for text in batches):
        return []
    return [path for path in _FILES.values() if not owned.is_ours(host.text(path) or "")]


def is_behind(host: Host) -> bool:
    """Tell whether the watcher does not run, or was started before its files were written.

    systemd makes the link when it starts a unit (daemons.py). Where it is too old to, neither is known.
    """
    if not host.is_directory(daemons.ACTIVE_UNITS):
        return False
    try:
        started = os.lstat(host.place(daemons.link_of(UNIT))).st_mtime_ns
        return any(os.stat(host.place(path)).st_mtime_ns > started for path in _FILES.values())
    except FileNotFoundError:
        return True


def is_stopped(host: Host) -> bool:
    """Tell whether all the files of the watcher are there, and it does not run as they say."""
    return len(own_files(host)) == len(_FILES) and not missing(host) and is_behind(host)
