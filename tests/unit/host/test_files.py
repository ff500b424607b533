# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import files
from ansible_collections.fourtuple.clients.plugins.module_utils.values import refusal


def test_absence_reads_as_none_and_nothing_else_does(host):
    assert files.read_text(host.root, "/no/such") is None
    host.put("/file", "x")
    assert files.read_text(host.root, "/file/below") is None
    with pytest.raises(IsADirectoryError):
        files.read_text(host.root, "/")
    assert files.list_directory(host.root, "/no") == []
    with pytest.raises(OSError, match="File name too long"):
        files.list_directory(host.root, "/" + "x" * 300)


def test_replace_leaves_one_whole_file(host):
    files.replace_text(host.root, "/etc/a", "one\n")
    files.replace_text(host.root, "/etc/a", "two\n", mode=0o600)
    assert host.text("/etc/a") == "two\n"
    assert stat.S_IMODE(os.stat(files.below(host.root, "/etc/a")).st_mode) == 0o600
    assert os.listdir(str(host.path / "etc")) == ["a"]


def test_a_failed_replace_keeps_the_old_file_and_leaves_no_other(host, monkeypatch):
    host.put("/etc/a", "old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace_text(host.root, "/etc/a", "new")
    assert host.text("/etc/a") == "old"
    assert os.listdir(str(host.path / "etc")) == ["a"]


def test_each_new_directory_is_synced_into_the_one_above(host, monkeypatch):
    synced = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: synced.append(os.readlink("/proc/self/fd/%d" % handle)))
    files.replace_text(host.root, "/etc/one/two/a", "new")
    place = str(host.path / "etc")
    assert synced[-4:] == [place, place + "/one", place + "/one/two/.a.new", place + "/one/two"]
    del synced[:]
    files.replace_text(host.root, "/etc/one/two/a", "newer")
    assert len(synced) == 2


@pytest.mark.parametrize("call", ["fchmod", "fsync", "rename", "open"])
def test_a_failed_replace_names_the_file_whatever_failed(host, monkeypatch, call):
    def failing(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, call, failing)
    with pytest.raises(OSError, match="No space") as caught:
        files.replace_text(host.root, "/etc/a", "new")
    assert caught.value.filename == files.below(host.root, "/etc/a")


def test_what_a_killed_run_left_unfinished_is_overwritten_or_goes_with_the_state(host):
    left = files.unfinished("/var/lib/fourtuple/sysctl.json")
    host.put(left, "{")
    files.save_state(host.root, "sysctl", {"a": 1})
    assert not host.exists(left)
    host.put(left, "{")
    files.drop_state(host.root, "sysctl")
    assert not host.exists("/var/lib/fourtuple")


def test_state_survives_and_goes(host):
    assert files.load_state(host.root, "sysctl") is None
    files.save_state(host.root, "sysctl", {"a": 1})
    files.save_state(host.root, "addresses", {"b": 2})
    assert files.load_state(host.root, "sysctl") == {"a": 1}
    files.drop_state(host.root, "sysctl")
    files.drop_state(host.root, "sysctl")
    assert files.load_state(host.root, "addresses") == {"b": 2}
    files.drop_state(host.root, "addresses")
    assert not host.exists("/var/lib/fourtuple")
    files.drop_state(host.root, "addresses")


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_damaged_state_is_an_error_that_names_the_file(host, text):
    host.put("/var/lib/fourtuple/sysctl.json", text)
    with pytest.raises(ValueError, match=r"/var/lib/fourtuple/sysctl.json"):
        files.load_state(host.root, "sysctl")


@pytest.mark.parametrize("value", [1, "1", " 12 ", 100])
def test_whole_numbers(value):
    assert refusal.whole_number("v", value, 1, 100, "Mend it.") == int(value)


@pytest.mark.parametrize("value", [0, 101, "x", "", None, 1.0, "1e3", "-1", "unlimited", [1]])
def test_other_values_are_refused_with_all_four_parts(value):
    with pytest.raises(refusal.Refusal) as caught:
        refusal.whole_number("v", value, 1, 100, "Mend it.")
    assert str(caught.value) == "v is %r; allowed: a whole number from 1 to 100. Mend it." % (value,)


def test_a_boolean_is_no_number():
    with pytest.raises(refusal.Refusal, match=r"v is True; .* YAML reads yes"):
        refusal.whole_number("v", True, 0, 100, "Mend it.")


@pytest.mark.parametrize("value", ["9" * 5000, "\x1c5x", "\u00b2", "\u0663", pytest.param(10**5000, id="huge")])
def test_what_int_does_not_take_is_refused_too(value):
    with pytest.raises(refusal.Refusal, match=r"^v is "):
        refusal.whole_number("v", value, 1, 100, "Mend it.")


@pytest.mark.parametrize(("text", "number"), [("0", 0), (str(2**128 - 1), 2**128 - 1), ("9" * 40, None), ("", None)])
def test_decimals(text, number):
    assert refusal.decimal(text) == number


def test_links_stay_below_the_root(host, tmp_path):
    (tmp_path / "outside").write_text("secret")
    host.put("/etc/inside", "text")
    for name, target in (("absolute", "/etc/inside"), ("above", "/../../etc/inside"), ("out", tmp_path / "outside")):
        (host.path / "etc" / name).symlink_to(target)
    assert files.read_text(host.root, "/etc/absolute") == "text"
    assert files.read_text(host.root, "/etc/above") == "text"
    assert files.read_text(host.root, "/etc/out") is None
    (host.path / "etc/folder").symlink_to(tmp_path)
    assert files.list_directory(host.root, "/etc/folder") == []
    assert not files.exists(host.root, "/etc/folder/outside")


@pytest.mark.parametrize("target", ["loop", "a/" * 2000, "missing/../inside"])
def test_links_that_lead_nowhere(host, target):
    host.put("/etc/inside", "text")
    (host.path / "etc/loop").symlink_to(target)
    assert files.resolve(host.root, "/etc/loop/more") is None
    assert files.read_text(host.root, "/etc/loop") is None


def test_a_pipe_and_a_device_are_empty_and_nobody_waits(host):
    (host.path / "etc").mkdir(parents=True)
    os.mkfifo(host.path / "etc/pipe")
    assert files.read_text(host.root, "/etc/pipe") == ""
    assert files.read_text("/", "/dev/zero") == ""


def test_a_file_of_terabytes_is_not_read(host):
    host.put("/etc/huge", "")
    os.truncate(host.path / "etc/huge", 2**43)
    with pytest.raises(OSError, match="too large"):
        files.read_text(host.root, "/etc/huge")


def test_a_record_nested_too_deep(host):
    host.put("/var/lib/fourtuple/sysctl.json", "[" * 100_000)
    with pytest.raises(ValueError, match="is not the JSON that was written there"):
        files.load_state(host.root, "sysctl")
