#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: source_addresses
short_description: Give a host any number of source addresses in one call, and take them back
version_added: 0.1.0
description:
  - Adds the addresses to the running host, as routes that make prefixes local or each on the interface, as O(method)
    says. On the interface each is a C(/32) or C(/128), so that none depends on another.
  - Reads with one C(ip -json address show), writes with one C(ip -batch), reads back.
  - Records what it adds under C(/var/lib/fourtuple/addresses.json) before it adds it, and removes only that.
  - Everything that is refused is refused before the first change.
  - Refuses addresses that somebody has, and says whose they are. These are the gateways of all routes, routers and
    other neighbours that the kernel knows to be there, the other ends of point-to-point links, name servers, where the
    session comes from that Ansible uses, and O(taken).
  - Gives addresses of IPv6 the preferred lifetime 0, so that only programs that bind to them leave from them.
  - Finds out which program gives the interface its addresses at boot and returns as RV(persist) what has to be
    written for it. The files themselves are the C(fourtuple.clients.addresses) role's.
  - Where addresses are taken away, stops the unit C(fourtuple-watch.service) that would give them back. Its file, which
    RV(persist) names, has M(fourtuple.clients.drop_in) start it again.
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
      - The interface whose link the addresses are used on. Addresses that an earlier call put on another one move.
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
  method:
    description:
      - How the host gets the addresses.
      - V(route) makes prefixes local that cover exactly the addresses, by routes on C(lo) (AnyIP). No program that
        manages the network removes them, and none has to be told; any number of addresses in a row is a handful of
        routes. At most 4096 of them.
      - V(interface) puts each on the interface, and has the interface's manager keep them.
      - V(auto) is V(route) where that works, and V(interface) for the rest. That is IPv6 in a subnet of the interface,
        any IPv6 while C(net.ipv6.ip_nonlocal_bind) is 0, and IPv4 where C(arp_ignore) is set.
      - A program that must see the addresses on the interface needs V(interface).
    type: str
    choices: [auto, route, interface]
    default: auto
  probe:
    description:
      - Whether the link is asked, before the first address is added, who has one of those that are new; who answers is
        named in the refusal. All are asked at once, of IPv4 by ARP probes (RFC 5227), of IPv6 by duplicate address
        detection (RFC 4862). A thousand take 2 seconds, 65536 half a minute.
      - Addresses that were added are announced, so that a gateway which knew them of another host sends to this one.
      - Switch it off where a switch limits how much ARP a port may send, or where a router answers for all addresses
        (proxy ARP). A link that is no Ethernet is not asked.
    type: bool
    default: true
  provider:
    description:
      - The program that has to give the interface the addresses after a reboot. Those by route need none.
      - V(auto) finds it out and refuses what it does not know.
      - V(none) means until the next reboot only, whatever O(method) is.
    type: str
    choices: [auto, networkd, networkmanager, ifupdown, none]
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
  owner:
    description:
      - The role that keeps the files of this step. Its name stands in their first line.
      - A host whose files another role keeps is refused. When not set, nobody's are.
    type: str
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
  variable_names:
    description: The variables that O(variable_prefix) does not name, by the option that each sets.
    type: dict
    default: {}
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
  description: The interface whose link the addresses are used on, null where none is wanted.
  returned: always
  type: str
  sample: eth0
added:
  description: The addresses that were added, in check mode those that would be, as ranges.
  returned: always
  type: list
  elements: str
  sample: [198.51.100.10-198.51.100.29]
removed:
  description: The addresses that were removed, in check mode those that would be, as ranges.
  returned: always
  type: list
  elements: str
kept:
  description: The addresses wanted that an earlier call had added, as ranges.
  returned: always
  type: list
  elements: str
moved:
  description:
    - Of RV(kept) the addresses that are there another way now, in check mode those that would be, from the interface to
      a route or from one interface to another. They are never missing meanwhile.
  returned: always
  type: list
  elements: str
