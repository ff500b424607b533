# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen to cut hosts off from their network, and that role addresses does none of it.

That nothing is added before NetworkManager has its own address, neither at a reboot nor behind a disconnect, is in
test_events.py.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from kinds import KINDS
from managed_host import OWN4, ManagedHost

OURS = "grep -rl 'Managed by fourtuple' /etc | LC_ALL=C sort"
WATCHER = [
    "/etc/systemd/system/fourtuple-watch.py",
    "/etc/systemd/system/fourtuple-watch.service",
    "/etc/systemd/system/multi-user.target.d/fourtuple-watch.conf",
]
BY_NAME = {kind.name: kind for kind in KINDS}


def start(folder: pathlib.Path, kind: str, release: str, more: t.Mapping[str, str] | None = None) -> ManagedHost:
    """Boot a host with addresses that somebody wrote."""
    one = BY_NAME[kind]
    files = {**one.files("static"), **(more or {})}
    host = ManagedHost(folder, "%s-%s" % (release, one.image), one.units, files, leased=False)
    assert host.wait(lambda: None not in host.network().leaves_from, 30), host.network()
    # An address of IPv6 has its routes when the kernel has made sure that nobody else has it.
    assert host.wait(lambda: not host.run("ip address show tentative dev eth0", None), 30)
    return host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ManagedHost]:
    with start(tmp_path_factory.mktemp("host"), "networkd", "trixie") as host:
        yield host


_STATE = "ip -brief address; ip route show table all; ls -R /etc/systemd /var/lib/fourtuple/*.json 2>/dev/null"


def refused(host: ManagedHost, entries: list[str], says: str) -> None:
    """Have the role refuse a list, and change nothing."""
    before = host.run(_STATE, None)
    done = host.try_role(list=entries)
    assert done.returncode == 2
    assert says in done.stdout, done.stdout
    assert host.run(_STATE, None) == before


def test_a_prefix_over_the_gateway_or_the_host_itself(host: ManagedHost) -> None:
    refused(host, ["192.0.2.0/29"], "It is the gateway of the default route on eth0")
    refused(host, ["192.0.2.9-192.0.2.12"], "It is the primary address of eth0")


def test_more_routes_than_systemd_networkd_can_read(host: ManagedHost) -> None:
    """With 65,536 its start failed."""
    refused(host, ["10.0.%d.%d" % divmod(2 * number, 256) for number in range(4097)], "at most 4096")


def test_an_address_that_the_host_has_from_somebody_else(host: ManagedHost) -> None:
    """Its local route replaced and then deleted, nobody reaches it any more."""
    host.run("ip address add 198.51.100.77/32 dev eth0")
    host.hold("198.51.100.77", OWN4)
    host.role(list=["198.51.100.76-198.51.100.79"])
    host.role(state="absent")
    assert host.look().held["198.51.100.77/32"] == "global"
    assert "local 198.51.100.77 " in host.run("ip route show table local dev eth0")
    assert max(one["gap"] for one in host.connections().values()) < 5
    host.run("ip address del 198.51.100.77/32 dev eth0")


@pytest.mark.parametrize("release", ["trixie", pytest.param("bookworm", marks=pytest.mark.nightly)])
def test_netplan_and_network_manager_keep_their_files(tmp_path: pathlib.Path, release: str) -> None:
    """With a file of ours that has a lifetime, netplan's generate failed, and NetworkManager made up a connection."""
    theirs = "sha256sum /etc/netplan/* /run/NetworkManager/system-connections/netplan* /etc/network/interfaces"
    with start(tmp_path, "netplan-NetworkManager", release) as host:
        before = host.run(theirs)
        host.role(list=["198.51.100.20", "2001:db8:0:1::20"], method="interface")
        assert host.run(theirs) == before
        assert host.run(OURS).split() == [
            "/etc/NetworkManager/dispatcher.d/fourtuple",
            "/etc/NetworkManager/fourtuple.batch",
            *WATCHER,
        ]
        host.run("netplan generate")
        assert host.run(theirs) == before


def test_a_host_that_changes_its_manager(tmp_path: pathlib.Path) -> None:
    """What the one before has left decides nothing: its files, and an interface that it had configured."""
    (interfaces,) = BY_NAME["ifupdown"].files("static").items()
    # Debian's NetworkManager leaves alone what has a stanza in /etc/network/interfaces.
    left = BY_NAME["NetworkManager"].files("static") | {"/srv/interfaces": interfaces[1]}
    with start(tmp_path, "networkd", "trixie", left) as host:
        addresses = {"list": ["198.51.100.20", "2001:db8:0:1::20"], "method": "interface"}
        host.role(**addresses)
        assert host.run(OURS).split() == ["/etc/systemd/network/10-eth0.network.d/fourtuple.conf"]
        host.run("systemctl disable --now systemd-networkd.socket systemd-networkd")
        host.run("systemctl enable --now NetworkManager NetworkManager-dispatcher; sleep 2")
        host.run("nmcli --wait 10 connection up eth0")
        host.role(**addresses)
        assert host.run(OURS).split() == [
            "/etc/NetworkManager/dispatcher.d/fourtuple",
            "/etc/NetworkManager/fourtuple.batch",
            *WATCHER,
        ]
        host.run("systemctl disable --now NetworkManager NetworkManager-dispatcher; ip address flush dev eth0")
        host.run("cp /srv/interfaces %s; systemctl enable --now networking" % interfaces[0])
        host.role(**addresses)
        assert host.run(OURS).split() == ["/etc/network/fourtuple.batch", "/etc/network/if-up.d/fourtuple", *WATCHER]
        host.boot()
        assert host.look().held["198.51.100.20/32"] == "host"
        assert host.network().leaves_from[0] == OWN4
