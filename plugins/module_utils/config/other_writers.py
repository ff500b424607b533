# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sets sysctl keys besides sysctl.d: each program by its own files, and when it does in a boot.

The kernel's command line comes before sysctl.d, everything else after it or at the same time: ufw.service,
systemd-tmpfiles-setup.service and systemd-udevd.service are not ordered against systemd-sysctl.service, ordinary
units come after sysinit.target and so after it. docs/other-peoples-settings.md has the versions that were read.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    shell_commands,
    sysctl_d,
    systemd_limits,
    tuned,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys

_SYSCTL_CONF = "/etc/sysctl.conf"
_TUNED_LAST = "TuneD, which applies it last (reapply_sysctl)"

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
_CRONTABS = ("/etc/crontab", "/var/spool/cron/crontabs/root", "/var/spool/cron/root", "/etc/crontabs/root")
_CRON_DIRECTORIES = ("/etc/cron.d",)
#: Where a script of one's own is; what packages install elsewhere is not followed.
_OWN_SCRIPTS = ("/usr/local/", "/opt/", "/root/", "/etc/", "/srv/", "/home/")
_MAX_STEPS = 3

_BOOT_LOADERS = ("/etc/kernel/cmdline", "/boot/cmdline.txt", "/boot/firmware/cmdline.txt")
_GRUB = re.compile(r"^\s*(?:export\s+)?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\+?=(.*)$")
_LOADER_ENTRY = re.compile(r"^\s*options\s+(.*)$")
_KERNEL_LINE = "the kernel's command line, which sysctl.d follows"

_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_UDEV = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_UDEV_SYSCTL = re.compile(r'SYSCTL\{([^}]*)\}\s*[:+]?=(?!=)\s*"([^"]*)"')
_UDEV_RUN = re.compile(r'RUN(?:\{program\})?\s*[:+]?=(?!=)\s*e?"((?:[^"\\]|\\.)*)"')
_MODPROBE = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d")

_EXEC = ("ExecStartPre", "ExecStart", "ExecStartPost")
_PULLS_IN = re.compile(r"^\s*(?:Wants|Requires|Requisite|BindsTo|Upholds)\s*=(.*)$", re.MULTILINE)
_STARTS = re.compile(r"^\s*Unit\s*=\s*(\S+)\s*$", re.MULTILINE)
_MAY_SET = re.compile(
    r"sysctl|/proc/sys/|ulimit|prlimit|chpst|^\s*Exec\w+\s*=[^\n]*(?:/usr/local/|/opt/|/root/|/etc/|/srv/|/home/)",
    re.MULTILINE,
)
#: Units that start another, of their own name if none is named.
_STARTERS = (".timer", ".path", ".socket")
_RUN_LEVEL = re.compile(r"S[0-9]{2}(.+)")
_PREFIXES = "-@:+!|"


def at_boot(host: Host, volatile: bool = True) -> t.List[sysctl_d.Line]:
    """Return every line of the next boot that sets a key, in the order in which they come; the last one wins.

    volatile: as in sysctl_d.at_boot
    """
    before, after = settings(host)
    lines: t.List[sysctl_d.Line] = [*before]
    return lines + [*sysctl_d.at_boot(host, volatile)] + [*after]


def foreign_winners(host: Host, keys: t.Iterable[str]) -> t.Dict[str, sysctl_d.Line]:
    """Return the line of others that wins a key at the next boot, by key; not of keys that ours wins or nobody sets."""
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
    return kernel_line(host), after


def comes_after(path: str) -> bool:
    """Tell whether a line in this file is applied after sysctl.d, which then cannot help."""
    first = ("/proc/cmdline", *_BOOT_LOADERS)
    return bool(path) and not (
        sysctl_d.is_sorted(path) or path in first or path.startswith(("/etc/default/grub", "/boot/loader/"))
    )


def nofile_lines(host: Host) -> t.List[t.Tuple[Setting, str]]:
    """Return who sets nofile besides pam_limits and systemd, and the unit that it is for, "" for all.

    Besides units and init scripts these are the variables that a script of the same name reads (/etc/default), and
    what init programs other than systemd have for it.
    """
    found = [(one, "") for one in _scripts(host) if one.key == sysctl_keys.NOFILE]
    for unit, one in _units(host) + _init_scripts(host):
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
    return found + _openrc_limits(host) + _run_scripts(host)


# --- who writes ---


