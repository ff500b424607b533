# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel, taken, written
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    NR_OPEN,
    PORT_RANGE,
    RESERVED_PORTS,
    UNPRIVILEGED_START,
)

KERNEL = Kernel()
OF_32_BITS = Kernel(word_size=32)
RMEM = "net.ipv4.tcp_rmem"


def test_every_key_of_a_snapshot_is_in_the_table_but_the_one_that_nobody_can_write():
    unknown = {key for key in sysctl_table.OF_SNAPSHOT if sysctl_keys.allowed(key, KERNEL) == "one line of text"}
    assert unknown == {"net.ipv4.tcp_ehash_entries"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("210000", "210000"),
        ("210000  # max handles", "210000"),
        ("512 1024", "512"),
        ("600\t# x", "600"),
        ("800 ;x", "800"),
        ("900\n1000", "900"),
        (" 1100", "1100"),
        ("0x10000", "65536"),
        ("01000", "512"),
        ("700;x", None),
        ("+500", None),
        ("-1", None),
        ("63", None),
        ("1200,", None),
        ("1e3", None),
        ("1_000", None),
        ('"210000"', None),
        ("08", None),
        ("0x", None),
        ("4294967297", None),
        ("000000000000000000512", None),
        ("00000000000000000512", "330"),
        ("", None),
        (" ", None),
        ("2147483584", "2147483584"),
        ("2147483585", None),
        ("10000000000", None),
    ],
)
def test_a_number(text, value):
    assert taken(NR_OPEN, text, KERNEL) == value


def test_an_empty_write_changes_nothing_and_the_end_of_a_line_alone_clears_a_list():
    assert written(NR_OPEN, b"", KERNEL, "1048576") == ("1048576", False)
    assert written(NR_OPEN, b"\n", KERNEL, "1048576") == ("1048576", True)
    assert written(RESERVED_PORTS, b"", KERNEL, "8080") == ("8080", False)
    assert written(RESERVED_PORTS, b"\n", KERNEL, "8080") == ("", False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1024\t65535 # x", "1024 65535"),
        ("3000 60000 5", "3000 60000"),
        ("3000", "3000 60999"),
        ("61000", None),
        ("2000-60000", None),
        ("2000,60000", None),
        ('"2000 60000"', None),
        ("60000 2000", None),
        ("1023 60000", None),
        ("1024 65536", None),
        ("3000 x", None),
    ],
)
def test_a_port_range(text, value):
    assert taken(PORT_RANGE, text, KERNEL, before="32768 60999") == value


def test_a_port_range_and_the_first_unprivileged_port_bound_each_other():
    assert taken(PORT_RANGE, "1000 65535", KERNEL._replace(unprivileged_start=80)) == "1000 65535"
    assert taken(UNPRIVILEGED_START, "1025", KERNEL._replace(range_start=1024)) is None
    assert taken(UNPRIVILEGED_START, "80", KERNEL) == "80"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8080,", "8080"),
        ("9000-9001,8080\n9002", "8080,9000-9002"),
        ("0x50", "80"),
        ("0", "0"),
        ("8080 9090", None),
        ("8080, 9090", None),
        (",8080", None),
        ("9095-9090", None),
        ("70000", None),
        ("8080\t", None),
        ('"30000-32767"', None),
        ("30000:32767", None),
        ("30000-32767 # nodes", None),
        ("-1", None),
        ("1-", None),
        ("1--2", None),
        ("1-2-3", None),
    ],
)
def test_a_list_of_ports(text, value):
    assert taken(RESERVED_PORTS, text, KERNEL) == value


def test_of_a_vector_what_is_not_written_stays():
    assert taken(RMEM, "8192", KERNEL, "4096 131072 6291456") == "8192 131072 6291456"
    assert taken(RMEM, "8192 1 2 three", KERNEL) == "8192 1 2"
    assert taken(RMEM, "8192", KERNEL) == "8192"


def test_of_a_refused_vector_the_numbers_before_the_fault_are_kept_all_the_same():
    assert taken(RMEM, "5000 x", KERNEL, "4096 131072 6291456") is None
    assert written(RMEM, b"5000 x\n", KERNEL, "4096 131072 6291456") == ("5000 131072 6291456", True)


