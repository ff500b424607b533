# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a session of a PAM service runs pam_limits, and with which options, as libpam itself goes through its stack.

Read from Linux-PAM's libpam/pam_handlers.c (_pam_parse_conf_file, _pam_open_config_file, _pam_init_handlers),
pam_misc.c (_pam_tokenize, _pam_parse_control) and pam_dispatch.c (_pam_dispatch_aux), 1.5.2, 1.7.0 and today's, with
Debian's ``@include`` (031_pam_include).

What the modules will answer is not known here, but of pam_permit, pam_deny and pam_limits. So every way through the
stack is followed on which the session opens, with whatever the other modules may answer: a jump or a ``sufficient``
module before pam_limits makes it one that may be passed over.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

_CONF = "/etc/pam.conf"
#: Where services are looked for; a vendor's directory comes last, where the library knows one.
_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d")
_OTHER = "other"

#: PAM_SUBSTACK_MAX_LEVEL
_DEEPEST = 16
#: No stack has as many lines, or ways through it; a broken one must not keep us. Files that include themselves over and
#: over are read as far as so many characters; each counts for some.
_MAX_HANDLERS = 2000
_MAX_STATES = 5000
_MAX, _EACH = 1 << 20, 1 << 12

_MODULE = "pam_limits.so"

#: _pam_token_returns, in the order of their numbers.
_CODES = (
    *("success", "open_err", "symbol_err", "service_err", "system_err", "buf_err", "perm_denied", "auth_err"),
    *("cred_insufficient", "authinfo_unavail", "user_unknown", "maxtries", "new_authtok_reqd", "acct_expired"),
    *("session_err", "cred_unavail", "cred_expired", "cred_err", "no_module_data", "conv_err", "authtok_err"),
    *("authtok_recover_err", "authtok_lock_busy", "authtok_disable_aging", "try_again", "ignore", "abort"),
    *("authtok_expired", "module_unknown", "bad_item", "conv_again", "incomplete"),
)
#: What each module answers for sure when it opens a session.
_ANSWERS = {"pam_permit.so": "success", "pam_deny.so": "session_err", "pam_warn.so": "ignore", _MODULE: "success"}
#: What pam_limits answers where it cannot set a limit, and where it cannot read its file.
_FAILURES = ("perm_denied", "service_err")

_CONTROLS: t.Dict[str, t.Dict[str, str]] = {
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
}
_ACTIONS = ("ignore", "ok", "done", "bad", "die", "reset")


class Run(t.NamedTuple):
    """A line that has a session run pam_limits.

    conf:    the file that it reads in the place of limits.conf and limits.d, where the line names one
    set_all: begin with the limits of PID 1
    refuses: a session whose limits cannot be set does not open
    """

    path: str
    line: int
    conf: t.Optional[str]
    set_all: bool
    refuses: bool


class Stack(t.NamedTuple):
    """What sessions of a service run.

    path: the file that the session's stack begins in
    ways: what of pam_limits runs on each way through the stack, in its order; none where no session opens
    """

    path: str
    ways: t.Tuple[t.Tuple[Run, ...], ...]


class _Handler(t.NamedTuple):
    kind: str  # module, substack, or fail for a line that libpam cannot use
    level: int
    actions: t.Dict[str, str]
    module: str
    run: t.Optional[Run]


class _State(t.NamedTuple):
    """Somewhere on the way through a stack.

    impression: none, good, wrong (good, but for the answer that counts), or bad
    outer:      the impression on entering each of the substacks that it is in
    """

    place: int
    level: int
    impression: str
    outer: t.Tuple[str, ...]
    runs: t.Tuple[Run, ...]


class _Abort(Exception):
    """libpam gives up: no session of this service opens."""


def stack(host: Host, service: str) -> t.Optional[Stack]:
    """Return what sessions of a service run; None on a host that says nothing of it, nor of PAM's ``other``."""
    library = _Library(host)
    reader = _Reader(host, library)
    begun: t.Optional[str] = None
    for name in (service, _OTHER):
        path = reader.open(name)
        if path is None:
            continue
        begun = begun or path
        try:
            handlers = reader.handlers(path, name)
        except _Abort:
            return Stack(path, ())
        if handlers:
            return Stack(path, _ways(handlers))
    return None if begun is None else Stack(begun, ())


def configured(host: Host, service: str) -> bool:
    """Tell whether the host has a file, or lines, for this very service."""
    reader = _Reader(host, _Library(host))
    path = reader.open(service)
    return path is not None and (path != _CONF or service.lower() in reader.services())


class _Library:
    """What differs between the builds of libpam, told apart by what is compiled in."""

    def __init__(self, host: Host) -> None:
        text = _text(host)
        vendors = [
            path for path in re.findall(r"(/[\w./+-]{1,200})/pam[.]d/%s\0", text) if path + "/pam.d" not in _DIRECTORIES
        ]
        self.directories = [*_DIRECTORIES, *(path + "/pam.d" for path in vendors)]
        #: Debian's patch; it looks for what is included in the first directory alone.
        self.debian = not text or "@include\0" in text
        self.includes_from = self.directories[:1] if "@include\0" in text else self.directories


