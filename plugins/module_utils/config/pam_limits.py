# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nofile limits pam_limits gives to a session, by its own rules.

Read from Linux-PAM's modules/pam_limits/pam_limits.c, 1.5.2 (Debian 12) and 1.7.0 (Debian 13), with
Debian's patches; limits.conf(5) tells but half of it. Names of functions below are those of the C source.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import conf_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: RLIM_INFINITY, which is also what strtoul(3) returns for a number that does not fit.
UNLIMITED = 2**64 - 1

_LIMITS_CONF = "/etc/security/limits.conf"
_LINE_LENGTH = 1024

#: How specific a line is, the smaller the more so: LIMITS_DEF_USER, _GROUP, _DEFAULT, _NONE.
_USER, _GROUP, _DEFAULT, _NONE = 0, 1, 4, 6


class Behaviour(t.NamedTuple):
    """What differs between the builds of pam_limits."""

    #: Debian's patch: ``*`` and ``@group`` never apply to uid 0.
    spares_root: bool
    #: Since 1.5.2: a nofile of ``unlimited`` becomes fs.nr_open; before, setrlimit(2) refuses it.
    caps_unlimited: bool
    #: Until 1.5.x: sscanf(3) splits at any white space, lines are cut at 1,023 bytes, and a missing
    #: limits.conf is an error; since 1.6.0 blanks and tabs split, and the value is the rest of the line.
    scans: bool
    #: Since 1.5.3, when built so: the vendor's directory, whose files step back behind those in /etc.
    vendor: t.Optional[str]
    #: A limit that setrlimit(2) refuses ends the session; Debian's patch logs it and goes on.
    refuses_session: bool = True


class Entry(t.NamedTuple):
    """One line that concerns nofile. ``kind`` is soft, hard, both, or stop for a ``domain -`` line."""

    path: str
    line: int
    domain: str
    kind: str
    value: int


class Grant(t.NamedTuple):
    """The lines that set the soft and the hard limit, where any does."""

    soft: t.Optional[Entry]
    hard: t.Optional[Entry]
    #: The ``domain -`` line by which the session keeps what it inherits.
    stopped: t.Optional[Entry] = None


@looked_at_once
def behaviour(host: Host) -> Behaviour:
    """Tell the builds apart by what is compiled into the module; without one, assume today's upstream."""
    module = _module(host)
    debian = _is_debian(host)
    return Behaviour(
        spares_root=debian,
        caps_unlimited="/proc/sys/fs/nr_open" in module,
        scans="%s%s%s%s" in module,
        vendor=_vendor(module),
        # 032_pam_limits_EPERM_NOT_FATAL leaves no trace in the module, 040_pam_limits_log_failure of the same
        # series does: it words this message anew.
        refuses_session=not debian or "Could not set limit for '%s': %m" in module,
    )


def _vendor(module: str) -> t.Optional[str]:
    """Return the folder of a limits.conf outside /etc that the module names."""
    for before in module.split("/limits.conf\0")[:-1]:
        name = re.split(r"[^\w./+-]", before[-_LINE_LENGTH:])[-1]
        found = re.search("/(?:usr|lib|opt).*", name)
        if found is not None:
            return found.group()
    return None


def _module(host: Host) -> str:
    for library in ("/usr/lib64", "/usr/lib", "/lib64", "/lib"):
        places = [library] + ["%s/%s" % (library, name) for name in host.list(library) if "linux" in name]
        path = host.first("%s/security/pam_limits.so" % place for place in places)
        if path is not None:
            return host.read(path) or ""
    return ""


def _is_debian(host: Host) -> bool:
    """Tell from os-release(5), where Ubuntu and the other children name debian in ID_LIKE."""
    text = host.read(host.first(("/etc/os-release", "/usr/lib/os-release")) or "") or ""
    for line in text.splitlines():
        key, _separator, value = line.partition("=")
        if key in ("ID", "ID_LIKE"):
            try:
                words = " ".join(shlex.split(value)).split()
            except ValueError:
                continue
            if "debian" in words:
                return True
    return False


def entries(host: Host, build: Behaviour) -> t.List[Entry]:
    """Return the lines about nofile in the order in which a session reads them."""
    found, unreadable = read(host, build)
    return found if unreadable is None else []


def read(host: Host, build: Behaviour, conf: t.Optional[str] = None) -> t.Tuple[t.List[Entry], t.Optional[str]]:
    """Return the lines, and the file that cannot be opened, because of which a session that comes to it is refused.

    Builds until 1.5.x refuse it for any file, all of them for one that the PAM stack names.

    conf: the one file that is read where the option conf= names it
    """
    found: t.List[Entry] = []
    for path in _files(host, build) if conf is None else [conf]:
        text = host.read(path)
        if text is None and (build.scans or conf is not None):
            return found, path
        found += parse(text or "", path, build)
    return found, None


