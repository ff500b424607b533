# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a host's snapshot and keep whatever it read: the part of `record` that runs on the host.

The snapshot itself says which files belong to a recording: its calls of open(), listdir(), stat() and readlink()
are replaced by ones that write down what they return. Python 3.8 and the standard library, as on any managed host.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import ipaddress
import json
import os
import re
import stat
import sys
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import proc_net

#: Kept of a program: what pam_limits.behaviour() tells the builds apart by. The zero ends a string there as here.
_MARKS = re.compile(rb"[\x20-\x7e]*(?:nr_open|/limits\.(?:conf|d)|/proc/1/limits|%s%s%s%s)[\x20-\x7e]*(?=\0)")
_STAND_IN = "\x7fELF: a stand-in with the strings that matter\0"

_DOCUMENTATION = [ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
_IPV4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.-])")
_IPV6 = re.compile(
    r"(?<![\w:.])(?:2[0-9a-fA-F]{3}|3[0-9a-fA-F]{3}|f[cd][0-9a-fA-F]{2})(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])"
)
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])")

_UNITS = re.compile(r"/systemd/(?:system|user)[\w.]*/.*\.(?:service|socket|mount|swap|conf)$")

_T = t.TypeVar("_T")


class Trace:
    """What was read, by the host's path, links resolved."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.directories: dict[str, list[str]] = {}
        self.links: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self._open, self._stat, self._lstat = builtins.open, os.stat, os.lstat
        self._listdir, self._readlink = os.listdir, os.readlink

    # --- what replaces the real calls ---

    def open(self, path: t.Any, mode: str = "r", *arguments: t.Any, **options: t.Any) -> t.Any:
        """Return the file as it was when it was first read: counters move, a recording must not."""
        if not _is_absolute(path) or set(mode) & set("wax+"):
            return self._open(path, mode, *arguments, **options)
        real = self._resolve(path)
        if real not in self.files:
            self.files[real] = self._attempt(real, lambda: self._read(path))
        # A file that the kernel knows too: readers ask fstat(2) what they have.
        stream = os.fdopen(os.memfd_create("recorded"), "w+b")
        stream.write(self.files[real])
        stream.seek(0)
        if "b" in mode:
            return stream
        encoding, errors, newline = (options.get(name) for name in ("encoding", "errors", "newline"))
        return io.TextIOWrapper(stream, encoding or "utf-8", errors, newline)

    def listdir(self, path: t.Any = ".") -> list[str]:
        if not _is_absolute(path):
            return self._listdir(path)
        real = self._resolve(path)
        names = self._attempt(real, lambda: self._listdir(path))
        self.directories[real] = sorted(names, key=os.fsencode)
        return names

    def stat(self, path: t.Any, **options: t.Any) -> os.stat_result:
        if not _is_absolute(path):
            return self._stat(path, **options)
        real = self._resolve(path)
        found = self._attempt(real, lambda: self._stat(path, **options))
        if re.search(r"^/proc/[0-9]+/fd$", real):
            # Its size is the number of open files, which a folder of fixtures shows by its entries.
            self.listdir(real)
        elif stat.S_ISDIR(found.st_mode):
            self.directories.setdefault(real, [])
        else:
            self.directories.setdefault(os.path.dirname(real), [])
            names = self.directories[os.path.dirname(real)]
            if os.path.basename(real) not in names:
                names.append(os.path.basename(real))
        return found

    def readlink(self, path: t.Any, **options: t.Any) -> str:
        target = self._readlink(path, **options)
        if _is_absolute(path):
            folder, name = os.path.split(path)
            self._link(self._resolve(folder), name, target)
        return target

    # --- how they do it ---

    def _read(self, path: str) -> bytes:
        with self._open(path, "rb") as stream:
            return stream.read()

    def _attempt(self, path: str, call: t.Callable[[], _T]) -> _T:
        try:
            return call()
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                self.refused[path] = errno.errorcode[error.errno]
            raise

    def _resolve(self, path: str) -> str:
        """Follow the links of ``path`` and note each."""
        left, done = [part for part in path.split("/") if part][::-1], ""
        for _step in range(400):
            if not left:
                break
            part = left.pop()
            if part in (".", ".."):
                done = os.path.dirname(done).rstrip("/") if part == ".." else done
                continue
            try:
                target = self._readlink(done + "/" + part)
            except OSError:
                done += "/" + part
                continue
            self._link(done, part, target)
            done = "" if target.startswith("/") else done
            left += [name for name in target.split("/") if name][::-1]
        return done or "/"

    def _link(self, folder: str, name: str, target: str) -> None:
        # What is behind /proc/<pid>/fd is nobody's business.
        if not re.search(r"^/proc/[^/]+/fd$", folder):
            self.links["%s/%s" % (folder.rstrip("/"), name)] = target

    @contextlib.contextmanager
    def active(self) -> t.Iterator[None]:
        """Replace the calls for the time being."""
        real = {(builtins, "open"): builtins.open, (io, "open"): io.open}
        real.update({(os, name): getattr(os, name) for name in ("listdir", "stat", "readlink")})
        ours = {"open": self.open, "listdir": self.listdir, "stat": self.stat, "readlink": self.readlink}
        for module, name in real:
            setattr(module, name, ours[name])
        try:
            yield
        finally:
            for (module, name), call in real.items():
                setattr(module, name, call)

    def kind(self, path: str) -> str:
        """Return ``/`` for a directory, nothing for all else, as a recording marks an entry."""
        try:
            return "/" if stat.S_ISDIR(self._lstat(path).st_mode) else ""
        except OSError:
            return ""

    def as_dict(self, users: t.Iterable[str]) -> dict[str, t.Any]:
        """Return what a recording holds of the files; equal texts stand there once."""
        files: dict[str, t.Any] = {}
        copies: dict[str, list[str]] = {}
        first_of: dict[str, str] = {}
        for path in sorted(self.files, key=_by_parts):
            text = reduced(path, self.files[path], users)
            if text in first_of and len(text) > 40:
                copies.setdefault(first_of[text], []).append(path)
                continue
            first_of.setdefault(text, path)
            files[path] = text.splitlines(True) if text.count("\n") > 1 else text
        return {
            "directories": {path: self._names(path) for path in sorted(self.directories, key=_by_parts)},
            "links": {path: self.links[path] for path in sorted(self.links, key=_by_parts)},
            "refused": dict(sorted(self.refused.items())),
            "files": files,
            "copies": copies,
        }

    def _names(self, path: str) -> str:
        names = [name for name in self.directories[path] if " " not in name]
        if path == "/proc":
            # Of the rest what matters was read; a process may be gone by now.
            return " ".join(name + "/" for name in sorted(names, key=_by_parts) if name.isdecimal())
        marked = [name + self.kind("%s/%s" % (path.rstrip("/"), name)) for name in names]
        return " ".join(sorted(marked, key=_by_parts))


def _is_absolute(path: t.Any) -> bool:
    return isinstance(path, str) and path.startswith("/")


def _by_parts(path: str) -> list[t.Any]:
    """Sort numbers by value: processes stand in the order in which they started."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in path.split("/")]


