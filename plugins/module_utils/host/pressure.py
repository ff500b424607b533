# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pairs of source and destination have used up most of their ports, and which programs use them, how.

Nothing is stopped or traced: the kernel is asked which sockets there are (client_sockets.py), and which of their ports
connect() would choose again (port_choice.py).

A four-tuple is unique, so the number of sockets of a pair is the number of ports that it uses. Where bind() takes the
ports, it is that of a source, or of the host, whatever the destination.
"""

from __future__ import annotations

import collections
import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    client_sockets,
    port_evidence,
    socket_programs,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.binding_signs import NAMED, UNKNOWN, Verdict
from ansible_collections.fourtuple.clients.plugins.module_utils.host.client_sockets import ClientSockets
from ansible_collections.fourtuple.clients.plugins.module_utils.host.port_evidence import Class, Classes, Evidence
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import Group, Owner, Pair
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_programs import Program
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND, BIND_ANY, BIND_PORT
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import text_of

#: So many of each are told: the fullest, the largest, the first; and so many programs of one pair.
MAX_PAIRS = 20
MAX_PROGRAMS = 50
MAX_WAITING = 50
_PROGRAMS_OF_PAIR = 5

#: About so many sockets are looked at one by one.
SAMPLE = 16000

#: net.ipv4.tcp_tw_reuse: connect() takes four-tuples over from TIME_WAIT, with 2 those of loopback.
_REUSE, _REUSE_LOOPBACK = 1, 2

Json = t.Dict[str, t.Any]

#: Ports of a source towards a destination; None for any.
_Place = t.Tuple[t.Optional[bytes], t.Optional[t.Tuple[bytes, int]]]
_EVERYWHERE: _Place = (None, None)
#: A program and how it binds.
_User = t.Tuple[Program, t.Optional[str]]
_Users = t.Dict[_Place, t.Counter[_User]]


def observe() -> Json:
    """Return what the clients of this network namespace use, as connection_limits_info documents ``pressure``.

    raises: netlink.NetlinkError where the kernel cannot be asked
    """
    sockets = ClientSockets()
    owners = {group.owner for group in (*sockets.automatic, *sockets.named)} | set(sockets.waiting.values())
    programs = socket_programs.Programs(owner for owner in (*owners, *sockets.lost) if owner is not None)
    # With ip_autobind_reuse bind() gives a port a second time, too.
    asked = port_evidence.kernel(sockets.listeners, not client_sockets.number_of("ip_autobind_reuse"))
    classes = Classes(programs, asked)
    holders, share = sockets.sample(SAMPLE)
    evidence = Evidence(holders, sockets.named_ports | sockets.bound, sockets.limits[0], classes, asked)
    return _Summary(sockets, programs, classes, evidence, share).told()


class _Summary:
    """What is told of client sockets.

    share: how many ports of the range the evidence is of, up to 1
    """

    def __init__(
        self,
        sockets: ClientSockets,
        programs: t.Mapping[t.Optional[Owner], Program],
        classes: Classes,
        evidence: Evidence,
        share: float,
    ) -> None:
        self._sockets, self._programs, self._classes = sockets, programs, classes
        self._seen = evidence.classes()
        by_class: t.Counter[Class] = collections.Counter(dict.fromkeys(self._seen, 0))
        for group, number in sockets.automatic.items():
            by_class[classes.of(group)] += number
        self._verdicts = {one: evidence.verdict(one, number) for one, number in by_class.items()}
        self._by_user = self._of_users(by_class)
        self._taken, self._estimated = self._taken_ports(evidence, share)

    def _of_users(self, by_class: t.Counter[Class]) -> t.Dict[_User, t.Tuple[int, Verdict]]:
        """Return the sockets of each program and binding, and the verdict on most of them."""
        found: t.Dict[_User, t.Tuple[int, Verdict]] = {}
        named: t.Counter[Program] = collections.Counter()
        for group, number in self._sockets.named.items():
            if group.owner is not None:
                named[self._programs[group.owner]] += number
        each = [(one.program, self._verdicts[one], number) for one, number in by_class.most_common()]
        for program, verdict, number in [*each, *((program, NAMED, number) for program, number in named.items())]:
            before, first = found.get((program, verdict.binding), (0, verdict))
            found[program, verdict.binding] = before + number, first
        for owner, number in self._sockets.lost.items():
            program = self._programs[owner]
            # They are taken to be as most of the program's that are known.
            most = max((one for one in self._verdicts if one.program == program), key=self._weight, default=None)
            verdict = _LOST if most is None else self._verdicts[most]
            before, first = found.get((program, verdict.binding), (0, verdict))
            found[program, verdict.binding] = before + number, first
        return {user: told for user, told in found.items() if told[0]}

    def _weight(self, one: Class) -> int:
        return self._seen[one]

    def _taken_ports(self, evidence: Evidence, share: float) -> t.Tuple[int, bool]:
        """Return how many ports of the range bind() has taken from every connect(), and whether that is estimated."""
        known = self._sockets.named_ports | self._sockets.bound
        more = evidence.bound(self._verdicts)
        return self._sockets.in_range(known) + round(len(more) / share), bool(more) and share < 1

    def told(self) -> Json:
        sockets = self._sockets
        users = sorted(self._by_user.items(), key=lambda item: (-item[1][0], str(item[0])))
        waiting = sorted((port, state) for port, state in sockets.waiting if self._matters(port))
        return {
            "usable": sockets.usable,
            "taken": self._taken,
            "taken_estimated": self._estimated,
            "programs": [self._program(user, number) for user, (number, _verdict) in users[:MAX_PROGRAMS]],
            "pairs": self._pairs(),
            "waiting": [self._waiting(*one) for one in waiting[:MAX_WAITING]],
            "waiting_other": max(0, len(waiting) - MAX_WAITING),
        }

    def _matters(self, port: int) -> bool:
        return bool(self._sockets.in_range([port])) and port not in self._sockets.reserved

    def _waiting(self, port: int, state: int) -> Json:
        program = self._programs.get(self._sockets.waiting[port, state])
        return {"port": port, "listens": state == client_sockets.LISTEN, **_named(program)}

    def _program(self, user: _User, number: int) -> Json:
        program, binding = user
        verdict = self._by_user[user][1]
        return {
            **_named(program),
            "binding": binding,
            "certainty": verdict.certainty,
            "possible": list(verdict.possible),
            "why": verdict.why,
            "connections": number,
        }

    def _pairs(self) -> t.List[Json]:
        """Return the fullest, and after them those of programs with ports of their own."""
        sockets = self._sockets
        users = self._users(sockets.automatic)
        closed = _closed_by_place(sockets.closed, users)
        first = sorted({*users, *closed}, key=lambda place: self._order(place, users, closed))[:MAX_PAIRS]
        if sockets.pruned:
            pairs = [(source, destination) for source, destination in first if source is not None]
            automatic, rest = sockets.again(pairs)
            users = {**users, **self._users(automatic)}
            closed = {**closed, **_closed_by_place(rest, users)}
        found = [self._pair(place, users.get(place, _NOBODY), closed.get(place, 0)) for place in first]
        own: _Users = collections.defaultdict(collections.Counter)
        for group, number in sockets.named.items():
            if group.owner is not None:
                own[_place(BIND_PORT, group.pair)][self._programs[group.owner], BIND_PORT] += number
        most = sorted(own, key=lambda place: -sum(own[place].values()))[:MAX_PAIRS]
        found += [self._pair(place, own[place], 0, own=True) for place in most]
        return sorted(found, key=_fullest)[:MAX_PAIRS]

    def _users(self, automatic: t.Mapping[Group, int]) -> _Users:
        found: _Users = collections.defaultdict(collections.Counter)
        for group, number in automatic.items():
            one = self._classes.of(group)
            # A class that was not there a moment ago is not judged any more.
            binding = self._verdicts[one].binding if one in self._verdicts else None
            found[_place(binding, group.pair)][one.program, binding] += number
        return found

    def _order(self, place: _Place, users: _Users, closed: t.Mapping[_Place, int]) -> t.Tuple[float, int]:
        connections = sum(users.get(place, _NOBODY).values())
        return -self._share(place, connections, closed.get(place, 0)), -connections

    def _ports(self, place: _Place) -> int:
        """Return how many ports there are for a place; those of connect() are without what bind() has."""
        known = self._sockets.in_range(self._sockets.named_ports | self._sockets.bound)
        return max(0, self._sockets.usable - (known if place[1] is None else self._taken))

    def _share(self, place: _Place, connections: int, closed: int) -> float:
        reuse = client_sockets.number_of("tcp_tw_reuse")
        destination = place[1]
        if destination is not None:
            loopback = ipaddress.ip_address(destination[0]).is_loopback
            if reuse == _REUSE or (reuse == _REUSE_LOOPBACK and loopback):
                closed = 0
        ports = self._ports(place)
        return min(1.0, (connections + closed) / ports) if ports else 1.0

    def _pair(self, place: _Place, users: t.Counter[_User], closed: int, own: bool = False) -> Json:
        connections = sum(users.values())
        source, destination = place
        return {
            "source": None if source is None else str(ipaddress.ip_address(source)),
            "destination": None if destination is None else _endpoint(destination),
            "connections": connections,
            "timewait": closed,
            "ports": None if own else self._ports(place),
            "share": None if own else round(self._share(place, connections, closed), 4),
            "programs": [
                self._program((program, binding), number)
                for (program, binding), number in users.most_common(_PROGRAMS_OF_PAIR)
                if (program, binding) in self._by_user
            ],
        }


_NOBODY: t.Counter[_User] = collections.Counter()
_LOST = Verdict(None, UNKNOWN, (), "none of its sockets was looked at")


def _place(binding: t.Optional[str], pair: Pair) -> _Place:
    """Return what a socket uses up a port of."""
    if binding == BIND_ANY:
        return _EVERYWHERE
    if binding == BIND:
        return pair.source, None
    return pair.source, (pair.destination, pair.port)


def _closed_by_place(closed: t.Mapping[Pair, int], users: _Users) -> t.Dict[_Place, int]:
    """Return the closed connections of each place.

    The kernel does not say whose they were: where the pair is in use they are of the pair, else of who uses the source,
    or all ports.
    """
    found: t.Counter[_Place] = collections.Counter()
    for pair, number in closed.items():
        by_pair, by_source = _place(None, pair), _place(BIND, pair)
        found[next((place for place in (by_pair, by_source, _EVERYWHERE) if place in users), by_pair)] += number
    return found


def _endpoint(destination: t.Tuple[bytes, int]) -> str:
    return text_of((str(ipaddress.ip_address(destination[0])), destination[1]))


def _named(program: t.Optional[Program]) -> Json:
    return {"program": program.name if program else None, "kind": program.kind if program else None}


def _fullest(pair: Json) -> t.Tuple[t.Any, ...]:
    return -(pair["share"] or 0), -pair["connections"], str(pair["source"]), str(pair["destination"])
