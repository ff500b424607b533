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
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import is_directory, link, read_text, resolve
from ansible_collections.fourtuple.clients.plugins.module_utils.host.reading import Reading
from ansible_collections.fourtuple.clients.plugins.module_utils.values import capabilities


def identity(reading: Reading, observation: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return the ``host`` of a snapshot."""
    uid_map = reading.text("/proc/self/uid_map")
    kind = containment.container_kind(reading.root)
    if kind is None:
        # A manager that leaves no file sets container= there: where it is unreadable, say that this "no" is unsure.
        reading.text("/proc/1/environ")
    found: t.Dict[str, t.Any] = {
        name: observation[name] for name in ("hostname", "kernel", "machine", "page_size", "cpus", "uid")
    }
    found.update(
        os=_system(reading),
        init=_init(reading),
        systemd=systemd_version(reading),
        pam=_version(reading, "libpam-modules"),
        container=kind is not None,
        container_kind=kind or None,
        first_network_namespace=containment.owns_network(reading.root),
        first_user_namespace=None if uid_map is None else containment.in_first_user_namespace(reading.root),
        capabilities=capabilities.capabilities(reading.text("/proc/self/status") or ""),
    )
    return found


def raises_limits(root: str = "/") -> bool:
    """Tell whether services and sessions of the host below ``root`` can have a higher hard limit than PID 1.

    What PID 1 has itself it may not pass on: who is executed has nothing beyond the bounding set (capabilities(7)).
    """
    try:
        status = read_text(root, "/proc/1/status") or ""
    except OSError:
        status = ""
    first = containment.in_first_user_namespace(root)
    return all(capabilities.may_raise(capabilities.capabilities(status, row), first) for row in ("CapEff", "CapBnd"))


def _system(reading: Reading) -> t.Dict[str, t.Optional[str]]:
    """os-release(5)"""
    text = reading.text("/etc/os-release") or reading.text("/usr/lib/os-release") or ""
    fields = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            try:
                fields[key] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return {"id": fields.get("ID"), "version": fields.get("VERSION_ID"), "name": fields.get("PRETTY_NAME")}


def _init(reading: Reading) -> t.Optional[str]:
    if boots_with_systemd(reading.root):
        return "systemd"
    return (reading.text("/proc/1/comm") or "").strip() or None


def _version(reading: Reading, package: str) -> t.Optional[str]:
    """Return what dpkg has installed; other package managers keep no text that could be read."""
    text = reading.text("/var/lib/dpkg/status") or ""
    match = re.search(r"^Package: %s\n(?:\S.*\n| .*\n)*?Version: (\S+)$" % re.escape(package), text, re.MULTILINE)
    return match.group(1) if match is not None else None


def systemd_version(reading: Reading) -> t.Optional[str]:
    """Return the version of the installed systemd, which begins with a number; None where none can be told."""
    return _version(reading, "systemd") or _systemd_by_library(reading)


def _systemd_by_library(reading: Reading) -> t.Optional[str]:
    """Return the version in the name of systemd's own library, as libsystemd-shared-252.so."""
    for directory in ("/usr/lib/systemd", "/lib/systemd"):
        for name in reading.names(directory):
            match = re.fullmatch(r"libsystemd-shared-(.+)\.so", name)
            if match is not None:
                return match.group(1)
    return None


def boots_with_systemd(root: str) -> bool:
    """Tell whether systemd, and so systemd-sysctl, starts this host.

    /run/systemd/system exists while systemd is PID 1 (sd_booted(3)); a mounted image has an empty
    /run, there /sbin/init tells.
    """
    if is_directory(root, "/run/systemd/system"):
        return True
    if is_directory(root, "/proc/1"):
        return False
    target = link(root, (resolve(root, "/sbin") or "/sbin") + "/init")
    return os.path.basename(target or "") == "systemd"
