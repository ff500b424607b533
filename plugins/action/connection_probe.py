# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import ctypes
import json
import os
import shlex
import signal
import threading
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

#: include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1

#: Seconds between two lines about a host; with more hosts than this each has one in so many seconds as there are hosts.
_INTERVAL = 5


class ActionModule(ActionBase):
    """Runs the module, shows how far it is, and ends with the play.

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
        variables = task_vars or {}
        path = self._task.args.get("progress")
        over = threading.Event()
        if path and not self._task.check_mode and not self._task.async_val:
            interval = max(_INTERVAL, len(variables.get("ansible_play_hosts", ())))
            host = variables.get("inventory_hostname", "")
            # A connection's object is for one command at a time, so the watcher has its own.
            watched = (copy.copy(self._connection), str(path), str(host), interval, over)
            threading.Thread(target=watch, args=watched, daemon=True).start()
        try:
            return {**result, **self._execute_module(task_vars=task_vars)}
        finally:
            over.set()


def watch(connection: t.Any, path: str, host: str, interval: float, over: threading.Event) -> None:
    """Show a line of the file that a probe writes every so many seconds, until ``over`` is set."""
    while not over.wait(interval):
        try:
            status, output, _errors = connection.exec_command(
                "cat %s" % shlex.quote(path), in_data=None, sudoable=False
            )
            text = line(host, json.loads(output)) if status == 0 else ""
        except (AnsibleError, OSError, ValueError, KeyError, TypeError):
            # What cannot be shown is no reason to stop a probe.
            return
        if text and not over.is_set():
            Display().display(text)


def line(host: str, progress: t.Mapping[str, t.Any]) -> str:
    """Return what a probe says of itself as one line for people."""
    said = "%s: %s, %s of %s established, %s per second" % (
        host,
        progress["phase"],
        format(progress["established"], ","),
        format(progress["target"], ","),
        format(progress["per_second"], ","),
    )
    if progress["memory_left"] is not None:
        said += ", %.1f GB of memory left" % (progress["memory_left"] / 1e9)
    return "%s, %d s left" % (said, progress["seconds_left"])


def end_with_the_play() -> None:
    """Be sent SIGTERM when the process that forked this one ends (prctl(2))."""
    parent = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
