# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as a folder in namespaces of its own: starts, is restored and reboots within a tenth of a second.

    with Sandbox("bookworm") as host:
        before = host.state()
        untouched = host.snapshot()
        host.play("tune_clients.yml", tune_target_connections=50000, tune_nofile_hard=2000000).expect(0)
        host.boot()
        host.restore(untouched)

What is real: the programs and files of a Debian image, the network namespace (addresses, routes, net.* keys), the
kernel's process tree of a PID namespace, systemd-sysctl, Ansible's modules and ours, run as Ansible ships them.

What is not: fs.*, kernel.* and vm.* of /proc/sys are plain files, so that they can be raised without a change to the
machine. A plain file takes any value, and the open(2) of a writer that is killed before its write(2) empties it, unlike
the kernel's: settle() gives it back the value that it had. There is no systemd as PID 1: `systemctl daemon-reload` is
only noted, systemd-networkd's part of a boot is played by boot(), and a hard nofile above what this machine grants has
to be claimed by hold().

Nothing outlives the process that made it: everything is on a tmpfs inside the namespaces, and the sandbox's first
process reads a pipe of which that process has the other end. The machine is mounted read-only there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import types
import typing as t

CHECKOUT = pathlib.Path(__file__).parents[2]
ENTER = pathlib.Path(__file__).with_name("enter")

INTERFACE = "eth0"
ADDRESS = "192.0.2.10/24"
GATEWAY = "192.0.2.1"
NETWORK_FILE = "/etc/systemd/network/10-eth0.network"
ROUTES_UNIT = "/etc/systemd/system/fourtuple-addresses.service"
ROUTES_TARGET = "/etc/systemd/system/sysinit.target.d/fourtuple-addresses.conf"
#: Begins what a route makes local, among the addresses.
ROUTE = "route "
_OF_LO = "route %s local %s dev lo proto kernel"

#: What every sandbox has beyond its image: a network of systemd-networkd's, a service of the operator's, and a
#: systemctl that does without the service manager.
HOST_FILES = {
    NETWORK_FILE: "[Match]\nName=%s\n[Network]\nAddress=%s\nGateway=%s\n" % (INTERFACE, ADDRESS, GATEWAY),
    "/etc/systemd/system/client.service": "[Service]\nExecStart=/bin/sleep infinity\n",
    "/usr/local/bin/systemctl": '#!/bin/sh\n[ "$*" != daemon-reload ] || echo "$*" >>/run/systemctl.log\n'
    'SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl "$@"\n',
}

#: What the kernel and PID 1 make of these at boot. Both raise fs.file-max (src/core/main.c,
#: bump_file_max_and_nr_open); of fs.nr_open Debian 12 builds systemd so that it leaves the kernel's.
BOOT_VALUES = {
    "bookworm": {"fs.nr_open": "1048576", "fs.file-max": str(2**63 - 1)},
    "trixie": {"fs.nr_open": "1073741816", "fs.file-max": str(2**63 - 1)},
    "trixie-pull": {"fs.nr_open": "1073741816", "fs.file-max": str(2**63 - 1)},
    "forky": {"fs.nr_open": "1073741816", "fs.file-max": str(2**63 - 1)},
}
BOOT_VALUES.update({name + "-monitoring": BOOT_VALUES[name] for name in ("bookworm", "trixie")})

#: Parts of the host that are no trace of a run: what a boot empties, and Ansible's own temporary files.
PASSING = ("/tmp", "/run/systemctl.log", "/root/.ansible", "/var/tmp")

#: The namespaces' own parts of /proc/sys; everything else there is replaced by plain files.
_OWN_TREES = ("net", "user")
_SYSCTL = pathlib.Path("/proc/sys")

#: Runs as the first process. The tmpfs hides the machine's /mnt in this mount namespace only; children that are left
#: behind are reaped because their parent ignores SIGCHLD (wait(2)); cat ends with the pipe that it reads.
_FIRST_PROCESS = """
set -eu
mount -t tmpfs -o mode=755 sandbox /mnt
mkdir /mnt/tree /mnt/root /mnt/disk /mnt/disk/upper /mnt/disk/work /mnt/disk/sys
mount --bind "$1" /mnt/tree
mount -o remount,bind,ro /mnt/tree
mount -o remount,bind,ro /
hostname client
ip link set lo up
ip link add eth0 type bridge
ip link set eth0 up
trap '' CHLD
echo ready
exec cat >/dev/null
"""

