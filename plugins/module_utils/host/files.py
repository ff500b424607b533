# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a host's files below a root directory, and replacing our own without a torn state.

Every function takes the root directory that stands for the host, so that a folder of fixtures, a
chroot or a mounted image is read exactly as the running host is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

#: As the kernel's own limit on links in one look-up (path_resolution(7)).
_MAX_LINKS = 40

#: No file that is read here comes near it; a sparse file of terabytes must not take the host's memory.
_LARGEST_FILE = 64 << 20

_LOCKED = "/etc"
#: Seconds.
_LONGEST_WAIT = 60.0

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def below(root: str, path: str) -> str:
    """Return where the host's absolute ``path`` lies below ``root``."""
    return os.path.join(root, path.lstrip("/"))


def link(root: str, path: str) -> t.Optional[str]:
    """Return what the link at ``path`` names, or None where there is no link."""
    try:
        return os.readlink(below(root, path))
    except (OSError, ValueError):
        # ValueError: a path with a null byte, which no file has.
        return None


def resolve(root: str, path: str) -> t.Optional[str]:
    """Return the host's path that ``path`` leads to; None for a loop of links, or where a folder on the way is missing.

    An absolute link in a mounted image means the image's file, so the links are followed here
    and not by open(2), which would start again at the running host's root.
    """
    if "\0" in path:
        return None
    done: t.List[str] = []
    left = [part for part in path.split("/") if part][::-1]
    links = 0
    while left:
        part = left.pop()
        if part == ".":
            continue
        if part == "..":
            done = done[:-1]
            continue
        candidate = "/" + "/".join(done + [part])
        try:
            target = os.readlink(below(root, candidate))
        except OSError as error:
            if left and error.errno in (*_ABSENT, errno.ENAMETOOLONG):
                return None
            # EINVAL is for what is no link. Who may not look gets that said by what the path is for.
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            return None
        if target.startswith("/"):
            done = []
        left += [name for name in target.split("/") if name][::-1]
    return "/" + "/".join(done)


def located(root: str, path: str) -> t.Optional[str]:
    """Return where open(2) finds the host's ``path``, never outside ``root``; None where that cannot be.

    On the host itself the kernel follows the links.
    """
    real = path if root == "/" or os.path.realpath(root) == "/" else resolve(root, path)
    return None if real is None or "\0" in real else below(root, real)


def exists(root: str, path: str) -> bool:
    place = located(root, path)
    return place is not None and os.path.exists(place)


def is_directory(root: str, path: str) -> bool:
    place = located(root, path)
    return place is not None and os.path.isdir(place)


def open_text(root: str, path: str) -> t.Optional[t.TextIO]:
    """Return a file, open to be read as text, or None where there is no such file.

    Undecodable bytes survive as surrogates: a stray byte in somebody's comment is no reason to
    stop. Any error but absence is raised: an unreadable file is not an empty one.
    """
    place = located(root, path)
    if place is None:
        return None
    try:
        return open(place, encoding="utf-8", errors="surrogateescape", newline="", opener=_open)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _open(place: str, flags: int) -> int:
    # A pipe that nobody writes to would keep open(2) waiting.
    return os.open(place, flags | os.O_NONBLOCK | os.O_NOCTTY)


def read_text(root: str, path: str) -> t.Optional[str]:
    """Return a file's text as open_text() gives it, nothing for a device or pipe; None where there is no such file."""
    stream = open_text(root, path)
    if stream is None:
        return None
    with stream:
        status = os.fstat(stream.fileno())
        if status.st_size > _LARGEST_FILE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), stream.name)
        return stream.read() if stat.S_ISREG(status.st_mode) else ""


def list_directory(root: str, path: str) -> t.List[str]:
    """Return the sorted names in a directory; none where it does not exist."""
    place = located(root, path)
    try:
        return sorted(os.listdir(place)) if place is not None else []
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise


