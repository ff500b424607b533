# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, and hosts of containers: who may raise a limit, whose a key is, and whose a process is."""

from __future__ import annotations

import typing as t

import observed
import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    containment,
    identity,
    running_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    effective,
    grants,
    safety_check,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

TABLE = "Max open files %d %d files\n"
EVERYTHING = "CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n"
DOCKER = "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"
RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
LIMITS_CONF = "/etc/security/limits.conf"

_INTERFACES, _SOCKETS = observed.OBSERVED["interfaces"], observed.OBSERVED["sockets"]
#: With one address, and nobody connected.
OBSERVED = observed.OBSERVED | {
    "interfaces": _INTERFACES | {"addresses": _INTERFACES["addresses"][:1], "anyip": []},
    "sockets": _SOCKETS | {"states": {}, "established": 0, "by_source": [], "sources": 0},
}


def limits_of(host, *, units=(), processes=(), **observed):
    request = whole.SnapshotRequest(units=units, processes=processes)
    return whole.snapshot(host.look(uid=observed.get("uid", 0)), dict(OBSERVED, **observed), request)


def plan(host, explicit=None, **stated):
    return planner.plan(limits_of(host), dict(stated, explicit=explicit or {}))


def check(host, **options):
    request = safety_check.CheckRequest(**options)
    return safety_check.check(host.look(live=True), request)


def process(host, pid, name, cgroup, soft, hard, nspid=None):
    host.put("/proc/%d/comm" % pid, name + "\n")
    host.put("/proc/%d/cgroup" % pid, "0::%s\n" % cgroup)
    host.put("/proc/%d/limits" % pid, TABLE % (soft, hard))
    host.put("/proc/%d/status" % pid, "Name:\t%s\nNSpid:\t%s\n" % (name, nspid or pid))


@pytest.fixture
def plain(host):
    """A host that systemd runs, with the kernel's values and memory for a million connections."""
    host.put("/etc/os-release", "ID=debian\n")
    host.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    host.put(LIMITS_CONF, "# nothing\n")
    host.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "/proc/sys/fs/nr_open\0%s%s%s%s\0")
    host.put("/usr/lib/systemd/systemd", "")
    host.put("/usr/lib/systemd/system/nginx.service", "[Service]\nLimitNOFILE=200000\n")
    (host.path / "run/systemd/system").mkdir(parents=True)
    host.put("/proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 14000000 kB\nMemAvailable: 14000000 kB\n")
    host.put("/proc/1/comm", "systemd\n")
    host.put("/proc/1/cgroup", "0::/init.scope\n")
    host.put("/proc/1/limits", TABLE % (1048576, 1048576))
    host.put("/proc/1/status", EVERYTHING)
    host.put("/proc/self/status", EVERYTHING)
    host.put("/proc/self/limits", TABLE % (1024, 524288))
    host.put("/proc/self/uid_map", "         0          0 4294967295\n")
    host.put("/proc/sys/fs/file-nr", "1200 0 9223372036854775807\n")
    host.sysctl(
        fs__nr_open=1048576,
        **{"fs__file-max": 9223372036854775807, "kernel__threads-max": 60000},
        fs__epoll__max_user_watches=3000000,
        net__ipv4__ip_local_port_range="32768\t60999",
        net__ipv4__ip_local_reserved_ports="",
        net__ipv4__tcp_mem="180000 240000 360000",
    )
    return host


def contain(host):
    """Take away what only the machine's first network namespace has."""
    (host.path / "proc/sys/net/ipv4/tcp_mem").unlink(missing_ok=True)
    return host


