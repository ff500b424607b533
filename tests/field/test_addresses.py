# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source addresses on hosts that are not alone: whose addresses are never taken, and what programs leave from."""

from __future__ import annotations

import json
import pathlib
import re
import time
import typing as t

import pytest
from address_host import HOST
from limits_builder import address, limits_of
from namespaces import inside, needs_root
from observed import OBSERVED

from ansible_collections.fourtuple.clients.plugins.filter.fleet import FilterModule
from ansible_collections.fourtuple.clients.plugins.module_utils.host import name_servers, ssh_session
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.whole import SnapshotRequest, snapshot
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

if t.TYPE_CHECKING:
    from conftest import Run
    from host_folder import HostFolder

FILTERS = FilterModule().filters()

#: What 192.0.2.0/24 is cut into by default: slot 0 has .1 to .16.
POOL = ["192.0.2.0/24"]


def planned(
    inventory: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
    limits: t.Mapping[str, t.Any] | None = None,
    host: str = "client1",
    target: int = 3 * 64512,
    **stated: t.Any,
) -> dict[str, t.Any]:
    """Return the plan of client1, whose address is 192.0.2.10 and whose gateway is 192.0.2.1, in an inventory."""
    inventory = {host: {}, **(inventory or {})}
    known = FILTERS["known_addresses"](inventory, list(inventory))
    request = {"target_connections": target, "binding": "bind_no_port", "port_fill": 1, **stated}
    return planner.plan(limits or limits_of(), request, known, host)


def refused(*arguments: t.Any, **stated: t.Any) -> str:
    return t.cast(str, planned(*arguments, **stated)["refusal"])


def listed(*entries: object) -> dict[str, t.Any]:
    return {"target": 1, "explicit": {"addresses": list(entries)}}


# --- pools ---


def test_a_pool_that_begins_with_the_gateway() -> None:
    """tune_address_pool is the subnet of the host, with slot 0: it gave the host the address of its gateway."""
    message = refused(address_pool=POOL, slot=0)
    assert message.startswith(
        "tune_address_pool is '192.0.2.1'; allowed: addresses that nobody else has. It is the gateway of the default "
        "route on eth0. Write 192.0.2.2-192.0.2.254 in place of '192.0.2.0/24' on every host that shares the pool, or "
        "give this host another tune_slot."
    ), message


def test_the_way_out_of_a_pool_works() -> None:
    """What the refusal says to write leaves out everything that is known, at once; so does the other tune_slot."""
    inventory = {"sink1": {"prove_listen": ["192.0.2.4:7000"]}, "client2": {"ansible_host": "192.0.2.20"}}
    pieces = re.search(r"Write (\S.*) in place of", refused(inventory, address_pool=POOL, slot=0))
    assert pieces
    written = pieces[1].split(", ")
    assert written == ["192.0.2.2-192.0.2.3", "192.0.2.5-192.0.2.19", "192.0.2.21-192.0.2.254"]
    found = planned(inventory, address_pool=written, slot=0)
    assert found["settings"]["addresses"] == ["192.0.2.2", "192.0.2.3"]
    found = planned(inventory, address_pool=POOL, slot=2)
    assert found["settings"]["addresses"] == ["192.0.2.33", "192.0.2.34"]


def test_an_address_of_the_slot_that_is_not_needed_is_not_refused() -> None:
    """The slot has .1 to .16 with the sink's .4; the target takes .2 and .3."""
    inventory = {"sink1": {"prove_listen": ["192.0.2.4:7000"]}}
    pool = ["192.0.2.2-192.0.2.17"]
    assert planned(inventory, address_pool=pool, slot=0)["settings"]["addresses"] == ["192.0.2.2", "192.0.2.3"]
    assert "It is what the sink sink1 listens on" in refused(inventory, address_pool=pool, slot=0, target=4 * 64512)


def test_the_same_plan_whoever_is_in_the_run() -> None:
    """What is known of others refuses or changes nothing: it never moves an address."""
    pool = {"address_pool": ["192.0.2.64/26"], "slot": 0}
    others = {"client2": {"ansible_host": "192.0.2.99"}, "client3": {"tune_address_pool": POOL, "tune_slot": 9}}
    assert planned(**pool)["settings"] == planned(others, **pool)["settings"]


