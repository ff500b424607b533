# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines with source addresses that reboot, under each program that may manage their network by DHCP.

What the host has of its own must come after the reboot as it did before, and ours must be there before a client starts.
What comes to the machine is late while it boots, so that DHCP takes seconds: whoever takes the host for online because
of our addresses alone is found out.
"""

from __future__ import annotations

import json
import typing as t

import pytest
import virtual_machine
from virtual_machine import CHECKOUT, VirtualMachine

if t.TYPE_CHECKING:
    from conftest import Run

State = dict[str, dict[str, t.Any]]

INTERFACE = "eth0"
#: The first that QEMU's DHCP server gives.
OWN = "192.0.2.15"
#: What QEMU's DHCP server leaves out, as nothing leads out of its network.
GATEWAY = "192.0.2.2"

#: IPv4 and IPv6 that are routed to the host, and IPv6 of its link, which takes an address on the interface.
ROUTED = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:1::1"]
ON_LINK = ["2001:db8::c0"]
TUNE = {"tune_target_connections": 100000, "tune_binding": "bind_no_port", "tune_addresses": ROUTED + ON_LINK}

LOCAL = {
    "local 203.0.113.1 dev lo table local proto kernel scope host",
    "local 203.0.113.2/31 dev lo table local proto kernel scope host",
    "local 2001:db8:1::1 dev lo table local proto kernel metric 1024 pref medium",
}

_HOST_STATE = (CHECKOUT / "molecule/shared/host_state.py").read_text()

#: It starts once the host is online, as a client does, and remembers what it found.
_CLIENT = """[Unit]
Wants=network-online.target
After=network-online.target

[Service]
ExecStartPre=/bin/sh -c 'ip -json address show dev eth0 >/run/client.addresses'
ExecStartPre=/bin/sh -c 'ip route show table all >/run/client.routes'
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""

#: On link, explicitly: systemd-networkd makes a gateway so by itself only while the file states no address, and the
#: drop-in states ours.
_NETWORKD = """[Match]
Name=eth0

[Network]
DHCP=ipv4

[Route]
Gateway=192.0.2.2
GatewayOnLink=yes
"""

_KEYFILE = """[connection]
id=wired
type=ethernet
interface-name=eth0

[ipv4]
method=auto
route1=0.0.0.0/0,192.0.2.2

[ipv6]
method=auto
"""

_NETPLAN = """network:
  version: 2
  renderer: %s
  ethernets:
    eth0:
      dhcp4: true
      routes: [{to: default, via: 192.0.2.2%s}]
"""


#: The record as release 0.1.0 wrote it.
_FORGET_ROUTES = """python3 - <<'end'
import json
with open("/var/lib/fourtuple/addresses.json", "r+") as record:
    state = json.load(record)
    assert state.pop("routes") == []
    record.seek(0)
    record.truncate()
    json.dump(state, record)
end
"""


class Manager(t.NamedTuple):
    """A program that manages the network, and who wrote what it reads.

    path:       the file that is written, of this text and mode
    unit:       what configures the interface
    enabled:    what to enable, apart from what netplan does itself
    ask, given: a command, and what it says of an interface that is managed by that very configuration
    """

    path: str
    text: str
    mode: str
    unit: str
    enabled: str
    ask: str
    given: str


_ASK_NETWORKD = "sed -nE 's/^(ADMIN_STATE|NETWORK_FILE)=//p' /run/systemd/netif/links/2"
_ASK_NM = "nmcli -g GENERAL.STATE,GENERAL.CONNECTION device show eth0"

MANAGERS = {
    "networkd": Manager(
        "/etc/systemd/network/20-wired.network",
        _NETWORKD,
        "644",
        "systemd-networkd.service",
        "systemd-networkd.service",
        _ASK_NETWORKD,
        "configured\n/etc/systemd/network/20-wired.network",
    ),
    "networkmanager": Manager(
        "/etc/NetworkManager/system-connections/wired.nmconnection",
        _KEYFILE,
        "600",
        "NetworkManager.service",
        "NetworkManager.service NetworkManager-dispatcher.service NetworkManager-wait-online.service",
        _ASK_NM,
        "100 (connected)\nwired",
    ),
    "netplan, networkd": Manager(
        "/etc/netplan/50-wired.yaml",
        _NETPLAN % ("networkd", ", on-link: true"),
        "600",
        "systemd-networkd.service",
        "",
        _ASK_NETWORKD,
        "configured\n/run/systemd/network/10-netplan-eth0.network",
    ),
    "netplan, networkmanager": Manager(
        "/etc/netplan/50-wired.yaml",
        _NETPLAN % ("NetworkManager", ""),
        "600",
        "NetworkManager.service",
        "NetworkManager.service NetworkManager-dispatcher.service NetworkManager-wait-online.service",
        _ASK_NM,
        "100 (connected)\nnetplan-eth0",
    ),
}


