# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself against the real kernel, in namespaces of its own that end with each test."""

from __future__ import annotations

import shutil

import namespaces
import pytest
from namespaces import needs_root

needs_runuser = pytest.mark.skipif(not shutil.which("runuser"), reason="runuser opens a session of another user")


def file_table_is_full() -> bool:
    """Return whether fs.file-max leaves no room for processes without CAP_SYS_ADMIN."""
    with open("/proc/sys/fs/file-nr") as stream:
        used, _unused, most = map(int, stream.read().split())
    return used > most - 10000


#: With an established hash of its own, where the kernel has that (6.1): a dump walks all of it, and the machine's may
#: hold the connections of others.
OWN_HASH = 'sysctl -qw net.ipv4.tcp_child_ehash_entries=8192 2>/dev/null; exec "$@"'
BEFORE = ("unshare", "--net", "sh", "-c", OWN_HASH, "sh")

#: What every test begins with: a host with nothing but a loopback, addresses on it, and an empty /run.
PRELUDE = r"""
import contextlib, json, os, pwd, resource, select, signal, socket, struct, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from ansible.module_utils.testing import patch_module_args
from ansible_collections.fourtuple.clients.plugins.modules import connection_probe
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import host_facts

def run(command):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True).stdout

run("mount -t tmpfs tmpfs /run && ip link set lo up && ip addr add 2001:db8::1/128 dev lo nodad")
run("ip addr add 2001:db8::2/128 dev lo nodad && sysctl -qw net.core.somaxconn=60000")
run("sysctl -qw net.ipv4.tcp_max_syn_backlog=60000")

A, B, SIX = ("127.0.0.1", 7000), ("127.0.0.1", 7001), ("2001:db8::1", 7000)

def ports(low, high, reserved=""):
    open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("%d %d" % (low, high))
    open("/proc/sys/net/ipv4/ip_local_reserved_ports", "w").write(reserved + "\n")

def bound(target):
    opened = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(target)
    return opened

# A server that accepts and sends back what `answer` makes of what it got: None to close instead.
def serve(*targets, answer=lambda data: data):
    listening = [bound(target) for target in targets]
    for each in listening:
        each.listen(60000)
        each.setblocking(False)
    pid = os.fork()
    if pid == 0:
        poll, held = select.epoll(), {each.fileno(): each for each in listening}
        for number in held:
            poll.register(number, select.EPOLLIN)
        while True:
            for number, events in poll.poll():
                try:
                    if held[number] in listening:
                        accepted = held[number].accept()[0]
                        accepted.setblocking(False)
                        held[accepted.fileno()] = accepted
                        poll.register(accepted.fileno(), select.EPOLLIN)
                        continue
                    data = held[number].recv(4096)
                    reply = answer(data) if data else None
                    if reply is None:
                        held.pop(number).close()
                    else:
                        held[number].send(reply)
                except BlockingIOError:
                    pass
                except OSError:
                    held.pop(number).close()
    for each in listening:
        each.close()
    return pid

# Begins the module in a process of its own, which has nothing but its answer to say. What others on this machine
# leave of its memory is no matter here.
def begin(check=False, nofile=None, **options):
    options = {
        "destinations": ["127.0.0.1:7000"], "confirmed": True, "target": 1000, "hold": 0, "reserve": 0,
        "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False, "_ansible_check_mode": check, **options,
    }
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.dup2(writing, 1)
        os.close(writing)
        if nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        status = 1
        try:
            with patch_module_args(options):
                connection_probe.main()
        except SystemExit as end:
            sys.stdout.flush()
            status = end.code or 0
        finally:
            os._exit(status)
    os.close(writing)
    return pid, reading

def answer(begun):
    pid, reading = begun
    with open(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return json.loads(text)

def module(**options):
    return answer(begin(**options))

# Asserts what an answer has.
def has(found, **expected):
    assert {name: found.get(name) for name in expected} == expected, found
    return found

def full(number, errors=("EADDRNOTAVAIL",), **options):
    found = module(**{"target": 5000, **options})
    has(found, established=number, opened=number, first_limit="four_tuples", time_wait=0, sampled=number, alive=number)
    assert set(found["errors"]) == set(errors), found
    return found

def connect(target, source=None, port=0):
    opened = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if source:
        opened.bind((source, port))
    opened.connect(target)
    return opened

def probes():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name, state = open("/proc/%s/stat" % entry).read().split("(", 1)[1].rsplit(")", 1)
                if name == "fourtuple-probe" and state.split()[0] != "Z":
                    found.append(int(entry))
    return found

def states(*words):
    return len(run("ss -Hant state %s 'dport = 7000 or dport = 7001'" % " ".join(words)).splitlines())

def waiting():
    return int(open("/proc/net/sockstat").read().split("tw ")[1].split()[0])

def until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, (probes(), waiting(), run("ss -Hant").splitlines()[:9])
        time.sleep(0.01)

# A server that closes first waits in FIN_WAIT2 for the client's RST, which a busy machine may deliver a moment after
# the client is gone. TIME_WAIT lasts a minute (tcp.h, TCP_TIMEWAIT_LEN), and so longer than is waited here.
def nothing_left():
    until(lambda: not probes() and not states("all") and not waiting())
"""


