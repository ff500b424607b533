# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nofile limits systemd gives to its units, by its own rules.

Read from systemd's src/basic/rlimit-util.c (rlimit_parse, setrlimit_closest), src/shared/conf-parser.c
(config_parse, config_parse_rlimit), src/shared/dropin.c (unit_file_find_dropin_paths) and src/core/main.c
(fallback_rlimit_nofile), 252 and 257. Two things that one might expect are not so for LimitNOFILE=: it takes
no K, M or G suffix, and an empty assignment resets nothing; systemd ignores either line.
"""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import conf_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

#: RLIM_INFINITY
INFINITY = 2**64 - 1

#: FD_SETSIZE and HIGH_RLIMIT_NOFILE, what fallback_rlimit_nofile makes of the kernel's 1024:4096.
BUILT_IN_SOFT, BUILT_IN_HARD = 1024, 524288
BUILT_IN_SOURCE = "systemd's built-in DefaultLimitNOFILE"

#: The kinds of units that start processes, with the section that their limits stand in.
_SECTIONS = {".service": "Service", ".socket": "Socket", ".mount": "Mount", ".swap": "Swap"}

#: lookup_paths_init_from_scope, in the order of precedence.
UNIT_PATH = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    owned.UNIT_DIRECTORY,
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
#: The directories of links that make one unit start another (systemd.unit(5)).
_DEPENDENCIES = (".wants", ".requires", ".upholds")
#: FOLLOW_MAX
_MAX_ALIASES = 8


_SURROGATE = re.compile("[\udc80-\udcff]")

#: The library that tells systemd's version, and the first that takes its main file from any directory.
_LIBRARY = re.compile(r"libsystemd-(?:core|shared)-([0-9]{1,6})")
_MAIN_FILE_ANYWHERE = 255

_CONFIGURATION_PATH = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")


class Limit(t.NamedTuple):
    """An effective limit and the line that sets it; line 0 is systemd's built-in default."""

    soft: int
    hard: int
    path: str
    line: int


class UnitLimit(t.NamedTuple):
    """A unit's own LimitNOFILE=."""

    unit: str
    limit: Limit


@looked_at_once
def is_installed(host: Host) -> bool:
    return host.first(("/usr/lib/systemd/systemd", "/lib/systemd/systemd")) is not None


def section_of(unit: str) -> t.Optional[str]:
    """Return the section that a unit's limits stand in, or None for a unit that has none."""
    return _SECTIONS.get(_suffix(unit) or "")


def parse_rlimit(value: str) -> t.Optional[t.Tuple[int, int]]:
    """Return (soft, hard), or None for a value that systemd ignores (rlimit_parse)."""
    soft_word, colon, hard_word = value.partition(":")
    soft = _number(soft_word)
    hard = _number(hard_word) if colon else soft
    if soft is None or hard is None or soft > hard:
        return None
    return soft, hard


def _number(word: str) -> t.Optional[int]:
    """rlimit_parse_u64: ``infinity``, or what safe_atou64 takes: any base that C knows, and 0b and 0o."""
    if word == "infinity":
        return INFINITY
    word = word.lstrip(" \t\n\r")
    match = re.fullmatch(r"0b([01]+)|0o([0-7]+)|[+]?(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))", word)
    if match is None or len(word) > 70:
        return None
    for digits, base in zip(match.groups(), (2, 8, 16, 8, 10)):
        if digits is not None:
            number = int(digits or "0", base)
            return number if number < INFINITY else None
    return None


def assignments(text: str, section: str, key: str) -> t.Sequence[t.Tuple[int, str]]:
    """Return the line and value of each ``key=`` in ``[section]``, as config_parse reads a file."""
    return _parse(text, section, key)[0]


