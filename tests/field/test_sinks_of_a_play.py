# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role prove on four hosts that are network namespaces, with a server of somebody else's where a sink is to be."""

from __future__ import annotations

import pathlib

from namespaces import needs_root
from sink_host import inside

pytestmark = needs_root

_COLLECTIONS = str(pathlib.Path(__file__).parents[2] / "playbooks/collections")

#: Hosts on one bridge, each an interpreter that enters its network namespace; and a play that proves on them.
_FLEET = r"""
import ctypes, pathlib, re, shlex

HOSTS = {"client1": "192.0.2.1", "client2": "192.0.2.2", "sink1": "192.0.2.21", "sink2": "192.0.2.22"}
folder = pathlib.Path("/run/play")
folder.mkdir()
run("ip link add switch type bridge && ip link set switch up")
for name, address in HOSTS.items():
    run("ip netns add %s && ip -n %s link set lo up" % (name, name))
    run("ip link add %s type veth peer name eth0 netns %s" % (name, name))
    run("ip link set %s master switch up && ip -n %s addr add %s/24 dev eth0" % (name, name, address))
    run("ip -n %s link set eth0 up" % name)
    python = shlex.quote(sys.executable)
    (folder / name).write_text("#!/bin/sh\nexec nsenter --net=/run/netns/%s %s \"$@\"\n" % (name, python))
    (folder / name).chmod(0o755)

def entered(name, make):
    # A socket stays in the network namespace that it was made in.
    here, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open("/run/netns/" + name, os.O_RDONLY)
    setns = ctypes.CDLL(None, use_errno=True).setns
    assert setns(there, 0) == 0
    try:
        return make()
    finally:
        assert setns(here, 0) == 0

PLAY = '''
- hosts: all
  gather_facts: false
  roles:
    - fourtuple.clients.prove
'''
(folder / "play.yml").write_text(PLAY)

def prove(lost=(), **variables):
    hosts = {}
    for name, address in HOSTS.items():
        hosts[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(folder / name)}
        hosts[name]["prove_progress"] = str(folder / (name + ".json"))
        if name in lost:
            hosts[name].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    for name in ("sink1", "sink2"):
        hosts[name]["prove_listen"] = [HOSTS[name] + ":7000"]
    sinks = {"hosts": {"sink1": {}, "sink2": {}}}
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "children": {"sinks": sinks}}}))
    variables = dict(prove_target=200, prove_hold=0, prove_reserve=1, **variables)
    command = [os.path.join(os.path.dirname(sys.executable), "ansible-playbook"), "-i", str(folder / "inventory.json")]
    command += [str(folder / "play.yml"), "-e", json.dumps(variables), "--forks", "4"]
    environment = dict(os.environ, HOME=str(folder), ANSIBLE_COLLECTIONS_PATH=COLLECTIONS, ANSIBLE_NOCOLOR="1")
    environment["ANSIBLE_PIPELINING"] = "1"
    environment.pop("ANSIBLE_CONFIG", None)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    fatal = re.findall(r"^fatal: \[(\w+)\]: \w+! => (\{.*\})$", done.stdout, re.MULTILINE)
    # The last is the one that the rescue ends with.
    assert not alive(), done.stdout
    return done.returncode, {name: json.loads(said)["msg"] for name, said in fatal}, done.stdout
"""


def fleet(script: str) -> None:
    inside("COLLECTIONS = %r\n" % _COLLECTIONS + _FLEET + script)


def test_a_server_of_somebody_elses_gets_no_connection() -> None:
    """Point 12: it has the port of one sink of two, and would share it. Nobody connects to either."""
    fleet(r"""
theirs = entered("sink2", lambda: server("192.0.2.22", 7000, (1, 2, 1), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)))
status, messages, output = prove()
assert status == 2 and set(messages) == {"client1", "client2", "sink2"}, output
has = "192.0.2.22:7000 cannot be listened on: Address already in use: python"
assert "prove_listen is '192.0.2.22:7000'" in messages["sink2"] and has in messages["sink2"], messages
for name in ("client1", "client2"):
    assert messages[name].startswith("prove_sinks has sink2, where no sink has started"), messages
    assert "sink2: " + messages["sink2"] in messages[name] and "prove_confirmed: true" in messages[name], messages
assert got(theirs) == 0
# The one that did start is stopped, and was connected to by nobody.
assert "ESTAB" not in run("ip netns exec sink1 ss -Hant")
""")
