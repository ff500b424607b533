# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who manages an interface, and in which files of ours that one reads more addresses for it.

Everything is read from files below a root directory; no daemon is asked. Each manager has a module of its own.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    ifupdown,
    network_interface,
    network_manager,
    networkd,
    other_managers,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import (
    AUTO,
    Interface,
    Manager,
    Question,
    interface_of,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links, Pair

NONE = "none"

Persistence = network_interface.Persistence

#: Whoever is named first manages an interface that several have signs of: systemd-networkd and NetworkManager say of
#: each interface whether it is theirs; ifupdown may have dhcpcd ask for its address.
MANAGERS: t.List[Manager] = [networkd.MANAGER, network_manager.MANAGER, ifupdown.MANAGER, *other_managers.MANAGERS]


def providers() -> t.List[str]:
    """Return what a provider can be, besides AUTO."""
    return [manager.name for manager in MANAGERS if manager.keep is not None] + [NONE]


def manager_of(host: Host, interface: Interface) -> t.Optional[t.Tuple[Manager, str]]:
    """Return who manages an interface now, and what shows it; None where nobody is known to."""
    for manager in MANAGERS:
        evidence = manager.evidence(host, interface)
        if evidence is not None:
            return manager, evidence
    return None


def find(
    host: Host,
    where: str,
    provider: str,
    interface: str,
    links: Links,
    method: t.Optional[str] = None,
    count: int = 0,
) -> Persistence:
    """Return where addresses on ``interface`` persist, or refuse.

    where:    the variable that names the provider, for messages
    provider: one of providers(), or AUTO
    method:   the variable that has them on an interface, where a route would do as well
    count:    how many addresses it is to have
    raises: Refusal
    """
    if provider == NONE:
        return Persistence(NONE, {}, [])
    *others, last = providers()
    asked = interface_of(links, interface)
    question = Question(where, provider, method, asked, count, "%s, or %s" % (", ".join(others), last))
    if provider == AUTO:
        manager = _found(host, question)
    else:
        manager = next(manager for manager in MANAGERS if manager.name == provider)
    # _found() refuses one that keeps none, and no provider names one.
    persistence = t.cast(t.Callable[[Host, Question], Persistence], manager.keep)(host, question)
    for path in persistence.files.values():
        owned.refuse_foreign(path, host.read(path))
    return persistence


def _found(host: Host, question: Question) -> Manager:
    found = manager_of(host, question.interface)
    if found is None:
        why = "Nobody was found to manage %s now: of systemd-networkd, NetworkManager, ifupdown, dhcpcd, connman and "
        why += "wicked none runs and has this interface. "
        raise question.refusal(why % question.interface.name + question.otherwise)
    manager, evidence = found
    if manager.keep is None:
        why = "%s is managed by %s (%s), which keeps no addresses but its own. "
        raise question.refusal(why % (question.interface.name, manager.name, evidence) + question.otherwise)
    return manager


# --- our own files ---


def _own(host: Host) -> t.Iterator[t.Tuple[Manager, str]]:
    """Yield the files of ours that exist, whichever manager they were written for, and what a killed run left."""
    for manager in MANAGERS:
        for path in manager.own_files(host):
            text = host.read(path)
            # Beside somebody else's file of that name an unfinished one is not ours to remove.
            if host.exists(unfinished(path)) if text is None else owned.is_ours(text):
                yield manager, path


def own_files(host: Host) -> t.List[str]:
    """Return the files of ours that exist, whole or unfinished, in the order of removal."""
    return [path for _manager, path in _own(host)]


def persisted(host: Host, links: Links) -> t.Set[Pair]:
    """Return the addresses that our files give at boot, with the interface that gets them.

    A run that was killed between the live change and the change of the files leaves addresses that
    come back at boot; this is how they are known to be ours although the record has them no longer.
    """
    return set(at_boot(host, links))


def at_boot(host: Host, links: Links) -> t.Dict[Pair, bool]:
    """Return what our files give at boot, each with whether nobody leaves from it who does not bind to it.

    Of an IPv6 address in a file of an earlier version that is not so.
    """
    found: t.Dict[Pair, bool] = {}
    for manager, path in _own(host):
        found.update(manager.at_boot(host, path, (host.read(path) or "").splitlines(), links))
    return found