# --- what of a file is kept ---


def reduced(path: str, data: bytes, users: t.Iterable[str]) -> str:
    """Return the text of a file without what no snapshot looks at, and without what names people or machines."""
    if data.startswith(b"\x7fELF"):
        marks = sorted({match.decode("ascii") for match in _MARKS.findall(data)}) if "pam_limits" in path else []
        return _STAND_IN + "".join(mark + "\0" for mark in marks)
    text = data.decode("utf-8", "surrogateescape")
    for pattern, reduce in _REDUCERS:
        if re.search(pattern, path):
            return reduce(text)
    if path in ("/etc/passwd", "/etc/group"):
        return _accounts(text, set(users))
    if _UNITS.search(path) and "LimitNOFILE" not in text:
        # An empty file would be a masked unit.
        return _keep(text, r"\[") or text[:1]
    return text


def _keep(text: str, pattern: str) -> str:
    return "".join(line for line in text.splitlines(True) if re.match(pattern, line))


def _listeners(text: str) -> str:
    """Keep the listening sockets, which come first, and their ports: addresses become the unspecified one."""
    lines = text.splitlines(True)
    kept = lines[:1]
    for line in lines[1:]:
        fields = line.split()
        if fields[3] != "0A":
            break
        kept.append("%s %s:%s %s 0A\n" % (fields[0], "0" * len(fields[2][:-5]), fields[1][-4:], fields[2]))
    return "".join(kept)


def _environment(text: str) -> str:
    return "".join(entry + "\0" for entry in text.split("\0") if entry.startswith("container="))


def _packages(text: str) -> str:
    """Keep name, state and version of the packages whose behaviour differs between versions."""
    kept = [
        _keep(stanza + "\n", r"(Package|Status|Version): ")
        for stanza in text.split("\n\n")
        if re.match(r"Package: (systemd|libpam-modules)\n", stanza)
    ]
    return "\n".join(kept)


