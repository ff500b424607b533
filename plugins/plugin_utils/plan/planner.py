# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a request to the variables of the three roles, or to a refusal that says what would do.

Pure. The settings come from the request and from what a run does not change, so that the plan of a tuned host is
the plan that tuned it:

* a floor is what the request needs, whatever the present value; sysctl_apply keeps a higher one;
* keys of the machine under a container, and those that the host cannot write, stay as they are; the host is refused
  where they do not suffice;
* the addresses that an earlier run added count as not there;
* nor do listeners whose port the kernel chose, who have another one at the next run.

Not planned: net.ipv4.tcp_max_tw_buckets. Connections that close beyond it leave no TIME_WAIT, which takes neither
four-tuple nor memory; the ceilings warn of it.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    address_set,
    capabilities,
    container_options,
    owned,
    port_set,
    sysctl_keys,
    sysctl_table,
    taken_addresses,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number
from ansible_collections.fourtuple.clients.plugins.plugin_utils import fleet, known
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings as model
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import (
    AUTOBIND,
    BIND,
    MAX_CONNECTIONS,
    Request,
    parse,
)

Settings = dict[str, t.Any]

PORT_RANGE = sysctl_table.PORT_RANGE
RESERVED_PORTS = sysctl_table.RESERVED_PORTS
CONNTRACK_MAX = "net.netfilter.nf_conntrack_max"

#: The kernel's own fs.nr_open (include/uapi/linux/fs.h, NR_OPEN is 1024 * 1024), at least what any distribution
#: grants: with less, logins would lose what systemd gives them (DefaultLimitNOFILE=1024:524288).
_USUAL_NOFILE = 1048576
#: Room in descriptors, and the step of the soft limit. Processes do not share connections out evenly: each has a
#: quarter more.
_NOFILE_ROOM = 1024
_UNEVEN = 4
_ROOM = 65536
#: Free memory changes by itself: a target that nobody has stated leaves a tenth of it.
_OF_MEMORY = 0.9
_MEMORY = ("memory", "cgroup_memory")

#: The key of a constraint.
_KEY_OF = {"file_max": "fs.file-max", "epoll_watches": "fs.epoll.max_user_watches", "conntrack": CONNTRACK_MAX}

#: Where the snapshot has the live number of a key.
_PLACES: dict[str, tuple[str, ...]] = {
    "fs.nr_open": ("nofile", "nr_open", "now"),
    "fs.file-max": ("nofile", "file_max", "now"),
    "fs.epoll.max_user_watches": ("epoll", "max_user_watches"),
    CONNTRACK_MAX: ("conntrack", "max"),
    "net.ipv4.tcp_max_tw_buckets": ("tcp", "max_tw_buckets"),
    "net.ipv4.tcp_tw_reuse": ("tcp", "tw_reuse"),
    "kernel.threads-max": ("tasks", "threads_max"),
    "kernel.pid_max": ("tasks", "pid_max"),
}


def plan(
    limits: Limits, stated: t.Mapping[str, t.Any], table: known.Table | None = None, host: str | None = None
) -> dict[str, t.Any]:
    """Return the settings that meet a request, with the ceilings before and after; or why there are none.

    stated: as for ceilings.ceilings(), and ``port_range``, ``address_pool``, ``slot``, ``slot_size`` as the role
            variables ``tune_<name>`` have them, and ``explicit``, the variables of the three roles that the operator
            set, which win

    table, host: whose addresses are whose in the inventory (fleet.fleet(), ``known``), and this host's name there

    Returns:
        settings: the variables of the roles sysctl, limits and addresses
        before, after: the ceilings of the snapshot, and of the snapshot that the settings will make
        target: what is planned for: as stated, or as many as four-tuples and memory allow
        descriptors: the soft nofile that each process needs for its part of the target
        sources: the source addresses that the application will have
        slot, claim: the slot, and the runs of addresses [[first, last], ...] that it keeps from other hosts; None
        warnings: what only a person can judge
    or ``refusal`` and ``before``, which is that of an empty request where the request itself is refused.
    """
    try:
        request = parse(stated)
    except Refusal as refusal:
        return {"refusal": str(refusal), "before": model.ceilings(limits, {})}
    before = model.ceilings_of(limits, request)
    try:
        return dict(_plan(limits, request, _Others(limits, request, table or {}, host)), before=before)
    except Refusal as refusal:
        return {"refusal": str(refusal), "before": before}


