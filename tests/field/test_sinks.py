# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sinks that were said to run and did not, and servers of others where a sink was to be."""

from __future__ import annotations

from namespaces import needs_root
from sink_host import inside

pytestmark = needs_root


def test_another_network_namespace() -> None:
    """Point 12: the sink of that name runs in another network namespace; /run is one and the same.

    As on a host whose tests run by ``ip netns exec``, or with /run given to a container.
    """
    inside(r"""
run("ip netns add other && ip -n other link set lo up")
here, there = os.stat("/proc/self/ns/net").st_ino, os.stat("/run/netns/other").st_ino
options = {"listen": ["127.0.0.1:7000"]}
enter = ["nsenter", "--net=/run/netns/other"]
first = module(before=enter, **options)
assert first["running"] and first["network_namespace"] == there != here, first
assert not run("ss -Hltn")
# Nothing is stopped from here, for nothing runs here.
assert module(state="stopped")["changed"] is False
predicted = module(check=True, **options)
assert predicted["changed"] and predicted["network_namespace"] == here, predicted
second = module(**options)
assert second["changed"] and second["running"] and second["network_namespace"] == here, second
assert run("ss -Hltn").split()[3] == "127.0.0.1:7000"
echoes([connect(("127.0.0.1", 7000))], 10)
for before, pid in (((), second["pid"]), (enter, first["pid"])):
    again = module(before=before, **options)
    assert not again["changed"] and again["pid"] == pid, again
assert module(state="stopped")["changed"] is True
assert not run("ss -Hltn") and module(before=enter, **options)["pid"] == first["pid"]
# One that was killed in a namespace that nobody asks for again leaves its record to whoever comes next.
os.kill(first["pid"], signal.SIGKILL)
until(lambda: not left())
assert len(files()) == 1
run("ip netns del other")
module(**options)
assert files() == ["sink-default"], files()
module(state="stopped")
assert not left() and not files()
""")


def test_another_pid_namespace() -> None:
    """A container with the host's network and /run, but pids of its own: those of its record are others' here."""
    inside(r"""
options = {"listen": ["127.0.0.1:7000"]}
apart = "import subprocess, sys, time; print(subprocess.run(sys.argv[1:]).returncode, flush=True); time.sleep(600)"
options.update(_ansible_remote_tmp="/tmp", _ansible_keep_remote_files=False, _ansible_check_mode=False)
command = [sys.executable, "-c", CALL, sys.argv[1], json.dumps(options)]
contained = subprocess.Popen(
    ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", apart, *command],
    stdout=subprocess.PIPE, text=True,
)
while contained.stdout.readline() != "0\n":
    assert contained.poll() is None
options = {"listen": ["127.0.0.1:7000"]}
for check in (True, False):
    for state in ("started", "stopped"):
        wanted = dict(options, state=state) if state == "started" else {"state": state}
        result = module(check=check, **wanted)
        assert result.get("failed") and "its processes are in the PID namespace" in result["msg"], result
echoes([connect(("127.0.0.1", 7000))], 10)
# With the container goes its sink, and nobody's pid is taken for it.
contained.kill()
until(lambda: not run("ss -Hltn"))
assert module(**options)["changed"] is True
assert module(state="stopped")["changed"] is True
assert not left() and not files()
""")


def test_a_record_of_another_boot_or_of_a_pid_that_is_used_again() -> None:
    """/run that outlives a boot, as a container's may: no process is taken for the sink, and none is killed."""
    inside(r"""
options = {"listen": ["127.0.0.1:7000"]}
started = module(**options)
(path,) = [os.path.join("/run/fourtuple", name) for name in os.listdir("/run/fourtuple")]
record = json.load(open(path))
module(state="stopped")
bystander = subprocess.Popen(["sleep", "600"])
begun = int(open("/proc/%d/stat" % bystander.pid).read().rpartition(")")[2].split()[19])
other = ["another boot"] + record["place"][1:]
for changes in ({"place": other, "start": begun}, {"start": begun - 1}):
    os.makedirs("/run/fourtuple", exist_ok=True)
    changes.update(pid=bystander.pid, workers=[[bystander.pid, changes["start"]]])
    json.dump({**record, **changes}, open(path, "w"))
    assert module(check=True, **options)["changed"] is True
    assert module(**options)["changed"] is True
    assert module(state="stopped")["changed"] is True
    assert bystander.poll() is None
bystander.kill()
assert not left() and not files()
""")


