# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report for programs: which hosts have them, what they are called and what is in them."""

from __future__ import annotations

import typing as t

import pytest
import sample

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import files as beside
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import report

ONE = {"count": 1, "used": 1, "ranges": ["192.0.2.7"], "list": ["192.0.2.7"]}


def files(*results: sample.Json) -> dict[str, str]:
    return dict(beside.files(report(results, "Client hosts", sample.GENERATED)))


def told(**others: t.Any) -> sample.Json:
    return {**sample.told("client1"), **others}


def test_a_host_with_several_addresses_has_its_files() -> None:
    found = files(told(), sample.told("client2", program="curl"), sample.tuned("client3"))
    assert list(found) == ["client1.sources.txt", "client1.haproxy.cfg", "client2.sources.txt", "client2.curl.sh"]
    assert "server server1-source1 192.0.2.10:8001 source 198.51.100.7\n" in found["client1.haproxy.cfg"]


@pytest.mark.parametrize("program", [None, "wrk"])
def test_a_program_without_lines_has_the_addresses(program: str | None) -> None:
    assert list(files(sample.told("client1", program=program))) == ["client1.sources.txt"]


def test_one_address_is_told_to_a_program_that_binds() -> None:
    assert files(told(sources=ONE)) == {}
    assert list(files({**sample.told("client1", program_binds=True), "sources": ONE})) == ["client1.haproxy.cfg"]


@pytest.mark.parametrize("state", ["refused", "failed", "planned", "untuned", "left alone"])
def test_a_host_that_was_not_tuned_has_none(state: str) -> None:
    assert files(told(state=state)) == {}


def test_destinations_that_are_counted_are_placeholders() -> None:
    found = files(sample.told("client1", destinations="2"))["client1.haproxy.cfg"]
    assert "server-1.invalid:443" in found
    assert "server-2.invalid:443" in found


def test_a_name_is_no_path() -> None:
    found = files({**told(), "host": "../a b"}, {**told(), "host": "..%2Fa b"})
    assert sorted(found) == [
        "..%252Fa%20b.haproxy.cfg",
        "..%252Fa%20b.sources.txt",
        "..%2Fa%20b.haproxy.cfg",
        "..%2Fa%20b.sources.txt",
    ]


def test_addresses_that_are_left_out_are_counted() -> None:
    sources = {"count": 2**64 - 1, "used": 1, "ranges": ["2001:db8::1-2001:db8::ffff:ffff:ffff:ffff"], "list": []}
    (first, *rest) = files({**sample.told("client1", program=None), "sources": sources})[
        "client1.sources.txt"
    ].splitlines()
    assert first == "# Only the first 65536 of %d." % (2**64 - 1)
    assert (len(rest), rest[0]) == (65536, "2001:db8::1")
