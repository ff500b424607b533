# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import systemd_limits

INFINITY = systemd_limits.INFINITY


# Compared with "systemd-analyze verify" of systemd 252, value by value.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", (5, 5)),
        ("5:6", (5, 6)),
        ("infinity", (INFINITY, INFINITY)),
        ("5:infinity", (5, INFINITY)),
        ("0x10", (16, 16)),
        ("010", (8, 8)),
        ("0", (0, 0)),
        ("0b11", (3, 3)),
        ("0o17", (15, 15)),
        ("+5", (5, 5)),
        ("18446744073709551614", (INFINITY - 1, INFINITY - 1)),
        ("18446744073709551615", None),
        ("9" * 100, None),
        ("1M", None),
        ("6:5", None),
        ("infinity:5", None),
        ("-5", None),
        ("5:", None),
        (":5", None),
        ("5:6:7", None),
        ("", None),
        ("5 6", None),
        ('"9"', None),
        ("09", None),
    ],
)
def test_parse_rlimit(value, expected):
    assert systemd_limits.parse_rlimit(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[S]\nK=1\n", [(2, "1")]),
        ("\ufeff[S]\r\n K = 1 \r\n", [(2, "1")]),
        ("K=1\n[T]\nK=2\n[S]\nK=3\n[T]\nK=4\n[S]\nL=5", [(5, "3")]),
        ("[S]\n#K=1\n ;K=2\nK=\n", [(4, "")]),
        ("[S]\nK=1\\\n# no end\n2\n", [(4, "1 2")]),
        ("[S]\nK=1\\", [(3, "1")]),
        ("[S]\nK=1\\\\\n", [(2, "1\\\\")]),
        ("[S]\nK=1\n[broken\nK=2\n", [(2, "1")]),
        ("[S]\nK=1\n\udcff\nK=2\n", [(2, "1")]),
        ("[S]\nno assignment\nK=1", [(3, "1")]),
    ],
)
def test_assignments(text, expected):
    assert systemd_limits.assignments(text, "S", "K") == expected


def test_one_byte_order_mark_is_passed_over():
    text = "[Unit]\n\ufeff[Service]\nLimitNOFILE=5\n\ufeffLimitNOFILE=6\n"
    assert systemd_limits.assignments(text, "Service", "LimitNOFILE") == [(3, "5")]


def service(limit=""):
    return "[Service]\nExecStart=/bin/true\n" + ("LimitNOFILE=%s\n" % limit if limit else "")


def limit(host, unit):
    found = systemd_limits.Units(host.look()).limit(unit)
    return None if found is None else (found.soft, found.hard, found.path, found.line)


def test_the_default_from_the_managers_files(host):
    assert systemd_limits.default(host.look()) == (1024, 524288, systemd_limits.BUILT_IN_SOURCE, 0)
    host.put("/usr/lib/systemd/system.conf", "[Manager]\nDefaultLimitNOFILE=1\n")
    assert systemd_limits.default(host.look()).hard == 1
    host.put("/etc/systemd/system.conf", "[Manager]\n#DefaultLimitNOFILE=2\n")
    assert systemd_limits.default(host.look()).line == 0
    host.put("/usr/lib/systemd/system.conf.d/50.conf", "[Manager]\nDefaultLimitNOFILE=3:4\n")
    host.put("/run/systemd/system.conf.d/40.conf", "[Manager]\nDefaultLimitNOFILE=5\n")
    host.put("/run/systemd/system.conf.d/60.txt", "[Manager]\nDefaultLimitNOFILE=6\n")
    assert systemd_limits.default(host.look()) == (3, 4, "/usr/lib/systemd/system.conf.d/50.conf", 2)
    host.put("/etc/systemd/system.conf.d/50.conf", "[Manager]\nDefaultLimitNOFILE=\n")
    assert systemd_limits.default(host.look()) == (5, 5, "/run/systemd/system.conf.d/40.conf", 2)
    host.put("/etc/systemd/user.conf", "[Manager]\nDefaultLimitNOFILE=7\n")
    assert systemd_limits.configured_default(host.look(), "user").hard == 7


def test_a_units_file_and_drop_ins(host):
    host.put("/usr/lib/systemd/system/a-b.service", service("10"))
    host.put("/usr/lib/systemd/system/plain.service", service())
    assert limit(host, "a-b.service") == (10, 10, "/usr/lib/systemd/system/a-b.service", 3)
    assert limit(host, "plain.service") is None
    assert limit(host, "none.service") is None
    host.put("/etc/systemd/system/service.d/10.conf", service("11"))
    assert limit(host, "plain.service")[0] == limit(host, "a-b.service")[0] == 11
    host.put("/run/systemd/system/a-.service.d/10.conf", service("12"))
    assert limit(host, "a-b.service")[0] == 12
    host.put("/etc/systemd/system/a-b.service.d/20.conf", service("13"))
    host.put("/usr/lib/systemd/system/a-b.service.d/20.conf", service("14"))
    assert limit(host, "a-b.service")[0] == 13
    host.put(
        "/etc/systemd/system/a-b.service.d/30.conf", "[Service]\nLimitNOFILE=\nLimitNOFILE=1K\n[Unit]\nLimitNOFILE=9\n"
    )
    assert limit(host, "a-b.service")[0] == 13


