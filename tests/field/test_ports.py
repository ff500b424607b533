# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports a run reserves: by real sockets in a network namespace of their own, and by the files of hosts."""

from __future__ import annotations

import typing as t

import pytest
from limits_builder import limits_of
from namespaces import inside, needs_root

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.config import port_claims
from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
HEADER = "  sl  local_address rem_address   st\n"

# What every script begins with. Records go to a file system of this mount namespace, keys are the network namespace's.
BEGIN = r"""
import contextlib, json, socket, subprocess, sys
sys.path = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import listening, observation
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.apply import reserved_ports, sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names

for command in ("mount -t tmpfs none /var/lib", "mount -t tmpfs none /run", "ip link set lo up"):
    subprocess.run(command.split(), check=True)

TCP, UDP, V4, V6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
RESERVED = "net.ipv4.ip_local_reserved_ports"

def opened(family, kind, address=None, *options, connect=None):
    made = socket.socket(family, kind)
    for option in options:
        made.setsockopt(*option)
    if address is not None:
        made.bind(address)
    if connect is not None:
        made.connect(connect)
    elif kind == TCP:
        made.listen(5)
    return made

def port(made):
    return made.getsockname()[1]

def run():
    # As sysctl_apply does; returns what was written of the reserved ports.
    request = KeysRequest({}, {"net.ipv4.ip_local_port_range": "1024 65535"}, [], True, Names("sysctl_"))
    done = sysctl_change.carry_out(Host(), sysctl_change.plan_present(Host(), request))
    return {plan.key: plan.target for plan in done if plan.target is not None}

def reserved():
    with open("/proc/sys/net/ipv4/ip_local_reserved_ports") as stream:
        return stream.read().strip()
"""

AUTOMATIC = r"""
server = opened(V4, TCP, ("127.0.0.1", 8080))
daemons = [opened(V4, TCP, ("127.0.0.1", 0)), opened(V6, TCP, ("::", 0)), opened(V4, TCP)]
assert run() == {"net.ipv4.ip_local_port_range": "1024 65535", RESERVED: "8080"}, reserved()
seen = set()
for _restart in range(20):
    seen.update(map(port, daemons))
    for each in daemons:
        each.close()
    daemons = [opened(V4, TCP, ("127.0.0.1", 0)), opened(V6, TCP, ("::", 0)), opened(V4, TCP)]
    assert run() == {}, reserved()
assert len(seen) > 40 and reserved() == "8080"
told = observation.observe([])
assert told["listeners"] == sorted([8080, *map(port, daemons)])
assert told["automatic_listeners"] == sorted(map(port, daemons))
# A service that is new is reserved as ever.
new = opened(V4, TCP, ("127.0.0.1", 9100))
assert run() == {RESERVED: "8080,9100"}
assert run() == {}
"""


@needs_root
def test_f15_a_daemon_with_another_port_after_each_start_changes_nothing():
    """A daemon listens on 127.0.0.1:36911, after a restart on 46289, and so on: the kernel chose them all."""
    inside(BEGIN + AUTOMATIC, 60)


PICKING = r"""
server = opened(V4, TCP, ("127.0.0.1", 8080))
run()
for number in range(90):
    daemon = opened(V4, TCP, ("127.0.0.1", 20000 + number))
    assert run() == {RESERVED: reserved()}
    assert run() == {}
    daemon.close()
ports = reserved().split(",")
assert ports[0] == "8080" and ports[1:] == ["%d-20089" % (20089 - reserved_ports._MAX_UNUSED)], ports
# A service that is stopped while a run goes by finds its port reserved.
server.close()
daemon = opened(V4, TCP, ("127.0.0.1", 30000))
run()
assert reserved().startswith("8080,201")
for plan in sysctl_change.carry_out(Host(), sysctl_change.plan_absent(Host())):
    assert plan.outcome == "restored", plan
assert reserved() == ""
"""