def inside(script: str) -> None:
    namespaces.inside(PRELUDE + script, 120, BEFORE)


@needs_root
def test_ceilings_of_every_binding_are_exact():
    inside(r"""
serve(A, B, SIX)
ONE, BOTH, SOURCES = ["127.0.0.1:7000"], ["127.0.0.1:7000", "127.0.0.1:7001"], ["127.0.1.1-127.0.1.3"]
ports(20000, 20099)
full(100, destinations=ONE)
full(200, destinations=BOTH)
full(100, ["EADDRINUSE"], destinations=BOTH, binding="bind", source_addresses=["127.0.1.1"])
full(300, ["EADDRINUSE"], destinations=BOTH, binding="bind", source_addresses=SOURCES)
full(200, destinations=BOTH, binding="bind_no_port", source_addresses=["127.0.1.1"])
found = full(600, destinations=BOTH, binding="bind_no_port", source_addresses=SOURCES)
has(found, sources=3, nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1])
# Of IPv6, and of both families: a source has the destinations of its own.
SIXES = ["2001:db8::1-2001:db8::2"]
full(100, destinations=["[2001:db8::1]:7000"])
full(200, destinations=["[2001:db8::1]:7000"], binding="bind_no_port", source_addresses=SIXES)
full(200, ["EADDRINUSE"], destinations=["[2001:db8::1]:7000"], binding="bind", source_addresses=SIXES)
six = ["127.0.0.1:7000", "127.0.0.1:7001", "[2001:db8::1]:7000"]
full(300, destinations=six)
full(500, destinations=six, binding="bind_no_port", source_addresses=["127.0.1.1", "127.0.1.2", "2001:db8::1"])
# Reserved ports, at the ends and in between, and a whole block of them.
ports(20000, 20099, "20000,20050-20057,20099")
full(90, destinations=ONE)
full(180, destinations=BOTH, binding="bind_no_port", source_addresses=["127.0.1.1"])
full(90, ["EADDRINUSE"], destinations=BOTH, binding="bind", source_addresses=["127.0.1.1"])
ports(20000, 20399, "20120-20270")
full(249, destinations=ONE)
nothing_left()
""")


@needs_root
def test_ceilings_of_programs_that_bind_otherwise_are_exact():
    inside(r"""
serve(A, B, SIX)
ONE, BOTH, SOURCES = ["127.0.0.1:7000"], ["127.0.0.1:7000", "127.0.0.1:7001"], ["127.0.1.1-127.0.1.3"]
SIXES = ["2001:db8::1-2001:db8::2"]
ports(20000, 20099)
# The wildcard address: each port once, whatever the destinations and their families.
ANY = {"binding": "bind_any"}
full(100, ["EADDRINUSE"], destinations=ONE, **ANY)
full(100, ["EADDRINUSE"], destinations=BOTH, **ANY)
full(100, ["EADDRINUSE"], destinations=BOTH + ["[2001:db8::1]:7000"], **ANY)
full(100, ["EADDRINUSE"], destinations=["[2001:db8::1]:7000"], **ANY)
ports(20000, 20099, "20000,20050-20057,20099")
full(90, ["EADDRINUSE"], destinations=BOTH, **ANY)
# Ports that the program names: to each destination with SO_REUSEADDR, whatever the range, reserved or not.
ports(20000, 20099, "30000-30049")
OWN = {"binding": "bind_port", "program_ports": "30000-30049"}
full(50, [], destinations=ONE, source_addresses=["127.0.1.1"], **OWN)
full(50, [], destinations=BOTH, source_addresses=["127.0.1.1"], **OWN)
full(150, [], destinations=BOTH, source_addresses=SOURCES, **OWN)
full(100, [], destinations=BOTH, source_addresses=["127.0.1.1"], reuse_address=True, **OWN)
full(300, [], destinations=BOTH, source_addresses=SOURCES, reuse_address=True, **OWN)
full(100, [], destinations=["[2001:db8::1]:7000"], source_addresses=SIXES, **OWN)
# More than a block, and a part of them; several processes, each of which runs out of descriptors.
OWN["program_ports"] = "30000-30999"
full(1000, [], destinations=ONE, source_addresses=["127.0.1.1"], **OWN)
found = module(target=500, source_addresses=["127.0.1.1"], nofile=64, **OWN)
has(found, established=500, first_limit=None, errors={"EMFILE": found["processes"] - 1} if found["errors"] else {})
assert found["processes"] > 8, found
has(module(target=300, source_addresses=["127.0.1.1"], **OWN), established=300, first_limit=None, errors={})
nothing_left()
""")


