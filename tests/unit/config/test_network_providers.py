# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import shlex
import typing as t

import jinja2
import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_record, network_providers
from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import Persistence
from ansible_collections.fourtuple.clients.plugins.module_utils.values.ip_lines import for_interface
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

if t.TYPE_CHECKING:
    from host_folder import HostFolder

    from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links

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
    host.put("/run/network/ifstate", "lo=lo\neth0=eth0\n")
    host.path.joinpath("etc/network/interfaces.d").mkdir(exist_ok=True)


def network_manager(host: HostFolder, managed: str = "true", uuid: str = "1-2") -> None:
    active(host, "NetworkManager.service")
    host.put("/run/NetworkManager/devices/2", "[device]\nmanaged=%s\nconnection-uuid=%s\n" % (managed, uuid))
    host.put("/etc/systemd/system/dbus-org.freedesktop.nm-dispatcher.service", "")


def active(host: HostFolder, *units: str) -> None:
    """Have systemd say that these units are active, and no others."""
    folder = host.below("/run/systemd/units")
    folder.mkdir(parents=True, exist_ok=True)
    host.below("/run/systemd/system").mkdir(exist_ok=True)
    for unit in units:
        folder.joinpath("invocation:" + unit).symlink_to("5" * 32)


def process(host: HostFolder, pid_file: str, program: str) -> None:
    host.put(pid_file, "77\n")
    host.put("/proc/77/comm", program + "\n")


def find(host: HostFolder, provider: str = "auto", count: int = 0, links: Links = LINKS) -> Persistence:
    return network_providers.find(host.look(), "addresses_provider", provider, "eth0", links, "addresses_method", count)


def refusal(host: HostFolder, provider: str = "auto", count: int = 0) -> str:
    with pytest.raises(Refusal) as caught:
        find(host, provider, count)
    assert caught.value.where == "addresses_provider"
    assert caught.value.value == provider
    assert caught.value.allowed == "networkd, networkmanager, ifupdown, or none"
    return str(caught.value)


def test_none_is_nobody_on_any_host(host: HostFolder) -> None:
    networkd(host)
    assert find(host, "none") == ("none", {}, [])


@pytest.mark.parametrize("provider", ["auto", "networkd"])
@pytest.mark.parametrize("state", ["configured", "configuring", "failed"])
def test_networkd_gets_a_drop_in_of_the_network_file(host: HostFolder, provider: str, state: str) -> None:
    networkd(host, admin_state=state)
    assert find(host, provider) == ("networkd", {"networkd_drop_in": DROP_IN}, [])


def test_the_drop_in_of_a_vendor_s_network_file_is_below_etc(host: HostFolder) -> None:
    networkd(host, network_file="/usr/lib/systemd/network/80-container-host0.network")
    assert find(host).files == {"networkd_drop_in": "/etc/systemd/network/80-container-host0.network.d/fourtuple.conf"}


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


def test_refuses_a_gateway_that_would_no_longer_be_on_link(host: HostFolder) -> None:
    networkd(host)
    leased = "[Match]\nName=eth0\n[Network]\nDHCP=yes\n%s[Route]\nGateway=10.0.0.1\n"
    for more, refused in (("", True), ("Address=192.0.2.9/24\n", False)):
        host.put(NETWORK_FILE, leased % more)
        if refused:
            assert "Write GatewayOnLink=yes there (netplan: on-link: true)" in refusal(host)
        else:
            find(host)
    host.put(NETWORK_FILE, leased % "" + "GatewayOnLink=yes\n")
    assert find(host).provider == "networkd"
    host.put(NETWORK_FILE, "[Match]\nName=eth0\n[Network]\nDHCP=yes\n")
    assert find(host).provider == "networkd"


def test_a_network_file_of_another_interface_does_not_count(host: HostFolder) -> None:
    networkd(host)
    networkd(host, index=3, network_file="/etc/systemd/network/20-eth1.network")
    assert find(host).files == {"networkd_drop_in": DROP_IN}


