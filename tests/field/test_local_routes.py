# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source addresses that are local by routes, on a real kernel: what they are good for, and that nothing breaks."""

from __future__ import annotations

from address_host import HOST
from namespaces import inside, needs_root

#: A connection that is kept, by the source that it leaves from; alive(...) sends over it and waits for the echo.
HELD = r"""
ECHO = '''
import socket, threading
s = socket.create_server(("::", 7001), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
print("ready", flush=True)
def serve(connection):
    while True:
        data = connection.recv(100)
        if not data:
            return
        connection.sendall(data)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
'''
echo = beyond(sys.executable, "-c", ECHO, stdout=subprocess.PIPE, text=True)
assert echo.stdout.readline() == "ready\n"

def hold(source, destination="203.0.113.1"):
    return socket.create_connection((destination, 7001), 3, (source, 0))

def alive(*connections):
    "Within a fifth of a second: nothing was sent again."
    for connection in connections:
        connection.settimeout(0.2)
        connection.sendall(b"still")
        assert connection.recv(100) == b"still"
    return True

def local():
    return interface_addresses.routes_of_lo()
"""


@needs_root
def test_programs_bind_to_them_and_nobody_else_leaves_from_them() -> None:
    inside(
        HOST
        + HELD
        + r"""
before = state()
own = leaves_from("203.0.113.1")
# In the host's own subnet, beside it, and beyond it: the kernel answers ARP for all of them.
beyond_ip("route add 198.51.100.0/24 dev gw")
wanted = "192.0.2.64/29", "198.51.100.9-198.51.100.12", "192.0.2.200"
predicted = run(*wanted, check=True)
assert local() == set()
done = run(*wanted)
assert {key: done[key] for key in predicted if key != "invocation"} == {
    key: predicted[key] for key in predicted if key != "invocation"
}
assert done["added"] == ["192.0.2.65-192.0.2.70", "192.0.2.200", "198.51.100.9-198.51.100.12"]
assert state()[0] == before[0], "nothing is on the interface"
assert leaves_from("203.0.113.1") == own
for source in "192.0.2.65", "192.0.2.70", "192.0.2.200", "198.51.100.9", "198.51.100.12":
    assert leaves_from("203.0.113.1", source) == "::ffff:" + source
for source in "192.0.2.64", "192.0.2.71", "198.51.100.8", "198.51.100.13":
    try:
        leaves_from("203.0.113.1", source)
    except OSError:
        continue
    raise AssertionError("%s is not of the list, and local" % source)
assert not run(*wanted)["changed"]
assert run(state="absent")["removed"] == done["added"]
assert local() == set() and state() == before
""",
        60,
    )


@needs_root
def test_no_connection_is_lost_when_the_way_or_the_list_changes() -> None:
    """As 0.1.0 had them, on the interface: moved to routes, more, fewer, back, all while connections are open."""
    inside(
        HOST
        + HELD
        + r"""
some = "198.51.100.8-198.51.100.11"
beyond_ip("route add 198.51.100.0/24 dev gw")
assert run(some, method="interface")["added"] == [some]
held = [hold("198.51.100.%d" % last) for last in range(8, 12)]
moved = run(some)
assert moved["moved"] == moved["kept"] == [some] and moved["added"] == moved["removed"] == []
assert local() == {"198.51.100.8/30"} and alive(*held)
assert len(state()[0]) == 3, "the host's own, of IPv4 and IPv6, and the link-local one"
for several in "198.51.100.8-198.51.100.40", "198.51.100.1-198.51.100.11", "198.51.100.8-198.51.100.11":
    run(several)
    assert alive(*held)
assert run(some, method="interface")["moved"] == [some] and local() == set() and alive(*held)
run(some)
# Down and up again, as an administrator does it: the routes stay, and so do the connections.
ip("link set eth7 down")
ip("link set eth7 up")
ip("route add default via 192.0.2.1")
assert local() == {"198.51.100.8/30"}
for connection in held:
    connection.settimeout(5)
    connection.sendall(b"again")
    assert connection.recv(100) == b"again"
""",
        60,
    )


