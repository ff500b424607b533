# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many TCP sockets this network namespace has: by state, and the established ones by source address.

Two sources, no text of a million lines:

* /proc/net/sockstat and sockstat6 hold sums that the kernel keeps: full sockets in use, and TIME_WAIT.
* NETLINK_SOCK_DIAG (sock_diag(7)) dumps the sockets of the states that one asks for. Passing over a socket
  costs the kernel about 0.1 µs, describing one about 1 µs, nearly all of it cache misses that no option
  of the request avoids (net/ipv4/inet_diag.c, inet_sk_diag_fill).

So beyond some number the states other than ESTABLISHED are dumped, and the established are what is left of the
sum; by source they are then estimated, from those in a few windows of the local port range.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import heapq
import ipaddress
import os
import struct
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening, netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: Entries of by_source; the rest is summed up.
MAX_SOURCES = 256

#: Up to so many sockets in use each is described, unasked: a quarter of a second.
EXACT_UP_TO = 250000

#: Beyond that, about so many are, in so many windows of the local port range. A source that has n connections is then
#: told with an error of about 1/sqrt(n * SAMPLE / all): 3 % for 19,000 of a million.
SAMPLE = 60000
WINDOWS = 64

#: include/net/tcp_states.h; TCP_CLOSE is never hashed, TCP_NEW_SYN_RECV is shown as SYN_RECV.
STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
}
_ESTABLISHED, _SYN_RECV, _FIN_WAIT2, _TIME_WAIT, _LISTEN = 1, 3, 5, 6, 10

_NETLINK_SOCK_DIAG = 4
#: The one request that covers IPv4 and IPv6 in one walk (inet_diag.c, inet_diag_dump_compat): struct inet_diag_req.
_TCPDIAG_GETSOCK = 18
_REQUEST = struct.Struct("=4B48sII")

#: struct inet_diag_bc_op: an operation, and by how many bytes to go on if it holds, and if not (inet_diag.c,
#: inet_diag_bc_run: a socket is wanted where the end is met exactly). A port stands in a second one.
_OPERATION = struct.Struct("=BBH")
_INET_DIAG_REQ_BYTECODE = 1
_BC_JMP, _BC_S_GE, _BC_S_LE, _BC_D_COND = 1, 2, 3, 8
#: struct inet_diag_hostcond: family, length of the prefix, port; then the address.
_HOST_CONDITION = struct.Struct("=BBxxi")

#: struct inet_diag_msg: family and state, then at 8 the source address; then attributes, if any.
_MESSAGE_SIZE = 72
_AF_INET, _AF_INET6 = 2, 10
_MAPPED = b"\0" * 10 + b"\xff\xff"

#: Every full socket has this attribute, and it is the first (inet_diag_msg_attrs_fill). The small ones that stand for
#: a connection request or a closed connection have none or another (inet_req_diag_fill, inet_twsk_diag_fill).
_INET_DIAG_SHUTDOWN = struct.pack("=H", 8)

