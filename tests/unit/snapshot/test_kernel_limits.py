# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import kernel_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import Keys


@pytest.fixture
def machine(host):
    host.sysctl(
        net__ipv4__ip_local_port_range="32768\t60999", net__ipv4__tcp_mem="1\t2\t3", fs__nr_open=1048576, fs__x=1
    )
    (host.path / "run/systemd/system").mkdir(parents=True)
    return host


def test_keys_now_and_after_a_boot(machine):
    machine.put("/etc/sysctl.d/50.conf", "\nnet.ipv4.ip_local_port_range = 1024   65535\n")
    found = Keys(machine.look()).all()
    assert found == {
        "net.ipv4.ip_local_port_range": {
            "now": "32768 60999",
            "after_boot": "1024 65535",
            "by": "/etc/sysctl.d/50.conf:2",
            "scope": "namespace",
            "writable": True,
        },
        "fs.nr_open": {"now": "1048576", "after_boot": "1048576", "by": None, "scope": "namespace", "writable": True},
        "net.ipv4.tcp_mem": {"now": "1 2 3", "after_boot": None, "by": None, "scope": "namespace", "writable": True},
    }


def test_in_a_container_the_machines_keys_are_not_set_at_boot(machine):
    machine.put("/run/systemd/container", "podman")
    (machine.path / "proc/sys/net/ipv4/tcp_mem").unlink()
    machine.sysctl(net__netfilter__nf_conntrack_max=5, fs__file_max=6)
    machine.put("/etc/sysctl.d/50.conf", "fs.nr_open=5000000\nfs.file-max=9\nnet.netfilter.nf_conntrack_max=7\n")
    machine.put("/proc/sys/fs/file-max", "6\n")
    found = Keys(machine.look()).all()
    assert {key: (entry["scope"], entry["after_boot"]) for key, entry in found.items()} == {
        "net.ipv4.ip_local_port_range": ("namespace", None),
        "fs.nr_open": ("machine", "1048576"),
        "fs.file-max": ("machine", None),
        "net.netfilter.nf_conntrack_max": ("machine", None),
    }


def test_usable_ports(host):
    host.sysctl(net__ipv4__ip_local_port_range="10 19", net__ipv4__ip_local_reserved_ports="8-11,15")
    claimed = [{"ports": "5", "why": "a test", "by": "/etc/x"}]
    assert kernel_limits.ports(Keys(host.look()), [15, 16, 80], [16], [17], claimed) == {
        "low": 10,
        "high": 19,
        "reserved": "8-11,15",
        "listeners": "15-16,80",
        "automatic": "16",
        "udp": "17",
        "claimed": claimed,
        "usable": 6,
    }


def test_ports_of_nothing(host):
    found = kernel_limits.ports(Keys(host.look()), [])
    assert (found["low"], found["high"], found["reserved"], found["usable"]) == (None, None, None, None)


def test_tcp(host):
    host.put("/proc/net/sockstat", "sockets: used 9\nTCP: inuse 4 orphan 2 tw 3 alloc 5 mem 7\nUDP: inuse 1 mem 0\n")
    host.sysctl(net__ipv4__tcp_mem="1 2 3", net__ipv4__tcp_tw_reuse=2, net__ipv4__tcp_max_tw_buckets=8)
    reading = host.look()
    assert kernel_limits.tcp(reading, Keys(reading)) == {
        "mem_pages": [1, 2, 3],
        "mem_used_pages": 7,
        "max_orphans": None,
        "orphans": 2,
        "max_tw_buckets": 8,
        "tw_reuse": 2,
        "timewait_seconds": 60,
    }


@pytest.mark.parametrize(
    ("entries", "first", "buckets", "own"),
    [(262144, True, 262144, False), (-262144, False, 262144, False), (65536, False, 65536, True)],
)
def test_established_hash(host, entries, first, buckets, own):
    host.sysctl(net__ipv4__tcp_ehash_entries=entries, net__ipv4__tcp_child_ehash_entries=0)
    if first:
        host.sysctl(net__ipv4__tcp_mem="1 2 3")
    reading = host.look()
    assert kernel_limits.established_hash(reading, Keys(reading), 1) == {
        "buckets": buckets,
        "own": own,
        "child_entries": 0,
        "estimated": False,
    }


@pytest.mark.parametrize(
    ("memory", "command_line", "buckets"),
    [
        (25276514304, "quiet", 262144),
        (2079461376, "", 16384),
        (2**40, "", 524288),
        (1, "", 1),
        (2**40, "ro thash_entries=1000000 quiet", 1048576),
        (2**40, "xthash_entries=5", 524288),
        (None, "", None),
    ],
)
def test_the_hash_of_older_kernels_is_computed(host, memory, command_line, buckets):
    host.put("/proc/cmdline", command_line + "\n")
    reading = host.look()
    found = kernel_limits.established_hash(reading, Keys(reading), memory)
    assert (found["buckets"], found["estimated"]) == (buckets, True)


def test_tasks(host):
    host.put("/proc/loadavg", "0.1 0.2 0.3 2/345 678\n")
    host.sysctl(kernel__pid_max=4194304)
    host.put("/proc/sys/kernel/threads-max", "192731\n")
    reading = host.look()
    assert kernel_limits.tasks(reading, Keys(reading)) == {"threads_max": 192731, "pid_max": 4194304, "threads": 345}
    (host.path / "proc/loadavg").unlink()
    again = host.look()
    assert kernel_limits.tasks(again, Keys(again))["threads"] is None
