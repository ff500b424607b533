# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of hosts in the shape of the fact tune_result: a fleet in which everything that can happen has happened."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import CONSTRAINTS

Json = dict[str, t.Any]

GENERATED = "2026-01-02T03:04:05Z"
UNLIMITED = 9223372036854775807

TITLES = {one.name: one.title for one in CONSTRAINTS}


MEASURED = {
    "established": 258_048,
    "predicted": 258_050,
    "deviation": -0.0000078,
    "sampled": 100_000,
    "alive": 99_999,
    "per_second": 32_123.4,
    "bytes_per_connection": 4_010.2,
    "binding_constraint": "four_tuples",
    "sinks": ["responder"],
    "held_from": 100.0,
    "held_until": 110.0,
    "message": "",
}


def constraint(name: str, allows: int | None, formula: str, change: str, scope: str = "host", fill: float = 1) -> Json:
    return {
        "name": name,
        "title": TITLES[name],
        "allows": allows,
        "advised": None if allows is None else int(allows * fill),
        "scope": scope,
        "formula": formula,
        "change": change,
    }


def ceilings(target: int | None, *constraints: Json, unknown: t.Sequence[Json] = ()) -> Json:
    ordered = sorted(constraints, key=lambda one: (one["allows"] is None, one["allows"] or 0))
    limiting = [one for one in ordered if one["allows"] is not None]
    first, second = (*limiting, {}, {})[:2]
    advised = [one["advised"] for one in limiting]
    return {
        "schema": 1,
        "ceiling": first.get("allows"),
        "binding_constraint": first.get("name"),
        "next_constraint": second.get("name"),
        "next_ceiling": second.get("allows"),
        "advised": min(advised, default=None),
        "target": target,
        "meets_target": target is None or first.get("allows", 0) >= target,
        "constraints": ordered,
        "unknown": list(unknown),
        "warnings": [],
    }


def host_ceilings(
    target: int, sources: int = 1, ports: int = 28232, nofile: int = 65_536, memory: int = 1_250_000, **others: t.Any
) -> Json:
    """The ceilings of an ordinary host; ``conntrack``, ``cgroup`` and ``machine`` are there when given."""
    machine = "machine" if others.get("machine") else "host"
    constraints = [
        constraint(
            "four_tuples",
            sources * ports,
            "%d source address%s x %d ports x 1 destination" % (sources, "" if sources == 1 else "es", ports),
            "add source addresses or destinations, widen net.ipv4.ip_local_port_range",
            "namespace",
            0.5,
        ),
        constraint("nofile", nofile * 4, "%d descriptors x 4 processes" % nofile, "raise nofile_soft", "process"),
        constraint("nr_open", 4 * 1_073_741_816, "1073741816 x 4 processes", "raise fs.nr_open", machine),
        constraint("file_max", UNLIMITED - 1234, "fs.file-max less 1234 open files", "raise fs.file-max", machine),
        constraint("epoll_watches", 4_321_120, "fs.epoll.max_user_watches", "raise fs.epoll.max_user_watches", machine),
        constraint("memory", memory, "%d bytes free / 3904 bytes each" % (memory * 3904), "add memory to the host"),
        constraint("tasks", None, "4 processes of 15000", "raise kernel.threads-max"),
    ]
    if "conntrack" in others:
        allowed = others["conntrack"]
        constraints.append(
            constraint(
                "conntrack", allowed, "nf_conntrack_max %s less 212" % allowed, "raise nf_conntrack_max", machine
            )
        )
    if "cgroup" in others:
        allowed = others["cgroup"]
        text = "%d bytes of /system.slice / 3904 bytes each" % (allowed * 3904)
        constraints.append(constraint("cgroup_memory", allowed, text, "raise MemoryMax= of system.slice"))
    return ceilings(target, *constraints, unknown=others.get("unknown", ()))


