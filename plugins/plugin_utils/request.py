# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person states about the need, checked: the one reading of a request for the ceilings and for the planner."""

from __future__ import annotations

import fractions
import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import AUTOBIND, BIND_PORT, BINDINGS
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import address_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number
from ansible_collections.fourtuple.clients.plugins.plugin_utils import programs
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import CLIENT, RESET, SERVER

MAX_CONNECTIONS = 10**9
MAX_PROCESSES = 10**6
#: The target of a host that is to hold as many connections as it can.
MAXIMUM = "max"

_MAX_DESTINATIONS = 10**6
_DESTINATIONS_REMEDY = "Write how many server address and port pairs there are, or list them."
#: More than any host does, and enough to keep the arithmetic away from nonsense.
_MAX_CHURN = 10**7
_MAX_BYTES = 2**40
_MAX_DESCRIPTORS = 2**31

#: What starts containers, and is told what they need (plan/engine_text.py).
DOCKER, PODMAN, COMPOSE, KUBERNETES = "docker", "podman", "compose", "kubernetes"
ENGINES = (DOCKER, PODMAN, COMPOSE, KUBERNETES)

_CLOSES_FIRST = (CLIENT, SERVER, RESET)

#: How source addresses are made the host's: by a route on lo, on the interface, or each as it can be.
ROUTE, INTERFACE, AUTO = "route", "interface", "auto"
_METHODS = (ROUTE, INTERFACE, AUTO)


class Explicit(t.NamedTuple):
    """What the operator has set in the place of the plan, each as the variable ``tune_<name>``. None: not set."""

    sysctl_floors: t.Mapping[str, t.Any]
    sysctl_values: t.Mapping[str, t.Any]
    reserved_ports: t.Sequence[t.Any]
    nofile_soft: t.Any
    nofile_hard: t.Any
    domains: t.Sequence[str] | None
    addresses: t.Sequence[t.Any]


class ClientRequest(t.NamedTuple):
    """A request whose every value is in order.

    target: None where as many as possible are wanted
    destinations: how many by family, None as the family where only their number is known
    servers: the addresses among the destinations that are listed
    app_descriptors: what a process has open besides its connections
    app_nofile: the soft nofile that the program gives itself; None for what its user or unit has
    kernel_bytes: what a connection takes in the kernel; None for a socket with epoll
    memory_reserve: bytes of memory that the program leaves free
    exempt_from: constraints that do not hold for the program, such as epoll_watches without epoll
    after_restart: whether a running unit counts with the limit that it gets when it starts next
    program: its name in the table of programs, None for one that is not named
    program_ports: first and last port that the program itself chooses from; None where it leaves that to the kernel
    reuse_address: whether the program sets SO_REUSEADDR before it binds
    descriptors_per_connection: 2 for a proxy, which has another connection for each
    raises_nofile: whether the program raises its soft nofile to the hard one, or by itself to at least so many
    closes_first: CLIENT, SERVER or RESET, of the connections that are closed
    addresses_method: ROUTE, INTERFACE or AUTO
    container_engine: what starts the container that the host is, or that the program runs in; None where not stated
    """

    target: int | None
    destinations: t.Mapping[int | None, int]
    servers: t.Sequence[str]
    binding: str
    processes: int
    port_range: tuple[int, int]
    port_fill: fractions.Fraction
    users: t.Sequence[str]
    units: t.Sequence[str]
    interface: str | None
    address_pool: t.Sequence[t.Any]
    slot: t.Any
    slot_size: t.Any
    app_bytes: int
    app_descriptors: int
    app_nofile: int | None
    kernel_bytes: int | None
    memory_reserve: int
    exempt_from: t.Sequence[str]
    churn: int
    after_restart: bool
    explicit: Explicit
    program: str | None
    program_ports: ranges.Range | None
    reuse_address: bool
    descriptors_per_connection: int
    raises_nofile: bool | int
    closes_first: str
    addresses_method: str
    container_engine: str | None


_DEFAULTS: dict[str, t.Any] = {
    "target_connections": None,
    "destinations": 1,
    "binding": AUTOBIND,
    "processes": 1,
    "port_range": "1024 65535",
    "port_fill": 0.5,
    "users": (),
    "units": (),
    "interface": None,
    "address_pool": (),
    "slot": None,
    "slot_size": 16,
    "app_bytes": 0,
    "app_descriptors": 64,
    "app_nofile": None,
    "kernel_bytes": None,
    "memory_reserve": 0,
    "exempt_from": (),
    "churn": 0,
    "after_restart": False,
    "program": None,
    "program_binds": False,
    "program_ports": None,
    "reuse_address": False,
    "descriptors_per_connection": 1,
    "raises_nofile": False,
    "closes_first": CLIENT,
    "addresses_method": AUTO,
    "container_engine": None,
}
_EXPLICIT_DEFAULTS = Explicit({}, {}, (), None, None, None, ())


