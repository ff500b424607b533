# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts to write to sysctl keys: right ones, nearly right ones, and those at the edges."""

from __future__ import annotations

import random

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS

_EDGES = [0, 1, 7, 64, 1023, 1024, 8080, 65535, 65536, 2147483, 8589934, 8589935]
_EDGES += [2**power + more for power in (7, 8, 24, 31, 32, 63, 64) for more in (-1, 0, 1)]
_ODD = ["010", "0200", "0x10", "0X1f", "0xg", "08", "0x", "00", "00000000000000000007", "000000000000000000007"]
_ODD += ["-0", "-1", "-2147483648", "-2147483649", "+5", "1e3", "1_000", "1.0", "-", "--1"]
_ENDS = ["", "\n", "\n", "\n", " \n", "\t\n", "  # why\n", " ; why\n"]
_ENDS += ["#\n", "\r\n", " \r\n", "\n\n", "\0\n", " x", ","]
_CHARACTERS = " \t\n\v\f\r\0\xa0,-;:#\"'x0189afg."


def near(choose: random.Random, key: str) -> str:
    """Return a text that a key might take, often with a fault or two in it; ``choose`` makes it the same again."""
    if key == RESERVED_PORTS:
        parts = [_ports(choose) for _ in range(choose.randint(0, 5))]
        text = choose.choice([",", ",", ",", "\n", " ", ", "]).join(parts)
    elif key == PORT_RANGE:
        low, high = sorted(choose.sample(range(900, 65600), 2))
        text = "%d%s%d" % (low, choose.choice(" \t\n"), high)
    else:
        text = choose.choice("  \t\n").join(_number(choose, key) for _ in range(choose.choice([1, 1, 1, 2, 3, 4])))
    text = choose.choice(["", "", "", " ", "\t", "\n"]) + text + choose.choice(_ENDS)
    for _ in range(choose.choice([0, 0, 0, 1, 2])):
        place = choose.randint(0, len(text))
        text = text[:place] + choose.choice([choose.choice(_CHARACTERS), ""]) + text[place + choose.randint(0, 1) :]
    return text


def _number(choose: random.Random, key: str) -> str:
    least, most = sysctl_keys.bounds(key, Kernel()) or (0, 65535)
    number = choose.choice(
        [
            choose.choice(_EDGES),
            choose.choice([least, most]) + choose.randint(-1, 1),
            choose.randint(least, most),
            choose.randrange(2 ** choose.randint(1, 66)),
        ]
    )
    spelled = choose.choice(["%d", "%d", "%d", "0x%x", "0%o"]) % number
    return choose.choice([spelled, spelled, spelled, choose.choice(_ODD)])


def _ports(choose: random.Random) -> str:
    low = choose.randint(0, 65600)
    port = choose.choice(["%d", "%d", "%d", "0x%x", "0%o"]) % low
    return choose.choice([port, port, "%s-%d" % (port, low + choose.randint(-3, 30)), choose.choice(_ODD)])
