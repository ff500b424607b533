# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher of source addresses runs as its files say, also where a run was killed between any two of its steps."""

from __future__ import annotations

import os
import time
import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import drop_in, watcher
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_watch
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

if t.TYPE_CHECKING:
    from host_folder import HostFolder

BATCH = {"batch": owned.NETWORKMANAGER_BATCH}
LINK = "/run/systemd/units/invocation:fourtuple-watch.service"


class Killed(BaseException):
    pass


class Systemd:
    """What systemctl makes of the units in a folder. It kills its caller before or behind a step, if told to."""

    def __init__(self, host: HostFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = host
        self.programs = Programs(lambda name: "/bin/" + name, self.run)
        self.loaded = self.broken = False
        #: The text that it was started with.
        self.running: str | None = None
        self.words: list[str] = []
        self.steps, self.killed_at = 0, 0
        for name in ("replace_text", "remove_path"):
            monkeypatch.setattr(drop_in, name, self.step(getattr(drop_in, name)))
        monkeypatch.setattr(os, "rmdir", self.step(os.rmdir))

    def step(self, do: t.Callable[..., None]) -> t.Callable[..., None]:
        def step(*given: t.Any) -> None:
            self.steps += 1
            if self.steps == self.killed_at:
                raise Killed
            do(*given)

        return step

    def run(self, words: t.Sequence[str], _data: str | None) -> tuple[int, str, str]:
        self.words.append(" ".join(words[1:]))
        self.step(lambda: None)()
        if words[1] == "daemon-reload":
            self.loaded = self.host.exists(owned.WATCH_UNIT)
            return 0, "", ""
        assert words[2] == "fourtuple-watch.service"
        if not self.loaded:
            return 5, "", "Unit fourtuple-watch.service not loaded."
        self.stop()
        if words[1] == "restart":
            if self.broken:
                return 1, "", "Job for fourtuple-watch.service failed.\n"
            self.running = self.host.text(owned.WATCH_SCRIPT)
            self.host.below(LINK).symlink_to("an-id")
        self.step(lambda: None)()
        return 0, "", ""

    def stop(self) -> None:
        """As somebody may do."""
        self.running = None
        self.host.below(LINK).unlink(missing_ok=True)


@pytest.fixture
def systemd(host: HostFolder, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    for path in ("/etc/hosts", "/run/systemd/system/.keep"):
        host.put(path, "")
    host.put("/run/systemd/units/.keep", "")
    return Systemd(host, monkeypatch)


def present(systemd: Systemd, version: str = "1") -> bool:
    """Do what a run does; tell whether something was due."""
    changed = False
    for path in address_watch.find(systemd.host.look(), BATCH).values():
        text = "%s\n# %s\n" % (owned.OWNER_MARK, version)
        changed |= write(systemd, path, text)
    return changed


def absent(systemd: Systemd) -> bool:
    changed = [write(systemd, path, None) for path in address_watch.own_files(systemd.host.look())]
    return any(changed)


def write(systemd: Systemd, path: str, text: str | None) -> bool:
    host = systemd.host.look()
    change = drop_in.plan(host, path, text)
    if not drop_in.is_due(host, change):
        return False
    drop_in.carry_out(host, change, systemd.programs)
    return True


def killed_anywhere(systemd: Systemd, run: t.Callable[[], object], before: t.Callable[[], object]) -> t.Iterator[int]:
    """Yield once a run was killed, at each of its steps, from where ``before`` brings the host."""
    for number in range(1, 100):
        systemd.killed_at = 0
        before()
        # A file system may tell times apart by a tick of the kernel only.
        time.sleep(0.01)
        systemd.steps, systemd.killed_at = 0, number
        try:
            run()
        except Killed:
            systemd.killed_at = 0
            yield number
        else:
            assert number > 4
            return
    raise AssertionError


def test_is_started_with_its_last_file_and_stopped_with_its_first(systemd: Systemd) -> None:
    assert present(systemd)
    assert systemd.words == ["daemon-reload", "restart fourtuple-watch.service"]
    assert systemd.running is not None
    assert not present(systemd)
    assert systemd.words[2:] == []
    assert absent(systemd)
    assert systemd.running is None
    assert not systemd.loaded
    assert not absent(systemd)
    assert not systemd.host.exists("/etc/systemd/system/multi-user.target.d")


def test_is_started_again_where_somebody_stopped_it(systemd: Systemd) -> None:
    present(systemd)
    systemd.stop()
    assert present(systemd)
    assert systemd.running
    assert not present(systemd)


def test_a_killed_run_is_completed_by_the_next(systemd: Systemd) -> None:
    for number in killed_anywhere(systemd, lambda: present(systemd), lambda: absent(systemd)):
        present(systemd)
        assert systemd.running, number
        assert not present(systemd), number


def test_a_killed_upgrade_is_completed_by_the_next(systemd: Systemd) -> None:
    def old() -> None:
        absent(systemd)
        present(systemd, "old")

    for number in killed_anywhere(systemd, lambda: present(systemd), old):
        present(systemd)
        assert systemd.running == systemd.host.text(owned.WATCH_SCRIPT), number
        assert not present(systemd), number


def test_a_killed_removal_is_completed_by_the_next(systemd: Systemd) -> None:
    for number in killed_anywhere(systemd, lambda: absent(systemd), lambda: present(systemd)):
        absent(systemd)
        assert systemd.running is None, number
        assert not absent(systemd), number


def test_one_that_does_not_start_is_told_of_every_time(systemd: Systemd) -> None:
    systemd.broken = True
    for _again in range(2):
        with pytest.raises(ProgramFailed, match=r"Job for .* failed[.] `journalctl --unit fourtuple-watch[.]service`"):
            present(systemd)
    systemd.broken = False
    assert present(systemd)


def test_systemd_without_systemctl(systemd: Systemd) -> None:
    systemd.programs = Programs(lambda _name: None, systemd.run)
    with pytest.raises(ProgramFailed, match="systemctl is not installed"):
        present(systemd)


def test_where_systemd_is_too_old_to_say_it_is_not_started_every_time(systemd: Systemd) -> None:
    systemd.host.below("/run/systemd/units/.keep").unlink()
    present(systemd)
    systemd.host.below(LINK).unlink()
    systemd.host.below("/run/systemd/units").rmdir()
    assert not present(systemd)


def test_only_where_there_is_a_batch_and_systemd_starts_the_host(systemd: Systemd, host: HostFolder) -> None:
    assert list(address_watch.find(host.look(), BATCH)) == ["watch_script", "watch_unit", "watch_target"]
    assert address_watch.find(host.look(), {"networkd_drop_in": "x"}) == {}
    present(systemd)
    words = list(systemd.words)
    host.below("/run/systemd/system/.keep").unlink()
    host.below("/run/systemd/system").rmdir()
    assert address_watch.find(host.look(), BATCH) == {}
    # Files that an image has are removed without it.
    watcher.stop(host.look(), systemd.programs)
    absent(systemd)
    assert systemd.words == words
    assert address_watch.own_files(host.look()) == []


def test_somebody_elses_unit_of_that_name_is_refused(systemd: Systemd, host: HostFolder) -> None:
    host.put(owned.WATCH_UNIT, "[Service]\n")
    with pytest.raises(Exception, match=r"fourtuple-watch[.]service:1 is '\[Service\]'"):
        address_watch.find(host.look(), BATCH)
    assert address_watch.own_files(host.look()) == []


def test_the_interpreter_is_one_that_an_upgrade_leaves(host: HostFolder) -> None:
    assert os.access(address_watch.python(host.look()), os.X_OK)
    host.put("/usr/libexec/platform-python", "")
    assert address_watch.python(host.look()) == "/usr/libexec/platform-python"
    host.put("/usr/bin/python3", "")
    assert address_watch.python(host.look()) == "/usr/bin/python3"
