# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that stands for a host: its files, its /proc, its addresses, and what a boot makes of them."""

from __future__ import annotations

import contextlib
import copy
import ipaddress
import json
import os
import pathlib
import re
import shutil
import typing as t
from unittest import mock

import oracle
import recorded
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from host_folder import HostFolder
from oracle import KERNEL, NETWORK_FILE
from role_tasks import Play, Result, Stopped, TaskFailed, Variables

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import (
    drop_in,
    sysctl_change,
    tuning,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_record
from ansible_collections.fourtuple.clients.plugins.module_utils.host import files as host_files
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    interface_addresses,
    link_probe,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.modules import (
    client_settings,
    connection_limits_info,
    nofile_check,
)

_MODULES = {
    "client_settings": client_settings,
    "connection_limits_info": connection_limits_info,
    "nofile_check": nofile_check,
}

#: Those that take one.
_SNAPSHOTS = (client_settings, connection_limits_info)

#: Begins what a route makes local, among the addresses of the interface whose link it is used on.
ROUTE = "route "
ROUTES_UNIT = "/etc/systemd/system/fourtuple-addresses.service"
ROUTES_TARGET = "/etc/systemd/system/sysinit.target.d/fourtuple-addresses.conf"

#: Where files come and go; the rest of a host is the distribution's.
MUTABLE = ("/etc", "/run/sysctl.d", "/run/fourtuple", "/var/lib/fourtuple")

_LONG_MAX = str(2**63 - 1)
_MAX = str(2**30 - 8)

#: bump_file_max_and_nr_open in systemd's src/core/main.c, as built for each release.
RAISED = {
    "debian-12": {"fs.file-max": _LONG_MAX},
    "debian-13": {"fs.file-max": _LONG_MAX, "fs.nr_open": _MAX},
}

_LINK = "ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % NETWORK_FILE
_LIMITS = "Limit                     Soft Limit           Hard Limit           Units\nMax open files %d %d files\n"
_PRIMARY = "192.0.2.10/24"

#: Of the recorded host: everybody's units and processes but a few, and what the tests decide.
_WITHOUT = [
    r"/usr/lib/systemd/system/(?!ssh\.service)",
    r"/usr/lib/systemd/network/",
    r"/etc/systemd/(?!system\.conf|user\.conf)",
    r"/proc/(?!(1|228|self|net)(/|$))[0-9]",
    r"/sys/fs/cgroup/user\.slice",
    r"/etc/sysctl\.conf",
    r"/etc/security/limits\.conf",
]


class ModuleExit(BaseException):
    def __init__(self, result: Result) -> None:
        self.result = result


def template(release: str, path: pathlib.Path) -> None:
    """Lay a host of the release below ``path``, as recorded, with few units and processes."""
    base = recorded.Recording.load(release)
    observation = copy.deepcopy(base.content["observation"])
    recording = recorded.Recording(
        {
            "based_on": release,
            "without": _WITHOUT,
            "observation": {},
            "directories": {},
            "links": {},
            "files": {},
            "request": base.content["request"],
        }
    )
    recording.materialise(path)
    put = HostFolder(path).put
    put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ntester:x:1000:1000::/home/tester:/bin/bash\n")
    put("/etc/group", "root:x:0:\ntester:x:1000:\nops:x:2000:tester\n")
    put("/usr/lib/systemd/system/app.service", "[Service]\nExecStart=/usr/bin/app\n")
    put("/etc/sysctl.conf", "# Nothing here.\n")
    put("/etc/security/limits.conf", "# Nothing here.\n")
    put("/etc/sysctl.d/README.sysctl", "Kernel parameters.\n")
    put(NETWORK_FILE, "[Match]\nName=eth0\n[Network]\nAddress=%s\nGateway=192.0.2.1\n" % _PRIMARY)
    put("/run/systemd/netif/links/2", _LINK)
    for directory in ("/etc/security/limits.d", "/run/systemd/system", "/etc/systemd/system", "/etc/modules-load.d"):
        (path / directory[1:]).mkdir(parents=True, exist_ok=True)
    # Memory enough that four-tuples and descriptors are what binds.
    meminfo = (path / "proc/meminfo").read_text()
    for name, kilobytes in (("MemTotal", 64 << 20), ("MemFree", 60 << 20), ("MemAvailable", 61 << 20)):
        meminfo = re.sub(r"(?m)^%s: .*$" % name, "%s: %d kB" % (name, kilobytes), meminfo)
    put("/proc/meminfo", meminfo)
    put("/proc/observation.json", json.dumps(observation))


class Folder(HostFolder):
    """A host's files, on which the collection's modules and roles can be run."""

    def __init__(self, path: pathlib.Path, observation: t.Mapping[str, t.Any]) -> None:
        super().__init__(path)
        self.observation = observation
        self.addresses: dict[str, list[str]] = {}
        for entry in observation["interfaces"]["addresses"]:
            self.addresses.setdefault(entry["interface"], []).append("%(address)s/%(prefix)d" % entry)
        self.watch: t.Callable[[str], None] | None = None
        self.play: Play | None = None
        #: What the last run said beside how it ended: warnings of modules, and the planner's.
        self.warnings: list[str] = []

    # --- files and keys ---

    def start_unit(self, name: str) -> bool:
        raise NotImplementedError

    def remove(self, path: str) -> None:
        self.below(path).unlink()

    def files(self, *folders: str) -> dict[str, str]:
        """Return path -> text of what may change, and of the distribution's units and sysctl.d."""
        found = {}
        for folder in folders or (*MUTABLE, "/usr/lib/sysctl.d", "/usr/lib/systemd"):
            for directory, _names, names in os.walk(self.path / folder[1:]):
                for name in names:
                    place = os.path.join(directory, name)
                    found[place[len(self.root) :]] = self._read(place)
        return found

    def _read(self, place: str) -> str:
        try:
            with open(place, encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except FileNotFoundError:
            return "dangling: " + os.readlink(place)

    def directories(self) -> set[str]:
        return {
            os.path.join(directory, name)[len(self.root) :]
            for folder in MUTABLE
            for directory, names, _files in os.walk(self.path / folder[1:])
            for name in names
        }

    def keys(self) -> dict[str, str]:
        return {key: self.live(key) for key in KERNEL}

    # --- what the roles run here ---

    def module(self, name: str, arguments: Variables, check: bool) -> Result:
        """Run one of the collection's modules, argument specification and all, on this folder."""
        if name == "systemd_service":
            if "name" in arguments:
                self.start_unit(arguments["name"])
            return {"changed": True}
        given = {key: value for key, value in arguments.items() if value is not None}
        with self._standing_for_the_root(), patch_module_args({**given, "_ansible_check_mode": check}):
            try:
                _MODULES[name].main()
            except ModuleExit as ended:
                return json.loads(json.dumps(ended.result))
        raise AssertionError("%s neither succeeded nor failed" % name)

    def after_task(self, name: str) -> None:
        if self.watch is not None:
            self.watch(name)

    @contextlib.contextmanager
    def _standing_for_the_root(self) -> t.Iterator[None]:
        def exit_json(module: basic.AnsibleModule, **result: t.Any) -> t.NoReturn:
            raise ModuleExit(dict({"changed": False}, **result))

        def fail_json(module: basic.AnsibleModule, msg: str, **result: t.Any) -> t.NoReturn:
            raise ModuleExit(dict({"changed": False}, **result, msg=msg, failed=True))

        def report(_host: Host, request: safety_check.CheckRequest) -> tuple[dict[str, t.Any], str]:
            result, message = safety_check.check(self.look_live(), request, self.observe()["accounts"])
            return dict(result, systemd_running=True), message

        replaced: list[tuple[t.Any, str, t.Any]] = [
            (basic.AnsibleModule, "exit_json", exit_json),
            (basic.AnsibleModule, "fail_json", fail_json),
            (basic.AnsibleModule, "run_command", lambda _module, words, data=None: self.run(words, data)),
            (basic.AnsibleModule, "get_bin_path", lambda _module, name, **_options: "/usr/sbin/" + name),
            (basic.AnsibleModule, "warn", lambda _module, warning: self.warnings.append(warning)),
            (safety_check, "report", report),
            (tuning, "Host", lambda *_given: self.look_live()),
            (tuning, "locked", lambda _root: host_files.locked(self.root)),
            (drop_in, "write", self._changing(drop_in.write)),
            (sysctl_change, "_write", self._changing(sysctl_change._write)),
            (address_record, "record", self._changing(address_record.record)),
            (interface_addresses, "routes_of_lo", lambda: {one.partition(" ")[2] for one in self._routes()}),
            (link_probe, "obstacle", lambda interface: "%s is a line in a file" % interface),
            (interface_addresses, "observe", lambda: self.observe()["interfaces"] | {"taken": []}),
            (interface_addresses, "neighbours", list),
            (ssh_session, "peers", lambda *_given: []),
            (nofile_check, "report", report),
            *((module, "observe", lambda _users: self.observe()) for module in _SNAPSHOTS),
            *(
                (module, "snapshot", lambda _host, *given: whole.snapshot(self.look_live(), *given))
                for module in _SNAPSHOTS
            ),
        ]
        with contextlib.ExitStack() as stack:
            for owner, attribute, value in replaced:
                stack.enter_context(mock.patch.object(owner, attribute, value))
            yield

    def _changing(self, change: t.Callable[..., None]) -> t.Callable[..., None]:
        """Return a change that a run may be killed before, and after which nobody may be locked out."""

        def change_and_look(*given: t.Any) -> None:
            if self.play is not None:
                self.play.may_go_on(change.__name__)
            change(*given)
            self.after_task(change.__name__)

        return change_and_look

    def look_live(self) -> t.Any:
        return self.look(live=True)

    def observe(self) -> dict[str, t.Any]:
        entries = [
            {
                "address": text.partition("/")[0],
                "prefix": int(text.partition("/")[2]),
                "interface": interface,
                "family": ipaddress.ip_interface(text).version,
                "scope": "host" if interface == "lo" else "global",
                "secondary": False,
            }
            for interface, texts in self.addresses.items()
            for text in texts
            if not text.startswith(ROUTE)
        ]
        anyip = [{"prefix": text.partition(" ")[2], "interface": "lo", "family": 4} for text in self._routes()]
        routes = [{"family": 4, "interface": "eth0", "metric": 0}]
        return self.observation | {
            "interfaces": {"addresses": entries, "anyip": anyip, "default_routes": routes},
            "listeners": [22],
        }

    def run(self, words: t.Sequence[str], data: str | None) -> tuple[int, str, str]:
        """Stand in for ip(8) and systemctl(1)."""
        if list(words[1:]) == ["-json", "address", "show"]:
            return 0, json.dumps([self._link(number, name) for number, name in enumerate(self.addresses, 1)]), ""
        if list(words[3:]) == ["route", "show", "default"]:
            return 0, json.dumps([{"dst": "default", "dev": "eth0"}] if words[2] == "-4" else []), ""
        if list(words[1:3]) == ["show", "--property=NeedDaemonReload"]:
            return 0, "NeedDaemonReload=no\n" * len(words[3:]), ""
        assert list(words[1:]) == ["-batch", "-"], words
        for line in (data or "").splitlines():
            if line.startswith("route "):
                _route, verb, _local, prefix = line.split()[:4]
                if verb == "append":
                    assert ROUTE + prefix not in self.addresses["eth0"], "RTNETLINK answers: File exists"
                    self.addresses["eth0"].append(ROUTE + prefix)
                else:
                    self.addresses["eth0"].remove(ROUTE + prefix)
                continue
            _address, verb, address, _dev, interface = line.split()[:5]
            held = self.addresses[interface]
            if verb == "add":
                assert address not in held, "RTNETLINK answers: File exists"
                held.append(address)
            elif verb == "del":
                held.remove(address)
            else:
                assert address in held, "RTNETLINK answers: Cannot assign requested address"
        return 0, "", ""

    def _routes(self) -> list[str]:
        return [text for text in self.addresses["eth0"] if text.startswith(ROUTE)]

    def _link(self, number: int, name: str) -> dict[str, t.Any]:
        infos = []
        for text in self.addresses[name]:
            if text.startswith(ROUTE):
                continue
            local, length = text.split("/")
            family = "inet6" if ":" in local else "inet"
            infos.append({"family": family, "local": local, "prefixlen": int(length), "scope": "global"})
        return {"ifindex": number, "ifname": name, "addr_info": infos}

    # --- the playbooks ---

    def tune(self, variables: Variables, most: int | None = None, check: bool = False) -> str:
        """Run what tune_clients.yml runs, and return how it ended: done, refused, failed or stopped, and why."""
        return self._play(variables | {"tune_state": "present"}, most, check)

    def untune(self, variables: Variables, most: int | None = None) -> str:
        return self._play(variables | {"tune_state": "absent"}, most, False)

    def _play(self, variables: Variables, most: int | None, check: bool) -> str:
        play = self.play = Play(self, variables, check, most)
        self.warnings = []
        try:
            play.role("tune")
        except TaskFailed as failed:
            kind = "refused" if failed.task.startswith("Refuse ") else "failed"
            return "%s: %s" % (kind, failed.result["msg"])
        except Stopped as stopped:
            return "stopped: before %s" % stopped
        finally:
            self.play = None
            result = play.facts.get("tune_result")
            self.warnings += result.value.get("warnings", []) if result is not None else []
        return "done"


class FolderHost(Folder):
    """A host of one release, freshly booted; it starts units and sessions, and boots."""

    def __init__(self, release: str, path: pathlib.Path) -> None:
        super().__init__(path, json.loads((path / "proc/observation.json").read_text()))
        self.release = release
        self.running: dict[str, tuple[int, str, tuple[int, int]]] = {}
        self.boot()

    # --- processes ---

    def start(self, name: str, pid: int, cgroup: str, limits: tuple[int, int]) -> None:
        self.running[name] = (pid, cgroup, limits)
        self.put("/proc/%d/comm" % pid, name + "\n")
        self.put("/proc/%d/cgroup" % pid, "0::/%s\n" % cgroup)
        self.put("/proc/%d/limits" % pid, _LIMITS % limits)
        (self.path / ("proc/%d/fd" % pid)).mkdir(exist_ok=True)

    def stop(self, name: str) -> None:
        shutil.rmtree(self.path / ("proc/%d" % self.running.pop(name)[0]))

    def start_unit(self, name: str) -> bool:
        """Start a unit with the limits that its files give; tell whether the kernel lets it."""
        pid = {"ssh.service": 228, "app.service": 400}[name]
        limit = oracle.unit(self.files(), name)
        most = self.running["systemd"][2][1]
        pair = t.cast(tuple[int, int], tuple(most if number == oracle.INFINITY else number for number in limit[1:3]))
        process = {"ssh.service": "sshd", "app.service": "app"}[name]
        if pair[1] > int(self.live(oracle.NR_OPEN)):
            # setrlimit_closest: PID 1's own limit instead, and 205/LIMITS where even that is too high.
            pair = (min(pair[0], most), min(pair[1], most))
            if pair[1] > int(self.live(oracle.NR_OPEN)):
                if process in self.running:
                    self.stop(process)
                return False
        self.start(process, pid, "system.slice/" + name, pair)
        return True

    def log_in(self, user: str) -> None:
        """Open a session: it keeps its limits until it ends."""
        inherited = self.running["sshd"][2] if "sshd" in self.running else oracle.DEFAULT
        _soft, hard = oracle.session(self.files(), user, oracle.INFINITY)
        nr_open = int(self.live(oracle.NR_OPEN))
        if hard == oracle.INFINITY:
            hard = nr_open
        if hard is None or hard > nr_open:
            # Debian's pam_limits logs it, and the session keeps what it inherits.
            hard = inherited[1]
        self.start("session-" + user, 600 + len(user), "user.slice/session-1.scope", (min(1024, hard), hard))

    def hard_of_running(self) -> dict[str, int]:
        return {name: limits[1] for name, (_pid, _cgroup, limits) in self.running.items()}

    def log_out(self) -> None:
        for name in [name for name in self.running if name.startswith("session-")]:
            self.stop(name)

    # --- addresses ---

    def add_address(self, address: str) -> None:
        self.addresses["eth0"].append(address)

    def remove_address(self, address: str) -> None:
        self.addresses["eth0"].remove(address)

    # --- boot ---

    @property
    def kernel(self) -> dict[str, str]:
        """The keys when sysctl.d has not been applied yet."""
        return KERNEL | RAISED[self.release]

    def boot(self) -> None:
        for folder in ("run/sysctl.d", "run/fourtuple"):
            shutil.rmtree(self.path / folder, ignore_errors=True)
        for key, value in oracle.keys_after_boot(self.files(), self.kernel).items():
            self.set_key(key, value)
        self.log_out()
        self.addresses = {"lo": ["127.0.0.1/8"], "eth0": self._configured_addresses()}
        most = int(self.kernel[oracle.NR_OPEN])
        self.start("systemd", 1, "init.scope", (most, most))
        self.failed_units = [name for name in oracle.UNITS if not self.start_unit(name)]

    def _configured_addresses(self) -> list[str]:
        found: list[str] = []
        files = self.files("/etc/systemd/network")
        for path in [NETWORK_FILE, *sorted(path for path in files if path.startswith(NETWORK_FILE + ".d/"))]:
            found += re.findall(r"(?m)^Address=(\S+)$", files[path])
        if "fourtuple-addresses.service" in self.files("/etc/systemd/system/sysinit.target.d").get(ROUTES_TARGET, ""):
            unit = self.files("/etc/systemd/system").get(ROUTES_UNIT, "")
            found += [
                ROUTE + prefix for prefix in re.findall(r"(?m)^StandardInputText=route append local (\S+) ", unit)
            ]
        return list(dict.fromkeys(found))

    def lockouts(self, files: oracle.Files | None = None) -> set[oracle.Lockout]:
        """Return who is locked out now, and who will be after a reboot."""
        found = self.files() if files is None else files
        # /run is empty after a reboot.
        kept = {path: text for path, text in found.items() if not path.startswith("/run/")}
        after = int(oracle.keys_after_boot(kept, self.kernel)[oracle.NR_OPEN])
        first = (self.running["systemd"][2][1], int(self.kernel[oracle.NR_OPEN]))
        return oracle.lockouts(found, int(self.live(oracle.NR_OPEN)), after, first, self.hard_of_running())
