# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets of this network namespace that are clients', counted by sock_diag(7) whatever their number.

One dump describes each socket; the others pass over most, which costs the kernel a tenth (socket_count.py). What was
accepted is no client's: sockets on a port that listens are left out.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening, socket_count, socket_filters
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import (
    Group,
    Grouping,
    Held,
    Holders,
    Pair,
    Ports,
    Waiting,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: include/net/tcp_states.h: of clients ESTABLISHED, SYN_SENT, FIN_WAIT1, CLOSE_WAIT, LAST_ACK and CLOSING. A part of
#: those in FIN_WAIT2 is as closed as those in TIME_WAIT.
_LIVE = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 11
_CLOSED = 1 << 5 | 1 << 6
#: What is bound and no more is shown by Linux 6.8 and later, as in TCP_CLOSE.
LISTEN, _BOUND_INACTIVE = 10, 13

_ALL_PORTS = (1, port_set.HIGHEST_PORT)


class ClientSockets:
    """One look at them.

    limits, reserved: the local port range, and the ports that are reserved
    waiting:      (port, state) of what listens, or is bound and no more -> whose the first of them is
    listeners, bound: the ports of both
    automatic:    sockets on ports of the range that nobody named
    named:        sockets on ports that somebody named, in the range or not; named_ports: these ports
    closed:       what is left of closed connections, on ports of the range
    lost:         by owner, the sockets that are in no group, because there were too many groups
    pruned:       there were, and those that are left have too few
    number:       the sockets on ports of the range that nobody named
    """

    def __init__(self) -> None:
        self.limits = listening.range_in_force(_key("ip_local_port_range"))
        self.reserved = port_set.parse_kernel_list(_key("ip_local_reserved_ports") or "")
        self.waiting = socket_count.ask(1 << LISTEN | 1 << _BOUND_INACTIVE, b"", Waiting).found
        self.listeners = {port for port, state in self.waiting if state == LISTEN}
        self.bound = {port for port, state in self.waiting if state != LISTEN} - self.listeners
        self._windows = socket_filters.without([self.limits], self.listeners)
        everywhere = socket_count.bytecode_of(socket_filters.without([_ALL_PORTS], self.listeners))
        named = socket_count.ask(_LIVE | _CLOSED, socket_filters.named(everywhere), Ports)
        self.named, self.named_ports = named.groups(), named.ports
        live, closed = self._ask(_LIVE), self._ask(_CLOSED)
        self.pruned = live.pruned or closed.pruned
        self.automatic, self.closed = _apart(live, closed)
        self.lost = {owner: number for owner, number in live.lost.items() if owner is not None}
        self.number = sum(live.groups().values()) + sum(live.lost.values()) + sum(closed.groups().values())

    def _ask(self, states: int, pairs: t.Sequence[socket_filters.Ends] = ()) -> Grouping:
        if not self._windows:
            return Grouping()
        code = socket_filters.between(pairs, socket_count.bytecode_of(self._windows))
        return socket_count.ask(states, socket_filters.automatic(code), Grouping)

    def again(self, pairs: t.Sequence[socket_filters.Ends]) -> t.Tuple[t.Counter[Group], t.Counter[Pair]]:
        """Return ``automatic`` and ``closed`` of some pairs, counted once more."""
        return _apart(self._ask(_LIVE, pairs), self._ask(_CLOSED, pairs))

    def sample(self, number: int) -> t.Tuple[t.List[Held], float]:
        """Return about so many sockets, all on some ports; and how many of the range's ports these are, up to 1."""
        low, high = self.limits
        windows = [self.limits]
        if self.number > number:
            windows = socket_count.port_windows(low, high, number / self.number, ())
        share = ranges.count(windows) / ranges.count([self.limits])
        windows = socket_filters.without(windows, self.listeners)
        if not windows:
            return [], share
        return socket_count.ask(_LIVE | _CLOSED, socket_count.bytecode_of(windows), Holders).found, share

    def in_range(self, ports: t.Iterable[int]) -> int:
        """Return how many of some ports are in the local port range."""
        return sum(self.limits[0] <= port <= self.limits[1] for port in ports)

    @property
    def usable(self) -> int:
        """How many ports the kernel may choose, if nobody but the listeners has any."""
        return ranges.count([self.limits]) - self.in_range(self.reserved | self.listeners)


def _key(name: str) -> t.Optional[str]:
    return read_text("/", "/proc/sys/net/ipv4/" + name)


def number_of(name: str) -> int:
    """Return the number that a key of net.ipv4 has; 0 where there is none."""
    return decimal((_key(name) or "").strip()) or 0


def _apart(live: Grouping, closed: Grouping) -> t.Tuple[t.Counter[Group], t.Counter[Pair]]:
    """Return the sockets that somebody has, and the pairs of those that nobody has any longer."""
    automatic = live.groups()
    rest: t.Counter[Pair] = collections.Counter()
    for group, number in closed.groups().items():
        if group.owner is None:
            rest[group.pair] += number
        else:
            automatic[group] += number
    return automatic, rest
