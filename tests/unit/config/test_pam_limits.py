# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.config.pam_limits import Behaviour

UNLIMITED = pam_limits.UNLIMITED
UPSTREAM = Behaviour(spares_root=False, caps_unlimited=True, scans=False, vendor=None)
DEBIAN_13 = UPSTREAM._replace(spares_root=True)
DEBIAN_12 = DEBIAN_13._replace(scans=True)
BOTH = pytest.mark.parametrize("build", [DEBIAN_12, DEBIAN_13])


def parse(text, build=UPSTREAM):
    return pam_limits.parse(text, "f", build)


def rows(text, build=UPSTREAM):
    return [(entry.line, entry.domain, entry.kind, entry.value) for entry in parse(text, build)]


def alice(text, build=UPSTREAM):
    """What alice (uid 1000, primary group alice, also in staff) gets."""
    grant = pam_limits.resolve(parse(text, build), build, "alice", 1000, 1000, [("alice", 1000), ("staff", 50)])
    return pam_limits.limits(grant, 1048576)


def root(text, build):
    return pam_limits.limits(pam_limits.resolve(parse(text, build), build, "root", 0, 0, [("root", 0)]), 1048576)


@BOTH
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("* hard nofile 100", (1, "*", "hard", 100)),
        ("\t*\thard  nofile\t100  # more", (1, "*", "hard", 100)),
        ("alice - NOFILE 7", (1, "alice", "both", 7)),
        ("alice SOFT nofile 7", (1, "alice", "soft", 7)),
        ("* hard nofile unlimited", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile Infinity", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile -1", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile -", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile -1abc", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile -5", (1, "*", "hard", 2**64 - 5)),
        ("* hard nofile +5", (1, "*", "hard", 5)),
        ("* hard nofile 12k", (1, "*", "hard", 12)),
        ("* hard nofile 0x10", (1, "*", "hard", 0)),
        ("* hard nofile 010", (1, "*", "hard", 10)),
        ("* hard nofile 99999999999999999999", (1, "*", "hard", UNLIMITED)),
        ("* hard nofile " + "9" * 900, (1, "*", "hard", UNLIMITED)),
        ("* hard nofile 5 6", (1, "*", "hard", 5)),
        ("alice -", (1, "alice", "stop", 0)),
        ("alice -x", (1, "alice", "stop", 0)),
        ("* hard nofile 100\r", (1, "*", "hard", 100)),
        ("1000: hard nofile 4", (1, "1000:", "hard", 4)),
        ("gr\xfcn hard nofile 4", (1, "gr\xfcn", "hard", 4)),
    ],
)
def test_a_line_that_counts(line, expected, build):
    assert rows(line, build) == [expected]


@BOTH
@pytest.mark.parametrize(
    "line",
    [
        "",
        "# * hard nofile 100",
        "   ",
        "*",
        "* hard nofile",
        "* hard",
        "* hard nproc 5",
        "* firm nofile 5",
        "* hard nofile many",
        "* hard nofile #5",
        ": hard nofile 5",
        "@: hard nofile 5",
        "x:5 hard nofile 5",
        "1:y hard nofile 5",
        "1:99999999999999999999 hard nofile 5",
        "\0* hard nofile 5",
    ],
)
def test_a_line_that_does_not_count(line, build):
    assert rows(line, build) == []


def test_the_builds_split_differently():
    assert rows("* hard nofile unlimited 5", DEBIAN_12) == [(1, "*", "hard", UNLIMITED)]
    assert rows("* hard nofile unlimited 5", DEBIAN_13) == []
    assert rows("* hard nofile unlimited\r", DEBIAN_12) == [(1, "*", "hard", UNLIMITED)]
    assert rows("* hard nofile unlimited\r", DEBIAN_13) == []
    assert rows("*\fhard\vnofile 5", DEBIAN_12) == [(1, "*", "hard", 5)]
    assert rows("*\fhard\vnofile 5", DEBIAN_13) == []


