#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: tune_apply
short_description: Carry out the plan of a client host, or take everything back
version_added: 0.1.0
description:
  - Carries out what M(fourtuple.clients.tune_plan) has planned, in the safe order, with one call of
    M(fourtuple.clients.client_settings), and reads every limit of the host once more. A host that is as planned is not
    asked anything.
  - With O(state=absent) takes everything back.
  - Has systemd read its files again where they have changed.
  - The role C(fourtuple.clients.tune) uses it.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  action:
    description: Runs on the controller, and has modules run on the host.
    support: full
  check_mode:
    description: Predicts what would be changed.
    support: full
  diff_mode:
    description: Shows keys, addresses and files before and after.
    support: full
  platform:
    description: Changes Linux hosts.
    support: full
    platforms: linux
options:
  state:
    description: Whether the plan is carried out, or everything taken back.
    type: str
    choices: [present, absent]
    default: present
  plan:
    description: What M(fourtuple.clients.tune_plan) has returned.
    type: dict
    default: {}
  options:
    description: What is passed on to the host without being planned, as the variables C(tune_<name>) have it.
    type: dict
    required: true
    suboptions:
      users:
        description: The users to ask the host for; groups, ranges and C(*) are none.
        type: list
        elements: str
        required: true
      units:
        description: The units that get the limits.
        type: list
        elements: str
        required: true
      logins:
        description: How the clients of the users are started.
        type: list
        elements: str
        required: true
      reserve_listeners:
        description: Whether ports on which somebody waits are reserved.
        type: bool
        required: true
      systemd_default:
        description: Whether every unit gets the limits.
        type: bool
        required: true
      restart_units:
        description: Whether units that run with other limits are restarted.
        type: bool
        required: true
      addresses_method:
        description: How the host gets the source addresses.
        type: str
        required: true
      addresses_probe:
        description: Whether the link is asked for addresses that somebody has.
        type: bool
        required: true
      addresses_provider:
        description: What keeps the source addresses over a reboot.
        type: str
        required: true
seealso:
  - module: fourtuple.clients.tune_plan
  - module: fourtuple.clients.client_settings
"""

EXAMPLES = r"""
- name: Carry out the plan
  fourtuple.clients.tune_apply:
    plan: "{{ plan }}"
    options:
      users: []
      units: []
      logins: [ssh]
      reserve_listeners: true
      systemd_default: false
      restart_units: false
      addresses_method: auto
      addresses_probe: true
      addresses_provider: auto
"""

RETURN = r"""
state:
  description: What has become of the host, V(tuned), V(left alone) or V(unreachable).
  returned: with O(state=present)
  type: str
before:
  description: The ceilings before the change, as the filter P(fourtuple.clients.ceilings#filter) returns them.
  returned: with O(state=present), of a host that is tuned
  type: dict
after:
  description: The ceilings after the change, null in check mode.
  returned: with O(state=present), of a host that is tuned
  type: dict
predicted:
  description: The ceilings as planned.
  returned: with O(state=present), of a host that is tuned
  type: dict
target:
  description: How many connections were planned for.
  returned: with O(state=present), of a host that is tuned
  type: int
sources:
  description: The source addresses that connections to the destinations can have; null where they could not be read.
  returned: with O(state=present), of a host that is tuned
  type: dict
  contains:
    count:
      description: How many there are.
      type: int
    used:
      description: How many of them the program uses; one of each family where it leaves the choice to the route.
      type: int
    ranges:
      description: All of them, as C(first-last) or the one address.
      type: list
      elements: str
    list:
      description: Each of them; empty where there are more than 256.
      type: list
      elements: str
"""
