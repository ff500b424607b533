# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link is asked for addresses and told of them: real neighbours in network namespaces, on a bridge of their own."""

from __future__ import annotations

from namespaces import inside, needs_root

pytestmark = needs_root

#: This host, and what it needs to have neighbours. A test that says the same of several probes runs them at once.
_HOST = r"""
import concurrent.futures, contextlib, ctypes, errno, fcntl, ipaddress, json, os, random, re, select, signal, socket
import struct, subprocess, sys, threading, time
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import link_frames, link_probe

def run(command):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True).stdout

def batch(lines, host=None):
    inside = ["-n", host] if host else []
    subprocess.run(["ip", *inside, "-batch", "-"], input="\n".join(lines), text=True, check=True)

def address(text):
    return ipaddress.ip_address(text)

def addresses(*texts):
    return [address(text) for text in texts]

def following(first, count):
    return [address(first) + number for number in range(count)]

def set_key(host, key, value):
    run("ip netns exec %s sh -c 'echo %d > /proc/sys/net/%s'" % (host, value, key))

def at_once(*calls):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [one.result() for one in [pool.submit(*call) for call in calls]]

def until(ready):
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)

def within(host, make):
    # A socket stays in the network namespace that it was made in; each thread has its own.
    here, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open("/run/netns/" + host, os.O_RDONLY)
    setns = ctypes.CDLL(None, use_errno=True).setns
    assert setns(there, 0) == 0
    try:
        return make()
    finally:
        assert setns(here, 0) == 0
        os.close(here), os.close(there)

run("mount -t tmpfs tmpfs /run && ip link set lo up && ip netns add switch")
run("ip -n switch link add br0 type bridge && ip -n switch link set br0 up")

def mac(number):
    return "02:00:00:00:00:%02x" % number

def plug(host, number, interface="eth0"):
    # Into the switch; None is this host.
    port, here = "port%d" % number, "ip -n %s" % host if host else "ip"
    run("%s link add %s address %s type veth peer name %s netns switch" % (here, interface, mac(number), port))
    run("ip -n switch link set %s master br0 up && %s link set %s up" % (port, here, interface))

def neighbour(host, number):
    run("ip netns add %s && ip -n %s link set lo up" % (host, host))
    plug(host, number)

def tap(number):
    # A link of our own whose other end is this descriptor.
    opened = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(opened, 0x400454CA, struct.pack("16sH22x", b"tap%d" % number, 0x1002))
    run("ip link set tap%d address %s" % (number, mac(number)))
    return opened

plug(None, 1)
until(lambda: link_probe.obstacle("eth0") is None)
"""


def on_a_link(script: str) -> None:
    inside(_HOST + script, 60)


def test_who_has_an_address_is_found_and_nobody_else() -> None:
    """By every way in which a neighbour has one, and as far as it answers; from a bridge and a macvlan as well."""
    on_a_link(r"""
for name, number in (("a", 10), ("b", 11), ("c", 12)):
    neighbour(name, number)
batch(["addr add 192.0.2.1/24 dev eth0", "addr add 198.51.100.1/32 dev lo", "route add local 10.1.0.0/24 dev lo",
       "addr add 2001:db8::1/64 dev eth0 nodad", "route add local 2001:db8:1::/64 dev lo"], "a")
batch(["addr add 192.0.2.2/24 dev eth0", "addr add 198.51.100.2/32 dev lo"], "b")
batch(["addr add 192.0.2.3/24 dev eth0", "addr add 2001:db8::3/64 dev eth0 nodad"], "c")
# Only for what the interface has that the question comes in by; and for nothing.
set_key("b", "ipv4/conf/all/arp_ignore", 1)
set_key("c", "ipv4/conf/all/arp_ignore", 8)
# This host: addresses of its own, a second interface on the same link that answers the first, a bridge, a macvlan.
plug(None, 2, "eth1")
plug(None, 3, "eth2")
batch(["addr add 192.0.2.9/24 dev eth0", "addr add 2001:db8::9/64 dev eth0 nodad", "addr add 192.0.2.8/24 dev eth1",
       "addr add 2001:db8::8/64 dev eth1 nodad", "link add br7 address %s type bridge" % mac(4),
       "link set eth2 master br7", "link set br7 up",
       "link add link eth0 name macvlan7 address %s type macvlan mode bridge" % mac(5), "link set macvlan7 up"])
until(lambda: not any(map(link_probe.obstacle, ("eth1", "br7", "macvlan7"))))
asked = [address(prefix + number) for prefix in ("192.0.2.", "2001:db8::") for number in "1234589"]
asked += addresses("198.51.100.1", "198.51.100.2", "10.1.0.0", "10.1.0.255", "10.1.1.0", "2001:db8:1::1")
a, b, c = map(mac, (10, 11, 12))
there = dict.fromkeys(addresses("192.0.2.1", "2001:db8::1", "198.51.100.1", "10.1.0.0", "10.1.0.255"), a)
there.update({address("192.0.2.2"): b, address("2001:db8::3"): c})

# What is said on a VLAN is said on another link; no interface here takes that tag.
told = threading.Event()
def tell():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        while not told.wait(0.05):
            for one in addresses("192.0.2.5", "2001:db8::5"):
                frame = link_frames.announcement(one.packed, bytes.fromhex("02000000000b"))
                sender.send(frame[:12] + struct.pack("!HH", 0x8100, 5) + frame[12:])
elsewhere = threading.Thread(target=lambda: within("b", tell))
elsewhere.start()
try:
    # All four ask at the same time, but a host does not take from itself.
    for found in at_once(*((link_probe.probe, one, asked) for one in ("eth0", "eth1", "br7", "macvlan7"))):
        assert found == there, found
finally:
    told.set()
    elsewhere.join()
# Where every address is in use there is nothing to wait for.
start = time.monotonic()
assert link_probe.probe("eth0", list(there) * 2) == there
assert link_probe.probe("eth0", []) == {}
assert time.monotonic() - start < 0.4
""")