def test_a_long_line_is_several_to_fgets():
    line = "x" * 1023 + "* hard nofile 5"
    assert rows(line, DEBIAN_12) == [(1, "*", "hard", 5)]
    assert [row[2] for row in rows("x" * 1021 + " -", DEBIAN_13)] == ["stop"]
    assert rows(line, DEBIAN_13)[0][1] == "x" * 1023 + "*"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* - nofile 5", (5, 5)),
        ("", (None, None)),
        ("* soft nofile 9\n* hard nofile 5", (5, 5)),
        ("* hard nofile 5\n* hard nofile 4", (None, 4)),
        ("alice hard nofile 5\n@staff hard nofile 6\n* hard nofile 7", (None, 5)),
        ("@staff hard nofile 6\n* hard nofile 7", (None, 6)),
        ("1000:2000 hard nofile 5\nalice hard nofile 6", (None, 6)),
        ("alice hard nofile 6\n1000: hard nofile 5", (None, 5)),
        (":1000 hard nofile 5", (None, 5)),
        (":2000 hard nofile 5", (None, None)),
        ("2000: hard nofile 5", (None, None)),
        ("@:50 hard nofile 5", (None, 5)),
        ("@50: hard nofile 5", (None, 5)),
        ("@1:60 hard nofile 5", (None, None)),
        ("@other hard nofile 5", (None, None)),
        ("%staff hard nofile 5", (None, None)),
        ("bob hard nofile 5", (None, None)),
        ("* hard nofile 5\nalice -", (None, None)),
        ("* hard nofile 5\n@staff -", (None, None)),
        ("* hard nofile 5\n@:50 -", (None, None)),
        ("* hard nofile 5\n@900: -", (None, None)),
        ("* hard nofile 5\n@1:60 -", (None, 5)),
        ("* hard nofile 5\n900: -", (None, None)),
        ("* hard nofile 5\n%staff -", (None, 5)),
        ("* hard nofile 5\n* -", (None, 5)),
        ("* hard nofile unlimited", (None, 1048576)),
        # "-" beaten for soft is not looked at for hard.
        ("alice soft nofile 5\n* - nofile 7", (5, None)),
    ],
)
def test_what_a_user_gets(text, expected):
    assert alice(text) == expected


@pytest.mark.parametrize(
    ("text", "debian", "upstream"),
    [
        ("* hard nofile 5", None, 5),
        ("@root hard nofile 5", None, 5),
        ("root hard nofile 5", 5, 5),
        ("0:5 hard nofile 5", 5, 5),
        ("@0:5 hard nofile 5", 5, 5),
        ("%0:5 hard nofile 5", 5, None),
        ("root hard nofile 5\n@root -", None, None),
    ],
)
def test_what_root_gets(text, debian, upstream):
    assert root(text, DEBIAN_13) == (None, debian)
    assert root(text, UPSTREAM) == (None, upstream)


def test_winning_lines():
    text = "* - nofile 9\n* hard nofile 5\n%g hard nofile 6\nalice hard nofile 7\nalice -\n@a soft nofile 3\n* -\n"
    winning = pam_limits.winning(parse(text))
    assert {
        name: (grant.soft and grant.soft.line, grant.hard and grant.hard.line) for name, grant in winning.items()
    } == {
        "*": (1, 2),
        "@a": (6, None),
    }


def tree_with(host, **files):
    for name, text in files.items():
        path = "/etc/security/limits.conf" if name == "conf" else "/etc/security/limits.d/" + name.replace("__", ".")
        host.put(path, text)
    return host.look()


def test_the_order_of_files(host):
    tree = tree_with(
        host, conf="a - nofile 1\n", b__conf="b - nofile 2\n", B__conf="B - nofile 3\n", c__txt="c - nofile 4\n"
    )
    host.put("/etc/security/limits.d/.hidden.conf", "h - nofile 5\n")
    assert [entry.domain for entry in pam_limits.entries(tree, UPSTREAM)] == ["a", "B", "b"]