def test_templates_and_instances(host):
    host.put("/usr/lib/systemd/system/c@.service", service("10"))
    host.put("/etc/systemd/system/c@1.service.d/x.conf", service("20"))
    units = systemd_limits.Units(host.look())
    assert [(unit.unit, unit.limit.hard) for unit in units.limits()] == [("c@.service", 10), ("c@1.service", 20)]
    assert limit(host, "c@2.service")[0] == 10
    host.put("/etc/systemd/system/c@.service.d/y.conf", service("30"))
    assert limit(host, "c@2.service")[0] == limit(host, "c@1.service")[0] == 30


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("a.service", ["a.service"]),
        ("foo-bar-waldo.service", ["foo-bar-waldo.service", "foo-bar-.service", "foo-.service"]),
        ("foo-b@x.service", ["foo-b@x.service", "foo-b@.service", "foo-.service", "foo-@x.service", "foo-@.service"]),
        ("-.mount", ["-.mount"]),
        ("a-.service", ["a-.service"]),
        ("a.timer", []),
    ],
)
def test_the_names_of_drop_in_directories(unit, expected):
    assert systemd_limits._drop_in_names(unit) == expected


def test_masked_units_and_aliases(host):
    host.put("/usr/lib/systemd/system/ssh.service", service("10"))
    host.put("/usr/lib/systemd/system/masked.service", service("11"))
    host.put("/usr/lib/systemd/system/empty.service", "")
    host.put("/opt/linked.service", service("12"))
    etc = host.path / "etc/systemd/system"
    etc.mkdir(parents=True)
    (etc / "sshd.service").symlink_to("/usr/lib/systemd/system/ssh.service")
    (etc / "masked.service").symlink_to("/dev/null")
    (host.path / "dev").mkdir()
    (host.path / "dev/null").touch()
    (etc / "linked.service").symlink_to("/opt/linked.service")
    units = systemd_limits.Units(host.look())
    assert units.names() == ["empty.service", "linked.service", "masked.service", "ssh.service"]
    assert [(unit.unit, unit.limit.hard) for unit in units.limits()] == [("linked.service", 12), ("ssh.service", 10)]
    host.put("/etc/systemd/system/sshd.service.d/x.conf", service("20"))
    assert limit(host, "sshd.service") == limit(host, "ssh.service")
    assert limit(host, "ssh.service")[0] == 20


def test_a_link_is_an_alias_only_into_the_search_path_and_of_the_same_kind(host):
    units = "/usr/lib/systemd/system/"
    host.put(units + "a.service", service("1"))
    host.put(units + "t@.service", service("2"))
    host.put(units + "t@1.service.d/x.conf", service("3"))
    host.put("/opt/a.service", service("4"))
    links = {"b": "a", "c": "nothing", "wrong": "t@", "u@": "t@", "v@1": "t@", "w@1": "t@1", "w@2": "t@1", "x": "x"}
    for name, target in links.items():
        (host.path / units.lstrip("/") / (name + ".service")).symlink_to(target + ".service")
    (host.path / units.lstrip("/") / "d.service").symlink_to("/opt/a.service")
    (host.path / units.lstrip("/") / "e.service").symlink_to("a.service.d/x.conf")
    known = systemd_limits.Units(host.look())
    names = ["b", "u@1", "u@2", "v@1", "w@1", "d"]
    real = ["a", "t@1", "t@2", "t@1", "t@1", "d"]
    assert [known.real_name(name + ".service") for name in names] == [name + ".service" for name in real]
    assert [limit(host, name + ".service")[0] for name in names] == [1, 3, 2, 3, 3, 4]
    for name in ("c", "wrong", "x", "e"):
        assert known.file(name + ".service") is None
        assert not known.is_masked(name + ".service")
    host.put(units + "u@.service.d/a.conf", service("5"))
    assert limit(host, "t@2.service")[0] == limit(host, "u@2.service")[0] == 5
    host.put(units + "t@1.service", service("6"))
    assert [limit(host, name + ".service")[0] for name in ("t@1", "w@1", "v@1")] == [3, 3, 3]
    known = systemd_limits.Units(host.look())
    assert known.file("t@1.service") == known.file("w@1.service") == units + "t@1.service"
    assert known.file("v@1.service") == units + "t@.service"
    host.put(units + "v@1.service.d/z.conf", service("7"))
    assert [limit(host, name + ".service")[0] for name in ("t@1", "v@1")] == [7, 7]
    host.put(units + "u@1.service.d/zz.conf", service("8"))
    assert limit(host, "t@1.service")[0] == 7
    # Of equal basenames the real name's wins; but t@1 is a unit of its own now, and u@1 is not that one.
    for name, value in (("t@", "9"), ("u@", "10")):
        host.put(units + name + ".service.d/zzz.conf", service(value))
    assert [limit(host, name + ".service")[0] for name in ("t@2", "u@2", "t@1", "u@1")] == [9, 9, 9, 10]
    # Its template is there, and so is a unit, though not by this link.
    assert known.file("w@2.service") is None


def test_a_manager_reads_nothing_after_a_broken_file(host):
    tree = host.look()
    host.put("/etc/systemd/system.conf.d/a.conf", "[Manager]\nDefaultLimitNOFILE=3\n[\nDefaultLimitNOFILE=4\n")
    host.put("/etc/systemd/system.conf.d/b.conf", "[Manager]\nDefaultLimitNOFILE=5\n")
    assert systemd_limits.default(tree).hard == 3


def test_the_main_file_of_an_older_manager_is_in_etc(host):
    host.put("/run/systemd/system.conf", "[Manager]\nDefaultLimitNOFILE=3\n")
    host.put("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", "")
    assert systemd_limits.default(host.look()).line == 0
    (host.path / "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so").unlink()
    host.put("/usr/lib/systemd/libsystemd-shared-257.8-1.so", "")
    assert systemd_limits.default(host.look()).hard == 3


def test_sections():
    assert systemd_limits.section_of("a.socket") == "Socket"
    assert systemd_limits.section_of("a.slice") is None
    assert systemd_limits.section_of("a") is None
