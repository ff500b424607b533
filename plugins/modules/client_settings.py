#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: client_settings
short_description: Make every change that tuning a client host takes, in one call
version_added: 0.1.0
description:
  - Does in one call, and in the safe order, what M(fourtuple.clients.sysctl_apply), M(fourtuple.clients.nofile_check),
    M(fourtuple.clients.source_addresses) and M(fourtuple.clients.drop_in) do one after the other, and takes it back.
  - The text of each file is a template of a role, which is rendered on the controller. So it takes two calls. Without
    O(files) the module only looks at the host, and returns what to render the files from (RV(render)), and which there
    are to be. With O(files) and O(render) it carries everything out, or changes nothing where the files would be other
    ones by now (RV(stale)).
  - With O(state=absent) and all O(steps), the file of M(fourtuple.clients.metrics_file) goes, too.
  - The role C(fourtuple.clients.tune) makes these calls.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Only looks at the host, as it does without O(files).
    support: full
  diff_mode:
    description: Shows what O(state=absent) takes back; of O(state=present) the caller knows the files.
    support: partial
  platform:
    description: Needs a Linux kernel with C(/proc/sys).
    support: full
    platforms: linux
options:
  state:
    description:
      - Whether the settings are made, or taken back.
      - V(read) changes nothing, and returns what M(fourtuple.clients.connection_limits_info) does of the users, units
        and ways of O(limits), and with O(pressure). Ansible makes a module that a run executes twice only once.
    type: str
    choices: [present, absent, read]
    default: present
  steps:
    description: What is done of it.
    type: list
    elements: str
    choices: [sysctl, limits, addresses]
    default: [sysctl, limits, addresses]
  sysctl:
    description: The options of M(fourtuple.clients.sysctl_apply) by these names.
    type: dict
    default: {}
    suboptions:
      floors:
        description: Keys with their minimum values.
        type: dict
        default: {}
      values:
        description: Keys with the exact value that each must have.
        type: dict
        default: {}
      reserved_ports:
        description: Ports and ranges that the kernel must not choose as local ports.
        type: list
        elements: raw
        default: []
      reserve_listeners:
        description: Whether the ports on which somebody waits are reserved, too.
        type: bool
        default: true
  limits:
    description: The options of M(fourtuple.clients.nofile_check) by these names.
    type: dict
    default: {}
    suboptions:
      nofile_soft:
        description: The soft limit.
        type: raw
      nofile_hard:
        description: The hard limit.
        type: raw
      domains:
        description: Whose sessions get the limits.
        type: list
        elements: str
        default: ["*", root]
      units:
        description: The units that get the limits.
        type: list
        elements: str
        default: []
      systemd_default:
        description: Whether the limits become systemd's default.
        type: bool
        default: false
      users:
        description: The users who need O(limits.needed) open files.
        type: list
        elements: str
        default: []
      needed:
        description: How many open files they need.
        type: int
      ways:
        description: How the sessions of O(limits.users) open.
        type: list
        elements: str
        choices: [ssh, console, su, sudo, cron, user_service]
        default: [ssh]
      allow_missing:
        description: Whether users and units that the host does not have are left out instead of refused.
        type: bool
        default: false
  addresses:
    description: The options of M(fourtuple.clients.source_addresses) by these names.
    type: dict
    default: {}
    suboptions:
      interface:
        description: The interface that gets the addresses.
        type: str
      list:
        description: The addresses.
        type: list
        elements: raw
        default: []
      method:
        description: Whether the addresses are local by a route or stand on the interface.
        type: str
        choices: [auto, route, interface]
        default: auto
      probe:
        description: Whether the link is asked who has the addresses.
        type: bool
        default: true
      provider:
        description: What keeps the addresses over a reboot.
        type: str
        choices: [auto, networkd, networkmanager, ifupdown, none]
        default: auto
      taken:
        description: Addresses that others have.
        type: list
        elements: dict
        default: []
        suboptions:
          address:
            description: An address, a range or a prefix.
            type: str
            required: true
          whose:
            description: Whose it is, in words that follow "is".
            type: str
            required: true
  pressure:
    description: The option of M(fourtuple.clients.connection_limits_info) of this name, for O(state=read).
    type: bool
    default: false
  destinations:
    description: The option of M(fourtuple.clients.connection_limits_info) of this name, for O(state=read).
    type: list
    elements: str
    default: []
  files:
    description: The texts of RV(files), by their paths.
    type: dict
  render:
    description: RV(render) of the call that O(files) were rendered from.
    type: dict
  role:
    description: The role that keeps the files. What another role keeps is refused, and with O(state=absent) left alone.
    type: str
    default: tune
  variable_names:
    description: What messages call an option, by its name without that of the step, such as C(floors).
    type: dict
    default: {}
  look_again:
    description: Whether O(state=read) looks, too, with the options that the last change was made with (RV(again)).
    type: bool
    default: false
