# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line, of this boot and of the next one."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    conf_d,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

_BOOT_LOADERS = ("/etc/kernel/cmdline", "/boot/cmdline.txt", "/boot/firmware/cmdline.txt")
_GRUB = re.compile(r"^\s*(?:export\s+)?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\+?=(.*)$")
_LOADER_ENTRY = re.compile(r"^\s*options\s+(.*)$")
_KERNEL_LINE = "the kernel's command line, which sysctl.d follows"


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


def is_of_it(path: str) -> bool:
    """Tell whether a file has the kernel's command line, of this boot or of the next one."""
    return path in ("/proc/cmdline", *_BOOT_LOADERS) or path.startswith(("/etc/default/grub", "/boot/loader/"))


def _kernel_lines(host: Host) -> t.Iterator[t.Tuple[str, int, str]]:
    for path in ("/proc/cmdline", *_BOOT_LOADERS):
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            yield path, number, line
    grub = ["/etc/default/grub"] + conf_d.named(host.names, "/etc/default/grub.d", ".cfg")
    entries = conf_d.named(host.names, "/boot/loader/entries", ".conf")
    for pattern, paths in ((_GRUB, grub), (_LOADER_ENTRY, entries)):
        for path in paths:
            for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
                match = pattern.match(line)
                if match is not None:
                    yield path, number, match.group(1).strip("\"' ")