def _files(host: Host, build: Behaviour) -> t.List[str]:
    """limits.conf, then limits.d/*.conf by basename (read_limits_dir); glob(3) passes hidden files over."""
    first = _LIMITS_CONF
    directories = ["/etc/security/limits.d"]
    if build.vendor is not None:
        if host.read(first) is None:
            first = build.vendor + "/limits.conf"
        directories.append(build.vendor + "/limits.d")
    return [first] + conf_d.in_order(host.list, directories)


def parse(text: str, path: str, build: Behaviour) -> t.List[Entry]:
    """Return the lines of one file that take effect on nofile, or stop the reading (parse_config_file)."""
    found = []
    # One character per byte from here on, as C counts them.
    lines = text.encode("utf-8", "surrogateescape").decode("latin-1").split("\n")
    for number, whole in enumerate(lines, start=1):
        for piece in _pieces(whole, build):
            line = piece.split("\0")[0].lstrip(" \t\n\v\f\r").split("#")[0]
            words = _split(line, build)
            if not words or _uid_range(words[0]) == "invalid":
                continue
            domain = words[0].encode("latin-1").decode("utf-8", "surrogateescape")
            if len(words) == 2 and words[1].startswith("-"):
                found.append(Entry(path, number, domain, "stop", 0))
            elif len(words) == 4 and words[2].lower() == "nofile":
                kind = {"soft": "soft", "hard": "hard", "-": "both"}.get(words[1].lower())
                value = _value(words[3].lower())
                if kind is not None and value is not None:
                    found.append(Entry(path, number, domain, kind, value))
    return found


def _pieces(line: str, build: Behaviour) -> t.List[str]:
    """fgets(3) with a buffer of LINE_LENGTH takes a long line for several."""
    if not build.scans:
        return [line]
    step = _LINE_LENGTH - 1
    return [line[start : start + step] for start in range(0, max(len(line), 1), step)]


def _split(line: str, build: Behaviour) -> t.List[str]:
    if build.scans:
        return re.findall(r"[^ \t\n\v\f\r]+", line)[:4]
    words = re.findall(r"[^ \t]+", line)
    if len(words) > 4:
        words = re.split(r"[ \t]+", line.strip(" \t"), maxsplit=3)
    return words


def _value(word: str) -> t.Optional[int]:
    """Return the number as process_limit reads it, or None for one that it does not take."""
    if word in ("-1", "-", "unlimited", "infinity"):
        return UNLIMITED
    return strtoul(word)


def strtoul(word: str) -> t.Optional[int]:
    """strtoul(3), base 10: leading digits count, the rest is ignored, a minus wraps, too much is the maximum."""
    match = re.match(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)", word)
    if match is None:
        return None
    # More digits than these overflow in any case, and Python's int() may refuse thousands of them.
    digits = match.group(2).lstrip("0")
    number = int(digits or "0") if len(digits) <= 20 else UNLIMITED
    if number >= UNLIMITED:
        return UNLIMITED
    return -number % 2**64 if match.group(1) == "-" else number


def _uid_range(domain: str) -> t.Union[str, t.Tuple[str, int, int], None]:
    """Return None for a name, "invalid", or (one | from | between, lowest, highest) (parse_uid_range)."""
    if ":" not in domain:
        return None
    text = domain[1:] if domain[0] in "@%" else domain
    low, _colon, _rest = text.partition(":")
    high = domain[domain.index(":") + 1 :]
    number = re.compile(r"[+-]?[0-9]{1,20}")
    for word in (low, high):
        if word and (not number.fullmatch(word) or int(word.lstrip("+-")) > UNLIMITED):
            return "invalid"
    lowest, highest = ((strtoul(word) or 0) % 2**32 for word in (low, high))
    if not low:
        return ("one", highest, highest) if high else "invalid"
    return ("between", lowest, highest) if high else ("from", lowest, 2**32 - 1)


def is_broken_range(domain: str) -> bool:
    """Tell whether pam_limits skips every line of this domain as "invalid uid range"."""
    return _uid_range(domain) == "invalid"


def resolve(
    lines: t.Iterable[Entry],
    build: Behaviour,
    user: str,
    uid: int,
    gid: int,
    groups: t.Iterable[t.Tuple[str, int]] = (),
) -> Grant:
    """Return what a session of ``user`` gets; nothing where the limits are left as inherited.

    groups: name and number of every group that the user is in, the primary one too
    """
    members = list(groups)
    level = {"soft": _NONE, "hard": _NONE}
    chosen: t.Dict[str, t.Optional[Entry]] = {"soft": None, "hard": None}
    for entry in lines:
        source = _applies(entry, build, user, uid, gid, members)
        if source is None:
            continue
        if entry.kind == "stop":
            # PAM_IGNORE: returns at once, what earlier lines said is not set either.
            return Grant(None, None, stopped=entry)
        for kind in ("soft", "hard") if entry.kind == "both" else (entry.kind,):
            if level[kind] < source:
                # process_limit returns: of a ``-`` line beaten for soft, hard is not looked at.
                break
            level[kind], chosen[kind] = source, entry
    return Grant(chosen["soft"], chosen["hard"])