def test_half_a_sink() -> None:
    """A sink of which a part is gone is none: a listening socket that ``ss -K`` closed, an address, a route."""
    inside(r"""
import ctypes
PIDFD_GETFD = 438

def begun_anew(words, **options):
    for check in (True, False):
        found = module(check=check, **options)
        assert found["changed"] and words in found["reason"], (words, found)
    assert module(**options)["changed"] is False

options = {"listen": ["127.0.0.1:7000", "10.0.0.1:7001", "[2001:db8::1]:7000"]}
module(**options)
record = json.load(open(glob.glob("/run/fourtuple/*")[0]))
(number, inode), worker = record["details"]["listeners"][1], record["workers"][0][0]
# As ss -K does, which not every kernel can: the process keeps its descriptor, and listens no more.
duplicate = ctypes.CDLL(None).syscall(PIDFD_GETFD, os.pidfd_open(worker), number, 0)
socket.socket(fileno=duplicate).shutdown(socket.SHUT_RDWR)
assert os.readlink("/proc/%d/fd/%d" % (worker, number)) == "socket:[%d]" % inode
begun_anew("it no longer listens on 10.0.0.1:7001", **options)
run("ip addr del 10.0.0.1/32 dev lo")
for check in (True, False):
    failed = module(check=check, **options)
    assert "10.0.0.1:7001 cannot be listened on: Cannot assign requested address" in failed["msg"], failed
run("ip addr add 10.0.0.1/32 dev lo")
assert module(**options)["changed"] is False
module(state="stopped")

options = {"mode": "responder", "prefix": "198.18.0.0/15", "processes": 2}
device = module(**options)["device"]
run("ip route del 198.18.0.0/15")
begun_anew("198.18.0.0/15 is not reached through its device", **options)
device = module(**options)["device"]
run("ip link set %s down" % device)
begun_anew("is not reached through its device", **options)
run("ip netns add other && ip link set %s netns other" % module(**options)["device"])
begun_anew("is not there", **options)
os.kill(json.load(open(glob.glob("/run/fourtuple/*")[0]))["workers"][0][0], signal.SIGKILL)
until(lambda: module(check=True, **options)["changed"])
begun_anew("has ended", **options)
# A rule, or a route within the prefix, that leads elsewhere: what is connected to would be another.
run("ip rule add to 198.18.0.0/16 lookup 77 && ip route add unreachable default table 77")
for check in (False, True):
    failed = module(check=check, **options)
    assert failed.get("failed") or failed["changed"], failed
run("ip rule del to 198.18.0.0/16 lookup 77")
module(**options)
run("ip route add 198.18.5.0/24 dev lo")
for check in (True, False):
    assert "It has 198.18.5.0/24" in module(check=check, **options)["msg"]
run("ip route del 198.18.5.0/24 dev lo")
module(state="stopped")
assert not left() and not files()
""")


