# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import os
import subprocess

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import host_facts
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import ProbeFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.request import ProbeRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

REQUEST = ProbeRequest([("192.0.2.1", 7000)], [], "autobind", 1000, 0, 0, None, None, None, 0, 60, None)


@pytest.fixture
def runuser(tmp_path, monkeypatch):
    """Put a runuser on the path that does as the test says."""

    def put(script):
        path = tmp_path / "runuser"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, os.environ["PATH"]))

    return put


def test_the_nofile_of_a_session(runuser):
    runuser('[ "$1 $2 $3" = "-u someone --" ] || exit 9\nshift 3\nulimit -n 77\nexec "$@"\n')
    assert host_facts.session_nofile("someone") == 77


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo runuser: user someone does not exist >&2; exit 1",
            "user someone cannot be opened: runuser: user someone",
        ),
        ("echo nothing", "has no line for open files"),
    ],
)
def test_no_session(runuser, script, words):
    runuser(script)
    with pytest.raises(ProbeFailed, match=words):
        host_facts.session_nofile("someone")


def test_no_runuser(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProbeFailed, match=r"user someone cannot be opened: .*No such file"):
        host_facts.session_nofile("someone")


def test_a_session_that_does_not_begin(monkeypatch):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(host_facts.subprocess, "run", run)
    with pytest.raises(ProbeFailed, match="timed out after 60 seconds"):
        host_facts.session_nofile("someone")


def test_an_address_that_the_host_does_not_have():
    request = REQUEST._replace(sources=[ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("192.0.2.77")])
    with pytest.raises(Refusal) as caught:
        host_facts.look_at_host(request, "prove_")
    assert (caught.value.where, caught.value.value) == ("prove_source_addresses", "192.0.2.77")
    assert host_facts.look_at_host(request._replace(sources=request.sources[:1]), "").nofile > 0


def test_reserved_ports_are_not_usable(monkeypatch):
    monkeypatch.setattr(host_facts, "_port_range", lambda: (20000, 20099))
    monkeypatch.setattr(host_facts, "_reserved", lambda: {19999, 20000, 20050, 20099, 20100})
    assert host_facts.look_at_host(REQUEST, "").usable == 97
