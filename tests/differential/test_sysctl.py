# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysctl_d against systemd-sysctl of Debian 12 and 13, and against procps' sysctl --system."""

from __future__ import annotations

import pathlib
import typing as t

import differential
import pytest
from differential import mostly
from hypothesis import strategies as st
from oracles.sysctl import KEYS

from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys

_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_NAMES = ("10-a.conf", "50-b.conf", "99-sysctl.conf", "99-zz-fourtuple.conf", "99-zzz.conf", "B.conf", "_.conf")
_ODD_NAMES = (".hidden.conf", "99-zz-fourtuple.conf~", "notes.txt", "\xc3\xa9.conf", "\xff.conf", "a.conf.conf", "conf")
_SYSCTL_CONF = "/etc/sysctl.conf"


def _dotted(key: str) -> str:
    return key.translate(str.maketrans("./", "/."))


@st.composite
def _spellings(draw: st.DrawFn, key: str) -> str:
    """Spell a key as people do, and as they do not."""
    odd = [key.replace("/", "."), "/" + key, "." + _dotted(key), key.replace("/", "//", 1), key + "/", key.upper()]
    odd += [_dotted(key).replace(".", "/", 1), key.replace("/", ".", 1), _dotted(key).replace(".", "..", 1)]
    odd += ["/proc/sys/" + key, key.replace("/", "/./", 1), "net/../" + key]
    return draw(mostly([_dotted(key), _dotted(key), key], odd, 5))


@st.composite
def _globs(draw: st.DrawFn, key: str) -> str:
    """Turn some parts of a key into a pattern, most of which match it."""
    parts = key.split("/")
    for place in draw(st.sets(st.integers(0, len(parts) - 1), min_size=1, max_size=2)):
        part = parts[place]
        parts[place] = draw(
            st.sampled_from(
                ["*", "*", part[0] + "*", "*" + part[-1], part[:-1] + "?", "?" * len(part), "[a-z]*", "[!x]*", "[^x]*"]
                + ["[%s]%s" % (part[0], part[1:]), "[]%s]*" % part[0], "**", "[z]*", "*[", "\\" + part, "{%s,x}" % part]
            )
        )
    pattern = "/".join(parts)
    return draw(st.sampled_from([pattern, _dotted(pattern), pattern.replace("/", ".")]))


_NUMBERS = st.integers(1, 9).map(lambda digit: str(digit * 1111))
_VALUES = mostly(
    [str(digit * 1111) for digit in range(1, 10)],
    ["", "1024 65535", "1024\t65535", "5 # five", "5 ; five", "a = b", '"7"', "-1", "1\xff", "1\xc3\xa9"],
    3,
)


@st.composite
def _lines(draw: st.DrawFn, keys: t.Sequence[str]) -> str:
    key = draw(st.sampled_from(keys))
    kind = draw(st.integers(0, 19))
    value = draw(_VALUES)
    equals = draw(st.sampled_from([" = ", "=", "=", "\t=\t", "= ", " =\v", "\f= \r"]))
    if kind < 9:
        line = draw(_spellings(key)) + equals + value
    elif kind < 13:
        line = draw(_globs(key)) + equals + value
    elif kind == 13:
        line = "-" + draw(_spellings(key)) + equals + value
    elif kind == 14:
        line = "-" + draw(_spellings(key))
    elif kind == 15:
        line = "-" + draw(_globs(key)) + draw(st.sampled_from(["", equals + value]))
    elif kind == 16:
        line = draw(st.sampled_from("#;")) + draw(_spellings(key)) + equals + value
    elif kind == 17:
        spelled = draw(_spellings(key))
        line = draw(
            st.sampled_from(
                [spelled, "- " + spelled + "=1", "--" + spelled + "=1", "- " + spelled, "=1", "-=1", "-", "= ", "=="]
                + [spelled + " 5", spelled + ":5", "%s =%s1" % (spelled, " " * draw(st.sampled_from([900, 5000])))]
                + ["\0" + spelled + "=1", spelled + "\0=1", spelled + "=1\0" + "2", spelled + "=1\r" + spelled + "=2"]
                + [
                    "\ufeff".encode().decode("latin-1") + spelled + "=1",
                    "\x0c" + spelled + "=1",
                    "\v#" + spelled + "=1",
                ]
                + [spelled + "=1\\", "\xa0" + spelled + "=1", "*=1", "*", "#" * 3000, spelled + "=" + "8" * 3000]
            )
        )
    else:
        line = ""
    return draw(st.sampled_from(["", "", "", " ", "\t"])) + line + draw(st.sampled_from(["", "", "", " ", "\t", "\r"]))


