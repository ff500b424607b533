# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import identity
from ansible_collections.fourtuple.clients.plugins.module_utils.values import capabilities

OBSERVED = {"hostname": "h", "kernel": "6.1.0", "machine": "x86_64", "page_size": 4096, "cpus": 2, "uid": 0}
STATUS = """Package: systemd-sysv
Status: install ok installed
Version: 1

Package: systemd
Status: install ok installed
Description: manager
 Version: 9 of nothing
Version: 252.38-1~deb12u1

Package: libpam-modules
Version: 1.5.2-6
"""


def test_a_debian_host(host):
    host.put("/etc/os-release", '# x\nPRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\nBAD="\n')
    host.put("/var/lib/dpkg/status", STATUS)
    host.put("/proc/self/uid_map", "         0          0 4294967295\n")
    host.sysctl(net__ipv4__tcp_mem="1 2 3")
    (host.path / "run/systemd/system").mkdir(parents=True)
    found = identity.describe(host.look(), OBSERVED)
    assert found == dict(
        OBSERVED,
        os={"id": "debian", "version": "12", "name": "Debian GNU/Linux 12"},
        init="systemd",
        systemd="252.38-1~deb12u1",
        pam="1.5.2-6",
        cloud=None,
        container=False,
        container_kind=None,
        first_network_namespace=True,
        first_user_namespace=True,
        capabilities=None,
    )


def test_another_distribution(host):
    host.put("/usr/lib/os-release", "ID=rocky\n")
    host.put("/usr/lib/systemd/libsystemd-shared-257.so", "")
    host.put("/proc/1/comm", "init\n")
    host.put("/proc/self/uid_map", "0 100000 65536\n")
    found = identity.describe(host.look(), OBSERVED)
    assert (found["os"]["id"], found["systemd"], found["pam"], found["init"]) == ("rocky", "257", None, "init")
    assert found["first_user_namespace"] is False


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("/run/systemd/container", "lxc\n", "lxc"),
        ("/run/.containerenv", "", "podman"),
        ("/.dockerenv", "", "docker"),
        ("/proc/1/environ", "A=1\0container=oci\0", "oci"),
    ],
)
def test_containers(host, path, text, kind):
    host.put(path, text)
    found = identity.describe(host.look(), OBSERVED)
    assert (found["container"], found["container_kind"]) == (True, kind)


def test_capabilities():
    assert capabilities.read("Name:\tx\nCapEff:\t0000000001001400\n") == [
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_ADMIN",
        "CAP_SYS_RESOURCE",
    ]
    assert capabilities.read("CapEff:\t0000000000000000\n") == []
    assert capabilities.read("") is None


@pytest.mark.parametrize(
    ("fields", "cloud"),
    [
        ({"sys_vendor": "Amazon EC2", "product_name": "m6i.large"}, "AWS"),
        ({"sys_vendor": "Xen", "product_version": "4.11.amazon"}, "AWS"),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, "Google Cloud"),
        (
            {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"},
            "Azure",
        ),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085"}, None),
        ({"sys_vendor": "QEMU", "chassis_asset_tag": "OracleCloud.com"}, "Oracle Cloud"),
        ({"sys_vendor": "Hetzner", "product_name": "vServer"}, "Hetzner Cloud"),
        ({"sys_vendor": "OpenStack Foundation", "product_name": "OpenStack Nova"}, "OpenStack"),
        ({"sys_vendor": "QEMU", "chassis_asset_tag": "OpenTelekomCloud"}, "OpenStack"),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}, None),
        ({"sys_vendor": "VMware, Inc."}, None),
        ({}, None),
    ],
)
def test_the_cloud_of_a_machine(host, fields, cloud):
    host.path.mkdir(exist_ok=True)
    for field, text in fields.items():
        host.put("/sys/class/dmi/id/" + field, text + "\n")
    assert identity.cloud(host.look()) == cloud
