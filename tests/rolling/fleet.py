# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of disposable hosts (tests/images) that fail on purpose, and runs of tune_clients.yml on it.

The hosts are containers with an sshd of their own. Each ssh session is a process in the container, so nothing leaves
this machine.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import types
import typing as t

CHECKOUT = pathlib.Path(__file__).parents[2]
KEYS = "etc/sysctl.d/99-zz-fourtuple.conf"
LIMITS = "etc/security/limits.d"

#: Seconds. A host is given up when it has said nothing for so long.
SILENCE = 8
_SSH = (
    '-F none -o ProxyCommand="podman exec -i %%h /usr/local/sbin/ssh-session" -o StrictHostKeyChecking=no'
    " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlMaster=no"
    " -o ServerAliveInterval=1 -o ServerAliveCountMax=%d" % SILENCE
)
#: An address to connect from. The other end of the link is the host's as well.
_NETWORK = (
    "ip link add eth0 type veth peer name other && ip address add 192.0.2.10/24 dev eth0 && ip link set eth0 up"
    " && ip link set other up && ip route add default via 192.0.2.1"
)
#: What a container can have: nothing of it needs what the machine owns.
NEED: dict[str, object] = {
    "tune_target_connections": 20000,
    "tune_destinations": 4,
    "tune_binding": "bind_no_port",
    "tune_processes": 4,
    "tune_nofile_soft": 16384,
}


class Played(t.NamedTuple):
    """What a run came to: its exit status, each host's counts of the recap, the report, and what was printed."""

    status: int
    counts: dict[str, dict[str, int]]
    report: dict[str, t.Any]
    output: str

    @property
    def verdicts(self) -> dict[str, str]:
        return {host["host"]: host["verdict"] for host in self.report["hosts"]}

    @property
    def messages(self) -> dict[str, str]:
        return {host["host"]: host["message"] for host in self.report["hosts"]}


