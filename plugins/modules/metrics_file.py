#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: metrics_file
short_description: Write or remove the metrics that the Prometheus node exporter reads
version_added: 0.1.0
description:
  - Writes C(fourtuple.prom) into the directory of the node exporter's textfile collector, or removes it.
  - The file takes its name once it is complete and on disk, so that the node exporter never reads a part of it.
  - A file that is new or removed is a change of the host; metrics that are renewed are none.
  - A file of that name that this collection has not written is refused, and left alone by O(state=absent).
  - The host remembers in C(/var/lib/fourtuple/metrics.json) where the file is. So one that was written to another
    directory earlier goes, and M(fourtuple.clients.client_settings) with C(state=absent) removes it with all the rest.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Predicts the change.
    support: full
  diff_mode:
    description: Shows a file that is new, or that goes; not one that is renewed.
    support: partial
  platform:
    description: Changes Linux hosts.
    support: full
    platforms: linux
options:
  directory:
    description: The directory that C(--collector.textfile.directory) of the node exporter names. It has to be there.
    type: path
    default: /var/lib/prometheus/node-exporter
  content:
    description: The metrics, as P(fourtuple.clients.report_metrics#filter) returns them. Needed with O(state=present).
    type: str
  remember:
    description: Whether the host remembers where the file is; it takes root.
    type: bool
    default: true
  state:
    description: Whether the file is to be there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: fourtuple.clients.report_metrics
    plugin_type: filter
  - module: fourtuple.clients.client_settings
"""

EXAMPLES = r"""
- name: Write the metrics of the host
  fourtuple.clients.metrics_file:
    content: "{{ fleet | fourtuple.clients.report_metrics(false) }}"
  vars:
    fleet: "{{ hostvars | fourtuple.clients.report([inventory_hostname], 'Clients', now(utc=true).isoformat() ~ 'Z') }}"

- name: Take that back
  fourtuple.clients.metrics_file:
    state: absent
"""

RETURN = r"""
path:
  description: The file; null with O(state=absent).
  returned: always
  type: str
  sample: /var/lib/prometheus/node-exporter/fourtuple.prom
removed:
  description: The files that were removed.
  returned: always
  type: list
  elements: str
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import metrics_file
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import locked
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def _difference(path: str, before: str, after: str) -> t.Dict[str, str]:
    return {"before": before, "after": after, "before_header": path, "after_header": path}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": owned.METRICS_DIRECTORY},
            "content": {"type": "str"},
            "remember": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["content"])],
        supports_check_mode=True,
    )
    text = module.params["content"] if module.params["state"] == "present" else None
    remember = module.params["remember"]
    try:
        # What the host remembers is read and written by one run at a time.
        with locked("/") if remember and not module.check_mode else contextlib.nullcontext():
            host = Host()
            change = metrics_file.plan(host, module.params["directory"], text, remember)
            if not module.check_mode:
                metrics_file.carry_out(host, change)
    except (Refusal, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))
    differences = [_difference(path, before, "") for path, before in change.removals.items()]
    if change.path is not None and change.new:
        differences.append(_difference(change.path, "", change.text))
    module.exit_json(changed=bool(differences), path=change.path, removed=list(change.removals), diff=differences)


if __name__ == "__main__":
    main()
