# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shells make of nofile after pam_limits: the lines of their start-up files that set it.

Which files a shell reads: bash(1) INVOCATION, zsh(1) STARTUP/SHUTDOWN FILES, tcsh(1) Startup and shutdown, fish(1)
Configuration files, dash(1) Invocation. cron and services start programs by a shell that reads none of them.
Whether a line is ever reached is not looked into: conditions and functions that nobody calls are like any other line.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

#: Start-up files of every user, and those below a user's home, by the shells that read them.
_LOGIN, _INTERACTIVE, _EVERY = "login shells", "interactive shells", "every shell, that of a command by ssh included"
_FILES: t.Dict[str, t.Tuple[str, ...]] = {
    _LOGIN: (
        *("/etc/profile", "/etc/zsh/zprofile", "/etc/zprofile", "/etc/zsh/zlogin", "/etc/zlogin"),
        *("/etc/csh.login", "/etc/csh/login", "/etc/csh/csh.login"),
    ),
    _INTERACTIVE: ("/etc/bash.bashrc", "/etc/bashrc", "/etc/bash/bashrc", "/etc/zsh/zshrc", "/etc/zshrc"),
    _EVERY: ("/etc/zsh/zshenv", "/etc/zshenv", "/etc/csh.cshrc", "/etc/csh/cshrc", "/etc/fish/config.fish"),
}
_DIRECTORIES = (
    ("/etc/profile.d", (".sh", ".csh"), _LOGIN),
    ("/etc/fish/conf.d", (".fish",), _EVERY),
    ("/etc/bash/bashrc.d", (".sh", ".bash"), _INTERACTIVE),
)
_OWN: t.Dict[str, t.Tuple[str, ...]] = {
    _LOGIN: (".profile", ".bash_profile", ".bash_login", ".zprofile", ".zlogin", ".login"),
    # bash reads .bashrc for a command by ssh, too, as Debian and Fedora build it (SSH_SOURCE_BASHRC).
    _EVERY: (".bashrc", ".zshenv", ".cshrc", ".tcshrc", ".config/fish/config.fish"),
    _INTERACTIVE: (".zshrc", ".mkshrc", ".kshrc"),
}
_OWN_DIRECTORY = ".config/fish/conf.d"

#: The ways in whose sessions read start-up files.
WAYS = ("ssh", "console", "su", "sudo")

#: Of a file that is larger no more is read; a line has no more words that are of interest.
_MAX = 1 << 20

#: Files of those shells that have a command called limit: csh, tcsh and zsh.
_HAVE_LIMIT = re.compile(r"csh|zsh|/[.]login$|/[.]?z(?:shenv|profile|shrc|login)$")

#: One word or end of a command. Quotes may be within a word; what a shell would expand stays as it stands.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\f\v]+|\\\n)|(?P<comment>\#[^\n]*)|(?P<heredoc><<-?[ \t]*(?P<end>\\?['"]?[\w.-]+['"]?))
    |(?P<stop>[;&|(){}\n])|(?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[$]\([^()]{0,999}\)|[$]\{[^}]{0,999}\}|`[^`]*`
    |[^\s;&|(){}'"\\`<>]|[<>]&?)+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"""\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)"|(.)""", re.DOTALL)
_ASSIGNMENT = re.compile(r"\w+[+]?=")
#: What may stand before a command, and is none.
_BEFORE = frozenset(
    ("then", "else", "elif", "do", "if", "while", "until", "!", "time", "builtin", "command", "noglob", "nocorrect")
    + ("begin", "and", "or", "not", "eval", "-p", "--")
)
_REDIRECTION = re.compile(r"[0-9]*[<>]")
#: Any other value a shell would have to be asked for.
_PLAIN = re.compile(r"[0-9]+|unlimited|hard|soft")


class Line(t.NamedTuple):
    """A line that sets nofile.

    value: the number or word that it sets, the text of it where a shell would have to be asked
    who:   the shells that read the file
    """

    path: str
    line: int
    value: str
    who: str

    @property
    def is_known(self) -> bool:
        """Tell whether the value says itself what it is."""
        return _PLAIN.fullmatch(self.value) is not None


def lines(host: Host, homes: t.Iterable[str] = (), ways: t.Iterable[str] = WAYS) -> t.List[Line]:
    """Return the lines that set nofile in the start-up files of every user, and of those who have these homes.

    ways: those in which sessions come; none where none of them reads such files
    """
    if not set(ways) & set(WAYS):
        return []
    found = []
    for path, who in _paths(host, homes):
        text = (host.text(path) or "")[:_MAX]
        if "nofile" in text or "limit" in text:
            rows = settings(text, _HAVE_LIMIT.search(path) is not None)
            found += [Line(path, number, value, who) for number, value in rows]
    return found


