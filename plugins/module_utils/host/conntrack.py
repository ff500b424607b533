# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection tracking: is it there, how many connections does it take, and does it see this host's own ones?

nf_conntrack registers its hooks in a network namespace only when a rule there needs them (net/netfilter/
nf_conntrack_proto.c, nf_ct_netns_get), and then all at once: what comes in and what goes out is tracked alike,
but for NOTRACK rules. No file says whether they are registered. So it is told from the traffic: the entries of
this namespace (nf_conntrack_count) against its established connections. An established connection stays an
entry for five days without a packet (nf_conntrack_tcp_timeout_established).
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

_SYSCTLS = "/proc/sys/net/netfilter/nf_conntrack_"


def read(host: Host, established: t.Optional[int], contained: bool) -> t.Dict[str, t.Any]:
    """Return the state of connection tracking; ``tracks_local`` is null where it cannot be known.

    established: the established TCP sockets of this namespace, None where unknown
    contained:   whether this is a container, behind which the machine may track what it forwards
    """
    loaded = _is_loaded(host)
    count = host.number(_SYSCTLS + "count")
    tracks, why = _tracks_local(host, loaded, count, established)
    if contained and not tracks:
        tracks = None
        why = "the machine under this container may track what it forwards for it, which cannot be seen from inside"
    return {
        "loaded": loaded,
        "max": host.number(_SYSCTLS + "max"),
        "count": count,
        "buckets": host.number(_SYSCTLS + "buckets"),
        "tracks_local": tracks,
        "why": why,
    }


def _is_loaded(host: Host) -> bool:
    if host.exists(_SYSCTLS + "max") or host.exists("/sys/module/nf_conntrack"):
        return True
    modules = (host.text("/proc/modules") or "").splitlines()
    return any(line.split(" ", 1)[0] == "nf_conntrack" for line in modules)


def _tracks_local(
    host: Host, loaded: bool, count: t.Optional[int], established: t.Optional[int]
) -> t.Tuple[t.Optional[bool], str]:
    if not loaded:
        return False, "nf_conntrack is not loaded"
    if count is None:
        return None, "nf_conntrack is loaded, but its count for this network namespace cannot be read"
    if count == 0:
        return _of_none(host, established)
    # A connection of the host with itself is one entry and two sockets.
    if established is not None and count * 2 < established:
        return None, (
            "%d connections are tracked and %d TCP sockets are established: a rule exempts some (NOTRACK), "
            "or they are older than the rules" % (count, established)
        )
    return True, "%d connections are tracked in this network namespace" % count


def _of_none(host: Host, established: t.Optional[int]) -> t.Tuple[t.Optional[bool], str]:
    """Conclude from an empty table."""
    if established:
        return False, "%d TCP sockets are established in this network namespace and none is tracked" % established
    if "nat" in (host.text("/proc/net/ip_tables_names") or "").split():
        return True, "this network namespace has an iptables nat table, which needs tracking"
    return None, "nothing is tracked in this network namespace, and no established connection is there to tell by"
