#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connection_probe
short_description: Hold real TCP connections, and say how many there are and what limits them
version_added: 0.1.0
description:
  - Opens connections from this host, holds them, has them answer, and lets them go. What it returns as RV(established)
    is what the kernel counts, not what it believes to have opened.
  - Goes on until O(target) is reached, or until a limit of the host ends it. Where O(target) is more than the
    four-tuples allow, every pair of source and destination is filled to its last port, so that RV(established) is
    exactly the host's ceiling.
  - Connects to the play's own sinks, and to other servers only once O(confirmed) says that these may be loaded.
  - Stops before memory runs out, is the first that the kernel would kill, and ends when the play does; every connection
    is closed by RST, so that none stays in TIME_WAIT, whatever ends the probe.
  - Writes no kernel parameter.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description: Looks at the host and refuses what it would refuse; opens nothing.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
  platform:
    description: Runs on Linux hosts.
    support: full
    platforms: linux
options:
  destinations:
    description: What to connect to, as C(address:port), those of IPv6 as C([address]:port); at most 1000.
    type: list
    elements: str
    required: true
  own_sinks:
    description:
      - What the play itself started and needs no O(confirmed); as C(address:port), or as the prefix of a responder.
    type: list
    elements: str
    default: []
  confirmed:
    description: Confirms that every one of O(destinations) is yours and may be loaded with O(target) connections.
    type: bool
    default: false
  source_addresses:
    description:
      - The addresses to connect from, as addresses, ranges and prefixes. The host must have them. Nothing for
        V(autobind) and V(bind_any), where the kernel chooses by the route.
    type: list
    elements: raw
    default: []
  binding:
    description:
      - How a connection gets its source address. With V(autobind) it does not bind; with V(bind) it binds the address
        and thereby takes a port whatever the destination; with V(bind_no_port) it sets C(IP_BIND_ADDRESS_NO_PORT)
        before, so that connect(2) chooses the port. With V(bind_any) it binds the wildcard address, and takes a port of
        every address; with V(bind_port) it binds the address and a port of O(program_ports).
    type: str
    choices: [autobind, bind, bind_no_port, bind_any, bind_port]
    default: autobind
  program_ports:
    description: The ports that V(bind_port) names, as V(20000-29999), each of them once; whatever the local port range.
    type: raw
  reuse_address:
    description:
      - Whether connections have C(SO_REUSEADDR). With V(bind_port) a port has then a connection to each destination.
    type: bool
    default: false
  target:
    description: How many connections to open.
    type: raw
    required: true
  rate:
    description: How many connections to open per second at most; V(0) for as fast as possible.
    type: raw
    default: 0
  hold:
    description: How many seconds to hold them before they are counted and have to answer.
    type: raw
    default: 10
  processes:
    description: How many processes connect at most. When not set, as many as nofile demands.
    type: raw
  user:
    description:
      - The user that connects. The hard nofile is then that of a real session of this user, which
        C(runuser) opens, through PAM. When not set, the module's own user, with its own limit.
    type: str
  sample:
    description:
      - How many connections have to answer, chosen by chance; V(0) for servers that do not send back what they get.
        When not set all of up to 100000, else 100000 of them.
    type: raw
  reserve:
    description:
      - How many bytes of memory are left free, on the host and in each of its control groups. When not set a twentieth,
        and at least 256 MiB or, where that is less, a quarter.
    type: raw
  timeout:
    description: After how many seconds of connecting to stop.
    type: raw
    default: 300
  progress:
    description:
      - A file that shows how far it is, rewritten every second, as one line of JSON with RV(established) so far,
        C(target), C(per_second), C(memory_left), C(seconds_left), C(processes) and C(phase). It is removed at the end.
    type: path
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
notes:
  - Whatever answers must send back what it gets, as M(fourtuple.clients.connection_sink) does; else O(sample=0).
  - Where the source and the destination are on one host, RV(bytes_per_connection) has both ends in it.
seealso:
  - module: fourtuple.clients.connection_sink
  - module: fourtuple.clients.connection_limits_info
"""

EXAMPLES = r"""
- name: Hold as many connections as the host's four-tuples allow, towards one sink
  fourtuple.clients.connection_probe:
    destinations: ["192.0.2.10:7000"]
    own_sinks: ["192.0.2.10:7000"]
    target: 100000
  register: held

- name: Fail unless the four-tuples ended it and every connection answered
  ansible.builtin.assert:
    that:
      - held.first_limit == "four_tuples"
      - held.alive == held.sampled
    fail_msg: "{{ held.msg }}"
    success_msg: "{{ held.established }} connections, {{ held.latency.p99 }} us to answer"

- name: Hold two million from the addresses of a prefix, to a server that is ours
  fourtuple.clients.connection_probe:
    destinations: ["192.0.2.10:443", "192.0.2.11:443"]
    confirmed: true
    source_addresses: [198.51.100.0/26]
    binding: bind_no_port
    target: 2000000
    rate: 20000
    sample: 0
  register: held

# The target is what counts: errors beside it are attempts in whose place others succeeded. To have none at all,
# assert that held.errors is empty.
- name: Fail unless all two million were held
  ansible.builtin.assert:
    that:
      - held.established == 2000000
      - held.first_limit is none
    fail_msg: "{{ held.msg }}"
