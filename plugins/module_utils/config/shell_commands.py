# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script, or a command line, sets: sysctl keys and nofile.

Told is what stands there in plain words: ``sysctl -w``, ``sysctl -p``, ``echo N > /proc/sys/…``, ``ulimit -n`` and
their like, variables of the same script put in. Whether a condition before it holds is not looked into; a value that a
program computes is not guessed.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import shell_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

#: What an action does: set a key, set nofile, have ``sysctl`` apply a file, run another script.
SET, NOFILE, LOAD, RUN = "set", "nofile", "load", "run"

_PROC = "/proc/sys/"
_SYSCTL_CONF = "/etc/sysctl.conf"

_SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))
#: Words before a command that leave it one.
_RESERVED = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec", "command"))
_WRAPPERS = frozenset(
    ("sudo", "doas", "env", "nohup", "nice", "ionice", "setsid", "busybox", "timeout", "chronic", "taskset", "flock")
)
_OF_WRAPPER = re.compile(r"-.*|[A-Za-z_][A-Za-z0-9_]*=.*|[0-9][0-9.]*[smhd]?")
#: A line without any of these is no business of ours.
_WORTH_READING = re.compile(r"sysctl|proc/sys|limit|chpst|/usr/local/|/opt/|/root/|/etc/|/srv/|/home/")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=]([^{}$]*))?\})")
#: The descriptor that a redirection begins with is no word of the command.
_DESCRIPTOR = re.compile(r"(?<=\s)[0-9](?=[<>])")
_OPERATORS = ";&|<>()"
#: No line of a script that people write is longer, no script is.
_LONGEST_LINE, _LONGEST_SCRIPT, _DEEPEST = 4096, 1 << 18, 3

#: Options of sysctl(8) that apply files; and those that have their value with them.
_LOADS = re.compile(r"-[a-zA-Z]*[pf](?:/.*)?|--load(?:=.*)?|--system")
_WITH_VALUE = re.compile(r"--pattern=(.*)|--load=(.*)|-[a-zA-Z]*[pf](/.*)")
_PRINTS = frozenset(("echo", "printf"))


class Action(t.NamedTuple):
    """One thing that a script does.

    what:  the key of SET, the file of LOAD or RUN
    value: the value of SET and NOFILE; of LOAD the pattern that keys have to match, "" for all
    """

    kind: str
    what: str
    value: str
    line: int


# A check reads the same scripts several times, and taking words apart is what takes long.
@functools.lru_cache(maxsize=64)
def script(text: str, depth: int = 0) -> t.Tuple[Action, ...]:
    """Return what a shell script does, in the order of its lines."""
    variables: t.Dict[str, str] = {}
    found: t.List[Action] = []
    for number, line in _lines(text[:_LONGEST_SCRIPT]):
        assigned = _ASSIGNMENT.match(line)
        worth = _WORTH_READING.search(line) is not None
        if depth < _DEEPEST and len(line) <= _LONGEST_LINE and (worth or assigned is not None):
            found += [action._replace(line=number) for action in _line(line, variables, depth)]
    return tuple(found)


def command(words: t.Sequence[str], depth: int = 0) -> t.List[Action]:
    """Return what a command does that is started without a shell, as systemd starts one; its line is 0."""
    return _command(list(words), [], {}, depth)


def _lines(text: str) -> t.Iterator[t.Tuple[int, str]]:
    """Yield each line with its number, joined where a backslash continues it."""
    start, joined = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not joined:
            start = number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        yield start, (joined + line).strip()
        joined = ""
    if joined:
        yield start, joined.strip()


def _line(line: str, variables: t.Dict[str, str], depth: int) -> t.List[Action]:
    if line.startswith("#"):
        return []
    found: t.List[Action] = []
    piped: t.List[str] = []
    for words, targets, operator in _parts(line):
        found += _command(words, targets, variables, depth, piped)
        piped = words if operator == "|" else []
    return found


def _parts(line: str) -> t.Iterator[t.Tuple[t.List[str], t.List[str], str]]:
    """Yield each simple command of a line: its words, the files that it writes to, and the operator behind it."""
    reader = shlex.shlex(_DESCRIPTOR.sub("", line), posix=True, punctuation_chars=_OPERATORS)
    reader.whitespace_split = True
    words: t.List[str] = []
    targets: t.List[str] = []
    redirected = ""
    try:
        for word in reader:
            if not word or set(word) - set(_OPERATORS):
                if not redirected:
                    words.append(word)
                elif redirected == ">":
                    targets.append(word)
                redirected = ""
            elif word[0] in "<>":
                redirected = word[0]
            else:
                yield words, targets, word
                words, targets, redirected = [], [], ""
    except ValueError:
        # A quotation that goes on in the next line.
        return
    yield words, targets, ""


