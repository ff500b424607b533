# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of all network managers share: the interface asked about, and what is answered."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import is_address
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links, Pair
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

AUTO = "auto"

#: Each address with its interface, and whether nobody leaves from it who does not bind to it.
AtBoot = t.Iterator[t.Tuple[Pair, bool]]


class Interface(t.NamedTuple):
    """An interface. names: its name and the alternative ones (ip-link(8), altname)"""

    name: str
    names: t.FrozenSet[str]
    ifindex: t.Optional[int]
    links: Links


def interface_of(links: Links, name: str) -> Interface:
    """Return the interface ``name`` of ``links``, of which ``ip -json address`` tells."""
    link = next((link for link in links if link.get("ifname") == name), {})
    others = link.get("altnames", ())
    names = [other for other in others if isinstance(other, str)] if isinstance(others, (list, tuple)) else []
    return Interface(name, frozenset([name, *names]), link.get("ifindex"), links)


class Persistence(t.NamedTuple):
    """Where the addresses have to be written.

    files: kind of file, which is the name of its template -> path on the host
    """

    provider: str
    files: t.Dict[str, str]
    warnings: t.List[str]


class Question(t.NamedTuple):
    """Who is to keep how many addresses on an interface.

    where:    the variable that names the provider
    provider: what it says
    method:   the variable that names the method, where the route is one that works for all of them
    number:   of addresses
    """

    where: str
    provider: str
    method: t.Optional[str]
    interface: Interface
    number: int
    allowed: str

    def refusal(self, remedy: str) -> Refusal:
        return Refusal(self.where, self.provider, self.allowed, remedy)

    @property
    def otherwise(self) -> str:
        """What works on every host."""
        none = "this to none to have the addresses until the next reboot only."
        if self.method is None:
            return "Set %s" % none
        return "Set %s to route, which works with every manager, or set %s" % (self.method, none)


class Manager(t.NamedTuple):
    """A program that manages interfaces.

    evidence:  returns the file which shows that it manages an interface, None where it does not
    keep:      returns how it keeps addresses, or refuses; None for one that gives an interface no others than its own
    own_files: returns the paths of ours that its kind can have on a host, in the order of removal
    at_boot:   returns the addresses that one of these files of ours gives, None for a script
    """

    name: str
    evidence: t.Callable[[Host, Interface], t.Optional[str]]
    keep: t.Optional[t.Callable[[Host, Question], Persistence]] = None
    own_files: t.Callable[[Host], t.List[str]] = lambda _host: []
    at_boot: t.Callable[[Host, str, t.List[str], Links], AtBoot] = lambda _host, _path, _lines, _links: iter(())


def settings(text: t.Optional[str]) -> t.Dict[str, str]:
    """Return NAME=value lines, of a shell-like file or of one section."""
    lines = (line.partition("=") for line in (text or "").splitlines() if not line.lstrip().startswith(("#", ";")))
    return {name.strip(): value.strip().strip('"') for name, equals, value in lines if equals}


def in_batch(_host: Host, _path: str, lines: t.List[str], _links: Links) -> AtBoot:
    """Read the lines of ip_lines.for_interface(), and those of earlier releases."""
    for line in lines:
        words = line.split()
        if words[:2] == ["address", "replace"] and len(words) > 4 and is_address(words[2]):
            yield (words[4], words[2]), ":" not in words[2] or words[-2:] == ["preferred_lft", "0"]
