# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_record, network_providers
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

if t.TYPE_CHECKING:
    from host_folder import HostFolder

LINKS = [
    {},
    {"ifname": "lo", "ifindex": 1},
    {"ifname": "eth0", "ifindex": 2},
    {"ifname": "eth1", "ifindex": 3},
]
NETWORK_FILE = "/etc/systemd/network/10-eth0.network"
DROP_IN = NETWORK_FILE + ".d/fourtuple.conf"


def networkd(
    host: HostFolder, index: int = 2, network_file: str = NETWORK_FILE, admin_state: str = "configured"
) -> None:
    host.put(
        "/run/systemd/netif/links/%d" % index,
        "# This is private data. Do not parse.\nADMIN_STATE=%s\nNETWORK_FILE=%s\n" % (admin_state, network_file),
    )
    host.put(network_file, "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.10/24\n")


def ifupdown(host: HostFolder, interfaces: str = "source /etc/network/interfaces.d/*\niface eth0 inet dhcp\n") -> None:
    host.put("/usr/sbin/ifup", "")
    host.put("/etc/network/interfaces", interfaces)
    host.path.joinpath("etc/network/interfaces.d").mkdir(exist_ok=True)


def find(host: HostFolder, provider: str = "auto") -> network_providers.Persistence:
    return network_providers.find(host.look(), "addresses_provider", provider, "eth0", LINKS)


def refusal(host: HostFolder, provider: str = "auto") -> str:
    with pytest.raises(Refusal) as caught:
        find(host, provider)
    assert caught.value.where == "addresses_provider"
    assert caught.value.value == provider
    assert caught.value.allowed == "networkd, ifupdown, or none"
    return str(caught.value)


def test_none_is_nobody_on_any_host(host: HostFolder) -> None:
    networkd(host)
    assert find(host, "none") == ("none", {}, [])


@pytest.mark.parametrize("provider", ["auto", "networkd"])
@pytest.mark.parametrize("state", ["configured", "configuring", "failed"])
def test_networkd_gets_a_drop_in_of_the_network_file(host: HostFolder, provider: str, state: str) -> None:
    networkd(host, admin_state=state)
    assert find(host, provider) == ("networkd", {"drop_in": DROP_IN}, [])


def test_the_drop_in_of_a_vendor_s_network_file_is_below_etc(host: HostFolder) -> None:
    networkd(host, network_file="/usr/lib/systemd/network/80-container-host0.network")
    assert find(host).files == {"drop_in": "/etc/systemd/network/80-container-host0.network.d/fourtuple.conf"}


@pytest.mark.parametrize(
    ("match", "warned"),
    [
        ("Name=eth0", False),
        ("# Name=eth0\nName = eth0", False),
        ("MACAddress=02:00:00:00:00:01\nName=e*", False),
        ("Name=e*", True),
        ("Name=eth0 eth1", True),
        ("Name=!eth1", True),
        ("Type=ether", True),
    ],
)
def test_warns_of_a_network_file_that_may_match_more(host: HostFolder, match: str, warned: bool) -> None:
    networkd(host)
    host.put(NETWORK_FILE, "[Match]\n%s\n[Network]\nName=eth0\n" % match)
    warnings = find(host).warnings
    assert bool(warnings) is warned
    assert all(NETWORK_FILE in warning for warning in warnings)


def test_warns_of_a_network_file_that_is_gone_or_matches_all(host: HostFolder) -> None:
    networkd(host)
    host.put(NETWORK_FILE, "[Network]\nDHCP=yes\n")
    assert find(host).warnings


def test_refuses_a_network_file_of_several_interfaces(host: HostFolder) -> None:
    networkd(host)
    networkd(host, index=3)
    networkd(host, index=9)
    networkd(host, index=1, admin_state="unmanaged")
    message = refusal(host)
    assert NETWORK_FILE in message
    assert "applies to eth0, eth1, interface 9," in message


def test_a_network_file_of_another_interface_does_not_count(host: HostFolder) -> None:
    networkd(host)
    networkd(host, index=3, network_file="/etc/systemd/network/20-eth1.network")
    assert find(host).files == {"drop_in": DROP_IN}


@pytest.mark.parametrize("state", ["unmanaged", "pending"])
def test_networkd_by_name_needs_a_network_file(host: HostFolder, state: str) -> None:
    host.put("/run/systemd/netif/links/2", "ADMIN_STATE=%s\n" % state)
    assert "does not manage eth0 (/run/systemd/netif/links/2" in refusal(host, "networkd")


def test_refuses_netplan_on_networkd(host: HostFolder) -> None:
    networkd(host, network_file="/run/systemd/network/10-netplan-eth0.network")
    assert "managed by netplan (/run/systemd/network/10-netplan-eth0.network)" in refusal(host)


def test_refuses_netplan_that_has_not_run_yet(host: HostFolder) -> None:
    host.put("/etc/netplan/README", "")
    host.put("/etc/netplan/50-cloud-init.yaml", "")
    assert "managed by netplan (/etc/netplan/50-cloud-init.yaml)" in refusal(host)


