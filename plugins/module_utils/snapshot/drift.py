# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection has applied to a host, by its own files and records, and what has become of it since."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import originals
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    address_record,
    address_watch,
    boot_routes,
    network_providers,
    other_writers,
    pam_limits,
    sysctl_d,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import Recorded
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import Keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    address_set,
    owned,
    ranges,
    sysctl_keys,
    sysctl_table,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Pair, in_order
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import place_of

LIVE, AFTER_BOOT, FILE = "live", "after_boot", "file"

#: Where an address is that no interface has.
ROUTE = "route"

_LIFETIME = "preferred lifetime of %s"

#: Keys that are raised and never lowered wherever this collection chooses their value. sysctl_apply records the
#: kind of a key only when it has written it; these are known without.
_FLOORS = frozenset(
    (
        "fs.nr_open",
        "fs.file-max",
        "fs.epoll.max_user_watches",
        "kernel.pid_max",
        "kernel.threads-max",
        "net.core.netdev_max_backlog",
        "net.core.somaxconn",
        "net.ipv4.neigh.default.gc_thresh3",
        "net.ipv4.tcp_max_orphans",
        "net.ipv4.tcp_max_syn_backlog",
        "net.ipv4.tcp_max_tw_buckets",
        "net.netfilter.nf_conntrack_max",
    )
)


class Applied(t.NamedTuple):
    """What our own files ask for.

    sysctl:    key -> value of the drop-in; floors: those that may be higher
    domains, units: name -> limit; default: DefaultLimitNOFILE=
    recorded:  what a run added; persisted: what our files give at boot
    preferred: those of IPv6 that our files make the source of programs that do not bind, as an earlier version had it
    missing:   files that a record says are ours, and that are gone
    """

    sysctl: t.Dict[str, str]
    floors: t.FrozenSet[str]
    lines: t.List[pam_limits.Entry]
    units: t.Dict[str, t.Tuple[int, int]]
    default: t.Optional[t.Tuple[int, int]]
    recorded: Recorded
    persisted: Recorded
    preferred: t.Set[Pair]
    missing: t.List[str]


def applied(host: Host) -> Applied:
    """Return what our files and records hold; nothing where there are none."""
    record = host.attempt(owned.state_path("sysctl"), lambda: originals.records(host)) or {}
    drop_in = _own_text(host, owned.SYSCTL_DROP_IN)
    assignments = sysctl_d.parse(drop_in or "", owned.SYSCTL_DROP_IN)
    keys = {line.key: line.value for line in assignments if line.value is not None}
    kinds = {key: entry.get("kind") for key, entry in record.items()}
    floors = frozenset(key for key in keys if kinds.get(key, "floor" if key in _FLOORS else "value") == "floor")
    topic = address_record.TOPIC
    added = host.attempt(owned.state_path(topic), lambda: address_record.recorded(host)) or Recorded()
    links = _links(host)
    routes_at_boot = host.attempt("our boot unit", lambda: boot_routes.persisted(host)) or frozenset()
    at_boot = host.attempt("our address files", lambda: network_providers.at_boot(host, links)) or {}
    missing = [owned.SYSCTL_DROP_IN] if record and drop_in is None else []
    if any(map(sysctl_table.module_of, keys)) and _own_text(host, owned.MODULES_LOAD) is None:
        missing.append(owned.MODULES_LOAD)
    missing += host.attempt(owned.WATCH_UNIT, lambda: address_watch.missing(host)) or []
    return Applied(
        keys,
        floors,
        host.attempt(owned.LIMITS_DROP_IN, lambda: _own_lines(host)) or [],
        _own_units(host),
        _own_limit(host, owned.MANAGER_DROP_INS, "Manager", "DefaultLimitNOFILE"),
        added,
        Recorded(frozenset(at_boot), routes_at_boot),
        {pair for pair, bound_only in at_boot.items() if not bound_only},
        missing,
    )


def own_addresses(own: Applied) -> Recorded:
    """Return every address that is ours."""
    return own.recorded | own.persisted


def shown(own: Applied) -> t.Dict[str, t.Any]:
    """Return ``applied`` as a snapshot has it."""
    domains: t.Dict[str, t.Dict[str, t.Optional[int]]] = {}
    for name, grant in pam_limits.winning(own.lines).items():
        domains[name] = {
            "soft": None if grant.soft is None else grant.soft.value,
            "hard": None if grant.hard is None else grant.hard.value,
        }
    return {
        "sysctl": own.sysctl,
        "nofile": {
            "domains": domains,
            "units": {name: _limit(pair) for name, pair in own.units.items()},
            "default": None if own.default is None else _limit(own.default),
        },
        "addresses": address_record.texts(address_record.runs_of(own_addresses(own))),
    }


