# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of systemd's units that a boot starts, and what they set."""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    conf_d,
    shell_commands,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.script_settings import (
    OWN_SCRIPTS,
    of_actions,
    words_of,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

_EXEC = ("ExecStartPre", "ExecStart", "ExecStartPost")
_PULLS_IN = re.compile(r"^\s*(?:Wants|Requires|Requisite|BindsTo|Upholds)\s*=(.*)$", re.MULTILINE)
_STARTS = re.compile(r"^\s*Unit\s*=\s*(\S+)\s*$", re.MULTILINE)
_MAY_SET = re.compile(
    r"sysctl|/proc/sys/|ulimit|prlimit|chpst|^\s*Exec\w+\s*=[^\n]*(?:%s)" % "|".join(map(re.escape, OWN_SCRIPTS)),
    re.MULTILINE,
)
#: Units that start another, of their own name if none is named.
_STARTERS = (".timer", ".path", ".socket")
_PREFIXES = "-@:+!|"


def units(host: Host) -> t.List[t.Tuple[str, Setting]]:
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
            found += [(name, one) for one in of_actions(host, actions, path, line, "%s, when it starts" % name)]
    return found


def _worth_reading(host: Host) -> t.List[str]:
    """Return the units that a boot starts and of which some file has a command that may set something."""
    listed = {directory: host.names(directory) for directory in systemd_limits.UNIT_PATH}
    texts = _wanted(host, listed)
    for directory, names in listed.items():
        for name in names:
            unit = name[:-2]
            if name.endswith(".d") and unit in texts:
                for path in conf_d.named(host.names, "%s/%s" % (directory, name), ".conf"):
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
    for word in words_of(text.replace("$$", "$").replace("%%", "%")):
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
