# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that the tables of proc_pid_net(5) show, for a host where sock_diag(7) cannot be asked."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import open_text

#: include/net/tcp_states.h; an unconnected socket of UDP is in TCP_CLOSE.
_LISTEN, _CLOSE = "0A", "07"


#: A socket as /proc/net/tcp, udp and the like print it: its port and its state; no line is as long.
_SOCKET = re.compile(r"\s*[0-9]+: [0-9A-F]{8,32}:([0-9A-F]{4}) [0-9A-F]{8,32}:[0-9A-F]{4} ([0-9A-F]{2})\s")


_LONGEST_LINE = 512


def listeners(root: str) -> t.Set[int]:
    """Return the TCP ports that listen in this network namespace, on any address and either family.

    The kernel lists the listening sockets first (net/ipv4/tcp_ipv4.c, tcp_seq_start), so reading
    stops at the first other one: a million connections cost nothing here.
    """
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for port, state in _sockets(root, table):
            if state != _LISTEN:
                break
            ports.add(port)
    return ports


def bound_udp(root: str) -> t.Set[int]:
    """Return the UDP ports that unconnected sockets of this network namespace are bound to, of either family."""
    tables = ("/proc/net/udp", "/proc/net/udp6")
    return {port for table in tables for port, state in _sockets(root, table) if state == _CLOSE and port}


def _sockets(root: str, table: str) -> t.Iterator[t.Tuple[int, str]]:
    """Yield port and state of each line up to the first that is no socket (proc_pid_net(5))."""
    stream = open_text(root, table)
    if stream is None:
        return
    with stream:
        stream.readline(_LONGEST_LINE)
        found = _SOCKET.match(stream.readline(_LONGEST_LINE))
        while found is not None:
            yield int(found.group(1), 16), found.group(2)
            found = _SOCKET.match(stream.readline(_LONGEST_LINE))