def replace_text(root: str, path: str, text: str, mode: int = 0o644) -> None:
    """Put ``text`` at ``path`` so that a reader, or a reboot, sees the old file or the new one.

    The new file and then its directory are synced before and after rename(2), which replaces
    atomically: without the first a power cut may leave an empty file under the final name.
    raises: OSError, which names ``path`` whatever failed
    """
    target = below(root, path)
    temporary = unfinished(target)
    try:
        _make_directory(os.path.dirname(target))
        try:
            with open(temporary, "w", encoding="utf-8", opener=_open_new) as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        _sync_directory(os.path.dirname(target))
    except OSError as error:
        # write(2), fsync(2) and their like know no name.
        raise OSError(error.errno, error.strerror, target) from error


def remove_path(root: str, path: str) -> None:
    """Remove a file, if it is there, and what a run that was killed left beside it; on return that survives a crash.

    raises: OSError, which names ``path``
    """
    target = below(root, path)
    _remove(unfinished(target))
    _remove(target)
    if os.path.isdir(os.path.dirname(target)):
        _sync_directory(os.path.dirname(target))


@contextlib.contextmanager
def locked(root: str) -> t.Iterator[None]:
    """Let one process at a time check the host and change it by what it saw.

    flock(2) on /etc itself: it leaves no file behind, and goes with the process however that ends.
    raises: TimeoutError where another process keeps it, which takes milliseconds unless it was stopped
    """
    handle = os.open(below(root, _LOCKED), os.O_RDONLY | os.O_DIRECTORY)
    try:
        end = time.monotonic() + _LONGEST_WAIT
        while not _lock(handle):
            if time.monotonic() > end:
                raise TimeoutError(errno.ETIMEDOUT, "another run of this collection holds this host", _LOCKED)
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # flock(2) knows no name.
        raise OSError(error.errno, error.strerror, _LOCKED) from error
    return True


def unfinished(path: str) -> str:
    """Return where the text of ``path`` is until it is complete.

    A name that is always the same: what a run that was killed leaves there, the next one overwrites or removes.
    """
    return os.path.join(os.path.dirname(path), ".%s.new" % os.path.basename(path))


def _open_new(place: str, flags: int) -> int:
    return os.open(place, flags | os.O_NOFOLLOW, 0o600)


def _make_directory(directory: str) -> None:
    """Make a directory, and what is missing above it; each is synced into the one above, as its files are into it."""
    if os.path.isdir(directory):
        return
    above = os.path.dirname(directory)
    _make_directory(above)
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        # Made meanwhile; or it is a file.
        if not os.path.isdir(directory):
            raise
    _sync_directory(above)


def _remove(place: str) -> None:
    try:
        os.unlink(place)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _sync_directory(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # fsync(2) knows no name.
        raise OSError(error.errno, error.strerror, directory) from error
    finally:
        os.close(handle)


def load_state(root: str, topic: str, directory: str = owned.STATE_DIRECTORY) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what an earlier run recorded about ``topic``, or None before the first run."""
    text = read_text(root, owned.state_path(topic, directory))
    if text is None:
        return None
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken_state(topic, str(error)) from None
    if not isinstance(state, dict):
        raise broken_state(topic, "no JSON object")
    return state


def broken_state(topic: str, why: str) -> ValueError:
    """Return the error of a record that nobody can go by: not what was written there."""
    return ValueError("%s is not the JSON that was written there: %s" % (owned.state_path(topic), why))


def save_state(root: str, topic: str, state: t.Mapping[str, t.Any], directory: str = owned.STATE_DIRECTORY) -> None:
    """Record ``state``; on return it survives a crash, so the change it describes may begin."""
    replace_text(
        root, owned.state_path(topic, directory), json.dumps(state, indent=2, sort_keys=True) + "\n", mode=0o600
    )


def drop_state(root: str, topic: str, directory: str = owned.STATE_DIRECTORY) -> None:
    """Forget ``topic``; the directory goes with the last one."""
    record = below(root, owned.state_path(topic, directory))
    _remove(unfinished(record))
    _remove(record)
    try:
        os.rmdir(os.path.dirname(record))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
