# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of every "no" in this collection."""

from __future__ import annotations

import typing as t

#: 2^128 has as many; Python's int() refuses some thousands of digits with an error of its own.
_MAX_DIGITS = 39


class Refusal(Exception):
    """Input or a host state that the collection does not accept.

    Raised before anything is changed. The text names the place, the value found there, what is
    allowed and the remedy, in this order, so that every refusal reads alike.

    where:   a variable (``limits_nofile_hard``) or ``file:line``
    value:   what stands there, shown as Python would write it
    allowed: what may stand there
    remedy:    what to do, one sentence in the imperative
    """

    def __init__(self, where: str, value: object, allowed: str, remedy: str) -> None:
        self.where = where
        self.value = value
        self.allowed = allowed
        self.remedy = remedy
        super().__init__("%s is %s; allowed: %s. %s" % (where, _shown(value), allowed, remedy))


def place_of(path: str, line: int) -> str:
    """Return ``path:line``; line 0 is no file's line, and left out."""
    return "%s:%d" % (path, line) if line else path


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def decimal(text: str) -> t.Optional[int]:
    """Return the number that a text of ASCII digits is, None for any other; no number of a host has more digits.

    str.isdecimal() and str.isdigit() hold for the digits of every script, and for what int() does not take.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def whole_number(where: str, value: object, minimum: int, maximum: int, remedy: str) -> int:
    """Return ``value`` as an int within [minimum, maximum], or refuse it.

    A number may come as int or as decimal text. A boolean is refused although Python calls it an
    int: YAML 1.1 turns a bare ``yes`` into true, and true is not the number 1 that someone meant.
    """
    allowed = "a whole number from %d to %d" % (minimum, maximum)
    if isinstance(value, bool):
        raise Refusal(where, value, allowed, "YAML reads yes, no, on and off as booleans: write a number.")
    number = decimal(value.strip()) if isinstance(value, str) else None
    if number is not None:
        value = number
    if not isinstance(value, int) or not minimum <= value <= maximum:
        raise Refusal(where, value, allowed, remedy)
    return value