seealso:
  - module: fourtuple.clients.sysctl_apply
  - module: fourtuple.clients.nofile_check
  - module: fourtuple.clients.source_addresses
  - module: fourtuple.clients.drop_in
  - module: fourtuple.clients.metrics_file
"""

EXAMPLES = r"""
- name: Ask what a host needs for more open files, and change nothing
  fourtuple.clients.client_settings:
    steps: [sysctl, limits]
    sysctl:
      floors:
        fs.nr_open: 2000000
    limits:
      nofile_hard: 2000000
  register: wanted

- name: Take back everything that the role tune has done
  fourtuple.clients.client_settings:
    state: absent
"""

RETURN = r"""
limits:
  description: As M(fourtuple.clients.connection_limits_info) returns it.
  returned: with O(state=read)
  type: dict
again:
  description: The host looked at once more with what it was last asked; null where nothing is known of that.
  returned: with O(look_again=true)
  type: dict
  contains:
    options:
      description: The options that the last change was made with, and O(limits.allow_missing) of this call.
      type: dict
    told:
      description: What this module returns with them, of O(state=present) without O(files).
      type: dict
parts:
  description: What the module of each step returns of it, by the name of the step.
  returned: unless O(state=read)
  type: dict
  contains:
    sysctl:
      description: As M(fourtuple.clients.sysctl_apply) returns it.
      type: dict
    limits:
      description: As M(fourtuple.clients.nofile_check) returns it.
      type: dict
    addresses:
      description: As M(fourtuple.clients.source_addresses) returns it; missing where no address is there or asked for.
      type: dict
render:
  description: What the templates of the roles take, by the name of the step.
  returned: with O(state=present)
  type: dict
files:
  description: The files to be rendered.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [/etc/sysctl.d/99-zz-fourtuple.conf]
removals:
  description: The files of this collection that go.
  returned: with O(state=present)
  type: list
  elements: str
present:
  description: The texts that RV(files) and RV(removals) have now, as far as they are there.
  returned: with O(state=present)
  type: dict
unusable:
  description: Those of RV(files) whose text may be right, and which cannot be run.
  returned: with O(state=present)
  type: list
  elements: str
unwritable:
  description:
    - The directories that cannot be written to, by the files of this collection that they hold or would hold. Records
      under C(/var/lib/fourtuple) are among the files.
  returned: with O(state=present)
  type: dict
live:
  description: Whether a key or an address of the running host differs.
  returned: with O(state=present)
  type: bool
stale:
  description: Whether O(files) were rendered from something else than RV(render) is now, so that nothing was changed.
  returned: when O(files) is given
  type: bool
changed_files:
  description: The files that were written or removed.
  returned: when O(files) is given and RV(stale) is false
  type: list
  elements: str
reload:
  description: Whether systemd has to read its files again.
  returned: unless O(state=read)
  type: bool
restart_needed:
  description: The units that run with another limit than their files give them.
  returned: unless O(state=read)
  type: list
  elements: str
systemd_running:
  description: Whether systemd runs the host.
  returned: unless O(state=read)
  type: bool
done:
  description: The steps that were done before the one that failed.
  returned: when a step fails
  type: list
  elements: str
left:
  description: The steps that were not done.
  returned: when a step fails
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import asked, owners, tuning
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.address_methods import AUTO, METHODS
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.addresses_change import AddressesRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.host.observation import observe
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.safety_check import CheckRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.session_ways import WAYS
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.whole import SnapshotRequest, snapshot
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

ABSENT = "absent"
PRESENT = "present"
READ = "read"

