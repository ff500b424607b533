# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import identity
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys


@pytest.fixture
def systemd(host):
    (host.path / "run/systemd/system").mkdir(parents=True)
    return host


def value(host, key, own=None):
    look = host.look() if own is None else host.look().planning(sysctl_d.drop_in(own))
    winner = sysctl_d.after_boot(look, key)
    return None if winner is None else (winner.value, winner.path, winner.line)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("fs.nr_open", "fs.nr_open"),
        ("fs/nr_open", "fs.nr_open"),
        ("net/ipv4/conf/eth0.5/forwarding", "net.ipv4.conf.eth0/5.forwarding"),
        ("net.ipv4.conf.eth0/5.forwarding", "net.ipv4.conf.eth0/5.forwarding"),
        ("plain", "plain"),
    ],
)
def test_normalize(written, key):
    assert sysctl_keys.normalize(written) == key


def test_proc_path_gives_a_dotted_interface_its_dot_back():
    assert sysctl_keys.proc_path("net.ipv4.conf.eth0/5.forwarding") == "/proc/sys/net/ipv4/conf/eth0.5/forwarding"


def test_live_folds_white_space(host):
    host.sysctl(net__ipv4__ip_local_port_range="32768\t60999")
    assert sysctl_d.live(host.look(), "net.ipv4.ip_local_port_range") == "32768 60999"
    assert sysctl_d.live(host.look(), "net.ipv4.nothing") is None


def test_parse_keeps_order_and_line_numbers_and_passes_over_the_rest():
    text = "# c\n; c\n\n a.b = 1 \r\nnonsense\n-c.d = 2\n-e.f\na.b=3"
    assert [tuple(a) for a in sysctl_d.parse(text, "/x")] == [
        ("a.b", "1", "/x", 4),
        ("c.d", "2", "/x", 6),
        ("e.f", None, "/x", 7),
        ("a.b", "3", "/x", 8),
    ]


def test_later_basename_wins_whatever_its_directory(systemd):
    systemd.put("/etc/sysctl.d/10-a.conf", "fs.nr_open = 100\n")
    systemd.put("/usr/lib/sysctl.d/20-b.conf", "fs.nr_open = 200\n")
    assert value(systemd, "fs.nr_open") == ("200", "/usr/lib/sysctl.d/20-b.conf", 1)


def test_of_equal_basenames_the_first_directory_wins(systemd):
    systemd.put("/etc/sysctl.d/50-a.conf", "")
    systemd.put("/run/sysctl.d/50-a.conf", "fs.nr_open = 100\n")
    systemd.put("/usr/lib/sysctl.d/50-a.conf", "fs.nr_open = 200\n")
    assert value(systemd, "fs.nr_open") is None


def test_a_link_to_dev_null_masks(systemd):
    systemd.put("/usr/lib/sysctl.d/50-a.conf", "fs.nr_open = 200\n")
    (systemd.path / "etc/sysctl.d").mkdir(parents=True)
    os.symlink("/dev/null", str(systemd.path / "etc/sysctl.d/50-a.conf"))
    assert value(systemd, "fs.nr_open") is None


def test_sysctl_conf_counts_for_procps_only(host):
    host.put("/etc/sysctl.d/99-zz-fourtuple.conf", "fs.nr_open = 2000000\n")
    host.put("/etc/sysctl.conf", "fs.nr_open = 210000\n")
    assert value(host, "fs.nr_open") == ("210000", "/etc/sysctl.conf", 1)
    (host.path / "run/systemd/system").mkdir(parents=True)
    assert value(host, "fs.nr_open") == ("2000000", "/etc/sysctl.d/99-zz-fourtuple.conf", 1)


def test_debian_12_link_sorts_before_ours(systemd):
    systemd.put("/etc/sysctl.conf", "fs.nr_open = 210000\n")
    (systemd.path / "etc/sysctl.d").mkdir()
    os.symlink("../sysctl.conf", str(systemd.path / "etc/sysctl.d/99-sysctl.conf"))
    assert value(systemd, "fs.nr_open") == ("210000", "/etc/sysctl.d/99-sysctl.conf", 1)
    assert value(systemd, "fs.nr_open", {"fs.nr_open": "2000000"})[0] == "2000000"


