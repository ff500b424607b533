# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd_limits against a running systemd of Debian 12 and 13."""

from __future__ import annotations

import pathlib
import typing as t

import differential
import pytest
from differential import mostly
from hypothesis import strategies as st
from oracles.systemd import UNITS

from ansible_collections.fourtuple.clients.plugins.module_utils.config import systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

_UNIT_PATH = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_ODD_UNIT_PATH = ("/etc/systemd/system.control", "/run/systemd/system.control", "/etc/systemd/system.attached")
_CONFIGURATION_PATH = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")

#: Files of units, links, and the names whose ".d" directories may concern them.
_FILES = ("zq-a-b.service", "zq-a.service", "zq@.service", "zq-s.socket", "zq-q@.service", "zq-q@1.service")
_ALIASES = ("zqalias.service", "zqalias@.service", "zqalias@1.service", "zqalias.socket")
_TARGETS = (
    "zq-a.service",
    "/run/systemd/system/zq-a.service",
    "../../../usr/lib/systemd/system/zq-a-b.service",
    "zq@.service",
) + ("zq@1.service", "zq-q@.service", "zqalias@.service", "zq-s.socket", "/opt/zq/zq-a.service", "nothing", "/dev/null")
_DROP_INS = (
    ("zq-a-b.service", "zq-a-.service", "zq-.service", "zq-a.service", "zq@1.service", "zq@.service", "service")
    + (
        "zqalias.service",
        "zqalias@.service",
        "zqalias@1.service",
        "zq-s.socket",
        "zq-.socket",
        "zq-q@.service",
        "zq-q@1.service",
        "zq-@.service",
        "zq-@1.service",
    )
    + ("socket", "user@.service", "user@1000.service")
)
_OURS = owned.UNIT_DROP_IN_NAME
_NAMES = ("10-a.conf", "a.conf", "b.conf", "fourtuple.conf", "override.conf", "zz-limits.conf", _OURS)
#: Of which the last three sort after ours.
_ODD_NAMES = (".hidden.conf", "x.txt", "conf", "a.conf~", "9-b.conf", "Z.conf", "zzzzz.conf", "{.conf", "\xc3\xa9.conf")

#: Of which one may expect other than what systemd does.
_EXPECTED = ("", "", "1K", "1M", "2G", "infinity", "7:infinity", "6:5")
_ODD_VALUES = (
    (
        "infinity:7",
        "infinity:infinity",
        "5:6:7",
        ":",
        "5:",
        ":5",
        "5 :6",
        "5: 6",
    )
    + (
        "0x20",
        "0X20",
        "010",
        "0b11",
        "0o17",
        "08",
        "-1",
        "+5",
        "+ 5",
        "1e3",
        "8\\\n9",
        "5 \\\n",
        "3 # x",
        '"4"',
    )
    + (
        "0",
        "18446744073709551614",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "Infinity",
    )
    + ("5\xff", "5\xc3\xa9", "\\\n# c\n6", "1,000", "5;6", "\t7\t", "9\\\\", "5\v", "5\0" + "6")
)


@st.composite
def _values(draw: st.DrawFn) -> str:
    soft, more = draw(st.integers(3, 9999)), draw(st.integers(0, 9999))
    return draw(mostly((str(soft), "%d:%d" % (soft, soft + more)), (*_EXPECTED * 4, *_ODD_VALUES), 3))


@st.composite
def _bodies(draw: st.DrawFn, section: str, key: str) -> str:
    """Return a section with assignments, most of which are as they should be."""
    odd = ("Unit", "Broken ", section + "]x[", section.lower(), " %s " % section, "")
    text = "[%s]" % draw(mostly((section,), odd, 15)) + draw(mostly(("\n",), ("\r\n", "\n\n", " \n", "x\n"), 9))
    for _ in range(draw(st.integers(1, 3))):
        odd = (
            key + " = ",
            " %s=" % key,
            "#%s=" % key,
            ";%s=" % key,
            key.lower() + "=",
            key + "\t=\t",
            key,
            "x" + key + "=",
        )
        text += draw(mostly((key + "=",), (*odd, "%sSoft=" % key, key + "==", "[Install]\n%s=" % key), 6)) + draw(
            _values()
        )
        text += draw(
            mostly(("\n",), ("\r\n", "\n\n", "\r", "\n\r", "\n# c \\\n", "\n[\n", "\n[%s]\n" % section, "\n=5\n"), 9)
        )
    text = (
        draw(mostly(("",), ("\ufeff".encode().decode("latin-1"), "LimitNOFILE=2\n", "# c\n", " \\\n", "garbage\n"), 9))
        + text
    )
    return draw(mostly((text,), (text.rstrip("\r\n"), text.replace("\n", "\r\n"), text + "\\"), 9))


def _section(name: str) -> str:
    return "Socket" if name.endswith("socket") else "Service"


