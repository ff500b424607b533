# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address with a port, as people write it and as socket(2) takes it."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number
from ansible_collections.fourtuple.clients.plugins.module_utils.values.taken_addresses import plain

Endpoint = t.Tuple[str, int]


def parse_endpoint(where: str, value: str) -> Endpoint:
    """Return (address, port) of ``192.0.2.1:7000`` or ``[2001:db8::1]:7000``."""
    allowed = "an address and a port, such as 192.0.2.1:7000 or [2001:db8::1]:7000"
    address, _colon, port = value.strip().rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        found = ipaddress.ip_address(address[1:-1] if bracketed else address)
        if "%" in address or bracketed != (found.version == 6):
            raise ValueError
    except ValueError:
        raise Refusal(where, value, allowed, "Write addresses, not names; those of IPv6 in brackets.") from None
    return str(found), whole_number(where, port, 1, port_set.HIGHEST_PORT, "Write %s." % allowed)


def address_of(entry: object) -> t.Optional[str]:
    """Return the address of ``192.0.2.1:7000`` or ``[2001:db8::1]:7000``, None for a name or anything else."""
    return plain(entry.rpartition(":")[0].strip().strip("[]")) if isinstance(entry, str) else None


def text_of(endpoint: Endpoint) -> str:
    return ("[%s]:%d" if ":" in endpoint[0] else "%s:%d") % endpoint
