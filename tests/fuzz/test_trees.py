# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose files are anything at all is read to its end: no error but those that a module shows, nothing waited
for, nothing opened outside of the folder that stands for the host."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
import typing as t

import pytest
from hosts import READERS, Watch, read_all
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import texts, within
from sample_host import FILES, SampleHost, encode

#: What stands outside, and must not be seen.
_CANARY = "canary-4711"

_watch = Watch()


class Place(t.NamedTuple):
    """What stands at a path instead of the file: bytes, or one of _THINGS."""

    path: str
    thing: str | bytes


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> SampleHost:
    return SampleHost(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder beside the host, with files of every name that is looked for."""
    folder = tmp_path_factory.mktemp("outside")
    for name in {os.path.basename(path) for path in FILES} | {"x.conf", "x.service", "fourtuple.conf"}:
        (folder / name).write_text("# Managed by fourtuple.clients %s\n* hard nofile 4711\n" % _CANARY)
    return folder


def _link(target: str) -> t.Callable[[pathlib.Path, pathlib.Path], None]:
    return lambda place, outside: place.symlink_to(target % {"outside": outside, "name": place.name})


def _sparse(place: pathlib.Path, _outside: pathlib.Path) -> None:
    with place.open("wb") as stream:
        stream.truncate(2**43)


def _unreadable(place: pathlib.Path, _outside: pathlib.Path) -> None:
    place.write_text("* hard nofile 5\n")
    place.chmod(0)


_THINGS: dict[str, t.Callable[[pathlib.Path, pathlib.Path], None]] = {
    "absent": lambda place, outside: None,
    "a directory": lambda place, outside: place.mkdir(),
    "a pipe": lambda place, outside: os.mkfifo(place),
    "a sparse file": _sparse,
    "unreadable": _unreadable,
    "a link outside": _link("%(outside)s/%(name)s"),
    "a link far above": _link("/.." * 30 + "/etc/passwd"),
    "a relative link far above": _link("../" * 60 + "etc/passwd"),
    "a link to a folder outside": _link("%(outside)s"),
    "a link to itself": _link("%(name)s"),
    "a link to nothing": _link("nothing"),
    "a link through nothing": _link("nothing/../../../%(name)s"),
    "a link to zeros": _link("/dev/zero"),
    "a link to null": _link("/dev/null"),
    "a link to its folder": _link("."),
    "a link to a long name": _link("a/" * 2000),
}

_PLACES = st.sampled_from(sorted(FILES)).flatmap(
    lambda path: st.builds(Place, st.just(path), texts(FILES[path]).map(encode) | st.sampled_from(sorted(_THINGS)))
)

#: Files more, in folders that are listed, under names that nobody chooses.
_LISTED = sorted(
    {os.path.dirname(path) for path in FILES if not path.startswith(("/proc/sys", "/sys/kernel"))}
    | {"/proc", "/run", "/run/systemd"}
)
_NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
_MORE = st.builds(
    lambda folder, name, suffix, text: Place(os.path.join(folder, os.fsdecode(name) + suffix), encode(text)),
    st.sampled_from(_LISTED),
    _NAMES
    | st.sampled_from(
        [b"99-zz\n", "\u0663".encode(), b"9" * 200, b"@", b".", b"-", b"a@b", b"container", b".containerenv"]
    ),
    st.sampled_from(["", ".conf", ".service", ".socket", ".service.d", ".network.d", ".yaml"]),
    texts(*(FILES[path] for path in ("/etc/sysctl.d/10-a.conf", "/usr/lib/systemd/system/ssh.service"))),
)


@contextlib.contextmanager
def _with(host: SampleHost, outside: pathlib.Path, places: t.Sequence[Place]) -> t.Iterator[None]:
    """Have the places on the host, and later what was there before."""
    done = []
    try:
        for path, thing in places:
            place = host.below(path)
            if path in done or (path not in FILES and os.path.lexists(place)):
                continue
            host.remove(path)
            done.append(path)
            if isinstance(thing, bytes):
                place.write_bytes(thing)
            else:
                _THINGS[thing](place, outside)
        yield
    finally:
        for path in done:
            host.remove(path)
            if path in FILES:
                host.put(path)


def _read(host: SampleHost) -> None:
    with within(120), _watch.over(host.root):
        for name, found in read_all(host.root):
            assert _CANARY not in repr(found), name


def test_sample_host_is_read_without_a_complaint(host: SampleHost) -> None:
    found = dict(read_all(host.root))
    # The record of the snapshot's own errors: nothing of the sample is wrong.
    assert found["snapshot"]["unread"] == []  # type: ignore[index]
    assert found.keys() == READERS.keys()


#: A host is read in three quarters of a second.
@settings(max_examples=settings().max_examples // 8)
@given(places=st.lists(_PLACES, min_size=1, max_size=5), more=st.lists(_MORE, max_size=2))
def test_any_files(host: SampleHost, outside: pathlib.Path, places: list[Place], more: list[Place]) -> None:
    with _with(host, outside, places + more):
        _read(host)


#: Nightly each file is looked at alone, and in every way.
_THOROUGH = settings().max_examples > 1000


@pytest.mark.parametrize("thing", _THINGS)
def test_each_file_as_something_else(host: SampleHost, outside: pathlib.Path, thing: str) -> None:
    """Some at a time, so that no file hides behind another that ends the reading."""
    paths = sorted(FILES)
    groups = len(paths) if _THOROUGH else 3
    for first in range(groups):
        with _with(host, outside, [Place(path, thing) for path in paths[first::groups]]):
            _read(host)


_TARGETS = ("%(outside)s", "/" + "../" * 40, ".", "%(name)s")


@pytest.mark.parametrize("target", _TARGETS)
def test_each_folder_as_a_link(host: SampleHost, outside: pathlib.Path, target: str) -> None:
    folders = sorted({os.path.dirname(path) for path in FILES})
    # Each second one, and each of these as one of the links.
    for folder in folders if _THOROUGH else folders[_TARGETS.index(target) :: 2 * len(_TARGETS)]:
        place = host.below(folder)
        kept = place.with_name(place.name + ".kept")
        place.rename(kept)
        try:
            place.symlink_to(target % {"outside": outside, "name": place.name})
            _read(host)
        finally:
            place.unlink()
            kept.rename(place)


#: Seconds of the processor that files of a hundred thousand characters more may take; see test_parsers.py.
_SOON = 10
_CHARACTERS = 100_000


@pytest.mark.parametrize("repeat", ["%(text)s\n", "%(last)s\n", "%(last)s", "%(last)s "])
def test_time_grows_with_the_files(host: SampleHost, repeat: str) -> None:
    paths = sorted(path for path in FILES if FILES[path] and not path.startswith("/proc/sys/"))
    groups = len(paths) if _THOROUGH else 9
    for group in (paths[first::groups] for first in range(groups)):
        seconds = _longer(host, group, repeat, _CHARACTERS)
        # On a busy machine the same work takes twice the time of the processor: then it is the growth that counts.
        # Four times the text takes four times as long at most; what looks at each line for each other, sixteen times.
        assert seconds < _SOON or seconds < 8 * _longer(host, group, repeat, _CHARACTERS // 4), group


def _longer(host: SampleHost, paths: list[str], repeat: str, characters: int) -> float:
    """Return how long a host takes to read of which some files are that much longer."""
    for path in paths:
        text = FILES[path]
        piece = repeat % {"text": text, "last": text.rstrip("\n").rsplit("\n", 1)[-1]}
        host.put(path, text + piece * (characters // len(piece)))
    try:
        return _seconds(host)
    finally:
        for path in paths:
            host.put(path)


def _seconds(host: SampleHost) -> float:
    begun = time.process_time()
    _read(host)
    return time.process_time() - begun


def test_time_grows_with_the_number_of_files(host: SampleHost) -> None:
    """Twenty times as many files: what looks at each for each other would take four hundred times as long."""
    folders = {
        "/etc/systemd/system": "unit%d.service",
        "/etc/sysctl.d": "unit%d.conf",
        "/etc/security/limits.d": "unit%d.conf",
        "/etc/network/interfaces.d": "unit%d",
    }
    taken = []
    for number in (20, 400):
        places = [host.below(folder) / (name % index) for folder, name in folders.items() for index in range(number)]
        for place in places:
            place.write_text("[Service]\nLimitNOFILE=5\n")
        taken.append(_seconds(host))
        for place in places:
            place.unlink()
    assert taken[1] < 60 * taken[0]
