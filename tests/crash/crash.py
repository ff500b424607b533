# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a run at every point at which it changes the host, and judge what is left.

A run of a playbook is recorded: each command that Ansible sends, with its input and the host as it was. Each command is
then run anew from there, once for each of its system calls that change something, and stopped at that call. So the
fault points come from the code under test, of Ansible's own modules as well as ours, and nobody lists them.

The judge below knows nothing of the collection's code: it takes every hard nofile that stands in any file or that any
process has, whoever it is for, and compares it with fs.nr_open.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import typing as t

from sandbox import CHECKOUT, PASSING, Played, Sandbox, Snapshot

HERE = pathlib.Path(__file__).parent

#: Raises nr_open on Debian 12, needs addresses, a unit, reserved ports: every file and key that the collection has.
TUNED: dict[str, t.Any] = {
    "tune_target_connections": 1500000,
    "tune_binding": "bind_no_port",
    "tune_processes": 1,
    "tune_destinations": 20,
    "tune_address_pool": ["198.18.0.0/24"],
    "tune_slot": 0,
    "tune_slot_size": 4,
    "tune_units": ["client.service"],
    "tune_reserved_ports": [8080],
    "tune_sysctl_values": {"net.ipv4.tcp_tw_reuse": 1},
    "tune_sysctl_floors": {"net.core.somaxconn": 8192},
}

#: Another nr_open and other limits, other addresses, no unit and no key of the operator's any longer.
RETUNED: dict[str, t.Any] = TUNED | {
    "tune_target_connections": 1200000,
    "tune_slot": 1,
    "tune_units": [],
    "tune_nofile_hard": 1900000,
    "tune_systemd_default": True,
    "tune_sysctl_values": {},
    "tune_sysctl_floors": {},
}

#: The classes of errors that each kind of call can meet. A key of /proc/sys can also refuse or be gone.
DISK_ERRORS = ("ENOSPC", "EROFS", "EIO")
REMOVAL_ERRORS = ("EROFS", "EIO")
KEY_ERRORS = ("EACCES", "ENOENT", "EIO")
LOCK_ERRORS = ("ENOLCK",)
NETWORK_ERRORS = ("ENOBUFS", "EPERM")

#: systemd's own DefaultLimitNOFILE= (systemd-system.conf(5)).
_SYSTEMD_DEFAULT = 524288


#: Seconds that a command is given to come to the lock; alone it takes a third of one for all, beside other gates more.
_PATIENCE = 6.0