#: What the kernel says where sock_diag is not built, not loadable, or not for us.
_UNAVAILABLE = frozenset(
    (errno.ENOENT, errno.EPERM, errno.EACCES, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
)

#: (family and state, source address, type of the first attribute), as bytes.
_Key = t.Tuple[bytes, bytes, bytes]


class Tally(netlink.Reader):
    """Counts the sockets of a dump; see _Key."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: t.Counter[_Key] = collections.Counter()

    def feed(self, data: bytes) -> None:
        """Count one buffer: at once where its messages are of one kind and length, as nearly all are."""
        length = self._common_length(data)
        if length is None:
            super().feed(data)
        else:
            self.counted.update(_uniform(length).iter_unpack(data))

    @staticmethod
    def _common_length(data: bytes) -> t.Optional[int]:
        """Return the length of every message in ``data``, or None where they differ or are special."""
        if len(data) < netlink.HEADER.size:
            return None
        header: t.Tuple[int, ...] = netlink.HEADER.unpack_from(data)
        length, kind, flags = header[:3]
        if kind != _TCPDIAG_GETSOCK or flags & netlink.NLM_F_DUMP_INTR:
            return None
        if length < netlink.HEADER.size + _MESSAGE_SIZE + 4 or length % 4 or len(data) % length:
            return None
        number = len(data) // length
        # Length, type and flags of all headers, byte by byte: each comparison runs in C.
        if any(data[byte::length] != data[byte : byte + 1] * number for byte in range(8)):
            return None
        return length

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _TCPDIAG_GETSOCK:
            raise netlink.NetlinkError("a message of type %d is no socket" % kind)
        if end - start < _MESSAGE_SIZE:
            raise netlink.NetlinkError("a socket takes %d bytes, the message has %d" % (_MESSAGE_SIZE, end - start))
        attribute = data[start + _MESSAGE_SIZE + 2 : min(start + _MESSAGE_SIZE + 4, end)]
        self.counted[data[start : start + 2], data[start + 8 : start + 24], attribute] += 1

    def states(self) -> t.Counter[int]:
        """Return the number of sockets of each state, by the state's number."""
        found: t.Counter[int] = collections.Counter()
        for (family_state, _source, _attribute), number in self.counted.items():
            found[family_state[1]] += number
        return found

    def small(self, state: int) -> int:
        """Return how many of a state's sockets are no full ones."""
        return sum(
            number
            for (family_state, _source, attribute), number in self.counted.items()
            if family_state[1] == state and attribute != _INET_DIAG_SHUTDOWN
        )

    def sources(self) -> t.Counter[bytes]:
        """Return the number of established sockets of each packed source address."""
        found: t.Counter[bytes] = collections.Counter()
        for (family_state, source, _attribute), number in self.counted.items():
            if family_state[1] == _ESTABLISHED:
                found[_unmapped(family_state[0], source)] += number
        return found


def listeners(root: str = "/") -> t.Set[int]:
    """Return the TCP ports that listen in this network namespace, on any address and either family."""
    tcp = listening.observe(root).tcp
    return set(tcp.named | tcp.automatic)


class _Peers(netlink.Reader):
    """Takes the other ends of a dump of connections."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: t.Set[bytes] = set()

    def take(self, kind: int, data: bytes, start: int, end: int) -> None:
        if kind != _TCPDIAG_GETSOCK or end - start < _MESSAGE_SIZE:
            raise netlink.NetlinkError("a message of type %d and %d bytes is no socket" % (kind, end - start))
        # struct inet_diag_sockid: two ports, the source address, the destination address
        self.addresses.add(_unmapped(data[start], data[start + 24 : start + 40]))


def peers_of_port(port: int) -> t.List[str]:
    """Return the addresses that have an established TCP connection to a port of this network namespace.

    None where the kernel does not tell.
    """
    with contextlib.suppress(netlink.NetlinkError):
        found = ask(_MASK_ESTABLISHED, bytecode_of([(port, port)]), _Peers).addresses
        return [str(ipaddress.ip_address(packed)) for packed in sorted(found)]
    return []


def _uniform(length: int) -> struct.Struct:
    return struct.Struct("=16x2s6x16s50x2s%dx" % (length - 92))


def _unmapped(family: int, source: bytes) -> bytes:
    """Return an address in 4 or 16 bytes; an IPv4 client of a dual-stack socket is one of IPv4."""
    if family == _AF_INET:
        return source[:4]
    return source[12:] if source.startswith(_MAPPED) else source


def count(root: str = "/", exact: bool = False) -> t.Dict[str, t.Any]:
    """Count this network namespace's TCP sockets.

    root:  the host's root directory; where it is not this host's own, only its /proc/net is read
    exact: describe every socket, however many there are

    Returns, all numbers exact on a host at rest; sockets that come or go meanwhile may be seen or not:
        states:          the number of sockets of each state that has any, by name
        established:     those in ESTABLISHED; None where nothing could be read
        timewait:        what the kernel counts as TIME_WAIT, that is with the small sockets that wait in FIN_WAIT2
                         for the other end; they count against net.ipv4.tcp_max_tw_buckets
        orphans, memory_pages: of all network namespaces that share this kernel's sums (/proc/net/sockstat)
        by_source:       [{"address", "established"}], the most used first, at most MAX_SOURCES; None where not counted
        sources:         how many source addresses there are, or None
        by_source_other: the established sockets that by_source leaves out, or None
        by_source_estimated: whether these three are estimated, from a sample of the sockets in the local port range;
                         a source with few connections may then be missing
        unread:          [{"what", "why"}] for each figure that is missing
    """
    sums = _sums(root)
    in_use = sums.get("inuse")
    unread: t.List[t.Dict[str, str]] = []
    if "tw" not in sums:
        unread.append(_missing("sockets in TIME_WAIT", "/proc/net/sockstat has no figures of TCP"))
    tally: t.Optional[Tally] = None
    whole = exact or in_use is None or in_use <= EXACT_UP_TO
    counted: t.Optional[t.Mapping[bytes, int]] = None
    if os.path.realpath(root) == "/":
        try:
            tally = ask(_ALL if whole else _ALL & ~_MASK_ESTABLISHED, b"", Tally)
            counted = tally.sources() if whole else _sampled(root, in_use or 0)
        except netlink.NetlinkError as error:
            unread.append(_missing("sockets by state and source", _reason(error)))
    else:
        unread.append(_missing("sockets by state and source", "not the host that runs: its kernel cannot be asked"))
    states = _cheap_states(root, sums) if tally is None else _states(tally, sums, whole)
    established = states.get("ESTABLISHED", None if tally is None and in_use is None else 0)
    return {
        "states": states,
        "established": established,
        "timewait": sums.get("tw"),
        "orphans": sums.get("orphan"),
        "memory_pages": sums.get("mem"),
        **_by_source(counted, established or 0),
        "by_source_estimated": counted is not None and not whole,
        "unread": unread,
    }


def _missing(what: str, why: str) -> t.Dict[str, str]:
    return {"what": what, "why": why}


def _reason(error: netlink.NetlinkError) -> str:
    if error.number in _UNAVAILABLE:
        return "the kernel has no TCP sock_diag for us (module tcp_diag): %s" % error
    return str(error)


#: A bit for each state; TIME_WAIT is told by sockstat.
_ALL = sum(1 << state for state in STATES if state != _TIME_WAIT)
_MASK_ESTABLISHED = 1 << _ESTABLISHED


def ask(wanted: int, bytecode: bytes, make: t.Callable[[], netlink.SomeReader]) -> netlink.SomeReader:
    """Have the sockets described whose state is a bit of ``wanted``, and which ``bytecode``, if any, lets pass.

    raises: netlink.NetlinkError
    """
    body = _REQUEST.pack(0, 0, 0, 0, b"", wanted, 0)
    if bytecode:
        body += struct.pack("=HH", 4 + len(bytecode), _INET_DIAG_REQ_BYTECODE) + bytecode
    return netlink.dump(_NETLINK_SOCK_DIAG, _TCPDIAG_GETSOCK, body, make)


def towards(destinations: t.Sequence[t.Tuple[str, int]], states: t.Iterable[str]) -> t.Dict[str, int]:
    """Count exactly this network namespace's sockets of some states whose other end is one of ``destinations``.

    The kernel picks them: what it passes over costs a tenth of what it describes. raises: netlink.NetlinkError
    """
    wanted = sum(1 << number for number, name in STATES.items() if name in states)
    found = ask(wanted, bytecode_to(destinations), Tally).states()
    return {name: found[number] for number, name in STATES.items() if name in states}


def bytecode_to(destinations: t.Sequence[t.Tuple[str, int]]) -> bytes:
    """Return what lets those sockets pass whose other end is one of ``destinations``.

    Each condition is followed by a jump to the end, which accepts; where it fails, it passes over that jump. The
    last one fails beyond the end.
    """
    code = b""
    for address, port in reversed(destinations):
        packed = ipaddress.ip_address(address).packed
        family = _AF_INET if len(packed) == 4 else _AF_INET6
        condition = _HOST_CONDITION.pack(family, 8 * len(packed), port) + packed
        length = _OPERATION.size + len(condition)
        jump = _OPERATION.pack(_BC_JMP, 4, 4 + len(code)) if code else b""
        code = _OPERATION.pack(_BC_D_COND, length, length + 4) + condition + jump + code
    return code


def _sampled(root: str, in_use: int) -> t.Optional[t.Dict[bytes, int]]:
    """Estimate the established sockets of each source from those in windows of the local port range.

    A port that listens is left out: whatever was accepted there has it too, and would count many times over.
    """
    text = read_text(root, "/proc/sys/net/ipv4/ip_local_port_range")
    if text is None:
        return None
    low, high = port_set.parse_range("net.ipv4.ip_local_port_range", text)
    windows = port_windows(low, high, SAMPLE / in_use, listeners(root))
    share = sum(last - first + 1 for first, last in windows) / (high - low + 1)
    found = ask(_MASK_ESTABLISHED, bytecode_of(windows), Tally).sources() if windows else {}
    return {source: round(number / share) for source, number in found.items()}


def port_windows(low: int, high: int, part: float, avoid: t.Container[int]) -> t.List[t.Tuple[int, int]]:
    """Return WINDOWS windows (first, last), evenly spread, that hold ``part`` of the ports from low to high.

    Each has an even number of ports, for connect() fills those of one parity first.
    """
    stride = max(2, (high - low + 1) // WINDOWS)
    width = min(stride, max(2, round(stride * part / 2) * 2))
    firsts = range(low, high - width + 2, stride)
    windows = [(first, first + width - 1) for first in firsts]
    return [(first, last) for first, last in windows if not any(port in avoid for port in range(first, last + 1))]


def bytecode_of(windows: t.Sequence[t.Tuple[int, int]]) -> bytes:
    """Return what lets those sockets pass whose local port is in one of ``windows``, which ascend: a binary search.

    Where a test fails may only lead past the end, or to what the path of passed tests meets as well
    (inet_diag_bc_audit, valid_cc): so that path is all of it from top to bottom, and every step goes forward.
    """
    steps = _search(windows)
    total = sum(map(_length, steps))
    code = b""
    for step in steps:
        left = total - len(code)
        # The end accepts; beyond it lies refusal.
        no = {_ACCEPT: left, _REFUSE: left + 4}.get(step.no, step.no)
        code += _OPERATION.pack(step.kind, _length(step), no)
        if step.kind != _BC_JMP:
            code += _OPERATION.pack(0, 0, step.port)
    return code


class _Step(t.NamedTuple):
    """One operation: go on if the local port passes the test, else by ``no`` bytes."""

    kind: int
    port: int
    no: int


_ACCEPT, _REFUSE = -1, -2


def _length(step: _Step) -> int:
    return 4 if step.kind == _BC_JMP else 8


def _search(windows: t.Sequence[t.Tuple[int, int]]) -> t.List[_Step]:
    if len(windows) == 1:
        ((first, last),) = windows
        return [_Step(_BC_S_GE, first, _REFUSE), _Step(_BC_S_LE, last, _REFUSE)]
    middle = len(windows) // 2
    upper = _search(windows[middle:]) + [_Step(_BC_JMP, 0, _ACCEPT)]
    beyond = 8 + sum(map(_length, upper))
    return [_Step(_BC_S_GE, windows[middle][0], beyond)] + upper + _search(windows[:middle])


def _states(tally: Tally, sums: t.Mapping[str, int], whole: bool) -> t.Dict[str, int]:
    """Return the number of sockets of each state, from a dump of all but TIME_WAIT and, unless whole, ESTABLISHED."""
    found = tally.states()
    # sockstat's tw counts every small socket of a closed connection, and some of those wait in FIN_WAIT2.
    found[_TIME_WAIT] = max(0, sums.get("tw", 0) - tally.small(_FIN_WAIT2))
    if not whole:
        # inuse counts the full sockets that are hashed (inet_hashtables.c, sock_prot_inuse_add).
        small = tally.small(_SYN_RECV) + tally.small(_FIN_WAIT2)
        full = sum(found.values()) - found[_TIME_WAIT] - small
        found[_ESTABLISHED] = max(0, sums.get("inuse", 0) - full)
    return {STATES.get(state, "STATE_%d" % state): found[state] for state in sorted(found) if found[state]}


def _cheap_states(root: str, sums: t.Mapping[str, int]) -> t.Dict[str, int]:
    """Return what is known without a dump.

    CurrEstab counts CLOSE_WAIT as well, as RFC 4022 wants it, but in Linux only from 6.10 on and where that
    was backported (net/ipv4/tcp.c, tcp_set_state): the true number may be lower.
    """
    states = {"ESTABLISHED": _established(read_text(root, "/proc/net/snmp") or ""), "TIME_WAIT": sums.get("tw")}
    return {name: number for name, number in states.items() if number}


def _sums(root: str) -> t.Dict[str, int]:
    """Return inuse, orphan, tw, mem of sockstat, with the sockets of IPv6 in inuse."""
    sums = parse_sockstat(read_text(root, "/proc/net/sockstat") or "", "TCP")
    if "inuse" in sums:
        sums["inuse"] += parse_sockstat(read_text(root, "/proc/net/sockstat6") or "", "TCP6").get("inuse", 0)
    return sums


def parse_sockstat(text: str, protocol: str) -> t.Dict[str, int]:
    """Return one line of sockstat, such as ``TCP: inuse 1 orphan 0 tw 6 alloc 1 mem 0``, as name -> number."""
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        if name == protocol:
            words = rest.split()
            numbers = ((key, decimal(value)) for key, value in zip(words[::2], words[1::2]))
            return {key: number for key, number in numbers if number is not None}
    return {}


def _established(text: str) -> t.Optional[int]:
    """Return CurrEstab of /proc/net/snmp: a line of names, and one of values."""
    lines = [line.split() for line in text.splitlines() if line.startswith("Tcp:")]
    if len(lines) != 2 or "CurrEstab" not in lines[0]:
        return None
    return decimal(dict(zip(*lines)).get("CurrEstab", ""))


def _by_source(counted: t.Optional[t.Mapping[bytes, int]], established: int) -> t.Dict[str, t.Any]:
    if counted is None:
        return {"by_source": None, "sources": None, "by_source_other": None}
    # Of equal use the lower address first, IPv4 before IPv6: the order says nothing that changes by itself.
    maximum = heapq.nsmallest(MAX_SOURCES, counted.items(), key=lambda item: (-item[1], len(item[0]), item[0]))
    return {
        "by_source": [
            {"address": str(ipaddress.ip_address(packed)), "established": number} for packed, number in maximum
        ],
        "sources": len(counted),
        "by_source_other": max(0, established - sum(number for _source, number in maximum)),
    }