def test_refuses_network_manager(host: HostFolder) -> None:
    host.put("/run/NetworkManager/devices/2", "[device]\nmanaged=true\n")
    message = refusal(host)
    assert "eth0 is managed by NetworkManager (/run/NetworkManager/devices/2)" in message
    assert "Set it to none" in message


def test_network_manager_may_leave_an_interface_alone(host: HostFolder) -> None:
    host.put("/run/NetworkManager/devices/2", "[device]\nmanaged=false\n")
    ifupdown(host)
    assert find(host).provider == "ifupdown"


def test_refuses_what_nobody_manages(host: HostFolder) -> None:
    assert "Nobody was found to manage eth0" in refusal(host)
    assert "No `iface eth0` stanza" in refusal(host, "ifupdown")


@pytest.mark.parametrize("provider", ["auto", "ifupdown"])
@pytest.mark.parametrize(
    "interfaces",
    [
        "iface eth0 inet dhcp\n",
        "iface \\\n eth0 inet dhcp\n# a comment \\\nno-scripts eth1 /e?h9\n",
        "source /etc/network/interfaces\niface eth0 inet dhcp\n",
        "source '/torn\nsource $DIR/x\nno-scripts\niface eth0 inet dhcp\n",
    ],
)
def test_ifupdown_gets_a_hook_and_a_batch(host: HostFolder, provider: str, interfaces: str) -> None:
    ifupdown(host, interfaces)
    files = {"batch": "/etc/network/fourtuple.batch", "hook": "/etc/network/if-up.d/fourtuple"}
    assert find(host, provider) == ("ifupdown", files, [])


@pytest.mark.parametrize(
    "source",
    [
        "source /etc/network/interfaces.d/*",
        "source interfaces.d/eth0",
        'source /nowhere "/etc/network/interfaces.d/e*"',
        "source \\\n  /etc/network/interfaces.d/eth0",
        "source-directory interfaces.d",
        "  source-directory /etc/network/interfaces.d/",
    ],
)
def test_the_stanza_may_stand_in_a_sourced_file(host: HostFolder, source: str) -> None:
    ifupdown(host, source + "\nauto lo\n")
    host.put("/etc/network/interfaces.d/eth0", "iface eth0 inet static\n")
    host.path.joinpath("etc/network/interfaces.d/directory").mkdir()
    assert find(host).provider == "ifupdown"


def test_source_directory_skips_names_with_a_dot(host: HostFolder) -> None:
    ifupdown(host, "source-directory interfaces.d\n")
    host.put("/etc/network/interfaces.d/eth0.cfg", "iface eth0 inet static\n")
    assert "Nobody was found" in refusal(host)


@pytest.mark.parametrize("line", ["no-scripts lo eth0", "no-scripts eth*", "no-scripts /eth*"])
def test_refuses_where_ifupdown_would_not_run_our_hook(host: HostFolder, line: str) -> None:
    ifupdown(host)
    host.put("/etc/network/interfaces.d/more", line + "\n")
    message = refusal(host)
    assert "/etc/network/interfaces.d/more has a no-scripts line for eth0" in message
    assert "/etc/network/if-up.d/fourtuple" in message


def test_refuses_a_stanza_that_nothing_reads(host: HostFolder) -> None:
    ifupdown(host)
    host.path.joinpath("usr/sbin/ifup").unlink()
    assert "ifup is not installed" in refusal(host)


@pytest.mark.parametrize(
    ("path", "name"), [("/usr/share/ifupdown2/x", "ifupdown2"), ("/usr/libexec/ifupdown-ng/x", "ifupdown-ng")]
)
def test_refuses_the_other_ifupdowns(host: HostFolder, path: str, name: str) -> None:
    ifupdown(host)
    host.put(path, "")
    assert "managed by %s" % name in refusal(host)


@pytest.mark.parametrize("text", ["", "[Network]\nDNS=192.0.2.1\n"])
def test_refuses_to_overwrite_somebody_s_file(host: HostFolder, text: str) -> None:
    networkd(host)
    host.put(DROP_IN, text)
    with pytest.raises(Refusal) as caught:
        find(host)
    assert caught.value.where == DROP_IN + ":1"
    assert OWNER_MARK in caught.value.allowed


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "#!/bin/sh", "exit 0\n" + OWNER_MARK])
def test_refuses_to_overwrite_somebody_s_hook(host: HostFolder, text: str) -> None:
    ifupdown(host)
    host.put("/etc/network/if-up.d/fourtuple", text)
    with pytest.raises(Refusal, match=r"/etc/network/if-up\.d/fourtuple:1"):
        find(host)


def test_overwrites_its_own_hook(host: HostFolder) -> None:
    ifupdown(host)
    host.put("/etc/network/if-up.d/fourtuple", "#!/bin/sh\n" + OWNER_MARK + "\n")
    assert find(host).provider == "ifupdown"


def test_overwrites_its_own(host: HostFolder) -> None:
    networkd(host)
    host.put(DROP_IN, OWNER_MARK + " (role addresses).\n")
    assert find(host).provider == "networkd"


