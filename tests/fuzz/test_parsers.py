# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser takes anything: it returns, or raises the error of its own, and soon."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import within
from targets import BYTES, TEXT, VARIABLES, Target

_ALL = {**TEXT, **BYTES, **VARIABLES}


@pytest.mark.parametrize("name", _ALL)
@given(data=st.data())
def test_parser_raises_only_its_own_error(name: str, data: st.DataObject) -> None:
    target = _ALL[name]
    value = data.draw(target.inputs)
    with within(60), contextlib.suppress(*target.errors):
        target.call(value)


#: Seconds of the processor that a hundred thousand characters may take in any case: what is linear needs a tenth of it,
#: what is quadratic in C takes seconds, and in Python minutes.
_SOON = 0.5
_SHORT, _LONG = 1000, 100_000
#: A hundred times the input may take so many times as long, which leaves room for a logarithm and for noise.
_MAX = 500


@pytest.mark.parametrize("name", [name for name, target in TEXT.items() if target.pieces])
def test_time_grows_with_the_length(name: str) -> None:
    target = TEXT[name]
    # Every few of a sample's pieces; nightly all.
    step = 1 if settings().max_examples > 1000 else 1 + len(target.pieces) // 8
    for piece in (*target.pieces[::step], " ", "-", "0", "9", "\\\n", "[", "*", "a", "é"):
        for text in (piece, piece + "\n"):
            taken = _seconds(target, text * (_LONG // len(text)))
            assert taken < _SOON or taken < _MAX * _seconds(target, text * (_SHORT // len(text))), (text, taken)


def _seconds(target: Target, text: str) -> float:
    begun = time.process_time()
    with within(60), contextlib.suppress(*target.errors):
        target.call(text)
    return time.process_time() - begun
