# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine is told in these tests, and what its container then has."""

from __future__ import annotations

import pathlib
import re
import resource
import subprocess
import typing as t

from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan

#: A list of ports has commas in it, and a range white space.
STATED: dict[str, t.Any] = {
    "target_connections": 3000,
    "destinations": 4,
    "explicit": {
        # Root without CAP_SYS_RESOURCE can give no more than it has itself.
        "nofile_soft": 6000,
        "nofile_hard": 12000,
        "reserved_ports": ["8080", "9000-9010"],
        "sysctl_floors": {"net.core.somaxconn": 9999},
    },
}

Json = dict[str, t.Any]


def outside(engine: str) -> Json:
    """Return what the outside is told of a program's container."""
    found: Json = plan(limits_of(), dict(STATED, container_engine=engine))["container"]
    return found


def text(told: Json, place: str) -> str:
    """Return what is to be pasted there."""
    (found,) = (one["text"] for one in told["texts"] if one["place"] == place)
    return str(found)


def look(told: Json) -> str:
    """Return a script that shows what a container has of what it was to get, for seen()."""
    keys = " ".join("/proc/sys/" + key.replace(".", "/") for key in told["sysctls"])
    return "for key in %s; do echo $(cat $key); done; ulimit -Sn; ulimit -Hn" % keys


def seen(told: Json, output: str) -> Json:
    """Return what the script of look() has shown, as it was told."""
    *values, soft, hard = output.splitlines()
    return {
        "sysctls": dict(zip(told["sysctls"], values, strict=True)),
        "nofile": {"soft": int(soft), "hard": int(hard)},
    }


def wanted(told: Json) -> Json:
    return {name: told[name] for name in ("sysctls", "nofile")}


def usual_limits() -> list[str]:
    """Return options for what Podman asks for by itself and root may not have here: see tests/images/start."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return [] if hard == resource.RLIM_INFINITY or hard >= 2**20 else ["--ulimit", "nproc=%d:%d" % (hard, hard)]


def runtime() -> list[str]:
    """Return options for a runtime that takes control groups of version 1 and 2 side by side, as crun does not."""
    kind = subprocess.run(
        ["stat", "--file-system", "--format", "%T", "/sys/fs/cgroup"], stdout=subprocess.PIPE, text=True, check=True
    )
    return [] if kind.stdout.strip() == "cgroup2fs" else ["--runtime", "runc"]


class Root:
    """The root of an image, in namespaces of its own: engines run in it, and end with it.

    Its network is empty. What it writes is in memory; of the machine it has /proc, /sys and /dev.
    """

    _FIRST = """
set -eu
mount -t tmpfs -o mode=755 engines /mnt
mkdir /mnt/tree /mnt/upper /mnt/work /mnt/root
mount --bind "$1" /mnt/tree
mount -t overlay engines -o lowerdir=/mnt/tree,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /sys /mnt/root/sys
mount --rbind /dev /mnt/root/dev
# Where engines store, no overlay may lie on another.
for place in run tmp var/lib; do
    mkdir -p /mnt/root/$place
    mount -t tmpfs engines /mnt/root/$place
done
ip link set lo up
echo ready
exec cat >/dev/null
"""

    def __init__(self, image: str) -> None:
        self._image = "localhost/fourtuple-clients-test:%s" % image
        mounted = subprocess.run(
            ["podman", "image", "mount", self._image], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        namespaces = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        self._first = subprocess.Popen(
            [*namespaces, "sh", "-c", self._FIRST, "sh", mounted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == "ready\n", "the root has not started"
        children = pathlib.Path("/proc/%d/task/%d/children" % (self._first.pid, self._first.pid))
        self._pid = int(children.read_text().split()[0])

    def close(self) -> None:
        """End every process in it."""
        assert self._first.stdin is not None
        assert self._first.stdout is not None
        self._first.stdin.close()
        self._first.stdout.close()
        self._first.wait()
        subprocess.run(["podman", "image", "unmount", self._image], stdout=subprocess.DEVNULL, check=True)

    def command(self, *words: str) -> list[str]:
        """Return a command that runs another in here."""
        target = "/proc/%d/root/mnt/root" % self._pid
        enter = ["nsenter", "--target", str(self._pid), "--mount", "--net", "--pid", "--ipc", "--uts"]
        environment = ["env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin", "PODMAN_IGNORE_CGROUPSV1_WARNING=1"]
        return [*enter, "--root=" + target, "--wd=" + target, "--", *environment, *words]

    def run(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command; ``status``: that it must end with, None for any."""
        done = subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert status is None or done.returncode == status, (words, done.stdout, done.stderr)
        return done

    def write(self, path: str, content: str) -> str:
        """Write a file, and return its path."""
        target = pathlib.Path("/proc/%d/root/mnt/root" % self._pid, path.lstrip("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        return path


def assigned(words: t.Sequence[str]) -> set[tuple[str, str]]:
    """Return the options of a command line that give a container its keys and limits."""
    return {(one, words[place + 1]) for place, one in enumerate(words) if re.fullmatch("--(?:sysctl|ulimit)", one)}