@needs_root
def test_named_ports_and_the_kernels_choice_take_from_each_other():
    inside(r"""
serve(A, B)
ports(20000, 20099)
OWN = {"binding": "bind_port", "reuse_address": True, "source_addresses": ["127.0.0.1"]}
# Ten that connect() has on the address cannot be named.
held = [connect(A) for _ in range(10)]
full(90, ["EADDRINUSE"], program_ports="20000-20099", destinations=["127.0.0.1:7001"], **OWN)
for each in held:
    each.close()
# One that listens on all addresses cannot be; whoever names ports has the others nevertheless.
listening = bound(("0.0.0.0", 30005))
listening.listen()
full(9, ["EADDRINUSE"], program_ports="30000-30009", **OWN)
listening.close()
# Nobody answers: that is no end of the ports.
has(module(destinations=["127.0.0.1:7009"], program_ports="30000-30009", **OWN), first_limit="unreachable", opened=0)
# Ten that are named are lost to connect(), on every address and to every destination.
begun = begin(target=10, hold=2, program_ports="20000-20009", **OWN)
until(lambda: states("established") == 10)
full(90, binding="bind_no_port", source_addresses=["127.0.1.1"], destinations=["127.0.0.1:7001"])
has(answer(begun), established=10, first_limit=None)
nothing_left()
""")


@needs_root
def test_odd_ranges_to_the_last_port():
    # Of an odd number of ports the kernel's search passes over the first or the last, by chance: once is no proof.
    inside(r"""
serve(A)
for low, high in ((20000, 20002), (20001, 20005), (20000, 20128), (20001, 20257)):
    ports(low, high)
    for _ in range(3):
        full(high - low + 1)
        full(high - low + 1, binding="bind_no_port", source_addresses=["127.0.1.1"])
        full(high - low + 1, ["EADDRINUSE"], binding="bind", source_addresses=["127.0.1.1"])
nothing_left()
""")


@needs_root
def test_occupied_and_poisoned_ports():
    inside(r"""
serve(A, B)
ports(20000, 20099)
SOURCE = {"binding": "bind_no_port", "source_addresses": ["127.0.1.1"]}
# Connections that were there before: the same four-tuples cannot be had, and are not counted.
held = [connect(A, "127.0.1.1") for _ in range(10)]
full(90, **SOURCE)
assert states("established") == 10
for each in held:
    each.close()
# Ports that listen are skipped, whatever their address, and end no block.
listening = [bound(("127.0.3.1", 20000 + port)) for port in (0, 17, 50, 99)]
for each in listening:
    each.listen()
full(96, **SOURCE)
full(96)
for each in listening:
    each.close()
# Plain binds of one source poison their ports for all who leave the choice to connect(2), not for who binds plainly.
ports(20000, 20009)
held = [connect(B, "127.0.2.2") for _ in range(10)]
full(0)
full(0, **SOURCE)
full(10, ["EADDRINUSE"], **{**SOURCE, "binding": "bind"})
for each in held:
    each.close()
full(10, **SOURCE)
nothing_left()
""")


