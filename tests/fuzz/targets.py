# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes text, bytes or people's variables without a host around it; each with samples, and the error of its own.

test_complete.py fails when a function of the collection is neither here nor reached by what test_trees.py calls.
"""

from __future__ import annotations

import json
import struct
import typing as t

from hypothesis import strategies as st
from inputs import JSON, SCALARS, near, octets, texts
from limits_builder import limits_of
from sample_host import FILES

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import addresses_change
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    other_writers,
    pam_limits,
    port_claims,
    shell_commands,
    shell_limits,
    sysctl_d,
    systemd_limits,
    tuned,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    cgroup_paths,
    interface_addresses,
    link_frames,
    link_probe,
    listening,
    mounts,
    netlink,
    port_choice,
    route_lookup,
    running_limits,
    slab,
    socket_count,
    socket_groups,
    tcp_sockets,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import grants, safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import messages
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import request as probe_request
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    control,
    packets,
    records,
    tun,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import (
    request as sink_request,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    address_set,
    binding,
    capabilities,
    endpoints,
    owned,
    port_set,
    refusal,
    sysctl_keys,
    sysctl_table,
    taken_addresses,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import fleet, known, request
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, sources
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import (
    document,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import (
    table as report_table,
)


class Target(t.NamedTuple):
    """``call`` takes what ``inputs`` gives, and raises nothing but ``errors``.

    grows: a sample of a longer input, to see how the time grows with it; {} stands for the repeated part
    """

    call: t.Callable[[t.Any], object]
    inputs: st.SearchStrategy[t.Any]
    errors: tuple[type[Exception], ...] = ()
    pieces: tuple[str, ...] = ()


def _text(call: t.Callable[[str], object], *samples: str, errors: tuple[type[Exception], ...] = ()) -> Target:
    """A parser of text; what its samples repeat, line by line and word by word, must cost no more than its length."""
    pieces = {piece for sample in samples for line in sample.split("\n") for piece in (line + "\n", *line.split(" "))}
    return Target(call, texts(*samples), errors, tuple(sorted(pieces - {"", "\n"})))


def _data(call: t.Callable[[t.Any], object], *samples: t.Any, errors: tuple[type[Exception], ...] = ()) -> Target:
    return Target(call, st.one_of(*map(near, samples)), errors)


# --- text ---

_BUILDS = [
    pam_limits.Behaviour(spares_root, True, scans, None) for spares_root in (False, True) for scans in (False, True)
]


def _pam(text: str) -> object:
    found = []
    for build in _BUILDS:
        lines = pam_limits.parse(text, "/etc/security/limits.conf", build)
        grant = pam_limits.resolve(lines, build, "tester", 1000, 1000, [("load", 1001)])
        found.append((pam_limits.limits(grant, 2**20), pam_limits.winning(lines)))
        found += [pam_limits.level_of(line.domain) for line in lines]
    return found


def _systemd(text: str) -> object:
    found = systemd_limits.assignments(text, "Service", "LimitNOFILE")
    return [systemd_limits.parse_rlimit(value) for _line, value in found]


def _unit_name(text: str) -> object:
    return systemd_limits.section_of(text), grants.units_of([text, owned.unit_drop_in(text)])


def _sysctl(text: str) -> object:
    lines = sysctl_d.parse(text, "/etc/sysctl.conf")
    return [sysctl_d.winner(lines, key) for key in ("net.core.somaxconn", "net.ipv4.conf.eth0/5.rp_filter")]


def _sysctl_key(text: str) -> object:
    return sysctl_keys.proc_path(sysctl_keys.normalize(text)), sysctl_d.winner(
        [sysctl_d.Assignment(text, "1", "", 1)], "net.ipv4.conf.eth0.rp_filter"
    )


_VALUES_OF = ("fs.nr_open", sysctl_table.PORT_RANGE, sysctl_table.RESERVED_PORTS, "net.ipv4.tcp_rmem", "fs.x")


def _kernel_number(text: str) -> object:
    kernel = sysctl_keys.Kernel(32)
    return [(sysctl_keys.number(key, text, kernel), sysctl_keys.allowed(key, kernel)) for key in _VALUES_OF]


def _same_values(text: str) -> object:
    return [sysctl_keys.same(key, text, "1024 65535", sysctl_keys.Kernel()) for key in _VALUES_OF]


def _script(text: str) -> object:
    return shell_commands.script(text), shell_commands.command(text.split())


def _writer_path(text: str) -> object:
    return other_writers.comes_after(text), sysctl_d.is_sorted(text)


_SCRIPT = FILES["/etc/rc.local"] + 'sysctl -q -w net.core.somaxconn="4096" >/dev/null 2>&1 || true # why\n'
_SYSCTL_LINES = FILES["/etc/sysctl.d/10-a.conf"] + "net.*.conf.[!z-a]*.rp_?ilter=1\nnet.[a-].x[]=2\n"
_UNIT = FILES["/etc/systemd/system/load@1.service.d/override.conf"] + "; no\n[Service]\\\nLimitNOFILE = 5:4\n"
_TUNED = FILES["/usr/lib/tuned/base/tuned.conf"] + "fs.nr_open=<10\n"
_STATE = {
    "pid": 5,
    "start": 7,
    "workers": [[6, 8]],
    "options": {"mode": "accept"},
    "since": 9,
    "board": 4,
    "details": {"listeners": [[3, 4]], "queues": [5]},
    "place": ["boot", 6, 7],
}
_STAT = "77 (a) b) c) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1 1"

TEXT: dict[str, Target] = {
    "config.pam_limits.parse": _text(
        _pam, FILES["/etc/security/limits.conf"], FILES["/etc/security/limits.d/50-x.conf"]),
    "config.pam_limits.strtoul": _text(pam_limits.strtoul, "-12x", " +0012", str(2**64)),
    "config.pam_limits.is_broken_range": _text(pam_limits.is_broken_range, "@1000:2000", "%:5", "5:"),
    "nofile.grants.check_domains": _text(
        lambda text: grants.check_domains([text], "limits_domains"), "@load", "1000:2000", "*", errors=(Refusal,)
    ),
    "config.systemd_limits.assignments": _text(_systemd, _UNIT, FILES["/usr/lib/systemd/system/load@.service"]),
    "config.systemd_limits.parse_rlimit": _text(systemd_limits.parse_rlimit, "0x10:0b11", "infinity", "+07:1024"),
    "config.shell_limits.settings": _text(
        lambda text: [shell_limits.settings(text, limit) for limit in (False, True)],
        "if ! ulimit -S -n ${X:-5} 2>&1; then\n\teval 'ulimit -n65536' # x\nfi\ncat <<-'END'\nx\n\tEND\n",
        'limit -h desc $(cat "a b")\nunlimit\n\\ulimit --file-descriptor-count=5 `x` ; prlimit -p$$ --nofile 5:6\n',
    ),
    "config.systemd_limits.section_of": _text(_unit_name, "a-b@c.service", "x.socket", "a-b-c-@.mount"),
    "config.sysctl_d.parse": _text(_sysctl, _SYSCTL_LINES),
    "values.sysctl_keys.normalize": _text(
        _sysctl_key, "net/ipv4/conf/eth0.5/x", "net.*.conf.[z-a]*.rp_filter", "net.ipv4.*"),
    "config.shell_commands.script": _text(
        _script, _SCRIPT, "sh -c \"sh -c 'echo 5 >> /proc/sys/fs/nr_open'\" | tee x", "N=5; ulimit -n ${N:-7} && a"
    ),
    "values.owned.role_of": _text(
        owned.role_of, "#!/bin/sh\n# Managed by fourtuple.clients: role tune. Changes here are overwritten.\n"
    ),
    "config.other_writers.comes_after": _text(_writer_path, "/etc/rc.local", owned.SYSCTL_DROP_IN, "/etc/default/grub"),
    "config.tuned._parse": _text(
        lambda text: tuned._parse(text, "tuned.conf"), _TUNED, FILES["/etc/tuned/mine/tuned.conf"]),
    "config.tuned.wins": _text(
        lambda text: tuned.wins("fs.nr_open", tuned.Option(text, "", 1), "4096", sysctl_keys.Kernel()),
        ">4096", "<10", "1 2",
    ),
    "host.running_limits.parse_limits": _text(running_limits.parse_limits, FILES["/proc/1/limits"]),
    "host.running_limits.unit_of": _text(running_limits.unit_of, FILES["/proc/77/cgroup"]),
    "cgroup_paths": _text(
        lambda text: [
            (cgroup_paths.split(path), cgroup_paths.container(path), cgroup_paths.below(path, above))
            for path in cgroup_paths.paths(text).values()
            for above in cgroup_paths.manager(cgroup_paths.paths(text)).values()
        ],
        FILES["/proc/77/cgroup"],
        "0::/lxc.payload.c1/system.slice/nginx.service\n",
        "0::/machine.slice/machine-c1.scope/payload/init.scope\n",
    ),
    "host.mounts.parse": _text(
        lambda text: mounts.covering(mounts.parse(text), "/proc/sys/net/ipv4"), FILES["/proc/self/mountinfo"]
    ),
    "values.capabilities.read": _text(capabilities.read, FILES["/proc/1/status"]),
    "host.socket_count.parse_sockstat": _text(
        lambda text: socket_count.parse_sockstat(text, "TCP"), FILES["/proc/net/sockstat"]
    ),
    "host.slab._from_slabinfo": _text(slab._from_slabinfo, FILES["/proc/slabinfo"]),
    "sink.records.parse_state": Target(
        lambda found: control.describe(records.parse_state(json.dumps(found))), near(_STATE)
    ),
    "sink_state.parse_state of text": _text(records.parse_state, json.dumps(_STATE)),
    "sink.records.parse_stat": _text(records.parse_stat, _STAT),
    "values.port_set.parse_kernel_list": _text(
        port_set.parse_kernel_list, "8080,9000-9010\n", "1-65535",
    ),
    "values.sysctl_keys.number": _text(_kernel_number, "0x10 # x", "18446744073709551616", "-8", "017"),
    "values.sysctl_keys.same": _text(_same_values, "1024\t65535 # x", "8080,9000-9010", "4096 131072 6291456"),
    "values.sysctl_keys.word_size": _text(sysctl_keys.word_size, "x86_64", "i686", "armv7l"),
    "config.port_claims.listen_port": _text(
        port_claims.listen_port, "127.0.0.1:8080", "[fe80::1]:0x1F90%eth0", "017", "vsock:2:3"
    ),
    "config.port_claims.node_port_range": _text(
        port_claims.node_port_range,
        "  - --service-node-port-range=30000-32767 # x\n  - '--service-node-port-range'\n  - '80+9'\n",
        "service-node-port-range: \"1\"\n",
    ),
    "values.port_set.parse_range": _text(
        lambda text: port_set.parse_range("tune_port_range", text), "1024 65535", "1024-65535", errors=(Refusal,)
    ),
    "values.endpoints.parse_endpoint": _text(
        lambda text: endpoints.text_of(endpoints.parse_endpoint("x", text)),
        "192.0.2.1:7000", "[2001:db8::1]:7000", errors=(Refusal,),
    ),
    "values.address_set.expand": _text(
        lambda text: list(map(address_set.with_length, address_set.expand("x", [text]))),
        "198.51.100.7", "198.51.100.10-198.51.100.20", "2001:db8::/120", "0.0.0.0/0", "::ffff:1.2.3.4", "::/0",
        errors=(Refusal,),
    ),
    "fleet.Pool": _text(
        lambda text: fleet.Pool("", [text, "10.0.0.0/8"]).runs_of(5, 100),
        "198.51.100.7", "198.51.100.10-198.51.100.20", "2001:db8::/64", "::/0", errors=(Refusal,),
    ),
    "values.taken_addresses.without": _text(
        lambda text: taken_addresses.without(text, taken_addresses.Taken([{"address": text, "whose": "x"}]).within),
        "198.51.100.7", "198.51.100.10-198.51.100.20", "2001:db8::/64", "::/0",
    ),
    "values.taken_addresses.plain": _text(taken_addresses.plain, "192.0.2.1", "fe80::1%eth0", "::ffff:192.0.2.1"),
    "values.endpoints.address_of": _text(endpoints.address_of, "192.0.2.1:7000", "[2001:db8::1]:7000", "server:1"),
    "sink.request.parse_name": _text(lambda text: sink_request.parse_name("x", text), "default", errors=(Refusal,)),
    "sink.request.parse_prefix": _text(
        lambda text: sink_request.parse_prefix("x", text), "198.18.0.0/15", "2001:db8::/32", errors=(Refusal,)
    ),
    "values.refusal.whole_number": _text(
        lambda text: refusal.whole_number("x", text, 1, 10, "Write it."), "5", " 7 ", errors=(Refusal,)
    ),
    "report.table.plain": _text(report_table.plain, "client1 \x1b[31m"),
    "report.table.short_names": _text(
        lambda text: (report_table.short_names([text, text + "2"], 20), report_table.shorten(text, 9, 3)), "client1.x"
    ),
}  # fmt: skip


# --- bytes: what the kernel says, and what comes from the network ---


def _message(kind: int, payload: bytes, flags: int = netlink.NLM_F_MULTI) -> bytes:
    return netlink.HEADER.pack(netlink.HEADER.size + len(payload), kind, flags, 1, 0) + payload


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


_ADDRESS = _message(20, struct.pack("=4BI", 2, 24, 0x80, 0, 2) + _attribute(1, b"\xc0\0\2\1") + _attribute(8, bytes(4)))
_ROUTE = _message(
    24,
    struct.pack("=8BI", 2, 8, 0, 0, 255, 3, 0, 2, 0)
    + _attribute(1, b"\x0a\0\0\0")
    + _attribute(4, struct.pack("=I", 2)),
)
_DEFAULT = _message(
    24, struct.pack("=8BI", 10, 0, 0, 0, 254, 3, 0, 1, 0) + _attribute(9, struct.pack("=HBBi", 8, 0, 0, 2) * 2)
)
_RULE = _message(32, struct.pack("=8BI", 2, 0, 24, 0, 254, 0, 0, 1, 0) + _attribute(2, b"\xc0\0\2\0"))
_SOCKET = _message(
    18, struct.pack("=4BHH16s16s36x", 2, 1, 0, 0, 9999, 80, b"\xc0\0\2\1", b"\xc0\0\2\2") + _attribute(8, b"\0")
)
_OWNED = _message(18, _SOCKET[16:] + _attribute(21, struct.pack("=Q", 30748)) + _attribute(22, b"\x12\x01"))
_LINK = _message(
    16,
    struct.pack("=BxHiII", 0, 1, 2, 0x41, 0)
    + _attribute(3, b"eth0\0")
    + _attribute(1, b"\2\0\0\0\0\1")
    + _attribute(18, _attribute(4, b"bridge\0")),
)
_DONE = _message(netlink.NLMSG_DONE, bytes(4))
_ERROR = _message(netlink.NLMSG_ERROR, struct.pack("=i", -2))
_DUMPS = [
    _ADDRESS * 2 + _DONE, _ROUTE + _DEFAULT + _DONE, _SOCKET * 3, _OWNED * 2, _OWNED + _SOCKET + _DONE,
    _SOCKET + _DONE, _ERROR, _DONE, _ROUTE + _ADDRESS, _LINK * 2 + _DONE,
]  # fmt: skip
_NAMES = {1: "lo", 2: "eth0"}

_FRAMES = [
    make(address, b"\2\0\0\0\0\1")
    for make in (link_frames.question, link_frames.announcement)
    for address in (b"\xc0\0\2\1", b"\x20\1\x0d\xb8" + bytes(11) + b"\1")
]

_IPV4_SYN = bytes.fromhex(
    "00000000000000000000"
    "4500003c00004000400600000a0000010a0000024e20005000000001000000005002fff000000000"
    "020405b40402080a00000001000000000103030700000000"
)
_IPV6_DATA = bytes.fromhex(
    "01000000000000000000" "60000000002406ff20010db800000000000000000000000120010db8000000000000000000000002"
    "4e200050000000010000000580180010000000000101080a000000010000000061626364"
)  # fmt: skip


def _read(*readers: t.Callable[[], netlink.Reader]) -> t.Callable[[bytes], object]:
    def call(data: bytes) -> object:
        found: list[object] = []
        for make in readers:
            reader = make()
            reader.feed(data)
            found.append(reader)
        return found

    return call


def _groups(data: bytes) -> object:
    readers = (socket_groups.Ports(), socket_groups.Holders(), socket_groups.Waiting())
    for reader in readers:
        reader.feed(data)
    return [socket_groups.common_layout(data), readers[0].groups(), readers[0].ports]


def _tally(data: bytes) -> object:
    tally = socket_count.Tally()
    tally.feed(data)
    return tally.states(), tally.small(3), tally.sources()


def _answer(data: bytes) -> object:
    counters = [0] * 16
    packet = bytearray(data.ljust(80, b"\0"))
    for ports in (None, bytes(65536)):
        size = packets.Responder(counters, ports).answer(packet, len(data))
        # What goes back into the kernel is never longer than what came out of it.
        assert 0 <= size <= len(data)
    return counters


BYTES: dict[str, Target] = {
    "probe.messages.decode": Target(messages.decode, octets(messages.encode(messages.Report())), (ValueError,)),
    "host.interface_addresses.Addresses.take": Target(
        _read(lambda: interface_addresses.Addresses(_NAMES)), octets(*_DUMPS), (NetlinkError,)
    ),
    "host.interface_addresses.Routes.take": Target(
        _read(lambda: interface_addresses.Routes(_NAMES)), octets(*_DUMPS), (NetlinkError,)
    ),
    "host.interface_addresses.Rules.take": Target(
        _read(interface_addresses.Rules), octets(_RULE + _DONE, *_DUMPS), (NetlinkError,)
    ),
    "host.interface_addresses.NextHops.take": Target(
        _read(lambda: interface_addresses.NextHops(_NAMES)), octets(*_DUMPS), (NetlinkError,)
    ),
    "host.interface_addresses.Neighbours.take": Target(
        _read(lambda: interface_addresses.Neighbours(_NAMES)), octets(*_DUMPS), (NetlinkError,)
    ),
    "host.link_frames.parse": Target(link_frames.parse, octets(*_FRAMES)),
    "host.link_probe.Links.take": Target(_read(link_probe.Links), octets(*_DUMPS), (NetlinkError,)),
    "host.socket_count._Peers.take": Target(_read(socket_count._Peers), octets(*_DUMPS), (NetlinkError,)),
    "host.tcp_sockets.Sockets.take": Target(_read(tcp_sockets.Sockets), octets(*_DUMPS), (NetlinkError,)),
    "host.route_lookup.WayReader.take": Target(_read(route_lookup.WayReader), octets(*_DUMPS), (NetlinkError,)),
    "sink.tun.Routes.take": Target(_read(tun.Routes), octets(*_DUMPS), (NetlinkError,)),
    "host.socket_count.Tally.feed": Target(_tally, octets(*_DUMPS), (NetlinkError,)),
    "host.socket_groups.Grouping.feed": Target(_groups, octets(*_DUMPS), (NetlinkError,)),
    "host.port_choice.Rules.take": Target(_read(port_choice.Rules), octets(*_DUMPS), (NetlinkError,)),
    "host.listening.Sockets.take": Target(_read(listening.Sockets), octets(*_DUMPS), (NetlinkError,)),
    "host.netlink.attributes": Target(
        lambda data: netlink.attributes(data, 0, len(data)), octets(_ADDRESS[24:], _ROUTE[28:]), (NetlinkError,)
    ),
    "sink.packets.Responder.answer": Target(_answer, octets(_IPV4_SYN, _IPV6_DATA)),
    "sink.records.read_board": Target(records.read_board, octets(struct.pack("=48Q", *range(48)))),
}


# --- variables, and JSON ---


def _options(**options: st.SearchStrategy[t.Any]) -> st.SearchStrategy[dict[str, t.Any]]:
    """Return a module's parameters, which AnsibleModule has brought to their types."""
    return st.fixed_dictionaries({"variable_prefix": st.just("tune_"), **options})


