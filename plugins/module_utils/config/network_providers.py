# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gives an interface its addresses at boot, and in which files of ours that one reads more.

Everything is read from files below a root directory; no daemon is asked.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import is_address
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links, Pair
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, decimal

NETWORKD = "networkd"
IFUPDOWN = "ifupdown"
NONE = "none"

_NETWORKD_LINKS = "/run/systemd/netif/links"
_NETWORK_MANAGER_DEVICES = "/run/NetworkManager/devices"
_INTERFACES = "/etc/network/interfaces"

_REMEDY_NONE = "Set it to none to have the addresses until the next reboot only."


class Persistence(t.NamedTuple):
    """Where the addresses have to be written.

    files: kind of file (``drop_in``; ``batch`` and ``hook``) -> path on the host
    """

    provider: str
    files: t.Dict[str, str]
    warnings: t.List[str]


def find(host: Host, where: str, provider: str, interface: str, links: Links) -> Persistence:
    """Return where ``interface``'s addresses persist, or refuse.

    where:    the variable that names the provider, for messages
    provider: one of PROVIDERS, or ``auto``
    """
    if provider == NONE:
        return Persistence(NONE, {}, [])
    chosen = provider
    if provider == "auto":
        chosen = IFUPDOWN if _network_file(host, _index(links, interface)) is None else NETWORKD
    persistence = _FINDERS[chosen](host, where, provider, interface, links)
    for path in persistence.files.values():
        owned.refuse_foreign(path, host.read(path))
    return persistence


def _index(links: Links, interface: str) -> t.Optional[int]:
    return next((link.get("ifindex") for link in links if link.get("ifname") == interface), None)


def _settings(text: t.Optional[str]) -> t.Dict[str, str]:
    """Return NAME=value lines, of a shell-like file or of one section."""
    lines = (line.partition("=") for line in (text or "").splitlines() if not line.lstrip().startswith(("#", ";")))
    return {name.strip(): value.strip().strip('"') for name, equals, value in lines if equals}


# --- systemd-networkd ---


def _network_file(host: Host, index: t.Optional[int]) -> t.Optional[str]:
    """Return the .network file that systemd-networkd applies to a link, None where it leaves the link alone.

    sd_network_link_get_network_file(3) reads this very file (src/libsystemd/sd-network/sd-network.c).
    """
    link = _settings(host.read("%s/%s" % (_NETWORKD_LINKS, index)))
    if link.get("ADMIN_STATE") in (None, "unmanaged"):
        return None
    return link.get("NETWORK_FILE") or None


def _networkd(host: Host, where: str, provider: str, interface: str, links: Links) -> Persistence:
    network_file = _network_file(host, _index(links, interface))
    if network_file is None:
        remedy = "systemd-networkd does not manage %s (%s/%s names no .network file). Set it to auto, " % (
            interface,
            _NETWORKD_LINKS,
            _index(links, interface),
        )
        raise Refusal(where, provider, _ALLOWED, remedy + "or give the interface a .network file.")
    name = os.path.basename(network_file)
    if name.startswith("10-netplan-"):
        raise _unsupported(where, provider, interface, "netplan", network_file)
    sharing = _links_of(host, name, links)
    if len(sharing) > 1:
        remedy = "%s applies to %s, and the drop-in would give every one of them the addresses. " % (
            network_file,
            ", ".join(sharing),
        )
        raise Refusal(
            where, provider, _ALLOWED, remedy + "Give %s a .network file of its own. " % interface + _REMEDY_NONE
        )
    path = owned.networkd_drop_in(name)
    warnings = []
    if not _matches_one(host, network_file):
        warnings.append(
            "%s can match more interfaces than %s; one that appears later would get the source addresses too. "
            "Name the interface in its [Match] section." % (network_file, interface)
        )
    return Persistence(NETWORKD, {"drop_in": path}, warnings)


def _links_of(host: Host, name: str, links: Links) -> t.List[str]:
    """Return the interfaces that systemd-networkd configures from the .network file ``name``."""
    names = {str(link.get("ifindex")): str(link.get("ifname")) for link in links}
    return sorted(
        names.get(index, "interface %s" % index)
        for index in host.list(_NETWORKD_LINKS)
        if decimal(index) is not None and os.path.basename(_network_file(host, decimal(index)) or "") == name
    )