# A unit's files are read for each question about it.
@functools.lru_cache(maxsize=256)
def _parse(text: str, section: str, key: str) -> t.Tuple[t.Sequence[t.Tuple[int, str]], bool]:
    """Return what assignments() does, and whether the file was read to its end."""
    found: t.List[t.Tuple[int, str]] = []
    present = None
    continued = ""
    marked = False
    # The empty last line ends a statement whose continuation the file does not have.
    for number, line in enumerate(conf_d.END_OF_LINE.split(text) + [""], start=1):
        if line.lstrip(" \t\r")[:1] in ("#", ";"):
            continue
        # One byte order mark is passed over, on whichever line it stands first.
        mark = not marked and line.startswith("\ufeff")
        marked = marked or mark
        continued += line[1:] if mark else line
        backslashes = len(continued) - len(continued.rstrip("\\"))
        if backslashes % 2:
            continued = continued[:-1] + " "
            continue
        statement, continued = continued.strip(" \t\r"), ""
        if not statement:
            continue
        broken_header = statement.startswith("[") and not statement.endswith("]")
        if broken_header or _is_undecodable(statement):
            # parse_line fails, and with it the reading of the file; what came before stands.
            return found, False
        if statement.startswith("["):
            present = statement[1:-1]
            continue
        name, separator, value = statement.partition("=")
        if separator and present == section and name.strip(" \t\r") == key:
            found.append((number, value.strip(" \t\r")))
    return found, True


def _is_undecodable(text: str) -> bool:
    """Tell whether read_text met bytes here that are no UTF-8."""
    return _SURROGATE.search(text) is not None


def _last(host: Host, paths: t.Iterable[str], section: str, key: str, together: bool = False) -> t.Optional[Limit]:
    """Return the last valid limit that the files, read in this order, set.

    together: where one cannot be read to its end, the rest is not read at all
    """
    chosen = None
    for path in paths:
        found, complete = _parse(host.read(path) or "", section, key)
        for line, value in found:
            pair = parse_rlimit(value)
            if pair is not None:
                chosen = Limit(pair[0], pair[1], path, line)
        if together and not complete:
            break
    return chosen


def configured_default(host: Host, manager: str = "system") -> t.Optional[Limit]:
    """Return the DefaultLimitNOFILE= that system.conf, or user.conf, and the drop-ins set, if any does."""
    name = manager + ".conf"
    main = host.first("%s/%s" % (directory, name) for directory in _main_directories(host))
    paths = [main] if main is not None else []
    paths += conf_d.in_order(host.list, ["%s/%s.d" % (directory, name) for directory in _CONFIGURATION_PATH])
    return _last(host, paths, "Manager", "DefaultLimitNOFILE", together=True)


@looked_at_once
def _main_directories(host: Host) -> t.Tuple[str, ...]:
    """Before config_parse_standard_file_with_dropins, the main file was looked for in /etc alone."""
    for library in ("/usr/lib64", "/usr/lib", "/lib64", "/lib"):
        for place in [library] + ["%s/%s" % (library, name) for name in host.list(library) if "linux" in name]:
            for match in map(_LIBRARY.match, host.list(place + "/systemd")):
                if match is not None:
                    return _CONFIGURATION_PATH[: 1 if int(match.group(1)) < _MAIN_FILE_ANYWHERE else None]
    return _CONFIGURATION_PATH


def default(host: Host) -> Limit:
    """Return the limit of every unit that sets none itself."""
    return configured_default(host) or Limit(BUILT_IN_SOFT, BUILT_IN_HARD, BUILT_IN_SOURCE, 0)


@looked_at_once
def units(host: Host) -> Units:
    """Return the host's units."""
    return Units(host)


