# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of a probe say to each other: one message a packet, as JSON with the name of its type."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece

#: More than any message has.
MAX_BYTES = 1 << 20


class Open(t.NamedTuple):
    """To a worker: open these connections."""

    piece: Piece


class Finish(t.NamedTuple):
    """To a worker: no more pieces come; give up after so many seconds what is still under way."""

    seconds: float


class Ask(t.NamedTuple):
    """To a worker: have so many connections answer, chosen by chance, within so many seconds."""

    connections: int
    seconds: float


class Report(t.NamedTuple):
    """From a worker; each figure counts since the report before.

    opened:       connections that were established
    returned:     those of a piece that were not
    errors:       errno -> how often
    exhausted:    the errno that it cannot go on after; it has given back what it had
    rest:         how many of its piece it has not tried, because it cannot go on
    idle:         it has done what it was told; once for each message
    settled:      with the answer to Finish: nothing is under way any more
    microseconds: how long the answers took, those that came
    asked_all:    with the last of these
    room, descriptors: in the first report, how many connections it can hold, and what else it has open
    """

    opened: int = 0
    returned: int = 0
    errors: t.Mapping[int, int] = {}
    exhausted: t.Optional[int] = None
    rest: int = 0
    idle: bool = False
    settled: bool = False
    microseconds: t.Sequence[int] = ()
    asked_all: bool = False
    room: t.Optional[int] = None
    descriptors: t.Optional[int] = None


Message = t.Union[Open, Finish, Ask, Report]

_TYPES: t.Dict[str, t.Type[t.Any]] = {kind.__name__: kind for kind in (Open, Finish, Ask, Report)}


def encode(message: Message) -> bytes:
    return json.dumps([type(message).__name__, *message]).encode()


def decode(data: bytes) -> Message:
    """Return a message as it was sent. raises: ValueError for anything else"""
    try:
        name, *fields = json.loads(data)
        kind = _TYPES[name]
        if len(fields) != len(kind._fields):
            raise ValueError("%s has %d fields" % (name, len(kind._fields)))
        message: Message = kind(*fields)
        if isinstance(message, Open):
            source, destinations, ports, limit = message.piece
            ends = None if ports is None else (ports[0], ports[1])
            return Open(Piece(source, [(str(host), int(port)) for host, port in destinations], ends, limit))
        if isinstance(message, Report):
            # JSON has texts for keys.
            return message._replace(errors={int(number): times for number, times in message.errors.items()})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("no message of a probe: %r" % data[:100]) from error
    return message