#: What Sandbox.state() returns.
State = dict[str, dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of a run, and the host before it."""

    label: str
    command: str
    data: bytes
    before: Snapshot


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A run that is stopped.

    before:  the scenario that brings the host to where the run starts
    running: the programs that run meanwhile, with the hard nofile that they have
    """

    name: str
    playbook: str
    variables: dict[str, t.Any]
    before: Scenario | None = None
    running: tuple[tuple[str, int], ...] = ()
    image: str = "bookworm"
    files: tuple[tuple[str, str], ...] = ()

    def host(self) -> Sandbox:
        return Sandbox(self.image, dict(self.files))

    def restore(self, host: Sandbox, snapshot: Snapshot) -> dict[str, str]:
        """Bring the host back, with the programs that run, and return its values."""
        host.restore(snapshot)
        for name, hard in self.running:
            host.hold(name, hard)
        return host.values()


_TUNE, _UNTUNE = "tune_clients.yml", "untune_clients.yml"
_CLIENT_RUNS = (("loadgen", 1501088),)
_FIRST = Scenario("tune", _TUNE, TUNED)
SCENARIOS = (_FIRST, Scenario("untune", _UNTUNE, TUNED, _FIRST))
#: Where PID 1 raises nr_open to the greatest value, and the operator's file lowers it again.
_LOWERED = (("/etc/sysctl.d/10-operator.conf", "fs.nr_open = 1048576\n"),)
_FIRST_ON_TRIXIE = Scenario("tune-trixie", _TUNE, TUNED, image="trixie", files=_LOWERED)
#: Addresses on the interface, with a hook and a watcher. There is no systemd to run that.
_WATCHED = TUNED | {"tune_addresses_method": "interface", "tune_addresses_provider": "ifupdown"}
_IFUPDOWN = (("/etc/network/interfaces", "iface eth0 inet dhcp\n"), ("/usr/sbin/ifup", ""))
_FIRST_WATCHED = Scenario("tune-watched", _TUNE, _WATCHED, files=_IFUPDOWN)
MORE_SCENARIOS = (
    Scenario("retune", _TUNE, RETUNED, _FIRST),
    Scenario("untune-in-use", _UNTUNE, TUNED, _FIRST, _CLIENT_RUNS),
    _FIRST_ON_TRIXIE,
    Scenario("untune-trixie", _UNTUNE, TUNED, _FIRST_ON_TRIXIE, image="trixie", files=_LOWERED),
    _FIRST_WATCHED,
    Scenario("untune-watched", _UNTUNE, _WATCHED, _FIRST_WATCHED, files=_IFUPDOWN),
)


@dataclasses.dataclass
class Recording:
    """A run that was not disturbed: its steps, and the host before the first run, before this one and after it."""

    scenario: Scenario
    untouched: State
    steps: list[Step]
    after: State
    end: Snapshot
    #: How many tasks had a result.
    results: int
    _calls: dict[int, list[dict[str, str]]] = dataclasses.field(default_factory=dict)

    def calls(self, number: int) -> list[dict[str, str]]:
        """Return the calls of a step that is not disturbed; found out once."""
        if number not in self._calls:
            with self.scenario.host() as host:
                self.scenario.restore(host, self.steps[number].before)
                self._calls[number] = run(host, self.steps[number]).calls
        return self._calls[number]

    def steps_of(self, *labels: str) -> list[int]:
        return [number for number, step in enumerate(self.steps) if step.label in labels]


def record(scenario: Scenario, collection: pathlib.Path = CHECKOUT, earlier: Recording | None = None) -> Recording:
    """Run the scenario's playbook undisturbed, of the collection in the folder ``collection``.

    earlier: the recording of the scenario before this one
    """
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collection.parents[2])} if collection != CHECKOUT else {}
    playbook = collection / "playbooks" / scenario.playbook
    with scenario.host() as host, tempfile.TemporaryDirectory() as folder:
        if earlier is not None:
            scenario.restore(host, earlier.end)
        untouched = earlier.untouched if earlier is not None else host.state()
        recorded = environment | {"RECORD": folder}
        played = host.play(playbook, environment=recorded, enter=HERE / "recorder", **scenario.variables).expect(0)
        kept = [pickle.loads(path.read_bytes()) for path in sorted(pathlib.Path(folder).iterdir())]  # noqa: S301
        steps = [Step(_label(command, data), command, data, before) for command, data, before in kept]
        return Recording(scenario, untouched, steps, host.state(), host.snapshot(), played.counts["ok"])


def _label(command: str, data: bytes) -> str:
    """Return the module that Ansible ships, or its own shell command's first word."""
    module = re.search(rb"(?:plugins|ansible)\.modules\.(\w+)", data)
    if module is not None:
        reads = re.search(rb'\\*"state\\*": *\\*"read\\*"', data) is not None
        return module[1].decode() + (" reads" if reads else "")
    return next((word for word in ("mkdir", "dd", "chmod", "rm") if word in command.split()), "other")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a step that was stopped or went wrong came to."""

    status: int
    output: str
    calls: list[dict[str, str]]

    @property
    def result(self) -> dict[str, t.Any]:
        """What the module returned; empty where it returned nothing."""
        found = re.search(r"^\{.*\}$", self.output, re.MULTILINE)
        return t.cast("dict[str, t.Any]", json.loads(found[0])) if found else {}


def run(host: Sandbox, step: Step, number: int = 0, fault: str = "") -> Outcome:
    """Run a step, with a fault at one of its calls; see fault.py."""
    with start(host, step, number, fault) as running:
        return outcome(running)


@contextlib.contextmanager
def start(host: Sandbox, step: Step, number: int = 0, fault: str = "") -> t.Iterator[subprocess.Popen[bytes]]:
    """Start a step, with a fault at one of its calls, and leave none of it behind."""
    command = [sys.executable, "-I", HERE / "fault.py", str(host.pid), step.command, str(number), fault]
    with tempfile.TemporaryFile() as data:
        data.write(step.data)
        data.seek(0)
        running = subprocess.Popen(command, stdin=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with running:
        try:
            yield running
        finally:
            running.kill()


def outcome(running: subprocess.Popen[bytes]) -> Outcome:
    """Wait for the end of what start() has started."""
    told, errors_told = running.communicate()
    assert running.returncode == 0, errors_told.decode()
    return Outcome(**json.loads(told))


def while_held(host: Sandbox, step: Step, number: int, other: Step) -> tuple[bool, Outcome, Outcome]:
    """Keep a step at one of its calls while another is started; return whether that waits, and what they come to."""
    with start(host, step, number, "held") as held:
        os.waitid(os.P_PID, held.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        with start(host, other) as running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(_PATIENCE)
            held.send_signal(signal.SIGCONT)
            first, second = outcome(held), outcome(running)
    # Who waits asks for the lock over and over.
    return sum(call["call"] == "flock" for call in second.calls) > 2, first, second


def changing(recording: Recording, path: str) -> tuple[int, int]:
    """Return the step that changes ``path``, and its call, from 1, that does."""
    for number in recording.steps_of("client_settings"):
        calls = recording.calls(number)
        for place, call in enumerate(calls, start=1):
            if path in (call["path"], call.get("to")):
                return number, place
    raise LookupError(path)


def unsynced(calls: t.Sequence[t.Mapping[str, str]]) -> list[str]:
    """Return what a power cut may undo although the command went on: a file, its name, or a removal in /etc.

    rename(2) is atomic for who looks, not on disk: fsync(2) of the file goes before it, that of its directory behind,
    and both before the key or address that the file tells of.
    """
    wrong: list[str] = []
    files: set[str] = set()
    directories: set[str] = set()
    for call in calls:
        name, path = call["call"], call["path"]
        if not changes_host(call):
            continue
        if name == "fsync":
            files.discard(path)
            directories.discard(path)
        elif path == "netlink" or path.startswith("/proc/sys/"):
            wrong += ["%s before %s was synced" % (path, left) for left in sorted(files | directories)]
        elif name.startswith("rename"):
            wrong += ["%s renamed before it was synced" % path] if path in files else []
            directories.add(os.path.dirname(call["to"]))
        elif name in ("openat", "write", "fchmod"):
            files.add(path)
        elif name.startswith("mkdir") or (name.startswith("unlink") and path.startswith("/etc/")):
            directories.add(os.path.dirname(path))
    return wrong + ["%s is never synced" % left for left in sorted(files | directories)]


def changes_host(call: t.Mapping[str, str]) -> bool:
    """Tell whether a call concerns more than Ansible's own temporary files."""
    return not all(path.startswith(PASSING) for path in (call["path"], call.get("to", "/tmp")))