class Units:
    """The units of a host: read once, asked often."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._file_of: t.Dict[str, str] = {}
        self._drop_in_directories: t.Dict[str, t.List[str]] = {}
        self._dependency_directories: t.List[str] = []
        self._aliases: t.Dict[str, t.List[str]] = {}
        self._alias_of: t.Dict[str, str] = {}
        self._search_path = {host.resolve(directory) or directory for directory in UNIT_PATH}
        for directory in UNIT_PATH:
            for name in host.list(directory):
                path = "%s/%s" % (directory, name)
                if name.endswith(".d"):
                    self._drop_in_directories.setdefault(name[:-2], []).append(path)
                elif name.endswith(_DEPENDENCIES):
                    self._dependency_directories.append(path)
                elif _suffix(name) is not None and name not in self._file_of:
                    alias = self._alias(directory, name)
                    if alias is not None:
                        self._file_of[name], self._alias_of[name] = path, alias
        for name in self._file_of:
            if self.real_name(name) != name:
                self._aliases.setdefault(self.real_name(name), []).append(name)

    def _alias(self, directory: str, name: str) -> t.Optional[str]:
        """Return the name that a link stands for, ``name`` itself where it is no alias, None where it is a wrong one.

        Only a link into the search path is an alias, whether its target is there or not; a link to elsewhere is a
        unit of its own (unit_file_build_name_map).
        """
        target = self.host.link("%s/%s" % (directory, name))
        if target is None:
            return name
        place, _slash, other = (target if target.startswith("/") else "%s/%s" % (directory, target)).rpartition("/")
        inside = (self.host.resolve(place) or os.path.normpath(place)) + "/"
        if not any(inside.startswith("%s/" % directory) for directory in self._search_path):
            return name
        return other if _may_alias(name, other) else None

    def real_name(self, unit: str) -> str:
        """Return the unit that an alias stands for; an instance of a template that is an alias is one too."""
        for _step in range(_MAX_ALIASES):
            template = _template(unit)
            name = self._alias_of.get(unit) or self._alias_of.get(template or "", unit)
            if template is not None and _is_template(name):
                name = _instance(name, unit)
            if name == unit:
                break
            unit = name
        return unit

    def file(self, unit: str) -> t.Optional[str]:
        """Return the unit's file, for an instance without one the template's, or None.

        An alias of a template has the template's file, even where the instance of that name has one of its own
        (unit_file_find_fragment).
        """
        name: t.Optional[str] = unit
        for _step in range(_MAX_ALIASES):
            if name not in self._alias_of:
                name = _template(name or "")
            other = self._alias_of.get(name or "")
            if other == name:
                break
            name = other
        return self.host.first(path for path in [self._file_of.get(name or "")] if path is not None)

    def is_masked(self, unit: str) -> bool:
        """A unit whose file is empty, or a link to /dev/null, is never started (unit_load_fragment)."""
        path = self.file(unit)
        return path is not None and self.host.read(path) == ""

    def names(self) -> t.List[str]:
        """Return every unit that can have a limit of its own: those with a file, and instances with drop-ins."""
        known = {name for name in self._file_of if self.real_name(name) == name}
        known |= {name for name in self._drop_in_directories if _template(name) and self.file(name)}
        return sorted(known)

    def limit(self, unit: str) -> t.Optional[Limit]:
        """Return the unit's own LimitNOFILE=, from its file and its drop-ins, or None where it sets none."""
        return _last(self.host, self.files(unit), section_of(unit) or "", "LimitNOFILE")

    def assigned(self, unit: str, key: str) -> t.List[t.Tuple[str, int, str]]:
        """Return path, line and value of each ``key=`` of a unit whose values add up; an empty one begins anew."""
        found: t.List[t.Tuple[str, int, str]] = []
        for path in self.files(unit):
            for line, value in assignments(self.host.read(path) or "", section_of(unit) or "", key):
                found = found + [(path, line, value)] if value else []
        return found

    def files(self, unit: str) -> t.List[str]:
        """Return a unit's file and its drop-ins in the order in which they are read; none of one that is masked."""
        path, suffix = self.file(unit), _suffix(unit) or ""
        if path is None or self.is_masked(unit):
            return []
        name = self.real_name(unit)
        directories: t.List[str] = []
        names = [name] + self._aliases.get(name, [])
        basename = path.rpartition("/")[2]
        if _is_template(basename):
            # An instance with a file of its own has no part in the aliases of its template.
            names += [_instance(alias, name) for alias in self._aliases.get(_template(name) or "", [])]
            if _instance(basename, unit) in self._file_of:
                # Nor takes the alias its name, whose directories come first otherwise (merge_by_names).
                names.insert(0, unit)
        for one in names:
            directories += self._directories(one)
        # "service.d" and the like hold for every unit of the type and come last.
        directories += self._drop_in_directories.get(suffix[1:], [])
        return [path] + conf_d.in_order(self.host.list, directories)

    def wanted(self) -> t.Set[str]:
        """Return the names of the units that links make another one start: those that are enabled.

        Of equal links the first directory's counts, and one to /dev/null takes it back (src/core/load-dropin.c,
        process_deps).
        """
        link_of: t.Dict[t.Tuple[str, str], str] = {}
        for directory in self._dependency_directories:
            for name in self.host.names(directory):
                link_of.setdefault((os.path.basename(directory), name), "%s/%s" % (directory, name))
        return {name for (_of, name), path in link_of.items() if self.host.link(path) != os.devnull}

    def _directories(self, unit: str) -> t.List[str]:
        """Return the drop-in directories of one name, the one that wins a basename first."""
        names = _drop_in_names(unit)
        found = []
        for search in UNIT_PATH:
            for name in names:
                path = "%s/%s.d" % (search, name)
                if path in self._drop_in_directories.get(name, ()):
                    found.append(path)
        return found

    def limits(self) -> t.List[UnitLimit]:
        """Return every unit that sets a limit of its own."""
        found = []
        for name in self.names():
            limit = self.limit(name)
            if limit is not None:
                found.append(UnitLimit(name, limit))
        return found


