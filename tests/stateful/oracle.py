# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files mean at a boot, to a login and to a unit: told a second time, with nothing of the collection's code.

Only as much as the machine of this folder writes: whole keys and no globs in sysctl.d, users, groups and * in
limits.d, numbers and infinity in units. tests/differential is where the rules themselves are tested.
"""

from __future__ import annotations

import posixpath
import typing as t

#: path -> text of a host's files, links already followed.
Files = t.Mapping[str, str]

NR_OPEN = "fs.nr_open"
#: What the kernel itself takes, found by writing to fs.nr_open of a virtual machine of 64 bits (Linux 6.1): 63 and
#: 2147483585 are refused. So fs/file.c says: the descriptor bitmap is made of words, and descriptors are of type int.
_NR_OPEN_ALLOWED = range(64, 2147483584 + 1)

INFINITY = 2**64 - 1
#: systemd.directives(7), DefaultLimitNOFILE=
DEFAULT = (1024, 524288)

#: The keys that somebody changes, with the kernel's own values.
KERNEL = {
    "fs.nr_open": "1048576",
    "fs.file-max": "1628000",
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_max_syn_backlog": "512",
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.ip_local_reserved_ports": "",
    "net.ipv4.tcp_tw_reuse": "2",
}

#: Gives the host its own address.
NETWORK_FILE = "/etc/systemd/network/10-eth0.network"

UNITS = ("ssh.service", "app.service")
#: User -> groups.
USERS = {"root": ("root",), "tester": ("tester", "ops")}

#: Keys that hold one number which the tests raise.
FLOORS = ("fs.file-max", NR_OPEN, "net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog")


class Limit(t.NamedTuple):
    """A hard limit that somebody is going to ask the kernel for."""

    who: str
    soft: int
    hard: int
    path: str


class Lockout(t.NamedTuple):
    who: str
    hard: int
    nr_open: int
    when: str


def _in(files: Files, directory: str) -> dict[str, str]:
    """Return name -> path of the *.conf in a directory."""
    found = {}
    for path in files:
        folder, name = posixpath.split(path)
        if folder == directory and name.endswith(".conf"):
            found[name] = path
    return found


def _in_order(files: Files, *directories: str) -> list[str]:
    """Return the *.conf of several directories, the first of which wins a name, sorted by name."""
    chosen: dict[str, str] = {}
    for directory in reversed(directories):
        chosen.update(_in(files, directory))
    return [chosen[name] for name in sorted(chosen)]


def assignments(text: str) -> dict[str, str]:
    """Return the last value of every key in a file of sysctl.d."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", ";")):
            values[key.strip().lstrip("-").replace("/", ".")] = " ".join(value.split())
    return values


