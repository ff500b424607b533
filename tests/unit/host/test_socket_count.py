# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import contextlib
import errno
import ipaddress
import json
import pathlib
import socket
import struct
import subprocess
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaces import needs_root
from socket_messages import DONE, RECORDED_ESTABLISHED

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, socket_count
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError

BENCH = pathlib.Path(__file__).parents[2] / "bench/count_sockets"

SHUTDOWN = struct.pack("=HHI", 5, 8, 0)
MARK = struct.pack("=HHI", 8, 15, 0)

SOCKSTAT = "sockets: used 15\nTCP: inuse %d orphan 3 tw %d alloc 9 mem 5\nUDP: inuse 0 mem 0\n"
SNMP = "Tcp: RtoAlgorithm CurrEstab InSegs\nTcp: 1 %s 60414\n"


def a_socket(state: int, source: str = "192.0.2.1", attributes: bytes = SHUTDOWN) -> bytes:
    """A message as net/ipv4/inet_diag.c fills it."""
    address = ipaddress.ip_address(source)
    family = 2 if address.version == 4 else 10
    fixed = struct.pack("=4B4s16s16s32s", family, state, 0, 0, b"\x1b\x58\xc3\x50", address.packed, b"", b"")
    payload = fixed.ljust(72, b"\0") + attributes
    return netlink.HEADER.pack(16 + len(payload), 18, 2, 1, 0) + payload


def counted(*buffers: bytes) -> socket_count.Tally:
    tally = socket_count.Tally()
    for data in buffers:
        tally.feed(data)
    return tally


@pytest.fixture
def kernel(monkeypatch):
    """Let count() read what this returns, and record which states it asks for."""
    asked = []

    class Kernel:
        buffers: t.ClassVar[list[bytes]] = [DONE]
        error: NetlinkError | None = None

        def dump(self, protocol, kind, body, make):
            asked.append(struct.unpack_from("=4B48sII", body)[5])
            if self.error:
                raise self.error
            reader = make()
            for data in self.buffers:
                reader.feed(data)
            return reader

    fake = Kernel()
    fake.asked = asked
    monkeypatch.setattr(socket_count.netlink, "dump", fake.dump)
    return fake


@pytest.fixture
def sums(monkeypatch):
    """Set what /proc/net holds on this host."""
    files = {}
    monkeypatch.setattr(socket_count, "read_text", lambda root, path: files.get(path))

    def put(inuse: int, tw: int = 0, inuse6: int = 0) -> None:
        files["/proc/net/sockstat"] = SOCKSTAT % (inuse, tw)
        files["/proc/net/sockstat6"] = "TCP6: inuse %d\n" % inuse6

    put.files = files
    return put


def test_a_recorded_message():
    tally = counted(RECORDED_ESTABLISHED * 3, RECORDED_ESTABLISHED + DONE)
    assert tally.done
    assert tally.states() == {1: 4}
    assert tally.sources() == {ipaddress.ip_address("127.1.30.4").packed: 4}
    assert len(tally.counted) == 1


def test_an_ipv4_client_of_a_dual_stack_socket_is_one_of_ipv4():
    addresses = ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:0:0", "2001:db8::1", "192.0.2.2", "::1")
    tally = counted(b"".join(a_socket(1, address) for address in addresses))
    found = {str(ipaddress.ip_address(packed)): number for packed, number in tally.sources().items()}
    assert found == {"192.0.2.1": 2, "0.0.0.0": 1, "2001:db8::1": 1, "192.0.2.2": 1, "::1": 1}


SOCKETS = st.tuples(
    st.integers(1, 11),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "::ffff:192.0.2.1"]),
    st.sampled_from([b"", SHUTDOWN, MARK, SHUTDOWN + MARK]),
)