def result(host: str, before: Json, after: Json | None, **others: t.Any) -> Json:
    """A tune_result; ``others`` override its keys."""
    target = before["target"]
    facts = {
        "kernel": "6.1.0-13-cloud-amd64",
        "os": "Debian GNU/Linux 12 (bookworm)",
        "container": False,
        "memory": 8_286_478_336,
    }
    return {
        "schema": 1,
        "host": host,
        "state": "tuned",
        "checked_only": False,
        "message": "",
        "request": {"target_connections": target, "destinations": 1, "binding": "bind_no_port", "processes": 4},
        "before": before,
        "after": after,
        "predicted": after,
        "target": target,
        "meets_target": (after or before)["meets_target"],
        "warnings": [],
        "drift": [],
        "unread": [],
        "host_facts": facts,
        "measured": None,
        "pressure": None,
        "sources": None,
    } | others


def tuned(host: str, **others: t.Any) -> Json:
    """Stock: the 28,232 ports of one source address. Tuned: 258,048 connections, of which 129,024 are advised."""
    after = host_ceilings(100_000, 4, 64512, 1_048_576)
    return result(host, host_ceilings(100_000), after, **others)


def told(host: str, **asked: t.Any) -> Json:
    """A host whose HAProxy has four source addresses to be told of."""
    found = tuned(host, sources={"count": 4, "used": 1, "ranges": ["198.51.100.7", "198.51.100.10-198.51.100.12"]})
    found["sources"]["list"] = ["198.51.100.%d" % last for last in (7, 10, 11, 12)]
    found["request"] = {"destinations": ["192.0.2.10:8001"], "program": "haproxy", "program_binds": False, **asked}
    return found


def short(host: str) -> Json:
    after = host_ceilings(1_000_000, 31, 64512, 1_048_576, memory=412_300)
    return result(host, host_ceilings(1_000_000, memory=413_000), after)


def checked(host: str) -> Json:
    predicted = host_ceilings(100_000, 4, 64512, 1_048_576)
    return result(host, host_ceilings(100_000), None, predicted=predicted, checked_only=True, meets_target=True)


def refused(host: str) -> Json:
    message = (
        "tune_target_connections: 4000000 is too many: at most 2064384, what 16 source addresses can hold. It needs 31"
        " source addresses, the slice of the pool has 15: widen the pool, add 2 destinations, or raise tune_port_fill"
        " to 1.0."
    )
    return result(host, host_ceilings(4_000_000), None, state="refused", message=message, predicted=None)


def failed(host: str) -> Json:
    message = (
        "fs.nr_open: the kernel has 1048576 after 2097152 was written. Done: nothing. Not done: sysctl, limits,"
        " addresses, verify. The host is in a safe state: run again to go on, or run untune_clients.yml to go back."
    )
    return result(host, host_ceilings(1_000_000), None, state="failed", message=message)


def container(host: str) -> Json:
    unknown = [{"name": "conntrack", "why": "belongs to the machine under this container"}]
    before = host_ceilings(100_000, machine=True, unknown=unknown, cgroup=240_000)
    after = host_ceilings(100_000, 4, 64512, 262_144, machine=True, unknown=unknown, cgroup=240_000)
    facts = {"kernel": "6.12.9+bpo-amd64", "os": "Debian GNU/Linux 13 (trixie)", "container": True, "memory": 2**31}
    unread = [{"what": "/proc/slabinfo", "why": "permission denied; run as root to read it"}]
    warnings = ["fs.file-max and fs.epoll.max_user_watches belong to the machine under this container."]
    return result(host, before, after, host_facts=facts, unread=unread, warnings=warnings)


def user(
    program: str, binding: str | None, certainty: str, connections: int, *possible: str, kind: str = "unit"
) -> Json:
    """A program as its sockets show it."""
    return {
        "program": program,
        "kind": kind,
        "binding": binding,
        "certainty": certainty,
        "possible": list(possible or filter(None, [binding])),
        "why": "IP_BIND_ADDRESS_NO_PORT is set",
        "connections": connections,
    }


def pair(source: str | None, destination: str | None, share: float | None, *users: Json, timewait: int = 0) -> Json:
    """A row of what is used up, of 64,512 ports."""
    return {
        "source": source,
        "destination": destination,
        "connections": sum(one["connections"] for one in users),
        "timewait": timewait,
        "ports": None if share is None else 64512,
        "share": share,
        "programs": list(users),
    }


