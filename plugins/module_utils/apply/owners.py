# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which role keeps a part of a host: the keys, the limits or the addresses.

Two that keep the same part would take each other's settings away on every run. The first line of a file says who wrote
it; files of release 0.1.0 do not, and whoever comes first takes them over.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    address_record,
    address_watch,
    boot_routes,
    network_providers,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: The parts of a host, each the name of the role that keeps it alone.
SYSCTL, LIMITS, ADDRESSES = "sysctl", "limits", "addresses"
#: The role that keeps whatever it is asked for.
TUNE = "tune"

_WHAT = {SYSCTL: "sysctl keys", LIMITS: "limits", ADDRESSES: "source addresses"}
#: How role tune is asked for what each of the roles does.
_OF_TUNE = {
    SYSCTL: "tune_sysctl_floors, tune_sysctl_values and tune_reserved_ports",
    LIMITS: "tune_nofile_soft, tune_nofile_hard, tune_domains and tune_units",
    ADDRESSES: "tune_addresses, or tune_address_pool",
}


def files_of(host: Host, part: str) -> t.List[str]:
    """Return the files of ours that a part of the host has."""
    if part == SYSCTL:
        return [path for path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD) if host.exists(path)]
    return (
        hard_limits.own_files(host)
        if part == LIMITS
        else boot_routes.own_files(host) + address_watch.own_files(host) + network_providers.own_files(host)
    )


def owner(host: Host, part: str) -> t.Optional[t.Tuple[str, str]]:
    """Return the role that keeps a part of the host, and the place that says so; None where none is known to."""
    for path in files_of(host, part):
        role = owned.role_of(host.read(path) or "")
        if role is not None:
            return role, path + ":1"
    # Without a provider that keeps addresses, there is only the record.
    role = address_record.recorded_role(host) if part == ADDRESSES else None
    return None if role is None else (role, owned.state_path(ADDRESSES))


def refuse_other(host: Host, part: str, role: t.Optional[str]) -> None:
    """Refuse a part that another role keeps; without a ``role`` nothing is refused.

    raises: Refusal
    """
    found = owner(host, part)
    if found is None or role is None or found[0] == role:
        return
    allowed = (
        "a host whose %s no other role keeps: each would take away what the other sets, on every run" % _WHAT[part]
    )
    if role == TUNE:
        remedy = "Ask role tune for them (%s), and run role %s once with %s_state: absent; or leave them to it." % (
            _OF_TUNE[part],
            found[0],
            found[0],
        )
    else:
        remedy = "Ask role tune for them (%s), and leave role %s out." % (_OF_TUNE[part], role)
    raise Refusal(found[1], "of role %s" % found[0], allowed, remedy)