def _plan(limits: Limits, request: Request, others: _Others) -> dict[str, t.Any]:
    explicit = request.explicit
    port_set.parse_ports("sysctl_reserved_ports", explicit.sysctl_reserved_ports)
    others.refuse_listed()
    settings = _network_settings(limits, request)
    _refuse_unreserved(limits, settings)
    part = _slice(limits, request)
    lasting = _without_automatic(limits)
    bare = predict(lasting, settings)
    allowed = _four_tuples(bare, request)
    most = _most(limits, request)
    if request.target is None:
        planned_for = max(1, min(allowed.advised or 0, most))
    else:
        planned_for = request.target
        if (allowed.advised or 0) < planned_for:
            part = part or _slice(limits, request, needed=True)
            settings["addresses_list"] = _addresses(bare, request, planned_for, part, others)
    possible = planned_for if request.target is not None else min(max(planned_for, allowed.allows or 0), most)
    settings.update(_limits_settings(limits, request, planned_for, possible))
    settings["sysctl_floors"] = _floors(limits, request, planned_for, settings["limits_nofile_hard"])

    predicted = predict(lasting, settings)
    target = _target(predicted, request, model.ceilings_of(predicted, request))
    predicted = predict(limits, settings)
    after = model.ceilings_of(predicted, request)
    if after["ceiling"] is not None and after["ceiling"] < target:
        # The listeners of now take ports that the advice did not leave free.
        if request.target is not None:
            raise _refusal(predicted, request, after["constraints"][0], target)
        target = after["ceiling"]
    return {
        "settings": settings,
        "after": after,
        "target": target,
        "descriptors": model.descriptors_needed(request, target),
        "sources": model.usable_sources(predicted, request),
        "slot": part.slot if part else None,
        "claim": part.claim() if part else None,
        "warnings": [
            *after["warnings"],
            *_overridden(limits, request, settings),
            *_refused(limits, settings),
            *_to_restart(limits, settings),
        ],
    }


def _network_settings(limits: Limits, request: Request) -> Settings:
    explicit = request.explicit
    wanted = "%d %d" % request.port_range
    # What cannot be set is planned only where it is there already, as an earlier run may have left it.
    there = (limits["keys"].get(PORT_RANGE) or {}).get("now") == wanted
    planned = {PORT_RANGE: wanted} if there or model.is_settable(limits, PORT_RANGE) else {}
    return {
        "sysctl_floors": {},
        "sysctl_values": dict(planned, **explicit.sysctl_values),
        "sysctl_reserved_ports": list(explicit.sysctl_reserved_ports),
        "addresses_list": [str(one) for one in address_set.expand("addresses_list", explicit.addresses_list)],
        "addresses_interface": request.interface,
    }


def _four_tuples(limits: Limits, request: Request) -> model.Constraint:
    answer = model.four_tuples(limits, request)
    if isinstance(answer, model.Unknown):
        remedy = "It says what it could not read (unread): %s." % answer.why
        raise Refusal("connection_limits_info", None, "the ports and the addresses of the host", remedy)
    return answer


