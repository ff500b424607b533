# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher that gives an interface its source addresses back, on a real kernel: when, and when not."""

from __future__ import annotations

import ast
import re
import typing as t

from address_host import HOST
from namespaces import inside, needs_root

#: What it calls as ip writes down how often. there() are ours that the interface has; soon(...) waits for something.
WATCHER = r"""
script = pathlib.Path(TEMPLATE).read_text().replace("{{ __addresses_role }}", "addresses")
pathlib.Path("/run/watch.py").write_text(script)
program = pathlib.Path("/run/ip")
program.write_text('#!/bin/sh\necho "$*" >>/run/calls\nexec ip "$@"\n')
program.chmod(0o755)

def batch(*addresses):
    how = {True: "nodad preferred_lft 0", False: "scope host"}
    lines = ["address replace %s dev eth7 %s\n" % (one, how[":" in one]) for one in addresses]
    pathlib.Path("/run/new").write_text("# Managed by fourtuple.clients\n" + "".join(lines))
    os.rename("/run/new", "/run/batch")

def start(*flag, **more):
    pathlib.Path("/run/calls").write_text("")
    return subprocess.Popen([sys.executable, "-I", "-S", "/run/watch.py", str(program), "/run/batch", *flag], **more)

def calls(what=""):
    return [line for line in pathlib.Path("/run/calls").read_text().splitlines() if what in line]

def there():
    (link,) = json.loads(ip("-json address show dev eth7"))
    found = {"%s/%d" % (one["local"], one["prefixlen"]) for one in link["addr_info"]}
    return {one for one in found if one.startswith(("198.51.100.", "198.18.", "2001:db8:5:"))}

def soon(is_so, seconds=5):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, (there(), calls())
        time.sleep(0.02)
    return True

def settled():
    "Once nothing was called for half a second."
    while True:
        before = len(calls())
        time.sleep(0.5)
        if len(calls()) == before:
            return before

def many(verb, lines):
    subprocess.run(["ip", "-force", "-batch", "-"], input="".join("address %s %s dev eth7\n" % (verb, one)
                   for one in lines), text=True, check=True)

OURS = {"198.51.100.1/32", "198.51.100.2/32", "2001:db8:5::1/128"}
V4, V6 = {one for one in OURS if "." in one}, {one for one in OURS if ":" in one}
"""


def watched(checkout: t.Any, script: str) -> None:
    template = checkout / "roles/addresses/templates/watch_script.j2"
    inside(HOST + "TEMPLATE = %r\n" % str(template) + WATCHER + script, 120)


def test_the_script_is_one_for_python_3_6(checkout: t.Any) -> None:
    text = (checkout / "roles/addresses/templates/watch_script.j2").read_text()
    # No template's syntax but the one variable of the first line: it is a program.
    assert re.findall(r"\{\{.*?\}\}|\{%|\{#", text) == ["{{ __addresses_role }}"]
    ast.parse(text, feature_version=(3, 6))


@needs_root
def test_gives_back_what_is_taken_while_the_interface_has_an_address_of_its_own(checkout: t.Any) -> None:
    watched(
        checkout,
        r"""
batch(*OURS)
watcher = start()
assert soon(lambda: there() == OURS)
(link,) = json.loads(ip("-json address show dev eth7"))
how = {one["local"]: one.get("deprecated") or one["scope"] for one in link["addr_info"]}
assert (how["198.51.100.1"], how["2001:db8:5::1"]) == ("host", True)

many("del", OURS)
assert soon(lambda: there() == OURS, 1)

# Each family by itself.
ip("-4 address flush dev eth7")
settled()
assert there() == V6
ip("address add 169.254.1.1/16 dev eth7 scope link")
settled()
assert there() == V6
ip(own[0])
assert soon(lambda: there() == OURS, 1)

# What is no address to leave from does not count: of the link, deprecated, or not yet known to be nobody else's.
ip("link set eth7 down")
assert soon(lambda: there() == V4)
ip("link set eth7 up")
ip("address add 2001:db8::11/64 dev eth7 nodad preferred_lft 0")
assert soon(lambda: "fe80::" in ip("-6 address show dev eth7 scope link -tentative"))
settled()
assert there() == V4
ip("address add 2001:db8::10/64 dev eth7")
while ip("-6 address show dev eth7 tentative"):
    assert there() == V4 or not ip("-6 address show dev eth7 tentative")
assert soon(lambda: there() == OURS, 1)

# The same with both at once, as a cable that is pulled.
ip("link set eth7 down")
ip("link set eth7 up")
ip(own[1])
assert soon(lambda: there() == OURS)

# An interface that goes and comes has another number.
ip("link del eth7")
settled()
ip("link add eth7 type veth peer name gone")
ip("link set gone up")
ip("link set eth7 up")
settled()
assert there() == set()
ip(own[0])
assert soon(lambda: there() == V4)

# Addresses that were taken back are not wanted any more, and then there is nothing to watch for.
batch("198.51.100.2/32")
many("del", V4)
assert soon(lambda: there() == {"198.51.100.2/32"})
os.unlink("/run/batch")
ip("address del 198.51.100.2/32 dev eth7")
assert watcher.wait(5) == 0
assert there() == set()
""",
    )


