# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a probe in pieces: each some connections of one source address, to one destination.

connect() tries the ports of one parity first, from where it left off, and then the others: while less than half of a
pair's ports are taken it finds one at once, past that it tries thousands (net/ipv4/inet_hashtables.c,
__inet_hash_connect). So every pair gets a first piece, then every pair a second one, and while that does for all
connections no pair gets beyond half. Where it does not, each piece is a block of a pair's ports instead, which
IP_LOCAL_PORT_RANGE (ip(7), Linux 6.3) holds a socket to: no search is longer than a block, and all blocks together are
the whole range, to its last port.

Of an odd number of ports each search of bind(2), and before 6.8 of connect(2), passes over the first or the last
(net/ipv4/inet_connection_sock.c, inet_csk_find_open_port: "remaining &= ~1U"). So that none is left a block has an even
number of them, or one alone.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import Endpoint

#: Connections of a piece, where the kernel chooses among all ports; few enough to spread the work, and to stop soon.
_CONNECTIONS_OF_A_PIECE = 512
#: Ports of a block.
_PORTS_OF_A_BLOCK = 128


class Piece(t.NamedTuple):
    """Some connections to make.

    source: None for a client that binds no address of its own
    destinations: taken in turns; more than one only with a plain bind, whose ports do not depend on them
    ports: first and last port to choose from, None for all
    limit: how many at most; a piece whose ports are all taken ends earlier. Where each connection names its port, as
           many as there are ports
    """

    source: t.Optional[str]
    destinations: t.List[Endpoint]
    ports: t.Optional[t.Tuple[int, int]]
    limit: int


def split(piece: Piece, limit: int, named: bool) -> t.Tuple[Piece, Piece]:
    """Return so many connections of a piece, and its others.

    named: whether each connection names its port, one after the other
    """
    first, rest = piece._replace(limit=limit), piece._replace(limit=piece.limit - limit)
    if named and piece.ports is not None:
        low, high = piece.ports
        first, rest = first._replace(ports=(low, low + limit - 1)), rest._replace(ports=(low + limit, high))
    return first, rest


class Pieces:
    """All pieces of a probe, numbered from 0; each is made when it is asked for.

    sources, destinations: as requested; no sources for a client that binds no address of its own
    port_by_address: whether a port is taken once for a source, whatever the destination (a plain bind)
    ports: the local port range, low and high
    usable: how many of its ports are not reserved
    target: how many connections are wanted
    narrowing: whether the kernel has IP_LOCAL_PORT_RANGE
    named: first and last port that the client itself names, whatever the range; None where the kernel chooses
    """

    def __init__(
        self,
        sources: t.Sequence[address_set.Address],
        destinations: t.Sequence[Endpoint],
        port_by_address: bool,
        ports: t.Tuple[int, int],
        usable: int,
        target: int,
        narrowing: bool,
        named: t.Optional[t.Tuple[int, int]] = None,
    ) -> None:
        self._lanes = _Lanes(sources, destinations, port_by_address)
        self.blocks = narrowing and target > len(self._lanes) * (usable // 2)
        low, high = ports
        if named is not None:
            self._turns = _named_blocks(*named)
        else:
            self._turns = _blocks(low, high) if self.blocks else _shares(high - low + 1, usable // 2)

    def __len__(self) -> int:
        return len(self._turns) * len(self._lanes)

    def __getitem__(self, index: int) -> Piece:
        if not 0 <= index < len(self):
            raise IndexError(index)
        turn, lane = divmod(index, len(self._lanes))
        source, destinations = self._lanes[lane]
        ports, limit = self._turns[turn]
        return Piece(source, destinations, ports, limit)


#: What a pair is given in one turn: a block of ports, None for all of them, and how many connections at most.
_Turn = t.Tuple[t.Optional[t.Tuple[int, int]], int]


def _blocks(low: int, high: int) -> t.List[_Turn]:
    """Return blocks that have every port once."""
    even = low + (high - low + 1) % 2
    blocks = [(low, low)] if even > low else []
    blocks += [(first, min(first + _PORTS_OF_A_BLOCK - 1, high)) for first in range(even, high + 1, _PORTS_OF_A_BLOCK)]
    # One more than there are: that a block is full has the kernel say.
    return [((first, last), last - first + 2) for first, last in blocks]


def _named_blocks(low: int, high: int) -> t.List[_Turn]:
    """Return blocks that have every port once, and a connection for each."""
    firsts = range(low, high + 1, _PORTS_OF_A_BLOCK)
    blocks = [(first, min(first + _PORTS_OF_A_BLOCK - 1, high)) for first in firsts]
    return [((first, last), last - first + 1) for first, last in blocks]


def _shares(ports: int, half: int) -> t.List[_Turn]:
    """Return pieces for all ports and one more, none of which begins before and ends beyond half of them."""
    sums = [*range(0, half, _CONNECTIONS_OF_A_PIECE), *range(half, ports + 1, _CONNECTIONS_OF_A_PIECE), ports + 1]
    return [(None, end - begin) for begin, end in zip(sums, sums[1:])]


class _Lanes:
    """Every (source, destination) that a port can be taken for, numbered; a source with its destinations' family."""

    def __init__(
        self,
        sources: t.Sequence[address_set.Address],
        destinations: t.Sequence[Endpoint],
        port_by_address: bool,
    ) -> None:
        self._groups: t.List[t.Tuple[t.Sequence[t.Optional[address_set.Address]], t.List[t.List[Endpoint]]]] = []
        for version in (4, 6):
            ours = [endpoint for endpoint in destinations if (":" in endpoint[0]) == (version == 6)]
            own = [source for source in sources if source.version == version] if sources else [None]
            if ours and own:
                self._groups.append((own, [ours] if port_by_address else [[endpoint] for endpoint in ours]))

    def __len__(self) -> int:
        return sum(len(sources) * len(targets) for sources, targets in self._groups)

    def __getitem__(self, index: int) -> t.Tuple[t.Optional[str], t.List[Endpoint]]:
        for sources, targets in self._groups:
            if index < len(sources) * len(targets):
                # The source changes last: one source's ports stand for all destinations, and so do the kernel's
                # bind buckets (module_utils/host/slab.py).
                number, target = divmod(index, len(targets))
                source = sources[number]
                return None if source is None else str(source), targets[target]
            index -= len(sources) * len(targets)
        raise IndexError(index)