@needs_root
def test_f15_a_daemon_that_picks_a_port_itself_does_not_make_the_list_grow_for_ever():
    """Docker with ``--publish-all`` picks a port and names it: the kernel cannot tell it from a fixed one."""
    inside(BEGIN + PICKING.replace("8080,201", "20026-200"), 60)


def listens(host: t.Any, table: str, *ports: int, state: str = "0A") -> None:
    lines = ["%d: 0100007F:%04X 00000000:0000 %s\n" % (n, port, state) for n, port in enumerate(ports)]
    host.put("/proc/net/" + table, HEADER + "".join(lines))


def stock(host: t.Any) -> t.Any:
    host.sysctl(
        net__ipv4__ip_local_port_range="32768\t60999",
        net__ipv4__ip_local_reserved_ports="",
        net__ipv4__ip_unprivileged_port_start=1024,
    )
    return host


def run(host: t.Any, reserve: bool = True) -> dict[str, str]:
    """Do what sysctl_apply does on a folder, and return what was written."""
    request = KeysRequest({}, {RANGE: "1024 65535"}, [], reserve, Names("sysctl_"))
    done = sysctl_change.carry_out(host.look(), sysctl_change.plan_present(host.look(), request))
    return {plan.key: plan.target for plan in done if plan.target is not None}


def test_f15_where_the_kernel_cannot_be_asked_a_port_of_the_range_may_be_automatic(host):
    """The same host as a folder: /proc/net/tcp does not say who chose 36911."""
    listens(stock(host), "tcp", 22, 8080, 36911)
    assert run(host) == {RANGE: "1024 65535", RESERVED: "8080"}
    listens(host, "tcp", 22, 8080, 46289)
    assert run(host) == {}
    assert host.live(RESERVED) == "8080"
    # Somebody has widened the range long ago: 9100 is a service's nevertheless.
    listens(host, "tcp", 22, 8080, 9100, 51234)
    assert run(host) == {RESERVED: "8080,9100"}


@pytest.mark.parametrize(
    ("low", "high", "automatic"),
    [(32768, 60999, {40000, 60999}), (1024, 65535, {40000, 60999, 61000}), (9000, 20000, {9100}), (1, 2, set())],
)
def test_guessed_by_the_range_in_force(low, high, automatic):
    ports = {22, 9100, 40000, 60999, 61000}
    assert listening.guessed(ports, low, high) == (ports - automatic, automatic)
    assert listening.guessed({40000}, 1024, 65535, {40000}).named == {40000}


def test_f15_the_plan_is_the_same_whatever_the_daemon_has():
    """The planner predicts a port less while it listens, and plans as if it did not."""
    plans = []
    for automatic in ("", "36911", "46289", "40000-40999"):
        ports = {"listeners": "22,8080%s" % (automatic and "," + automatic), "automatic": automatic}
        plans.append(planner.plan(limits_of(ports=ports), {"explicit": {}}))
    assert [plan["after"]["ceiling"] for plan in plans] == [64511, 64510, 64510, 63511]
    assert {plan["target"] for plan in plans} == {32255}
    assert all(plan["settings"] == plans[0]["settings"] for plan in plans)
    # Who asks for every last port is told of the one that is taken.
    ports = {"listeners": "36911", "automatic": "36911"}
    asked = {"explicit": {}, "target_connections": 64512, "port_fill": 1.0}
    assert "refusal" not in planner.plan(limits_of(), asked)
    assert "at most 64511" in planner.plan(limits_of(ports=ports), asked)["refusal"]


# --- Kubernetes ---


def node(host: t.Any, files: t.Mapping[str, str]) -> list[tuple[int, int, str]]:
    for path, text in files.items():
        host.put(path, text)
    return [(claim.low, claim.high, claim.by) for claim in port_claims.claims(host.look())]


MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
KUBELET = "/usr/lib/systemd/system/kubelet.service"
K3S = "/etc/systemd/system/k3s.service"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/var/lib/kubelet/config.yaml": ""}, (30000, 32767, "/var/lib/kubelet")),
        ({KUBELET: "[Service]\n"}, (30000, 32767, KUBELET)),
        ({"/etc/rancher/node/password": "x"}, (30000, 32767, "/etc/rancher/node")),
        ({MANIFEST: "spec:\n  - --service-node-port-range=20000-22767\n"}, (20000, 22767, MANIFEST + ":2")),
        ({MANIFEST: "spec:\n  - --service-node-port-range\n  - '20000+10'\n"}, (20000, 20010, MANIFEST + ":3")),
        ({MANIFEST: "args: ['--service-node-port-range', '80-32767']\n"}, (80, 32767, MANIFEST + ":1")),
        ({MANIFEST: "#  - --service-node-port-range=20000-22767\n"}, (30000, 32767, "/etc/kubernetes/manifests")),
        ({MANIFEST: "  - --service-node-port-range=many\n  - --x=5-6\n"}, (30000, 32767, "/etc/kubernetes/manifests")),
        (
            {
                "/etc/rancher/k3s/config.yaml": "service-node-port-range: 20000-20001\n",
                "/etc/rancher/k3s/config.yaml.d/5.yaml": 'service-node-port-range: "20002-20003" # why\n',
            },
            (20002, 20003, "/etc/rancher/k3s/config.yaml.d/5.yaml:1"),
        ),
        (
            {"/etc/rancher/rke2/config.yaml": "kube-apiserver-arg:\n  - service-node-port-range=25000-26000\n"},
            (25000, 26000, "/etc/rancher/rke2/config.yaml:2"),
        ),
        (
            {K3S: "[Service]\nExecStart=/bin/k3s \\\n  server \\\n\t'--service-node-port-range' \\\n\t'7000-7999'\n"},
            (7000, 7999, K3S + ":5"),
        ),
    ],
)  # fmt: skip
def test_f16_a_node_of_kubernetes_and_its_nodeports(host, files, expected):
    """NodePorts 30000-32767, or what the API server is told, have no listener: kube-proxy redirects them."""
    assert node(host, files) == [expected]


def test_f16_no_node_claims_nothing(host):
    assert node(host, {"/root/.kube/config": "", "/usr/bin/kubectl": "", "/etc/rancher/other": ""}) == []


def test_f16_nodeports_are_reserved_and_nobody_is_surprised(host):
    """A Kubernetes node with the default range: widened, less 2768 ports; the second run changes nothing."""
    stock(host).put("/etc/kubernetes/kubelet.conf", "")
    listens(host, "tcp", 10250)
    with pytest.raises(Refusal, match=r"10250,30000-32767.*NodePorts of Kubernetes \(/etc/kubernetes/kubelet.conf\)"):
        run(host, reserve=False)
    assert run(host)[RESERVED] == "10250,30000-32767"
    assert run(host) == {}


def test_f16_a_target_that_the_nodeports_leave_no_room_for_is_refused_by_name():
    """61,744 ports are left of 64,512; the refusal says which are not there, and whose they are."""
    claimed = [{"ports": "30000-32767", "why": "NodePorts of Kubernetes", "by": "/var/lib/kubelet"}]
    asked = {"explicit": {}, "target_connections": 62000, "port_fill": 1.0}
    found = planner.plan(limits_of(ports={"claimed": claimed}), asked)["refusal"]
    assert "1 source address x 61744 ports" in found
    assert found.endswith("Reserved of the range: 30000-32767 (NodePorts of Kubernetes, /var/lib/kubelet).")
    assert planner.plan(limits_of(ports={"claimed": claimed}), dict(asked, target_connections=61744))["target"] == 61744
    elsewhere = dict(asked, port_range="33000 65535", target_connections=40000)
    assert "NodePorts" not in planner.plan(limits_of(ports={"claimed": claimed}), elsewhere)["refusal"]


# --- socket units ---

UNITS = "/etc/systemd/system/"