def test_a_slot_that_comes_from_the_primary_address_over_one_that_is_stated() -> None:
    """client2 is not in this run; its slot is in the inventory."""
    inventory = {"client2": {"tune_address_pool": ["198.51.100.0/24"], "tune_slot": 2}}
    assert refused(inventory, address_pool=["198.51.100.0/24"]) == (
        "tune_address_pool is '198.51.100.33'; allowed: addresses that nobody else has. It is in the slot of client2 "
        "(tune_slot). Give this host a tune_slot that no other host has."
    )


# --- lists, ranges, prefixes ---


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ("192.0.2.1", "Remove it from the list."),
        ("192.0.2.1-192.0.2.3", "Write 192.0.2.2-192.0.2.3 in place of '192.0.2.1-192.0.2.3'."),
        ("192.0.2.0/29", "Write 192.0.2.2-192.0.2.6 in place of '192.0.2.0/29'."),
        ("192.0.2.1-192.0.2.1", "Remove it from the list."),
    ],
)
def test_every_form_of_a_list(entry: str, remedy: str) -> None:
    """The gateway in a list, a range and a prefix."""
    assert refused(**listed("198.51.100.7", entry)) == (
        "tune_addresses[1] is '192.0.2.1'; allowed: addresses that nobody else has. It is the gateway of the default "
        "route on eth0. " + remedy
    )


def test_what_the_host_has_already_is_not_added() -> None:
    """An address that somebody has put on the interface stays foreign, whatever an inventory says of it."""
    limits = limits_of()
    limits["addresses"]["list"].append(address("192.0.2.77"))
    assert "refusal" not in planned({"alias": {"ansible_host": "192.0.2.77"}}, limits, **listed("192.0.2.77"))


_OTHERS: list[tuple[dict[str, t.Any], str, str]] = [
    ({"ansible_host": "192.0.2.50"}, "192.0.2.50", "the address (ansible_host) of other"),
    ({"ansible_host": "2001:db8:0::50"}, "2001:db8::50", "the address (ansible_host) of other"),
    ({"ansible_facts": {"default_ipv4": {"address": "192.0.2.50"}}}, "192.0.2.50", "the primary address of other"),
    ({"ansible_facts": {"all_ipv4_addresses": ["10.0.0.1", "192.0.2.50"]}}, "192.0.2.50", "an address of other"),
    ({"ansible_facts": {"all_ipv6_addresses": ["2001:db8::50"]}}, "2001:db8::50", "an address of other"),
    ({"__tune_before": {"limits": limits_of()}}, "192.0.2.10", "the primary address of other"),
    ({"addresses_list": ["192.0.2.48-192.0.2.60"]}, "192.0.2.50", "in addresses_list of other"),
    ({"addresses_list": ["192.0.2.48/29"]}, "192.0.2.50", "in addresses_list of other"),
    ({"tune_address_pool": POOL, "tune_slot": 3}, "192.0.2.50", "in the slot of other (tune_slot)"),
    ({"prove_listen": ["192.0.2.50:7000"]}, "192.0.2.50", "what the sink other listens on (prove_listen)"),
    ({"prove_listen": "[2001:db8::50]:7000"}, "2001:db8::50", "what the sink other listens on (prove_listen)"),
    ({"prove_prefix": "192.0.2.48/29"}, "192.0.2.48", "in the prefix that the sink other answers for (prove_prefix)"),
    ({"prove_prefix": "192.0.0.0/15"}, "192.0.2.50", "in the prefix that the sink other answers for (prove_prefix)"),
    ({"prove_destinations": ["192.0.2.50:1"]}, "192.0.2.50", "a destination of other (prove_destinations)"),
    ({"tune_destinations": ["192.0.2.50:1", "x:2"]}, "192.0.2.50", "a destination of other (tune_destinations)"),
]


@pytest.mark.parametrize(("row", "wanted", "whose"), _OTHERS)
def test_what_the_inventory_tells_of_others(row: dict[str, t.Any], wanted: str, whose: str) -> None:
    """In a list of this host; and the other host itself may have it, unless it is nobody's own."""
    limits = limits_of(addresses={"default_interface": {"6": "eth0"}, "list": [], "primary": None})
    inventory = {"other": row}
    assert "'%s'; allowed: addresses that nobody else has. It is %s." % (wanted, whose) in refused(
        inventory, limits, **listed(wanted)
    )
    known = FILTERS["known_addresses"](inventory, ["other"])
    # For role addresses alone.
    assert FILTERS["taken"](known, "client1", [wanted]) == [{"address": "%s-%s" % (wanted, wanted), "whose": whose}]
    own = FILTERS["taken"](known, "other", [wanted])
    assert bool(own) == ("prefix" in whose or "destination" in whose)


