# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import random
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.sink.packets import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    VNET,
    WINDOW,
    Responder,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.records import CLOSED, COUNTERS, ECHOED, HANDSHAKES

CLIENT = {4: "10.240.0.1", 6: "2001:db8::1"}
SERVER = {4: "198.18.3.4", 6: "2001:2::5"}

#: As Linux 6 lays out the options of a SYN: MSS, SACK permitted, timestamp, padding, scale.
LINUX_SYN = bytes.fromhex("020405b4 0402 080a 11223344 00000000 01 030307")
LINUX_LATER = bytes.fromhex("0101 080a 11223344 55667788")


def ones(data: bytes) -> int:
    """RFC 1071, as it is written there."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Segment(t.NamedTuple):
    source: str
    target: str
    ports: tuple[int, int]
    sequence: int
    receipt: int
    flags: int
    window: int
    options: bytes
    data: bytes


def pseudo(source: bytes, target: bytes, length: int) -> bytes:
    return source + target + struct.pack("!II", length, 6)


def build(segment: Segment, partial: bool = True, ip_options: bytes = b"", fragment: int = 0x4000) -> bytes:
    """A packet as the kernel gives it to a tun device; ``partial``: its checksum is left to the device."""
    options = segment.options
    head = struct.pack(
        "!HHIIBBHHH",
        *segment.ports,
        segment.sequence,
        segment.receipt,
        (20 + len(options)) // 4 << 4,
        segment.flags,
        segment.window,
        0,
        0,
    )
    tcp = bytearray(head + options + segment.data)
    source, target = (ipaddress.ip_address(address).packed for address in (segment.source, segment.target))
    base = ones(pseudo(source, target, len(tcp)))
    struct.pack_into("!H", tcp, 16, base if partial else 0xFFFF - ones(pseudo(source, target, len(tcp)) + bytes(tcp)))
    if len(source) == 4:
        size = 20 + len(ip_options)
        ip = bytearray(struct.pack("!BBHHHBBH", 0x40 | size // 4, 0, size + len(tcp), 7, fragment, 64, 6, 0))
        ip += source + target + ip_options
        struct.pack_into("!H", ip, 10, 0xFFFF - ones(bytes(ip)))
    else:
        ip = bytearray(struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + source + target)
    return VNET.pack(1 if partial else 0, 0, 0, 0, len(ip), 16) + bytes(ip) + bytes(tcp)


def read(packet: bytes) -> Segment:
    """Read an answer as the kernel would: every length and checksum has to be right."""
    flags, gso, _, _, start, place = VNET.unpack_from(packet)
    ip = packet[VNET.size :]
    if ip[0] >> 4 == 4:
        size = (ip[0] & 15) * 4
        assert ones(ip[:size]) == 0xFFFF
        assert struct.unpack_from("!H", ip, 2)[0] == len(ip)
        source, target = ip[12:16], ip[16:20]
    else:
        size = 40
        assert struct.unpack_from("!H", ip, 4)[0] == len(ip) - 40
        source, target = ip[8:24], ip[24:40]
    assert (flags, gso, start, place) == (1, 0, size, 16)
    tcp = ip[size:]
    one, other, sequence, receipt, offset, tcp_flags, window, checksum, urgent = struct.unpack_from("!HHIIBBHHH", tcp)
    # What skb_checksum_help() writes has to be what RFC 9293 asks for: so the field holds the pseudo-header's sum.
    done = bytearray(tcp)
    struct.pack_into("!H", done, 16, 0xFFFF - ones(tcp))
    assert checksum % 0xFFFF == ones(pseudo(source, target, len(tcp))) % 0xFFFF
    assert ones(pseudo(source, target, len(tcp)) + bytes(done)) == 0xFFFF
    assert urgent == 0
    assert not offset & 15
    return Segment(
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(target)),
        (one, other),
        sequence,
        receipt,
        tcp_flags,
        window,
        tcp[20 : (offset >> 4) * 4],
        tcp[(offset >> 4) * 4 :],
    )


def ask(packet: bytes, responder: Responder | None = None) -> bytes:
    buffer = bytearray(packet + b"\xaa" * 100)
    size = (responder or Responder([0] * len(COUNTERS))).answer(buffer, len(packet))
    assert 0 <= size <= len(packet)
    assert len(buffer) == len(packet) + 100
    assert buffer[max(size, len(packet)) :] == b"\xaa" * 100
    return bytes(buffer[:size])


def a_segment(version: int = 4, **fields: t.Any) -> Segment:
    made = Segment(CLIENT[version], SERVER[version], (40000, 7000), 1000, 1000, ACK, 500, b"", b"")
    return made._replace(**fields)


NUMBERS = st.integers(0, 2**32 - 1)
PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535))
VERSIONS = st.sampled_from([4, 6])


@given(VERSIONS, PORTS, NUMBERS, st.booleans(), st.sampled_from([b"", b"\x94\x04\0\0"]))
def test_a_syn_gets_a_syn_ack(version, ports, sequence, partial, ip_options):
    segment = a_segment(version, ports=ports, sequence=sequence, receipt=0, flags=SYN, options=LINUX_SYN)
    answer = read(ask(build(segment, partial, ip_options if version == 4 else b"")))
    assert answer == Segment(
        segment.target,
        segment.source,
        ports[::-1],
        sequence,
        (sequence + 1) % 2**32,
        SYN | ACK,
        WINDOW,
        bytes.fromhex("020405b4 0101 080a 11223344 11223344 01 030300"),
        b"",
    )


def padded(options: list[bytes]) -> bytes:
    joined = b"".join(options)
    return (joined + b"\0" * (-len(joined) % 4))[:40]


#: Options of which each is well formed, in any order.
OPTIONS = st.lists(
    st.one_of(
        st.just(b"\x01"),
        st.just(b"\x04\x02"),
        st.integers(0, 65535).map(lambda size: b"\x02\x04" + struct.pack("!H", size)),
        st.integers(0, 14).map(lambda shift: b"\x03\x03" + bytes([shift])),
        NUMBERS.map(lambda clock: b"\x08\x0a" + struct.pack("!II", clock, 0)),
        st.binary(max_size=8).map(lambda rest: bytes([30, 2 + len(rest)]) + rest),
        st.binary(min_size=8, max_size=8).map(lambda block: b"\x05\x0a" + block),
    ),
    max_size=6,
).map(padded)


def parse(options: bytes) -> list[tuple[int, bytes]]:
    found = []
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        found.append((options[0], options[2 : options[1]]))
        options = options[options[1] :]
    return found


@given(VERSIONS, OPTIONS, st.booleans())
def test_options_keep_their_places_and_lose_what_is_the_clients(version, options, first):
    flags, data = (SYN, b"") if first else (ACK, b"x")
    answer = read(ask(build(a_segment(version, flags=flags, options=options, data=data))))
    assert len(answer.options) == len(options)
    expected = []
    try:
        asked = parse(options)
    except IndexError:
        asked = None
    for kind, value in parse(answer.options):
        assert kind in ((2, 3, 8) if first else (8,))
        expected.append(kind)
        if kind == 8:
            assert value[:4] == value[4:]
        elif kind == 3:
            assert value == b"\0"
    if asked is not None and len(options) < 40:
        assert expected == [kind for kind, _ in asked if kind in ((2, 3, 8) if first else (8,))]


@given(VERSIONS, NUMBERS, st.binary(min_size=1, max_size=1460), st.booleans(), st.integers(16, 65535), st.booleans())
def test_data_comes_back(version, sequence, data, partial, window, push):
    flags = ACK | (PSH if push else 0)
    fields = {"sequence": sequence, "receipt": sequence, "data": data, "options": LINUX_LATER, "window": window}
    packet = build(a_segment(version, flags=flags, **fields), partial)
    answer = read(ask(packet))
    assert answer.data == data
    assert (answer.sequence, answer.receipt) == (sequence, (sequence + len(data)) % 2**32)
    assert (answer.flags, answer.window) == (ACK | PSH, WINDOW)
    assert answer.options == bytes.fromhex("0101 080a 11223344 11223344")
    # Again: the same answer.
    assert read(ask(packet)) == answer


@given(VERSIONS, st.integers(1, 4000), NUMBERS, st.integers(1, 700), NUMBERS)
def test_a_client_over_a_bad_line_gets_every_byte(version, length, first, most, seed):
    """Segments and answers are lost, come twice and out of order; what is acknowledged has always been echoed."""
    chance = random.Random(seed)
    data = chance.randbytes(length)
    responder = Responder([0] * len(COUNTERS))
    sent = acknowledged = 0
    echoed = {}
    received = 0
    for _ in range(20000):
        if acknowledged == len(data):
            break
        # From the oldest that is not acknowledged, or, against our window, beyond it.
        sent = chance.choice([acknowledged, acknowledged, min(len(data) - 1, acknowledged + most)])
        segment = a_segment(
            version,
            sequence=(first + sent) % 2**32,
            receipt=(first + received) % 2**32,
            data=data[sent : sent + chance.randint(1, most)],
        )
        answer = ask(build(segment), responder)
        if chance.random() < 0.3 or not answer:
            continue
        found = read(answer)
        start = (found.sequence - first) % 2**32
        if found.data:
            echoed.update(enumerate(found.data, start))
        while received in echoed:
            received += 1
        assert (found.receipt - first) % 2**32 <= max(received, start + len(found.data))
        news = (found.receipt - first) % 2**32
        if news <= len(data):
            acknowledged = max(acknowledged, news)
        assert acknowledged <= received
    assert acknowledged == len(data)
    assert bytes(echoed[index] for index in range(len(data))) == data


def test_no_room_no_echo():
    answer = read(ask(build(a_segment(data=b"much", window=0))))
    assert (answer.flags, answer.sequence, answer.receipt, answer.window, answer.data) == (ACK, 1000, 1000, 0, b"")


def test_little_room_gets_the_echo_before_the_acknowledgement():
    answer = read(ask(build(a_segment(data=b"much", window=3))))
    assert (answer.flags, answer.sequence, answer.receipt, answer.data) == (ACK | PSH, 1000, 1000, b"much")
    # The segment comes again, with a receipt for the echo, or without.
    answer = read(ask(build(a_segment(data=b"much", receipt=1004, window=3))))
    assert (answer.flags, answer.sequence, answer.receipt, answer.data) == (ACK, 1004, 1004, b"")


def test_beyond_a_gap_the_receipt_is_all():
    answer = read(ask(build(a_segment(sequence=1536, data=b"later"))))
    assert (answer.flags, answer.sequence, answer.receipt, answer.window, answer.data) == (ACK, 1000, 1000, WINDOW, b"")


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("window", [500, 0])
@pytest.mark.parametrize("data", [b"", b"\0"])
def test_probes_are_answered(version, window, data):
    """tcp_xmit_probe_skb() sends the number before the next one, without data; others send an old byte."""
    answer = read(ask(build(a_segment(version, sequence=999, window=window, data=data))))
    assert (answer.flags, answer.sequence, answer.receipt) == (ACK, 1000, 1000)
    assert (answer.window, answer.data) == (WINDOW if window else 0, b"")


@pytest.mark.parametrize("version", [4, 6])
def test_fin_is_answered_by_rst(version):
    answer = read(ask(build(a_segment(version, flags=FIN | ACK))))
    assert (answer.flags, answer.sequence, answer.receipt, answer.data) == (RST | ACK, 1000, 1001, b"")
    # With data it comes again, without it.
    answer = read(ask(build(a_segment(version, flags=FIN | ACK | PSH, data=b"bye"))))
    assert (answer.flags, answer.receipt, answer.data) == (ACK | PSH, 1003, b"bye")
    # Not before all has come back.
    answer = read(ask(build(a_segment(version, flags=FIN | ACK, sequence=1003))))
    assert (answer.flags, answer.receipt) == (ACK, 1000)


def test_what_a_syn_carries_is_not_taken():
    answer = read(ask(build(a_segment(flags=SYN, sequence=5, data=b"fast open", options=LINUX_SYN))))
    assert (answer.flags, answer.receipt, answer.data) == (SYN | ACK, 6, b"")
    answer = read(ask(build(a_segment(6, flags=SYN, sequence=5, data=b"fast open"))))
    assert (answer.flags, answer.receipt, answer.data) == (SYN | ACK, 6, b"")


def test_a_port_that_is_not_served_refuses():
    counters = [0] * len(COUNTERS)
    responder = Responder(counters, bytes(port == 7000 for port in range(65536)))
    assert read(ask(build(a_segment(flags=SYN)), responder)).flags == SYN | ACK
    refused = read(ask(build(a_segment(flags=SYN, ports=(1, 7001), sequence=2**32 - 1)), responder))
    assert (refused.flags, refused.sequence, refused.receipt) == (RST | ACK, 0, 0)
    assert counters[HANDSHAKES] == 1


def test_what_is_counted():
    counters = [0] * len(COUNTERS)
    responder = Responder(counters)
    for fields in ({"flags": SYN}, {"data": b"four"}, {"flags": FIN | ACK}, {"flags": RST}, {"flags": RST | ACK}, {}):
        ask(build(a_segment(**fields)), responder)
    assert (counters[HANDSHAKES], counters[ECHOED], counters[CLOSED]) == (1, 4, 3)


IGNORED = {
    "a reset": build(a_segment(flags=RST)),
    "a reset with data": build(a_segment(flags=RST | ACK, data=b"x")),
    "an acknowledgement": build(a_segment()),
    "an acknowledgement while data is under way": build(a_segment(sequence=1100)),
    "SYN-ACK": build(a_segment(flags=SYN | ACK)),
    "SYN and FIN": build(a_segment(flags=SYN | FIN)),
    "no flag": build(a_segment(flags=0)),
    "FIN without ACK": build(a_segment(flags=FIN)),
    "the first fragment": build(a_segment(flags=SYN), fragment=0x2000),
    "another fragment": build(a_segment(flags=SYN), fragment=0x0003),
    "UDP": build(a_segment(flags=SYN)).replace(b"\x40\x06", b"\x40\x11", 1),
    "UDP over IPv6": build(a_segment(6, flags=SYN)).replace(b"\x06\x40", b"\x11\x40", 1),
    "an extension header of IPv6": build(a_segment(6, flags=SYN)).replace(b"\x06\x40", b"\x00\x40", 1),
    "no IP": VNET.pack(1, 0, 0, 0, 0, 0) + b"\x50" + bytes(60),
    "several segments in one": VNET.pack(1, 1, 0, 0, 0, 0) + build(a_segment(flags=SYN))[VNET.size :],
    "a wrong checksum": build(a_segment(flags=SYN), partial=False)[:-1] + b"\x01",
    "nothing": b"",
}


@pytest.mark.parametrize("packet", IGNORED.values(), ids=IGNORED)
def test_not_answered(packet):
    assert ask(packet) == b""


@given(st.binary(max_size=200))
def test_any_bytes(data):
    ask(data)


@given(st.sampled_from([4, 6]), st.binary(max_size=200))
def test_any_bytes_that_begin_as_ip(version, data):
    ask(VNET.pack(1, 0, 0, 0, 0, 0) + bytes([version << 4 | 5]) + data)


@given(
    VERSIONS,
    st.sampled_from([SYN, ACK, ACK | FIN, RST, ACK | PSH]),
    OPTIONS,
    st.binary(max_size=100),
    st.data(),
)
def test_damaged_packets(version, flags, options, body, data):
    packet = bytearray(build(a_segment(version, flags=flags, options=options, data=body)))
    for _ in range(data.draw(st.integers(1, 6))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    ask(bytes(packet[: data.draw(st.integers(0, len(packet)))]))