@st.composite
def _texts(draw: st.DrawFn, keys: t.Sequence[str]) -> str:
    lines = draw(st.lists(_lines(keys), min_size=1, max_size=4))
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\r"]))
    return end.join(lines) + draw(st.sampled_from([end, end, "", "\n\n"]))


@st.composite
def _trees(draw: st.DrawFn) -> differential.Given:
    # A few keys, so that lines compete.
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    names = mostly(_NAMES, _ODD_NAMES, 6)
    paths = st.builds("%s/%s".__mod__, st.tuples(st.sampled_from(_DIRECTORIES), names))
    files: dict[str, str] = {}
    for path in draw(st.lists(paths, min_size=1, max_size=5, unique_by=lambda path: path.replace("/usr/lib", "/lib"))):
        files[path] = draw(_texts(keys))
    if draw(st.booleans()):
        files[_SYSCTL_CONF] = draw(_texts(keys))
    links: dict[str, str] = {}
    targets = ["/dev/null", "/dev/null", "../sysctl.conf", "nothing.conf", "/etc/sysctl.d", "loop.conf", *files]
    for path in draw(st.lists(paths, max_size=2, unique_by=lambda path: path.replace("/usr/lib", "/lib"))):
        if path.replace("/usr/lib", "/lib") not in {name.replace("/usr/lib", "/lib") for name in files}:
            links[path] = draw(st.sampled_from(targets))
    if _SYSCTL_CONF in files and "/etc/sysctl.d/99-sysctl.conf" not in {**files, **links} and draw(st.booleans()):
        # Debian 12's own.
        links["/etc/sysctl.d/99-sysctl.conf"] = "../sysctl.conf"
    own = draw(st.one_of(st.none(), st.dictionaries(st.sampled_from(keys).map(_dotted), _NUMBERS, max_size=2)))
    planned = {}
    if own is not None:
        planned[owned.SYSCTL_DROP_IN] = "".join("%s = %s\n" % line for line in own.items()) if own else None
    return {"tree": {"files": files, "links": links}, "planned": planned}


def _ours(root: str, given: differential.Given) -> dict[str, differential.Answer]:
    texts = [*given["tree"]["files"].values(), *given["planned"].values()]
    lines = [line for text in texts for line in sysctl_d.parse(text or "", "")]
    found = {}
    for key in KEYS:
        name = sysctl_keys.normalize(key)
        # Plain files take every line, so the last is what they have.
        written = sysctl_d.written(sysctl_d.at_boot(differential.host_of(root, given)), name)
        concerned = {line.value for line in lines if line.key == name or sysctl_d.written([line], name)}
        value = written[-1].value if written else None
        found[key] = differential.Answer(None if value is None else _bytes(value), len(concerned) > 1)
    return found


def _bytes(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


@pytest.fixture(scope="module")
def comparison(compare: t.Callable[..., differential.Comparison]) -> differential.Comparison:
    return compare("sysctl", _ours, ("bookworm", "trixie", "sysvinit"))


@pytest.mark.parametrize("path", differential.found("sysctl"), ids=lambda path: path.stem)
def test_what_once_differed_agrees(comparison: differential.Comparison, path: pathlib.Path) -> None:
    comparison(differential.load(path))


def test_a_key_after_boot_is_what_the_real_tool_makes_of_it(
    comparison: differential.Comparison, trees: int, seed: int
) -> None:
    comparison.generated(_trees(), trees, seed)
