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
_SPACES = re.compile(rb"[ \t\n\v\f\r\xa0]+")
#: proc_wspace_sep: what may follow a number where no other separators are named.
BLANKS = b" \t\n"
#: TMPBUFLEN less one: a number that fills it might go on behind.
_LONGEST = 21
#: _parse_integer_fixup_radix: "0x" needs a digit behind it, else it is the octal number 0 with an "x" after it.
_NUMBER = re.compile(rb"(-?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_BASES = (16, 8, 10)


class Number(t.NamedTuple):
    """``size``, a minus sign before it apart, as 0 has one too; ``end``: where the text goes on."""

    negative: bool
    size: int
    end: int


def skip_spaces(data: bytes, start: int) -> int:
    """Return the place from ``start`` on of the first byte that is no white space of the kernel's."""
    match = _SPACES.match(data, start)
    return start if match is None else match.end()


def read_number(data: bytes, start: int, word_size: int, separators: bytes = BLANKS) -> t.Optional[Number]:
    """Return the number that ``data`` has at ``start``, None where the kernel answers EINVAL.

    Decimal, octal after a 0, hexadecimal after 0x. No sign but a minus, no digits grouped, no exponent.

    word_size:  of the kernel's unsigned long, in bits
    separators: one of these must follow, where anything does
    """
    match = _NUMBER.match(data, start, start + _LONGEST)
    if match is None or match.end() == start + _LONGEST:
        return None
    digits, base = next((text, base) for text, base in zip(match.groups()[1:], _BASES) if text is not None)
    size = int(digits, base)
    end = match.end()
    if size >> word_size or (end < len(data) and data[end] not in separators):
        return None
    return Number(bool(match.group(1)), size, end)