def test_thousands_are_asked_for_at_once() -> None:
    """1,000 within 3 s, 10,000 within 10 s; whoever has half of them is found, and no other.

    And no faster than 8,000 questions per second, which a real NIC's ring takes; a veth(4) has none.
    """
    on_a_link(r"""
neighbour("a", 10)
batch(["route add local 10.1.0.0/20 dev lo", "route add local 10.1.16.0/22 dev lo"]
      + ["addr add 10.2.%d.%d/32 dev eth0" % divmod(number, 256) for number in range(500)]
      + ["addr add %s/128 dev eth0 nodad" % one for one in following("2001:db8::", 500)], "a")

def ask(asked):
    start = time.monotonic()
    return link_probe.probe("eth0", asked), time.monotonic() - start

thousand = following("10.2.0.0", 1000), following("2001:db8::", 1000)
many = following("10.1.0.0", 10000)
four, six, all_of_many = at_once(*((ask, one) for one in (*thousand, many)))
for (found, seconds), asked in zip((four, six), thousand):
    assert found == dict.fromkeys(asked[:500], mac(10)), len(found)
    assert seconds < 3, seconds
found, seconds = all_of_many
assert found == dict.fromkeys(many[:5120], mac(10)), len(found)
# Half of them are asked for three times.
assert 20000 / 8000 < seconds < 10, seconds
""")


def test_two_hosts_that_ask_at_the_same_time_do_not_both_get_an_address() -> None:
    """As two hosts of a fleet that were given the same: the first sees it, as it does who announces one meanwhile."""
    on_a_link(r"""
neighbour("a", 10)
until(lambda: within("a", lambda: link_probe.obstacle("eth0")) is None)
wanted = addresses("192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8::8")
late = addresses("192.0.2.9", "2001:db8::9")
# An interface that takes no group's frames but those that it is told to take, as a NIC does.
run("ip link add link eth0 name macvlan7 address %s type macvlan && ip link set macvlan7 up" % mac(5))
until(lambda: link_probe.obstacle("macvlan7") is None)

def ask():
    time.sleep(0.3)
    return link_probe.probe("eth0", wanted)

def announce():
    time.sleep(1.3)
    link_probe.announce("eth0", late)

here, there, _announced = at_once(
    (link_probe.probe, "macvlan7", wanted + late), (within, "a", ask), (within, "a", announce)
)
assert here == dict.fromkeys(wanted + late, mac(10)), here
assert there == {}, there

here, there = at_once((link_probe.probe, "macvlan7", wanted), (within, "a", lambda: link_probe.probe("eth0", wanted)))
assert {**here, **there}.keys() == set(wanted), (here, there)
""")


