# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe came to, in words: errors beside a target that was reached would else look like a failure."""

from __future__ import annotations

import errno
import os
import typing as t

_NO_PORT = "no port was left to try there"
_DESTINATION = "the destination, or something on the way, %s"

#: errno of an attempt to connect -> what it means; of any other, what strerror(3) says.
_MEANINGS = {
    errno.EADDRNOTAVAIL: _NO_PORT,
    errno.EADDRINUSE: _NO_PORT,
    errno.EMFILE: "a process was at its nofile",
    errno.ENFILE: "the host was at fs.file-max",
    errno.ENOMEM: "the kernel had no memory left",
    errno.ENOBUFS: "the kernel had no memory left",
    errno.ECONNREFUSED: _DESTINATION % "refused",
    errno.ECONNRESET: _DESTINATION % "closed it",
    errno.ETIMEDOUT: _DESTINATION % "did not answer in time",
    errno.EHOSTUNREACH: "there was no way to the destination",
    errno.ENETUNREACH: "there was no way to the destination",
}


def by_name(errors: t.Mapping[int, int]) -> t.Dict[str, int]:
    """Return errors by their names in errno(3)."""
    return {_name(number): times for number, times in sorted(errors.items())}


def message(
    found: t.Mapping[str, t.Any], target: int, connecting: t.Mapping[int, int], asking: t.Mapping[int, int]
) -> str:
    """Return what a probe says of itself.

    found: its figures
    connecting, asking: errno -> how often it was met by an attempt to connect, and by a connection that had to answer
    """
    text = "%d of %d connections are established" % (found["established"], target)
    if found["opened"] != found["established"]:
        text += ", %d were opened" % found["opened"]
    said = [text + ("; %s ended it." % found["first_limit"] if found["first_limit"] else ".")]
    if connecting:
        made_good = "" if found["first_limit"] else ", and others took their place"
        said.append("Attempts failed%s: %s." % (made_good, _listed(connecting)))
    if found["alive"] != found["sampled"]:
        met = ", ".join("%s %s" % (_name(number), _times(times)) for number, times in sorted(asking.items()))
        text = "%d of %d connections answered" % (found["alive"], found["sampled"])
        said.append(text + ("; the others met %s." % met if met else "."))
    return " ".join(said)


def _listed(errors: t.Mapping[int, int]) -> str:
    return ", ".join(
        "%s %s (%s)" % (_name(number), _times(times), _MEANINGS.get(number) or os.strerror(number))
        for number, times in sorted(errors.items())
    )


def _name(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def _times(times: int) -> str:
    return "once" if times == 1 else "%d times" % times