def parse(stated: t.Mapping[str, t.Any]) -> ClientRequest:
    """Return ``stated`` as a ClientRequest; a key that is missing, None or empty has the default of ``tune_<key>``.

    Where a program is named, what its row of the table says goes before these defaults. The users whose nofile counts
    are those of ``domains`` where no user is named.
    """
    stated = _mapping("the request", stated)
    defaults = {**_DEFAULTS, **_of_program(stated)}
    given = {name: default if is_unset(stated.get(name)) else stated[name] for name, default in defaults.items()}
    explicit = _explicit(_mapping("explicit", stated.get("explicit") or {}))
    domains = [domain for domain in explicit.domains or () if domain != "*"]
    target = given["target_connections"]
    target = None if target is None or target == MAXIMUM else _target(target)
    binding = _one_of("tune_binding", given["binding"], BINDINGS, "Write how the application binds.")
    return ClientRequest(
        target,
        _destinations(given["destinations"]),
        _servers(given["destinations"]),
        binding,
        whole_number("tune_processes", given["processes"], 1, MAX_PROCESSES, "Write how many processes connect."),
        port_set.parse_range("tune_port_range", given["port_range"]),
        _port_fill(given["port_fill"]),
        _texts("tune_users", given["users"]) or domains,
        _texts("tune_units", given["units"]),
        _name("tune_interface", given["interface"]),
        _list("tune_address_pool", given["address_pool"]),
        given["slot"],
        given["slot_size"],
        whole_number("tune_app_bytes", given["app_bytes"], 0, _MAX_BYTES, "Write the bytes of one connection."),
        whole_number("app_descriptors", given["app_descriptors"], 0, 2**31, "Write how many files a process has open."),
        _or_none("app_nofile", given["app_nofile"], 2**31, "Write the soft limit of a process."),
        _or_none("kernel_bytes", given["kernel_bytes"], _MAX_BYTES, "Write the bytes of one connection."),
        whole_number("memory_reserve", given["memory_reserve"], 0, 2**50, "Write bytes."),
        _texts("exempt_from", given["exempt_from"]),
        whole_number("tune_churn", given["churn"], 0, _MAX_CHURN, "Write how many connections close per second."),
        bool(given["after_restart"]),
        explicit,
        program=given["program"],
        program_ports=_program_ports(binding, given["program_ports"]),
        reuse_address=_yes_or_no("tune_reuse_address", given["reuse_address"]),
        descriptors_per_connection=whole_number(
            "tune_descriptors_per_connection",
            given["descriptors_per_connection"],
            1,
            _MAX_DESCRIPTORS,
            "Write 2 for a proxy, else 1.",
        ),
        raises_nofile=_raises_nofile(given["raises_nofile"]),
        closes_first=_one_of("tune_closes_first", given["closes_first"], _CLOSES_FIRST, "Write who closes first."),
        addresses_method=_one_of(
            "tune_addresses_method", given["addresses_method"], _METHODS, "Write auto for what fits each address."
        ),
        container_engine=_engine(given["container_engine"]),
    )


def _target(value: object) -> int:
    remedy = "Write how many connections the host must hold, or max for as many as it can."
    return whole_number("tune_target_connections", value, 1, MAX_CONNECTIONS, remedy)


