# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown and ifupdown2: a hook that they run behind an interface's stanza, and the batch that it reads."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import (
    Interface,
    Manager,
    Persistence,
    Question,
    in_batch,
    settings,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import daemons
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

NAME = "ifupdown"

_INTERFACES = "/etc/network/interfaces"
#: What is up: a line ``eth0=home`` for each interface and the name of its stanza (interfaces(5)).
_STATE = "/run/network/ifstate"
_OF_2 = "/usr/share/ifupdown2"
_OF_NG = "/usr/libexec/ifupdown-ng"
#: Where ifupdown2 keeps its state, and whether it runs the scripts of /etc/network/if-up.d.
_CONFIGURATION_OF_2 = "/etc/network/ifupdown2/ifupdown2.conf"
_STATE_OF_2 = "/var/tmp/network"  # noqa: S108 - ifupdown2's own choice
#: Not active since the reboot, the state is that of before.
_UNIT = "networking.service"


def _evidence(host: Host, interface: Interface) -> t.Optional[str]:
    """Return what says that an interface was brought up, not a stanza alone: another may manage what that names."""
    if not host.exists(_OF_2):
        return _STATE if interface.names & set(settings(host.read(_STATE))) else None
    directory = settings(host.read(_CONFIGURATION_OF_2)).get("state_dir", _STATE_OF_2)
    state = os.path.join(directory, "ifstatenew")
    if daemons.stopped(host, _UNIT) or not _in_pickle(host.read(state) or "", interface):
        return None
    return state


def _in_pickle(text: str, interface: Interface) -> bool:
    """Tell whether a pickle of Python's has the name of an interface, without what reading it as one would run.

    A text stands behind its length there, of one byte or four (pickletools.py, SHORT_BINUNICODE and BINUNICODE).
    """
    lengths = ((chr(len(name)), name) for name in interface.names)
    return any(length + zeros + name in text for length, name in lengths for zeros in ("", "\0\0\0"))


def _keep(host: Host, question: Question) -> Persistence:
    interface = question.interface
    stanza, no_scripts = _read_interfaces(host, interface.names)
    if stanza is None:
        why = "No `iface %s` stanza stands in %s or a file that it sources. " % (interface.name, _INTERFACES)
        raise question.refusal(why + "Add one. " + question.otherwise)
    if host.exists(_OF_NG):
        why = "%s is managed by ifupdown-ng (%s), which this version cannot extend. " % (interface.name, _OF_NG)
        raise question.refusal(why + question.otherwise)
    if host.first(("/sbin/ifup", "/usr/sbin/ifup")) is None:
        why = "%s has an `iface %s` stanza but ifup is not installed, so nothing reads it. " % (stanza, interface.name)
        raise question.refusal(why + "Install ifupdown or remove the stanza. " + question.otherwise)
    if host.exists(_OF_2):
        if settings(host.read(_CONFIGURATION_OF_2)).get("addon_scripts_support") != "1":
            why = "ifupdown2 runs no script of /etc/network/if-up.d: %s has no addon_scripts_support=1. " % (
                _CONFIGURATION_OF_2
            )
            raise question.refusal(why + "Set it there. " + question.otherwise)
    elif no_scripts is not None:
        why = "%s has a no-scripts line for %s, so ifupdown would not run %s. " % (
            no_scripts,
            interface.name,
            owned.IFUPDOWN_HOOK,
        )
        raise question.refusal(why + "Remove that line. " + question.otherwise)
    # A hook and no stanza of our own: ifupdown would apply that before the interface's stanzas wherever it is sourced
    # before them, when a bridge or bond does not exist yet. The batch goes before the hook that reads it.
    return Persistence(NAME, {"batch": owned.IFUPDOWN_BATCH, "ifupdown_hook": owned.IFUPDOWN_HOOK}, [])


def _read_interfaces(host: Host, names: t.FrozenSet[str]) -> t.Tuple[t.Optional[str], t.Optional[str]]:
    """Return the files with the first ``iface`` stanza and the first ``no-scripts`` line for one of the names.

    As interfaces(5) has it: lines joined by a final backslash, ``source`` with shell patterns,
    ``source-directory`` for names of letters, digits, - and _, relative to the file that says so.
    """
    stanza, no_scripts = None, None
    waiting, seen = [_INTERFACES], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        lines = [line for line in (host.read(path) or "").split("\n") if not line.lstrip().startswith("#")]
        for line in "\n".join(lines).replace("\\\n", " ").splitlines():
            words = line.split()
            if words[:1] == ["iface"] and names.intersection(words[1:2]):
                stanza = stanza or path
            if words[:1] == ["no-scripts"] and any(
                fnmatch.fnmatchcase(name, word.lstrip("/")) for word in words[1:] for name in names
            ):
                no_scripts = no_scripts or path
            for pattern in _sourced_patterns(words, os.path.dirname(path)):
                waiting += _sourced_files(host, pattern, words[0] == "source-directory")
    return stanza, no_scripts


def _sourced_patterns(words: t.List[str], directory: str) -> t.List[str]:
    if words[:1] not in (["source"], ["source-directory"]):
        return []
    try:
        # Quotes are read as wordexp(3) does; variables are not followed, and then match nothing.
        patterns = shlex.split(" ".join(words[1:]))
    except ValueError:
        return []
    return [os.path.normpath(os.path.join(directory, pattern)) for pattern in patterns]


def _sourced_files(host: Host, pattern: str, directory: bool) -> t.List[str]:
    found = [""]
    for part in pattern.split("/")[1:]:
        if set(part) & set("*?["):
            found = ["%s/%s" % (place, name) for place in found for name in _matching(host, place, part)]
        else:
            found = ["%s/%s" % (place, part) for place in found]
    if directory:
        plain = re.compile(r"[a-zA-Z0-9_-]+")
        found = [
            "%s/%s" % (place, name)
            for place in found
            if host.is_directory(place)
            for name in host.list(place)
            if plain.fullmatch(name)
        ]
    return [path for path in found if host.exists(path) and not host.is_directory(path)]


def _matching(host: Host, directory: str, pattern: str) -> t.List[str]:
    """Return the names that a shell pattern matches: hidden ones where it begins with a dot only."""
    names = host.list(directory) if host.is_directory(directory) else []
    return [
        name
        for name in names
        if fnmatch.fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith("."))
    ]


def _own_files(_host: Host) -> t.List[str]:
    # The hook before the batch that it reads.
    return [owned.IFUPDOWN_HOOK, owned.IFUPDOWN_BATCH]


MANAGER = Manager(NAME, _evidence, _keep, _own_files, in_batch)