def _text(host: Host) -> str:
    for library in ("/usr/lib64", "/usr/lib", "/lib64", "/lib"):
        places = [library] + ["%s/%s" % (library, name) for name in host.list(library) if "linux" in name]
        path = host.first("%s/libpam.so.0" % place for place in places)
        if path is not None:
            return host.read(path) or ""
    return ""


class _Reader:
    """Reads the configuration of services, with what it includes."""

    def __init__(self, host: Host, library: _Library) -> None:
        self._tree = host
        self._library = library
        self._has_directory = any(host.list(directory) for directory in library.directories)
        self._handlers: t.List[_Handler] = []
        self._left = _MAX

    def open(self, service: str) -> t.Optional[str]:
        """Return the file of a service; of /etc/pam.conf only where there is no directory at all."""
        if not self._has_directory:
            return _CONF if self._tree.exists(_CONF) else None
        return self._tree.first("%s/%s" % (directory, service) for directory in self._library.directories)

    def services(self) -> t.Set[str]:
        """Return the services, in lower case, that /etc/pam.conf has lines for."""
        try:
            return {_tokens(text)[0].lower() for _number, text in _lines(self._tree.read(_CONF) or "")}
        except _Abort:
            return set()

    def handlers(self, path: str, service: str) -> t.List[_Handler]:
        """Return the session's handlers of a service."""
        self._handlers = []
        self._left = _MAX
        self._read(path, 0, 0, service if path == _CONF else None, everything=True)
        return self._handlers

    def _read(
        self, path: str, depth: int, level: int, service: t.Optional[str] = None, everything: bool = False
    ) -> None:
        """Add what a file has for sessions.

        service:    the one whose lines count, where each begins with a service's name
        everything: the file is read for all types of modules, not for sessions alone
        """
        whole = self._tree.read(path) or ""
        self._left -= len(whole) + _EACH
        if self._left < 0:
            raise _Abort
        for number, text in _lines(whole):
            words = _tokens(text)
            if service is not None:
                name, words = words[0], words[1:]
                if name.lower() != service.lower():
                    continue
            self._line(path, number, words, (depth, level), everything)

    def _line(self, path: str, number: int, words: t.List[str], at: t.Tuple[int, int], everything: bool) -> None:
        depth, level = at
        kind = re.sub("^-", "", words[0]).lower() if words else ""
        if kind == "@include" and self._library.debian:
            self._include(words[1:2], depth, level, everything)
            return
        if kind in ("auth", "account", "password"):
            return
        broken = kind != "session"
        if broken and everything:
            # A line that libpam does not understand is one for auth, or for what alone is being read, and fails there.
            return
        control = words[1].lower() if len(words) > 1 else ""
        if control in ("include", "substack"):
            if control == "substack":
                self._add(_Handler("substack", level, {}, "", None))
            self._include(words[2:3], depth, level + (control == "substack"), everything=False)
            return
        actions = _CONTROLS.get(control) or _control(words[1] if len(words) > 1 else "bad")
        if broken or len(words) < 3:
            self._add(_Handler("fail", level, actions, "", None))
            return
        module = words[2].rpartition("/")[2]
        run = _run(path, number, words[3:], actions) if module == _MODULE else None
        self._add(_Handler("module", level, actions, module, run))

    def _include(self, names: t.List[str], depth: int, level: int, everything: bool) -> None:
        """Read a file in the place of a line.

        Where it is not there, or too deep, no session opens. A host that people log in to has it: we pass it over.
        """
        path = self._included(names[0]) if names and depth + 1 < _DEEPEST and level < _DEEPEST else None
        if path is not None:
            self._read(path, depth + 1, level, everything=everything)

    def _included(self, name: str) -> t.Optional[str]:
        if name.startswith("/"):
            return name if self._tree.exists(name) else None
        return self._tree.first("%s/%s" % (directory, name) for directory in self._library.includes_from)

    def _add(self, handler: _Handler) -> None:
        if len(self._handlers) >= _MAX_HANDLERS:
            raise _Abort
        self._handlers.append(handler)


def _run(path: str, number: int, arguments: t.Sequence[str], actions: t.Mapping[str, str]) -> Run:
    """Return what a line asks of pam_limits; of several conf= the last one counts (_pam_parse)."""
    files = [word[len("conf=") :] for word in arguments if word.startswith("conf=")]
    refuses = any(_action(actions, code) in ("bad", "die") for code in _FAILURES)
    return Run(path, number, files[-1] if files else None, "set_all" in arguments, refuses)