@st.composite
def _trees(draw: st.DrawFn) -> differential.Given:
    unit_path = mostly(_UNIT_PATH, _ODD_UNIT_PATH, 6)
    files: dict[str, str] = {}
    for name in _FILES:
        for directory in draw(st.lists(unit_path, max_size=2, unique=True)):
            # What makes it a whole unit.
            start = {"Service": "[Service]\nExecStart=/bin/true\n", "Socket": "[Socket]\nListenFIFO=/run/zq\n"}[
                _section(name)
            ]
            limits = draw(st.one_of(st.just(""), _bodies(_section(name), "LimitNOFILE")))
            files["%s/%s" % (directory, name)] = draw(mostly((start + limits,), ("", "\n", limits), 12))
    if draw(st.booleans()):
        # Outside the search path, for a link to it.
        files["/opt/zq/zq-a.service"] = "[Service]\nExecStart=/bin/true\n" + draw(_bodies("Service", "LimitNOFILE"))
    for _ in range(draw(st.integers(1, 8))):
        # Every second one is for a whole type, or for one of the two units that a plan may write for.
        name = draw(st.one_of(st.sampled_from(_DROP_INS), st.sampled_from(("service", "socket", *UNITS[:2]))))
        path = "%s/%s.d/%s" % (draw(unit_path), name, draw(mostly(_NAMES, _ODD_NAMES, 9)))
        files[path] = draw(_bodies(_section(name), "LimitNOFILE"))
    for directory in draw(st.lists(st.sampled_from(_CONFIGURATION_PATH), max_size=2, unique=True)):
        where = draw(mostly(("system.conf.d/" + draw(st.sampled_from(_NAMES)),), ("system.conf",), 2))
        files["%s/%s" % (directory, where)] = draw(_bodies("Manager", "DefaultLimitNOFILE"))
    # /lib is a link to /usr/lib.
    files = {
        path.replace("/lib/", "/usr/lib/", 1) if path.startswith("/lib/") else path: text
        for path, text in files.items()
    }
    links = {}
    for name in draw(st.lists(st.sampled_from(_ALIASES), max_size=2, unique=True)):
        links["/etc/systemd/system/" + name] = draw(st.sampled_from([*_TARGETS, *files]))
    masks = [
        "/etc/systemd/system/zq-a-b.service",
        "/run/systemd/system/zq-a.service",
        "/etc/systemd/system/zq@.service",
    ]
    masks += ["/etc/systemd/system/zq-a-b.service.d/a.conf", "/etc/systemd/system/service.d/10-a.conf"]
    masks += ["/etc/systemd/system.conf.d/a.conf", "/etc/systemd/system/zq@1.service"]
    for path in draw(st.lists(st.sampled_from(masks), max_size=2, unique=True)):
        if path not in files:
            links[path] = draw(mostly(("/dev/null",), ("nothing", "/etc/systemd/system/zq-a.service"), 5))
    planned: dict[str, str | None] = {}
    if not draw(st.integers(0, 3)):
        path = draw(st.sampled_from([owned.MANAGER_DROP_IN, *map(owned.unit_drop_in, UNITS[:2])]))
        section, key = (
            ("Manager", "DefaultLimitNOFILE") if path == owned.MANAGER_DROP_IN else ("Service", "LimitNOFILE")
        )
        planned[path] = draw(st.one_of(st.none(), _bodies(section, key)))
    return {"tree": {"files": files, "links": links}, "planned": planned}


def _ours(root: str, given: differential.Given) -> dict[str, differential.Answer]:
    host = differential.host_of(root, given)
    units = systemd_limits.units(host)
    default = systemd_limits.default(host)
    found = {}
    for unit in UNITS:
        if units.file(unit) is None:
            value = ["not-found", None, None]
        elif units.is_masked(unit):
            value = ["masked", None, None]
        else:
            limit = units.limit(unit) or default
            value = ["loaded", _shown(limit.soft), _shown(limit.hard)]
        found[unit] = differential.Answer(value, _is_contested(given, unit))
    return found


def _is_contested(given: differential.Given, unit: str) -> bool:
    """Tell whether several lines, valid and not the same, stand in files that bear the unit's name or a part of it."""
    texts = [*given["tree"]["files"].items(), *given["planned"].items()]
    stem, suffix = unit.split(".")
    values = set()
    for path, text in texts:
        name = next((part[: -len(".d")] for part in path.split("/") if part.endswith(".d")), path.rpartition("/")[2])
        concerned = name == suffix or (name.endswith(suffix) and stem.startswith(name.split(".")[0].rstrip("@1")))
        if concerned:
            lines = systemd_limits.assignments(text or "", _section(unit), "LimitNOFILE")
            values |= {systemd_limits.parse_rlimit(value) for _number, value in lines}
    return len(values - {None}) > 1


def _shown(number: int) -> str:
    return "infinity" if number == systemd_limits.INFINITY else str(number)


@pytest.fixture(scope="module")
def comparison(compare: t.Callable[..., differential.Comparison]) -> differential.Comparison:
    return compare("systemd", _ours, ("bookworm", "trixie"))


@pytest.mark.parametrize("path", differential.found("systemd"), ids=lambda path: path.stem)
def test_what_once_differed_agrees(comparison: differential.Comparison, path: pathlib.Path) -> None:
    comparison(differential.load(path))


def test_a_units_limit_is_the_one_that_systemd_shows(
    comparison: differential.Comparison, trees: int, seed: int
) -> None:
    comparison.generated(_trees(), trees, seed)
