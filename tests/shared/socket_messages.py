# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of sock_diag(7) as a kernel sent them."""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.module_utils.host import netlink

#: As Linux 6.18 sent them to root: an established socket of 127.1.30.1, with SHUTDOWN, MARK, CGROUP_ID and SOCKOPT.
RECORDED_ESTABLISHED = bytes.fromhex(
    "7c0000001200020001000000f02e000002010000804e1b757f011e040000000000000000000000007f000001000000000000000000000000"
    "000000000190010000000000000000000000000000000000"
    "00000000d475aa00050008000000000008000f00000000000c00150001000000000000000600160052010000"
)
DONE = netlink.HEADER.pack(20, netlink.NLMSG_DONE, 2, 1, 0) + bytes(4)
