# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    daemon,
    packets,
    records,
    tun,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    responder as sink_responder,
)

SYN = bytes.fromhex(
    "0100 0000 0000 0000 0000 4500002800004000400600000af00001c6120001 9c401b5800000005000000005002ffff00000000"
)


def a_route(destination, interface=2, table=254, kind=1, attributes=b""):
    network = ipaddress.ip_network(destination)
    family = 2 if network.version == 4 else 10
    body = struct.pack("=8BI", family, network.prefixlen, 0, 0, table, 2, 0, kind, 0)
    if network.prefixlen:
        packed = network.network_address.packed
        body += struct.pack("=HH", 4 + len(packed), 1) + packed
    body += struct.pack("=HHI", 8, 4, interface) + attributes
    return netlink.HEADER.pack(16 + len(body), 24, 2, 1, 0) + body


HOST = [
    a_route("0.0.0.0/0"),
    a_route("192.0.2.0/24"),
    a_route("192.0.2.5/32", table=255, kind=2),
    a_route("192.0.2.255/32", table=255, kind=3),
    a_route("198.18.0.0/15", interface=9),
    a_route("203.0.113.0/24", table=100),
    a_route("::/0"),
    a_route("2001:db8::/64"),
]


@pytest.mark.parametrize(
    ("prefix", "but_for", "found"),
    [
        ("192.0.2.0/28", None, "192.0.2.0/24"),
        ("192.0.0.0/16", None, "192.0.2.0/24"),
        ("198.18.0.0/16", None, "198.18.0.0/15"),
        ("198.18.0.0/16", "ftsink0", None),
        ("198.18.0.0/16", "another", "198.18.0.0/15"),
        ("203.0.113.0/24", None, None),
        ("198.51.100.0/24", None, None),
        ("2001:db8::/32", None, "2001:db8::/64"),
        ("2001:2::/48", None, None),
    ],
)
def test_what_a_prefix_touches(monkeypatch, prefix, but_for, found):
    def dump(protocol, kind, body, make):
        reader = make()
        reader.feed(b"".join(HOST))
        return reader

    def index(name):
        if name != "ftsink0":
            raise OSError
        return 9

    monkeypatch.setattr(tun.netlink, "dump", dump)
    monkeypatch.setattr(tun.socket, "if_nametoindex", index)
    result = tun.overlapping(ipaddress.ip_network(prefix), but_for)
    assert result == (None if found is None else ipaddress.ip_network(found))


