# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nofile limits units have, by a running systemd: daemon-reload, then systemctl show."""

from __future__ import annotations

import glob
import os
import subprocess
import typing as t

from oracles import oracle

#: The units that are asked for.
UNITS = ("zq-a-b.service", "zq-a.service", "zq@1.service", "zq@2-x.service", "zqalias.service", "zq-s.socket") + (
    "zq-q@1.service",
    "zq-q@2.service",
    "user@1000.service",
    "zqalias@1.service",
    "zqalias@2.service",
)

_PROPERTIES = ("Id", "LoadState", "LimitNOFILESoft", "LimitNOFILE")

#: Units of the image that trees hold drop-ins for.
_BASE = ("/usr/lib/systemd/system/user@.service",)


def answer(_given: dict[str, t.Any]) -> oracle.Answers:
    """Return for each unit its state, and soft and hard limit where it is loaded; nothing for what is in error."""
    subprocess.run(["systemctl", "daemon-reload"], stdin=subprocess.DEVNULL, check=True)
    options = [word for name in _PROPERTIES for word in ("-p", name)]
    shown = subprocess.run(
        ["systemctl", "show", *options, *UNITS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip("\n").split("\n\n")]
    found: oracle.Answers = {}
    for unit, block in zip(UNITS, blocks, strict=True):
        state = block["LoadState"]
        if state == "loaded":
            found[unit] = [state, block["LimitNOFILESoft"], block["LimitNOFILE"]]
        elif state in ("masked", "not-found"):
            found[unit] = [state, None, None]
    return found


def _base() -> dict[str, str]:
    # The name of the library tells our code the version.
    found = dict.fromkeys(glob.glob("/usr/lib/**/libsystemd-shared-*.so", recursive=True), "")
    for path in _BASE:
        with open(path, encoding="latin-1", newline="") as stream:
            found[path] = stream.read()
    return found


if __name__ == "__main__":
    # What generators add takes the longest of a reload; here it would be nothing.
    os.makedirs("/run/systemd/system-generators", exist_ok=True)
    for path in glob.glob("/usr/lib/systemd/system-generators/*"):
        os.symlink("/dev/null", "/run/systemd/system-generators/" + os.path.basename(path))
    # Thousands of lines that are wrong on purpose need not go to the journal.
    subprocess.run(["systemctl", "log-level", "emerg"], check=True)
    if os.path.exists("/etc/systemd/system.conf"):
        os.unlink("/etc/systemd/system.conf")
    oracle.serve(_base(), answer)
