# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that a boot runs, as such or as a service, and what they set."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    conf_d,
    shell_commands,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.script_settings import of_script, variables
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

#: Scripts that a boot runs, with who runs them.
_SCRIPTS = (
    ("/etc/rc.local", "rc.local, at the end of a boot"),
    ("/etc/rc.d/rc.local", "rc.local, at the end of a boot"),
    ("/etc/init.d/boot.local", "boot.local, at boot"),
    ("/etc/init.d/after.local", "after.local, at the end of a boot"),
    ("/etc/initscript", "init, for every process that it starts"),
)
#: Directories of scripts: where, how a name ends, who runs them. A hidden or a backed-up file is none.
_HOOKS = (
    ("/etc/local.d", ".start", "OpenRC's local service, at the end of a boot"),
    ("/etc/network/if-pre-up.d", "", "ifupdown, before an interface comes up"),
    ("/etc/network/if-up.d", "", "ifupdown, when an interface comes up"),
    ("/etc/NetworkManager/dispatcher.d", "", "NetworkManager's dispatcher, when an interface changes"),
    ("/etc/NetworkManager/dispatcher.d/pre-up.d", "", "NetworkManager's dispatcher, before an interface comes up"),
    ("/usr/lib/NetworkManager/dispatcher.d", "", "NetworkManager's dispatcher, when an interface changes"),
    ("/etc/networkd-dispatcher/carrier.d", "", "networkd-dispatcher, when an interface changes"),
    ("/etc/networkd-dispatcher/configured.d", "", "networkd-dispatcher, when an interface changes"),
    ("/etc/networkd-dispatcher/configuring.d", "", "networkd-dispatcher, when an interface changes"),
    ("/etc/networkd-dispatcher/degraded.d", "", "networkd-dispatcher, when an interface changes"),
    ("/etc/networkd-dispatcher/routable.d", "", "networkd-dispatcher, when an interface changes"),
    ("/etc/dhcp/dhclient-enter-hooks.d", "", "dhclient, at each lease"),
    ("/etc/dhcp/dhclient-exit-hooks.d", "", "dhclient, at each lease"),
    ("/etc/ppp/ip-up.d", "", "pppd, when a link comes up"),
    ("/etc/runit/core-services", ".sh", "runit, at boot"),
    ("/var/lib/cloud/scripts/per-boot", "", "cloud-init, at every boot"),
)
_RUN_LEVEL = re.compile(r"S[0-9]{2}(.+)")


def scripts(host: Host) -> t.List[Setting]:
    """Return what the scripts set that a boot, or an interface that comes up, runs."""
    found = []
    for path, who in _SCRIPTS:
        if _is_run(host, path):
            found += of_script(host, path, who)
    for directory, suffix, who in _HOOKS:
        for path in conf_d.named(host.names, directory, suffix):
            found += of_script(host, path, who)
    return found


def init_scripts(host: Host) -> t.List[t.Tuple[str, Setting]]:
    """Return what the scripts in /etc/init.d set that a boot runs, each with the name of its service."""
    names: t.Set[str] = set()
    for level in ("S", "2", "3", "5"):
        for directory in ("/etc/rc%s.d" % level, "/etc/rc.d/rc%s.d" % level):
            names.update(match.group(1) for match in map(_RUN_LEVEL.fullmatch, host.names(directory)) if match)
    for level in ("sysinit", "boot", "default"):
        names.update(host.names("/etc/runlevels/" + level))
    found = []
    for name in sorted(names):
        path = "/etc/init.d/" + name
        found += [(name + ".service", one) for one in of_script(host, path, "the init script %s" % name)]
    return found


def openrc_limits(host: Host) -> t.List[t.Tuple[Setting, str]]:
    """Return the rc_ulimit of OpenRC: of all services in rc.conf, of one in conf.d (openrc-run.sh)."""
    found = []
    for path in ["/etc/rc.conf"] + conf_d.named(host.names, "/etc/conf.d", ""):
        unit = "" if path == "/etc/rc.conf" else os.path.basename(path) + ".service"
        who = "OpenRC, for every service" if not unit else "OpenRC, for the service %s" % os.path.basename(path)
        for name, value, line in variables(host.text(path) or ""):
            if name in ("rc_ulimit", "RC_ULIMIT"):
                actions = shell_commands.script("ulimit " + value)
                found += [(Setting(sysctl_keys.NOFILE, action.value, path, line, who), unit) for action in actions]
    return found


def run_scripts(host: Host) -> t.List[t.Tuple[Setting, str]]:
    """Return the limits in the run scripts of runit and of s6."""
    found = []
    for directory in ("/etc/sv", "/etc/service", "/etc/s6/sv"):
        for name in host.names(directory):
            path = "%s/%s/run" % (directory, name)
            for action in shell_commands.script(host.text(path) or ""):
                if action.kind == shell_commands.NOFILE:
                    setting = Setting(
                        sysctl_keys.NOFILE, action.value, path, action.line, "the run script of %s" % name
                    )
                    found.append((setting, name + ".service"))
    return found


def _is_run(host: Host, path: str) -> bool:
    """Tell whether a script is executable, without which systemd passes rc.local over (systemd-rc-local-generator).

    Of a folder that stands for a host this cannot be told, as copies of files often have no modes.
    """
    return not host.live or os.access(host.place(path), os.X_OK)