"""

RETURN = r"""
msg:
  description: What it came to, in words, with what each of RV(errors) means; in check mode what it would do.
  returned: always
  type: str
  sample: >-
    5000 of 5000 connections are established. Attempts failed, and others took their place: ECONNREFUSED 12 times (the
    destination, or something on the way, refused).
established:
  description:
    - How many connections to the destinations the kernel counts as ESTABLISHED at the end of O(hold), less those that
      there were before.
  returned: success
  type: int
opened:
  description: How many the probe has opened.
  returned: success
  type: int
seconds:
  description: How long opening took.
  returned: success
  type: float
per_second:
  description: Connections opened per second.
  returned: success
  type: int
bytes_per_connection:
  description:
    - By how much the kernel's slabs grew, for each connection; null where they did not. Both ends where both are on
      this host.
  returned: success
  type: int
errors:
  description:
    - How often each error was met, by its name in errno(3); empty where none was. RV(msg) says what each of them means.
    - Errors beside a null RV(first_limit) are no failure. Each is an attempt that failed and in whose place another
      succeeded, so that all of O(target) were opened.
    - C(EADDRNOTAVAIL) and C(EADDRINUSE) come once for each part of the ports of a source and a destination in which
      none was left; the probe goes on with the next part, so a host at its four-tuples has them too.
    - C(EMFILE) comes once for each process that is at its nofile; the next process goes on.
    - C(ENFILE), C(ENOMEM) and C(ENOBUFS) end the probe, as RV(first_limit) says.
    - Any other comes once for each attempt that failed for a reason outside this host, such as C(ECONNREFUSED) from a
      server that is not there, and C(ETIMEDOUT) of one whose queue is full.
    - A connection that was open and did not answer has an entry as well, such as C(ECONNRESET) or C(ETIMEDOUT). Of
      these there are as many as RV(sampled) is more than RV(alive), or fewer where the time was over.
  returned: success
  type: dict
  sample: {EADDRNOTAVAIL: 4}
first_limit:
  description:
    - What ended it before the target, null where nothing did. C(EADDRNOTAVAIL) and C(EADDRINUSE) mean V(four_tuples),
      C(EMFILE) V(nofile), C(ENFILE) V(file_max), C(ENOMEM) and C(ENOBUFS) V(memory); V(memory) and V(cgroup_memory)
      also stand for O(reserve), V(tasks) for a process that could not be started, V(conntrack) for a full table of
      tracked connections. V(timeout) and V(unreachable) are no limits of this host.
  returned: success
  type: str
alive:
  description: How many of those that had to answer did.
  returned: success
  type: int
sampled:
  description: How many had to answer.
  returned: success
  type: int
latency:
  description: How long the answers took, in microseconds; the median and the 99th percentile, null of none.
  returned: success
  type: dict
  sample: {p50: 24, p99: 61}
processes:
  description: How many processes held the connections.
  returned: success
  type: int
nofile:
  description: How many descriptors each process may have.
  returned: success
  type: int
descriptors:
  description: How many of these each process needs for itself.
  returned: success
  type: int
sources:
  description: From how many addresses it could connect.
  returned: success
  type: int
reserve:
  description: How many bytes of the host's memory were left free.
  returned: success
  type: int
past_file_max:
  description: Whether C(fs.file-max) does not hold for the probe, since it has CAP_SYS_ADMIN.
  returned: success
  type: bool
held_from:
  description: When all that could be were open, in seconds since 1970 by this host's clock.
  returned: success
  type: float
held_until:
  description: When they were counted.
  returned: success
  type: float
time_wait:
  description: How many sockets towards the destinations are in TIME_WAIT after all were let go.
  returned: success
  type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import host_facts
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import request as probe_request
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import Gone, ProbeFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.probe import Probe
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import AUTOBIND, BINDINGS
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "destinations": {"type": "list", "elements": "str", "required": True},
            "own_sinks": {"type": "list", "elements": "str", "default": []},
            "confirmed": {"type": "bool", "default": False},
            "source_addresses": {"type": "list", "elements": "raw", "default": []},
            "binding": {"type": "str", "choices": list(BINDINGS), "default": AUTOBIND},
            "program_ports": {"type": "raw"},
            "reuse_address": {"type": "bool", "default": False},
            "target": {"type": "raw", "required": True},
            "rate": {"type": "raw", "default": 0},
            "hold": {"type": "raw", "default": 10},
            "processes": {"type": "raw"},
            "user": {"type": "str"},
            "sample": {"type": "raw"},
            "reserve": {"type": "raw"},
            "timeout": {"type": "raw", "default": 300},
            "progress": {"type": "path"},
            "variable_prefix": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params: t.Dict[str, t.Any] = dict(module.params)
    try:
        request = probe_request.parse(params)
        host = host_facts.look_at_host(request, params["variable_prefix"])
        if module.check_mode:
            module.exit_json(changed=False, msg="Would open %d connections." % request.target)
        module.exit_json(changed=False, **Probe(request, host).run())
    except (Refusal, ProbeFailed, NetlinkError) as error:
        module.fail_json(msg=str(error))
    except Gone:
        module.fail_json(msg="Whoever started the probe is gone.")
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename or "the probe", error.strerror or error))


if __name__ == "__main__":
    main()
