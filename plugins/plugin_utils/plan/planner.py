# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a request to the settings of a host, or to a refusal that says what would do.

Pure. The settings come from the request and from what a run does not change, so that the plan of a tuned host is
the plan that tuned it:

* a floor is what the request needs, whatever the present value; sysctl_apply keeps a higher one;
* keys of the machine under a container, and those that the host cannot write, stay as they are; the host is refused
  where they do not suffice;
* the addresses that an earlier run added count as not there;
* nor do listeners whose port the kernel chose, who have another one at the next run.

Not planned: net.ipv4.tcp_max_tw_buckets. Connections that close beyond it leave no TIME_WAIT, which takes neither
four-tuple nor memory; the ceilings warn of it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE
from ansible_collections.fourtuple.clients.plugins.plugin_utils import known
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, four_tuples
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import ceilings_of, constraint_named
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    Allowance,
    Limits,
    Unknown,
    is_settable,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import descriptors_needed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.memory import bytes_of_connection
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import described, usable_sources
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import container, methods
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.addresses import (
    Others,
    addresses_of_slice,
    slice_of_host,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.floors import floors_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.nofile import limits_settings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.ports import refuse_unreserved, without_automatic
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.prediction import predict
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.refusals import refusal_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.warnings import (
    overridden,
    refused_lines,
    to_restart,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import MAX_CONNECTIONS, ClientRequest, parse

#: Free memory changes by itself: a target that nobody has stated leaves a tenth of it.
_OF_MEMORY = 0.9


def plan(
    limits: Limits, stated: t.Mapping[str, t.Any], table: known.Table | None = None, host: str | None = None
) -> dict[str, t.Any]:
    """Return the settings that meet a request, with the ceilings before and after; or why there are none.

    stated: as for ceilings.predict(), and ``port_range``, ``address_pool``, ``slot``, ``slot_size`` as the role
            variables ``tune_<name>`` have them, and ``explicit``, what the operator has set in the place of the plan

    table, host: whose addresses are whose in the inventory (fleet.share_out(), ``known``), and this host's name there

    Returns:
        settings: by the names of the role variables without ``tune_``; ``addresses`` are entries of tune_addresses, of
                  a pool ranges such as ``198.51.100.10-198.51.100.29``
        before, after: the ceilings of the snapshot, and of the snapshot that the settings will make
        target: what is planned for: as stated, or as many as four-tuples and memory allow
        descriptors: the soft nofile that each process needs for its part of the target
        sources: how many source addresses the application will have
        source_addresses: those that the host will have, as model.sources.described() returns them
        slot, claim: the slot, and the runs of addresses [[first, last], ...] that it keeps from other hosts; None
        warnings: what only a person can judge
        lines: those of them that name lines of others, as they stand on the host now
    or ``refusal`` and ``before``, which is that of an empty request where the request itself is refused.
    With either ``container``, what only the outside of a container can set (container.of_plan()), where the host is a
    container or the program runs in one; not where not even that would meet the request.
    """
    try:
        request = parse(stated)
    except Refusal as refusal:
        return {"refusal": str(refusal), "before": ceilings.predict(limits, {})}

    def planned(snapshot: Limits) -> dict[str, t.Any]:
        try:
            return _plan(snapshot, request, stated, Others(snapshot, request, table or {}, host))
        except Refusal as refusal:
            return {"refusal": str(refusal)}

    before = ceilings_of(limits, request)
    found = dict(planned(limits), before=before)
    outside = _outside(limits, request, found, planned)
    return found if outside is None else dict(found, container=outside)


def _outside(
    limits: Limits,
    request: ClientRequest,
    found: t.Mapping[str, t.Any],
    planned: t.Callable[[Limits], t.Mapping[str, t.Any]],
) -> dict[str, t.Any] | None:
    """Return what only the outside can set. A container is planned once more, as if its engine had set everything."""
    engine = container.engine_of(limits, request)
    if engine is None:
        return None
    is_host = container.is_host(limits, engine)
    if is_host:
        limits = container.as_its_machine(limits)
        found = planned(limits)
    return None if "refusal" in found else container.of_plan(limits, request, found, engine, is_host)


def _plan(limits: Limits, request: ClientRequest, stated: t.Mapping[str, t.Any], others: Others) -> dict[str, t.Any]:
    explicit = request.explicit
    port_set.parse_ports("tune_reserved_ports", explicit.reserved_ports)
    others.refuse_listed()
    settings = _network_settings(limits, request)
    methods.bind_routed(limits, settings)
    refuse_unreserved(limits, settings)
    part = slice_of_host(limits, request)
    lasting = without_automatic(limits)
    bare = predict(lasting, settings)
    allowed = _four_tuples(bare, request)
    maximum = _maximum(limits, request)
    if request.target is None:
        planned_for = max(1, min(allowed.advised or 0, maximum))
    else:
        planned_for = request.target
        if (allowed.advised or 0) < planned_for:
            part = part or slice_of_host(limits, request, needed=True)
            settings["addresses"] = addresses_of_slice(bare, request, planned_for, part, others)
            methods.bind_routed(limits, settings)
    possible = planned_for if request.target is not None else min(max(planned_for, allowed.allows or 0), maximum)
    settings.update(limits_settings(limits, request, planned_for, possible))
    settings["sysctl_floors"] = floors_of(limits, request, planned_for, settings["nofile_hard"])

    predicted = predict(lasting, settings)
    target = _target(predicted, request, ceilings_of(predicted, request))
    predicted = predict(limits, settings)
    after = ceilings_of(predicted, request)
    if after["ceiling"] is not None and after["ceiling"] < target:
        # The listeners of now take ports that the advice did not leave free.
        if request.target is not None:
            raise refusal_of(predicted, request, after["constraints"][0], target)
        target = after["ceiling"]
    lines = [*overridden(limits, request, settings), *refused_lines(limits, settings)]
    return {
        "settings": settings,
        "after": after,
        "target": target,
        "descriptors": descriptors_needed(request, target),
        "sources": usable_sources(predicted, request),
        "source_addresses": described(predicted, stated),
        "slot": part.slot if part else None,
        "claim": part.claim() if part else None,
        "lines": lines,
        "warnings": [*after["warnings"], *lines, *to_restart(limits, settings)],
    }


def _network_settings(limits: Limits, request: ClientRequest) -> Settings:
    explicit = request.explicit
    wanted = "%d %d" % request.port_range
    # What cannot be set is planned only where it is there already, as an earlier run may have left it.
    there = (limits["keys"].get(PORT_RANGE) or {}).get("now") == wanted
    planned = {PORT_RANGE: wanted} if there or is_settable(limits, PORT_RANGE) else {}
    return {
        "sysctl_floors": {},
        "sysctl_values": dict(planned, **explicit.sysctl_values),
        "reserved_ports": list(explicit.reserved_ports),
        "addresses": list(explicit.addresses),
        "addresses_method": request.addresses_method,
        "interface": request.interface,
    }


def _four_tuples(limits: Limits, request: ClientRequest) -> Allowance:
    answer = four_tuples.allowed(limits, request)
    if isinstance(answer, Unknown):
        remedy = "It says what it could not read (unread): %s." % answer.why
        raise Refusal("connection_limits_info", None, "the ports and the addresses of the host", remedy)
    return answer


def _maximum(limits: Limits, request: ClientRequest) -> int:
    """Return more than the host can hold, whatever is free at the moment: what nobody stated stays within it."""
    total = limits["memory"]["total"]
    held = MAX_CONNECTIONS if total is None else int(total // bytes_of_connection(limits, request))
    return min(held, MAX_CONNECTIONS)


def _target(predicted: Limits, request: ClientRequest, after: t.Mapping[str, t.Any]) -> int:
    """Return what is planned for; refuse what the host will not hold."""
    limiting = [one for one in after["constraints"] if one["advised"] is not None]
    if request.target is None:
        maximum = min(int(one["advised"] * _share(one["name"])) for one in limiting)
        if maximum < 1:
            lowest = min(limiting, key=lambda one: one["advised"])
            raise refusal_of(predicted, request, lowest, 1)
        return maximum
    lowest = min(limiting, key=lambda one: one["advised"])
    if lowest["advised"] < request.target:
        raise refusal_of(predicted, request, lowest, request.target)
    return request.target


def _share(name: str) -> float:
    """Return how much of what a constraint advises is planned for where nobody has stated a target."""
    return _OF_MEMORY if constraint_named(name).of_memory else 1
