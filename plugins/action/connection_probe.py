# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
import signal
import typing as t

from ansible.plugins.action import ActionBase

#: include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1


class ActionModule(ActionBase):
    """Runs the module, and ends with the play.

    The process that runs a task has a session of its own (ansible-core 2.19, executor/process/worker.py, _detach): when
    ansible-playbook is killed it goes on, with its ssh, and so would the probe at the other end. SIGTERM makes it end
    its ssh; then the module finds that nobody waits for it, and ends its connections. Only Linux has that signal;
    elsewhere a probe whose play was killed ends by its timeout and hold.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        end_with_the_play()
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        return {**result, **self._execute_module(task_vars=task_vars)}


def end_with_the_play() -> None:
    """Be sent SIGTERM when the process that forked this one ends (prctl(2))."""
    parent = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