def test_own_replaces_the_drop_in_on_disk(systemd):
    systemd.put(owned.SYSCTL_DROP_IN, "fs.nr_open = 2000000\n")
    assert value(systemd, "fs.nr_open", {}) is None
    assert value(systemd, "fs.nr_open", {"fs.nr_open": "7"}) == ("7", owned.SYSCTL_DROP_IN, 0)


def test_a_later_file_beats_ours(systemd):
    systemd.put("/etc/sysctl.d/99-zzz.conf", "fs.nr_open = 100\n")
    assert value(systemd, "fs.nr_open", {"fs.nr_open": "7"})[1] == "/etc/sysctl.d/99-zzz.conf"


def test_a_named_key_beats_a_glob_and_a_negative_line_excludes(systemd):
    systemd.put("/etc/sysctl.d/10-a.conf", "net.ipv4.conf.eth0.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n")
    systemd.put("/etc/sysctl.d/20-b.conf", "net.ipv4.conf.*.rp_filter = 1\nnet.*.x = 3\n")
    assert value(systemd, "net.ipv4.conf.eth0.rp_filter")[0] == "2"
    assert value(systemd, "net.ipv4.conf.eth1.rp_filter")[0] == "1"
    assert value(systemd, "net.ipv4.conf.lo.rp_filter") is None
    assert value(systemd, "net.ipv4.y.x") is None


def test_what_boots_a_host(host):
    assert not identity.boots_with_systemd(host.look())
    (host.path / "sbin").mkdir(parents=True)
    os.symlink("/lib/systemd/systemd", str(host.path / "sbin/init"))
    assert identity.boots_with_systemd(host.look())
    (host.path / "proc/1").mkdir(parents=True)
    assert not identity.boots_with_systemd(host.look())


def test_systemd_and_procps_read_lines_each_in_its_own_way():
    text = "a=1\rb=2\0c=3\n\vd=4\n- e=5\n--f=6\n"
    assert [(a.key, a.value) for a in sysctl_d.parse(text, "/x")] == [
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("\vd", "4"),
        ("e", "5"),
        ("-f", "6"),
    ]
    assert [(a.key, a.value) for a in sysctl_d.parse(text, "/x", systemd=False)] == [
        ("a", "1\rb=2"),
        ("d", "4"),
        (" e", "5"),
        ("f", "6"),
    ]


def test_procps_reads_hidden_files_and_takes_nothing_back(host):
    host.put("/etc/sysctl.d/.a.conf", "fs.nr_open = 100\n-fs.nr_open\n")
    assert value(host, "fs.nr_open")[0] == "100"
    (host.path / "run/systemd/system").mkdir(parents=True)
    assert value(host, "fs.nr_open") is None
    host.put("/etc/sysctl.d/b.conf", "fs.nr_open = 100\n-fs.nr_open\n")
    assert value(host, "fs.nr_open") is None


def test_of_equal_globs_the_first_ones_place_counts(systemd):
    systemd.put("/etc/sysctl.d/a.conf", "fs.* = 100\n*.nr_open = 200\nfs.* = 100\n")
    assert value(systemd, "fs.nr_open")[0] == "200"


def test_a_path_may_be_spelled_in_many_ways(systemd):
    systemd.put("/etc/sysctl.d/a.conf", "/fs/nr_open/ = 100\nvm..swappiness = 2\nnet/../fs/file-max = 3\n")
    assert value(systemd, "fs.nr_open")[0] == "100"
    assert value(systemd, "vm.swappiness")[0] == "2"
    assert value(systemd, "fs.file-max") is None


