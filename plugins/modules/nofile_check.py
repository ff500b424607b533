#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nofile_check
short_description: Check every hard nofile limit of a host against fs.nr_open
version_added: 0.1.0
description:
  - Compares every hard nofile limit that is configured or in force with C(fs.nr_open), as it is now and as the
    next reboot will set it. A hard limit above C(fs.nr_open) refuses sessions or fails services.
  - Reads C(limits.conf) and C(limits.d) by the precedence of pam_limits, the limits of systemd's managers and
    units, the running processes, and C(sysctl.d) by the precedence of the tool that applies it at boot.
  - Accepts planned values, so that it can be asked before anything is written, and returns what to write so
    that no domain or unit ends with less than other files grant it.
  - Fails with every limit that does not fit, and with everybody who is left with less than is needed. Changes
    nothing.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is never a difference to show.
    support: none
  platform:
    description: Reads Linux hosts.
    support: full
    platforms: linux
options:
  nofile_hard:
    description:
      - The hard nofile limit that is planned for O(domains), O(units) and, with O(systemd_default), every unit.
      - A whole number. V(unlimited) is refused, because pam_limits and systemd each make something else of it.
    type: raw
  nofile_soft:
    description:
      - The soft nofile limit that is planned, at most O(nofile_hard). Without one the soft limits stay what they are.
    type: raw
  nr_open:
    description:
      - The C(fs.nr_open) that is planned, live and in C(/etc/sysctl.d/99-zz-fourtuple.conf).
      - Ignored in a container, where the value is the machine's.
    type: raw
  root:
    description:
      - The directory that holds the host's files. With another one than V(/), a mounted image or a chroot,
        live values and running processes are left out.
    type: path
    default: /
  domains:
    description:
      - The domains of C(limits.conf) that the limits are planned for.
    type: list
    elements: str
    default: ["*", root]
  units:
    description:
      - The systemd units that the limits are planned for, by their full names.
    type: list
    elements: str
    default: []
  systemd_default:
    description: Plan the limits for systemd's C(DefaultLimitNOFILE) too.
    type: bool
    default: false
  state:
    description:
      - V(present) checks the host as it is or, with planned limits, as they will leave it.
      - V(absent) checks it as it will be without the limits files of this collection. Fails only for limits that
        their removal would bring to light. The planned limits must then be left out.
    type: str
    choices: [present, absent]
    default: present
  planned_files:
    description:
      - Files as an earlier step of the same run leaves them, RV(planned_files) of its module. In check mode that step
        has written nothing, so what is checked here has to be told.
    type: dict
    default: {}
  users:
    description:
      - Users of the host whose sessions are to have a soft nofile of O(needed).
    type: list
    elements: str
    default: []
  needed:
    description:
      - The soft nofile that O(users) and O(units) are to end with, whatever other files say. A line of others that
        leaves them with less is refused, as nothing that is written beside it would help.
    type: int
  ways:
    description:
      - The ways in which sessions of O(users) come. Whichever leaves a user with less counts.
      - V(ssh) goes by C(sshd_config), and with V(console), V(su), V(sudo) and V(cron) by the PAM service of that name.
        V(user_service) stands for a unit of the user's own systemd.
    type: list
    elements: str
    choices: [ssh, console, su, sudo, cron, user_service]
    default: [ssh]
  owner:
    description:
      - The role that keeps the files of this step. Its name stands in their first line.
      - A host whose files another role keeps is refused. When not set, nobody's are.
    type: str
  allow_missing:
    description:
      - Whether users and units that the host does not have are left out instead of refused. The drop-in of such a unit
        is planned all the same.
      - For check mode, in which an earlier step that creates them has not done so.
    type: bool
    default: false
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
  variable_names:
    description: The variables that O(variable_prefix) does not name, by the option that each sets.
    type: dict
    default: {}
  enforce:
    description: Fail when a limit does not fit. When V(false), only report it.
    type: bool
    default: true
seealso:
  - module: fourtuple.clients.sysctl_apply
"""

EXAMPLES = r"""
- name: Check the host as it is
  fourtuple.clients.nofile_check:

- name: Ask whether limits of two million would fit once nr_open has been raised
  fourtuple.clients.nofile_check:
    nofile_soft: 2000000
    nofile_hard: 2000000
    nr_open: 2000000
    units: [cron.service]

- name: Report on a mounted image without failing
  fourtuple.clients.nofile_check:
    root: /mnt/image
    enforce: false
"""

RETURN = r"""
ok:
  description: Whether every hard limit fits, and everybody has what is needed.
  returned: always
  type: bool
