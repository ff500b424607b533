# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself against the real kernel, in namespaces of its own that end with each test."""

from __future__ import annotations

from namespaces import needs_root
from sink_host import inside


@needs_root
def test_accept():
    inside(r"""
listen = ["127.0.0.1:7000", "127.0.0.1:7001", "10.240.0.1:7000", "[2001:db8::1]:7000"]
options = {"listen": listen, "capacity": 40000}
predicted = module(check=True, **options)
assert predicted["changed"] and predicted["running"] and not predicted["pid"], predicted
assert not left() and not files()
started = module(**options)
assert started["changed"] and started["running"] and started["keeps_sockets"] and started["listen"] == listen, started
assert started["processes"] >= 2
for check in (True, False):
    again = module(check=check, **options)
    assert not again["changed"] and again["pid"] == started["pid"], again
targets = [("127.0.0.1", 7000), ("127.0.0.1", 7001), ("10.240.0.1", 7000), ("2001:db8::1", 7000)]
held = [connect(targets[turn % 4]) for turn in range(2000)]
for size in (1, 100, 5000):
    echoes(held, size)
assert states("established") == 4000
statistics = module(**options)["statistics"]
assert statistics["accepted"] == 2000 and statistics["echoed"] == 2000 * 5101, statistics
assert statistics["exhausted"] == {}
# The client closes first, in order: no TIME_WAIT on its side, nor on the other.
for connection in held[:500]:
    connection.close()
until(lambda: states("connected") == 3000 and not waiting())
# Half a close, and what was under way still arrives.
late = connect(targets[0])
late.sendall(b"x" * 200000)
late.shutdown(socket.SHUT_WR)
got = 0
try:
    while True:
        more = len(late.recv(65536))
        if not more:
            break
        got += more
except ConnectionResetError:
    pass
assert got == 200000, got
# The sink is stopped while connections are held: RST, and nobody waits.
assert module(check=True, state="stopped")["changed"] is True
assert module(check=True, **options)["changed"] is False
stopped = module(state="stopped")
assert stopped["changed"] and not stopped["running"] and stopped["statistics"]["accepted"] == 2001, stopped
assert not left() and not files()
until(lambda: states("established") == 0 and waiting() <= 1)
assert module(state="stopped")["changed"] is False
""")


@needs_root
def test_killed_sinks_leave_nothing():
    inside(r"""
for options in ({"listen": ["127.0.0.1:7000"]}, {"mode": "responder", "prefix": "198.18.0.0/15", "processes": 2}):
    started = module(**options)
    target = ("127.0.0.1" if "listen" in options else "198.18.0.1", 7000)
    held = [connect(target) for _ in range(100)]
    assert left()
    os.kill(started["pid"], signal.SIGKILL)
    until(lambda: not left())
    assert files() == ["sink-default"]
    # The file is known to be stale: by a prediction, by a start, by a stop.
    assert module(check=True, **options)["changed"] is True
    started = module(**options)
    assert started["changed"] and started["running"], started
    echoes([connect(target)], 10)
    os.kill(started["pid"], signal.SIGKILL)
    stopped = module(state="stopped")
    assert not stopped["running"] and not left() and not files(), stopped
    assert module(state="stopped")["changed"] is False
# A worker that dies takes no one along, and the rest serves; but the sink is not whole, and is begun anew.
options = {"listen": ["127.0.0.1:7000"], "processes": 2}
started = module(**options)
workers = json.load(open(glob.glob("/run/fourtuple/*")[0]))["workers"]
os.kill(workers[0][0], signal.SIGKILL)
until(lambda: module(check=True, **options)["statistics"]["lost_processes"] == 1)
echoes([connect(("127.0.0.1", 7000)) for _ in range(50)], 10)
predicted = module(check=True, **options)
assert predicted["changed"] and predicted["reason"] == "its process %d has ended" % workers[0][0], predicted
assert "would be started anew: its process" in json.dumps(predicted["warnings"]), predicted
again = module(**options)
assert again["changed"] and again["pid"] != started["pid"] and again["reason"] == predicted["reason"], again
assert module(**options)["changed"] is False
module(state="stopped")
assert not left() and not files()
""")


