# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which somebody else sets our keys or limits too: who wins, and what would lock somebody out."""

from __future__ import annotations

import json

import limits_builder
import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import sysctl_change
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    container_engines,
    kube_proxy,
    other_writers,
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits, safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import kernel_limits, overrides
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

RANGE = "net.ipv4.ip_local_port_range"
CONNTRACK = "net.netfilter.nf_conntrack_max"
OURS = {RANGE: "1024 65535", CONNTRACK: "500000"}


@pytest.fixture
def machine(host):
    """A host that systemd starts, with our drop-in and a unit of its own with systemd's usual limit."""
    (host.path / "run/systemd/system").mkdir(parents=True)
    host.put("/usr/lib/systemd/systemd", "")
    host.put("/etc/sysctl.d/99-zz-fourtuple.conf", "# Managed by fourtuple.clients\n%s = 1024 65535\n" % RANGE)
    host.sysctl(fs__nr_open=1048576, net__ipv4__ip_local_port_range="1024 65535")
    return host


def beaten(host, key, ours=None, cpus=2):
    """Return (file, value, who) of the lines that beat ours for ``key``."""
    found = overrides.find(host.look(), OURS if ours is None else ours, cpus)
    return [(entry["file"], entry["value"], entry["who"]) for entry in found if entry["key"] == key]


# --- F13: ufw ---