def find(
    host: Host,
    keys: Keys,
    subjects: Subjects,
    own: Applied,
    addresses: t.Optional[t.Mapping[str, t.Any]],
    users: t.Iterable[str] = (),
) -> t.List[t.Dict[str, t.Any]]:
    """Return every difference between what we applied and what is: ``what``, ``applied``, ``found``, ``where``, ``by``.

    addresses: the live ones as a snapshot has them, None where unknown
    users:     whose sessions are looked at, besides those whom our drop-in names
    """
    found = [_entry(path, "there", None, FILE) for path in own.missing]
    found += _sysctl(host, keys, own)
    found += host.attempt("limits of pam_limits and systemd", lambda: _nofile(subjects, own, users)) or []
    found += _addresses(own, addresses)
    if host.attempt(owned.WATCH_UNIT, lambda: address_watch.is_stopped(host)):
        found.append(_entry(address_watch.UNIT, "running", None, LIVE))
    return found


def _sysctl(host: Host, keys: Keys, own: Applied) -> t.List[t.Dict[str, t.Any]]:
    found = []
    winners = host.attempt("sysctl.d", lambda: other_writers.foreign_winners(host, own.sysctl)) or {}
    kernel = sysctl_d.kernel_at_start(host)
    for key, value in own.sysctl.items():
        floor, live, won = key in own.floors, keys.live(key), winners.get(key)
        if not sysctl_keys.is_as_good(key, live, value, kernel, floor):
            found.append(_entry(key, value, live, LIVE))
        # What the kernel refuses changes nothing: the snapshot names such a line among the refused ones.
        if won is not None and not sysctl_keys.is_as_good(key, won.value, value, kernel, floor):
            found.append(_entry(key, value, won.value, AFTER_BOOT, by=place_of(won.path, won.line)))
    return found


def _nofile(subjects: Subjects, own: Applied, users: t.Iterable[str]) -> t.List[t.Dict[str, t.Any]]:
    """Compare what users and units get with what our files grant them.

    Where our line wins and the kernel still gives less, as in a container without CAP_SYS_RESOURCE, nothing drifted.
    """
    found = []
    build = pam_limits.behaviour(subjects.host)
    _minimum, maximum = hard_limits.nr_open_bounds(subjects.host)
    for name in sorted({line.domain for line in own.lines}.union(users)) if own.lines else ():
        account = subjects.account(name)
        if account is None:
            continue
        grant = pam_limits.resolve(own.lines, build, name, *account)
        _soft, hard = pam_limits.limits(grant, maximum)
        winner = pam_limits.resolve(pam_limits.entries(subjects.host, build), build, name, *account).hard
        wins = winner is not None and winner.path == owned.LIMITS_DROP_IN
        found += _below("nofile of user %s" % name, hard, subjects.user("", name), wins)
    units = systemd_limits.units(subjects.host)
    for name, (_soft, hard) in sorted(own.units.items()):
        if subjects.knows_unit(name):
            limit = units.limit(name)
            wins = limit is not None and limit.path in owned.unit_drop_ins(name)
            found += _below("nofile of %s" % name, hard, subjects.unit("", name), wins)
    every = subjects.every_unit() if own.default is not None else None
    if own.default is not None and every is not None:
        wins = systemd_limits.default(subjects.host).path in owned.MANAGER_DROP_INS
        found += _below("nofile of %s" % every["name"], own.default[1], every, wins)
    return found


def _below(what: str, hard: t.Optional[int], subject: t.Mapping[str, t.Any], wins: bool) -> t.List[t.Dict[str, t.Any]]:
    """Return where a subject gets less than ``hard``; ``wins``: our line is the one that counts at the next start."""
    now, boot = subject["now"], subject["after_boot"]
    # Infinity is what systemd makes of it, and never less than before.
    if hard is None or hard == systemd_limits.INFINITY or now is None or boot is None:
        return []
    found = []
    # A running unit keeps what it started with.
    if now["hard"] < (boot["hard"] if wins else hard):
        found.append(_entry(what, hard, now["hard"], LIVE, by=subject["by"]))
    if not wins and boot["hard"] < hard:
        found.append(_entry(what, hard, boot["hard"], AFTER_BOOT, by=subject["by"]))
    return found