@given(st.lists(st.lists(SOCKETS, min_size=1, max_size=30), max_size=5))
def test_any_mixture_is_counted_one_by_one(buffers):
    tally = counted(*(b"".join(a_socket(*entry) for entry in entries) for entries in buffers))
    every = [entry for entries in buffers for entry in entries]
    assert tally.states() == collections.Counter(state for state, _, _ in every)
    for state in range(1, 12):
        expected = sum(1 for found, _, attributes in every if found == state and not attributes.startswith(SHUTDOWN))
        assert tally.small(state) == expected


@given(st.integers(1, 200), st.sampled_from([SHUTDOWN, SHUTDOWN + MARK]))
def test_the_fast_way_counts_as_the_other_one_does(number, attributes):
    data = b"".join(a_socket(1 + index % 2, "192.0.2.%d" % (index % 7), attributes) for index in range(number))
    slow = socket_count.Tally()
    netlink.Reader.feed(slow, data)
    assert socket_count.Tally._common_length(data)
    assert counted(data).counted == slow.counted


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_end_or_are_refused(buffers):
    with contextlib.suppress(NetlinkError):
        counted(*buffers).sources()


@given(st.integers(1, 5), st.data())
def test_damaged_dumps_end_or_are_refused(number, data):
    damaged = bytearray(b"".join([RECORDED_ESTABLISHED] * number) + DONE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    tally = socket_count.Tally()
    with contextlib.suppress(NetlinkError):
        tally.feed(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    assert sum(tally.counted.values()) <= number + 1


@pytest.mark.parametrize("broken", [netlink.HEADER.pack(16, 18, 2, 1, 0), netlink.HEADER.pack(16, 20, 2, 1, 0)])
def test_what_is_no_socket_is_refused(broken):
    with pytest.raises(NetlinkError):
        counted(broken)


def test_an_interrupted_dump_is_noticed():
    one = a_socket(1)
    interrupted = netlink.HEADER.pack(len(one), 18, 2 | netlink.NLM_F_DUMP_INTR, 1, 0) + one[16:]
    assert counted(interrupted * 3).interrupted
    assert counted(one * 2 + interrupted).interrupted


def test_by_source_is_sorted_and_bounded(kernel, sums):
    sums(300)
    kernel.buffers = [
        b"".join(a_socket(1, "10.0.%d.%d" % divmod(index, 256)) for index in range(300)),
        a_socket(1, "10.0.1.43") * 2 + a_socket(1, "2001:db8::1") * 2 + DONE,
    ]
    result = socket_count.count()
    assert result["established"] == 304
    assert result["sources"] == 301
    assert len(result["by_source"]) == socket_count.MAX_SOURCES
    assert result["by_source"][:3] == [
        {"address": "10.0.1.43", "established": 3},
        {"address": "2001:db8::1", "established": 2},
        {"address": "10.0.0.0", "established": 1},
    ]
    assert result["by_source_other"] == 301 - socket_count.MAX_SOURCES
    assert result["unread"] == []


def test_states_and_the_two_kinds_of_fin_wait2(kernel, sums):
    sums(5, tw=7)
    kernel.buffers = [
        a_socket(10) + a_socket(5, attributes=b"") * 3 + a_socket(5) + a_socket(3, attributes=MARK),
        a_socket(1) * 2 + a_socket(8) + a_socket(77) + DONE,
    ]
    result = socket_count.count()
    assert result["states"] == {
        "ESTABLISHED": 2, "SYN_RECV": 1, "FIN_WAIT2": 4, "TIME_WAIT": 4, "CLOSE_WAIT": 1, "LISTEN": 1, "STATE_77": 1,
    }  # fmt: skip
    assert result["timewait"] == 7
    assert (result["orphans"], result["memory_pages"]) == (3, 5)
    assert kernel.asked == [0b111110111110]


def test_many_sockets_are_counted_without_describing_the_established(kernel, sums):
    sums(900000, tw=9, inuse6=100000)
    others = [a_socket(10), a_socket(8) * 4, a_socket(5), a_socket(5, attributes=b"") * 2, a_socket(3, attributes=MARK)]
    kernel.buffers = [b"".join(others) + DONE]
    result = socket_count.count()
    assert kernel.asked == [0b111110111100]
    # inuse less the listener, 4 in CLOSE_WAIT and the full one in FIN_WAIT2
    assert result["established"] == result["states"]["ESTABLISHED"] == 1000000 - 6
    assert result["states"]["TIME_WAIT"] == 7
    assert result["by_source"] is result["sources"] is result["by_source_other"] is None
    assert result["by_source_estimated"] is False


def test_the_sources_of_many_sockets_are_estimated(kernel, sums, monkeypatch):
    monkeypatch.setattr(socket_count, "listeners", lambda root: set())
    sums(1000000)
    sums.files["/proc/sys/net/ipv4/ip_local_port_range"] = "1024\t65535\n"
    kernel.buffers = [a_socket(1, "192.0.2.1") * 30000 + a_socket(1, "192.0.2.2") * 6000 + DONE]
    result = socket_count.count()
    # 60,000 of 1,000,000 ask for 6 % of the ports: 60 of 1,008 in each window
    assert kernel.asked == [0b111110111100, 0b10]
    assert result["by_source"] == [
        {"address": "192.0.2.1", "established": round(30000 * 1008 / 60)},
        {"address": "192.0.2.2", "established": round(6000 * 1008 / 60)},
    ]
    assert result["by_source_estimated"] is True


def test_who_asks_for_exact_sources_gets_them(kernel, sums):
    sums(1000000)
    kernel.buffers = [a_socket(1) * 3 + DONE]
    result = socket_count.count(exact=True)
    assert result["by_source"] == [{"address": "192.0.2.1", "established": 3}]
    assert result["established"] == 3
    assert result["by_source_estimated"] is False


@given(
    st.integers(1, 65535),
    st.integers(1, 65535),
    st.floats(0.0001, 1),
    st.sets(st.integers(1, 65535), max_size=5),
)
def test_windows_lie_in_the_range_and_avoid_what_they_must(one, other, part, avoid):
    low, high = sorted((one, other))
    windows = socket_count.port_windows(low, high, part, avoid)
    ports = [port for first, last in windows for port in range(first, last + 1)]
    assert all(low <= port <= high and port not in avoid for port in ports)
    assert ports == sorted(set(ports))


@given(
    st.sets(st.integers(1, 65535), min_size=2, max_size=40).filter(lambda ports: len(ports) % 2 == 0),
    st.integers(1, 65535),
)
def test_the_bytecode_lets_pass_what_is_in_a_window(ends, port):
    windows = list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=True))
    code = socket_count.bytecode_of(windows)
    position = 0
    while position < len(code):  # inet_diag_bc_run
        kind, yes, no = struct.unpack_from("=BBH", code, position)
        bound = struct.unpack_from("=BBH", code, position + 4)[2] if kind != 1 else 0
        holds = port >= bound if kind == 2 else port <= bound if kind == 3 else False
        position += yes if holds else no
    assert (position == len(code)) == any(first <= port <= last for first, last in windows)


