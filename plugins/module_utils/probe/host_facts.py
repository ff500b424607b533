# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be known of a host, and whether it fits the request, before the first connection."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import struct
import subprocess
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import worker_process
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.failures import ProbeFailed
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.request import ProbeRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values import port_set
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


class Facts(t.NamedTuple):
    """What has to be known of this host before the first connection.

    ports:     the first and the last port that the kernel chooses from
    usable:    how many of them are not reserved
    narrowing: a socket can have a range of its own (IP_LOCAL_PORT_RANGE)
    nofile:    how many descriptors a worker can have
    """

    ports: t.Tuple[int, int]
    usable: int
    narrowing: bool
    nofile: int


def look_at_host(request: ProbeRequest, before: str) -> Facts:
    """Return what a probe needs to know. raises: Refusal, ProbeFailed"""
    ports = _port_range()
    reserved = _reserved()
    usable = sum(1 for port in range(ports[0], ports[1] + 1) if port not in reserved)
    _check_held(before, request)
    nofile = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if request.user is None else session_nofile(request.user)
    return Facts(ports, usable, _has_narrowing(), nofile)


def _port_range() -> t.Tuple[int, int]:
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as stream:
        return port_set.parse_range("net.ipv4.ip_local_port_range", stream.read())


def _reserved() -> t.Set[int]:
    with open("/proc/sys/net/ipv4/ip_local_reserved_ports", encoding="ascii") as stream:
        return port_set.parse_kernel_list(stream.read())


def _has_narrowing() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        try:
            trial.setsockopt(socket.IPPROTO_IP, worker_process.IP_LOCAL_PORT_RANGE, struct.pack("I", 0))
        except OSError:
            return False
    return True


def _check_held(before: str, request: ProbeRequest) -> None:
    """Refuse a source address that this host does not have: connect(2) would call it a full port range."""
    for version in (4, 6):
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        ours = [source for source in request.sources if source.version == version]
        for source in ours:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                with contextlib.suppress(OSError):
                    trial.setsockopt(socket.IPPROTO_IP, worker_process.IP_BIND_ADDRESS_NO_PORT, 1)
                try:
                    trial.bind((str(source), 0))
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        allowed = "addresses that this host has"
                        remedy = "Add it, by the role addresses or as a local route, or leave it out."
                        raise Refusal(before + "source_addresses", str(source), allowed, remedy) from None


def session_nofile(user: str) -> int:
    """Return the hard nofile of a real session of a user, as PAM makes it. raises: ProbeFailed"""
    command = ["runuser", "-u", user, "--", "cat", "/proc/self/limits"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeFailed("A session of the user %s cannot be opened: %s" % (user, error)) from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip()
        raise ProbeFailed("A session of the user %s cannot be opened: %s" % (user, said))
    for line in answer.stdout.decode().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[4])
    raise ProbeFailed("/proc/self/limits of the user %s has no line for open files." % user)