ARGUMENTS = {
    "state": {"type": "str", "choices": [PRESENT, ABSENT, READ], "default": PRESENT},
    "steps": {"type": "list", "elements": "str", "choices": list(tuning.STEPS), "default": list(tuning.STEPS)},
    "sysctl": {
        "type": "dict",
        "default": {},
        "options": {
            "floors": {"type": "dict", "default": {}},
            "values": {"type": "dict", "default": {}},
            "reserved_ports": {"type": "list", "elements": "raw", "default": []},
            "reserve_listeners": {"type": "bool", "default": True},
        },
    },
    "limits": {
        "type": "dict",
        "default": {},
        "options": {
            "nofile_soft": {"type": "raw"},
            "nofile_hard": {"type": "raw"},
            "domains": {"type": "list", "elements": "str", "default": ["*", "root"]},
            "units": {"type": "list", "elements": "str", "default": []},
            "systemd_default": {"type": "bool", "default": False},
            "users": {"type": "list", "elements": "str", "default": []},
            "needed": {"type": "int"},
            "ways": {"type": "list", "elements": "str", "default": ["ssh"], "choices": list(WAYS)},
            "allow_missing": {"type": "bool", "default": False},
        },
    },
    "addresses": {
        "type": "dict",
        "default": {},
        "options": {
            "interface": {"type": "str"},
            "list": {"type": "list", "elements": "raw", "default": []},
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
        },
    },
    "pressure": {"type": "bool", "default": False},
    "destinations": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "dict"},
    "render": {"type": "dict"},
    "role": {"type": "str", "default": owners.TUNE},
    "variable_names": {"type": "dict", "default": {}},
    "look_again": {"type": "bool", "default": False},
}

#: The options that decide what a look comes to.
_ASKED = ("steps", "sysctl", "limits", "addresses", "role", "variable_names")


def read(params: t.Mapping[str, t.Any]) -> tuning.TuningRequest:
    """Return the options as a request; of a step that none is given for, the defaults."""
    names = Names(renamed=params["variable_names"])
    limits, addresses = dict(params["limits"]), dict(params["addresses"])
    entries = addresses.pop("list", ())
    return tuning.TuningRequest(
        params["steps"],
        KeysRequest(
            params["sysctl"].get("floors", {}),
            params["sysctl"].get("values", {}),
            params["sysctl"].get("reserved_ports", ()),
            params["sysctl"].get("reserve_listeners", True),
            names,
        ),
        CheckRequest(names=names, **limits),
        AddressesRequest(entries=entries, names=names, **addresses),
        params["role"],
    )


def limits_of(host: Host, params: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return the snapshot."""
    options = ("users", "units", "ways", "allow_missing")
    wanted: t.Dict[str, t.Any] = {name: params["limits"][name] for name in options if params["limits"]}
    names = Names(renamed=params["variable_names"])
    wanted.update(pressure=params["pressure"], destinations=params["destinations"])
    request = SnapshotRequest(names=names, **wanted)
    observed = observe(request.all_users, request.servers, request.pressure)
    return {"limits": snapshot(host, observed, request), "warnings": []}


def looked_again(host: Host, params: t.Mapping[str, t.Any], programs: Programs) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what was last asked of the host, and what a look with it comes to; None where that is not known."""
    options = asked.recall(host)
    if options is None:
        return None
    try:
        # Whether what is missing is left out is a matter of this run: it is in check mode, or it is not.
        options = {**options, "limits": {**options["limits"], "allow_missing": params["limits"]["allow_missing"]}}
        return {"options": options, "told": tuning.look(host, read(options), programs)}
    except Exception:  # noqa: BLE001  # anybody may have written the record, and what refuses a look is told by the next
        return None


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_together=[("files", "render")], supports_check_mode=True)
    params: t.Dict[str, t.Any] = module.params
    request = read(params)
    programs = Programs(
        module.get_bin_path, lambda command, data: module.run_command(command, data=data, handle_exceptions=False)
    )
    host = Host()
    try:
        if params["state"] == READ:
            told = limits_of(host, params)
            if params["look_again"]:
                told["again"] = looked_again(host, params, programs)
        elif params["state"] == ABSENT:
            told = tuning.take_back(request, programs, module.check_mode)
        elif params["files"] is None or module.check_mode:
            told = tuning.look(host, request, programs)
        else:
            options = {name: params[name] for name in _ASKED}
            told = tuning.carry_out(request, params["files"], params["render"], options, programs)
    except tuning.StepFailed as error:
        module.fail_json(msg=str(error), done=error.done, left=error.left)
    except (Refusal, ValueError, ProgramFailed, NetlinkError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))
    for warning in told.pop("warnings"):
        module.warn(warning)
    if "files" in told:
        told["changed"] = bool(told.get("changed_files")) or (told["live"] and told.get("stale") is False)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
