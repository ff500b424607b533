# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysctl_d and kernel_values together, against the real tools and a kernel that refuses lines.

Of a key whose last line is refused, systemd-sysctl writes none, and procps has written the ones before.
"""

from __future__ import annotations

import random
import typing as t

import differential
import pytest
import value_texts
from hypothesis import strategies as st
from oracles.sysctl_kernel import BEFORE

from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

#: Key -> what it has before, and after a reboot where no line is taken.
_VALUES = {sysctl_keys.normalize(key): value for key, value in BEFORE}
_NAMES = ("10-a.conf", "50-b.conf", "99-zz-fourtuple.conf", "99-zzz.conf")
_PATHS = st.builds(
    "%s/%s".__mod__, st.tuples(st.sampled_from(["/etc/sysctl.d", "/usr/lib/sysctl.d"]), st.sampled_from(_NAMES))
)
_SEEDS = st.integers(0, 2**32)


@st.composite
def _lines(draw: st.DrawFn, keys: t.Sequence[str]) -> str:
    key = draw(st.sampled_from(keys))
    spelled = draw(st.sampled_from([key, key, key, key.replace(".", "/"), key[:-1] + "*", "-" + key]))
    text = value_texts.near(random.Random(draw(_SEEDS)), key)
    return "%s=%s" % (spelled, draw(st.sampled_from([text, text, text, _VALUES[key], ""])))


@st.composite
def _trees(draw: st.DrawFn) -> differential.Given:
    # A few keys, so that lines compete.
    keys = draw(st.lists(st.sampled_from(list(_VALUES)), min_size=1, max_size=2, unique=True))
    texts = st.lists(_lines(keys), min_size=1, max_size=3).map(lambda lines: "\n".join(lines) + "\n")
    files = draw(st.dictionaries(_PATHS, texts, min_size=1, max_size=4))
    if draw(st.booleans()):
        files["/etc/sysctl.conf"] = draw(texts)
    return {"tree": {"files": files, "links": {}}, "planned": {}}


def _ours(root: str, given: differential.Given) -> dict[str, differential.Answer]:
    lines = sysctl_d.at_boot(Host(root))
    kernel = sysctl_d.kernel_at_start(Host(root))
    found = {}
    for key, _value in BEFORE:
        name = sysctl_keys.normalize(key)
        won, refused = sysctl_d.settle(lines, name, kernel)
        before = _VALUES[name] if won is None else won.value
        found[key] = differential.Answer(before, bool(refused))
    return found


@pytest.fixture(scope="module")
def comparison(compare: t.Callable[..., differential.Comparison]) -> differential.Comparison:
    return compare("sysctl_kernel", _ours, ("bookworm", "trixie", "sysvinit"))


@pytest.mark.parametrize("path", differential.found("sysctl_kernel"), ids=lambda path: path.stem)
def test_what_once_differed_agrees(comparison: differential.Comparison, path: t.Any) -> None:
    comparison(differential.load(path))


def test_a_key_after_boot_is_what_tool_and_kernel_make_of_it(
    comparison: differential.Comparison, trees: int, seed: int
) -> None:
    # Each takes as long as the real tools do; what a value means is test_kernel.py's.
    comparison.generated(_trees(), trees // 5, seed)
