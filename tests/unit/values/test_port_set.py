# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host import proc_net
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue\n"


@given(st.sets(st.integers(1, 65535), max_size=50))
def test_what_is_formatted_parses_back(ports):
    assert port_set.parse_kernel_list(port_set.format_kernel_list(ports)) == ports


def test_neighbours_join_to_ranges():
    assert port_set.format_kernel_list([9001, 8080, 9000, 9002]) == "8080,9000-9002"
    assert port_set.format_kernel_list([]) == ""


def test_operator_entries():
    assert port_set.parse_ports("p", [80, "81", "90-92"]) == {80, 81, 90, 91, 92}


@pytest.mark.parametrize("entry", [0, 65536, "x", "1-", "-1", "5-3", True, None, "1-2-3", 1.5])
def test_bad_ports_are_refused_by_name(entry):
    with pytest.raises(Refusal, match=r"sysctl_reserved_ports\[0\] is"):
        port_set.parse_ports("sysctl_reserved_ports", [entry])


@pytest.mark.parametrize("value", ["1024 65535", "1024\t65535", "1024-65535", [1024, 65535], ("1024", "65535")])
def test_range_spellings(value):
    assert port_set.parse_range("r", value) == (1024, 65535)


def test_one_port_is_a_range_as_to_the_kernel():
    assert port_set.parse_range("r", "9 9") == (9, 9)


@pytest.mark.parametrize("value", ["65535 1024", "0 100", "1 65536", "1024", "a b", 1024, True, [1, 2, 3], "9 8", None])
def test_bad_ranges_are_refused(value):
    with pytest.raises(Refusal, match="r is"):
        port_set.parse_range("r", value)


def test_listeners_of_both_families_stop_at_the_first_connection(host):
    assert proc_net.listeners(host.root) == set()
    listen = " 0: 0100007F:1F90 00000000:0000 0A 0 0\n"
    established = " 1: 0100007F:1F91 0100007F:C350 01 0 0\n"
    host.put("/proc/net/tcp", HEADER + listen + established + listen.replace("1F90", "1F92"))
    host.put("/proc/net/tcp6", HEADER + " 0: " + "0" * 32 + ":0050 " + "0" * 32 + ":0000 0A 0 0\n")
    assert proc_net.listeners(host.root) == {8080, 80}


def test_bound_udp_ports_of_both_families_without_the_connected_ones(host):
    assert proc_net.bound_udp(host.root) == set()
    bound = " 0: 00000000:14E9 00000000:0000 07 0 0\n"
    connected = " 1: 0100007F:1F91 0100007F:C350 01 0 0\n"
    host.put("/proc/net/udp", HEADER + connected + bound)
    host.put("/proc/net/udp6", HEADER + " 7: " + "0" * 32 + ":CA6C " + "0" * 32 + ":0000 07 0 0\n")
    assert proc_net.bound_udp(host.root) == {5353, 51820}


def test_to_reserve_keeps_what_is_there_and_adds_what_is_in_the_range():
    found = port_set.to_reserve(("7000", None, "80,9000-9001"), {22}, {21, 8080, 9999, 10000}, 1024, 9999)
    assert port_set.format_kernel_list(found) == "22,80,7000,8080,9000-9001,9999"