def test_a_missing_limits_conf(host):
    tree = tree_with(host, b__conf="b - nofile 2\n")
    assert [entry.domain for entry in pam_limits.entries(tree, DEBIAN_13)] == ["b"]
    assert pam_limits.entries(tree, DEBIAN_12) == []
    assert pam_limits.read(tree, DEBIAN_12) == ([], "/etc/security/limits.conf")
    assert pam_limits.read(tree, DEBIAN_13)[1] is None


def test_the_vendors_directory_steps_back(host):
    build = UPSTREAM._replace(vendor="/usr/etc/security")
    tree_with(host, a__conf="etc - nofile 1\n")
    host.put("/usr/etc/security/limits.conf", "vendor - nofile 1\n")
    host.put("/usr/etc/security/limits.d/a.conf", "hidden - nofile 1\n")
    host.put("/usr/etc/security/limits.d/0.conf", "first - nofile 1\n")
    assert [entry.domain for entry in pam_limits.entries(host.look(), build)] == ["vendor", "first", "etc"]
    host.put("/etc/security/limits.conf", "")
    assert [entry.domain for entry in pam_limits.entries(host.look(), build)] == ["first", "etc"]


@pytest.mark.parametrize(
    ("place", "module", "release", "expected"),
    [
        (None, "", None, Behaviour(False, False, False, None)),
        (
            "/usr/lib/x86_64-linux-gnu",
            "/proc/sys/fs/nr_open\0%s%s%s%s\0",
            "ID=ubuntu\nID_LIKE='debian'\n",
            Behaviour(True, True, True, None, refuses_session=False),
        ),
        (
            "/lib64",
            "/usr/etc/security/limits.conf\0",
            'ID="fedora"\n',
            Behaviour(False, False, False, "/usr/etc/security"),
        ),
        (
            "/usr/lib64",
            "/etc/security/limits.conf\0Could not set limit for '%s' to soft=%d, hard=%d: %m; uid=%lu,euid=%lu\0",
            "ID=debian\n",
            Behaviour(True, False, False, None, refuses_session=False),
        ),
        (
            "/usr/lib64",
            "Could not set limit for '%s': %m\0",
            "ID=debian\n",
            Behaviour(True, False, False, None, refuses_session=True),
        ),
        ("/lib", "x", "ID='broken\nNAME=debian\n", Behaviour(False, False, False, None)),
    ],
)
def test_behaviour(host, place, module, release, expected):
    host.path.mkdir(exist_ok=True)
    if place:
        host.put(place + "/security/pam_limits.so", "\0\0" + module)
    if release:
        host.put("/usr/lib/os-release", release)
    assert pam_limits.behaviour(host.look()) == expected


def granted(host, text, domain, build=UPSTREAM):
    host.put("/etc/passwd", "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbroken\nodd:x:a:b:\n")
    host.put("/etc/group", "root:x:0:\nstaff:x:50:bob,alice\nbroken\nodd:x:a:\n")
    tree = tree_with(host, conf=text)
    grant = pam_limits.granted(tree, pam_limits.entries(tree, build), build, domain)
    return pam_limits.limits(grant, 1048576)


@pytest.mark.parametrize(
    ("text", "domain", "expected"),
    [
        ("* - nofile 5", "*", (5, 5)),
        ("@a - nofile 5", "*", (None, None)),
        ("* - nofile 9\n@b hard nofile 7\nalice hard nofile 99", "@a", (9, 9)),
        ("* - nofile 9\nalice hard nofile 99", "1000:", (9, 99)),
        ("* - nofile 9\n@staff hard nofile 99", "alice", (9, 99)),
        ("* - nofile 9", "root", (9, 9)),
        ("* - nofile 9", "nobody-here", (9, 9)),
        ("", "*", (None, None)),
    ],
)
def test_what_others_grant_a_domain(host, text, domain, expected):
    assert granted(host, text, domain) == expected


def test_what_others_grant_root_on_debian(host):
    assert granted(host, "* - nofile 9", "root", DEBIAN_13) == (None, None)
    assert granted(host, "* - nofile 9\nroot hard nofile 8", "root", DEBIAN_13) == (None, 8)