_ENDPOINTS = texts("192.0.2.1:7000", "[2001:db8::1]:7000", "198.18.0.0/15")
_ADDRESSES = st.lists(texts("198.51.100.7", "198.51.100.10-198.51.100.20", "2001:db8::/120") | JSON, max_size=3)
_NUMBER = SCALARS | JSON | st.integers(0, 100000) | texts("5")
_PORTS = st.lists(_NUMBER | texts("9000-9010", "1-65535"), max_size=3)

_PROBE = _options(
    destinations=st.lists(_ENDPOINTS | st.just("192.0.2.1:7000"), max_size=3),
    own_sinks=st.lists(_ENDPOINTS, max_size=2),
    confirmed=st.booleans(),
    source_addresses=_ADDRESSES,
    binding=st.sampled_from(binding.BINDINGS),
    **dict.fromkeys(("target", "rate", "hold", "processes", "sample", "reserve", "timeout"), _NUMBER),
    program_ports=st.none() | near("20000-20099"),
    reuse_address=st.booleans(),
    user=st.none() | texts("nobody"),
    progress=st.none() | texts("/run/fourtuple/x"),
)  # fmt: skip

_SINK = _options(
    mode=st.sampled_from(("accept", "responder")),
    listen=st.lists(_ENDPOINTS, max_size=3),
    prefix=st.none() | texts("198.18.0.0/15", "2001:db8::/32"),
    ports=_PORTS,
    name=texts("default") | st.just("default"),
    **dict.fromkeys(("lifetime", "processes", "capacity"), _NUMBER | st.just(900)),
)  # fmt: skip