def points(calls: t.Sequence[t.Mapping[str, str]], every: bool) -> list[int]:
    """Return the numbers of the calls to be killed at, from 1: one for each different host, or ``every`` one."""
    found = []
    different = True
    for number, call in enumerate(calls, start=1):
        if different or every:
            found.append(number)
        different = changes_host(call) and call["call"] not in ("fsync", "fdatasync", "flock")
    return found


def errors(call: t.Mapping[str, str]) -> tuple[str, ...]:
    """Return the errors that the kernel may give this call."""
    if call["path"] == "netlink":
        return NETWORK_ERRORS
    if call["call"] == "flock":
        return LOCK_ERRORS
    if call["path"].startswith("/proc/sys/"):
        return KEY_ERRORS
    return REMOVAL_ERRORS if call["call"] in ("unlink", "unlinkat", "rmdir") else DISK_ERRORS


# --- the judge ---


def hard_limits(host: Sandbox) -> dict[str, int]:
    """Return every hard nofile that stands anywhere, by where it stands."""
    found = {"systemd's default": _SYSTEMD_DEFAULT}
    security = host.path("/etc/security")
    for path in [security / "limits.conf", *security.glob("limits.d/*.conf")]:
        for line in path.read_text().splitlines():
            words = line.split("#")[0].split()
            if len(words) == 4 and words[1] in ("hard", "-") and words[2] == "nofile":
                found["%s: %s" % (path.name, line)] = int(words[3])
    for path in host.path("/etc/systemd").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            for line in re.findall(r"^(?:Default)?LimitNOFILE=.*$", path.read_text(), re.MULTILINE):
                found["%s: %s" % (path.name, line)] = int(re.split("[=:]", line)[-1])
    processes = host.run("sh", "-c", "grep -s '^Max open files' /proc/[0-9]*/limits", status=None)
    for line in processes.stdout.splitlines():
        found[line] = int(line.split()[-2])
    return found


def locked_out(host: Sandbox) -> list[str]:
    """Return the limits above the nr_open that holds now."""
    nr_open = int(host.key("fs.nr_open") or 0)
    return ["nr_open %d: %s" % (nr_open, place) for place, hard in hard_limits(host).items() if hard > nr_open]


def torn(
    now: t.Mapping[str, t.Mapping[str, str]],
    before: t.Mapping[str, t.Mapping[str, str]],
    after: t.Mapping[str, t.Mapping[str, str]],
    between: t.Mapping[str, t.Container[str]],
) -> list[str]:
    """Return the files that are neither as before nor as after, but for temporary ones that nobody reads.

    A file's owner and mode may be the ones of before with the content of after: Ansible sets them after the rename.
    ``between`` are whole texts that an undisturbed run gives a file meanwhile, from whole_texts().
    """
    wrong = []
    for path, described in now["file"].items():
        text = text_of(described)
        known = text in {text_of(state["file"].get(path)) for state in (before, after)}
        if not known and text not in between.get(path, ()) and not is_temporary(path):
            wrong.append("%s: %r" % (path, described))
    wrong += ["%s: gone" % path for path in before["file"] if path in after["file"] and path not in now["file"]]
    for key, value in now["key"].items():
        if value not in (before["key"].get(key), after["key"].get(key)):
            wrong.append("%s: %r" % (key, value))
    return wrong


