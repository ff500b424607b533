# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the kernel shows of a program's sockets to its binding mode, and how sure that is. Pure.

What tells a mode, the surest first:

* The kernel knows which ports were named: bind_port.
* It shows IP_BIND_ADDRESS_NO_PORT: bind_no_port. Linux 5.10 on.
* A port that connect() passes over was taken by bind(), one that connect() may have again was chosen by connect().
  Linux 6.3 on (port_choice.py).
* One source that has a port towards several destinations has it by connect(), unless ip_autobind_reuse is set.
* Half of the ports, those of the parity of the range's low end, are the first that connect() tries, and the last that
  bind() does (net/ipv4/inet_hashtables.c, __inet_hash_connect; inet_connection_sock.c, inet_csk_find_open_port).
* A source other than the route's was bound.

Nothing tells a bind of the route's own address from one of the wildcard address once the socket is connected.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import (
    AUTOBIND,
    BIND,
    BIND_ANY,
    BIND_NO_PORT,
    BIND_PORT,
)

SURE, LIKELY, UNKNOWN = "sure", "likely", "unknown"

#: So many ports say for sure what a program does, or all that it has.
_ENOUGH = 4
#: Of so many ports the parity says something, and if so many of them are of one.
_ENOUGH_OF_PARITY = 8
_OF_ONE_PARITY = 0.9


class Signs(t.NamedTuple):
    """What is known of sockets of one program.

    connections: how many there are
    no_port:     whether IP_BIND_ADDRESS_NO_PORT is set on them, None where the kernel does not show it
    off_route:   whether their source is another than the route's, None where no route is known
    plain:       routes depend on addresses alone, so that another source must have been bound
    chosen:      ports that connect() may have again
    taken:       ports that connect() passes over, and on which there is no other socket
    crowded:     the same, with other sockets of the program; of another source than the route's, with any others
    shared:      ports that one source has towards several destinations; None where that would tell nothing
    first, last: ports of the parity that connect() tries first, and last
    sources:     how many sources the program has that are the route's, of the family that has more
    """

    connections: int
    no_port: t.Optional[bool]
    off_route: t.Optional[bool]
    plain: bool
    chosen: int
    taken: int
    crowded: int
    shared: t.Optional[int]
    first: int
    last: int
    sources: int


class Verdict(t.NamedTuple):
    """A binding mode, None for an unknown one; how sure it is; all that it may be; and why, for people."""

    binding: t.Optional[str]
    certainty: str
    possible: t.Tuple[str, ...]
    why: str


NAMED = Verdict(BIND_PORT, SURE, (BIND_PORT,), "the program named the ports")


def judge(signs: Signs) -> Verdict:
    """Return the binding mode of sockets whose ports nobody named."""
    by_bind, certainty, why = _port(signs)
    if signs.no_port:
        return _with_option(signs)
    if by_bind is None:
        return _by_source(signs)
    return _bound(signs, certainty, why) if by_bind else _chosen(signs, certainty, why)


def _with_option(signs: Signs) -> Verdict:
    """Judge sockets that have IP_BIND_ADDRESS_NO_PORT.

    Set after bind() it changes nothing, and the ports are taken. Before Linux 6.18 a port stays taken that a socket of
    another program has had as well, by bind(), and has closed (inet_bind_bucket_destroy).
    """
    why = "IP_BIND_ADDRESS_NO_PORT is set"
    if signs.chosen or not signs.taken:
        return Verdict(BIND_NO_PORT, SURE, (BIND_NO_PORT,), why)
    why += ", yet bind() took the ports"
    if signs.taken >= _ENOUGH:
        return Verdict(BIND, LIKELY, (BIND, BIND_NO_PORT), why)
    return Verdict(BIND_NO_PORT, LIKELY, (BIND_NO_PORT, BIND), why)


def _port(signs: Signs) -> t.Tuple[t.Optional[bool], str, str]:
    """Return whether bind() took the ports, how sure that is, and why; None where nothing says so."""
    looked_at = signs.chosen + signs.taken
    found: t.Tuple[t.Optional[bool], str, str] = (None, UNKNOWN, "")
    if signs.taken and signs.chosen:
        why = "bind() took %d of %d ports that were looked at" % (signs.taken, looked_at)
        found = signs.taken > signs.chosen, LIKELY, why
    elif looked_at:
        certainty = SURE if looked_at >= min(_ENOUGH, signs.connections) else LIKELY
        if signs.taken and _can_only_be_bound(signs):
            certainty = SURE
        found = bool(signs.taken), certainty, "bind() took the ports" if signs.taken else "connect() chose the ports"
    elif signs.shared:
        # What was accepted has one port, too, and who listened may have stopped.
        certainty = SURE if signs.shared >= _ENOUGH else LIKELY
        found = False, certainty, "one source has a port towards several destinations"
    elif signs.crowded:
        why = "bind() took the ports of its sockets, or of some that share them"
        found = True, SURE if _can_only_be_bound(signs) else LIKELY, why
    elif signs.first + signs.last >= _ENOUGH_OF_PARITY:
        if signs.first >= (signs.first + signs.last) * _OF_ONE_PARITY:
            found = False, LIKELY, "the ports are those that connect() tries first"
        elif signs.last >= (signs.first + signs.last) * _OF_ONE_PARITY:
            found = True, LIKELY, "the ports are those that bind() tries first"
    return found


def _can_only_be_bound(signs: Signs) -> bool:
    """Tell whether connect() passes over enough ports of a source that is bound, without the option that takes none."""
    return bool(signs.taken + signs.crowded >= _ENOUGH and signs.off_route and signs.no_port is False)


def _chosen(signs: Signs, certainty: str, why: str) -> Verdict:
    if signs.no_port is None:
        # The option cannot be seen.
        if signs.off_route:
            return Verdict(BIND_NO_PORT, LIKELY, (BIND_NO_PORT,), why + ", and the source is not the route's")
        return Verdict(AUTOBIND, LIKELY, (AUTOBIND, BIND_NO_PORT), why + ", and the source may be the route's")
    if signs.off_route:
        # The route has changed since, or the socket is bound to an interface.
        return Verdict(AUTOBIND, LIKELY, (AUTOBIND,), why + ", though the route would give another source")
    return Verdict(AUTOBIND, certainty if signs.off_route is False else LIKELY, (AUTOBIND,), why)


def _bound(signs: Signs, certainty: str, why: str) -> Verdict:
    if signs.off_route:
        return Verdict(BIND, certainty if signs.plain else LIKELY, (BIND,), why + ", and the source is not the route's")
    if signs.off_route is False and signs.sources > 1:
        return Verdict(BIND_ANY, LIKELY, (BIND_ANY, BIND), why + ", and each source is the route's")
    return Verdict(BIND, LIKELY, (BIND, BIND_ANY), why + ", of this address or of the wildcard address")


def _by_source(signs: Signs) -> Verdict:
    """Judge by the source alone."""
    if signs.off_route and signs.no_port is False:
        why = "the source is not the route's, and IP_BIND_ADDRESS_NO_PORT is not set"
        return Verdict(BIND, LIKELY, (BIND,), why)
    if signs.off_route:
        return Verdict(None, UNKNOWN, (BIND, BIND_NO_PORT), "the source is not the route's, the ports tell nothing")
    return Verdict(None, UNKNOWN, (), "neither the ports nor the source tell")
