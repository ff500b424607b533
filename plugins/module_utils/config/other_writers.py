# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sets sysctl keys besides sysctl.d: each program by its own files, and when it does in a boot.

The kernel's command line comes before sysctl.d, everything else after it or at the same time: ufw.service,
systemd-tmpfiles-setup.service and systemd-udevd.service are not ordered against systemd-sysctl.service, ordinary
units come after sysinit.target and so after it. docs/other-peoples-settings.md has the versions that were read.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    boot_files,
    boot_scripts,
    firewalls,
    kernel_command_line,
    shell_commands,
    sysctl_d,
    tuned,
    unit_commands,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.script_settings import applied
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys

_SYSCTL_CONF = "/etc/sysctl.conf"
_TUNED_LAST = "TuneD, which applies it last (reapply_sysctl)"


def at_boot(host: Host, volatile: bool = True) -> t.List[sysctl_d.Line]:
    """Return every line of the next reboot that sets a key, in the order in which they come; the last one wins.

    volatile: as in sysctl_d.at_boot
    """
    before, after = settings(host)
    lines: t.List[sysctl_d.Line] = [*before]
    return lines + [*sysctl_d.at_boot(host, volatile)] + [*after]


def foreign_winners(host: Host, keys: t.Iterable[str]) -> t.Dict[str, sysctl_d.Line]:
    """Return the line of others that wins at the next reboot, by key; no key that ours wins or nobody sets."""
    lines, kernel = at_boot(host), sysctl_d.kernel_at_start(host)
    won = ((key, sysctl_d.winner(lines, key, kernel)) for key in keys)
    return {key: line for key, line in won if line is not None and line.path != owned.SYSCTL_DROP_IN}


def settings(host: Host) -> t.Tuple[t.List[Setting], t.List[Setting]]:
    """Return what other programs set before sysctl.d is applied, and what they set after or beside it.

    Among those that come after, the order is one of many that a boot may have.
    """
    after = [
        one
        for one in host.once("other writers", lambda: [one for writer in _WRITERS for one in writer(host)])
        if one.key != sysctl_keys.NOFILE and not sysctl_d.is_gone(host, one.key)
    ]
    return kernel_command_line.kernel_line(host), after


def comes_after(path: str) -> bool:
    """Tell whether a line in this file is applied after sysctl.d, which then cannot help."""
    return bool(path) and not (sysctl_d.is_sorted(path) or kernel_command_line.is_of_it(path))


def nofile_lines(host: Host) -> t.List[t.Tuple[Setting, str]]:
    """Return who sets nofile besides pam_limits and systemd, and the unit that it is for, "" for all.

    Besides units and init scripts these are the variables that a script of the same name reads (/etc/default), and
    what init programs other than systemd have for it.
    """
    found = [(one, "") for one in boot_scripts.scripts(host) if one.key == sysctl_keys.NOFILE]
    for unit, one in unit_commands.units(host) + boot_scripts.init_scripts(host):
        if one.key == sysctl_keys.NOFILE:
            found.append((one, unit))
    for directory, who in (("/etc/default", "the service %s"), ("/etc/sysconfig", "the service %s")):
        for name in host.names(directory):
            actions = shell_commands.script(host.text("%s/%s" % (directory, name)) or "")
            found += [
                (
                    Setting(sysctl_keys.NOFILE, action.value, "%s/%s" % (directory, name), action.line, who % name),
                    name + ".service",
                )
                for action in actions
                if action.kind == shell_commands.NOFILE
            ]
    return found + boot_scripts.openrc_limits(host) + boot_scripts.run_scripts(host)


def _tuned(host: Host) -> t.List[Setting]:
    """Return what TuneD sets: its profile's keys, or /etc/sysctl.conf once more; ``>N`` and ``<N`` are not values."""
    active = host.attempt("/etc/tuned", lambda: tuned.active(host))
    if active is None:
        return []
    if active.reapplies:
        return applied(host, _SYSCTL_CONF, _TUNED_LAST)
    return [
        Setting(key, option.value.lstrip("<"), option.path, option.line, "TuneD profile %s" % active.profile)
        for key, option in active.keys.items()
        if not option.value.startswith((">", "<") if key != "fs.nr_open" else ">")
    ]


def _of_units(host: Host) -> t.List[Setting]:
    return [one for _unit, one in unit_commands.units(host)]


def _of_init_scripts(host: Host) -> t.List[Setting]:
    return [one for _unit, one in boot_scripts.init_scripts(host)]


#: In about the order of a boot.
_WRITERS: t.Tuple[t.Callable[[Host], t.List[Setting]], ...] = (
    boot_files.modprobe,
    boot_files.udev,
    boot_files.tmpfiles,
    firewalls.ufw,
    firewalls.arno,
    firewalls.firehol,
    firewalls.apf,
    boot_files.interfaces,
    boot_files.cloud_init,
    boot_files.wsl,
    _of_init_scripts,
    _of_units,
    boot_scripts.scripts,
    _tuned,
    boot_files.cron,
)
