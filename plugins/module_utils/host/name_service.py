# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host's name service says of users, who need not be in /etc/passwd (nsswitch.conf(5))."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

Account = t.Dict[str, t.Any]


def accounts(users: t.Iterable[str]) -> t.Dict[str, Account]:
    """Return ``uid``, ``gid``, ``groups`` ([[name, gid], ...]) and ``home`` of each user that there is."""
    found = {name: _account(name) for name in users}
    return {name: account for name, account in found.items() if account is not None}


def _account(name: str) -> t.Optional[Account]:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = []
    for gid in os.getgrouplist(name, entry.pw_gid):
        try:
            groups.append([grp.getgrgid(gid).gr_name, gid])
        except KeyError:
            # pam_limits asks for groups by name: one that has none cannot be meant.
            continue
    return {"uid": entry.pw_uid, "gid": entry.pw_gid, "groups": groups, "home": entry.pw_dir}
