# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first disposable host that a machine ever starts leaves the machine as it was.

systemd remounts cgroup2 with nsdelegate, an option of the whole machine (cgroups(7)) that stays. On a machine that it
has not booted only the first host shows that, so the option, which an earlier run may have left, is taken off before
the test and put back after it. Where systemd did boot the machine the option is its own and stays.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import typing as t
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
GUARD = HERE.parent / "tools" / "machine_guard"

_MS_REMOUNT, _MS_RELATIME = 0x20, 0x200000
_NSDELEGATE = "nsdelegate"
_LIBC = ctypes.CDLL(None, use_errno=True)

BOOTED_BY_SYSTEMD = pathlib.Path("/run/systemd/system").is_dir()


def cgroup2_mounts() -> dict[str, list[str]]:
    """Return the options of each mount of cgroup2."""
    mounts = (line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines())
    return {point: options.split(",") for _, point, kind, options, *_ in mounts if kind == "cgroup2"}


def remount(point: str, data: str) -> None:
    status = _LIBC.mount(None, point.encode(), None, _MS_REMOUNT | _MS_RELATIME, data.encode())
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), point)


@pytest.fixture
def fresh_machine() -> t.Iterator[None]:
    """Let the machine be as before its first host."""
    before = {} if BOOTED_BY_SYSTEMD else cgroup2_mounts()
    for point in before:
        remount(point, "")
    yield
    for point, options in before.items():
        remount(point, _NSDELEGATE if _NSDELEGATE in options else "")


@pytest.fixture
def start(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., str]]:
    """Return a function that starts and removes a host, and returns what the guard says of the machine."""
    name = "fourtuple-first-%s" % uuid.uuid4().hex[:8]

    def remove() -> None:
        subprocess.run(
            ["podman", "rm", "--force", "--ignore", "--time", "0", name], check=True, stdout=subprocess.DEVNULL
        )

    def run(image: str, *options: str) -> str:
        subprocess.run([GUARD, "snapshot", tmp_path / "machine.json"], check=True)
        subprocess.run([HERE / "start", name, image, *options], check=True)
        remove()
        compare = [GUARD, "compare", tmp_path / "machine.json"]
        return subprocess.run(compare, stdout=subprocess.PIPE, text=True, check=False).stdout

    yield run
    remove()


@pytest.mark.parametrize("image", ["bookworm", "trixie", "sysvinit"])
def test_the_first_host_leaves_the_machine_as_it_was(fresh_machine, start, image):
    assert start(image).startswith("machine_guard: this machine is as it was")
    assert BOOTED_BY_SYSTEMD or not any(_NSDELEGATE in options for options in cgroup2_mounts().values())


def test_the_guard_sees_what_a_first_host_would_leave(fresh_machine, start):
    """Which is why the test above can fail; on a machine that systemd booted the option is there from the start."""
    said = start("bookworm", "--cgroupns", "host")
    assert said.startswith("machine_guard: " if BOOTED_BY_SYSTEMD else "cgroup mount ")
    assert BOOTED_BY_SYSTEMD or said.splitlines()[0].endswith(_NSDELEGATE)


def test_a_host_may_join_a_network() -> None:
    """By default it has one of its own, without anything in it."""
    names = ["fourtuple-first-%s" % uuid.uuid4().hex[:8] for _host in range(2)]
    try:
        subprocess.run([HERE / "start", names[0], "sysvinit"], check=True)
        subprocess.run([HERE / "start", names[1], "sysvinit", "--network", "container:" + names[0]], check=True)
        links = [
            subprocess.run(["podman", "exec", name, *command], check=True, stdout=subprocess.PIPE, text=True).stdout
            for name in names
            for command in (["readlink", "/proc/1/ns/net"], ["ls", "/sys/class/net"])
        ]
        assert (links[0], links[1].split()) == (links[2], ["lo"])
        assert links[1] == links[3]
    finally:
        # Whose network it is goes last.
        for name in reversed(names):
            subprocess.run(["podman", "rm", "--force", "--ignore", "--time", "0", name], check=True)
