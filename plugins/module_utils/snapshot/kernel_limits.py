# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's own tables say of TCP: sysctl keys, counters, the established hash."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import other_writers, sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, proc_sys
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_count import parse_sockstat
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal, place_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS

NAMESPACE, MACHINE = "namespace", "machine"

#: TCP_TIMEWAIT_LEN, built into the kernel (include/net/tcp.h); tcp_fin_timeout is about FIN-WAIT-2.
TIMEWAIT_SECONDS = 60

#: tcp_init in net/ipv4/tcp.c: one bucket for 128 KiB of memory, at most 512 Ki without thash_entries=.
_BYTES_PER_BUCKET = 128 * 1024
_MAX_BUCKETS = 512 * 1024


class Keys:
    """The sysctl keys of one host, live and after a reboot; the files are read once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._contained = containment.in_container(host)
        self._kernel = sysctl_d.kernel_at_start(host)
        self._mounted = host.attempt("/proc/self/mountinfo", lambda: proc_sys.mounted(host)) or []
        self._at_boot = host.attempt("sysctl.d", lambda: other_writers.at_boot(host)) or []

    def live(self, key: str) -> t.Optional[str]:
        text = self._host.text(sysctl_keys.proc_path(key))
        return None if text is None else " ".join(text.split())

    def number(self, key: str) -> t.Optional[int]:
        text = self.live(key) or ""
        negative = text.startswith("-")
        number = decimal(text[1:] if negative else text)
        return number if number is None or not negative else 0 - number

    def numbers(self, key: str) -> t.Optional[t.List[int]]:
        found = [decimal(word) for word in (self.live(key) or "").split()]
        numbers = [number for number in found if number is not None]
        return numbers if found and len(numbers) == len(found) else None

    def all(self) -> t.Dict[str, t.Dict[str, t.Any]]:
        """Return every key that this host has.

        ``after_boot`` is null where no file sets the key: then the next reboot computes the kernel's default again.
        """
        found = {}
        for key in sysctl_table.OF_SNAPSHOT:
            now = self.live(key)
            if now is not None:
                writable = proc_sys.is_writable(self._host, key, self._mounted, self._host.uid)
                found[key] = dict(self._after_boot(key), now=now, scope=self.scope(key), writable=writable)
        return found

    def scope(self, key: str) -> str:
        """Return whose the key is: this host's or namespace's own, or the machine's under a container."""
        if not self._contained:
            return NAMESPACE
        row = sysctl_table.KEYS.get(key)
        shown = row is not None and row.namespaces == sysctl_table.SHOWN
        if shown or containment.is_machine_wide(self._host, key):
            return MACHINE
        return NAMESPACE

    def _after_boot(self, key: str) -> t.Dict[str, t.Optional[str]]:
        if key == hard_limits.NR_OPEN:
            boot = self._host.attempt(key, lambda: hard_limits.nr_open_after_boot(self._host))
            if boot is not None:
                return {"after_boot": str(boot.value), "by": boot.place if boot.line else None}
        won = None if self.scope(key) == MACHINE else sysctl_d.winner(self._at_boot, key, self._kernel)
        if won is None or won.value is None:
            return {"after_boot": None, "by": None}
        return {"after_boot": won.value, "by": place_of(won.path, won.line)}


def ports(
    keys: Keys,
    listening: t.Iterable[int],
    automatic: t.Iterable[int] = (),
    udp: t.Iterable[int] = (),
    claimed: t.Iterable[t.Mapping[str, str]] = (),
) -> t.Dict[str, t.Any]:
    """Return the local port range, what of it the kernel can choose, and which ports others need.

    listening: the TCP ports that listen; automatic: those of them that the kernel chose
    udp:       the UDP ports that somebody named; claimed: what port_claims tells, as a snapshot has it

    connect() passes over reserved ports, and over a port whose bind bucket somebody holds for himself, as every
    listener does (net/ipv4/inet_hashtables.c, __inet_hash_connect: tb->fastreuse >= 0). Sockets of UDP are no obstacle.
    """
    listening = set(listening)
    ends = keys.numbers(PORT_RANGE)
    reserved = keys.live(RESERVED_PORTS)
    low, high = ends if ends is not None and len(ends) == 2 else (None, None)
    usable = None
    if low is not None and high is not None:
        taken = port_set.parse_kernel_list(reserved or "") | listening
        usable = high - low + 1 - sum(low <= port <= high for port in taken)
    return {
        "low": low,
        "high": high,
        "reserved": reserved,
        "listeners": port_set.format_kernel_list(listening),
        "automatic": port_set.format_kernel_list(automatic),
        "udp": port_set.format_kernel_list(udp),
        "claimed": list(claimed),
        "usable": usable,
    }


def tcp(host: Host, keys: Keys) -> t.Dict[str, t.Any]:
    """Return the limits of TCP itself; those of the machine are null in another than its first namespace."""
    used = parse_sockstat(host.text("/proc/net/sockstat") or "", "TCP")
    return {
        "mem_pages": keys.numbers("net.ipv4.tcp_mem"),
        "mem_used_pages": used.get("mem"),
        "max_orphans": keys.number("net.ipv4.tcp_max_orphans"),
        "orphans": used.get("orphan"),
        "max_tw_buckets": keys.number("net.ipv4.tcp_max_tw_buckets"),
        "tw_reuse": keys.number("net.ipv4.tcp_tw_reuse"),
        "timewait_seconds": TIMEWAIT_SECONDS,
    }


def established_hash(host: Host, keys: Keys, memory: t.Optional[int]) -> t.Dict[str, t.Any]:
    """Return the buckets of the table that holds the established connections of this namespace.

    net.ipv4.tcp_ehash_entries (Linux 6.1) is negative where the table is shared with the machine's first namespace
    (net/ipv4/sysctl_net_ipv4.c, proc_tcp_ehash_entries). Before, the size is computed as at boot.
    memory: the host's, in bytes
    """
    entries = keys.number("net.ipv4.tcp_ehash_entries")
    first = containment.owns_network(host)
    return {
        "buckets": abs(entries) if entries is not None else _boot_buckets(host, memory),
        "own": entries is not None and entries > 0 and not first,
        "child_entries": keys.number("net.ipv4.tcp_child_ehash_entries"),
        "estimated": entries is None,
    }


def _boot_buckets(host: Host, memory: t.Optional[int]) -> t.Optional[int]:
    """alloc_large_system_hash (mm/mm_init.c): a power of two, from the kernel's command line or the memory.

    The kernel counts its pages a little before MemTotal does, so next to a power of two this may be half of it.
    """
    asked = re.search(r"(?:^|\s)thash_entries=([0-9]+)", host.text("/proc/cmdline") or "")
    entries = decimal(asked.group(1)) if asked is not None else None
    if entries:
        return 1 << (entries - 1).bit_length()
    if memory is None:
        return None
    return min(1 << (max(memory // _BYTES_PER_BUCKET, 1) - 1).bit_length(), _MAX_BUCKETS)


def tasks(host: Host, keys: Keys) -> t.Dict[str, t.Optional[int]]:
    """Return the limits of tasks, and how many there are (the fourth field of /proc/loadavg, proc_loadavg(5))."""
    fields = (host.text("/proc/loadavg") or "").split()
    total = fields[3].rpartition("/")[2] if len(fields) > 3 else ""
    return {
        "threads_max": keys.number("kernel.threads-max"),
        "pid_max": keys.number("kernel.pid_max"),
        "threads": decimal(total),
    }