@needs_root
def test_several_sinks_and_restarts_and_lifetimes():
    inside(r"""
one = module(name="one", listen=["127.0.0.1:7000"])
two = module(name="two", listen=["127.0.0.1:7001"])
three = module(name="three", mode="responder", prefix="2001:2::/48")
assert len({one["pid"], two["pid"], three["pid"]}) == 3
assert sorted(files()) == ["sink-one", "sink-three", "sink-two"]
# A port that is taken; what was there stays.
failed = module(name="four", listen=["127.0.0.1:7002", "127.0.0.1:7001"])
assert failed["failed"] and "127.0.0.1:7001 cannot be listened on: Address already in use" in failed["msg"], failed
assert sorted(files()) == ["sink-one", "sink-three", "sink-two"]
# Other options: another process, and the connections end.
held = connect(("127.0.0.1", 7000))
assert module(check=True, name="one", listen=["127.0.0.1:7000"], lifetime=60)["changed"] is True
restarted = module(name="one", listen=["127.0.0.1:7000"], lifetime=60)
assert restarted["changed"] and restarted["pid"] != one["pid"]
try:
    assert held.recv(1) == b""
except ConnectionResetError:
    pass
# The responder may change its mind about ports: its own route does not stand in its way.
assert module(name="three", mode="responder", prefix="2001:2::/48", ports=["80-90"])["changed"] is True
assert connect(("2001:2::7", 81), "2001:db8::1")
try:
    connect(("2001:2::7", 91), "2001:db8::1")
    raise AssertionError("not refused")
except ConnectionRefusedError:
    pass
for name in ("one", "two", "three"):
    assert module(state="stopped", name=name)["changed"] is True
assert not left() and not files()
# And when nobody comes to stop it.
for options in ({"listen": ["127.0.0.1:7000"]}, {"mode": "responder", "prefix": "198.18.0.0/15"}):
    assert module(lifetime=1, **options)["running"]
    until(lambda: not left() and not files())
    assert module(state="stopped")["changed"] is False
""")


@needs_root
def test_nofile_that_runs_out_is_told_and_the_rest_goes_on():
    inside(r"""
options = {"listen": ["127.0.0.1:7000"], "processes": 2}
started = module(nofile=96, **options)
# 96 less the listener and 32 of its own, twice; more are taken by the kernel, up to somaxconn, and wait.
held = [connect(("127.0.0.1", 7000)) for _ in range(200)]
until(lambda: module(**options)["statistics"]["accepted"] == 126)
time.sleep(1.5)
now = module(**options)
assert now["statistics"]["exhausted"].get("nofile") == 2, now
assert "nofile ran out" in json.dumps(now["warnings"]), now
served = []
for connection in held:
    connection.sendall(b"x")
time.sleep(0.5)
for connection in held:
    connection.settimeout(0)
    try:
        served.append(connection.recv(1) == b"x")
    except BlockingIOError:
        served.append(False)
assert sum(served) == 126, sum(served)
# Who goes makes room for who waits.
for connection, was in zip(held, served):
    if was:
        connection.close()
rest = [connection for connection, was in zip(held, served) if not was]
for connection in rest:
    connection.settimeout(20)
    assert connection.recv(1) == b"x"
module(state="stopped")
assert not left() and not files()
""")


