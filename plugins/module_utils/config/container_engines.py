# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container engines give their containers for nofile: neither the limits of sessions nor those of units.

An engine, or its runtime, sets the limit with setrlimit(2) when a container starts, and where that is above
fs.nr_open the container does not start. Compose files, pods and command lines are no files of the host; nor can the
configuration of LXD and Incus be read, which is in a database.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import conf_d, systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal, place_of

_DAEMON_JSON = "/etc/docker/daemon.json"
#: Where dockerd's options are: units, and the variables that they read.
_DOCKER_UNITS = ("docker.service",)
_DOCKER_OPTIONS = ("/etc/default/docker", "/etc/sysconfig/docker", "/etc/conf.d/docker")
_FLAG = re.compile(r"--default-ulimit[= ]+[\"']?nofile=([-0-9]+)(?::([-0-9]+))?")

_CONTAINERS = "/containers/containers.conf"
_CRIO = "/crio/crio.conf"
_CONTAINERD = "/etc/containerd/config.toml"

#: libpod/define/config.go, RLimitDefaultValue: for root podman asks for it whatever fs.nr_open is.
PODMAN_DEFAULT = 1048576
_PODMAN_SOURCE = "podman's built-in default"

_LXC = re.compile(r"\s*lxc\.prlimit\.nofile\s*[=:]\s*(\S+)")
_MAX_CONTAINERS = 1000

