# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first moments of a worker: what it has from its parent it lets go, and becomes whom it connects as."""

from __future__ import annotations

import os
import pwd
import resource
import socket
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import forked
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import worker_process
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.request import ProbeRequest


def be_worker(parent: int, channel: socket.socket, request: ProbeRequest, nofile: int, ends: float) -> t.NoReturn:
    """Be a worker, from its first moment to its last."""
    try:
        forked.let_go(keep=(channel.fileno(),))
        forked.name("fourtuple-probe")
        # Not their parent, which has to tell.
        forked.be_killed_first()
        if request.user is not None:
            _become(request.user, nofile)
        if forked.die_with(parent):
            worker_process.Connector(channel, request.binding, ends, request.reuse_address).run()
    finally:
        os._exit(1)


def _become(user: str, nofile: int) -> None:
    """Be a process of this user, with the nofile that his sessions have."""
    entry = pwd.getpwnam(user)
    resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
