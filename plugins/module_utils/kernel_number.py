# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One number of a text that is written to a key below /proc/sys, read as the kernel reads it.

kernel/sysctl.c: proc_get_long, and under it strtoul_lenient with base 0 (Linux 5.2 and later).
"""

from __future__ import annotations

import re
import typing as t

#: proc_skip_spaces goes by isspace(), and the kernel's own table of it (lib/ctype.c) has Latin-1's no-break space.
_SPACES = b" \t\n\v\f\r\xa0"
#: proc_wspace_sep: what may follow a number where no other separators are named.
BLANKS = b" \t\n"
#: TMPBUFLEN less one: a number that fills it might go on behind.
_LONGEST = 21
#: _parse_integer_fixup_radix: "0x" needs a digit behind it, else it is the octal number 0 with an "x" after it.
_NUMBER = re.compile(rb"(-?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_BASES = (16, 8, 10)


class Number(t.NamedTuple):
    """``size``, a minus sign before it apart, as 0 has one too; ``rest``: what follows in the text."""

    negative: bool
    size: int
    rest: bytes


def skip_spaces(data: bytes) -> bytes:
    """Return ``data`` from its first byte on that is no white space of the kernel's."""
    return data.lstrip(_SPACES)


def read_number(data: bytes, word_size: int, separators: bytes = BLANKS) -> t.Optional[Number]:
    """Return the number that ``data`` begins with, None where the kernel answers EINVAL.

    Decimal, octal after a 0, hexadecimal after 0x. No sign but a minus, no digits grouped, no exponent.

    word_size:  of the kernel's unsigned long, in bits
    separators: one of these must follow, where anything does
    """
    # Of more than a page the kernel looks at the first, and of a number at no more than this.
    match = _NUMBER.match(data[:_LONGEST])
    if match is None or match.end() == _LONGEST:
        return None
    digits, base = next((text, base) for text, base in zip(match.groups()[1:], _BASES) if text is not None)
    size = int(digits, base)
    rest = data[match.end() :]
    if size >> word_size or (rest and rest[0] not in separators):
        return None
    return Number(bool(match.group(1)), size, rest)
