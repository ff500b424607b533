# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files on a host are ours: their paths, and their first line."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: The first line of every file that the collection owns on a host.
OWNER_MARK = "# Managed by fourtuple.clients"
STATE_DIRECTORY = "/var/lib/fourtuple"
#: For what is true until the next reboot, which empties it.
RUN_DIRECTORY = "/run/fourtuple"

#: Sorts after Debian 12's 99-sysctl.conf, the link to /etc/sysctl.conf, and nearly everything else.
SYSCTL_DROP_IN = "/etc/sysctl.d/99-zz-fourtuple.conf"
LIMITS_DROP_IN = "/etc/security/limits.d/99-zz-fourtuple.conf"
UNIT_DIRECTORY = "/etc/systemd/system"
#: Drop-ins are read by their names, the last one wins: ours sorts behind override.conf (systemctl edit),
#: limits.conf, zz-limits.conf, in whatever directory they are, those of the type, as service.d, included.
UNIT_DROP_IN_NAME = "zzzz-fourtuple.conf"
#: Every name that drop-ins of ours have had, today's last: 0.1.0 wrote fourtuple.conf.
UNIT_DROP_IN_NAMES = ("fourtuple.conf", UNIT_DROP_IN_NAME)
_MANAGER_DIRECTORY = "/etc/systemd/system.conf.d"
MANAGER_DROP_IN = "%s/%s" % (_MANAGER_DIRECTORY, UNIT_DROP_IN_NAME)
MANAGER_DROP_INS = tuple("%s/%s" % (_MANAGER_DIRECTORY, name) for name in UNIT_DROP_IN_NAMES)


#: A key of a kernel module that is loaded after sysctl.d is applied would be lost.
MODULES_LOAD = "/etc/modules-load.d/fourtuple.conf"
NETWORKD_DIRECTORY = "/etc/systemd/network"
#: ifupdown runs the hook after each stanza of an interface (interfaces(5)), and the hook has ip(8) read the batch.
IFUPDOWN_HOOK = "/etc/network/if-up.d/fourtuple"
IFUPDOWN_BATCH = "/etc/network/fourtuple.batch"
#: Makes prefixes local before any network is configured; and has systemd start it.
ROUTES_UNIT = "%s/fourtuple-addresses.service" % UNIT_DIRECTORY
ROUTES_TARGET = "%s/sysinit.target.d/fourtuple-addresses.conf" % UNIT_DIRECTORY
#: The same without systemd, where ifupdown starts lo.
ROUTES_HOOK = "/etc/network/if-up.d/fourtuple-addresses"
#: NetworkManager runs the script on what happens to an interface (NetworkManager-dispatcher(8)), with the same batch.
NETWORKMANAGER_DISPATCHER = "/etc/NetworkManager/dispatcher.d/fourtuple"
NETWORKMANAGER_BATCH = "/etc/NetworkManager/fourtuple.batch"
#: Gives an interface back what is taken from it; its unit; and has systemd start that.
WATCH_SCRIPT = "%s/fourtuple-watch.py" % UNIT_DIRECTORY
WATCH_UNIT = "%s/fourtuple-watch.service" % UNIT_DIRECTORY
WATCH_TARGET = "%s/multi-user.target.d/fourtuple-watch.conf" % UNIT_DIRECTORY

#: For the textfile collector of the Prometheus node exporter, in the directory that it reads. The text begins with the
#: HELP of its first metric, which says whose it is: OpenMetrics has no other comments.
METRICS_NAME = "fourtuple.prom"
METRICS_DIRECTORY = "/var/lib/prometheus/node-exporter"
METRICS_FIRST = "fourtuple_report_timestamp_seconds"
METRICS_MARK = "Managed by fourtuple.clients."
_METRICS_BEGIN = "# HELP %s %s" % (METRICS_FIRST, METRICS_MARK)


def networkd_drop_in(network_file: str) -> str:
    """Return the path of our drop-in for a file of systemd-networkd, such as ``eth0.network``."""
    return "%s/%s.d/fourtuple.conf" % (NETWORKD_DIRECTORY, network_file)


def is_networkd_drop_in(path: str) -> bool:
    network_file = path[len(NETWORKD_DIRECTORY) + 1 :].partition(".d/")[0]
    return "/" not in network_file and network_file.endswith(".network") and path == networkd_drop_in(network_file)


def unit_drop_in(unit: str) -> str:
    """Return the path of our drop-in for ``unit``."""
    return "%s/%s.d/%s" % (UNIT_DIRECTORY, unit, UNIT_DROP_IN_NAME)


def unit_drop_ins(unit: str) -> t.List[str]:
    """Return every path that a drop-in of ours for ``unit`` can have, today's last."""
    return ["%s/%s.d/%s" % (UNIT_DIRECTORY, unit, name) for name in UNIT_DROP_IN_NAMES]


def unit_of(path: str) -> t.Optional[str]:
    """Return the unit that a path is a drop-in of ours for, by today's or an earlier name; None for any other path."""
    directory, _slash, name = path.rpartition("/")
    folder, _slash, unit = directory.rpartition("/")
    if folder != UNIT_DIRECTORY or not unit.endswith(".d") or unit == ".d" or name not in UNIT_DROP_IN_NAMES:
        return None
    return unit[:-2]


def state_path(topic: str, directory: str = STATE_DIRECTORY) -> str:
    return "%s/%s.json" % (directory, topic)


def is_ours(text: str) -> bool:
    """Tell whether a file's text is one that this collection has written. A script names its interpreter first."""
    first, _newline, rest = text.partition("\n")
    return (rest if first.startswith("#!") else first).startswith(OWNER_MARK)


def is_our_metrics(text: str) -> bool:
    return text.startswith(_METRICS_BEGIN)


def role_of(text: str) -> t.Optional[str]:
    """Return the role that a file of ours says it is of; None where it says none, as those of release 0.1.0."""
    found = re.search("^" + re.escape(OWNER_MARK) + r": role ([a-z]+)\.", text, re.MULTILINE)
    return found[1] if found else None


def refuse_foreign(path: str, text: t.Optional[str]) -> None:
    """Refuse to take over a file that has our name and is not ours, an empty one included.

    text: of the file; None where there is none
    raises: Refusal
    """
    if text is not None and not is_ours(text):
        allowed = "a file that begins with %r, or none" % OWNER_MARK
        remedy = "The name is ours: rename or remove that file."
        raise Refusal(path + ":1", text.split("\n", 1)[0], allowed, remedy)
