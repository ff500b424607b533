# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pam_stack, and what nofile_subjects makes of it, against sessions that libpam opens on Debian 12 and 13.

Only modules whose answer is known stand in the stacks, so that there is one way through each. What a stack includes is
there: libpam opens no session where it is not, our code passes it over.
"""

from __future__ import annotations

import pathlib
import typing as t

import differential
import pytest
from differential import mostly
from hypothesis import strategies as st
from oracles.stacks import SERVICES

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_stack
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import effective

_WAYS = dict(zip(SERVICES, ("ssh", "console", "cron"), strict=True))
_PLACES = ("/etc/pam.d/", "/usr/lib/pam.d/")
_LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \n"
_LIMITS += "Max open files            %-20d %-20d files     \n"
_CONFS = {
    "/etc/security/limits.conf": "alice - nofile 3000\n",
    "/etc/security/limits.d/a.conf": "alice hard nofile 3100\n",
    "/etc/security/a.conf": "alice soft nofile 900\nalice hard nofile 5000\n",
    "/etc/security/b.conf": "bob - nofile 700\n",
}

_TYPES = ("Session", "-session", "auth", "-SESSION", "account", "\tsession", "sesion")
_CONTROLS = (
    *(
        "[success=1 default=ignore]",
        "[success=ok ignore=ignore default=bad]",
        "[success=done default=die]",
        "[default=1]",
    ),
    *(
        "[success=2 default=ignore]",
        "[default=ignore]",
        "[success=reset ignore=reset default=ok]",
        "[success=die]",
        "REQUIRED",
    ),
    *(
        "[ success = 1  default=ignore ]",
        "[success=0]",
        "[bogus=1]",
        "[success=ok",
        "[default=ignore success=bad]",
        "[a\\]=1]",
    ),
    *("[success=99999999999 default=ok]", "[success=3 default=1]", "[ignore=1 default=ok]", "success=1", "requird"),
)
_MODULES = ("pam_permit.so", "pam_permit.so", "pam_warn.so", "pam_limits.so", "pam_limits.so", "pam_permit.so x=1")
_ARGUMENTS = (
    *(
        "conf=/etc/security/a.conf",
        "conf=/etc/security/b.conf",
        "noaudit",
        "utmp_early conf=/etc/security/a.conf",
        "set_all",
    ),
    *(
        "[conf=/etc/security/a.conf]",
        "conf=/etc/security/b.conf conf=/etc/security/a.conf",
        "# conf=/etc/security/a.conf",
    ),
    *("CONF=/etc/security/a.conf", "\\\n conf=/etc/security/a.conf"),
)


@st.composite
def _lines(draw: st.DrawFn, included: t.Sequence[str]) -> str:
    kind = draw(mostly(("session",), _TYPES, 8))
    if included and not draw(st.integers(0, 3)):
        name = draw(st.sampled_from(included))
        how = draw(
            st.sampled_from(["@include", "session include", "session substack", kind + " include", kind + " substack"])
        )
        return "%s %s\n" % (how, name)
    control = draw(mostly(("required", "requisite", "optional", "sufficient"), _CONTROLS, 3))
    module = draw(mostly(_MODULES, ("pam_deny.so",), 24))
    if module == "pam_limits.so" and draw(st.booleans()):
        module += " " + draw(st.sampled_from(_ARGUMENTS))
    blank = draw(mostly((" ",), ("\t", "  \t", " \\\n  "), 6))
    return blank.join((kind, control, module)) + draw(mostly(("\n",), (" # c\n", "\n\n", "\n# c\n", " \n"), 6))


@st.composite
def _files(draw: st.DrawFn, included: t.Sequence[str], least: int) -> str:
    return "".join(draw(st.lists(_lines(included), min_size=least, max_size=6)))


@st.composite
def _trees(draw: st.DrawFn) -> differential.Given:
    files = dict(_CONFS)
    commons = ["c3"]
    files["/etc/pam.d/c3"] = draw(_files([], 0))
    for name in ("c2", "c1"):
        files["/etc/pam.d/" + name] = draw(_files(commons, 1))
        commons.append(name)
    for service in (*SERVICES, "other"):
        if draw(st.integers(0, 5)):
            files[draw(mostly(_PLACES[:1], _PLACES[1:], 6)) + service] = draw(_files([*commons, "/etc/pam.d/c1"], 1))
    stand_ins = {"/proc/1/limits": _LIMITS % (18000, 19500), "/proc/sys/fs/nr_open": "1048576\n"}
    return {"tree": {"files": files, "links": {}}, "planned": {}, "stand_ins": stand_ins}


def _ours(root: str, given: differential.Given) -> dict[str, differential.Answer]:
    host = Host(root)
    found = {}
    for service, way in _WAYS.items():
        stack = pam_stack.stack(host, service)
        if stack is None or not stack.ways:
            found[service] = differential.Answer([0, 0], False)
            continue
        assert len(stack.ways) == 1
        limits = effective.Subjects(host, {}, ways=[way]).user("users", "alice")["now"]
        found[service] = differential.Answer([limits["soft"], limits["hard"]], True)
    return found


@pytest.fixture(scope="module")
def comparison(compare: t.Callable[..., differential.Comparison]) -> differential.Comparison:
    return compare("stacks", _ours, ("bookworm", "trixie"))


@pytest.mark.parametrize("path", differential.found("stacks"), ids=lambda path: path.stem)
def test_what_once_differed_agrees(comparison: differential.Comparison, path: pathlib.Path) -> None:
    comparison(differential.load(path))


def test_a_session_goes_through_its_stack_as_libpam_does(
    comparison: differential.Comparison, trees: int, seed: int
) -> None:
    comparison.generated(_trees(), trees, seed)
