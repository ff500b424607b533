# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the session comes from in which this process runs: the machine that must still reach the host afterwards.

Two ways, because each knows what the other does not: the environment that sshd gave to the session, which tells
whatever the port is, and the established connections to port 22, which are there also where a service manager has
started the process (run0, machinectl shell) or its parents are gone (async).
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import socket_count
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.taken_addresses import plain

#: sshd(8), ENVIRONMENT: the client's address stands first in both.
_VARIABLES = ("SSH_CONNECTION=", "SSH_CLIENT=")
#: kernel.pid_max is at most as large, and a chain of parents is short; this ends a wrong one.
_MAX_PARENTS = 100
_SSH_PORT = 22


def peers(host: Host, pid: int, own: t.Container[str] = ()) -> t.List[t.Dict[str, str]]:
    """Return the clients of the sessions in which a process runs, as entries of taken_addresses.

    host: where it is no folder that stands for one, its established connections count as well
    pid:  the process; sudo(8) drops the variables, so its parents are asked up to the first

    own:  the addresses that the host holds: whoever comes from one of these is the host itself

    Those that may not be read are passed over.
    """
    found = {}
    for address in _from_environments(host, pid):
        found[address] = "the other end of the session that Ansible uses"
    if host.live:
        for address in socket_count.peers_of_port(_SSH_PORT):
            found.setdefault(address, "the other end of an SSH session to this host")
    return [{"address": address, "whose": whose} for address, whose in found.items() if address not in own]


def _from_environments(host: Host, pid: int) -> t.Iterator[str]:
    for _number in range(_MAX_PARENTS):
        for entry in _text(host, pid, "environ").split("\0"):
            if entry.startswith(_VARIABLES):
                # "UNKNOWN" where sshd has no socket for its input.
                words = entry.partition("=")[2].split()
                address = plain(words[0]) if words else None
                if address is not None:
                    yield address
        # The name of the program, in brackets, may hold anything; then come the state and the parent.
        words = _text(host, pid, "stat").rpartition(")")[2].split()
        pid = (decimal(words[1]) or 0) if len(words) > 1 else 0
        if pid == 0:
            return


def _text(host: Host, pid: int, name: str) -> str:
    try:
        return host.read("/proc/%d/%s" % (pid, name)) or ""
    except OSError:
        # Of another user, or gone meanwhile.
        return ""
