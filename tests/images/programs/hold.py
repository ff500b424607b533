#!/usr/bin/python3
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a program hold as many connections as it can, or take it and the server away again: hold.py start|stop < CASE.

CASE, as JSON: destinations; broker, whether they are MQTT brokers; predicted, how many connections; file, and the text
that it gets; unit, or null, and then user, and amounts, which /srv/start is given one after the other, each until a run
adds nothing; visitors, of a proxy: their number, its address, and paths. Prints what the kernel counts, as JSON.
"""

import collections
import json
import subprocess
import sys
import time

HERE = "/usr/local/lib/programs"
LOG = "/tmp/log"

#: What stands still for so long has reached its ceiling: everything here goes on trying, or has ended. A busy machine
#: has more time for what is predicted.
STILL = 3
STILL_BELOW = 15
MAX_SECONDS = 90


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def in_server(unit, *command):
    """Start a service on the server's side of the veth pair."""
    side = ("--property=NetworkNamespacePath=/run/netns/server", "--property=LimitNOFILE=4096")
    run("systemd-run", "--quiet", "--collect", "--unit=" + unit, *side, *command)


def sockets(state, destinations):
    """Return the sockets of one state by source address and destination; Java has IPv4 in sockets of IPv6."""
    lines = run("ss", "--tcp", "--numeric", "--no-header", "state", state).replace("[::ffff:", "").replace("]", "")
    found = collections.Counter()
    for line in lines.splitlines():
        local, peer = line.split()[2:4]
        if peer in destinations:
            found[local.rsplit(":", 1)[0] + " " + peer] += 1
    return found


def established(case):
    return sum(sockets("established", case["destinations"]).values())


def settled(case, seconds):
    """Wait until the number of connections has stood still for some seconds."""
    number, since, end = established(case), time.monotonic(), time.monotonic() + MAX_SECONDS
    while time.monotonic() < end:
        now = established(case)
        if now != number or not under_way(case, now):
            number, since = now, time.monotonic()
        if time.monotonic() - since > (seconds if number >= case["predicted"] else STILL_BELOW):
            return number
        time.sleep(0.2)
    raise SystemExit("the connections do not settle: %d, and then %d" % (number, established(case)))


def under_way(case, number):
    """Tell whether programs have begun: a service has a connection, and a user as many as processes but the shell."""
    if case["unit"]:
        return number > 0
    # Of a user without processes ps fails. Without CAP_SYS_PTRACE ss does not tell whose a socket is.
    ps = ("ps", "--user", case["user"], "--format", "comm=")
    shown = subprocess.run(ps, check=False, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return number >= sum(name != "sh" for name in shown)


def by_hand(case):
    """Start a user's program again and again, until a run adds nothing."""
    for amount in case["amounts"]:
        before, now = -1, established(case)
        while now != before:
            before = now
            script = "echo; exec >>%s 2>&1; . /srv/start" % LOG
            command = ("runuser", "-u", case["user"], "--", "sh", "-c", script, "sh", str(amount))
            started = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
            )
            started.stdout.readline()
            now = settled(case, 1)


def start(case):
    with open(case["file"], "w", encoding="utf-8") as file:
        file.write(case["text"])
    if case["broker"]:
        in_server("server", "mosquitto", "-c", HERE + "/broker.conf")
    else:
        in_server("server", "python3", HERE + "/server.py", *case["destinations"])
    listening = ("ip", "netns", "exec", "server", "ss", "--tcp", "--listening", "--no-header")
    end = time.monotonic() + MAX_SECONDS
    while len(run(*listening).splitlines()) < len(case["destinations"]):
        if time.monotonic() > end:
            raise SystemExit("the server does not listen: journalctl --unit=server")
        time.sleep(0.1)
    if case["unit"]:
        run("systemctl", "start", case["unit"])
        if case["visitors"]:
            in_server("visitors", "python3", HERE + "/visitors.py", *map(str, case["visitors"]))
        settled(case, STILL)
    else:
        by_hand(case)
    return {
        "established": sockets("established", case["destinations"]),
        "timewait": sum(sockets("time-wait", case["destinations"]).values()),
    }


def stop(case):
    """End the program once the server has reset its connections, so that no four-tuple stays behind in TIME_WAIT."""
    mine = ("systemctl", "kill", case["unit"]) if case["unit"] else ("pkill", "--uid", case["user"])
    subprocess.run([*mine, "--signal", "STOP"], check=True)
    if case["visitors"]:
        run("systemctl", "stop", "visitors")
    run("systemctl", "stop", "server")
    subprocess.run([*mine, "--signal", "KILL"], check=True)
    if case["unit"]:
        run("systemctl", "stop", case["unit"])
    return {"timewait": sum(sockets("time-wait", case["destinations"]).values())}


json.dump({"start": start, "stop": stop}[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
