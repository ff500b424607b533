# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces as the kernel lists them, and how long a link is asked; tests/field/test_link_probe.py asks real ones."""

from __future__ import annotations

import contextlib
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host import link_probe, netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.host.link_probe import Link
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError

MAC = bytes.fromhex("020000000001")
UP = 0x1 | 0x40


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(*attributes: bytes, number: int = 2, hardware: int = 1, flags: int = UP, kind: int = 16) -> bytes:
    payload = struct.pack("=BxHiII", 0, hardware, number, flags, 0) + b"".join(attributes)
    return netlink.HEADER.pack(16 + len(payload), kind, 2, 1, 0) + payload


NAMED = attribute(3, b"eth0\0"), attribute(1, MAC)


def read(data: bytes) -> dict[str, Link]:
    links = link_probe.Links()
    links.feed(data)
    return links.found


def test_interfaces_are_read() -> None:
    port = attribute(18, attribute(1, b"veth\0") + attribute(4, b"bridge\0"))
    found = read(
        message(attribute(3, b"lo\0"), attribute(1, bytes(6)), number=1, hardware=772, flags=UP | 0x8)
        + message(*NAMED)
        + message(attribute(3, b"eth1\0"), attribute(1, MAC), port, number=3, flags=0x1)
        + message(attribute(3, b"\xff\0"), number=4, hardware=65534)
    )
    assert found == {
        "lo": Link(1, 772, 0x49, bytes(6), ""),
        "eth0": Link(2, 1, UP, MAC, ""),
        "eth1": Link(3, 1, 0x1, MAC, "bridge"),
        os.fsdecode(b"\xff"): Link(4, 65534, UP, b"", ""),
    }


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        (Link(2, 1, UP, MAC, ""), None),
        (Link(2, 1, UP, MAC, "vrf"), None),
        (Link(2, 1, UP, MAC, "bond"), "is a port (bond): what it is a port of has its addresses"),
        (Link(2, 1, UP, b"", ""), "is no Ethernet interface"),
        (Link(2, 32, UP, bytes(20), ""), "is no Ethernet interface"),
        (Link(2, 1, UP | 0x10, MAC, ""), "is no Ethernet interface"),
        (Link(2, 1, UP | 0x80, MAC, ""), "uses no ARP"),
        (Link(2, 1, 0x40, MAC, ""), "is down"),
        (Link(2, 1, 0x1, MAC, ""), "has no carrier"),
    ],
)
def test_why_a_link_is_not_asked(link: Link, reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of interfaces that not every kernel has: bonds, InfiniBand, VRF."""
    monkeypatch.setattr(link_probe, "_links", lambda _interface: {"eth0": link})
    found = link_probe.obstacle("eth0")
    if reason is None:
        # As root none; else that this process may not.
        assert found is None or "CAP_NET_RAW" in found
    else:
        assert found == "eth0 " + reason


@pytest.mark.parametrize(
    "data", [message(*NAMED, kind=20), netlink.HEADER.pack(20, 16, 2, 1, 0) + bytes(4), message(b"\2\0\3\0")]
)
def test_what_is_no_interface_is_refused(data: bytes) -> None:
    with pytest.raises(NetlinkError):
        read(data)


@given(st.binary(max_size=200), st.data())
def test_any_bytes_end_or_are_refused(payload: bytes, data: st.DataObject) -> None:
    damaged = bytearray(message(*NAMED, attribute(18, attribute(4, b"bond\0"))))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for one in (payload, message(payload), bytes(damaged)):
        with contextlib.suppress(NetlinkError):
            read(one)


def test_a_thousand_take_two_seconds_and_ten_thousand_less_than_ten() -> None:
    seconds = [round(link_probe.longest(count), 1) for count in (1, 1000, 10000, 65536)]
    assert seconds == [1.8, 1.9, 4.5, 25.3]


@pytest.mark.parametrize("call", [link_probe.probe, link_probe.announce])
def test_an_interface_that_is_not_there(call: object) -> None:
    with pytest.raises(OSError, match="there is no interface fourtuple9"):
        # Either of two functions with different results.
        call("fourtuple9", [])  # type: ignore[operator]


def test_this_machines_loopback_is_not_asked_and_that_takes_no_root() -> None:
    assert link_probe.obstacle("lo") == "lo is no Ethernet interface"
