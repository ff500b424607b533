# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that manage a network: their configuration, and what happens to them in the life of a host."""

from __future__ import annotations

import typing as t

#: The kinds of source addresses: a prefix that a route makes local, and addresses on the interface.
ROUTE, IF4, IF6 = "route", "interface4", "interface6"


class Event(t.NamedTuple):
    """Something that happens to a host.

    command: what does it, until it is done
    lost:    which kinds of ours are gone then, as the network's manager has it; a run of the role puts them back
    renewed: whether the host has another address of its own behind it
    """

    name: str
    command: str
    lost: frozenset[str] = frozenset()
    renewed: bool = False


class Kind(t.NamedTuple):
    """A program that manages the network.

    image:  of tests/images/build, without the release
    units:  those that a host has enabled
    static: the files of a host with addresses of its own that somebody wrote; None where that is not played here
    leased: the same where DHCP and router advertisements say them
    keeps:  what role addresses says keeps addresses on the interface, None where it refuses them
    events: each without those of leased()
    """

    name: str
    image: str
    units: tuple[str, ...]
    static: dict[str, str] | None
    leased: dict[str, str] | None
    keeps: str | None
    events: tuple[Event, ...]

    def files(self, addressing: str) -> dict[str, str]:
        found = self.static if addressing == "static" else self.leased
        assert found is not None
        return found


_LINK = "ip link set eth0 down; sleep 1; ip link set eth0 up"
_LINK_AT_ONCE = "ip link set eth0 down; ip link set eth0 up"

_NETWORK = "/etc/systemd/network/10-eth0.network"
_MATCH = "[Match]\nName=eth0\n[Network]\n"
_ADDRESSES = "Address=192.0.2.10/24\nGateway=192.0.2.1\nAddress=2001:db8:0:1::10/64\nGateway=2001:db8:0:1::1\n"
_OF_NETWORKD = (
    Event("restart", "systemctl restart systemd-networkd"),
    Event(
        "stop and start",
        "systemctl stop systemd-networkd.socket systemd-networkd; sleep 1; systemctl start systemd-networkd",
    ),
    Event("kill", "systemctl kill --signal KILL systemd-networkd; sleep 1"),
    Event("reload after a change", "for f in /etc/systemd/network/*.network /run/systemd/network/*.network; do "
          "[ ! -e $f ] || echo '# changed' >>$f; done; networkctl reload"),
    Event("reconfigure", "networkctl reconfigure eth0"),
    # With addresses that somebody wrote there is no lease: the event is then that it says so.
    Event("renew", "networkctl renew eth0 || true"),
    Event("networkctl down and up", "networkctl down eth0; sleep 1; networkctl up eth0"),
    Event("link down and up", _LINK),
)  # fmt: skip

_PROFILE = "/etc/NetworkManager/system-connections/eth0.nmconnection"
_PROFILE_TEXT = """[connection]
id=eth0
uuid=11111111-2222-3333-4444-555555555555
type=ethernet
interface-name=eth0
[ipv4]
%s
[ipv6]
%s
"""
_CONNECTION = "$(nmcli -g GENERAL.CONNECTION device show eth0)"
_OF_NETWORK_MANAGER = (
    Event("restart", "systemctl restart NetworkManager"),
    Event("kill", "systemctl kill --signal KILL NetworkManager; sleep 2"),
    Event("reload", "nmcli general reload; nmcli connection reload"),
    Event("reapply", "nmcli device reapply eth0"),
    Event("change and reapply", "nmcli connection modify --temporary \"%s\" ipv4.route-metric 123; "
          "nmcli device reapply eth0" % _CONNECTION),
    Event("up again", "nmcli connection up \"%s\"" % _CONNECTION),
    Event("disconnect and connect", "nmcli device disconnect eth0; sleep 1; nmcli device connect eth0"),
    Event("networking off and on", "nmcli networking off; sleep 1; nmcli networking on; sleep 1"),
    # Down for less than five seconds, NetworkManager puts its own back, and runs no script.
    Event("link down and up", _LINK),
    Event("link down and up at once", _LINK_AT_ONCE),
)  # fmt: skip

_NETPLAN = "/etc/netplan/50-somebody.yaml"
_NETPLAN_TEXT = """network:
  version: 2
  renderer: %s
  ethernets:
    eth0:
%s
"""
_NETPLAN_STATIC = """      addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"]
      routes:
        - {to: default, via: 192.0.2.1}
        - {to: default, via: "2001:db8:0:1::1"}"""
_NETPLAN_LEASED = "      dhcp4: true"
#: There is no udevd in a container, and netplan waits for it.
_UDEVADM = {"/usr/local/bin/udevadm": "#!/bin/sh\nexit 0\n", "/usr/local/sbin/udevadm": "#!/bin/sh\nexit 0\n"}
_OF_NETPLAN = (
    Event("generate", "netplan generate"),
    Event("apply", "netplan apply"),
    Event("apply again", "netplan apply"),
)

_INTERFACES = "/etc/network/interfaces"
_LO = "auto lo\niface lo inet loopback\nauto eth0\n"
_STANZAS = """iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
iface eth0 inet6 static
    address 2001:db8:0:1::10/64
    gateway 2001:db8:0:1::1
    dad-attempts 0
"""
_STANZA_OF_2 = """iface eth0
    address 192.0.2.10/24
    address 2001:db8:0:1::10/64
    gateway 192.0.2.1
    gateway 2001:db8:0:1::1
"""
_OF_IFUPDOWN = (
    Event("ifup --force", "ifup --force eth0"),
    Event("restart", "systemctl restart networking"),
    Event("ifdown and ifup", "ifdown eth0; ifup eth0"),
)