@needs_root
def test_responder():
    inside(r"""
options = {"mode": "responder", "prefix": "198.18.0.0/15"}
predicted = module(check=True, **options)
assert predicted["changed"] and predicted["keeps_sockets"] is False
assert not left() and not files()
started = module(**options)
assert started["changed"] and started["device"] == "ftsink0" and started["keeps_sockets"] is False, started
assert module(**options)["changed"] is False
other = {"name": "six", "mode": "responder", "prefix": "2001:2::/48", "processes": 2}
six = module(**other)
assert six["device"] == "ftsink1" and six["processes"] == 2, six
held = [
    connect(("198.18.%d.%d" % (turn // 200, turn % 200 + 1), 1 + turn), "10.240.0.%d" % (turn % 5 + 1))
    for turn in range(2000)
]
held += [connect(("2001:2::%x" % (turn + 1), 7000), "2001:db8::1") for turn in range(500)]
assert states("established") == 2500
for size in (1, 100, 5000):
    echoes(held, size)
statistics = [module(**options)["statistics"], module(**other)["statistics"]]
assert [found["handshakes"] for found in statistics] == [2000, 500], statistics
# On a busy machine the client sends a segment again that is on its way, and it is answered again.
for found, sent in zip(statistics, (2000 * 5101, 500 * 5101)):
    assert sent <= found["echoed"] < 1.1 * sent, statistics
# Many pieces without waiting for an answer, and more than the client's buffer takes before it reads.
small = connect(("198.18.0.2", 2), "10.240.0.2", buffer=4096)
for connection, size in ((held[0], 1000000), (held[2400], 1000000), (small, 12000)):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(0)
    data, sent, got = os.urandom(size), 0, b""
    ends = time.monotonic() + 60
    stuck = 0
    while len(got) < len(data):
        assert time.monotonic() < ends, (sent, len(got), run("ss -Htinmo sport = %d" % connection.getsockname()[1]))
        try:
            if sent < size:
                sent += connection.send(data[sent : sent + 333])
                stuck = 0
                continue
        except BlockingIOError:
            stuck += 1
        if stuck < 20 and sent < len(data):
            time.sleep(0.001)
            continue
        try:
            got += connection.recv(100000)
        except BlockingIOError:
            time.sleep(0.001)
    assert got == data
    connection.settimeout(20)
small.close()
# Keepalive: were a probe not answered, the connection would be gone.
for connection in held[:2] + held[-2:]:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        connection.setsockopt(socket.IPPROTO_TCP, option, 1)
time.sleep(4)
assert states("established") == 2500
echoes(held[:2] + held[-2:], 700)
# Closed in order by the client, or by RST: nothing waits.
for connection in held[:1250]:
    connection.close()
for connection in held[1250:]:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
until(lambda: states("all") == 0 and not waiting())
assert module(**options)["statistics"]["closed"] > 0
# Whatever is no TCP goes nowhere.
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for size in (1, 100, 5000):
    udp.sendto(bytes(size), ("198.18.0.1", 7))
echoes([connect(("198.18.0.1", 7))], 10)
for name in ("default", "six"):
    assert module(state="stopped", name=name)["changed"] is True
assert not left() and not files()
""")


@needs_root
def test_a_client_without_timestamps_or_scale():
    inside(r"""
for key in ("timestamps", "window_scaling", "sack"):
    run("sysctl -qw net.ipv4.tcp_%s=0" % key)
    module(mode="responder", prefix="198.18.0.0/15")
    echoes([connect(("198.18.0.1", 1 + port), "10.240.0.1") for port in range(50)], 5000)
module(state="stopped")
assert not left() and not files()
""")


@needs_root
def test_responder_for_other_hosts():
    # A client in a namespace of its own, whose packets are forwarded into the device: their checksums are complete.
    inside(r"""
run("ip netns add client && ip link add ve0 type veth peer name ve1 netns client")
run("ip addr add 192.0.2.1/24 dev ve0 && ip link set ve0 up && sysctl -qw net.ipv4.ip_forward=1")
run("ip -n client link set lo up && ip -n client addr add 192.0.2.2/24 dev ve1 && ip -n client link set ve1 up")
run("ip -n client route add default via 192.0.2.1")
module(mode="responder", prefix="198.18.0.0/15")
script = '''
import os, socket
for size in (1, 100, 5000):
    opened = socket.create_connection(("198.18.0.1", 7000), timeout=20)
    data, got = os.urandom(size), b""
    opened.sendall(data)
    while len(got) < size:
        got += opened.recv(size)
    assert got == data
    opened.close()
print("done")
'''
command = ["ip", "netns", "exec", "client", sys.executable, "-c", script]
done = subprocess.run(command, stdout=subprocess.PIPE, timeout=60)
assert done.stdout == b"done\n"
module(state="stopped")
assert not left() and not files()
""")


@needs_root
def test_refusals():
    inside(r"""
def refused(words, **options):
    for check in (True, False):
        result = module(check=check, **options)
        assert result.get("failed") and words in result["msg"], result
    assert not left() and not files()

refused("listen is []", listen=[])
refused("listen[0] is 'example.org:80'", listen=["example.org:80"])
refused("It has 10.240.0.0/16", mode="responder", prefix="10.240.0.0/24")
refused("It has 2001:db8::1/128", mode="responder", prefix="2001:db8::/32")
refused("It has 10.0.0.1/32", mode="responder", prefix="10.0.0.0/8")
refused("sink_prefix is None", mode="responder", variable_prefix="sink_")
refused("name is '../x'", name="../x", listen=["127.0.0.1:1"])
refused("name is '../x'", name="../x", state="stopped")
assert "cannot be listened on: Cannot assign requested address" in module(listen=["192.0.2.77:7000"])["msg"]
run("mount --bind /dev/null /dev/net/tun")
failed = module(mode="responder", prefix="198.18.0.0/15")
assert "/dev/net/tun cannot be" in failed["msg"] or "tun device" in failed["msg"], failed
assert not left() and not files()
""")
