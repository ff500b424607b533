# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that other people's tools and advice have been at: what is said of them, who wins, and the way back.

Each hosts/NAME.json is a host in the format of tests/hosts; hosts/NAME.txt is all that a person gets to read of it,
word for word. --update-said writes the texts anew, for a person to read before they are kept.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import typing as t

import folder_host
import pytest
import recorded

HOSTS = pathlib.Path(__file__).parent / "hosts"
NAMES = sorted(path.stem for path in HOSTS.glob("*.json"))

ASKED = {"tune_target_connections": 20000, "tune_destinations": 4, "tune_binding": "bind_no_port"}
OUR_SYSCTL = "/etc/sysctl.d/99-zz-fourtuple.conf"
OUR_LIMITS = "/etc/security/limits.d/99-zz-fourtuple.conf"
RANGE = "net.ipv4.ip_local_port_range"

#: Directories that every such host has; a recording holds only those that were looked at.
_DIRECTORIES = ("etc/modules-load.d", "etc/sysctl.d", "etc/security/limits.d", "etc/systemd/system")


class Other:
    """One host, as a folder."""

    def __init__(self, name: str, path: pathlib.Path) -> None:
        self.recording = recorded.Recording(json.loads((HOSTS / (name + ".json")).read_text()))
        self.recording.materialise(path)
        for directory in _DIRECTORIES:
            (path / directory).mkdir(parents=True, exist_ok=True)
        self.path = path
        self.folder = folder_host.Folder(path, self.recording.content["observation"])
        self.asked = ASKED | {"tune_users": self.recording.content["request"]["users"]}

    def limits(self) -> dict[str, t.Any]:
        return self.recording.limits(self.path)

    def state(self) -> State:
        """Return everything that a run may change."""
        # The kernel shows a tab where a blank was written.
        keys = {path: " ".join(text.split()) for path, text in self.folder.files("/proc/sys").items()}
        return self.folder.files(), keys, {**self.folder.addresses}

    def check(self) -> dict[str, t.Any]:
        return self.folder.module("nofile_check", {}, False)

    def tune(self, **asked: t.Any) -> str:
        return self.folder.tune(self.asked | asked)

    def untune(self) -> str:
        return self.folder.untune({})


@pytest.fixture
def other(tmp_path: pathlib.Path) -> t.Callable[[str], Other]:
    return lambda name: Other(name, tmp_path / name)


State = tuple[dict[str, str], dict[str, str], dict[str, list[str]]]


@dataclasses.dataclass
class Story:
    """A host before a run of tune_clients.yml, after it, and after one of untune_clients.yml."""

    what: str
    before: State
    limits_before: dict[str, t.Any]
    check_before: dict[str, t.Any]
    outcome: str
    warnings: list[str]
    after: State
    limits_after: dict[str, t.Any]
    check_after: dict[str, t.Any]
    way_back: str
    in_the_end: State


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], Story]:
    """Tells each host's story once, for all tests that only read it."""

    @functools.cache
    def tell(name: str) -> Story:
        host = Other(name, tmp_path_factory.mktemp("foreign") / name)
        # As they are written: each is a moment, in this order.
        return Story(
            what=host.recording.content["what"],
            before=host.state(),
            limits_before=host.limits(),
            check_before=host.check(),
            outcome=host.tune(),
            # In check mode and in earnest modules say the same.
            warnings=list(dict.fromkeys(host.folder.warnings)),
            after=host.state(),
            limits_after=host.limits(),
            check_after=host.check(),
            way_back=host.untune(),
            in_the_end=host.state(),
        )

    return tell


# --- what is said ---


def _lines(found: t.Iterable[str]) -> str:
    return "".join("  %s\n" % line for text in found for line in text.split("\n")) or "  nothing\n"


def _overrides(limits: dict[str, t.Any]) -> list[str]:
    return ["%(key)s = %(value)s: %(file)s, %(who)s" % entry for entry in limits["overrides"]]


def _refused(limits: dict[str, t.Any]) -> list[str]:
    return ["%(key)s = %(value)s: %(file)s, %(why)s" % entry for entry in limits["refused"]]


def _drift(limits: dict[str, t.Any]) -> list[str]:
    return ["%(what)s: %(applied)s applied, %(found)s %(where)s, by %(by)s" % entry for entry in limits["drift"]]


def _subjects(limits: dict[str, t.Any]) -> list[str]:
    return [
        "%(name)s: soft %(soft)d, hard %(hard)d after a reboot, by %(by)s" % (entry | entry["after_boot"])
        + (" (%s)" % entry["note"] if entry["note"] else "")
        for entry in limits["nofile"]["subjects"]
    ]


def said(story: Story) -> str:
    parts = [
        ("The host", [story.what]),
        ("Whose lines beat ours, before a run", _overrides(story.limits_before)),
        *([("Lines that the kernel refuses", refused)] if (refused := _refused(story.limits_before)) else []),
        ("Who gets what", _subjects(story.limits_before)),
        ("nofile_check", [story.check_before.get("msg", "safe")]),
        ("tune_clients.yml", [story.outcome]),
        ("Its warnings", story.warnings),
        ("Whose lines beat ours, after it", _overrides(story.limits_after)),
        ("Who gets what then", _subjects(story.limits_after)),
        ("Drift", _drift(story.limits_after)),
        ("untune_clients.yml", [story.way_back]),
    ]
    return "".join("%s:\n%s" % (title, _lines(lines)) for title, lines in parts)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_person_gets_to_read(story: t.Callable[[str], Story], name: str, request: pytest.FixtureRequest) -> None:
    text = said(story(name))
    path = HOSTS / (name + ".txt")
    if request.config.getoption("--update-said"):
        path.write_text(text)
    assert text == path.read_text()