KINDS = [
    Kind(
        "networkd",
        "managers",
        ("systemd-networkd",),
        {_NETWORK: _MATCH + _ADDRESSES},
        {_NETWORK: _MATCH + "DHCP=ipv4\n"},
        "networkd",
        _OF_NETWORKD,
    ),
    Kind(
        "NetworkManager",
        "managers",
        ("NetworkManager", "NetworkManager-dispatcher"),
        {
            _PROFILE: _PROFILE_TEXT
            % (
                "method=manual\naddress1=192.0.2.10/24,192.0.2.1",
                "method=manual\naddress1=2001:db8:0:1::10/64,2001:db8:0:1::1",
            )
        },
        {_PROFILE: _PROFILE_TEXT % ("method=auto", "method=auto\naddr-gen-mode=0")},
        "networkmanager",
        _OF_NETWORK_MANAGER,
    ),
    Kind(
        "netplan-networkd",
        "managers",
        ("systemd-networkd",),
        {_NETPLAN: _NETPLAN_TEXT % ("networkd", _NETPLAN_STATIC), **_UDEVADM},
        {_NETPLAN: _NETPLAN_TEXT % ("networkd", _NETPLAN_LEASED), **_UDEVADM},
        "networkd",
        (*_OF_NETPLAN, *_OF_NETWORKD),
    ),
    Kind(
        "netplan-NetworkManager",
        "managers",
        ("NetworkManager", "NetworkManager-dispatcher"),
        {_NETPLAN: _NETPLAN_TEXT % ("NetworkManager", _NETPLAN_STATIC), **_UDEVADM},
        {_NETPLAN: _NETPLAN_TEXT % ("NetworkManager", _NETPLAN_LEASED), **_UDEVADM},
        "networkmanager",
        (*_OF_NETPLAN, *_OF_NETWORK_MANAGER),
    ),
    Kind(
        "ifupdown",
        "managers",
        ("networking",),
        {_INTERFACES: _LO + _STANZAS},
        {_INTERFACES: _LO + "iface eth0 inet dhcp\n"},
        "ifupdown",
        # By itself it takes the host's own routes and IPv6 too.
        (*_OF_IFUPDOWN, Event("link down, up and ifup", _LINK + "; ifdown eth0; ifup eth0")),
    ),
    Kind(
        "ifupdown2",
        "ifupdown2",
        ("networking",),
        {_INTERFACES: _LO + _STANZA_OF_2},
        {_INTERFACES: _LO + "iface eth0 inet dhcp\n"},
        "ifupdown",
        (Event("ifreload", "ifreload -a"), *_OF_IFUPDOWN),
    ),
    Kind(
        "dhcpcd",
        "managers",
        ("dhcpcd",),
        None,
        # It waits for udevd otherwise, which a container has none of.
        {"/etc/dhcpcd.conf": "nodev\npersistent\nslaac hwaddr\noption classless_static_routes, interface_mtu\n"},
        None,
        (
            Event("restart", "systemctl restart dhcpcd"),
            Event("kill", "systemctl kill --signal KILL dhcpcd; sleep 1; systemctl restart dhcpcd"),
            Event("rebind", "dhcpcd --rebind eth0"),
            Event("link down and up", _LINK),
        ),
    ),
    Kind(
        "connman",
        "managers",
        ("connman",),
        None,
        {},
        None,
        (
            # It removes every address of lo, and the kernel with the last one of IPv4 every local route there.
            Event("restart", "systemctl restart connman", frozenset([ROUTE])),
            Event("kill", "systemctl kill --signal KILL connman; sleep 1", frozenset([ROUTE])),
            Event("disable and enable", "connmanctl disable ethernet; sleep 1; connmanctl enable ethernet"),
            Event("link down and up", _LINK),
        ),
    ),
]

#: The peer leases another address at the next renewal, within a minute, or when the lease ends, in two. dhclient then
#: takes every address of IPv4 off the interface before it adds the new one, and ifupdown is not asked.
_NEW_LEASE = (
    "echo 11 >/run/peer.leased; sleep 1; %s timeout 240 sh -c 'until ip -4 address show dev eth0 | grep -q 192.0.2.11; "
    "do sleep 0.5; done'"
)
#: Who can be told to ask at once.
_HURRIED = {
    "networkd": "networkctl renew eth0;",
    "netplan-networkd": "networkctl renew eth0;",
    "dhcpcd": "dhcpcd --rebind eth0;",
}


#: The kernel takes the host's own default route, too, which dhclient does not put back; its own IPv6 comes back by a
#: router's advertisement.
_LINK_OF_DHCLIENT = "; ip -4 route replace default via 192.0.2.1 dev eth0"


def leased(kind: Kind) -> t.Iterator[Event]:
    """Yield what happens to a host whose addresses are from DHCP and router advertisements only."""
    if kind.keeps == "ifupdown":
        yield Event("link down and up", _LINK + _LINK_OF_DHCLIENT)
        yield Event("link down and up at once", _LINK_AT_ONCE + _LINK_OF_DHCLIENT)
    yield Event("new lease", _NEW_LEASE % _HURRIED.get(kind.name, ""), renewed=True)
