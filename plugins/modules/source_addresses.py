#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: source_addresses
short_description: Give an interface any number of source addresses in one call, and take them back
version_added: 0.1.0
description:
  - Adds the addresses to the running host, each as a C(/32) or C(/128), so that none depends on another.
  - Reads with one C(ip -json address show), writes with one C(ip -batch), reads back.
  - Records what it adds under C(/var/lib/fourtuple/addresses.json) before it adds it, and removes only that.
  - Everything that is refused is refused before the first change.
  - Refuses addresses that somebody has, and says whose they are. These are the gateways of all routes, routers and
    other neighbours that the kernel knows to be there, the other ends of point-to-point links, name servers, where the
    session comes from that Ansible uses, and O(taken).
  - Gives addresses of IPv6 the preferred lifetime 0, so that only programs that bind to them leave from them.
  - Finds out which program gives the interface its addresses at boot and returns as RV(persist) what has to be
    written for it. The files themselves are the C(fourtuple.clients.addresses) role's.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Predicts every address without a change.
    support: full
  diff_mode:
    description: Shows the addresses that this module manages, before and after.
    support: full
  platform:
    description: Needs Linux and the C(ip) program of iproute2.
    support: full
    platforms: linux
options:
  interface:
    description:
      - The interface that gets the addresses. Addresses that an earlier call put on another one move.
      - The interface of the default route when not given.
    type: str
  list:
    description:
      - Addresses such as V(198.51.100.7), ranges such as V(198.51.100.10-198.51.100.20), and prefixes such as
        V(198.51.100.0/24), whose network and broadcast address are left out. At most 65536 addresses.
      - The whole set. What an earlier call added and is no longer named is removed.
      - An empty list is the same as O(state=absent).
    type: list
    elements: raw
    default: []
  state:
    description:
      - V(present) brings the addresses to O(list).
      - V(absent) removes every address that earlier calls added, whatever the other options say.
    type: str
    choices: [present, absent]
    default: present
  provider:
    description:
      - The program that has to give the interface the addresses after a reboot.
      - V(auto) finds it out and refuses what it does not know.
      - V(none) means until the next reboot only.
    type: str
    choices: [auto, networkd, ifupdown, none]
    default: auto
  taken:
    description:
      - Addresses that others have, as the inventory knows them; see P(fourtuple.clients.known_addresses#filter).
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: An address, a range or a prefix.
        type: str
        required: true
      whose:
        description: Whose it is, in words that follow C(It is).
        type: str
        required: true
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
notes:
  - The network is never restarted, and no program that manages it is told to reload.
  - In a cloud the addresses must also be assigned to the host, or routed to it, there.
"""

EXAMPLES = r"""
- name: Twenty source addresses and a prefix, until the next reboot
  fourtuple.clients.source_addresses:
    interface: eth0
    list:
      - 198.51.100.10-198.51.100.29
      - 203.0.113.0/28
    provider: none

- name: Take back whatever was added
  fourtuple.clients.source_addresses:
    state: absent
"""

RETURN = r"""
interface:
  description: The interface that has the addresses, null where none is wanted.
  returned: always
  type: str
  sample: eth0
added:
  description: The addresses that were added, in check mode those that would be.
  returned: always
  type: list
  elements: str
  sample: [198.51.100.10/32]
removed:
  description: The addresses that were removed, in check mode those that would be, from whichever interface.
  returned: always
  type: list
  elements: str
kept:
  description: The addresses wanted that an earlier call had added.
  returned: always
  type: list
  elements: str
corrected:
  description:
    - Of RV(kept) the addresses of IPv6 that programs left from without binding to them, as an earlier version added
      them, and that have the preferred lifetime 0 now, in check mode those that would.
  returned: always
  type: list
  elements: str
foreign:
  description: The addresses wanted that the interface has from someone else. They are neither persisted nor removed.
  returned: always
  type: list
  elements: str
provider:
  description: The program that has to give the addresses after a reboot; V(none) for nobody.
  returned: always
  type: str
  sample: networkd
persist:
  description: What the next reboot has to read.
  returned: always
  type: dict
  contains:
    addresses:
      description: The addresses with their prefix length, empty where nothing is to be written.
      type: list
      elements: str
      sample: [198.51.100.10/32]
    files:
      description:
        - The files to write, by their kind. A C(drop_in) of systemd-networkd, or for ifupdown a C(hook) and the
          C(batch) that it gives to C(ip).
      type: dict
      sample:
        drop_in: /etc/systemd/network/10-eth0.network.d/fourtuple.conf
    obsolete:
      description: Files of this collection that exist, whole or unfinished, and are no longer needed.
      type: list
      elements: str
not_added:
  description: The addresses that were not added.
  returned: when C(ip) failed
  type: list
  elements: str
not_removed:
  description: The addresses that were not removed.
  returned: when C(ip) failed
  type: list
  elements: str
"""

import contextlib
import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.config import network_providers
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    interface_addresses,
    name_servers,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    drop_state,
    locked,
    read_text,
    save_state,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, taken_addresses
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import (
    Address,
    AddressesChange,
    Links,
    Pair,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: The host. Tests put a folder here.
ROOT = "/"


#: Duplicate address detection would keep an address from being used for a second; a preferred lifetime would make
#: every program leave from it that does not bind, as from the latest of its kind.
_OF_IPV6 = " nodad preferred_lft 0"


class IpFailed(Exception):
    pass


class Ip:
    """The ip program, one call for any number of addresses."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        path = module.get_bin_path("ip")
        if path is None:
            raise IpFailed("the program ip is not installed on this host; install the package iproute2 and retry")
        self.path = path

    def run(self, *arguments: str, data: t.Optional[str] = None) -> str:
        status, stdout, stderr = self.module.run_command([self.path, *arguments], data=data)
        if status:
            raise IpFailed("`ip %s` failed: %s" % (" ".join(arguments), (stderr or stdout).strip().rstrip(".")))
        return str(stdout)

    def links(self) -> Links:
        return t.cast(Links, json.loads(self.run("-json", "address", "show") or "[]"))

    def change(self, remove: t.Iterable[Pair], add: t.Iterable[Pair], correct: t.Iterable[Pair]) -> None:
        lines = ["address del %s dev %s\n" % (address, interface) for interface, address in remove]
        for verb, pairs in (("add", add), ("change", correct)):
            lines += [
                "address %s %s dev %s%s\n" % (verb, pair[1], pair[0], _OF_IPV6 * (":" in pair[1])) for pair in pairs
            ]
        if lines:
            self.run("-batch", "-", data="".join(lines))


class Plan(t.NamedTuple):
    interface: t.Optional[str]
    change: AddressesChange
    recorded: t.Set[Pair]
    #: What this collection has on the host now: recorded, or given by its own files at boot.
    before: t.Set[Pair]
    #: What programs may leave from without binding to it.
    preferred: t.Set[Pair]
    persistence: network_providers.Persistence

    @property
    def correct(self) -> t.List[Pair]:
        return [pair for pair in self.change.kept if pair in self.preferred]


def make_plan(params: t.Mapping[str, t.Any], ip: Ip) -> Plan:
    """Look at the host and decide everything, or refuse. Changes nothing."""
    prefix = params["variable_prefix"]
    places: t.Dict[Address, str] = {}
    if params["state"] == "present":
        places = address_set.locate(prefix + "list", params["list"])
    links = ip.links()
    host = Host(ROOT)
    recorded = network_providers.recorded(host)
    ours = recorded | network_providers.persisted(host, links)
    interface = None
    persistence = network_providers.Persistence(network_providers.NONE, {}, [])
    if places:
        interface = choose_interface(prefix + "interface", params["interface"], links)
        address_set.check_against_host(places, interface, links, ours)
        refuse_taken(host, params, places, links, ours)
        check_ipv6(places, interface)
        persistence = network_providers.find(host, prefix + "provider", params["provider"], interface, links)
    change = address_set.plan(places, interface, links, ours)
    preferred = address_set.preferred_pairs(links)
    return Plan(interface, change, recorded, address_set.live_pairs(links) & ours, preferred, persistence)


def refuse_taken(
    host: Host, params: t.Mapping[str, t.Any], places: t.Mapping[Address, str], links: Links, ours: t.AbstractSet[Pair]
) -> None:
    """Refuse addresses that somebody has. What the host has from someone else stays as it is."""
    live = address_set.live_pairs(links)
    foreign = {text_of(pair) for pair in live - ours}
    added = {address: place for address, place in places.items() if str(address) not in foreign}
    taken = taken_addresses.Taken([*around(host, {text_of(pair) for pair in live}), *params["taken"]])
    taken_addresses.refuse(params["variable_prefix"] + "list", params["list"], added, taken)


def text_of(pair: Pair) -> str:
    return pair[1].partition("/")[0]


def around(host: Host, own: t.Container[str]) -> t.List[t.Mapping[str, str]]:
    """Return the addresses that this host, which holds those in ``own``, knows others to have."""
    found: t.List[t.Mapping[str, str]] = []
    if host.live:
        found += [*interface_addresses.observe()["taken"], *interface_addresses.neighbours()]
    return [*found, *ssh_session.peers(host, os.getpid(), own), *name_servers.read(host)]


def choose_interface(where: str, name: t.Optional[str], links: Links) -> str:
    """Return the interface by name, or that of the default route: IPv4's, else IPv6's."""
    names = [link["ifname"] for link in links if "ifname" in link]
    if name:
        if name not in names:
            remedy = "Name the interface that the destinations are reached by."
            raise Refusal(where, name, "an interface of this host: " + ", ".join(names), remedy)
        return name
    routes = interface_addresses.observe()["default_routes"]
    defaults = next(filter(None, (interface_addresses.default_interfaces(routes, version) for version in (4, 6))), [])
    if len(defaults) != 1:
        found = "several default routes: " + ", ".join(defaults) if defaults else "no default route"
        remedy = "The host has %s. Name the interface." % found
        raise Refusal(where, name, "an interface of this host: " + ", ".join(names), remedy)
    return defaults[0]


def check_ipv6(places: t.Mapping[Address, str], interface: str) -> None:
    key = "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % interface
    disabled = (read_text(ROOT, key) or "1").strip() != "0"
    for address, place in places.items():
        if address.version == 6 and disabled:
            remedy = "IPv6 is switched off there (%s): switch it on, or remove the address." % key
            raise Refusal(place, str(address), "IPv4 addresses on %s" % interface, remedy)


def carry_out(plan: Plan, ip: Ip) -> None:
    """Make the change; the record goes ahead of it, and shrinks only behind it."""
    change = plan.change
    after = set(change.kept) | set(change.add)
    ahead = plan.recorded | plan.before | after
    record(plan.recorded, ahead)
    ip.change(change.remove, change.add, plan.correct)
    if change.add or plan.correct:
        links = ip.links()
        if after - address_set.live_pairs(links) or after & address_set.preferred_pairs(links):
            raise IpFailed("`ip -batch -` reported no error, yet addresses are missing or not as they should be")
    record(ahead, after)


def record(known: t.Set[Pair], pairs: t.Set[Pair]) -> None:
    if not pairs:
        drop_state(ROOT, network_providers.TOPIC)
    elif pairs != known:
        save_state(ROOT, network_providers.TOPIC, {"added": [list(pair) for pair in address_set.in_order(pairs)]})


def addresses(pairs: t.Iterable[Pair]) -> t.List[str]:
    return [address for dummy, address in pairs]


def result(plan: Plan) -> t.Dict[str, t.Any]:
    change = plan.change
    ours = change.kept + change.add
    files = plan.persistence.files if ours else {}
    return {
        # A record whose addresses are gone, as after a reboot without persistence, is still removed.
        "changed": bool(change.add or change.remove or plan.correct or (plan.recorded and not ours)),
        "interface": plan.interface,
        "added": addresses(change.add),
        "removed": addresses(change.remove),
        "kept": addresses(change.kept),
        "corrected": addresses(plan.correct),
        "foreign": addresses(change.foreign),
        "provider": plan.persistence.provider,
        "persist": {
            "addresses": addresses(address_set.in_order(ours)) if files else [],
            "files": files,
            "obsolete": network_providers.obsolete(Host(ROOT), files.values()),
        },
        "diff": {
            "before": listing(plan.before, plan.preferred),
            "after": listing(ours),
            "before_header": "source addresses, live",
            "after_header": "source addresses, live",
        },
    }


def listing(pairs: t.Iterable[Pair], preferred: t.AbstractSet[Pair] = frozenset()) -> str:
    marks = dict.fromkeys(preferred, " preferred")
    return "".join("%s %s%s\n" % (*pair, marks.get(pair, "")) for pair in address_set.in_order(pairs))


def fail_midway(module: AnsibleModule, plan: Plan, ip: Ip, error: IpFailed) -> None:
    live = address_set.live_pairs(ip.links())
    change = plan.change
    done: t.Dict[str, t.Any] = {
        "added": addresses(pair for pair in change.add if pair in live),
        "not_added": addresses(pair for pair in change.add if pair not in live),
        "removed": addresses(pair for pair in change.remove if pair not in live),
        "not_removed": addresses(pair for pair in change.remove if pair in live),
    }
    counts = ", ".join("%d %s" % (len(found), name.replace("_", " ")) for name, found in done.items())
    module.fail_json(
        msg="%s. %s. What was added is recorded: fix the cause and run again, or take it back with state absent."
        % (error, counts),
        changed=bool(done["added"] or done["removed"]),
        **done,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str"},
            "list": {"type": "list", "elements": "raw", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "provider": {"type": "str", "choices": ["auto", "networkd", "ifupdown", "none"], "default": "auto"},
            "taken": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "required": True},
                    "whose": {"type": "str", "required": True},
                },
            },
            "variable_prefix": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        # Nobody else's addresses come between what is seen here and what is done about it.
        with contextlib.nullcontext() if module.check_mode else locked(ROOT):
            run(module)
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))


def run(module: AnsibleModule) -> None:
    try:
        ip = Ip(module)
        plan = make_plan(module.params, ip)
    except (Refusal, IpFailed, NetlinkError, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s cannot be read: %s" % (error.filename, error.strerror))
    # Before the change: what is obsolete depends on the host's files alone, and the record is part of `changed`.
    outcome = result(plan)
    if not module.check_mode:
        try:
            carry_out(plan, ip)
        except IpFailed as error:
            fail_midway(module, plan, ip, error)
        except OSError as error:
            module.fail_json(msg="The record %s: %s" % (error.filename, error.strerror))
    for warning in plan.persistence.warnings:
        module.warn(warning)
    if plan.change.foreign:
        module.warn(
            "%d of the addresses are on %s already, added by someone else who also has to persist them: %s"
            % (len(plan.change.foreign), plan.interface, ", ".join(outcome["foreign"]))
        )
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
