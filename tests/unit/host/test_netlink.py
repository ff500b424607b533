# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import struct
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError


def message(kind: int, payload: bytes = b"", flags: int = netlink.NLM_F_MULTI) -> bytes:
    return (
        netlink.HEADER.pack(netlink.HEADER.size + len(payload), kind, flags, 1, 0) + payload + bytes(-len(payload) % 4)
    )


DONE = message(netlink.NLMSG_DONE, struct.pack("=i", 0))


class Collector(netlink.Reader):
    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[int, bytes]] = []

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        self.taken.append((kind, data[start:end]))


class FakeSocket:
    """Stands for the kernel's end: answers every request with the next of ``answers``."""

    answers: t.ClassVar[list[object]] = []

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> FakeSocket:
        return self

    def __exit__(self, *_: object) -> None: ...

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def setsockopt(self, *_: object) -> None:
        raise OSError(errno.ENOPROTOOPT, "an old kernel")

    def send(self, data: bytes) -> None:
        assert data == netlink.request(99, b"body")

    def recv(self, _: int) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(netlink.socket, "socket", FakeSocket)
    FakeSocket.answers = []
    return FakeSocket.answers


def test_messages_are_taken_in_order_up_to_the_end():
    reader = Collector()
    reader.feed(message(20, b"one") + message(netlink.NLMSG_NOOP) + message(20, b"four"))
    assert not reader.done
    reader.feed(message(21) + DONE + b"not looked at")
    assert reader.done
    assert not reader.interrupted
    assert reader.taken == [(20, b"one"), (20, b"four"), (21, b"")]


def test_a_change_meanwhile_is_seen_on_any_message():
    reader = Collector()
    reader.feed(message(netlink.NLMSG_DONE, bytes(4), flags=netlink.NLM_F_DUMP_INTR))
    assert reader.done
    assert reader.interrupted


@pytest.mark.parametrize("kind", [netlink.NLMSG_ERROR, netlink.NLMSG_DONE])
def test_the_kernels_error_has_its_number(kind):
    with pytest.raises(NetlinkError, match="Operation not permitted") as caught:
        Collector().feed(message(kind, struct.pack("=i", -errno.EPERM)))
    assert caught.value.number == errno.EPERM


def test_an_acknowledgement_is_no_end():
    reader = Collector()
    reader.feed(message(netlink.NLMSG_ERROR, bytes(20)))
    assert not reader.done


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        bytes(16),
        netlink.HEADER.pack(15, 20, 0, 0, 0),
        netlink.HEADER.pack(17, 20, 0, 0, 0),
        netlink.HEADER.pack(2**32 - 1, 20, 0, 0, 0),
        message(netlink.NLMSG_OVERRUN),
    ],
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(NetlinkError):
        Collector().feed(data)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_end_or_are_refused(buffers):
    reader = Collector()
    try:
        for data in buffers:
            reader.feed(data)
    except NetlinkError:
        return
    assert sum(16 + len(payload) for _, payload in reader.taken) <= sum(map(len, buffers))


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=10))
def test_attributes_come_back(wanted):
    data = b"".join(
        struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in wanted.items()
    )
    assert netlink.attributes(b"xx" + data, 2, 2 + len(data)) == wanted


@given(st.binary(max_size=60))
def test_any_bytes_as_attributes(data):
    try:
        found = netlink.attributes(data, 0, len(data))
    except NetlinkError:
        return
    assert sum(map(len, found.values())) <= len(data)


def test_the_flags_of_an_attribute_are_no_part_of_its_type():
    assert netlink.attributes(struct.pack("=HHI", 8, 0x8009, 7), 0, 8) == {9: struct.pack("=I", 7)}


def test_a_dump_comes_in_pieces(kernel):
    kernel[:] = [message(20, b"1234"), message(20, b"5678") + DONE]
    assert netlink.dump(0, 99, b"body", Collector).taken == [(20, b"1234"), (20, b"5678")]


def test_an_interrupted_dump_is_asked_for_again(kernel):
    interrupted = message(20, b"old", flags=netlink.NLM_F_DUMP_INTR) + DONE
    kernel[:] = [interrupted, message(20, b"new") + DONE]
    assert netlink.dump(0, 99, b"body", Collector).taken == [(20, b"new")]


def test_what_never_rests_is_taken_as_it_is(kernel):
    kernel[:] = [message(20, b"%d" % number, flags=netlink.NLM_F_DUMP_INTR) + DONE for number in range(3)]
    reader = netlink.dump(0, 99, b"body", Collector)
    assert reader.interrupted
    assert reader.taken == [(20, b"2")]


@pytest.mark.parametrize("error", [OSError(errno.ENOBUFS, "No buffer space"), TimeoutError("timed out")])
def test_a_socket_that_fails_is_a_netlink_error(kernel, error):
    kernel[:] = [error]
    with pytest.raises(NetlinkError, match="netlink") as caught:
        netlink.dump(0, 99, b"body", Collector)
    assert caught.value.number == (error.errno or errno.EIO)


def test_the_kernel_refuses_an_unknown_request():
    with pytest.raises(NetlinkError) as caught:
        netlink.dump(0, 9999, bytes(16), Collector)
    assert caught.value.number == errno.EOPNOTSUPP
