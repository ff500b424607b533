# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pam_limits and nofile_subjects against real sessions of pam_limits on Debian 12 and 13.

No session may raise its hard limit: the hosts have no CAP_SYS_RESOURCE. So what the kernel refuses is among what is
compared. Files stand in for fs.nr_open and the limits of PID 1; the kernel itself knows but the machine's, and so no
fs.nr_open is below what a session inherits.
"""

from __future__ import annotations

import pathlib
import typing as t

import differential
import pytest
from differential import mostly
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import effective
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

_LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \n"
_LIMITS += "Max open files            %-20d %-20d files     \n"

_LIMITS_CONF = "/etc/security/limits.conf"
_NAMES = ("10-x.conf", "9-y.conf", "99-zz-fourtuple.conf", "B.conf", "a.conf", "zz.conf")
_ODD_NAMES = (".hidden.conf", "_.conf", "n.txt", "\xc3\xa9.conf", "\xff.conf")


_COMMON_DOMAINS = (
    "*",
    "root",
    "alice",
    "bob",
    "@staff",
    "@wheel",
    "@alice",
    "1000:",
    "1000:1500",
    "0:",
    "@50:",
    "@:50",
)
_ODD_DOMAINS = (
    ("carol", "@root", "@carol", "%staff", "%", ":1000", ":0", ":2000", "@0:100", "@:0", "@:60", "%:0", "%0:5", "x:1")
    + ("1:x", ":", "@:", "-5:", "+0:", "0:4294967296", "@nosuch", "nosuch", "@", "1:2:3", "4294967296:", "**", "ALICE")
    + ("@@staff", "@1000:1000", "1001:1001", "2000:1000", "alice:", "@*", "\xff", "0x3e8:", "01000:")
)
_ODD_TYPES = ("HARD", "Soft", "firm", "--", "hard,soft", "")
_ODD_ITEMS = ("NOFILE", "nofiles", "nofil", "core", "memlock", "nice")
_ODD_VALUES = (
    (
        "-",
        "UNLIMITED",
        "Infinity",
        "0x10",
        "12k",
        "many",
        "-5",
        "+77",
        "0",
        "010",
        "99999999999999999999",
        "-1abc",
        "4 5",
    )
    + ("unlimited 5", "1048576", "1048577", "18446744073709551615", "18446744073709551614", "-18446744073709551516")
    + ("20001", "15001", "5 # five", "5#five", "1e3", "unlimitedx", "\xa05")
)


@st.composite
def _lines(draw: st.DrawFn) -> str:
    blank = mostly((" ", "\t", "  ", " \t "), ("\v", "\f", "\r"), 12)
    domain = draw(mostly(_COMMON_DOMAINS, _ODD_DOMAINS, 3))
    number = str(draw(st.integers(3, 19999)))
    value = draw(mostly((number,), ("unlimited", "infinity", "-1", *_ODD_VALUES), 4))
    kind = draw(st.integers(0, 29))
    if kind < 25:
        words = (domain, draw(mostly(("soft", "hard", "-"), _ODD_TYPES, 8)), draw(mostly(("nofile",), _ODD_ITEMS, 8)))
        line = "".join(word + draw(blank) for word in words) + value
    elif kind == 25:
        line = domain + draw(blank) + draw(st.sampled_from(["-", "-x", "-\r", "x", "- ", "-#", "- # no limits"]))
    elif kind == 26:
        line = (
            draw(st.sampled_from(["#%s hard nofile 5", " # %s hard nofile 5", "%s hard nofile", "%s hard", "%s"]))
            % domain
        )
    elif kind == 27:
        line = draw(st.text(st.sampled_from("\0\t\v\r #*:@a-\xc3\xff"), max_size=12))
    else:
        # Around the buffer of 1,024 bytes.
        length = draw(st.integers(990, 1030))
        line = draw(
            st.sampled_from(["%s* hard nofile 777" % (" " * length), "%s hard nofile 778" % (domain[:1] * length)])
        )
    return (
        draw(mostly(("",), (" ", "\t", "\v", "\r"), 9)) + line + draw(mostly(("",), (" ", "#x", " # y", "\r", "\t"), 9))
    )


@st.composite
def _texts(draw: st.DrawFn) -> str:
    lines = draw(st.lists(_lines(), min_size=1, max_size=6))
    return "\n".join(lines) + draw(mostly(("\n",), ("", "\n\n", "\r\n"), 5))


@st.composite
def _trees(draw: st.DrawFn) -> differential.Given:
    files: dict[str, str] = {}
    if draw(st.integers(0, 29)):
        files[_LIMITS_CONF] = draw(_texts())
    names = draw(st.lists(mostly(_NAMES, _ODD_NAMES, 6), max_size=4, unique=True))
    for name in names:
        files["/etc/security/limits.d/" + name] = draw(_texts())
    links = {}
    if not draw(st.integers(0, 14)):
        path = "/etc/security/limits.d/%s" % draw(st.sampled_from(_NAMES))
        if path not in files:
            links[path] = draw(st.sampled_from(["/dev/null", "nothing", "../limits.conf", "/etc/security/limits.d"]))
    planned = {}
    if not draw(st.integers(0, 3)):
        planned[owned.LIMITS_DROP_IN] = draw(st.one_of(_texts(), st.none()))
    nr_open = draw(st.sampled_from([20000, 30000, 1048576]))
    first = draw(st.sampled_from([(18000, 19500), (800, 20000), (1024, 4096)]))
    stand_ins = {"/proc/1/limits": _LIMITS % first, "/proc/sys/fs/nr_open": "%d\n" % nr_open}
    return {"tree": {"files": files, "links": links}, "planned": planned, "stand_ins": stand_ins}


def _ours(root: str, given: differential.Given) -> dict[str, differential.Answer]:
    host = differential.host_of(root, given)
    subjects = effective.Subjects(host, {})
    build = pam_limits.behaviour(host)
    entries = pam_limits.entries(host, build)
    found = {}
    for line in (host.text("/etc/passwd") or "").splitlines():
        name = line.partition(":")[0]
        account = subjects.account(name)
        assert account is not None
        limits = subjects.user("host", name)["now"]
        alone = [pam_limits.limits(pam_limits.resolve([entry], build, name, *account), 1) for entry in entries]
        concerned = [pair for pair in alone if pair != (None, None)]
        found[name] = differential.Answer([limits["soft"], limits["hard"]], len(set(concerned)) > 1)
    return found


@pytest.fixture(scope="module")
def comparison(compare: t.Callable[..., differential.Comparison]) -> differential.Comparison:
    return compare("pam", _ours, ("bookworm", "trixie"))


@pytest.mark.parametrize("path", differential.found("pam"), ids=lambda path: path.stem)
def test_what_once_differed_agrees(comparison: differential.Comparison, path: pathlib.Path) -> None:
    comparison(differential.load(path))


def test_a_session_gets_what_pam_limits_really_gives_it(
    comparison: differential.Comparison, trees: int, seed: int
) -> None:
    comparison.generated(_trees(), trees, seed)