def _matches_one(host: Host, network_file: str) -> bool:
    """Tell whether the [Match] section, as systemd.network(5) reads it, names a single link."""
    section = re.search(r"^\[Match\]$(.*?)(?=^\[|\Z)", host.read(network_file) or "", re.MULTILINE | re.DOTALL)
    match = _settings(section.group(1) if section else "")
    for key in ("Name", "MACAddress", "PermanentMACAddress"):
        value = match.get(key, "")
        if len(value.split()) == 1 and not set(value) & set("*?[!"):
            return True
    return False


# --- ifupdown ---


def _ifupdown(host: Host, where: str, provider: str, interface: str, links: Links) -> Persistence:
    manager = _other_manager(host, _index(links, interface))
    if provider == "auto" and manager is not None:
        raise _unsupported(where, provider, interface, *manager)
    stanza, no_scripts = _read_interfaces(host, interface)
    if stanza is None:
        if provider == "auto":
            remedy = (
                "Nobody was found to manage %s: no .network file of systemd-networkd, no iface stanza. " % interface
            )
            raise Refusal(where, provider, _ALLOWED, remedy + _REMEDY_NONE)
        remedy = "No `iface %s` stanza stands in %s or a file that it sources. " % (interface, _INTERFACES)
        raise Refusal(where, provider, _ALLOWED, remedy + "Add one, or set it to auto.")
    for path, what in (("/usr/share/ifupdown2", "ifupdown2"), ("/usr/libexec/ifupdown-ng", "ifupdown-ng")):
        if host.exists(path):
            raise _unsupported(where, provider, interface, what, path)
    if not any(host.exists(path) for path in ("/sbin/ifup", "/usr/sbin/ifup")):
        remedy = "%s has an `iface %s` stanza but ifup is not installed, so nothing reads it. " % (stanza, interface)
        raise Refusal(where, provider, _ALLOWED, remedy + "Install ifupdown or remove the stanza. " + _REMEDY_NONE)
    if no_scripts is not None:
        remedy = "%s has a no-scripts line for %s, so ifupdown would not run %s. " % (
            no_scripts,
            interface,
            owned.IFUPDOWN_HOOK,
        )
        raise Refusal(where, provider, _ALLOWED, remedy + "Remove that line. " + _REMEDY_NONE)
    # A hook and no stanza of our own: ifupdown would apply that before the interface's stanzas wherever it is sourced
    # before them, when a bridge or bond does not exist yet.
    return Persistence(IFUPDOWN, {"batch": owned.IFUPDOWN_BATCH, "hook": owned.IFUPDOWN_HOOK}, [])


def _read_interfaces(host: Host, interface: str) -> t.Tuple[t.Optional[str], t.Optional[str]]:
    """Return the files with the first ``iface`` stanza and the first ``no-scripts`` line for the interface.

    As interfaces(5) has it: lines joined by a final backslash, ``source`` with shell patterns,
    ``source-directory`` for names of letters, digits, - and _, relative to the file that says so.
    """
    stanza, no_scripts = None, None
    waiting, seen = [_INTERFACES], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        lines = [line for line in (host.read(path) or "").split("\n") if not line.lstrip().startswith("#")]
        for line in "\n".join(lines).replace("\\\n", " ").splitlines():
            words = line.split()
            if words[:1] == ["iface"] and words[1:2] == [interface]:
                stanza = stanza or path
            if words[:1] == ["no-scripts"] and any(fnmatch.fnmatchcase(interface, w.lstrip("/")) for w in words[1:]):
                no_scripts = no_scripts or path
            for pattern in _sourced_patterns(words, os.path.dirname(path)):
                waiting += _sourced_files(host, pattern, words[0] == "source-directory")
    return stanza, no_scripts


def _sourced_patterns(words: t.List[str], directory: str) -> t.List[str]:
    if words[:1] not in (["source"], ["source-directory"]):
        return []
    try:
        # Quotes are read as wordexp(3) does; variables are not followed, and then match nothing.
        patterns = shlex.split(" ".join(words[1:]))
    except ValueError:
        return []
    return [os.path.normpath(os.path.join(directory, pattern)) for pattern in patterns]