def _accounts(text: str, users: set[str]) -> str:
    """Keep root and whoever the snapshot is asked for, and of a group only these members."""
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 4:
            fields[3] = ",".join(name for name in fields[3].split(",") if name in users)
        if fields[0] in users | {"root", "sshd", "nobody"} or (len(fields) == 4 and fields[3]):
            kept.append(":".join(fields) + "\n")
    return "".join(kept)


def _modules(text: str) -> str:
    """Keep what concerns tracking, without the addresses at which it lies."""
    lines = _keep(text, r"(nf_|nft_|xt_|ip_tables|x_tables|nfnetlink|iptable_)").splitlines()
    return "".join("%s 0x0000000000000000\n" % line.rpartition(" ")[0] for line in lines)


_REDUCERS: t.Sequence[tuple[str, t.Callable[[str], str]]] = (
    (r"^/proc/[0-9]+/net/tcp6?$", _listeners),
    (r"^/proc/[0-9]+/environ$", _environment),
    (r"^/proc/[0-9]+/mountinfo$", lambda text: "".join(line for line in text.splitlines(True) if " - cgroup" in line)),
    (r"^/proc/[0-9]+/status$", lambda text: _keep(text, r"(Name|Uid|Gid|Threads|Cap\w+|NSpid):")),
    (r"^/proc/cmdline$", lambda text: " ".join(re.findall(r"\b(?:ro|rw|thash_entries=\S+)(?=\s)", text)) + "\n"),
    (r"^/proc/modules$", _modules),
    (r"^/proc/slabinfo$", lambda text: _keep(text, r"(slabinfo|#|TCP|sock_inode|dentry|filp|eventpoll|tcp_|tw_|lsm_)")),
    (r"^/var/lib/dpkg/status$", _packages),
)


# --- names and addresses ---


class Names:
    """Puts addresses of the documentation (RFC 5737, RFC 3849) in the place of others, the same for the same."""

    def __init__(self, hostname: str) -> None:
        self._hostname = re.compile(r"(?<![\w.-])%s(?![\w-])" % re.escape(hostname))
        self._stands_for: dict[str, str] = {}

    def clean(self, value: t.Any) -> t.Any:
        """Return ``value``, whatever JSON it is, without this host's name and addresses."""
        if isinstance(value, dict):
            return {self.clean(name): self.clean(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [self.clean(entry) for entry in value]
        if not isinstance(value, str):
            return value
        text = self._hostname.sub("client1", value)
        for pattern, replace in ((_IPV4, self._ipv4), (_IPV6, self._ipv6), (_MAC, self._mac)):
            text = pattern.sub(lambda match, call=replace: call(match.group()), text)
        return text

    def _ipv4(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        first = text.partition(".")[0]
        known = address.is_loopback or address.is_unspecified or address.is_multicast or first in ("255", "169")
        if known or text.endswith(".0") or any(address in network for network in _DOCUMENTATION):
            return text
        return self._stands_for.setdefault(text, "198.51.100.%d" % (len(self._stands_for) % 254 + 1))

    def _ipv6(self, text: str) -> str:
        if text.lower().startswith("2001:db8:"):
            return text
        return self._stands_for.setdefault(text, "2001:db8::%x" % (len(self._stands_for) + 1))

    def _mac(self, text: str) -> str:
        if text in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
            return text
        return self._stands_for.setdefault(text, "02:00:00:00:00:%02x" % (len(self._stands_for) % 256))


def main(request: t.Mapping[str, list[str]]) -> None:
    """Print the recording: the observation, what the snapshot made of it, and what it read."""
    from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
    from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
    from ansible_collections.fourtuple.clients.plugins.module_utils.host.observation import observe
    from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole

    asked = whole.SnapshotRequest(**request)
    observation = observe(asked.all_users)
    hostname = observation["hostname"]
    if containment.in_container(Host()):
        # The kernel is the machine's, and its builder's name says which machine that is.
        observation["kernel"] = re.match(r"[0-9.]*[0-9]", observation["kernel"]).group()  # type: ignore[union-attr]
    trace = Trace()
    with trace.active():
        limits = whole.snapshot(Host(), observation, asked)
        # The running host is asked by netlink; a folder has these tables alone.
        proc_net.listeners("/")
    recording = {"observation": observation}
    recording.update(trace.as_dict(asked.all_users))
    cleaned = Names(hostname).clean(dict(recording, limits=limits))
    json.dump(cleaned, sys.stdout)