def kernel_line(host: Host) -> t.List[Setting]:
    """Return the ``sysctl.KEY=VALUE`` of the kernel's command line (fs/proc/proc_sysctl.c, do_sysctl_args).

    Of this boot, and of the next one where a boot loader's own file has it. Keys of a module that is loaded later are
    not set this way.
    """
    found = []
    for path, number, text in _kernel_lines(host):
        for word in text.split():
            key, equals, value = word.partition("=")
            if equals and key.startswith("sysctl."):
                key = sysctl_keys.normalize(key[len("sysctl.") :].replace("/", "."))
                if sysctl_d.names_of(key) == (key,):
                    found.append(Setting(key, value.strip("\"'"), path, number, _KERNEL_LINE))
    return found


def _kernel_lines(host: Host) -> t.Iterator[t.Tuple[str, int, str]]:
    for path in ("/proc/cmdline", *_BOOT_LOADERS):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            yield path, number, line
    grub = ["/etc/default/grub"] + _named(host, "/etc/default/grub.d", ".cfg")
    entries = _named(host, "/boot/loader/entries", ".conf")
    for pattern, paths in ((_GRUB, grub), (_LOADER_ENTRY, entries)):
        for path in paths:
            for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
                match = pattern.match(line)
                if match is not None:
                    yield path, number, match.group(1).strip("\"' ")


def _ufw(host: Host) -> t.List[Setting]:
    """Return what ufw has sysctl(8) apply at its start (ufw 0.36, ufw-init-functions), if it is enabled."""
    enabled = re.findall(r"^\s*ENABLED=[\"']?(\w+)", host.text("/etc/ufw/ufw.conf") or "", re.MULTILINE)
    if not enabled or enabled[-1] not in ("yes", "YES"):
        return []
    default = host.text("/etc/default/ufw")
    named = re.findall(r"^\s*IPT_SYSCTL=(.*)$", default or "", re.MULTILINE)
    words = named[-1].split("#")[0].strip("\"' \t").split() if named else ["/etc/ufw/sysctl.conf"]
    return [one for path in words for one in _applied(host, path, "ufw, which applies it after sysctl.d")]


def _arno(host: Host) -> t.List[Setting]:
    """Return what arno-iptables-firewall 2.1 sets: it always sets the port range, by default to the kernel's."""
    path = "/etc/arno-iptables-firewall/firewall.conf"
    if host.text(path) is None:
        return []
    who = "arno-iptables-firewall, when it starts"
    found = {"LOCAL_PORT_RANGE": Setting("net.ipv4.ip_local_port_range", "32768 60999", path, 1, who)}
    for one in [path] + _named(host, "/etc/arno-iptables-firewall/conf.d", ".conf"):
        for name, value, line in _variables(host.text(one) or ""):
            if name == "LOCAL_PORT_RANGE" and value:
                found[name] = Setting("net.ipv4.ip_local_port_range", value, one, line, who)
            elif name == "CONNTRACK":
                found[name] = Setting("net.nf_conntrack_max", value, one, line, who)
    return [one for one in found.values() if one.value not in ("", "0")]


def _firehol(host: Host) -> t.List[Setting]:
    who = "firehol, when it starts"
    return [
        Setting("net.netfilter.nf_conntrack_max", value, path, line, who)
        for path in ("/etc/firehol/firehol-defaults.conf", "/etc/firehol/firehol.conf", "/etc/default/firehol")
        for name, value, line in _variables(host.text(path) or "")
        if name == "FIREHOL_CONNTRACK_MAX" and value
    ]


def _apf(host: Host) -> t.List[Setting]:
    path = "/etc/apf-firewall/sysctl.rules"
    return _of_script(host, path, "apf-firewall, when it starts")


def _tuned(host: Host) -> t.List[Setting]:
    """Return what TuneD sets: its profile's keys, or /etc/sysctl.conf once more; ``>N`` and ``<N`` are not values."""
    active = host.attempt("/etc/tuned", lambda: tuned.active(host))
    if active is None:
        return []
    if active.reapplies:
        return _applied(host, _SYSCTL_CONF, _TUNED_LAST)
    return [
        Setting(key, option.value.lstrip("<"), option.path, option.line, "TuneD profile %s" % active.profile)
        for key, option in active.keys.items()
        if not option.value.startswith((">", "<") if key != "fs.nr_open" else ">")
    ]