def ufw(host, text, enabled="yes", default="IPT_SYSCTL=/etc/ufw/sysctl.conf\n"):
    host.put("/etc/ufw/ufw.conf", "# on boot\nENABLED=%s\nLOGLEVEL=low\n" % enabled)
    host.put("/etc/default/ufw", 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\n' + default)
    host.put("/etc/ufw/sysctl.conf", text)


def test_f13_what_ufw_applies_after_sysctl_d_wins_and_is_named(machine):
    """ufw is enabled, and its sysctl.conf, with slashes, has the port range and nf_conntrack_max."""
    ufw(machine, "# ufw\nnet/ipv4/ip_local_port_range=32768 60999\nnet/netfilter/nf_conntrack_max=65536\n")
    who = "ufw, which applies it after sysctl.d"
    assert beaten(machine, RANGE) == [("/etc/ufw/sysctl.conf:2", "32768 60999", who)]
    assert beaten(machine, CONNTRACK) == [("/etc/ufw/sysctl.conf:3", "65536", who)]
    keys = kernel_limits.Keys(machine.look()).all()
    assert keys[RANGE]["after_boot"] == "32768 60999"
    assert keys[RANGE]["by"] == "/etc/ufw/sysctl.conf:2"


@pytest.mark.parametrize("enabled", ["no", "", "Yes"])
def test_f13_ufw_that_is_not_enabled_sets_nothing(machine, enabled):
    """ufw-init asks for yes or YES, and for nothing else."""
    ufw(machine, "net/ipv4/ip_local_port_range=32768 60999\n", enabled)
    assert beaten(machine, RANGE) == []


def test_f13_ufw_applies_the_file_that_its_defaults_name(machine):
    """IPT_SYSCTL names another file, or none."""
    ufw(machine, "%s=1 2\n" % RANGE, default="IPT_SYSCTL=/etc/sysctl.conf\n")
    machine.put("/etc/sysctl.conf", "\n%s = 7000 9000\n" % RANGE)
    assert [row[:2] for row in beaten(machine, RANGE)] == [("/etc/sysctl.conf:2", "7000 9000")]
    ufw(machine, "%s=1 2\n" % RANGE, default='IPT_SYSCTL=""\n')
    assert beaten(machine, RANGE) == []


def test_f13_what_ufw_sets_as_we_do_beats_nothing(machine):
    ufw(machine, "net/ipv4/ip_local_port_range=1024\t65535\n")
    assert beaten(machine, RANGE) == []


# --- F14: kube-proxy and k3s ---


def test_f14_kube_proxy_may_set_conntrack_back(machine):
    """A node with two processors: kube-proxy reckons 2 x 32768, at least 131072, and ours is 500000."""
    config = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nconntrack:\n  maxPerCore: 32768\n  min: 131072\nmode: ''\n"
    machine.put("/var/lib/kube-proxy/config.conf", config)
    ((file, value, who),) = beaten(machine, CONNTRACK)
    assert (file, value) == ("/var/lib/kube-proxy/config.conf:3", "131072")
    assert "kube-proxy, which may set it back when it starts" in who
    assert "conntrack.maxPerCore 0 leaves it" in who
    assert beaten(machine, CONNTRACK, {CONNTRACK: "131072"}) == []


@pytest.mark.parametrize(
    ("path", "text", "line", "value"),
    [
        ("/etc/rancher/k3s/config.yaml", "write-kubeconfig-mode: '0644'\n", 1, "131072"),
        ("/etc/rancher/k3s/config.yaml", "kube-proxy-arg:\n  - conntrack-max-per-core=100000\n", 2, "200000"),
        ("/etc/rancher/rke2/config.yaml", 'kube-proxy-arg: ["conntrack-min=7", "conntrack-max-per-core=9"]\n', 1, "18"),
        ("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n", 1, "131072"),
        (
            "/etc/systemd/system/kube-proxy.service",
            "[Service]\nExecStart=kube-proxy \\\n --conntrack-min=1\n",
            3,
            "65536",
        ),
        ("/etc/kubernetes/manifests/kube-proxy.yaml", "command:\n- --conntrack-max-per-core=131072\n", 2, "262144"),
        ("/var/snap/microk8s/current/args/kube-proxy", "--conntrack-max-per-core 50000\n", 1, "131072"),
        ("/proc/77/comm", "kube-proxy\n", 1, "131072"),
        (
            "/var/lib/kubelet/pods/1f/volumes/kubernetes.io~configmap/kube-proxy/config.conf",
            "conntrack:\n  max: null\n  maxPerCore: 65536\n  min: null\n",
            3,
            "131072",
        ),
    ],
)
def test_f14_wherever_a_node_says_that_it_runs_one(machine, path, text, line, value):
    machine.put(path, text)
    ((file, found, _who),) = beaten(machine, CONNTRACK)
    assert (file, found) == ("%s:%d" % (path.replace("comm", "cmdline"), line), value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/var/lib/kube-proxy/config.conf", "conntrack:\n  maxPerCore: 0\n"),
        ("/etc/rancher/k3s/config.yaml", "kube-proxy-arg:\n- conntrack-max-per-core=0\n"),
        ("/etc/rancher/k3s/config.yaml", "disable-kube-proxy: true\n"),
        ("/etc/systemd/system/k3s.service", "[Service]\nExecStart=k3s server --disable-kube-proxy\n"),
        ("/proc/77/comm", "kubelet\n"),
    ],
)
def test_f14_one_that_leaves_the_value_is_not_named(machine, path, text):
    machine.put(path, text)
    assert beaten(machine, CONNTRACK) == []


def test_f14_the_plan_warns_where_the_own_setting_of_kube_proxy_is(machine):
    machine.put("/var/lib/kube-proxy/config.conf", "conntrack:\n  maxPerCore: 32768\n")
    found = overrides.find(machine.look(), OURS, 2)
    limits = limits_builder.limits_of(keys={CONNTRACK: 65536}, overrides=found)
    planned = planner.plan(limits, {"target_connections": 1000, "explicit": {"sysctl_values": {CONNTRACK: 500000}}})
    (warning,) = [text for text in planned["warnings"] if CONNTRACK in text]
    assert "/var/lib/kube-proxy/config.conf:2" in warning
    assert "131072 and beats the planned 500000" in warning
    assert "conntrack.maxPerCore 0 leaves it" in warning


# --- by another name of the same key ---


@pytest.mark.parametrize("name", ["net.nf_conntrack_max", "net/nf_conntrack_max", "net.nf_conntrack_*"])
def test_a_later_line_by_the_other_name_of_the_key_wins(machine, name):
    machine.put("/etc/sysctl.d/zz.conf", "%s = 65536\n" % name)
    assert [row[:2] for row in beaten(machine, CONNTRACK)] == [("/etc/sysctl.d/zz.conf:1", "65536")]