def _addresses(own: Applied, addresses: t.Optional[t.Mapping[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    found = []
    if addresses is not None:
        live = _Ranges(addresses["list"])
        live_routes = {
            version: ranges.merged(
                run[1:]
                for entry in addresses["anyip"]
                for run in map(address_set.run_of, entry["ranges"])
                if run is not None and run[0] == version
            )
            for version in address_set.MAKE
        }
        # IPv4 never leaves from an address beside the first of its subnet; for IPv6 it takes preferred_lft 0.
        preferred = _Ranges(
            entry for entry in addresses["list"] if ":" in entry["address"] and not entry.get("deprecated")
        )
        for interface, address in in_order(own_addresses(own).added):
            if not live.has(interface, address):
                found.append(_entry("address %s" % address, interface, None, LIVE))
            elif preferred.has(interface, address):
                found.append(_entry(_LIFETIME % address, 0, "forever", LIVE))
        found += [_entry("address %s" % text, ROUTE, None, LIVE) for text in _without(own_addresses(own), live_routes)]
    found += [_entry(_LIFETIME % address, 0, "forever", AFTER_BOOT) for _interface, address in in_order(own.preferred)]
    if any(own.persisted):
        for interface, address in in_order(own.recorded.added - own.persisted.added):
            found.append(_entry("address %s" % address, interface, None, FILE))
        found += [
            _entry("address %s" % text, ROUTE, None, FILE) for text in _without(own.recorded, _routed(own.persisted))
        ]
    return found


def _routed(own: Recorded) -> address_record.Runs:
    return address_record.runs_of(Recorded(routes=own.routes))


def _without(own: Recorded, others: address_record.Runs) -> t.List[str]:
    """Return which addresses a route of ours makes local, and none of the others, as ranges."""
    return address_record.texts(address_record.minus(_routed(own), others))


class _Ranges:
    """The live addresses, whose neighbours a snapshot joins to ranges."""

    def __init__(self, entries: t.Iterable[t.Mapping[str, t.Any]]) -> None:
        self._of: t.Dict[t.Tuple[str, int, int], t.List[t.Tuple[int, int]]] = {}
        for entry in entries:
            first = ipaddress.ip_address(entry["address"])
            last = ipaddress.ip_address(entry.get("last") or entry["address"])
            place = (entry["interface"], first.version, entry["prefix"])
            self._of.setdefault(place, []).append((int(first), int(last)))

    def has(self, interface: str, address: str) -> bool:
        wanted = ipaddress.ip_interface(address)
        return ranges.covers(self._of.get((interface, wanted.version, wanted.network.prefixlen), []), int(wanted))


def _own_text(host: Host, path: str) -> t.Optional[str]:
    text = host.text(path)
    return text if text is not None and owned.is_ours(text) else None


def _own_lines(host: Host) -> t.List[pam_limits.Entry]:
    text = _own_text(host, owned.LIMITS_DROP_IN)
    build = pam_limits.behaviour(host)
    return pam_limits.parse(text or "", owned.LIMITS_DROP_IN, build)


def _own_units(host: Host) -> t.Dict[str, t.Tuple[int, int]]:
    found = {}
    for name in host.names(owned.UNIT_DIRECTORY):
        unit = name[:-2]
        section = systemd_limits.section_of(unit) if name.endswith(".d") else None
        if section is not None:
            pair = _own_limit(host, owned.unit_drop_ins(unit), section, "LimitNOFILE")
            if pair is not None:
                found[unit] = pair
    return found


def _own_limit(host: Host, paths: t.Iterable[str], section: str, key: str) -> t.Optional[t.Tuple[int, int]]:
    """Return the limit that the last of the files by our names sets."""
    values = [row for path in paths for row in systemd_limits.assignments(_own_text(host, path) or "", section, key)]
    return systemd_limits.parse_rlimit(values[-1][1]) if values else None


def _links(host: Host) -> t.List[t.Dict[str, t.Any]]:
    """Return the interfaces as ``ip`` would name and number them."""
    numbers = {name: host.number("/sys/class/net/%s/ifindex" % name) for name in host.names("/sys/class/net")}
    return [{"ifname": name, "ifindex": number} for name, number in numbers.items() if number is not None]


def _limit(pair: t.Tuple[int, int]) -> t.Dict[str, t.Optional[int]]:
    soft, hard = (None if number == systemd_limits.INFINITY else number for number in pair)
    return {"soft": soft, "hard": hard}


def _entry(what: str, ours: object, found: object, where: str, by: t.Optional[str] = None) -> t.Dict[str, t.Any]:
    return {"what": what, "applied": ours, "found": found, "where": where, "by": by}