def rocky(host):
    host.put("/etc/os-release", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n')
    (host.path / "usr/lib/x86_64-linux-gnu/security/pam_limits.so").unlink()
    host.put("/usr/lib64/security/pam_limits.so", "/proc/sys/fs/nr_open\0Could not set limit for '%s': %m\0")
    return host


@pytest.fixture
def unprivileged(plain):
    """An unprivileged container of LXC: all capabilities, of a user namespace of its own."""
    contain(plain)
    plain.put("/proc/1/environ", "container=lxc\0TERM=linux\0")
    for process_name in ("1", "self"):
        plain.put("/proc/%s/uid_map" % process_name, "         0     100000      65536\n")
    plain.put("/proc/1/limits", TABLE % (1024, 524288))
    return plain


class TestWhoMayRaise:
    """F6."""

    @pytest.mark.parametrize("system", [lambda host: host, rocky])
    def test_f6_more_than_pid_1_has_is_refused_before_anything_is_written(self, unprivileged, system):
        """An unprivileged container, PID 1 started with 1024:524288: nobody there can go above 524288."""
        found = plan(system(unprivileged), target_connections=600000, destinations=40, processes=1)
        assert "tune_target_connections is 600000; allowed: at most 524224" in found["refusal"]
        assert "Start the container with a nofile of 600064 or more." in found["refusal"]
        assert "lxc.prlimit.nofile" in found["refusal"]
        # CAP_SYS_RESOURCE is what it has, and no help.
        assert "CAP_SYS_RESOURCE" not in found["refusal"]
        assert "Or let 2 processes hold them (tune_processes)." in found["refusal"]

    @pytest.mark.parametrize("system", [lambda host: host, rocky])
    def test_f6_what_fits_is_planned_and_nothing_above(self, unprivileged, system):
        found = plan(system(unprivileged), target_connections=600000, destinations=40, processes=2)
        assert (found["settings"]["nofile_soft"], found["settings"]["nofile_hard"]) == (375808, 524288)
        result, message = check(unprivileged, nofile_soft=524288, nofile_hard=524288, needed=300064, users=["root"])
        assert (result["ok"], message) == (True, "")

    def test_f6_a_limit_that_an_operator_set(self, unprivileged):
        found = plan(unprivileged, {"nofile_hard": 600000})
        assert "tune_nofile_hard is 600000; allowed: at most 524288, the hard limit of PID 1" in found["refusal"]

    def test_f6_a_higher_limit_locks_out_where_pam_limits_refuses_the_session(self, unprivileged):
        rocky(unprivileged)
        unprivileged.put(LIMITS_CONF, "* soft nofile 1048576\n* hard nofile 1048576\n")
        result, message = check(unprivileged)
        assert not result["ok"]
        assert [(o["source"], o["line"], o["value"], o["maximum"], o["when"]) for o in result["offenders"]] == [
            (LIMITS_CONF, 2, 1048576, 524288, "now"),
            (LIMITS_CONF, 2, 1048576, 524288, "after_boot"),
        ]
        assert "above fs.nr_open" not in message
        assert "nobody can have here: PID 1 has 524288" in message
        assert "pam_limits of this host refuses a session" in message
        assert "lower these limits to at most 524288, or start the container with a hard nofile of 1048576" in message
        offenders = limits_of(unprivileged)["nofile"]["offenders"]
        assert [(o["source"], o["maximum"]) for o in offenders] == [(LIMITS_CONF, 524288)] * 2

    def test_f6_unlimited_is_fs_nr_open_and_too_much_as_well(self, unprivileged):
        rocky(unprivileged)
        unprivileged.put(LIMITS_CONF, "root hard nofile unlimited\n")
        (now, _boot) = check(unprivileged)[0]["offenders"]
        assert (now["value"], now["maximum"]) == ("unlimited", 524288)

    def test_f6_debian_leaves_the_session_without_it(self, unprivileged):
        """No lockout, and yet nothing that a plan may count on, or write."""
        unprivileged.put(LIMITS_CONF, "root soft nofile 1048576\nroot hard nofile 1048576\n")
        assert check(unprivileged)[0]["ok"]
        subject = limits_of(unprivileged)["nofile"]["subjects"][0]
        assert (subject["name"], subject["now"]) == ("root", {"soft": 1024, "hard": 524288})
        result, _message = check(unprivileged, nofile_soft=524288, nofile_hard=524288)
        assert result["grants"]["domains"]["root"] == {"soft": 524288, "hard": 524288}
        result, message = check(unprivileged, nofile_soft=1048576, nofile_hard=1048576, names=Names("limits_"))
        assert not result["ok"]
        assert "limits_nofile_hard: domain *, hard nofile 1048576, maximum 524288 now" in message

    def test_f6_a_lower_limit_of_the_ssh_server_is_the_most_of_its_sessions(self, unprivileged):
        rocky(unprivileged)
        unprivileged.put("/usr/lib/systemd/system/sshd.service", "[Service]\nLimitNOFILE=65536\n")
        unprivileged.put(LIMITS_CONF, "* hard nofile 100000\n")
        assert [o["maximum"] for o in check(unprivileged)[0]["offenders"] if "domain" in o] == [65536, 65536]

    def test_f6_the_way_out_works(self, unprivileged):
        """Started with lxc.prlimit.nofile = 1048576, systemd's default follows, and so do sessions."""
        rocky(unprivileged)
        unprivileged.put("/proc/1/limits", TABLE % (1048576, 1048576))
        unprivileged.put(LIMITS_CONF, "* hard nofile 1048576\n")
        assert check(unprivileged)[0]["ok"]
        found = plan(unprivileged, target_connections=600000, destinations=40)
        assert found["settings"]["nofile_hard"] == 1048576

    @pytest.mark.parametrize("cgroup", ["/system.slice/nginx.service", "/lxc/c1/system.slice/nginx.service"])
    def test_f6_a_unit_with_more_falls_back_to_pid_1s_limit(self, unprivileged, cgroup):
        """setrlimit_closest; restarting it changes nothing. Without a cgroup namespace paths are the machine's."""
        if cgroup.startswith("/lxc"):
            unprivileged.put("/proc/1/cgroup", "0::/lxc/c1/init.scope\n")
        unprivileged.put("/usr/lib/systemd/system/nginx.service", "[Service]\nLimitNOFILE=1000000\n")
        process(unprivileged, 50, "nginx", cgroup, 524288, 524288)
        (subject,) = limits_of(unprivileged, units=["nginx.service"])["nofile"]["subjects"]
        assert (subject["now"], subject["after_boot"]) == ({"soft": 524288, "hard": 524288},) * 2
        assert grants.restart_needed(unprivileged.look(), ["nginx.service"]) == []

    @pytest.mark.parametrize(
        ("path", "text", "may"),
        [
            ("/proc/1/status", EVERYTHING, True),
            ("/proc/1/status", DOCKER, False),
            # Full itself, and nobody that it executes is.
            ("/proc/1/status", "CapEff:\t000001ffffffffff\nCapBnd:\t000001fffeffffff\n", False),
            ("/proc/1/status", "Name:\tno such row\n", True),
            ("/proc/1/uid_map", "0 1000 1\n1 100000 65536\n", False),
            ("/proc/self/uid_map", "0 0 65536\n", False),
            # PrivateUsers=full of systemd maps everything, in two rows.
            ("/proc/self/uid_map", "0 0 1\n1 1 4294967294\n", False),
        ],
    )
    def test_f6_who_may(self, plain, path, text, may):
        plain.put(path, text)
        assert identity.raises_limits(plain.look()) is may

    @pytest.mark.parametrize(("number", "may"), [(4026531837, True), (4026532201, False)])
    def test_f6_a_user_namespace_that_maps_everything_tells_by_its_number(self, plain, number, may):
        (plain.path / "proc/self/ns").mkdir()
        (plain.path / "proc/self/ns/user").symlink_to("user:[%d]" % number)
        assert identity.raises_limits(plain.look()) is may

    def test_f6_a_container_without_the_capability(self, plain):
        """Docker's own default; PID 1's limit counts, and not the least that somebody has."""
        contain(plain).put("/.dockerenv", "")
        for name in ("1", "self"):
            plain.put("/proc/%s/status" % name, DOCKER)
        found = plan(plain, target_connections=20000)
        assert found["settings"]["nofile_hard"] == 1048576
        plain.put("/proc/1/limits", TABLE % (1024, 20000))
        assert "Give the container CAP_SYS_RESOURCE" in plan(plain, target_connections=20000)["refusal"]

    def test_f6_a_privileged_container_may(self, plain):
        contain(plain).put("/.dockerenv", "")
        rocky(plain).put("/proc/1/limits", TABLE % (1024, 20000))
        plain.put(LIMITS_CONF, "* hard nofile 500000\n")
        assert check(plain)[0]["ok"]


def namespace(host, process_name, kind, number):
    folder = host.path / ("proc/%s/ns" % process_name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / kind).symlink_to("%s:[%d]" % (kind, number))


MOUNTS = "%d 1 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/a\n22 1 0:21 / /proc rw - proc proc rw\n"


class TestWhatAContainerIs:
    """F7."""

    @pytest.fixture
    def pod(self, plain):
        """A privileged pod of containerd: no marker file, no container=."""
        contain(plain)
        plain.put("/proc/1/cgroup", "0::/\n")
        plain.put("/proc/1/environ", "PATH=/bin\0KUBERNETES_SERVICE_HOST=10.96.0.1\0")
        plain.put("/proc/self/mountinfo", MOUNTS % 99)
        return plain

    def test_f7_the_nodes_keys_are_not_written(self, pod):
        limits = limits_of(pod)
        assert (limits["host"]["container"], limits["host"]["container_kind"]) == (True, "kubernetes")
        assert limits["keys"]["fs.nr_open"]["scope"] == "machine"
        assert limits["keys"][RANGE]["scope"] == "namespace"
        found = planner.plan(limits, {"target_connections": 20000})
        assert found["settings"]["sysctl_floors"] == {}
        asked = KeysRequest({"fs.file-max": 100}, {}, [], True)
        assert [key.outcome for key in sysctl_change.plan_present(pod.look(), asked).keys] == ["machine_wide"]

    def test_f7_without_the_environment(self, pod):
        """Neither PID 1's environment nor links may be read: the root and the network are left."""
        pod.put("/proc/1/environ", "")
        assert containment.in_container(pod.look())
        assert limits_of(pod)["host"]["container_kind"] is None

    @pytest.mark.parametrize(
        ("cgroup", "kind"),
        [
            ("0::/kubepods/besteffort/pod0a1b/9f8e", "kubernetes"),
            ("0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-9f8e.scope", "kubernetes"),
            ("0::/kubepods.slice/kubepods-pod1.slice/crio-9f8e.scope/container", "kubernetes"),
            ("0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:9f8e", "kubernetes"),
            ("4:memory:/docker/0123456789abcdef\n0::/\n", "docker"),
            ("0::/system.slice/docker-0123456789abcdef.scope/init.scope", "docker"),
            ("0::/machine.slice/libpod-0123456789abcdef.scope/container", "podman"),
            ("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-01.scope/init.scope", "podman"),
            ("0::/lxc.payload.c1/init.scope", "lxc"),
            ("1:name=systemd:/lxc/101/ns/init.scope", "lxc"),
            ("0::/machine.slice/machine-c1.scope/payload/init.scope", "systemd-nspawn"),
            ("0::/system.slice/systemd-nspawn@c1.service/payload", "systemd-nspawn"),
            ("0::/of-nobody-we-know/c1/init.scope", None),
        ],
    )
    def test_f7_a_group_of_a_container_manager(self, plain, cgroup, kind):
        kind = "machine" if "machine-c1" in cgroup else kind
        plain.put("/proc/1/cgroup", cgroup + "\n")
        limits = limits_of(plain)["host"]
        assert (limits["container"], limits["container_kind"]) == (True, kind)

    @pytest.mark.parametrize(
        ("process_name", "kind", "number"),
        [("self", "pid", 4026532300), ("1", "pid", 4026532300), ("self", "user", 4026532299)],
    )
    def test_f7_a_namespace_that_is_not_the_first(self, plain, process_name, kind, number):
        namespace(plain, process_name, kind, number)
        assert containment.in_container(plain.look())

    @pytest.mark.parametrize(("cgroup", "contained"), [(4026532301, True), (4026531835, False)])
    def test_f7_unshare_and_private_pids_are_no_container(self, plain, cgroup, contained):
        """A container manager gives its own control groups with its own processes, or a group that tells."""
        self.first(plain)
        for name in ("self", "1"):
            (plain.path / "proc" / name / "ns/pid").unlink()
            namespace(plain, name, "pid", 4026532300)
            namespace(plain, name, "cgroup", cgroup)
        assert containment.in_container(plain.look()) is contained
        plain.put("/proc/1/cgroup", "0::/docker/0123456789abcdef\n")
        assert containment.in_container(plain.look())

    def test_f7_a_pod_in_the_nodes_pid_namespace(self, plain):
        """hostPID: PID 1 is the node's."""
        contain(plain).put("/proc/self/environ", "KUBERNETES_SERVICE_HOST=10.96.0.1\0")
        namespace(plain, "self", "pid", 4026531836)
        assert containment.container_kind(plain.look()) == "kubernetes"

    @pytest.mark.parametrize(
        ("pid", "user", "of_init", "expected"),
        [
            (4026531836, 4026531837, 4026531832, None),
            # A container with PIDs of its own; one without; one with users of its own.
            (4026532200, 4026531837, 4026531832, "docker"),
            (4026531836, 4026531837, 4026532100, "docker"),
            (4026531836, 4026532300, 4026531832, "docker"),
        ],
    )
    def test_f7_a_mark_of_the_image_that_a_machine_was_made_of(self, plain, pid, user, of_init, expected):
        """A virtual machine whose disk was exported from a container has /.dockerenv and is none."""
        plain.put("/.dockerenv", "")
        for name, mount in (("1", of_init), ("self", 4026531832)):
            for kind, number in (("pid", pid), ("user", user), ("mnt", mount)):
                namespace(plain, name, kind, number)
        assert containment.container_kind(plain.look()) == expected

    def test_f7_podman_s_other_mark(self, plain):
        plain.put("/run/host/container-manager", "systemd-nspawn\n")
        assert containment.container_kind(plain.look()) == "systemd-nspawn"

    def first(self, host):
        for name in ("self", "1"):
            namespace(host, name, "pid", 4026531836)
            namespace(host, name, "user", 4026531837)
        return host

    def test_a_node_of_kubernetes_is_no_container(self, plain):
        self.first(plain)
        process(
            plain, 700, "pause", "/kubepods.slice/kubepods-pod1.slice/cri-containerd-9f8e.scope", 1024, 524288, "700 1"
        )
        plain.put("/sys/fs/cgroup/kubepods.slice/cgroup.procs", "")
        plain.put("/proc/self/cgroup", "0::/user.slice/user-0.slice/session-1.scope\n")
        assert not containment.in_container(plain.look())

    @pytest.mark.parametrize(
        "cgroup",
        [
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/system.slice/kubelet.service",
            "/system.slice/lxc.service",
            "/lxc.monitor.c1",
            "/machine.slice/libpod-conmon-0123.scope",
            "/machine.slice/machine-c1.scope/supervisor",
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte.scope",
            "/system.slice/ansible-pull.service",
            "/../../../init.scope",
        ],
    )
    def test_processes_that_are_no_container(self, plain, cgroup):
        self.first(plain).put("/proc/self/cgroup", "0::%s\n" % cgroup)
        assert not containment.in_container(plain.look())

    def test_a_live_system_is_no_container(self, plain):
        """Its root is an overlay, its network the machine's."""
        self.first(plain).put("/proc/self/mountinfo", MOUNTS % 99)
        assert not containment.in_container(plain.look())

    @pytest.mark.parametrize("mounted", ["", MOUNTS % 99])
    def test_ip_netns_exec_is_no_container(self, plain, mounted):
        """Nor is PrivateNetwork=: PID 1 has another network namespace. On a live system the root is an overlay, too."""
        contain(self.first(plain)).put("/proc/self/mountinfo", mounted)
        namespace(plain, "self", "net", 4026532888)
        namespace(plain, "1", "net", 4026531840)
        assert not containment.in_container(plain.look())

    def test_a_client_of_kubernetes_is_no_container(self, plain):
        """A person may have set the variable, to reach a cluster from outside."""
        self.first(plain).put("/proc/self/environ", "KUBERNETES_SERVICE_HOST=10.96.0.1\0")
        assert not containment.in_container(plain.look())

    def test_wsl_is_a_host(self, plain):
        """WSL2's distributions have PID namespaces in one virtual machine, whose kernel is nobody else's."""
        plain.sysctl(kernel__osrelease="5.15.167.4-microsoft-standard-WSL2")
        for name in ("self", "1"):
            namespace(plain, name, "pid", 4026532200)
            namespace(plain, name, "user", 4026531837)
        assert not containment.in_container(plain.look())
        # And a container of Docker in it is one.
        plain.put("/.dockerenv", "")
        assert containment.in_container(plain.look())


class TestWhatCannotBeWritten:
    """F8."""

    @pytest.fixture
    def read_only(self, plain):
        contain(plain).put("/run/.containerenv", "")
        plain.put("/proc/self/mountinfo", (MOUNTS % 99) + "40 22 0:21 /sys /proc/sys ro,relatime - proc proc rw\n")
        return plain

    STATED: t.ClassVar = {"processes": 4, "port_fill": 1.0, "binding": "autobind"}

    def test_f8_a_target_that_needs_the_range_is_refused_before_anything_is_written(self, read_only):
        """A container with a read-only /proc/sys and the kernel's own range."""
        assert limits_of(read_only)["keys"][RANGE]["writable"] is False
        found = plan(read_only, target_connections=60000, **self.STATED)
        assert "tune_target_connections is 60000; allowed: at most 28232" in found["refusal"]
        assert "%s is 32768 60999 and cannot be written here" % RANGE in found["refusal"]
        assert "start the container with %s = 1024 65535" % RANGE in found["refusal"]
        assert "securityContext.sysctls" in found["refusal"]

    @pytest.mark.parametrize("binding", ["bind", "bind_no_port"])
    def test_f8_whatever_the_program_does(self, read_only, binding):
        stated = dict(self.STATED, binding=binding)
        found = plan(read_only, target_connections=60000, **stated)
        assert "%s is 32768 60999 and cannot be written here" % RANGE in found["refusal"]

    def test_f8_what_the_present_range_holds_is_planned(self, read_only):
        found = plan(read_only, target_connections=20000, **self.STATED)
        assert (found["target"], found["after"]["ceiling"]) == (20000, 28232)
        # Nobody stated a target: what is there is counted on, and no more.
        assert plan(read_only, **self.STATED)["target"] == 28232

    def test_f8_a_range_that_cannot_be_set_is_not_planned(self, read_only):
        """Nor is that of a pod in its node's network, which sysctl_apply would refuse to touch."""
        assert plan(read_only, target_connections=20000, **self.STATED)["settings"]["sysctl_values"] == {}
        read_only.put("/proc/self/mountinfo", MOUNTS % 99)
        read_only.sysctl(net__ipv4__tcp_mem="180000 240000 360000")
        assert limits_of(read_only)["keys"][RANGE]["scope"] == "machine"
        assert plan(read_only, target_connections=20000, **self.STATED)["settings"]["sysctl_values"] == {}
        found = plan(read_only, target_connections=60000, **self.STATED)
        assert "belongs to the machine under this container: set 1024 65535 there." in found["refusal"]

    def test_f8_a_range_that_is_there_already(self, read_only):
        read_only.sysctl(net__ipv4__ip_local_port_range="1024\t65535")
        found = plan(read_only, target_connections=60000, **self.STATED)
        assert found["after"]["ceiling"] == 64512
        assert found["settings"]["sysctl_values"] == {RANGE: "1024 65535"}

    def test_f8_the_last_mount_counts(self, read_only):
        """unmask=/proc/sys, or a volume over it."""
        text = read_only.text("/proc/self/mountinfo")
        read_only.put("/proc/self/mountinfo", text + "41 40 0:21 /sys/net /proc/sys/net rw - proc proc rw\n")
        keys = limits_of(read_only)["keys"]
        assert (keys[RANGE]["writable"], keys["fs.nr_open"]["writable"]) == (True, False)
        assert "refusal" not in plan(read_only, target_connections=60000, **self.STATED)

    def test_f8_a_key_without_a_write_bit(self, plain):
        (plain.path / "proc/sys/net/ipv4/ip_local_port_range").chmod(0o444)
        assert limits_of(plain)["keys"][RANGE]["writable"] is False

    def test_f8_an_unprivileged_reader_does_not_know(self, plain, monkeypatch):
        monkeypatch.setattr("os.access", lambda _path, _mode: False)
        assert limits_of(plain, uid=1000)["keys"][RANGE]["writable"] is None
        assert limits_of(plain)["keys"][RANGE]["writable"] is False

    def test_f8_fs_nr_open_of_a_host_that_cannot_write_it(self, plain):
        """No container: ansible-pull in a service with ProtectKernelTunables=."""
        plain.put("/proc/self/mountinfo", "40 22 0:21 /sys /proc/sys ro - proc proc rw\n")
        plain.sysctl(net__ipv4__ip_local_port_range="1024\t65535")
        found = plan(plain, target_connections=2000000, destinations=100, port_fill=1.0)
        assert "Raise fs.nr_open to 2000064 or more from where /proc/sys can be written." in found["refusal"]
        assert (
            "tune_nofile_hard is 2000000; allowed: at most 1048576"
            in plan(plain, {"nofile_hard": 2000000}, target_connections=20000)["refusal"]
        )

    def test_f8_a_floor_that_is_missed_and_matters(self, plain):
        plain.put("/proc/self/mountinfo", "40 22 0:21 /sys/fs /proc/sys/fs ro - proc proc rw\n")
        plain.sysctl(**{"fs__file-max": 30000})
        found = plan(plain, target_connections=60000, **self.STATED)
        assert "Raise fs.file-max to 61200 or more. It cannot be written here" in found["refusal"]
        # It holds the target, and not the room that a plan would leave to others: nothing to write, nothing to refuse.
        plain.sysctl(**{"fs__file-max": 70000})
        assert "fs.file-max" not in plan(plain, target_connections=60000, **self.STATED)["settings"]["sysctl_floors"]

    def test_f8_ports_that_cannot_be_reserved(self, plain):
        """The range would be widened over a server, whose port a connection may take when it restarts."""
        path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
        plain.put("/proc/self/mountinfo", "40 22 0:21 %s %s ro - proc proc rw\n" % (path[5:], path))
        found = planner.plan(limits_of(plain, listeners=[22, 8080]), {"target_connections": 20000})
        assert "1024 65535" in found["refusal"]
        assert "a range without ports that listen here and are not reserved (8080)" in found["refusal"]
        assert "%s is empty and cannot be written here" % RESERVED in found["refusal"]
        plain.sysctl(net__ipv4__ip_local_reserved_ports="8000-8999")
        assert "refusal" not in planner.plan(limits_of(plain, listeners=[22, 8080]), {"target_connections": 20000})
        found = plan(plain, {"reserved_ports": [9090]}, target_connections=20000)
        assert "tune_reserved_ports is '9090'; allowed: ports that are reserved already" in found["refusal"]

    def test_f8_sysctl_alone_still_reports_and_goes_on(self, read_only):
        asked = KeysRequest({}, {RANGE: "1024 65535"}, [], True)
        keys = sysctl_change.plan_present(read_only.look(), asked).keys
        assert [(key.outcome, key.target, key.persist) for key in keys if key.key == RANGE] == [
            ("read_only", None, None)
        ]


GUESTS = [
    "/lxc.payload.c1/system.slice/nginx.service",
    "/lxc/c1/system.slice/nginx.service",
    "/lxc/101/ns/system.slice/nginx.service",
    "/machine.slice/machine-c1.scope/payload/system.slice/nginx.service",
    "/machine.slice/machine-c1.scope/system.slice/nginx.service",
    "/system.slice/systemd-nspawn@c1.service/payload/system.slice/nginx.service",
    "/system.slice/docker-0123456789abcdef.scope/system.slice/nginx.service",
    "/docker/0123456789abcdef/system.slice/nginx.service",
    "/docker/0123456789abcdef",
    "/machine.slice/libpod-0123456789abcdef.scope/container/system.slice/nginx.service",
    "/system.slice/nginx.service/libpod-payload-0123456789abcdef",
    "/kubepods.slice/kubepods-pod1.slice/cri-containerd-01.scope/system.slice/nginx.service",
    "/kubepods/burstable/pod1/01/system.slice/nginx.service",
    "/of-nobody-we-know/c1/system.slice/nginx.service",
]


class TestWhoseProcesses:
    """F9."""

    @pytest.fixture
    def machine(self, plain):
        process(plain, 100, "nginx", "/system.slice/nginx.service", 200000, 200000)
        return plain

    @pytest.mark.parametrize("cgroup", GUESTS)
    def test_f9_a_guests_unit_is_not_the_hosts(self, machine, cgroup):
        """The host's nginx.service has its 200000; a guest's, of the same name, 1024:524288."""
        process(machine, 900, "nginx", cgroup, 1024, 524288, "900 40")
        assert check(machine, units=["nginx.service"])[0]["restart_needed"] == []
        (subject,) = limits_of(machine, units=["nginx.service"])["nofile"]["subjects"]
        assert (subject["now"], subject["pid"]) == ({"soft": 200000, "hard": 200000}, 100)
        found = {one.pid: (one.unit, one.guest) for one in running_limits.processes(machine.look())}
        assert found[100] == ("nginx.service", None)
        assert found[900] == (None, cgroup)

    def test_f9_a_unit_that_runs_in_a_guest_alone_is_not_running(self, machine):
        process(machine, 100, "nginx", GUESTS[0], 1024, 524288, "100 40")
        (subject,) = limits_of(machine, units=["nginx.service"])["nofile"]["subjects"]
        assert subject["pid"] is None
        (subject,) = [
            s for s in limits_of(machine, processes=["nginx"])["nofile"]["subjects"] if s["kind"] == "process"
        ][:1]
        assert (subject["now"], subject["pid"]) == (None, None)
        assert subject["note"].startswith("not running on the host itself: nginx of a container, /lxc.payload.c1/")

    def test_f9_a_running_limit_of_a_guest_above_fs_nr_open_is_still_one(self, machine):
        """The kernel is the same; the name is not the host's unit's."""
        machine.sysctl(fs__nr_open=300000)
        machine.put("/proc/1/limits", TABLE % (300000, 300000))
        process(machine, 900, "nginx", GUESTS[0], 1024, 524288, "900 40")
        for offenders in (check(machine)[0]["offenders"], limits_of(machine)["nofile"]["offenders"]):
            (found,) = [one for one in offenders if one["source"] == "/proc/900/limits"]
            assert found["unit"] == "nginx of a container, " + GUESTS[0]
            assert (found["value"], found["maximum"]) == (524288, 300000)

    @pytest.mark.parametrize(
        ("cgroup", "nspid"),
        [
            ("/lxc.payload.c1/system.slice/ssh.service", "60 9"),
            ("/", "60 9"),
            ("/user.slice/user-0.slice/session-3.scope", "60 9"),
            # Seen by the group alone, as of a container that shares the host's PID namespace.
            ("/docker/0123", "60"),
        ],
    )
    def test_f9_sessions_do_not_inherit_from_a_guests_ssh_server(self, machine, cgroup, nspid):
        process(machine, 60, "sshd", cgroup, 5, 6, nspid)
        process(machine, 70, "sshd", "/system.slice/ssh.service", 1024, 400000)
        (subject, *_rest) = limits_of(rocky(machine))["nofile"]["subjects"]
        assert (subject["name"], subject["now"]["hard"]) == ("root", 400000)

    @pytest.mark.parametrize(
        ("cgroup", "nspid"),
        [
            # Delegate=
            ("/system.slice/nginx.service/workers", "101"),
            # PrivatePIDs=
            ("/system.slice/nginx.service", "101 1"),
        ],
    )
    def test_f9_a_units_own_groups_and_sandboxes_count(self, machine, cgroup, nspid):
        process(machine, 101, "nginx", cgroup, 1024, 524288, nspid)
        assert check(machine, units=["nginx.service"])[0]["restart_needed"] == ["nginx.service"]

    def test_f9_a_unit_that_is_in_a_pid_namespace_as_a_whole(self, machine):
        """PrivatePIDs= with Delegate=: all of it is the unit's."""
        process(machine, 100, "nginx", "/system.slice/nginx.service", 200000, 200000, "100 1")
        process(machine, 101, "nginx", "/system.slice/nginx.service/workers", 1024, 524288, "101 2")
        assert check(machine, units=["nginx.service"])[0]["restart_needed"] == ["nginx.service"]

    def test_f9_a_container_that_a_unit_runs_in_a_group_below_its_own(self, machine):
        process(machine, 101, "nginx", "/system.slice/nginx.service/c1", 1024, 524288, "101 1")
        assert check(machine, units=["nginx.service"])[0]["restart_needed"] == []

    def test_f9_a_users_unit_is_not_the_systems(self, machine):
        manager = "/user.slice/user-1000.slice/user@1000.service"
        process(machine, 101, "nginx", manager + "/app.slice/nginx.service", 1024, 524288)
        assert check(machine, units=["nginx.service"])[0]["restart_needed"] == []
        assert {p.pid: p.unit for p in running_limits.processes(machine.look())}[101] == "user@1000.service"

    @pytest.mark.parametrize(
        ("own", "inside"),
        [
            ("/docker/0123/init.scope", "/docker/0123/system.slice/nginx.service"),
            ("/lxc.payload.c1/init.scope", "/lxc.payload.c1/system.slice/nginx.service"),
            ("/machine.slice/libpod-01.scope/init.scope", "/machine.slice/libpod-01.scope/system.slice/nginx.service"),
        ],
    )
    def test_f9_seen_from_inside_a_container_its_processes_are_its_own(self, machine, own, inside):
        """Without a cgroup namespace the paths there are the machine's; a container in it is a guest again."""
        machine.put("/run/systemd/container", "x\n")
        machine.put("/proc/1/cgroup", "0::%s\n" % own)
        process(machine, 100, "nginx", inside, 200000, 200000)
        outer = inside[: -len("/system.slice/nginx.service")]
        process(machine, 900, "nginx", outer + "/docker/4567/system.slice/nginx.service", 1024, 524288, "900 40")
        found = {one.pid: (one.unit, one.guest is not None) for one in running_limits.processes(machine.look())}
        assert (found[100], found[900]) == (("nginx.service", False), (None, True))

    def test_f9_a_pod_whose_containers_share_a_pid_namespace(self, machine):
        """shareProcessNamespace: PID 1 is the pause container's."""
        machine.put("/proc/1/cgroup", "0::/kubepods/pod1/pause\n")
        machine.put("/proc/self/cgroup", "0::/kubepods/pod1/ours\n")
        process(machine, 100, "sshd", "/kubepods/pod1/ours", 1024, 400000)
        process(machine, 90, "sshd", "/kubepods/pod1/theirs", 5, 6)
        subjects = effective.Subjects(machine.look(), {})
        assert [one.pid for one in subjects.processes if one.name == "sshd"] == [100]

    def test_f9_version_1_and_a_group_that_is_gone(self, machine):
        text = "12:pids:/lxc/c1/x\n1:name=systemd:/lxc/c1/system.slice/nginx.service (deleted)\n"
        process(machine, 900, "nginx", "", 1024, 524288)
        machine.put("/proc/900/cgroup", text)
        assert {p.pid: p.unit for p in running_limits.processes(machine.look())}[900] is None
        assert running_limits.unit_of("0::/system.slice/_cpu.service (deleted)\n") == "cpu.service"