def whole_texts(calls: t.Sequence[t.Mapping[str, str]]) -> dict[str, set[str]]:
    """Return the texts that files get by rename(2): all that was written to the other name since its open(2)."""
    written: dict[str, str] = {}
    found: dict[str, set[str]] = collections.defaultdict(set)
    for call in calls:
        if call["call"] == "openat":
            written[call["path"]] = ""
        elif call["call"] == "write":
            written[call["path"]] = written.get(call["path"], "") + call["data"]
        elif call["call"].startswith("rename") and call["path"] in written:
            found[call["to"]].add(written[call["path"]])
    return found


def text_of(described: str | None) -> str | None:
    """Return what a file holds, without its mode and owner."""
    return described and described[3:].partition(" ")[2].partition(" ")[2]


def is_temporary(path: str) -> bool:
    """Tell whether no reader of the folder takes the file: sysctl.d, limits.d and systemd pass over hidden ones."""
    return path.rsplit("/", 1)[-1].startswith(".")


def judge(host: Sandbox) -> list[str]:
    """Return what is wrong with the host now and after a reboot, which it is then left in."""
    wrong = ["now: " + line for line in locked_out(host)]
    host.boot()
    return wrong + ["after a reboot: " + line for line in locked_out(host)]


# --- what is left of a run, and what becomes of it ---


class Table:
    """Counts the points and what came of them, for the end of the test run."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def add(self, scenario: str, what: str, fault: str, outcome: str) -> None:
        self._rows[scenario, what, fault][outcome] += 1

    def lines(self) -> list[str]:
        rows = [("RUN", "STEP", "FAULT", "POINTS", "OUTCOMES")]
        for (scenario, what, fault), outcomes in self._rows.items():
            told = ", ".join("%d %s" % (number, name) for name, number in outcomes.most_common())
            rows.append((scenario, what, fault, str(sum(outcomes.values())), told))
        total = sum(sum(outcomes.values()) for outcomes in self._rows.values())
        rows.append(("all", "", "", str(total), ""))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
        ]


def identity(state: t.Mapping[str, t.Mapping[str, str]]) -> str:
    """Return a text that is the same for the same host; a temporary file's name is random."""
    return json.dumps(
        [
            re.sub(r"(/\.\w+\.)\w+$", r"\1", json.dumps(item))
            for topic in state.values()
            for item in sorted(topic.items())
        ]
    )


def converge(host: Sandbox, recording: Recording) -> list[str]:
    """Run the playbook again as a person would, and once more, and untune; return what is not as it should be."""
    scenario = recording.scenario
    wrong = []
    for expected in ("any", "nothing"):
        played = host.play(scenario.playbook, **scenario.variables)
        if played.status:
            return ["the run that follows fails: %s" % (played.message or played.output)]
        if expected == "nothing" and played.counts["changed"]:
            wrong.append("the second run after it changes %d" % played.counts["changed"])
    wrong += differences(recording.after, host.state(), "an undisturbed run")
    if scenario.playbook != _UNTUNE or scenario.running:
        if scenario.running:
            # What the client needed goes when it has ended.
            host.boot()
        played = host.play(_UNTUNE, **scenario.variables)
        if played.status:
            return [*wrong, "untune fails: %s" % (played.message or played.output)]
        wrong += differences(recording.untouched, host.state(), "before the first run")
    return wrong


def differences(
    expected: t.Mapping[str, t.Mapping[str, str]], found: t.Mapping[str, t.Mapping[str, str]], what: str
) -> list[str]:
    return [
        "not as %s: %s %s: %r, not %r" % (what, topic, name, found[topic].get(name), expected[topic].get(name))
        for topic in expected
        for name in sorted(expected[topic].keys() | found[topic].keys())
        if expected[topic].get(name) != found[topic].get(name)
    ]


def stop_after(host: Sandbox, scenario: Scenario, results: int) -> Played:
    """Run the playbook and kill Ansible, with all that it started, once it has that many results of tasks."""
    command, environment = host.play_command(scenario.playbook, **scenario.variables)
    environment |= {
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "stop",
        "STOP_AFTER": str(results),
    }
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    return Played(done.returncode, done.stdout)


def workers() -> int:
    return os.cpu_count() or 1