routes:
  description: The prefixes that routes make local, in check mode those that they would.
  returned: always
  type: list
  elements: str
  sample: [198.51.100.10/31, 198.51.100.12/30, 198.51.100.16/29, 198.51.100.24/30, 198.51.100.28/31]
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
  description:
    - Who has to give the addresses after a reboot, V(none) for nobody. Where some are on an interface, the manager of
      that; else V(systemd) for a unit of this collection, or V(ifupdown) for a hook of it.
  returned: always
  type: str
  sample: systemd
persist:
  description: What the next reboot has to read.
  returned: always
  type: dict
  contains:
    addresses:
      description: The addresses on an interface with their prefix length, empty where nothing is to be written.
      type: list
      elements: str
      sample: [2001:db8::10/128]
    routes:
      description: The prefixes that routes make local, empty where nothing is to be written.
      type: list
      elements: str
      sample: [198.51.100.16/29]
    ip:
      description: The path of the program C(ip).
      type: str
      sample: /usr/sbin/ip
    python:
      description: The path of the Python that the watcher is to run with.
      type: str
      sample: /usr/bin/python3
    files:
      description:
        - The files to write, by their kind, in this order.
        - For systemd-networkd a C(networkd_drop_in). For NetworkManager or ifupdown the C(batch) that is given to
          C(ip), a C(networkmanager_dispatcher) or an C(ifupdown_hook), and where systemd starts the host the watcher's
          C(watch_script), C(watch_unit) and C(watch_target).
        - For routes a C(boot_unit) and a C(boot_target), or a C(lo_hook).
      type: dict
      sample:
        networkd_drop_in: /etc/systemd/network/10-eth0.network.d/fourtuple.conf
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
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import addresses_change, owners
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.address_methods import AUTO, METHODS
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.addresses_change import AddressesRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.ip_program import Ip
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import locked
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: The host. Tests put a folder here.
ROOT = "/"


def programs(module: AnsibleModule) -> Programs:
    return Programs(module.get_bin_path, lambda command, data: module.run_command(command, data=data))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str"},
            "list": {"type": "list", "elements": "raw", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "method": {"type": "str", "choices": list(METHODS), "default": AUTO},
            "probe": {"type": "bool", "default": True},
            "provider": {
                "type": "str",
                "choices": ["auto", "networkd", "networkmanager", "ifupdown", "none"],
                "default": "auto",
            },
            "taken": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "required": True},
                    "whose": {"type": "str", "required": True},
                },
            },
            "owner": {"type": "str"},
            "variable_prefix": {"type": "str", "default": ""},
            "variable_names": {"type": "dict", "default": {}},
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
    params: t.Dict[str, t.Any] = module.params
    host = Host(ROOT)
    request = AddressesRequest(
        params["interface"],
        params["list"] if params["state"] == "present" else (),
        params["provider"],
        params["taken"],
        Names(params["variable_prefix"], params["variable_names"]),
        params["method"],
        params["probe"],
    )
    try:
        owners.refuse_other(host, owners.ADDRESSES, params["owner"])
        ways = programs(module)
        ip = Ip(ways)
        plan = addresses_change.make_plan(host, request, ip)
    except (Refusal, ProgramFailed, NetlinkError, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s cannot be read: %s" % (error.filename, error.strerror))
    # Before the change: what is obsolete depends on the host's files alone, and the record is part of `changed`.
    outcome = addresses_change.result(host, plan)
    warnings: t.List[str] = []
    if not module.check_mode:
        try:
            warnings = addresses_change.carry_out(host, params["owner"], plan, ip, ways)
        except ProgramFailed as error:
            message, done = addresses_change.undone(plan, ip, error)
            module.fail_json(msg=message, changed=bool(done["added"] or done["removed"]), **done)
        except OSError as error:
            module.fail_json(msg="The record %s: %s" % (error.filename, error.strerror))
    for warning in [*addresses_change.warnings(plan, outcome), *warnings]:
        module.warn(warning)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
