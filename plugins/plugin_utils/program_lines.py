# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program has to be told so that it connects from each source address: lines of its own configuration."""

from __future__ import annotations

import ipaddress
import itertools
import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, MAX_ADDRESSES, run_of
from ansible_collections.fourtuple.clients.plugins.module_utils.values.endpoints import Endpoint, text_of

#: A program that needs a line for each pair of source address and destination gets no more lines than this.
MAX_PAIRS = 100000

#: So many servers are written out where only their number is known (tune_destinations).
MAX_PLACEHOLDERS = 100
#: Nobody has a name that ends so (RFC 6761, 6.4): what is not replaced reaches nobody, and says so.
_PLACEHOLDER_PORT = 443

#: The first port of the listeners of a program that has one source address for each.
_FIRST_PORT = 8001
_HIGHEST_PORT = 65535

_HTTPS = 443

#: nginx reads a share as a percentage with two decimals (ngx_http_split_clients_module.c, ngx_atofp()), and looks for
#: it in the order of the lines.
_HUNDREDTHS = 10000
_MAX_SPLIT = 100


class Asked(t.NamedTuple):
    """What lines are made of.

    sources:      address by address
    ranges:       all of them as ``first-last``, or the one address
    destinations: of the same family, as far as it is known
    ports:        those that the program itself chooses from, as in ``20000-29999``; None where the kernel does
    family:       4 or 6
    """

    sources: t.Sequence[str]
    ranges: t.Sequence[str]
    destinations: t.Sequence[Endpoint]
    ports: str | None
    family: int


#: Makes the lines of a file, given what is asked for of each family that has source addresses.
Body = t.Callable[[t.Sequence[Asked]], t.Iterable[str]]


class Syntax(t.NamedTuple):
    """The file of one program.

    extension: of the name of the file
    body:      its lines
    what:      they are, for people; Markdown
    comment:   what a line of comment begins with, and ends with
    first:     the lines before any comment
    advice:    what else has to be known, each a line of comment
    servers:   whether the lines name destinations
    maximum:   of source addresses, of each family
    pairs:     whether there is a line for each pair of source address and destination
    whole:     whether it takes ranges, so that no address is left out
    """

    extension: str
    body: Body
    what: str = "a function that connects from the next address"
    comment: tuple[str, str] = ("# ", "")
    first: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    servers: bool = True
    maximum: int = MAX_ADDRESSES
    pairs: bool = False
    whole: bool = False


def lines(
    program: str | None, sources: t.Iterable[str], destinations: t.Iterable[Endpoint] = (), ports: str | None = None
) -> str | None:
    """Return the lines of configuration that have a program connect from each source address; None for one without.

    program:      its name in the table of programs
    sources:      ``198.51.100.7``, ``198.51.100.10-198.51.100.20`` or ``198.51.100.0/24`` each
    destinations: names or addresses, with a port; a name stands for IPv4 where there are sources of both families
    ports:        as tune_program_ports has them, for a program that has an option for these
    """
    syntax = SYNTAXES.get(program or "")
    runs = _runs(sources)
    if syntax is None or not any(runs.values()):
        return None
    asked = _asked(syntax, runs, list(destinations) or placeholders(1), ports)
    comments = [syntax.comment[0] + text + syntax.comment[1] for text in _heading(str(program), syntax, runs, asked)]
    return "\n".join([*syntax.first, *comments, *syntax.body(asked)]) + "\n"


def extension(program: str | None) -> str | None:
    """Return the extension of the file of a program; None for one without lines."""
    syntax = SYNTAXES.get(program or "")
    return syntax.extension if syntax else None


def one_by_one(sources: t.Iterable[str], maximum: int = MAX_ADDRESSES) -> list[str]:
    """Return the addresses of ranges and prefixes one by one, the first ``maximum`` of each family."""
    return [address for family, run in _runs(sources).items() for address in _each(run, family, maximum)]


def placeholders(number: int) -> list[Endpoint]:
    """Return what stands for servers of which only the number is known."""
    return [("server-%d.invalid" % count, _PLACEHOLDER_PORT) for count in range(1, min(number, MAX_PLACEHOLDERS) + 1)]


def _runs(sources: t.Iterable[str]) -> dict[int, list[ranges.Range]]:
    found: dict[int, list[ranges.Range]] = {4: [], 6: []}
    for entry in sources:
        run = run_of(entry)
        if run is None:
            raise ValueError("%r is no address, range or prefix" % entry)
        found[run[0]].append(run[1:])
    return {family: ranges.merged(run) for family, run in found.items()}


