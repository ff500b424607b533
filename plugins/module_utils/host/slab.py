# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel memory that one TCP connection pins, from this host's own slab caches.

What an object takes is more than its size: a slab of 2^order pages holds ``objs_per_slab`` objects, the rest of
it is lost to everyone else. So the bytes of an object are 2^order x page size / objs_per_slab, from
/sys/kernel/slab/<cache>/ (Documentation/ABI/testing/sysfs-kernel-slab; a cache that was merged with another is a
link there) or from /proc/slabinfo (pagesperslab, objperslab; slabinfo(5)), which leaves merged caches out. Where
memory cgroups charge kernel memory, 8 bytes come on top (mm/slub.c, alloc_slab_obj_exts: one pointer an object),
but for the caches without SLAB_ACCOUNT.

One established client socket pins

* its ``struct tcp_sock`` (TCP, or TCPv6), ``struct socket_alloc`` (sock_inode_cache), dentry and file (filp),
  with the security modules' part of the inode and of the file (lsm_inode_cache, lsm_file_cache; since Linux 5.1);
* since Linux 6.1 one ``struct inet_bind2_bucket`` (tcp_bind2_bucket), which stands for a local port on a local
  address (net/ipv4/inet_hashtables.c, inet_bind2_bucket_create). Several destinations share it, so a host with
  several destinations needs less;
* ``struct inet_bind_bucket`` (tcp_bind_bucket) stands for a local port on all addresses: at most 65,535 in a
  namespace. It counts for a socket where there is no tcp_bind2_bucket, and else for a port.

With epoll there is one ``struct epitem`` (eventpoll_epi) and one ``struct eppoll_entry`` (eventpoll_pwq) more
(fs/eventpoll.c, ep_insert). A connection in TIME_WAIT is a ``struct tcp_timewait_sock`` (tw_sock_TCP), which keeps
the bind buckets. Not in these figures: the descriptor table of the process, 8 bytes and two bits for a descriptor
(fs/file.c, alloc_fdtable), and data in flight.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

_SYSFS = "/sys/kernel/slab"
_SLABINFO = "/proc/slabinfo"


class Cache(t.NamedTuple):
    """One slab cache: the size of an object, aligned, and the pages and objects of a slab."""

    size: int
    pages: int
    objects: int


#: As a 6.18 kernel for x86_64 has them, with pages of 4 KiB.
_DEFAULTS = {
    "TCP": Cache(2368, 8, 13),
    "TCPv6": Cache(2496, 8, 13),
    "sock_inode_cache": Cache(832, 4, 19),
    "dentry": Cache(192, 1, 21),
    "filp": Cache(192, 1, 21),
    "eventpoll_epi": Cache(128, 1, 32),
    "eventpoll_pwq": Cache(64, 1, 64),
    "tcp_bind_bucket": Cache(128, 1, 32),
    "tcp_bind2_bucket": Cache(128, 1, 32),
    "tw_sock_TCP": Cache(256, 1, 16),
    "lsm_inode_cache": Cache(32, 1, 128),
    "lsm_file_cache": Cache(24, 1, 170),
}
_DEFAULT_PAGE_SIZE = 4096
#: Not every kernel has these: absent is then the truth, and no reason to assume a size.
_OPTIONAL = ("tcp_bind2_bucket", "lsm_inode_cache", "lsm_file_cache", "TCPv6")

_SOCKET = ("sock_inode_cache", "dentry", "filp", "lsm_inode_cache", "lsm_file_cache")

_CHARGE = 8
#: MAX_PAGE_ORDER is 10 on most machines (include/linux/mmzone.h), never more than this.
_HIGHEST_ORDER = 20
_UNCHARGED = ("lsm_inode_cache", "lsm_file_cache", "tw_sock_TCP")


def sizes(host: Host, page_size: int) -> t.Dict[str, t.Any]:
    """Return ``source``, the ``objects``' sizes, and what a connection takes, all in bytes.

    ``taken`` has for each cache the bytes of an object with its share of the slab's waste; the sums are made
    of these.
    """
    caches, source = _caches(host)
    missing = [name for name in _DEFAULTS if name not in caches and (name not in _OPTIONAL or not caches)]
    if caches and missing:
        source += "; defaults for " + ", ".join(missing)
    charge = _CHARGE if _charged(host) else 0
    chosen = [(name, cache, page_size) for name, cache in caches.items()]
    chosen += [(name, _DEFAULTS[name], _DEFAULT_PAGE_SIZE) for name in missing]
    objects = {name: cache.size for name, cache, _page in chosen}
    exact = {
        name: cache.pages * page / cache.objects + (0 if name in _UNCHARGED else charge) for name, cache, page in chosen
    }

    def total(*names: str) -> int:
        return round(sum(exact.get(name, 0) for name in names))

    bind = "tcp_bind2_bucket" if "tcp_bind2_bucket" in objects else "tcp_bind_bucket"
    return {
        "source": source,
        "objects": objects,
        "taken": {name: round(size) for name, size in exact.items()},
        "per_socket": total("TCP", *_SOCKET, bind),
        "per_socket_ipv6": total("TCPv6" if "TCPv6" in objects else "TCP", *_SOCKET, bind),
        "per_socket_epoll": total("TCP", *_SOCKET, bind, "eventpoll_epi", "eventpoll_pwq"),
        "per_port": total("tcp_bind_bucket") if bind == "tcp_bind2_bucket" else 0,
        "per_timewait": total("tw_sock_TCP", bind),
    }


def _caches(host: Host) -> t.Tuple[t.Dict[str, Cache], str]:
    """Return the caches that could be read, and from where; each place is asked once when it refuses."""
    if host.exists(_SYSFS):
        found = {}
        for name in _DEFAULTS:
            if not host.exists("%s/%s" % (_SYSFS, name)):
                continue
            try:
                found[name] = _from_sysfs(host, name)
            except (OSError, ValueError):
                break
        if found:
            return found, _SYSFS
    text = host.text(_SLABINFO)
    if text is not None:
        return _from_slabinfo(text), _SLABINFO
    return {}, "defaults: %s and %s cannot be read" % (_SYSFS, _SLABINFO)


def _from_sysfs(host: Host, name: str) -> Cache:
    # Not reading.number: that would name every attribute, where one line for /proc/slabinfo says it all.
    size, order, objects = (
        decimal((host.read("%s/%s/%s" % (_SYSFS, name, attribute)) or "").strip())
        for attribute in ("slab_size", "order", "objs_per_slab")
    )
    if size is None or order is None or not objects or order > _HIGHEST_ORDER:
        raise ValueError("%s/%s says nothing" % (_SYSFS, name))
    return Cache(size, 1 << order, objects)


def _from_slabinfo(text: str) -> t.Dict[str, Cache]:
    found = {}
    for line in text.splitlines():
        # name active_objs num_objs objsize objperslab pagesperslab : ...
        words = line.split()
        size, objects, pages = map(decimal, words[3:6]) if len(words) > 5 else (None, None, None)
        if words and words[0] in _DEFAULTS and size is not None and objects and pages is not None:
            found[words[0]] = Cache(size, pages, objects)
    return found


def _charged(host: Host) -> bool:
    """Tell whether kernel memory is charged to memory cgroups: the controller is on (cgroups(7), /proc/cgroups)."""
    for line in (host.text("/proc/cgroups") or "").splitlines():
        words = line.split()
        if words[:1] == ["memory"]:
            return words[-1] == "1"
    return False