ENDS = st.tuples(
    st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1"]),
    st.sampled_from([1, 80, 255, 256, 7000, 65535]),
)


def passes(code: bytes, address: str, port: int) -> bool:
    """Do what inet_diag_bc_run (net/ipv4/inet_diag.c) does with a socket whose other end this is."""
    other = ipaddress.ip_address(address)
    position = 0
    while position < len(code):
        kind, yes, no = struct.unpack_from("=BBH", code, position)
        holds = False
        if kind == 8:
            family, length, wanted = struct.unpack_from("=BBxxi", code, position + 4)
            size = {2: 4, 10: 16}[family]
            assert length == 8 * size
            packed = other.packed
            if family == 2 and other.version == 6 and other.ipv4_mapped:
                packed = other.ipv4_mapped.packed
            holds = wanted in (-1, port) and packed == code[position + 12 : position + 12 + size]
        position += yes if holds else no
    return position == len(code)


@given(st.lists(ENDS, unique=True, min_size=1, max_size=12), ENDS)
def test_the_bytecode_lets_pass_what_goes_to_a_destination(destinations, end):
    expected = end in destinations
    # A dual-stack socket of IPv4 passes as one, and also as what it is.
    if end[0] == "::ffff:192.0.2.1":
        expected = expected or ("192.0.2.1", end[1]) in destinations
    assert passes(socket_count.bytecode_to(destinations), *end) == expected