@pytest.mark.parametrize("state", ["unmanaged", "pending"])
def test_networkd_by_name_needs_a_network_file(host: HostFolder, state: str) -> None:
    host.put("/run/systemd/netif/links/2", "ADMIN_STATE=%s\n" % state)
    assert "does not manage eth0 (/run/systemd/netif/links/2" in refusal(host, "networkd")


# --- who manages it: what runs and names it, not what was left behind ---


def test_netplan_on_networkd_gets_a_drop_in_below_etc(host: HostFolder) -> None:
    """netplan writes its own files anew below /run, at boot too."""
    networkd(host, network_file="/run/systemd/network/10-netplan-eth0.network")
    drop_in = "/etc/systemd/network/10-netplan-eth0.network.d/fourtuple.conf"
    assert find(host) == ("networkd", {"networkd_drop_in": drop_in}, [])


def test_a_netplan_file_alone_manages_nothing(host: HostFolder) -> None:
    host.put("/etc/netplan/50-cloud-init.yaml", "network: {}\n")
    assert "Nobody was found to manage eth0" in refusal(host)
    ifupdown(host)
    assert find(host).provider == "ifupdown"


def test_what_networkd_left_in_run_when_it_was_stopped(host: HostFolder) -> None:
    networkd(host)
    active(host, "ssh.service")
    assert "Nobody was found to manage eth0" in refusal(host)
    assert "or it does not run" in refusal(host, "networkd")
    ifupdown(host)
    assert find(host).provider == "ifupdown"
    active(host, "systemd-networkd.service")
    assert find(host).provider == "networkd"


def test_network_manager_gets_a_script_and_a_batch(host: HostFolder) -> None:
    network_manager(host)
    files = {
        "batch": "/etc/NetworkManager/fourtuple.batch",
        "networkmanager_dispatcher": "/etc/NetworkManager/dispatcher.d/fourtuple",
    }
    assert find(host) == find(host, "networkmanager") == ("networkmanager", files, [])
    assert list(find(host).files) == ["batch", "networkmanager_dispatcher"]


def test_network_manager_without_systemd(host: HostFolder) -> None:
    host.put("/run/NetworkManager/devices/2", "[device]\nmanaged=true\n")
    assert "Nobody was found" in refusal(host)
    process(host, "/run/NetworkManager/NetworkManager.pid", "NetworkManager")
    assert find(host).provider == "networkmanager"
    process(host, "/run/NetworkManager/NetworkManager.pid", "sh")
    assert "Nobody was found" in refusal(host)
    assert "or it does not run" in refusal(host, "networkmanager")


def test_network_manager_may_leave_an_interface_alone(host: HostFolder) -> None:
    network_manager(host, managed="false")
    ifupdown(host)
    assert find(host).provider == "ifupdown"


def test_network_manager_may_only_describe_what_another_configured(host: HostFolder) -> None:
    """Its "connected (externally)": a connection that it keeps in memory, as 1.42 and 1.52 write it."""
    network_manager(host)
    ifupdown(host)
    connection = "[connection]\nid=eth0\nuuid=%s\n[.nmmeta]\nnm-generated=true\nvolatile=true\n%s"
    path = "/run/NetworkManager/system-connections/eth0.nmconnection"
    host.put(path, connection % ("1-2", "external=true\n"))
    assert find(host).provider == "ifupdown"
    host.put(path, connection % ("3-4", "external=true\n"))
    assert find(host).provider == "networkmanager"
    host.put(path, connection % ("1-2", ""))
    assert find(host).provider == "networkmanager"


@pytest.mark.parametrize("masked", [False, True])
def test_refuses_a_network_manager_that_runs_no_script(host: HostFolder, masked: bool) -> None:
    network_manager(host)
    if masked:
        host.below("/etc/systemd/system/NetworkManager-dispatcher.service").symlink_to("/dev/null")
    else:
        host.below("/etc/systemd/system/dbus-org.freedesktop.nm-dispatcher.service").unlink()
    assert "NetworkManager-dispatcher.service is disabled or masked" in refusal(host)


