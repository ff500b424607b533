# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of sysctl keys: what each takes, whose it is, where the snapshot has it, why it is planned.

A key that is in no row is taken as it is, and checked by what the host says of it.
"""

from __future__ import annotations

import typing as t

PORT_RANGE = "net.ipv4.ip_local_port_range"
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"
UNPRIVILEGED_START = "net.ipv4.ip_unprivileged_port_start"
AUTOBIND_REUSE = "net.ipv4.ip_autobind_reuse"
NR_OPEN = "fs.nr_open"
FILE_MAX = "fs.file-max"
EPOLL_WATCHES = "fs.epoll.max_user_watches"
CONNTRACK_MAX = "net.netfilter.nf_conntrack_max"
NONLOCAL_BIND_IPV6 = "net.ipv6.ip_nonlocal_bind"
#: How many neighbours each family may have in all network namespaces together.
NEIGHBOURS = {4: "net.ipv4.neigh.default.gc_thresh3", 6: "net.ipv6.neigh.default.gc_thresh3"}

#: The handlers of kernel/sysctl.c: proc_dointvec and _minmax, proc_douintvec, proc_doulongvec_minmax,
#: proc_dou8vec_minmax, proc_dointvec_jiffies, ipv4_local_port_range around proc_dointvec_minmax,
#: proc_do_large_bitmap. Of a text nothing is known but that it is one line.
INT, UINT, ULONG, U8, JIFFIES, RANGE, PORTS, TEXT = (
    "int",
    "uint",
    "ulong",
    "u8",
    "jiffies",
    "range",
    "ports",
    "text",
)

#: Whose a key of net.* is: each network namespace's own, by default; registered for the first one only, so that other
#: namespaces do not have it (net/ipv4/sysctl_net_ipv4.c, ipv4_table; net/core/sysctl_net_core.c, net_core_table); or
#: shown in each, read-only, with the value of the first (net/netfilter/nf_conntrack_standalone.c; net/core/
#: sysctl_net_core.c, sysctl_core_net_init, of which older kernels show nothing).
OWN, FIRST_ONLY, SHOWN = "own", "first_only", "shown"

#: How a key is planned: raised and never lowered, set as it is, or a list of ports that grows.
FLOOR, VALUE, RESERVED = "floor", "value", "reserved"


class Key(t.NamedTuple):
    """One key.

    low, high:  bound each of its numbers; None for the bound of the kind, a pair for words of 64 and of 32 bits
    numbers:    how many it has
    namespaces: whose it is among network namespaces; keys beside net.* are the machine's
    module:     the kernel module without which it is not there
    snapshot:   whether a snapshot has it among its keys
    place:      where the snapshot has its live number besides
    planned:    how the planner sets it, and why; None for a key that is only looked at
    """

    kind: str
    low: t.Optional[t.Union[int, t.Tuple[int, int]]] = None
    high: t.Optional[t.Union[int, t.Tuple[int, int]]] = None
    numbers: int = 1
    namespaces: str = OWN
    module: t.Optional[str] = None
    snapshot: bool = False
    place: t.Tuple[str, ...] = ()
    planned: t.Optional[t.Tuple[str, str]] = None


_ANY_INT = Key(INT)
_NOT_NEGATIVE = Key(INT, 0)
#: One table for all network namespaces (net/core/neighbour.c, neigh_sysctl_register).
_NEIGHBOURS = _NOT_NEGATIVE._replace(namespaces=FIRST_ONLY)
_LONG = Key(ULONG, 0, (2**63 - 1, 2**31 - 1))
_BYTE = Key(U8)
_SECONDS = Key(JIFFIES)
_BUFFERS = Key(INT, 1, numbers=3)
_PAGES = Key(ULONG, numbers=3)
#: SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF (include/net/sock.h): 2048 and a struct sk_buff, twice to send.
_SEND, _RECEIVE = Key(INT, (4608, 4480)), Key(INT, (2304, 2240))
#: The kernel rounds it up so that it fills pages (nf_ct_alloc_hashtable), which is not followed here.
_BUCKETS = Key(INT, 1)

#: fs/file.c: BITS_PER_LONG, and min(INT_MAX, ~0UL / sizeof(void *)) rounded down to a multiple of it.
NR_OPEN_LOW = (64, 32)
NR_OPEN_HIGH = (2**31 - 64, 2**30 - 32)

_CONNTRACK = "nf_conntrack"
#: Keys of modules that are in no row.
_MODULE_OF_PREFIX = (("net.netfilter.nf_conntrack_", _CONNTRACK), ("net.bridge.bridge-nf-", "br_netfilter"))

KEYS: t.Dict[str, Key] = {
    "fs.aio-max-nr": Key(ULONG),
    EPOLL_WATCHES: _LONG._replace(
        snapshot=True, place=("epoll", "max_user_watches"), planned=(FLOOR, "each connection is a watch")
    ),
    FILE_MAX: _LONG._replace(
        snapshot=True, place=("nofile", "file_max", "now"), planned=(FLOOR, "each connection is an open file")
    ),
    NR_OPEN: Key(
        UINT,
        NR_OPEN_LOW,
        NR_OPEN_HIGH,
        snapshot=True,
        place=("nofile", "nr_open", "now"),
        planned=(FLOOR, "no hard nofile may be above it"),
    ),
    # RESERVED_PIDS + 1 and PID_MAX_LIMIT; machines of more than 37 processors begin higher.
    "kernel.pid_max": Key(INT, 301, (2**22, 2**15), snapshot=True, place=("tasks", "pid_max")),
    # FUTEX_TID_MASK
    "kernel.threads-max": Key(INT, 1, 0x3FFFFFFF, snapshot=True, place=("tasks", "threads_max")),
    "net.core.default_qdisc": Key(TEXT, namespaces=FIRST_ONLY),
    "net.core.netdev_budget": _ANY_INT._replace(namespaces=FIRST_ONLY),
    "net.core.netdev_budget_usecs": Key(TEXT, namespaces=FIRST_ONLY),
    "net.core.netdev_max_backlog": _ANY_INT._replace(namespaces=FIRST_ONLY, snapshot=True),
    "net.core.optmem_max": _NOT_NEGATIVE,
    "net.core.rmem_default": _RECEIVE._replace(namespaces=SHOWN),
    "net.core.rmem_max": _RECEIVE._replace(namespaces=SHOWN),
    "net.core.rps_sock_flow_entries": Key(TEXT, namespaces=FIRST_ONLY),
    "net.core.somaxconn": _NOT_NEGATIVE._replace(snapshot=True),
    "net.core.wmem_default": _SEND._replace(namespaces=SHOWN),
    "net.core.wmem_max": _SEND._replace(namespaces=SHOWN),
    "net.ipv4.inet_peer_threshold": Key(TEXT, namespaces=FIRST_ONLY),
    # Linux 5.7.
    AUTOBIND_REUSE: Key(U8, 0, 1, snapshot=True),
    "net.ipv4.ip_default_ttl": Key(INT, 1, 255),
    "net.ipv4.ip_forward": _ANY_INT,
    PORT_RANGE: Key(
        RANGE, 1, 65535, numbers=2, snapshot=True, planned=(VALUE, "each port is a connection to each destination")
    ),
    RESERVED_PORTS: Key(PORTS, snapshot=True, planned=(RESERVED, "listeners keep their ports in the wider range")),
    "net.ipv4.ip_nonlocal_bind": _BYTE._replace(snapshot=True),
    UNPRIVILEGED_START: Key(INT),
    "net.ipv4.neigh.default.gc_thresh1": _NEIGHBOURS,
    "net.ipv4.neigh.default.gc_thresh2": _NEIGHBOURS,
    NEIGHBOURS[4]: _NEIGHBOURS._replace(snapshot=True),
    "net.ipv4.tcp_abort_on_overflow": _BYTE,
    "net.ipv4.tcp_child_ehash_entries": Key(UINT, 0, 2**24, snapshot=True, place=("established_hash", "child_entries")),
    "net.ipv4.tcp_comp_sack_delay_ns": Key(ULONG),
    # Read-only; negative where the table is shared with the first namespace.
    "net.ipv4.tcp_ehash_entries": Key(TEXT, snapshot=True),
    "net.ipv4.tcp_fastopen": _ANY_INT,
    "net.ipv4.tcp_fin_timeout": _SECONDS._replace(snapshot=True),
    "net.ipv4.tcp_keepalive_intvl": _SECONDS,
    "net.ipv4.tcp_keepalive_probes": _BYTE,
    "net.ipv4.tcp_keepalive_time": _SECONDS,
    "net.ipv4.tcp_low_latency": Key(TEXT, namespaces=FIRST_ONLY),
    "net.ipv4.tcp_max_orphans": _ANY_INT._replace(namespaces=FIRST_ONLY, snapshot=True, place=("tcp", "max_orphans")),
    "net.ipv4.tcp_max_syn_backlog": _ANY_INT._replace(snapshot=True),
    "net.ipv4.tcp_max_tw_buckets": _ANY_INT._replace(snapshot=True, place=("tcp", "max_tw_buckets")),
    "net.ipv4.tcp_mem": _PAGES._replace(namespaces=FIRST_ONLY, snapshot=True),
    "net.ipv4.tcp_moderate_rcvbuf": _BYTE,
    "net.ipv4.tcp_mtu_probing": _BYTE,
    "net.ipv4.tcp_no_metrics_save": _BYTE,
    "net.ipv4.tcp_notsent_lowat": Key(UINT),
    "net.ipv4.tcp_orphan_retries": _BYTE,
    "net.ipv4.tcp_retries1": _BYTE,
    "net.ipv4.tcp_retries2": _BYTE,
    "net.ipv4.tcp_rfc1337": _BYTE,
    "net.ipv4.tcp_rmem": _BUFFERS,
    "net.ipv4.tcp_sack": _BYTE,
    "net.ipv4.tcp_slow_start_after_idle": _BYTE,
    "net.ipv4.tcp_syn_retries": Key(U8, 1, 127),
    "net.ipv4.tcp_synack_retries": _BYTE,
    "net.ipv4.tcp_syncookies": _BYTE,
    "net.ipv4.tcp_timestamps": _BYTE,
    "net.ipv4.tcp_tw_reuse": Key(U8, 0, 2, snapshot=True, place=("tcp", "tw_reuse")),
    "net.ipv4.tcp_window_scaling": _BYTE,
    "net.ipv4.tcp_wmem": _BUFFERS,
    "net.ipv4.udp_mem": _PAGES._replace(namespaces=FIRST_ONLY),
    NONLOCAL_BIND_IPV6: _BYTE._replace(
        snapshot=True, planned=(VALUE, "routed addresses of IPv6 are bound to without being on an interface")
    ),
    NEIGHBOURS[6]: _NEIGHBOURS._replace(snapshot=True),
    "net.netfilter.nf_conntrack_buckets": _BUCKETS._replace(namespaces=SHOWN, module=_CONNTRACK, snapshot=True),
    CONNTRACK_MAX: _NOT_NEGATIVE._replace(
        namespaces=SHOWN,
        module=_CONNTRACK,
        snapshot=True,
        place=("conntrack", "max"),
        planned=(FLOOR, "each connection is an entry where local ones are tracked"),
    ),
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait": _SECONDS._replace(module=_CONNTRACK),
    "net.netfilter.nf_conntrack_tcp_timeout_established": _SECONDS._replace(module=_CONNTRACK),
    "net.netfilter.nf_conntrack_tcp_timeout_fin_wait": _SECONDS._replace(module=_CONNTRACK),
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait": _SECONDS._replace(module=_CONNTRACK),
    # The same number by its old name.
    "net.nf_conntrack_max": _NOT_NEGATIVE._replace(namespaces=FIRST_ONLY, module=_CONNTRACK),
    "vm.max_map_count": _NOT_NEGATIVE,
}

#: The keys of a snapshot: every one that the ceilings, the planner or the report use.
OF_SNAPSHOT = tuple(key for key, row in KEYS.items() if row.snapshot)


def module_of(key: str) -> t.Optional[str]:
    """Return the kernel module that brings ``key``, None for a key of the kernel itself."""
    row = KEYS.get(key)
    if row is not None and row.module is not None:
        return row.module
    return next((module for prefix, module in _MODULE_OF_PREFIX if key.startswith(prefix)), None)
