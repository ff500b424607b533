# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was last asked of a host: who reads it can look at once, and be told with the same answer what would be done.

Only a shortcut. Who asks compares the options, and asks anew where his are others; so a record that is missing, broken
or somebody else's costs a call, and nothing more.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import drop_state, load_state, save_state
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

_TOPIC = "asked"


def remember(host: Host, options: t.Mapping[str, t.Any]) -> None:
    """Record the options of client_settings that a change is made with. A disk that is full is no reason to stop."""
    with contextlib.suppress(OSError):
        save_state(host.root, _TOPIC, options)


def recall(host: Host) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what remember() recorded, or whatever object stands there now; None where there is none."""
    try:
        return load_state(host.root, _TOPIC)
    except (OSError, ValueError):
        return None


def forget(host: Host) -> None:
    """Remove the record. raises: OSError"""
    drop_state(host.root, _TOPIC)
