# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program ip: what an interface has, and any number of changes in one call."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.values import ip_lines
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links, Pair


class IpFailed(ProgramFailed):
    """The program ip is missing, or has failed: says what it said."""


class IpChange(t.NamedTuple):
    """What is done to a host.

    append:         prefixes that a route on lo makes local
    add, correct:   addresses put on an interface, and those of IPv6 that get the preferred lifetime 0
    remove, delete: addresses and routes that go
    """

    append: t.Sequence[str] = ()
    add: t.Sequence[Pair] = ()
    correct: t.Sequence[Pair] = ()
    remove: t.Sequence[Pair] = ()
    delete: t.Sequence[str] = ()


class Ip:
    """The ip program, one call for any number of addresses."""

    def __init__(self, programs: Programs) -> None:
        self._run = programs.run
        path = programs.find("ip")
        if path is None:
            raise IpFailed("the program ip is not installed on this host; install the package iproute2 and retry")
        self.path = path

    def run(self, *arguments: str, data: t.Optional[str] = None) -> str:
        status, stdout, stderr = self._run([self.path, *arguments], data)
        if status:
            raise IpFailed("`ip %s` failed: %s" % (" ".join(arguments), (stderr or stdout).strip().rstrip(".")))
        return str(stdout)

    def links(self) -> Links:
        return t.cast(Links, json.loads(self.run("-json", "address", "show") or "[]"))

    def change(self, wanted: IpChange) -> None:
        """Whatever comes before whatever goes, so that an address which changes its way is never missing."""
        lines = [ip_lines.for_route("append", prefix) for prefix in wanted.append]
        for verb, pairs in (("add", wanted.add), ("change", wanted.correct)):
            lines += [ip_lines.for_interface(verb, address, interface) for interface, address in pairs]
        lines += ["address del %s dev %s" % (address, interface) for interface, address in wanted.remove]
        lines += [ip_lines.for_route("del", prefix) for prefix in wanted.delete]
        if lines:
            self.run("-batch", "-", data="".join(line + "\n" for line in lines))
