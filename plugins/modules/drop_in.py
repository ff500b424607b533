#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drop_in
short_description: Write or remove a file of this collection, if nobody is locked out by it
version_added: 0.1.0
description:
  - Writes one of the files that belong to this collection, or removes it.
  - Checks in the same step, while no other run of this collection takes one, that every configured hard nofile
    is within the C(fs.nr_open) of now and of the next reboot. A change that would lock somebody out is refused.
  - The file is synced to disk before it takes its name, so that a power cut leaves the old one or the new one.
  - Files of others are refused, and so are files that have the name but not the first line of this collection.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Predicts the change. Whether it is safe depends on steps that check mode has not made.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
  platform:
    description: Changes Linux hosts.
    support: full
    platforms: linux
options:
  path:
    description:
      - One of C(/etc/sysctl.d/99-zz-fourtuple.conf), C(/etc/modules-load.d/fourtuple.conf),
        C(/etc/security/limits.d/99-zz-fourtuple.conf), C(/etc/systemd/system.conf.d/zzzz-fourtuple.conf),
        C(/etc/systemd/system/UNIT.d/zzzz-fourtuple.conf), C(/etc/systemd/network/NAME.network.d/fourtuple.conf),
        C(/etc/network/if-up.d/fourtuple) and C(/etc/network/fourtuple.batch).
      - C(/etc/systemd/system/multi-user.target.d/fourtuple-watch.conf) is the last file of the watcher of source
        addresses. Behind it systemd reads its units again and restarts the watcher, which also happens where that does
        not run, or was started before its files were written. With O(state=absent) systemd stops it first.
      - With O(state=absent) also C(zzzz-fourtuple.conf) by the name that release 0.1.0 gave it, C(fourtuple.conf).
    type: path
    required: true
  content:
    description:
      - The whole text, which begins with C(# Managed by fourtuple.clients). Needed with O(state=present).
      - A script has that in its second line, after the one that names its interpreter, and can then be executed.
    type: str
  state:
    description:
      - Whether the file is to be there. A directory of drop-ins of systemd that holds nothing else goes with it.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: fourtuple.clients.nofile_check
  - module: fourtuple.clients.sysctl_apply
"""

EXAMPLES = r"""
- name: Give everybody more open files
  fourtuple.clients.drop_in:
    path: /etc/security/limits.d/99-zz-fourtuple.conf
    content: "{{ lookup('ansible.builtin.template', 'limits.conf.j2') }}"

- name: Take that back
  fourtuple.clients.drop_in:
    path: /etc/security/limits.d/99-zz-fourtuple.conf
    state: absent
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
  sample: /etc/security/limits.d/99-zz-fourtuple.conf
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import drop_in
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["content"])],
        supports_check_mode=True,
    )
    content = module.params["content"] if module.params["state"] == "present" else None
    try:
        host = Host()
        change = drop_in.plan(host, module.params["path"], content)
        changed = drop_in.is_due(host, change)
        if changed and not module.check_mode:
            programs = Programs(module.get_bin_path, lambda command, data: module.run_command(command, data=data))
            drop_in.carry_out(host, change, programs)
    except (Refusal, ValueError, ProgramFailed) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))
    module.exit_json(
        changed=changed,
        path=change.path,
        diff={
            "before": change.before or "",
            "after": change.after or "",
            "before_header": change.path,
            "after_header": change.path,
        },
    )


if __name__ == "__main__":
    main()
