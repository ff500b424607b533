# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel makes of a text that is written to a sysctl key: the one table of keys, and their grammar.

Pure. As Linux since 5.2 does it (kernel/sysctl.c; handlers and bounds in fs/file_table.c, fs/eventpoll.c,
kernel/fork.c, kernel/pid.c, net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c, net/core/neighbour.c,
net/netfilter/nf_conntrack_standalone.c). Older kernels take some numbers that are out of bounds, and make something
else of them. tests/differential compares with the kernel that runs, and molecule/reboot with one of its own for fs.*.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.kernel_number import (
    Number,
    read_number,
    skip_spaces,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

PORT_RANGE = "net.ipv4.ip_local_port_range"
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"
UNPRIVILEGED_START = "net.ipv4.ip_unprivileged_port_start"
NR_OPEN = "fs.nr_open"

#: PROT_SOCK (include/net/ip.h), which every network namespace begins with.
_FIRST_UNPRIVILEGED = 1024
#: The local port range of a new namespace begins here (net/ipv4/af_inet.c, inet_init_net).
_FIRST_LOCAL = 32768
_INT_MAX = 2**31 - 1

#: The handlers of kernel/sysctl.c: proc_dointvec and _minmax, proc_douintvec, proc_doulongvec_minmax,
#: proc_dou8vec_minmax, proc_dointvec_jiffies, ipv4_local_port_range around proc_dointvec_minmax,
#: proc_do_large_bitmap.
INT, UINT, ULONG, U8, JIFFIES, RANGE, PORTS = "int", "uint", "ulong", "u8", "jiffies", "range", "ports"


class Kernel(t.NamedTuple):
    """What differs between kernels.

    word_size: of a long, in bits
    unprivileged_start: the present net.ipv4.ip_unprivileged_port_start, below which the local port range cannot begin
    range_start: the first port of the present local port range, above which the other cannot be
    hz: timer ticks in a second; a host does not tell it, so the one (100, 250, 300 or 1000) that refuses least
    """

    word_size: int = 64
    unprivileged_start: int = _FIRST_UNPRIVILEGED
    range_start: int = _FIRST_LOCAL
    hz: int = 100


#: Takes what any kernel takes: to compare values that one of them has taken.
WIDEST = Kernel(unprivileged_start=0, range_start=65535)


class Written(t.NamedTuple):
    """The value that a key has after a write, None where unknown; ``refused``: write(2) failed with EINVAL.

    Of several numbers the kernel keeps those before the one that it refuses.
    """

    value: t.Optional[str]
    refused: bool


class _Key(t.NamedTuple):
    """One key: ``low`` and ``high`` bound each of its numbers.

    A bound that is None is the one of the kind, a pair is that of a word of 64 and of 32 bits.
    """

    kind: str
    low: t.Optional[t.Union[int, t.Tuple[int, int]]] = None
    high: t.Optional[t.Union[int, t.Tuple[int, int]]] = None
    numbers: int = 1


_ANY_INT = _Key(INT)
_NOT_NEGATIVE = _Key(INT, 0)
_LONG = _Key(ULONG, 0, (2**63 - 1, 2**31 - 1))
_BYTE = _Key(U8)
_SECONDS = _Key(JIFFIES)
_BUFFERS = _Key(INT, 1, numbers=3)
_PAGES = _Key(ULONG, numbers=3)
#: SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF (include/net/sock.h): 2048 and a struct sk_buff, twice to send.
_SEND, _RECEIVE = _Key(INT, (4608, 4480)), _Key(INT, (2304, 2240))
#: The kernel rounds it up so that it fills pages (nf_ct_alloc_hashtable), which is not followed here.
_BUCKETS = _Key(INT, 1)

#: fs/file.c: BITS_PER_LONG, and min(INT_MAX, ~0UL / sizeof(void *)) rounded down to a multiple of it.
_NR_OPEN_LOW = (64, 32)
_NR_OPEN_HIGH = (2**31 - 64, 2**30 - 32)

_KEYS: t.Dict[str, _Key] = {
    "fs.aio-max-nr": _Key(ULONG),
    "fs.epoll.max_user_watches": _LONG,
    "fs.file-max": _LONG,
    NR_OPEN: _Key(UINT, _NR_OPEN_LOW, _NR_OPEN_HIGH),
    # RESERVED_PIDS + 1 and PID_MAX_LIMIT; machines of more than 37 processors begin higher.
    "kernel.pid_max": _Key(INT, 301, (2**22, 2**15)),
    # FUTEX_TID_MASK
    "kernel.threads-max": _Key(INT, 1, 0x3FFFFFFF),
    "net.core.netdev_budget": _ANY_INT,
    "net.core.netdev_max_backlog": _ANY_INT,
    "net.core.optmem_max": _NOT_NEGATIVE,
    "net.core.rmem_default": _RECEIVE,
    "net.core.rmem_max": _RECEIVE,
    "net.core.somaxconn": _NOT_NEGATIVE,
    "net.core.wmem_default": _SEND,
    "net.core.wmem_max": _SEND,
    "net.ipv4.ip_default_ttl": _Key(INT, 1, 255),
    "net.ipv4.ip_forward": _ANY_INT,
    PORT_RANGE: _Key(RANGE, 1, 65535, numbers=2),
    RESERVED_PORTS: _Key(PORTS),
    "net.ipv4.ip_nonlocal_bind": _BYTE,
    UNPRIVILEGED_START: _Key(INT),
    "net.ipv4.neigh.default.gc_thresh1": _NOT_NEGATIVE,
    "net.ipv4.neigh.default.gc_thresh2": _NOT_NEGATIVE,
    "net.ipv4.neigh.default.gc_thresh3": _NOT_NEGATIVE,
    "net.ipv4.tcp_abort_on_overflow": _BYTE,
    "net.ipv4.tcp_child_ehash_entries": _Key(UINT, 0, 2**24),
    "net.ipv4.tcp_comp_sack_delay_ns": _Key(ULONG),
    "net.ipv4.tcp_fastopen": _ANY_INT,
    "net.ipv4.tcp_fin_timeout": _SECONDS,
    "net.ipv4.tcp_keepalive_intvl": _SECONDS,
    "net.ipv4.tcp_keepalive_probes": _BYTE,
    "net.ipv4.tcp_keepalive_time": _SECONDS,
    "net.ipv4.tcp_max_orphans": _ANY_INT,
    "net.ipv4.tcp_max_syn_backlog": _ANY_INT,
    "net.ipv4.tcp_max_tw_buckets": _ANY_INT,
    "net.ipv4.tcp_mem": _PAGES,
    "net.ipv4.tcp_moderate_rcvbuf": _BYTE,
    "net.ipv4.tcp_mtu_probing": _BYTE,
    "net.ipv4.tcp_no_metrics_save": _BYTE,
    "net.ipv4.tcp_notsent_lowat": _Key(UINT),
    "net.ipv4.tcp_orphan_retries": _BYTE,
    "net.ipv4.tcp_retries1": _BYTE,
    "net.ipv4.tcp_retries2": _BYTE,
    "net.ipv4.tcp_rfc1337": _BYTE,
    "net.ipv4.tcp_rmem": _BUFFERS,
    "net.ipv4.tcp_sack": _BYTE,
    "net.ipv4.tcp_slow_start_after_idle": _BYTE,
    "net.ipv4.tcp_syn_retries": _Key(U8, 1, 127),
    "net.ipv4.tcp_synack_retries": _BYTE,
    "net.ipv4.tcp_syncookies": _BYTE,
    "net.ipv4.tcp_timestamps": _BYTE,
    "net.ipv4.tcp_tw_reuse": _Key(U8, 0, 2),
    "net.ipv4.tcp_window_scaling": _BYTE,
    "net.ipv4.tcp_wmem": _BUFFERS,
    "net.ipv4.udp_mem": _PAGES,
    "net.netfilter.nf_conntrack_buckets": _BUCKETS,
    "net.netfilter.nf_conntrack_max": _NOT_NEGATIVE,
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait": _SECONDS,
    "net.netfilter.nf_conntrack_tcp_timeout_established": _SECONDS,
    "net.netfilter.nf_conntrack_tcp_timeout_fin_wait": _SECONDS,
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait": _SECONDS,
    # The same number by its old name.
    "net.nf_conntrack_max": _NOT_NEGATIVE,
    "vm.max_map_count": _NOT_NEGATIVE,
}

#: What uname(2) calls the machines whose long has 32 bits.
_MACHINES_OF_32_BITS = re.compile(
    r"i[3-6]86|arm(?:v[1-8]\w*|eb)?|mips(?:el)?|ppc(?:le)?|s390|sparc|riscv32|m68k|sh\d?\w*|parisc|xtensa\w*"
    r"|microblaze\w*|openrisc|arc\w*|csky|nios2|hexagon"
)


def word_size(machine: t.Optional[str]) -> int:
    """Return the bits of a long in a kernel, by the machine that uname(2) names; 64 where that is unknown."""
    return 32 if machine is not None and _MACHINES_OF_32_BITS.fullmatch(machine) else 64


# A host's files are judged for each question that is asked of them.
@functools.lru_cache(maxsize=4096)
def taken(key: str, text: str, kernel: Kernel, before: t.Optional[str] = None) -> t.Optional[str]:
    """Return the value that ``key`` has once ``text`` was written to it, None where the kernel refuses the text.

    The value is as the kernel prints it, with its white space folded. Of a key whose grammar is not known here every
    text is taken, as it is.

    text:   as it stands in a file or a variable; whoever writes it puts the end of a line after it
    before: the value that the key has: where the text has fewer numbers than the key, the others stay, and are left
            out where that is None
    """
    after = written(key, text.encode("utf-8", "surrogateescape") + b"\n", kernel, before)
    return None if after.refused else after.value


def same(key: str, value: t.Optional[str], text: t.Optional[str], kernel: Kernel) -> bool:
    """Tell whether ``key`` keeps its ``value`` when ``text`` is written to it.

    What the kernel refuses is the value of no text but itself.
    """
    if value is None or text is None:
        return value is text
    after, before = taken(key, text, kernel, value), taken(key, value, kernel)
    return value.split() == text.split() if after is None or before is None else after == before


def number(key: str, text: t.Optional[str], kernel: Kernel) -> t.Optional[int]:
    """Return the number that a key of one number then has, None where the kernel refuses the text, or for another key.

    Of a key that is not known the text itself must be a number.
    """
    value = None if text is None else taken(key, text, kernel)
    return int(value) if value is not None and re.fullmatch(r"-?[0-9]{1,20}", value) else None


def first_number(value: t.Optional[str]) -> t.Optional[int]:
    """Return the first number of a value as the kernel prints it, None where it has none."""
    return decimal(value.split()[0]) if value and value.split() else None


def bounds(key: str, kernel: Kernel) -> t.Optional[t.Tuple[int, int]]:
    """Return the least and the greatest number that ``key`` takes, None for an unknown key or a list of ports."""
    spec = _KEYS.get(key)
    if spec is None or spec.kind == PORTS:
        return None
    low, high = _bounds_of_kind(spec.kind, kernel)
    if key == UNPRIVILEGED_START:
        # ipv4_privileged_ports
        return 0, kernel.range_start
    return (
        low if spec.low is None else _of_word(spec.low, kernel),
        high if spec.high is None else _of_word(spec.high, kernel),
    )


def holds_one_number(key: str) -> bool:
    """Tell whether ``key`` may be raised as a number: not where it holds several, or ports."""
    spec = _KEYS.get(key)
    return spec is None or (spec.numbers == 1 and spec.kind != PORTS)


def bounds_of_nr_open(kernel: Kernel) -> t.Tuple[int, int]:
    """Return the least and the greatest fs.nr_open, which bounds every hard nofile."""
    return _of_word(_NR_OPEN_LOW, kernel), _of_word(_NR_OPEN_HIGH, kernel)


def allowed(key: str, kernel: Kernel) -> str:
    """Return in words what ``key`` takes."""
    limits = bounds(key, kernel)
    if limits is None:
        return (
            "ports from 0 to 65535 and ranges of them, separated by commas alone"
            if key in _KEYS
            else "one line of text"
        )
    spec = _KEYS[key]
    if spec.kind == RANGE:
        return "two ports from %d to 65535, white space between them, the first not above the last" % max(
            1, kernel.unprivileged_start
        )
    if spec.numbers > 1:
        return "%d numbers from %d to %d, white space between them" % (spec.numbers, *limits)
    return "a whole number from %d to %d" % limits


def written(key: str, data: bytes, kernel: Kernel, before: t.Optional[str] = None) -> Written:
    """Return what one write(2) of ``data`` does to ``key``, from its start; ``before`` as in taken()."""
    spec = _KEYS.get(key)
    if spec is None:
        return Written(" ".join(data.decode("utf-8", "surrogateescape").split()), False)
    if not data:
        return Written(before, False)
    if spec.kind == PORTS:
        ports = port_set.read_kernel_list(data)
        return Written(before, True) if ports is None else Written(port_set.format_kernel_list(ports), False)
    limits = bounds(key, kernel) or (0, 0)
    signed = spec.kind in (INT, JIFFIES, RANGE)
    numbers, refused = _numbers(data, kernel.word_size, spec.numbers, limits, signed)
    kept = (before or "").split()
    values = [str(found) for found in numbers]
    after = values + kept[len(values) : spec.numbers]
    if spec.kind == RANGE:
        refused = refused or not _is_range(after, kernel)
        return Written(before if refused else " ".join(after), refused)
    return Written(" ".join(after) or None, refused)


def _numbers(data: bytes, bits: int, count: int, limits: t.Tuple[int, int], signed: bool) -> t.Tuple[t.List[int], bool]:
    """Return the numbers that are taken, and whether the write fails; what follows the last number is not read."""
    found: t.List[int] = []
    place = skip_spaces(data, 0)
    while place < len(data) and len(found) < count:
        one = read_number(data, place, bits)
        value = None if one is None else _value(one, signed)
        if one is None or value is None or not limits[0] <= value <= limits[1]:
            return found, True
        found.append(value)
        place = skip_spaces(data, one.end)
    return found, not found


def _value(one: Number, signed: bool) -> t.Optional[int]:
    if one.negative and not signed:
        return None
    return 0 - one.size if one.negative else one.size


def _is_range(ends: t.Sequence[str], kernel: Kernel) -> bool:
    """net/ipv4/sysctl_net_ipv4.c, ipv4_local_port_range; an end that is not known is taken to fit."""
    first = int(ends[0])
    return first >= kernel.unprivileged_start and (len(ends) < 2 or first <= int(ends[1]))


def _bounds_of_kind(kind: str, kernel: Kernel) -> t.Tuple[int, int]:
    if kind == ULONG:
        return 0, 2**kernel.word_size - 1
    if kind == UINT:
        return 0, 2**32 - 1
    if kind == U8:
        return 0, 255
    if kind == JIFFIES:
        # do_proc_dointvec_jiffies_conv
        return -(_INT_MAX // kernel.hz), _INT_MAX // kernel.hz
    return -_INT_MAX - 1, _INT_MAX


def _of_word(bound: t.Union[int, t.Tuple[int, int]], kernel: Kernel) -> int:
    return bound if isinstance(bound, int) else bound[kernel.word_size == 32]


def proc_path(key: str) -> str:
    """Return the host's absolute path of a normalized ``key``."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def normalize(key: str) -> str:
    """Return ``key`` as this collection writes it: dots between the parts, a slash for a dot in a part.

    sysctl.d(5): where the first separator is a slash, dots and slashes swap roles, so
    ``net/ipv4/conf/eth0.5/forwarding`` and ``net.ipv4.conf.eth0/5.forwarding`` are one key.
    """
    for character in key:
        if character == ".":
            return key
        if character == "/":
            return key.translate(str.maketrans("./", "/."))
    return key


#: Stands for the limit, among the keys of sysctl.
NOFILE = "nofile"
