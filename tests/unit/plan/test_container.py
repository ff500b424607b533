# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the outside of a container can set: which engine is meant, what is a container's own, and how much."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from limits_builder import container, limits_of
from namespaces import needs_root

from ansible_collections.fourtuple.clients.plugins.module_utils.values import container_options, sysctl_table
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ENGINES

NEED = {"target_connections": 600000, "destinations": 40}
RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
TRACKED = "net.netfilter.nf_conntrack_max"


def outside(limits, **stated):
    return plan(limits, {**NEED, **stated})["container"]


class TestEngine:
    @pytest.mark.parametrize("engine", [None, ""])
    def test_a_host_that_is_no_container_has_none(self, engine):
        assert "container" not in plan(limits_of(), dict(NEED, container_engine=engine))

    @pytest.mark.parametrize(
        ("kind", "engine"),
        [("podman", "podman"), ("docker", "docker"), ("kubernetes", "kubernetes"), ("lxc", None), (None, None)],
    )
    def test_a_container_shows_its_own(self, kind, engine):
        found = plan(container(host={"container_kind": kind}), NEED).get("container")
        assert (found and found["engine"]) == engine

    @pytest.mark.parametrize(
        ("kind", "engine", "host"),
        [
            # Compose has either make its containers.
            ("docker", "compose", True),
            ("podman", "compose", True),
            # Who runs kind, or Podman in a container of systemd-nspawn: the program's container is within.
            ("docker", "kubernetes", False),
            ("lxc", "docker", False),
            ("systemd-nspawn", "podman", False),
            # A container that nobody has marked.
            (None, "docker", True),
            ("containerd", "kubernetes", True),
        ],
    )
    def test_what_is_stated_wins(self, kind, engine, host):
        found = outside(container(host={"container_kind": kind}), container_engine=engine)
        assert (found["engine"], found["host"]) == (engine, host)

    @pytest.mark.parametrize("engine", ["lxc", 1, True, ["docker"]])
    def test_another_one_is_refused(self, engine):
        refusal = plan(limits_of(), {"container_engine": engine})["refusal"]
        assert refusal == (
            "tune_container_engine is %r; allowed: one of docker, podman, compose, kubernetes. Write what starts the "
            "container, or leave it out." % (engine,)
        )


class TestOfAHost:
    """A container that cannot give itself what it needs: its engine is told, though its plan is refused."""

    @pytest.fixture
    def confined(self):
        keys = {key: {"writable": False} for key in (RANGE, RESERVED)}
        return container(
            host={"capabilities": []},
            nofile={"inherited": {"soft": 1024, "hard": 20000}},
            keys=keys,
            ports={"listeners": "22,8443"},
        )

    def test_it_is_told_what_the_plan_of_its_machine_would_be(self, confined):
        found = plan(confined, NEED)
        assert "tune_target_connections is 600000; allowed: at most 564640" in found["refusal"]
        given = found["container"]
        assert given["sysctls"] == {RANGE: "1024 65535", RESERVED: "8443"}
        assert given["nofile"] == {"soft": 601088, "hard": 1048576}

    def test_the_machine_has_room_for_it(self, confined):
        machine = outside(confined)["machine"]
        assert {key: int(value) for key, value in machine.items()} == {
            "fs.nr_open": 1048576,
            "fs.file-max": 665536,
            "fs.epoll.max_user_watches": 600064,
            # Whoever forwards its connections tracks them, which shows nowhere within.
            TRACKED: 600000 + 65536,
        }

    def test_a_host_that_does_as_told_meets_its_target(self, confined):
        """Started with what was said, on a machine that has what was said, the same host has a plan."""
        given = outside(confined)
        keys = {**given["sysctls"], **given["machine"]}
        changes = {"keys": {key: {"now": value} for key, value in keys.items() if key in confined["keys"]}}
        low, high = given["sysctls"][RANGE].split()
        started = {
            **confined,
            "ports": {**confined["ports"], "low": int(low), "high": int(high), "reserved": "8443", "usable": 64511},
            "nofile": {
                **confined["nofile"],
                "inherited": given["nofile"],
                "subjects": [dict(one, now=given["nofile"]) for one in confined["nofile"]["subjects"]],
            },
            "keys": {key: {**entry, **changes["keys"].get(key, {})} for key, entry in confined["keys"].items()},
        }
        found = plan(started, NEED)
        assert "refusal" not in found, found["refusal"]
        assert found["after"]["ceiling"] >= NEED["target_connections"]
        assert found["container"]["nofile"] == given["nofile"]
        assert found["container"]["sysctls"] == given["sysctls"]

    def test_what_nobody_can_give_is_only_refused(self, confined):
        found = plan(confined, dict(NEED, target_connections=900000000))
        assert "container" not in found
        assert found["refusal"]