def _tmpfiles(host: Host) -> t.List[Setting]:
    """Return the ``w`` lines of tmpfiles.d(5) for /proc/sys; of two for one path the first counts, but for ``w+``."""
    found: t.List[Setting] = []
    seen: t.Set[str] = set()
    for path in _in_order(host, _TMPFILES, ".conf"):
        text = host.text(path) or ""
        for number, line in enumerate(text.split("\n") if "/proc/sys/" in text else (), start=1):
            words = _split(line)
            if len(words) < 7 or not re.fullmatch(r"w[+!=~^$-]*", words[0]) or not words[1].startswith("/proc/sys/"):
                continue
            if words[1] in seen and "+" not in words[0]:
                continue
            seen.add(words[1])
            key = words[1][len("/proc/sys/") :].translate(str.maketrans("./", "/."))
            value = " ".join(re.sub(r"\\[nrt]", " ", " ".join(words[6:])).split())
            found.append(Setting(key, value, path, number, "systemd-tmpfiles, at boot"))
    return found


def _udev(host: Host) -> t.List[Setting]:
    """Return what rules of udev(7) set by ``SYSCTL{…}=``, and by the commands that they run."""
    found = []
    who = "a rule of udev, when a device appears"
    for path in _in_order(host, _UDEV, ".rules"):
        text = host.text(path) or ""
        if "sysctl" not in text.lower() and "/proc/sys" not in text:
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if line.lstrip().startswith("#"):
                continue
            for key, value in _UDEV_SYSCTL.findall(line):
                found.append(Setting(sysctl_keys.normalize(key), value, path, number, who))
            for command in _UDEV_RUN.findall(line):
                actions = shell_commands.command(_split(command.replace('\\"', '"')))
                found += _of_actions(host, actions, path, number, who)
    return found


def _modprobe(host: Host) -> t.List[Setting]:
    """Return what the ``install`` commands of modprobe.d(5) set."""
    found = []
    for path in _in_order(host, _MODPROBE, ".conf"):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            words = line.split(None, 2)
            if len(words) == 3 and words[0] == "install":
                who = "modprobe, when %s is loaded" % words[1]
                found += _of_actions(host, shell_commands.script(words[2]), path, number, who)
    return found


def _interfaces(host: Host) -> t.List[Setting]:
    """Return what the commands of interfaces(5) set."""
    found = []
    for path in ["/etc/network/interfaces"] + _named(host, "/etc/network/interfaces.d", ""):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            match = re.match(r"\s*(?:pre-up|up|post-up)\s+(.*)", line)
            if match is not None:
                actions = shell_commands.script(match.group(1))
                found += _of_actions(host, actions, path, number, "ifupdown, when an interface comes up")
    return found


def _cron(host: Host) -> t.List[Setting]:
    """Return what root's cron jobs set, at reboot or at any other time."""
    found = []
    paths = [*_CRONTABS]
    for directory in _CRON_DIRECTORIES:
        paths += _named(host, directory, "")
    for path in paths:
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            match = re.match(r"\s*(@\w+|[-*0-9/,]+(?:\s+[-*0-9a-zA-Z/,]+){4})\s+(.*)", line)
            if match is None:
                continue
            user, command = "", match.group(2)
            if path.startswith(("/etc/crontab", "/etc/cron.d")) and not path.startswith("/etc/crontabs"):
                user, _blank, command = command.partition(" ")
            if user in ("", "root"):
                found += _of_actions(host, shell_commands.script(command.lstrip()), path, number, "cron")
    return found


def _cloud_init(host: Host) -> t.List[Setting]:
    """Return what the ``bootcmd`` of cloud-init sets, which runs at every boot; ``runcmd`` runs once."""
    found = []
    paths = ["/etc/cloud/cloud.cfg"] + _named(host, "/etc/cloud/cloud.cfg.d", ".cfg")
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
                found += _of_actions(host, shell_commands.script(words), path, number, "cloud-init, at every boot")
    return found


def _wsl(host: Host) -> t.List[Setting]:
    line, command = sysctl_d.wsl_boot(host, "command") if containment.is_wsl(host) else (0, "")
    return _of_actions(host, shell_commands.script(command), "/etc/wsl.conf", line, "WSL, at each start")


def _scripts(host: Host) -> t.List[Setting]:
    found = []
    for path, who in _SCRIPTS:
        if _is_run(host, path):
            found += _of_script(host, path, who)
    for directory, suffix, who in _HOOKS:
        for path in _named(host, directory, suffix):
            found += _of_script(host, path, who)
    return found


def _of_units(host: Host) -> t.List[Setting]:
    return [one for _unit, one in _units(host)]


