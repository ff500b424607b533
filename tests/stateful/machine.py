# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's life in random order: runs of the playbooks, other people's changes, logins, boots; and what must hold.

Beside the host goes ``Untuned``: what the same host would be had this collection never run. The promises are
comparisons of the two, judged by oracle.py, which shares no code with the collection:

No lockout
    ``_run``: after every task of a run, also of one that is killed there, nobody is locked out who was not before;
    ``tune``: nobody at all is, once a run is done; ``boot``: nobody is by a boot, unless it was seen coming.
Never worse
    ``_grants_no_less``: no floor, session or unit has less than it would have without us.
Reversible
    ``untune`` and ``_is_back``: files, directories, addresses and keys are as without us, but for an fs.nr_open that
    somebody still needs; ``boot``: of a host with nothing of ours, every key is.
Refuse before writing
    ``tune``, ``untune``: what is refused has changed nothing, and a run is either refused or done.
Only its own
    ``nobody_elses_file_is_touched_and_ours_are_named``, after every step; ``_names_who_beats_ours``: the file of
    somebody's that leaves less than ours is told.
No surprise
    ``tune_again``: a second run changes nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

import oracle
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracle import KERNEL, NETWORK_FILE

PID_1_RAISES = ("fs.file-max", oracle.NR_OPEN)
MARK = "# Managed by fourtuple.clients"
STATE = "/var/lib/fourtuple"
#: What is left to the next reboot, which empties it.
WAITING = "/run/fourtuple"
RESERVED = "net.ipv4.ip_local_reserved_ports"
OUR_SYSCTL = "/etc/sysctl.d/99-zz-fourtuple.conf"
OUR_LIMITS = "/etc/security/limits.d/99-zz-fourtuple.conf"
OUR_UNIT = "/etc/systemd/system/app.service.d/zzzz-fourtuple.conf"
OUR_DEFAULT = "/etc/systemd/system.conf.d/zzzz-fourtuple.conf"

Files = dict[str, str]
Variables = dict[str, t.Any]


class Host(t.Protocol):
    """A folder (folder_host.py), or a sandbox (sandbox_host.py)."""

    kernel: dict[str, str]
    addresses: dict[str, list[str]]
    watch: t.Callable[[str], None] | None
    #: What the last run said beside how it ended.
    warnings: list[str]

    def files(self) -> Files: ...
    def put(self, path: str, text: str) -> None: ...
    def remove(self, path: str) -> None: ...
    def directories(self) -> set[str]: ...
    def keys(self) -> dict[str, str]: ...
    def set_key(self, key: str, value: str) -> None: ...
    def add_address(self, address: str) -> None: ...
    def remove_address(self, address: str) -> None: ...
    def hard_of_running(self) -> dict[str, int]: ...
    def log_in(self, user: str) -> None: ...
    def log_out(self) -> None: ...
    def start_unit(self, name: str) -> bool: ...
    def boot(self) -> None: ...
    def lockouts(self, files: Files | None = None) -> set[oracle.Lockout]: ...
    def tune(self, variables: Variables, most: int | None = None, check: bool = False) -> str: ...
    def untune(self, variables: Variables, most: int | None = None) -> str: ...


# --- what an operator asks for ---

_NOFILE = st.sampled_from([65536, 524288, 1048576, 1048577, 2000000, 5000000])

REQUESTS = st.fixed_dictionaries(
    {
        "tune_target_connections": st.sampled_from([1000, 20000, 60000, 150000, 600000]),
        "tune_destinations": st.sampled_from([1, 4, 32]),
        "tune_binding": st.sampled_from(["autobind", "bind", "bind_no_port"]),
        "tune_processes": st.sampled_from([1, 4]),
        "tune_address_pool": st.sampled_from([["198.51.100.0/26"], ["203.0.113.0/27", "198.51.100.64/26"]]),
        "tune_slot": st.sampled_from([0, 1]),
        "tune_slot_size": st.just(16),
    },
    optional={
        "tune_port_range": st.sampled_from(["20000 59999", "5000 65000"]),
        "tune_port_fill": st.just(1.0),
        "tune_units": st.sampled_from([["app.service"], ["app.service", "ssh.service"]]),
        "tune_nofile_hard": _NOFILE,
        "tune_nofile_soft": st.sampled_from([1024, 16384]),
        "tune_domains": st.sampled_from([["tester"], ["@ops", "root"], ["*"]]),
        "tune_systemd_default": st.booleans(),
        "tune_restart_units": st.just(True),
        "tune_sysctl_floors": st.dictionaries(
            st.sampled_from(oracle.FLOORS), st.sampled_from([1024, 8192, 1048576, 3000000]), min_size=1
        ),
        "tune_sysctl_values": st.sampled_from(
            [
                {"net.ipv4.tcp_tw_reuse": 1},
                {"net.ipv4.tcp_tw_reuse": 0, "net.core.somaxconn": 2048},
                {"fs.nr_open": 210000},
            ]
        ),
        "tune_reserved_ports": st.sampled_from([["30000-30009"], [8080, "30005-30020"]]),
        "tune_addresses_method": st.sampled_from(["route", "interface"]),
        "tune_addresses": st.sampled_from([["198.51.100.250"], ["203.0.113.200-203.0.113.203"]]),
    },
)

