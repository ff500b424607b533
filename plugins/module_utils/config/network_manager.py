# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager, also where netplan writes its connections: a script of its dispatcher, and the batch that it reads.

Not a connection: that would be a person's file, or one that netplan or cloud-init writes anew, and applying it removes
what others have added. Nor anything that adds addresses before NetworkManager has added its own: it then takes the
interface for configured by somebody else, gives it nothing, and the host is cut off (measured, 1.42 and 1.52).
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import (
    Interface,
    Manager,
    Persistence,
    Question,
    in_batch,
    settings,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import daemons, identity
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

NAME = "networkmanager"

_UNIT, _PROGRAM = "NetworkManager.service", "NetworkManager"
_PID = "/run/NetworkManager/NetworkManager.pid"
#: One file for each link, which says whether it manages it, and by which connection (src/core/nm-config.c,
#: nm_config_device_state_write).
_DEVICES = "/run/NetworkManager/devices"
#: Connections that it has in memory only, among them those that it made up for what others have configured.
_IN_MEMORY = "/run/NetworkManager/system-connections"

_DISPATCHER_UNIT = "NetworkManager-dispatcher.service"
#: D-Bus starts the dispatcher by the alias that this unit has while it is enabled.
_DISPATCHER_ALIAS = "dbus-org.freedesktop.nm-dispatcher.service"
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def _runs(host: Host) -> bool:
    return daemons.active(host, _UNIT) or daemons.has_process(host, _PID, _PROGRAM)


def _evidence(host: Host, interface: Interface) -> t.Optional[str]:
    if interface.ifindex is None or not _runs(host):
        return None
    path = "%s/%s" % (_DEVICES, interface.ifindex)
    device = settings(host.read(path))
    if device.get("managed") not in ("true", "yes", "1") or _is_external(host, device.get("connection-uuid")):
        return None
    return path


def _is_external(host: Host, uuid: t.Optional[str]) -> bool:
    """Tell whether a connection only describes what somebody else has configured: "connected (externally)"."""
    for name in host.list(_IN_MEMORY) if uuid else ():
        connection = settings(host.read("%s/%s" % (_IN_MEMORY, name)))
        if connection.get("uuid") == uuid and connection.get("external") == "true":
            return True
    return False


def _keep(host: Host, question: Question) -> Persistence:
    if _evidence(host, question.interface) is None:
        why = "NetworkManager does not manage %s (%s/%s does not say so, or it does not run). " % (
            question.interface.name,
            _DEVICES,
            question.interface.ifindex,
        )
        raise question.refusal(why + "Set it to auto.")
    if identity.boots_with_systemd(host) and not _dispatches(host):
        why = "NetworkManager manages %s, but %s is disabled or masked, so that no script of its dispatcher runs. " % (
            question.interface.name,
            _DISPATCHER_UNIT,
        )
        raise question.refusal(why + "Enable that unit. " + question.otherwise)
    # The batch goes before the script that reads it.
    files = {
        "batch": owned.NETWORKMANAGER_BATCH,
        "networkmanager_dispatcher": owned.NETWORKMANAGER_DISPATCHER,
    }
    return Persistence(NAME, files, [])


def _dispatches(host: Host) -> bool:
    units = ["%s/%s" % (directory, _DISPATCHER_UNIT) for directory in _UNIT_DIRECTORIES]
    aliases = ["%s/%s" % (directory, _DISPATCHER_ALIAS) for directory in _UNIT_DIRECTORIES]
    # systemctl(1), mask
    masked = any(host.link(path) == "/dev/null" for path in units + aliases)
    return host.first(aliases) is not None and not masked


def _own_files(_host: Host) -> t.List[str]:
    # The script before the batch that it reads.
    return [owned.NETWORKMANAGER_DISPATCHER, owned.NETWORKMANAGER_BATCH]


MANAGER = Manager(NAME, _evidence, _keep, _own_files, in_batch)
