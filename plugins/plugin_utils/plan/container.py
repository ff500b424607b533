# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the outside of a container can set: what its engine gives it, and what the machine under it needs. Pure.

Either the host is the container, or the program runs in one on the host. A new network namespace has the kernel's own
values of net.*, whatever those of the machine are (net/ipv4/af_inet.c, inet_init_net; net/ipv4/tcp_ipv4.c,
tcp_sk_init); only tcp_rmem and tcp_wmem are copied from the first one.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    container_options,
    port_set,
    sysctl_keys,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    CONNTRACK_MAX,
    NONLOCAL_BIND_IPV6,
    NR_OPEN,
    PORT_RANGE,
    RESERVED_PORTS,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import HOST, MACHINE, Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.counted import tracked_after_close
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import engine_text
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.floors import room
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.prediction import predict
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import (
    COMPOSE,
    DOCKER,
    ENGINES,
    KUBERNETES,
    PODMAN,
    ClientRequest,
)

#: The engines that may have made a container of this kind, the likeliest first.
_MAKERS = {DOCKER: (DOCKER, COMPOSE), PODMAN: (PODMAN, COMPOSE), KUBERNETES: (KUBERNETES,)}
#: Containers with an init of their own, made by no engine that is asked for: one of those runs inside.
_OF_SYSTEMS = ("lxc", "lxc-libvirt", "machine", "openvz", "systemd-nspawn")


def engine_of(limits: Limits, request: ClientRequest) -> str | None:
    """Return the engine whose text is wanted: the one stated, else the host's own; None where there is none."""
    if request.container_engine is not None:
        return request.container_engine
    kind = limits["host"]["container_kind"] if limits["host"]["container"] else None
    return kind if kind in _MAKERS else None


def is_host(limits: Limits, engine: str) -> bool:
    """Tell whether the host is a container of this engine, rather than one in which the engine has a container."""
    host = limits["host"]
    if not host["container"] or host["container_kind"] in _OF_SYSTEMS:
        return False
    return engine in _MAKERS.get(host["container_kind"], ENGINES)


def as_its_machine(limits: Limits) -> dict[str, t.Any]:
    """Return the snapshot of a container as if everything could be set that the outside of it can set."""
    keys = {
        key: dict(entry, writable=True, scope=HOST if entry.get("scope") == MACHINE else entry.get("scope"))
        for key, entry in limits["keys"].items()
    }
    host = dict(limits["host"], container=False, capabilities=None, first_user_namespace=True)
    return dict(limits, keys=keys, host=host, nofile=dict(limits["nofile"], inherited=None))


def of_plan(
    limits: Limits, request: ClientRequest, plan: t.Mapping[str, t.Any], engine: str, host: bool
) -> dict[str, t.Any]:
    """Return what the outside sets so that a plan holds in a container.

    limits: that the plan was made from
    plan:   planner.plan(), without a refusal
    host:   whether the host is the container

    Returns:
        engine: docker, podman, compose or kubernetes
        host: as above
        sysctls: keys of the container's own, and their values
        nofile: soft and hard, of the container
        machine: keys of the machine, and the minimum of each; a value that tune_sysctl_values states as it is
        texts: what to paste: ``place`` where, ``note`` what to know of it, ``text``
    """
    settings = plan["settings"]
    values = _values(limits, request, settings, host)
    hard = int(settings["nofile_hard"])
    machine = {key: value for key, value in values.items() if not container_options.is_containers_own(key)}
    machine.setdefault(NR_OPEN, str(hard))
    machine.setdefault(CONNTRACK_MAX, str(_tracked(request, plan["target"])))
    given = engine_text.Given(
        {key: value for key, value in values.items() if container_options.is_containers_own(key)},
        min(int(settings["nofile_soft"]), hard),
        hard,
        machine if host else {key: value for key, value in machine.items() if key not in values},
        host,
    )
    return {
        "engine": engine,
        "host": host,
        "sysctls": given.sysctls,
        "nofile": {"soft": given.soft, "hard": given.hard},
        "machine": machine,
        "texts": [text._asdict() for text in engine_text.texts(engine, given)],
    }


def _values(limits: Limits, request: ClientRequest, settings: Settings, host: bool) -> dict[str, str]:
    """Return every key that is planned, as one line of text each."""
    planned = {**settings["sysctl_floors"], **settings["sysctl_values"]}
    values = {sysctl_keys.normalize(key): " ".join(str(value).split()) for key, value in planned.items()}
    if not host:
        # A network of its own has a range that can be set, even where that of the host cannot.
        values.setdefault(PORT_RANGE, "%d %d" % request.port_range)
        if NONLOCAL_BIND_IPV6 not in request.explicit.sysctl_values:
            # It is for source addresses of the host, which such a network has not.
            values.pop(NONLOCAL_BIND_IPV6, None)
    named = port_set.format_kernel_list(port_set.parse_ports("tune_reserved_ports", settings["reserved_ports"]))
    # Who listens on the host is nobody who listens in a container.
    reserved = predict(limits, settings)["ports"]["reserved"] if host else named
    return dict(values, **{RESERVED_PORTS: reserved}) if reserved else values


def _tracked(request: ClientRequest, target: int) -> int:
    """Return the entries of the machine's table, which has the connections of every container that it forwards."""
    return target * request.descriptors_per_connection + tracked_after_close(request) + room(0)