#: Signs that an engine is installed, and what starts containers of it with a limit of its own.
_ENGINES = (
    ("docker", ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/snap/bin/dockerd", _DAEMON_JSON)),
    ("podman", ("/usr/bin/podman", "/usr/local/bin/podman")),
    ("containerd", ("/usr/bin/containerd", "/usr/local/bin/containerd", _CONTAINERD)),
    ("CRI-O", ("/usr/bin/crio", "/usr/local/bin/crio", "/etc" + _CRIO)),
    ("LXD", ("/var/snap/lxd/common/lxd", "/var/lib/lxd")),
    ("Incus", ("/var/lib/incus",)),
    ("LXC", ("/usr/bin/lxc-start", "/etc/pve/lxc")),
    ("k3s", ("/usr/local/bin/k3s", "/usr/bin/k3s")),
)
#: Where people set it, for those whose containers get a default otherwise.
_SETTINGS = {
    "docker": "default-ulimits in /etc/docker/daemon.json, or --ulimit nofile=SOFT:HARD of docker run",
    "podman": "default_ulimits in /etc/containers/containers.conf, or --ulimit nofile=SOFT:HARD of podman run",
    "containerd": "LimitNOFILE= of containerd.service, which containers inherit",
    "CRI-O": "default_ulimits in /etc/crio/crio.conf.d",
    "LXD": "limits.kernel.nofile of the instance",
    "Incus": "limits.kernel.nofile of the instance",
    "LXC": "lxc.prlimit.nofile of the container",
    "k3s": "LimitNOFILE= of k3s.service, which containers inherit",
}


class Limit(t.NamedTuple):
    """A limit that an engine will ask for; ``name``: whose, as in ``containers of docker``; line 0 is a built-in."""

    name: str
    soft: int
    hard: int
    shown: t.Union[int, str]
    path: str
    line: int


def limits(host: Host) -> t.List[Limit]:
    """Return every limit that a file of the host, or podman itself, has containers started with."""
    found = []
    for look in (_docker, _podman, _crio, _containerd, _lxc, _nspawn, _supervisor):
        found += look(host)
    return found


def engines(host: Host) -> t.List[t.Dict[str, t.Any]]:
    """Return the engines of the host: name, the nofile of their containers and its place, and where to set it.

    ``nofile`` is null where the engine's own default counts: since Docker 29 and containerd 2.1 that is the limit of
    their service, 1024:524288 with systemd.
    """
    known = {one.name: one for one in limits(host)}
    found = []
    for name, places in _ENGINES:
        if not any(host.exists(place) for place in places):
            continue
        limit = known.get("containers of " + name)
        found.append(
            {
                "name": name,
                "nofile": None if limit is None else {"soft": limit.soft, "hard": limit.hard},
                "by": None if limit is None else _place(limit),
                "setting": _SETTINGS[name],
            }
        )
    return found


def _place(limit: Limit) -> str:
    return place_of(limit.path, limit.line)


def _limit(name: str, soft: str, hard: str, path: str, line: int) -> t.List[Limit]:
    """Return one limit, where it is one; -1 and ``unlimited`` are RLIM_INFINITY, which the kernel refuses."""
    numbers = [_number(soft.strip()), _number(hard.strip())]
    if numbers[0] is None or numbers[1] is None:
        return []
    shown: t.Union[int, str] = "unlimited" if numbers[1] == systemd_limits.INFINITY else numbers[1]
    return [Limit(name, numbers[0], numbers[1], shown, path, line)]


def _number(text: str) -> t.Optional[int]:
    return systemd_limits.INFINITY if text in ("-1", "unlimited", "infinity", "infinite") else decimal(text)


def _docker(host: Host) -> t.List[Limit]:
    """Return the default-ulimits of dockerd: of daemon.json, or of its command line; it refuses to have both."""
    name = "containers of docker"
    text = host.text(_DAEMON_JSON) or ""
    found = []
    ulimits = _member(_json(text), "default-ulimits")
    nofile = {str(key).lower(): value for key, value in _mapping(_member(ulimits, "nofile")).items()}
    if nofile:
        soft, hard = (str(nofile.get(key, 0)) for key in ("soft", "hard"))
        found += _limit(name, soft, hard, _DAEMON_JSON, _line_of(text, '"nofile"', '"hard"'))
    for path, line, value in _lines(host, [*_unit_files(host, _DOCKER_UNITS), *_DOCKER_OPTIONS]):
        match = _FLAG.search(value) if not value.lstrip().startswith("#") else None
        if match is not None:
            found += _limit(name, match.group(1), match.group(2) or match.group(1), path, line)
    return found


def _podman(host: Host) -> t.List[Limit]:
    name = "containers of podman"
    paths = ["/usr/share" + _CONTAINERS, *conf_d.named(host.names, "/usr/share" + _CONTAINERS + ".d", hidden=True)]
    paths += ["/etc" + _CONTAINERS, *conf_d.named(host.names, "/etc" + _CONTAINERS + ".d", hidden=True)]
    found = _default_ulimits(host, paths, name)
    installed = any(host.exists(place) for place in dict(_ENGINES)["podman"])
    if not found and installed:
        return [Limit(name, PODMAN_DEFAULT, PODMAN_DEFAULT, PODMAN_DEFAULT, _PODMAN_SOURCE, 0)]
    return found


def _crio(host: Host) -> t.List[Limit]:
    paths = ["/etc" + _CRIO, *conf_d.named(host.names, "/etc" + _CRIO + ".d", hidden=True)]
    return _default_ulimits(host, paths, "containers of CRI-O")


def _default_ulimits(host: Host, paths: t.Sequence[str], name: str) -> t.List[Limit]:
    """Return the nofile of the last file's ``default_ulimits``, a list of TOML that replaces those before."""
    found: t.List[Limit] = []
    for path in paths:
        text = host.text(path) or ""
        match = re.search(r"^[ \t]*default_ulimits[ \t]*=[ \t]*\[([^\]]*)\]", text, re.MULTILINE)
        if match is None:
            continue
        found = []
        first = text.count("\n", 0, match.start(1)) + 1
        for number, line in enumerate(match.group(1).split("\n"), start=first):
            for soft, hard in re.findall(r"[\"']nofile=([-\w]+)(?::([-\w]+))?[\"']", line.split("#")[0]):
                found += _limit(name, soft, hard or soft, path, number)
    return found[-1:]


def _containerd(host: Host) -> t.List[Limit]:
    """Return the rlimits of the specification that containerd bases its containers on (base_runtime_spec)."""
    found = []
    for path in dict.fromkeys(
        re.findall(r"^\s*base_runtime_spec\s*=\s*[\"'](/[^\"']+)", host.text(_CONTAINERD) or "", re.MULTILINE)
    ):
        text = host.text(path) or ""
        rlimits = _member(_member(_json(text), "process"), "rlimits")
        for one in rlimits if isinstance(rlimits, list) else ():
            if _member(one, "type") == "RLIMIT_NOFILE":
                soft, hard = (str(_member(one, key)) for key in ("soft", "hard"))
                found += _limit(
                    "containers of containerd", soft, hard, path, _line_of(text, "RLIMIT_NOFILE", "RLIMIT_NOFILE")
                )
    return found


def _lxc(host: Host) -> t.List[Limit]:
    """Return the lxc.prlimit.nofile of containers of LXC (lxc.container.conf(5)) and of Proxmox."""
    named = [("the container %s" % name, "/var/lib/lxc/%s/config" % name) for name in host.names("/var/lib/lxc")]
    named += [
        ("the container %s" % os.path.basename(path)[:-5], path) for path in conf_d.named(host.names, "/etc/pve/lxc")
    ]
    named += [("new containers of LXC", "/etc/lxc/default.conf")]
    found = []
    for name, path in named[:_MAX_CONTAINERS]:
        own: t.List[Limit] = []
        for _path, line, text in _lines(host, [path]):
            match = _LXC.match(text)
            if match is not None:
                soft, colon, hard = match.group(1).partition(":")
                own = _limit(name, soft, hard if colon else soft, path, line)
        found += own
    return found


def _nspawn(host: Host) -> t.List[Limit]:
    """Return the LimitNOFILE= of containers of systemd-nspawn (systemd.nspawn(5))."""
    found = []
    directories = ("/etc/systemd/nspawn", "/run/systemd/nspawn", "/var/lib/machines")
    for path in conf_d.in_order(host.names, directories, ".nspawn"):
        name = "the container %s" % os.path.basename(path)[:-7]
        for line, value in systemd_limits.assignments(host.text(path) or "", "Exec", "LimitNOFILE"):
            pair = systemd_limits.parse_rlimit(value)
            if pair is not None:
                found += _limit(name, _shown(pair[0]), _shown(pair[1]), path, line)
    return found


def _shown(number: int) -> str:
    return "infinity" if number == systemd_limits.INFINITY else str(number)


def _supervisor(host: Host) -> t.List[Limit]:
    """Return what supervisord raises its own limit to, and does not start without (supervisor 4.2, options.py)."""
    for path in ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"):
        text = host.text(path)
        if text is not None:
            section = ""
            for _path, line, raw in _lines(host, [path]):
                section = raw.strip() if raw.startswith("[") else section
                match = re.match(r"\s*minfds\s*[=:]\s*([0-9]+)", raw)
                if match is not None and section == "[supervisord]":
                    return _limit("supervisord", match.group(1), match.group(1), path, line)
            return []
    return []


# --- reading ---


def _unit_files(host: Host, names: t.Iterable[str]) -> t.List[str]:
    """Return the files of units, with their drop-ins."""
    found = []
    for directory in ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"):
        for name in names:
            found.append("%s/%s" % (directory, name))
            found += conf_d.named(host.names, "%s/%s.d" % (directory, name))
    return found


def _lines(host: Host, paths: t.Iterable[str]) -> t.Iterator[t.Tuple[str, int, str]]:
    for path in paths:
        for number, line in enumerate((host.text(path) or "").split("\n"), start=1):
            yield path, number, line


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Nor does the engine start with it.
        return None


def _mapping(value: object) -> t.Dict[t.Any, t.Any]:
    return value if isinstance(value, dict) else {}


def _member(value: object, key: str) -> t.Any:
    return _mapping(value).get(key)


def _line_of(text: str, section: str, word: str) -> int:
    """Return the line of the first ``word``, in any case, from the ``section`` on."""
    lower = text.lower()
    start = max(lower.find(section.lower()), 0)
    place = lower.find(word.lower(), start)
    return text.count("\n", 0, place if place >= 0 else start) + 1