@given(st.lists(ENDS, unique=True, min_size=1, max_size=12))
def test_the_kernel_audits_the_bytecode_for_destinations(destinations):
    code = socket_count.bytecode_to(destinations)
    # inet_diag_bc_audit: what is passed over leads to an operation, to the end, or four bytes beyond it.
    starts, position = [], 0
    while position < len(code):
        starts.append(position)
        position += struct.unpack_from("=BBH", code, position)[1]
    assert position == len(code)
    for start in starts:
        no = struct.unpack_from("=BBH", code, start)[2]
        assert no >= 4
        assert no % 4 == 0
        assert start + no in {*starts, len(code), len(code) + 4}


def test_towards_asks_for_the_states_and_tells_each(kernel):
    kernel.buffers = [a_socket(1) * 3 + a_socket(6, attributes=b"") * 2 + DONE]
    assert socket_count.towards([("192.0.2.9", 80)], ["ESTABLISHED", "TIME_WAIT", "LISTEN"]) == {
        "ESTABLISHED": 3, "TIME_WAIT": 2, "LISTEN": 0,
    }  # fmt: skip
    assert kernel.asked == [1 << 1 | 1 << 6 | 1 << 10]


def test_towards_says_what_the_kernel_says(kernel):
    kernel.error = NetlinkError("says no", errno.EPERM)
    with pytest.raises(NetlinkError, match="says no"):
        socket_count.towards([("192.0.2.9", 80)], ["ESTABLISHED"])


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EPROTONOSUPPORT, None])
def test_without_sock_diag_the_sums_remain(kernel, sums, number):
    sums(12, tw=2)
    sums.files["/proc/net/snmp"] = SNMP % 11
    kernel.error = NetlinkError("says no", number)
    result = socket_count.count()
    assert result["states"] == {"ESTABLISHED": 11, "TIME_WAIT": 2}
    assert result["established"] == 11
    assert result["by_source"] is result["sources"] is result["by_source_other"] is None
    (missing,) = result["unread"]
    assert "says no" in missing["why"]
    assert ("tcp_diag" in missing["why"]) == (number is not None)


@pytest.mark.parametrize("snmp", [None, "", "Tcp: CurrEstab\n", SNMP % "many", "Tcp: a\nTcp: 1\n"])
def test_without_anything_established_is_unknown(kernel, sums, snmp):
    sums.files["/proc/net/snmp"] = snmp
    kernel.error = NetlinkError("says no", errno.EPERM)
    result = socket_count.count()
    assert result["states"] == {}
    assert result["established"] is result["timewait"] is result["by_source"] is None
    assert len(result["unread"]) == 2


def test_without_sockstat_everything_is_dumped(kernel, sums):
    kernel.buffers = [a_socket(1) * 3 + DONE]
    result = socket_count.count()
    assert result["established"] == 3
    assert result["timewait"] is None
    assert result["by_source"] == [{"address": "192.0.2.1", "established": 3}]


def test_another_hosts_kernel_is_not_asked(host):
    host.put("/proc/net/sockstat", SOCKSTAT % (12, 2))
    host.put("/proc/net/snmp", SNMP % 11)
    result = socket_count.count(host.root)
    assert result["established"] == 11
    assert result["timewait"] == 2
    assert "not the host that runs" in result["unread"][0]["why"]


@given(st.text())
def test_any_text_as_sockstat(text):
    socket_count.parse_sockstat(text, "TCP")
    socket_count.parse_sockstat("TCP: %s" % text, "TCP")
    socket_count._established("Tcp: CurrEstab\nTcp: %s" % text)


