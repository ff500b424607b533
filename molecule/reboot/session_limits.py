# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a host, as root: print, as JSON, the soft and hard nofile that sessions of each kind have.

A session is begun by a process that has little, so that what the session has comes from the session's own making.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import time

TELL = "ulimit -Sn; ulimit -Hn"
LITTLE = (512, 2048)

SESSIONS = {
    "su root": ("root", ["su", "root", "-c", TELL]),
    "su tester": ("root", ["su", "tester", "-c", TELL]),
    "su - tester": ("root", ["su", "-", "tester", "-c", TELL]),
    "sudo to root": ("tester", ["sudo", "-n", "sh", "-c", TELL]),
    "sudo -i to root": ("tester", ["sudo", "-n", "-i", "sh", "-c", TELL]),
    "sudo to tester": ("root", ["sudo", "-n", "-u", "tester", "sh", "-c", TELL]),
}


def pair(told):
    """Return the two numbers of a text."""
    return [int(number) for number in told.split()]


def session(user, command):
    """Run a command as a user, with few open files allowed, and return what it tells."""
    lower = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, LITTLE)  # noqa: E731
    told = subprocess.run(
        command, user=user, group=user, extra_groups=[], preexec_fn=lower, stdout=subprocess.PIPE, text=True, check=True
    )
    return pair(told.stdout)


def unit(name):
    """Return what the first process of a unit has."""
    first = subprocess.check_output(["systemctl", "show", "--value", "--property=MainPID", name], text=True)
    return list(resource.prlimit(int(first), resource.RLIMIT_NOFILE))


def users_unit():
    """Return what a unit has that a user's own service manager starts, of a manager that has just started."""
    subprocess.run(["systemctl", "restart", "user@1000.service"], check=True)
    told = pathlib.Path("/run/user/1000/limits")
    run = ["systemd-run", "--user", "--quiet", "--service-type=oneshot", "sh", "-c", "(%s) >%s" % (TELL, told)]
    subprocess.run(
        run, user="tester", group="tester", env={**os.environ, "XDG_RUNTIME_DIR": "/run/user/1000"}, check=True
    )
    return pair(told.read_text())


def job(user, begun_after):
    """Return what a job of cron has told; one that began before the last change does not count."""
    told = pathlib.Path("~%s/limits" % user).expanduser()
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if told.exists() and told.stat().st_mtime > begun_after and len(pair(told.read_text())) == 2:
            return pair(told.read_text())
        time.sleep(0.5)
    sys.exit("cron has run no job of %s" % user)


def last_change():
    """Return when the limits of sessions last changed, or the host booted."""
    boot = next(line for line in pathlib.Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return max(float(boot.split()[1]), pathlib.Path("/etc/security/limits.d").stat().st_mtime)


limits = {"ssh root": list(resource.getrlimit(resource.RLIMIT_NOFILE))}
limits.update({name: session(user, command) for name, (user, command) in SESSIONS.items()})
limits["user manager's unit"] = users_unit()
limits["user manager"] = unit("user@1000.service")
limits["client.service"] = unit("client.service")
limits["cron.service"] = unit("cron.service")
limits.update({"cron " + user: job(user, last_change()) for user in ("root", "tester")})
json.dump(limits, sys.stdout)
