# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import interface_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import drift
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import Keys

MARK = "# Managed by fourtuple.clients (role x). Changes here are overwritten.\n"
SYSCTL = "/etc/sysctl.d/99-zz-fourtuple.conf"
LIMITS = "/etc/security/limits.d/99-zz-fourtuple.conf"
UNIT = "/etc/systemd/system/app.service.d/zzzz-fourtuple.conf"
DEFAULT = "/etc/systemd/system.conf.d/zzzz-fourtuple.conf"
RECORD = {"kind": "floor", "before": "1", "order": 0, "ours": ["5"]}
NETWORKD = "/etc/systemd/network/10-eth0.network.d/fourtuple.conf"


@pytest.fixture
def tuned_host(debian):
    """A host as the roles leave it."""
    debian.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n")
    debian.put("/usr/lib/systemd/system/app.service", "[Service]\n")
    debian.put("/var/lib/fourtuple/sysctl.json", json.dumps({"kernel.x": RECORD}))
    debian.put(SYSCTL, MARK + "fs.nr_open = 2000000\nkernel.x = 5\nnet.ipv4.ip_local_port_range = 1024 65535\n")
    debian.sysctl(fs__nr_open=2000000, kernel__x=5, net__ipv4__ip_local_port_range="1024\t65535")
    debian.put(LIMITS, MARK + "* soft nofile 1500000\n* hard nofile 1500000\nroot hard nofile 1500000\n")
    debian.put(UNIT, MARK + "[Service]\nLimitNOFILE=5000:infinity\n")
    debian.put(DEFAULT, MARK + "[Manager]\nDefaultLimitNOFILE=1024:600000\n")
    debian.put("/proc/1/limits", "Max open files 1048576 1048576 files\n")
    debian.put("/sys/class/net/eth0/ifindex", "2\n")
    debian.put(
        "/run/systemd/netif/links/2", "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10-eth0.network\n"
    )
    debian.put(NETWORKD, MARK + "[Network]\nAddress=198.51.100.1/32\nAddress=198.51.100.2/32\n")
    added = [["eth0", "198.51.100.1/32"], ["eth0", "198.51.100.2/32"]]
    debian.put("/var/lib/fourtuple/addresses.json", json.dumps({"added": added}))
    return debian


LIVE = {
    "list": [
        {"address": "198.51.100.1", "last": "198.51.100.2", "count": 2, "prefix": 32, "interface": "eth0"},
        {"address": "192.0.2.1", "prefix": 24, "interface": "eth0"},
    ],
    "anyip": [],
}


def ask(host, addresses=LIVE):
    reading = host.look()
    own = drift.applied(reading)
    found = drift.find(reading, Keys(reading), Subjects(reading, {}), own, addresses)
    assert reading.unread == []
    return [(entry["what"], entry["applied"], entry["found"], entry["where"]) for entry in found]


def test_what_is_applied(tuned_host):
    own = drift.applied(tuned_host.look())
    assert drift.shown(own) == {
        "sysctl": {"fs.nr_open": "2000000", "kernel.x": "5", "net.ipv4.ip_local_port_range": "1024 65535"},
        "nofile": {
            "domains": {"*": {"soft": 1500000, "hard": 1500000}, "root": {"soft": None, "hard": 1500000}},
            "units": {"app.service": {"soft": 5000, "hard": None}},
            "default": {"soft": 1024, "hard": 600000},
        },
        "addresses": ["198.51.100.1-198.51.100.2"],
    }
    assert drift.own_addresses(own).added == {("eth0", "198.51.100.1/32"), ("eth0", "198.51.100.2/32")}


def test_nothing_applied(host):
    own = drift.applied(host.look())
    nothing = {"domains": {}, "units": {}, "default": None}
    assert drift.shown(own) == {"sysctl": {}, "nofile": nothing, "addresses": []}
    assert ask(host, None) == []


def test_foreign_files_of_our_name_are_not_ours(tuned_host):
    for path in (SYSCTL, LIMITS, UNIT, DEFAULT):
        tuned_host.put(path, tuned_host.text(path).replace(MARK, "# somebody\n"))
    shown = drift.shown(drift.applied(tuned_host.look()))
    assert (shown["sysctl"], shown["nofile"]) == ({}, {"domains": {}, "units": {}, "default": None})


def test_no_drift(tuned_host):
    assert ask(tuned_host) == []


def test_live_values(tuned_host):
    tuned_host.sysctl(fs__nr_open=3000000, kernel__x=4, net__ipv4__ip_local_port_range="32768 60999")
    assert ask(tuned_host) == [
        ("kernel.x", "5", "4", "live"),
        ("net.ipv4.ip_local_port_range", "1024 65535", "32768 60999", "live"),
    ]
    (tuned_host.path / "proc/sys/kernel/x").unlink()
    assert ask(tuned_host)[0] == ("kernel.x", "5", None, "live")


def test_the_next_boot(tuned_host):
    tuned_host.put("/etc/sysctl.d/zz.conf", "net.ipv4.ip_local_port_range=2000 3000\nkernel.x=9\n")
    assert ask(tuned_host) == [("net.ipv4.ip_local_port_range", "1024 65535", "2000 3000", "after_boot")]


def test_reserved_ports_may_be_more(tuned_host):
    tuned_host.put(SYSCTL, MARK + "net.ipv4.ip_local_reserved_ports = 80,90-91\n")
    tuned_host.sysctl(net__ipv4__ip_local_reserved_ports="80-95")
    tuned_host.put("/etc/security/limits.d/99-zz-fourtuple.conf", MARK)
    assert ask(tuned_host) == []
    tuned_host.sysctl(net__ipv4__ip_local_reserved_ports="80,90")
    assert ask(tuned_host) == [("net.ipv4.ip_local_reserved_ports", "80,90-91", "80,90", "live")]