def test_a_stanza_alone_manages_nothing(host: HostFolder) -> None:
    """What was there before another manager was installed."""
    ifupdown(host)
    host.put("/run/network/ifstate", "lo=lo\n")
    assert "Nobody was found to manage eth0" in refusal(host)
    assert find(host, "ifupdown").provider == "ifupdown"
    network_manager(host)
    assert find(host).provider == "networkmanager"


def test_an_interface_by_its_alternative_names(host: HostFolder) -> None:
    """Debian 13 keeps eth0 in some clouds, and the stanza says ens5 (ip-link(8), altname)."""
    ifupdown(host, "iface ens5 inet dhcp\n")
    host.put("/run/network/ifstate", "lo=lo\nens5=ens5\n")
    assert "Nobody was found" in refusal(host)
    links = [{"ifname": "eth0", "ifindex": 2, "altnames": ["enp0s5", "ens5"]}]
    assert find(host, links=links).provider == "ifupdown"
    host.put("/etc/network/interfaces", "iface ens5 inet dhcp\nno-scripts ens5\n")
    with pytest.raises(Refusal, match="no-scripts"):
        find(host, links=links)
    host.put("/etc/network/interfaces", "iface ens9 inet dhcp\n")
    with pytest.raises(Refusal, match="No `iface eth0` stanza"):
        find(host, links=links)


#: As ifupdown2 3.0 writes it: a pickle of protocol 5 for each interface.
_PICKLE = "\udc80\x05\udc95\x05\x00\x8c\x04name\udc94\x8c%s\udc94\x8c\x06configu\udc94"


def ifupdown2(host: HostFolder, state: str = "\x04eth0") -> None:
    ifupdown(host)
    host.below("/run/network/ifstate").unlink()
    host.put("/usr/share/ifupdown2/__main__.py", "")
    host.put("/etc/network/ifupdown2/ifupdown2.conf", "# addon_scripts_support=0\naddon_scripts_support=1\n")
    place = host.below("/var/tmp/network/ifstatenew")
    place.parent.mkdir(parents=True)
    place.write_bytes((_PICKLE % state).encode("utf-8", "surrogateescape"))
    active(host, "networking.service")


@pytest.mark.parametrize("state", ["\x04eth0", "\x04\x00\x00\x00eth0"])
def test_ifupdown2_runs_the_hook_too(host: HostFolder, state: str) -> None:
    ifupdown2(host, state)
    assert find(host).files["ifupdown_hook"] == "/etc/network/if-up.d/fourtuple"
    # It has no such line.
    host.put("/etc/network/interfaces.d/more", "no-scripts eth0\n")
    assert find(host).provider == "ifupdown"


@pytest.mark.parametrize("state", ["\x05eth01", "\x09/run/eth0", ""])
def test_ifupdown2_has_not_brought_the_interface_up(host: HostFolder, state: str) -> None:
    ifupdown2(host, state)
    assert "Nobody was found" in refusal(host)


def test_the_state_of_ifupdown2_outlives_it(host: HostFolder) -> None:
    ifupdown2(host)
    host.below("/run/systemd/units/invocation:networking.service").unlink()
    assert "Nobody was found" in refusal(host)


def test_refuses_an_ifupdown2_that_runs_no_hook(host: HostFolder) -> None:
    ifupdown2(host)
    host.put("/etc/network/ifupdown2/ifupdown2.conf", "addon_scripts_support=0\n")
    assert "has no addon_scripts_support=1" in refusal(host)


