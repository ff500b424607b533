# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys

import pytest
from namespaces import needs_root
from sink_host import inside

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink, tcp_sockets


@pytest.fixture
def theirs():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_who_listens(theirs):
    endpoint = theirs.getsockname()
    (found,) = tcp_sockets.holders(endpoint)
    inode = os.fstat(theirs.fileno()).st_ino
    address = ipaddress.ip_address("127.0.0.1")
    assert found == tcp_sockets.Socket(tcp_sockets.LISTEN, address, endpoint[1], inode, os.getuid(), False)
    assert tcp_sockets.said(found).endswith("(pid %d) listens on 127.0.0.1:%d" % (os.getpid(), endpoint[1]))
    assert tcp_sockets.owner(inode)[1] == os.getpid()
    theirs.close()
    assert tcp_sockets.holders(endpoint) == []
    assert tcp_sockets.owner(inode) is None
    gone = "a process of user %d that cannot be seen from here listens on" % os.getuid()
    assert tcp_sockets.said(found).startswith(gone)


def test_who_has_a_port_without_listening(theirs):
    with socket.create_connection(theirs.getsockname()) as near:
        (found,) = tcp_sockets.holders(near.getsockname())
        assert "has a socket on 127.0.0.1:%d" % near.getsockname()[1] in tcp_sockets.said(found)
    assert tcp_sockets.said(found._replace(inode=0)).startswith("a connection that is being closed has 127.0.0.1:")


def test_a_process_that_ends_meanwhile_has_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not tcp_sockets._has(ended.pid, "socket:[1]")


def test_a_kernel_without_sock_diag(monkeypatch, theirs):
    def dump(*_):
        raise netlink.NetlinkError("no such protocol", 93)

    monkeypatch.setattr(tcp_sockets.netlink, "dump", dump)
    assert tcp_sockets.listening() is None
    assert tcp_sockets.holders(theirs.getsockname()) == []


def test_a_message_that_is_no_socket():
    with pytest.raises(netlink.NetlinkError, match="a message of type 18 and 4 bytes is no socket"):
        tcp_sockets.Sockets().take(18, b"1234", 0, 4)


@needs_root
def test_what_is_in_the_way_is_what_the_kernel_says():
    """Every kind of listener beside every address that a sink may want, on one port: compared with bind(2)."""
    inside(r"""
import itertools
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import accept
from ansible_collections.fourtuple.clients.plugins.module_utils.host import tcp_sockets
REUSE, SHARE = (socket.SOL_SOCKET, socket.SO_REUSEADDR), (socket.SOL_SOCKET, socket.SO_REUSEPORT)
addresses = ["0.0.0.0", "127.0.0.1", "10.0.0.1", "::", "::1", "2001:db8::1", "::ffff:10.0.0.1"]
compared = set()
for theirs, alone, reuse, share in itertools.product(addresses, (0, 1), (0, 1), (0, 1)):
    options = [(*REUSE, reuse), (*SHARE, share)]
    if ":" in theirs:
        options.append((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, alone and "ffff" not in theirs))
    held = server(theirs, 7000, *options)
    for ours in addresses[:-1]:
        try:
            accept.bound((ours, 7000)).close()
            free = True
        except OSError as error:
            assert error.errno == 98, error
            free = False
        said = [tcp_sockets.in_the_way((ours, 7000), one) for one in tcp_sockets.listening()]
        assert said == [not free], (theirs, alone, ours, said, free)
        compared.add((theirs, alone, ours, free))
    held.close()
assert len(compared) == len(addresses) * 2 * (len(addresses) - 1)
""")
