# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script sets when it runs: sysctl keys and nofile, its own and those of the scripts that it runs."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    shell_commands,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

#: Where a script of one's own is on a managed host; what packages install elsewhere is not followed.
OWN_SCRIPTS = ("/usr/local/", "/opt/", "/root/", "/etc/", "/srv/", "/home/")
_MAX_STEPS = 3


def of_script(host: Host, path: str, who: str) -> t.List[Setting]:
    """Return what a script sets. who: who runs it, and when"""
    return of_actions(host, shell_commands.script(host.text(path) or ""), path, 0, who)


def of_actions(
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
            found += applied(host, action.what, "sysctl -p in %s:%d" % (path, number), action.value)
        elif len(seen) < _MAX_STEPS and action.what not in seen and action.what.startswith(OWN_SCRIPTS):
            inner = shell_commands.script(_script_text(host, action.what))
            found += of_actions(host, inner, action.what, 0, who, seen | {action.what})
    return found


def applied(host: Host, path: str, who: str, pattern: str = "") -> t.List[Setting]:
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


def _script_text(host: Host, path: str) -> str:
    """Return a script's text, nothing for a program."""
    text = host.once("script %s" % path, lambda: host.text(path)) or ""
    return text if text.startswith("#!") or path.endswith(".sh") else ""


def variables(text: str) -> t.Iterator[t.Tuple[str, str, int]]:
    """Yield the shell variables that a file of settings assigns: name, value without its quotes, line."""
    for number, line in enumerate(text.split("\n"), start=1):
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|[^\s#]*)", line)
        if match is not None and "$" not in match.group(2):
            yield match.group(1), match.group(2).strip("\"'"), number


def words_of(text: str) -> t.List[str]:
    """Return the words of a line with a shell's quotes, none where a quote is not closed."""
    if len(text) > 1 << 16:
        return []
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return []