@pytest.mark.parametrize(
    "path", ["/run/dhcpcd/eth0.pid", "/run/dhcpcd/eth0-4.pid", "/run/dhcpcd/pid", "/run/dhcpcd.pid"]
)
def test_dhcpcd_keeps_no_others(host: HostFolder, path: str) -> None:
    process(host, path, "dhcpcd")
    message = refusal(host)
    assert "eth0 is managed by dhcpcd (%s), which keeps no addresses but its own" % path in message
    assert "Set addresses_method to route" in message
    process(host, path, "sleep")
    assert "Nobody was found" in refusal(host)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("connman", "connman.service"), ("wicked", "wickedd.service"), ("wicked", "wickedd-nanny.service")],
)
def test_connman_and_wicked_keep_no_others(host: HostFolder, name: str, unit: str) -> None:
    active(host, unit)
    assert "eth0 is managed by %s (%s)" % (name, unit) in refusal(host)


def test_connman_without_systemd(host: HostFolder) -> None:
    process(host, "/run/connman.pid", "connmand")
    assert "eth0 is managed by connman (/run/connman.pid)" in refusal(host)


def test_ifupdown_has_dhcpcd_ask_for_its_address(host: HostFolder) -> None:
    process(host, "/run/dhcpcd/eth0.pid", "dhcpcd")
    ifupdown(host)
    assert find(host).provider == "ifupdown"


def test_refuses_what_nobody_manages(host: HostFolder) -> None:
    assert "Nobody was found to manage eth0" in refusal(host)
    assert "No `iface eth0` stanza" in refusal(host, "ifupdown")


# --- how many systemd-networkd takes ---


@pytest.mark.parametrize(
    ("version", "maximum"),
    [
        ("247.3-7+deb11u4", 1024),
        ("252.38-1~deb12u1", 1024),
        ("252.39-1~deb12u1", 8192),
        ("257.13-1~deb13u1", 8192),
        ("260~rc1-1", 8192),
    ],
)
def test_systemd_networkd_takes_no_more(host: HostFolder, version: str, maximum: int) -> None:
    """The .network file states one itself."""
    networkd(host)
    host.put("/var/lib/dpkg/status", "Package: systemd\nStatus: install ok installed\nVersion: %s\n" % version)
    assert find(host, count=maximum - 1).warnings == []
    message = refusal(host, count=maximum)
    assert "takes %d addresses for %s, which states 1 itself" % (maximum, NETWORK_FILE) in message
    assert "Ask for %d or fewer here. Set addresses_method to route" % (maximum - 1) in message


@pytest.mark.parametrize("library", ["libsystemd-shared-252-46.el9_5.2.so", "libsystemd-shared-255.so", "other"])
def test_warns_where_it_may_take_fewer(host: HostFolder, library: str) -> None:
    networkd(host)
    host.put("/usr/lib/systemd/" + library, "")
    assert find(host, count=1023).warnings == []
    assert "not every systemd-networkd before 257 takes more than 1024" in find(host, count=1024).warnings[0]
    refusal(host, count=8192)


def test_counts_the_addresses_of_other_drop_ins_not_of_ours(host: HostFolder) -> None:
    networkd(host)
    host.put("/usr/lib/systemd/libsystemd-shared-257.so", "")
    host.put(DROP_IN, OWNER_MARK + "\n" + "Address=198.51.100.1/32\n" * 100)
    host.put("/run/systemd/network/10-eth0.network.d/more.conf", "[Network]\nAddress = 192.0.2.11/24\n#Address=x\n")
    assert find(host, count=8190).warnings == []
    refusal(host, count=8191)


# --- ifupdown's own files ---


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
    files = {"batch": "/etc/network/fourtuple.batch", "ifupdown_hook": "/etc/network/if-up.d/fourtuple"}
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
    assert "No `iface eth0` stanza" in refusal(host)


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


def test_refuses_ifupdown_ng(host: HostFolder) -> None:
    ifupdown(host)
    host.put("/usr/libexec/ifupdown-ng/x", "")
    assert "managed by ifupdown-ng" in refusal(host)


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


