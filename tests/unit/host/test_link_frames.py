# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames by themselves; tests/field/test_link_probe.py has the kernel answer them."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host import link_frames
from ansible_collections.fourtuple.clients.plugins.module_utils.host.link_frames import Claim

MINE, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=4, max_size=4).filter(any) | st.binary(min_size=16, max_size=16).filter(any)
#: Where the IPv6 header ends, and with it what has a checksum begins.
MESSAGE_AT = 54


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def advertisement(source: str, target: str, options: bytes = b"", flags: int = 0x60000000) -> bytes:
    """As another host would answer; the checksum is added up here as RFC 1071 has it, word by word."""
    body = struct.pack("!BBHI16s", 136, 0, 0, flags, packed(target)) + options
    pseudo = packed(source) + packed("ff02::1") + struct.pack("!II", len(body), 58)
    total = sum(struct.unpack("!%dH" % ((len(pseudo) + len(body)) // 2), pseudo + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack("!H", total ^ 0xFFFF) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + packed(source) + packed("ff02::1")
    return bytes.fromhex("333300000001") + OTHER + b"\x86\xdd" + header + body


def test_a_question_for_an_ipv4_address_is_the_probe_of_rfc_5227() -> None:
    frame = link_frames.question(packed("192.0.2.7"), MINE)
    assert frame.hex(" ") == (
        "ff ff ff ff ff ff 02 00 00 00 00 01 08 06 00 01 08 00 06 04 00 01 "
        "02 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 c0 00 02 07"
    )


def test_an_announcement_of_an_ipv4_address_names_it_twice() -> None:
    frame = link_frames.announcement(packed("192.0.2.7"), MINE)
    assert frame[22:].hex(" ") == "02 00 00 00 00 01 c0 00 02 07 00 00 00 00 00 00 c0 00 02 07"
    assert frame[:22] == link_frames.question(packed("192.0.2.7"), MINE)[:22]


def test_a_question_for_an_ipv6_address_is_the_solicitation_of_rfc_4862() -> None:
    """As Linux 6.18 asks where enhanced_dad is 0, recorded."""
    frame = link_frames.question(packed("2001:db8::12:3456"), MINE)
    assert frame[:14].hex(" ") == "33 33 ff 12 34 56 02 00 00 00 00 01 86 dd"
    assert frame[14:22].hex(" ") == "60 00 00 00 00 18 3a ff"
    assert (frame[22:38], frame[38:54]) == (bytes(16), packed("ff02::1:ff12:3456"))
    assert frame[54:].hex(" ") == "87 00 e4 1e 00 00 00 00 " + packed("2001:db8::12:3456").hex(" ")


@pytest.mark.parametrize(("router", "flags"), [(False, "20"), (True, "a0")])
def test_an_announcement_of_an_ipv6_address_overrides_what_was_known(router: bool, flags: str) -> None:
    address = packed("2001:db8::7")
    frame = link_frames.announcement(address, MINE, router)
    assert frame[:14].hex(" ") == "33 33 00 00 00 01 02 00 00 00 00 01 86 dd"
    assert (frame[22:38], frame[38:54]) == (address, packed("ff02::1"))
    assert frame[58:].hex(" ") == "%s 00 00 00 %s 02 01 02 00 00 00 00 01" % (flags, address.hex(" "))


@given(ADDRESSES, MACS, st.booleans(), st.binary(max_size=20))
def test_what_is_built_claims_its_address_also_with_padding(
    address: bytes, mac: bytes, router: bool, padding: bytes
) -> None:
    for frame in (link_frames.question(address, mac), link_frames.announcement(address, mac, router)):
        assert link_frames.parse(frame + padding) == Claim(address, mac)


@given(ADDRESSES, MACS, st.data())
def test_a_part_of_a_frame_claims_nothing(address: bytes, mac: bytes, data: st.DataObject) -> None:
    for frame in (link_frames.question(address, mac), link_frames.announcement(address, mac)):
        assert link_frames.parse(frame[: data.draw(st.integers(0, len(frame) - 1))]) is None


@given(st.binary(min_size=16, max_size=16).filter(any), st.data())
def test_a_message_that_was_damaged_on_its_way_claims_nothing(address: bytes, data: st.DataObject) -> None:
    for frame in (link_frames.question(address, OTHER), link_frames.announcement(address, OTHER)):
        damaged = bytearray(frame)
        place = data.draw(st.integers(MESSAGE_AT, len(frame) - 1))
        value = data.draw(st.integers(0, 255))
        # In the sum of ones' complements 0 and 65535 are one number.
        word = slice(place - place % 2, place - place % 2 + 2)
        before = bytes(damaged[word])
        damaged[place] = value
        assume(int.from_bytes(before, "big") % 65535 != int.from_bytes(damaged[word], "big") % 65535)
        assert link_frames.parse(bytes(damaged)) is None


def arp(operation: int, sender: str, target: str, mac: bytes = OTHER, kind: str = "0001080006040") -> bytes:
    head = b"\xff" * 6 + OTHER + b"\x08\x06" + bytes.fromhex(kind + "00%d" % operation)
    return head + mac + packed(sender) + bytes(6) + packed(target)


@pytest.mark.parametrize(
    ("frame", "claimed"),
    [
        # An answer; somebody who asks for somebody else; an announcement as an answer; a probe.
        (arp(2, "192.0.2.7", "0.0.0.0"), "192.0.2.7"),
        (arp(1, "192.0.2.7", "192.0.2.9"), "192.0.2.7"),
        (arp(2, "192.0.2.7", "192.0.2.7"), "192.0.2.7"),
        (arp(1, "0.0.0.0", "192.0.2.7"), "192.0.2.7"),
        # No operation of ARP, an answer from nobody, a question for nobody, and no Ethernet.
        (arp(3, "192.0.2.7", "192.0.2.9"), None),
        (arp(2, "0.0.0.0", "192.0.2.7"), None),
        (arp(1, "0.0.0.0", "0.0.0.0"), None),
        (arp(2, "192.0.2.7", "0.0.0.0", kind="0006080006040"), None),
    ],
)
def test_arp(frame: bytes, claimed: str | None) -> None:
    assert link_frames.parse(frame) == (Claim(packed(claimed), OTHER) if claimed else None)


def test_the_owner_is_who_the_packet_names_and_not_who_sent_the_frame() -> None:
    """A router that answers for another (VRRP, proxies) names the MAC address by which that one is reached."""
    virtual = bytes.fromhex("00005e000101")
    assert link_frames.parse(arp(2, "192.0.2.7", "0.0.0.0", virtual)) == Claim(packed("192.0.2.7"), virtual)
    nonce = bytes.fromhex("0e01010203040506")
    frame = advertisement("2001:db8::1", "2001:db8::7", nonce + b"\x02\x01" + virtual)
    assert link_frames.parse(frame) == Claim(packed("2001:db8::7"), virtual)


@pytest.mark.parametrize("options", [b"", bytes(8), b"\x02\x00" + bytes(6), b"\x02\x01\x02\x00"])
def test_an_advertisement_that_names_no_mac_address_came_from_the_owner(options: bytes) -> None:
    frame = advertisement("fe80::1", "2001:db8::7", options)
    assert link_frames.parse(frame) == Claim(packed("2001:db8::7"), OTHER)


def test_who_asks_from_an_ipv6_address_has_it_and_not_what_he_asks_for() -> None:
    frame = bytearray(advertisement("2001:db8::5", "2001:db8::7"))
    frame[54] = 135
    # The type is the upper byte of its word, one less than it was.
    checksum = int.from_bytes(frame[56:58], "big") + 0x100
    frame[56:58] = ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(2, "big")
    assert link_frames.parse(bytes(frame)) == Claim(packed("2001:db8::5"), OTHER)


@pytest.mark.parametrize(("place", "value"), [(14, 0x40), (20, 17), (21, 254), (19, 23), (19, 255), (55, 1), (54, 134)])
def test_other_packets_of_ipv6_claim_nothing(place: int, value: int) -> None:
    """No IPv6, another protocol, passed on, too short, longer than the frame, another code, another type."""
    frame = bytearray(advertisement("2001:db8::7", "2001:db8::7"))
    assert link_frames.parse(bytes(frame)) is not None
    frame[place] = value
    assert link_frames.parse(bytes(frame)) is None


@given(st.binary(max_size=120), st.sampled_from([b"", bytes(12) + b"\x08\x06", bytes(12) + b"\x86\xdd"]))
def test_any_bytes_claim_an_address_or_nothing(data: bytes, head: bytes) -> None:
    claim = link_frames.parse(head + data)
    assert claim is None or (len(claim.address) in (4, 16) and len(claim.mac) == 6)
