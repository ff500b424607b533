# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sysctl keys that TuneD sets, and what it lets win over them.

Read from TuneD 2.20 (tuned/profiles/loader.py, locator.py, merger.py, plugins/plugin_sysctl.py). With
``reapply_sysctl``, the default, it applies /run/sysctl.d, /etc/sysctl.d and at last /etc/sysctl.conf again once its
own keys are set. So a drop-in in /etc/sysctl.d beats the profile, and /etc/sysctl.conf beats the drop-in, also on
hosts whose boot never reads that file.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

_CHOICES = ("/etc/tuned/active_profile", "/etc/tuned/post_loaded_profile")
_MAIN = "/etc/tuned/tuned-main.conf"
#: Since 2.23 profiles have a directory of their own; the old places are still searched.
_PROFILE_DIRECTORIES = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
_WANTS = "/etc/systemd/system/multi-user.target.wants"

#: Options of a section that are about the section itself (tuned/profiles/unit.py).
_UNIT_OPTIONS = frozenset(
    (
        "cpuinfo_regex",
        "devices",
        "devices_udev_regex",
        "drop",
        "enabled",
        "priority",
        "replace",
        "script_post",
        "script_pre",
        "type",
        "uname_regex",
    )
)
_CONDITIONS = ("cpuinfo_regex", "uname_regex")


class Option(t.NamedTuple):
    value: str
    path: str
    line: int


Section = t.Dict[str, Option]


class Tuned(t.NamedTuple):
    """TuneD at work: the profiles, the keys that they set, and whether sysctl.d comes after them."""

    profile: str
    keys: t.Dict[str, Option]
    reapplies: bool


def active(host: Host) -> t.Optional[Tuned]:
    """Return what TuneD does on this host, None where it does not run, has no profile, or none with sysctl keys."""
    if not (host.exists("/run/tuned/tuned.pid") or "tuned.service" in host.names(_WANTS)):
        return None
    names = " ".join(host.text(path) or "" for path in _CHOICES).split()
    sections: t.Dict[str, Section] = {}
    _load(host, names, sections, set())
    keys: t.Dict[str, Option] = {}
    applies = False
    for name, section in sections.items():
        kind = section["type"].value if "type" in section else name
        off = "enabled" in section and section["enabled"].value.lower() in ("0", "false", "no")
        # Whether a condition on processor or kernel holds is not looked into.
        if kind == "sysctl" and not off and not any(condition in section for condition in _CONDITIONS):
            applies = True
            keys.update(
                (sysctl_keys.normalize(key), option) for key, option in section.items() if key not in _UNIT_OPTIONS
            )
    return Tuned(" ".join(names), keys, _reapplies(host)) if applies else None


def wins(key: str, option: Option, ours: t.Optional[str], kernel: sysctl_keys.Kernel) -> bool:
    """Tell whether a profile's value replaces ``ours``, or any where that is None.

    One that the kernel refuses does not.

    ``>N`` only raises and ``<N`` only lowers (tuned/plugins/base.py, _process_assignment_modifiers).
    """
    modifier = option.value[:1]
    if modifier not in (">", "<"):
        # TuneD puts something in the place of a variable.
        takes = "${" in option.value or sysctl_keys.taken(key, option.value, kernel, ours) is not None
        return takes and (ours is None or not sysctl_keys.same(key, ours, option.value, kernel))
    number, present = decimal(option.value[1:].strip()), decimal(ours or "")
    if number is None or present is None:
        return modifier == "<"
    return number > present if modifier == ">" else number < present


def _load(host: Host, names: t.Iterable[str], sections: t.Dict[str, Section], seen: t.Set[str]) -> None:
    """Merge profiles, each after those that it includes; a file counts once."""
    for name in dict.fromkeys(names):
        path = _file(host, name.lstrip("-"), seen)
        if path is None:
            continue
        seen.add(path)
        profile = _parse(host.text(path) or "", path)
        include = profile.pop("main", {}).get("include")
        if include is not None:
            _load(host, re.split(r"\s*[,;]\s*", include.value), sections, seen)
        for section, options in profile.items():
            if "replace" in options and options["replace"].value.lower() in ("1", "true", "yes"):
                sections[section] = {}
            merged = sections.setdefault(section, {})
            for dropped in re.split(r"\s*,\s*", options["drop"].value) if "drop" in options else ():
                merged.pop(dropped, None)
            merged.update(options)


def _file(host: Host, name: str, seen: t.Set[str]) -> t.Optional[str]:
    places = ("%s/%s/tuned.conf" % (directory, name) for directory in _PROFILE_DIRECTORIES)
    # A profile may include the one of its own name that it stands before.
    return next((path for path in places if path not in seen and host.exists(path)), None)


def _parse(text: str, path: str) -> t.Dict[str, Section]:
    sections: t.Dict[str, Section] = {}
    present: Section = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].strip()
        if line.startswith("[") and line.endswith("]"):
            present = sections.setdefault(line[1:-1], {})
            continue
        key, equals, value = line.partition("=")
        if equals and not line.startswith(";"):
            present[key.strip()] = Option(_unquote(value.strip()), path, number)
    return sections


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _reapplies(host: Host) -> bool:
    values = re.findall(r"^\s*reapply_sysctl\s*=\s*(\S+)", host.text(_MAIN) or "", re.MULTILINE)
    return not values or values[-1].lower() in ("1", "true", "yes", "y", "t", "on")
