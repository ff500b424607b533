# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host is in no file: asked of the running kernel once, and written down as JSON.

A folder with a host's files and one such object are all that a snapshot is made of, so a recorded host can be
looked at again anywhere.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    interface_addresses,
    listening,
    name_service,
    netlink,
    pressure,
    socket_count,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host


def observe(
    users: t.Iterable[str], destinations: t.Sequence[str] = (), with_pressure: bool = False
) -> t.Dict[str, t.Any]:
    """Return the observation of this host.

    users:        are looked up in its name service
    destinations: addresses, see interface_addresses.observe()
    with_pressure: whether clients' sockets are counted, too

    ``interfaces`` is null where the kernel could not be asked, and ``unread`` says why.
    """
    system = os.uname()
    sockets = socket_count.count()
    unread = sockets.pop("unread")
    waiting = listening.observe()
    interfaces = None
    try:
        interfaces = interface_addresses.observe(destinations)
    except netlink.NetlinkError as error:
        unread.append({"what": "addresses of the interfaces", "why": str(error)})
    more = {"pressure": _pressure(unread)} if with_pressure else {}
    own = {entry["address"] for entry in interfaces["addresses"]} if interfaces else set()
    return {
        "hostname": system.nodename,
        "kernel": system.release,
        "machine": system.machine,
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
        "uid": os.geteuid(),
        "accounts": name_service.accounts(users),
        "interfaces": interfaces,
        "session": ssh_session.peers(Host("/"), os.getpid(), own),
        "sockets": sockets,
        "listeners": sorted(waiting.tcp.named | waiting.tcp.automatic),
        "automatic_listeners": sorted(waiting.tcp.automatic),
        "udp_listeners": sorted(waiting.udp.named),
        "unread": unread,
        **more,
    }


def _pressure(unread: t.List[t.Dict[str, str]]) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what the clients of this host use of its ports; None where the kernel does not tell."""
    try:
        return pressure.observe()
    except netlink.NetlinkError as error:
        unread.append({"what": "what clients use of the local ports", "why": str(error)})
        return None
