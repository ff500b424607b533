# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write or remove one of the collection's own files, if nobody is locked out by it.

Checking and writing are one step, made while nobody else of the collection makes one. So whatever runs at the
same time, in whatever order: each step leaves every hard nofile within the fs.nr_open that holds then.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import originals, watcher
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import address_watch
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    locked,
    remove_path,
    replace_text,
    unfinished,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import OWNER_MARK
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

_OF_ADDRESSES = (
    owned.IFUPDOWN_HOOK,
    owned.IFUPDOWN_BATCH,
    owned.ROUTES_UNIT,
    owned.ROUTES_TARGET,
    owned.ROUTES_HOOK,
    owned.NETWORKMANAGER_DISPATCHER,
    owned.NETWORKMANAGER_BATCH,
    owned.WATCH_SCRIPT,
    owned.WATCH_UNIT,
    owned.WATCH_TARGET,
)
_FILES = (
    owned.SYSCTL_DROP_IN,
    owned.MODULES_LOAD,
    owned.LIMITS_DROP_IN,
    owned.MANAGER_DROP_IN,
    *_OF_ADDRESSES,
)
#: Those that no limit and no fs.nr_open comes from, nor from a drop-in of systemd-networkd.
_LIMIT_NOTHING = (owned.MODULES_LOAD, *_OF_ADDRESSES)
#: Modes.
_FILE, _SCRIPT = 0o644, 0o755


class FileChange(t.NamedTuple):
    """A file's text before and after; None where there is no file."""

    path: str
    before: t.Optional[str]
    after: t.Optional[str]


def plan(host: Host, path: str, content: t.Optional[str]) -> FileChange:
    """Return the change that gives ``path`` the text ``content``, or removes it; refuse a file that is not ours.

    raises: Refusal
    """
    if not _is_ours(path, content is None):
        raise Refusal(
            "path",
            path,
            "one of %s, %s and %s"
            % (", ".join(_FILES), owned.unit_drop_in("UNIT"), owned.networkd_drop_in("NAME.network")),
            "Correct it.",
        )
    if content is not None and not owned.is_ours(content):
        raise Refusal(
            "content", content.split("\n", 1)[0], "a text that begins with %r" % OWNER_MARK, "Begin it with that line."
        )
    before = host.read(path)
    owned.refuse_foreign(path, before)
    return FileChange(path, before, content)


def _is_ours(path: str, gone: bool) -> bool:
    """Tell whether a path is one to write, or where it is to be ``gone``, one that an earlier release wrote."""
    unit = owned.unit_of(path)
    if path in _FILES or owned.is_networkd_drop_in(path):
        return True
    if gone:
        return path in owned.MANAGER_DROP_INS or unit is not None
    return unit is not None and path == owned.unit_drop_in(unit)


def is_due(host: Host, change: FileChange) -> bool:
    """Tell whether there is something to do: a file, or what a run that was killed has left of one."""
    left_over = os.path.lexists(host.place(unfinished(change.path))) or _is_empty_directory(host, change.path)
    if change.after is None:
        return change.before is not None or left_over
    if change.before != change.after or not _may_be_run(host, change):
        return True
    return change.path == owned.WATCH_TARGET and address_watch.is_behind(host)


def _may_be_run(host: Host, change: FileChange) -> bool:
    """Tell whether the file is one that its reader can use: run-parts(8) passes over a script without that mode."""
    return _mode(change.after or "") == _FILE or bool(os.stat(host.place(change.path)).st_mode & 0o100)


def _mode(text: str) -> int:
    return _SCRIPT if text.startswith("#!") else _FILE


def carry_out(host: Host, change: FileChange, programs: Programs) -> None:
    """Write or remove the file, if that is still safe.

    raises: as write()
    """
    with locked(host.root):
        write(host.again(), change, programs)


def write(host: Host, change: FileChange, programs: Programs) -> None:
    """Do the same for who holds the lock, and has looked at ``host`` since its last change.

    raises: Refusal where somebody would be locked out by it, ValueError for a broken record of originals, OSError,
        ProgramFailed where the watcher of source addresses cannot be started or stopped
    """
    _refuse_lockout(host, change)
    # Whatever cannot be read is told before the first change.
    back = originals.back(host) if change.path == owned.SYSCTL_DROP_IN else []
    watcher.before(host, change.path, change.after, programs)
    if change.after is not None:
        replace_text(host.root, change.path, change.after, _mode(change.after))
    else:
        _remove(host, change.path)
    watcher.behind(host, change.path, change.after, programs)
    if change.path == owned.SYSCTL_DROP_IN:
        originals.forget(host.again(), back)


def _refuse_lockout(host: Host, change: FileChange) -> None:
    """Refuse a change by which a configured limit comes to be above the nr_open of now, or of the next reboot."""
    if change.path in _LIMIT_NOTHING or owned.is_networkd_drop_in(change.path):
        return
    then = host.planning({change.path: change.after})
    now = hard_limits.nr_open_now(host)
    boot = hard_limits.nr_open_after_boot(then)
    before = hard_limits.offenders(hard_limits.find(host, live=False), now, hard_limits.nr_open_after_boot(host).value)
    for offender in hard_limits.offenders(hard_limits.find(then, live=False), now, boot.value):
        if offender not in before:
            raise offender.refusal(
                "Nothing was written to %s. Something has changed this host since this run checked it, another run "
                "perhaps: run again when it is done." % change.path
            )


def _remove(host: Host, path: str) -> None:
    """Remove the file; a drop-in directory of systemd that held nothing else goes with it."""
    remove_path(host.root, path)
    if _is_empty_directory(host.again(), path):
        os.rmdir(host.place(os.path.dirname(path)))


def _is_empty_directory(host: Host, path: str) -> bool:
    """Tell whether the file's directory is one of systemd's drop-ins, and empty: nobody reads anything there."""
    directory = os.path.dirname(path)
    of_systemd = (
        path in (*owned.MANAGER_DROP_INS, owned.ROUTES_TARGET, owned.WATCH_TARGET)
        or owned.unit_of(path) is not None
        or owned.is_networkd_drop_in(path)
    )
    place = host.place(directory)
    return of_systemd and os.path.isdir(place) and not os.path.islink(place) and not host.list(directory)
