# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on a link, in namespaces of its own: text for namespaces.inside()."""

from __future__ import annotations

#: A host and a network beyond it, each in a network namespace of its own: ``ip(...)`` is the host's, ``beyond(...)`` a
#: command of the gateway's. run(...) calls the module as Ansible would.
HOST = r"""
import contextlib, io, json, os, pathlib, socket, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
import jinja2
from ansible.module_utils.testing import patch_module_args
from ansible_collections.fourtuple.clients.plugins.module_utils.host import interface_addresses
from ansible_collections.fourtuple.clients.plugins.modules import source_addresses

def shell(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout

def ip(line):
    return shell("ip", *line.split())

other = subprocess.Popen(["unshare", "--net", "sleep", "60"])
while os.readlink("/proc/%d/ns/net" % other.pid) == os.readlink("/proc/self/ns/net"):
    time.sleep(0.01)

def beyond(*words, **options):
    return subprocess.Popen(["nsenter", "--net=/proc/%d/ns/net" % other.pid, *words], **options)

def beyond_ip(line):
    assert beyond("ip", *line.split()).wait() == 0

# Nothing is left on the machine: what the module records and what the host asks for names.
for folder in ("/var/lib", "/run"):
    shell("mount", "-t", "tmpfs", "none", folder)
pathlib.Path("/run/resolv.conf").write_text("nameserver 192.0.2.53\n")
shell("mount", "--bind", "/run/resolv.conf", os.path.realpath("/etc/resolv.conf"))

ip("link set lo up")
ip("link add eth7 type veth peer name gw netns %d" % other.pid)
ip("link set eth7 up")
for line in ("link set lo up", "link set gw up", "addr add 192.0.2.1/24 dev gw", "addr add 203.0.113.1/32 dev lo",
             "addr add 2001:db8::1/64 dev gw nodad", "addr add 2001:db8:9::1/128 dev lo nodad"):
    beyond_ip(line)
own = "addr add 192.0.2.10/24 dev eth7", "addr add 2001:db8::10/64 dev eth7 nodad"
routes = "route add default via 192.0.2.1", "-6 route add default via 2001:db8::1"
for line in own + routes:
    ip(line)

def run(*entries, **options):
    arguments = {"list": list(entries), "provider": "none", "_ansible_remote_tmp": "/tmp",
                 "_ansible_keep_remote_files": False, "_ansible_check_mode": options.pop("check", False), **options}
    said = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        source_addresses.main()
    return json.loads(said.getvalue())

def state():
    "Not whether the kernel is still making sure of its link-local address."
    (link,) = json.loads(ip("-json address show dev eth7"))
    return [(one["local"], one["prefixlen"]) for one in link["addr_info"]], os.listdir("/var/lib")

# Answers each connection with the address that it sees.
SERVER = '''
import socket
s = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, peer = s.accept()
    connection.sendall(peer[0].encode())
    connection.close()
'''
server = beyond(sys.executable, "-c", SERVER, stdout=subprocess.PIPE, text=True)
assert server.stdout.readline() == "ready\n"

def leaves_from(destination, source=None):
    with socket.create_connection((destination, 7000), 3, (source, 0) if source else None) as client:
        return client.makefile().read()
"""
