# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sockets of a dump the kernel describes: programs of struct inet_diag_bc_op, put together.

net/ipv4/inet_diag.c: inet_diag_bc_run wants a socket where the end is met exactly, so a step beyond it refuses;
inet_diag_bc_audit takes a step only forward, and to what is met by always going on. Each function puts a condition
before ``rest``, which goes on where the condition holds. An empty rest accepts.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges

#: By how many bytes to go on if it holds, and if not.
_OPERATION = struct.Struct("=BBH")
_JMP, _AUTO, _S_COND, _D_COND = 1, 6, 7, 8
#: struct inet_diag_hostcond: family, length of the prefix, port; then the address. Any port is -1.
_HOST_CONDITION = struct.Struct("=BBxxi")
_ANY_PORT = -1
_AF_INET, _AF_INET6 = 2, 10

#: More conditions than that are more than an attribute can hold.
MAX_WINDOWS = 2000

#: A source, and a destination with its port; None for any. Addresses in 4 or 16 bytes.
Ends = t.Tuple[bytes, t.Optional[t.Tuple[bytes, int]]]


def automatic(rest: bytes) -> bytes:
    """Let those pass whose port nobody named (SOCK_BINDPORT_LOCK; net/ipv4/af_inet.c, __inet_bind)."""
    return _OPERATION.pack(_AUTO, 4, 8 + len(rest)) + rest


def named(rest: bytes) -> bytes:
    """Let those pass whose port was named."""
    return _OPERATION.pack(_AUTO, 4, 8) + _OPERATION.pack(_JMP, 4, 8 + len(rest)) + rest


def between(pairs: t.Sequence[Ends], rest: bytes) -> bytes:
    """Let those pass that are between one of ``pairs``; an address of IPv4 is also that of a socket of IPv6."""
    code = b""
    for source, destination in reversed(pairs):
        conditions = [_condition(source, _ANY_PORT)]
        if destination is not None:
            conditions.append(_condition(*destination))
        left = sum(map(len, conditions)) + len(conditions) * _OPERATION.size
        jump = _OPERATION.pack(_JMP, 4, 4 + len(code)) if code else b""
        # Where one fails, the next pair is tried; after the last pair there is none.
        other = len(jump) if code else len(rest) + 4
        block = b""
        for condition, kind in zip(conditions, (_S_COND, _D_COND)):
            size = _OPERATION.size + len(condition)
            block += _OPERATION.pack(kind, size, left + other) + condition
            left -= size
        code = block + jump + code
    return code + rest


def _condition(address: bytes, port: int) -> bytes:
    family = _AF_INET if len(address) == 4 else _AF_INET6
    return _HOST_CONDITION.pack(family, 8 * len(address), port) + address


def without(windows: t.Iterable[ranges.Range], ports: t.Iterable[int]) -> t.List[ranges.Range]:
    """Return ``windows``, which ascend, without some ports; of very many ports only without the first."""
    found: t.List[ranges.Range] = []
    left = sorted(set(ports))[:MAX_WINDOWS]
    for first, last in windows:
        between_them = [first - 1, *(port for port in left if first <= port <= last), last + 1]
        gaps = ((one + 1, other - 1) for one, other in zip(between_them, between_them[1:]))
        found += [(one, other) for one, other in gaps if one <= other]
    return found
