# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name servers that a host asks: resolv.conf(5)."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.taken_addresses import plain

#: resolv.conf(5). With systemd-resolved or NetworkManager, /etc/resolv.conf may name a stub on this host, and these
#: the servers behind it.
_RESOLV_CONFS = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/run/NetworkManager/resolv.conf",
)


def read(host: Host) -> t.List[t.Dict[str, str]]:
    """Return the name servers that the host asks, as entries. raises: OSError for a file that cannot be read"""
    found: t.Dict[str, t.Dict[str, str]] = {}
    for path in _RESOLV_CONFS:
        for line in (host.read(path) or "").splitlines():
            words = line.split()
            # The C library knows a keyword at the beginning of a line only (resolv/res_init.c).
            address = (
                plain(words[1]) if line.startswith("nameserver") and words[0] == "nameserver" and words[1:] else None
            )
            if address is not None:
                found.setdefault(address, {"address": address, "whose": "a name server of this host (%s)" % path})
    return list(found.values())
