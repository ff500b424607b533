# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host


def refuse(number, name=None):
    def look():
        raise OSError(number, "what the system says", name)

    return look


def test_what_is_not_there_is_none_and_no_complaint(host):
    reading = host.look()
    assert reading.text("/proc/slabinfo") is None
    assert reading.number("/proc/slabinfo") is None
    assert reading.names("/sys/kernel/slab") == []
    assert not reading.exists("/proc/slabinfo")
    assert reading.unread == []


def test_numbers(host):
    host.put("/one", "17\n")
    host.put("/max", "max\n")
    reading = host.look()
    assert (reading.number("/one"), reading.number("/max")) == (17, None)


@pytest.mark.parametrize(
    ("number", "uid", "why"),
    [
        (errno.EACCES, 1000, "permission denied; run as root to read it"),
        (errno.EPERM, 0, "permission denied, also to root in this namespace"),
        (errno.EIO, 0, "what the system says"),
    ],
)
def test_what_cannot_be_read_is_named_once(host, number, uid, why):
    reading = Host(host.root, uid)
    assert reading.attempt("the thing", refuse(number)) is None
    assert reading.attempt("the thing", refuse(number)) is None
    assert reading.attempt("another", refuse(number, host.root + "/etc/shadow")) is None
    assert reading.unread == [{"what": "the thing", "why": why}, {"what": "/etc/shadow", "why": why}]


def test_what_makes_no_sense_is_named_too(host):
    host.put("/var/lib/fourtuple/sysctl.json", "{")
    reading = host.look()
    assert reading.attempt("a number", lambda: int("x")) is None
    assert reading.unread == [{"what": "a number", "why": "invalid literal for int() with base 10: 'x'"}]


def test_a_link_of_proc_is_followed_too(host):
    host.put("/real", "text")
    (host.path / "proc").mkdir()
    (host.path / "proc/self").symlink_to("/real")
    assert host.look().text("/proc/self") == "text"
    assert host.look().exists("/proc/self")
    assert (Host().live, Host(host.root).live, host.look(live=True).live) == (True, False, True)


def link(host, path, target):
    place = host.path / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, place)


@pytest.mark.parametrize("target", ["/data/file", "../data/file", "../../../../data/./file", "/hop/file"])
def test_links_stay_below_the_root(host, target):
    host.put("/data/file", "inside")
    link(host, "/hop", "data")
    link(host, "/etc/link", target)
    assert host.look().read("/etc/link") == "inside"


def test_a_link_out_of_the_root_leads_nowhere(host):
    link(host, "/etc/link", "/proc/self/status")
    assert host.look().read("/etc/link") is None


def test_a_loop_is_no_file(host):
    link(host, "/a", "b")
    link(host, "/b", "a")
    tree = host.look()
    assert tree.read("/a") is None
    assert tree.list("/a") == []


def test_what_is_no_file_is_empty(host):
    host.put("/dir/file", "x")
    os.mkfifo(host.path / "pipe")
    tree = host.look()
    assert tree.read("/dir") == tree.read("/pipe") == ""


def test_a_plan_is_read_in_place_of_the_disk(host):
    host.put("/etc/a.d/1", "old")
    host.put("/etc/a.d/2", "old")
    tree = host.look().planning({"/etc/a.d/1": None, "/etc/a.d/3": "new", "/etc/b.d/x/y": "new", "/etc/c/z/z": None})
    assert tree.list("/etc/a.d") == ["2", "3"]
    assert tree.list("/etc") == ["a.d", "b.d"]
    assert (tree.read("/etc/a.d/1"), tree.read("/etc/a.d/3")) == (None, "new")
    assert tree.first(["/etc/a.d/1", "/etc/a.d/2"]) == "/etc/a.d/2"
    assert tree.first(["/none"]) is None


def test_a_link_to_a_planned_file_has_its_text(host):
    host.put("/etc/a.conf", "old")
    (host.path / "etc/b.conf").symlink_to("a.conf")
    assert host.look().planning({"/etc/a.conf": "new"}).read("/etc/b.conf") == "new"
    assert host.look().planning({"/etc/a.conf": None}).read("/etc/b.conf") is None
