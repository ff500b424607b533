# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel_values against the kernel that runs: each kind of key, and thousands of texts, most of them nearly right."""

from __future__ import annotations

import collections
import errno
import json
import pathlib
import random
import subprocess
import sys
import typing as t

import pytest
import value_texts

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    PORT_RANGE,
    RESERVED_PORTS,
    UNPRIVILEGED_START,
)

_ORACLE = pathlib.Path(__file__).parent / "oracles/kernel.py"

#: Keys that a new network namespace owns, of every kind.
_KEYS = {
    "int with a least value": "net.core.somaxconn",
    "int": "net.ipv4.tcp_max_tw_buckets",
    "uint": "net.ipv4.tcp_notsent_lowat",
    "uint with a greatest value": "net.ipv4.tcp_child_ehash_entries",
    "ulong": "net.ipv4.tcp_comp_sack_delay_ns",
    "u8": "net.ipv4.ip_nonlocal_bind",
    "u8 with a greatest value": "net.ipv4.tcp_tw_reuse",
    "jiffies": "net.ipv4.tcp_fin_timeout",
    "three ints": "net.ipv4.tcp_rmem",
    "range": PORT_RANGE,
    "first unprivileged port": UNPRIVILEGED_START,
    "list of ports": RESERVED_PORTS,
}
#: For each of the trees that other resolvers get.
_TEXTS_OF_A_TREE = 3


def _ask(texts: t.Sequence[tuple[str, str]]) -> list[tuple[str, str, int]]:
    done = subprocess.run(
        [sys.executable, "-B", _ORACLE], input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True
    )
    return [(before, after, number) for before, after, number in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """The kernel that runs, with its timer: of which the kernel tells by what it refuses alone."""
    found = [Kernel(hz=hz) for hz in (100, 250, 300, 1000)]
    longest = [sysctl_keys.bounds(_KEYS["jiffies"], one) or (0, 0) for one in found]
    answers = _ask([(_KEYS["jiffies"], "%d\n" % high) for _low, high in longest])
    return next(one for one, (_before, _after, number) in zip(found, answers, strict=True) if number == 0)


@pytest.mark.parametrize("kind", _KEYS)
def test_the_kernel_takes_what_we_say(kernel: Kernel, kind: str, trees: int, seed: int) -> None:
    choose = random.Random("%s %s" % (kind, seed))
    key = _KEYS[kind]
    texts = [(key, value_texts.near(choose, key)) for _ in range(trees * _TEXTS_OF_A_TREE)]
    # Each begins where the one before has left the key.
    answers = _ask(texts)
    counts: collections.Counter[int] = collections.Counter()
    for (_key, text), (before, after, number) in zip(texts, answers, strict=True):
        said = sysctl_keys.written(key, text.encode("latin-1"), kernel, before)
        assert number in (0, errno.EINVAL)
        assert (said.value, said.refused) == (after, number != 0), "%r to %s, which was %s" % (text, key, before)
        counts[number] += 1
    # Neither of the answers is the usual one.
    assert min(counts[0], counts[errno.EINVAL]) >= len(texts) / 10, counts


def test_the_port_range_and_the_first_unprivileged_port_bound_each_other(kernel: Kernel, trees: int, seed: int) -> None:
    choose = random.Random(seed)
    keys = [choose.choice([PORT_RANGE, UNPRIVILEGED_START]) for _ in range(trees)]
    edges = [0, 80, 1000, 1023, 1024, 1025, 32767, 32768, 32769, 65535]
    texts = [(key, " ".join(str(choose.choice(edges)) for _ in range(1 + (key == PORT_RANGE)))) for key in keys]
    values = {PORT_RANGE: "32768 60999", UNPRIVILEGED_START: "1024"}
    taken = 0
    for (key, text), (before, after, number) in zip(texts, _ask(texts), strict=True):
        assert before == values[key]
        start, first = int(values[UNPRIVILEGED_START]), int(values[PORT_RANGE].split()[0])
        now = kernel._replace(unprivileged_start=start, range_start=first)
        said = sysctl_keys.taken(key, text, now, before)
        assert said == (None if number else after), "%r to %s, with %s" % (text, key, values)
        values[key] = after
        taken += not number
    assert taken >= trees / 20
