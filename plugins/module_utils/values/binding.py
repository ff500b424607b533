# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding modes: how an application chooses its source address and port."""

from __future__ import annotations

#: The kernel chooses, by the route; bind(2) of an address, which takes a port; the same with IP_BIND_ADDRESS_NO_PORT
#: (ip(7)); bind(2) of the wildcard address; bind(2) of an address and a port of the program's own range.
AUTOBIND, BIND, BIND_NO_PORT, BIND_ANY, BIND_PORT = "autobind", "bind", "bind_no_port", "bind_any", "bind_port"
BINDINGS = (AUTOBIND, BIND, BIND_NO_PORT, BIND_ANY, BIND_PORT)

#: The route gives the source address, so a family has one, however many the host has.
BY_ROUTE = frozenset((AUTOBIND, BIND_ANY))
#: The port is taken before the destination is known (net/ipv4/inet_connection_sock.c, inet_csk_get_port).
TAKES_PORT = frozenset((BIND, BIND_ANY, BIND_PORT))
