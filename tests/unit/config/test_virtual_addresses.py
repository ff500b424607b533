# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config.virtual_addresses import addresses

EMPTY = {"addresses": [], "default_routes": [{"family": 4, "interface": "eth0", "metric": 0}]}

#: As keepalived.conf(5) and its samples write it.
KEEPALIVED = """\
! Configuration File for keepalived
global_defs { router_id 192.0.2.99 }
include conf.d/*.conf
include conf.d/*.conf  # a file is read once
vrrp_instance VI_1 {
    interface eth0
    unicast_src_ip 192.0.2.11
    unicast_peer {
        192.0.2.12
    }
    virtual_ipaddress {
        192.0.2.200/24 brd 192.0.2.255 dev eth0 scope global label eth0:vip
        # 192.0.2.201
        2001:db8::200/64
    }
    virtual_ipaddress_excluded {
        192.0.2.202 peer 192.0.2.203
    }
    virtual_routes {
        default via 192.0.2.1
    }
}
virtual_server 192.0.2.210 80 {
    real_server 192.0.2.21 80 {
    }
}
"""
CIB = """\
<cib><configuration><resources>
<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="a">
<nvpair id="a-ip" name="ip" value="192.0.2.220"/><nvpair name="cidr_netmask" id="b" value="24"/>
<nvpair value="192.0.2.221" name="gateway"/></instance_attributes></primitive>
<primitive id="web" class="systemd" type="nginx"><nvpair name="ip" value="192.0.2.222"/></primitive>
</resources></configuration></cib>
"""
IPVS = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C00002E6:0050 rr
  -> 0A000001:0050      Masq    1      0          0
TCP  [2001:0db8:0000:0000:0000:0000:0000:00e6]:0050 rr
FWM  00000001 wlc
"""


def entry(address, interface="eth0", prefix=32):
    return {"address": address, "prefix": prefix, "interface": interface, "family": 4, "scope": "global"}


def found(host, **observed):
    host.path.mkdir(exist_ok=True)
    return addresses(host.look(), EMPTY | observed)


def test_a_host_without_any(host):
    assert found(host, addresses=[entry("192.0.2.10", prefix=24), entry("192.0.2.77", "lo")]) == {}


def test_those_of_keepalived(host):
    host.put("/etc/keepalived/keepalived.conf", KEEPALIVED)
    host.put("/etc/keepalived/conf.d/b.conf", "virtual_ipaddress {\n 192.0.2.205 }\ninclude ../keepalived.conf\n")
    host.put("/etc/keepalived/conf.d/b.conf.bak", "virtual_ipaddress { 192.0.2.206 }\n")
    words = "a virtual address of keepalived (/etc/keepalived/%s)"
    assert found(host) == {
        "192.0.2.200": words % "keepalived.conf:12",
        "2001:db8::200": words % "keepalived.conf:14",
        "192.0.2.202": words % "keepalived.conf:17",
        "192.0.2.210": words % "keepalived.conf:23",
        "192.0.2.205": words % "conf.d/b.conf:2",
    }


def test_those_of_pacemaker(host):
    host.put("/var/lib/pacemaker/cib/cib.xml", CIB)
    assert found(host) == {"192.0.2.220": "a virtual address of Pacemaker (/var/lib/pacemaker/cib/cib.xml)"}


def test_those_of_ipvs(host):
    host.put("/proc/net/ip_vs", IPVS)
    words = "the address of a service of IPVS (/proc/net/ip_vs)"
    assert found(host) == {"192.0.2.230": words, "2001:db8::e6": words}


def test_those_of_kubernetes(host):
    listed = [entry("10.96.0.1", "kube-ipvs0"), entry("169.254.20.10", "nodelocaldns"), entry("10.0.0.1", "cni0")]
    assert list(found(host, addresses=listed)) == ["10.96.0.1", "169.254.20.10"]


@pytest.mark.parametrize(
    ("settings", "virtual"),
    [
        ({"all/arp_ignore": 1, "all/arp_announce": 2}, True),
        ({"lo/arp_ignore": 1, "lo/arp_announce": 2}, True),
        ({"eth0/arp_ignore": 2, "all/arp_announce": 2}, True),
        ({"eth1/arp_ignore": 1, "all/arp_announce": 2}, False),
        ({"all/arp_ignore": 1, "all/arp_announce": 1}, False),
        ({"all/arp_ignore": 0, "all/arp_announce": 2}, False),
        ({}, False),
    ],
)
def test_a_real_server_of_a_load_balancer(host, settings, virtual):
    """As LVS by direct routing has it: the service's address on lo, which ARP neither answers for nor asks from."""
    for name, value in settings.items():
        host.put("/proc/sys/net/ipv4/conf/" + name, "%d\n" % value)
    listed = [entry("192.0.2.100", "lo"), entry("192.0.2.10"), entry("10.0.0.0", "lo", 8)]
    listed.append(entry("127.0.0.2", "lo") | {"scope": "host"})
    assert list(found(host, addresses=listed)) == (["192.0.2.100"] if virtual else [])
