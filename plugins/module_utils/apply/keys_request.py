# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of sysctl keys, read before anything is planned."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, decimal, whole_number
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_keys import Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE, RESERVED_PORTS


class KeysRequest(t.NamedTuple):
    """What is asked for, as the options of sysctl_apply name it."""

    floors: t.Mapping[str, object]
    values: t.Mapping[str, object]
    reserved_ports: t.Sequence[object]
    reserve_listeners: bool
    names: Names = Names()


def read(request: KeysRequest, kernel: Kernel) -> t.Tuple[t.Dict[str, int], t.Dict[str, str]]:
    """Return the floors and the values asked for, by their keys; refuse what the kernel does not take."""
    floors = {key: _floor(request, key, value, kernel) for key, value in _named(request, "floors", request.floors)}
    values = {key: _value(request, key, value, kernel) for key, value in _named(request, "values", request.values)}
    _refuse_conflicts(request, floors, values)
    return floors, values


def _named(request: KeysRequest, option: str, given: t.Mapping[str, object]) -> t.Iterator[t.Tuple[str, object]]:
    for name, value in given.items():
        key = sysctl_keys.normalize(str(name).strip())
        place = request.names.of("%s[%s]" % (option, name))
        parts = key.split(".")
        if len(parts) < 2 or any(part in ("", "/", "//") or set(part) & set("*?[]= \t\n\0") for part in parts):
            raise Refusal(place, name, "one full key such as net.core.somaxconn", "Name each key, without globs.")
        if option == "values" and key == RESERVED_PORTS:
            raise Refusal(
                place,
                value,
                "no value here",
                "Name the ports in %s, which merges." % request.names.of("reserved_ports"),
            )
        yield key, value


def _floor(request: KeysRequest, key: str, value: object, kernel: Kernel) -> int:
    """A floor below the minimum is met by every value, and is never written."""
    place = request.names.of("floors[%s]" % key)
    if not sysctl_keys.holds_one_number(key):
        remedy = "Set it in %s." % request.names.of("values")
        raise Refusal(place, value, "a key that holds one number", remedy)
    _minimum, maximum = sysctl_keys.bounds(key, kernel) or (0, 2**kernel.word_size - 1)
    return whole_number(place, value, 0, maximum, "Write the minimum value of the key.")


def _value(request: KeysRequest, key: str, value: object, kernel: Kernel) -> str:
    place = request.names.of("values[%s]" % key)
    if isinstance(value, bool):
        raise Refusal(
            place, value, "a number or text", "YAML reads yes, no, on and off as booleans: write 1 or 0, or quote it."
        )
    if not isinstance(value, (int, str)) or not str(value).strip() or "\n" in str(value):
        raise Refusal(place, value, "a number or one line of text", "Write the value as /proc/sys takes it.")
    if key == PORT_RANGE:
        return "%d %d" % port_set.parse_range(place, value)
    taken = sysctl_keys.taken(key, str(value), kernel)
    if taken is None:
        raise Refusal(place, value, sysctl_keys.allowed(key, kernel), "The kernel refuses it: write one that it takes.")
    return taken


def _refuse_conflicts(request: KeysRequest, floors: t.Mapping[str, int], values: t.Mapping[str, str]) -> None:
    for key in sorted(set(floors) & set(values)):
        raise Refusal(
            request.names.of("values[%s]" % key),
            values[key],
            "a key in one of %s and %s" % (request.names.of("floors"), request.names.of("values")),
            "Remove it from one of them.",
        )


def check_port_range(host: Host, request: KeysRequest, values: t.Mapping[str, str]) -> t.List[str]:
    """Return the warnings about the local port range; refuse one that this host does not take."""
    if PORT_RANGE not in values:
        return []
    place = request.names.of("values[%s]" % PORT_RANGE)
    low, high = port_set.parse_range(place, values[PORT_RANGE])
    # net/ipv4/sysctl_net_ipv4.c, ipv4_local_port_range(): EINVAL below the first unprivileged port
    unprivileged = decimal(sysctl_d.live(host, "net.ipv4.ip_unprivileged_port_start") or "") or 0
    if low < unprivileged:
        raise Refusal(
            place,
            values[PORT_RANGE],
            "a range that begins at net.ipv4.ip_unprivileged_port_start, %d, or above" % unprivileged,
            "Begin the range at %d." % unprivileged,
        )
    if low % 2 == high % 2 and low != high:
        # net/ipv4/sysctl_net_ipv4.c, set_local_port_range(): "prefer different parity for start/end values"
        return [
            "%s: %d and %d have the same parity, so the kernel searches the two halves of the range unevenly; "
            "end it at %d" % (place, low, high, high - 1)
        ]
    return []