def enable(host: t.Any, name: str, text: str, target: str = "sockets.target") -> None:
    host.put(UNITS + name.replace("@8443", "@"), text)
    host.put(UNITS + "%s.wants/%s" % (target, name), "")
    link = host.path / UNITS.lstrip("/") / ("%s.wants" % target) / name
    link.unlink()
    link.symlink_to(UNITS + name.replace("@8443", "@"))


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("ListenStream=9090\n", [9090]),
        ("ListenStream=127.0.0.1:9090\nListenDatagram=[::1]:9091\n", [9090, 9091]),
        ("ListenStream=[fe80::1]:9090%eth0\n", [9090]),
        ("ListenStream=0x2382\n", [9090]),
        ("ListenStream=9090\nListenStream=\nListenStream=9091\n", [9091]),
        ("ListenStream=9090\nListenDatagram=\n", []),
        ("ListenStream=9090\nListenFIFO=\nListenDatagram=9091\n", [9091]),
        ("ListenStream=/run/x:9090\nListenStream=@x:1\nListenStream=vsock:2:9090\nListenStream=70000\n", []),
        ("ListenSequentialPacket=9090\nListenStream=0\nListenStream=x9090\nListenStream=1.2.3.4\n", []),
    ],
)
def test_what_an_enabled_socket_unit_will_listen_on(host, text, ports):
    """cockpit.socket and its like: stopped now, listening after the next reboot."""
    enable(host, "app.socket", "[Socket]\n" + text)
    assert [claim.low for claim in port_claims.claims(host.look())] == ports
    stock(host)
    assert run(host).get(RESERVED) == (",".join(map(str, ports)).replace("9090,9091", "9090-9091") or None)


def test_drop_ins_templates_masks_and_what_is_not_enabled(host):
    enable(host, "app@8443.socket", "[Socket]\nListenStream=%i\n")
    enable(host, "two.socket", "[Socket]\nListenStream=9001\n")
    enable(host, "masked.socket", "")
    host.put(UNITS + "off.socket", "[Socket]\nListenStream=9003\n")
    # sshd-socket-generator of Ubuntu
    host.put("/run/systemd/generator/two.socket.d/addresses.conf", "[Socket]\nListenStream=\nListenStream=2222\n")
    found = {claim.low: claim.by for claim in port_claims.claims(host.look())}
    assert found == {
        8443: UNITS + "app@.socket:2",
        2222: "/run/systemd/generator/two.socket.d/addresses.conf:3",
    }
    wants = host.path / "etc/systemd/system/sockets.target.wants/two.socket"
    wants.unlink()
    wants.symlink_to("/dev/null")
    host.put("/usr/lib/systemd/system/sockets.target.wants/two.socket", "")
    assert [claim.low for claim in port_claims.claims(host.look())] == [8443]


# --- UDP, and real sockets of each kind ---

DATAGRAMS = r"""
# A socket of the kernel itself, as WireGuard's are (net/ipv4/udp_tunnel_core.c, udp_sock_create4).
for command in ("ip link add v0 type vxlan id 5 dstport 8472 dev lo", "ip link set v0 up"):
    subprocess.run(command.split(), check=True)
kept = [
    opened(V4, UDP, ("0.0.0.0", 5060)), opened(V4, UDP, ("0.0.0.0", 51820)), opened(V6, UDP, ("::1", 51820)),
    opened(V4, UDP, ("0.0.0.0", 0)), opened(V6, UDP, ("::", 0)),
    # A connected one is a client's, and goes with the connection.
    opened(V4, UDP, ("127.0.0.1", 7777), connect=("127.0.0.1", 9)), opened(V4, UDP, connect=("127.0.0.1", 9)),
]
assert run()[RESERVED] == "5060,8472,51820", reserved()
assert run() == {}
assert observation.observe([])["udp_listeners"] == [5060, 8472, 51820]
"""


@needs_root
def test_f17_services_of_udp_are_reserved_too():
    """WireGuard on 51820, VXLAN on 8472 (of the kernel, here a real one), SIP on 5060: the range holds for UDP."""
    inside(BEGIN + DATAGRAMS, 60)


