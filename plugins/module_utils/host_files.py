# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a host's files below a root directory, and replacing our own without a torn state.

Every function takes the root directory that stands for the host, so that a folder of fixtures, a
chroot or a mounted image is read exactly as the running host is.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import typing as t

#: The first line of every file that the collection owns on a host.
OWNER_MARK = "# Managed by fourtuple.clients"

STATE_DIRECTORY = "/var/lib/fourtuple"


def below(root: str, path: str) -> str:
    """Return where the host's absolute ``path`` lies below ``root``."""
    return os.path.join(root, path.lstrip("/"))


def read_text(root: str, path: str) -> t.Optional[str]:
    """Return a file's text, or None where there is no such file.

    Undecodable bytes survive as surrogates: a stray byte in somebody's comment is no reason to
    stop. Any error but absence is raised: an unreadable file is not an empty one.
    """
    try:
        with open(below(root, path), encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def list_directory(root: str, path: str) -> t.List[str]:
    """Return the sorted names in a directory; none where it does not exist."""
    try:
        return sorted(os.listdir(below(root, path)))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return []
        raise


def replace_text(root: str, path: str, text: str, mode: int = 0o644) -> None:
    """Put ``text`` at ``path`` so that a reader, or a reboot, sees the old file or the new one.

    The new file and then its directory are synced before and after rename(2), which replaces
    atomically: without the first a power cut may leave an empty file under the final name.
    """
    target = below(root, path)
    directory = os.path.dirname(target)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".fourtuple.", dir=directory)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.rename(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(directory)


def _sync_directory(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def state_path(topic: str) -> str:
    return "%s/%s.json" % (STATE_DIRECTORY, topic)


def load_state(root: str, topic: str) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what an earlier run recorded about ``topic``, or None before the first run."""
    text = read_text(root, state_path(topic))
    if text is None:
        return None
    try:
        state = json.loads(text)
    except ValueError as error:
        raise ValueError("%s is not the JSON that was written there: %s" % (state_path(topic), error)) from None
    if not isinstance(state, dict):
        raise ValueError("%s holds no JSON object" % state_path(topic))
    return state


def save_state(root: str, topic: str, state: t.Mapping[str, t.Any]) -> None:
    """Record ``state``; on return it survives a crash, so the change it describes may begin."""
    replace_text(root, state_path(topic), json.dumps(state, indent=2, sort_keys=True) + "\n", mode=0o600)


def drop_state(root: str, topic: str) -> None:
    """Forget ``topic``; the directory goes with the last one."""
    for remove, path in ((os.unlink, state_path(topic)), (os.rmdir, STATE_DIRECTORY)):
        try:
            remove(below(root, path))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