# --- what other people do ---

_VALUES = {
    "fs.nr_open": ["210000", "524288", "1048576", "1500000", "3000000", "99999999999"],
    "fs.file-max": ["200000", "3000000"],
    "net.core.somaxconn": ["128", "65535"],
    "net.ipv4.tcp_max_syn_backlog": ["128", "16384"],
    "net.ipv4.ip_local_port_range": ["5000 65000", "32768 60999", "60000 2000"],
    RESERVED: ["22000", "22000,23000-23009"],
    "net.ipv4.tcp_tw_reuse": ["0", "1"],
}
_ASSIGNMENTS = st.sampled_from([(key, value) for key in _VALUES for value in _VALUES[key]])
_SYSCTL_FILES = st.sampled_from(
    [
        "/etc/sysctl.d/10-site.conf",
        "/etc/sysctl.d/99-zzz-site.conf",
        "/etc/sysctl.conf",
        "/etc/sysctl.d/50-pid-max.conf",
    ]
)
_LIMITS_FILES = st.sampled_from(
    ["/etc/security/limits.conf", "/etc/security/limits.d/10-site.conf", "/etc/security/limits.d/99-zzz-site.conf"]
)
_LIMITS_LINES = st.builds(
    "{} {} nofile {}".format,
    st.sampled_from(["*", "root", "tester", "@ops"]),
    st.sampled_from(["soft", "hard", "-"]),
    st.sampled_from(["4096", "65536", "1048576", "2000000", "unlimited"]),
)
_UNIT_FILES = st.sampled_from(
    [
        "/etc/systemd/system/app.service.d/override.conf",
        "/etc/systemd/system/app.service.d/zz-site.conf",
        "/etc/systemd/system/ssh.service.d/10-site.conf",
        "/etc/systemd/system.conf.d/50-site.conf",
        "/etc/systemd/system.conf.d/zz-site.conf",
    ]
)
_UNIT_LIMITS = st.sampled_from(["4096", "65536", "1048576", "2000000", "infinity", "1024:2000000", "1024:infinity"])


def unit_text(path: str, limit: str) -> str:
    """Return a drop-in of somebody else's."""
    if "system.conf.d" in path:
        return "[Manager]\nDefaultLimitNOFILE=%s\n" % limit
    return "[Service]\nLimitNOFILE=%s\n" % limit


def is_ours(path: str, text: str) -> bool:
    return path.startswith((STATE + "/", WAITING + "/")) or MARK in "\n".join(text.split("\n")[:2])


@dataclasses.dataclass
class Untuned:
    """The host as it would be without us."""

    files: Files
    live: dict[str, str]
    addresses: set[str]
    #: Every value that a key has had since the last time that nothing of ours was on the host.
    history: dict[str, set[str]]
    #: Since then somebody has thrown our record of the originals away.
    record_lost: bool = False

    def note(self) -> None:
        for key, value in self.live.items():
            self.history.setdefault(key, set()).add(value)

    def forget(self) -> None:
        self.history, self.record_lost = {}, False
        self.note()


@dataclasses.dataclass
class Seen:
    """The host at one moment."""

    files: Files
    keys: dict[str, str]
    addresses: set[str]
    lockouts: set[oracle.Lockout]
    boot: dict[str, str]


def _new(lockouts: t.Iterable[oracle.Lockout], before: t.Iterable[oracle.Lockout]) -> set[oracle.Lockout]:
    """Leave out whoever was locked out before with as much, or with more that was ours and is gone."""
    worst: dict[tuple[str, str], int] = {}
    for one in before:
        worst[one.who, one.when] = max(one.hard, worst.get((one.who, one.when), 0))
    return {one for one in lockouts if one.hard > worst.get((one.who, one.when), 0)}


