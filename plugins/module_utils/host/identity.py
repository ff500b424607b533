# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of host this is: system, init, container, namespaces, and what its reader may do."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once
from ansible_collections.fourtuple.clients.plugins.module_utils.values import capabilities


def describe(host: Host, observation: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return the ``host`` of a snapshot."""
    uid_map = host.text("/proc/self/uid_map")
    kind = containment.container_kind(host)
    if kind is None:
        # A manager that leaves no file sets container= there: where it is unreadable, say that this "no" is unsure.
        host.text("/proc/1/environ")
    found: t.Dict[str, t.Any] = {
        name: observation[name] for name in ("hostname", "kernel", "machine", "page_size", "cpus", "uid")
    }
    found.update(
        os=_system(host),
        init=_init(host),
        systemd=systemd_version(host),
        pam=_version(host, "libpam-modules"),
        cloud=cloud(host),
        container=kind is not None,
        container_kind=kind or None,
        first_network_namespace=containment.owns_network(host),
        first_user_namespace=None if uid_map is None else containment.in_first_user_namespace(host),
        capabilities=capabilities.read(host.text("/proc/self/status") or ""),
    )
    return found


@looked_at_once
def raises_limits(host: Host) -> bool:
    """Tell whether services and sessions of the host can have a higher hard limit than PID 1.

    What PID 1 has itself it may not pass on: who is executed has nothing beyond the bounding set (capabilities(7)).
    """
    try:
        status = host.read("/proc/1/status") or ""
    except OSError:
        status = ""
    first = containment.in_first_user_namespace(host)
    return all(capabilities.may_raise(capabilities.read(status, row), first) for row in ("CapEff", "CapBnd"))


def _system(host: Host) -> t.Dict[str, t.Optional[str]]:
    """os-release(5)"""
    text = host.text("/etc/os-release") or host.text("/usr/lib/os-release") or ""
    fields = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            try:
                fields[key] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return {"id": fields.get("ID"), "version": fields.get("VERSION_ID"), "name": fields.get("PRETTY_NAME")}


#: Where the firmware's tables (DMI) stand, and by which of their fields a cloud is known, as a pattern: what
#: cloud-init's ds-identify goes by, and what the clouds themselves say. The first that fits counts.
_DMI = "/sys/class/dmi/id/%s"
_CLOUDS = (
    ("AWS", "sys_vendor", r"Amazon EC2"),
    ("AWS", "product_version", r".*\.amazon"),
    ("Google Cloud", "product_name", r"Google Compute Engine"),
    ("Azure", "chassis_asset_tag", r"7783-7084-3265-9085-8269-3286-77"),
    ("Oracle Cloud", "chassis_asset_tag", r"OracleCloud\.com"),
    ("Alibaba Cloud", "product_name", r"Alibaba Cloud ECS"),
    ("Hetzner Cloud", "sys_vendor", r"Hetzner"),
    ("DigitalOcean", "sys_vendor", r"DigitalOcean"),
    ("UpCloud", "sys_vendor", r"UpCloud"),
    ("Vultr", "sys_vendor", r"Vultr"),
    ("Akamai", "sys_vendor", r"(Linode|Akamai).*"),
    ("Scaleway", "sys_vendor", r"Scaleway"),
    ("Exoscale", "product_name", r"Exoscale.*"),
    ("OpenStack", "product_name", r"OpenStack (Nova|Compute)"),
    ("OpenStack", "chassis_asset_tag", r"OpenStack (Nova|Compute)|OpenTelekomCloud|SAP CCloud VM|HUAWEICLOUD"),
)


def cloud(host: Host) -> t.Optional[str]:
    """Return the cloud whose virtual machine this is, None where the firmware names none that is known."""
    for name, field, pattern in _CLOUDS:
        if re.fullmatch(pattern, (host.text(_DMI % field) or "").strip()):
            return name
    return None


def _init(host: Host) -> t.Optional[str]:
    if boots_with_systemd(host):
        return "systemd"
    return (host.text("/proc/1/comm") or "").strip() or None


def _version(host: Host, package: str) -> t.Optional[str]:
    """Return what dpkg has installed; other package managers keep no text that could be read."""
    text = host.text("/var/lib/dpkg/status") or ""
    match = re.search(r"^Package: %s\n(?:\S.*\n| .*\n)*?Version: (\S+)$" % re.escape(package), text, re.MULTILINE)
    return match.group(1) if match is not None else None


def systemd_version(host: Host) -> t.Optional[str]:
    """Return the version of the installed systemd, which begins with a number; None where none can be told."""
    return _version(host, "systemd") or _systemd_by_library(host)


def _systemd_by_library(host: Host) -> t.Optional[str]:
    """Return the version in the name of systemd's own library, as libsystemd-shared-252.so."""
    for directory in ("/usr/lib/systemd", "/lib/systemd"):
        for name in host.names(directory):
            match = re.fullmatch(r"libsystemd-shared-(.+)\.so", name)
            if match is not None:
                return match.group(1)
    return None


@looked_at_once
def boots_with_systemd(host: Host) -> bool:
    """Tell whether systemd, and so systemd-sysctl, starts this host.

    /run/systemd/system exists while systemd is PID 1 (sd_booted(3)); a mounted image has an empty
    /run, there /sbin/init tells.
    """
    if host.is_directory("/run/systemd/system"):
        return True
    if host.is_directory("/proc/1"):
        return False
    target = host.link((host.resolve("/sbin") or "/sbin") + "/init")
    return os.path.basename(target or "") == "systemd"