@given(st.lists(st.sampled_from(HOST), max_size=3), st.data())
def test_damaged_routes_end_or_are_refused(routes, data):
    damaged = bytearray(b"".join(routes))
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(netlink.NetlinkError):
        tun.Routes().feed(bytes(damaged))


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that makes devices."""
    opened, asked = [], []

    def ioctl(number, request, argument):
        asked.append((request, argument))
        if request == 0x400454CA:
            return argument.replace(b"%d", b"0\0")
        return struct.pack("=16sH22x", b"ftsink0", 0x1090)

    def open_(path, flags):
        assert path == "/dev/net/tun"
        opened.append(os.dup(0))
        return opened[-1]

    class Fake:
        error = 0
        O_RDWR, O_CLOEXEC = os.O_RDWR, os.O_CLOEXEC
        close = staticmethod(os.close)

        def open(self, path, flags):
            if self.error:
                raise OSError(self.error, "no such device")
            return open_(path, flags)

    fake = Fake()
    fake.opened, fake.asked = opened, asked
    monkeypatch.setattr(tun, "os", fake)
    monkeypatch.setattr(tun.fcntl, "ioctl", ioctl)
    return fake


@pytest.mark.parametrize(("queues", "flags"), [(1, 0x5001), (3, 0x5101)])
def test_a_device(kernel, queues, flags):
    device = tun.open_device(queues)
    assert device.name == "ftsink0"
    assert device.queues == kernel.opened
    made = [argument for request, argument in kernel.asked if request == 0x400454CA]
    # The first gets a number from the kernel, the others join it.
    assert [argument[:16].rstrip(b"\0") for argument in made] == [b"ftsink%d"] + [b"ftsink0"] * (queues - 1)
    assert {struct.unpack("=16sH22x", argument)[1] for argument in made} == {flags}
    assert kernel.asked[-1] == (0x8914, struct.pack("=16sH22x", b"ftsink0", 0x1091))
    for number in device.queues:
        os.close(number)


def test_no_device(kernel):
    kernel.error = errno.ENOENT
    with pytest.raises(OSError, match=r"/dev/net/tun cannot be opened.*no such device"):
        tun.open_device(1)


def test_half_a_device_is_closed(kernel, monkeypatch):
    monkeypatch.setattr(tun.socket, "socket", lambda *_: (_ for _ in ()).throw(OSError(errno.EMFILE, "too many")))
    with pytest.raises(OSError, match="ftsink0 cannot be brought up: too many"):
        tun.open_device(2)
    for number in kernel.opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_a_route_is_asked_for_and_its_refusal_told(monkeypatch):
    sent = []

    class Channel:
        answer = netlink.HEADER.pack(36, 2, 0, 1, 0) + struct.pack("=i16x", 0)

        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def settimeout(self, _):
            pass

        def send(self, data):
            sent.append(data)

        def recv(self, _):
            return self.answer

    monkeypatch.setattr(tun.socket, "socket", Channel)
    monkeypatch.setattr(tun.socket, "if_nametoindex", lambda name: 7)
    for prefix, scope in (("198.18.0.0/15", 253), ("2001:2::/48", 0)):
        network = ipaddress.ip_network(prefix)
        tun.add_route(network, "ftsink0")
        length, kind, flags = struct.unpack_from("=IHH", sent[-1])
        assert (length, kind, flags) == (len(sent[-1]), 24, 0x605)
        assert sent[-1][16:28][6] == scope
        found = netlink.attributes(sent[-1], 28, length)
        assert found == {1: network.network_address.packed, 4: struct.pack("=I", 7)}
    Channel.answer = netlink.HEADER.pack(36, 2, 0, 1, 0) + struct.pack("=i16x", -errno.EEXIST)
    with pytest.raises(netlink.NetlinkError, match=r"the route of 198\.18\.0\.0/15 through ftsink0: .*File exists"):
        tun.add_route(ipaddress.ip_network("198.18.0.0/15"), "ftsink0")


def test_the_loop(monkeypatch):
    class Enough(Exception):
        pass

    class Fake:
        def __init__(self):
            self.packets = [SYN, b"rubbish", SYN, SYN]
            self.written = []

        def readv(self, queue, buffers):
            if not self.packets:
                raise Enough
            data = self.packets.pop()
            buffers[0][: len(data)] = data
            return len(data)

        def write(self, queue, data):
            if len(self.packets) == 3:
                raise OSError(errno.ENOMEM, "no")
            self.written.append(bytes(data))

    fake = Fake()
    monkeypatch.setattr(sink_responder, "os", fake)
    counters = [0] * len(records.COUNTERS)
    with pytest.raises(Enough):
        sink_responder.serve(5, packets.Responder(counters), counters)
    assert (counters[records.HANDSHAKES], counters[records.DROPPED]) == (3, 1)
    assert len(fake.written) == 2
    assert fake.written[0][43] == 0x12


def test_the_service(monkeypatch, tmp_path):
    routes, served = [], []
    queues = [os.dup(0), os.dup(0)]
    monkeypatch.setattr(tun, "open_device", lambda number: tun.Device("ftsink3", queues))
    monkeypatch.setattr(tun, "add_route", lambda *route: routes.append(route))
    monkeypatch.setattr(sink_responder, "serve", lambda queue, responder, row: served.append(queue))
    network = ipaddress.ip_network("198.18.0.0/15")
    service = sink_responder.Respond(network, None, 2)
    assert service.open() == {"processes": 2, "device": "ftsink3", "queues": queues}
    assert routes == [(network, "ftsink3")]
    service.work(1, records.Board(str(tmp_path), 2))
    assert served == [queues[1]]
    os.close(os.dup(queues[1]))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(queues[0])
    service._device.queues.pop(0)
    service.leave()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(queues[0])


def test_a_service_says_what_it_does():
    with pytest.raises(NotImplementedError):
        daemon.Service().open()
    with pytest.raises(NotImplementedError):
        daemon.Service().work(0, None)
    daemon.Service().leave()
    daemon.Service().watch(None)
