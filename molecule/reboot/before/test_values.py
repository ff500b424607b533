# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel_values against a kernel of its own: the keys that no network namespace has, fs.nr_open most of all.

tests/differential does the same in a namespace, with the other keys.
"""

from __future__ import annotations

import base64
import errno
import json
import random
import typing as t

import pytest
import value_texts

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel

#: Key -> how many texts.
_KEYS = {
    "fs.nr_open": 300,
    "fs.file-max": 300,
    "fs.aio-max-nr": 50,
    "fs.epoll.max_user_watches": 50,
    "kernel.pid_max": 50,
    "kernel.threads-max": 50,
    "net.core.netdev_budget": 30,
    "net.core.netdev_max_backlog": 30,
    "net.core.rmem_default": 30,
    "net.core.rmem_max": 50,
    "net.core.wmem_default": 30,
    "net.core.wmem_max": 50,
    "net.ipv4.neigh.default.gc_thresh3": 30,
    "net.ipv4.tcp_max_orphans": 30,
    "net.ipv4.tcp_mem": 50,
    "net.ipv4.udp_mem": 50,
    "vm.max_map_count": 50,
}


@pytest.fixture(scope="module")
def answers(write_values: t.Callable[[str], str]) -> list[tuple[str, str, str, str, int]]:
    """What came of each text: key, text, the value before and after, and the error number."""
    choose = random.Random(11)
    texts = []
    for key, count in _KEYS.items():
        low, high = sysctl_keys.bounds(key, Kernel()) or (0, 0)
        texts += [(key, "%d\n" % number) for number in (low - 1, low, high, high + 1)]
        texts += [(key, value_texts.near(choose, key)) for _ in range(count)]
    given = base64.b64encode(json.dumps(texts).encode()).decode()
    return [(*text, *answer) for text, answer in zip(texts, json.loads(write_values(given)), strict=True)]


def test_the_kernel_takes_what_we_say(answers: list[tuple[str, str, str, str, int]]) -> None:
    assert [
        (key, text, before, after, number)
        for key, text, before, after, number in answers
        if sysctl_keys.written(key, text.encode("latin-1"), Kernel(), before) != (after, number != 0)
    ] == []


def test_both_answers_were_given(answers: list[tuple[str, str, str, str, int]]) -> None:
    for key in _KEYS:
        numbers = {number for found, _text, _before, _after, number in answers if found == key}
        assert numbers == {0, errno.EINVAL}, key