def _sourced_files(host: Host, pattern: str, directory: bool) -> t.List[str]:
    found = [""]
    for part in pattern.split("/")[1:]:
        if set(part) & set("*?["):
            found = ["%s/%s" % (place, name) for place in found for name in _matching(host, place, part)]
        else:
            found = ["%s/%s" % (place, part) for place in found]
    if directory:
        plain = re.compile(r"[a-zA-Z0-9_-]+")
        found = [
            "%s/%s" % (place, name)
            for place in found
            if host.is_directory(place)
            for name in host.list(place)
            if plain.fullmatch(name)
        ]
    return [path for path in found if host.exists(path) and not host.is_directory(path)]


def _matching(host: Host, directory: str, pattern: str) -> t.List[str]:
    """Return the names that a shell pattern matches: hidden ones where it begins with a dot only."""
    names = host.list(directory) if host.is_directory(directory) else []
    return [
        name
        for name in names
        if fnmatch.fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith("."))
    ]


# --- the others ---


def _other_manager(host: Host, index: t.Optional[int]) -> t.Optional[t.Tuple[str, str]]:
    """Return another program that manages the interface, and the file that says so."""
    device = "%s/%s" % (_NETWORK_MANAGER_DEVICES, index)
    if _settings(host.read(device)).get("managed") in ("true", "yes", "1"):
        return "NetworkManager", device
    for name in host.list("/etc/netplan"):
        if name.endswith((".yaml", ".yml")):
            return "netplan", "/etc/netplan/%s" % name
    return None


def _unsupported(where: str, provider: str, interface: str, manager: str, evidence: str) -> Refusal:
    remedy = "%s is managed by %s (%s), which this version cannot extend. " % (interface, manager, evidence)
    return Refusal(where, provider, _ALLOWED, remedy + _REMEDY_NONE)


_FINDERS: t.Dict[str, t.Callable[[Host, str, str, str, Links], Persistence]] = {
    NETWORKD: _networkd,
    IFUPDOWN: _ifupdown,
}
PROVIDERS = (*_FINDERS, NONE)
_ALLOWED = "%s, or %s" % (", ".join(_FINDERS), NONE)


# --- our own files ---


def own_files(host: Host) -> t.List[str]:
    """Return the files of ours that exist, whichever provider they were written for, and what a killed run left."""
    network_files = [name[: -len(".d")] for name in host.list(owned.NETWORKD_DIRECTORY) if name.endswith(".network.d")]
    # The hook before the batch that it names.
    paths = [*map(owned.networkd_drop_in, network_files), owned.IFUPDOWN_HOOK, owned.IFUPDOWN_BATCH]
    found = []
    for path in paths:
        text = host.read(path)
        # Beside somebody else's file of that name an unfinished one is not ours to remove.
        if host.exists(unfinished(path)) if text is None else owned.is_ours(text):
            found.append(path)
    return found


def obsolete(host: Host, needed: t.Iterable[str]) -> t.List[str]:
    """Return our files that are not needed, in the order of removal."""
    return [path for path in own_files(host) if path not in set(needed)]


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
    for path in own_files(host):
        lines = (host.read(path) or "").splitlines()
        if path == owned.IFUPDOWN_BATCH:
            found.update(_in_batch(lines))
        elif path != owned.IFUPDOWN_HOOK:
            network_file = os.path.splitext(os.path.basename(os.path.dirname(path)))[0]
            interfaces = _links_of(host, network_file, links)
            given = _in_drop_in(lines)
            found.update(((interface, address), bound) for interface in interfaces for address, bound in given)
    return found


def _in_batch(lines: t.Iterable[str]) -> t.Iterator[t.Tuple[Pair, bool]]:
    """Read ``address replace 2001:db8::1/128 dev eth0 nodad preferred_lft 0``."""
    for line in lines:
        words = line.split()
        if words[:2] == ["address", "replace"] and len(words) > 4 and is_address(words[2]):
            yield (words[4], words[2]), ":" not in words[2] or words[-2:] == ["preferred_lft", "0"]


def _in_drop_in(lines: t.Iterable[str]) -> t.List[t.Tuple[str, bool]]:
    """Read ``Address=`` of [Network] or of a section of its own, where PreferredLifetime= may follow."""
    found: t.List[t.Tuple[str, bool]] = []
    for line in lines:
        key, _equals, value = line.partition("=")
        if key == "Address" and is_address(value):
            found.append((value, ":" not in value))
        elif line == "PreferredLifetime=0" and found:
            found[-1] = (found[-1][0], True)
    return found