def test_a_link_that_loses_much() -> None:
    """Of 30 % of the answers lost, three rounds find 97 %, and who has answered is not asked again.

    The frames that are built are the kernel's own to the byte: its probe, its announcements.
    """
    on_a_link(r"""
first, second = tap(7), tap(8)
wanted = following("10.7.0.0", 500) + following("2001:db8:7::", 500)
asked, answered, frames = {}, {}, []
chance = random.Random(7)
over = threading.Event()

def answer():
    while not over.is_set():
        if not select.select([first], [], [], 0.05)[0]:
            continue
        frame = os.read(first, 2048)
        ours = frame[22:28] if frame[12:14] == b"\x08\x06" else frame[6:12]
        target = frame[38:42] if frame[12:14] == b"\x08\x06" else frame[62:78]
        if ours != bytes.fromhex("020000000007") or target not in asked:
            continue
        assert frame == link_frames.question(target, ours)
        asked[target] += 1
        if chance.random() < 0.3:
            continue
        answered[target] = asked[target]
        # In IPv6 anybody's announcement is an answer; in IPv4 too.
        os.write(first, link_frames.announcement(target, bytes.fromhex("0200000000aa")))

asked.update(dict.fromkeys((one.packed for one in wanted), 0))
run("ip link set tap7 up")
until(lambda: link_probe.obstacle("tap7") is None)
link = threading.Thread(target=answer)
link.start()

# Meanwhile the kernel makes sure of an address by itself, and announces it.
def watch():
    for key in ("ipv6/conf/all/enhanced_dad", "ipv6/conf/tap8/enhanced_dad"):
        open("/proc/sys/net/" + key, "w").write("0")
    for key in ("ipv6/conf/tap8/ndisc_notify", "ipv4/conf/tap8/arp_notify", "ipv6/conf/tap8/addr_gen_mode"):
        open("/proc/sys/net/" + key, "w").write("1")
    batch(["addr add 192.0.2.7/24 dev tap8", "link set tap8 up", "addr add 2001:db8::12:3456/64 dev tap8"])
    own = bytes.fromhex("020000000008")
    six = address("2001:db8::12:3456").packed
    expected = {
        link_frames.announcement(address("192.0.2.7").packed, own), link_frames.question(six, own),
        link_frames.announcement(six, own),
    }
    end = time.monotonic() + 10
    while expected:
        assert time.monotonic() < end, [frame.hex() for frame in expected]
        if select.select([second], [], [], 0.1)[0]:
            expected.discard(os.read(second, 2048))

def ask():
    start = time.monotonic()
    return link_probe.probe("tap7", wanted), time.monotonic() - start

(found, seconds), _watched = at_once((ask,), (watch,))
over.set()
link.join()
assert 0.95 * len(wanted) < len(found) < len(wanted), len(found)
assert set(found.values()) == {"02:00:00:00:00:aa"}
assert {one.packed for one in found} == set(answered)
assert seconds < 3, seconds
for target, times in asked.items():
    assert times == answered.get(target, 3), (target, times)
assert {2, 3} <= set(answered.values())
""")


