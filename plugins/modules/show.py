#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: show
short_description: Show text to the person who runs the play
version_added: 0.1.0
description:
  - Prints text as it is, line by line, so that a table reads as a table. M(ansible.builtin.debug) would quote it.
  - Runs on the controller and reaches no host.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  action:
    description: Runs on the controller alone.
    support: full
  check_mode:
    description: Shows the text in any mode.
    support: full
  diff_mode:
    description: There is never a difference to show.
    support: none
  platform:
    description: Runs on the controller.
    support: full
    platforms: posix
options:
  text:
    description: What is shown.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the hosts can hold
  fourtuple.clients.show:
    text: "{{ clients | fourtuple.clients.report_table }}"
  run_once: true
  vars:
    clients: "{{ hostvars | fourtuple.clients.report(ansible_play_hosts_all, 'Clients', '') }}"
"""

RETURN = r"""
"""