def test_an_old_name_that_this_kernel_does_not_have_sets_nothing(machine):
    machine.put("/etc/sysctl.d/zz.conf", "net.ipv4.ip_conntrack_max = 65536\n")
    assert beaten(machine, CONNTRACK) == []
    machine.sysctl(net__ipv4__ip_conntrack_max=65536)
    assert [row[1] for row in beaten(machine, CONNTRACK)] == ["65536"]


# --- everything else that a boot runs ---

SETS = "sysctl -w %s='7000 9000'" % RANGE
ECHO = "echo 7000 9000 > /proc/sys/net/ipv4/ip_local_port_range"
OTHERS = [
    ("/etc/rc.local", "#!/bin/sh\n# %s\n%s\nexit 0\n" % (SETS, SETS), 3, "rc.local, at the end of a boot"),
    ("/etc/rc.d/rc.local", "#!/bin/sh\n%s\n" % ECHO, 2, "rc.local, at the end of a boot"),
    ("/etc/local.d/tune.start", SETS + "\n", 1, "OpenRC's local service, at the end of a boot"),
    ("/etc/crontab", "SHELL=/bin/sh\n@reboot root %s\n" % SETS, 2, "cron"),
    ("/etc/cron.d/tune", "*/5 * * * * root /sbin/%s -q\n" % SETS, 1, "cron"),
    ("/var/spool/cron/crontabs/root", "@reboot sleep 60; %s\n" % ECHO, 1, "cron"),
    (
        "/etc/tmpfiles.d/tune.conf",
        "d /run/x\nw /proc/sys/net/ipv4/ip_local_port_range - - - - 7000 9000\n",
        2,
        "systemd-tmpfiles, at boot",
    ),
    (
        "/etc/udev/rules.d/99-tune.rules",
        'SUBSYSTEM=="net", ACTION=="add", SYSCTL{net/ipv4/ip_local_port_range}="7000 9000"\n',
        1,
        "a rule of udev, when a device appears",
    ),
    (
        "/usr/lib/udev/rules.d/60-x.rules",
        'SUBSYSTEM=="net", RUN+="/sbin/sysctl -w %s=\'7000 9000\'"\n' % RANGE,
        1,
        "a rule of udev, when a device appears",
    ),
    (
        "/etc/modprobe.d/nf.conf",
        "options x y=1\ninstall nf_conntrack /sbin/modprobe -i nf_conntrack && %s\n" % SETS,
        2,
        "modprobe, when nf_conntrack is loaded",
    ),
    (
        "/etc/network/interfaces",
        "auto eth0\niface eth0 inet dhcp\n    post-up %s\n    post-down sysctl -w %s='1 2'\n" % (SETS, RANGE),
        3,
        "ifupdown, when an interface comes up",
    ),
    ("/etc/network/if-up.d/tune", "#!/bin/sh\n%s\n" % SETS, 2, "ifupdown, when an interface comes up"),
    (
        "/etc/NetworkManager/dispatcher.d/30-tune",
        '#!/bin/sh\n[ "$2" = up ] && %s\n' % SETS,
        2,
        "NetworkManager's dispatcher, when an interface changes",
    ),
    (
        "/etc/networkd-dispatcher/routable.d/tune",
        "#!/bin/sh\n%s\n" % SETS,
        2,
        "networkd-dispatcher, when an interface changes",
    ),
    ("/var/lib/cloud/scripts/per-boot/tune.sh", "#!/bin/sh\n%s\n" % SETS, 2, "cloud-init, at every boot"),
    (
        "/etc/cloud/cloud.cfg.d/99-tune.cfg",
        "runcmd:\n - sysctl -w %s='1 2'\nbootcmd:\n - [ sysctl, -w, \"%s=7000 9000\" ]\n" % (RANGE, RANGE),
        4,
        "cloud-init, at every boot",
    ),
    (
        "/etc/arno-iptables-firewall/firewall.conf",
        'EXT_IF="eth0"\nLOCAL_PORT_RANGE="7000 9000"\n',
        2,
        "arno-iptables-firewall, when it starts",
    ),
]


