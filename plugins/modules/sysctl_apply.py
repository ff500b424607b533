#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sysctl_apply
short_description: Apply many sysctl keys in one call, and take them back
version_added: 0.1.0
description:
  - Brings any number of sysctl keys of the running kernel to the values asked for, reads every one back,
    and says what became of each.
  - Writes only keys that differ. The values that were there before the first change are recorded under
    C(/var/lib/fourtuple/sysctl.json), and O(state=absent) puts them back.
  - Everything that is refused is refused before the first write.
  - Changes the running kernel only. The values for the next reboot are returned as RV(persist), for the
    C(fourtuple.clients.sysctl) role to template.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Predicts every class and value without writing.
    support: full
  diff_mode:
    description: Shows the keys that differ, before and after.
    support: full
  platform:
    description: Needs a Linux kernel with C(/proc/sys).
    support: full
    platforms: linux
options:
  floors:
    description:
      - Keys with their minimum values. A lower value is raised, a higher one is kept,
        now and in RV(persist).
      - A value above what the kernel takes is refused, as is a key that holds more than one number.
    type: dict
    default: {}
  values:
    description:
      - Keys with the exact value that each must have.
      - A key that this kernel does not know is refused, as is a value that it does not take, and C(fs.nr_open)
        below its present value.
      - C(net.ipv4.ip_local_port_range) must not reach below C(net.ipv4.ip_unprivileged_port_start).
      - C(net.ipv4.ip_local_reserved_ports) has an option of its own, O(reserved_ports).
    type: dict
    default: {}
  reserved_ports:
    description:
      - Ports, and ranges such as V(9000-9010), that the kernel must not choose as local ports.
      - Merged with those reserved already, now or by the next reboot, because a write replaces the whole list. A line
        of other files that the kernel refuses reserves none.
    type: list
    elements: raw
    default: []
  reserve_listeners:
    description:
      - Reserve the ports inside the local port range that others need, so that a service finds its port free when it
        starts again. These are the TCP ports that listen, and the UDP ports to which unconnected sockets are bound,
        but for those that the kernel chose itself, which are others after each start; the ports of enabled socket
        units; and on a node of Kubernetes the range of its NodePorts.
      - Where the kernel cannot be asked who chose a port (C(sock_diag) is missing or not permitted), a port from 32768
        on inside the local port range of now is taken for one that the kernel chose. Name it in O(reserved_ports).
      - A port on which somebody waited at an earlier run stays reserved while the service is stopped. Of more than 64
        such ports the oldest are given back, with the next change of the list.
      - When V(false), a range that covers such a port is refused.
    type: bool
    default: true
  state:
    description:
      - V(present) applies the keys. Keys of an earlier run that are no longer named go back to their originals.
      - V(absent) puts back every value that was there before the first run, except where someone else has
        changed it since, and except C(fs.nr_open) while a running process has a hard nofile above the original.
    type: str
    choices: [present, absent]
    default: present
  planned_files:
    description:
      - Files as an earlier step of the same run leaves them, RV(fourtuple.clients.nofile_check#module:planned_files).
        In check mode that step has written nothing, so what is planned here has to be told.
      - Counts in check mode only.
    type: dict
    default: {}
  owner:
    description:
      - The role that keeps the files of this step, such as V(sysctl). Its name stands in their first line.
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
  - In a container, keys that belong to the machine under it are checked and never written, even where a
    privileged container could.
seealso:
  - module: fourtuple.clients.nofile_check
"""

EXAMPLES = r"""
- name: Raise the descriptor limits and widen the local port range
  fourtuple.clients.sysctl_apply:
    floors:
      fs.nr_open: 2000000
      fs.file-max: 4000000
    values:
      net.ipv4.ip_local_port_range: 1024 65535
    reserved_ports: [8080, 9000-9010]

- name: Put everything back
  fourtuple.clients.sysctl_apply:
    state: absent
"""

RETURN = r"""
keys:
  description: What became of each key, by its name.
  returned: always
  type: dict
  sample:
    net.ipv4.ip_local_port_range:
      class: applied
      wanted: 1024 65535
      before: 32768 60999
      after: 1024 65535
      why: ""
  contains:
    class:
      description:
        - V(applied), it was written.
        - V(already), it had the value.
        - V(kept), a floor whose present value is higher.
        - V(read_only), this host does not let it be written.
        - V(absent), this host has no such key.
        - V(machine_wide), it belongs to the machine under this container, and suffices.
        - V(restored), the original was put back.
        - V(foreign), someone else has changed it since, so it was left as it is.
        - V(in_force), a running process still needs it; it goes back at the next reboot.
      type: str
    wanted:
      description: The value asked for.
      type: str
    before:
      description: The value before, null where the key did not exist.
      type: str
    after:
      description: The value after, in check mode the one that would be.
      type: str
    why:
      description:
        - The reason, where the class alone does not say it.
        - For C(net.ipv4.ip_local_reserved_ports) also whose ports they are.
      type: str
persist:
  description: The keys and values that the next reboot must set.
  returned: always
  type: dict
  sample:
    fs.nr_open: "2000000"
planned_files:
  description:
    - The text of each file, live keys among them, that the keys make, null for one that is to be removed, beside
      O(planned_files).
    - For O(planned_files) of the next step. The template of role C(sysctl) may lay a file out in another way.
  returned: always
  type: dict
  sample:
    /etc/sysctl.d/99-zz-fourtuple.conf: "fs.nr_open = 2000000\n"
    /proc/sys/fs/nr_open: "2000000\n"
modules:
  description: The kernel modules that must be loaded at boot before the keys are set.
  returned: always
  type: list
  elements: str
own_files:
  description:
    - The files of this collection's sysctl drop-ins that exist on the host, in the order in which they may be removed.
    - The record of the originals outlives them, and goes when M(fourtuple.clients.drop_in) removes them. The next
      reboot would apply a drop-in again.
  returned: always
  type: list
  elements: str
unmet:
  description: The keys whose wanted value does not hold after this call, because they are read-only or absent.
  returned: always
  type: list
  elements: str
overridden:
  description: Lines of other files that beat a value of RV(persist) at the next reboot.
  returned: always
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
    source:
      description: The file that wins.
      type: str
    line:
      description: The line in it.
      type: int
    value:
      description: The value there.
      type: str
    ours:
      description: The value that it beats.
      type: str
refused:
  description:
    - Lines of other files about a key of RV(persist) that the kernel refuses, so that they set nothing.
    - C(systemd-sysctl) writes only the last line of a key. Where the kernel refuses that one, ours is not set at the
      next reboot either, and RV(refused[].why) says so.
  returned: always
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
    file:
      description: The file and the line, V(path:line).
      type: str
    value:
      description: The value there.
      type: str
    why:
      description: What the kernel takes, and what comes of the line.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import owners, sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import locked
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def look(module: AnsibleModule) -> Host:
    """Return the host as it is, or in check mode as an earlier step of the run leaves it."""
    if not module.check_mode:
        return Host()
    names = Names(module.params["variable_prefix"], module.params["variable_names"])
    return Host().as_planned(names.of("planned_files"), module.params["planned_files"])


def read(params: t.Mapping[str, t.Any]) -> KeysRequest:
    return KeysRequest(
        params["floors"],
        params["values"],
        params["reserved_ports"],
        params["reserve_listeners"],
        Names(params["variable_prefix"], params["variable_names"]),
    )


def plan(module: AnsibleModule, host: Host, modules_loadable: bool) -> sysctl_change.KeysChange:
    owners.refuse_other(host, owners.SYSCTL, module.params["owner"])
    if module.params["state"] == "absent":
        return sysctl_change.plan_absent(host)
    return sysctl_change.plan_present(host, read(module.params), modules_loadable)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "floors": {"type": "dict", "default": {}},
            "values": {"type": "dict", "default": {}},
            "reserved_ports": {"type": "list", "elements": "raw", "default": []},
            "reserve_listeners": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "planned_files": {"type": "dict", "default": {}},
            "owner": {"type": "str"},
            "variable_prefix": {"type": "str", "default": ""},
            "variable_names": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    warnings: t.List[str] = []
    try:
        host = look(module)
        change = plan(module, host, modules_loadable=True)
        done = change.keys
        if not module.check_mode:
            run = Programs(module.get_bin_path, lambda command, data: module.run_command(command, data=data))
            if module.params["state"] == "present":
                warnings += sysctl_change.load_modules(host, read(module.params), run)
            # Planned once more: another run must not come between what is seen and what is done about it.
            with locked("/"):
                host = Host()
                change = plan(module, host, modules_loadable=False)
                done = sysctl_change.carry_out(host, change)
    except (Refusal, ValueError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        # Of a key that cannot be written WriteFailed tells; this is a file that cannot be read, or the record.
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))
    except sysctl_change.WriteFailed as error:
        module.fail_json(msg=str(error), done=[key.key for key in error.done])
    outcome = sysctl_change.result(host, change, done)
    for warning in warnings + sysctl_change.warnings(change, outcome):
        module.warn(warning)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
