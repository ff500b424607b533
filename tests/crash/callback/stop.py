# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill Ansible, and all that it started, once it has as many results of tasks as STOP_AFTER says."""

from __future__ import annotations

import os
import signal

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stop
type: aggregate
short_description: Kill Ansible after so many results of tasks
description: For tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._left = int(os.environ["STOP_AFTER"])

    def v2_runner_on_ok(self, result: object) -> None:
        """Count, and end the process group that the test has made for this run."""
        self._left -= 1
        if self._left == 0:
            os.killpg(0, signal.SIGKILL)