def test_why_a_link_cannot_be_asked() -> None:
    """As a text, for none of these is a fault; what is one has the interface's name."""
    on_a_link(r"""
run("ip link add br7 type bridge && ip link set br7 up && ip tuntap add tun7 mode tun && ip link set tun7 up")
for pair in (("down0", "peer0"), ("alone0", "peer1"), ("mute0", "peer2"), ("port0", "peer3"), ("far4", "peer4")):
    run("ip link add %s type veth peer name %s" % pair)
run("ip link set alone0 up && ip link set mute0 arp off up && ip link set peer2 up")
run("ip link set port0 master br7 up && ip link set peer3 up && ip link set peer4 up && ip link set far4 up")
until(lambda: link_probe.obstacle("peer4") is None)
until(lambda: link_probe.obstacle("port0") != "port0 has no carrier")
for interface, reason in (
    ("lo", "lo is no Ethernet interface"),
    ("tun7", "tun7 is no Ethernet interface"),
    ("down0", "down0 is down"),
    ("alone0", "alone0 has no carrier"),
    ("mute0", "mute0 uses no ARP"),
    ("port0", "port0 is a port (bridge): what it is a port of has its addresses"),
    ("br7", None),
):
    found = link_probe.obstacle(interface)
    assert found == reason, (interface, found)

def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno, error.strerror
    raise AssertionError(arguments)

wanted = addresses("192.0.2.7")
for call, arguments in ((link_probe.obstacle, ()), (link_probe.probe, (wanted,)), (link_probe.announce, (wanted,))):
    assert refused(call, "eth9", *arguments) == (errno.ENODEV, "there is no interface eth9")
for interface, reason in (("down0", "down0 is down"), ("tun7", "tun7 is no Ethernet interface")):
    for call in (link_probe.probe, link_probe.announce):
        assert refused(call, interface, wanted) == (errno.ENETDOWN, reason)

# It goes down while it is asked, and one whose other end does: that nobody has answered says nothing then.
def down():
    time.sleep(0.3)
    run("ip link set eth0 down && ip link set far4 down")
found, other, _down = at_once(
    (refused, link_probe.probe, "eth0", wanted), (refused, link_probe.probe, "peer4", wanted), (down,)
)
assert found == (errno.ENETDOWN, "eth0, packet(7): Network is down"), found
assert other == (errno.ENETDOWN, "peer4 has no carrier"), other

child = os.fork()
if not child:
    with contextlib.ExitStack() as left:
        left.callback(os._exit, 1)
        os.setgid(65534), os.setuid(65534)
        assert link_probe.obstacle("br7") == (
            "br7 can only be asked with the capability CAP_NET_RAW, which this process does not have"
        )
        said = refused(link_probe.probe, "br7", wanted)
        assert said == (errno.EPERM, "br7, packet(7): Operation not permitted"), said
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")


def test_a_link_that_takes_no_more_frames_is_given_up() -> None:
    """One frame per second, and a queue of few: it is tried again for a while, and said how far it came."""
    on_a_link(r"""
run("tc qdisc replace dev eth0 root tbf rate 1kbit burst 1514 limit 300")
link_probe._GRACE = 0.2
start = time.monotonic()
try:
    link_probe.announce("eth0", following("10.7.0.0", 200))
except TimeoutError as error:
    said = str(error)
assert re.fullmatch(r"\[Errno 110\] eth0, packet\(7\): the link takes no more frames, after \d+ of them", said), said
assert 0.2 < time.monotonic() - start < 2
""")


def test_a_gateway_that_knew_an_address_elsewhere_is_told() -> None:
    """With an entry that was confirmed just now, and with an old one: without a word it sends there for seconds."""
    on_a_link(r"""
neighbour("gw", 20)
neighbour("before", 10)
batch(["addr add 192.0.2.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0 nodad",
       "route add 10.5.0.0/16 dev eth0"], "gw")
# Those that are announced, and one of each family that is not.
moved = addresses("10.5.0.1", "10.5.0.2", "2001:db8::a:1", "2001:db8::a:2")
silent = addresses("10.5.0.3", "2001:db8::a:3")
batch(["neigh replace %s lladdr %s dev eth0 nud %s" % (one, mac(10), state)
       for one, state in zip(moved + silent, ("reachable", "stale", "reachable", "stale", "reachable", "stale"))], "gw")
# IPv4 by a route on lo, IPv6 on the interface.
batch(["addr add 192.0.2.9/24 dev eth0", "addr add 2001:db8::9/64 dev eth0 nodad", "route add local 10.5.0.0/24 dev lo"]
      + ["addr add %s/128 dev eth0 nodad preferred_lft 0" % one for one in moved + silent if one.version == 6])
server = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)

def connects(destination):
    client = within("gw", lambda: socket.socket(socket.AF_INET if destination.version == 4 else socket.AF_INET6))
    client.settimeout(0.2)
    with client:
        try:
            client.connect((str(destination), 7000))
        except TimeoutError:
            return False
    return True

def entries():
    shown = json.loads(run("ip -n gw -json neigh show dev eth0"))
    return {address(one["dst"]): one.get("lladdr") for one in shown}

# The address that this host leaves from has been learnt, so that only the entry in question decides.
assert not any(at_once(*((connects, one) for one in silent)))
start = time.monotonic()
link_probe.announce("eth0", moved)
until(lambda: all(entries()[one] == mac(1) for one in moved))
assert all(at_once(*((connects, one) for one in moved)))
assert time.monotonic() - start < 2
assert all(entries()[one] == mac(10) for one in silent)

# A thousand of each family arrive all, and in no time.
many = following("10.6.0.0", 1000) + following("2001:db8:6::", 1000)
missing = {one.packed for one in many}
receiver = within("gw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
receiver.settimeout(5)
# SO_RCVBUFFORCE: that this process, which also sends, reads too late must lose nothing.
receiver.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)

def receive():
    while missing:
        claim = link_frames.parse(receiver.recv(2048))
        if claim is not None:
            missing.discard(claim.address)

def announce():
    start = time.monotonic()
    link_probe.announce("eth0", many)
    return time.monotonic() - start

seconds, _received = at_once((announce,), (receive,))
assert seconds < 0.5, seconds
# A host that forwards says so, for who has it as a router takes it off its list otherwise.
open("/proc/sys/net/ipv6/conf/eth0/forwarding", "w").write("1")
link_probe.announce("eth0", moved[2:3])
flags = []
while not flags:
    frame = receiver.recv(2048)
    flags += [frame[58]] * (frame[54:55] == b"\x88" and frame[62:78] == moved[2].packed)
assert flags == [0xA0], flags
""")