class Life(RuleBasedStateMachine):
    """The rules, and the promises after each. A subclass makes the host."""

    host: Host
    #: Whether the host can kill a run between two tasks.
    kills = True
    steps: t.ClassVar[dict[str, int]] = {}

    def make_host(self, release: str) -> Host:
        raise NotImplementedError

    @initialize(release=st.sampled_from(["debian-12", "debian-13"]))
    def begin(self, release: str) -> None:
        self.host = self.make_host(release)
        self.untuned = Untuned(self._mutable(), self.host.keys(), set(self.host.addresses["eth0"]), {})
        self.untuned.forget()
        self.folders = self.host.directories()
        self.last_request: Variables | None = None
        #: Whether a run was killed, or somebody was at our files.
        self.disturbed = False

    def _mutable(self) -> Files:
        return {path: text for path, text in self.host.files().items() if not path.startswith("/usr/")}

    def _look(self) -> Seen:
        files = self.host.files()
        return Seen(
            files,
            self.host.keys(),
            set(self.host.addresses["eth0"]),
            self.host.lockouts(files),
            self._after_boot(files),
        )

    def _after_boot(self, files: Files) -> dict[str, str]:
        kept = {path: text for path, text in files.items() if not path.startswith("/run/")}
        return oracle.keys_after_boot(kept, self.host.kernel)

    def _with_untuned(self) -> Files:
        """Return the files of the untuned host, the distribution's too."""
        return {path: text for path, text in self.host.files().items() if path.startswith("/usr/")} | self.untuned.files

    def _count(self, what: str) -> None:
        self.steps[what] = self.steps.get(what, 0) + 1

    # --- our own runs ---

    def _run(self, run: t.Callable[[], str]) -> tuple[str, Seen, Seen]:
        """Run a playbook; between any two of its tasks nobody may be locked out who was not before."""
        before = self._look()

        def watch(task: str) -> None:
            fresh = _new(self.host.lockouts(), before.lockouts)
            assert not fresh, "after the task %r: %s" % (task, fresh)

        self.host.watch = watch
        outcome = run()
        self.host.watch = None
        after = self._look()
        assert not _new(after.lockouts, before.lockouts), (outcome, after.lockouts)
        self._count("%s %s" % (run.__name__, outcome.partition(":")[0]))
        return outcome, before, after

    @rule(request=REQUESTS)
    def tune(self, request: Variables) -> None:
        def tune() -> str:
            return self.host.tune(request)

        outcome, before, after = self._run(tune)
        if outcome.startswith("refused"):
            assert (after.files, after.keys, after.addresses) == (before.files, before.keys, before.addresses), outcome
            return
        # What can be seen beforehand is refused beforehand.
        assert outcome.startswith("done"), outcome
        self.last_request = request
        assert not after.lockouts, after.lockouts
        self._grants_no_less(before, after)
        self._names_who_beats_ours(after.files)

    def _grants_no_less(self, before: Seen, after: Seen) -> None:
        without = self._with_untuned()
        boot_without = self._after_boot(without)
        ours = after.files.get(OUR_SYSCTL, "")
        for key in oracle.FLOORS:
            if "tune_sysctl_values" in (self.last_request or {}) and key in self.last_request["tune_sysctl_values"]:
                continue
            # A value that was asked for stays, once nobody knows any more what was there before.
            assert self.untuned.record_lost or int(after.keys[key]) >= int(self.untuned.live[key]), key
            # What a boot would give is known of the keys that PID 1 raises; of others a live value lowered by somebody
            # is all that can be seen.
            seen = [] if key in PID_1_RAISES else [int(before.keys[key])]
            assert int(after.boot[key]) >= min(int(boot_without[key]), *seen, oracle.INFINITY), key
            if key + " = " in ours:
                assert int(after.keys[key]) >= int(before.keys[key]), key
        for user in oracle.USERS:
            now = oracle.session(after.files, user, int(after.keys[oracle.NR_OPEN]))
            then = oracle.session(without, user, int(self.untuned.live[oracle.NR_OPEN]))
            # systemd's own default, which sessions inherit.
            anyway = (0, 0) if any("DefaultLimitNOFILE" in text for text in without.values()) else (1024, 524288)
            for ours_now, theirs, least in zip(now, then, anyway, strict=True):
                if theirs is None:
                    assert ours_now is None or ours_now >= least, (user, now, then)
                else:
                    assert ours_now is not None and ours_now >= theirs, (user, now, then)  # noqa: PT018
        for name in oracle.UNITS:
            has, had = oracle.unit(after.files, name), oracle.unit(without, name)
            assert has.soft >= had.soft and has.hard >= had.hard, (has, had)  # noqa: PT018

    def _names_who_beats_ours(self, files: Files) -> None:
        # ansible-playbook breaks lines anywhere.
        said = "".join("".join(self.host.warnings).split())
        for path in who_leaves_less(files):
            assert path in said, (path, self.host.warnings)

    @rule(
        connections=st.sampled_from([1000, 20000, 60000]),
        hard=st.sampled_from([1048576, 2000000, 3000000]),
        units=st.sampled_from([[], ["app.service"]]),
    )
    def tune_simply(self, connections: int, hard: int, units: list[str]) -> None:
        """What most people ask for, and what is refused only where somebody else's settings are in the way."""
        self.tune(
            {
                "tune_target_connections": connections,
                "tune_destinations": 4,
                "tune_binding": "bind_no_port",
                "tune_processes": 1,
                "tune_address_pool": ["198.51.100.0/26"],
                "tune_slot": 0,
                "tune_units": units,
                "tune_nofile_hard": hard,
            }
        )

    @precondition(lambda self: self.kills and self.last_request is not None)
    @rule()
    def tune_again(self) -> None:
        """A second run changes nothing, whatever ran between is another matter."""
        self.tune(t.cast(Variables, self.last_request))
        before = self._look()
        outcome = self.host.tune(t.cast(Variables, self.last_request))
        after = self._look()
        assert (after.files, after.keys, after.addresses) == (before.files, before.keys, before.addresses), outcome

    @precondition(lambda self: self._our_files())
    @rule()
    def untune(self) -> None:
        def untune() -> str:
            return self.host.untune({})

        outcome, before, after = self._run(untune)
        without = self._with_untuned()
        if not outcome.startswith("done"):
            claimed = [path for path, text in self.untuned.files.items() if "fourtuple" in path]
            assert claimed or self._locked_out_without_us(without), outcome
            assert "; allowed: " in outcome or "Hard nofile limits above" in outcome, outcome
            assert (after.files, after.keys, after.addresses) == (before.files, before.keys, before.addresses), outcome
            return
        self.last_request = None
        ours = {path for path in after.files if path not in without}
        in_force = ours == {WAITING + "/sysctl.json"}
        assert not ours or in_force, ours
        if in_force:
            # Somebody still runs with a hard limit above the original nr_open: the next reboot restores it.
            least = min(int(value) for value in self.untuned.history[oracle.NR_OPEN])
            assert max(self._hard_now(after)) > least
        for key, value in after.keys.items():
            if in_force and key == oracle.NR_OPEN:
                continue
            self._is_back(key, value)
        assert after.addresses == self.untuned.addresses
        # A run that dies between making a directory and its first file leaves it empty, as does who removes the file.
        left = self.host.directories() - {STATE, WAITING} - self.folders
        assert not left or (self.disturbed and all(_is_empty(folder, after.files) for folder in left)), left
        if not in_force:
            self.untuned.live = dict(after.keys)
            self.untuned.forget()

    def _hard_now(self, seen: Seen) -> list[int]:
        configured = [limit.hard for limit in oracle.configured(seen.files)]
        return [*self.host.hard_of_running().values(), *configured]

    def _locked_out_without_us(self, without: Files) -> bool:
        nr_open = int(self._after_boot(without)[oracle.NR_OPEN])
        return any(
            int(self.host.kernel[oracle.NR_OPEN]) > nr_open if limit.hard == oracle.INFINITY else limit.hard > nr_open
            for limit in oracle.configured(without)
        )

    def _is_back(self, key: str, value: str) -> None:
        if self.untuned.record_lost:
            return
        if key == RESERVED:
            # What anybody else has had there may stay; nothing of ours does.
            theirs = {port for list_ in self.untuned.history[key] for port in list_.split(",")}
            assert set(value.split(",")) <= theirs | {""}, (value, theirs)
            return
        if key == oracle.NR_OPEN and value == self._after_boot(self._with_untuned())[key]:
            # What was there before would lock out by now, and a boot gives this one without us.
            return
        assert value in self.untuned.history[key], (key, value, self.untuned.history[key])

    @precondition(lambda self: self.kills)
    @rule(request=REQUESTS, most=st.integers(0, 40))
    def tune_killed(self, request: Variables, most: int) -> None:
        def tune_killed() -> str:
            return self.host.tune(request, most)

        self.disturbed = True
        outcome = self._run(tune_killed)[0]
        assert not outcome.startswith("failed"), outcome
        self.last_request = None

    @precondition(lambda self: self.kills and self._our_files())
    @rule(most=st.integers(0, 14))
    def untune_killed(self, most: int) -> None:
        def untune_killed() -> str:
            return self.host.untune({}, most)

        self.disturbed = True
        self._run(untune_killed)
        self.last_request = None

    # --- other people ---

    def _put(self, path: str, text: str) -> None:
        self.host.put(path, text)
        self.untuned.files[path] = text
        self.folders = self.folders | _parents(path)

    @rule(path=_SYSCTL_FILES, lines=st.lists(_ASSIGNMENTS, min_size=1, max_size=3))
    def somebody_sets_keys_at_boot(self, path: str, lines: list[tuple[str, str]]) -> None:
        self._put(path, "".join("%s = %s\n" % line for line in lines))
        if path == "/etc/sysctl.conf" and "/etc/sysctl.d/99-sysctl.conf" in self.untuned.files:
            self.untuned.files["/etc/sysctl.d/99-sysctl.conf"] = self.untuned.files[path]

    @rule(path=_LIMITS_FILES, lines=st.lists(_LIMITS_LINES, min_size=1, max_size=3))
    def somebody_sets_limits(self, path: str, lines: list[str]) -> None:
        self._put(path, "".join(line + "\n" for line in lines))

    @rule(path=_UNIT_FILES, limit=_UNIT_LIMITS)
    def somebody_sets_a_units_limit(self, path: str, limit: str) -> None:
        self._put(path, unit_text(path, limit))

    @precondition(lambda self: self._others_files())
    @rule(data=st.data())
    def somebody_removes_a_file(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self._others_files()))
        self.host.remove(path)
        del self.untuned.files[path]

    @precondition(lambda self: self._others_files())
    @rule()
    def somebody_tidies_up(self) -> None:
        """Without this the longer a life, the more of what is asked for has to be refused."""
        for path in self._others_files():
            self.host.remove(path)
            del self.untuned.files[path]

    def _others_files(self) -> list[str]:
        return sorted(
            path for path in self.untuned.files if any(word in path for word in ("site", "override", "fourtuple"))
        )

    @rule(assignment=_ASSIGNMENTS)
    def somebody_sets_a_key_now(self, assignment: tuple[str, str]) -> None:
        key, value = assignment
        if key == RESERVED:
            # Whoever adds a port writes the whole list, ours included.
            value = ",".join(filter(None, [self.host.keys()[key], "24000"]))
        if oracle.kernel_takes(key, value):
            self.host.set_key(key, value)
            theirs = [*filter(None, self.untuned.live[key].split(",")), "24000"]
            self.untuned.live[key] = ",".join(dict.fromkeys(theirs)) if key == RESERVED else value
            self.untuned.note()

    @rule(number=st.integers(1, 3))
    def somebody_adds_an_address(self, number: int) -> None:
        address = "192.0.2.%d/32" % (100 + number)
        if address not in self.host.addresses["eth0"]:
            self.host.add_address(address)
        self.untuned.addresses.add(address)

    @precondition(lambda self: len(self.host.addresses["eth0"]) > 1)
    @rule(data=st.data())
    def somebody_removes_an_address(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.host.addresses["eth0"][1:])))
        self.host.remove_address(address)
        self.untuned.addresses.discard(address)

    @rule(number=st.integers(1, 2))
    def somebody_gives_an_address_at_boot(self, number: int) -> None:
        self._put(NETWORK_FILE + ".d/site.conf", "[Network]\nAddress=192.0.2.%d/32\n" % (200 + number))

    @precondition(lambda self: self._our_files())
    @rule(data=st.data())
    def somebody_meddles_with_our_file(self, data: st.DataObject) -> None:
        self.disturbed = True
        path = data.draw(st.sampled_from(self._our_files()))
        text = self.host.files()[path]
        lines = text.splitlines(keepends=True)
        how = data.draw(st.sampled_from(["remove", "take over", "cut", "change"]))
        if how == "remove" or not path.endswith(".conf"):
            self.host.remove(path)
            self.untuned.record_lost |= path.startswith((STATE, WAITING))
        elif how == "take over":
            self.somebody_takes_over_our_file(path)
        elif how == "cut":
            self.host.put(path, "".join(lines[:-1]))
        else:
            self.somebody_puts_into_our_file(path, text.replace("0000", "1111").replace("1048576", "262144"))

    def somebody_takes_over_our_file(self, path: str) -> None:
        self.disturbed = True
        self._put(path, "# Ours now.\n" + self.host.files()[path].partition("\n")[2])

    def somebody_puts_into_our_file(self, path: str, text: str) -> None:
        self.disturbed = True
        self.host.put(path, text)
        if path == OUR_SYSCTL:
            # A value that no run of ours has written is somebody's, once a boot has made it the live one.
            for key, value in oracle.assignments(text).items():
                self.untuned.history.setdefault(key, set()).add(value)

    def _our_files(self) -> list[str]:
        return sorted(path for path, text in self.host.files().items() if is_ours(path, text))

    @rule(user=st.sampled_from(sorted(oracle.USERS)))
    def somebody_logs_in(self, user: str) -> None:
        self.host.log_in(user)

    @rule()
    def everybody_logs_out(self) -> None:
        self.host.log_out()

    @rule(name=st.sampled_from(oracle.UNITS))
    def somebody_restarts_a_unit(self, name: str) -> None:
        self.host.start_unit(name)

    @rule()
    def boot(self) -> None:
        locked = self.host.lockouts()
        self.host.boot()
        self.untuned.files = {path: text for path, text in self.untuned.files.items() if not path.startswith("/run/")}
        self.folders = {path for path in self.folders if not path.startswith("/run/sysctl.d")}
        self.untuned.live = self._after_boot(self._with_untuned())
        self.untuned.note()
        self.untuned.addresses = self._addresses_at_boot()
        if not any(one.when == "after boot" for one in locked):
            # PID 1 keeps what it took before sysctl.d lowered fs.nr_open; it asks for nothing.
            assert not {one for one in self.host.lockouts() if one.who != "systemd"}
        if not self._our_files():
            assert self.host.keys() == self.untuned.live
            self.untuned.forget()

    def _addresses_at_boot(self) -> set[str]:
        texts = [text for path, text in self.untuned.files.items() if path.startswith(NETWORK_FILE)]
        return {line.partition("=")[2] for text in texts for line in text.splitlines() if line.startswith("Address=")}

    # --- after every step ---

    @invariant()
    def nobody_elses_file_is_touched_and_ours_are_named(self) -> None:
        if not hasattr(self, "host"):
            return
        found = self._mutable()
        ours = {path for path, text in found.items() if is_ours(path, text)}
        assert {path: text for path, text in found.items() if path not in ours} == self.untuned.files
        assert all("fourtuple" in path for path in ours), ours


