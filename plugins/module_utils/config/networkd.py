# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd, also where netplan writes its .network files: a drop-in of the one that it applies to a link."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.address_record import is_address
from ansible_collections.fourtuple.clients.plugins.module_utils.config.network_interface import (
    AtBoot,
    Interface,
    Manager,
    Persistence,
    Question,
    settings,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import daemons, identity
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import Links
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

NAME = "networkd"

_UNIT = "systemd-networkd.service"
_LINKS = "/run/systemd/netif/links"
#: Where .network files and their drop-ins are read, the first of a name counts (systemd.network(5)).
_DIRECTORIES = (
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
)

#: How many addresses one .network file and its drop-ins may have; what is beyond is ignored, with an error in the
#: journal (src/network/networkd-address.c, STATIC_ADDRESSES_PER_NETWORK_MAX). systemd 257 raised it, and so did
#: Debian 12's 252.39 (measured in both); of other stable releases since 252 it is not known.
_MAXIMUM, _MAXIMUM_BEFORE = 8192, 1024


def _evidence(host: Host, interface: Interface) -> t.Optional[str]:
    return None if daemons.stopped(host, _UNIT) else _network_file(host, interface.ifindex)


def _network_file(host: Host, index: t.Optional[int]) -> t.Optional[str]:
    """Return the .network file that systemd-networkd applies to a link, None where it leaves the link alone.

    sd_network_link_get_network_file(3) reads this very file (src/libsystemd/sd-network/sd-network.c).
    """
    link = settings(host.read("%s/%s" % (_LINKS, index)))
    if link.get("ADMIN_STATE") in (None, "unmanaged"):
        return None
    return link.get("NETWORK_FILE") or None


def _keep(host: Host, question: Question) -> Persistence:
    interface = question.interface
    network_file = _evidence(host, interface)
    if network_file is None:
        why = "systemd-networkd does not manage %s (%s/%s names no .network file, or it does not run). " % (
            interface.name,
            _LINKS,
            interface.ifindex,
        )
        raise question.refusal(why + "Set it to auto, or give the interface a .network file.")
    name = os.path.basename(network_file)
    sharing = _links_of(host, name, interface.links)
    if len(sharing) > 1:
        why = "%s applies to %s, and the drop-in would give every one of them the addresses. " % (
            network_file,
            ", ".join(sharing),
        )
        raise question.refusal(why + "Give %s a .network file of its own. " % interface.name + question.otherwise)
    _refuse_gateway_alone(host, question, network_file)
    warnings = []
    if not _matches_one(host, network_file):
        warnings.append(
            "%s can match more interfaces than %s; one that appears later would get the source addresses too. "
            "Name the interface in its [Match] section." % (network_file, interface.name)
        )
    return Persistence(
        NAME, {"networkd_drop_in": owned.networkd_drop_in(name)}, warnings + _limited(host, question, network_file)
    )


def _refuse_gateway_alone(host: Host, question: Question, network_file: str) -> None:
    """Refuse a gateway that is on link only as long as the .network file states no address.

    To such a one systemd-networkd adds GatewayOnLink= by itself (networkd-route.c, route_section_verify). With ours in
    the drop-in it does not, and a gateway outside the subnet of the lease would be unreachable after the next boot.
    """
    text = "\n".join(_texts(host, network_file))
    states = {key: re.search(r"^\s*%s\s*=\s*\S" % key, text, re.MULTILINE) for key in ("Gateway", "GatewayOnLink")}
    if states["Gateway"] and not states["GatewayOnLink"] and not _stated(host, network_file):
        why = "%s has a Gateway= and no Address=, so that systemd-networkd takes the gateway to be on the link, and no "
        why += "longer with the drop-in. Write GatewayOnLink=yes there (netplan: on-link: true). "
        raise question.refusal(why % network_file + question.otherwise)


def _limited(host: Host, question: Question, network_file: str) -> t.List[str]:
    """Refuse more addresses than systemd-networkd takes, or warn where it may be so."""
    stated = _stated(host, network_file)
    count = question.number + stated
    if count <= _MAXIMUM_BEFORE:
        return []
    known = _maximum(identity.systemd_version(host) or "")
    maximum = known or _MAXIMUM
    if count > maximum:
        why = "systemd-networkd takes %d addresses for %s, which states %d itself, and ignores what is beyond. " % (
            maximum,
            network_file,
            stated,
        )
        raise question.refusal(why + "Ask for %d or fewer here. " % (maximum - stated) + question.otherwise)
    if known:
        return []
    return [
        "%s will have %d addresses, and not every systemd-networkd before 257 takes more than %d for one "
        ".network file: after a reboot, look whether its journal has `Failed to allocate new address`."
        % (network_file, count, _MAXIMUM_BEFORE)
    ]


def _maximum(version: str) -> t.Optional[int]:
    """Return how many addresses systemd-networkd takes for one .network file; None where it is not known."""
    found = re.match(r"([0-9]{1,5})(?:\.([0-9]{1,5}))?", version)
    if found is None:
        return None
    release, stable = int(found[1]), int(found[2]) if found[2] else None
    if release >= 257 or (release == 252 and stable is not None and stable >= 39):
        return _MAXIMUM
    return _MAXIMUM_BEFORE if release < 252 or (release == 252 and stable is not None) else None


def _stated(host: Host, network_file: str) -> int:
    """Return how many addresses a .network file and its drop-ins but ours state."""
    texts = _texts(host, network_file)
    return sum(len(re.findall(r"^\s*Address\s*=\s*\S", text, re.MULTILINE)) for text in texts)


def _texts(host: Host, network_file: str) -> t.List[str]:
    """Return what a .network file and its drop-ins but ours say."""
    name = os.path.basename(network_file)
    folders = ["%s/%s.d" % (directory, name) for directory in _DIRECTORIES]
    drop_ins = ["%s/%s" % (folder, one) for folder in folders for one in host.list(folder) if one.endswith(".conf")]
    return [host.read(path) or "" for path in (network_file, *drop_ins) if path != owned.networkd_drop_in(name)]


def _links_of(host: Host, name: str, links: Links) -> t.List[str]:
    """Return the interfaces that systemd-networkd configures from the .network file ``name``."""
    names = {str(link.get("ifindex")): str(link.get("ifname")) for link in links}
    return sorted(
        names.get(index, "interface %s" % index)
        for index in host.list(_LINKS)
        if decimal(index) is not None and os.path.basename(_network_file(host, decimal(index)) or "") == name
    )


def _matches_one(host: Host, network_file: str) -> bool:
    """Tell whether the [Match] section, as systemd.network(5) reads it, names a single link."""
    section = re.search(r"^\[Match\]$(.*?)(?=^\[|\Z)", host.read(network_file) or "", re.MULTILINE | re.DOTALL)
    match = settings(section.group(1) if section else "")
    for key in ("Name", "MACAddress", "PermanentMACAddress"):
        value = match.get(key, "")
        if len(value.split()) == 1 and not set(value) & set("*?[!"):
            return True
    return False


def _own_files(host: Host) -> t.List[str]:
    names = [name[: -len(".d")] for name in host.list(owned.NETWORKD_DIRECTORY) if name.endswith(".network.d")]
    return [owned.networkd_drop_in(name) for name in names]


def _at_boot(host: Host, path: str, lines: t.List[str], links: Links) -> AtBoot:
    network_file = os.path.splitext(os.path.basename(os.path.dirname(path)))[0]
    given = _in_drop_in(lines)
    for interface in _links_of(host, network_file, links):
        for address, bound in given:
            yield (interface, address), bound


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


MANAGER = Manager(NAME, _evidence, _keep, _own_files, _at_boot)
