# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits sessions of generated PAM services get, by libpam itself: one session of each, in a process."""

from __future__ import annotations

import os
import typing as t

from oracles import oracle, pam

SERVICES = ("sshd", "login", "cron")

#: What a tree may have services in; the host's own are not seen.
_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d", "/etc/security")


def answer(given: dict[str, t.Any]) -> oracle.Answers:
    """Return soft and hard limit of a session of each service, 0 and 0 for one that is refused."""
    pam.stand_in(given)
    return {service: pam.session(service, "alice") for service in SERVICES}


if __name__ == "__main__":
    oracle.leave_mounts()
    for directory in _DIRECTORIES:
        os.makedirs(directory, exist_ok=True)
        oracle.mount_tmpfs(directory)
    oracle.serve(pam.prepare(), answer)