_ASSEMBLE = """
set -eu
mkdir -p disk/upper disk/work
mount -t overlay sandbox -o lowerdir=tree,upperdir=disk/upper,workdir=disk/work root
mount -t proc proc root/proc
for tree in disk/sys/*; do mount --bind "$tree" "root/proc/sys/${tree##*/}"; done
mount -t sysfs -o ro sysfs root/sys
mount --rbind -o ro /sys/fs/cgroup root/sys/fs/cgroup
for tree in null zero full random urandom; do
    [ -e root/dev/$tree ] || touch root/dev/$tree
    mount --bind /dev/$tree root/dev/$tree
done
"""

_TAKE_APART = "umount --recursive --lazy /mnt/root && rm -rf /mnt/disk/work"


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All of a sandbox but its processes: the files that differ from the image, values, and the network."""

    disk: bytes
    keys: dict[str, str]
    addresses: list[str]


@dataclasses.dataclass(frozen=True)
class Played:
    """What a run of a playbook came to."""

    status: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        recap = re.search(r"^\S+ +: (ok=.*)$", self.output, re.MULTILINE)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap[1] if recap else "")}

    @property
    def message(self) -> str:
        """The last error's message, or empty."""
        found = re.findall(r"^fatal: \[\S+\]: FAILED! => (\{.*\})$", self.output, re.MULTILINE)
        return str(json.loads(found[-1]).get("msg", "")) if found else ""

    def expect(self, status: int) -> Played:
        assert self.status == status, self.output
        return self


def image_tree(image: str) -> pathlib.Path:
    """Return a folder with the files of one of tests/images/build's images; made once for each build."""
    name = "localhost/fourtuple-clients-test:%s" % image
    number = _output("podman", "image", "inspect", "--format", "{{.Id}}", name)
    cache = CHECKOUT / ".cache/sandbox"
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / ("%s-%s" % (image, number[:12]))
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            for old in cache.glob(image + "-*"):
                shutil.rmtree(old)
            partial = cache / (tree.name + ".partial")
            mounted = _output("podman", "image", "mount", name)
            try:
                subprocess.run(["cp", "--archive", mounted, partial], check=True)
            finally:
                _output("podman", "image", "unmount", name)
            partial.rename(tree)
    return tree


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