_STATED = {
    "target_connections": 200000,
    "destinations": ["192.0.2.1:443", "[2001:db8::1]:443", "server:1"],
    "binding": "bind_no_port",
    "processes": 2,
    "port_range": "1024 65535",
    "port_fill": 0.5,
    "users": ["root"],
    "units": ["ssh.service"],
    "interface": "eth0",
    "address_pool": ["198.51.100.0/24", "2001:db8::/120"],
    "slot": 3,
    "slot_size": 16,
    "app_bytes": 0,
    "app_descriptors": 64,
    "app_nofile": 100,
    "kernel_bytes": 4096,
    "memory_reserve": 5,
    "exempt_from": ["file_max"],
    "churn": 10,
    "after_restart": True,
    "program": "haproxy",
    "program_binds": True,
    "program_ports": None,
    "reuse_address": True,
    "descriptors_per_connection": 2,
    "raises_nofile": 10000,
    "closes_first": "server",
    "explicit": {
        "sysctl_floors": {"fs.nr_open": 5},
        "sysctl_values": {"net.ipv4.ip_local_port_range": "1024 65535", "fs.nr_open": 5000000},
        "reserved_ports": ["8080", "9000-9010"],
        "nofile_soft": 1024,
        "nofile_hard": 2000000,
        "domains": ["*", "root"],
        "addresses": ["198.51.100.7"],
    },
}