def _command(
    words: t.List[str],
    targets: t.Sequence[str],
    variables: t.Dict[str, str],
    depth: int,
    piped: t.Sequence[str] = (),
) -> t.List[Action]:
    words = _without_wrappers(words, variables)
    if not words:
        return []
    name, arguments = os.path.basename(words[0]), words[1:]
    found: t.List[Action] = []
    if name == "sysctl":
        found = _sysctl(arguments, variables)
    elif name in _PRINTS:
        found = _written(arguments, targets, variables)
    elif name == "tee" and piped and os.path.basename(piped[0]) in _PRINTS:
        found = _written(piped[1:], arguments, variables)
    elif name == "systemd-sysctl":
        found = [Action(LOAD, one, "", 0) for one in arguments if one.startswith("/")]
    elif name in _LIMITS:
        value = _expanded(_LIMITS[name](arguments) or "", variables)
        found = [Action(NOFILE, "", value, 0)] if value else []
    elif name in _SHELLS or name in (".", "source"):
        found = _of_shell(arguments, depth)
    elif words[0].startswith("/"):
        found = [Action(RUN, words[0], "", 0)]
    return found


def _of_shell(arguments: t.Sequence[str], depth: int) -> t.List[Action]:
    """Return what a shell is started for: the text behind ``-c``, or a script."""
    for index, word in enumerate(arguments):
        if word.startswith("-") and "c" in word and not word.startswith("--"):
            return list(script(" ".join(arguments[index + 1 : index + 2]), depth + 1))
        if not word.startswith("-"):
            return [Action(RUN, word, "", 0)]
    return []


def _without_wrappers(words: t.List[str], variables: t.Dict[str, str]) -> t.List[str]:
    """Return the command itself; assignments alone are remembered."""
    rest = list(words)
    while rest:
        assigned = _ASSIGNMENT.fullmatch(rest[0])
        if assigned is not None:
            value = _expanded(assigned.group(2), variables)
            if len(rest) == 1 and value is not None:
                variables[assigned.group(1)] = value
            rest = rest[1:]
        elif rest[0] in _RESERVED or rest[0] in ("export", "readonly", "local", "declare", "typeset"):
            rest = rest[1:]
        elif os.path.basename(rest[0]) in _WRAPPERS:
            rest = rest[1:]
            while rest and _OF_WRAPPER.fullmatch(rest[0]):
                rest = rest[1:]
        else:
            break
    return rest


def _expanded(word: str, variables: t.Mapping[str, str]) -> t.Optional[str]:
    """Return a word with the variables put in, None where one, or the output of a command, is unknown."""
    unknown = False

    def put(match: t.Match[str]) -> str:
        nonlocal unknown
        value = variables.get(match.group(1) or match.group(2), match.group(3))
        unknown = unknown or value is None
        return value or ""

    text = _VARIABLE.sub(put, word)
    return None if unknown or "$" in text or "`" in text else text


def _sysctl(arguments: t.Sequence[str], variables: t.Mapping[str, str]) -> t.List[Action]:
    """Read the arguments of sysctl(8): ``key=value``, with or without -w; or files to apply."""
    words = [_expanded(word, variables) for word in arguments]
    loads = any(word is not None and _LOADS.fullmatch(word) is not None for word in words)
    pattern, names = "", []
    for before, word in zip(["", *words], words):
        match = _WITH_VALUE.fullmatch(word or "")
        if match is not None:
            pattern = match.group(1) or pattern
            names += [match.group(2) or match.group(3)] if match.group(2) or match.group(3) else []
        elif before in ("-r", "--pattern"):
            pattern = word or ""
        elif word is not None and not word.startswith("-"):
            names.append(word)
    if loads:
        # --system reads the directories again, where ours has its place, and then this file.
        names = [_SYSCTL_CONF] if "--system" in words or not names else names
        return [Action(LOAD, name, pattern, 0) for name in names if name.startswith("/")]
    found = []
    for name in names:
        key, equals, value = name.partition("=")
        if equals and value.strip() and " " not in key:
            found.append(Action(SET, sysctl_keys.normalize(key), " ".join(value.split()), 0))
    return found


def _written(arguments: t.Sequence[str], targets: t.Sequence[str], variables: t.Mapping[str, str]) -> t.List[Action]:
    """Read ``echo VALUE > /proc/sys/…``, and what ``tee`` gets from it."""
    words = [word for index, word in enumerate(arguments) if not re.fullmatch("-[neE]+", word) or index > 1]
    value = _expanded(re.sub(r"\\[nrt]", " ", " ".join(words)), variables)
    return [
        Action(SET, target[len(_PROC) :].translate(str.maketrans("./", "/.")), " ".join(value.split()), 0)
        for target in targets
        if target.startswith(_PROC) and value and value.strip()
    ]


def _prlimit(arguments: t.Sequence[str]) -> t.Optional[str]:
    """Return the soft limit of ``--nofile=SOFT:HARD`` (prlimit(1)), which without a colon is both."""
    for word in arguments:
        match = re.fullmatch(r"(?:--nofile=|-n)=?([^:]+)(?::.*)?", word)
        if match is not None:
            return match.group(1)
    return None


def _softlimit(arguments: t.Sequence[str]) -> t.Optional[str]:
    """Return the value behind -o of softlimit(8) and chpst(8), the open files."""
    for index, word in enumerate(arguments):
        match = re.fullmatch(r"-o([0-9]*)", word)
        if match is not None:
            return match.group(1) or "".join(arguments[index + 1 : index + 2]) or None
    return None


#: Commands that set the limit, of themselves or of the command behind them.
_LIMITS: t.Dict[str, t.Callable[[t.Sequence[str]], t.Optional[str]]] = {
    "ulimit": shell_limits.ulimit,
    "prlimit": _prlimit,
    "softlimit": _softlimit,
    "s6-softlimit": _softlimit,
    "chpst": _softlimit,
}