offenders:
  description:
    - Every hard limit above the C(fs.nr_open) that holds then. Where root cannot raise a hard limit, for want of
      C(CAP_SYS_RESOURCE) in the machine's first user namespace, also every planned one above what is inherited, and
      every one of a session that pam_limits would refuse.
  returned: always
  type: list
  elements: dict
  sample:
    - source: /etc/security/limits.d/90-clients.conf
      line: 3
      domain: "*"
      value: 2000000
      maximum: 1048576
      when: after_boot
  contains:
    source:
      description: The file, C(/proc/<pid>/limits) of a running process, or the variable that asks for it.
      type: str
    line:
      description: The line in that file, 0 where there is none.
      type: int
    domain:
      description: The domain, for a limit of pam_limits.
      type: str
    unit:
      description: The unit, or the name of the process outside units, for any other limit.
      type: str
    value:
      description: The hard limit, a number, V(unlimited) or V(infinity).
      type: raw
    maximum:
      description: The C(fs.nr_open) that holds then.
      type: int
    when:
      description: V(now) or V(after_boot).
      type: str
shortfalls:
  description: The users and units whose soft limit will be less than O(needed).
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(user) or V(unit).
      type: str
    name:
      description: The user or the unit.
      type: str
    soft:
      description: The soft limit that they will have.
      type: int
    by:
      description: The file and line that set it, C(file:line), or the default in words.
      type: str
    note:
      description: What goes wrong on the way, if anything does.
      type: str
    way:
      description: The way in of O(ways) that leaves a user with so little, null for a unit.
      type: str
    remedy:
      description: What helps where a limit in C(limits.d) does not, because sessions of that way do not read it.
      type: str
    needed:
      description: The soft limit that is needed.
      type: int
nr_open_now:
  description: The live C(fs.nr_open), null when O(root) is not V(/).
  returned: always
  type: int
nr_open_after_boot:
  description: The C(fs.nr_open) that the next reboot will set, the planned one taken into account.
  returned: always
  type: int
nr_open_source:
  description: Where RV(nr_open_after_boot) comes from, as file and line, or in words.
  returned: always
  type: str
nofile_hard_max:
  description: The highest hard limit that is configured, planned or in force.
  returned: always
  type: int
container:
  description: Whether the host is a container, so that C(fs.nr_open) is the machine's.
  returned: always
  type: bool
grants:
  description: What to write for the planned limits, so that nobody gets less than other files grant.
  returned: always
  type: dict
  contains:
    domains:
      description: C(soft) and C(hard) for each domain, null where others grant V(unlimited).
      type: dict
    units:
      description: C(section) and C(limit) for each unit, null where others grant it as much.
      type: dict
    default:
      description: The C(DefaultLimitNOFILE) to write, null where none is.
      type: str
overridden:
  description: The lines of others because of which a planned limit will not hold. Each is a warning too.
  returned: always
  type: list
  elements: dict
  sample:
    - source: /etc/systemd/system/cron.service.d/override.conf
      line: 2
      unit: cron.service
      value: "4096"
      wanted: "1048576:1048576"
own_files:
  description: The limits files of this collection that are on the host.
  returned: always
  type: list
  elements: str
planned_files:
  description:
    - The text of each file that the plan makes, null for one that it removes, beside O(planned_files).
    - For O(planned_files) of the next step. The template of role C(limits) may lay a file out in another way.
  returned: always
  type: dict
removals:
  description:
    - What to remove for the plan, or for O(state=absent), of RV(own_files).
    - A file of which a run that was killed has left no more than an unfinished one, or the empty directory of one
      of O(units), is to be removed, too.
  returned: always
  type: list
  elements: str
restart_needed:
  description:
    - The units among O(units), and those with a drop-in of this collection, that run with another limit than the
      plan, or the files, give them.
  returned: always
  type: list
  elements: str
systemd_running:
  description: Whether systemd runs the host, so that it can be told to read its files again.
  returned: always
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import owners
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.safety_check import (
    ABSENT,
    PRESENT,
    CheckRequest,
    report,
    warnings,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.session_ways import WAYS
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nofile_hard": {"type": "raw"},
            "nofile_soft": {"type": "raw"},
            "nr_open": {"type": "raw"},
            "root": {"type": "path", "default": "/"},
            "domains": {"type": "list", "elements": "str", "default": ["*", "root"]},
            "units": {"type": "list", "elements": "str", "default": []},
            "systemd_default": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": [PRESENT, ABSENT], "default": PRESENT},
            "planned_files": {"type": "dict", "default": {}},
            "users": {"type": "list", "elements": "str", "default": []},
            "needed": {"type": "int"},
            "ways": {"type": "list", "elements": "str", "default": ["ssh"], "choices": list(WAYS)},
            "owner": {"type": "str"},
            "allow_missing": {"type": "bool", "default": False},
            "variable_prefix": {"type": "str", "default": ""},
            "variable_names": {"type": "dict", "default": {}},
            "enforce": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params: t.Dict[str, t.Any] = dict(module.params)
    enforce, owner = params.pop("enforce"), params.pop("owner")
    host = Host(params.pop("root"))
    names = Names(params.pop("variable_prefix"), params.pop("variable_names"))
    try:
        owners.refuse_other(host, owners.LIMITS, owner)
        result, message = report(host, CheckRequest(names=names, **params))
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except OSError as error:
        module.fail_json(msg="%s cannot be read: %s" % (error.filename, error.strerror))
    if enforce and not result["ok"]:
        module.fail_json(msg=message, **result)
    for warning in warnings(result):
        module.warn(warning)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