def test_knows_its_own_files(host: HostFolder) -> None:
    host.put(DROP_IN, OWNER_MARK + "\n")
    host.put("/etc/systemd/network/20-x.network.d/fourtuple.conf", "somebody's\n")
    host.put("/etc/systemd/network/20-x.network", "")
    host.put("/etc/network/if-up.d/fourtuple", "#!/bin/sh\n" + OWNER_MARK + "\n")
    host.put("/etc/network/fourtuple.batch", OWNER_MARK + "\n")
    files = [DROP_IN, "/etc/network/if-up.d/fourtuple", "/etc/network/fourtuple.batch"]
    assert network_providers.own_files(host.look()) == files
    assert network_providers.obsolete(host.look(), []) == files
    assert network_providers.obsolete(host.look(), files[:1]) == files[1:]


def test_what_a_killed_run_left_of_a_file_is_its_own_too(host: HostFolder) -> None:
    host.put("/etc/network/if-up.d/.fourtuple.new", "#!")
    assert network_providers.obsolete(host.look(), []) == ["/etc/network/if-up.d/fourtuple"]
    host.put("/etc/network/if-up.d/fourtuple", "#!/bin/sh\n# somebody's\n")
    assert network_providers.obsolete(host.look(), []) == []


def test_an_untouched_host_has_nothing_of_ours(host: HostFolder) -> None:
    assert network_providers.obsolete(host.look(), []) == []
    assert network_providers.persisted(host.look(), LINKS) == set()


def test_knows_the_addresses_that_its_files_give_at_boot(host: HostFolder) -> None:
    networkd(host)
    host.put(DROP_IN, OWNER_MARK + "\n[Network]\nAddress=198.51.100.1/32\nAddress=2001:db8::1/128\n")
    host.put("/etc/network/if-up.d/fourtuple", "#!/bin/sh\n" + OWNER_MARK + "\n")
    host.put(
        "/etc/network/fourtuple.batch",
        OWNER_MARK + "\naddress replace 198.51.100.2/32 dev eth1\naddress replace torn\n",
    )
    assert network_providers.persisted(host.look(), LINKS) == {
        ("eth0", "198.51.100.1/32"),
        ("eth0", "2001:db8::1/128"),
        ("eth1", "198.51.100.2/32"),
    }


def test_knows_which_addresses_of_its_files_nobody_leaves_from_unasked(host: HostFolder) -> None:
    """Those that an earlier version wrote have no lifetime; IPv4 needs none."""
    networkd(host)
    section = "\n[Address]\nAddress=%s\nPreferredLifetime=0\nDuplicateAddressDetection=none\n"
    old = "[Network]\nAddress=198.51.100.1/32\nAddress=2001:db8::1/128\n"
    host.put(DROP_IN, OWNER_MARK + "\n" + old + section % "2001:db8::2/128" + section % "2001:db8::3/128")
    host.put(
        "/etc/network/fourtuple.batch",
        OWNER_MARK + "\naddress replace 2001:db8::4/128 dev eth1 nodad preferred_lft 0\n"
        "address replace 2001:db8::5/128 dev eth1 nodad\naddress replace 198.51.100.2/32 dev eth1\n",
    )
    assert network_providers.at_boot(host.look(), LINKS) == {
        ("eth0", "198.51.100.1/32"): True,
        ("eth0", "2001:db8::1/128"): False,
        ("eth0", "2001:db8::2/128"): True,
        ("eth0", "2001:db8::3/128"): True,
        ("eth1", "2001:db8::4/128"): True,
        ("eth1", "2001:db8::5/128"): False,
        ("eth1", "198.51.100.2/32"): True,
    }


def test_what_is_no_address_in_our_files_is_passed_over(host: HostFolder) -> None:
    networkd(host)
    host.put(DROP_IN, OWNER_MARK + "\n[Network]\nAddress=garbage\nAddress=198.51.100.1/32\n")
    assert network_providers.persisted(host.look(), LINKS) == {("eth0", "198.51.100.1/32")}


@pytest.mark.parametrize("added", ['"x"', "[1]", '[["eth0"]]', '[["eth0", "garbage"]]', "[[1, 2]]"])
def test_a_record_that_is_not_ours(host: HostFolder, added: str) -> None:
    host.put("/var/lib/fourtuple/addresses.json", '{"added": %s}' % added)
    with pytest.raises(ValueError, match="no pairs of an interface and an address"):
        address_record.recorded(host.look())


def test_sourced_files_stay_below_the_root(host: HostFolder) -> None:
    ifupdown(host, "source /../../etc/network/more/*\nsource /etc/network/folder/*\n")
    (host.path / "etc/network/folder").symlink_to("/etc/network/more")
    host.put("/etc/network/more/.hidden", "iface eth0 inet dhcp\n")
    assert "Nobody was found" in refusal(host)
    host.put("/etc/network/more/seen", "iface eth0 inet dhcp\n")
    assert find(host).provider == "ifupdown"