def test_the_bounds_are_those_of_the_kernels_word():
    assert sysctl_keys.bounds(NR_OPEN, KERNEL) == (64, 2147483584)
    assert sysctl_keys.bounds(NR_OPEN, OF_32_BITS) == (32, 1073741792)
    assert taken("fs.file-max", "9223372036854775807", KERNEL) == "9223372036854775807"
    assert taken("fs.file-max", "18446744073709551615", KERNEL) is None
    assert taken("fs.file-max", "2147483648", OF_32_BITS) is None
    assert taken("kernel.pid_max", "4194304", KERNEL) == "4194304"
    assert taken("kernel.pid_max", "32769", OF_32_BITS) is None


def test_every_kind_of_number():
    assert taken("net.ipv4.tcp_tw_reuse", "3", KERNEL) is None
    assert taken("net.ipv4.ip_nonlocal_bind", "255", KERNEL) == "255"
    assert taken("net.ipv4.ip_nonlocal_bind", "256", KERNEL) is None
    assert taken("net.ipv4.tcp_max_tw_buckets", "-5", KERNEL) == "-5"
    assert taken("net.ipv4.tcp_mem", "1 2 18446744073709551615", KERNEL) == "1 2 18446744073709551615"
    assert taken("net.ipv4.tcp_mem", "-0", KERNEL) is None
    assert taken("net.ipv4.tcp_fin_timeout", "8589935", KERNEL._replace(hz=250)) is None


def test_a_key_that_is_not_known_takes_whatever_is_written():
    assert taken("net.ipv4.tcp_congestion_control", " bbr  # fast", KERNEL) == "bbr # fast"
    assert sysctl_keys.bounds("net.ipv4.tcp_congestion_control", KERNEL) is None
    assert sysctl_keys.allowed("net.ipv4.tcp_congestion_control", KERNEL) == "one line of text"


def test_texts_are_compared_by_what_the_kernel_makes_of_them():
    assert sysctl_keys.same(NR_OPEN, "0x100000", "1048576 # the default", KERNEL)
    assert sysctl_keys.same(PORT_RANGE, "1024\t65535 # x", "1024 65535", KERNEL)
    assert sysctl_keys.same(RESERVED_PORTS, "8081,8080", "8080-8081", KERNEL)
    assert not sysctl_keys.same(NR_OPEN, "1048576,", "1048576", KERNEL)
    assert sysctl_keys.same(NR_OPEN, None, None, KERNEL)
    assert not sysctl_keys.same(NR_OPEN, None, "1048576", KERNEL)


def test_the_number_of_a_text():
    assert sysctl_keys.number(NR_OPEN, "0x100000 # x", KERNEL) == 1048576
    assert sysctl_keys.number(NR_OPEN, "1e6", KERNEL) is None
    assert sysctl_keys.number(NR_OPEN, None, KERNEL) is None
    assert sysctl_keys.number("net.ipv4.tcp_max_tw_buckets", "-5", KERNEL) == -5
    assert sysctl_keys.number(PORT_RANGE, "1024 65535", KERNEL) is None
    assert sysctl_keys.number("net.ipv4.tcp_congestion_control", "bbr", KERNEL) is None


@pytest.mark.parametrize(
    ("machine", "bits"),
    [("x86_64", 64), ("aarch64", 64), ("s390x", 64), ("ppc64le", 64), ("riscv64", 64), ("mips64", 64), (None, 64)]
    + [("i686", 32), ("armv7l", 32), ("armv8l", 32), ("ppc", 32), ("s390", 32), ("mips", 32), ("", 64)],
)
def test_the_word_is_the_kernels(machine, bits):
    assert sysctl_keys.word_size(machine) == bits


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (NR_OPEN, "a whole number from 64 to 2147483584"),
        (PORT_RANGE, "two ports from 1024 to 65535, white space between them, the first not above the last"),
        (RESERVED_PORTS, "ports from 0 to 65535 and ranges of them, separated by commas alone"),
        (RMEM, "3 numbers from 1 to 2147483647, white space between them"),
    ],
)
def test_what_is_allowed_is_said_in_words(key, words):
    assert sysctl_keys.allowed(key, KERNEL) == words
