# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which sessions come to a host: whether they read limits.d, where their limits come from, what helps.

| Way | PAM service | Inherits from |
|---|---|---|
| ssh | sshd, or PAMServiceName=; none with UsePAM no | the ssh server |
| console | login | agetty, a service of systemd |
| su, sudo | su, su-l; sudo, sudo-i | the session of the caller, who is taken for root by ssh |
| cron | cron, crond | the cron daemon |
| user_service | systemd-user | user@.service; a unit in it then has what the user's manager gives, and no more |
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    pam_stack,
    sshd_config,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, place_of

SSH, CONSOLE, SU, SUDO, CRON, USER_SERVICE = WAYS = ("ssh", "console", "su", "sudo", "cron", "user_service")

#: PAM services of each way, the first for hosts that have none of them. The login shells of su and sudo have their own.
_SERVICES: t.Dict[str, t.Tuple[str, ...]] = {
    CONSOLE: ("login",),
    SU: ("su", "su-l"),
    SUDO: ("sudo", "sudo-i"),
    CRON: ("cron", "crond"),
    USER_SERVICE: ("systemd-user",),
}

_NO_PAM = "UsePAM %s: ssh sessions go without PAM, and keep what the ssh server has"
_NO_LIMITS = "the PAM stack of %s has no pam_limits: its sessions keep what they inherit"
_PASSED_OVER = "a line before it may pass over this pam_limits: such sessions of %s keep what they inherit"
_OTHER_FILE = "for %s pam_limits reads %s alone, by its option conf=, and not limits.d"

#: What a session comes from, and inherits from: the names of the process, and of the unit.
PROCESSES: t.Dict[str, t.Tuple[str, ...]] = {SSH: ("sshd",), CONSOLE: ("agetty", "getty"), CRON: ("cron", "crond")}
UNITS: t.Dict[str, t.Tuple[str, ...]] = {
    SSH: sshd_config.UNITS,
    CONSOLE: ("getty@tty1.service",),
    CRON: ("cron.service", "crond.service", "cronie.service"),
}
#: Whose sessions keep a unit's limits where no pam_limits sets others, so that the unit's help.
_OF_UNITS = (SSH, CRON)

#: What sessions run of pam_limits where the host does not say: the line that distributions have.
_USUAL = (pam_stack.Run("", 0, None, False, True),)


class Opening(t.NamedTuple):
    """One way in which a session of a way opens, and where limits.d is not read: by whom, why, and what helps."""

    runs: t.Tuple[pam_stack.Run, ...]
    by: str = ""
    note: str = ""
    remedy: str = ""


def unit(units: systemd_limits.Units, way: str) -> t.Optional[str]:
    """Return the unit that sessions of a way come from, None where it has none."""
    return next((name for name in UNITS.get(way, ()) if units.file(name) is not None), None)


def kept_from(units: systemd_limits.Units, way: str) -> t.Optional[str]:
    """Return the unit whose limit sessions of a way have that set none themselves, None where that is no unit's."""
    return unit(units, way) if way in _OF_UNITS else None


def check(where: str, ways: t.Iterable[str]) -> t.Tuple[str, ...]:
    """Return the ways as they are asked for; refuse one that there is not.

    raises: Refusal
    """
    asked = tuple(ways)
    for way in asked or ("",):
        if way not in WAYS:
            raise Refusal(where, way, "a list of " + ", ".join(WAYS), "Name the ways in which the clients are started.")
    return asked


def openings(host: Host, units: systemd_limits.Units, way: str) -> t.List[Opening]:
    """Return how sessions of a way may open; whichever leaves them with less is what can be counted on."""
    services: t.Sequence[str]
    if way == SSH:
        server = sshd_config.server(host, units)
        if server is not None and server.use_pam.value.lower() == "no":
            return [_without_pam(units, server.use_pam)]
        services = [server.service if server is not None else "sshd"]
    else:
        named = _SERVICES[way]
        services = [name for name in named if pam_stack.configured(host, name)] or named[:1]
    return [opening for service in services for opening in _by_service(host, units, way, service)]


def _or_unit(units: systemd_limits.Units, way: str) -> str:
    name = kept_from(units, way)
    return ", or name %s in limits_units and restart it" % name if name is not None else ""


def _without_pam(units: systemd_limits.Units, setting: sshd_config.Setting) -> Opening:
    where = "there" if setting.line else "in that file"
    remedy = "set UsePAM yes %s and restart the ssh server%s" % (where, _or_unit(units, SSH))
    return Opening((), setting.place, _NO_PAM % setting.value.lower(), remedy)


def _by_service(host: Host, units: systemd_limits.Units, way: str, service: str) -> t.List[Opening]:
    stack = pam_stack.stack(host, service)
    if stack is None or not stack.ways:
        # A stack by which nobody gets in is not the one of a host that people use.
        return [Opening(_USUAL)]
    return [_opening(units, stack, runs, way) for runs in stack.ways]


def _opening(
    units: systemd_limits.Units, stack: pam_stack.Stack, runs: t.Tuple[pam_stack.Run, ...], way: str
) -> Opening:
    if not runs:
        skipped = next((one[0] for one in stack.ways if one), None)
        if skipped is None:
            remedy = "add the line 'session required pam_limits.so' to %s%s" % (stack.path, _or_unit(units, way))
            return Opening(runs, stack.path, _NO_LIMITS % way, remedy)
        remedy = "move that line to the beginning of the session lines"
        return Opening(runs, place_of(skipped.path, skipped.line), _PASSED_OVER % way, remedy)
    last = runs[-1]
    if last.conf is not None and all(run.conf is not None for run in runs):
        remedy = "remove conf= from that line, or set the limit in %s" % last.conf
        return Opening(runs, place_of(last.path, last.line), _OTHER_FILE % (way, last.conf), remedy)
    return Opening(runs)
