# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run that goes through a fleet in batches goes on, and which hosts it tries once more.

Ansible's own max_fail_percentage does not see a host that fails in a block with an ``always`` section, which the report
needs: it counts a failure only when nothing of the host's play is left to do (strategy/__init__.py,
_process_pending_results), and looks only when a result arrives (strategy/linear.py, run).
"""

from __future__ import annotations

import typing as t

#: States of tune_result that count as failures; one that cannot be reached is none. ``planned``: nothing came after it.
_FAILURES = ("failed", "refused", "planned")

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]


def too_many_failed(hostvars: Hostvars, batch: t.Sequence[str], maximum: float) -> bool:
    """Tell whether more of a batch of hosts has failed than ``maximum`` per cent, as max_fail_percentage counts."""
    failed = sum(_state(hostvars[host]) in _FAILURES for host in batch)
    return 100 * failed > float(maximum) * len(batch)


def unreachable_hosts(hostvars: Hostvars, hosts: t.Iterable[str]) -> list[str]:
    """Return those of the inventory's hosts that the run could not reach; none where it stopped before its end.

    Each host knows the hosts of the run, as the fact __tune_hosts; those to which a run has come have a state.
    """
    lost = [host for host in hosts if _state(hostvars[host]) == "unreachable"]
    run = hostvars[lost[0]].get("__tune_hosts") or () if lost else ()
    return lost if all(_state(hostvars[host]) for host in run) else []


def _state(variables: t.Mapping[str, t.Any]) -> str:
    return str((variables.get("tune_result") or {}).get("state") or "")