_HOST = limits_of()
_INVENTORY = {
    "client1": {
        "ansible_host": "192.0.2.20", "addresses_list": ["198.51.100.200-198.51.100.209"],
        "tune_destinations": ["192.0.2.30:443"], "prove_listen": ["192.0.2.31:7000"], "prove_prefix": "198.18.0.0/15",
        "ansible_facts": {"default_ipv4": {"address": "192.0.2.20"}, "all_ipv6_addresses": ["2001:db8::1"]},
        "tune_address_pool": ["198.51.100.0/24"], "tune_slot": 1, "tune_slot_size": 4,
        "tune_fleet_target": 100000, "tune_weight": 1, "tune_fleet_weight": 2.5,
    },
    "client2": {
        "tune_address_pool": "198.51.100.0/24", "tune_slot": 2, "tune_fleet_target": 100000, "tune_weight": 0.5,
        "tune_fleet_weight": 2.5, "awx_job_id": 7,
    },
}  # fmt: skip


def _plan(stated: t.Any) -> object:
    found = planner.plan(_HOST, stated)
    return found, report_table.render(document.report([{"host": "client1", "before": found["before"]}], "t", "g"))


def _planned(values: t.Any) -> object:
    return safety_check.read_planned(Host("/nowhere"), safety_check.CheckRequest(*values))


