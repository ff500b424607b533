# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is, value for value and file for file, what it was before the first run."""

from __future__ import annotations

import json
import pathlib
import subprocess

HOST_STATE = pathlib.Path(__file__).parents[1] / "host_state.py"


def test_host_is_as_before(container: str, untouched: dict[str, dict[str, object]]) -> None:
    read = ["podman", "exec", "--interactive", container, "python3", "-"]
    with HOST_STATE.open() as script:
        now = json.loads(subprocess.run(read, stdin=script, stdout=subprocess.PIPE, check=True).stdout)

    assert untouched["sysctl"], "the snapshot is empty"
    differences = [
        "%s %s: was %s, is %s" % (topic, name, untouched[topic].get(name, "absent"), now[topic].get(name, "absent"))
        for topic in untouched
        for name in sorted(untouched[topic].keys() | now[topic].keys())
        if untouched[topic].get(name) != now[topic].get(name)
    ]
    assert not differences, "\n".join(differences)
