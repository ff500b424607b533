# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import contextlib
import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socket_messages import DONE, RECORDED_ESTABLISHED

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, socket_filters, socket_groups
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import (
    Group,
    Grouping,
    Held,
    Holders,
    Owner,
    Pair,
    Ports,
    Waiting,
    common_layout,
)

SHUTDOWN = struct.pack("=HHI", 5, 8, 0)
CGROUP = struct.pack("=HHQ", 12, 21, 30748)
PLAIN, NO_PORT = (struct.pack("=HHHxx", 6, 22, value) for value in (0x0012, 0x0112))


def a_socket(
    port: int = 40000,
    source: str = "192.0.2.1",
    to: tuple[str, int] = ("192.0.2.9", 443),
    user: int = 1000,
    attributes: bytes = SHUTDOWN + CGROUP + PLAIN,
    state: int = 1,
    interface: int = 0,
) -> bytes:
    """A message as net/ipv4/inet_diag.c fills it."""
    ends = [ipaddress.ip_address(address) for address in (source, to[0])]
    family = 2 if ends[0].version == 4 else 10
    payload = struct.pack("=4B", family, state, 0, 0) + struct.pack(">HH", port, to[1])
    payload += b"".join(one.packed.ljust(16, b"\0") for one in ends) + struct.pack("=I", interface)
    payload = payload.ljust(64, b"\1") + struct.pack("=II", user, 7) + attributes
    return netlink.HEADER.pack(16 + len(payload), 18, 2, 1, 0) + payload


def group(
    source: str = "192.0.2.1", to: tuple[str, int] = ("192.0.2.9", 443), user: int = 1000, no_port: bool | None = False
) -> Group:
    packed = [ipaddress.ip_address(address).packed for address in (source, to[0])]
    return Group(Owner(user, 30748), no_port, Pair(packed[0], packed[1], to[1]))


def read(reader: netlink.SomeReader, *buffers: bytes) -> netlink.SomeReader:
    for data in buffers:
        reader.feed(data)
    return reader


def test_a_recorded_message():
    found = read(Grouping(), RECORDED_ESTABLISHED * 3, RECORDED_ESTABLISHED + DONE).groups()
    source, destination = (ipaddress.ip_address(address).packed for address in ("127.1.30.4", "127.0.0.1"))
    assert found == {Group(Owner(0, 1), True, Pair(source, destination, 7029)): 4}


def test_messages_of_one_layout_and_of_several_are_counted_alike():
    messages = [
        a_socket(),
        a_socket(port=40002),
        a_socket(attributes=SHUTDOWN + CGROUP + NO_PORT),
        a_socket(user=7),
        a_socket(to=("192.0.2.9", 444)),
    ]
    assert common_layout(b"".join(messages)) is not None
    expected = {
        group(): 2,
        group(no_port=True): 1,
        group(user=7): 1,
        group(to=("192.0.2.9", 444)): 1,
    }
    assert read(Grouping(), b"".join(messages)).groups() == expected
    # With the end of the dump in the buffer each is looked at by itself.
    assert read(Grouping(), b"".join(messages) + DONE).groups() == expected
    assert read(Grouping(), *messages, DONE).groups() == expected


def test_what_the_kernel_does_not_tell_is_none():
    (old,) = read(Grouping(), a_socket(attributes=SHUTDOWN)).groups()
    assert (old.owner, old.no_port) == (Owner(1000, None), None)
    (closed,) = read(Grouping(), a_socket(attributes=b"", state=6)).groups()
    assert closed.owner is None


def test_an_ipv4_client_of_a_dual_stack_socket_is_one_of_ipv4():
    mapped = a_socket(source="::ffff:192.0.2.1", to=("::ffff:192.0.2.9", 443))
    assert read(Grouping(), mapped + a_socket()).groups() == {group(): 2}
    six = read(Grouping(), a_socket(source="2001:db8::1", to=("2001:db8::9", 443))).groups()
    assert six == {group("2001:db8::1", ("2001:db8::9", 443)): 1}


def test_ports_states_and_interfaces():
    messages = a_socket(40000) + a_socket(40001, interface=3) + a_socket(40001, user=9, state=4)
    assert read(Ports(), messages, DONE).ports == {40000, 40001}
    assert read(Ports(), messages + DONE).ports == {40000, 40001}
    expected = [Held(group(), 40000, 1, 0), Held(group(), 40001, 1, 3), Held(group(user=9), 40001, 4, 0)]
    assert read(Holders(), messages).found == read(Holders(), messages + DONE).found == expected
    assert read(Waiting(), a_socket(state=10) + a_socket(user=3, state=10)).found == {(40000, 10): Owner(1000, 30748)}


SOCKETS = st.builds(
    a_socket,
    st.integers(1, 65535),
    st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    st.sampled_from([("192.0.2.9", 443), ("192.0.2.8", 80)]),
    st.integers(0, 2),
    st.sampled_from([SHUTDOWN + CGROUP + PLAIN, SHUTDOWN + CGROUP + NO_PORT, SHUTDOWN, b""]),
)


@given(st.lists(st.lists(SOCKETS, min_size=1, max_size=20), max_size=4))
def test_any_mixture_is_counted_one_by_one(buffers):
    every = [message for buffer in buffers for message in buffer]
    alone = read(Grouping(), *every).groups()
    assert read(Grouping(), *map(b"".join, buffers)).groups() == alone
    assert sum(alone.values()) == len(every)
    held = read(Holders(), *map(b"".join, buffers)).found
    assert collections.Counter(one.group for one in held) == alone


@given(st.lists(st.integers(0, 40), max_size=400), st.integers(2, 30))
def test_with_too_many_groups_none_is_too_high_and_the_large_ones_stay(users, keys):
    true = collections.Counter(users)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket_groups, "MAX_KEYS", keys)
        reader = read(Grouping(), *(a_socket(user=user) for user in users))
    found = {one.owner.user: number for one, number in reader.groups().items() if one.owner}
    assert len(found) <= keys
    lost = collections.Counter({owner.user: number for owner, number in reader.lost.items() if owner})
    # Nothing is forgotten: what a group lacks is told by owner.
    assert lost + collections.Counter(found) == true
    if not reader.pruned:
        assert found == true
    for user, number in true.items():
        assert number - found.get(user, 0) <= len(users) / (keys // 2)


@given(st.data(), st.lists(SOCKETS, min_size=1, max_size=5))
def test_damage_raises_nothing_but_its_own_error(data, messages):
    damaged = bytearray(b"".join(messages))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for reader in (Grouping(), Ports(), Holders(), Waiting()):
        with contextlib.suppress(NetlinkError):
            reader.feed(cut)


WINDOWS = st.lists(st.integers(1, 200), max_size=8, unique=True).map(sorted)


@given(WINDOWS, st.sets(st.integers(1, 200)))
def test_windows_without_ports(ends, ports):
    windows = list(zip(ends[::2], ends[1::2], strict=False))
    left = {port for first, last in windows for port in range(first, last + 1)} - ports
    found = socket_filters.without(windows, ports)
    assert [port for first, last in found for port in range(first, last + 1)] == sorted(left)
