# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that reads a host below a folder, and a watch over what is opened meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

from sample_host import LINKS, OBSERVATION

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import (
    drop_in,
    metrics_file,
    originals,
    sysctl_change,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    address_record,
    address_watch,
    boot_routes,
    network_providers,
    systemd_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    conntrack,
    containment,
    memory_guard,
    socket_count,
    ssh_session,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    hard_limits,
    safety_check,
    session_ways,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.probe import constraints
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

_WAYS = session_ways.WAYS
_ASKED = safety_check.CheckRequest(
    nofile_hard=2000000, nofile_soft="5", nr_open=3000000, domains=["*", "root", "@load", "tester", "1000:1010"],
    units=["ssh.service", "load@1.service"], systemd_default=True,
)  # fmt: skip
_KEYS = KeysRequest(
    floors={"fs.nr_open": 2000000, "net.netfilter.nf_conntrack_max": 5, "kernel.pid_max": 1},
    values={"net.ipv4.ip_local_port_range": "1024 65535", "net.core.somaxconn": 5, "net.ipv4.tcp_tw_reuse": "1"},
    reserved_ports=["9000-9010"],
    reserve_listeners=True,
)


def _nofile(root: str, **changes: t.Any) -> object:
    asked = _ASKED._replace(**changes)
    return [safety_check.report(Host(root), asked), safety_check.check(Host(root, live=True), asked)]


def _drop_ins(root: str) -> object:
    paths = (owned.SYSCTL_DROP_IN, owned.LIMITS_DROP_IN, owned.MANAGER_DROP_IN, owned.unit_drop_in("x.service"))
    changes = [drop_in.plan(Host(root), path, None) for path in paths]
    return [(change, drop_in.is_due(Host(root), change)) for change in changes]


def _providers(root: str) -> object:
    found: list[object] = [network_providers.own_files(Host(root)), network_providers.persisted(Host(root), LINKS)]
    found += [boot_routes.persisted(Host(root)), boot_routes.find(Host(root))]
    found += [address_watch.python(Host(root)), address_watch.is_behind(Host(root))]
    with contextlib.suppress(Refusal):
        found.append(address_watch.find(Host(root), {"batch": owned.NETWORKMANAGER_BATCH}))
    for provider in (*network_providers.providers(), "auto"):
        with contextlib.suppress(Refusal):
            found.append(network_providers.find(Host(root), "provider", provider, "eth0", LINKS, "method", 5000))
    return found


def _metrics(root: str) -> object:
    text = "# HELP %s %s\n" % (owned.METRICS_FIRST, owned.METRICS_MARK)
    planned = [metrics_file.plan(Host(root), owned.METRICS_DIRECTORY, wanted, remember=True) for wanted in (text, None)]
    return [metrics_file.plan_back(Host(root)), *planned]


def _sums(root: str) -> object:
    looked = Host(root)
    return (
        socket_count.count(root),
        socket_count.listeners(root),
        memory_guard.left(looked, lambda total: total // 10),
        constraints.conntrack_full(looked),
        conntrack.read(looked, 5, containment.in_container(Host(root))),
        hard_limits.limits_above(Host(root), 1000),
        session_ways.kept_from(systemd_limits.units(looked), session_ways.SSH),
    )


#: What reads a host, by name. A snapshot raises nothing at all: what it cannot read it names.
READERS: dict[str, t.Callable[[str], object]] = {
    "snapshot": lambda root: whole.snapshot(Host(root), OBSERVATION, whole.SnapshotRequest()),
    "snapshot of some": lambda root: whole.snapshot(
        Host(root),
        OBSERVATION,
        whole.SnapshotRequest(("tester",), ("ssh.service", "load@1.service"), ("sshd",), ways=_WAYS),
    ),
    "nofile_check": _nofile,
    "nofile_check of what is needed": lambda root: _nofile(root, users=["root", "tester"], needed=100000, ways=_WAYS),
    "nofile_check without own": lambda root: _nofile(root, state="absent", nofile_hard=None, nofile_soft=None),
    "sysctl_apply": lambda root: sysctl_change.plan_present(Host(root), _KEYS),
    "sysctl_apply absent": lambda root: (
        sysctl_change.plan_absent(hard_limits.without_own(Host(root))),
        sysctl_change.own_files(Host(root)),
        originals.back(Host(root)),
    ),
    "drop_in": _drop_ins,
    "source_addresses": _providers,
    "its session": lambda root: ssh_session.peers(Host(root), 77),
    "its record": lambda root: address_record.prefixes_in_order(address_record.recorded(Host(root)).routes),
    "metrics_file": _metrics,
    "sums": _sums,
}


def read_all(root: str) -> t.Iterator[tuple[str, object]]:
    """Have every reader read the host below ``root``; raise what none of them may.

    Modules show a Refusal, the ValueError of a record that is not ours, and the OSError of a file that cannot be read.
    """
    for name, read in READERS.items():
        try:
            yield name, read(root)
        except (Refusal, OSError, ValueError) as error:
            if not _is_shown(name, error):
                raise


def _is_shown(name: str, error: Exception) -> bool:
    """Tell whether a module shows the error of a reader; of a snapshot only who or what was asked for is refused."""
    if isinstance(error, Refusal):
        return name != "snapshot"
    if name.startswith("snapshot"):
        return False
    if isinstance(error, OSError):
        return bool(error.filename and error.strerror)
    return "is not the JSON that was written there" in str(error)


class Watch:
    """Notes what is opened outside of a root, the folder that stands for a host."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.outside: list[str] = []
        # A hook stays for as long as the process; without a root it does nothing.
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[t.Any, ...]) -> None:
        if self.root is None or event not in ("open", "os.listdir", "os.scandir", "os.chdir", "glob.glob"):
            return
        place = arguments[0]
        if isinstance(place, (str, bytes)):
            real = os.path.realpath(os.fsdecode(place))
            if not (real + "/").startswith(self.root + "/"):
                self.outside.append("%s %r, which is %s" % (event, place, real))

    @contextlib.contextmanager
    def over(self, root: str) -> t.Iterator[None]:
        self.root, self.outside = os.path.realpath(root), []
        try:
            yield
        finally:
            self.root = None
        assert self.outside == []
