# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a change of source addresses, carry it out with the program ip, and take it back.

Planning reads and may refuse; only carrying out writes.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    address_record,
    network_providers,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import Recorded
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    interface_addresses,
    name_servers,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ip_lines, taken_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import (
    AddressesChange,
    Links,
    Pair,
    Piece,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


class IpFailed(Exception):
    """The program ip is missing, or has failed: says what it said."""


class AddressesRequest(t.NamedTuple):
    """What is asked for, as the options of source_addresses name it; without addresses, that there be none of ours."""

    interface: t.Optional[str] = None
    entries: t.Sequence[object] = ()
    provider: str = "auto"
    taken: t.Sequence[t.Mapping[str, str]] = ()
    names: Names = Names()


class Ip:
    """The ip program, one call for any number of addresses."""

    def __init__(self, programs: Programs) -> None:
        self._run = programs.run
        path = programs.find("ip")
        if path is None:
            raise IpFailed("the program ip is not installed on this host; install the package iproute2 and retry")
        self.path = path

    def run(self, *arguments: str, data: t.Optional[str] = None) -> str:
        status, stdout, stderr = self._run([self.path, *arguments], data)
        if status:
            raise IpFailed("`ip %s` failed: %s" % (" ".join(arguments), (stderr or stdout).strip().rstrip(".")))
        return str(stdout)

    def links(self) -> Links:
        return t.cast(Links, json.loads(self.run("-json", "address", "show") or "[]"))

    def change(self, remove: t.Iterable[Pair], add: t.Iterable[Pair], correct: t.Iterable[Pair]) -> None:
        lines = ["address del %s dev %s\n" % (address, interface) for interface, address in remove]
        for verb, pairs in (("add", add), ("change", correct)):
            lines += [ip_lines.for_interface(verb, address, interface) + "\n" for interface, address in pairs]
        if lines:
            self.run("-batch", "-", data="".join(lines))


class Plan(t.NamedTuple):
    interface: t.Optional[str]
    change: AddressesChange
    recorded: t.Set[Pair]
    #: What this collection has on the host now: recorded, or given by its own files at boot.
    before: t.Set[Pair]
    #: What programs may leave from without binding to it.
    preferred: t.Set[Pair]
    persistence: network_providers.Persistence

    @property
    def correct(self) -> t.List[Pair]:
        return [pair for pair in self.change.kept if pair in self.preferred]


def make_plan(host: Host, request: AddressesRequest, ip: Ip) -> Plan:
    """Look at the host and decide everything, or refuse. Changes nothing.

    raises: Refusal, IpFailed, NetlinkError, ValueError for a broken record, OSError
    """
    names = request.names
    pieces = address_set.pieces(names.of("list"), request.entries)
    wanted = address_set.expand(names.of("list"), request.entries)
    links = ip.links()
    recorded = set(address_record.recorded(host).added)
    ours = recorded | network_providers.persisted(host, links)
    interface = None
    persistence = network_providers.Persistence(network_providers.NONE, {}, [])
    if wanted:
        interface = choose_interface(names.of("interface"), request.interface, links)
        address_set.check_against_host(pieces, interface, links, ours)
        refuse_taken(host, request, pieces, links, ours)
        check_ipv6(host, pieces, interface)
        persistence = network_providers.find(
            host, names.of("provider"), request.provider, interface, links, names.of("method"), len(wanted)
        )
    change = address_set.plan(wanted, interface, links, ours)
    preferred = address_set.preferred_pairs(links)
    return Plan(interface, change, recorded, address_set.live_pairs(links) & ours, preferred, persistence)


def refuse_taken(
    host: Host,
    request: AddressesRequest,
    pieces: t.Iterable[Piece],
    links: Links,
    ours: t.AbstractSet[Pair],
) -> None:
    """Refuse addresses that somebody has. What the host has from someone else stays as it is."""
    live = address_set.live_pairs(links)
    added = address_set.without(pieces, map(text_of, live - ours))
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


def carry_out(host: Host, role: t.Optional[str], plan: Plan, ip: Ip) -> None:
    """Make the change; the record goes ahead of it, and shrinks only behind it."""
    change = plan.change
    after = set(change.kept) | set(change.add)
    ahead = plan.recorded | plan.before | after
    address_record.record(host, role, Recorded(frozenset(plan.recorded)), Recorded(frozenset(ahead)))
    ip.change(change.remove, change.add, plan.correct)
    if change.add or plan.correct:
        links = ip.links()
        if after - address_set.live_pairs(links) or after & address_set.preferred_pairs(links):
            raise IpFailed("`ip -batch -` reported no error, yet addresses are missing or not as they should be")
    address_record.record(host, role, Recorded(frozenset(ahead)), Recorded(frozenset(after)))


def addresses(pairs: t.Iterable[Pair]) -> t.List[str]:
    return [address for dummy, address in pairs]


def result(host: Host, plan: Plan) -> t.Dict[str, t.Any]:
    change = plan.change
    ours = change.kept + change.add
    files = plan.persistence.files if ours else {}
    return {
        # A record whose addresses are gone, as after a reboot without persistence, is still removed.
        "changed": bool(change.add or change.remove or plan.correct or (plan.recorded and not ours)),
        "interface": plan.interface,
        "added": addresses(change.add),
        "removed": addresses(change.remove),
        "kept": addresses(change.kept),
        "corrected": addresses(plan.correct),
        "foreign": addresses(change.foreign),
        "provider": plan.persistence.provider,
        "persist": {
            "addresses": addresses(address_set.in_order(ours)) if files else [],
            "files": files,
            "obsolete": network_providers.obsolete(host, files.values()),
        },
        "diff": {
            "before": listing(plan.before, plan.preferred),
            "after": listing(ours),
            "before_header": "source addresses, live",
            "after_header": "source addresses, live",
        },
    }


def listing(pairs: t.Iterable[Pair], preferred: t.AbstractSet[Pair] = frozenset()) -> str:
    marks = dict.fromkeys(preferred, " preferred")
    return "".join("%s %s%s\n" % (*pair, marks.get(pair, "")) for pair in address_set.in_order(pairs))


def undone(plan: Plan, ip: Ip, error: IpFailed) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """Return the message of a change that stopped midway, and which addresses are added and removed, and which not."""
    live = address_set.live_pairs(ip.links())
    change = plan.change
    done: t.Dict[str, t.Any] = {
        "added": addresses(pair for pair in change.add if pair in live),
        "not_added": addresses(pair for pair in change.add if pair not in live),
        "removed": addresses(pair for pair in change.remove if pair not in live),
        "not_removed": addresses(pair for pair in change.remove if pair in live),
    }
    counts = ", ".join("%d %s" % (len(found), name.replace("_", " ")) for name, found in done.items())
    message = "%s. %s. What was added is recorded: fix the cause and run again, or take it back with state absent."
    return message % (error, counts), done


def warnings(plan: Plan, outcome: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what only a person can judge; ``outcome``: what result() returned of the plan."""
    found = list(plan.persistence.warnings)
    if plan.change.foreign:
        found.append(
            "%d of the addresses are on %s already, added by someone else who also has to persist them: %s"
            % (len(plan.change.foreign), plan.interface, ", ".join(outcome["foreign"]))
        )
    return found