# The real kernel, in a network namespace of its own.

#: An established hash of its own, where the kernel has that (6.1): a dump walks all of it, and the machine's may hold
#: the connections of others.
OWN_HASH = 'sysctl -qw net.ipv4.tcp_child_ehash_entries=8192 2>/dev/null; exec "$@"'

IN_NAMESPACE = r"""
import collections, importlib.util, json, socket, struct, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import socket_count
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

def listener(family, address):
    opened = socket.socket(family)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.bind((address, 0))
    opened.listen(100)
    return opened

def pair(listening, source, target):
    client = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    client.bind((source, 0))
    client.connect((target, listening.getsockname()[1]))
    return client, listening.accept()[0]

four = listener(socket.AF_INET, "127.0.0.1")
both = listener(socket.AF_INET6, "::")
held = []
for source, number in (("127.0.0.2", 5), ("127.0.0.3", 3)):
    held += [pair(four, source, "127.0.0.1") for _ in range(number)]
held += [pair(both, "127.0.0.4", "127.0.0.1") for _ in range(2)]   # the accepted end is an IPv4-mapped one
held += [pair(both, "::1", "::1") for _ in range(4)]
closing = [pair(four, "127.0.0.5", "127.0.0.1") for _ in range(6)]
for client, accepted in closing[:2]:    # the client half closes: FIN_WAIT2, full, and CLOSE_WAIT
    client.shutdown(socket.SHUT_WR)
for client, accepted in closing[2:5]:   # closed by one only: the kernel keeps a small one in FIN_WAIT2, and CLOSE_WAIT
    client.close()
closing[5][0].close()                   # closed by both: TIME_WAIT
while closing[5][1].recv(1):
    pass
closing[5][1].close()
time.sleep(0.3)
whole = socket_count.count()
socket_count.EXACT_UP_TO = 1
socket_count.SAMPLE = 10**6
quick = socket_count.count()
text = subprocess.run(["ss", "-Hant"], stdout=subprocess.PIPE, text=True, check=True).stdout
seen = collections.Counter(line.split()[0] for line in text.splitlines())
print(json.dumps({"whole": whole, "quick": quick, "ss": seen}))
"""