@pytest.mark.parametrize(("path", "text", "line", "who"), OTHERS)
def test_whoever_sets_the_range_at_boot_is_named_with_file_and_line(machine, path, text, line, who):
    machine.put(path, text)
    assert beaten(machine, RANGE) == [("%s:%d" % (path, line), "7000 9000", who)]


def unit(host, text, name="tune.service", wanted=True):
    host.put("/etc/systemd/system/" + name, text)
    if wanted:
        link = host.path / "etc/systemd/system/multi-user.target.wants" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to("/etc/systemd/system/" + name)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("ExecStart=/usr/sbin/sysctl -q -w '%s=7000 9000'" % RANGE, 3),
        ('ExecStart=/bin/sh -c "%s"' % ECHO, 3),
        ("ExecStartPre=-+/bin/bash -ec '%s'\nExecStart=/bin/true" % ECHO, 3),
        ("ExecStart=/bin/false\nExecStart=\nExecStart=/sbin/sysctl --load=/opt/tune.conf", None),
        ("ExecStart=/usr/local/sbin/tune start", None),
    ],
)
def test_a_unit_that_a_boot_starts_is_named(machine, command, line):
    machine.put("/opt/tune.conf", "\n\n%s = 7000 9000\n" % RANGE)
    machine.put("/usr/local/sbin/tune", "#!/bin/bash\nP='7000 9000'\nsysctl -w %s=\"$P\"\n" % RANGE)
    unit(machine, "[Service]\nType=oneshot\n%s\n" % command)
    ((file, value, who),) = beaten(machine, RANGE)
    assert value == "7000 9000"
    assert "tune.service" in who
    if line is not None:
        assert file == "/etc/systemd/system/tune.service:%d" % line


def test_a_unit_that_no_boot_starts_or_that_is_masked_is_not(machine):
    text = "[Service]\nExecStart=/usr/sbin/sysctl -w '%s=7000 9000'\n" % RANGE
    unit(machine, text, wanted=False)
    assert beaten(machine, RANGE) == []
    unit(machine, "", "tune2.service")
    assert beaten(machine, RANGE) == []


def test_a_unit_that_a_timer_starts_is_named_and_so_is_a_drop_in(machine):
    unit(machine, "[Timer]\nOnBootSec=60\n", "tune.timer")
    unit(machine, "[Service]\nExecStart=/bin/true\n", wanted=False)
    drop_in = "/etc/systemd/system/tune.service.d/x.conf"
    machine.put(drop_in, "[Service]\nExecStartPre=/sbin/sysctl -w net.core.somaxconn=5\n")
    assert beaten(machine, "net.core.somaxconn", {}) == [(drop_in + ":2", "5", "tune.service, when it starts")]


def test_what_is_computed_is_not_guessed(machine):
    machine.put("/etc/rc.local", 'sysctl -w %s="$(cat /x)"\nsysctl -w fs.nr_open=$UNKNOWN\n' % RANGE)
    assert beaten(machine, RANGE) == []
    assert hard_limits.nr_open_after_boot(machine.look()).value == 1048576


def test_sysctl_p_at_the_end_of_a_boot_brings_sysctl_conf_back(machine):
    """Debian 13 and systemd do not read /etc/sysctl.conf at boot, rc.local has it read."""
    machine.put("/etc/sysctl.conf", "%s = 7000 9000\n" % RANGE)
    assert beaten(machine, RANGE) == []
    machine.put("/etc/rc.local", "#!/bin/sh\nsysctl -p\n")
    assert beaten(machine, RANGE) == [("/etc/sysctl.conf:1", "7000 9000", "sysctl -p in /etc/rc.local:2")]


def test_the_kernels_command_line_comes_before_our_drop_in(machine):
    machine.put("/proc/cmdline", "root=/dev/sda1 sysctl.net.core.somaxconn=5 quiet\n")
    assert beaten(machine, "net.core.somaxconn", {}) == []
    machine.sysctl(net__core__somaxconn=5)
    assert kernel_limits.Keys(machine.look()).all()["net.core.somaxconn"]["by"] == "/proc/cmdline:1"