def _most(limits: Limits, request: Request) -> int:
    """Return more than the host can hold, whatever is free at the moment: what nobody stated stays within it."""
    total = limits["memory"]["total"]
    held = MAX_CONNECTIONS if total is None else int(total // model.bytes_of_connection(limits, request))
    return min(held, MAX_CONNECTIONS)


# --- addresses ---


def _slice(limits: Limits, request: Request, needed: bool = False) -> fleet.Slice | None:
    """Return this host's slice of the pool, None without a pool, or where nobody needs one that is not stated."""
    if not request.address_pool or not (needed or request.slot is not None):
        return None
    primary = (limits["addresses"] or {}).get("primary") or {}
    return fleet.slice_of(_pool(request), request.slot_size, request.slot, primary.get("address"))


def _pool(request: Request) -> fleet.Pool:
    return fleet.Pool("tune_address_pool", request.address_pool)


def _addresses(limits: Limits, request: Request, target: int, part: fleet.Slice | None, others: _Others) -> list[str]:
    """Return as many addresses of the slice as the target needs; refuse where they do not suffice, or others have them.

    limits: the host with everything else of the plan, and without the slice
    """
    need = _Need(limits, request, target)
    listed = request.explicit.addresses_list
    taken: list[str] = []
    if request.binding != AUTOBIND and not listed and part is not None:
        total, wanted = need.held, need.four_tuples
        for address in part.addresses():
            if total >= wanted:
                break
            if need.capacity[address.version] and not _covers(need.present[address.version], int(address)):
                others.refuse_of_pool(address)
                taken.append(str(address))
                total += need.capacity[address.version]
        if total >= wanted:
            return taken
    raise need.refusal(part, len(taken))


def _covers(intervals: t.Iterable[tuple[int, int]], number: int) -> bool:
    return any(first <= number <= last for first, last in intervals)


class _Others:
    """Whose an address is: as this host sees it, as the request states it, and as the inventory tells."""

    def __init__(self, limits: Limits, request: Request, table: known.Table, host: str | None) -> None:
        addresses = limits["addresses"] or {}
        stated = [{"address": one, "whose": "a destination (tune_destinations)"} for one in request.servers]
        # What an earlier version read of a host has none.
        self._seen = taken_addresses.Taken([*addresses.get("taken", ()), *stated])
        self._known, self._slots = known.Known(table, host), known.Known(table, host, slots=True)
        self._request = request
        self._own = taken_addresses.Taken(
            {"address": "%s-%s" % (one["address"], one.get("last", one["address"])), "whose": "this host's"}
            for one in addresses.get("list", ())
            if not one.get("ours")
        )

    def whose(self, address: address_set.Address) -> str | None:
        return self._seen.whose(address) or self._known.whose(address)

    def within(self, run: address_set.Run) -> list[tuple[int, int]]:
        return self._seen.within(run) + self._known.within(run)

    def refuse_listed(self) -> None:
        """Refuse an addresses_list that names what others have. What the host has already is not added."""
        where, entries = "addresses_list", self._request.explicit.addresses_list
        places = address_set.locate(where, entries)
        added = {address: place for address, place in places.items() if self._own.whose(address) is None}
        for others in (self, self._slots):
            taken_addresses.refuse(where, entries, added, others)

    def refuse_of_pool(self, address: address_set.Address) -> None:
        """Refuse an address of the pool that others have, and say how all hosts that share the pool leave it out."""
        whose, slot_of = self.whose(address), self._slots.whose(address)
        if whose is not None:
            entry = _pool(self._request).entry_of(address)
            shared = " on every host that shares the pool, or give this host another tune_slot"
            remedy = taken_addresses.without(entry, self.within, shared)
        elif slot_of is not None:
            remedy = "Give this host a tune_slot that no other host has."
        else:
            return
        remedy = "It is %s. %s" % (whose or slot_of, remedy)
        raise Refusal("tune_address_pool", str(address), taken_addresses.ALLOWED, remedy)


class _Need:
    """How many four-tuples a target takes, and what there is; the arithmetic of a refusal."""

    def __init__(self, limits: Limits, request: Request, target: int) -> None:
        self.limits, self.request, self.target = limits, request, target
        self.ports = limits["ports"]["usable"]
        self.claimed = _claimed(limits)
        self.present = model.source_intervals(limits, request.interface) or {4: [], 6: []}
        sources = {family: model.count(found) for family, found in self.present.items()}
        self.capacity = model.capacity_of_a_source(request, self.ports, sources)
        destinations = model.destinations_by_family(request, sources)
        #: The family that more addresses would be of.
        self.family = max((4, 6), key=lambda family: (destinations[family], -family))
        self.destinations = destinations[self.family]
        self.sources = min(1, sources[self.family]) if request.binding == AUTOBIND else sources[self.family]
        self.timewait = model.in_timewait(limits, request)
        #: floor(n * fill) >= target holds from this n on.
        self.four_tuples = math.ceil(target / request.port_fill) + self.timewait
        used = {f: min(1, n) if request.binding == AUTOBIND else n for f, n in sources.items()}
        self.held = sum(used[family] * self.capacity[family] for family in used)

    def refusal(self, part: fleet.Slice | None, taken: int) -> Refusal:
        each = self.capacity[self.family]
        most = self.held + taken * each
        sources = self.sources + taken
        allowed = "at most %d, what %s x %d ports%s can hold at tune_port_fill %s" % (
            max(0, math.floor((most - self.timewait) * self.request.port_fill)),
            model.number_of(sources, "source address", "es"),
            self.ports,
            "" if self.request.binding == BIND else " x " + model.number_of(self.destinations, "destination"),
            _decimal(self.request.port_fill),
        )
        missing = math.ceil((self.four_tuples - most) / each) if each else 0
        remedy = "It needs %s and has %d: %s." % (
            model.number_of(sources + missing, "source address", "es"),
            sources,
            _alternatives([self._more_addresses(part, missing), *self._without_addresses(most, sources)]),
        )
        if self.request.binding == AUTOBIND:
            ways = ["let it bind (tune_binding: bind_no_port)", *self._without_addresses(most, sources)]
            remedy = "A program that does not bind has one source address: %s." % _alternatives(ways)
        return Refusal("tune_target_connections", self.target, allowed, remedy + self._fixed_range() + self.claimed)

    def _fixed_range(self) -> str:
        """Return what would widen the range, where only that keeps it from what was asked for."""
        low, high = self.request.port_range
        present = (self.limits["keys"].get(PORT_RANGE) or {}).get("now")
        ports = self.limits["ports"]
        if (
            present is None
            or model.is_settable(self.limits, PORT_RANGE)
            or not (low < ports["low"] or high > ports["high"])
        ):
            return ""
        return " %s" % _cannot_be_set(self.limits, PORT_RANGE, "%d %d" % (low, high))

    def _more_addresses(self, part: fleet.Slice | None, missing: int) -> str:
        if self.request.explicit.addresses_list:
            return "name %d more in addresses_list" % missing
        if part is None:
            return "give it a tune_address_pool with a tune_slot_size of %d" % missing
        size = part.size + missing
        if part.slots * part.size >= (part.slot + 1) * size:
            return "raise tune_slot_size from %d to %d on every host" % (part.size, size)
        return "widen the pool, whose slots have %d addresses, and raise tune_slot_size to %d" % (part.size, size)

    def _without_addresses(self, most: int, sources: int) -> t.Iterator[str]:
        """Yield what else would do, alone."""
        per_destination = sources * self.ports
        if self.request.binding != BIND and per_destination:
            more = math.ceil((self.four_tuples - most) / per_destination)
            yield "add %s" % model.number_of(more, "destination")
        if most - self.timewait >= self.target:
            # Rounded up to a hundredth, as people write it.
            fill = math.ceil(self.target * 100 / (most - self.timewait)) / 100
            yield "raise tune_port_fill to %s" % _decimal(fill)


def _decimal(number: t.SupportsFloat) -> str:
    return str(float(number))


def _alternatives(ways: t.Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(ways[:-1]), ways[-1]]))