class Fleet:
    """Containers by the names of the hosts; use it as a context. A host with the image None is not there at all."""

    def __init__(self, folder: pathlib.Path, images: t.Mapping[str, str | None]) -> None:
        self._folder = folder
        self._images = dict(images)
        self._pids: dict[str, int] = {}
        self._runs = 0

    def __enter__(self) -> t.Self:
        key = self._folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        public = key.with_suffix(".pub").read_text()

        def start(host: str, image: str) -> None:
            command: list[str | pathlib.Path] = [CHECKOUT / "tests/images/start", self.container(host), image]
            subprocess.run(command, check=True)
            self.run(host, "cat >/root/.ssh/authorized_keys", data=public)
            self.run(host, _NETWORK)

        try:
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                there = [(host, image) for host, image in self._images.items() if image]
                list(pool.map(lambda one: start(*one), there))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: types.TracebackType | None
    ) -> None:
        names = [self.container(host) for host in self._images]
        command = ["podman", "rm", "--force", "--ignore", "--time", "0", *names]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

    def container(self, host: str) -> str:
        return "fourtuple-rolling-%d-%s" % (os.getpid(), host)

    def run(self, host: str, script: str, data: str = "") -> str:
        """Run a script as root on a host, without a login."""
        command = ["podman", "exec", "--interactive", self.container(host), "sh", "-c", script]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, text=True, check=True).stdout

    def freeze(self, host: str) -> None:
        """Stop every process of a host, the running module and its session among them; new sessions say nothing."""
        self._signal(host, signal.SIGSTOP)
        self.silence(host)

    def thaw(self, host: str) -> None:
        self.let_speak(host)
        self._signal(host, signal.SIGCONT)

    def silence(self, host: str) -> None:
        """Let a host take connections and say nothing."""
        session = self._session(host)
        session.rename(session.with_suffix(".real"))
        session.write_text("#!/bin/sh\nexec sleep 300\n")
        session.chmod(0o755)

    def let_speak(self, host: str) -> None:
        session = self._session(host)
        session.with_suffix(".real").rename(session)

    def _session(self, host: str) -> pathlib.Path:
        return pathlib.Path("/proc/%d/root/usr/local/sbin/ssh-session" % self._pid(host))

    def _signal(self, host: str, number: signal.Signals) -> None:
        """Send every process of a host but its first a signal; from here, where no new process is needed for it."""
        first = self._pid(host)
        namespace = pathlib.Path("/proc/%d/ns/pid" % first).readlink()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            # Some of the machine's own processes are nobody's to look at, not even root's.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if process.name != str(first) and (process / "ns/pid").readlink() == namespace:
                    os.kill(int(process.name), number)

    def kill(self, host: str) -> None:
        """Take a host's power away."""
        os.kill(self._pid(host), signal.SIGKILL)

    def start(self, host: str) -> None:
        """Boot a host that was killed."""
        del self._pids[host]
        subprocess.run(["podman", "start", self.container(host)], stdout=subprocess.DEVNULL, check=True)
        deadline = time.monotonic() + 60
        # Until it runs, and where it is degraded, systemctl fails, too; what it says is judged.
        while self.run(host, "systemctl is-system-running || true").strip() not in ("running", "degraded"):
            assert time.monotonic() < deadline, "%s has not booted" % host
            time.sleep(0.2)
        self.run(host, _NETWORK)

    def fill(self, host: str) -> None:
        """Leave no room for a file of limits, which is found out when it is written."""
        self.run(host, "mount -t tmpfs -o size=4k full /%s && head -c 4096 /dev/zero >/%s/.full" % (LIMITS, LIMITS))

    def empty(self, host: str) -> None:
        self.run(host, "umount /" + LIMITS)

    def when_keys_are_written(self, host: str, act: t.Callable[[str], None]) -> None:
        """Do something to a host at the moment in which it has the file of keys, in the middle of a change."""
        # Looked up now: what comes then must not take longer than the rest of the change.
        path = pathlib.Path("/proc/%d/root" % self._pid(host)) / KEYS

        def wait() -> None:
            while not path.exists():
                time.sleep(0.002)
            act(host)

        threading.Thread(target=wait, daemon=True).start()

    def _pid(self, host: str) -> int:
        if host not in self._pids:
            command = ["podman", "inspect", "--format", "{{.State.Pid}}", self.container(host)]
            self._pids[host] = int(subprocess.check_output(command, text=True))
        return self._pids[host]

    def lockout(self, host: str) -> list[str]:
        """Name what has a hard nofile above fs.nr_open: the promise that is kept also where a run broke off."""
        nr_open = int(self.run(host, "cat /proc/sys/fs/nr_open"))
        # 1: no line; anything else is a failure, and no host without offenders.
        said = self.run(host, "grep -hE 'nofile|LimitNOFILE' -r /etc/security /etc/systemd || [ $? = 1 ]")
        return [line for line in said.splitlines() for n in re.findall(r"\b(\d{4,})\b", line) if int(n) > nr_open]

    def play(self, *options: str, hosts: t.Mapping[str, t.Mapping[str, object]] | None = None) -> Played:
        """Run tune_clients.yml; ``hosts``: variables of single ones beyond NEED."""
        self._runs += 1
        folder = self._folder / ("run%d" % self._runs)
        folder.mkdir()
        common = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self._folder / "key"),
            "ansible_ssh_args": _SSH,
            "ansible_ssh_pipelining": True,
            "ansible_ssh_retries": 0,
            "ansible_timeout": SILENCE,
            "report_dir": str(folder),
            **NEED,
        }
        given = {host: {"ansible_host": self.container(host), **(hosts or {}).get(host, {})} for host in self._images}
        inventory = folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"vars": common, "hosts": given}}))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        settings = folder / "ansible.cfg"
        settings.touch()
        clean |= {
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "playbooks/collections"),
            "ANSIBLE_NOCOLOR": "1",
            "PATH": "%s:%s" % (pathlib.Path(sys.executable).parent, clean["PATH"]),
        }
        command = ["ansible-playbook", "-i", inventory, CHECKOUT / "playbooks/tune_clients.yml", *options]
        done = subprocess.run(
            command,
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        recap = re.findall(r"^(\w+) +: (ok=.*)$", done.stdout, re.MULTILINE)
        counts = {host: {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", line)} for host, line in recap}
        assert (folder / "report.json").exists(), done.stdout
        return Played(done.returncode, counts, json.loads((folder / "report.json").read_text()), done.stdout)