# --- fs.nr_open below a limit ---

NR_OPEN_LINES = [
    ("/etc/rc.local", "#!/bin/sh\nsysctl -w fs.nr_open=210000\n", 2),
    ("/etc/tmpfiles.d/limits.conf", "w /proc/sys/fs/nr_open - - - - 210000\n", 1),
    ("/etc/cron.d/limits", "@reboot root echo 210000 > /proc/sys/fs/nr_open\n", 1),
    ("/proc/cmdline", "quiet sysctl.fs.nr_open=210000\n", 1),
    ("/proc/cmdline", "quiet sysctl.fs/nr_open=210000\n", 1),
    ("/etc/default/grub", 'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="sysctl.fs.nr_open=210000"\n', 2),
    ("/etc/sysctl.conf", "fs.nr_open = 210000\n", 1),
    ("/etc/tuned/mine/tuned.conf", "[sysctl]\nfs.nr_open=210000\n", 2),
    ("/etc/ufw/sysctl.conf", "fs/nr_open=210000\n", 1),
]


@pytest.mark.parametrize(("path", "text", "line"), NR_OPEN_LINES)
def test_nr_open_that_somebody_else_puts_below_a_limit_is_refused_with_file_and_line(machine, path, text, line):
    """systemd's usual hard limit is 524288: no unit would start after the next reboot, or after what runs then."""
    if "tuned" in path or path == "/etc/sysctl.conf":
        machine.put("/run/tuned/tuned.pid", "7\n")
        machine.put("/etc/tuned/active_profile", "mine\n")
        machine.put("/etc/tuned/mine/tuned.conf", "[sysctl]\nvm.swappiness=1\n")
        machine.put("/etc/tuned/tuned-main.conf", "reapply_sysctl=%d\n" % (path == "/etc/sysctl.conf"))
    if "ufw" in path:
        ufw(machine, "")
    machine.put(path, text)
    machine.put("/etc/security/limits.d/50-x.conf", "* hard nofile 400000\n")
    assert hard_limits.nr_open_after_boot(machine.look()) == (210000, path, line)
    request = safety_check.CheckRequest()
    result, message = safety_check.check(machine.look(live=True), request)
    # Before systemd starts: then its own default is no higher.
    early = path in ("/proc/cmdline", "/etc/default/grub")
    assert {(one["value"], one["when"]) for one in result["offenders"]} == (
        {(400000, "after_boot")} if early else {(400000, "after_boot"), (524288, "after_boot")}
    )
    assert "%s:%d" % (path, line) in message
    assert ("205/LIMITS" in message) != early
    way_out = "first raise fs.nr_open" if early else "remove fs.nr_open from %s:%d, or raise it there" % (path, line)
    assert way_out in message


def test_our_own_nr_open_does_not_help_where_theirs_comes_later(machine):
    machine.put("/etc/rc.local", "#!/bin/sh\nsysctl -w fs.nr_open=210000\n")
    request = safety_check.CheckRequest(nofile_hard=2000000, nr_open=2000000)
    _result, message = safety_check.check(machine.look(live=True), request)
    assert "remove or raise fs.nr_open in /etc/rc.local:2, which beats the planned 2000000" in message
    machine.put("/etc/rc.local", "#!/bin/sh\nsysctl -w fs.nr_open=3000000\n")
    assert hard_limits.nr_open_after_boot(hard_limits.with_nr_open(machine.look(), 2000000)).value == 2000000


def test_a_line_of_the_kernel_that_our_drop_in_follows_is_no_refusal(machine):
    machine.put("/proc/cmdline", "sysctl.fs.nr_open=210000\n")
    assert hard_limits.nr_open_after_boot(hard_limits.with_nr_open(machine.look(), 1048576)).value == 1048576
    machine.put("/etc/sysctl.d/99-zz-fourtuple.conf", "# Managed by fourtuple.clients\nfs.nr_open = 1048576\n")
    machine.put("/etc/security/limits.d/50-x.conf", "* hard nofile 400000\n")
    with pytest.raises(Refusal) as caught:
        sysctl_change.plan_absent(machine.look())
    assert "at most 210000, fs.nr_open after the next reboot (/proc/cmdline:1)" in str(caught.value)


