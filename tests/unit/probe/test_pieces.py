# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece, Pieces, split

V4 = [ipaddress.ip_address("198.51.100.1") + number for number in range(4)]
V6 = [ipaddress.ip_address("2001:db8::1") + number for number in range(4)]
SERVERS4 = [("192.0.2.1", 7000 + number) for number in range(4)]
SERVERS6 = [("2001:db8:1::1", 7000 + number) for number in range(4)]

RANGES = st.tuples(st.integers(1, 65535), st.integers(0, 2000)).map(lambda pair: (pair[0], min(65535, sum(pair))))
SOURCES = st.lists(st.sampled_from(V4 + V6), unique=True)
DESTINATIONS = st.lists(st.sampled_from(SERVERS4 + SERVERS6), unique=True, min_size=1)


def pieces(sources=(), destinations=SERVERS4[:1], bind=False, ports=(1024, 65535), target=10**9, narrowing=True):
    return Pieces(list(sources), destinations, bind, ports, ports[1] - ports[0] + 1, target, narrowing)


def lanes(sources, destinations, bind):
    """What a port can be taken for, one by one."""
    found = []
    for version, ours in (
        (4, [d for d in destinations if d in SERVERS4]),
        (6, [d for d in destinations if d in SERVERS6]),
    ):
        own = [str(source) for source in sources if source.version == version] if sources else [None]
        targets = [tuple(ours)] if bind and ours else [(destination,) for destination in ours]
        found += itertools.product(own, targets)
    return found


def lane(piece):
    return piece.source, tuple(piece.destinations)


@given(SOURCES, DESTINATIONS, st.booleans(), RANGES)
def test_blocks_cover_every_port_of_every_lane_once(sources, destinations, bind, ports):
    made = pieces(sources, destinations, bind, ports)
    expected = lanes(sources, destinations, bind)
    assert made.blocks == bool(expected) or not expected
    covered = collections.Counter(
        (lane(piece), port) for piece in made for port in range(piece.ports[0], piece.ports[1] + 1)
    )
    assert covered == dict.fromkeys(itertools.product(expected, range(ports[0], ports[1] + 1)), 1)
    assert len(made) == len(list(made))


@given(SOURCES, DESTINATIONS, st.booleans(), RANGES)
def test_ports_that_are_named_once_each(sources, destinations, bind, named):
    made = Pieces(sources, destinations, bind, (1, 2), 0, 10, False, named)
    covered = collections.Counter(
        (lane(piece), port) for piece in made for port in range(piece.ports[0], piece.ports[1] + 1)
    )
    expected = itertools.product(lanes(sources, destinations, bind), range(named[0], named[1] + 1))
    assert covered == dict.fromkeys(expected, 1)
    assert all(piece.limit == piece.ports[1] - piece.ports[0] + 1 for piece in made)


@given(RANGES, st.data())
def test_a_piece_in_two(ports, data):
    limit = data.draw(st.integers(0, ports[1] - ports[0] + 1))
    whole = Piece("198.51.100.1", SERVERS4[:1], ports, ports[1] - ports[0] + 1)
    first, rest = split(whole, limit, True)
    assert (first.limit, rest.limit) == (limit, whole.limit - limit)
    assert [*range(first.ports[0], first.ports[1] + 1), *range(rest.ports[0], rest.ports[1] + 1)] == list(
        range(ports[0], ports[1] + 1)
    )
    assert split(whole, limit, False) == (whole._replace(limit=limit), whole._replace(limit=whole.limit - limit))


@given(RANGES)
def test_no_block_has_an_odd_number_of_ports_above_one(ports):
    sizes = [piece.ports[1] - piece.ports[0] + 1 for piece in pieces(ports=ports)]
    assert all(size == 1 or size % 2 == 0 for size in sizes)
    assert sizes.count(1) == (ports[1] - ports[0] + 1) % 2


@given(RANGES)
def test_the_kernel_says_that_a_block_is_full(ports):
    assert all(piece.limit == piece.ports[1] - piece.ports[0] + 2 for piece in pieces(ports=ports))