def test_procps_opens_a_path_as_it_is_spelled(host):
    host.put("/etc/sysctl.d/a.conf", "/fs/nr_open/ = 100\nvm..swappiness = 2\nnet/../fs/file-max = 3\n")
    assert value(host, "fs.nr_open") is None
    assert value(host, "vm.swappiness")[0] == "2"
    assert value(host, "fs.file-max")[0] == "3"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("*.[^x]r_open", True), ("*.[^n]r_open", False), ("*.\\nr_open", True), ("f?.{file-max,nr_open}", True)]
    + [("fs.{file-max,nr_open}", False), ("*.{nr_open", False), ("{fs,{vm,net}}.*", True), ("{a,b}" * 20 + "*", False)],
)
def test_globs_match_as_glob_with_braces_does(systemd, pattern, matches):
    systemd.put("/etc/sysctl.d/a.conf", pattern + " = 100\n")
    assert (value(systemd, "fs.nr_open") is not None) == matches


def test_without_our_drop_in_one_of_its_name_elsewhere_counts(systemd):
    systemd.put("/run/sysctl.d/99-zz-fourtuple.conf", "fs.nr_open = 100\n")
    assert value(systemd, "fs.nr_open", {"fs.nr_open": "7"})[0] == "7"
    assert value(systemd, "fs.nr_open", {})[0] == "100"


RANGE = "net.ipv4.ip_local_port_range"


def test_what_is_written_is_one_thing_and_what_the_kernel_takes_another(host):
    host.put("/etc/sysctl.d/a.conf", "fs.nr_open = 2000000\nfs.nr_open = many\nfs.* = 1000\n")
    lines = sysctl_d.at_boot(host.look())
    assert [line.value for line in sysctl_d.written(lines, "fs.nr_open")] == ["2000000", "many"]
    won, refused = sysctl_d.settle(lines, "fs.nr_open")
    assert (won.value, [line.value for line in refused]) == ("2000000", ["many"])
    (host.path / "run/systemd/system").mkdir(parents=True)
    won, refused = sysctl_d.settle(sysctl_d.at_boot(host.look()), "fs.nr_open")
    assert (won, [line.value for line in refused]) == (None, ["many"])


def test_a_line_that_a_later_one_replaces_is_named_and_takes_nothing_away(systemd):
    systemd.put("/etc/sysctl.d/a.conf", "fs.nr_open = many\nfs.nr_open = 2000000\nvm.x = many\n")
    (line,) = sysctl_d.refused_lines(
        systemd.look().planning(sysctl_d.drop_in({"fs.nr_open": "3000000"})), ["fs.nr_open", "vm.x"]
    )
    assert (line.path, line.line, line.unwritten) == ("/etc/sysctl.d/a.conf", 1, False)
    assert line.as_dict()["why"] == "the kernel refuses it and takes a whole number from 64 to 2147483584"


def test_a_value_is_what_the_key_then_has(systemd):
    systemd.put("/etc/sysctl.d/a.conf", "%s = 0x800\nnet.ipv4.tcp_rmem = 4096\t1 2 3\n" % RANGE)
    assert value(systemd, RANGE)[0] == "2048 60999"
    assert value(systemd, "net.ipv4.tcp_rmem")[0] == "4096 1 2"


def test_the_first_unprivileged_port_of_the_boot_bounds_the_range(systemd):
    systemd.sysctl(net__ipv4__ip_unprivileged_port_start=0, net__ipv4__ip_local_port_range="2000 3000")
    systemd.put("/etc/sysctl.d/a.conf", RANGE + " = 80 65535\n")
    assert value(systemd, RANGE) is None
    assert sysctl_d.kernel_now(systemd.look())[1:3] == (0, 2000)
    systemd.put("/etc/sysctl.d/0.conf", "net.ipv4.ip_unprivileged_port_start = 80\n")
    assert value(systemd, RANGE)[0] == "80 65535"
    # In a container, whoever made it has set that before.
    (systemd.path / "etc/sysctl.d/0.conf").unlink()
    systemd.put("/run/systemd/container", "docker\n")
    assert value(systemd, RANGE)[0] == "80 65535"


def test_the_kernels_word_is_told_by_its_arch(systemd):
    assert sysctl_d.kernel_at_start(systemd.look()).word_size == 64
    systemd.sysctl(kernel__arch="armv7l")
    assert sysctl_d.kernel_at_start(systemd.look()).word_size == 32
