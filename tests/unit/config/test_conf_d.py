# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a directory are read, and in which order."""

from __future__ import annotations

import pytest
from host_folder import HostFolder

from ansible_collections.fourtuple.clients.plugins.module_utils.config import conf_d


@pytest.fixture
def directories(host: HostFolder) -> list[str]:
    for path in ("a/20.conf", "a/.hidden.conf", "a/10.conf~", "a/readme", "b/10.conf", "b/20.conf", "b/Z.conf"):
        host.put("/" + path, "")
    return ["/a", "/b", "/none"]


def test_of_equal_names_the_first_directory_s_is_read(host: HostFolder, directories: list[str]) -> None:
    assert conf_d.in_order(host.look().list, directories) == ["/b/10.conf", "/a/20.conf", "/b/Z.conf"]


def test_hidden_files_are_read_by_some(host: HostFolder, directories: list[str]) -> None:
    assert conf_d.in_order(host.look().list, directories, hidden=True)[0] == "/a/.hidden.conf"


def test_another_suffix_or_none(host: HostFolder, directories: list[str]) -> None:
    assert conf_d.named(host.look().list, "/a", "") == ["/a/20.conf", "/a/readme"]
    assert conf_d.in_order(host.look().list, directories, "me") == ["/a/readme"]


def test_names_are_compared_by_their_bytes(host: HostFolder) -> None:
    for name in ("ü", "z", "A", "_"):
        host.put("/c/%s.conf" % name, "")
    assert conf_d.in_order(host.look().list, ["/c"]) == ["/c/A.conf", "/c/_.conf", "/c/z.conf", "/c/ü.conf"]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\r", "\0", "\r\n\0"])
def test_one_end_of_line_of_systemd(end: str) -> None:
    assert conf_d.END_OF_LINE.split("a%sb" % end) == ["a", "b"]


def test_two_ends_of_line_of_systemd() -> None:
    assert conf_d.END_OF_LINE.split("a\n\nb") == ["a", "", "b"]
