# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many simultaneous connections a host can hold, and which limit sets that: the ceiling model.

Pure: a snapshot (``limits`` of connection_limits_info) and a request go in, numbers come out. Each constraint says
how many connections it allows, and never allows fewer when there is more of its resource.

| Constraint | Allows | Source |
|---|---|---|
| four_tuples | the sum over the address families of source addresses x usable ports x destinations, less the \
connections in TIME_WAIT. ``autobind``: one source a family, which the route chooses. ``bind``: a port is taken once \
for an address, whatever the destination; ``bind_any``: once for all addresses. ``bind_port``: the ports of the \
program, for each destination with SO_REUSEADDR | net/ipv4/inet_hashtables.c, __inet_hash_connect; \
net/ipv4/inet_connection_sock.c, inet_csk_get_port; measured |
| nofile | (lowest soft limit, or the hard one of a program that raises it - other descriptors of a process) / \
descriptors of a connection x processes | fs/file.c, alloc_fd; getrlimit(2) |
| nr_open | the same with fs.nr_open, to which nofile can be raised at most | kernel/sys.c, do_prlimit |
| file_max | (fs.file-max - open files of others) / descriptors of a connection | fs/file_table.c, alloc_empty_file; \
CAP_SYS_ADMIN passes it by |
| epoll_watches | fs.epoll.max_user_watches / descriptors of a connection | fs/eventpoll.c, ep_insert; for all \
processes of a user together |
| conntrack | (nf_conntrack_max - entries of others - closed connections, while their entries last) / descriptors of \
a connection; only where local connections are tracked | net/netfilter/nf_conntrack_core.c, __nf_conntrack_alloc |
| memory | (free + page cache + unused dentries and inodes - what the kernel keeps free + what the sockets of now have \
- TIME_WAIT) / bytes of a connection, which has as many sockets as descriptors | module_utils/host/slab.py, \
module_utils/host/memory.py |
| cgroup_memory | the same with limit - used + page cache, of the tightest level | mm/memcontrol.c, try_charge_memcg |
| tasks | where fewer tasks than processes can start: their number x connections of a process | kernel/fork.c, \
copy_process; kernel/cgroup/pids.c |
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BIND_NO_PORT, BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    CONNTRACK_MAX,
    EPOLL_WATCHES,
    FILE_MAX,
    NR_OPEN,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import four_tuples, memory, tasks, warnings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    Allowance,
    Constraint,
    Limits,
    Unknown,
    number_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.counted import (
    conntrack,
    epoll_watches,
    file_max,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import nofile, nr_open
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.memory import cgroup_memory
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import usable_sources
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import PROGRAMS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest, parse

SCHEMA = 1

#: Of equal ones the first binds.
CONSTRAINTS = (
    Constraint("four_tuples", "four-tuples", four_tuples.allowed),
    Constraint("nofile", "open files (nofile)", nofile),
    Constraint("nr_open", "open files of a process (fs.nr_open)", nr_open, NR_OPEN),
    Constraint("file_max", "open files of the host", file_max, FILE_MAX),
    Constraint("epoll_watches", "epoll watches", epoll_watches, EPOLL_WATCHES),
    Constraint("conntrack", "tracked connections", conntrack, CONNTRACK_MAX),
    Constraint("memory", "memory", memory.allowed, of_memory=True),
    Constraint("cgroup_memory", "memory of the control group", cgroup_memory, of_memory=True),
    Constraint("tasks", "tasks", tasks.allowed),
)


def predict(limits: Limits, stated: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return every constraint with the connections that it allows, the lowest first.

    stated: ``target_connections``, ``destinations``, ``binding``, ``processes``, ``users``, ``units``, ``interface``,
            ``port_fill``, ``app_bytes``, ``churn``, ``program``, ``program_binds``, ``program_ports``,
            ``reuse_address``, ``descriptors_per_connection``, ``raises_nofile``, ``closes_first`` as the role variables
            ``tune_<name>`` have them;
            ``app_descriptors`` (64), ``app_nofile`` (that of the users and units), ``kernel_bytes`` (a socket with
            epoll), ``memory_reserve`` (0), ``exempt_from`` (names of constraints) and ``after_restart`` (False); every
            one may be missing
    raises: Refusal for a request that is not in order
    """
    return ceilings_of(limits, parse(stated))


def ceilings_of(limits: Limits, request: ClientRequest) -> dict[str, t.Any]:
    """Return what predict() does, of a request that was parsed before."""
    found, unknown = [], []
    for constraint in CONSTRAINTS:
        answer = constraint.answer(limits, request)
        if isinstance(answer, Unknown):
            unknown.append({"name": constraint.name, **answer._asdict()})
            continue
        if constraint.name in request.exempt_from:
            answer = _exempt(answer)
        found.append({"name": constraint.name, "title": constraint.title, **answer._asdict()})
    # Sorting is stable, so equal ones stay in the order of the table.
    found.sort(key=lambda one: (one["allows"] is None, one["allows"]))
    limiting = [one for one in found if one["allows"] is not None]
    ceiling = limiting[0]["allows"] if limiting else None
    return {
        "schema": SCHEMA,
        "ceiling": ceiling,
        "binding_constraint": limiting[0]["name"] if limiting else None,
        "next_constraint": limiting[1]["name"] if len(limiting) > 1 else None,
        "next_ceiling": limiting[1]["allows"] if len(limiting) > 1 else None,
        "advised": min((one["advised"] for one in limiting if one["advised"] is not None), default=None),
        "target": request.target,
        "meets_target": request.target is None or (ceiling is not None and ceiling >= request.target),
        "constraints": found,
        "unknown": unknown,
        "warnings": [*warnings.collect(limits, request, ceiling), *_held_back(limits, request, limiting)],
    }


def _held_back(limits: Limits, request: ClientRequest, limiting: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[str]:
    """Yield whether the host can hold more than the program, which leaves its source address to the route."""
    if request.binding not in BY_ROUTE or not limiting or limiting[0]["name"] != "four_tuples":
        return
    program = PROGRAMS.get(request.program or "")
    binding = program.bound if program and program.bound else BIND_NO_PORT
    bound = request._replace(binding=binding)
    answer, sources = four_tuples.allowed(limits, bound), usable_sources(limits, bound)
    if isinstance(answer, Unknown) or answer.allows is None or sources is None:
        return
    possible = min([answer.allows, *(one["allows"] for one in limiting[1:])])
    if possible > limiting[0]["allows"]:
        remedy = four_tuples.let_it_bind(request)
        yield "The host can hold %d connections, and %s %d of them, as it does not bind its %s: %s." % (
            possible,
            request.program or "the program",
            limiting[0]["allows"],
            number_of(sources, "source address", "es"),
            "%s has no option for that" % request.program if remedy is None else remedy,
        )


def _exempt(answer: Allowance) -> Allowance:
    """Return the answer of a constraint that does not hold for the program."""
    formula = answer.formula + "; this program is exempt"
    return answer._replace(allows=None, advised=None, formula=formula, change="nothing")


def constraint_named(name: str) -> Constraint:
    return next(one for one in CONSTRAINTS if one.name == name)