@needs_root
def test_ipv6_that_is_routed_to_the_host() -> None:
    inside(
        HOST
        + r"""
beyond_ip("-6 route add 2001:db8:7::/64 via 2001:db8::10")
far, ours = "2001:db8:9::1", "2001:db8:7::5"
assert run("2001:db8:7::/64", method="auto")["msg"].count("net.ipv6.ip_nonlocal_bind is 0") == 1
pathlib.Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")
done = run("2001:db8:7::/64", "2001:db8::77")
# What is in a subnet of the interface stands on it: nobody would answer for it otherwise.
assert len(done["routes"]) == 64
assert ("2001:db8::77", 128) in state()[0]
assert leaves_from(far) == "2001:db8::10"
for source in ours, "2001:db8:7:0:ffff:ffff:ffff:ffff", "2001:db8::77":
    assert leaves_from(far, source) == source
assert run(state="absent")["removed"] == ["2001:db8::77", "2001:db8:7::1-2001:db8:7:0:ffff:ffff:ffff:ffff"]
assert interface_addresses.routes_of_lo() == set()
""",
        60,
    )


@needs_root
def test_who_has_an_address_is_asked_and_the_rest_of_the_link_is_told() -> None:
    """A gateway that knew an address of another host reaches this one at once."""
    inside(
        HOST
        + r"""
beyond_ip("addr add 192.0.2.99/24 dev gw")
said = run("192.0.2.98-192.0.2.100", check=True)["msg"]
(gateway,) = json.loads(subprocess.run(
    ["nsenter", "--net=/proc/%d/ns/net" % other.pid, "ip", "-json", "link", "show", "gw"],
    stdout=subprocess.PIPE, check=True).stdout)
assert "list[0] is '192.0.2.99'" in said and "with the MAC address %s." % gateway["address"] in said, said
assert "Write 192.0.2.98, 192.0.2.100 in place of" in said
for method in "interface", "route":
    beyond_ip("neigh replace 192.0.2.98 lladdr 02:00:00:00:00:77 dev gw nud reachable")
    assert run("192.0.2.98", method=method)["added"] == ["192.0.2.98"]
    assert leaves_from("203.0.113.1", "192.0.2.98") == "::ffff:192.0.2.98"
    run(state="absent")
beyond_ip("neigh replace 192.0.2.98 lladdr 02:00:00:00:00:77 dev gw nud reachable")
assert run("192.0.2.98", probe=False)["changed"]
try:
    socket.create_connection(("203.0.113.1", 7000), 0.5, ("192.0.2.98", 0))
except TimeoutError:
    pass
else:
    raise AssertionError("the gateway forgot the other host by itself, so this test proves nothing")
""",
        60,
    )


@needs_root
def test_a_thousand_addresses_are_asked_for_within_three_seconds() -> None:
    inside(
        HOST
        + r"""
before = time.monotonic()
run("198.51.100.0/22", check=True)
assert time.monotonic() - before < 3
""",
        60,
    )


@needs_root
def test_65536_addresses_in_one_call_and_a_connection_from_each() -> None:
    """Live within a second; against one call of ip for each of 200 as the measure."""
    inside(
        HOST
        + HELD
        + r"""
def seconds(work):
    before = time.monotonic()
    work()
    return time.monotonic() - before

def one_by_one():
    for number in range(200):
        ip("address add 198.51.%d.%d/32 dev eth7" % divmod(number, 256))

each = seconds(one_by_one) / 200
ip("address flush dev eth7 to 198.51.0.0/16")
everything = "10.20.0.0-10.20.255.255"
for some, number in (("10.20.0.0-10.20.39.15", 10000), (everything, 65536)):
    took = seconds(lambda: run(some, probe=False))
    ratio = number * each / took
    print("%d addresses: %.2f s, one by one %.0f s, %.0f x" % (number, took, number * each, ratio))
    assert took < 1 and ratio > 100
again = seconds(lambda: run(everything, probe=False))
assert again < 1 and not run(everything, probe=False)["changed"]
assert local() == {"10.20.0.0/16"}
beyond_ip("route add 10.20.0.0/16 via 192.0.2.10")
# From each a connection, 256 at a time; the other end counts whom it has seen.
COUNTER = '''
import socket
s = socket.create_server(("203.0.113.1", 7002), backlog=1024)
print("ready", flush=True)
seen = set()
while len(seen) < 65536:
    connection, peer = s.accept()
    seen.add(peer[0])
    connection.close()
print(len(seen))
'''
counter = beyond(sys.executable, "-c", COUNTER, stdout=subprocess.PIPE, text=True)
assert counter.stdout.readline() == "ready\n"
for high in range(256):
    held = [socket.socket() for _low in range(256)]
    for low, client in enumerate(held):
        client.bind(("10.20.%d.%d" % (high, low), 0))
        client.setblocking(False)
        client.connect_ex(("203.0.113.1", 7002))
    for client in held:
        client.settimeout(5)
        assert client.recv(1) == b""
        client.close()
assert counter.stdout.read() == "65536\n"
""",
        120,
    )
