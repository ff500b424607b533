# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ports of some sockets tell about the programs that have them: the signs that binding_signs.py judges."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import binding_signs, port_choice
from ansible_collections.fourtuple.clients.plugins.module_utils.host.binding_signs import Signs, Verdict
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import Group, Held, Owner
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_programs import Program
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND, BIND_ANY

#: The kernel is asked about so many ports of each class, and of so many in all; each takes some 20 microseconds.
PORTS_OF_CLASS = 32
_PORTS = 4096

#: Routes are looked up to so many destinations.
_ROUTES = 2048

#: Of a port that connect() passes over, and that sockets of several programs have.
_AMONG_OTHERS = "among others"


class Class(t.NamedTuple):
    """Sockets of a program that are judged together: by the option, and by whether their source is the route's."""

    program: Program
    no_port: t.Optional[bool]
    off_route: t.Optional[bool]


class Kernel(t.NamedTuple):
    """What is asked of the kernel; a test answers in its place.

    is_taken, source_to: as in port_choice.py; plain: routes depend on addresses alone
    shares: whether a port that one source has towards several destinations tells that connect() chose it
    """

    is_taken: t.Callable[[int], t.Optional[bool]]
    source_to: t.Callable[[bytes], t.Optional[bytes]]
    plain: bool
    shares: bool


def kernel(listeners: t.Container[int], shares: bool) -> Kernel:
    """Return the kernel that runs; ``listeners``: the ports that listen."""
    closed = next(port for port in range(1, 65536) if port not in listeners)
    return Kernel(
        lambda port: port_choice.is_taken(port, closed),
        port_choice.source_to,
        port_choice.routes_are_plain(),
        shares,
    )


class Classes:
    """Says of a group of sockets which class it is in; of very many destinations only the first have a known route."""

    def __init__(self, programs: t.Mapping[t.Optional[Owner], Program], asked: Kernel) -> None:
        self._programs = programs
        self._asked = asked
        self._sources: t.Dict[bytes, t.Optional[bytes]] = {}
        self._known: t.Dict[Group, Class] = {}

    def of(self, group: Group) -> Class:
        """Return the class of a group that has an owner."""
        found = self._known.get(group)
        if found is None:
            source = self._source(group.pair.destination)
            off_route = None if source is None else source != group.pair.source
            found = self._known[group] = Class(self._programs[group.owner], group.no_port, off_route)
        return found

    def _source(self, destination: bytes) -> t.Optional[bytes]:
        if destination not in self._sources:
            if len(self._sources) >= _ROUTES:
                return None
            self._sources[destination] = self._asked.source_to(destination)
        return self._sources[destination]


class Evidence:
    """The signs of each class, from sockets that are looked at one by one.

    holders: every socket on some ports of the local port range, but those on ports that listen
    settled: ports that are known to be taken by others, as by a socket that is bound and no more
    low:     the first port of the range
    """

    def __init__(
        self, holders: t.Iterable[Held], settled: t.Container[int], low: int, classes: Classes, asked: Kernel
    ) -> None:
        self._asked, self._low = asked, low
        ports: t.Dict[int, t.List[t.Tuple[Held, t.Optional[Class]]]] = collections.defaultdict(list)
        for one in holders:
            if one.port not in settled:
                ports[one.port].append((one, classes.of(one.group) if _tells(one) else None))
        self._ports = ports
        #: The classes that have a port.
        self._users = {port: {one for _held, one in found if one is not None} for port, found in ports.items()}
        self._taken = self._ask()
        self._signs = self._collect()

    def classes(self) -> t.Counter[Class]:
        """Return the classes that there are, with the number of ports on which they are."""
        return collections.Counter(user for users in self._users.values() for user in users)

    def verdict(self, wanted: Class, connections: int) -> Verdict:
        """Return how the sockets of a class were bound, of which there are so many; their ports were not named."""
        found = self._signs.get(wanted) or _nothing(wanted, self._asked)
        return binding_signs.judge(found._replace(connections=connections))

    def bound(self, verdicts: t.Mapping[Class, Verdict]) -> t.Set[int]:
        """Return those ports of the sample that connect() passes over for such a verdict."""
        by_bind = {one for one, verdict in verdicts.items() if verdict.binding in (BIND, BIND_ANY)}
        return {port for port, users in self._users.items() if users & by_bind and self._taken.get(port, True)}

    def _ask(self) -> t.Dict[int, bool]:
        """Return of some ports of each class whether connect() passes over them; first of those of one socket."""
        by_class: t.Dict[Class, t.List[int]] = collections.defaultdict(list)
        for port, _holders in sorted(self._ports.items(), key=lambda item: len(item[1])):
            for one in self._users[port]:
                by_class[one].append(port)
        found: t.Dict[int, bool] = {}
        for ports in by_class.values():
            for port in ports[:PORTS_OF_CLASS]:
                if port not in found and len(found) < _PORTS:
                    taken = self._asked.is_taken(port)
                    if taken is not None:
                        found[port] = taken
        return found

    def _collect(self) -> t.Dict[Class, Signs]:
        signs: t.Dict[Class, t.Counter[str]] = collections.defaultdict(collections.Counter)
        sources: t.Dict[Program, t.Set[bytes]] = collections.defaultdict(set)
        for port, holders in self._ports.items():
            parity, what = "last" if (port - self._low) % 2 else "first", self._what(port)
            for user in self._users[port]:
                signs[user][parity] += 1
                # A source of its own, without the option, has its port by bind() whoever else has it.
                alone = what == _AMONG_OTHERS and user.off_route and user.no_port is False
                signs[user]["crowded" if alone else what] += 1
            for held, one in holders:
                if one is not None and one.off_route is False:
                    sources[one.program].add(held.group.pair.source)
        return {
            one: _nothing(one, self._asked)._replace(
                chosen=found["chosen"],
                taken=found["taken"],
                crowded=found["crowded"],
                shared=found["shared"] if self._asked.shares else None,
                first=found["first"],
                last=found["last"],
                sources=_of_one_family(sources[one.program]),
            )
            for one, found in signs.items()
        }

    def _what(self, port: int) -> str:
        """Return what a port says of the classes that have it; an empty text for nothing."""
        holders = self._ports[port]
        # From one source, to several destinations.
        shared = len({held.group.pair.source for held, _one in holders}) < len(holders)
        taken = self._taken.get(port)
        if taken is None:
            return "shared" if shared else ""
        if not taken:
            return "chosen"
        if len(holders) == 1:
            return "taken"
        if shared:
            # It was accepted, or bound by SO_REUSEADDR.
            return ""
        programs = {one and one.program for _held, one in holders}
        # A closed connection has no owner.
        return "crowded" if len(programs) == 1 and None not in programs else _AMONG_OTHERS


def _tells(one: Held) -> bool:
    """Tell whether a socket is of somebody, and its port not of a virtual routing domain with ports of its own."""
    return one.group.owner is not None and not one.interface


def _nothing(one: Class, asked: Kernel) -> Signs:
    return Signs(0, one.no_port, one.off_route, asked.plain, 0, 0, 0, None, 0, 0, 0)


def _of_one_family(sources: t.Iterable[bytes]) -> int:
    return max(collections.Counter(map(len, sources)).values(), default=0)
