# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the outside of a container can set: a file to paste from for each host of a report, and a sentence."""

from __future__ import annotations

import textwrap
import typing as t

_WIDTH = 110


def files(report: t.Mapping[str, t.Any]) -> list[dict[str, str]]:
    """Return ``name`` and ``content`` of the files of a report, none for a host that is no container and has none."""
    found = [(host["host"], host["container"]) for host in report["hosts"] if host["container"]]
    return [{"name": file_name(host, one), "content": _content(host, one)} for host, one in found]


def file_name(host: str, container: t.Mapping[str, t.Any]) -> str:
    """Return the name of the file; of a host that is called by a path its slashes are no folders."""
    return "%s.container.%s.txt" % (host.replace("/", "_"), container["engine"])


def sentence(container: t.Mapping[str, t.Any]) -> str:
    """Return on one line what is to be set."""
    keys = ["%s = %s" % one for one in container["sysctls"].items()]
    return "%s is to give %s %s; the machine under it needs %s" % (
        container["engine"],
        "this container" if container["host"] else "the program's container",
        ", ".join([*keys, "nofile %(soft)s:%(hard)s" % container["nofile"]]),
        ", ".join("%s = %s" % one for one in container["machine"].items()),
    )


def _content(host: str, container: t.Mapping[str, t.Any]) -> str:
    whose = "the container" if container["host"] else "the container of the program on"
    said = "What %s is to give %s %s, from outside. Made by fourtuple.clients." % (container["engine"], whose, host)
    return _comment(said) + "".join(
        "\n%s%s%s" % (_comment(one["place"]), _comment(one["note"]), one["text"]) for one in container["texts"]
    )


def _comment(text: str) -> str:
    # A name with a line feed in it must not end the comment.
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"
