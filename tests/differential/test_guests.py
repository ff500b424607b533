# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host and a real guest of it: each with its own systemd, and a unit of the same name in both.

The guest is a container in a disposable host, made as LXC makes one: the kernel's namespaces, a control group
lxc.payload.NAME, and /sbin/init in it. It has the host's files, but for a /run of its own, where its twin.service gets
another limit than the host's.
"""

from __future__ import annotations

import json
import textwrap
import time
import typing as t

import differential
import pytest

_CODE = "/code/ansible_collections/fourtuple/clients/plugins"
_PRELUDE = """
import json, sys
sys.path.insert(0, "/code")
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, running_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import effective, grants
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
"""

#: $1: the name; $2: an option of unshare(1), or nothing.
_GUEST = """
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e $hierarchy/cgroup.procs ] || continue
    mkdir $hierarchy/lxc.payload.$1
    echo $$ >$hierarchy/lxc.payload.$1/cgroup.procs
done
exec env -i container=lxc PATH="$PATH" unshare $2 --pid --mount --uts --ipc --net --fork --kill-child sh -ec '
    mount --make-rprivate /
    mount -t proc proc /proc
    umount -R /sys/fs/cgroup
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/system/twin.service.d /run/systemd/system/multi-user.target.wants
    printf "[Service]\\nLimitNOFILE=1024:2000\\n" >/run/systemd/system/twin.service.d/guest.conf
    ln -s /etc/systemd/system/twin.service /etc/systemd/system/doorman.service \
        /run/systemd/system/multi-user.target.wants
    exec /usr/local/sbin/host-init'
"""

_UNITS = {
    "twin": "LimitNOFILE=3000\nExecStart=/usr/bin/sleep infinity",
    # One process in the host's PID namespace, and one in its own.
    "sandbox": "LimitNOFILE=2500\nExecStart=/usr/bin/unshare --pid --fork --kill-child /usr/bin/sleep infinity",
    # The guest's ssh server; the host runs none.
    "doorman": "LimitNOFILE=700\nRuntimeDirectory=sshd\nExecStart=/usr/sbin/sshd -D -p 2222",
}

_LOOK = """
host = Host()
subjects = effective.Subjects(host, {})
unit = subjects.unit("", "twin.service")
print(json.dumps({
    "kind": containment.container_kind(host),
    "units": {one.pid: one.unit for one in running_limits.processes(host)},
    "guests": {one.pid: one.guest for one in running_limits.processes(host) if one.guest is not None},
    "sleep": [one.pid for one in running_limits.processes(host) if one.name == "sleep"],
    "sshd": [one.pid for one in subjects.processes if one.name == "sshd"],
    "twin": [unit["now"], unit["pid"]],
    "to_restart": grants.restart_needed(host, ["twin.service"]),
}))
"""


class Machine:
    """A disposable host that has a guest."""

    def __init__(self, host: differential.Host) -> None:
        self.host = host

    def shell(self, script: str, *arguments: str) -> str:
        return self.host.run("sh", "-euc", script, "sh", *arguments)

    def guest(self, name: str) -> str:
        """Return the host's number of the guest's first process, once its ssh server runs."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            script = 'for p in $(pgrep -x sshd); do grep -q "lxc.payload.$1/" /proc/$p/cgroup && echo $p; done; true'
            if self.shell(script, name).split():
                # The children of unshare(1), whose own group is that of the guest.
                script = 'for p in $(pgrep -x systemd); do grep -q "lxc.payload.$1/" /proc/$p/cgroup && echo $p; done'
                return min(self.shell(script, name).split(), key=int)
            time.sleep(0.2)
        raise AssertionError("the guest has not booted: %s" % self.shell("cat /run/guest.log; ps axo pid,args"))

    def look(self, *enter: str) -> dict[str, t.Any]:
        """Return what our code sees, on the host or in the guest."""
        said = self.host.run(*enter, "python3", "-B", "-c", _PRELUDE + textwrap.dedent(_LOOK))
        return t.cast(dict[str, t.Any], json.loads(said))


@pytest.fixture(scope="module")
def machine() -> t.Iterator[Machine]:
    code = "%s:%s:ro" % (differential.CHECKOUT / "plugins", _CODE)
    host = differential.Host("bookworm", "guests", ["--cgroupns", "private", "--volume", code])
    try:
        host.wait()
        for name, lines in _UNITS.items():
            text = "[Service]\n%s\n" % lines
            host.run("sh", "-c", 'printf "%s" "$1" >/etc/systemd/system/$2.service', "sh", text, name)
        host.run("systemctl", "start", "twin.service", "sandbox.service")
        yield Machine(host)
    finally:
        host.stop()


@pytest.mark.parametrize("namespace", ["--cgroup", ""])
def test_a_guest_with_its_own_systemd(machine: Machine, namespace: str) -> None:
    """Each side counts its own, whether the guest sees its own control group as / or as the host does."""
    name = "c1" if namespace else "c2"
    machine.shell('setsid sh -euc "$1" sh "$2" "$3" >/run/guest.log 2>&1 </dev/null &', _GUEST, name, namespace)
    try:
        first = machine.guest(name)

        outside = machine.look()
        theirs = {int(pid): group for pid, group in outside["guests"].items()}
        assert all("lxc.payload.%s" % name in group for group in theirs.values())
        assert int(first) in theirs
        (mine,) = [pid for pid in outside["sleep"] if outside["units"][str(pid)] == "twin.service"]
        # The two of the host, and the guest's twin.
        assert sorted(outside["units"][str(pid)] or "" for pid in outside["sleep"]) == [
            "",
            "sandbox.service",
            "twin.service",
        ]
        assert outside["twin"] == [{"soft": 3000, "hard": 3000}, mine]
        assert (outside["to_restart"], outside["sshd"]) == ([], [])

        inside = machine.look("nsenter", "--all", "--target", first)
        assert (inside["kind"], inside["guests"]) == ("lxc", {})
        (twin,) = inside["sleep"]
        assert inside["units"][str(twin)] == "twin.service"
        assert inside["twin"] == [{"soft": 1024, "hard": 2000}, twin]
        assert inside["to_restart"] == []
        assert len(inside["sshd"]) == 1
    finally:
        machine.shell(
            """
            for p in $(pgrep -x unshare); do
                grep -q "lxc.payload.$1$" /proc/$p/cgroup && kill -KILL $p
            done
            for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
                group=$hierarchy/lxc.payload.$1
                for _ in $(seq 100); do
                    [ -d $group ] || break
                    find $group -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
                done
                [ ! -d $group ]
            done
            """,
            name,
        )
