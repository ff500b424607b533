# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kube-proxy, alone or within k3s and RKE2, makes of nf_conntrack_max when it starts.

cmd/kube-proxy/app, getConntrackMax: conntrack.maxPerCore (32768) times the processors, at least conntrack.min
(131072); a maxPerCore of 0 leaves the value alone. Some releases only raise the value (those from kubernetes pull
request 103174 to 120448, and again from 142035 on), the others set it, up or down. k3s does the same by the same
arguments.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config.sysctl_d import Setting
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

KEY = "net.netfilter.nf_conntrack_max"
_PER_CORE, _LEAST = 32768, 131072

#: Configurations of kube-proxy itself (KubeProxyConfiguration).
_FILES = (
    "/var/lib/kube-proxy/config.conf",
    "/var/lib/kube-proxy/kube-proxy-config.yaml",
    "/var/lib/kube-proxy/kubeproxy-config.yaml",
    "/var/lib/kube-proxy/config.yaml",
    "/etc/kubernetes/kube-proxy-config.yaml",
    "/etc/kubernetes/kube-proxy.yaml",
)
#: What kubelet has mounted into the pods of kubeadm's DaemonSet.
_PODS = "/var/lib/kubelet/pods"
_OF_POD = "volumes/kubernetes.io~configmap/kube-proxy/config.conf"
_MAX_PODS = 1000
#: Static pods and argument files, where the command line stands.
_ARGUMENTS = (
    "/etc/kubernetes/manifests/kube-proxy.yaml",
    "/etc/kubernetes/manifests/kube-proxy.manifest",
    "/var/lib/rancher/rke2/agent/pod-manifests/kube-proxy.yaml",
    "/var/snap/microk8s/current/args/kube-proxy",
    "/etc/kubernetes/proxy",
    "/etc/sysconfig/kube-proxy",
    "/etc/default/kube-proxy",
)
#: k3s and RKE2: their configuration, and the units whose command lines and environments are read.
_RANCHER = ("k3s", "rke2")
_UNITS = (
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "kube-proxy.service",
    "snap.microk8s.daemon-kubelite.service",
)
_NODE = ("/var/lib/kubelet", "/etc/kubernetes", "/var/lib/kube-proxy", "/var/lib/rancher", "/var/snap/microk8s")
_PROCESSES = ("kube-proxy", "k3s-server", "k3s-agent", "k3s", "rke2", "kubelite")

_OPTION = re.compile(
    r"(?:conntrack-max-per-core|maxPerCore)[\"']?(?:=|:|\s)\s*[\"']?([0-9]+)|"
    r"(?:conntrack-min|\bmin)[\"']?(?:=|:|\s)\s*[\"']?([0-9]+)"
)


class _Found:
    """What a node's files say, and where; of each number the last that was told."""

    def __init__(self) -> None:
        self.place: t.Optional[t.Tuple[str, int]] = None
        self.per_core: t.Optional[int] = None
        self.minimum: t.Optional[int] = None
        self.off = False

    def present(self, path: str, line: int = 1) -> None:
        """Remember where it is that kube-proxy is told of, until a line of its own is found."""
        self.place = self.place or (path, line)

    def take(self, path: str, text: str, sections: bool) -> None:
        """Read the two numbers; ``sections``: as YAML, below ``conntrack:`` alone."""
        inside = not sections
        for number, line in enumerate(text.split("\n"), start=1):
            if line.lstrip().startswith("#"):
                continue
            if sections and line.strip() and not line[:1].isspace():
                inside = line.startswith("conntrack:")
            for per_core, minimum in _OPTION.findall(line) if inside else ():
                if per_core:
                    self.per_core, self.place = decimal(per_core), (path, number)
                else:
                    self.minimum = decimal(minimum)
                    self.place = self.place if self.per_core is not None else (path, number)


def conntrack_max(host: Host, cpus: t.Optional[int] = None) -> t.Optional[Setting]:
    """Return what kube-proxy will set, None where there is none, or where it is told to leave the value.

    cpus: the processors of the host, looked up where they are not given
    """
    found = _Found()
    _by_process(host, found)
    _by_rancher(host, found)
    _by_files(host, found)
    if found.place is None or found.off:
        return None
    per_core = _PER_CORE if found.per_core is None else found.per_core
    if not per_core:
        return None
    count = cpus or _processors(host)
    minimum = _LEAST if found.minimum is None else found.minimum
    value = max(per_core * count, minimum)
    who = (
        "kube-proxy, which may set it back when it starts: conntrack.maxPerCore %d for each of %d processors, at least "
        "conntrack.min %d; conntrack.maxPerCore 0 leaves it" % (per_core, count, minimum)
    )
    return Setting(KEY, str(value), found.place[0], found.place[1], who)


def _by_process(host: Host, found: _Found) -> None:
    """Look for one that runs, where anything says that this is a node: not every host has its processes read."""
    if host.live and not any(host.exists(place) for place in _NODE):
        return
    for name in host.names("/proc"):
        if decimal(name) is not None and _name_of(host, name) in _PROCESSES:
            path = "/proc/%s/cmdline" % name
            found.present(path)
            found.take(path, (host.text(path) or "").replace("\0", " "), False)


def _name_of(host: Host, pid: str) -> str:
    try:
        return (host.read("/proc/%s/comm" % pid) or "").strip()
    except OSError:
        # It has ended meanwhile.
        return ""


def _by_rancher(host: Host, found: _Found) -> None:
    for name in _RANCHER:
        path = "/etc/rancher/%s/config.yaml" % name
        paths = [path] + ["%s.d/%s" % (path, one) for one in host.names(path + ".d")]
        for one in paths:
            text = host.text(one)
            if text is not None:
                found.present(one)
                found.take(one, text, False)
                found.off = found.off or re.search(r"^disable-kube-proxy:\s*[\"']?true", text, re.MULTILINE) is not None


def _by_files(host: Host, found: _Found) -> None:
    for path in _unit_files(host) + [*_ARGUMENTS]:
        text = host.text(path)
        if text is not None:
            found.present(path)
            found.take(path, text, False)
            found.off = found.off or re.search(r"--disable-kube-proxy(?![=]?false)", text) is not None
    pods = ["%s/%s/%s" % (_PODS, name, _OF_POD) for name in host.names(_PODS)[:_MAX_PODS]]
    for path in [*_FILES, *pods]:
        text = host.text(path)
        if text is not None:
            found.present(path)
            found.take(path, text, True)


def _unit_files(host: Host) -> t.List[str]:
    found = []
    for directory in ("/usr/lib/systemd/system", "/usr/local/lib/systemd/system", owned.UNIT_DIRECTORY):
        for unit in _UNITS:
            path = "%s/%s" % (directory, unit)
            found += [path, path + ".env"] + ["%s.d/%s" % (path, name) for name in host.names(path + ".d")]
    return found


def _processors(host: Host) -> int:
    """Return the processors that /proc/cpuinfo shows; one where it cannot be read."""
    text = host.text("/proc/cpuinfo") or ""
    return max(len(re.findall(r"^processor\s*:", text, re.MULTILINE)), 1)
