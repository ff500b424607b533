# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engines of Debian 13, and kubectl, make of what they are told: nightly, for the time of their image.

No cluster is here: a pod runs in Podman, which takes its keys since 5.0, and kubectl reads it with the types of
Kubernetes. Which keys a kubelet takes is from its documentation.
"""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
import time
import typing as t

import pytest
import yaml
from engine_host import Root, assigned, look, outside, runtime, seen, text, usual_limits, wanted

pytestmark = pytest.mark.nightly

CLIENT = "localhost/client:1"
CGROUP = "fourtuple-engines"


@pytest.fixture(scope="module")
def root() -> t.Iterator[Root]:
    found = Root("trixie-containers")
    try:
        yield found
    finally:
        found.close()
        for folder in pathlib.Path("/sys/fs/cgroup").glob("**/%s" % CGROUP):
            folder.rmdir()


@pytest.fixture(scope="module")
def podman(root: Root) -> list[str]:
    """Return the command, which has an image."""
    conf = '[containers]\ncgroupns = "private"\ndefault_ulimits = %s\n[engine]\n%scgroup_manager = "cgroupfs"\n' % (
        json.dumps([*usual_limits()[1:], "nofile=5000:5000"]),
        'runtime = "runc"\n' if runtime() else "",
    )
    root.write("/etc/containers/containers.conf", conf + 'events_logger = "file"\n')
    root.write(
        "/etc/containers/storage.conf", '[storage]\ndriver = "vfs"\nrunroot = "/run/c"\ngraphroot = "/var/lib/c"\n'
    )
    root.run("podman", "import", "--quiet", "/srv/client.tar", CLIENT)
    return ["podman"]


@pytest.fixture
def dockerd(root: Root) -> t.Iterator[t.Callable[[dict[str, t.Any]], None]]:
    """Return a function that starts a dockerd with a daemon.json, and has an image in it."""
    running: list[subprocess.Popen[bytes]] = []

    def start(settings: dict[str, t.Any]) -> None:
        # It owns no network but an empty one, does not filter it, and leaves no control group of its own.
        alone = {
            "bridge": "none",
            "iptables": False,
            "ip6tables": False,
            "ip-forward": False,
            "storage-driver": "vfs",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": "/" + CGROUP,
        }
        # What it asks for itself must be what root may have here.
        nproc = {"nproc": {"Name": "nproc", "Soft": 20000, "Hard": 20000}} if usual_limits() else {}
        merged = {**alone, **settings, "default-ulimits": {**nproc, **settings.get("default-ulimits", {})}}
        path = root.write("/etc/docker/daemon.json", json.dumps(merged))
        root.run("dockerd", "--validate", "--config-file", path)
        running.append(subprocess.Popen(root.command("dockerd"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 30
        while root.run("docker", "version", status=None).returncode:
            assert running[-1].poll() is None, "dockerd has ended"
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.1)
        root.run("docker", "import", "/srv/client.tar", CLIENT)

    yield start
    for one in running:
        # What is waited for is nsenter, which passes no signal on.
        root.run("sh", "-c", "kill $(cat /run/docker.pid)")
        one.wait()


class TestPodman:
    def test_the_options(self, root, podman):
        told = outside("podman")
        options = shlex.split(text(told, "podman run"))
        done = root.run(*podman, "run", "--rm", "--network", "none", *options, CLIENT, "/bin/sh", "-c", look(told))
        assert seen(told, done.stdout) == wanted(told)

    def test_a_quadlet_becomes_these_options(self, root):
        """Its unit runs `podman run` with them; systemd takes a command apart as a shell does, where nothing is %."""
        told = outside("podman")
        section = "%sImage=%s\n" % (text(told, "NAME.container"), CLIENT)
        root.write("/tmp/quadlets/client.container", section)
        environment = ["env", "QUADLET_UNIT_DIRS=/tmp/quadlets"]
        generator = "/usr/lib/systemd/system-generators/podman-system-generator"
        unit = root.run(*environment, generator, "--dryrun").stdout
        (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
        found = assigned(shlex.split(line.removeprefix("ExecStart=")))
        assert found == assigned(shlex.split(text(told, "podman run")))
        assert len(found) == len(told["sysctls"]) + 1

    def test_a_pod(self, root, podman):
        told = outside("kubernetes")
        path = root.write("/tmp/pod.yaml", yaml.safe_dump(pod(told)))
        root.run(*podman, "kube", "play", "--network", "none", path)
        try:
            done = root.run(*podman, "exec", "client-client", "/bin/sh", "-c", look(told))
        finally:
            root.run(*podman, "kube", "down", "--force", path)
        assert seen(told, done.stdout)["sysctls"] == told["sysctls"]


class TestDocker:
    def test_the_options(self, root, dockerd):
        told = outside("docker")
        dockerd({})
        options = shlex.split(text(told, "docker run"))
        done = root.run("docker", "run", "--rm", "--network", "none", *options, CLIENT, "/bin/sh", "-c", look(told))
        assert seen(told, done.stdout) == wanted(told)
        done = root.run(
            "docker", "run", "--rm", "--network", "host", *options, CLIENT, "/bin/sh", "-c", "", status=None
        )
        assert (done.returncode != 0, "not allowed" in done.stderr) == (True, True), done.stderr

    def test_daemon_json(self, root, dockerd):
        told = outside("docker")
        dockerd(json.loads(text(told, "/etc/docker/daemon.json")))
        script = "ulimit -Sn; ulimit -Hn"
        done = root.run("docker", "run", "--rm", "--network", "none", CLIENT, "/bin/sh", "-c", script)
        assert done.stdout.split() == [str(told["nofile"]["soft"]), str(told["nofile"]["hard"])]

    def test_compose(self, root, dockerd):
        """What is pasted, merged with a file of the operator's, as Compose does it with -f twice."""
        told = outside("compose")
        dockerd({})
        ours = root.write("/tmp/ours.yaml", text(told, "compose.yaml"))
        script = look(told).replace("$", "$$")
        service = {"image": CLIENT, "network_mode": "none", "command": ["/bin/sh", "-c", script]}
        theirs = root.write("/tmp/theirs.yaml", yaml.safe_dump({"services": {"client": service}}))
        compose = ["docker", "compose", "--project-name", "tested", "-f", theirs, "-f", ours]
        done = root.run(*compose, "run", "--rm", "client")
        assert seen(told, done.stdout) == wanted(told)


