# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Podman is told, told to this machine's Podman: the container has it, and what is refused is refused."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess

import pytest
from engine_host import look, outside, runtime, seen, text, usual_limits, wanted

IMAGE = "localhost/fourtuple-clients-test:bookworm"


def podman(*words: str, network: str = "none", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a container that ends by itself; ``words``: options, and the command."""
    command = ["podman", *runtime(), "run", "--rm", "--pull", "never", "--network", network, *words]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_the_options_give_the_container_what_the_plan_says():
    told = outside("podman")
    options = [*usual_limits(), *shlex.split(text(told, "podman run"))]
    done = podman(*options, IMAGE, "/bin/sh", "-c", look(told))
    assert done.returncode == 0, done.stderr
    assert seen(told, done.stdout) == wanted(told)


def test_without_them_it_has_none_of_it():
    """So that the test above can fail, and the text is of use."""
    told = outside("podman")
    done = podman(*usual_limits(), "--ulimit", "nofile=5000:5000", IMAGE, "/bin/sh", "-c", look(told))
    assert done.returncode == 0, done.stderr
    found = seen(told, done.stdout)
    assert [key for key, value in told["sysctls"].items() if found["sysctls"][key] == value] == []


def test_containers_conf_gives_it_the_limit(tmp_path: pathlib.Path):
    told = outside("podman")
    conf = tmp_path / "containers.conf"
    # A --ulimit would take the place of the whole list.
    nproc = "".join(', "%s"' % limit for limit in usual_limits()[1:])
    conf.write_text(text(told, "/etc/containers/containers.conf").replace('"]', '"%s]' % nproc))
    done = podman(IMAGE, "/bin/sh", "-c", "ulimit -Sn; ulimit -Hn", CONTAINERS_CONF=str(conf))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(told["nofile"]["soft"]), str(told["nofile"]["hard"])]


def test_the_hosts_network_takes_no_keys():
    """As the text says; the machine's own are not touched."""
    ours = "/proc/sys/net/ipv4/ip_local_port_range"
    before = pathlib.Path(ours).read_text()
    options = [*usual_limits(), *shlex.split(text(outside("podman"), "podman run"))]
    done = podman(*options, IMAGE, "/bin/sh", "-c", "exit", network="host")
    assert "can't be set since Network Namespace set to host" in done.stderr
    assert (done.returncode != 0, pathlib.Path(ours).read_text()) == (True, before)


@pytest.mark.parametrize(
    "key", ["fs.nr_open", "fs.file-max", "vm.max_map_count", "net.ipv4.tcp_mem", "net.core.rmem_max"]
)
def test_what_is_left_to_the_machine_no_engine_gives(key):
    """With the value that it has, were it to be written after all."""
    value = " ".join(pathlib.Path("/proc/sys", key.replace(".", "/")).read_text().split())
    options = [*usual_limits(), "--ulimit", "nofile=5000:5000", "--sysctl", "%s=%s" % (key, value)]
    assert podman(*options, IMAGE, "/bin/sh", "-c", "exit").returncode != 0
