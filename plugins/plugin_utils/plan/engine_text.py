# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to paste where a container comes from: options, files of Docker, Podman, Compose and Kubernetes. Pure.

tests/engines has the real ones read each of these texts.
"""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import COMPOSE, DOCKER, KUBERNETES, PODMAN

#: Which keys a kubelet lets a pod have without being told, and the release of Kubernetes since which it does; "" for
#: those before 1.27 (kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster, "Safe and Unsafe Sysctls";
#: pkg/kubelet/sysctl/safe_sysctls.go). Any other has to be in its allowedUnsafeSysctls.
SAFE_SINCE = {
    "kernel.shm_rmid_forced": "",
    "net.ipv4.ip_local_port_range": "",
    "net.ipv4.ip_unprivileged_port_start": "",
    "net.ipv4.ping_group_range": "",
    "net.ipv4.tcp_syncookies": "",
    "net.ipv4.ip_local_reserved_ports": "1.27",
    "net.ipv4.tcp_fin_timeout": "1.29",
    "net.ipv4.tcp_keepalive_intvl": "1.29",
    "net.ipv4.tcp_keepalive_probes": "1.29",
    "net.ipv4.tcp_keepalive_time": "1.29",
    "net.ipv4.tcp_rmem": "1.32",
    "net.ipv4.tcp_wmem": "1.32",
    "net.ipv4.tcp_notsent_lowat": "1.37",
    "net.ipv4.tcp_slow_start_after_idle": "1.37",
}

#: --service-node-port-range of kube-apiserver, as it is by default.
_NODE_PORTS = (30000, 32767)


class Given(t.NamedTuple):
    """What is to be said, as container.of_plan() returns it; ``left``: keys of the machine that nobody sets yet."""

    sysctls: t.Mapping[str, str]
    soft: int
    hard: int
    left: t.Mapping[str, str]
    host: bool


class Text(t.NamedTuple):
    """What to paste: where, what to know of it, and the text, whose lines end with a line feed."""

    place: str
    note: str
    text: str


def texts(engine: str, given: Given) -> list[Text]:
    """Return what to paste for an engine, that of the container first and that of the machine last."""
    return [*_TEXTS[engine](given), *_machine(given)]


def _docker(given: Given) -> list[Text]:
    ulimit = {"nofile": {"Name": "nofile", "Soft": given.soft, "Hard": given.hard}}
    return [
        Text("docker run", "Options. --sysctl is refused with --network host.", _options(given, _assigned)),
        Text(
            "/etc/docker/daemon.json",
            "In the place of --ulimit, for every new container, once dockerd has been restarted. Without both, Docker "
            "29 gives it the LimitNOFILE= of its service.",
            json.dumps({"default-ulimits": ulimit}, indent=2) + "\n",
        ),
    ]


def _podman(given: Given) -> list[Text]:
    quadlet = ["Sysctl=%s\n" % _quadlet(_csv(_assigned(*one))) for one in given.sysctls.items()]
    return [
        Text(
            "podman run",
            "Options. --sysctl is refused with --network host. Without root, nofile is at most the hard limit of the "
            "user who runs it.",
            _options(given, lambda key, value: _csv(_assigned(key, value))),
        ),
        Text(
            "NAME.container",
            "A quadlet, of Podman 4.4 and later.",
            "[Container]\n%sUlimit=nofile=%d:%d\n" % ("".join(quadlet), given.soft, given.hard),
        ),
        Text(
            "/etc/containers/containers.conf",
            "In the place of --ulimit, for every new container. It replaces the list of files that come before it.",
            '[containers]\ndefault_ulimits = ["nofile=%d:%d"]\n' % (given.soft, given.hard),
        ),
    ]


def _compose(given: Given) -> list[Text]:
    lines = ["services:", "  client:"]
    if given.sysctls:
        lines += ["    sysctls:", *("      %s: %s" % (key, _yaml(value)) for key, value in given.sysctls.items())]
    lines += ["    ulimits:", "      nofile:", "        soft: %d" % given.soft, "        hard: %d" % given.hard]
    note = "Of the service, which is called client here. sysctls are refused with network_mode: host."
    return [Text("compose.yaml", note, _lines(lines))]


def _kubernetes(given: Given) -> list[Text]:
    found = []
    if given.sysctls:
        lines = ["spec:", "  securityContext:", "    sysctls:"]
        for key, value in given.sysctls.items():
            lines += ["      - name: %s" % key, "        value: %s" % _yaml(value)]
        note = "Of a Deployment and the like spec.template.spec. net.* is refused with hostNetwork."
        found.append(Text("the pod", note + _node_ports(given), _lines(lines)))
    unsafe = [key for key in given.sysctls if SAFE_SINCE.get(key) != ""]
    if unsafe:
        lines = ["apiVersion: kubelet.config.k8s.io/v1beta1", "kind: KubeletConfiguration", "allowedUnsafeSysctls:"]
        lines += ["  - %s%s" % (key, _since(key)) for key in unsafe]
        note = "Of each node on which the pod may run: a kubelet that does not allow a key does not start the pod."
        found.append(Text("the kubelet's configuration", note, _lines(lines)))
    return [
        *found,
        Text(
            "/etc/systemd/system/containerd.service.d/nofile.conf",
            "Of the nodes. A pod cannot state a nofile: its containers have that of containerd, once that has been "
            "restarted. Leave it where it is higher.",
            "[Service]\nLimitNOFILE=%d:%d\n" % (given.soft, given.hard),
        ),
        Text(
            "/etc/crio/crio.conf.d/99-nofile.conf",
            "Of nodes with CRI-O.",
            '[crio.runtime]\ndefault_ulimits = ["nofile=%d:%d"]\n' % (given.soft, given.hard),
        ),
    ]


_TEXTS: dict[str, t.Callable[[Given], list[Text]]] = {
    DOCKER: _docker,
    PODMAN: _podman,
    COMPOSE: _compose,
    KUBERNETES: _kubernetes,
}


def _machine(given: Given) -> list[Text]:
    """Return the variables of the role that sets what no engine can; a floor lowers nothing."""
    place, floors, values = "the machine, role sysctl", "sysctl_floors", "sysctl_exact_values"
    note = "No engine can set these for a container. Role tune has them as tune_sysctl_floors and tune_sysctl_values."
    if not given.host:
        place, floors, values = "this host, role tune", "tune_sysctl_floors", "tune_sysctl_values"
        note = "A container with a network of its own is forwarded, and the host tracks its connections."
    lines = []
    for variable, numbers in ((floors, True), (values, False)):
        keys = {key: value for key, value in given.left.items() if (decimal(value) is not None) is numbers}
        lines += ["%s:" % variable] if keys else []
        lines += ["  %s: %s" % (key, value if numbers else _yaml(value)) for key, value in keys.items()]
    return [Text(place, note, _lines(lines))] if lines else []


def _node_ports(given: Given) -> str:
    """Return what is to be known of NodePorts where a pod shares the network of a node with such a port range."""
    ends = given.sysctls.get(PORT_RANGE, "").split()
    if len(ends) != 2 or ranges.overlap((int(ends[0]), int(ends[1])), _NODE_PORTS) is None:
        return ""
    return (
        " The range of a node itself must leave out its NodePorts, %d-%d by default: role tune reserves them there."
        % _NODE_PORTS
    )


def _since(key: str) -> str:
    release = SAFE_SINCE.get(key)
    return "  # only before Kubernetes %s" % release if release else ""


def _options(given: Given, argument: t.Callable[[str, str], str]) -> str:
    """Return the options of ``run``, as a shell takes them, on one line."""
    words = []
    for one in given.sysctls.items():
        words += ["--sysctl", argument(*one)]
    return shlex.join([*words, "--ulimit", "nofile=%d:%d" % (given.soft, given.hard)]) + "\n"


def _assigned(key: str, value: str) -> str:
    return "%s=%s" % (key, value)


def _csv(word: str) -> str:
    """Return an argument of Podman's --sysctl, which is a list with commas in it (spf13/pflag, StringSlice)."""
    return '"%s"' % word.replace('"', '""') if "," in word or '"' in word else word


def _quadlet(word: str) -> str:
    """Return one word of a unit file (systemd.syntax(7), systemd.unit(5)); no value of a key has a quote."""
    word = word.replace("%", "%%")
    if '"' in word:
        return "'%s'" % word
    return '"%s"' % word if " " in word else word


def _yaml(text: str) -> str:
    """Return a text in YAML, in which JSON is: a bare 1 would be a number, which a pod refuses."""
    return json.dumps(text)


def _lines(lines: t.Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)
