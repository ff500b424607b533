# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import cgroups

V1 = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
33 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
35 31 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
NO_LIMIT = 9223372036854771712


def v1(host, path, limit, used=0, cache=0, hierarchical=NO_LIMIT):
    folder = "/sys/fs/cgroup/memory" + path
    host.put(folder + "/memory.limit_in_bytes", "%d\n" % limit)
    host.put(folder + "/memory.usage_in_bytes", "%d\n" % used)
    stat = "cache 9\ntotal_active_file %d\ntotal_inactive_file 1\nhierarchical_memory_limit %d\n"
    host.put(folder + "/memory.stat", stat % (cache, hierarchical))


def v2(host, path, **files):
    for name, text in files.items():
        host.put("/sys/fs/cgroup%s/%s" % (path, name.replace("_", ".", 1)), "%s\n" % text)


def test_version_1(host):
    host.put("/proc/self/mountinfo", V1)
    host.put("/proc/self/cgroup", "8:pids:/a/b\n4:memory:/a/b\n1:name=systemd:/a\n0::/\n")
    v1(host, "", NO_LIMIT)
    v1(host, "/a", 1000, 700, 50)
    v1(host, "/a/b", NO_LIMIT, 600, hierarchical=1000)
    host.put("/sys/fs/cgroup/pids/a/b/pids.max", "max\n")
    host.put("/sys/fs/cgroup/pids/a/pids.max", "20\n")
    host.put("/sys/fs/cgroup/pids/a/pids.current", "3\n")
    assert cgroups.memory(host.look()) == [{"path": "/a", "limit": 1000, "used": 700, "file_cache": 51}]
    assert cgroups.tasks(host.look()) == [{"path": "/a", "limit": 20, "used": 3}]


def test_version_1_shows_a_limit_that_is_out_of_sight(host):
    host.put("/proc/self/mountinfo", V1)
    host.put("/proc/self/cgroup", "4:memory:/\n")
    v1(host, "", 4000, 700, hierarchical=3000)
    limits = [(entry["path"], entry["limit"]) for entry in cgroups.memory(host.look())]
    assert limits == [("/", 4000), ("above /", 3000)]


def test_version_2(host):
    host.put("/proc/self/mountinfo", V2)
    host.put("/proc/self/cgroup", "0::/system.slice/a.service\n")
    v2(host, "/system.slice", memory_max="max", memory_high="max", pids_max=100, pids_current=7)
    v2(host, "/system.slice/a.service", memory_max=2000, memory_high=1500, memory_current=100, pids_max="max")
    v2(host, "/system.slice/a.service", memory_stat="anon 1\nactive_file 20\ninactive_file 22")
    assert cgroups.memory(host.look()) == [
        {"path": "/system.slice/a.service", "limit": 1500, "used": 100, "file_cache": 42}
    ]
    assert cgroups.tasks(host.look()) == [{"path": "/system.slice", "limit": 100, "used": 7}]


def test_another_process(host):
    host.put("/proc/self/mountinfo", V2)
    host.put("/proc/77/cgroup", "0::/a\n")
    v2(host, "/a", pids_max=5)
    assert cgroups.tasks(host.look(), "77") == [{"path": "/a", "limit": 5, "used": None}]


def test_hybrid_takes_the_version_that_has_the_controller(host):
    host.put("/proc/self/mountinfo", V1.replace("cgroup rw,pids", "cgroup rw,cpu"))
    host.put("/proc/self/cgroup", "8:cpu:/\n0::/u\n")
    host.put("/sys/fs/cgroup/unified/u/pids.max", "9\n")
    assert cgroups.tasks(host.look()) == [{"path": "/u", "limit": 9, "used": None}]


@pytest.mark.parametrize(
    ("root", "path"),
    [("/", "/"), ("/docker/abc", "/docker/abc"), ("/docker/abc", "/elsewhere"), ("/", "/../outside")],
)
def test_in_a_container_the_mount_is_its_own_group(host, root, path):
    """With a cgroup namespace the path is /, without one the machine's, and the mount's root too."""
    host.put("/proc/self/mountinfo", "30 23 0:26 %s /sys/fs/cgroup ro - cgroup2 cgroup rw\n" % root)
    host.put("/proc/self/cgroup", "0::%s\n" % path)
    v2(host, "", memory_max=5000, memory_current=1)
    assert [entry["limit"] for entry in cgroups.memory(host.look())] == [5000]


def test_a_mount_point_with_a_blank(host):
    host.put("/proc/self/mountinfo", "30 23 0:26 / /a\\040b rw - cgroup2 cgroup rw\nbroken\n")
    host.put("/proc/self/cgroup", "0::/x\n\n")
    host.put("/a b/x/pids.max", "4")
    assert cgroups.tasks(host.look())[0]["limit"] == 4


def test_no_cgroups(host):
    assert cgroups.memory(host.look()) == cgroups.tasks(host.look()) == []
