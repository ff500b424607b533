# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of every "no" in this collection."""

from __future__ import annotations


class Refusal(Exception):
    """Input or a host state that the collection does not accept.

    Raised before anything is changed. The text names the place, the value found there, what is
    allowed and how to mend it, in this order, so that every refusal reads alike.

    where:   a variable (``limits_nofile_hard``) or ``file:line``
    value:   what stands there, shown as Python would write it
    allowed: what may stand there
    mend:    the way out, one sentence in the imperative
    """

    def __init__(self, where: str, value: object, allowed: str, mend: str) -> None:
        self.where = where
        self.value = value
        self.allowed = allowed
        self.mend = mend
        super().__init__("%s is %r; allowed: %s. %s" % (where, value, allowed, mend))


def whole_number(where: str, value: object, minimum: int, maximum: int, mend: str) -> int:
    """Return ``value`` as an int within [minimum, maximum], or refuse it.

    A number may come as int or as decimal text. A boolean is refused although Python calls it an
    int: YAML 1.1 turns a bare ``yes`` into true, and true is not the number 1 that someone meant.
    """
    allowed = "a whole number from %d to %d" % (minimum, maximum)
    if isinstance(value, bool):
        raise Refusal(where, value, allowed, "YAML reads yes, no, on and off as booleans: write a number.")
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if not isinstance(value, int) or not minimum <= value <= maximum:
        raise Refusal(where, value, allowed, mend)
    return value