def test_an_nr_open_that_the_kernel_refuses_is_none(machine):
    machine.put("/etc/rc.local", "sysctl -w fs.nr_open=1\nsysctl -w fs.nr_open=99999999999\n")
    assert hard_limits.nr_open_after_boot(machine.look()).value == 1048576


# --- F10: containers ---


def docker(host, hard=2000000, **more):
    ulimits = {"nofile": {"Name": "nofile", "Hard": hard, "Soft": 65536}}
    host.put(
        "/etc/docker/daemon.json", json.dumps({"log-driver": "journald", "default-ulimits": ulimits} | more, indent=1)
    )


ENGINE_FILES = [
    ("/etc/docker/daemon.json", '{\n "default-ulimits": {\n  "nofile": {"soft": 5, "hard": 2000000}}}\n', 3, "docker"),
    ("/etc/default/docker", 'DOCKER_OPTS="--default-ulimit nofile=1024:2000000"\n', 1, "docker"),
    (
        "/etc/systemd/system/docker.service.d/x.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --default-ulimit=nofile=2000000\n",
        3,
        "docker",
    ),
    ("/etc/containers/containers.conf", '[containers]\ndefault_ulimits = [\n  "nofile=5:2000000",\n]\n', 3, "podman"),
    ("/etc/containers/containers.conf.d/x.conf", 'default_ulimits = ["nproc=1", "nofile=2000000"]\n', 1, "podman"),
    # Podman takes every .conf, a hidden one too (containers/common, pkg/config, addConfigs).
    ("/etc/containers/containers.conf.d/.x.conf", 'default_ulimits = ["nofile=2000000"]\n', 1, "podman"),
    ("/etc/crio/crio.conf.d/10-x.conf", '[crio.runtime]\ndefault_ulimits = ["nofile=1:2000000"]\n', 2, "CRI-O"),
    ("/var/lib/lxc/c1/config", "lxc.uts.name = c1\nlxc.prlimit.nofile = 1024:2000000\n", 2, "the container c1"),
    ("/etc/pve/lxc/101.conf", "arch: amd64\nlxc.prlimit.nofile: 2000000\n", 2, "the container 101"),
    ("/etc/systemd/nspawn/m.nspawn", "[Exec]\nBoot=yes\nLimitNOFILE=1024:2000000\n", 3, "the container m"),
    ("/etc/supervisor/supervisord.conf", "[supervisord]\nminfds=2000000 ; files\n", 2, "supervisord"),
]


@pytest.mark.parametrize(("path", "text", "line", "name"), ENGINE_FILES)
def test_a_container_that_will_not_start_counts_as_an_offender(machine, path, text, line, name):
    machine.put(path, text)
    request = safety_check.CheckRequest()
    result, message = safety_check.check(machine.look(live=True), request)
    assert {(one["source"], one["line"], one["value"], one["maximum"]) for one in result["offenders"]} == {
        (path, line, 2000000, 1048576)
    }
    assert {one["when"] for one in result["offenders"]} == {"now", "after_boot"}
    assert name in result["offenders"][0]["unit"]
    assert "%s:%d: " % (path, line) in message
    request = request._replace(nr_open=2000000)
    assert safety_check.check(machine.look(live=True), request)[0]["offenders"] == []


def test_a_later_file_of_podman_replaces_the_list_of_an_earlier_one(machine):
    machine.put("/usr/share/containers/containers.conf", 'default_ulimits = ["nofile=2000000:2000000"]\n')
    machine.put("/etc/containers/containers.conf", 'default_ulimits = ["nofile=1024:4096"]\n# default_ulimits = []\n')
    (limit,) = container_engines.limits(machine.look())
    assert (limit.soft, limit.hard, limit.path) == (1024, 4096, "/etc/containers/containers.conf")


