# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for sinks, in namespaces of its own that end with each test, and connection_sink to call there."""

from __future__ import annotations

import namespaces

#: What every test begins with: a host with nothing but a loopback, addresses on it, and an empty /run.
PRELUDE = r"""
import glob, json, os, resource, signal, socket, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])

def run(command):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True).stdout

run("mount -t tmpfs tmpfs /run && ip link set lo up && ip route add local 10.240.0.0/16 dev lo")
run("ip addr add 2001:db8::1/128 dev lo && ip addr add 10.0.0.1/32 dev lo")

MODULE = '''
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible.module_utils.testing import patch_module_args
from ansible_collections.fourtuple.clients.plugins.modules import connection_sink
def main(options):
    with patch_module_args(json.loads(options)):
        connection_sink.main()
'''
exec(MODULE)
CALL = MODULE + "main(sys.argv[2])"

def module(check=False, nofile=None, before=(), **options):
    # It returns when its pipes are closed: whatever it leaves in the background has let go of them.
    # before: a command that runs the rest, as nsenter(1) does. Without one a fork is as good, and quicker.
    options.update(_ansible_remote_tmp="/tmp", _ansible_keep_remote_files=False, _ansible_check_mode=check)
    if before:
        command = [*before, sys.executable, "-c", CALL, sys.argv[1], json.dumps(options)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60).stdout)
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(theirs, 1)
        os.closerange(3, 65536)
        if nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        main(json.dumps(options))
    os.close(theirs)
    with open(ours) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return json.loads(said)

def connect(target, source=None, buffer=None):
    opened = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
    if buffer:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    opened.settimeout(20)
    opened.setsockopt(socket.IPPROTO_IP, 24, 1)
    if source:
        opened.bind((source, 0))
    opened.connect(target)
    return opened

def echoes(connections, size):
    # All at once, then all back.
    sent = [os.urandom(size) for _ in connections]
    for connection, data in zip(connections, sent):
        connection.sendall(data)
    for connection, data in zip(connections, sent):
        got = b""
        while len(got) < size:
            more = connection.recv(size)
            assert more
            got += more
        assert got == data

def states(*words):
    return len(run("ss -Hant state " + " ".join(words)).splitlines())

# Sockets in TIME_WAIT, which lasts a minute (tcp.h, TCP_TIMEWAIT_LEN), and so longer than until() waits.
def waiting():
    return int(open("/proc/net/sockstat").read().split("tw ")[1].split()[0])

def left():
    # Processes that are no zombies, devices, routes, files.
    processes = [line for line in run("ps -eo stat=,comm=").splitlines() if "sink" in line and line[0] != "Z"]
    devices = [line for line in run("ip -o link").splitlines() if "ftsink" in line]
    routes = (run("ip route") + run("ip -6 route")).splitlines()
    routes = [line for line in routes if "198.18." in line or "2001:2:" in line]
    return processes + devices + routes

def files():
    # Without the number of this network namespace, which each name ends with.
    here = ".%d.json" % os.stat("/proc/self/ns/net").st_ino
    found = os.listdir("/run/fourtuple") if os.path.exists("/run/fourtuple") else []
    return [name[: -len(here)] if name.endswith(here) else name for name in found]

def bound(address, port, *options):
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    for option in options:
        opened.setsockopt(*option)
    opened.bind((address, port))
    return opened

# A server of somebody else's, and how many connections it has got.
def server(address, port, *options):
    opened = bound(address, port, *options)
    opened.listen(100)
    opened.setblocking(False)
    return opened

def got(opened):
    number = 0
    try:
        while True:
            opened.accept()[0].close()
            number += 1
    except BlockingIOError:
        return number

def until(condition):
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, left()
        time.sleep(0.02)

def alive():
    return [line for line in left() if "sink" in line]
"""


def inside(script: str) -> None:
    namespaces.inside(PRELUDE + script, 300)
