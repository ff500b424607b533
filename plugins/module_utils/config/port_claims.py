# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that somebody will want although nobody listens on them now, by the host's files.

* Socket units of systemd that are enabled: a stopped one listens again at the next reboot.
* NodePorts of Kubernetes. kube-proxy redirects them in the packet filter and opens no socket, so that a local port out
  of their range works for the host and, once a service gets that very NodePort, no longer.

Not here, because a socket shows them: ports that Docker and podman publish (the proxy of Docker, or dockerd itself
where userland-proxy is off, and podman's conmon hold one open).
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import place_of


class Claim(t.NamedTuple):
    """Ports from ``low`` to ``high``; why they will be wanted, and the file that says so, line 0 where none does."""

    low: int
    high: int
    why: str
    path: str
    line: int

    @property
    def ports(self) -> t.Set[int]:
        return set(range(self.low, self.high + 1))

    @property
    def by(self) -> str:
        return place_of(self.path, self.line)

    def as_dict(self) -> t.Dict[str, str]:
        """Return the claim as a snapshot has it."""
        return {"ports": port_set.format_kernel_list(self.ports), "why": self.why, "by": self.by}


def claims(host: Host) -> t.List[Claim]:
    """Return what the host's files claim, in no order of ports."""
    units = systemd_limits.units(host)
    return socket_units(host, units) + node_ports(host, units)


# --- socket units ---

#: src/basic/socket-util.c and in-addr-util.c: a port, IPv4:port, [IPv6]:port and %interface behind. Everything else
#: that may stand there is a path, an abstract name or vsock.
_LISTEN_ADDRESS = re.compile(r"(?:(?:[0-9.]+|\[[0-9a-fA-F:.]+\]):)?(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})(?:%\S+)?")
_SPECIFIER = re.compile("%(.)")
#: A statement of either kind; the empty one takes back all of both (src/core/load-fragment.c,
#: config_parse_socket_listen).
_LISTEN_KEYS = ("ListenStream", "ListenDatagram")
_OTHER_LISTEN_KEYS = ("ListenSequentialPacket", "ListenFIFO", "ListenSpecial", "ListenNetlink", "ListenMessageQueue")


def socket_units(host: Host, units: systemd_limits.Units) -> t.List[Claim]:
    """Return the ports of the enabled socket units."""
    found = []
    for name in sorted({units.real_name(unit) for unit in units.wanted() if unit.endswith(".socket")}):
        if units.is_masked(name):
            continue
        for path, line, value in _listens(host, units.files(name)):
            port = listen_port(_expanded(value, name))
            if port is not None:
                found.append(Claim(port, port, "the enabled %s" % name, path, line))
    return found


def _listens(host: Host, paths: t.Iterable[str]) -> t.List[t.Tuple[str, int, str]]:
    """Return path, line and value of each address of TCP or UDP that the files leave standing, read in this order."""
    standing: t.List[t.Tuple[str, int, str]] = []
    for path in paths:
        text = host.read(path) or ""
        lines = [
            (line, key, value)
            for key in _LISTEN_KEYS + _OTHER_LISTEN_KEYS
            for line, value in systemd_limits.assignments(text, "Socket", key)
        ]
        for line, key, value in sorted(lines):
            if not value:
                standing = []
            elif key in _LISTEN_KEYS:
                standing.append((path, line, value))
    return standing


def listen_port(value: str) -> t.Optional[int]:
    """Return the port of an address as ListenStream= has it; None for what is none, or what systemd refuses."""
    found = _LISTEN_ADDRESS.fullmatch(value)
    if found is None:
        return None
    # safe_atou16, any base that C knows
    digits = found.group(1)
    base = 16 if digits[:2] in ("0x", "0X") else 8 if len(digits) > 1 and digits[0] == "0" else 10
    try:
        port = int(digits, base)
    except ValueError:
        return None
    return port if 1 <= port <= port_set.HIGHEST_PORT else None


def _expanded(value: str, unit: str) -> str:
    """Put in place the specifiers that a port may stand in (systemd.unit(5)); others stay, and make it no port."""
    prefix, _at, instance = unit[: -len(".socket")].partition("@")
    last = prefix.rpartition("-")[2]
    known = {"i": instance, "I": instance, "p": prefix, "P": prefix, "j": last, "J": last, "%": "%"}
    return _SPECIFIER.sub(lambda match: known.get(match.group(1), match.group(0)), value)


# --- Kubernetes ---

_DEFAULT_NODE_PORTS = (30000, 32767)
_NODE_PORTS = "NodePorts of Kubernetes"

#: What is there on a node, of kubeadm and most others, EKS, k3s, RKE2, k0s, MicroK8s.
_NODE = (
    "/var/lib/kubelet",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/etc/kubernetes/manifests",
    "/etc/kubernetes/kubelet",
    "/etc/kubernetes/pki",
    "/var/lib/kube-proxy",
    "/etc/rancher/k3s",
    "/etc/rancher/rke2",
    "/etc/rancher/node",
    "/var/lib/rancher/k3s",
    "/var/lib/rancher/rke2",
    "/etc/k0s",
    "/var/lib/k0s",
    "/var/snap/microk8s",
)
#: Those that start a kubelet or an API server, whose command line may name the range.
_UNITS = (
    "kubelet.service",
    "kube-apiserver.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "k0scontroller.service",
    "k0sworker.service",
    "snap.microk8s.daemon-kubelite.service",
)
#: Where a server's range is set. A worker's files do not say it: there the usual range counts.
_MANIFESTS = (
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/etc/kubernetes/manifests/kube-apiserver.yml",
    "/etc/kubernetes/manifests/kube-apiserver.manifest",
    "/var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml",
    "/var/snap/microk8s/current/args/kube-apiserver",
    "/etc/k0s/k0s.yaml",
)
_RANCHER = ("/etc/rancher/k3s/config.yaml", "/etc/rancher/rke2/config.yaml")

#: The option in a command line, in a list of arguments of YAML, as a key of YAML.
_OPTION = re.compile(
    r"service-node-port-range[\s=:'\"\\,\[>|-]*?(?<![0-9])([0-9]{1,5})(?:([-+])([0-9]{1,5}))?(?![0-9])"
)
_COMMENT = re.compile(r"^[ \t]*[#;].*$|[ \t]#.*$", re.MULTILINE)


def node_ports(host: Host, units: systemd_limits.Units) -> t.List[Claim]:
    """Return the range of NodePorts where the host is a node of Kubernetes."""
    evidence = host.first(_NODE) or next((path for path in map(units.file, _UNITS) if path is not None), None)
    if evidence is None:
        return []
    paths = list(_MANIFESTS)
    for path in _RANCHER:
        # config.yaml.d comes after config.yaml, in the order of names (k3s, pkg/configfilearg).
        paths += [path] + ["%s.d/%s" % (path, name) for name in host.list(path + ".d")]
    # A command line wins over a file.
    for unit in _UNITS:
        paths += units.files(unit)
    stated = [(path, found) for path in paths for found in [node_port_range(host.read(path) or "")] if found]
    if stated:
        path, (low, high, line) = stated[-1]
        return [Claim(low, high, _NODE_PORTS, path, line)]
    return [Claim(*_DEFAULT_NODE_PORTS, _NODE_PORTS, evidence, 0)]


def node_port_range(text: str) -> t.Optional[t.Tuple[int, int, int]]:
    """Return the first port, the last, and the line of the last valid --service-node-port-range that a text has.

    ``30000-32767``, ``30000+2767`` or one port (k8s.io/apimachinery, pkg/util/net, ParsePortRange).
    """
    # Blanks in the place of a comment keep the lines.
    text = _COMMENT.sub("", text)
    found = None
    for match in _OPTION.finditer(text):
        low, sign, second = int(match.group(1)), match.group(2), match.group(3)
        high = low if second is None else int(second) if sign == "-" else low + int(second)
        if 1 <= low <= high <= port_set.HIGHEST_PORT:
            found = (low, high, text.count("\n", 0, match.start(1)) + 1)
    return found
