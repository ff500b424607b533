# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysctl keys that firewalls set when they start."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    conf_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.script_settings import (
    applied,
    of_script,
    variables,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host


def ufw(host: Host) -> t.List[Setting]:
    """Return what ufw has sysctl(8) apply at its start (ufw 0.36, ufw-init-functions), if it is enabled."""
    enabled = re.findall(r"^\s*ENABLED=[\"']?(\w+)", host.text("/etc/ufw/ufw.conf") or "", re.MULTILINE)
    if not enabled or enabled[-1] not in ("yes", "YES"):
        return []
    default = host.text("/etc/default/ufw")
    named = re.findall(r"^\s*IPT_SYSCTL=(.*)$", default or "", re.MULTILINE)
    words = named[-1].split("#")[0].strip("\"' \t").split() if named else ["/etc/ufw/sysctl.conf"]
    return [one for path in words for one in applied(host, path, "ufw, which applies it after sysctl.d")]


def arno(host: Host) -> t.List[Setting]:
    """Return what arno-iptables-firewall 2.1 sets: it always sets the port range, by default to the kernel's."""
    path = "/etc/arno-iptables-firewall/firewall.conf"
    if host.text(path) is None:
        return []
    who = "arno-iptables-firewall, when it starts"
    found = {"LOCAL_PORT_RANGE": Setting("net.ipv4.ip_local_port_range", "32768 60999", path, 1, who)}
    for one in [path] + conf_d.named(host.names, "/etc/arno-iptables-firewall/conf.d", ".conf"):
        for name, value, line in variables(host.text(one) or ""):
            if name == "LOCAL_PORT_RANGE" and value:
                found[name] = Setting("net.ipv4.ip_local_port_range", value, one, line, who)
            elif name == "CONNTRACK":
                found[name] = Setting("net.nf_conntrack_max", value, one, line, who)
    return [one for one in found.values() if one.value not in ("", "0")]


def firehol(host: Host) -> t.List[Setting]:
    """Return what firehol 3.1 sets of conntrack."""
    who = "firehol, when it starts"
    return [
        Setting("net.netfilter.nf_conntrack_max", value, path, line, who)
        for path in ("/etc/firehol/firehol-defaults.conf", "/etc/firehol/firehol.conf", "/etc/default/firehol")
        for name, value, line in variables(host.text(path) or "")
        if name == "FIREHOL_CONNTRACK_MAX" and value
    ]


def apf(host: Host) -> t.List[Setting]:
    """Return what the rules of apf-firewall set, a script."""
    path = "/etc/apf-firewall/sysctl.rules"
    return of_script(host, path, "apf-firewall, when it starts")