# --- who wins, and the way back ---

REFUSED = {
    "article-raised": "/etc/sysctl.d/zz-tuning.conf:3",
    "database": "/etc/security/limits.d/oracle-database-preinstall-19c.conf:1",
    "docker-ulimits": "/etc/docker/daemon.json:3",
    "rc-local": "/etc/rc.local:3",
}
#: The state of before would lock out: the file and line that has to change first.
NO_WAY_BACK = {"article": "/etc/sysctl.d/99-sysctl.conf:1", "containers": "/etc/sysctl.d/99-sysctl.conf:2"}
#: Somebody's line beats ours at the next reboot.
LOSES = {
    "cloud-image": "/etc/sysctl.d/99-zzz-local.conf:2",
    "kubernetes": "/etc/sysctl.d/k8s.conf:5",
    "tuned": "/etc/sysctl.conf:1",
    "tuned-last": "/etc/tuned/clients/tuned.conf:4",
    "ufw": "/etc/ufw/sysctl.conf:3",
    "ulimit": "/etc/profile:5",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_never_leaves_somebody_locked_out_and_the_way_back_is_exact(
    story: t.Callable[[str], Story], name: str
) -> None:
    told = story(name)
    if name in REFUSED:
        assert told.outcome.startswith("refused: ")
        assert REFUSED[name] in told.outcome
        assert told.after == told.before
        return
    assert told.outcome == "done"
    assert told.check_after["ok"]
    assert bool(told.limits_before["nofile"]["offenders"]) == (name in NO_WAY_BACK)
    assert {path: text for path, text in told.after[0].items() if path in told.before[0]} == told.before[0]
    if name in NO_WAY_BACK:
        assert NO_WAY_BACK[name] in told.way_back
        assert told.in_the_end == told.after
        return
    assert told.way_back == "done"
    assert told.in_the_end == told.before


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_way_out_of_a_refusal_is_one(other: t.Callable[[str], Other], name: str) -> None:
    host = other(name)
    path, _colon, number = REFUSED[name].rpartition(":")
    lines = host.folder.text(path).splitlines(keepends=True)
    assert host.tune().startswith("refused: ")
    # Removed, as the message says.
    host.folder.put(path, "".join(lines[: int(number) - 1] + lines[int(number) :]))
    assert host.tune() == "done"
    assert host.check()["ok"]


@pytest.mark.parametrize("name", sorted(NO_WAY_BACK))
def test_the_way_out_that_the_message_names_is_one(other: t.Callable[[str], Other], name: str) -> None:
    host = other(name)
    host.tune()
    assert host.untune().startswith("failed: ")
    # A boot makes the folder's link a file's text, as the recording has it.
    for path in ("/etc/sysctl.conf", "/etc/sysctl.d/99-sysctl.conf"):
        text = host.folder.text(path)
        host.folder.put(path, text.replace("210000", "1048576").replace("nr_open = 1000000", "nr_open = 1048576"))
    assert host.untune().startswith("done")
    assert not host.folder.exists("/var/lib/fourtuple/addresses.json")
    assert host.check()["ok"]


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(REFUSED)))
def test_who_beats_ours_is_named_with_file_and_line(story: t.Callable[[str], Story], name: str) -> None:
    warned = "\n".join(story(name).warnings)
    if name in LOSES:
        assert LOSES[name] in warned
    else:
        assert "beats" not in warned
        assert story(name).limits_after["overrides"] == []


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(REFUSED)))
def test_sessions_have_what_we_write_unless_somebodys_line_is_named(story: t.Callable[[str], Story], name: str) -> None:
    for subject in story(name).limits_after["nofile"]["subjects"]:
        if subject["kind"] == "user":
            assert subject["after_boot"]["hard"] >= 1048576
            # Others grant root no end there, which a line of ours would only lower.
            assert subject["by"].startswith(OUR_LIMITS) or name == "cloud-image", subject


def test_a_hardened_host_refuses_ipv6_addresses_and_says_which_key(other: t.Callable[[str], Other]) -> None:
    host = other("hardened")
    before = host.state()
    outcome = host.tune(tune_addresses=["2001:db8::7"])
    assert outcome == (
        "refused: tune_addresses[0] is '2001:db8::7'; allowed: IPv4 addresses on eth0. IPv6 is switched off there "
        "(/proc/sys/net/ipv6/conf/eth0/disable_ipv6): switch it on, or remove the address."
    )
    assert host.state() == before


def test_what_the_article_lowered_by_echo_is_what_a_boot_gives_once_more(other: t.Callable[[str], Other]) -> None:
    host = other("article")
    assert host.folder.live("fs.file-max") == "200000"
    host.tune()
    assert int(host.folder.live("fs.file-max")) == 2**63 - 1
    assert "fs.file-max = 9223372036854775807\n" in host.folder.text(OUR_SYSCTL)


def test_a_drop_in_beats_tuned_only_while_it_reapplies(other: t.Callable[[str], Other]) -> None:
    for name, winner in (("tuned", "/etc/sysctl.conf:1"), ("tuned-last", "/etc/tuned/clients/tuned.conf:4")):
        (entry,) = [entry for entry in other(name).limits()["overrides"] if entry["key"] == RANGE]
        assert entry["file"] == winner