class TestOfAProgram:
    def test_it_has_the_plans_limits_and_the_kernels_own_keys(self):
        found = plan(limits_of(), dict(NEED, container_engine="podman"))
        settings, given = found["settings"], found["container"]
        assert given["host"] is False
        assert given["sysctls"] == {RANGE: "1024 65535"}
        assert given["nofile"] == {"soft": settings["nofile_soft"], "hard": settings["nofile_hard"]}
        assert int(given["machine"]["fs.nr_open"]) == settings["nofile_hard"]

    def test_a_host_that_cannot_widen_its_range_may_have_a_container_that_can(self):
        limits = container(host={"container_kind": "lxc"}, keys={RANGE: {"writable": False}})
        found = plan(limits, {"target_connections": 9000, "container_engine": "docker"})
        assert RANGE not in found["settings"]["sysctl_values"]
        assert found["container"]["sysctls"] == {RANGE: "1024 65535"}

    def test_the_hosts_plan_is_as_without(self):
        found = plan(limits_of(), dict(NEED, container_engine="docker"))
        assert {key: value for key, value in found.items() if key != "container"} == plan(limits_of(), NEED)

    def test_listeners_of_the_host_are_none_of_the_containers(self):
        limits = limits_of(ports={"listeners": "22,8443"})
        assert RESERVED not in outside(limits, container_engine="docker")["sysctls"]
        named = outside(limits, container_engine="docker", explicit={"reserved_ports": ["9000-9010", 8080]})
        assert named["sysctls"][RESERVED] == "8080,9000-9010"

    def test_what_the_operator_sets_goes_where_it_belongs(self):
        explicit = {
            "sysctl_values": {"net/ipv4/tcp_fin_timeout": 10, "vm.max_map_count": 262144, "kernel.shmmax": "1 "},
            "sysctl_floors": {"net.core.somaxconn": 9999, "net.core.rmem_max": 8388608, "fs.nr_open": 3000000},
        }
        found = outside(limits_of(), container_engine="docker", explicit=explicit)
        assert found["sysctls"] == {
            RANGE: "1024 65535",
            "net.core.somaxconn": "9999",
            "net.ipv4.tcp_fin_timeout": "10",
            "kernel.shmmax": "1",
        }
        assert {"vm.max_map_count", "net.core.rmem_max"} <= set(found["machine"])
        assert found["machine"]["fs.nr_open"] == "3000000"

    def test_the_key_for_addresses_of_the_host_is_not_given(self):
        stated = {
            "destinations": ["[2001:db8::7]:443"],
            "binding": "bind_no_port",
            "address_pool": ["2001:db8:1::/64"],
            "slot": 0,
            "target_connections": 200000,
            "container_engine": "docker",
        }
        found = plan(limits_of(), stated)
        assert sysctl_table.NONLOCAL_BIND_IPV6 in found["settings"]["sysctl_values"]
        assert set(found["container"]["sysctls"]) == {RANGE}

    def test_only_what_nobody_sets_is_left_to_say(self):
        limits = limits_of()
        texts = {one["place"]: one["text"] for one in outside(limits, container_engine="docker")["texts"]}
        assert texts["this host, role tune"] == "tune_sysctl_floors:\n  %s: 665536\n" % TRACKED
        tracked = {"tracks_local": True, "count": 5, "why": "a rule"}
        limits = limits_of(conntrack=tracked, keys={TRACKED: 65536})
        assert "this host, role tune" not in {
            one["place"] for one in outside(limits, container_engine="docker")["texts"]
        }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refused_plan_of_the_host_has_no_text(engine):
    found = plan(limits_of(), dict(NEED, target_connections=900000000, container_engine=engine))
    assert "container" not in found
    assert found["refusal"]


_IN_A_NEW_NAMESPACE = """
import os, sys
for key in sys.argv[1:]:
    path = "/proc/sys/" + key.replace(".", "/")
    # Root's mode, not what root may do: the kernel's own answer to a write differs by key.
    mode = oct(os.stat(path).st_mode & 0o222) if os.path.exists(path) else None
    print(key, mode == "0o200")
"""


@needs_root
def test_a_key_is_a_containers_own_as_the_kernel_says():
    """Of keys that the machine can be told, by a network namespace that nobody has touched."""
    keys = [
        key
        for key, row in sysctl_table.KEYS.items()
        if key.startswith("net.") and (row.module is None or pathlib.Path("/sys/module", row.module).exists())
    ]
    keys = [key for key in keys if os.access("/proc/sys/" + key.replace(".", "/"), os.W_OK)]
    told = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", _IN_A_NEW_NAMESPACE, *keys],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    kernel = {line.split()[0]: line.split()[1] == "True" for line in told.stdout.splitlines()}
    assert {True, False} == set(kernel.values())
    assert {key: container_options.is_containers_own(key) for key in keys} == kernel


@needs_root
def test_a_new_network_namespace_has_the_kernels_values():
    """Why a container has to be given what the machine has: it inherits none of it."""
    folder = "/proc/sys/net/ipv4/"
    script = "echo 1024 65535 >%sip_local_port_range; echo 8080 >%sip_local_reserved_ports; " % (folder, folder)
    script += "unshare --net cat %sip_local_port_range %sip_local_reserved_ports" % (folder, folder)
    command = ["unshare", "--net", "sh", "-c", script]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told.split("\n")[:2] == ["32768\t60999", ""]