def _of_init_scripts(host: Host) -> t.List[Setting]:
    return [one for _unit, one in _init_scripts(host)]


def _init_scripts(host: Host) -> t.List[t.Tuple[str, Setting]]:
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
        found += [(name + ".service", one) for one in _of_script(host, path, "the init script %s" % name)]
    return found


# --- systemd's units ---


def _units(host: Host) -> t.List[t.Tuple[str, Setting]]:
    """Return what the commands of the units set that a boot starts, each with its unit."""
    return host.once("commands of units", lambda: _of_wanted(host))


def _of_wanted(host: Host) -> t.List[t.Tuple[str, Setting]]:
    names = sorted(_worth_reading(host))
    units = host.attempt("units of systemd", lambda: systemd_limits.units(host)) if names else None
    found: t.List[t.Tuple[str, Setting]] = []
    if units is None:
        return found
    for name in names:
        files = host.attempt(name, functools.partial(units.files, name)) or []
        for path, line, command in _commands(host, files):
            actions = [action for words in _simple_commands(command) for action in shell_commands.command(words)]
            found += [(name, one) for one in _of_actions(host, actions, path, line, "%s, when it starts" % name)]
    return found


def _worth_reading(host: Host) -> t.List[str]:
    """Return the units that a boot starts and of which some file has a command that may set something."""
    listed = {directory: host.names(directory) for directory in systemd_limits.UNIT_PATH}
    texts = _wanted(host, listed)
    for directory, names in listed.items():
        for name in names:
            unit = name[:-2]
            if name.endswith(".d") and unit in texts:
                for path in _named(host, "%s/%s" % (directory, name), ".conf"):
                    texts[unit] += host.text(path) or ""
    return [unit for unit, text in texts.items() if unit.endswith(".service") and _MAY_SET.search(text)]


def _commands(host: Host, files: t.Sequence[str]) -> t.List[t.Tuple[str, int, str]]:
    """Return path, line and text of each command of a unit; an empty assignment takes back those before it."""
    found: t.List[t.Tuple[str, int, str]] = []
    for kind in _EXEC:
        listed: t.List[t.Tuple[str, int, str]] = []
        for path in files:
            text = host.text(path) or ""
            for line, value in systemd_limits.assignments(text, "Service", kind) if kind in text else ():
                listed = listed + [(path, line, value)] if value else []
        found += listed
    return found


def _simple_commands(text: str) -> t.Iterator[t.List[str]]:
    """Yield the words of each command; of systemd's own quoting what shells have, too (systemd.service(5))."""
    words: t.List[str] = []
    for word in _split(text.replace("$$", "$").replace("%%", "%")):
        if word == ";":
            yield words
            words = []
        else:
            words.append(word.lstrip(_PREFIXES) if not words else word)
    yield words


def _wanted(host: Host, listed: t.Mapping[str, t.Sequence[str]]) -> t.Dict[str, str]:
    """Return the units that a boot starts, or may, with the texts of their files.

    Those are what a ``.wants`` directory has, and what that pulls in.
    listed: what each directory of units has
    """
    todo = []
    for directory, names in listed.items():
        for name in names:
            if name.endswith((".wants", ".requires")):
                todo += host.names("%s/%s" % (directory, name))
    place_of: t.Dict[str, str] = {}
    for directory, names in listed.items():
        for name in names:
            place_of.setdefault(name, "%s/%s" % (directory, name))
    wanted: t.Dict[str, str] = {}
    while todo:
        name = todo.pop()
        if name in wanted:
            continue
        path = place_of.get(name) or place_of.get(re.sub("@[^.]*", "@", name))
        text = (host.text(path) or "") if path is not None else ""
        wanted[name] = text
        todo += [word for words in _PULLS_IN.findall(text) for word in words.split()]
        if name.endswith(_STARTERS):
            todo += _STARTS.findall(text) or [name.rpartition(".")[0] + ".service"]
    return wanted


# --- what else sets nofile ---


def _openrc_limits(host: Host) -> t.List[t.Tuple[Setting, str]]:
    """Return the rc_ulimit of OpenRC: of all services in rc.conf, of one in conf.d (openrc-run.sh)."""
    found = []
    for path in ["/etc/rc.conf"] + _named(host, "/etc/conf.d", ""):
        unit = "" if path == "/etc/rc.conf" else os.path.basename(path) + ".service"
        who = "OpenRC, for every service" if not unit else "OpenRC, for the service %s" % os.path.basename(path)
        for name, value, line in _variables(host.text(path) or ""):
            if name in ("rc_ulimit", "RC_ULIMIT"):
                actions = shell_commands.script("ulimit " + value)
                found += [(Setting(sysctl_keys.NOFILE, action.value, path, line, who), unit) for action in actions]
    return found