def _asked(
    syntax: Syntax, runs: t.Mapping[int, list[ranges.Range]], servers: t.Sequence[Endpoint], ports: str | None
) -> list[Asked]:
    families = [family for family in runs if runs[family]]
    found = []
    for family in families:
        # A name stands for either family, as a destination that is only counted: IPv4's where there is a source.
        own = [server for server in servers if (_version(server[0]) or families[0]) == family]
        if own or not syntax.servers:
            maximum = min(syntax.maximum, max(1, MAX_PAIRS // len(own)) if syntax.pairs else syntax.maximum)
            texts = [ranges.text(one, MAKE[family]) for one in runs[family]]
            found.append(Asked(_each(runs[family], family, maximum), texts, own, ports, family))
    return found


def _version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


def _each(run: list[ranges.Range], family: int, maximum: int) -> list[str]:
    make = MAKE[family]
    return [
        str(make(number)) for first, last in ranges.first_numbers(run, maximum) for number in range(first, last + 1)
    ]


def _heading(
    program: str, syntax: Syntax, runs: t.Mapping[int, t.Sequence[ranges.Range]], asked: t.Sequence[Asked]
) -> t.Iterator[str]:
    number = sum(ranges.count(runs[each.family]) for each in asked)
    written = sum(len(each.sources) for each in asked)
    yield "%s: connections from %s." % (program, _number_of(number, "source address", "es"))
    if written < number and not syntax.whole:
        yield "Only the first %d are written out here." % written
    if syntax.servers and any(host.endswith(".invalid") for each in asked for host, _port in each.destinations):
        yield "Replace server-1.invalid:%d and its like by your destinations." % _PLACEHOLDER_PORT
    if len(asked) > 1 and not syntax.servers:
        yield "Addresses of both families: to a destination connect those of its own family."
    yield from syntax.advice


def _number_of(number: int, noun: str, plural: str = "s") -> str:
    return "%d %s%s" % (number, noun, "" if number == 1 else plural)


def _url(endpoint: Endpoint) -> str:
    return "%s://%s" % (_scheme(endpoint), text_of(endpoint))


def _scheme(endpoint: Endpoint) -> str:
    return "https" if endpoint[1] == _HTTPS else "http"


def _bracketed(address: str) -> str:
    return "[%s]" % address if ":" in address else address


# nginx


def _nginx(asked: Asked) -> t.Iterator[str]:
    variable = "$source%d" % asked.family
    yield from _split(variable, asked.sources)
    yield "upstream servers%d {" % asked.family
    yield from ("    server %s max_fails=0;" % text_of(server) for server in asked.destinations)
    yield "}"
    yield "# In the server or location block that connects to them:"
    yield "#     proxy_bind %s;" % variable
    yield "#     proxy_pass %s://servers%d;" % (_scheme(asked.destinations[0]), asked.family)
    yield "# In a stream block without the scheme: proxy_pass servers%d;" % asked.family


def _split(variable: str, sources: t.Sequence[str]) -> t.Iterator[str]:
    """Yield what spreads connections evenly, by a number that each has.

    In two steps where there are many: hundredths of a per cent cannot be even among thousands.
    """
    if len(sources) <= _MAX_SPLIT:
        yield from _split_clients("$connection", variable, [(source, 1) for source in sources])
        return
    size = math.ceil(math.sqrt(len(sources)))
    groups = [sources[first : first + size] for first in range(0, len(sources), size)]
    names = ["%s_%d" % (variable, number) for number in range(len(groups))]
    for name, group in zip(names, groups, strict=True):
        yield from _split_clients("$connection of a group", name, [(source, 1) for source in group])
    group_of = variable + "_group"
    yield from _split_clients("$connection", group_of, [(str(n), len(group)) for n, group in enumerate(groups)])
    yield "map %s %s {" % (group_of, variable)
    yield from ("    %d %s;" % named for named in enumerate(names))
    yield "}"


def _split_clients(key: str, variable: str, parts: t.Sequence[tuple[str, int]]) -> t.Iterator[str]:
    """Yield one block: values with their weights, the last of which has what is left of 100 %."""
    yield 'split_clients "%s" %s {' % (key, variable)
    ends = list(itertools.accumulate(weight for _value, weight in parts))
    shares = [end * _HUNDREDTHS // ends[-1] for end in ends]
    for (value, _weight), begin, end in zip(parts[:-1], [0, *shares], shares, strict=False):
        yield "    %d.%02d%% %s;" % ((end - begin) // 100, (end - begin) % 100, value)
    yield "    * %s;" % parts[-1][0]
    yield "}"


# HAProxy


def _haproxy(asked: Asked) -> t.Iterator[str]:
    yield "backend servers%d" % asked.family
    # Round robin has at most 4,095 servers (configuration.txt, balance); this has no maximum, and fills all evenly.
    yield "    balance leastconn"
    for number, server in enumerate(asked.destinations, 1):
        for count, source in enumerate(asked.sources, 1):
            local = _bracketed(source) + (":" + asked.ports if asked.ports else "")
            yield "    server server%d-source%d %s source %s" % (number, count, text_of(server), local)


# Squid


def _squid(asked: Asked) -> t.Iterator[str]:
    """Yield acls of which each takes its part of what those before have left, and the last address without one."""
    left = len(asked.sources)
    for number in range(1, left):
        yield "acl source%d_%d random 1/%d" % (asked.family, number, left - number + 1)
    for number, source in enumerate(asked.sources[:-1], 1):
        yield "tcp_outgoing_address %s source%d_%d" % (source, asked.family, number)
    yield "tcp_outgoing_address %s" % asked.sources[-1]


# Envoy


def _envoy(asked: t.Sequence[Asked]) -> t.Iterator[str]:
    """Yield a listener for each family, and a cluster for each source address: a cluster has one of each family."""
    yield "static_resources:"
    yield "  listeners:"
    for number, each in enumerate(asked):
        yield from (_ENVOY_LISTENER % (each.family, _FIRST_PORT + number)).splitlines()
        yield from ("            - {name: %s, weight: 1}" % name for name in _envoy_names(each))
    yield "  clusters:"
    for each in asked:
        static = all(_version(host) is not None for host, _port in each.destinations)
        for name, source in zip(_envoy_names(each), each.sources, strict=True):
            yield from (_ENVOY_CLUSTER % (name, "STATIC" if static else "STRICT_DNS", source, name)).splitlines()
            yield from (_ENVOY_ENDPOINT % server for server in each.destinations)


def _envoy_names(asked: Asked) -> list[str]:
    return ["servers%d-source%d" % (asked.family, number) for number in range(1, len(asked.sources) + 1)]


_ENVOY_LISTENER = """\
  - name: clients%d
    address: {socket_address: {address: "0.0.0.0", port_value: %d}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: clients
          weighted_clusters:
            clusters:"""
# Without max_connections a cluster has at most 1,024 (api/envoy/config/cluster/v3/circuit_breaker.proto).
_ENVOY_CLUSTER = """\
  - name: %s
    type: %s
    upstream_bind_config: {source_address: {address: "%s", port_value: 0}}
    circuit_breakers: {thresholds: [{max_connections: 1000000, max_pending_requests: 1000000}]}
    load_assignment:
      cluster_name: %s
      endpoints:
      - lb_endpoints:"""
_ENVOY_ENDPOINT = '        - endpoint: {address: {socket_address: {address: "%s", port_value: %d}}}'


# Programs that have one source address for each listener or service.


def _apache(asked: Asked) -> t.Iterator[str]:
    scheme = _scheme(asked.destinations[0])
    # Without retry=0 a server that one source has no port for is out for all of them, for a minute (mod_proxy).
    yield '<Proxy "balancer://servers%d">' % asked.family
    yield from ('    BalancerMember "%s://%s" retry=0' % (scheme, text_of(server)) for server in asked.destinations)
    yield "</Proxy>"
    for port, source in _listeners(asked):
        yield "Listen %d" % port
        yield "<VirtualHost *:%d>" % port
        yield "    ProxySourceAddress %s" % source
        if scheme == "https":
            yield "    SSLProxyEngine on"
        yield '    ProxyPass "/" "balancer://servers%d/"' % asked.family
        yield "</VirtualHost>"


def _caddy(asked: Asked) -> t.Iterator[str]:
    servers = " ".join("%s://%s" % (_scheme(asked.destinations[0]), text_of(one)) for one in asked.destinations)
    for port, source in _listeners(asked):
        yield ":%d {" % port
        yield "    reverse_proxy %s {" % servers
        yield "        transport http {"
        yield "            local_address %s" % source
        yield "        }"
        yield "    }"
        yield "}"


def _stunnel(asked: Asked) -> t.Iterator[str]:
    for port, source in _listeners(asked):
        yield "[source-%d]" % port
        yield "client = yes"
        yield "accept = %d" % port
        yield from ("connect = %s" % text_of(server) for server in asked.destinations)
        yield "local = %s" % source


def _listeners(asked: Asked) -> t.Iterator[tuple[int, str]]:
    """Yield a port to listen on for each source address; those of IPv6 come in the second half of the ports."""
    first = _FIRST_PORT if asked.family == 4 else _FIRST_PORT + _MAX_LISTENERS
    return enumerate(asked.sources, first)


_MAX_LISTENERS = (_HIGHEST_PORT + 1 - _FIRST_PORT) // 2


def _tinyproxy(asked: t.Sequence[Asked]) -> t.Iterator[str]:
    return ("Bind %s" % source for each in asked for source in each.sources)


# Load generators with a list


def _k6(asked: t.Sequence[Asked]) -> t.Iterator[str]:
    yield "k6 run --local-ips=%s SCRIPT" % ",".join(text for each in asked for text in each.ranges)


def _tsung(asked: t.Sequence[Asked]) -> t.Iterator[str]:
    yield "<clients>"
    yield '  <client host="localhost" use_controller_vm="true">'
    yield from ('    <ip value="%s"/>' % source for each in asked for source in each.sources)
    yield "  </client>"
    yield "</clients>"


# Programs that have one source address each time they are started.


def _loop(command: str) -> Body:
    """Return what starts a command for each pair of source address and destination.

    command: with $source, $local (in brackets where IPv6), $server, $port, $endpoint (server and port)
    """
    names = [name for name in ("source", "local", "server", "port", "endpoint") if "$" + name in command]

    def body(asked: t.Sequence[Asked]) -> t.Iterator[str]:
        yield "while read -r %s; do" % " ".join(names)
        yield "    %s &" % _with_ports(command, asked[0].ports)
        yield "done <<'SOURCES'"
        for each in asked:
            for server in each.destinations:
                for source in each.sources:
                    known = {
                        "source": source,
                        "local": _bracketed(source),
                        "server": server[0],
                        "port": server[1],
                        "endpoint": text_of(server),
                    }
                    yield " ".join(str(known[name]) for name in names)
        yield "SOURCES"
        yield "wait"

    return body


def _with_ports(command: str, ports: str | None) -> str:
    """Return a command with its option for ports of its own, or without."""
    return command.replace("{ports}", " --local-port %s" % ports if ports else "")


def _shell(command: str, *advice: str) -> Syntax:
    what = "a command for each pair of address and destination"
    return Syntax("sh", _loop(command), what, first=("#!/bin/sh",), advice=advice, pairs=True)


#: Java's literals have at most 65,535 bytes (JVMS 4.4.7), an address 39.
_OF_LITERAL = 1000

# Languages: the addresses in the program's source, and how to take the next one.


def _code(text: str, between: str | None = None) -> Body:
    """Return what puts the addresses, one a line, into the place of the first line SOURCES of a text.

    between: what begins another literal, for a language whose literals are short
    """
    before, after = text.split("\nSOURCES\n", 1)

    def body(asked: t.Sequence[Asked]) -> t.Iterator[str]:
        yield before
        sources = [source for each in asked for source in each.sources]
        for number, source in enumerate(sources):
            if between and number and number % _OF_LITERAL == 0:
                yield between
            yield source
        yield after

    return body


def _per_family(body: t.Callable[[Asked], t.Iterator[str]]) -> Body:
    return lambda asked: itertools.chain.from_iterable(map(body, asked))


_PYTHON = """
import itertools

SOURCES = \"\"\"
SOURCES
\"\"\".split()
_turn = itertools.cycle(SOURCES)


def source():
    \"\"\"Return the address, and port 0, that the next connection leaves from.\"\"\"
    return next(_turn), 0


"""

_HTTP_CLIENT = """\
# Give it to what connects:
#     http.client.HTTPConnection(host, port, source_address=source())
#     urllib3.PoolManager(source_address=source()), httpx.HTTPTransport(local_address=source()[0])
#     aiohttp.TCPConnector(local_addr=source()), asyncio.open_connection(host, port, local_addr=source())
# With requests, session.mount("https://", SourceAdapter()):
import requests.adapters


class SourceAdapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=source(), **kwargs)"""

_LOCUST = """\
import locust
import requests.adapters


class SourceAdapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=source(), **kwargs)


class SourceUser(locust.HttpUser):
    abstract = True

    def on_start(self):
        for scheme in ("http://", "https://"):
            self.client.mount(scheme, SourceAdapter())"""

_TRIO = """\
import trio


async def connect(host, port):
    return await trio.open_tcp_stream(host, port, local_address=source()[0])"""

_PYCURL = """\
import pycurl


def curl():
    handle = pycurl.Curl()
    handle.setopt(pycurl.INTERFACE, source()[0])
    return handle"""

_PAHO = """\
def connect(client, host, port):
    return client.connect(host, port, bind_address=source()[0])"""

_NODE = """\
const http = require('node:http');

const SOURCES = `
SOURCES
`.trim().split('\\n');
let turn = 0;

function source() {
  return SOURCES[turn++ % SOURCES.length];
}

// One agent keeps its source address: http.get({ host, port, agent: agent() }).
function agent(options = {}) {
  return new http.Agent({ ...options, localAddress: source() });
}
// Others take it as an option: net.connect({ host, port, localAddress: source() }); ws, too.

module.exports = { agent, source };"""

_ARTILLERY = """\
// In the script: config: processor: "./THIS-FILE.js", and beforeRequest: "setSource" in each scenario.
const SOURCES = `
SOURCES
`.trim().split('\\n');
let turn = 0;

function setSource(requestParams, context, events, next) {
  // A user keeps his address.
  context.vars.source ??= SOURCES[turn++ % SOURCES.length];
  requestParams.localAddress = context.vars.source;
  return next();
}

module.exports = { setSource };"""

# With tabs, as gofmt has it, where these lines have four spaces.
_GO = """\
package main

import (
    "context"
    "net"
    "net/http"
    "strings"
    "sync/atomic"
)

var sources = strings.Fields(`
SOURCES
`)

var turn atomic.Uint64

// dial connects from the next source address.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
    source := sources[(turn.Add(1)-1)%uint64(len(sources))]
    // A plain bind. docs/programs.md has the Control that makes it bind_no_port.
    dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
    return dialer.DialContext(ctx, network, address)
}

var transport = &http.Transport{DialContext: dial}"""

_JAVA = """\
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

final class Sources {
    private static final AtomicInteger TURN = new AtomicInteger();
    private static final String[] SOURCES = String.join("", \"\"\"
SOURCES
\"\"\").split("\\n");

    static InetAddress next() throws IOException {
        return InetAddress.getByName(SOURCES[Math.floorMod(TURN.getAndIncrement(), SOURCES.length)]);
    }

    static Socket connect(String host, int port) throws IOException {
        return new Socket(InetAddress.getByName(host), port, next(), 0);
    }
    // SocketChannel: channel.bind(new InetSocketAddress(Sources.next(), 0)) before connect();
    // Netty: bootstrap.connect(remote, new InetSocketAddress(Sources.next(), 0)).
}"""

_PHP = """\
$sources = preg_split('/\\s+/', trim(<<<'SOURCES'
SOURCES
SOURCES));

function source_context(): mixed
{
    global $sources;
    static $turn = 0;
    $source = $sources[$turn++ % count($sources)];
    $bindto = str_contains($source, ':') ? "[$source]:0" : "$source:0";
    return stream_context_create(['socket' => ['bindto' => $bindto]]);
}
// file_get_contents($url, false, source_context());"""

_PERL = """\
use IO::Socket::IP;

my @sources = qw(
SOURCES
);
my $turn = 0;

sub connect_from_source {
    my ($host, $port) = @_;
    return IO::Socket::IP->new(
        PeerHost => $host, PeerPort => $port, LocalHost => $sources[$turn++ % @sources]);
}

1;"""

_RUBY = """\
require 'socket'

SOURCES = %w[
SOURCES
].cycle

def connect(host, port)
  TCPSocket.new(host, port, SOURCES.next, 0)
end"""

_ERLANG = """\
-module(sources).
-export([all/0, connect/4]).

%% Call connect(Sources, Number, Host, Port) with what all() returns, kept, and the number of the connection.
connect(Sources, Number, Host, Port) ->
    {ok, Address} = inet:parse_address(element(Number rem tuple_size(Sources) + 1, Sources)),
    Family = case tuple_size(Address) of 4 -> inet; 8 -> inet6 end,
    gen_tcp:connect(Host, Port, [Family, {ip, Address}]).

all() ->
    list_to_tuple(string:lexemes("
SOURCES
", "\\n"))."""

_SLASHES, _PERCENT, _XML = ("// ", ""), ("% ", ""), ("<!-- ", " -->")
_CAPITALS = "Replace what is in capitals."
_SPREAD = "Each source address has a port to listen on, from %d up: spread the clients over these." % _FIRST_PORT


def _python(text: str) -> Syntax:
    return Syntax("py", _code(_PYTHON + text), servers=False)


#: By the name in the table of programs. One that is missing has no option for a source address.
SYNTAXES: dict[str, Syntax] = {
    "nginx": Syntax(
        "conf",
        _per_family(_nginx),
        "`split_clients` for `proxy_bind`, and an `upstream` with `max_fails=0`",
        advice=("Include this file in the http block, or in the stream block.",),
    ),
    "haproxy": Syntax(
        "cfg",
        _per_family(_haproxy),
        "a backend with a `server` for each pair of address and destination",
        advice=("A frontend names it as its default_backend.",),
        pairs=True,
    ),
    "envoy": Syntax(
        "yaml",
        _envoy,
        "a cluster with `upstream_bind_config` for each address, and a listener that spreads connections over them",
        advice=("A configuration that is complete: what connects to the listener goes on to the destinations.",),
        pairs=True,
    ),
    "squid": Syntax("conf", _per_family(_squid), "an acl and a `tcp_outgoing_address` for each address", servers=False),
    "caddy": Syntax(
        "Caddyfile",
        _per_family(_caddy),
        "a site with `local_address` for each address",
        advice=(_SPREAD,),
        maximum=_MAX_LISTENERS,
    ),
    "apache": Syntax(
        "conf",
        _per_family(_apache),
        "a virtual host with `ProxySourceAddress` for each address, and a balancer with `retry=0`",
        advice=(
            _SPREAD,
            "Needs the modules proxy, proxy_http, proxy_balancer and lbmethod_byrequests, and ssl for https.",
        ),
        maximum=_MAX_LISTENERS,
    ),
    "tinyproxy": Syntax("conf", _tinyproxy, "`Bind` for each address", servers=False),
    "stunnel": Syntax(
        "conf",
        _per_family(_stunnel),
        "a service with `local` for each address",
        advice=(_SPREAD,),
        maximum=_MAX_LISTENERS,
    ),
    "ab": _shell('ab -B "$source" -n REQUESTS -c CONNECTIONS "http://$endpoint/"', _CAPITALS),
    "k6": Syntax(
        "sh",
        _k6,
        "a command with `--local-ips`, as ranges",
        first=("#!/bin/sh",),
        advice=(_CAPITALS,),
        servers=False,
        whole=True,
    ),
    "locust": _python(_LOCUST)._replace(what="a user whose adapter of requests binds, for the locustfile"),
    "artillery": Syntax(
        "js", _code(_ARTILLERY), "a processor that sets `localAddress` of each request", _SLASHES, servers=False
    ),
    "tsung": Syntax("xml", _tsung, "`<ip value>` for each address", _XML, servers=False),
    "iperf3": _shell('iperf3 -B "$source" -c "$server" -p "$port" -P CONNECTIONS', _CAPITALS),
    "mosquitto": _shell('mosquitto_sub -A "$source" -h "$server" -p "$port" -t TOPIC', _CAPITALS),
    "paho-mqtt": _python(_PAHO),
    "curl": _shell('curl --interface "$source"{ports} "http://$endpoint/"'),
    "wget": _shell('wget --bind-address="$source" -O /dev/null "http://$endpoint/"'),
    "aria2": _shell('aria2c --interface="$source" "http://$endpoint/"'),
    "ssh": _shell('ssh -b "$source" -p "$port" -N "USER@$server"', _CAPITALS),
    "socat": _shell('socat -u "TCP:$endpoint,bind=$local" STDOUT'),
    "nc": _shell('nc -d -s "$source" "$server" "$port"'),
    "ncat": _shell('ncat --recv-only -s "$source" "$server" "$port"'),
    "python": _python(_HTTP_CLIENT),
    "trio": _python(_TRIO),
    "pycurl": _python(_PYCURL),
    "php": Syntax("php", _code(_PHP), comment=_SLASHES, first=("<?php",), servers=False),
    "node": Syntax("js", _code(_NODE), comment=_SLASHES, servers=False),
    "go": Syntax("go", _code(_GO.replace("    ", "\t")), comment=_SLASHES, servers=False),
    "java": Syntax("java", _code(_JAVA, '""", """'), comment=_SLASHES, servers=False),
    "erlang": Syntax("erl", _code(_ERLANG), comment=_PERCENT, advice=("Save it as sources.erl.",), servers=False),
    "perl": Syntax("pl", _code(_PERL), servers=False),
    "ruby": Syntax("rb", _code(_RUBY), servers=False),
}
