# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the ssh server opens its sessions through PAM, and as which service, as sshd itself reads its configuration.

Read from OpenSSH's servconf.c (process_server_config_line_depth, load_server_config) and misc.c (strdelim, argv_split).
The first value of a keyword wins, the command line's before the files'. UsePAM is no where nobody sets it.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import place_of

#: The administrator's, and the vendor's where there is none (openSUSE).
_FILES = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
#: What a relative Include is relative to (SSHDIR).
_DIRECTORY = "/etc/ssh"
#: SERVCONF_MAX_DEPTH
_DEEPEST = 16
#: Files that include themselves over and over are read as far as this, counted in characters; each counts for some.
_MAX, _EACH = 1 << 20, 1 << 12

#: Debian's name of the unit, and the others'; and the files of options, with the variable that init scripts take.
UNITS = ("ssh.service", "sshd.service")
_OPTIONS_FILES = (("/etc/default/ssh", "SSHD_OPTS"), ("/etc/sysconfig/sshd", "OPTIONS"))

#: Flags, then an option that takes a value (sshd.c, main), and the value, if it stands in the same word.
_OPTION = re.compile(r"-[^CEbcfghkopu-]*([CEbcfghkopu])(.*)", re.DOTALL)

#: SSHD_PAM_SERVICE
_SERVICE = "sshd"


class Setting(t.NamedTuple):
    """A value and where it stands; line 0 is no line: sshd's own default, which the file does not change."""

    value: str
    path: str
    line: int

    @property
    def place(self) -> str:
        return place_of(self.path, self.line)


class Server(t.NamedTuple):
    """How the ssh server opens a session."""

    use_pam: Setting
    service: str


def server(host: Host, units: systemd_limits.Units) -> t.Optional[Server]:
    """Return how the ssh server opens sessions, None where the host has no configuration of one."""
    options = list(_options(_command_line(host, units)))
    files = [one.value for letter, one in options if letter == "f"]
    path = host.first(files[-1:] or _FILES)
    if path is None:
        return None
    found = []
    for letter, one in options:
        keyword, words = _split(one.value) if letter == "o" else ("", [])
        found += [(keyword, one._replace(value=words[0]))] if words else []
    found += _Reader(host).read(path)
    pam = next((one for name, one in found if name == "usepam" and one.value.lower() in ("yes", "no")), None)
    service = next((one.value for name, one in found if name == "pamservicename"), _SERVICE)
    return Server(pam or Setting("no", path, 0), service)


class _Reader:
    """Reads sshd_config with what it includes; every file as often as it is named."""

    def __init__(self, host: Host) -> None:
        self._tree = host
        self._left = _MAX

    def read(self, path: str, depth: int = 0) -> t.List[t.Tuple[str, Setting]]:
        """Return keyword, in lower case, and first argument of each line that concerns every session.

        A Match block goes to the end of its file, or to ``Match all``; what it includes is for those that match.
        """
        text = self._tree.read(path) or ""
        self._left -= len(text) + _EACH
        if depth > _DEEPEST or self._left < 0:
            return []
        found, active = [], True
        for number, line in enumerate(text.split("\n"), start=1):
            keyword, words = _split(line)
            if keyword == "match":
                active = [word.lower() for word in words[:1]] == ["all"]
            elif active and keyword == "include":
                for included in itertools.chain.from_iterable(map(self._matching, words)):
                    found += self.read(included, depth + 1)
            elif active and words:
                found.append((keyword, Setting(words[0], path, number)))
        return found

    def _matching(self, pattern: str) -> t.List[str]:
        """glob(3): the files that a pattern names, in the order of their names."""
        whole = pattern if pattern.startswith("/") else "%s/%s" % (_DIRECTORY, pattern)
        paths = [""]
        for part in [part for part in whole.split("/") if part]:
            if re.search(r"[*?\[]", part) is None:
                paths = ["%s/%s" % (path, part) for path in paths]
                continue
            paths = [
                "%s/%s" % (path, name)
                for path in paths
                for name in self._tree.names(path or "/")
                if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
            ]
        return [path for path in paths if self._tree.exists(path)]


def _split(line: str) -> t.Tuple[str, t.List[str]]:
    """Return the keyword in lower case and its arguments: blanks or one ``=`` between, quotes, a comment at the end."""
    match = re.match(r'[ \t\r]*(?:"([^"]*)"|([^ \t\r="#][^ \t\r="]*))[ \t\r]*=?[ \t\r]*(.*)', line.rstrip(" \t\r\n\f"))
    if match is None:
        return "", []
    return (match.group(1) or match.group(2) or "").lower(), _arguments(match.group(3))


def _arguments(text: str) -> t.List[str]:
    """argv_split: words between blanks, quotes of either kind, and escapes of quotes, blanks and backslashes."""
    token = re.compile(r"""[ \t]*(?:(\#).*|((?:\\['"\\ ]|"(?:\\["'\\]|[^"])*"|'(?:\\["'\\]|[^'])*'|[^ \t"'])+))""")
    words, place = [], 0
    while place < len(text):
        match = token.match(text, place)
        if match is None or match.group(1) is not None:
            break
        words.append(re.sub(r"""\\(['"\\ ])|["']""", lambda part: part.group(1) or "", match.group(2)))
        place = match.end()
    return words


def _command_line(host: Host, units: systemd_limits.Units) -> t.List[Setting]:
    """Return the words behind sshd, each with its place: of ExecStart=, or what an init script adds."""
    name = next((name for name in UNITS if units.file(name) is not None), None)
    if name is None:
        return [word for path, variable in _OPTIONS_FILES for word in _variables(host, path).get(variable, [])]
    commands = units.assigned(name, "ExecStart")
    if not commands:
        return []
    variables: t.Dict[str, t.List[Setting]] = {}
    for _path, _line, file in units.assigned(name, "EnvironmentFile"):
        variables.update(_variables(host, file.lstrip("-")))
    path, line, command = commands[-1]
    found: t.List[Setting] = []
    for word in _words(command)[1:]:
        match = re.fullmatch(r"[$](?:[{](\w+)[}]|(\w+))", word)
        if match is None:
            found.append(Setting(word, path, line))
        else:
            found += variables.get(match.group(1) or match.group(2), [])
    return found


def _variables(host: Host, path: str) -> t.Dict[str, t.List[Setting]]:
    """Return the words of each variable that a file of environment variables sets; the last line of one counts."""
    found: t.Dict[str, t.List[Setting]] = {}
    for number, text in enumerate((host.read(path) or "").split("\n"), start=1):
        name, equals, value = text.strip().partition("=")
        if equals and re.fullmatch(r"\w+", name):
            words = [part for word in _words(value) for part in _words(word)]
            found[name] = [Setting(word, path, number) for word in words]
    return found


def _words(text: str) -> t.List[str]:
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        # A quote without its end.
        return text.split()


def _options(words: t.Iterable[Setting]) -> t.Iterator[t.Tuple[str, Setting]]:
    """getopt(3): the letter and value of each option that takes one."""
    waiting = ""
    for word in words:
        if waiting:
            yield waiting, word
            waiting = ""
        elif word.value.startswith("-"):
            match = _OPTION.fullmatch(word.value)
            if match is not None and match.group(2):
                yield match.group(1), word._replace(value=match.group(2))
            elif match is not None:
                waiting = match.group(1)
