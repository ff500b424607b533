# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sysctl key is now, and what the next reboot will make of it.

Two tools apply sysctl.d at boot, and they differ in one thing that matters most:

* systemd-sysctl never reads /etc/sysctl.conf (src/sysctl/sysctl.c, sysctl.d(5));
* procps' ``sysctl --system``, which init scripts call, reads it last (sysctl(8)).

Both take the directories in the same precedence: of equal basenames the first directory wins, the rest is sorted by
basename, and the later assignment of a key wins. A line that the kernel refuses sets nothing, and there they differ
again: systemd-sysctl has kept that line only, so an earlier one is not written either; procps has written the earlier
one before. What else they do each in its own way, ends of lines, hidden files and exclusions, is said below;
tests/differential compares with both.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import conf_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, identity
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import place_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    PORT_RANGE,
    UNPRIVILEGED_START,
)

#: Lost with every boot, and read by whoever applies sysctl.d until then.
_VOLATILE_DIRECTORY = "/run/sysctl.d"
_DIRECTORIES = ("/etc/sysctl.d", _VOLATILE_DIRECTORY, "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_SYSCTL_CONF = "/etc/sysctl.conf"
#: WHITESPACE of strstrip, and isspace(3).
_BLANKS, _BLANKS_OF_C = " \t\n\r", " \t\n\v\f\r"
#: Of nested braces the inner ones, and what nobody writes: not worth the memory.
_BRACES = re.compile(r"\{([^{}]+)\}")
_MAX_PATTERNS = 1000
_GLOB_CHARACTERS = frozenset("*?[")

_ANY_KERNEL = Kernel()
#: What a network namespace begins with (net/ipv4/af_inet.c, inet_init_net).
_FIRST_RANGE = "32768 60999"


#: The line number of what our drop-in will have, whose values have been looked at before.
_PLANNED = 0


#: Names of one and the same number: net/netfilter/nf_conntrack_standalone.c registers it twice, and until Linux 4.18
#: nf_conntrack_l3proto_ipv4_compat.c and its like registered it under the old names, too.
_ALIASES = (
    (
        "net.netfilter.nf_conntrack_max",
        "net.nf_conntrack_max",
        "net.ipv4.netfilter.ip_conntrack_max",
        "net.ipv4.ip_conntrack_max",
    ),
)
_NAMES_OF = {name: names for names in _ALIASES for name in names}
#: Those that kernels of today do not have. A line that names one counts, in case; a glob finds none (glob(3)).
_OLD_NAMES = frozenset(("net.ipv4.netfilter.ip_conntrack_max", "net.ipv4.ip_conntrack_max"))

#: Programs that are PID 1 to start a whole system, by their /proc/1/comm; "init" is sysvinit's, OpenRC's and others'.
_INITS = frozenset(
    ("init", "systemd", "openrc-init", "runit", "runit-init", "s6-svscan", "busybox", "upstart", "dinit", "finit")
)
_WSL_CONF = "/etc/wsl.conf"
_SYSTEMD_SYSCTL = "/etc/systemd/system/systemd-sysctl.service"


class Assignment(t.NamedTuple):
    """One ``key = value`` line; ``value`` is None for a ``-key`` line, which only excludes from globs."""

    key: str
    value: t.Optional[str]
    path: str
    line: int


class Setting(t.NamedTuple):
    """A line of another program that sets a key, by its full name; ``who``: the program, and when, in words."""

    key: str
    value: str
    path: str
    line: int
    who: str


Line = t.Union[Assignment, Setting]


class Applier(t.NamedTuple):
    """Who applies sysctl.d when this host starts: ``systemd-sysctl``, ``procps``, or None for nobody, and why."""

    name: t.Optional[str]
    why: str = ""
    remedy: str = ""


SYSTEMD_SYSCTL, PROCPS = "systemd-sysctl", "procps"


class Settled(t.NamedTuple):
    """What the kernel makes of the lines that are written to one key.

    won:     the last line that it takes, with the value that the key then has; None where no line sets it
    refused: the lines that it refuses
    """

    won: t.Optional[Line]
    refused: t.List[Line]


class RefusedLine(t.NamedTuple):
    """A line that the kernel refuses; ``unwritten``: and because of which our own line is not written at boot."""

    key: str
    path: str
    line: int
    value: str
    allowed: str
    unwritten: bool

    def as_dict(self) -> t.Dict[str, str]:
        """Return the line as a snapshot has it, with the remedy where our own line is concerned."""
        text = "the kernel refuses it and takes %s" % self.allowed
        if self.unwritten:
            text += "; systemd-sysctl writes only the last line of a key, so one of ours would not be set at the next "
            text += "reboot: remove or correct that line"
        return {
            "key": self.key,
            "file": place_of(self.path, self.line),
            "value": " ".join(self.value.split()),
            "why": text,
        }


def live(host: Host, key: str) -> t.Optional[str]:
    """Return the present value with its white space folded, or None where the key does not exist."""
    text = host.read(sysctl_keys.proc_path(key))
    return None if text is None else " ".join(text.split())


def parse(text: str, path: str, systemd: bool = True) -> t.List[Assignment]:
    """Return the assignments of one file in their order; lines that are none are passed over, as at boot.

    systemd: as systemd-sysctl reads it, else as procps
    """
    blanks = _BLANKS if systemd else _BLANKS_OF_C
    found = []
    for number, raw in enumerate(conf_d.END_OF_LINE.split(text) if systemd else text.split("\n"), start=1):
        line = raw.split("\0")[0].strip(blanks)
        if not line or line[0] in "#;":
            continue
        key, separator, value = line.partition("=")
        if key.startswith("-"):
            key = key[1:]
            if not systemd and key.startswith("-"):
                key = key[1:]
        elif not separator:
            continue
        # procps takes what follows a "-" as it is.
        key = (
            _simplified(sysctl_keys.normalize(key.strip(blanks)))
            if systemd
            else sysctl_keys.normalize(key.rstrip(blanks))
        )
        found.append(Assignment(key, value.strip(blanks) if separator else None, path, number))
    return found


@looked_at_once
def applier(host: Host) -> Applier:
    """Return who applies sysctl.d at the next start of this host.

    Nobody does where PID 1 is a program and no init, as in most containers; in WSL, whose /init only looks into
    /etc/wsl.conf; and where systemd-sysctl is masked.
    """
    if identity.boots_with_systemd(host):
        target = host.link(_SYSTEMD_SYSCTL)
        if target == "/dev/null" or (target is None and _sign(host, _SYSTEMD_SYSCTL) == ""):
            return Applier(None, "systemd-sysctl.service is masked", "systemctl unmask systemd-sysctl.service")
        return Applier(SYSTEMD_SYSCTL)
    if not host.is_directory("/proc/1"):
        return Applier(PROCPS)
    if containment.is_wsl(host):
        return _wsl(host)
    first = (_sign(host, "/proc/1/comm") or "").strip()
    if first and first not in _INITS and containment.in_container(host):
        return Applier(
            None,
            "PID 1 of this container is %s, which reads no sysctl.d" % first,
            "give the keys to whoever starts the container (docker run --sysctl, securityContext.sysctls)",
        )
    return Applier(PROCPS)


def _sign(host: Host, path: str) -> t.Optional[str]:
    """Return a file's text, None also where it cannot be read: then it is no sign of anything."""
    try:
        return host.read(path)
    except OSError:
        return None


def wsl_boot(host: Host, option: str) -> t.Tuple[int, str]:
    """Return line and value of ``option`` in ``[boot]`` of /etc/wsl.conf; line 0 where it is not there."""
    section, found = "", (0, "")
    for number, raw in enumerate((_sign(host, _WSL_CONF) or "").splitlines(), start=1):
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[] ").lower()
        name, equals, value = line.partition("=")
        if equals and section == "boot" and name.strip().lower() == option:
            found = (number, value.strip().strip("\"'"))
    return found


def _wsl(host: Host) -> Applier:
    if wsl_boot(host, "systemd")[1].lower() == "true":
        return Applier(SYSTEMD_SYSCTL)
    if re.search(r"sysctl\b.*\s--system\b|\bprocps\s+(?:re)?start\b", wsl_boot(host, "command")[1]):
        return Applier(PROCPS)
    return Applier(
        None,
        "WSL without systemd starts no service that reads them",
        'write "systemd=true", or "command=sysctl --system", below [boot] in /etc/wsl.conf, then: wsl --shutdown',
    )


def _told(host: Host, key: str) -> t.Optional[str]:
    """Return what a key says, None also where it cannot be read: then the usual holds."""
    try:
        return live(host, key)
    except OSError:
        return None


def kernel_now(host: Host) -> Kernel:
    """Return what the kernel of the host takes now."""
    return _as_set(kernel_at_start(host), {key: _told(host, key) for key in (UNPRIVILEGED_START, PORT_RANGE)})


@looked_at_once
def kernel_at_start(host: Host) -> Kernel:
    """Return what the kernel of the host takes as it starts, before any sysctl.d is applied.

    kernel.arch (Linux 6.1) names the machine also where a personality gives uname(2) another name (personality(2)).
    """
    machine = _told(host, "kernel.arch") or (os.uname().machine if host.live else None)
    kernel = Kernel(sysctl_keys.word_size(machine))
    if containment.in_container(host):
        # Who makes a container sets this one before its init starts, as docker does.
        start = sysctl_keys.first_number(_told(host, UNPRIVILEGED_START))
        kernel = kernel if start is None else kernel._replace(unprivileged_start=start)
    return kernel


def drop_in(values: t.Mapping[str, str]) -> t.Dict[str, t.Optional[str]]:
    """Return our drop-in with ``values``, for Host.planning; without any it is gone.

    This is what it says to who reads it. Its form is the role's template.
    """
    lines = ["%s = %s\n" % line for line in values.items()]
    return {owned.SYSCTL_DROP_IN: "".join([owned.OWNER_MARK + "\n", *lines]) if lines else None}


def at_boot(host: Host, volatile: bool = True) -> t.List[Assignment]:
    """Return every assignment that the next reboot writes, in the order in which they are written.

    volatile: with /run/sysctl.d, as if it were filled again by then
    """
    by = applier(host).name
    if by is None:
        return []
    systemd = by == SYSTEMD_SYSCTL
    lines = _lines(host, volatile, systemd)
    return _opened(host, _options(lines) if systemd else lines, systemd)


def _lines(host: Host, volatile: bool, systemd: bool) -> t.List[Assignment]:
    """Return every assignment of the files that are read at boot, in their order."""
    directories = [one for one in _DIRECTORIES if volatile or one != _VOLATILE_DIRECTORY]
    assignments: t.List[Assignment] = []
    # systemd passes hidden files over, procps reads them.
    for path in conf_d.in_order(host.list, directories, hidden=not systemd):
        lines = parse(host.read(path) or "", path, systemd)
        assignments += [line._replace(line=_PLANNED) for line in lines] if path in host.planned else lines
    if not systemd:
        assignments += parse(host.read(_SYSCTL_CONF) or "", _SYSCTL_CONF, systemd)
    return assignments


def _opened(host: Host, lines: t.Iterable[Assignment], systemd: bool) -> t.List[Assignment]:
    """Return the assignments of which the tool opens the file, and that is there."""
    if systemd:
        lines = [line._replace(key=key) for line in lines for key in _expanded(line.key)]
    return [
        line for line in lines if _is_opened(sysctl_keys.proc_path(line.key), systemd) and not is_gone(host, line.key)
    ]


def is_gone(host: Host, key: str) -> bool:
    """Tell whether ``key`` is another's old name that this kernel does not have, so that a line of it sets nothing."""
    names = names_of(key)
    if key == names[0] or not host.exists(sysctl_keys.proc_path(names[0])):
        # Whatever a module brings that is not loaded: of the names only the present ones come with it.
        return key in names[2:] and not host.exists(sysctl_keys.proc_path(key))
    return not host.exists(sysctl_keys.proc_path(key))


def _options(assignments: t.Iterable[Assignment]) -> t.List[Assignment]:
    """systemd-sysctl keeps one assignment of each key: of an equal value in the place of the first, else of the last.

    procps keeps them all, and so a ``-key`` line takes nothing back that another line sets.
    """
    options: t.Dict[str, Assignment] = {}
    for assignment in assignments:
        before = options.get(assignment.key)
        if before is not None and before.value != assignment.value:
            del options[assignment.key]
        options[assignment.key] = assignment
    return list(options.values())


def written(assignments: t.Iterable[Line], key: str) -> t.List[Line]:
    """Return the assignments that are written to ``key``, by whichever of its names, in their order."""
    return [assignment for _key, assignment in _writes(assignments, (key,))]


def _writes(assignments: t.Iterable[Line], keys: t.Sequence[str]) -> t.List[t.Tuple[str, Line]]:
    """Return what is written to each of ``keys``, in the order of writing.

    A line that names a key excludes that name of it from all globs, wherever they stand.
    """
    assignments = list(assignments)
    named = {assignment.key for assignment in assignments if isinstance(assignment, Assignment)}
    names = {key: names_of(key) for key in keys}
    return [
        (key, assignment)
        for assignment in assignments
        for key in keys
        if assignment.value is not None and _applies(assignment.key, names[key], named)
    ]


def _applies(written_key: str, names: t.Sequence[str], named: t.Container[str]) -> bool:
    """Tell whether a line for ``written_key`` writes to the key of these names."""
    if _GLOB_CHARACTERS.intersection(written_key):
        return any(_matches(written_key, name) for name in names if name not in named and name not in _OLD_NAMES)
    return _written(written_key) in names


def settle(assignments: t.Sequence[Line], key: str, kernel: Kernel = _ANY_KERNEL) -> Settled:
    """Return what the kernel makes of the assignments for ``key``; ``kernel``: as it starts."""
    # The local port range and the first unprivileged port bound each other.
    keys = (PORT_RANGE, UNPRIVILEGED_START) if key in (PORT_RANGE, UNPRIVILEGED_START) else (key,)
    values: t.Dict[str, str] = {PORT_RANGE: _FIRST_RANGE, UNPRIVILEGED_START: str(kernel.unprivileged_start)}
    won: t.Optional[Line] = None
    refused = []
    for name, assignment in _writes(assignments, keys):
        text = assignment.value or ""
        planned = assignment.line == _PLANNED
        value = text if planned else sysctl_keys.taken(name, text, _as_set(kernel, values), values.get(name))
        if value is not None:
            values[name] = value
        if name == key and value is None:
            refused.append(assignment)
        elif name == key and value is not None:
            won = assignment._replace(value=value)
    return Settled(won, refused)


def _as_set(kernel: Kernel, values: t.Mapping[str, t.Optional[str]]) -> Kernel:
    """Return the kernel with what these keys have."""
    start, local = (sysctl_keys.first_number(values.get(key)) for key in (UNPRIVILEGED_START, PORT_RANGE))
    return kernel._replace(
        unprivileged_start=kernel.unprivileged_start if start is None else start,
        range_start=kernel.range_start if local is None else local,
    )


def winner(assignments: t.Sequence[Line], key: str, kernel: Kernel = _ANY_KERNEL) -> t.Optional[Line]:
    """Return the assignment that ``key`` has after the boot, with that value, or None where no file sets it."""
    return settle(assignments, key, kernel).won


def is_sorted(path: str) -> bool:
    """Tell whether a file is one of sysctl.d, so that its name decides who wins."""
    return path.startswith(tuple(directory + "/" for directory in _DIRECTORIES))


def names_of(key: str) -> t.Tuple[str, ...]:
    """Return every name of a normalized ``key``, its own among them."""
    return _NAMES_OF.get(key, (key,))


def refused_lines(host: Host, keys: t.Iterable[str]) -> t.List[RefusedLine]:
    """Return every line about ``keys`` that the kernel refuses, wherever it stands."""
    systemd = applier(host).name == SYSTEMD_SYSCTL
    kernel = kernel_at_start(host)
    lines = _lines(host, True, systemd)
    read = _opened(host, lines, systemd)
    kept = _opened(host, _options(lines), systemd) if systemd else read
    found = []
    for key in keys:
        left = written(kept, key)
        refused = settle(kept, key, kernel).refused
        lines_of_key = written(read, key)
        lost = any(line.path == owned.SYSCTL_DROP_IN for line in lines_of_key) and all(
            line.path != owned.SYSCTL_DROP_IN for line in left
        )
        for line in lines_of_key:
            # One that nobody writes, as a later one replaces it, is judged by itself.
            if line in refused if line in left else settle([line], key, kernel).refused:
                allowed = sysctl_keys.allowed(key, kernel)
                unwritten = lost and line in left
                found.append(RefusedLine(key, line.path, line.line, line.value or "", allowed, unwritten))
    return found


def _expanded(key: str) -> t.List[str]:
    """systemd-sysctl matches with GLOB_BRACE: ``conf.{all,eth*}.rp_filter`` is two patterns (glob(3))."""
    keys = [key]
    while len(keys) <= _MAX_PATTERNS and _GLOB_CHARACTERS.intersection(key):
        braces = _BRACES.search(keys[0])
        if braces is None:
            return keys
        keys = [
            one[: match.start()] + word + one[match.end() :]
            for one in keys
            for match in [_BRACES.search(one)]
            if match is not None
            for word in match.group(1).split(",")
        ]
    return [key]


def _is_opened(path: str, systemd: bool) -> bool:
    """systemd-sysctl refuses a path with two dots in it (path_is_normalized), the kernel a file as a directory."""
    return "/../" not in path if systemd else not path.endswith("/")


def _simplified(key: str) -> str:
    """Drop the parts of a path that mean nothing: empty ones and single dots (path_simplify of sysctl_normalize)."""
    return ".".join(part for part in key.split(".") if part not in ("", "/"))


@functools.lru_cache(maxsize=4096)
def _written(key: str) -> str:
    """Return the key of the file that is written, which need not be how its path is spelled (path_resolution(7))."""
    path = os.path.normpath(sysctl_keys.proc_path(key))
    return path[len(sysctl_keys.proc_path("")) :].translate(str.maketrans("./", "/."))


def _matches(pattern: str, key: str) -> bool:
    """Match as glob(7) does on /proc/sys: part by part, a star never crosses a separator."""
    # Where glob(3) differs from fnmatch: "[^a]" is "[!a]", and a backslash takes a character's meaning.
    pattern = re.sub(r"\\(.)", r"[\1]", pattern.replace("[^", "[!"))
    patterns, parts = pattern.split("."), key.split(".")
    return len(patterns) == len(parts) and all(map(fnmatch.fnmatchcase, parts, patterns))


def after_boot(host: Host, key: str) -> t.Optional[Line]:
    """Return the assignment that wins for ``key`` at the next reboot."""
    return winner(at_boot(host), key, kernel_at_start(host))