@given(SOURCES, DESTINATIONS, st.booleans(), RANGES, st.floats(0, 1))
def test_while_it_does_no_lane_gets_beyond_half(sources, destinations, bind, ports, part):
    half = (ports[1] - ports[0] + 1) // 2
    expected = lanes(sources, destinations, bind)
    target = int(part * half * len(expected))
    made = pieces(sources, destinations, bind, ports, target)
    assert made.blocks is False
    given_to, left = collections.Counter(), target
    for piece in made:
        taken = min(piece.limit, left)
        given_to[lane(piece)] += taken
        left -= taken
    assert left == 0
    assert all(number <= half for number in given_to.values())


@given(SOURCES, DESTINATIONS, st.booleans(), RANGES)
def test_without_narrowing_every_lane_is_filled_until_the_kernel_says_so(sources, destinations, bind, ports):
    made = pieces(sources, destinations, bind, ports, narrowing=False)
    assert made.blocks is False
    given_to = collections.Counter()
    for piece in made:
        assert piece.ports is None
        assert 0 < piece.limit <= 512
        given_to[lane(piece)] += piece.limit
    assert given_to == dict.fromkeys(lanes(sources, destinations, bind), ports[1] - ports[0] + 2)


@given(SOURCES, DESTINATIONS, st.booleans(), RANGES, st.booleans())
def test_every_lane_gets_its_turn_before_any_gets_another(sources, destinations, bind, ports, narrowing):
    seen = collections.Counter()
    for piece in pieces(sources, destinations, bind, ports, narrowing=narrowing):
        seen[lane(piece)] += 1
        assert max(seen.values()) - min(seen.get(each, 0) for each in lanes(sources, destinations, bind)) <= 1


@given(RANGES, st.lists(st.integers(1, 10**6), min_size=2, max_size=5))
def test_more_is_never_given_less(ports, targets):
    capacities = [
        sum(piece.limit for piece in pieces(V4[:2], SERVERS4[:2], False, ports, target)) for target in sorted(targets)
    ]
    assert all(
        have >= min(want, 4 * (ports[1] - ports[0] + 1)) for have, want in zip(capacities, sorted(targets), strict=True)
    )
    assert [pieces(V4[:2], ports=ports, target=target).blocks for target in sorted(targets)] == sorted(
        pieces(V4[:2], ports=ports, target=target).blocks for target in targets
    )


def test_reserved_ports_lower_half():
    def made(usable, target):
        return Pieces([], SERVERS4[:1], False, (1000, 1099), usable, target, True)

    assert made(100, 50).blocks is False
    assert made(90, 45).blocks is False
    assert made(90, 46).blocks is True
    assert made(0, 1).blocks is True


def test_the_default_range():
    made = pieces(V4[:2], SERVERS4[:1], target=2 * 32256)
    assert made[0] == Piece("198.51.100.1", SERVERS4[:1], None, 512)
    assert made[1] == Piece("198.51.100.2", SERVERS4[:1], None, 512)
    assert [piece.limit for piece in made][-4:] == [512, 512, 1, 1]
    made = pieces(V4[:2], SERVERS4[:1], target=2 * 32256 + 1)
    assert made[0] == Piece("198.51.100.1", SERVERS4[:1], (1024, 1151), 129)
    assert made[-1 + len(made)] == Piece("198.51.100.2", SERVERS4[:1], (65408, 65535), 129)


@pytest.mark.parametrize("index", [-1, 504 * 2, 10**9])
def test_beyond_the_last_there_is_none(index):
    with pytest.raises(IndexError):
        pieces(V4[:2])[index]


def test_a_source_only_meets_its_own_family():
    made = pieces([V4[0], V6[0]], [SERVERS4[0], SERVERS6[0], SERVERS6[1]], ports=(1000, 1001))
    assert [lane(piece) for piece in made] == [
        ("198.51.100.1", (SERVERS4[0],)),
        ("2001:db8::1", (SERVERS6[0],)),
        ("2001:db8::1", (SERVERS6[1],)),
    ]