def test_the_port_is_somebody_elses() -> None:
    """Point 12: another server has the port, at the address or at all of them, sharing it or not."""
    inside(r"""
REUSE, SHARE = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
BOTH, ALONE = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0), (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
me = "(pid %d) listens on" % os.getpid()

def refused(listen, *words, **more):
    for check in (True, False):
        failed = module(check=check, listen=listen, variable_prefix="prove_", **more)
        assert failed.get("failed") and all(word in failed["msg"] for word in words), (words, failed)
    return failed["msg"]

fine = ["127.0.0.1:7001"]
for address, options, wanted in (
    ("127.0.0.1", (REUSE,), "127.0.0.1:7000"),
    ("127.0.0.1", (REUSE, SHARE), "127.0.0.1:7000"),
    ("127.0.0.1", (REUSE, SHARE), "0.0.0.0:7000"),
    ("0.0.0.0", (REUSE,), "127.0.0.1:7000"),
    ("0.0.0.0", (REUSE, SHARE), "10.0.0.1:7000"),
    ("::", (BOTH,), "127.0.0.1:7000"),
    ("::", (BOTH, REUSE, SHARE), "0.0.0.0:7000"),
    ("::", (ALONE, REUSE, SHARE), "[2001:db8::1]:7000"),
    ("::ffff:10.0.0.1", (BOTH, REUSE), "10.0.0.1:7000"),
):
    theirs = server(address, 7000, *options)
    address = address.rpartition("ffff:")[2]
    has = "[%s]:7000" % address if ":" in address else "%s:7000" % address
    said = refused(fine + [wanted], "prove_listen is '%s'" % wanted, "Address already in use", "%s %s" % (me, has))
    assert not left() and not files() and got(theirs) == 0
    theirs.close()
# What is no conflict is none: another address, and all of IPv6 alone beside one of IPv4.
beside = [server("10.0.0.1", 7000, REUSE), server("::", 7000, ALONE)]
assert module(listen=["127.0.0.1:7000"])["running"]
# The other way round: our sink does not share either.
try:
    server("127.0.0.1", 7000, REUSE, SHARE)
    raise AssertionError("shared")
except OSError as error:
    assert error.errno == 98, error
# One that runs goes on when it cannot be what it is asked to be now.
running = module(listen=["127.0.0.1:7000"])["pid"]
refused(["127.0.0.1:7000", "10.0.0.1:7000"], me)
refused(["0.0.0.0:7000"], me + " 10.0.0.1:7000")
assert module(listen=["127.0.0.1:7000"])["pid"] == running
# Its own ports are not in its way.
for one in beside:
    one.close()
for check in (True, False):
    assert module(check=check, listen=["0.0.0.0:7000", "10.0.0.1:7001"])["changed"] is True
module(state="stopped")
# Sockets that do not listen: one that is bound and no more, and the near end of a connection.
theirs = bound("127.0.0.1", 7000)
refused(["127.0.0.1:7000"], "127.0.0.1:7000 cannot be listened on: Address already in use")
theirs.close()
far = server("127.0.0.1", 9000)
near = bound("127.0.0.1", 7000)
near.connect(("127.0.0.1", 9000))
refused(["127.0.0.1:7000"], "(pid %d) has a socket on 127.0.0.1:7000" % os.getpid())
near.close()
refused(["127.0.0.1:7000"], "a connection that is being closed has 127.0.0.1:7000")
far.close()
# TIME_WAIT after a server that had the port without SO_REUSEADDR: the kernel refuses the port for a minute.
theirs = server("127.0.0.1", 7005)
client = connect(("127.0.0.1", 7005))
got(theirs)
theirs.close()
client.close()
until(lambda: states("time-wait") == 1)
refused(["127.0.0.1:7005"], "a connection that is being closed has 127.0.0.1:7005")
# Somebody who cannot be seen.
theirs = server("127.0.0.1", 7003)
contained = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
refused(["127.0.0.1:7003"], "a process of user 0 that cannot be seen from here listens on", before=contained)
theirs.close()
# Of one sink, an address that another one covers.
refused(["0.0.0.0:7000", "127.0.0.1:7000"], "0.0.0.0:7000 of the same sink covers it")
assert not left() and not files()
""")


def test_an_address_that_is_elsewhere() -> None:
    """A standby host of keepalived: net.ipv4.ip_nonlocal_bind lets it bind the address that the active one has."""
    inside(r"""
run("sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1")
for listen in ("192.0.2.77:7000", "[2001:db8:77::1]:7000"):
    for check in (True, False):
        failed = module(check=check, listen=[listen])
        assert "is no address of this host, and clients would reach whoever has it" in failed["msg"], failed
assert module(listen=["10.240.7.7:7000", "10.0.0.1:7000", "[2001:db8::1]:7000", "0.0.0.0:7001", "[::]:7001"])["running"]
module(state="stopped")
assert not left() and not files()
""")