def test_a_host_whose_name_in_the_inventory_is_an_address() -> None:
    assert "It is the address of 192.0.2.50." in refused({"192.0.2.50": {}}, **listed("192.0.2.50"))


def test_what_was_added_to_another_host_may_move_on_with_the_slots() -> None:
    """tune_slot_size is raised on every host, as a refusal advises, in a play that gathers facts."""
    facts = {"all_ipv4_addresses": ["192.0.2.20", "198.51.100.33", "198.51.100.40"]}
    seen = {"limits": limits_of(applied={"addresses": ["198.51.100.33/32"]})}
    inventory = {"client2": {"ansible_facts": facts, "__tune_before": seen}}
    stated = {"address_pool": ["198.51.100.0/24"], "slot": 1, "slot_size": 32, "target": 2 * 64512}
    assert planned(inventory, **stated)["settings"]["addresses"] == ["198.51.100.33"]
    assert "It is an address of client2." in refused(inventory, **listed("198.51.100.40"))


def test_own_destinations() -> None:
    """They may be variables of the play, which no other host sees."""
    message = refused(destinations=["192.0.2.50:443"], **listed("192.0.2.50"))
    assert "It is a destination (tune_destinations)." in message


def test_names_are_not_resolved_and_templates_that_fail_are_passed_over() -> None:
    """A host that is not in the run has no facts for its templates."""

    class Fails(dict[str, t.Any]):
        def get(self, *_arguments: t.Any) -> t.Any:
            raise RuntimeError

    inventory = {"sink1": {"ansible_host": "sink1.example.com", "prove_listen": ["sink1:7000", 7]}, "sink2": Fails()}
    assert "refusal" not in planned(inventory, **listed("192.0.2.50"))


def test_a_large_inventory_costs_by_the_host() -> None:
    """Twice the hosts, twice the table; and what one host then looks up costs no more."""

    def cost(number: int) -> tuple[float, float]:
        names = ["client%d" % index for index in range(number)]
        rows = {
            name: {
                "ansible_host": "10.%d.%d.%d" % (index >> 16, index >> 8 & 255, index & 255),
                "tune_address_pool": ["172.16.0.0/12"], "tune_slot": index, "prove_prefix": "10.128.0.0/9",
                "prove_destinations": ["192.0.2.50:%d" % port for port in range(1, 5)],
                "ansible_facts": {"all_ipv4_addresses": ["192.168.%d.%d" % divmod(index % 65536, 256)]},
            }
            for index, name in enumerate(names)
        }  # fmt: skip
        begun = time.process_time()
        known = FILTERS["known_addresses"](rows, names)
        made = time.process_time()
        for name in names[:200]:
            assert FILTERS["taken"](known, name, ["198.51.100.1-198.51.100.64", "10.0.0.1"]) == (
                []
                if name == "client1"
                else [{"address": "10.0.0.1-10.0.0.1", "whose": "the address (ansible_host) of client1"}]
            )
        return made - begun, time.process_time() - made

    cost(100)
    # The least of some: a busy machine makes one of them look dear.
    costs = {number: [cost(number) for _ in range(3)] for number in (1000, 2000)}
    (made, looked), (made_twice, looked_twice) = (tuple(map(min, zip(*costs[number], strict=True))) for number in costs)
    assert made_twice < 3 * made
    assert looked_twice < 3 * looked
    assert looked < made


# --- the session ---


@pytest.mark.parametrize(
    ("variable", "peer"),
    [
        ("SSH_CONNECTION=192.0.2.7 50000 192.0.2.10 2222", "192.0.2.7"),
        ("SSH_CLIENT=2001:db8:0::7 50000 22", "2001:db8::7"),
        ("SSH_CONNECTION=fe80::7%eth0 50000 fe80::1%eth0 22", "fe80::7"),
        ("SSH_CONNECTION=::ffff:192.0.2.7 50000 ::ffff:192.0.2.10 22", "192.0.2.7"),
        ("SSH_CONNECTION=UNKNOWN 65535 UNKNOWN 65535", None),
        ("SSH_CONNECTION=", None),
        ("NO_SSH_CONNECTION=192.0.2.7 1 2 3", None),
    ],
)
def test_the_session_behind_sudo(host: HostFolder, variable: str, peer: str | None) -> None:
    """sudo has dropped the variables: the shell of the session, its parent, has them."""
    host.put("/proc/40/environ", "PATH=/bin\0SUDO_USER=me\0")
    host.put("/proc/40/stat", "40 (python3 (x) ) y) S 30 40 40 0 -1 4194560\n")
    host.put("/proc/30/stat", "30 (sudo) S 20 30 30 0 -1 4194560\n")
    host.put("/proc/20/environ", "HOME=/root\0%s\0" % variable)
    host.put("/proc/20/stat", "20 (sh) S 1 20 20 0 -1 4194560\n")
    host.put("/proc/1/stat", "1 (systemd) S 0 1 1 0 -1 4194560\n")
    assert [one["address"] for one in ssh_session.peers(host.look(), 40)] == ([peer] if peer else [])
    # Who logs in from this very host is nobody else.
    assert ssh_session.peers(host.look(), 40, own=["192.0.2.7", "2001:db8::7", "fe80::7"]) == []