def _run_scripts(host: Host) -> t.List[t.Tuple[Setting, str]]:
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


# --- reading ---


def _applied(host: Host, path: str, who: str, pattern: str = "") -> t.List[Setting]:
    """Return what ``sysctl -p`` sets by a file, as procps reads it; ``pattern``: what keys have to match."""
    lines = host.once("sysctl -p %s" % path, lambda: sysctl_d.parse(host.text(path) or "", path, systemd=False))
    return [
        Setting(line.key, line.value, path, line.line, who)
        for line in lines
        if line.value is not None and _matches(pattern, line.key)
    ]


def _matches(pattern: str, key: str) -> bool:
    try:
        return re.search(pattern, key) is not None
    except re.error:
        # Then sysctl(8) stops before it sets anything.
        return False


def _of_script(host: Host, path: str, who: str) -> t.List[Setting]:
    return _of_actions(host, shell_commands.script(host.text(path) or ""), path, 0, who)


def _of_actions(
    host: Host,
    actions: t.Iterable[shell_commands.Action],
    path: str,
    line: int,
    who: str,
    seen: t.FrozenSet[str] = frozenset(),
) -> t.List[Setting]:
    """Return the settings that come of actions, those of the scripts among them that they run.

    line: of the whole command in ``path``, 0 where the actions tell theirs
    """
    found: t.List[Setting] = []
    for action in actions:
        number = line or action.line
        if action.kind == shell_commands.SET:
            found.append(Setting(action.what, action.value, path, number, who))
        elif action.kind == shell_commands.NOFILE:
            found.append(Setting(sysctl_keys.NOFILE, action.value, path, number, who))
        elif action.kind == shell_commands.LOAD:
            found += _applied(host, action.what, "sysctl -p in %s:%d" % (path, number), action.value)
        elif len(seen) < _MAX_STEPS and action.what not in seen and action.what.startswith(_OWN_SCRIPTS):
            inner = shell_commands.script(_script_text(host, action.what))
            found += _of_actions(host, inner, action.what, 0, who, seen | {action.what})
    return found


def _script_text(host: Host, path: str) -> str:
    """Return a script's text, nothing for a program."""
    text = host.once("script %s" % path, lambda: host.text(path)) or ""
    return text if text.startswith("#!") or path.endswith(".sh") else ""


def _is_run(host: Host, path: str) -> bool:
    """Tell whether a script is executable, without which systemd passes rc.local over (systemd-rc-local-generator).

    Of a folder that stands for a host this cannot be told, as copies of files often have no modes.
    """
    return not host.live or os.access(host.place(path), os.X_OK)


def _named(host: Host, directory: str, suffix: str) -> t.List[str]:
    """Return the paths of what a directory has under such a name, in the order of their bytes."""
    names = [name for name in host.names(directory) if name.endswith(suffix)]
    return ["%s/%s" % (directory, name) for name in names if not name.startswith(".") and not name.endswith("~")]


def _in_order(host: Host, directories: t.Iterable[str], suffix: str) -> t.List[str]:
    """Return the files of such a name, sorted; of equal names the first directory's."""
    path_of: t.Dict[str, str] = {}
    for directory in directories:
        for path in _named(host, directory, suffix):
            path_of.setdefault(os.path.basename(path), path)
    return [path_of[name] for name in sorted(path_of, key=os.fsencode)]


def _variables(text: str) -> t.Iterator[t.Tuple[str, str, int]]:
    """Yield the shell variables that a file of settings assigns: name, value without its quotes, line."""
    for number, line in enumerate(text.split("\n"), start=1):
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|[^\s#]*)", line)
        if match is not None and "$" not in match.group(2):
            yield match.group(1), match.group(2).strip("\"'"), number


def _split(text: str) -> t.List[str]:
    if len(text) > 1 << 16:
        return []
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return []


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


#: In about the order of a boot.
_WRITERS: t.Tuple[t.Callable[[Host], t.List[Setting]], ...] = (
    _modprobe,
    _udev,
    _tmpfiles,
    _ufw,
    _arno,
    _firehol,
    _apf,
    _interfaces,
    _cloud_init,
    _wsl,
    _of_init_scripts,
    _of_units,
    _scripts,
    _tuned,
    _cron,
)
