# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of ``ip -batch`` by which a host gets source addresses; the templates of role addresses have the same."""

from __future__ import annotations


def for_interface(verb: str, address: str, interface: str) -> str:
    """Return the line of ``ip -batch`` for an address with its length; ``verb``: add, replace or change.

    IPv4 has the scope host: the first address of an interface is otherwise what programs leave from by a route that
    names no source, and ours may come first (net/ipv4/devinet.c, inet_select_addr). IPv6 has the preferred lifetime 0
    for the same (RFC 6724, rule 3); duplicate address detection would keep an address from being used for a second.
    """
    how = "nodad preferred_lft 0" if ":" in address else "scope host"
    return "address %s %s dev %s %s" % (verb, address, interface, how)


def for_route(verb: str, prefix: str) -> str:
    """Return the line of ``ip -batch`` for a prefix that a route makes local; ``verb``: append or del.

    Appended, and never in the place of the route of an address, without which the host would be cut off. With another
    protocol than the kernel's, systemd-networkd 257 would remove it wherever a .network file matches lo
    (networkd-route.c, link_drop_foreign_routes).
    """
    return "route %s local %s dev lo proto kernel%s" % (verb, prefix, " table local" if verb == "del" else "")