def test_podman_asks_for_its_own_default_whatever_nr_open_is(machine):
    machine.put("/usr/bin/podman", "")
    machine.sysctl(fs__nr_open=600000)
    machine.put("/etc/sysctl.d/50-x.conf", "fs.nr_open = 600000\n")
    found = hard_limits.offenders(hard_limits.find(machine.look()), 600000, 600000)
    assert {(one.limit.source, one.limit.now) for one in found} == {("podman's built-in default", 1048576)}


def test_an_unlimited_number_of_files_no_nr_open_can_give(machine):
    docker(machine, hard=-1)
    request = safety_check.CheckRequest()
    _result, message = safety_check.check(machine.look(live=True), request)
    assert "containers of docker, hard nofile unlimited" in message
    assert "A container that is to have such a limit does not start." in message
    assert "205/LIMITS" not in message


def test_f10_that_limits_of_sessions_do_not_reach_containers_is_said_once(machine):
    """Docker 29: a container has 1024:524288, or what daemon.json says, whatever limits.d has."""
    machine.put("/usr/bin/dockerd", "")
    engines = container_engines.engines(machine.look())
    assert [(one["name"], one["nofile"]) for one in engines] == [("docker", None)]
    docker(machine, 524288)
    engines = container_engines.engines(machine.look())
    assert engines[0]["nofile"] == {"soft": 65536, "hard": 524288}
    for found in (
        ceilings.predict(limits_builder.limits_of(engines=engines), {})["warnings"],
        planner.plan(limits_builder.limits_of(engines=engines), {"target_connections": 1000})["warnings"],
    ):
        (warning,) = [text for text in found if "Containers" in text]
        assert "docker: 65536:524288 by /etc/docker/daemon.json:" in warning
        assert "default-ulimits in /etc/docker/daemon.json, or --ulimit nofile=SOFT:HARD of docker run" in warning
    assert not [text for text in ceilings.predict(limits_builder.limits_of(), {})["warnings"] if "Containers" in text]


def test_f10_in_the_container_itself_its_start_is_what_to_change(machine):
    """An unprivileged container of Docker 29: nobody in it can have more than 524288."""
    one = limits_builder.subject("user", "root", 1024, 524288)
    limits = limits_builder.container(
        host={"capabilities": ["CAP_NET_RAW"], "container_kind": "docker"},
        nofile={"subjects": [one], "inherited": {"soft": 1024, "hard": 524288}},
    )
    refusal = planner.plan(limits, {"target_connections": 600000, "destinations": 40})["refusal"]
    assert "start it with a nofile of 600064 or more" in refusal
    assert "--ulimit nofile= of Podman and Docker" in refusal


# --- nobody applies the files ---


def wsl(host, conf=""):
    host.put("/proc/1/comm", "init(Debian)\n")
    host.put("/proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n")
    host.put("/etc/sysctl.d/50-x.conf", "net.core.somaxconn = 5\nfs.nr_open = 2000000\n")
    host.put("/etc/wsl.conf", conf)
    host.sysctl(fs__nr_open=1048576, net__core__somaxconn=4096)
    return host


def test_wsl_without_systemd_reads_no_sysctl_d_and_is_told_so(host):
    wsl(host, "[network]\nhostname=x\n[boot]\ncommand=service ssh start\n")
    applier = sysctl_d.applier(host.look())
    assert applier.name is None
    keys = kernel_limits.Keys(host.look()).all()
    assert (keys["net.core.somaxconn"]["after_boot"], keys["net.core.somaxconn"]["by"]) == (None, None)
    assert hard_limits.nr_open_after_boot(hard_limits.with_nr_open(host.look(), 2000000)).value == 1048576
    limits = limits_builder.limits_of(boot=applier._asdict())
    (warning,) = [text for text in ceilings.predict(limits, {})["warnings"] if "sysctl.d" in text]
    assert "Nobody applies /etc/sysctl.d when this host starts (WSL without systemd" in warning
    assert "systemd=true" in warning
    assert "wsl --shutdown" in warning