def limits(grant: Grant, nr_open: int) -> t.Tuple[t.Optional[int], t.Optional[int]]:
    """Return the soft and hard numbers of a grant; setup_limits clips soft to hard."""
    soft, hard = (
        None if entry is None else nr_open if entry.value == UNLIMITED else entry.value
        for entry in (grant.soft, grant.hard)
    )
    return (hard if soft is not None and hard is not None and soft > hard else soft), hard


def _applies(
    entry: Entry, build: Behaviour, user: str, uid: int, gid: int, groups: t.List[t.Tuple[str, int]]
) -> t.Optional[int]:
    """Return the level at which an entry concerns the user, or None."""
    domain = entry.domain
    if domain == user:
        return _USER
    sigil = domain[:1]
    bounds = _uid_range(domain)
    # Debian's patch excepts root from limits only, not from ``@group -``; the excepted line then falls
    # through to the comparison of uids, so that ``@0:10`` does reach root.
    spared = build.spares_root and uid == 0 and entry.kind != "stop"
    if sigil == "@" and not spared:
        if not isinstance(bounds, tuple):
            member = any(name == domain[1:] for name, _number in groups)
        elif bounds[0] == "one":
            member = any(number == bounds[2] for _name, number in groups)
        else:
            member = bounds[1] <= gid <= bounds[2]
        return _GROUP if member else None
    if sigil == "%" and not spared and entry.kind != "stop":
        # "'%' domain valid for maxlogins type only"
        return None
    if isinstance(bounds, tuple):
        return _USER if bounds[1] <= uid <= bounds[2] else None
    if domain == "*" and not spared and entry.kind != "stop":
        return _DEFAULT
    return None


def level_of(domain: str) -> int:
    """Return how specific a domain is: 0 for users and ranges of uids, 1 for groups, 4 for ``*``."""
    return _DEFAULT if domain == "*" else _GROUP if domain.startswith("@") else _USER


def winning(lines: t.Iterable[Entry]) -> t.Dict[str, Grant]:
    """Return, for each domain as it is written, the lines that nothing later in its own level overrides.

    Left out: ``%`` domains, which never set nofile, and domains with a ``domain -`` line, whose sessions
    get no limit at all (``* -`` stops nobody).
    """
    chosen: t.Dict[str, Grant] = {}
    stopped = set()
    for entry in lines:
        if entry.kind == "stop":
            stopped.add(entry.domain)
            continue
        if entry.domain.startswith("%"):
            continue
        before = chosen.get(entry.domain, Grant(None, None))
        chosen[entry.domain] = Grant(
            before.soft if entry.kind == "hard" else entry, before.hard if entry.kind == "soft" else entry
        )
    return {domain: grant for domain, grant in chosen.items() if domain == "*" or domain not in stopped}


def granted(host: Host, lines: t.Sequence[Entry], build: Behaviour, domain: str) -> Grant:
    """Return the highest limits that ``lines`` give to whoever a new line for ``domain`` would concern.

    A new line for a user beats what a group or ``*`` gave before, a later line beats an equal one. So
    for a plain user this is what the user gets; for others the most that any domain no more specific
    gives: not to know who is in which group must never take anything from anyone.
    """
    if level_of(domain) == _USER and ":" not in domain and not domain.startswith("%"):
        unknown = 0 if domain == "root" else -1
        uid, gid, groups = account(host, domain) or (unknown, unknown, _groups(host, domain, unknown))
        return resolve(lines, build, domain, uid, gid, groups)
    softs, hards = [], []
    for other, grant in winning(lines).items():
        if level_of(other) >= level_of(domain):
            softs += [grant.soft] if grant.soft else []
            hards += [grant.hard] if grant.hard else []
    return Grant(
        max(softs, key=lambda entry: entry.value, default=None),
        max(hards, key=lambda entry: entry.value, default=None),
    )


def account(host: Host, user: str) -> t.Optional[t.Tuple[int, int, t.List[t.Tuple[str, int]]]]:
    """Return the uid, gid and groups of a user by /etc/passwd and /etc/group, None for an unknown one."""
    for line in (host.read("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) >= 4:
            uid, gid = decimal(fields[2]), decimal(fields[3])
            if uid is not None and gid is not None:
                return uid, gid, _groups(host, user, gid)
    return None


def home(host: Host, user: str) -> t.Optional[str]:
    """Return the home of a user by /etc/passwd, None for an unknown one."""
    for line in (host.read("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) >= 6:
            return fields[5]
    return None


def _groups(host: Host, user: str, gid: int) -> t.List[t.Tuple[str, int]]:
    found = []
    for line in (host.read("/etc/group") or "").splitlines():
        fields = line.split(":")
        number = decimal(fields[2]) if len(fields) >= 4 else None
        if number is not None and (number == gid or user in fields[3].split(",")):
            found.append((fields[0], number))
    return found
