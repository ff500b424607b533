# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a daemon runs, from the files that systemd and the daemon itself keep for as long as it does.

What a daemon wrote to /run may be there after it was stopped, and a container's daemons have a /run of their own:
the processes would show them beside the host's.
"""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

#: Where systemd has a link for each unit that is active, and takes it away with the last process of the unit (since
#: 236; src/core/unit.c, unit_export_invocation_id and unit_unlink_state_files).
ACTIVE_UNITS = "/run/systemd/units"


def active(host: Host, unit: str) -> bool:
    """Tell whether systemd has a unit active. Where systemd is too old to say, or none runs, it is not."""
    return host.link(link_of(unit)) is not None


def link_of(unit: str) -> str:
    """Return the path of the link, which is as old as the unit is active."""
    return "%s/invocation:%s" % (ACTIVE_UNITS, unit)


def stopped(host: Host, unit: str) -> bool:
    """Tell whether systemd says that a unit is not active."""
    return host.is_directory(ACTIVE_UNITS) and not active(host, unit)


def has_process(host: Host, pid_file: str, program: str) -> bool:
    """Tell whether the process that a file names is there, and runs a program.

    program: as /proc/PID/comm has it, no more than 15 characters
    """
    pid = host.number(pid_file)
    return pid is not None and (host.text("/proc/%d/comm" % pid) or "").strip() == program