def under_pressure() -> Json:
    """A proxy that is nearly full, others beside it, and all that can be said of any."""
    proxy = user("haproxy.service", "bind_no_port", "sure", 60641)
    squid = user("squid.service", "bind", "likely", 36000, "bind", "bind_any")
    own = user("docker-0123456789abcdef.scope", "bind_port", "sure", 4000, kind="container")
    person = user("loadgen", None, "unknown", 212, kind="user")
    return {
        "usable": 64512,
        "taken": 36123,
        "taken_estimated": True,
        "programs": [proxy, squid, own, person],
        "pairs": [
            pair("10.9.0.1", "10.9.0.100:8001", 0.94, proxy, person, timewait=12),
            pair("10.9.0.2", None, 0.558, squid, timewait=1200),
            pair("2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:100]:65535", 0.0032, person),
            pair("10.9.0.3", "10.9.0.100:8001", None, own),
        ],
        "waiting": [
            {"port": 5000, "listens": True, "program": "registry.service", "kind": "unit"},
            {"port": 40123, "listens": False, "program": "loadgen", "kind": "user"},
        ],
        "waiting_other": 0,
    }


def audited(host: str) -> Json:
    drift = [
        {"what": "net.ipv4.ip_local_port_range", "applied": "1024 65535", "found": "32768 60999", "where": "live"},
        {"what": "limits.conf nofile of *", "applied": "1048576", "found": "65536", "where": "after boot"},
    ]
    before = host_ceilings(500_000, 16, 28232, 262_144, conntrack=261_932)
    warnings = [
        "TuneD profile throughput-performance sets net.ipv4.ip_local_port_range in /etc/tuned/active_profile:12."
    ]
    return result(
        host, before, None, state="audited", predicted=None, drift=drift, warnings=warnings, pressure=under_pressure()
    )


def without(host: str) -> Json:
    return {"host": host}


def hostile(host: str = '<script>document.title="pwned"</script>') -> Json:
    evil = '"><img src=x onerror=alert(1)>\x1b[31m</details></style><script>alert(2)</script>{{ 7 * 7 }}'
    result_ = audited(host)
    result_["message"] = evil
    result_["warnings"] = [evil]
    result_["drift"] = [dict.fromkeys(("what", "applied", "found", "where"), evil)]
    result_["unread"] = [{"what": evil, "why": evil}]
    result_["host_facts"]["os"] = result_["host_facts"]["kernel"] = evil
    result_["request"]["binding"] = evil
    result_["sources"] = {"count": 2, "used": 1, "ranges": [evil, evil], "list": [evil, evil]}
    for one in result_["pressure"]["programs"]:
        one["program"] = one["why"] = evil
    for one in result_["pressure"]["pairs"]:
        one["source"] = one["destination"] = evil
    for one in result_["before"]["constraints"]:
        one["title"] = one["formula"] = one["change"] = evil
    return result_


def mixed() -> list[Json]:
    """One of each kind."""
    return [
        tuned("client1.example.com"),
        short("client2.example.com"),
        refused("client3.example.com"),
        failed("client4.example.com"),
        container("client5.example.com"),
        audited("client6.example.com"),
        checked("client7.example.com"),
        without("client8.example.com"),
        told("loadgen-eu-central-1a-0017.machines.internal.example.com"),
    ]


#: Each so-manieth host of a fleet is of another kind; the first that fits.
_EVERY = {301: without, 207: failed, 101: refused, 59: audited, 43: short, 40: container}


def fleet(hosts: int) -> list[Json]:
    """A fleet in which most hosts are well, and some are not; the same each time."""
    warning = "The ends of net.ipv4.ip_local_port_range have the same parity: one port of 64512 is never taken first."

    def one(number: int) -> Json:
        name = "client%03d.example.com" % number
        kind = next((kind for every, kind in _EVERY.items() if number % every == 0), None)
        return kind(name) if kind else tuned(name, warnings=[warning])

    return [one(number) for number in range(1, hosts + 1)]