@needs_root
def test_a_target_that_is_reached():
    inside(r"""
serve(A, B)
ports(20000, 29999)
found = module(target=3000, destinations=["127.0.0.1:7000", "127.0.0.1:7001"])
has(found, established=3000, opened=3000, errors={}, first_limit=None, alive=3000, sampled=3000, time_wait=0, sources=1)
has(found, processes=1, changed=False, msg="3000 of 3000 connections are established.")
assert 0 < found["latency"]["p50"] <= found["latency"]["p99"], found
assert found["per_second"] > 100 and found["seconds"] > 0 and found["held_from"] <= found["held_until"], found
assert found["bytes_per_connection"] is None or found["bytes_per_connection"] > 500, found
# A part of them, or none, has to answer.
has(module(target=300, sample=17), established=300, sampled=17, alive=17)
has(module(target=300, sample=0), established=300, sampled=0, alive=0, latency={"p50": None, "p99": None})
# At a rate, and held.
found = has(module(target=60, rate=100, hold=1), established=60, alive=60, first_limit=None)
assert 0.55 <= found["seconds"] < 10, found
assert 1 <= found["held_until"] - found["held_from"] < 10, found
# As many processes as asked for, each with its share.
has(module(target=300, processes=4), established=300, processes=4, alive=300, first_limit=None)
# What is predicted opens nothing.
assert module(check=True, target=300) == {
    "changed": False, "msg": "Would open 300 connections.",
    "invocation": module(check=True, target=300)["invocation"],
}
nothing_left()
""")


@needs_root
def test_nofile():
    inside(r"""
serve(A)
ports(20000, 29999)
found = has(module(target=300, processes=1, nofile=64), first_limit="nofile", nofile=64, processes=1, time_wait=0)
has(found, established=64 - found["descriptors"], alive=64 - found["descriptors"])
assert 3 < found["descriptors"] < 10, found
room = 64 - found["descriptors"]
# As many processes as it takes; not one more.
has(module(target=10 * room, nofile=64), established=10 * room, processes=10, first_limit=None, alive=10 * room)
has(module(target=10 * room + 1, nofile=64), established=10 * room + 1, processes=11, first_limit=None)
has(module(target=10 * room, nofile=64, processes=3), established=3 * room, processes=3, first_limit="nofile")
# The parent, too, has a descriptor for each of them, and 32 of its own.
has(module(target=100 * room, nofile=64), established=32 * room, processes=32, first_limit="nofile")
nothing_left()
""")


@needs_root
def test_destinations_that_do_not_take_connections():
    inside(r"""
ports(20000, 29999)
# Nobody listens.
found = has(module(target=1500), established=0, opened=0, first_limit="unreachable", alive=0, sampled=0, time_wait=0)
assert list(found["errors"]) == ["ECONNREFUSED"] and found["errors"]["ECONNREFUSED"] <= 4000, found
ports(20000, 20099)
has(module(target=50), established=0, first_limit="unreachable")
# No route.
found = has(module(destinations=["192.0.2.1:7000"]), established=0, first_limit="unreachable")
assert list(found["errors"]) == ["ENETUNREACH"], found
# One of two.
server = serve(A)
found = has(module(destinations=["127.0.0.1:7000", "127.0.0.1:7001"], target=5000), established=100, alive=100)
assert set(found["errors"]) == {"EADDRNOTAVAIL", "ECONNREFUSED"}, found
assert found["msg"].startswith("100 of 5000 connections are established; four_tuples ended it. Attempts failed: ")
# Enough is reached all the same: it is said that these errors are no failure.
found = has(module(destinations=["127.0.0.1:7001", "127.0.0.1:7000"], target=80), established=80, first_limit=None)
has(found, alive=80, sampled=80, msg=(
    "80 of 80 connections are established. Attempts failed, and others took their place: ECONNREFUSED %d times "
    "(the destination, or something on the way, refused)." % found["errors"]["ECONNREFUSED"]
))
assert list(found["errors"]) == ["ECONNREFUSED"], found
until(lambda: not states("all"))
os.kill(server, signal.SIGKILL)
# A queue that is full: SYNs are swallowed until the time is over.
until(lambda: not states("all"))
deaf = bound(B)
deaf.listen(0)
found = module(destinations=["127.0.0.1:7001"], target=50, timeout=1, sample=0)
has(found, first_limit="timeout", established=found["opened"], time_wait=0)
assert found["opened"] < 5 and 1 <= found["seconds"] < 10, found
assert found["errors"].get("ETIMEDOUT") == 50 - found["opened"], found
deaf.close()
nothing_left()
""")