def _lines(text: str) -> t.List[t.Tuple[int, str]]:
    """Return the lines that say something, by the number of their first: joined at backslashes, without comments.

    raises: _Abort where the last line goes on behind the end of the file
    """
    found: t.List[t.Tuple[int, str]] = []
    begun, joined = 0, ""
    lines = text.split("\n")
    for number, whole in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        line, comment, _rest = whole.split("\0")[0].partition("#")
        begun = begun or number
        if not comment and line.rstrip(" \t").endswith("\\"):
            joined += line.rstrip(" \t")[:-1] + " "
            continue
        joined += line
        if joined.strip(" \t\n"):
            found.append((begun, joined))
        begun, joined = 0, ""
    if joined:
        raise _Abort
    return found


def _tokens(text: str) -> t.List[str]:
    """_pam_tokenize: words between blanks; one in brackets may hold blanks, and brackets that a backslash marks."""
    return [
        match.group(2) if match.group(1) is None else match.group(1).replace("\\]", "]")
        for match in re.finditer(r"\[((?:\\\]|[^\]])*)(?:\]|$)|([^ \n\t]+)", text)
    ]


def _control(text: str) -> t.Dict[str, str]:
    """_pam_parse_control: the action for each answer, all of them bad where it cannot be read.

    A default is for the answers before it that have no action yet; what has none at the end is bad.
    """
    actions: t.Dict[str, str] = {}
    place = 0
    names = "|".join([*sorted(_CODES, key=len, reverse=True), "default"])
    pattern = re.compile(r"\s*(?:(%s)\s*=\s*(%s|[0-9]+)|$)" % (names, "|".join(_ACTIONS)))
    while place < len(text):
        match = pattern.match(text, place)
        if match is None or re.fullmatch("0+", match.group(2) or "") is not None:
            return {"default": "bad"}
        if match.group(1) == "default":
            actions.update({code: match.group(2) for code in _CODES if code not in actions})
        elif match.group(1):
            actions[match.group(1)] = match.group(2)
        place = max(match.end(), place + 1)
    return dict(actions, default="bad")


def _action(actions: t.Mapping[str, str], code: str) -> str:
    return actions.get(code, actions["default"])


def _ways(handlers: t.Sequence[_Handler]) -> t.Tuple[t.Tuple[Run, ...], ...]:
    """Return what of pam_limits runs on each way on which the session opens."""
    found: t.Dict[t.Tuple[Run, ...], None] = {}
    moves = [_moves(handler) for handler in handlers]
    left = [_State(0, 0, "none", (), ())]
    seen: t.Set[_State] = set(left)
    while left and len(seen) < _MAX_STATES:
        state = left.pop()
        if state.place >= len(handlers):
            if state.impression == "good":
                found[state.runs] = None
            continue
        for following in _steps(handlers, moves[state.place], state):
            if following not in seen:
                seen.add(following)
                left.append(following)
    return tuple(found)


def _moves(handler: _Handler) -> t.List[t.Tuple[str, bool]]:
    """Return the actions that a handler may come to, each with whether its module answered success."""
    if handler.kind == "substack":
        return []
    if handler.kind == "fail":
        answers: t.Sequence[str] = ("perm_denied",)
    else:
        answers = [_ANSWERS[handler.module]] if handler.module in _ANSWERS else _CODES
    return sorted({(_action(handler.actions, code), code == "success") for code in answers})


def _steps(handlers: t.Sequence[_Handler], moves: t.Iterable[t.Tuple[str, bool]], state: _State) -> t.Iterator[_State]:
    """Return where a session may be after one handler (_pam_dispatch_aux)."""
    handler = handlers[state.place]
    outer = state.outer[: handler.level]
    if state.level < handler.level:
        # A substack begins only behind its own handler, one level deeper at a time.
        outer += (state.impression,) * (handler.level - len(outer))
    state = state._replace(level=handler.level, outer=outer)
    if handler.kind == "substack":
        yield state._replace(place=state.place + 1)
        return
    runs = state.runs + ((handler.run,) if handler.run is not None else ())
    for action, good in moves:
        yield _after(handlers, state._replace(runs=runs), action, good)


def _after(handlers: t.Sequence[_Handler], state: _State, action: str, good: bool) -> _State:
    """Return the state after an action; ``good``: the module answered success."""
    impression = state.impression
    if action == "reset":
        impression = state.outer[-1] if state.outer else "none"
    elif action in ("ok", "done") and impression in ("none", "good"):
        impression = "good" if good else "wrong"
    elif action in ("bad", "die"):
        impression = "bad"
    place = state.place
    if action == "die" or (action == "done" and impression in ("good", "wrong")):
        while place + 1 < len(handlers) and handlers[place + 1].level >= state.level:
            place += 1
    elif action.isdigit():
        place, left = _jump(handlers, place, int(action[:9]))
        impression = "bad" if left else impression
    return state._replace(place=place + 1, impression=impression)


def _jump(handlers: t.Sequence[_Handler], place: int, steps: int) -> t.Tuple[int, int]:
    """Return the last handler that a jump passes over, a substack counted as one, and the steps that are too many."""
    level = handlers[place].level
    while steps and place + 1 < len(handlers) and handlers[place + 1].level >= level:
        place, steps = place + 1, steps - 1
        while place + 1 < len(handlers) and handlers[place + 1].level > level:
            place += 1
    return place, steps
