# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of programs that set a sysctl key at a boot, or when something happens, by a line or a command in it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    conf_d,
    shell_commands,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.script_settings import of_actions, words_of
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_UDEV = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_UDEV_SYSCTL = re.compile(r'SYSCTL\{([^}]*)\}\s*[:+]?=(?!=)\s*"([^"]*)"')
_UDEV_RUN = re.compile(r'RUN(?:\{program\})?\s*[:+]?=(?!=)\s*e?"((?:[^"\\]|\\.)*)"')
_MODPROBE = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d")
_CRONTABS = ("/etc/crontab", "/var/spool/cron/crontabs/root", "/var/spool/cron/root", "/etc/crontabs/root")
_CRON_DIRECTORIES = ("/etc/cron.d",)


def tmpfiles(host: Host) -> t.List[Setting]:
    """Return the ``w`` lines of tmpfiles.d(5) for /proc/sys; of two for one path the first counts, but for ``w+``."""
    found: t.List[Setting] = []
    seen: t.Set[str] = set()
    for path in conf_d.in_order(host.names, _TMPFILES, ".conf"):
        text = host.text(path) or ""
        for number, line in enumerate(text.split("\n") if "/proc/sys/" in text else (), start=1):
            words = words_of(line)
            if len(words) < 7 or not re.fullmatch(r"w[+!=~^$-]*", words[0]) or not words[1].startswith("/proc/sys/"):
                continue
            if words[1] in seen and "+" not in words[0]:
                continue
            seen.add(words[1])
            key = words[1][len("/proc/sys/") :].translate(str.maketrans("./", "/."))
            value = " ".join(re.sub(r"\\[nrt]", " ", " ".join(words[6:])).split())
            found.append(Setting(key, value, path, number, "systemd-tmpfiles, at boot"))
    return found


def udev(host: Host) -> t.List[Setting]:
    """Return what rules of udev(7) set by ``SYSCTL{…}=``, and by the commands that they run."""
    found = []
    who = "a rule of udev, when a device appears"
    for path in conf_d.in_order(host.names, _UDEV, ".rules"):
        text = host.text(path) or ""
        if "sysctl" not in text.lower() and "/proc/sys" not in text:
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if line.lstrip().startswith("#"):
                continue
            for key, value in _UDEV_SYSCTL.findall(line):
                found.append(Setting(sysctl_keys.normalize(key), value, path, number, who))
            for command in _UDEV_RUN.findall(line):
                actions = shell_commands.command(words_of(command.replace('\\"', '"')))
                found += of_actions(host, actions, path, number, who)
    return found


def modprobe(host: Host) -> t.List[Setting]:
    """Return what the ``install`` commands of modprobe.d(5) set."""
    found = []
    for path in conf_d.in_order(host.names, _MODPROBE, ".conf"):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            words = line.split(None, 2)
            if len(words) == 3 and words[0] == "install":
                who = "modprobe, when %s is loaded" % words[1]
                found += of_actions(host, shell_commands.script(words[2]), path, number, who)
    return found


def interfaces(host: Host) -> t.List[Setting]:
    """Return what the commands of interfaces(5) set."""
    found = []
    for path in ["/etc/network/interfaces"] + conf_d.named(host.names, "/etc/network/interfaces.d", ""):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            match = re.match(r"\s*(?:pre-up|up|post-up)\s+(.*)", line)
            if match is not None:
                actions = shell_commands.script(match.group(1))
                found += of_actions(host, actions, path, number, "ifupdown, when an interface comes up")
    return found


def cron(host: Host) -> t.List[Setting]:
    """Return what root's cron jobs set, at reboot or at any other time."""
    found = []
    paths = [*_CRONTABS]
    for directory in _CRON_DIRECTORIES:
        paths += conf_d.named(host.names, directory, "")
    for path in paths:
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            match = re.match(r"\s*(@\w+|[-*0-9/,]+(?:\s+[-*0-9a-zA-Z/,]+){4})\s+(.*)", line)
            if match is None:
                continue
            user, command = "", match.group(2)
            if path.startswith(("/etc/crontab", "/etc/cron.d")) and not path.startswith("/etc/crontabs"):
                user, _blank, command = command.partition(" ")
            if user in ("", "root"):
                found += of_actions(host, shell_commands.script(command.lstrip()), path, number, "cron")
    return found


def cloud_init(host: Host) -> t.List[Setting]:
    """Return what the ``bootcmd`` of cloud-init sets, which runs at every boot; ``runcmd`` runs once."""
    found = []
    paths = ["/etc/cloud/cloud.cfg"] + conf_d.named(host.names, "/etc/cloud/cloud.cfg.d", ".cfg")
    paths += ["/var/lib/cloud/instance/cloud-config.txt"]
    for path in paths:
        inside = False
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            if re.match(r"[A-Za-z_]", line):
                inside = line.startswith("bootcmd:")
            elif inside:
                # Of YAML's ways to write a list of commands: the words are the same in each.
                text = re.sub(r"^\s*(?:-\s+)*", "", line).strip()
                bare = re.fullmatch(r"\[(.*)\]", text)
                words = bare.group(1).replace(",", " ") if bare is not None else _unquoted(text)
                found += of_actions(host, shell_commands.script(words), path, number, "cloud-init, at every boot")
    return found


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def wsl(host: Host) -> t.List[Setting]:
    """Return what the command sets that WSL runs at each start (/etc/wsl.conf)."""
    line, command = sysctl_d.wsl_boot(host, "command") if containment.is_wsl(host) else (0, "")
    return of_actions(host, shell_commands.script(command), "/etc/wsl.conf", line, "WSL, at each start")
