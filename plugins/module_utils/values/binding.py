# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding modes: how an application chooses its source address."""

from __future__ import annotations

#: The kernel chooses, by the route; bind(2) of an address; the same with IP_BIND_ADDRESS_NO_PORT (ip(7)).
AUTOBIND, BIND, BIND_NO_PORT = "autobind", "bind", "bind_no_port"
BINDINGS = (AUTOBIND, BIND, BIND_NO_PORT)
