# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the run as one JSON document at its end, as callbacks for other programs do."""

from __future__ import annotations

import json
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: json_lines
type: stdout
short_description: Print the results as JSON
description: For tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json_lines"

    def __init__(self) -> None:
        super().__init__()
        self._results: list[dict[str, t.Any]] = []

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Keep a result."""
        host, task = result._host.get_name(), result._task.get_name()
        self._results.append({"host": host, "task": task, "msg": result._result.get("msg")})

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Print what was kept."""
        self._display.display(json.dumps(self._results))
