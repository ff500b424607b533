# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On this machine's loopback, a port that nobody has; what takes namespaces is in tests/field/test_sinks.py."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import route_lookup, tcp_sockets
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    checks,
    control,
    records,
    tun,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    request as sink_request,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def request(*listen):
    plain = {"mode": "accept", "prefix": None, "ports": [], "lifetime": 60, "processes": 2, "capacity": 100}
    return sink_request.parse({**plain, "name": "a", "listen": list(listen), "variable_prefix": ""})


@pytest.fixture
def free():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()


@pytest.fixture
def sink(tmp_path, free):
    """The record of a sink that serves."""
    folder = str(tmp_path)
    started = control.started(request("%s:%d" % free), folder, False)
    assert (started["running"], started["network_namespace"]) == (True, records.here().network)
    yield records.read_state(folder, "a")
    control.stopped("a", folder, False)


def test_one_that_serves(sink):
    assert checks.faults(sink) == []
    assert not checks.serves_another(sink)


def test_records_that_are_not_so(sink, monkeypatch):
    (text,), ((number, inode),) = sink.options["listen"], sink.details["listeners"]
    pid = sink.pid

    def faults(**changes):
        return checks.faults(sink._replace(**changes))

    no_longer = ["it no longer listens on %s" % text]
    assert faults(start=sink.start + 1) == ["its first process (pid %d) has ended" % pid]
    assert faults(workers=[(pid, 1)])[:1] == ["its process %d has ended" % pid]
    assert faults(details={"listeners": [(number, inode + 1)]}) == no_longer
    assert faults(details={"listeners": [(0, inode)]}) == no_longer
    assert faults(options={"listen": ["127.0.0.2:%s" % text.rpartition(":")[2]]})[0].startswith("it no longer listens")
    assert faults(options={"listen": []}) == ["its record names 1 sockets for 0 addresses"]
    responder = faults(options={"prefix": "198.18.0.0/15"}, details={"device": "ftsink99"})
    assert responder == ["its device ftsink99 is not there"]
    here = records.here()
    monkeypatch.setattr(checks.records, "here", lambda: here._replace(network=1))
    assert faults() == ["its first process (pid %d) is in the network namespace %d" % (pid, here.network)]


def test_without_sock_diag_the_descriptors_have_to_do(sink, monkeypatch):
    monkeypatch.setattr(tcp_sockets, "listening", lambda: None)
    assert checks.faults(sink) == []
    ((number, inode),) = sink.details["listeners"]
    assert checks.faults(sink._replace(details={"listeners": [(number, inode + 1)]}))


def test_one_whose_pids_are_others(sink):
    apart = sink._replace(place=sink.place._replace(processes=1))
    assert checks.serves_another(apart)
    assert not checks.serves_another(apart._replace(details={"listeners": []}))
    assert not checks.serves_another(apart._replace(place=apart.place._replace(boot="another")))
    assert checks.serves_another(apart._replace(details={"listeners": [], "device": "lo"}))
    assert not checks.serves_another(apart._replace(details={"listeners": [], "device": "ftsink99"}))


def test_what_can_be_listened_on(sink, free):
    inode = sink.details["listeners"][0][1]
    checks.check_endpoints("listen", [free], {inode})
    with pytest.raises(Refusal, match=r"^listen is '127\.0\.0\.1:\d+'; .*: fourtuple-sink \(pid \d+\) listens on 127"):
        checks.check_endpoints("listen", [free], ())
    with pytest.raises(Refusal, match=r"192\.0\.2\.77:7000 cannot be listened on: .* is no address of this host"):
        checks.check_endpoints("listen", [("192.0.2.77", 7000)], ())
    with pytest.raises(Refusal, match=r"of the same sink covers it"):
        checks.check_endpoints("listen", [("::", free[1]), ("::1", free[1])], ())


def test_what_is_local():
    assert tun.is_local(ipaddress.ip_address("127.7.7.7")) is True
    assert tun.is_local(ipaddress.ip_address("192.0.2.77")) is False
    assert route_lookup.way_to(ipaddress.ip_address("127.0.0.1")) == (route_lookup.LOCAL, tun.index("lo"))
    assert tun.is_up("lo")
    assert not tun.is_up("ftsink99")
    assert tun.device_of(os.getpid(), 0) is None
    assert tun.device_of(os.getpid(), 9999) is None


def test_a_port_that_becomes_free_meanwhile(monkeypatch, free):
    """The kernel refuses the port, and has let go of it when it is asked who has it."""
    refusals = [OSError(errno.EADDRINUSE, "Address already in use")] * 2
    really = checks.accept.bound

    def bound(endpoint):
        if refusals:
            raise refusals.pop()
        return really(endpoint)

    monkeypatch.setattr(checks.accept, "bound", bound)
    monkeypatch.setattr(checks, "_SECONDS_BETWEEN", 0)
    checks.check_endpoints("prove_listen", [free], frozenset())
    refusals += [OSError(errno.EADDRINUSE, "Address already in use")] * checks._ATTEMPTS
    with pytest.raises(Refusal, match="the kernel does not say by whom"):
        checks.check_endpoints("prove_listen", [free], frozenset())
    assert not refusals