def test_parents_in_a_circle_end(host: HostFolder) -> None:
    host.put("/proc/40/stat", "40 (x) S 40 40\n")
    host.put("/proc/40/environ", "SSH_CLIENT=192.0.2.7 1 2\0")
    assert len(ssh_session.peers(host.look(), 40)) == 1


def test_name_servers_behind_a_stub(host: HostFolder) -> None:
    """As systemd-resolved and NetworkManager leave them; a keyword counts at the beginning of a line only."""
    host.put("/etc/resolv.conf", "nameserver 127.0.0.53\n# nameserver 192.0.2.1\n nameserver 192.0.2.2\nnameserver\n")
    host.put(
        "/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53 # x\nnameserver fe80::1%eth0\nnameserverx 1.2.3.4\n"
    )
    host.put("/run/NetworkManager/no-stub-resolv.conf", "nameserver\t192.0.2.54\n")
    found = [one["address"] for one in name_servers.read(host.look())]
    assert found == ["127.0.0.53", "192.0.2.53", "fe80::1", "192.0.2.54"]


# --- the module, on a real kernel ---

#: Runs the rest as sshd starts a session, below a program that drops the variable, as sudo does.
SESSION = r"""
import os, subprocess, sys
if "BEHIND" not in os.environ:
    session = ["env", "BEHIND=1", "SSH_CONNECTION=192.0.2.99 50000 192.0.2.10 22", "sh", "-c"]
    session += ['env -u SSH_CONNECTION "$@"; exit $?', "-", *sys.orig_argv]
    sys.exit(subprocess.run(session).returncode)
"""


@needs_root
def test_addresses_that_the_host_sees_others_have() -> None:
    """Live and in check mode: gateways of every table, next hops, peers, name servers, neighbours, the session."""
    inside(
        SESSION
        + HOST
        + r"""
for line in ("route add default via 192.0.2.2 table 100", "route add 10.1.0.0/16 via 192.0.2.3",
             "route add 10.2.0.0/16 nexthop via 192.0.2.4 nexthop via 192.0.2.5",
             "route add 10.3.0.0/16 via inet6 2001:db8::6", "addr add 198.51.100.1 peer 198.51.100.2 dev eth7",
             "nexthop add id 7 via 192.0.2.7 dev eth7", "route add 10.4.0.0/16 nhid 7",
             "-6 route add 2001:db8:2::/48 via fe80::8 dev eth7",
             "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth7 nud permanent",
             "neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev eth7 nud stale router"):
    ip(line)
# A session that nobody's environment tells of.
beyond_ip("addr add 192.0.2.98/24 dev gw")
listener = socket.create_server(("192.0.2.10", 22))
CLIENT = "import socket, time; s = socket.create_connection(('192.0.2.10', 22), 3, ('192.0.2.98', 0)); time.sleep(60)"
client = beyond(sys.executable, "-c", CLIENT)
accepted, _peer = listener.accept()
whose = {
    "192.0.2.98": "the other end of an SSH session to this host",
    "192.0.2.1": "the gateway of the default route on eth7",
    "2001:db8::1": "the gateway of the default route on eth7",
    "192.0.2.2": "the gateway of the default route on eth7 (table 100)",
    "192.0.2.3": "the gateway of the route to 10.1.0.0/16 on eth7",
    "192.0.2.4": "the gateway of the route to 10.2.0.0/16 on eth7",
    "192.0.2.5": "the gateway of the route to 10.2.0.0/16 on eth7",
    "2001:db8::6": "the gateway of the route to 10.3.0.0/16 on eth7",
    "192.0.2.7": "the gateway of the route to 10.4.0.0/16 on eth7",
    "fe80::8": "the gateway of the route to 2001:db8:2::/48 on eth7",
    "198.51.100.2": "the other end of the point-to-point link eth7",
    "192.0.2.9": "a neighbour on eth7",
    "2001:db8::9": "a router on eth7",
    "192.0.2.53": "a name server of this host (/etc/resolv.conf)",
    "192.0.2.99": "the other end of the session that Ansible uses",
    "192.0.2.77": "the sink sink1",
}
before = state()
taken = [{"address": "192.0.2.70-192.0.2.79", "whose": "the sink sink1"}]
wanted = [(address, address, what) for address, what in whose.items()]
wanted += [("192.0.2.0/30", "192.0.2.1", whose["192.0.2.1"]), ("192.0.2.76-192.0.2.80", "192.0.2.76", "the sink sink1")]
for entry, address, what in wanted:
    for check in (True, False):
        said = run("203.0.113.9", entry, check=check, variable_prefix="addresses_", taken=taken)
        start = "addresses_list[1] is %r; allowed: addresses that nobody else has. It is %s. " % (address, what)
        assert said.get("failed") and said["msg"].startswith(start), said
        assert state() == before
assert run("192.0.2.8", "fe80::80", check=True, taken=taken)["added"] == ["192.0.2.8", "fe80::80"]
""",
        60,
    )