# --- limits and keys ---


def _cannot_be_set(limits: Limits, key: str, wanted: str) -> str:
    """Return why a key stays as it is, and what would give it the value that is wanted."""
    present = limits["keys"][key]["now"] or "empty"
    if model.scope_of(limits, key) == model.MACHINE:
        return "%s is %s and belongs to the machine under this container: set %s there." % (key, present, wanted)
    way = "set it to %s from where /proc/sys can be written; ProtectKernelTunables= makes it read-only" % wanted
    if limits["host"]["container"]:
        way = container_options.start_with_sysctl(key, wanted)
    return "%s is %s and cannot be written here: %s." % (key, present, way)


def _refuse_unreserved(limits: Limits, settings: Settings) -> None:
    """Refuse what needs ports reserved where the list of reserved ports cannot be written.

    A range that is widened over a port on which somebody listens would lose it to a connection when he restarts.
    """
    if RESERVED_PORTS not in limits["keys"] or model.is_settable(limits, RESERVED_PORTS):
        return
    ports = limits["ports"]
    present = port_set.parse_kernel_list(ports["reserved"] or "")
    named = port_set.parse_ports("sysctl_reserved_ports", settings["sysctl_reserved_ports"])
    if named - present:
        listed = port_set.format_kernel_list(named - present)
        remedy = _cannot_be_set(limits, RESERVED_PORTS, port_set.format_kernel_list(named | present))
        raise Refusal("sysctl_reserved_ports", listed, "ports that are reserved already", remedy)
    if ports["low"] is None or not model.is_settable(limits, PORT_RANGE):
        return
    wanted = settings["sysctl_values"][PORT_RANGE]
    low, high = port_set.parse_range("sysctl_values[%s]" % PORT_RANGE, wanted)
    exposed = {p for p in _in_use(ports) - present if low <= p <= high and not ports["low"] <= p <= ports["high"]}
    if exposed:
        listed = port_set.format_kernel_list(exposed)
        allowed = "a range without ports that listen here and are not reserved (%s)" % listed
        remedy = "Choose another tune_port_range. %s" % _cannot_be_set(
            limits, RESERVED_PORTS, port_set.format_kernel_list(exposed | present)
        )
        raise Refusal("sysctl_values[%s]" % PORT_RANGE, wanted, allowed, remedy)


def _limits_settings(limits: Limits, request: Request, planned_for: int, possible: int) -> Settings:
    """Return the hard limit that everybody may have, and the soft one that the request needs.

    Only the hard one is for programs that nobody has asked about. Whoever walks all descriptors up to the soft limit
    pays for each (docs/safe-order.md); whoever needs more of them raises it himself. nofile_check leaves a higher soft
    limit that others grant.

    possible: the connections that the soft limit is to allow, ``planned_for`` or what the four-tuples allow
    """
    explicit = request.explicit
    _least, most = sysctl_keys.bounds_of_nr_open(_kernel(limits))
    bounds = [bound for bound in (most, _nr_open_at_most(limits, request), _inherited(limits)) if bound is not None]
    needed = model.descriptors_needed(request, planned_for)
    hard = min([max(_USUAL_NOFILE, needed + _NOFILE_ROOM), *bounds])
    if explicit.limits_nofile_hard is not None:
        remedy = "Write a number, never unlimited."
        hard = whole_number("limits_nofile_hard", explicit.limits_nofile_hard, 1, most, remedy)
        _refuse_above_machine(limits, hard)
        _refuse_above_inherited(limits, hard)
    soft = min(_with_room(request, model.descriptors_needed(request, possible)), hard)
    if explicit.limits_nofile_soft is not None:
        soft = whole_number("limits_nofile_soft", explicit.limits_nofile_soft, 1, most, "Write a number.")
    domains = explicit.limits_domains
    if domains is None:
        domains = request.users or ["*", "root"]
    return {
        "limits_nofile_soft": soft,
        "limits_nofile_hard": hard,
        "limits_domains": list(domains),
        "limits_units": list(request.units),
    }


