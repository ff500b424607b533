# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of configuration for each program."""

from __future__ import annotations

import collections
import ipaddress
import re
import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils import program_lines
from ansible_collections.fourtuple.clients.plugins.plugin_utils.program_lines import MAX_PAIRS, SYNTAXES, lines
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import PROGRAMS

SOURCES = ["10.0.0.1-10.0.0.3", "2001:db8::1-2001:db8::3"]
SERVERS = [("10.9.0.100", 8001), ("10.9.0.101", 8001), ("2001:db8:9::1", 8001)]
EACH = program_lines.one_by_one(SOURCES)
#: Takes ranges, so that it does not name each address.
WHOLE = [name for name, syntax in SYNTAXES.items() if syntax.whole]


def text_of(program: str, sources: t.Iterable[str] = SOURCES, servers: t.Iterable[t.Any] = SERVERS) -> str:
    found = lines(program, sources, servers)
    assert found is not None
    return found


def test_exactly_the_programs_with_an_option_have_lines() -> None:
    assert set(SYNTAXES) == {name for name, program in PROGRAMS.items() if program.option}
    for name in {*PROGRAMS, "a program"} - set(SYNTAXES):
        assert lines(name, SOURCES) is None
        assert program_lines.extension(name) is None
    assert lines(None, SOURCES) is None


@pytest.mark.parametrize("program", SYNTAXES)
def test_no_source_address_makes_no_lines(program: str) -> None:
    assert lines(program, []) is None


@pytest.mark.parametrize("program", sorted(set(SYNTAXES) - set(WHOLE)))
def test_names_each_source_address_once_for_each_destination_of_its_family(program: str) -> None:
    found = collections.Counter(
        re.findall(r"(?<![\w.:])(?:10\.0\.0\.[0-9]+|2001:db8::[0-9]+)(?![\w.])", text_of(program))
    )
    pairs = SYNTAXES[program].pairs and program != "envoy"
    assert found == {one: 2 if pairs and "." in one else 1 for one in EACH}


@pytest.mark.parametrize("program", WHOLE)
def test_whoever_takes_ranges_has_all_of_a_prefix(program: str) -> None:
    text = text_of(program, ["2001:db8:1::/64", "10.0.0.1-10.0.0.3"])
    assert "10.0.0.1-10.0.0.3,2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff " in text
    assert "Only" not in text


@pytest.mark.parametrize("program", sorted(set(SYNTAXES) - set(WHOLE)))
def test_a_prefix_that_is_too_large_is_written_as_far_as_is_said(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of one program as many as there are; the others are like it, and would take a minute.
    maximum = SYNTAXES[program].maximum if program == "haproxy" else 1000
    monkeypatch.setitem(SYNTAXES, program, SYNTAXES[program]._replace(maximum=maximum))
    text = text_of(program, ["2001:db8::/64"], SERVERS[2:])
    assert "connections from 18446744073709551615 source addresses." in text
    assert "Only the first %d are written out here." % maximum in text
    last = ipaddress.ip_address("2001:db8::") + maximum
    assert str(last) in text
    assert not re.search(r"(?<![0-9a-f:])%s(?![0-9a-f:])" % (last + 1), text)


def test_pairs_have_a_maximum() -> None:
    servers = [("10.9.0.%d" % number, 80) for number in range(1, 101)]
    text = text_of("haproxy", ["10.0.0.0/16"], servers)
    assert text.count("\n    server ") == MAX_PAIRS
    assert "Only the first 1000 are written out here." in text


@pytest.mark.parametrize("program", [name for name, syntax in SYNTAXES.items() if syntax.servers])
def test_without_destinations_there_are_placeholders(program: str) -> None:
    text = text_of(program, servers=[])
    assert "Replace server-1.invalid:443 and its like by your destinations." in text
    assert text.count("server-1.invalid") > 1
    # A name stands for IPv4 where the host has sources of both families.
    assert "2001:db8" not in text
    assert "2001:db8" in text_of(program, SOURCES[1:], [])


def test_placeholders_are_counted() -> None:
    assert program_lines.placeholders(2) == [("server-1.invalid", 443), ("server-2.invalid", 443)]
    assert len(program_lines.placeholders(10**6)) == program_lines.MAX_PLACEHOLDERS


def shares(block: str) -> dict[str, float]:
    """Return the share of each value of a split_clients block; the last has what is left."""
    found = {value: float(share) / 100 for share, value in re.findall(r"([0-9.]+)% (\S+);", block)}
    (rest,) = re.findall(r"\* (\S+);", block)
    return {**found, rest: 1 - sum(found.values())}


@pytest.mark.parametrize("number", [1, 2, 3, 7, 99, 100, 101, 1000, 6999, 65536])
def test_nginx_spreads_connections_evenly(number: int) -> None:
    last = ipaddress.ip_address("10.0.0.0") + number - 1
    text = text_of("nginx", ["10.0.0.0-%s" % last], SERVERS[:1])
    named = re.findall(r'split_clients "[^"]*" (\S+) {\n(.*?)}', text, re.DOTALL)
    blocks = {name: shares(block) for name, block in named}
    if len(blocks) == 1:
        found = blocks["$source4"]
    else:
        groups = blocks.pop("$source4_group")
        found = {
            source: share * groups[name.rpartition("_")[2]]
            for name, block in blocks.items()
            for source, share in block.items()
        }
    assert len(found) == number
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) * number > 0.95
    assert max(found.values()) * number < 1.05


def test_squid_gives_each_the_same_part() -> None:
    found = [
        int(part) for part in re.findall(r"acl source4_\d+ random 1/(\d+)", text_of("squid", ["10.0.0.1-10.0.0.9"]))
    ]
    left, parts = 1.0, []
    for part in found:
        parts.append(left / part)
        left -= parts[-1]
    assert [*parts, left] == pytest.approx([1 / 9] * 9)


def test_ports_of_its_own() -> None:
    assert " source 10.0.0.1:20000-20099\n" in str(lines("haproxy", SOURCES, SERVERS, "20000-20099"))
    assert " source [2001:db8::1]:20000-20099\n" in str(lines("haproxy", SOURCES, SERVERS, "20000-20099"))
    assert ' --local-port 20000-20099 "' in str(lines("curl", SOURCES, SERVERS, "20000-20099"))


def test_what_is_no_address() -> None:
    with pytest.raises(ValueError, match="'eth0' is no address, range or prefix"):
        lines("haproxy", ["eth0"])
