#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: tune_plan
short_description: Plan a client host, and have the host say what speaks against the plan
version_added: 0.1.0
description:
  - Computes the settings that meet a request, as the filter P(fourtuple.clients.plan#filter) does, and asks the host
    with one call of M(fourtuple.clients.client_settings) what would be done, and what speaks against it; with
    none where O(again) has the answer.
  - The role C(fourtuple.clients.tune) uses it. Refuses variables that begin with C(tune_) and are none of that role's.
  - A refusal is returned, so that the role can record it before it fails.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  action:
    description: Runs on the controller, and has modules run on the host.
    support: full
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  platform:
    description: Reads Linux hosts.
    support: full
    platforms: linux
options:
  state:
    description: Whether the host is to be tuned, or compared with the request alone.
    type: str
    choices: [present, audit]
    default: present
  need:
    description: Whether the host states a need. One that does not is left alone.
    type: bool
    default: true
  limits:
    description: RV(fourtuple.clients.connection_limits_info#module:limits) of the host.
    type: dict
  unread:
    description: Why there are no O(limits).
    type: str
    default: ""
  again:
    description: RV(fourtuple.clients.client_settings#module:again) of the host. Where the plan asks the same, the host
      is not asked once more.
    type: dict
    default: {}
  request:
    description: What is asked for, as the filter P(fourtuple.clients.plan#filter) takes it.
    type: dict
    required: true
  known:
    description: Whose addresses are whose, as the filter P(fourtuple.clients.known_addresses#filter) returns it.
    type: dict
    default: {}
  unreachable:
    description: Whether the host could not be reached, with O(unread) as the reason; then there is no plan of it.
    type: bool
    default: false
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
  - module: fourtuple.clients.tune_apply
  - module: fourtuple.clients.client_settings
"""

EXAMPLES = r"""
- name: Read every limit of the host
  fourtuple.clients.connection_limits_info:
  register: before

- name: Plan for 100,000 connections
  fourtuple.clients.tune_plan:
    limits: "{{ before.limits }}"
    request:
      target_connections: 100000
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
  register: plan
"""

RETURN = r"""
refusal:
  description: What speaks against the plan, empty where nothing does.
  returned: always
  type: str
outcome:
  description: What is known of the host before it is changed, as the report takes it.
  returned: always
  type: dict
claim:
  description: The runs of addresses that the slot of this host keeps from other hosts, as pairs of first and last.
  returned: when the host is planned
  type: list
  elements: list
target:
  description: How many connections are planned for.
  returned: when the host is planned
  type: int
settings:
  description: What is to be set, by the names of the variables of role tune without C(tune_).
  returned: when the host is planned
  type: dict
sources:
  description: How many source addresses the application will have.
  returned: when the host is planned
  type: int
container:
  description: What only the outside of a container can set, as the filter P(fourtuple.clients.plan#filter) returns it.
  returned: when the host is read; null where it is no container, and no engine is stated
  type: dict
seen:
  description: What the snapshot says of the addresses of the host, for hosts that are planned after it.
  returned: when the host is planned
  type: dict
options:
  description: The options of M(fourtuple.clients.client_settings) that carry the plan out.
  returned: when nothing speaks against the plan
  type: dict
told:
  description: What that module has returned.
  returned: when nothing speaks against the plan
  type: dict
files:
  description: The texts of the files, by their paths.
  returned: when nothing speaks against the plan
  type: dict
changes:
  description: The differences between the host and the plan, as diffs.
  returned: when nothing speaks against the plan
  type: list
  elements: dict
verified:
  description: What the run comes to where nothing is to be done, as the snapshot has it.
  returned: when nothing speaks against the plan
  type: dict
lockout:
  description: What is not safe on the host as it is, empty where all is.
  returned: when nothing speaks against the plan
  type: str
"""
