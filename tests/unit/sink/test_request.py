# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    accept,
    control,
    request,
    responder,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

DEFAULTS = {
    "mode": "accept",
    "listen": ["192.0.2.1:7000"],
    "prefix": None,
    "ports": [],
    "lifetime": 900,
    "processes": None,
    "capacity": 1000000,
    "name": "default",
    "variable_prefix": "",
}
RESPONDER = {"mode": "responder", "listen": [], "prefix": "198.18.0.0/15"}


def parse(**options):
    return request.parse({**DEFAULTS, **options})


def test_what_is_asked_for_is_compared_in_one_form():
    one = parse(listen=["192.0.2.1:7000", " [2001:DB8::1]:7001", "192.0.2.1:7000"], lifetime="900")
    assert one.endpoints == [("192.0.2.1", 7000), ("2001:db8::1", 7001)]
    assert one.options() == parse(listen=["192.0.2.1:7000", "[2001:db8::1]:7001"]).options()
    assert one.options() != parse(listen=["192.0.2.1:7000"]).options()
    assert parse(**RESPONDER, capacity=5).options() == parse(**RESPONDER).options()
    assert parse(**RESPONDER, ports=[7001, "7000"]).options()["ports"] == "7000-7001"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"listen": []}, r"prove_listen is \[\]; allowed: at least one address:port"),
        ({"listen": ["192.0.2.1"]}, r"prove_listen\[0\] is '192.0.2.1'; allowed: an address and a port"),
        ({"listen": ["host.example:80"]}, r"prove_listen\[0\] is 'host.example:80'.*Write addresses, not names"),
        ({"listen": ["2001:db8::1:80"]}, r"prove_listen\[0\].*IPv6 in brackets"),
        ({"listen": ["[192.0.2.1]:80"]}, r"prove_listen\[0\] is"),
        ({"listen": ["[fe80::1%eth0]:80"]}, r"prove_listen\[0\] is"),
        ({"listen": ["192.0.2.1:1", "192.0.2.1:65536"]}, r"prove_listen\[1\] is 65536"),
        ({"listen": ["192.0.2.1:0"]}, r"prove_listen\[0\] is 0"),
        ({"prefix": "198.18.0.0/15"}, "prove_prefix is .*It is for mode responder"),
        ({"ports": [80]}, "prove_ports is .*It is for mode responder"),
        ({**RESPONDER, "listen": ["192.0.2.1:80"]}, "prove_listen is .*It is for mode accept"),
        ({**RESPONDER, "prefix": None}, "prove_prefix is None"),
        ({**RESPONDER, "prefix": "198.18.0.1/15"}, "prove_prefix is .*has host bits set"),
        ({**RESPONDER, "prefix": "0.0.0.0/0"}, "prove_prefix is .*at least /8"),
        ({**RESPONDER, "prefix": "2000::/3"}, "prove_prefix is .*at least /16"),
        ({**RESPONDER, "prefix": "127.0.0.0/8"}, "prove_prefix is .*that hosts can be reached by"),
        ({**RESPONDER, "prefix": "224.0.0.0/8"}, "prove_prefix is"),
        ({**RESPONDER, "prefix": "fe80::/64"}, "prove_prefix is"),
        ({**RESPONDER, "ports": ["9-8"]}, r"prove_ports\[0\] is"),
        ({"lifetime": 0}, "prove_lifetime is 0"),
        ({"lifetime": True}, "prove_lifetime is True"),
        ({"processes": 0}, "prove_processes is 0"),
        ({"capacity": -1}, "prove_capacity is -1"),
        ({"name": "../etc"}, r"prove_name is '\.\./etc'"),
        ({"name": ""}, "prove_name is ''"),
        ({"name": ".hidden"}, "prove_name is '.hidden'"),
    ],
)
def test_refusals(options, words):
    with pytest.raises(Refusal, match=words):
        parse(**options, variable_prefix="prove_")


@given(st.text(), st.text())
def test_any_text(listen, prefix):
    for options in ({"listen": [listen]}, {**RESPONDER, "prefix": prefix}, {"name": listen}):
        with contextlib.suppress(Refusal):
            parse(**options)


def test_the_service_that_carries_it_out(monkeypatch):
    monkeypatch.setattr(accept.resource, "getrlimit", lambda which: (1024, 19033))
    monkeypatch.setattr(request.os, "sched_getaffinity", lambda pid: {0, 1})
    service = parse().service()
    assert isinstance(service, accept.Accept)
    assert service.processes == 53
    assert parse(processes=3).service().processes == 3
    with pytest.raises(Refusal, match=r"capacity is 100000000.*Raise the hard nofile"):
        parse(capacity=100000000).service()
    service = parse(**RESPONDER).service()
    assert isinstance(service, responder.Respond)
    assert service.processes == 1
    assert service._ports is None
    served = parse(**RESPONDER, ports=["80-81"]).service()._ports
    assert [port for port, flag in enumerate(served) if flag] == [80, 81]


def test_a_prefix_that_the_host_has_is_refused(tmp_path, monkeypatch):
    asked = []

    def overlapping(network, but_for):
        asked.append((str(network), but_for))
        return ipaddress.ip_network("198.18.7.0/24")

    monkeypatch.setattr(control.tun, "overlapping", overlapping)
    with pytest.raises(Refusal, match=r"prove_prefix is '198\.18\.0\.0/15'.*It has 198\.18\.7\.0/24"):
        control.started(parse(**RESPONDER), str(tmp_path), True, "prove_")
    assert asked == [("198.18.0.0/15", None)]