def who_leaves_less(files: Files) -> list[str]:
    """Return the files of others because of which less holds than one of ours says."""
    kept = {path: text for path, text in files.items() if not path.startswith("/run/")}
    ours = oracle.assignments(files.get(OUR_SYSCTL, ""))
    found = []
    for key, (value, path) in oracle.sysctl_at_boot(kept).items():
        if key in ours and path != OUR_SYSCTL and oracle.kernel_takes(key, value):
            least = int(ours[key]) if key in oracle.FLOORS else None
            if value != ours[key] if least is None else int(value) < least:
                found.append(path)
    lines = oracle.last_lines({OUR_LIMITS: files.get(OUR_LIMITS, "")})
    found += [path for line, (number, path) in oracle.last_lines(files).items() if number < lines.get(line, (0,))[0]]
    drop_ins = [(oracle.unit(files, name), OUR_UNIT.replace("app.service", name)) for name in oracle.UNITS]
    for limit, path in [*drop_ins, (oracle.default(files), OUR_DEFAULT)]:
        own = oracle.setting(files, [path], "DefaultLimitNOFILE" if path == OUR_DEFAULT else "LimitNOFILE")
        if own is not None and (limit.soft < own[0] or limit.hard < own[1]):
            found.append(limit.path)
    return found


def _is_empty(folder: str, files: Files) -> bool:
    return not any(path.startswith(folder + "/") for path in files)


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(2, len(parts))}


assert set(_VALUES) == set(KERNEL)
