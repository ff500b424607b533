# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host.reading import Reading


def refuse(number, name=None):
    def look():
        raise OSError(number, "what the system says", name)

    return look


def test_what_is_not_there_is_none_and_no_complaint(host):
    reading = Reading(host.root)
    assert reading.text("/proc/slabinfo") is None
    assert reading.number("/proc/slabinfo") is None
    assert reading.names("/sys/kernel/slab") == []
    assert not reading.exists("/proc/slabinfo")
    assert reading.unread == []


def test_numbers(host):
    host.put("/one", "17\n")
    host.put("/max", "max\n")
    reading = Reading(host.root)
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
    reading = Reading(host.root, uid)
    assert reading.attempt("the thing", refuse(number)) is None
    assert reading.attempt("the thing", refuse(number)) is None
    assert reading.attempt("another", refuse(number, host.root + "/etc/shadow")) is None
    assert reading.unread == [{"what": "the thing", "why": why}, {"what": "/etc/shadow", "why": why}]


def test_what_makes_no_sense_is_named_too(host):
    host.put("/var/lib/fourtuple/sysctl.json", "{")
    reading = Reading(host.root)
    assert reading.attempt("a number", lambda: int("x")) is None
    assert reading.unread == [{"what": "a number", "why": "invalid literal for int() with base 10: 'x'"}]


def test_links_stay_below_the_root(host):
    host.put("/real", "text")
    (host.path / "proc").mkdir()
    (host.path / "proc/self").symlink_to("/real")
    assert Reading(host.root).text("/proc/self") == "text"
    assert Reading(host.root).exists("/proc/self")
    assert Reading("/").live