def test_what_a_killed_run_left_of_a_file_is_its_own_too(host: HostFolder) -> None:
    host.put("/etc/network/if-up.d/.fourtuple.new", "#!")
    assert network_providers.own_files(host.look()) == ["/etc/network/if-up.d/fourtuple"]
    host.put("/etc/network/if-up.d/fourtuple", "#!/bin/sh\n# somebody's\n")
    assert network_providers.own_files(host.look()) == []


def test_an_untouched_host_has_nothing_of_ours(host: HostFolder) -> None:
    assert network_providers.own_files(host.look()) == []
    assert network_providers.persisted(host.look(), LINKS) == set()


def test_knows_what_network_manager_gives(host: HostFolder) -> None:
    host.put("/etc/NetworkManager/dispatcher.d/fourtuple", "#!/bin/sh\n" + OWNER_MARK + "\n")
    batch = "/etc/NetworkManager/fourtuple.batch"
    given = ("198.51.100.1/32", "2001:db8::1/128")
    lines = [for_interface("replace", address, "eth0") for address in given]
    host.put(batch, "\n".join([OWNER_MARK, *lines, ""]))
    assert network_providers.own_files(host.look()) == ["/etc/NetworkManager/dispatcher.d/fourtuple", batch]
    assert network_providers.at_boot(host.look(), LINKS) == {("eth0", address): True for address in given}


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
    assert "No `iface eth0` stanza" in refusal(host)
    host.put("/etc/network/more/seen", "iface eth0 inet dhcp\n")
    assert find(host).provider == "ifupdown"


# --- the templates of role addresses ---

TEMPLATES = pathlib.Path(__file__).parents[3] / "roles/addresses/templates"
GIVEN = ["198.51.100.1/32", "198.51.100.2/32", "2001:db8::1/128"]


def rendered(kind: str, files: t.Mapping[str, str], **more: str) -> str:
    environment = jinja2.Environment(  # noqa: S701 - no page
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["quote"] = shlex.quote
    result = {"interface": "eth0", "persist": {"addresses": GIVEN, "files": files, **more}}
    template = environment.from_string(TEMPLATES.joinpath(kind + ".j2").read_text())
    return template.render(__addresses_role="addresses", __addresses_result=result)


@pytest.mark.parametrize("manager", [networkd, network_manager, ifupdown])
def test_reads_what_the_templates_make_of_each_kind(host: HostFolder, manager: t.Callable[[HostFolder], None]) -> None:
    manager(host)
    files = find(host).files
    for kind, path in files.items():
        host.put(path, rendered(kind, files))
    assert set(network_providers.own_files(host.look())) == set(files.values())
    assert network_providers.at_boot(host.look(), LINKS) == {("eth0", address): True for address in GIVEN}


def test_the_batch_has_the_lines_of_a_live_change() -> None:
    lines = [line for line in rendered("batch", {}).splitlines() if not line.startswith("#")]
    assert lines == [for_interface("replace", address, "eth0") for address in GIVEN]


def test_the_unit_of_the_watcher_has_it_read_the_batch() -> None:
    files = {"batch": "/etc/network/fourtuple.batch", "watch_script": "/etc/systemd/system/fourtuple-watch.py"}
    lines = rendered("watch_unit", files, python="/usr/bin/python3", ip="/usr/sbin/ip").splitlines()
    command = "/usr/bin/python3 -I -S /etc/systemd/system/fourtuple-watch.py /usr/sbin/ip /etc/network/fourtuple.batch"
    assert "ExecStart=" + command in lines
    files["networkmanager_dispatcher"] = "/etc/NetworkManager/dispatcher.d/fourtuple"
    lines = rendered("watch_unit", files, python="/usr/bin/python3", ip="/usr/sbin/ip").splitlines()
    assert "ExecStart=%s noprefixroute" % command in lines
    assert rendered("watch_target", files).endswith("[Unit]\nWants=fourtuple-watch.service\n")
