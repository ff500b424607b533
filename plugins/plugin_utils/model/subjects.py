# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose limits count for a request: the users and units that hold its connections."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def of_request(limits: Limits, request: ClientRequest) -> tuple[list[t.Mapping[str, t.Any]], list[str]]:
    """Return those whose nofile counts, and the names that the snapshot does not know.

    The users and units of the request; where it names none, the users of the snapshot, who stand for everybody that
    logs in; without any of these its units, then its processes.
    """
    found = [one for one in limits["nofile"]["subjects"] if one.get("now") is not None]
    named = [("user", name) for name in request.users] + [("unit", name) for name in request.units]
    if named:
        known = {(one["kind"], one["name"]): one for one in found}
        return [known[key] for key in named if key in known], [key[1] for key in named if key not in known]
    for kind in ("user", "unit", "process"):
        chosen = [one for one in found if one["kind"] == kind]
        if chosen:
            return chosen, []
    return [], []


def levels(limits: Limits, request: ClientRequest, what: str) -> t.Iterator[t.Mapping[str, t.Any]]:
    """Yield the groups with a limit: those of the request's units where they run, else of who took the snapshot."""
    running = [one for one in of_request(limits, request)[0] if one["kind"] != "user" and one.get("pid") is not None]
    if not running:
        yield from limits[what]["cgroups"]
    for subject in running:
        yield from subject.get("%s_cgroups" % what) or ()