class TestKubernetes:
    def test_kubectl_reads_all_of_the_pod(self, tmp_path: pathlib.Path):
        """It drops what no pod has, and refuses what is of another type."""
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "own"], check=True)
        requirements = pathlib.Path(__file__).with_name("requirements.txt")
        own = tmp_path / "own/bin"
        subprocess.run([own / "pip", "install", "--quiet", "--requirement", requirements], check=True)
        wanted_pod = pod(outside("kubernetes"))
        path = tmp_path / "pod.yaml"
        path.write_text(yaml.safe_dump(wanted_pod))
        # A command that needs no server, and writes out what it has read.
        command = [own / "kubectl", "set", "image", "--local", "--filename", path, "client=other", "--output", "yaml"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        assert yaml.safe_load(done.stdout)["spec"]["securityContext"] == wanted_pod["spec"]["securityContext"]

    def test_the_kubelet_is_told_of_what_it_would_refuse(self):
        told = outside("kubernetes")
        configuration = yaml.safe_load(text(told, "the kubelet's configuration"))
        assert configuration["kind"] == "KubeletConfiguration"
        assert set(configuration["allowedUnsafeSysctls"]) < {
            one["name"] for one in pod(told)["spec"]["securityContext"]["sysctls"]
        }
        assert "net.core.somaxconn" in configuration["allowedUnsafeSysctls"]


def pod(told: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the pod of an operator, with what is pasted."""
    pasted = yaml.safe_load(text(told, "the pod"))["spec"]
    container = {
        "name": "client",
        "image": CLIENT,
        "imagePullPolicy": "Never",
        "command": ["/bin/sleep", "600"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {**pasted, "containers": [container]},
    }
