# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel really tells is asked in tests/field/test_ports.py."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening, netlink

#: As Linux 6.18 sent it to root: a listener on 127.0.0.1:40000, without its attributes.
SOCKET = bytes.fromhex("020a00009c4000007f000001") + bytes(52) + b"\x05\0\0\0" + bytes(4)


def message(payload: bytes, kind: int = 20) -> bytes:
    return netlink.HEADER.pack(16 + len(payload), kind, 2, 1, 0) + payload


def test_a_socket_is_told_by_family_port_and_owner():
    reader = listening.Sockets()
    reader.feed(message(SOCKET) * 2 + message(b"\x0a" + SOCKET[1:]))
    assert reader.found == {(2, 40000, 5), (10, 40000, 5)}


@pytest.mark.parametrize("broken", [message(SOCKET[:-1]), message(SOCKET, 18), message(b"")])
def test_what_is_no_socket_is_refused(broken):
    with pytest.raises(netlink.NetlinkError):
        listening.Sockets().feed(broken)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EPERM, errno.EINVAL, None])
def test_where_the_kernel_does_not_answer_its_files_do(monkeypatch, number):
    def refuses(*_arguments):
        raise netlink.NetlinkError("no", number)

    monkeypatch.setattr(netlink, "dump", refuses)
    monkeypatch.setattr(listening.proc_net, "listeners", lambda root: {22, 8080, 40000})
    monkeypatch.setattr(listening.proc_net, "bound_udp", lambda root: {5353, 51820, 40001})
    monkeypatch.setattr(listening, "read_text", lambda root, path: "1024\t65535\n")
    tcp, udp = listening.Ports({22, 8080}, {40000}), listening.Ports({5353, 51820}, {40001})
    assert listening.observe("/") == listening.Listening(tcp, udp, False)


@pytest.mark.parametrize("text", [None, "", "many", "5 4"])
def test_a_range_that_cannot_be_read_is_the_kernels_own(text):
    assert listening.range_in_force(text) == (32768, 60999)