class Machine(VirtualMachine):
    """A machine whose network another program can manage."""

    def manage(self, manager: Manager) -> None:
        """Have another program manage the network from the next reboot on."""
        old = "/etc/systemd/network/20-wired.network"
        self.must("rm %s; mkdir -p $(dirname %s)" % (old, manager.path))
        self.write({manager.path: manager.text})
        self.must(
            "chmod %s %s\n"
            "rm /etc/systemd/system/systemd-networkd-wait-online.service\n"
            "systemctl --quiet --no-reload disable systemd-networkd.service\n"
            "[ -z '%s' ] || systemctl --quiet --no-reload enable %s"
            % (manager.mode, manager.path, manager.enabled, manager.enabled)
        )

    def reboot_slowly(self, *last: str) -> None:
        """Reboot, with a DHCP server that takes its time, and wait for addresses of IPv6, which may come last."""
        self.delay(2000)
        self.reboot()
        self.observe("systemctl is-system-running --wait")
        self.delay(0)
        for text in ("dynamic", *last):
            there = "ip -6 address show dev %s | grep -q '%s'" % (INTERFACE, text)
            self.observe('timeout 60 sh -c "until %s; do sleep 0.5; done"' % there)

    def state(self) -> State:
        done = self.ssh("root", "python3 -", _HOST_STATE)
        assert done.status == 0, done.output
        state: State = json.loads(done.output)
        return state

    def show(self, unit: str) -> dict[str, str]:
        """Return when a unit was active and its first process began and ended, in microseconds since the boot."""
        names = "ActiveState,Result,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic"
        shown = self.observe("systemctl show -p %s,ExecMainExitTimestampMonotonic,ExecMainStatus '%s'" % (names, unit))
        return dict(line.split("=", 1) for line in shown.splitlines())


@pytest.fixture(scope="session")
def machine(release: str) -> t.Iterator[Machine]:
    """Start a machine, and save the state "fresh"."""
    with virtual_machine.started(Machine, "reboot", release + "-managers", 768) as made:
        made.write({"/etc/systemd/system/client.service": _CLIENT})
        made.must("systemctl --quiet --no-reload enable client.service")
        made.save("fresh")
        yield made


def tune(run: Run, machine: Machine, method: str) -> None:
    variables = json.dumps(TUNE | {"tune_addresses_method": method})
    machine.ansible(run, "ansible-playbook", "playbooks/tune_clients.yml", "-e", variables)


def assert_own_network(machine: Machine, manager: Manager, state: State, before: State) -> None:
    """The host has what it had before, its manager knows it, and had given it when the client started."""
    assert machine.observe(manager.ask) == manager.given
    assert machine.observe("systemctl --failed --plain --no-legend") == ""
    assert "ordering cycle" not in machine.observe("journalctl -b -o cat _PID=1")
    assert [one for one in before["address"][INTERFACE] if one not in state["address"][INTERFACE]] == []
    assert before["route"].keys() - state["route"].keys() == set()
    for version, destination in (("-4", GATEWAY), ("-6", "2001:db8::2")):
        (route,) = json.loads(machine.observe("ip %s -json route get %s" % (version, destination)))
        assert route["prefsrc"] in {one["local"] for one in before["address"][INTERFACE]}
    assert OWN in addresses_at_start(machine)
    assert any(route.startswith("default via %s " % GATEWAY) for route in routes_at_start(machine))


def addresses_at_start(machine: Machine) -> set[str]:
    """Return the addresses of the interface when the client started."""
    (link,) = json.loads(machine.observe("cat /run/client.addresses"))
    return {one["local"] for one in link["addr_info"]}


def routes_at_start(machine: Machine) -> set[str]:
    return {line.strip() for line in machine.observe("cat /run/client.routes").splitlines()}


def assert_ours(machine: Machine, method: str, state: State, before: State) -> None:
    """All of ours are there, each its way, and a program can bind to them."""
    added = [one["local"] for one in state["address"][INTERFACE] if one not in before["address"][INTERFACE]]
    assert sorted(added) == sorted(ON_LINK if method == "auto" else ROUTED + ON_LINK)
    local = {line for line in state["route"].keys() - before["route"].keys() if " dev lo " in line}
    assert local == (LOCAL if method == "auto" else set())
    bind = "import socket\nfor one in %r: socket.create_server((one, 0), family=10 if ':' in one else 2)"
    assert machine.observe('python3 -c "%s"' % (bind % (ROUTED + ON_LINK))) == ""


def assert_in_time(machine: Machine, manager: Manager) -> None:
    """The unit makes prefixes local before anything manages the network, so that the client has them."""
    unit = machine.show("fourtuple-addresses.service")
    assert (unit["ActiveState"], unit["Result"], unit["ExecMainStatus"]) == ("active", "success", "0")
    times = [
        unit["ExecMainExitTimestampMonotonic"],
        machine.show("network-pre.target")["ActiveEnterTimestampMonotonic"],
        machine.show(manager.unit)["ExecMainStartTimestampMonotonic"],
    ]
    assert "0" not in times
    assert sorted(times, key=int) == times
    assert routes_at_start(machine) >= LOCAL


@pytest.mark.parametrize("name", MANAGERS)
def test_source_addresses_and_the_hosts_own_outlive_reboots(run: Run, machine: Machine, name: str) -> None:
    """On the interface, then moved to routes, as a host moves that release 0.1.0 has tuned; and taken back."""
    manager = MANAGERS[name]
    machine.restore("fresh")
    machine.manage(manager)
    machine.reboot_slowly()
    before = machine.state()
    assert_own_network(machine, manager, before, before)

    for method in ("interface", "auto"):
        tune(run, machine, method)
        assert_ours(machine, method, machine.state(), before)
        machine.reboot_slowly(*ON_LINK)
        state = machine.state()
        assert_own_network(machine, manager, state, before)
        assert_ours(machine, method, state, before)
        if method == "interface":
            machine.must(_FORGET_ROUTES)
    assert_in_time(machine, manager)

    machine.ansible(run, "ansible-playbook", "playbooks/untune_clients.yml")
    machine.reboot_slowly()
    state = machine.state()
    assert_own_network(machine, manager, state, before)
    # Each start of a unit has its own.
    state["service manager"]["InvocationID"] = before["service manager"]["InvocationID"]
    assert state == before
