# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have systemd start, restart and stop the watcher of source addresses, as its files come and go."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_watch
from ansible_collections.fourtuple.clients.plugins.module_utils.host import identity
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

#: systemctl's status for a unit that systemd has not read, and so does not run (systemctl(1), EXIT STATUS).
_NOT_LOADED = 5


def before(host: Host, path: str, text: object, programs: Programs) -> None:
    """Do what comes before a file is written, or without a ``text`` removed. raises: ProgramFailed"""
    if text is None and path in (owned.WATCH_TARGET, owned.WATCH_UNIT):
        stop(host, programs)


def behind(host: Host, path: str, text: object, programs: Programs) -> None:
    """Do what comes behind it. raises: ProgramFailed"""
    if text is None and path == owned.WATCH_UNIT:
        _systemctl(host, programs, "daemon-reload")
    elif text is not None and path == owned.WATCH_TARGET:
        _systemctl(host, programs, "daemon-reload")
        remedy = "`journalctl --unit %s` says why: fix that, and run again" % address_watch.UNIT
        _systemctl(host, programs, "restart", address_watch.UNIT, remedy=remedy)


def stop(host: Host, programs: Programs) -> None:
    """Stop it, so that it does not give back what is taken away; its files have it start again.

    raises: ProgramFailed
    """
    if host.exists(owned.WATCH_UNIT):
        _systemctl(host, programs, "stop", address_watch.UNIT, fine=(0, _NOT_LOADED))


def _systemctl(host: Host, programs: Programs, *words: str, fine: t.Tuple[int, ...] = (0,), remedy: str = "") -> None:
    if not identity.boots_with_systemd(host):
        return
    path = programs.find("systemctl")
    if path is None:
        raise ProgramFailed("the program systemctl is not installed on this host, although systemd has started it")
    status, stdout, stderr = programs.run([path, *words], None)
    if status not in fine:
        said = "`systemctl %s` failed: %s" % (" ".join(words), (stderr or stdout).strip().rstrip("."))
        raise ProgramFailed(". ".join(filter(None, (said, remedy))))