class Sandbox:
    """A disposable host, with the files of an image. ``files`` are added to HOST_FILES before it first boots."""

    def __init__(
        self, image: str = "bookworm", files: t.Mapping[str, str] | None = None, pid: int | None = None
    ) -> None:
        """Start a host; with ``pid``, take a snapshot of one that another process has started."""
        self.image = image
        self._first: subprocess.Popen[str] | None = None
        self._inventories = itertools.count(os.getpid() * 1000)
        if pid is not None:
            self.pid = pid
            return
        self.tree = image_tree(image)
        namespaces = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"]
        self._first = subprocess.Popen(
            [*namespaces, "sh", "-c", _FIRST_PROCESS, "sh", str(self.tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert self._first.stdout is not None
            assert self._first.stdout.readline() == "ready\n", "the sandbox has not started"
            self.pid = _only_child(self._first.pid)
            self._defaults = self._keys_of_network()
            self._fill_sysctl()
            self._assemble()
            for path, text in (HOST_FILES | dict(files or {})).items():
                self.write(path, text)
            self.path("/usr/local/bin/systemctl").chmod(0o755)
            self.boot()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def read_only(self, path: str) -> None:
        """Let a folder of the host be on a read-only file system until repaired(), a boot or restore()."""
        self.in_namespaces("mount --bind root%s root%s && mount -o remount,bind,ro root%s" % (path, path, path))

    def full(self, path: str) -> None:
        """Let a folder of the host be on its own, full file system until repaired(), boot() or restore()."""
        self.in_namespaces("mkdir -p root%s && mount -t tmpfs -o size=4k full root%s" % (path, path))
        self.in_namespaces("head -c 4096 /dev/zero >root%s/.full" % path)

    def repaired(self, path: str) -> None:
        self.in_namespaces("umount root%s" % path)

    def close(self) -> None:
        """End every process of the sandbox; all the rest goes with them."""
        if self._first is not None:
            assert self._first.stdin is not None
            assert self._first.stdout is not None
            self._first.stdin.close()
            self._first.stdout.close()
            self._first.wait()

    # --- files: from outside, at native speed. Never /proc: net.* there would be the machine's. ---

    def path(self, path: str) -> pathlib.Path:
        """Return where the host's ``path`` can be read and written from outside."""
        assert not path.startswith(("/proc", "/sys")), path
        return pathlib.Path("/proc/%d/root/mnt/root" % self.pid) / path.lstrip("/")

    def read(self, path: str) -> str | None:
        try:
            return self.path(path).read_text()
        except FileNotFoundError:
            return None

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def remove(self, path: str) -> None:
        self.path(path).unlink(missing_ok=True)

    @property
    def _disk(self) -> pathlib.Path:
        return pathlib.Path("/proc/%d/root/mnt/disk" % self.pid)

    # --- keys ---

    def key(self, name: str) -> str | None:
        """Return a key's present value, or None where there is no such key."""
        path = name.replace(".", "/")
        if path.startswith("net/"):
            done = self.run("cat", str(_SYSCTL / path), status=None)
            return done.stdout.strip() if done.returncode == 0 else None
        file = self._disk / "sys" / path
        return file.read_text().strip() if file.exists() else None

    def set_key(self, name: str, value: str) -> None:
        """Set a key as somebody else on the host would."""
        path = name.replace(".", "/")
        if path.startswith("net/"):
            self.run("sh", "-c", 'printf "%s\\n" "$1" >"$2"', "sh", value, str(_SYSCTL / path))
        else:
            (self._disk / "sys" / path).write_text(value + "\n")

    def remove_key(self, name: str) -> None:
        """Let a key of fs.*, kernel.* or vm.* vanish, until the next reboot."""
        (self._disk / "sys" / name.replace(".", "/")).unlink()

    def settle(self, values: t.Mapping[str, str]) -> None:
        """Make the plain files what the kernel would have: one line each, and never empty (``values`` of before)."""
        for name, value in self.values().items():
            first = value.split("\n")[0] or values[name]
            if first != value:
                self.set_key(name, first)

    def values(self) -> dict[str, str]:
        """Return the keys of fs.* that matter here, as they are now."""
        found = {name: self.key(name) for name in (*BOOT_VALUES[self.image], "fs.epoll.max_user_watches")}
        return {name: value for name, value in found.items() if value is not None}

    def _fill_sysctl(self) -> None:
        """Copy what the machine has under /proc/sys, without net.*, to plain files."""
        for tree in sorted(_SYSCTL.iterdir()):
            if tree.name in _OWN_TREES:
                continue
            for folder, _folders, names in os.walk(tree):
                copy = self._disk / "sys" / pathlib.Path(folder).relative_to(_SYSCTL)
                copy.mkdir(exist_ok=True)
                for name in names:
                    with contextlib.suppress(OSError):
                        (copy / name).write_bytes(pathlib.Path(folder, name).read_bytes())

    def _keys_of_network(self) -> dict[str, str]:
        """Return net.* but the keys of single interfaces; some cannot be read."""
        listed = self.in_namespaces("cd /proc/sys/net && grep -s '' */*", status=None).stdout
        found: dict[str, str] = {}
        for line in listed.splitlines():
            path, _, value = line.partition(":")
            if not path.endswith("nf_conntrack_count"):
                found.setdefault(path, value)
        return found

    def _set_keys_of_network(self, keys: t.Mapping[str, str]) -> None:
        now = self._keys_of_network()
        # The reserved ports first: what is reserved is no question of the range's.
        wrong = sorted(path for path, value in keys.items() if now.get(path) != value)
        script = "".join("printf '%%s\\n' '%s' >/proc/sys/net/%s\n" % (keys[path], path) for path in wrong)
        if script:
            self.in_namespaces(script)

    # --- running things ---

    def run(self, *command: str, data: str | None = None, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command on the host; ``status`` is the one to insist on, None for any."""
        quoted = " ".join("'%s'" % word.replace("'", "'\\''") for word in command)
        done = subprocess.run(
            [ENTER, str(self.pid), quoted],
            input=data or "",
            capture_output=True,
            text=True,
            check=False,
        )
        assert status is None or done.returncode == status, (command, done.stdout, done.stderr)
        return done

    def in_namespaces(self, script: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a script in the namespaces, with the machine's programs and the sandbox's parts below /mnt."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--ipc", "--uts"]
        done = subprocess.run(
            [*enter, "--", "sh", "-c", "cd /mnt\n" + script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert status is None or done.returncode == status, (script, done.stdout, done.stderr)
        return done

    def connection(self, enter: pathlib.Path = ENTER) -> dict[str, object]:
        """Return the variables by which Ansible reaches the host."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": str(self.pid),
            "ansible_user": "root",
            "ansible_ssh_executable": str(enter),
            "ansible_ssh_args": "",
            "ansible_ssh_pipelining": True,
            "ansible_ssh_transfer_method": "piped",
            "ansible_ssh_retries": 0,
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def play(
        self,
        playbook: str | pathlib.Path,
        *options: str,
        environment: t.Mapping[str, str] | None = None,
        enter: pathlib.Path = ENTER,
        **variables: object,
    ) -> Played:
        """Run one of the collection's playbooks, or any other by its whole path, on the host."""
        command, clean = self.play_command(playbook, *options, enter=enter, **variables)
        done = subprocess.run(
            command,
            env=clean | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Played(done.returncode, done.stdout)

    def play_command(
        self, playbook: str | pathlib.Path, *options: str, enter: pathlib.Path = ENTER, **variables: object
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command of a run and its environment, for who wants to start it in another way."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        # An empty one: what a person set up for other playbooks must not decide a test.
        settings = self._disk.parent / "ansible.cfg"
        settings.touch()
        clean |= {
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "playbooks/collections"),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            "PATH": "%s:%s" % (pathlib.Path(sys.executable).parent, clean["PATH"]),
        }
        # As an inventory gives them: with -e they would also replace what roles pass to each other.
        inventory = self._disk.parent / ("inventory.%d.json" % next(self._inventories))
        inventory.write_text(json.dumps({"all": {"hosts": {"client": self.connection(enter) | variables}}}))
        return ["ansible-playbook", "-i", str(inventory), str(CHECKOUT / "playbooks" / playbook), *options], clean

    def hold(self, name: str, hard: int) -> int:
        """Let a process run that says it has a hard nofile of ``hard``, until the next reboot; return its number."""
        start = 'cp /bin/sleep "/run/$1"; "/run/$1" infinity >/dev/null 2>&1 & echo $!'
        number = int(self.run("sh", "-c", start, "sh", name).stdout)
        self._claim(number, hard)
        return number

    def _claim(self, number: int, hard: int) -> None:
        limits = "%-26s%-21d%-21d%s\n" % ("Max open files", hard, hard, "files")
        (self._disk.parent / ("limits.%d" % number)).write_text(limits)
        self.in_namespaces("mount --bind limits.%d root/proc/%d/limits" % (number, number))

    def _claim_to_be_systemd(self) -> None:
        """Have the first process show what PID 1 has: fs.nr_open for its hard nofile, and every capability."""
        self._claim(1, int(BOOT_VALUES[self.image]["fs.nr_open"]))
        self.in_namespaces(
            "sed -E 's/^(Cap(Prm|Eff|Bnd):).*/\\1\\t000001ffffffffff/' root/proc/1/status >status"
            " && mount --bind status root/proc/1/status"
        )

    # --- the host as a whole ---

    def state(self) -> dict[str, dict[str, str]]:
        """Return everything that a run may change: files that differ from the image, values, addresses."""
        keys = self.values() | {"net/" + path: value for path, value in self._keys_of_network().items()}
        links = json.loads(self.in_namespaces("ip -json address").stdout)
        pairs = sorted(
            "%s/%s %s" % (info["local"], info["prefixlen"], link["ifname"])
            for link in links
            for info in link["addr_info"]
        )
        pairs += [ROUTE + prefix for prefix in self.local_prefixes()]
        return {"file": self._files(), "key": keys, "address": dict.fromkeys(pairs, "there")}

    def _files(self) -> dict[str, str]:
        upper = self._disk / "upper"
        found = {}
        for folder, folders, names in os.walk(upper):
            for name in [*folders, *names]:
                inside = "/" + str((pathlib.Path(folder) / name).relative_to(upper))
                if inside.startswith(PASSING):
                    continue
                was, now = (_describe(root / inside[1:]) for root in (self.tree, self.path("/")))
                if was != now:
                    found[inside] = now
            folders[:] = [name for name in folders if not stat.S_ISCHR((pathlib.Path(folder) / name).lstat().st_mode)]
        return found

    def snapshot(self) -> Snapshot:
        """Return the host as it is, but for its processes."""
        # trusted.overlay.opaque marks a folder that hides the image's.
        archive = ["tar", "--create", "--xattrs", "--xattrs-include=trusted.*", "--file=-"]
        disk = subprocess.run([*archive, "--directory", self._disk, "upper", "sys"], stdout=subprocess.PIPE, check=True)
        return Snapshot(disk.stdout, self._keys_of_network(), self._addresses())

    def restore(self, snapshot: Snapshot) -> None:
        """Make the host what it was, with every process ended."""
        self._end_processes()
        self.in_namespaces(_TAKE_APART + " && rm -rf /mnt/disk/upper /mnt/disk/sys")
        extract = ["tar", "--extract", "--xattrs", "--xattrs-include=trusted.*", "--file=-", "--directory", self._disk]
        subprocess.run(extract, input=snapshot.disk, check=True)
        self._assemble()
        self._set_keys_of_network(snapshot.keys)
        if self._addresses() != snapshot.addresses:
            self._give_addresses(snapshot.addresses)

    def boot(self) -> None:
        """Do what a boot does to what this collection changes: the kernel, PID 1, systemd-sysctl, systemd-networkd."""
        self._end_processes()
        self.in_namespaces(_TAKE_APART + " && rm -rf /mnt/disk/upper/run /mnt/disk/upper/tmp")
        self._assemble()
        # sd_booted(3), and what systemd-networkd leaves for others (sd-network)
        self.path("/run/systemd/system").mkdir(parents=True)
        index = self.in_namespaces("cat root/sys/class/net/%s/ifindex" % INTERFACE).stdout.strip()
        self.write("/run/systemd/netif/links/" + index, "ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % NETWORK_FILE)
        self._fill_sysctl()
        for name, value in BOOT_VALUES[self.image].items():
            self.set_key(name, value)
        values = self.values()
        self._set_keys_of_network(self._defaults)
        self.run("/usr/lib/systemd/systemd-sysctl", status=None)
        self.settle(values)
        self._give_addresses(self._configured_addresses())

    def _configured_addresses(self) -> list[str]:
        """Return the addresses that systemd-networkd would give; it takes each once (systemd.network(5))."""
        drop_ins = sorted(self.path(NETWORK_FILE + ".d").glob("*.conf"))
        texts = [self.read(NETWORK_FILE) or "", *(path.read_text() for path in drop_ins)]
        found = re.findall(r"^Address=(\S+)$", "\n".join(texts), re.MULTILINE)
        # What systemd pulls in, and what the unit gives to ip.
        if "Wants=fourtuple-addresses.service" in (self.read(ROUTES_TARGET) or ""):
            unit = self.read(ROUTES_UNIT) or ""
            lines = re.findall(r"^StandardInputText=route append local (\S+) dev lo proto kernel$", unit, re.MULTILINE)
            found += [ROUTE + prefix for prefix in lines]
        return list(dict.fromkeys(found))

    def _addresses(self) -> list[str]:
        links = json.loads(self.in_namespaces("ip -json address show dev " + INTERFACE).stdout)
        shown = ["%s/%s" % (info["local"], info["prefixlen"]) for info in links[0]["addr_info"]]
        return shown + [ROUTE + prefix for prefix in self.local_prefixes()]

    def local_prefixes(self) -> list[str]:
        """Return the prefixes that a route on lo makes local: those of an address name it as their source."""
        shown = self.in_namespaces("ip -oneline route show table local type local dev lo proto kernel").stdout
        prefixes = (line.split()[1] for line in shown.splitlines() if " src " not in line)
        return sorted(prefix if "/" in prefix else prefix + "/32" for prefix in prefixes)

    def _give_addresses(self, addresses: t.Sequence[str]) -> None:
        lines = ["address flush dev %s" % INTERFACE]
        lines += [_OF_LO % ("del", prefix) + " table local" for prefix in self.local_prefixes()]
        for address in addresses:
            if address.startswith(ROUTE):
                lines.append(_OF_LO % ("append", address[len(ROUTE) :]))
            else:
                lines.append("address add %s dev %s" % (address, INTERFACE))
        lines += ["route replace default via %s dev %s" % (GATEWAY, INTERFACE)]
        self.in_namespaces("ip -force -batch - <<'END'\n%s\nEND" % "\n".join(lines), status=None)

    def _end_processes(self) -> None:
        # kill(2): -1 is every process of the namespace but its first and the caller.
        self.in_namespaces("kill -KILL -1", status=None)

    def _assemble(self) -> None:
        self.in_namespaces(_ASSEMBLE)
        self._claim_to_be_systemd()


def _only_child(pid: int) -> int:
    (child,) = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    return int(child)


def _describe(path: pathlib.Path) -> str:
    """Return what a file is and holds."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    owner = "%o %d:%d" % (status.st_mode, status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return "%s -> %s" % (owner, path.readlink())
    if stat.S_ISREG(status.st_mode):
        return "%s %s" % (owner, path.read_bytes().decode("utf-8", "backslashreplace"))
    return owner