@needs_root
def test_a_thousand_addresses(checkout: t.Any) -> None:
    watched(
        checkout,
        r"""
OURS = ["198.18.%d.%d/32" % divmod(number, 250) for number in range(1000)]
OURS += ["2001:db8:5::%x/128" % number for number in range(1, 101)]
batch(*OURS)
watcher = start()
assert soon(lambda: there() == set(OURS))
settled()

for _again in range(2):
    before = len(calls())
    many("del", OURS)
    begun = time.monotonic()
    assert soon(lambda: there() == set(OURS))
    took = time.monotonic() - begun
    # Alone on a machine it is a quarter of that.
    assert took < 2, took
    assert settled() - before <= 6, calls()

# Who takes all the addresses of an interface takes its own last, and finds nothing there then.
many("del", [*OURS, "192.0.2.10/24", "2001:db8::10/64"])
settled()
assert there() == set(), len(there())
for line in own:
    ip(line)
assert soon(lambda: there() == set(OURS))
assert watcher.poll() is None
""",
    )


@needs_root
def test_costs_nothing_while_nothing_happens_to_the_interface(checkout: t.Any) -> None:
    watched(
        checkout,
        r"""
batch(*OURS)
watcher = start()
assert soon(lambda: there() == OURS)
# The kernel is making sure of the link-local address.
assert soon(lambda: "fe80::" in ip("-6 address show dev eth7 scope link -tentative"))
before = settled()
ticks = pathlib.Path("/proc/%d/stat" % watcher.pid).read_text().rpartition(")")[2].split()[11:13]
time.sleep(2)
assert pathlib.Path("/proc/%d/stat" % watcher.pid).read_text().rpartition(")")[2].split()[11:13] == ticks
# Of other interfaces it only hears.
ip("link add other type veth peer name another")
for number in range(50):
    ip("address add 10.9.0.%d/32 dev other" % number)
ip("link del other")
assert settled() == before, calls()

# Somebody who removes them again and again does not have it busy.
end = time.monotonic() + 4
while time.monotonic() < end:
    subprocess.run(["ip", "address", "del", "198.51.100.1/32", "dev", "eth7"], stderr=subprocess.DEVNULL)
    time.sleep(0.01)
assert 10 < len(calls("-batch")) <= 21, len(calls("-batch"))
assert soon(lambda: there() == OURS, 15)
""",
    )


@needs_root
def test_says_when_it_is_ready_and_fails_where_it_cannot_work(checkout: t.Any) -> None:
    watched(
        checkout,
        r"""
for place, name in (("/run/notify", "/run/notify"), ("@notify", "\0notify")):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        systemd.settimeout(5)
        batch(*OURS)
        watcher = start(env={**os.environ, "NOTIFY_SOCKET": place})
        assert systemd.recv(100) == b"READY=1"
        assert there() == OURS
        watcher.terminate()
        watcher.wait()
        many("del", OURS)
program.unlink()
watcher = start(stderr=subprocess.PIPE, text=True)
assert watcher.wait(5) == 1
assert "/run/ip" in watcher.stderr.read()
""",
    )


@needs_root
def test_under_network_manager_only_its_own_addresses_count(checkout: t.Any) -> None:
    """With ours beside one that the kernel has from a router, it would start with an interface of somebody else's."""
    watched(
        checkout,
        r"""
batch(*OURS)
watcher = start("noprefixroute")
settled()
assert there() == set()
ip("address add 192.0.2.11/24 dev eth7 noprefixroute")
assert soon(lambda: there() == V4)
settled()
assert there() == V4
ip("address add 2001:db8::12/64 dev eth7 nodad noprefixroute")
assert soon(lambda: there() == OURS)
""",
    )