def _of_program(stated: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what a program that is named does, nothing where none is."""
    name, ports = stated.get("program"), stated.get("program_ports")
    binds = stated.get("program_binds")
    binds = not is_unset(binds) and _yes_or_no("tune_program_binds", binds)
    if is_unset(name):
        if binds:
            remedy = "Name the program (tune_program), or state tune_binding."
            raise Refusal("tune_program_binds", True, "false without tune_program", remedy)
        return {}
    program = programs.named(name)
    found = program.answers()
    if not is_unset(stated.get("raises_nofile")):
        # Whoever says what it does with its limit has said whether it sets one.
        found.pop("app_nofile", None)
    if is_unset(stated.get("binding")):
        found["binding"] = programs.binding_of(str(name), program, binds, None if is_unset(ports) else ports)
    return found


def is_unset(value: object) -> bool:
    """Tell whether a variable is not set: before ansible-core 2.19 a null arrives as an empty text."""
    return value is None or value == ""


def _explicit(given: t.Mapping[str, t.Any]) -> Explicit:
    found: dict[str, t.Any] = {}
    for name in Explicit._fields:
        value = given.get(name)
        if not is_unset(value):
            check = _KINDS.get(name)
            found[name] = value if check is None else check("tune_" + name, value)
    return _EXPLICIT_DEFAULTS._replace(**found)


def _mapping(where: str, value: t.Any) -> t.Mapping[str, t.Any]:
    if not isinstance(value, t.Mapping) or not all(isinstance(key, str) for key in value):
        raise Refusal(where, value, "names with their values", "Write it as a mapping.")
    return value


def _floors(where: str, value: t.Any) -> dict[str, int]:
    remedy = "Write the minimum value of the key."
    return {
        key: whole_number("%s[%s]" % (where, key), floor, 0, 2**63 - 1, remedy)
        for key, floor in _mapping(where, value).items()
    }


def _list(where: str, value: t.Any) -> list[t.Any]:
    if not isinstance(value, (list, tuple)):
        raise Refusal(where, value, "a list", "Write it as a list.")
    return list(value)


def _texts(where: str, value: t.Any) -> list[str]:
    for index, entry in enumerate(_list(where, value)):
        _name("%s[%d]" % (where, index), entry or False)
    return list(value)


def _name(where: str, value: t.Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Refusal(where, value, "a name", "Write it as text, in quotes where YAML reads something else.")
    return value


#: What of the operator's own settings the plan takes apart itself; whole_number and the like read the others.
_KINDS: dict[str, t.Callable[[str, t.Any], t.Any]] = {
    "sysctl_floors": _floors,
    "sysctl_values": _mapping,
    "reserved_ports": _list,
    "domains": _texts,
    "addresses": _list,
}


def _or_none(where: str, value: object, maximum: int, remedy: str) -> int | None:
    return None if value is None else whole_number(where, value, 1, maximum, remedy)


def _destinations(value: object) -> dict[int | None, int]:
    if not isinstance(value, (list, tuple)):
        return {None: whole_number("tune_destinations", value, 1, _MAX_DESTINATIONS, _DESTINATIONS_REMEDY)}
    if not value:
        raise Refusal("tune_destinations", value, "at least one address:port pair", _DESTINATIONS_REMEDY)
    found: dict[tuple[str, int], int | None] = {}
    for index, entry in enumerate(value):
        place = "tune_destinations[%d]" % index
        host, port = _destination(place, entry)
        if (host, port) in found:
            raise Refusal(place, entry, "different address:port pairs", "Name each destination once.")
        found[host, port] = _family(host)
    families = list(found.values())
    return {family: families.count(family) for family in set(families)}


def listed_destinations(value: object) -> list[tuple[str, int]]:
    """Return the destinations that ``tune_destinations`` lists, as (address or name, port); none where it counts them.

    raises: Refusal
    """
    entries = value if isinstance(value, (list, tuple)) else ()
    return [_destination("tune_destinations[%d]" % index, entry) for index, entry in enumerate(entries)]


def _destination(place: str, entry: object) -> tuple[str, int]:
    remedy = "Write 198.51.100.7:443 or [2001:db8::7]:443."
    host, colon, port = entry.rpartition(":") if isinstance(entry, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not colon:
        raise Refusal(place, entry, "an address and a port, as address:port", remedy)
    return host, whole_number(place, port, 1, port_set.HIGHEST_PORT, remedy)


def _servers(value: object) -> list[str]:
    entries = value if isinstance(value, (list, tuple)) else ()
    return [address for address in map(address_of, entries) if address is not None]


def _family(host: str) -> int | None:
    """Return the version of an address; a name may stand for either, like a destination that is only counted."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


def _program_ports(binding: str, value: object) -> ranges.Range | None:
    """Return the ports that the program chooses from; only a program that binds to explicit ports has any."""
    if value is None:
        if binding == BIND_PORT:
            remedy = "Write the ports of the program's own configuration, as in 20000-29999."
            raise Refusal("tune_program_ports", None, "a range of ports with tune_binding: %s" % BIND_PORT, remedy)
        return None
    if binding != BIND_PORT:
        remedy = "Leave it out, or set tune_binding to %s." % BIND_PORT
        raise Refusal("tune_program_ports", value, "nothing with tune_binding: %s" % binding, remedy)
    return port_set.parse_range("tune_program_ports", value)


def _yes_or_no(where: str, value: object) -> bool:
    """Return a boolean, which a template before ansible-core 2.19 may have made text."""
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise Refusal(where, value, "true or false", "Write true or false.")
    return found


def _raises_nofile(value: object) -> bool | int:
    if str(value).lower() in ("true", "false"):
        return _yes_or_no("tune_raises_nofile", value)
    remedy = "Write true for a program that raises its soft limit to the hard one, else false."
    return whole_number("tune_raises_nofile", value, 1, _MAX_DESCRIPTORS, remedy)


def _engine(value: object) -> str | None:
    remedy = "Write what starts the container, or leave it out."
    return None if value is None else _one_of("tune_container_engine", value, ENGINES, remedy)


def _one_of(where: str, value: object, allowed: t.Sequence[str], remedy: str) -> str:
    if value not in allowed:
        raise Refusal(where, value, "one of " + ", ".join(allowed), remedy)
    return str(value)


def _port_fill(value: object) -> fractions.Fraction:
    """Return the fill as the decimal that was written: 0.29 of 100 ports are 29, which binary floats deny."""
    try:
        fill = fractions.Fraction(-1 if isinstance(value, bool) else str(value))
    except (ValueError, ZeroDivisionError):
        fill = fractions.Fraction(-1)
    if not 0 < fill <= 1:
        remedy = "0.5 stays where the kernel finds a free port quickly."
        raise Refusal("tune_port_fill", value, "a number above 0, up to 1", remedy)
    return fill