def sysctl_at_boot(files: Files) -> dict[str, tuple[str, str]]:
    """Return the value that sysctl.d gives to every key, and its file; the kernel may refuse one of them."""
    order = _in_order(files, "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
    return {key: (value, path) for path in order for key, value in assignments(files[path]).items()}


def kernel_takes(key: str, value: str) -> bool:
    """Tell whether a write to /proc/sys succeeds."""
    if key == NR_OPEN:
        return value.isdecimal() and int(value) in _NR_OPEN_ALLOWED
    if key == "net.ipv4.ip_local_port_range":
        words = value.split()
        return len(words) == 2 and 1024 <= int(words[0]) <= int(words[1]) <= 65535
    if key == "net.ipv4.ip_local_reserved_ports":
        # kernel/sysctl.c, proc_do_large_bitmap(): EINVAL for a range whose end is below its start
        ranges = [one.split("-") for one in value.split(",") if one]
        return all(int(ends[0]) <= int(ends[-1]) <= 65535 for ends in ranges)
    return True


def keys_after_boot(files: Files, kernel: t.Mapping[str, str]) -> dict[str, str]:
    """Return every key's value after a reboot; ``kernel``: those before sysctl.d is applied."""
    values = dict(kernel)
    for key, (value, _path) in sysctl_at_boot(files).items():
        if key in values and kernel_takes(key, value):
            values[key] = value
    return values


def _number(word: str) -> int:
    return INFINITY if word in ("infinity", "unlimited", "-1") else int(word)


# --- pam_limits ---


def _session_lines(files: Files) -> list[tuple[str, str, int, str]]:
    lines = []
    for path in ["/etc/security/limits.conf", *_in_order(files, "/etc/security/limits.d")]:
        for line in files.get(path, "").splitlines():
            words = line.partition("#")[0].split()
            if len(words) == 4 and words[2] == "nofile":
                lines.append((words[0], words[1], _number(words[3]), path))
    return lines


def session(files: Files, user: str, nr_open: int) -> tuple[int | None, int | None]:
    """Return the soft and hard limit that pam_limits of Debian gives to a user, None where no line does.

    A soft limit alone is cut to the inherited hard one, which is no more than nr_open either.
    """
    rank = {user: 0} | {"@" + group: 1 for group in USERS[user]} | {"*": 2}
    if user == "root":
        rank = {"root": 0}
    best: dict[str, tuple[int, int]] = {}
    for domain, kind, number, _path in _session_lines(files):
        if domain in rank:
            for one in ("soft", "hard") if kind == "-" else (kind,):
                # Of a "-" line that is too weak for soft, hard is not looked at either.
                if one in best and best[one][0] < rank[domain]:
                    break
                best[one] = (rank[domain], number)
    soft, hard = (min(best[kind][1], nr_open) if kind in best else None for kind in ("soft", "hard"))
    if soft is not None:
        soft = min(soft, DEFAULT[1] if hard is None else hard)
    return soft, hard


def _domains(files: Files) -> list[Limit]:
    """Return the last hard limit of every domain: somebody may be in each group."""
    last: dict[str, Limit] = {}
    for domain, kind, number, path in _session_lines(files):
        if kind in ("hard", "-"):
            last[domain] = Limit("domain " + domain, 0, number, path)
    # Debian's pam_limits makes nr_open of unlimited.
    return [limit for limit in last.values() if limit.hard != INFINITY]


def last_lines(files: Files) -> dict[tuple[str, str], tuple[int, str]]:
    """Return the number that holds for every domain and kind, and its file."""
    last = {}
    for domain, kind, number, path in _session_lines(files):
        for one in ("soft", "hard") if kind == "-" else (kind,):
            last[domain, one] = (number, path)
    return last


# --- systemd ---


def setting(files: Files, paths: t.Iterable[str], name: str) -> tuple[int, int, str] | None:
    """Return the soft and hard limit that the last line of some files gives, and its file."""
    found = None
    for path in paths:
        for line in files.get(path, "").splitlines():
            key, _equals, value = line.partition("=")
            if key.strip() == name:
                soft, colon, hard = value.strip().partition(":")
                found = (_number(soft), _number(hard if colon else soft), path)
    return found


def default(files: Files) -> Limit:
    """Return what a unit gets that sets nothing."""
    paths = ["/etc/systemd/system.conf", *_in_order(files, "/etc/systemd/system.conf.d")]
    return Limit("every unit", *(setting(files, paths, "DefaultLimitNOFILE") or (*DEFAULT, "")))


def unit(files: Files, name: str) -> Limit:
    """Return a unit's limit as configured."""
    drop_ins = _in_order(files, "/etc/systemd/system/%s.d" % name, "/usr/lib/systemd/system/%s.d" % name)
    own = setting(files, ["/usr/lib/systemd/system/" + name, *drop_ins], "LimitNOFILE")
    return Limit(name, *(own or default(files)[1:]))


# --- all of it ---


def configured(files: Files) -> list[Limit]:
    return [*_domains(files), default(files), *(unit(files, name) for name in UNITS)]


def lockouts(
    files: Files, nr_open: int, after_boot: int, first: tuple[int, int], running: t.Mapping[str, int]
) -> set[Lockout]:
    """Return who cannot log in or start, or not any more.

    nr_open, after_boot: fs.nr_open now and after the next reboot
    first:   the hard limit of PID 1 now and then, which is what infinity means
    running: process -> hard limit
    """
    found = {Lockout(who, hard, nr_open, "now") for who, hard in running.items() if hard > nr_open}
    for limit in configured(files):
        for when, top, most in (("now", nr_open, first[0]), ("after boot", after_boot, first[1])):
            hard = most if limit.hard == INFINITY else limit.hard
            if hard > top:
                found.add(Lockout(limit.who, hard, top, when))
    return found
