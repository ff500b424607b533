# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import slab

SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount>
TCP                   79    130   2368   13    8 : tunables    0    0    0 : slabdata     10     10      0
sock_inode_cache     128    190    832   19    4 : tunables    0    0    0 : slabdata     10     10      0
filp                 630    630    192   21    1 : tunables    0    0    0 : slabdata     30     30      0
dentry            151028 178752    192   21    1 : tunables    0    0    0 : slabdata   8512   8512      0
"""
SIZES = {
    "TCP": (2368, 3, 13),
    "sock_inode_cache": (832, 2, 19),
    "dentry": (192, 0, 21),
    "filp": (192, 0, 21),
    "eventpoll_epi": (128, 0, 32),
    "eventpoll_pwq": (64, 0, 64),
    "tcp_bind_bucket": (128, 0, 32),
    "tcp_bind2_bucket": (128, 0, 32),
    "tw_sock_TCP": (256, 0, 16),
    "lsm_inode_cache": (32, 0, 128),
}


def put(host, sizes):
    for name, numbers in sizes.items():
        for attribute, number in zip(("slab_size", "order", "objs_per_slab"), numbers, strict=True):
            host.put("/sys/kernel/slab/%s/%s" % (name, attribute), "%d\n" % number)


def test_a_socket_takes_its_share_of_the_slabs(host):
    put(host, SIZES)
    found = slab.sizes(host.look(), 4096)
    assert found["source"] == "/sys/kernel/slab"
    assert found["objects"]["TCP"] == 2368
    # 8 pages for 13, 4 pages for 19, and so on: more than the sum of the objects.
    expected = 8 * 4096 / 13 + 4 * 4096 / 19 + 2 * 4096 / 21 + 4096 / 128 + 4096 / 32
    assert found["per_socket"] == round(expected) > 2368 + 832 + 192 + 192 + 32 + 128
    assert found["per_socket_epoll"] == round(expected + 128 + 64)
    assert (found["per_port"], found["per_timewait"]) == (128, 256 + 128)
    assert found["per_socket_ipv6"] == found["per_socket"]


def test_memory_cgroups_add_a_pointer_for_each_object(host):
    put(host, SIZES)
    without = slab.sizes(host.look(), 4096)
    host.put("/proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t20\t1\n")
    found = slab.sizes(host.look(), 4096)
    assert found["per_socket"] == without["per_socket"] + 5 * 8
    assert found["taken"]["lsm_inode_cache"] == without["taken"]["lsm_inode_cache"]
    host.put("/proc/cgroups", "memory\t4\t20\t0\n")
    assert slab.sizes(host.look(), 4096) == without


def test_before_6_1_the_bucket_of_the_port_counts(host):
    put(host, {name: size for name, size in SIZES.items() if name != "tcp_bind2_bucket"})
    found = slab.sizes(host.look(), 4096)
    assert "tcp_bind2_bucket" not in found["objects"]
    assert found["per_port"] == 0
    put(host, SIZES)
    assert slab.sizes(host.look(), 4096)["per_socket"] == found["per_socket"]


def test_a_merged_cache_is_a_link(host):
    put(host, {name: size for name, size in SIZES.items() if not name.startswith("tcp_bind")})
    put(host, {":A-0000128": (128, 0, 32)})
    for name in ("tcp_bind_bucket", "tcp_bind2_bucket"):
        (host.path / "sys/kernel/slab" / name).symlink_to(":A-0000128")
    assert slab.sizes(host.look(), 4096)["taken"]["tcp_bind2_bucket"] == 128


def test_large_pages(host):
    put(host, dict(SIZES, TCP=(2368, 1, 55)))
    assert slab.sizes(host.look(), 65536)["taken"]["TCP"] == round(2 * 65536 / 55)


def test_slabinfo_where_there_is_no_sysfs(host):
    host.put("/proc/slabinfo", SLABINFO)
    found = slab.sizes(host.look(), 4096)
    assert found["source"].startswith("/proc/slabinfo; defaults for eventpoll_epi, ")
    assert found["taken"]["sock_inode_cache"] == round(4 * 4096 / 19)
    assert found["objects"]["tcp_bind_bucket"] == 128
    assert "lsm_inode_cache" not in found["objects"]


def test_defaults_say_so(host):
    found = slab.sizes(host.look(), 4096)
    assert found["source"].startswith("defaults: ")
    assert found["per_socket"] == pytest.approx(4000, rel=0.03)
    assert slab.sizes(host.look(), 65536) == found


def test_an_unreadable_cache_ends_in_defaults(host):
    host.put("/sys/kernel/slab/TCP/slab_size", "")
    assert slab.sizes(host.look(), 4096)["source"].startswith("defaults: ")


@pytest.mark.parametrize(("attribute", "text"), [("objs_per_slab", "0"), ("order", "99"), ("slab_size", "1_0")])
def test_a_cache_that_cannot_be_ends_in_defaults(host, attribute, text):
    put(host, SIZES)
    host.put("/sys/kernel/slab/TCP/" + attribute, text)
    assert slab.sizes(host.look(), 4096)["source"].startswith("defaults: ")


@pytest.mark.parametrize("line", ["TCP 10 13 2368 0 8 : x", "TCP 10 13 2368 13 : x", "TCP"])
def test_a_line_of_slabinfo_that_cannot_be_is_passed_over(host, line):
    host.put("/proc/slabinfo", line + "\n")
    assert slab.sizes(host.look(), 4096)["objects"]["TCP"] == 2368
