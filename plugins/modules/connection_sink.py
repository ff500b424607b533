#!/usr/bin/python
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connection_sink
short_description: Run the server side of a test with many connections
version_added: 0.1.0
description:
  - Starts, in the background, what M(fourtuple.clients.connection_probe) connects to, and stops it.
  - With O(mode=accept) it is a server that accepts and sends back what it gets. Each connection takes memory and a
    descriptor here as it does on any server.
  - With O(mode=responder) it answers for every address of a prefix, from a tun device, and keeps nothing of a
    connection. The client's sockets are real ones of the kernel; there are none on this side, so that all of a
    machine's memory can go to the client's. It sends data back too.
  - Ends by itself when O(lifetime) has passed, so that a play that is killed leaves it no longer than that. Whatever
    ends its first process, also SIGKILL, ends the others, and with them the sockets, the tun device and its route. What
    may stay then is the state file, C(/run/fourtuple/sink-NAME.NETWORK.json), which is known to be stale.
  - Works in the network namespace in which it is run, and knows the sinks of that one only, also where several
    namespaces share C(/run). C(NETWORK) is the number of that namespace, as in C(/proc/self/ns/net).
  - Writes no kernel parameter.
author:
  - the fourtuple.clients contributors (@fourtuple)
attributes:
  check_mode:
    description:
      - Predicts. Each address is bound for a moment, and never listened on, so that what cannot be had is refused
        here too. That a tun device can be made shows only when it is done.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
  platform:
    description: Runs on Linux hosts.
    support: full
    platforms: linux
options:
  state:
    description:
      - With V(started) the sink runs here with these options. One that runs with others is restarted, which ends its
        connections. One that runs with the same begins its O(lifetime) anew.
      - That one runs is not taken from its record but asked of the kernel - its processes are all there, and they
        listen in this network namespace on every address and port, or have the tun device that the route of O(prefix)
        leads to. One of which a part is missing is restarted; RV(reason) tells why.
      - It is refused, and nothing is left running, where an address is none of this host's, or a port is somebody
        else's; the message names who has it. A port is never shared, whatever the other one has set.
      - With V(stopped) there is none of that O(name) in this network namespace, and nothing of it is left. One of
        another network namespace goes on.
    type: str
    choices: [started, stopped]
    default: started
  mode:
    description:
      - With V(accept) connections are accepted.
      - With V(responder) packets are answered. Takes root, C(/dev/net/tun), and clients whose packets come by this
        host; those of other hosts only where it forwards (C(net.ipv4.ip_forward), C(net.ipv6.conf.all.forwarding)).
    type: str
    choices: [accept, responder]
    default: accept
  listen:
    description:
      - Where to listen, as C(address:port), those of IPv6 as C([address]:port). For O(mode=accept).
      - The address V([::]) takes connections of IPv6 alone; name V(0.0.0.0) beside it for both.
    type: list
    elements: str
    default: []
  prefix:
    description:
      - The addresses to answer for, as a prefix. For O(mode=responder).
      - Every packet that this host sends or forwards to one of them goes into the sink. A prefix in which the host
        has an address or a route is refused. V(198.18.0.0/15) and V(2001:2::/48) are reserved for such tests.
    type: str
  ports:
    description: The ports to answer on, as ports and ranges; all when empty. Others refuse. For O(mode=responder).
    type: list
    elements: raw
    default: []
  lifetime:
    description: After how many seconds the sink ends by itself, counted from the last run with O(state=started).
    type: raw
    default: 900
  processes:
    description:
      - How many processes do the work. When not set, as many as O(capacity) takes by the hard nofile limit, and no
        fewer than processors; one for O(mode=responder).
    type: raw
  capacity:
    description: How many connections O(mode=accept) shall be able to hold.
    type: raw
    default: 1000000
  name:
    description: Tells several sinks in a network namespace apart. In another one the name is free.
    type: str
    default: default
  variable_prefix:
    description: Put before option names in messages, so that they name the variable that a person wrote.
    type: str
    default: ""