@needs_root
def test_the_real_kernel_against_ss():
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_NAMESPACE, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    expected = {"ESTABLISHED": 28, "FIN_WAIT2": 5, "TIME_WAIT": 1, "CLOSE_WAIT": 5, "LISTEN": 2}
    assert report["whole"]["states"] == expected
    assert report["quick"]["states"] == expected
    names = {"ESTAB": "ESTABLISHED", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT", "CLOSE-WAIT": "CLOSE_WAIT"}
    assert {names.get(name, name): number for name, number in report["ss"].items()} == expected
    assert report["whole"]["by_source"] == [
        {"address": "127.0.0.1", "established": 10},
        {"address": "::1", "established": 8},
        {"address": "127.0.0.2", "established": 5},
        {"address": "127.0.0.3", "established": 3},
        {"address": "127.0.0.4", "established": 2},
    ]
    assert report["whole"]["timewait"] == 4
    assert report["whole"]["unread"] == []
    # An estimate from so few says little, but it names no source that is not there.
    assert report["quick"]["by_source_estimated"] is True
    whole, quick = ({row["address"] for row in report[way]["by_source"]} for way in ("whole", "quick"))
    assert set() < quick <= whole


TOWARDS = r"""
import errno, itertools, json, socket, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import socket_count
subprocess.run("ip link set lo up && ip addr add 2001:db8::1/128 dev lo nodad", shell=True, check=True)

def listener(family, address, port):
    opened = socket.socket(family)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.bind((address, port))
    opened.listen(100)
    return opened

V4, V6 = socket.AF_INET, socket.AF_INET6
servers = [listener(V4, "127.0.0.1", 7000), listener(V4, "127.0.0.2", 7000), listener(V4, "127.0.0.1", 7001)]
servers += [listener(V6, "::1", 7000), listener(V6, "2001:db8::1", 7000)]
wanted = {("127.0.0.1", 7000): 7, ("127.0.0.2", 7000): 5, ("127.0.0.1", 7001): 3}
wanted.update({("::1", 7000): 6, ("2001:db8::1", 7000): 4})
held = []

def connect(target):
    client = socket.socket(V6 if ":" in target[0] else V4)
    # The kernel makes the route of a new address of IPv6 in its own time (net/ipv6/addrconf.c, addrconf_dad_work).
    deadline = time.monotonic() + 10
    while client.connect_ex(target) == errno.ENETUNREACH and time.monotonic() < deadline:
        time.sleep(0.01)
    client.getpeername()
    server = next(each for each in servers if each.getsockname()[:2] == target)
    held.append((client, server.accept()[0]))

for target, number in wanted.items():
    for _ in range(number):
        connect(target)
# A client of IPv4 on a socket of IPv6, and one in TIME_WAIT.
mapped = socket.socket(V6)
mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
mapped.connect(("::ffff:127.0.0.2", 7000))
held.append((mapped, servers[1].accept()[0]))
wanted["127.0.0.2", 7000] += 1
connect(("127.0.0.1", 7001))
client, accepted = held.pop()
client.close()
assert accepted.recv(1) == b""
accepted.close()

def counted(destinations):
    return list(socket_count.towards(destinations, ["ESTABLISHED", "TIME_WAIT", "LISTEN"]).values())

def address(text):
    # Words of four bytes, each in the host's order.
    packed = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    if packed.startswith(bytes(10) + b"\xff\xff"):
        packed = packed[12:]
    return socket.inet_ntop(V6 if len(packed) == 16 else V4, packed)

def in_proc(destinations):
    found = {"01": 0, "06": 0, "0A": 0}
    for name in ("tcp", "tcp6"):
        for line in open("/proc/net/" + name).readlines()[1:]:
            words = line.split()
            host, port = words[2].split(":")
            if (address(host), int(port, 16)) in destinations:
                found[words[3]] += 1
    return list(found.values())

for size in range(1, 6):
    for destinations in itertools.combinations(wanted, size):
        expected = [sum(wanted[each] for each in destinations), int(("127.0.0.1", 7001) in destinations), 0]
        assert counted(destinations) == in_proc(destinations) == expected, (destinations, counted(destinations))
for nobody in (("127.0.0.1", 7002), ("127.0.0.3", 7000), ("2001:db8::2", 7000), ("::1", 7001)):
    assert counted([nobody]) == [0, 0, 0]
# As many as a probe takes, with those that count among them; the kernel refuses code that it does not like.
for family in ("127.1.%d.%d", "2001:db8:1::%d:%d"):
    many = [(family % divmod(number, 256), 7000) for number in range(999)]
    assert counted([("127.0.0.1", 7000), *many]) == [7, 0, 0]
    assert counted([*many, ("::1", 7000)]) == [6, 0, 0]
    assert counted([*many[:500], ("2001:db8::1", 7000), *many[500:]]) == [4, 0, 0]
"""


@needs_root
def test_the_real_kernel_counts_towards_destinations():
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", OWN_HASH, "sh"]
        + ["unshare", "--net", sys.executable, "-c", TOWARDS, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@needs_root
def test_thousands_of_sockets_take_the_fast_way_and_the_bench_agrees():
    done = subprocess.run(
        [sys.executable, BENCH, "--sockets", "6000", "--runs", "1", "--json"], stdout=subprocess.PIPE, check=True
    )
    report = json.loads(done.stdout)
    assert report["agree"] is True
    assert report["sockets"] == 6000


def test_this_machine_is_counted_without_root():
    with socket.create_server(("127.0.0.1", 0)):
        result = socket_count.count()
    assert result["states"]["LISTEN"] >= 1
    assert isinstance(result["by_source"], list)