@needs_root
def test_the_gateway_s_address_cuts_the_host_off_at_the_next_boot() -> None:
    """What a run that took it did: nothing at first. At the boot the address is there before the route."""
    inside(
        HOST
        + r"""
assert leaves_from("203.0.113.1") == "::ffff:192.0.2.10"
assert "the gateway of the default route" in run("192.0.2.0/29")["msg"]
# As it was: live it hurts nobody who is known already, and the batch for the boot has it.
ip("addr flush dev eth7")
for line in ("addr add 192.0.2.1/32 dev eth7", *own[:1], *routes[:1]):
    ip(line)
try:
    leaves_from("203.0.113.1")
except OSError:
    pass
else:
    raise AssertionError("the host is reached")
""",
        60,
    )


BATCH = r"""
environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
template = environment.from_string(pathlib.Path(BATCH_TEMPLATE).read_text())

def boot():
    "Let ip read, as our hook does, what the role would write."
    wanted = ["2001:db8::a1/128", "2001:db8::a2/128", "198.51.100.1/32"]
    result = {"interface": "eth7", "persist": {"addresses": wanted}}
    text = template.render(__addresses_role="addresses", __addresses_result=result)
    pathlib.Path("/run/batch").write_text(text)
    shell("ip", "-force", "-batch", "/run/batch")
"""


@needs_root
def test_programs_that_do_not_bind_leave_from_the_host_s_own_address(checkout: t.Any) -> None:
    """Live, corrected where an earlier version added them, in check mode, undone, and at the boot with ifupdown."""
    template = checkout / "roles/addresses/templates/batch.j2"
    inside(
        HOST
        + "BATCH_TEMPLATE = %r\n" % str(template)
        + BATCH
        + r"""
far, ours, own = "2001:db8:9::1", ["2001:db8::a1", "2001:db8::a2"], "2001:db8::10"
assert leaves_from(far) == own
added = run(*ours, "198.51.100.1", method="interface")
assert added["added"] == ["198.51.100.1", "2001:db8::a1-2001:db8::a2"] and added["corrected"] == []
assert leaves_from(far) == own
assert [leaves_from(far, one) for one in ours] == ours
assert not run(*ours, "198.51.100.1", method="interface")["changed"]

# As an earlier version added them: everybody leaves from ours. A connection from it lives through the correction.
for one in ours:
    ip("address change %s/128 dev eth7 preferred_lft forever" % one)
assert leaves_from(far) in ours
listener = socket.create_server((own, 0), family=socket.AF_INET6)
held = socket.create_connection(listener.getsockname()[:2], 3, (ours[0], 0))
accepted, _peer = listener.accept()
predicted = run(*ours, "198.51.100.1", method="interface", check=True)
assert leaves_from(far) in ours
done = run(*ours, "198.51.100.1", method="interface")
for result in (predicted, done):
    assert result["changed"] and result["added"] == [] and result["kept"] == added["added"]
    assert result["corrected"] == ["2001:db8::a1-2001:db8::a2"]
    assert result["diff"]["before"].count(" preferred\n") == 1 and "preferred" not in result["diff"]["after"]
assert leaves_from(far) == own
assert [leaves_from(far, one) for one in ours] == ours
held.sendall(b"still")
assert accepted.recv(5) == b"still"
again = run(*ours, "198.51.100.1", method="interface")
assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"]
shown = {one["address"]: one.get("deprecated") for one in interface_addresses.observe()["addresses"]}
assert [shown[one] for one in (*ours, own, "198.51.100.1")] == [True, True, None, None]
assert run(state="absent")["removed"] and leaves_from(far) == own

# The boot: into nothing, over what is there, and over what an earlier version left.
for _again in range(2):
    boot()
    assert leaves_from(far) == own
    assert [leaves_from(far, one) for one in ours] == ours
    for one in ours:
        ip("address change %s/128 dev eth7 preferred_lft forever" % one)
    assert leaves_from(far) in ours
""",
        60,
    )