def _with_room(request: Request, needed: int) -> int:
    """Return the soft limit of a process that needs so many descriptors, a whole number of steps."""
    room = max(_NOFILE_ROOM, needed // _UNEVEN) if request.processes > 1 else _NOFILE_ROOM
    return _NOFILE_ROOM * math.ceil((needed + room) / _NOFILE_ROOM)


def _nr_open_at_most(limits: Limits, request: Request) -> int | None:
    """Return the fs.nr_open that no plan exceeds: one that cannot be set here, or the one that the operator set."""
    if not model.is_settable(limits, "fs.nr_open"):
        return t.cast(int | None, limits["nofile"]["nr_open"]["now"])
    value = request.explicit.sysctl_values.get("fs.nr_open")
    least, most = sysctl_keys.bounds_of_nr_open(_kernel(limits))
    return None if value is None else whole_number("sysctl_values[fs.nr_open]", value, least, most, "Write a number.")


def _kernel(limits: Limits) -> sysctl_keys.Kernel:
    return sysctl_keys.Kernel(sysctl_keys.word_size(limits["host"].get("machine")))


def _refuse_above_machine(limits: Limits, hard: int) -> None:
    present = limits["nofile"]["nr_open"]["now"]
    if model.is_settable(limits, "fs.nr_open") or present is None or hard <= present:
        return
    allowed = "at most %d, the fs.nr_open of this host, which cannot be written here" % present
    remedy = "Ask for that, or set fs.nr_open to %d or more from where it can be written." % hard
    if model.scope_of(limits, "fs.nr_open") == model.MACHINE:
        whose = "the fs.nr_open of the machine under this container, which a container must not change"
        allowed = "at most %d, %s" % (present, whose)
        remedy = "Ask for that, or set fs.nr_open to %d or more on the machine." % hard
    raise Refusal("limits_nofile_hard", hard, allowed, remedy)


def _refuse_above_inherited(limits: Limits, hard: int) -> None:
    most = _inherited(limits)
    if most is not None and hard > most:
        allowed = "at most %d, the hard limit of PID 1, which root may not raise here" % most
        remedy = "Ask for that, or %s." % container_options.start_with_nofile(hard)
        raise Refusal("limits_nofile_hard", hard, allowed, remedy)


def _inherited(limits: Limits) -> int | None:
    """Return the hard limit above which nobody on the host can go, PID 1's; None where root can raise it.

    An unprivileged reader's capabilities say nothing of root's; nor do those of a session on a machine, whose PID 1 has
    them all.
    """
    host = limits["host"]
    of_root = host["capabilities"] if host["uid"] == 0 and host["container"] else None
    if capabilities.may_raise(of_root, host.get("first_user_namespace")):
        return None
    first = limits["nofile"].get("inherited")
    if first is not None:
        return int(first["hard"])
    # A snapshot from before that was told.
    known = [one["now"]["hard"] for one in limits["nofile"]["subjects"] if one.get("now")]
    return min(known, default=None) if host["container"] else None


def _floors(limits: Limits, request: Request, planned_for: int, hard: int) -> dict[str, t.Any]:
    """Return the least values that the request needs, without the keys that are not there or not this host's."""
    needed = {
        "fs.nr_open": hard,
        "fs.file-max": planned_for + _room(model.other_files(limits)),
        "fs.epoll.max_user_watches": planned_for + request.processes * request.app_descriptors,
    }
    if limits["conntrack"]["tracks_local"]:
        closed = model.tracked_after_close(request)
        needed[CONNTRACK_MAX] = planned_for + closed + _room(model.other_entries(limits))
    explicit = request.explicit
    floors: dict[str, t.Any] = {
        key: floor
        for key, floor in needed.items()
        if key in limits["keys"] and key not in explicit.sysctl_values and _may_hold(limits, key, floor)
    }
    floors.update(explicit.sysctl_floors)
    return floors


def _may_hold(limits: Limits, key: str, floor: int) -> bool:
    """Tell whether a key may be asked to have a floor: one that cannot be written only where it has it already."""
    if model.scope_of(limits, key) == model.MACHINE:
        return False
    return model.is_settable(limits, key) or int(limits["keys"][key]["now"]) >= floor


def _room(others: int) -> int:
    """Return what to leave to others: twice what they have, in steps, so that the plan does not follow each of them."""
    return _ROOM * max(1, math.ceil(2 * others / _ROOM))


# --- the target ---


def _target(predicted: Limits, request: Request, after: t.Mapping[str, t.Any]) -> int:
    """Return what is planned for; refuse what the host will not hold."""
    limiting = [one for one in after["constraints"] if one["advised"] is not None]
    if request.target is None:
        most = min(int(one["advised"] * (_OF_MEMORY if one["name"] in _MEMORY else 1)) for one in limiting)
        if most < 1:
            lowest = min(limiting, key=lambda one: one["advised"])
            raise _refusal(predicted, request, lowest, 1)
        return most
    lowest = min(limiting, key=lambda one: one["advised"])
    if lowest["advised"] < request.target:
        raise _refusal(predicted, request, lowest, request.target)
    return request.target


def _refusal(predicted: Limits, request: Request, lowest: t.Mapping[str, t.Any], target: int) -> Refusal:
    """Return the refusal of a target because of a constraint that the plan cannot lift."""
    explicit = request.explicit
    name, allowed = lowest["name"], "at most %d: %s" % (lowest["advised"], lowest["formula"])
    if name == "nofile" and explicit.limits_nofile_soft is None and explicit.limits_nofile_hard is None:
        remedy = _more_descriptors(predicted, request, target)
        if remedy:
            return Refusal("tune_target_connections", request.target, allowed, remedy)
    elif name == "nofile":
        variable = "limits_nofile_soft" if explicit.limits_nofile_soft is not None else "limits_nofile_hard"
        allowed = "%d or more, for %d connections in %s" % (
            model.descriptors_needed(request, target),
            target,
            model.number_of(request.processes, "process", "es"),
        )
        remedy = "Raise it, or leave limits_nofile_soft and limits_nofile_hard to the plan."
        return Refusal(variable, getattr(explicit, variable), allowed, remedy)
    elif name in _MEMORY:
        return _memory_refusal(predicted, request, lowest, target)
    remedy = "%s." % _sentence(lowest["change"])
    key = _KEY_OF.get(name, "")
    if key in predicted["keys"] and not model.is_settable(predicted, key) and "machine" not in remedy:
        remedy += " It cannot be written here: do that from where /proc/sys can be."
    if name == "four_tuples":
        remedy += _claimed(predicted)
    return Refusal("tune_target_connections", request.target, allowed, remedy)


def _more_descriptors(predicted: Limits, request: Request, target: int) -> str:
    """Return what would give processes more descriptors where the plan cannot; nothing where it can."""
    needed = model.descriptors_needed(request, target)
    inherited, nr_open = _inherited(predicted), _nr_open_at_most(predicted, request)
    if inherited is not None and inherited < needed:
        most, remedy = inherited, "Start the container with a nofile of %d or more." % needed
        if predicted["host"].get("first_user_namespace") is not False:
            remedy = "Give the container CAP_SYS_RESOURCE, or start it with a nofile of %d or more." % needed
        remedy += " The setting is %s." % container_options.NOFILE_OPTIONS
    elif nr_open is not None and nr_open < needed and "fs.nr_open" not in request.explicit.sysctl_values:
        machine = model.scope_of(predicted, "fs.nr_open") == model.MACHINE
        where = "on the machine under this container" if machine else "from where /proc/sys can be written"
        most, remedy = nr_open, "Raise fs.nr_open to %d or more %s." % (needed, where)
    else:
        return ""
    each = most - request.app_descriptors
    if each > 0:
        remedy += " Or let %d processes hold them (tune_processes)." % math.ceil(target / each)
    return remedy


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _memory_refusal(predicted: Limits, request: Request, lowest: t.Mapping[str, t.Any], target: int) -> Refusal:
    whose, room = "this host", model.memory_room(predicted, request) or 0
    if lowest["name"] == "cgroup_memory":
        room, path = t.cast(tuple[int, str], model.cgroup_room(predicted, request))
        whose = "the control group %s" % path
    kind = "kernel memory"
    if request.app_bytes:
        kernel = model.bytes_of_connection(predicted, request) - request.app_bytes
        kind = "memory (%d bytes each in the kernel, %d in the program)" % (kernel, request.app_bytes)
    remedy = "It needs %s of %s and %s has %s for connections: ask for less, or %s." % (
        model.size(model.memory_needed(predicted, request, target)),
        kind,
        whose,
        model.size(room),
        lowest["change"],
    )
    return Refusal("tune_target_connections", request.target, "at most %d" % lowest["advised"], remedy)


# --- what only a person can judge ---


def _overridden(limits: Limits, request: Request, settings: Settings) -> list[str]:
    """Name the lines of others that beat ours."""
    found = []
    for entry in limits["overrides"]:
        key, value = entry["key"], entry["value"]
        floor, ours = settings["sysctl_floors"].get(key), settings["sysctl_values"].get(key)
        if entry.get("unit") and entry["unit"] not in settings["limits_units"]:
            # The limit of somebody else's service, which nothing was planned for.
            continue
        if key == sysctl_keys.NOFILE:
            # A shell cannot take more than the hard limit, and what it takes is soft and hard: nobody raises it again,
            # and whoever wants no more than the soft limit has said so.
            soft = request.explicit.limits_nofile_soft
            floor = settings["limits_nofile_hard"] if soft is None else soft
            if value in ("hard", "unlimited"):
                # The soft limit rises to the hard one; nothing changes, as RLIM_INFINITY is refused.
                continue
        if floor is not None:
            ours = str(floor)
            number = sysctl_keys.number(key, value, sysctl_keys.WIDEST)
            beaten = number is None or number < int(floor)
        else:
            beaten = ours is not None and not sysctl_keys.same(key, str(ours), value, sysctl_keys.WIDEST)
        if beaten:
            found.append(
                "%s: %s (%s) sets %s and beats the planned %s: remove it there."
                % (key, entry["file"], entry["who"], value, ours)
            )
    return found


def _refused(limits: Limits, settings: Settings) -> list[str]:
    """Name the lines about the planned keys that the kernel refuses."""
    planned = {*settings["sysctl_floors"], *settings["sysctl_values"], RESERVED_PORTS}
    return [
        "%(key)s: %(file)s sets %(value)s, which sets nothing: %(why)s." % entry
        for entry in limits.get("refused", ())
        if entry["key"] in planned
    ]


def _to_restart(limits: Limits, settings: Settings) -> list[str]:
    soft = settings["limits_nofile_soft"]
    return [
        "%s runs with a soft nofile of %d until it is restarted." % (one["name"], one["now"]["soft"])
        for one in limits["nofile"]["subjects"]
        if one["name"] in settings["limits_units"] and one.get("pid") is not None and one["now"]["soft"] < soft
    ]


# --- the host as the settings will make it ---


def predict(limits: Limits, settings: Settings) -> dict[str, t.Any]:
    """Return the snapshot that a host will have with ``settings``: what the roles change, and nothing else.

    settings: as plan() returns them; variables that are missing change nothing
    """
    predicted = dict(limits)
    values = {sysctl_keys.normalize(key): str(value) for key, value in settings.get("sysctl_values", {}).items()}
    floors = {sysctl_keys.normalize(key): int(value) for key, value in settings.get("sysctl_floors", {}).items()}
    _set_keys(predicted, _new_values(limits, values, floors))
    new_range = values.get(PORT_RANGE) if model.is_settable(limits, PORT_RANGE) else None
    named = settings.get("sysctl_reserved_ports", ())
    predicted["ports"] = _ports(limits, new_range, named)
    if "limits_nofile_soft" in settings:
        predicted["nofile"] = dict(predicted["nofile"], subjects=_subjects(limits, settings))
    if limits["addresses"] is not None:
        predicted["addresses"] = _with_addresses(limits["addresses"], settings)
    return predicted


def _new_values(limits: Limits, values: t.Mapping[str, str], floors: t.Mapping[str, int]) -> dict[str, str]:
    """Return the live values that the keys of this host will have; what it cannot set stays."""
    found = {}
    for key, entry in limits["keys"].items():
        if not model.is_settable(limits, key):
            continue
        if key in values:
            taken = sysctl_keys.taken(key, values[key], sysctl_keys.WIDEST, entry["now"])
            found[key] = " ".join(values[key].split()) if taken is None else taken
        elif key in floors:
            found[key] = str(max(floors[key], int(entry["now"])))
    return found


def _set_keys(predicted: dict[str, t.Any], new: t.Mapping[str, str]) -> None:
    keys = dict(predicted["keys"])
    for key, value in new.items():
        keys[key] = dict(keys[key], now=value, after_boot=value, by=owned.SYSCTL_DROP_IN)
        place = _PLACES.get(key)
        if place is not None and value.isdecimal():
            _set(predicted, place, int(value))
    predicted["keys"] = keys


def _set(tree: dict[str, t.Any], place: t.Sequence[str], value: int) -> None:
    """Set one number without changing what ``tree`` shares with the snapshot."""
    for name in place[:-1]:
        tree[name] = dict(tree[name])
        tree = tree[name]
    tree[place[-1]] = value


def _ports(limits: Limits, new_range: str | None, named: t.Sequence[t.Any]) -> t.Mapping[str, t.Any]:
    """Return the ports as sysctl_apply leaves them: reserved are those of before, the named, and what is in use.

    A port that the kernel chose for a listener is not reserved; it is taken as long as it listens.
    """
    ports = limits["ports"]
    if ports["low"] is None or not (new_range or named):
        return t.cast(t.Mapping[str, t.Any], ports)
    low, high = port_set.parse_range("sysctl_values[%s]" % PORT_RANGE, new_range or [ports["low"], ports["high"]])
    automatic = port_set.parse_kernel_list(ports.get("automatic") or "")
    boot = (limits["keys"].get(RESERVED_PORTS) or {}).get("after_boot")
    asked = port_set.parse_ports("sysctl_reserved_ports", named)
    reserved = port_set.to_reserve((ports["reserved"], boot), asked, _in_use(ports), low, high)
    return dict(
        ports,
        low=low,
        high=high,
        reserved=port_set.format_kernel_list(reserved),
        usable=high - low + 1 - sum(low <= port <= high for port in reserved | automatic),
    )


def _in_use(ports: t.Mapping[str, t.Any]) -> set[int]:
    """Return the ports that somebody named, waits on or will want."""
    found = port_set.parse_kernel_list(ports["listeners"] or "")
    found -= port_set.parse_kernel_list(ports.get("automatic") or "")
    for text in (ports.get("udp"), *(claim["ports"] for claim in ports.get("claimed") or ())):
        found |= port_set.parse_kernel_list(text or "")
    return found


def _without_automatic(limits: Limits) -> Limits:
    """Return the snapshot as if no listener had a port that the kernel chose."""
    ports = limits["ports"]
    automatic = port_set.parse_kernel_list(ports.get("automatic") or "")
    if not automatic:
        return limits
    named = port_set.parse_kernel_list(ports["listeners"] or "") - automatic
    return dict(limits, ports=dict(ports, automatic="", listeners=port_set.format_kernel_list(named)))


def _claimed(limits: Limits) -> str:
    """Return which ports of the range are left to somebody who does not use them yet, as the end of a refusal."""
    ports = limits["ports"]
    said = [
        "%s (%s, %s)" % (claim["ports"], claim["why"], claim["by"])
        for claim in ports.get("claimed") or ()
        if any(ports["low"] <= port <= ports["high"] for port in port_set.parse_kernel_list(claim["ports"]))
    ]
    return " Reserved of the range: %s." % "; ".join(said) if said else ""


def _subjects(limits: Limits, settings: Settings) -> list[t.Mapping[str, t.Any]]:
    """Return the subjects with the limits that role limits gives them, and those that it is told of first."""
    inherited = _inherited(limits)
    planned = {"soft": int(settings["limits_nofile_soft"]), "hard": int(settings["limits_nofile_hard"])}
    planned["soft"] = min(planned["soft"], planned["hard"])
    if inherited is not None:
        planned = {kind: min(number, inherited) for kind, number in planned.items()}
    domains, units = settings["limits_domains"], settings["limits_units"]
    found = []
    for one in limits["nofile"]["subjects"]:
        if one.get("remedy") and one["kind"] == "user":
            # What role limits writes for users does not reach such sessions; they have what their unit has.
            unit = one.get("kept_from")
            found.append(_granted(one, planned, owned.unit_drop_in(unit), one["by"] or "") if unit in units else one)
        elif one["kind"] == "user" and _reaches(domains, one["name"]):
            found.append(_granted(one, planned, owned.LIMITS_DROP_IN, one["by"] or ""))
        elif one["kind"] == "unit" and one["name"] in units:
            found.append(_granted(one, planned, owned.unit_drop_in(one["name"]), one["by"] or ""))
        else:
            found.append(one)
    known = {(one["kind"], one["name"]) for one in found}
    named = [("user", name) for name in domains if name != "*"] + [("unit", name) for name in units]
    new = [{"kind": kind, "name": name, "now": None, "by": None} for kind, name in named if (kind, name) not in known]
    return found + [_granted(one, planned, owned.LIMITS_DROP_IN, "") for one in new]


def _reaches(domains: t.Sequence[str], user: str) -> bool:
    """Tell whether limits for ``domains`` reach a user; on Debian ``*`` is not root. Groups are not known here."""
    return user in domains or ("*" in domains and user != "root")


def _granted(subject: t.Mapping[str, t.Any], planned: t.Mapping[str, int], path: str, by: str) -> t.Mapping[str, t.Any]:
    """Return a subject with the planned limits, or the higher ones that it has without us."""
    now, has = dict(planned), subject["now"]
    if has and by and not by.startswith(path):
        now["soft"] = max(planned["soft"], min(has["soft"], planned["hard"]))
        if subject["kind"] == "unit" or by.startswith("/etc/security/"):
            now = {kind: max(planned[kind], has[kind]) for kind in now}
    return dict(subject, now=now, after_boot=dict(now), by=path)


def _with_addresses(addresses: t.Mapping[str, t.Any], settings: Settings) -> t.Mapping[str, t.Any]:
    """Return the addresses with the planned ones in the place of those that an earlier run added."""
    wanted = address_set.expand("addresses_list", settings.get("addresses_list", ()))
    new: list[dict[str, t.Any]] = []
    for address in sorted(wanted, key=lambda one: (one.version, int(one))):
        if new and new[-1]["next"] == (address.version, int(address)):
            new[-1].update(last=str(address), count=new[-1]["count"] + 1)
        else:
            default = addresses["default_interface"].get(str(address.version))
            new.append(_added(address, settings.get("addresses_interface") or default or ""))
        new[-1]["next"] = (address.version, int(address) + 1)
    for entry in new:
        del entry["next"]
    return dict(addresses, list=[entry for entry in addresses["list"] if not entry.get("ours")] + new)


def _added(address: address_set.Address, interface: str) -> dict[str, t.Any]:
    return {
        "address": str(address),
        "last": str(address),
        "count": 1,
        "prefix": address.max_prefixlen,
        "interface": interface,
        "family": address.version,
        "scope": "global",
        "ours": True,
    }
