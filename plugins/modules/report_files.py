#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: report_files
short_description: Write what programs and container engines have to be told
version_added: 0.1.0
description:
  - Writes, on the controller, the files that a report names for each host, RV(files). A host with several source
    addresses has C(<host>.sources.txt), each address on a line, the first 65,536 of each family; a host whose program
    has an option for a source address has C(<host>.<program>.<extension>), the lines for its configuration; a host that
    is a container, or whose program runs in one, has C(<host>.container.<engine>.txt), what only the outside can set.
  - What is not C(A-Z a-z 0-9 . _ -) in a host's name is percent-encoded. Files of earlier runs stay.
  - The role P(fourtuple.clients.report#role) uses it.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  action:
    description: Runs on the controller, and nothing on the host.
    support: full
  check_mode:
    description: Writes nothing in check mode.
    support: full
  diff_mode:
    description: The files may be long.
    support: none
  platform:
    description: Any controller.
    support: full
    platforms: all
options:
  report:
    description: The report, as the filter P(fourtuple.clients.report#filter) returns it.
    type: dict
    required: true
  directory:
    description: The folder on the controller that the files are written to. It exists.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the files of all hosts
  fourtuple.clients.report_files:
    report: "{{ hostvars | fourtuple.clients.report(ansible_play_hosts_all, 'Clients', '') }}"
    directory: /srv/reports/load-generators
  run_once: true
"""

RETURN = r"""
files:
  description: The names of all files, whether or not they were there already.
  returned: success
  type: list
  elements: str
  sample: [client1.sources.txt, client1.haproxy.cfg]
"""
