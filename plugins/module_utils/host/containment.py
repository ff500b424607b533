# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host is a container, what its namespaces are, and who owns a sysctl key: it, or the machine under it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import cgroup_paths, mounts
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host, looked_at_once

#: Left by the container manager for whoever runs inside: systemd's Container Interface
#: (/run/systemd/container is written by PID 1 from its own $container), Podman, Docker.
_WRITTEN = ("/run/systemd/container", "/run/host/container-manager")
_MARKS = {"/run/.containerenv": "podman", "/.dockerenv": "docker"}

#: kubelet tells every container where the cluster's own service is (pkg/kubelet/kubelet_pods.go, getServiceEnvVarMap).
_KUBERNETES = "KUBERNETES_SERVICE_HOST"

#: The first namespace of a kind, by include/linux/proc_ns.h: PROC_PID_INIT_INO and its like.
_FIRST = {"cgroup": 0xEFFFFFFB, "pid": 0xEFFFFFFC, "user": 0xEFFFFFFD}

#: uid_map of the first user namespace (user_namespaces(7)); another can have the same, and tells by its number.
_EVERY_UID = ["0", "0", "4294967295"]


#: The namespaces that own keys outside net.*: ipc/ipc_sysctl.c, ipc/mq_sysctl.c, kernel/utsname_sysctl.c.
_OWN_KEYS = frozenset(("kernel.auto_msgmni", "kernel.domainname", "kernel.hostname", "kernel.sem"))
_OWN_PREFIXES = ("fs.mqueue.", "kernel.msg", "kernel.shm")


def in_container(host: Host) -> bool:
    """Tell whether the host is a container and shares its kernel with a machine."""
    return container_kind(host) is not None


def container_kind(host: Host) -> t.Optional[str]:
    """Return whose container the host is, such as ``lxc``; "" for one of unknown kind, None for none.

    Each of these is enough:

    * the mark of a container manager: a file, or ``container=`` in PID 1's environment;
    * Kubernetes' variables in PID 1's environment; in our own, which a person may have set, only where the network or
      the root is no machine's either;
    * a control group of PID 1, or of ours, that a container manager makes for a container;
    * a user namespace that is not the first: there nobody may write the machine's keys;
    * a PID namespace that is not the first. The distributions of WSL2 have them, yet no machine under them but the
      virtual machine that is theirs: they are hosts;
    * root on an overlay in a network namespace that is not the first, and is PID 1's: a live system's root is one as
      well, but its network is the machine's, and ``ip netns exec`` and PrivateNetwork= leave PID 1 where it is.

    The last two are none where the namespace of control groups is known to be the first. Container managers make that
    as well, or else the path of the group has told; a person's unshare(1) and PrivatePIDs= of a service do neither.

    Beside the machine's own PID 1 none of them counts: a mark is then left of the image that the machine was made of.
    """
    return host.present.once(container_kind, lambda: _look(host.present))


def _look(host: Host) -> t.Optional[str]:
    if _is_machine(host):
        return None
    marked = _kind_by_marks(host)
    return _kind_by_kernel(host) if marked is None else marked


def _is_machine(host: Host) -> bool:
    """Tell whether PID 1 beside us is the machine's own: in a container its PID or our mount namespace is another."""
    mine, of_init = (host.link("/proc/%s/ns/mnt" % process) for process in ("self", "1"))
    beside = mine is not None and mine == of_init
    return beside and bool(_is_first(host, "1", "pid")) and in_first_user_namespace(host)


def _kind_by_marks(host: Host) -> t.Optional[str]:
    """Return what a container manager has left for whoever runs inside."""
    first, own = _environment(host, "1"), _environment(host, "self")
    if _KUBERNETES in first or (_KUBERNETES in own and not (owns_network(host) and not _root_is_overlay(host))):
        return "kubernetes"
    for path in _WRITTEN:
        written = _text(host, path)
        if written.strip():
            return written.strip()
    for mark, kind in _MARKS.items():
        if host.exists(mark):
            return kind
    if "container" in first:
        return first["container"]
    return "" if any(host.exists(path) for path in _WRITTEN) else None


def _kind_by_kernel(host: Host) -> t.Optional[str]:
    """Return what the kernel shows of a container that no manager has marked."""
    for process in ("1", "self"):
        for path in cgroup_paths.paths(_text(host, "/proc/%s/cgroup" % process)).values():
            kind = cgroup_paths.container(path)
            if kind is not None:
                return kind
    if not in_first_user_namespace(host):
        return ""
    groups = [_is_first(host, process, "cgroup") for process in ("self", "1")]
    if next((first for first in groups if first is not None), False):
        return None
    if False in (_is_first(host, process, "pid") for process in ("self", "1")) and not is_wsl(host):
        return ""
    if not owns_network(host) and _shares_network_with_init(host) and _root_is_overlay(host):
        return ""
    return None


@looked_at_once
def in_first_user_namespace(host: Host) -> bool:
    """Tell whether the host's own user namespace is the machine's first; taken for it where nothing tells."""
    for process in ("self", "1"):
        if _is_first(host, process, "user") is False:
            return False
        map_of = _text(host, "/proc/%s/uid_map" % process).split()
        if map_of not in ([], _EVERY_UID):
            return False
    return True


def _is_first(host: Host, process: str, kind: str) -> t.Optional[bool]:
    """Tell whether a namespace of a process is the machine's first, None where it may not be looked at."""
    number = re.fullmatch(r"%s:\[([0-9]{1,10})\]" % kind, host.link("/proc/%s/ns/%s" % (process, kind)) or "")
    return None if number is None else int(number.group(1)) == _FIRST[kind]


def _shares_network_with_init(host: Host) -> bool:
    mine, of_init = (host.link("/proc/%s/ns/net" % process) for process in ("self", "1"))
    return mine is None or of_init is None or mine == of_init


def _root_is_overlay(host: Host) -> bool:
    mount = mounts.covering(mounts.parse(_text(host, "/proc/self/mountinfo")), "/")
    return mount is not None and mount.kind in ("overlay", "fuse.fuse-overlayfs", "aufs")


def is_wsl(host: Host) -> bool:
    """Tell whether the kernel is that of the Windows Subsystem for Linux, by the name of its release."""
    return "microsoft" in _text(host, "/proc/sys/kernel/osrelease").lower()


def _environment(host: Host, process: str) -> t.Dict[str, str]:
    """Return the environment that a process was started with."""
    entries = (entry.partition("=") for entry in _text(host, "/proc/%s/environ" % process).split("\0"))
    return {name: value for name, equals, value in entries if equals}


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path) or ""
    except OSError:
        # Not ours to read.
        return ""


def owns_network(host: Host) -> bool:
    """Tell whether this is the machine's first network namespace.

    net.ipv4.tcp_mem is registered for the first one only (net/ipv4/sysctl_net_ipv4.c, ipv4_table
    against ipv4_net_table), so its presence is the one sign that needs no privilege.
    """
    return host.exists("/proc/sys/net/ipv4/tcp_mem")


def is_machine_wide(host: Host, key: str) -> bool:
    """Tell whether ``key``, asked inside a container, belongs to the machine under it.

    Writing such a key from a privileged container works, and changes every other tenant: the
    collection never does.
    """
    if key.startswith("net."):
        return owns_network(host)
    return not (key in _OWN_KEYS or key.startswith(_OWN_PREFIXES))
