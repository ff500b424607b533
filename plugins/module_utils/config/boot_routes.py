# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes prefixes local at boot: a unit of ours before any network, or ifupdown's hook for lo.

Both hold the lines that ip(8) reads, so that there is one file to write, and one to read back.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import is_prefix
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

SYSTEMD, IFUPDOWN = "systemd", "ifupdown"

#: By the names of their templates. The unit before the target that wants it.
_UNIT = {"boot_unit": owned.ROUTES_UNIT, "boot_target": owned.ROUTES_TARGET}
_HOOK = {"lo_hook": owned.ROUTES_HOOK}

_LINE = re.compile(r"^(?:StandardInputText=)?route append local (\S+) dev lo proto kernel$", re.MULTILINE)


def find(host: Host) -> t.Tuple[t.Optional[str], t.Dict[str, str]]:
    """Return who makes prefixes local at boot, None for nobody, and the files that it takes: kind -> path.

    raises: Refusal for a file of that name that is not ours
    """
    # sd_booted(3) looks there, too.
    if host.is_directory("/run/systemd/system"):
        found: t.Tuple[t.Optional[str], t.Dict[str, str]] = (SYSTEMD, dict(_UNIT))
    elif any(host.exists(path) for path in ("/sbin/ifup", "/usr/sbin/ifup")):
        found = (IFUPDOWN, dict(_HOOK))
    else:
        found = (None, {})
    for path in found[1].values():
        owned.refuse_foreign(path, host.read(path))
    return found


def own_files(host: Host) -> t.List[str]:
    """Return the files of ours that exist, and what a killed run left of one, in the order of removal."""
    return existing(host, (owned.ROUTES_TARGET, owned.ROUTES_UNIT, owned.ROUTES_HOOK))


def existing(host: Host, paths: t.Iterable[str]) -> t.List[str]:
    """Return which of these files are there and ours, whole or unfinished."""
    found = []
    for path in paths:
        text = host.read(path)
        if host.exists(unfinished(path)) if text is None else owned.is_ours(text):
            found.append(path)
    return found


def persisted(host: Host) -> t.FrozenSet[str]:
    """Return the prefixes that our files make local at boot."""
    texts = (host.read(path) or "" for path in own_files(host))
    return frozenset(prefix for text in texts for prefix in _LINE.findall(text) if is_prefix(prefix))
