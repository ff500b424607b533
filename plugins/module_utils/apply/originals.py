# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that sysctl keys had before the first run: recorded, put back, and forgotten."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.key_plan import (
    ABSENT,
    ALREADY,
    APPLIED,
    FOREIGN,
    IN_FORCE,
    RESTORED,
    KeyPlan,
    same,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    broken_state,
    drop_state,
    load_state,
    save_state,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.owned import RUN_DIRECTORY, STATE_DIRECTORY
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import RESERVED_PORTS

_TOPIC = "sysctl"


def plan_undo(host: Host) -> t.List[KeyPlan]:
    """Plan the way back of every recorded key, in reverse: the range narrows before its ports are freed."""
    keys = []
    for key, record in sorted(records(host).items(), key=lambda item: -int(item[1]["order"])):
        now = sysctl_d.live(host, key)
        before = str(record["before"])
        plan = KeyPlan(key, str(record["kind"]), before, now, RESTORED, before, None)
        if now is None:
            plan = plan._replace(outcome=ABSENT, target=None, why="the key is gone")
        elif key == RESERVED_PORTS:
            ours = port_set.parse_kernel_list(",".join(record["ours"])) - port_set.parse_kernel_list(before)
            rest = port_set.format_kernel_list(port_set.parse_kernel_list(now) - ours)
            plan = plan._replace(wanted=rest, target=rest)
            if same(key, now, rest):
                plan = plan._replace(outcome=ALREADY, target=None)
        elif same(key, now, before):
            plan = plan._replace(outcome=ALREADY, target=None)
        elif now not in record["ours"]:
            plan = plan._replace(outcome=FOREIGN, target=None, why="changed by someone else since; left as it is")
        elif key == hard_limits.NR_OPEN:
            above = hard_limits.limits_above(host, decimal(before) or 0)
            users = [offender.limit for offender in above if offender.when == hard_limits.NOW]
            if users and now == str(hard_limits.nr_open_after_boot(host.planning(sysctl_d.drop_in({}))).value):
                # As after a reboot, or where somebody has restored the value of before: there is nothing to wait for.
                plan = plan._replace(outcome=ALREADY, target=None, why="a boot gives it without us, and it is in use")
            elif users:
                why = "in use until the next reboot, which restores it (%s)" % users[0].text
                plan = plan._replace(outcome=IN_FORCE, target=None, why=why)
        keys.append(plan)
    return keys


def records(host: Host) -> t.Dict[str, t.Dict[str, t.Any]]:
    """Return what earlier runs recorded of each key. raises: ValueError for a record that is not ours"""
    state = {**(load_state(host.root, _TOPIC, RUN_DIRECTORY) or {}), **(load_state(host.root, _TOPIC) or {})}
    for key, record in state.items():
        if not isinstance(record, dict) or not (
            isinstance(record.get("before"), (str, type(None)))
            and isinstance(record.get("kind"), str)
            and isinstance(record.get("order"), int)
            and isinstance(record.get("ours"), list)
            and all(isinstance(value, str) for value in record["ours"])
            and isinstance(record.get("listeners", []), list)
            and all(isinstance(port, int) for port in record.get("listeners", []))
        ):
            raise broken_state(_TOPIC, "no record of %s as it is written" % key)
    return state


def record(host: Host, keys: t.Sequence[KeyPlan], listeners: t.Sequence[int]) -> None:
    """Remember the value that each key has now, unless an earlier run did: the first one is the original.

    Every value that we are about to write is remembered too: what is none of them is someone else's.
    """
    recorded = {key: dict(record) for key, record in records(host).items()}
    for plan in keys:
        if plan.outcome != APPLIED:
            continue
        record = recorded.setdefault(
            plan.key, {"before": plan.before, "kind": plan.kind, "order": len(recorded), "ours": []}
        )
        if plan.key == RESERVED_PORTS:
            # One list of all: a run may add a port each time.
            ours = port_set.to_reserve([*record["ours"], plan.target], set(), set(), 0, 0)
            record.update(ours=[port_set.format_kernel_list(ours)], listeners=list(listeners))
        elif plan.target not in record["ours"]:
            record["ours"] = record["ours"] + [plan.target]
    # Also what was left to the next reboot, when that boot is to keep it after all.
    lasting = load_state(host.root, _TOPIC) or {}
    needed = {plan.key for plan in keys if plan.outcome == APPLIED or plan.persist is not None}
    after = {key: record for key, record in recorded.items() if key in lasting or key in needed}
    if after != lasting:
        save_state(host.root, _TOPIC, after)


def back(host: Host) -> t.List[KeyPlan]:
    """Return the recorded keys that nothing is left to do about, but for our drop-in, where it still has them."""
    return [plan for plan in plan_undo(host) if plan.target is None]


def forget(host: Host, plans: t.Iterable[KeyPlan]) -> None:
    """Drop the records of the keys that are back.

    One that our drop-in still has stays: were it removed only after the next reboot, its original would be lost. One
    that is still in force stays for a later run until the next reboot, which brings the original back by itself.
    """
    state = records(host)
    if not state:
        # Nor does what a run left that was killed as it began to record, or as it had nothing more to remember.
        for directory in (STATE_DIRECTORY, RUN_DIRECTORY):
            if host.exists(directory):
                drop_state(host.root, _TOPIC, directory)
        return
    plans = list(plans)
    drop_in = sysctl_d.parse(host.read(owned.SYSCTL_DROP_IN) or "", owned.SYSCTL_DROP_IN)
    persistent = {assignment.key for assignment in drop_in}
    waiting = {p.key: state[p.key] for p in plans if p.outcome == IN_FORCE and p.key not in persistent}
    if not waiting:
        drop_state(host.root, _TOPIC, RUN_DIRECTORY)
    elif waiting != load_state(host.root, _TOPIC, RUN_DIRECTORY):
        save_state(host.root, _TOPIC, waiting, RUN_DIRECTORY)
    gone = {plan.key for plan in plans if plan.outcome in (RESTORED, FOREIGN, ABSENT, IN_FORCE)}
    gone |= {plan.key for plan in plans if plan.outcome == ALREADY and plan.persist is None}
    left = {key: record for key, record in state.items() if key not in gone or key in persistent}
    if not left:
        drop_state(host.root, _TOPIC)
    elif left != load_state(host.root, _TOPIC):
        save_state(host.root, _TOPIC, left)