def _paths(host: Host, homes: t.Iterable[str]) -> t.Iterator[t.Tuple[str, str]]:
    for who, files in _FILES.items():
        yield from ((path, who) for path in files)
    for directory, ends, who in _DIRECTORIES:
        yield from (("%s/%s" % (directory, name), who) for name in host.names(directory) if name.endswith(ends))
    for home in sorted({home.rstrip("/") for home in homes if home.startswith("/")}):
        for who, files in _OWN.items():
            yield from (("%s/%s" % (home, name), who) for name in files)
        directory = "%s/%s" % (home, _OWN_DIRECTORY)
        yield from (("%s/%s" % (directory, name), _EVERY) for name in host.names(directory) if name.endswith(".fish"))


def settings(text: str, has_limit: bool = False) -> t.List[t.Tuple[int, str]]:
    """Return the line and value of each command that sets nofile; has_limit: ``limit`` is a command of this shell."""
    found = []
    for number, words in _commands(text):
        value = _value(words, has_limit)
        if value is not None:
            found.append((number, value))
    return found


def _commands(text: str) -> t.Iterator[t.Tuple[int, t.List[str]]]:
    """Yield the line and the words of each simple command, as they are written."""
    number, begun, place = 1, 1, 0
    words: t.List[str] = []
    ends: t.List[str] = []
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            break
        place = match.end()
        kind = match.lastgroup if match.lastgroup != "end" else "heredoc"
        if kind == "word":
            begun = begun if words else number
            words.append(match.group())
        elif kind == "heredoc":
            ends.append(match.group("end").strip("\\'\""))
        elif kind == "stop" and words:
            yield begun, words
            words = []
        number += match.group().count("\n")
        if match.group() == "\n" and ends:
            after = _after(text, place, ends)
            number, place, ends = number + text.count("\n", place, after), after, []
    if words:
        yield begun, words


def _after(text: str, place: int, ends: t.Sequence[str]) -> int:
    """Return where the here-documents end that begin at ``place``."""
    for end in ends:
        match = re.compile(r"^\t*%s$" % re.escape(end), re.MULTILINE).search(text, place)
        if match is None:
            return len(text)
        place = match.end()
    return place


def _plain(word: str) -> str:
    return _QUOTED.sub(lambda match: "".join(part for part in match.groups() if part is not None), word)


def _value(words: t.Sequence[str], has_limit: bool) -> t.Optional[str]:
    """Return what a command sets nofile to, None for any other command."""
    left = list(words)
    while left and (_plain(left[0]) in _BEFORE or _ASSIGNMENT.match(left[0])):
        if _plain(left.pop(0)) == "eval":
            inner = " ".join(_plain(word) for word in left)
            found = settings(inner, has_limit)
            return found[-1][1] if found else None
    name, arguments = (_plain(left[0]), [_plain(word) for word in left[1:]]) if left else ("", [])
    if name == "ulimit":
        return ulimit(arguments)
    if has_limit and name in ("limit", "unlimit"):
        return _limit(name, arguments)
    if name == "prlimit" and any(word.endswith("$$") for word in arguments):
        return _prlimit(arguments)
    return None


def ulimit(arguments: t.Sequence[str]) -> t.Optional[str]:
    """Return what the arguments of ulimit set nofile to, None where they set nothing.

    The value stands behind -n, in the same word, or after more options.
    """
    asked, value = False, None
    for index, word in enumerate(arguments):
        if _REDIRECTION.match(word):
            break
        named = word.startswith("--file-descriptor-count")
        match = re.fullmatch(r"-[a-zA-Z]*n[SHa]*(.*)", word)
        if named or (match is not None and not word.startswith("--")):
            asked, value = True, None
            inside = word.partition("=")[2] if named else match.group(1) if match is not None else ""
            if inside:
                return inside
        elif not word.startswith("-") and asked and value is None and not _belongs(arguments[:index]):
            value = word
    return value


def _belongs(before: t.Sequence[str]) -> bool:
    """Tell whether a word is the value of another option than -n, the one right before it."""
    match = re.fullmatch(r"-[SH]*([a-zA-Z])[SH]*", before[-1]) if before else None
    return match is not None and match.group(1) not in "nSH"


def _limit(name: str, arguments: t.Sequence[str]) -> t.Optional[str]:
    """csh's and zsh's limit and unlimit; a resource may be shortened as far as it stays clear."""
    words = [word for word in arguments if not (word.startswith("-") and len(word) == 2)]
    resource = words[0] if words else ""
    if name == "unlimit" and (not words or any(_is_descriptors(word) for word in words)):
        return "unlimited"
    if name == "limit" and len(words) > 1 and _is_descriptors(resource):
        return " ".join(words[1:2])
    return None


def _is_descriptors(word: str) -> bool:
    return len(word) > 1 and any(name.startswith(word) for name in ("descriptors", "openfiles"))


def _prlimit(arguments: t.Sequence[str]) -> t.Optional[str]:
    for index, word in enumerate(arguments):
        match = re.fullmatch(r"(?:--nofile|-n)(?:=?(.+))?", word)
        if match is not None:
            return match.group(1) or "".join(arguments[index + 1 : index + 2]) or None
    return None
