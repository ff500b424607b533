# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel makes of a text that is written to a sysctl key, by the rows of sysctl_table.

Pure. As Linux since 5.2 does it (kernel/sysctl.c; handlers and bounds in fs/file_table.c, fs/eventpoll.c,
kernel/fork.c, kernel/pid.c, net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c, net/core/neighbour.c,
net/netfilter/nf_conntrack_standalone.c). Older kernels take some numbers that are out of bounds, and make something
else of them. tests/differential compares with the kernel that runs, and molecule/reboot with one of its own for fs.*.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.kernel_number import (
    Number,
    read_number,
    skip_spaces,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    INT,
    JIFFIES,
    NR_OPEN_HIGH,
    NR_OPEN_LOW,
    PORTS,
    RANGE,
    RESERVED_PORTS,
    U8,
    UINT,
    ULONG,
    UNPRIVILEGED_START,
)

#: PROT_SOCK (include/net/ip.h), which every network namespace begins with.
_FIRST_UNPRIVILEGED = 1024
#: The local port range of a new namespace begins here (net/ipv4/af_inet.c, inet_init_net).
_FIRST_LOCAL = 32768
_INT_MAX = 2**31 - 1


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


def is_as_good(key: str, value: t.Optional[str], ours: str, kernel: Kernel, floor: bool) -> bool:
    """Tell whether ``value`` does for ``ours``: the same, of a floor no less, of a list of ports no fewer."""
    if value is None:
        return False
    if key == RESERVED_PORTS:
        return port_set.parse_kernel_list(ours) <= port_set.parse_kernel_list(value)
    if same(key, value, ours, kernel):
        return True
    minimum, found = (number(key, text, kernel) for text in (ours, value))
    return floor and minimum is not None and found is not None and found >= minimum


def number(key: str, text: t.Optional[str], kernel: Kernel) -> t.Optional[int]:
    """Return the number that a key of one number then has, None where the kernel refuses the text, or for another key.

    Of a key that is not known the text itself must be a number.
    """
    value = None if text is None else taken(key, text, kernel)
    return int(value) if value is not None and re.fullmatch(r"-?[0-9]{1,20}", value) else None


def first_number(value: t.Optional[str]) -> t.Optional[int]:
    """Return the first number of a value as the kernel prints it, None where it has none."""
    return decimal(value.split()[0]) if value and value.split() else None


def _known(key: str) -> t.Optional[sysctl_table.Key]:
    """Return the row of a key, None for one of whose grammar nothing is known."""
    row = sysctl_table.KEYS.get(key)
    return None if row is None or row.kind == sysctl_table.TEXT else row


def bounds(key: str, kernel: Kernel) -> t.Optional[t.Tuple[int, int]]:
    """Return the minimum and the maximum number that ``key`` takes, None for an unknown key or a list of ports."""
    spec = _known(key)
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
    spec = _known(key)
    return spec is None or (spec.numbers == 1 and spec.kind != PORTS)


def bounds_of_nr_open(kernel: Kernel) -> t.Tuple[int, int]:
    """Return the minimum and the maximum fs.nr_open, which bounds every hard nofile."""
    return _of_word(NR_OPEN_LOW, kernel), _of_word(NR_OPEN_HIGH, kernel)


def allowed(key: str, kernel: Kernel) -> str:
    """Return in words what ``key`` takes."""
    limits, spec = bounds(key, kernel), _known(key)
    if limits is None or spec is None:
        return (
            "ports from 0 to 65535 and ranges of them, separated by commas alone"
            if spec is not None
            else "one line of text"
        )
    if spec.kind == RANGE:
        return "two ports from %d to 65535, white space between them, the first not above the last" % max(
            1, kernel.unprivileged_start
        )
    if spec.numbers > 1:
        return "%d numbers from %d to %d, white space between them" % (spec.numbers, *limits)
    return "a whole number from %d to %d" % limits


def written(key: str, data: bytes, kernel: Kernel, before: t.Optional[str] = None) -> Written:
    """Return what one write(2) of ``data`` does to ``key``, from its start; ``before`` as in taken()."""
    spec = _known(key)
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
