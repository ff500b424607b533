# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import parse_endpoint, text_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1:7000", ("192.0.2.1", 7000)),
        (" 192.0.2.1:1 ", ("192.0.2.1", 1)),
        ("[2001:db8::1]:65535", ("2001:db8::1", 65535)),
        ("[2001:0DB8:0::0001]:80", ("2001:db8::1", 80)),
    ],
)
def test_what_people_write(text, endpoint):
    assert parse_endpoint("x", text) == endpoint


@given(st.ip_addresses(), st.integers(1, 65535))
def test_there_and_back(address, port):
    endpoint = (str(address), port)
    assert parse_endpoint("x", text_of(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Write addresses, not names"),
        ("192.0.2.1", "Write addresses, not names"),
        ("192.0.2.1:", "a whole number from 1 to 65535"),
        ("192.0.2.1:0", "a whole number from 1 to 65535"),
        ("192.0.2.1:65536", "a whole number from 1 to 65535"),
        ("192.0.2.1:http", "such as 192.0.2.1:7000"),
        ("192.0.2.1:-1", "a whole number"),
        ("localhost:80", "Write addresses, not names"),
        ("[192.0.2.1]:80", "those of IPv6 in brackets"),
        ("2001:db8::1:80", "those of IPv6 in brackets"),
        ("[2001:db8::1]", "those of IPv6 in brackets"),
        ("[2001:db8::1:80", "those of IPv6 in brackets"),
        ("[fe80::1%eth0]:80", "Write addresses, not names"),
        ("192.0.2.0/24:80", "Write addresses, not names"),
    ],
)
def test_refusals(text, words):
    with pytest.raises(Refusal, match=words) as caught:
        parse_endpoint("destinations[3]", text)
    assert caught.value.where == "destinations[3]"


@given(st.text() | st.text("0123456789abcdef:.[]% "))
def test_any_text_is_an_endpoint_or_refused(text):
    with contextlib.suppress(Refusal):
        address, port = parse_endpoint("x", text)
        ipaddress.ip_address(address)
        assert 1 <= port <= 65535
