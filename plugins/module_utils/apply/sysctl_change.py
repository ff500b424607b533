# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a change of sysctl keys, carry it out, and take it back.

Planning reads and may refuse; only carrying out writes. So whatever is refused is refused before
the first change, and check mode is planning without the rest.
"""

from __future__ import annotations

import errno
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    other_writers,
    port_claims,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    containment,
    identity,
    listening,
    proc_sys,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    broken_state,
    drop_state,
    load_state,
    save_state,
    unfinished,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, port_set, sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import (
    RUN_DIRECTORY,
    STATE_DIRECTORY,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import (
    Refusal,
    decimal,
    whole_number,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS

#: So many ports stay reserved on which somebody waited at an earlier run and nobody does now: services that happen to
#: be stopped. Of more, as of a daemon that picks a port itself at each start, the oldest are given back.
_MAX_UNUSED = 64

_TOPIC = "sysctl"

# The classes of a key, in the words that sysctl_apply documents.
APPLIED = "applied"
ALREADY = "already"
KEPT = "kept"
READ_ONLY = "read_only"
ABSENT = "absent"
MACHINE_WIDE = "machine_wide"
RESTORED = "restored"
FOREIGN = "foreign"
IN_FORCE = "in_force"


class KeyPlan(t.NamedTuple):
    """What is to become of one key.

    wanted: the value asked for; before: the live one, None where the key does not exist
    outcome: its class; target: the value to write now, None where nothing is written
    persist: the value for the drop-in, None where the key has no place in it
    """

    key: str
    kind: str
    wanted: str
    before: t.Optional[str]
    outcome: str
    target: t.Optional[str]
    persist: t.Optional[str]
    why: str = ""


class KeysRequest(t.NamedTuple):
    """What is asked for, as the options of sysctl_apply name it."""

    floors: t.Mapping[str, object]
    values: t.Mapping[str, object]
    reserved_ports: t.Sequence[object]
    reserve_listeners: bool
    prefix: str = ""


class KeysChange(t.NamedTuple):
    """A planned change: ``keys`` in the order of writing, and what only a person can judge.

    listeners: the ports to be reserved for nothing but that somebody waits on them, or did, the first one first
    """

    keys: t.List[KeyPlan]
    modules: t.List[str]
    overridden: t.List[t.Dict[str, t.Any]]
    refused: t.List[sysctl_d.RefusedLine]
    warnings: t.List[str]
    listeners: t.Sequence[int] = ()


def plan_present(host: Host, request: KeysRequest, modules_loadable: bool = True) -> KeysChange:
    """Return the change that makes the host meet ``request``; refuse what cannot be.

    modules_loadable: whether a missing kernel module may still be loaded before the change
    """
    _refuse_foreign_files(host)
    kernel = sysctl_d.kernel_now(host)
    floors = {key: _floor(request, key, value, kernel) for key, value in _keys(request, "floors", request.floors)}
    values = {key: _value(request, key, value, kernel) for key, value in _keys(request, "values", request.values)}
    _refuse_conflicts(request, floors, values)
    warnings = _check_port_range(host, request, values)
    reserved = _plan_reserved(host, request, values)

    others = other_writers.at_boot(host.planning(sysctl_d.drop_in({})))
    contained = containment.in_container(host)
    keys: t.List[KeyPlan] = []
    # The listeners are reserved before the range is widened over them.
    if reserved.text:
        plan = _plan_key(host, "reserved", RESERVED_PORTS, reserved.text, contained, modules_loadable, request)
        keys.append(plan._replace(why=plan.why or reserved.why))
    for key, number in floors.items():
        keys.append(_plan_floor(host, key, number, others, contained, modules_loadable, request))
    for key, text in values.items():
        keys.append(_plan_key(host, "value", key, text, contained, modules_loadable, request))

    asked = {plan.key for plan in keys}
    dropped = [plan for plan in _plan_undo(host) if plan.key not in asked]
    persisted = {plan.key: plan.persist for plan in keys if plan.persist is not None}
    _refuse_limits_above_next_boot(host, persisted)
    modules = sorted({module for module in map(sysctl_table.module_of, persisted) if module})
    then = host.planning(sysctl_d.drop_in(persisted))
    refused = sysctl_d.refused_lines(then, persisted)
    return KeysChange(keys + dropped, modules, _overridden(then, persisted), refused, warnings, reserved.listeners)


def plan_absent(host: Host) -> KeysChange:
    """Return the change that puts back what was there before the first run."""
    _refuse_foreign_files(host)
    _refuse_limits_above_next_boot(host, {})
    return KeysChange(_plan_undo(host), [], [], [], [])


def _refuse_foreign_files(host: Host) -> None:
    for path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD):
        owned.refuse_foreign(path, host.read(path))


def _refuse_limits_above_next_boot(host: Host, persisted: t.Mapping[str, str]) -> None:
    """Refuse to take an nr_open from our drop-in that a configured limit will need after the next boot."""
    planned = hard_limits.nr_open_after_boot(host.planning(sysctl_d.drop_in(persisted)))
    if planned.value >= hard_limits.nr_open_after_boot(host).value:
        return
    above = hard_limits.limits_above(host, planned.value, live=False)
    if above:
        highest = max(above, key=lambda offender: offender.limit.after_boot)
        limit = highest.limit
        if limit.source in hard_limits.own_files(host):
            remedy = "Take our limits back first (limits_state: absent), then the sysctls."
        else:
            where = planned.place if planned.line else "a file of your own in /etc/sysctl.d"
            remedy = "Set fs.nr_open in %s to at least %d, or lower that limit; then run again." % (
                where,
                limit.after_boot,
            )
        raise highest.refusal(remedy, planned.place)


def carry_out(host: Host, change: KeysChange) -> t.List[KeyPlan]:
    """Write what ``change`` plans and return the keys with the values that were read back.

    Originals are recorded before the first write. A value that does not read back as written stops
    everything that follows; the error says how far it came.
    """
    _record(host, change)
    done: t.List[KeyPlan] = []
    for plan in change.keys:
        if plan.target is not None:
            try:
                _write(host, plan.key, plan.target)
                found = sysctl_d.live(host.again(), plan.key)
                if not _same(plan.key, found, plan.target):
                    raise OSError(errno.EIO, "it reads back as %r" % found)
            except OSError as error:
                raise WriteFailed(plan, error, done, change.keys[len(done) + 1 :]) from error
        done.append(plan)
    forget(host, change.keys)
    return done


class WriteFailed(Exception):
    """A key could not be written: says which, why, what was written before it and what was not."""

    def __init__(self, plan: KeyPlan, error: OSError, done: t.List[KeyPlan], left: t.List[KeyPlan]) -> None:
        self.done = done
        super().__init__(
            "%s could not be set to %r: %s. Written before it: %s. Not attempted: %s. Originals are recorded; "
            "run again to go on, or with state absent to go back."
            % (plan.key, plan.target, error.strerror, _names(done), _names(left))
        )


def _names(plans: t.Iterable[KeyPlan]) -> str:
    return ", ".join(plan.key for plan in plans if plan.target is not None) or "nothing"


def planned_files(keys: t.Iterable[KeyPlan]) -> t.Dict[str, t.Optional[str]]:
    """Return the live keys and our drop-in as they will be, for Host.planning."""
    keys = list(keys)
    live = {sysctl_keys.proc_path(key.key): key.target + "\n" for key in keys if key.target is not None}
    return {**live, **sysctl_d.drop_in({key.key: key.persist for key in keys if key.persist is not None})}


def own_files(host: Host) -> t.List[str]:
    """Return which of our files the host has, or the rest of one that a killed run left; in the order of removal."""
    return [
        path
        for path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD)
        if host.exists(path) or host.exists(unfinished(path))
    ]


def _keys(request: KeysRequest, option: str, given: t.Mapping[str, object]) -> t.Iterator[t.Tuple[str, object]]:
    for name, value in given.items():
        key = sysctl_keys.normalize(str(name).strip())
        place = "%s%s[%s]" % (request.prefix, option, name)
        parts = key.split(".")
        if len(parts) < 2 or any(part in ("", "/", "//") or set(part) & set("*?[]= \t\n\0") for part in parts):
            raise Refusal(place, name, "one full key such as net.core.somaxconn", "Name each key, without globs.")
        if option == "values" and key == RESERVED_PORTS:
            raise Refusal(
                place, value, "no value here", "Name the ports in %sreserved_ports, which merges." % request.prefix
            )
        yield key, value


def _floor(request: KeysRequest, key: str, value: object, kernel: Kernel) -> int:
    """A floor below the least value is met by every value, and is never written."""
    place = "%sfloors[%s]" % (request.prefix, key)
    if not sysctl_keys.holds_one_number(key):
        remedy = "Set it in %svalues." % request.prefix
        raise Refusal(place, value, "a key that holds one number", remedy)
    _least, maximum = sysctl_keys.bounds(key, kernel) or (0, 2**kernel.word_size - 1)
    return whole_number(place, value, 0, maximum, "Write the least value that the key must have.")


def _value(request: KeysRequest, key: str, value: object, kernel: Kernel) -> str:
    place = "%svalues[%s]" % (request.prefix, key)
    if isinstance(value, bool):
        raise Refusal(
            place, value, "a number or text", "YAML reads yes, no, on and off as booleans: write 1 or 0, or quote it."
        )
    if not isinstance(value, (int, str)) or not str(value).strip() or "\n" in str(value):
        raise Refusal(place, value, "a number or one line of text", "Write the value as /proc/sys takes it.")
    if key == PORT_RANGE:
        return "%d %d" % port_set.parse_range(place, value)
    taken = sysctl_keys.taken(key, str(value), kernel)
    if taken is None:
        raise Refusal(place, value, sysctl_keys.allowed(key, kernel), "The kernel refuses it: write one that it takes.")
    return taken


def _refuse_conflicts(request: KeysRequest, floors: t.Mapping[str, int], values: t.Mapping[str, str]) -> None:
    for key in sorted(set(floors) & set(values)):
        raise Refusal(
            "%svalues[%s]" % (request.prefix, key),
            values[key],
            "a key in one of %sfloors and %svalues" % (request.prefix, request.prefix),
            "Remove it from one of them.",
        )


def _check_port_range(host: Host, request: KeysRequest, values: t.Mapping[str, str]) -> t.List[str]:
    if PORT_RANGE not in values:
        return []
    place = "%svalues[%s]" % (request.prefix, PORT_RANGE)
    low, high = port_set.parse_range(place, values[PORT_RANGE])
    # net/ipv4/sysctl_net_ipv4.c, ipv4_local_port_range(): EINVAL below the first unprivileged port
    unprivileged = decimal(sysctl_d.live(host, "net.ipv4.ip_unprivileged_port_start") or "") or 0
    if low < unprivileged:
        raise Refusal(
            place,
            values[PORT_RANGE],
            "a range that begins at net.ipv4.ip_unprivileged_port_start, %d, or above" % unprivileged,
            "Begin the range at %d." % unprivileged,
        )
    if low % 2 == high % 2 and low != high:
        # net/ipv4/sysctl_net_ipv4.c, set_local_port_range(): "prefer different parity for start/end values"
        return [
            "%s: %d and %d have the same parity, so the kernel searches the two halves of the range unevenly; "
            "end it at %d" % (place, low, high, high - 1)
        ]
    return []


class _InUse(t.NamedTuple):
    """Ports of the local port range that somebody waits on, and those that somebody will want."""

    waiting: t.Set[int]
    claims: t.List[port_claims.Claim]

    @property
    def ports(self) -> t.Set[int]:
        return self.waiting.union(*(claim.ports for claim in self.claims))

    def said(self, of: t.Set[int]) -> str:
        """Return whose some ports are, for people."""
        whose = [(self.waiting, "somebody waits on them")]
        whose += [(claim.ports, "%s (%s)" % (claim.why, claim.by)) for claim in self.claims]
        return "; ".join(
            "%s: %s" % (port_set.format_kernel_list(ports & of), who) for ports, who in whose if ports & of
        )


def _in_use(host: Host, low: int, high: int) -> _InUse:
    """Return what is in use of the range from ``low`` to ``high``; not the ports that the kernel chose itself."""
    found = listening.listening(host.root)
    waiting = {port for port in found.tcp.named | found.udp.named if low <= port <= high}
    claims = [claim for claim in port_claims.claims(host) if claim.low <= high and claim.high >= low]
    return _InUse(waiting, claims)


class _Reserved(t.NamedTuple):
    """The list of reserved ports to set, empty where there is none; why, and what of it is recorded as listeners."""

    text: str = ""
    why: str = ""
    listeners: t.Sequence[int] = ()


def _plan_reserved(host: Host, request: KeysRequest, values: t.Mapping[str, str]) -> _Reserved:
    """Return what is to be reserved: what is there, what the operator names, what is in use in the range."""
    asked = port_set.parse_ports(request.prefix + "reserved_ports", request.reserved_ports)
    if not asked and PORT_RANGE not in values:
        return _Reserved()
    at_boot = sysctl_d.after_boot(host.planning(sysctl_d.drop_in({})), RESERVED_PORTS)
    live, boot = sysctl_d.live(host, RESERVED_PORTS), at_boot.value if at_boot else None
    low, high = port_set.parse_range(PORT_RANGE, values.get(PORT_RANGE) or sysctl_d.live(host, PORT_RANGE) or "1 65535")
    in_use = _in_use(host, low, high)
    wanted = port_set.to_reserve((live, boot), asked, in_use.ports, low, high)
    unreserved = wanted - port_set.to_reserve((live, boot), asked, set(), low, high)
    if unreserved and not request.reserve_listeners:
        raise Refusal(
            "%svalues[%s]" % (request.prefix, PORT_RANGE),
            "%d %d" % (low, high),
            "a range without the ports that are in use on this host (%s)" % port_set.format_kernel_list(unreserved),
            "Add them to %sreserved_ports, or set %sreserve_listeners to true (%s)."
            % (request.prefix, request.prefix, in_use.said(unreserved)),
        )
    record = records(host).get(RESERVED_PORTS) or {}
    recorded: t.List[int] = record.get("listeners") or []
    present = port_set.parse_kernel_list(live or "")
    if wanted != present:
        # A run changes nothing for that alone.
        others = port_set.to_reserve((record.get("before"), boot), asked, in_use.ports, low, high)
        wanted -= set([port for port in recorded if port not in others][:-_MAX_UNUSED])
    kept = [port for port in recorded if port in wanted]
    first_seen = (in_use.waiting & wanted) - asked - present - set(kept)
    return _Reserved(port_set.format_kernel_list(wanted), in_use.said(wanted), kept + sorted(first_seen))


def _plan_floor(
    host: Host,
    key: str,
    number: int,
    others: t.Sequence[sysctl_d.Line],
    contained: bool,
    modules_loadable: bool,
    request: KeysRequest,
) -> KeyPlan:
    """Plan a key that is raised and never lowered, neither now nor by the file that the next boot reads."""
    kernel = sysctl_d.kernel_at_start(host)
    elsewhere = sysctl_d.winner(others, key, kernel)
    # What a boot without our file gives may be more than the live value, which somebody may have lowered for now.
    boot = elsewhere.value if elsewhere else None if contained else _at_start(host, key)
    others_have = (sysctl_keys.number(key, text, kernel) for text in (sysctl_d.live(host, key), boot))
    maximum = max([number] + [other for other in others_have if other is not None])
    plan = _plan_key(host, "floor", key, str(maximum), contained, modules_loadable, request, minimum=number)
    if plan.outcome == ALREADY and maximum > number:
        return plan._replace(wanted=str(number), outcome=KEPT)
    return plan._replace(wanted=str(number))


def _at_start(host: Host, key: str) -> t.Optional[str]:
    """Return what PID 1 makes of a key before any sysctl.d is applied, None where it leaves the kernel's value.

    systemd since 240 raises fs.file-max to the maximum, unless it is built without (src/core/main.c,
    bump_file_max_and_nr_open); no distribution is known to do that.
    """
    if key == hard_limits.NR_OPEN:
        return str(hard_limits.nr_open_at_start(host))
    if key != sysctl_table.FILE_MAX or not identity.boots_with_systemd(host):
        return None
    version = re.match(r"[0-9]+", identity.systemd_version(host) or "")
    if version is None or int(version.group()) < 240:
        return None
    _least, maximum = sysctl_keys.bounds(sysctl_table.FILE_MAX, sysctl_d.kernel_at_start(host)) or (0, 0)
    return str(maximum)


def _plan_key(
    host: Host,
    kind: str,
    key: str,
    wanted: str,
    contained: bool,
    modules_loadable: bool,
    request: KeysRequest,
    minimum: t.Optional[int] = None,
) -> KeyPlan:
    before = sysctl_d.live(host, key)
    plan = KeyPlan(key, kind, wanted, before, ALREADY, None, wanted)
    place = {"floor": "%sfloors[%s]", "value": "%svalues[%s]", "reserved": "%sreserved_ports (%s)"}[kind] % (
        request.prefix,
        key,
    )
    if before is None:
        return _plan_missing(plan, place, contained, modules_loadable)
    if contained and containment.is_machine_wide(host, key):
        has = decimal(before)
        suffices = has >= minimum if minimum is not None and has is not None else _same(key, before, wanted)
        if not suffices:
            raise Refusal(
                place,
                wanted if minimum is None else minimum,
                "%s %s, the value of the machine under this container, which a container must not change"
                % ("exactly" if minimum is None else "at most", before),
                "Ask for that, or set %s on the machine." % key,
            )
        return plan._replace(outcome=MACHINE_WIDE, persist=None, why="belongs to the machine under this container")
    if _same(key, before, wanted):
        return plan
    now, then = decimal(before), decimal(wanted)
    if kind == "value" and key == hard_limits.NR_OPEN and now is not None and then is not None and then < now:
        raise Refusal(
            place,
            wanted,
            "%s or more: %s" % (before, _who_needs(host, then)),
            "Move it to %sfloors, which raises and never lowers." % request.prefix,
        )
    if not proc_sys.is_writable(host, key, proc_sys.mounted(host)):
        return plan._replace(outcome=READ_ONLY, persist=None, why="this host does not let it be written")
    return plan._replace(outcome=APPLIED, target=wanted)


def _plan_missing(plan: KeyPlan, place: str, contained: bool, modules_loadable: bool) -> KeyPlan:
    module = sysctl_table.module_of(plan.key)
    if module and modules_loadable and not contained:
        return plan._replace(outcome=APPLIED, target=plan.wanted, why="with the kernel module %s" % module)
    if plan.kind == "value" and not module and not _is_of_first_namespace(plan.key):
        raise Refusal(
            place,
            plan.wanted,
            "a key that this kernel has under /proc/sys",
            "Correct the spelling, or leave the key out for hosts whose kernel lacks it.",
        )
    return plan._replace(
        outcome=ABSENT,
        persist=None,
        why="needs the kernel module %s" % module if module else "this host has no such key",
    )


def _is_of_first_namespace(key: str) -> bool:
    """Tell whether a key is a real one though it is absent in a container."""
    row = sysctl_table.KEYS.get(key)
    return row is not None and row.namespaces == sysctl_table.FIRST_ONLY


def _who_needs(host: Host, nr_open: int) -> str:
    limits = [offender.limit for offender in hard_limits.limits_above(host, nr_open)]
    if not limits:
        return "the present value is never lowered"
    highest = max(limits, key=lambda limit: max(limit.now, limit.after_boot))
    return "%d limits on this host are higher, the highest is %s" % (len(limits), highest.text)


def _plan_undo(host: Host) -> t.List[KeyPlan]:
    """Plan the way back of every recorded key, in reverse: the range narrows before its ports are freed."""
    keys = []
    for key, record in sorted(records(host).items(), key=lambda item: -int(item[1]["order"])):
        now = sysctl_d.live(host, key)
        before = str(record["before"])
        plan = KeyPlan(key, str(record["kind"]), before, now, RESTORED, before, None)
        if now is None:
            plan = plan._replace(outcome=ABSENT, target=None, why="the key is gone")
        elif key == RESERVED_PORTS:
            ours = port_set.parse_kernel_list(",".join(record["ours"])) - port_set.parse_kernel_list(before)
            rest = port_set.format_kernel_list(port_set.parse_kernel_list(now) - ours)
            plan = plan._replace(wanted=rest, target=rest)
            if _same(key, now, rest):
                plan = plan._replace(outcome=ALREADY, target=None)
        elif _same(key, now, before):
            plan = plan._replace(outcome=ALREADY, target=None)
        elif now not in record["ours"]:
            plan = plan._replace(outcome=FOREIGN, target=None, why="changed by someone else since; left as it is")
        elif key == hard_limits.NR_OPEN:
            above = hard_limits.limits_above(host, decimal(before) or 0)
            users = [offender.limit for offender in above if offender.when == hard_limits.NOW]
            if users and now == str(hard_limits.nr_open_after_boot(host.planning(sysctl_d.drop_in({}))).value):
                # As after a boot, or where somebody has restored the value of before: there is nothing to wait for.
                plan = plan._replace(outcome=ALREADY, target=None, why="a boot gives it without us, and it is in use")
            elif users:
                why = "in use until the next boot, which restores it (%s)" % users[0].text
                plan = plan._replace(outcome=IN_FORCE, target=None, why=why)
        keys.append(plan)
    return keys


def records(host: Host) -> t.Dict[str, t.Dict[str, t.Any]]:
    """Return what earlier runs recorded of each key. raises: ValueError for a record that is not ours"""
    state = {**(load_state(host.root, _TOPIC, RUN_DIRECTORY) or {}), **(load_state(host.root, _TOPIC) or {})}
    for key, record in state.items():
        if not isinstance(record, dict) or not (
            isinstance(record.get("before"), (str, type(None)))
            and isinstance(record.get("kind"), str)
            and isinstance(record.get("order"), int)
            and isinstance(record.get("ours"), list)
            and all(isinstance(value, str) for value in record["ours"])
            and isinstance(record.get("listeners", []), list)
            and all(isinstance(port, int) for port in record.get("listeners", []))
        ):
            raise broken_state(_TOPIC, "no record of %s as it is written" % key)
    return state


def _record(host: Host, change: KeysChange) -> None:
    """Remember the value that each key has now, unless an earlier run did: the first one is the original.

    Every value that we are about to write is remembered too: what is none of them is someone else's.
    """
    recorded = {key: dict(record) for key, record in records(host).items()}
    for plan in change.keys:
        if plan.outcome != APPLIED:
            continue
        record = recorded.setdefault(
            plan.key, {"before": plan.before, "kind": plan.kind, "order": len(recorded), "ours": []}
        )
        if plan.key == RESERVED_PORTS:
            # One list of all: a run may add a port each time.
            ours = port_set.to_reserve([*record["ours"], plan.target], set(), set(), 0, 0)
            record.update(ours=[port_set.format_kernel_list(ours)], listeners=list(change.listeners))
        elif plan.target not in record["ours"]:
            record["ours"] = record["ours"] + [plan.target]
    # Also what was left to the next boot, when that boot is to keep it after all.
    lasting = load_state(host.root, _TOPIC) or {}
    needed = {plan.key for plan in change.keys if plan.outcome == APPLIED or plan.persist is not None}
    after = {key: record for key, record in recorded.items() if key in lasting or key in needed}
    if after != lasting:
        save_state(host.root, _TOPIC, after)


def back(host: Host) -> t.List[KeyPlan]:
    """Return the recorded keys that nothing is left to do about, but for our drop-in, where it still has them."""
    return [plan for plan in _plan_undo(host) if plan.target is None]


def forget(host: Host, plans: t.Iterable[KeyPlan]) -> None:
    """Drop the records of the keys that are back.

    One that our drop-in still has stays: were it removed only after the next boot, its original would be lost. One
    that is still in force stays for a later run until the next boot, which brings the original back by itself.
    """
    state = records(host)
    if not state:
        # Nor does what a run left that was killed as it began to record, or as it had nothing more to remember.
        for directory in (STATE_DIRECTORY, RUN_DIRECTORY):
            if host.exists(directory):
                drop_state(host.root, _TOPIC, directory)
        return
    plans = list(plans)
    drop_in = sysctl_d.parse(host.read(owned.SYSCTL_DROP_IN) or "", owned.SYSCTL_DROP_IN)
    persistent = {assignment.key for assignment in drop_in}
    waiting = {p.key: state[p.key] for p in plans if p.outcome == IN_FORCE and p.key not in persistent}
    if not waiting:
        drop_state(host.root, _TOPIC, RUN_DIRECTORY)
    elif waiting != load_state(host.root, _TOPIC, RUN_DIRECTORY):
        save_state(host.root, _TOPIC, waiting, RUN_DIRECTORY)
    gone = {plan.key for plan in plans if plan.outcome in (RESTORED, FOREIGN, ABSENT, IN_FORCE)}
    gone |= {plan.key for plan in plans if plan.outcome == ALREADY and plan.persist is None}
    left = {key: record for key, record in state.items() if key not in gone or key in persistent}
    if not left:
        drop_state(host.root, _TOPIC)
    elif left != load_state(host.root, _TOPIC):
        save_state(host.root, _TOPIC, left)


def _overridden(then: Host, persisted: t.Mapping[str, str]) -> t.List[t.Dict[str, t.Any]]:
    """Name every foreign line that will beat one of ours at the next boot.

    then: the host with our drop-in as it will be
    """
    kernel = sysctl_d.kernel_at_start(then)
    return [
        {"key": key, "source": won.path, "line": won.line, "value": won.value, "ours": persisted[key]}
        for key, won in other_writers.foreign_winners(then, persisted).items()
        if not sysctl_keys.same(key, won.value, persisted[key], kernel)
    ]


def _same(key: str, value: t.Optional[str], text: t.Optional[str]) -> bool:
    return sysctl_keys.same(key, value, text, sysctl_keys.WIDEST)


def _write(host: Host, key: str, value: str) -> None:
    # An empty write changes nothing and a newline clears the list, so every write ends in one.
    with open(host.place(sysctl_keys.proc_path(key)), "w", encoding="ascii") as stream:
        stream.write(value + "\n")