def test_wsl_that_has_systemd_or_a_command_for_it(host):
    assert sysctl_d.applier(Host(wsl(host, "[boot]\nsystemd = true\n").root)).name == "systemd-sysctl"
    assert sysctl_d.applier(Host(wsl(host, '[boot]\ncommand="sysctl --system"\n').root)).name == "procps"
    wsl(host, "[boot]\ncommand = sysctl -w net.core.somaxconn=7\n")
    assert kernel_limits.Keys(host.look()).all()["net.core.somaxconn"]["by"] == "/etc/wsl.conf:2"
    (host.path / "run/systemd/system").mkdir(parents=True)
    assert sysctl_d.applier(host.look()).name == "systemd-sysctl"


def test_a_container_whose_first_process_is_a_program(host):
    host.put("/.dockerenv", "")
    host.put("/proc/1/comm", "nginx\n")
    host.put("/etc/sysctl.d/50-x.conf", "net.core.somaxconn = 5\n")
    assert sysctl_d.applier(host.look()).name is None
    assert other_writers.at_boot(host.look()) == []
    host.put("/proc/1/comm", "init\n")
    assert sysctl_d.applier(host.look()).name == "procps"


def test_a_masked_systemd_sysctl(machine):
    (machine.path / "etc/systemd/system").mkdir(parents=True)
    (machine.path / "etc/systemd/system/systemd-sysctl.service").symlink_to("/dev/null")
    applier = sysctl_d.applier(machine.look())
    assert applier.name is None
    assert "unmask" in applier.remedy


# --- nofile by other ways ---


@pytest.mark.parametrize(
    ("path", "text", "line", "unit"),
    [
        ("/etc/default/haproxy", "# x\nulimit -n 8192\n", 2, "haproxy.service"),
        ("/etc/sysconfig/mysqld", "ulimit -SHn 8192\n", 1, "mysqld.service"),
        ("/etc/rc.conf", 'rc_ulimit="-u 30 -n 8192"\n', 1, None),
        ("/etc/conf.d/haproxy", 'rc_ulimit="-n 8192"\n', 1, "haproxy.service"),
        ("/etc/sv/haproxy/run", "#!/bin/sh\nexec chpst -o 8192 haproxy\n", 2, "haproxy.service"),
        ("/etc/initscript", "ulimit -n 8192\neval exec $4\n", 1, None),
        ("/etc/rc.local", "ulimit -n 8192\n/opt/server &\n", 1, None),
    ],
)
def test_whoever_else_sets_nofile_is_named(machine, path, text, line, unit):
    machine.put(path, text)
    (entry,) = [one for one in overrides.find(machine.look(), OURS) if one["key"] == "nofile"]
    assert (entry["file"], entry["value"], entry.get("unit")) == ("%s:%d" % (path, line), "8192", unit)


def test_the_limit_of_a_unit_that_nothing_is_planned_for_is_no_warning(machine):
    unit(machine, "[Service]\nExecStart=/bin/sh -c 'ulimit -n 8192; exec haproxy'\n", "haproxy.service")
    found = overrides.find(machine.look(), OURS)
    assert [(one["value"], one["unit"]) for one in found] == [("8192", "haproxy.service")]
    limits = limits_builder.limits_of(overrides=found)
    for units, count in (([], 0), (["haproxy.service"], 1)):
        planned = planner.plan(limits, {"target_connections": 20000, "units": units})
        assert len([text for text in planned["warnings"] if "nofile: /etc" in text]) == count


def test_an_init_script_that_a_boot_runs(machine):
    machine.put("/etc/init.d/server", "#!/bin/sh\nulimit -n 8192\nsysctl -w net.core.somaxconn=5\n")
    assert overrides.find(machine.look(), {}) == []
    machine.put("/etc/rc2.d/S20server", "")
    found = overrides.find(machine.look(), {})
    assert [(one["key"], one["file"]) for one in found] == [
        ("net.core.somaxconn", "/etc/init.d/server:3"),
        ("nofile", "/etc/init.d/server:2"),
    ]


def test_kube_proxy_reckons_with_the_processors_that_proc_shows(machine):
    machine.put("/etc/rancher/k3s/config.yaml", "\n")
    machine.put("/proc/cpuinfo", "processor\t: 0\n" * 8)
    setting = kube_proxy.conntrack_max(machine.look())
    assert setting is not None
    assert setting.value == "262144"
