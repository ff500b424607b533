# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input to throw at parsers: arbitrary bytes, samples with a few mistakes in them, and arbitrary JSON."""

from __future__ import annotations

import contextlib
import signal
import types
import typing as t

from hypothesis import strategies as st

#: What has broken parsers before: digits that int() does not take, or takes too many of; what ends a line for one
#: reader and not for another; what a path or a file's name cannot be; what regular expressions backtrack on.
_NASTY = [
    "", " ", "\t", "\n", "\r", "\r\n", "\0", "\v", "\f", "\x1c", "\x85", "\u2028", "\ufeff", "\udcff", "\udc80", "\\",
    '"', "'", "#", ";", ":", "=", "-", "*", "?", "[", "]", "[z-a]", "[!", "**", "/", "//", ".", "..", "/../..", ",",
    "@", "%", "$", "~", "\u0663", "\u00b2", "\u2460", "0", "-1", "00", "0x", "1e9", "1_0", "+5", "9" * 25, "9" * 5000,
    "1" * 700, str(2**31), str(2**32), str(2**63), str(2**64), "nan", "inf", "\\000", "\\777", "é" * 90,
]  # fmt: skip


def decode(data: bytes) -> str:
    """Return bytes as read_text() returns a file's."""
    return data.decode("utf-8", "surrogateescape")


def texts(*samples: str) -> st.SearchStrategy[str]:
    """Return texts: samples put together anew from their lines and words, with nasty pieces, and any bytes at all."""
    words = sorted({word for sample in samples for word in sample.replace("=", " = ").replace(":", " : ").split(" ")})
    lines = sorted({line + "\n" for sample in samples for line in sample.split("\n")})
    pieces = st.sampled_from(words + _NASTY) | st.sampled_from(lines) | st.binary(max_size=8).map(decode)
    composed = st.lists(pieces, max_size=12).map("".join)
    return st.one_of(composed, *map(_mutated, samples), st.binary(max_size=80).map(decode))


@st.composite
def _mutated(draw: st.DrawFn, sample: str) -> str:
    """Replace up to four stretches of a sample."""
    text = sample
    for _time in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 12)))
        piece = draw(st.sampled_from(_NASTY) | st.text(max_size=4) | st.binary(max_size=4).map(decode))
        text = text[:begin] + piece + text[end:]
    return text


@st.composite
def octets(draw: st.DrawFn, *samples: bytes) -> bytes:
    """Return bytes: any at all, or a sample that was cut, spliced or changed in places."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(samples)))
    for _time in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        width = draw(st.sampled_from((1, 2, 4)))
        data[place : place + width] = draw(
            st.binary(min_size=width, max_size=width) | st.sampled_from((b"\0" * width, b"\xff" * width))
        )
    begin, end = draw(st.integers(0, 3)), draw(st.integers(0, len(data)))
    return bytes(data[begin:] if draw(st.booleans()) else data[:end])


#: What YAML and JSON give, and what a variable holds that is none of what its name says.
SCALARS: st.SearchStrategy[t.Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 10**19, 0.5, float("inf"), float("nan"), -0.0]),
    st.floats(),
    st.sampled_from(_NASTY),
    st.text(max_size=6),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def near(value: t.Any) -> st.SearchStrategy[t.Any]:
    """Return values like ``value``: it, the same with some part replaced by anything, or anything."""
    return st.one_of(st.just(value), _changed(value), JSON)


@st.composite
def _changed(draw: st.DrawFn, value: t.Any) -> t.Any:
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value, key=str)))
        rest = {name: one for name, one in value.items() if name != key}
        return rest if draw(st.integers(0, 4)) == 0 else {**rest, key: draw(_changed(value[key]))}
    if isinstance(value, list) and value:
        place = draw(st.integers(0, len(value) - 1))
        return value[:place] + [draw(_changed(value[place]))] + value[place + 1 :]
    if isinstance(value, str) and draw(st.booleans()):
        return draw(_mutated(value))
    return draw(JSON)


class Hung(BaseException):
    """It did not come back. No Exception, so that no handler on the way takes it for its own."""


@contextlib.contextmanager
def within(seconds: float) -> t.Iterator[None]:
    """Raise Hung in whatever takes longer: in a loop of Python as in an open(2) that waits."""

    def stop(_number: int, frame: types.FrameType | None) -> None:
        raise Hung("still busy after %d seconds" % seconds)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
