# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managers that give an interface no addresses but their own, and take others' away."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import Interface, Manager
from ansible_collections.fourtuple.clients.plugins.module_utils.host import daemons
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

#: dhcpcd's own: of one interface, or of them all (dhcpcd.8, FILES; before release 9 without the directory).
_DHCPCD_OF_ONE = ("/run/dhcpcd/%s.pid", "/run/dhcpcd/%s-4.pid", "/run/dhcpcd/%s-6.pid", "/run/dhcpcd-%s.pid")
_DHCPCD_OF_ALL = ("/run/dhcpcd/pid", "/run/dhcpcd.pid")


def _dhcpcd(host: Host, interface: Interface) -> t.Optional[str]:
    paths = [path % name for name in sorted(interface.names) for path in _DHCPCD_OF_ONE]
    return next((path for path in (*paths, *_DHCPCD_OF_ALL) if daemons.has_process(host, path, "dhcpcd")), None)


def _by_unit(*units: str) -> t.Callable[[Host, Interface], t.Optional[str]]:
    """Return who looks for a daemon that says nothing of single interfaces: it has all that nobody else has."""
    return lambda host, _interface: next((unit for unit in units if daemons.active(host, unit)), None)


def _connman(host: Host, interface: Interface) -> t.Optional[str]:
    pid = "/run/connman.pid"
    return _by_unit("connman.service")(host, interface) or (pid if daemons.has_process(host, pid, "connmand") else None)


MANAGERS = (
    Manager("dhcpcd", _dhcpcd),
    Manager("connman", _connman),
    Manager("wicked", _by_unit("wickedd.service", "wickedd-nanny.service")),
)
