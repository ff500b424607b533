# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of source addresses, and of the host, in whatever happens to the program that manages its network.

By each way that role addresses has, under each program, in both Debian releases: after every event our addresses are
there, a connection from each goes on, and the host's own addresses, its default routes and what its programs leave from
are as they were. Then a reboot, fewer addresses, and none.
"""

from __future__ import annotations

import pathlib
import time
import typing as t

import pytest
from kinds import IF4, IF6, KINDS, ROUTE, Event, Kind, leased
from managed_host import OWN4, OWN6, ManagedHost, Network

LIST4, ONE4 = ["198.51.100.20-198.51.100.22"], "198.51.100.20"
LIST6, ONE6 = ["2001:db8:0:1::20-2001:db8:0:1::21"], "2001:db8:0:1::20"
MORE = "198.51.100.40"
#: What a new lease is of.
NEW4 = "192.0.2.11"
#: The exact cover of LIST4 and MORE.
ROUTES = frozenset(["198.51.100.20/31", "198.51.100.22", "198.51.100.40"])


class Case(t.NamedTuple):
    kind: Kind
    release: str
    addressing: str
    method: str

    def __str__(self) -> str:
        return "-".join((self.kind.name, self.release, self.addressing, self.method))


def _cases() -> t.Iterator[Case]:
    for kind in KINDS:
        for release in ("bookworm", "trixie"):
            for addressing in ("static", "leased"):
                if addressing == "static" and kind.static is None:
                    continue
                for method in ("auto", "interface") if kind.keeps else ("route",):
                    yield Case(kind, release, addressing, method)


#: The others are left to `make nightly`. Scenario providers has ifupdown; reboot, systemd-networkd and routes.
QUICK = {"NetworkManager-trixie-static-interface"}
CASES = [pytest.param(case, marks=() if str(case) in QUICK else pytest.mark.nightly, id=str(case)) for case in _cases()]


class Watch:
    """A host under an event, and what was found wrong."""

    def __init__(self, host: ManagedHost, case: Case) -> None:
        self.host, self.case = host, case
        self.found: list[str] = []
        self.own = self.network()
        self.lists = [LIST4, *([LIST6] if case.method != "route" else [])]

    def network(self) -> Network:
        """Return what the host has besides ours once it has it all: defaults, and what to leave from."""
        seen = [self.host.network()]

        def settled() -> bool:
            seen.append(self.host.network())
            # While its own is asked about, what the kernel would take is of lo or of the link.
            sources = [one for one in seen[-1].leaves_from if one and not one.startswith(("fe80:", "::1"))]
            return len(sources) == len(seen[-1].defaults) == 2

        assert self.host.wait(settled, 30), "%s: no network: %s" % (self.case, seen[-1])
        return seen[-1]

    def present(self, *lists: list[str]) -> str:
        entries = [entry for one in lists for entry in one]
        return self.host.role(list=entries, method=self.case.method)

    def kinds(self) -> dict[str, str]:
        """Return the kinds of source addresses that the case has, each with one to connect from."""
        kinds = {IF4 if self.case.method == "interface" else ROUTE: ONE4}
        return kinds | ({IF6: ONE6} if LIST6 in self.lists else {})

    def there(self, kind: str, more: bool) -> bool:
        """Tell whether all of a kind are there, as they have to be."""
        look = self.host.look()
        if kind == ROUTE:
            return look.local == (ROUTES if more else ROUTES - {MORE})
        held = look.held
        if kind == IF6:
            return all(held.get("2001:db8:0:1::%d/128" % number) == "deprecated" for number in (20, 21))
        numbers = [20, 21, 22, *([40] if more else [])]
        return all(held.get("198.51.100.%d/32" % number) == "host" for number in numbers)

    def hold(self) -> None:
        """Connect from one of each kind, and from the host's own addresses, by which an event is measured."""
        own = [address for address in self.own.leaves_from if address]
        self.host.hold(*self.kinds().values(), *own)

    def event(self, event: Event) -> None:
        """Let it happen, and look."""
        if event.renewed:
            # One from the host's own address would end.
            self.host.hold(*self.kinds().values())
        self.host.connections()
        begun = time.monotonic()
        self.host.run(event.command)
        took = time.monotonic() - begun
        self._network_is_back(event)
        # How long the host itself was away decides how long TCP waits before it tries again.
        before = self.host.connections()
        away = max([one["gap"] for source, one in before.items() if source in self.own.leaves_from], default=took)
        for kind, source in self.kinds().items():
            if kind not in event.lost:
                self._goes_on(event, kind, source, away)
                if kind == ROUTE and not event.renewed and before[source]["gap"] > away + 2:
                    self.wrong(event, "%s: no echo for %.1f s, own %.1f" % (kind, before[source]["gap"], away))
        if event.lost & set(self.kinds()):
            self.restore(event)

    def _network_is_back(self, event: Event) -> None:
        """Wait until the host's own network is as it was; of the lease the event is of, as that is."""
        if event.renewed:
            addresses = frozenset(one.replace(OWN4, NEW4) for one in self.own.addresses)
            self.own = self.own._replace(addresses=addresses, leaves_from=(NEW4, self.own.leaves_from[1]))
        if not self.host.wait(lambda: self.host.network() == self.own, 20):
            self.wrong(event, "the host's own network was to be %s and is %s" % (self.own, self.host.network()))

    def _goes_on(self, event: Event, kind: str, source: str, away: float) -> None:
        """Look whether addresses are there, and a connection from one echoes again."""
        if not self.host.wait(lambda: self.there(kind, True), 5):
            self.wrong(event, "%s: not there: %s" % (kind, vars(self.host.look())))
        elif not self.host.wait(lambda: self.host.connections()[source]["silent"] < 0.5, 2 + away):
            self.wrong(event, "%s: no echo: %s" % (kind, self.host.connections()[source]))

    def restore(self, event: Event) -> None:
        """Put back what an event took, as an administrator would."""
        gone = [kind for kind in event.lost & set(self.kinds()) if not self.there(kind, True)]
        changed = self.present(*self.lists, [MORE])
        if gone and changed == "0":
            self.wrong(event, "a run did not see that %s was lost" % gone)
        self.network()
        for kind in self.kinds():
            if not self.there(kind, True):
                self.wrong(event, "%s: a run did not put it back" % kind)
        self.hold()

    def wrong(self, event: Event | str, what: str) -> None:
        self.found.append("%s: %s" % (event if isinstance(event, str) else event.name, what))

    def reboot(self) -> None:
        """Let the host boot, and look. Its peer leases the first address again.

        Until duplicate address detection has let the host's own address of IPv6 pass, for a second, ours is its source.
        """
        self.host.boot()
        addresses = frozenset(one.replace(NEW4, OWN4) for one in self.own.addresses)
        self.own = self.own._replace(addresses=addresses, leaves_from=(OWN4, self.own.leaves_from[1]))
        self._network_is_back(Event("reboot", ""))
        for kind in self.kinds():
            # mypy infers no type for a parameter that keeps the value of this turn of the loop.
            if not self.host.wait(lambda kind=kind: self.there(kind, True), 10):  # type: ignore[misc]
                self.wrong("reboot", "%s: not there: %s" % (kind, vars(self.host.look())))

    def fewer(self) -> None:
        """Take one away, then all."""
        self.hold()
        self.present(*self.lists)
        for kind, source in self.kinds().items():
            if not self.there(kind, False) or self.host.connections()[source]["silent"] > 1:
                self.wrong("fewer", "%s: %s, %s" % (kind, vars(self.host.look()), self.host.connections()))
        self.host.role(state="absent")
        look = self.host.look()
        left = [one for one in look.held if one.startswith("198.51.100.")] + [*look.local]
        if left or look.network() != self.own:
            self.wrong("absent", "%s, %s" % (left, look.network()))
        # Where it finds nothing, as it has to, grep ends with 1.
        files = self.host.run("grep -rls 'Managed by fourtuple' /etc || true")
        if files:
            self.wrong("absent", files)


@pytest.mark.parametrize("case", CASES)
def test_events(case: Case, tmp_path: pathlib.Path) -> None:
    by_dhcp = case.addressing == "leased"
    image = "%s-%s" % (case.release, case.kind.image)
    with ManagedHost(tmp_path, image, case.kind.units, case.kind.files(case.addressing), by_dhcp) as host:
        watch = Watch(host, case)
        assert watch.own.leaves_from[0] == OWN4
        assert by_dhcp or watch.own.leaves_from[1] == OWN6
        watch.present(*watch.lists)
        watch.hold()
        watch.present(*watch.lists, [MORE])
        for kind in watch.kinds():
            assert watch.there(kind, True), (kind, vars(host.look()))
        for event in case.kind.events:
            watch.event(event)
        for event in leased(case.kind) if by_dhcp else ():
            watch.event(event)
        watch.reboot()
        watch.fewer()
        assert not watch.found, "\n".join(watch.found)