def test_missing_files(tuned_host):
    tuned_host.put(LIMITS, MARK)
    (tuned_host.path / SYSCTL[1:]).unlink()
    assert ask(tuned_host) == [(SYSCTL, "there", None, "file")]
    tuned_host.put(SYSCTL, MARK + "net.netfilter.nf_conntrack_max = 5\n")
    tuned_host.sysctl(net__netfilter__nf_conntrack_max=6)
    assert ask(tuned_host) == [("/etc/modules-load.d/fourtuple.conf", "there", None, "file")]


def test_addresses(tuned_host):
    tuned_host.put(NETWORKD, MARK + "[Network]\nAddress=198.51.100.1/32\n")
    live = {**LIVE, "list": [dict(LIVE["list"][0], last="198.51.100.1"), dict(LIVE["list"][0], interface="eth1")]}
    assert ask(tuned_host, live) == [
        ("address 198.51.100.2/32", "eth0", None, "live"),
        ("address 198.51.100.2/32", "eth0", None, "file"),
    ]
    # Provider none: nothing is meant to outlive the boot.
    (tuned_host.path / NETWORKD[1:]).unlink()
    assert ask(tuned_host) == []


def test_limits_that_others_lower(tuned_host):
    tuned_host.put(UNIT, MARK + "[Service]\nLimitNOFILE=5000\n")
    tuned_host.put("/etc/security/limits.d/99-zzz.conf", "root hard nofile 100\n")
    tuned_host.put("/etc/systemd/system/app.service.d/zzzzz.conf", "[Service]\nLimitNOFILE=7\n")
    tuned_host.put("/etc/systemd/system.conf.d/zzzzz.conf", "[Manager]\nDefaultLimitNOFILE=9\n")
    assert ask(tuned_host) == [
        ("nofile of user root", 1500000, 100, "live"),
        ("nofile of user root", 1500000, 100, "after_boot"),
        ("nofile of app.service", 5000, 7, "live"),
        ("nofile of app.service", 5000, 7, "after_boot"),
        ("nofile of every unit without LimitNOFILE=", 600000, 9, "live"),
        ("nofile of every unit without LimitNOFILE=", 600000, 9, "after_boot"),
    ]


def test_a_user_whom_a_star_concerns(tuned_host):
    tuned_host.put("/etc/security/limits.d/99-zzz.conf", "@ann hard nofile 100\nann - nofile 200\n")
    reading = tuned_host.look()
    arguments = (reading, Keys(reading), Subjects(reading, {}), drift.applied(reading), None)
    assert drift.find(*arguments, users=["root"]) == []
    assert [(entry["what"], entry["found"]) for entry in drift.find(*arguments, users=["ann"])] == [
        ("nofile of user ann", 200),
        ("nofile of user ann", 200),
    ]


def test_a_unit_that_is_gone(tuned_host):
    (tuned_host.path / "usr/lib/systemd/system/app.service").unlink()
    assert ask(tuned_host) == []


def test_addresses_by_route(host):
    assert ask_routes(host, live=["198.51.100.8/29", "198.51.100.16/32"]) == []
    assert ask_routes(host, live=["198.51.100.8/30"]) == [
        ("address 198.51.100.12-198.51.100.16", "route", None, "live")
    ]
    unit = "# Managed by fourtuple.clients\nStandardInputText=route append local 198.51.100.8/29 dev lo proto kernel\n"
    host.put("/etc/systemd/system/fourtuple-addresses.service", unit)
    assert ask_routes(host, live=["198.51.100.8/29", "198.51.100.16/32"]) == [
        ("address 198.51.100.16", "route", None, "file")
    ]


def ask_routes(host, live):
    routes = ["198.51.100.8/29", "198.51.100.16/32"]
    host.put("/var/lib/fourtuple/addresses.json", json.dumps({"added": [], "routes": routes}))
    anyip = [{"prefix": prefix, "interface": "lo", "family": 4} for prefix in live]
    observed = {"addresses": [], "anyip": anyip, "default_routes": []}
    return ask(host, interface_addresses.describe(observed, set(routes)))


def test_the_watcher_of_addresses_is_gone_or_stopped(host):
    watcher = [
        "/etc/systemd/system/fourtuple-watch.py",
        "/etc/systemd/system/fourtuple-watch.service",
        "/etc/systemd/system/multi-user.target.d/fourtuple-watch.conf",
    ]
    host.put("/run/systemd/system/.keep", "")
    host.put("/run/systemd/units/.keep", "")
    host.put("/etc/network/fourtuple.batch", MARK)
    assert ask(host, None) == [(path, "there", None, "file") for path in watcher]
    for path in watcher:
        host.put(path, MARK)
    stopped = [("fourtuple-watch.service", "running", None, "live")]
    assert ask(host, None) == stopped
    link = host.below("/run/systemd/units/invocation:fourtuple-watch.service")
    link.symlink_to("an-id")
    assert ask(host, None) == []
    # Written since.
    os.utime(host.below(watcher[0]), (2**32, 2**32))
    assert ask(host, None) == stopped
    # On a host that systemd does not start.
    host.below("/run/systemd/system/.keep").unlink()
    host.below("/run/systemd/system").rmdir()
    host.put("/proc/1/comm", "init\n")
    host.below(watcher[0]).unlink()
    assert "file" not in [where for *_rest, where in ask(host, None)]
