# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the outside of a container can set: a file to paste from for each host of a report, and a sentence."""

from __future__ import annotations

import textwrap
import typing as t

_WIDTH = 110


def of_host(host: t.Mapping[str, t.Any]) -> dict[str, t.Callable[[t.Mapping[str, t.Any]], str]]:
    """Return the file of one host, as files.py has it; none for a host that is no container and has none."""
    return {"container.%s.txt" % host["container"]["engine"]: _content} if host["container"] else {}


def sentence(container: t.Mapping[str, t.Any]) -> str:
    """Return on one line what is to be set."""
    keys = ["%s = %s" % one for one in container["sysctls"].items()]
    return "%s is to give %s %s; the machine under it needs %s" % (
        container["engine"],
        "this container" if container["host"] else "the program's container",
        ", ".join([*keys, "nofile %(soft)s:%(hard)s" % container["nofile"]]),
        ", ".join("%s = %s" % one for one in container["machine"].items()),
    )


def _content(host: t.Mapping[str, t.Any]) -> str:
    container = host["container"]
    whose = "the container" if container["host"] else "the container of the program on"
    said = "What %s is to give %s %s, from outside. Made by fourtuple.clients."
    return _comment(said % (container["engine"], whose, host["host"])) + "".join(
        "\n%s%s%s" % (_comment(one["place"]), _comment(one["note"]), one["text"]) for one in container["texts"]
    )


def _comment(text: str) -> str:
    # A name with a line feed in it must not end the comment.
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"