def _describe(observed: t.Any) -> object:
    return interface_addresses.describe(observed, {"192.0.2.15/24"})


_ROWS = st.fixed_dictionaries(
    {
        host: st.fixed_dictionaries({name: near(value) for name, value in row.items()})
        for host, row in _INVENTORY.items()
    }
)


def _known(variables: t.Any) -> object:
    table = fleet.known_addresses(variables, list(_INVENTORY))
    listed = ["198.51.100.0/24", "192.0.2.0/24", "::/0", 7]
    fleet.shares(variables, list(_INVENTORY))
    fleet.claims(
        {host: {"__tune_plan": {"claim": [["198.51.100.1", "198.51.100.4"]]}} for host in _INVENTORY}, _INVENTORY
    )
    return planner.plan(_HOST, _STATED, table, "client3"), known.taken(table, "client2", listed)


VARIABLES: dict[str, Target] = {
    "probe.request.parse": Target(probe_request.parse, _PROBE, (Refusal,)),
    "sink.request.parse": Target(lambda params: sink_request.parse(params).options(), _SINK, (Refusal,)),
    "nofile.safety_check.read_planned": Target(_planned, st.tuples(_NUMBER, _NUMBER, _NUMBER), (Refusal,)),
    "refusal.whole_number of anything": Target(
        lambda value: refusal.whole_number("x", value, 1, 10, "Write it."), _NUMBER, (Refusal,)
    ),
    "values.port_set.parse_ports": Target(lambda entries: port_set.parse_ports("x", entries), _PORTS, (Refusal,)),
    "port_set.parse_range of anything": Target(
        lambda value: port_set.parse_range("x", value), near([1024, "65535"]), (Refusal,)
    ),
    "apply.addresses_change.choose_interface": Target(
        lambda name: addresses_change.choose_interface("x", name, [{"ifname": "eth0"}]), texts("eth0", "lo"), (Refusal,)
    ),
    "values.address_set.pieces": Target(lambda entries: address_set.pieces("x", entries), _ADDRESSES, (Refusal,)),
    "request.parse": _data(request.parse, _STATED, errors=(Refusal,)),
    "model.ceilings.predict": _data(lambda stated: ceilings.predict(_HOST, stated), _STATED, errors=(Refusal,)),
    "model.sources.source_addresses": _data(
        lambda stated: sources.source_addresses(_HOST, stated), _STATED, errors=(Refusal,)
    ),
    # A refusal of the planner is data.
    "plan.planner.plan": _data(_plan, _STATED),
    "fleet.known_addresses": Target(_known, _ROWS),
    "fleet.share_out": Target(
        lambda variables: fleet.share_out(variables, list(_INVENTORY)),
        _ROWS,
        (Refusal,),
    ),
}