notes:
  - A connection is closed by RST when its client has closed it, so that neither side keeps it in TIME_WAIT. A client
    that half closes and then waits for the end of the stream gets C(ECONNRESET) after its data.
  - What a server can accept at a burst is cut down to C(net.core.somaxconn) of its network namespace.
  - With O(mode=responder) one segment of at most 536 bytes is under way on each connection, the next one when the echo
    has arrived. It shows that connections are alive, not how fast they are.
seealso:
  - module: fourtuple.clients.connection_limits_info
"""

EXAMPLES = r"""
- name: Accept up to two million connections on twenty ports
  fourtuple.clients.connection_sink:
    listen: "{{ range(7000, 7020) | map('regex_replace', '^', '192.0.2.10:') | list }}"
    capacity: 2000000
    lifetime: 1800

- name: Answer for a prefix, without sockets
  fourtuple.clients.connection_sink:
    mode: responder
    prefix: 198.18.0.0/15

- name: Stop it
  fourtuple.clients.connection_sink:
    state: stopped
"""

RETURN = r"""
running:
  description: Whether the sink runs and serves in this network namespace after this; in check mode, whether it would.
  returned: always
  type: bool
mode:
  description: The mode of the sink, of the one that was stopped too; null where there was none.
  returned: always
  type: str
keeps_sockets:
  description: Whether this side of each connection is a socket. False for a responder.
  returned: always
  type: bool
pid:
  description: The sink's first process, null where none runs.
  returned: always
  type: int
listen:
  description: Where it listens.
  returned: always
  type: list
  elements: str
prefix:
  description: What it answers for.
  returned: always
  type: str
device:
  description: The tun device of a responder.
  returned: always
  type: str
processes:
  description: How many processes do the work; in check mode what was asked for.
  returned: always
  type: int
lifetime:
  description: Its lifetime in seconds.
  returned: always
  type: int
network_namespace:
  description: The number of the network namespace that the sink runs in, as in C(/proc/self/ns/net).
  returned: always
  type: int
reason:
  description: What was missing of a sink with these options, so that it was started anew; null where nothing was.
  returned: always
  type: str
since:
  description: When it was started, in seconds since 1970.
  returned: always
  type: int
statistics:
  description: What it has counted since; zeros where none runs or ran.
  returned: always
  type: dict
  contains:
    accepted:
      description: Connections accepted. For O(mode=accept).
      type: int
    handshakes:
      description: SYNs answered, those that came again too. For O(mode=responder).
      type: int
    echoed:
      description: Bytes sent back.
      type: int
    closed:
      description: Connections that the other end has closed.
      type: int
    dropped:
      description: Answers that the kernel did not take. For O(mode=responder).
      type: int
    exhausted:
      description:
        - What ran out, and how often accepting stopped for it; V(nofile), V(file_max), V(memory) or V(epoll_watches).
          What was accepted goes on being served. For O(mode=accept).
      type: dict
    lost_processes:
      description: Processes that ended although nobody wanted them to.
      type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import control, request
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.daemon import SinkFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.sink.records import DIRECTORY
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "mode": {"type": "str", "choices": ["accept", "responder"], "default": "accept"},
            "listen": {"type": "list", "elements": "str", "default": []},
            "prefix": {"type": "str"},
            "ports": {"type": "list", "elements": "raw", "default": []},
            "lifetime": {"type": "raw", "default": 900},
            "processes": {"type": "raw"},
            "capacity": {"type": "raw", "default": 1000000},
            "name": {"type": "str", "default": "default"},
            "variable_prefix": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params: t.Dict[str, t.Any] = dict(module.params)
    prefix = params["variable_prefix"]
    try:
        if params["state"] == "stopped":
            name = request.parse_name(prefix + "name", params["name"])
            result = control.stopped(name, DIRECTORY, module.check_mode)
        else:
            result = control.started(request.parse(params), DIRECTORY, module.check_mode, prefix)
    except (Refusal, SinkFailed, NetlinkError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename or DIRECTORY, error.strerror or error))
    if result["reason"]:
        again = "would be" if module.check_mode else "was"
        module.warn("The sink %s %s started anew: %s." % (params["name"], again, result["reason"]))
    exhausted = result["statistics"]["exhausted"]
    if exhausted:
        module.warn("The sink %s could not accept all: %s ran out." % (params["name"], ", ".join(exhausted)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