RESOLVER = r"""
import random, threading, time
# This machine may be busier than any host.
listening._RECHECK_SECONDS = 1
server = opened(V4, UDP, ("0.0.0.0", 53000))
stop = threading.Event()
def ask():
    while not stop.is_set():
        with contextlib.suppress(OSError), opened(V4, UDP, ("0.0.0.0", random.randint(1024, 52999))):
            time.sleep(0.02)
asking = [threading.Thread(target=ask) for _one in range(4)]
for each in asking:
    each.start()
seen = listening._asked(17, 7).named
written = [run() for _run in range(3)]
stop.set()
for each in asking:
    each.join()
assert len(seen) > 1 and written[0][RESERVED] == "53000" and written[1:] == [{}] * 2, (seen, written)
"""


@needs_root
def test_f17_ports_that_a_resolver_names_for_a_moment_are_not_reserved():
    """unbound and dnsmasq bind a random port for each query: no service, and another one at the next run."""
    inside(BEGIN + RESOLVER, 60)


def test_f17_where_the_kernel_cannot_be_asked(host):
    listens(stock(host), "udp", 5060, 51820, 40001, state="07")
    listens(host, "udp6", 8472, state="07")
    listens(host, "tcp", 22)
    assert run(host)[RESERVED] == "5060,8472,51820"
    assert run(host) == {}


EACH_KIND = r"""
named, automatic, kept = {TCP: set(), UDP: set()}, {TCP: set(), UDP: set()}, []
REUSE = [(), ((socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),), ((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),)]
ONLY6, BOTH = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1), (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
PLACES = [(V4, "127.0.0.1", ()), (V4, "0.0.0.0", ()), (V6, "::1", (ONLY6,)), (V6, "::", (ONLY6,)), (V6, "::", (BOTH,))]
NO_PORT = (socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
# Outside the range from which the kernel chooses: it may have chosen such a port already.
number = 24000
for kind in (TCP, UDP):
    for family, address, only in PLACES:
        for reuse in REUSE:
            number += 1
            kept.append(opened(family, kind, (address, number), *only, *reuse))
            named[kind].add(number)
            kept.append(opened(family, kind, (address, 0), *only, *reuse))
            automatic[kind].add(port(kept[-1]))
    for family in (V4, V6):
        number += 1
        group = [opened(family, kind, ("", number), *REUSE[2]) for _one in range(3)]
        kept += group
        named[kind].add(number)
kept += [opened(V4, TCP), opened(V6, TCP), opened(V4, TCP, ("127.0.0.1", 0), NO_PORT)]
automatic[TCP].update(map(port, kept[-3:]))
# One for each family: the kernel chooses for the first, the program names that for the second. It is automatic.
for first, second in ((V4, V6), (V6, V4)):
    for kind in (TCP, UDP):
        chosen = opened(first, kind, ("", 0), *([ONLY6] if first == V6 else []))
        kept += [chosen, opened(second, kind, ("", port(chosen)), *([ONLY6] if second == V6 else []))]
        automatic[kind].add(port(chosen))
# Neither waits: a client, one that is only bound, a connected one of UDP.
kept += [opened(V4, TCP, ("127.0.0.1", 0), connect=("127.0.0.1", 24001)), opened(V4, UDP, connect=("127.0.0.1", 9))]
bound = socket.socket(V4, TCP)
bound.bind(("127.0.0.1", 29999))
found = listening.observe()
assert found.exact
for kind, ports in ((TCP, found.tcp), (UDP, found.udp)):
    assert ports.named == named[kind], (kind, ports.named ^ named[kind])
    assert ports.automatic == automatic[kind], (kind, ports.automatic ^ automatic[kind])
"""


@needs_root
def test_named_and_automatic_ports_of_each_kind_of_socket():
    inside(BEGIN + EACH_KIND, 60)


def test_told_apart_by_owner():
    """The same number on the other family is another program's where another user has it."""
    found = listening.told_apart({(2, 8080, 0), (10, 9000, 7), (2, 9001, 5)}, {(10, 8080, 1000), (2, 9000, 7)})
    assert found == listening.Ports(frozenset({8080, 9001}), frozenset({9000}))
