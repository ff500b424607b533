# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of role tune that a host has: those that are misspelled, and whether they state a need. Pure."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import is_unset

#: The options of role tune.
OPTIONS = (
    "tune_address_pool",
    "tune_addresses",
    "tune_addresses_method",
    "tune_addresses_probe",
    "tune_addresses_provider",
    "tune_app_bytes",
    "tune_binding",
    "tune_churn",
    "tune_closes_first",
    "tune_container_engine",
    "tune_descriptors_per_connection",
    "tune_destinations",
    "tune_domains",
    "tune_fleet_target",
    "tune_fleet_weight",
    "tune_interface",
    "tune_logins",
    "tune_nofile_hard",
    "tune_nofile_soft",
    "tune_port_fill",
    "tune_port_range",
    "tune_processes",
    "tune_program",
    "tune_program_binds",
    "tune_program_ports",
    "tune_raises_nofile",
    "tune_reserve_listeners",
    "tune_reserved_ports",
    "tune_restart_units",
    "tune_reuse_address",
    "tune_slot",
    "tune_slot_size",
    "tune_state",
    "tune_sysctl_floors",
    "tune_sysctl_values",
    "tune_systemd_default",
    "tune_target_connections",
    "tune_units",
    "tune_users",
    "tune_weight",
)
_PREFIX = "tune_"
#: What the role itself leaves for who comes after it.
_RESULT = "tune_result"


def refuse_unknown(variables: t.Mapping[str, t.Any]) -> None:
    """Refuse a variable that begins like ours and is none; the message names the nearest one.

    variables: of a host
    raises: Refusal
    """
    for name in sorted(variables):
        if name.startswith(_PREFIX) and name not in (*OPTIONS, _RESULT):
            near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0)
            remedy = "Correct the spelling; another role's variable must not begin with %s." % _PREFIX
            raise Refusal(name, variables.get(name), "a variable of role tune, perhaps %s" % near[0], remedy)


def states_need(target: object, fleet_target: object, weight: object) -> bool:
    """Tell whether a host states how many connections it needs: its own number, or a part of the fleet's."""
    return not is_unset(target) or (not is_unset(fleet_target) and str(weight).strip() not in ("0", "0.0"))
