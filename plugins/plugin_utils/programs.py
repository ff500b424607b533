# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of programs that others wrote: how each chooses its source, and what else a plan has to know of it.

Measured on Linux 6.18 with a local port range of 100 ports, client and server in network namespaces: the binding mode
by tracing the system calls, the connections by counting them, who closes first by the sockets in TIME_WAIT at either
end.
docs/programs.md is made of this table (tests/docs/test_programs.py).
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import (
    AUTOBIND,
    BIND,
    BIND_ANY,
    BIND_NO_PORT,
    BIND_PORT,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: Who closes a connection first, and so keeps its four-tuple in TIME_WAIT (RFC 9293, 3.6); nobody where the client ends
#: it by RST (SO_LINGER without time, socket(7)).
CLIENT, SERVER, RESET = "client", "server", "reset"

#: The variables that say what the table says, for a program that is not in it.
VARIABLES = (
    "tune_binding",
    "tune_program_ports",
    "tune_reuse_address",
    "tune_descriptors_per_connection",
    "tune_raises_nofile",
    "tune_closes_first",
)


class Program(t.NamedTuple):
    """One program, or several that work alike.

    what:          for people; Markdown, as are option, ports_option, held and note
    binding:       how it binds without an option
    option, bound: its option for a source address, and how it binds with that; None where it has none
    ports_option:  its option for ports of its own, with which it binds to each by number; None where it has none
    reuse_address: whether it sets SO_REUSEADDR where it binds
    descriptors:   of each connection: a proxy has its client's too
    own:           the descriptors of a process besides; None where they were not counted
    raises_nofile: whether it raises its soft limit to the hard one, or to at least so many; None where not looked at
    nofile:        the limit that it sets by itself, hard and soft; None for most
    closes_first:  CLIENT, SERVER or RESET; None where not looked at
    version:       that was measured, empty where it was not recorded
    held:          how many connections it held, of 100 ports
    """

    what: str
    binding: str = AUTOBIND
    option: str | None = None
    bound: str | None = None
    ports_option: str | None = None
    reuse_address: bool = False
    descriptors: int = 1
    own: int | None = None
    raises_nofile: bool | int | None = None
    nofile: int | None = None
    closes_first: str | None = None
    version: str = ""
    held: str = ""
    note: str = ""

    def answers(self) -> dict[str, t.Any]:
        """Return what a request leaves to the program, but for the binding; nothing of what was not looked at."""
        known = {
            "reuse_address": self.reuse_address,
            "descriptors_per_connection": self.descriptors,
            "raises_nofile": self.raises_nofile,
            "closes_first": self.closes_first,
            "app_descriptors": self.own,
            "app_nofile": self.nofile,
        }
        return {name: value for name, value in known.items() if value is not None}


_PROXY = Program("", descriptors=2, held="200 of 200 autobind")
_PLAIN = Program("", bound=BIND, held="100 of 100 autobind, 300 of 300 bind")
_NONE = Program("", held="100 of 100 autobind")
_GO = "As every program in Go, to the hard limit, or to one below."

PROGRAMS: dict[str, Program] = {
    # Proxies.
    "nginx": _PROXY._replace(
        what="nginx",
        option="`proxy_bind`",
        bound=BIND_NO_PORT,
        own=8,
        raises_nofile=False,
        closes_first=SERVER,
        version="1.22.1, 1.26",
        held="200 of 200 autobind; 600 of 600 bind_no_port; 196 with a nofile of 400",
        note="Without `max_fails=0` 559 of 600: one source's `EADDRNOTAVAIL` marks the server as down for 10 seconds. "
        "`worker_connections` counts both sides, and `worker_rlimit_nofile` raises the soft limit. A server that "
        "ignores `Connection: close` leaves all in TIME_WAIT here.",
    ),
    "haproxy": _PROXY._replace(
        what="HAProxy",
        option="`source A`",
        bound=BIND_NO_PORT,
        ports_option="`source A:lo-hi`",
        reuse_address=True,
        own=28,
        raises_nofile=True,
        closes_first=RESET,
        version="2.6.12, 3.0",
        held="200 of 200 autobind; 600 of 600 bind_no_port; its own ports × destinations; 186 with a nofile of 400",
        note="With `maxconn` it raises its soft limit no further than that takes.",
    ),
    "envoy": _PROXY._replace(
        what="Envoy",
        option="`upstream_bind_config`",
        bound=BIND_NO_PORT,
        own=38,
        raises_nofile=True,
        version="1.40",
        held="200 of 200 autobind and bind_no_port; 131 with a nofile of 300",
    ),
    "squid": _PROXY._replace(
        what="Squid",
        option="`tcp_outgoing_address`",
        bound=BIND,
        raises_nofile=False,
        version="5.7",
        held="200 of 200 autobind; 300 of 300 bind",
    ),
    "caddy": _PROXY._replace(
        what="Caddy",
        option="its transport's local address",
        bound=BIND,
        raises_nofile=True,
        version="2.11",
        held="200 of 200 autobind; 100 of 100 bind",
        note=_GO,
    ),
    "apache": _PROXY._replace(
        what="Apache, `mod_proxy`",
        option="`ProxySourceAddress`",
        bound=BIND,
        raises_nofile=False,
        version="2.4",
        held="200 of 200 autobind; 100 of 100 bind",
    ),
    "tinyproxy": _PROXY._replace(
        what="tinyproxy", option="`Bind`", bound=BIND, held="200 of 200 autobind; 100 of 100 bind"
    ),
    "stunnel": _PROXY._replace(
        what="stunnel", option="`local`", bound=BIND, held="200 of 200 autobind; 100 of 100 bind"
    ),
    "traefik": _PROXY._replace(what="Traefik", raises_nofile=True, version="3.7", note=_GO),
    "privoxy": _PROXY._replace(what="Privoxy"),
    "varnish": _PROXY._replace(
        what="Varnish", version="7.1", held="198 of 200 autobind: its own listener was in the range"
    ),
    # Load generators and tools.
    "ab": _PLAIN._replace(
        what="ApacheBench (`ab`)",
        option="`-B`",
        raises_nofile=False,
        closes_first=SERVER,
        version="2.3 of 2.4.68",
        note="Opens one connection, and the others once that has the header of an answer.",
    ),
    "wrk": _NONE._replace(
        what="wrk",
        raises_nofile=False,
        version="4.1.0",
        held="99 of 100 autobind",
        note="A first connection, closed again, waits in TIME_WAIT.",
    ),
    "h2load": _NONE._replace(what="h2load", raises_nofile=False, closes_first=CLIENT, version="1.52.0"),
    "siege": _NONE._replace(what="siege", closes_first=SERVER, version="4.0.7"),
    "hey": _NONE._replace(what="hey", raises_nofile=True, note=_GO),
    "k6": _PLAIN._replace(what="k6", option="`--local-ips`", raises_nofile=True, note=_GO),
    "locust": _NONE._replace(
        what="Locust",
        option="an adapter of requests, in the locustfile",
        bound=BIND,
        raises_nofile=10000,
        version="2.47.0",
        held="100 of 100 autobind, 300 of 300 bind",
        note="Raises its soft limit to 10,000 where the hard one allows that.",
    ),
    "autocannon": _NONE._replace(what="autocannon", raises_nofile=True),
    "artillery": _PLAIN._replace(what="Artillery", option="its source address", raises_nofile=True),
    "tsung": _PLAIN._replace(
        what="Tsung",
        binding=BIND_ANY,
        option="`<ip value>` of a client",
        raises_nofile=False,
        held="99 of 100 bind_any, 100 to two brokers; 100 of 100 bind",
        note="Binds the wildcard address without an option, always.",
    ),
    "httperf": _NONE._replace(
        what="httperf",
        nofile=1024,
        closes_first=CLIENT,
        version="0.9.0",
        held="",
        note="Lowers its hard limit to 1,024. With `--hog` it names the ports from 1,024 up, of the wildcard address "
        "and without `SO_REUSEADDR`: state `tune_binding: bind_any`.",
    ),
    "redis-benchmark": _NONE._replace(
        what="redis-benchmark",
        version="7.0.15",
        held="99 of 100 autobind",
        note="A first connection, closed again, waits in TIME_WAIT.",
    ),
    "pgbench": _NONE._replace(
        what="pgbench", held="99 of 100 autobind", note="A first connection, closed again, waits in TIME_WAIT."
    ),
    "iperf3": _PLAIN._replace(what="iperf3", option="`-B`", version="3.12"),
    "mosquitto": _PLAIN._replace(what="mosquitto_pub, mosquitto_sub", option="`-A`", version="2.0.11"),
    "paho-mqtt": _PLAIN._replace(
        what="paho-mqtt",
        binding=BIND_ANY,
        option="`bind_address=`",
        raises_nofile=False,
        version="2.2.0",
        held="99 of 100 bind_any, 100 to two brokers; 300 of 300 bind",
        note="Binds the wildcard address without an option, always.",
    ),
    "curl": Program(
        what="curl, everything on libcurl",
        option="`--interface`",
        bound=BIND_NO_PORT,
        ports_option="`--local-port`",
        closes_first=CLIENT,
        version="7.88.1",
        held="200 of 200 autobind; 600 of 600 bind_no_port",
        note="Does not set `SO_REUSEADDR`: of ports that it names, each has one connection. In a loop it stops at 100 "
        "ports.",
    ),
    "wget": _PLAIN._replace(what="wget", option="`--bind-address`", closes_first=CLIENT, version="1.21.3"),
    "aria2": _PLAIN._replace(what="aria2", option="`--interface`", reuse_address=True, version="1.36.0"),
    "ssh": _PLAIN._replace(what="ssh", option="`-b`"),
    "socat": _PLAIN._replace(what="socat", option="`bind=`", version="1.7.4.4"),
    "nc": _PLAIN._replace(what="nc of OpenBSD", option="`-s`", version="1.219"),
    "ncat": _PLAIN._replace(what="Ncat", option="`-s`", reuse_address=True, raises_nofile=True, version="7.93"),
    # Languages, for programs of one's own.
    "python": _PLAIN._replace(
        what="Python: `http.client`, requests, urllib3, httpx, aiohttp, asyncio, gevent, Twisted, uvloop",
        option="`source_address=`, `local_addr=`",
        raises_nofile=False,
        closes_first=CLIENT,
        version="3.11, requests 2.28.1",
        note="httpx and aiohttp have pools of 100 connections. `requests.get` in a loop stops at 100 ports.",
    ),
    "trio": Program(
        what="Python: trio",
        option="`local_address=`",
        bound=BIND_NO_PORT,
        raises_nofile=False,
        held="200 of 200 autobind; 600 of 600 bind_no_port",
    ),
    "pycurl": Program(
        what="Python: PycURL",
        option="`INTERFACE`",
        bound=BIND_NO_PORT,
        raises_nofile=False,
        closes_first=CLIENT,
        version="7.45.2, libcurl 7.88.1",
        held="200 of 200 autobind; 600 of 600 bind_no_port",
    ),
    "php": Program(
        what="PHP streams",
        option="`bindto`",
        bound=BIND_NO_PORT,
        held="200 of 200 autobind; 600 of 600 bind_no_port",
    ),
    "node": _PLAIN._replace(
        what="Node.js: net, http, undici, got, axios, ws",
        option="`localAddress`",
        reuse_address=True,
        raises_nofile=True,
        version="20.20.2",
    ),
    "go": _PLAIN._replace(
        what="Go: net/http",
        option="`Dialer.LocalAddr`",
        raises_nofile=True,
        version="1.19.8",
        held="100 of 100 autobind, 300 of 300 bind; 600 of 600 with `Dialer.Control`",
        note="An empty `TCPAddr` binds the wildcard address: `tune_binding: bind_any`. `Dialer.Control` can set "
        "`IP_BIND_ADDRESS_NO_PORT`: `tune_binding: bind_no_port`. " + _GO,
    ),
    "java": _PLAIN._replace(
        what="Java: Socket, SocketChannel, Netty",
        option="a local address",
        raises_nofile=True,
        closes_first=CLIENT,
        version="17.0.15",
        note="Sockets of IPv6 with IPv4-mapped addresses, counted as IPv4. `new Socket(host, port, null, 0)` binds the "
        "wildcard address: `tune_binding: bind_any`.",
    ),
    "erlang": _PLAIN._replace(
        what="Erlang: gen_tcp",
        option="`{ip, Address}`",
        raises_nofile=False,
        note="`{ip, any}` binds the wildcard address: `tune_binding: bind_any`.",
    ),
    "perl": _PLAIN._replace(what="Perl: IO::Socket", option="`LocalAddr`"),
    "ruby": _PLAIN._replace(what="Ruby: TCPSocket", option="a local host"),
}


def named(value: object) -> Program:
    """Return the program of this name. raises: Refusal for one that nobody has measured"""
    if not isinstance(value, str) or value not in PROGRAMS:
        remedy = "State what it does instead: %s. docs/programs.md says how to find out." % ", ".join(VARIABLES)
        raise Refusal("tune_program", value, "one of " + ", ".join(PROGRAMS), remedy)
    return PROGRAMS[value]


def binding_of(name: str, program: Program, binds: bool, ports: object) -> str:
    """Return how a program binds that is configured so. raises: Refusal for an option that it has not

    binds: whether its configuration names source addresses
    ports: the ports that it names, None where it leaves them to the kernel
    """
    if ports is not None:
        if program.ports_option is None:
            allowed = "nothing for %s, which has no option for ports" % name
            raise Refusal("tune_program_ports", ports, allowed, "Leave it out, or state tune_binding.")
        return BIND_PORT
    if not binds:
        return program.binding
    if program.bound is None:
        allowed = "false for %s, which has no option for a source address" % name
        raise Refusal("tune_program_binds", True, allowed, "Leave it out, or state tune_binding.")
    return program.bound
