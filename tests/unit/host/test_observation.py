# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, observation


def test_the_observation_is_json():
    found = observation.observe(["root", "nobody.of.this.name"])
    assert json.loads(json.dumps(found)) == found
    assert found["hostname"] == os.uname().nodename
    assert found["accounts"]["root"]["uid"] == 0
    assert found["accounts"]["root"]["groups"][0] == ["root", 0]
    assert list(found["accounts"]) == ["root"]


def test_a_group_without_a_name(monkeypatch):
    monkeypatch.setattr(observation.os, "getgrouplist", lambda name, gid: [0, 3999999999])
    assert observation.observe(["root"])["accounts"]["root"]["groups"] == [["root", 0]]


def test_a_kernel_that_does_not_answer(monkeypatch):
    def refuse(destinations):
        raise netlink.NetlinkError("no answer")

    monkeypatch.setattr(observation.interface_addresses, "observe", refuse)
    found = observation.observe([])
    assert found["interfaces"] is None
    assert {"what": "addresses of the interfaces", "why": "no answer"} in found["unread"]


def test_what_clients_use_of_the_ports_is_looked_at_on_request(monkeypatch):
    assert "pressure" not in observation.observe([])
    found = observation.observe([], with_pressure=True)
    assert json.loads(json.dumps(found["pressure"])) == found["pressure"]

    def refuse():
        raise netlink.NetlinkError("no answer")

    monkeypatch.setattr(observation.pressure, "observe", refuse)
    found = observation.observe([], with_pressure=True)
    assert found["pressure"] is None
    assert {"what": "what clients use of the local ports", "why": "no answer"} in found["unread"]


@pytest.mark.parametrize("what", ["hostname", "kernel", "machine", "page_size", "cpus", "uid", "sockets"])
def test_what_every_snapshot_needs(what):
    assert observation.observe([])[what] is not None
