# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a change of source addresses, carry it out with the program ip, and take it back.

Planning reads and may refuse; only carrying out writes.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import address_methods, watcher
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.ip_program import Ip, IpChange, IpFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    address_record,
    address_watch,
    boot_routes,
    network_providers,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import (
    Recorded,
    minus,
    runs_of,
    texts,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_providers import Persistence
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    interface_addresses,
    link_probe,
    name_servers,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges, taken_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import (
    MAKE,
    Address,
    AddressesChange,
    Links,
    Pair,
    Piece,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


class AddressesRequest(t.NamedTuple):
    """What is asked for, as the options of source_addresses name it; without addresses, that there be none of ours.

    probe:         whether the link is asked who has the addresses, and told of those that are added
    nonlocal_bind: the value that net.ipv6.ip_nonlocal_bind will have; what it is now when not given
    """

    interface: t.Optional[str] = None
    entries: t.Sequence[object] = ()
    provider: str = "auto"
    taken: t.Sequence[t.Mapping[str, str]] = ()
    names: Names = Names()
    method: str = address_methods.AUTO
    probe: bool = True
    nonlocal_bind: t.Optional[str] = None


class RoutesChange(t.NamedTuple):
    """Prefixes that a route on lo makes local: what has to be done about them."""

    add: t.List[str]
    remove: t.List[str]
    kept: t.List[str]


_NOTHING = Persistence(network_providers.NONE, {}, [])


class Plan(t.NamedTuple):
    interface: t.Optional[str]
    change: AddressesChange
    routes: RoutesChange
    recorded: Recorded
    #: What this collection has on the host now: recorded, or given by its own files at boot.
    before: Recorded
    #: What programs may leave from without binding to it.
    preferred: t.Set[Pair]
    persistence: Persistence
    ip: str
    #: Whether the link is told of what is added.
    announce: bool

    @property
    def after(self) -> Recorded:
        return Recorded(
            frozenset([*self.change.kept, *self.change.add]), frozenset([*self.routes.kept, *self.routes.add])
        )

    @property
    def new(self) -> t.List[Address]:
        """What the link has to know of: not what only changes its way, nor IPv6 that is routed to the host."""
        routes = frozenset(prefix for prefix in self.routes.add if ":" not in prefix)
        runs = minus(runs_of(Recorded(frozenset(self.change.add), routes)), runs_of(self.before))
        return [
            MAKE[version](number) for version in runs for one in runs[version] for number in range(one[0], one[1] + 1)
        ]

    @property
    def correct(self) -> t.List[Pair]:
        return [pair for pair in self.change.kept if pair in self.preferred]


def make_plan(host: Host, request: AddressesRequest, ip: Ip, ask: bool = True) -> Plan:
    """Look at the host and decide everything, or refuse. Changes nothing.

    ask: whether the link is asked now, if the request has it so: once a run is enough
    raises: Refusal, IpFailed, NetlinkError, ValueError for a broken record, OSError
    """
    names = request.names
    wanted = address_set.pieces(names.of("list"), request.entries)
    links = ip.links()
    live = interface_addresses.routes_of_lo() if host.live else set()
    recorded = address_record.recorded(host)
    ours = recorded | Recorded(frozenset(network_providers.persisted(host, links)), boot_routes.persisted(host))
    interface = None
    divided = address_methods.Divided([], [])
    method = None
    if wanted:
        interface = choose_interface(names.of("interface"), request.interface, links)
        address_set.check_against_host(wanted, interface, links, ours.added)
        refuse_taken(host, request, wanted, links, ours.added)
        check_ipv6(host, wanted, interface)
        ways = address_methods.look(host, interface, links, ours.added, request.nonlocal_bind)
        divided = address_methods.divide(ways, names.of("method"), request.method, wanted)
        # Advice that works when followed.
        method = names.of("method") if address_methods.works_by_route(ways, divided.by_interface) else None
    on_interface = [address for piece in divided.by_interface for address in piece.addresses()]
    change = address_set.plan(on_interface, interface, links, ours.added)
    # A prefix over an address that the interface has from someone else would stay when that address goes.
    by_route = address_set.Finder(divided.by_route)
    foreign = [one for one in address_set.foreign_on(interface, links, ours.added) if by_route.find_text(one)]
    prefixes = address_methods.cover(address_set.without(divided.by_route, foreign))
    change.foreign.extend((str(interface), one) for one in foreign)
    routes = RoutesChange(
        [prefix for prefix in prefixes if prefix not in live],
        address_record.prefixes_in_order((live & ours.routes).difference(prefixes)),
        [prefix for prefix in prefixes if prefix in live and prefix in ours.routes],
    )
    persistence = _NOTHING
    if wanted and request.provider != network_providers.NONE:
        number = len(change.kept + change.add)
        persistence = _persistence(host, request, str(interface), links, bool(prefixes), number, method)
    before = Recorded(frozenset(address_set.live_pairs(links) & ours.added), frozenset(live & ours.routes))
    preferred = address_set.preferred_pairs(links)
    plan = Plan(interface, change, routes, recorded, before, preferred, persistence, ip.path, request.probe)
    if request.probe and ask and host.live and plan.new:
        said = _ask_link(str(interface), request, wanted, plan.new)
        plan = plan._replace(persistence=persistence._replace(warnings=[*persistence.warnings, *said]))
    return plan


def _ask_link(
    interface: str, request: AddressesRequest, wanted: t.Iterable[Piece], new: t.Sequence[Address]
) -> t.List[str]:
    """Refuse addresses that somebody on the link has; return as warnings why it could not be asked.

    raises: Refusal, IpFailed
    """
    try:
        reason = link_probe.obstacle(interface)
        if reason is not None:
            return ["The link was not asked who has the addresses: %s." % reason]
        answers = link_probe.probe(interface, new)
    except OSError as error:
        remedy = "Run again, or set %s to false." % request.names.of("probe")
        raise IpFailed("The link cannot be asked who has the addresses: %s. %s" % (error.strerror, remedy)) from None
    whose = "in use on the link of %s by the host with the MAC address %s"
    taken = [{"address": str(one), "whose": whose % (interface, mac)} for one, mac in answers.items()]
    taken_addresses.refuse(request.names.of("list"), request.entries, wanted, taken_addresses.Taken(taken))
    return []


def _persistence(
    host: Host,
    request: AddressesRequest,
    interface: str,
    links: Links,
    by_route: bool,
    on_interface: int,
    method: t.Optional[str],
) -> Persistence:
    """Return what keeps addresses over a reboot.

    by_route:     whether some are local by a route
    on_interface: how many are on the interface
    method:       the variable that has them there, where a route would do as well
    raises: Refusal
    """
    where = request.names.of("provider")
    found = _NOTHING
    if by_route:
        provider, files = boot_routes.find(host)
        if provider is None:
            remedy = "Neither systemd nor ifupdown starts this host, which could add them. Set it to none to have them "
            allowed = "none, or any on a host that systemd or ifupdown starts"
            raise Refusal(where, request.provider, allowed, remedy + "until the next reboot only.")
        found = Persistence(provider, files, [])
    if on_interface:
        kept = network_providers.find(host, where, request.provider, interface, links, method, on_interface)
        watch = address_watch.find(host, kept.files)
        found = Persistence(kept.provider, {**found.files, **kept.files, **watch}, kept.warnings)
    return found


def refuse_taken(
    host: Host,
    request: AddressesRequest,
    wanted: t.Iterable[Piece],
    links: Links,
    ours: t.AbstractSet[Pair],
) -> None:
    """Refuse addresses that somebody has. What the host has from someone else stays as it is."""
    live = address_set.live_pairs(links)
    added = address_set.without(wanted, map(text_of, live - ours))
    taken = taken_addresses.Taken([*around(host, {text_of(pair) for pair in live}), *request.taken])
    taken_addresses.refuse(request.names.of("list"), request.entries, added, taken)


def text_of(pair: Pair) -> str:
    return pair[1].partition("/")[0]


def around(host: Host, own: t.Container[str]) -> t.List[t.Mapping[str, str]]:
    """Return the addresses that this host, which holds those in ``own``, knows others to have."""
    found: t.List[t.Mapping[str, str]] = []
    if host.live:
        found += [*interface_addresses.observe()["taken"], *interface_addresses.neighbours()]
    return [*found, *ssh_session.peers(host, os.getpid(), own), *name_servers.read(host)]


def choose_interface(where: str, name: t.Optional[str], links: Links) -> str:
    """Return the interface by name, or that of the default route: IPv4's, else IPv6's."""
    names = [link["ifname"] for link in links if "ifname" in link]
    if name:
        if name not in names:
            remedy = "Name the interface that the destinations are reached by."
            raise Refusal(where, name, "an interface of this host: " + ", ".join(names), remedy)
        return name
    routes = interface_addresses.observe()["default_routes"]
    defaults = next(filter(None, (interface_addresses.default_interfaces(routes, version) for version in (4, 6))), [])
    if len(defaults) != 1:
        found = "several default routes: " + ", ".join(defaults) if defaults else "no default route"
        remedy = "The host has %s. Name the interface." % found
        raise Refusal(where, name, "an interface of this host: " + ", ".join(names), remedy)
    return defaults[0]


def check_ipv6(host: Host, pieces: t.Iterable[Piece], interface: str) -> None:
    key = "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % interface
    disabled = (host.read(key) or "1").strip() != "0"
    for piece in pieces:
        if piece.version == 6 and disabled:
            remedy = "IPv6 is switched off there (%s): switch it on, or remove the address." % key
            raise Refusal(piece.place, str(next(piece.addresses())), "IPv4 addresses on %s" % interface, remedy)


def carry_out(host: Host, role: t.Optional[str], plan: Plan, ip: Ip, programs: Programs) -> t.List[str]:
    """Make the change; the record goes ahead of it, and shrinks only behind it.

    Returns warnings.
    raises: ProgramFailed, OSError
    """
    change, routes, after = plan.change, plan.routes, plan.after
    ahead = plan.recorded | plan.before | after
    address_record.record(host, role, plan.recorded, ahead)
    if (plan.recorded | plan.before).added - after.added:
        # Until the files say so, too, it would give them back.
        watcher.stop(host, programs)
    ip.change(IpChange(routes.add, change.add, plan.correct, change.remove, routes.remove))
    failed = bool(routes.add) and not after.routes <= interface_addresses.routes_of_lo()
    if change.add or plan.correct:
        links = ip.links()
        live = address_set.live_pairs(links)
        failed = failed or bool(after.added - live or after.added & address_set.preferred_pairs(links))
    if failed:
        raise IpFailed("`ip -batch -` reported no error, yet addresses are missing or not as they should be")
    address_record.record(host, role, ahead, after)
    return _tell_link(str(plan.interface), plan.new) if plan.announce and host.live and plan.new else []


def _tell_link(interface: str, new: t.Sequence[Address]) -> t.List[str]:
    """Announce addresses, so that who knows them of another host sends to this one at once."""
    try:
        if link_probe.obstacle(interface) is None:
            link_probe.announce(interface, new)
    except OSError as error:
        return ["The addresses could not be announced: %s" % error.strerror]
    return []


def _texts_of(pairs: t.Iterable[Pair]) -> t.List[str]:
    return texts(runs_of(Recorded(frozenset(pairs))))


def result(host: Host, plan: Plan) -> t.Dict[str, t.Any]:
    ours = plan.after
    before, after = runs_of(plan.before), runs_of(ours)
    added, removed = minus(after, before), minus(before, after)
    # What is there before and after, and changes its way.
    came = runs_of(Recorded(frozenset(plan.change.add), frozenset(plan.routes.add)))
    went = runs_of(Recorded(frozenset(plan.change.remove), frozenset(plan.routes.remove)))
    files = plan.persistence.files if any(ours) else {}
    return {
        # A record whose addresses are gone, as after a reboot without persistence, is still removed.
        "changed": ours != plan.before or bool(plan.correct or (any(plan.recorded) and not any(ours))),
        "interface": plan.interface,
        "added": texts(added),
        "removed": texts(removed),
        "kept": texts(minus(after, added)),
        "moved": texts(minus(minus(came, added), minus(came, went))),
        "corrected": _texts_of(plan.correct),
        "foreign": _texts_of(plan.change.foreign),
        "routes": address_record.prefixes_in_order(ours.routes),
        "provider": plan.persistence.provider,
        "persist": {
            "addresses": [address for _interface, address in address_set.in_order(ours.added)] if files else [],
            "routes": address_record.prefixes_in_order(ours.routes) if files else [],
            "files": files,
            "ip": plan.ip,
            "python": address_watch.python(host),
            "obsolete": [path for path in own_files(host) if path not in files.values()],
        },
        "diff": {
            "before": _listing(plan.before, plan.preferred),
            "after": _listing(ours),
            "before_header": "source addresses, live",
            "after_header": "source addresses, live",
        },
    }


def own_files(host: Host) -> t.List[str]:
    """Return the files of ours that give addresses at boot, in the order of removal."""
    return [*boot_routes.own_files(host), *address_watch.own_files(host), *network_providers.own_files(host)]


def has_any(host: Host) -> bool:
    """Tell whether there is something of ours to take back. raises: ValueError for a broken record"""
    return any(address_record.recorded(host)) or bool(own_files(host))


def _listing(held: Recorded, preferred: t.AbstractSet[Pair] = frozenset()) -> str:
    """Return a line for each range on an interface, and for each that routes make local."""
    lines = ["route %s" % text for text in texts(runs_of(Recorded(routes=held.routes)))]
    for interface in sorted({name for name, _address in held.added}):
        for mark, pairs in (("", held.added - preferred), (" preferred", held.added & preferred)):
            found = _texts_of(pair for pair in pairs if pair[0] == interface)
            lines += ["%s %s%s" % (interface, text, mark) for text in found]
    return "".join(line + "\n" for line in lines)


def undone(plan: Plan, ip: Ip, error: ProgramFailed) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """Return the message of a change that stopped midway, and which addresses are added and removed, and which not."""
    pairs, live = address_set.live_pairs(ip.links()), interface_addresses.routes_of_lo()
    change, routes = plan.change, plan.routes
    came = Recorded(frozenset(change.add) & pairs, frozenset(routes.add) & live)
    stayed = Recorded(frozenset(change.remove) & pairs, frozenset(routes.remove) & live)
    done = {
        "added": came,
        "not_added": Recorded(frozenset(change.add) - came.added, frozenset(routes.add) - came.routes),
        "removed": Recorded(frozenset(change.remove) - stayed.added, frozenset(routes.remove) - stayed.routes),
        "not_removed": stayed,
    }
    runs = {name: runs_of(held) for name, held in done.items()}
    counts = ", ".join(
        "%d %s" % (sum(map(ranges.count, held.values())), name.replace("_", " ")) for name, held in runs.items()
    )
    message = "%s. %s. What was added is recorded: fix the cause and run again, or take it back with state absent."
    return message % (error, counts), {name: texts(held) for name, held in runs.items()}


def warnings(plan: Plan, outcome: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what only a person can judge; ``outcome``: what result() returned of the plan."""
    found = list(plan.persistence.warnings)
    if plan.change.foreign:
        found.append(
            "%d of the addresses are on %s already, added by someone else who also has to persist them: %s"
            % (len(plan.change.foreign), plan.interface, ", ".join(outcome["foreign"]))
        )
    return found