# --- the roles ---

INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    addresses_provider: none
    addresses_interface: lo
  hosts:
    one:
      addresses_list: [198.51.100.1-198.51.100.9]
      tune_addresses: [198.51.100.1-198.51.100.9]
      tune_target_connections: 1000
    two:
      ansible_host: 198.51.100.5
      prove_listen: ["{{ ansible_facts.default_ipv4.address }}:7000"]
    three:
      addresses_list: [203.0.113.1, 198.51.100.77]
      tune_address_pool: [198.51.100.0/24]
      tune_target_connections: 200000
      tune_binding: bind_no_port
"""


def test_the_roles_know_the_whole_inventory(run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Of the hosts one and three alone; two is not in the run, and has no facts for its template."""
    inventory, play = tmp_path / "hosts.yml", tmp_path / "play.yml"
    inventory.write_text(INVENTORY)
    play.write_text(
        "- hosts: all\n  gather_facts: false\n  roles: [fourtuple.clients.addresses]\n"
        "  vars: {tune_address_pool: '{{ nothing }}'}\n"
    )
    path = str(copied_checkout / "playbooks/collections")
    command = ["ansible-playbook", "-i", inventory, "--check", "--limit", "one,three", play]
    said = run(*command, cwd=tmp_path, status=2, ANSIBLE_COLLECTIONS_PATH=path).stdout
    assert "addresses_list[0] is '198.51.100.5'; allowed: addresses that nobody else has. " in said
    assert (
        "It is the address (ansible_host) of two. Write 198.51.100.1-198.51.100.4, 198.51.100.6-198.51.100.9 in place "
        "of '198.51.100.1-198.51.100.9'." in said
    )
    assert re.search(r"^three .* failed=0 ", said, re.MULTILINE)
    # The plan refuses the same before anything else is looked at.
    command = ["ansible-playbook", "-i", inventory, "--check", "--limit", "one", "fourtuple.clients.tune_clients"]
    said = run(*command, cwd=tmp_path, status=2, ANSIBLE_COLLECTIONS_PATH=path).stdout
    assert "It is the address (ansible_host) of two." in said
    assert "Change the host" not in said


# --- drift ---


def test_what_an_earlier_version_added_is_drift(host: HostFolder) -> None:
    """an earlier version gave our IPv6 addresses a preferred lifetime, live and in the files."""
    host.put("/var/lib/fourtuple/addresses.json", json.dumps({"added": [["eth0", "2001:db8::7/128"]]}))
    batch = "# Managed by fourtuple.clients\naddress replace 2001:db8::7/128 dev eth0 nodad%s\n"
    entry = {"address": "2001:db8::7", "prefix": 128, "interface": "eth0", "family": 6, "scope": "global"}

    def drift(lifetime: str, **more: t.Any) -> list[tuple[str, str]]:
        host.put("/etc/network/fourtuple.batch", batch % lifetime)
        addresses = [{**entry, "secondary": False, **more}]
        root = {"root": {"uid": 0, "gid": 0, "groups": []}}
        observed = {
            **OBSERVED,
            "accounts": root,
            "interfaces": {"addresses": addresses, "anyip": [], "default_routes": []},
        }
        found = snapshot(host.look(), observed, SnapshotRequest())["drift"]
        return [(one["what"], one["where"]) for one in found if "2001:db8" in one["what"]]

    name = "preferred lifetime of 2001:db8::7/128"
    assert drift("") == [(name, "live"), (name, "after_boot")]
    assert drift("", deprecated=True) == [(name, "after_boot")]
    assert drift(" preferred_lft 0") == [(name, "live")]
    assert drift(" preferred_lft 0", deprecated=True) == []
