# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host.tree import HostTree


def link(host, path, target):
    place = host.path / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, place)


@pytest.mark.parametrize("target", ["/data/file", "../data/file", "../../../../data/./file", "/hop/file"])
def test_links_stay_below_the_root(host, target):
    host.put("/data/file", "inside")
    link(host, "/hop", "data")
    link(host, "/etc/link", target)
    assert HostTree(host.root).read("/etc/link") == "inside"


def test_a_link_out_of_the_root_leads_nowhere(host):
    link(host, "/etc/link", "/proc/self/status")
    assert HostTree(host.root).read("/etc/link") is None


def test_a_loop_is_no_file(host):
    link(host, "/a", "b")
    link(host, "/b", "a")
    tree = HostTree(host.root)
    assert tree.read("/a") is None
    assert tree.names("/a") == []


def test_what_is_no_file_is_empty(host):
    host.put("/dir/file", "x")
    os.mkfifo(host.path / "pipe")
    tree = HostTree(host.root)
    assert tree.read("/dir") == tree.read("/pipe") == ""


def test_a_plan_is_read_in_place_of_the_disk(host):
    host.put("/etc/a.d/1", "old")
    host.put("/etc/a.d/2", "old")
    tree = HostTree(host.root, {"/etc/a.d/1": None, "/etc/a.d/3": "new", "/etc/b.d/x/y": "new", "/etc/c/z/z": None})
    assert tree.names("/etc/a.d") == ["2", "3"]
    assert tree.names("/etc") == ["a.d", "b.d"]
    assert (tree.read("/etc/a.d/1"), tree.read("/etc/a.d/3")) == (None, "new")
    assert tree.first(["/etc/a.d/1", "/etc/a.d/2"]) == "/etc/a.d/2"
    assert tree.first(["/none"]) is None


def test_a_link_to_a_planned_file_has_its_text(host):
    host.put("/etc/a.conf", "old")
    (host.path / "etc/b.conf").symlink_to("a.conf")
    assert HostTree(host.root, {"/etc/a.conf": "new"}).read("/etc/b.conf") == "new"
    assert HostTree(host.root, {"/etc/a.conf": None}).read("/etc/b.conf") is None