@needs_root
def test_answers_that_are_none():
    inside(r"""
ports(20000, 29999)
server = serve(A, answer=lambda data: bytes(len(data)))
has(module(target=40), established=40, sampled=40, alive=0, errors={"EBADMSG": 40}, first_limit=None, time_wait=0)
os.kill(server, signal.SIGKILL)
until(lambda: not states("all"))
server = serve(A, answer=lambda data: None)
has(module(target=40), established=40, sampled=40, alive=0, errors={"ECONNRESET": 40}, msg=(
    "40 of 40 connections are established. 0 of 40 connections answered; the others met ECONNRESET 40 times."
))
os.kill(server, signal.SIGKILL)
until(lambda: not states("all"))
# In pieces it is an answer as well.
server = serve(A, answer=lambda data: data)
begun = begin(target=40, hold=2)
until(lambda: states("established") == 40)
os.kill(server, signal.SIGKILL)
# The server dies meanwhile: what it held is not counted, and does not answer.
has(answer(begun), opened=40, established=0, alive=0, errors={"ECONNRESET": 40}, time_wait=0)
nothing_left()
""")


@needs_root
def test_whatever_ends_it_nothing_is_left():
    inside(r"""
serve(A)
ports(20000, 29999)

def holding(**options):
    begun = begin(**{"target": 500, "processes": 3, "hold": 60, **options})
    until(lambda: states("established") == 500)
    assert len(probes()) == 3, probes()
    for pid in probes():
        assert open("/proc/%d/oom_score_adj" % pid).read().strip() == "1000"
    return begun

# A worker is killed: its connections, and with them the result, are lost; it is said so.
begun = holding()
os.kill(probes()[1], signal.SIGKILL)
found = has(answer(begun), failed=True)
assert "A process of the probe ended with " in found["msg"] and ", killed by SIGKILL. Look" in found["msg"], found
nothing_left()
# The parent is. A worker that is stopped cannot see that its channel is closed: the kernel kills it.
pid, reading = holding()
for each in probes():
    os.kill(each, signal.SIGSTOP)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
os.close(reading)
nothing_left()
# Both, and while it connects.
pid, reading = begin(target=9000, rate=2000, hold=60, processes=2)
until(lambda: states("established") > 500)
for each in [pid, *probes()]:
    os.kill(each, signal.SIGKILL)
os.waitpid(pid, 0)
os.close(reading)
nothing_left()
# Nobody waits for the result any more: as when ssh was killed.
for options in ({}, {"target": 5000, "rate": 300}):
    pid, reading = begin(**{"target": 500, "processes": 3, "hold": 60, "progress": "/run/progress", **options})
    until(lambda: states("established") >= 500)
    os.close(reading)
    began = time.monotonic()
    assert os.waitpid(pid, 0)[1] != 0
    assert time.monotonic() - began < 10
    nothing_left()
    assert os.listdir("/run") == []
# Asked to end.
pid, reading = holding()
os.kill(pid, signal.SIGTERM)
os.waitpid(pid, 0)
os.close(reading)
nothing_left()
""")


@needs_root
def test_memory_that_has_to_stay_free():
    inside(r"""
serve(A)
ports(20000, 29999)
found = module(target=1000, reserve=2**50)
has(found, established=0, opened=0, errors={}, sampled=0, alive=0, time_wait=0, bytes_per_connection=None)
has(found, reserve=2**50)
assert found["first_limit"] in ("memory", "cgroup_memory"), found
nothing_left()
""")


@needs_root
def test_progress():
    inside(r"""
serve(A)
ports(20000, 29999)
begun = begin(target=450, rate=300, hold=1, processes=2, progress="/run/progress")
seen = []
while os.waitid(os.P_PID, begun[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
    with contextlib.suppress(FileNotFoundError):
        text = open("/run/progress").read()
        assert text.endswith("}\n") and text.count("\n") == 1, text
        line = json.loads(text)
        if not seen or line != seen[-1]:
            seen.append(line)
    time.sleep(0.02)
has(answer(begun), established=450, first_limit=None)
assert os.listdir("/run") == []
assert 2 <= len(seen) <= 7, seen
phases = ["connecting", "holding", "asking", "letting go"]
assert [line["phase"] for line in seen] == sorted((line["phase"] for line in seen), key=phases.index), seen
assert {line["phase"] for line in seen} >= {"connecting", "holding"}, seen
assert [line["established"] for line in seen] == sorted(line["established"] for line in seen), seen
assert 0 < seen[0]["established"] < 450 == seen[-1]["established"], seen
for line in seen:
    assert set(line) == {
        "phase", "established", "target", "per_second", "memory_left", "seconds_left", "processes",
    }, line
    assert line["target"] == 450 and line["memory_left"] > 0 and line["processes"] == 2, line
    assert 100 < line["per_second"] <= 400, line
assert seen[0]["seconds_left"] > 200, seen
assert all(line["seconds_left"] <= 2 for line in seen if line["phase"] == "holding"), seen
# Where it cannot be written, it is said.
found = has(module(target=5000, rate=1000, progress="/run/missing/progress"), failed=True)
assert found["msg"].startswith("/run/missing/progress") and "No such file" in found["msg"], found
nothing_left()
""")


