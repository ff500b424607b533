# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that a host may have and that are not its own: a service's, which a load balancer answers for, or which
move to another host when this one fails. Whoever connects from one loses its connections then, or sends from an address
whose answers go elsewhere.

Told by keepalived.conf(5), by Pacemaker's cluster information base, by the kernel's table of IPVS, by interfaces that
only carry services, and by ``lo`` with ARP set as a real server of a load balancer has it
(https://docs.kernel.org/networking/ip-sysctl.html, arp_ignore and arp_announce). An address that a resource agent or a
script adds without any of these looks like any other.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import posixpath
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.taken_addresses import plain

_KEEPALIVED = "/etc/keepalived/keepalived.conf"
_CIB = "/var/lib/pacemaker/cib/cib.xml"
_IPVS = "/proc/net/ip_vs"

#: More files than this no include names.
_MAX_FILES = 256

#: keepalived.conf(5): ``!`` and ``#`` begin a comment; braces are words.
_COMMENT = re.compile(r"[!#].*")
_WORD = re.compile(r"[{}]|[^\s{}]+")
_BLOCKS = ("virtual_ipaddress", "virtual_ipaddress_excluded")
#: What stands in front of an address within a block that is not the virtual one.
_OF_OTHERS = ("brd", "broadcast", "peer", "via", "gw", "src")
#: include, and with what is to happen where nothing matches: keepalived.conf(5).
_INCLUDE = re.compile(r"include[rmwbfac]*\Z")

#: The cluster information base names the address of a resource agent so; agents of Debian's resource-agents.
_PRIMITIVE = re.compile(r"<primitive\b[^>]*\btype=\"(IPaddr2?|IPv6addr|IPsrcaddr)\"[^>]*>(.*?)</primitive>", re.DOTALL)
_PAIR = re.compile(r"<nvpair\b([^>]*)/?>")
_ATTRIBUTE = re.compile(r"\b(name|value)=\"([^\"]*)\"")
_ADDRESS_NAMES = ("ip", "ipv6addr", "ipaddress")

#: net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show: "TCP  C0A80001:0050 rr", "TCP  [2001:db8:...]:0050 rr".
_SERVICE = re.compile(r"(?:TCP|UDP|SCTP)\s+(?:([0-9A-F]{8})|\[([0-9a-fA-F:]+)\]):[0-9A-F]{4}\s")

#: Interfaces that carry nothing but addresses of services, and whose they are.
_INTERFACES = {
    "kube-ipvs0": "a service address of kube-proxy (kube-ipvs0)",
    "nodelocaldns": "an address of the node's DNS cache (nodelocaldns)",
}
#: At this value and above an interface does not answer for an address of another, or does not ask from it.
_ARP = (("arp_ignore", 1), ("arp_announce", 2))


def addresses(host: Host, observed: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    """Return the virtual addresses that a host has or knows of, each with what it is in words that follow "It is".

    observed: what interface_addresses.observe() returned
    """
    found: t.Dict[str, str] = {}
    for told in (_of_keepalived(host), _of_pacemaker(host), _of_ipvs(host), _of_interfaces(host, observed)):
        for address, what in told:
            found.setdefault(address, what)
    return found


def _of_keepalived(host: Host) -> t.Iterator[t.Tuple[str, str]]:
    files, known = [_KEEPALIVED], {_KEEPALIVED}
    while files:
        path = files.pop(0)
        words = list(_words(host.text(path) or ""))
        block, before = "", ""
        for index, (line, word) in enumerate(words):
            if word == "{":
                block = before
            elif word == "}":
                block = ""
            elif block in _BLOCKS or before == "virtual_server":
                address = plain(word.partition("/")[0])
                if address is not None and before not in _OF_OTHERS:
                    yield address, "a virtual address of keepalived (%s:%d)" % (path, line)
            elif _INCLUDE.match(word) and index + 1 < len(words):
                more = [one for one in _matching(host, path, words[index + 1][1]) if one not in known]
                more = more[: _MAX_FILES - len(known)]
                known.update(more)
                files += more
            before = word


def _words(text: str) -> t.Iterator[t.Tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in _WORD.findall(_COMMENT.sub("", line)):
            yield number, word


def _matching(host: Host, path: str, pattern: str) -> t.List[str]:
    """Return the files that an include names, below the directory of the file that it stands in; glob(7)."""
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), pattern.strip("\"'")))
    folder, name = posixpath.split(whole)
    return [posixpath.join(folder, one) for one in host.names(folder) if fnmatch.fnmatchcase(one, name)]


def _of_pacemaker(host: Host) -> t.Iterator[t.Tuple[str, str]]:
    for _agent, inside in _PRIMITIVE.findall(host.text(_CIB) or ""):
        for pair in _PAIR.findall(inside):
            of = dict(_ATTRIBUTE.findall(pair))
            address = plain(of.get("value"))
            if of.get("name") in _ADDRESS_NAMES and address is not None:
                yield address, "a virtual address of Pacemaker (%s)" % _CIB


def _of_ipvs(host: Host) -> t.Iterator[t.Tuple[str, str]]:
    for packed, text in _SERVICE.findall(host.text(_IPVS) or ""):
        address = str(ipaddress.IPv4Address(int(packed, 16))) if packed else plain(text)
        if address is not None:
            yield address, "the address of a service of IPVS (%s)" % _IPVS


def _of_interfaces(host: Host, observed: t.Mapping[str, t.Any]) -> t.Iterator[t.Tuple[str, str]]:
    for entry in observed["addresses"]:
        if entry["interface"] in _INTERFACES:
            yield entry["address"], _INTERFACES[entry["interface"]]
    names = ["all", "lo", *sorted({route["interface"] for route in observed["default_routes"]})]
    for setting, least in _ARP:
        values = (host.number("/proc/sys/net/ipv4/conf/%s/%s" % (name, setting)) for name in names)
        if all(value is None or value < least for value in values):
            return
    for entry in observed["addresses"]:
        if (entry["interface"], entry["family"], entry["prefix"], entry["scope"]) == ("lo", 4, 32, "global"):
            yield entry["address"], "an address of a load balancer on lo (arp_ignore and arp_announce are set)"