def _suffix(name: str) -> t.Optional[str]:
    dot = name.rfind(".")
    return name[dot:] if dot > 0 and name[dot:] in _SECTIONS else None


def _may_alias(name: str, other: str) -> bool:
    """Tell whether a link of one name to a unit of another is an alias (unit_validate_alias_symlink_or_warn)."""
    if name == other or _suffix(name) != _suffix(other):
        return False
    if _template(name) is None:
        return _template(other) is None and _is_template(name) == _is_template(other)
    return _is_template(other) or other.partition("@")[1:] == name.partition("@")[1:]


def _is_template(name: str) -> bool:
    return name.partition("@")[2] == _suffix(name)


def _instance(template: str, unit: str) -> str:
    """Return the instance of ``template`` that is named as ``unit`` is."""
    return template.partition("@")[0] + "@" + unit.partition("@")[2]


def _template(name: str) -> t.Optional[str]:
    """Return ``foo@.service`` for ``foo@bar.service``."""
    prefix, at, rest = name.partition("@")
    suffix = _suffix(name)
    return "%s@%s" % (prefix, suffix) if at and suffix is not None and rest != suffix else None


def _drop_in_names(unit: str) -> t.List[str]:
    """Return the names whose ``.d`` directories concern a unit, the most specific first (unit_file_find_dirs).

    For ``a-b@x.service``: itself; its template ``a-b@.service`` and the prefix of that, which is no template,
    ``a-.service``; then its own prefix ``a-@x.service``, with its template ``a-@.service``.
    """
    suffix = _suffix(unit)
    if suffix is None:
        return []
    names = [unit]
    stem, at, instance = unit[: -len(suffix)].partition("@")
    if instance:
        names += _drop_in_names("%s@%s" % (stem, suffix))
    # Cut after the last dash that is not the end of the name.
    dash = (stem[:-1] if stem.endswith("-") else stem).rfind("-")
    if dash > 0:
        names += _drop_in_names(stem[: dash + 1] + (at + instance if instance else "") + suffix)
    return names