@needs_root
@needs_runuser
def test_another_user():
    if file_table_is_full():
        pytest.skip("the machine has as many open files as fs.file-max allows a user")
    inside(r"""
run("mount -t tmpfs tmpfs /etc/security/limits.d")
open("/etc/security/limits.d/nobody.conf", "w").write("nobody hard nofile 128\n")
serve(A)
ports(20000, 29999)
begun = begin(target=500, hold=1, user="nobody")
until(lambda: states("established") == 500)
workers = probes()
for pid in workers:
    status = open("/proc/%d/status" % pid).read()
    limits = open("/proc/%d/limits" % pid).read()
    uid = pwd.getpwnam("nobody").pw_uid
    assert "Uid:\t" + "\t".join(["%d" % uid] * 4) in status, status
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max open files")] == ["128"]
found = has(answer(begun), established=500, nofile=128, first_limit=None, alive=500, past_file_max=False)
assert found["processes"] == len(workers) == -(-500 // (128 - found["descriptors"])), found
# Its parent dies: the workers, who changed their user, do so too.
pid, reading = begin(target=500, hold=60, user="nobody")
until(lambda: states("established") == 500)
for each in probes():
    os.kill(each, signal.SIGSTOP)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
os.close(reading)
nothing_left()
found = has(module(user="no-such-user"), failed=True)
assert "A session of the user no-such-user cannot be opened: " in found["msg"], found
has(module(target=100, user="nobody", processes=1), established=100, processes=1)
has(module(target=200, user="nobody", processes=1), first_limit="nofile")
nothing_left()
""")


@needs_root
def test_refusals_open_nothing():
    inside(r"""
serve(A)
ports(20000, 20099)
for check in (True, False):
    found = has(module(check=check, confirmed=False), failed=True)
    assert "If it is yours and made for 1000 connections, set confirmed: true." in found["msg"], found
    found = has(module(check=check, confirmed=False, own_sinks=["127.0.0.1:7000"], target="x"), failed=True)
    assert found["msg"].startswith("target is 'x'; allowed: a whole number"), found
    for source in ("192.0.2.9", "2001:db8::9"):
        sources = [source, "127.0.0.1", "2001:db8::1"]
        for binding in ("bind", "bind_no_port"):
            found = module(check=check, binding=binding, source_addresses=sources, variable_prefix="prove_")
            has(found, failed=True, msg="prove_source_addresses is '%s'; allowed: addresses that this host has. "
                "Add it, by the role addresses or as a local route, or leave it out." % source)
    found = has(module(check=check, source_addresses=["127.0.0.1"]), failed=True)
    assert "nothing with autobind" in found["msg"], found
has(module(confirmed=False, own_sinks=["127.0.0.0/8"], target=50), established=50, failed=None)
# An address is there although all its ports are taken.
held = [connect(A, "127.0.1.1") for _ in range(100)]
has(module(binding="bind", source_addresses=["127.0.1.1"]), established=0, first_limit="four_tuples", failed=None)
for each in held:
    each.close()
nothing_left()
""")


@needs_root
def test_kernels_without_a_range_of_a_sockets_own():
    inside(r"""
host_facts._has_narrowing = lambda: False
serve(A, B)
ports(20000, 20511)
# As many ports as pieces have connections: one more is tried, and that is what tells.
full(512, binding="bind_no_port", source_addresses=["127.0.1.1"])
full(1024, destinations=["127.0.0.1:7000", "127.0.0.1:7001"])
full(1536, ["EADDRINUSE"], binding="bind", source_addresses=["127.0.1.1-127.0.1.3"])
nothing_left()
""")
