# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small host that has one of everything that the collection reads: nobody runs all of it at once."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

from host_folder import HostFolder
from recorded import Recording

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_table

#: As much of a snapshot as no file has: what observation.observe() returns.
OBSERVATION: dict[str, t.Any] = Recording.load("debian-12").content["observation"]

#: What ``ip -json address show`` prints, of one interface.
LINKS: list[dict[str, t.Any]] = [
    {
        "ifindex": 2,
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "192.0.2.15", "prefixlen": 24, "broadcast": "192.0.2.255", "scope": "global"},
            {"family": "inet6", "local": "2001:db8::5054:ff:fe12:3456", "prefixlen": 64, "scope": "global"},
        ],
    }
]

_MARK = "# Managed by fourtuple.clients (role %s). Changes here are overwritten.\n"
_UNIT = "[Unit]\nDescription=A service\n[Service]\nLimitNOFILE=1024:524288\n"
_LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
"""
_STATUS = "Name:\tinit\nState:\tS (sleeping)\nPid:\t1\nCapEff:\t000001ffffffffff\n"
_TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0F0200C0:0016 0A0200C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1
"""

FILES: dict[str, str] = {
    # --- distribution, accounts, packages ---
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\nID_LIKE="debian other"\n',
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\ntester:x:1000:1000::/home/tester:/bin/sh\n",
    "/etc/group": "root:x:0:\ntester:x:1000:\nload:x:1001:root,tester\n",
    "/var/lib/dpkg/status": "Package: libpam-modules\nStatus: install ok installed\nVersion: 1.5.2-6\n\n"
    "Package: systemd\nVersion: 252.17-1\n\n",
    # --- sessions ---
    "/etc/ssh/sshd_config": "# sshd\nInclude sshd_config.d/[a-z]*.conf sshd_config\nMatch User x\nUsePAM yes\n",
    "/etc/ssh/sshd_config.d/x.conf": 'X11Forwarding=yes # x\nMatch all\n"UsePAM" \'no\'\nPAMServiceName "ssh \\"d"\n',
    "/etc/default/ssh": "SSHD_OPTS='-4 -o \"Port 22\" -oUsePAM=what -f'\n",
    "/etc/pam.d/login": "-session [success=1 user_unknown=die default=ignore] pam_x.so \\\n [a\\] b]\n"
    "session include login\nsession substack common\n@include common # c\nsession sufficient pam_limits.so\n",
    "/etc/pam.d/common": "session\trequired pam_limits.so conf=/etc/security/limits.d/50-x.conf set_all\n"
    "session optional pam_permit.so\nauth required pam_deny.so\nbroken\nsession required\n",
    "/etc/pam.d/other": "session requisite pam_limits.so\n",
    "/etc/pam.conf": "su session required pam_limits.so\nother session optional \\\n pam_deny.so\n",
    "/usr/lib/x86_64-linux-gnu/libpam.so.0": "\x7fELF\0/etc/pam.d/%s\0/usr/vendor/pam.d/%s\0@include\0",
    # --- pam_limits ---
    "/usr/lib/x86_64-linux-gnu/security/pam_limits.so": "\x7fELF\0/usr/lib/vendor/limits.conf\0"
    "%s%s%s%s\0/proc/sys/fs/nr_open\0",
    "/etc/security/limits.conf": "#<domain> <type> <item> <value>\n* soft nofile 65536\n@load - nofile 100000\n"
    "1000:1010 hard nofile 200000\nroot - nofile unlimited\ntester -\n",
    "/etc/security/limits.d/50-x.conf": "tester\thard\tnofile\t0\n%load - maxlogins 4\n@1001 soft nofile -1\n",
    "/etc/security/limits.d/99-zz-fourtuple.conf": _MARK % "limits" + "* soft nofile 1048576\n* hard nofile 1048576\n",
    "/usr/lib/vendor/limits.conf": "* hard nofile 4096\n",
    # --- sysctl.d ---
    "/etc/sysctl.conf": "fs.nr_open = 2000000\nnet.ipv4.ip_local_port_range=1024 65535\n",
    "/etc/sysctl.d/10-a.conf": "# a comment\n-net.ipv4.conf.*.rp_filter = 1\nnet/ipv4/tcp_tw_reuse = 1\n"
    "net.core.some*=4096\n-net.core.somaxconn\n; other\n",
    "/etc/sysctl.d/99-zz-fourtuple.conf": _MARK % "sysctl" + "fs.nr_open = 1048577\n"
    "net.ipv4.ip_local_reserved_ports = 8080,9000-9010\nnet.netfilter.nf_conntrack_max = 100\n",
    "/usr/lib/sysctl.d/99-zzz.conf": "net.ipv4.ip_local_reserved_ports = 22\nfs.nr_open = 0x100000\n",
    "/etc/modules-load.d/fourtuple.conf": _MARK % "sysctl" + "nf_conntrack\n",
    # --- systemd ---
    "/usr/lib/systemd/systemd": "",
    "/usr/lib/systemd/libsystemd-shared-252.so": "",
    "/etc/systemd/system.conf": "[Manager]\n#DefaultLimitNOFILE=1024:524288\nDefaultLimitNOFILE=1024:600000\n",
    "/etc/systemd/user.conf": "[Manager]\nDefaultLimitNOFILE=infinity\n",
    "/etc/systemd/system.conf.d/zzzz-fourtuple.conf": _MARK % "limits" + "[Manager]\nDefaultLimitNOFILE=1024:700000\n",
    "/usr/lib/systemd/system/ssh.service": _UNIT
    + "EnvironmentFile=-/etc/default/ssh\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS -h'x'\n",
    "/usr/lib/systemd/system/load@.service": _UNIT + "LimitNOFILE=4096 \\\n\n",
    "/etc/systemd/system/load@1.service.d/override.conf": "[Service]\nLimitNOFILE=\nLimitNOFILE=0x100:0o777\n",
    "/etc/systemd/system/ssh.service.d/zzzz-fourtuple.conf": _MARK % "limits"
    + "[Service]\nLimitNOFILE=1048576:1048576\n",
    "/etc/systemd/system/app@.socket": "[Socket]\nListenStream=%i\nListenStream=\nListenStream=0x1F90\n",
    "/etc/systemd/system/sockets.target.wants/app@5.socket": "",
    "/etc/systemd/system/app@.socket.d/x.conf": "[Socket]\nListenDatagram=[::1]:%i\nListenFIFO=/run/%t\n",
    # --- Kubernetes ---
    "/etc/kubernetes/manifests/kube-apiserver.yaml": "spec:\n  - --service-node-port-range=20000-22767\n",
    "/etc/rancher/k3s/config.yaml.d/5.yaml": "service-node-port-range: 30000+5 # x\n",
    # --- TuneD ---
    "/run/tuned/tuned.pid": "99\n",
    "/etc/tuned/active_profile": "throughput mine\n",
    "/etc/tuned/tuned-main.conf": "reapply_sysctl = 0\n",
    "/usr/lib/tuned/throughput/tuned.conf": "[main]\nsummary=x\ninclude=base, mine\n[sysctl]\nfs.nr_open=>1000\n",
    "/usr/lib/tuned/base/tuned.conf": '[sysctl]\nnet.core.somaxconn="4096"\ndrop=fs.nr_open\nreplace=1\n',
    "/etc/tuned/mine/tuned.conf": "[main]\ninclude=mine;throughput\n[other]\ntype=sysctl\nvm.swappiness=<10\n",
    # --- who else sets keys and limits ---
    "/etc/rc.local": "#!/bin/sh\nP='1024 65535'\nsysctl -w net.ipv4.ip_local_port_range=\"$P\"\n"
    "echo 5 | tee /proc/sys/net/core/somaxconn\n/usr/local/sbin/tune\nulimit -SHn 65536\nexit 0\n",
    "/usr/local/sbin/tune": "#!/bin/sh\nsysctl -e -p /etc/tune.conf --pattern net\n",
    "/etc/tune.conf": "net.core.somaxconn = 7\n",
    "/etc/ufw/ufw.conf": "ENABLED=yes\n",
    "/etc/default/ufw": 'IPV6=yes\nIPT_SYSCTL="/etc/ufw/sysctl.conf"\n',
    "/etc/ufw/sysctl.conf": "net/ipv4/ip_local_port_range=32768 60999\n",
    "/etc/arno-iptables-firewall/firewall.conf": 'CONNTRACK=16384\nLOCAL_PORT_RANGE="32768 60999"\n',
    "/etc/firehol/firehol.conf": "FIREHOL_CONNTRACK_MAX='100'\n",
    "/etc/apf-firewall/sysctl.rules": "echo 2048 > /proc/sys/net/ipv4/tcp_max_syn_backlog\n",
    "/etc/tmpfiles.d/x.conf": 'w+! /proc/sys/net/core/somaxconn - - - - "5\\n"\n',
    "/etc/udev/rules.d/9-x.rules": 'ACTION=="add", SYSCTL{net/core/somaxconn}="5", RUN+="/bin/sh -c \'sysctl -p\'"\n',
    "/etc/modprobe.d/x.conf": "install nf_conntrack /sbin/modprobe -i nf_conntrack; sysctl -w fs.nr_open=5000000\n",
    "/etc/crontab": "@reboot root sysctl -w net.core.somaxconn=5\n*/5 * * * * root true\n",
    "/etc/cloud/cloud.cfg.d/9-x.cfg": "bootcmd:\n - [ sysctl, -w, 'net.core.somaxconn=5' ]\nruncmd: []\n",
    "/etc/init.d/app": "#!/bin/sh\nulimit -n 4096\n",
    "/etc/rc2.d/S20app": "",
    "/etc/rc.conf": 'rc_ulimit="-n 4096"\n',
    "/etc/sv/app/run": "#!/bin/sh\nexec chpst -o 4096 app\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX="quiet sysctl.fs.nr_open=5000000"\n',
    "/proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n",
    "/etc/wsl.conf": "[boot]\nsystemd=true\ncommand = sysctl --system\n",
    "/etc/systemd/system/multi-user.target.wants/tune.timer": "[Timer]\nUnit=tune.service\n",
    "/etc/systemd/system/tune.service": "[Unit]\nWants=load@1.service\n[Service]\nExecStartPre=-/bin/sh -ec "
    "'echo 7 > /proc/sys/net/core/somaxconn'\nExecStart=@/sbin/sysctl x -w vm.a=1 ; /bin/true\n",
    "/var/lib/kube-proxy/config.conf": "conntrack:\n  maxPerCore: 32768\n  min: null\nmode: x\n",
    "/etc/rancher/k3s/config.yaml": "kube-proxy-arg: [conntrack-min=5]\ndisable-kube-proxy: false\n",
    "/etc/docker/daemon.json": '{"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 65536}}}',
    "/etc/default/docker": "DOCKER_OPTS='--default-ulimit nofile=5:6'\n",
    "/etc/containers/containers.conf": '[containers]\ndefault_ulimits = [\n "nofile=5:6",\n]\n',
    "/etc/containerd/config.toml": 'base_runtime_spec = "/etc/containerd/base.json"\n',
    "/etc/containerd/base.json": '{"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 6, "soft": 5}]}}',
    "/var/lib/lxc/c1/config": "lxc.prlimit.nofile = 1024:unlimited\n",
    "/etc/systemd/nspawn/m.nspawn": "[Exec]\nLimitNOFILE=5:6\n",
    "/etc/supervisord.conf": "[supervisord]\nminfds=1024\n",
    # --- who gives addresses ---
    "/run/systemd/netif/links/2": "# ours\nADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10-eth0.network\n",
    "/etc/keepalived/keepalived.conf": "include x/*.conf\nvrrp_instance V { # v\n"
    " virtual_ipaddress {\n 192.0.2.7/24 dev e0\n}}\n",
    "/etc/keepalived/x/x.conf": "virtual_server 192.0.2.8 80 {\n}\ninclude ../*.conf\n",
    "/var/lib/pacemaker/cib/cib.xml": '<primitive type="IPaddr2"><nvpair name="ip" value="192.0.2.9"/></primitive>\n',
    "/proc/net/ip_vs": "Prot LocalAddress:Port Scheduler Flags\nTCP  C0000207:0050 rr\n",
    "/proc/sys/net/ipv4/conf/all/arp_ignore": "1\n",
    "/proc/sys/net/ipv4/conf/all/arp_announce": "2\n",
    "/sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
    "/etc/systemd/network/10-eth0.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n",
    "/etc/systemd/network/10-eth0.network.d/fourtuple.conf": _MARK % "addresses"
    + "[Network]\nAddress=198.51.100.1/32\nAddress=198.51.100.2/32\n",
    "/etc/network/interfaces": "source /etc/network/interfaces.d/*\nsource-directory more\nauto lo eth0\n"
    "iface eth0 inet dhcp\n  up true \\\n  and more\n",
    "/etc/network/interfaces.d/eth1": "iface eth1 inet manual\nno-scripts eth*\nsource ../interfaces\n",
    "/etc/network/more/eth2": 'iface eth2 inet manual\nsource "/etc/network/interfaces.d/a b"\n',
    "/etc/network/if-up.d/fourtuple": "#!/bin/sh\n" + _MARK % "addresses",
    "/etc/network/fourtuple.batch": _MARK % "addresses" + "address replace 198.51.100.1/32 dev eth0\n",
    "/usr/sbin/ifup": "",
    "/run/NetworkManager/devices/2": "[device]\nmanaged=true\n",
    "/etc/netplan/50-cloud.yaml": "network: {}\n",
    "/sys/class/net/eth0/ifindex": "2\n",
    # --- our records ---
    "/var/lib/fourtuple/sysctl.json": json.dumps(
        {
            "fs.nr_open": {"before": "1048576", "kind": "floor", "order": 0, "ours": ["1048577"]},
            "net.ipv4.ip_local_reserved_ports": {
                "before": "",
                "kind": "reserved",
                "order": 1,
                "ours": ["8080,9000-9010"],
            },
        }
    ),
    "/var/lib/fourtuple/metrics.json": json.dumps({"paths": ["/var/lib/prometheus/node-exporter/fourtuple.prom"]}),
    "/var/lib/prometheus/node-exporter/fourtuple.prom": "# HELP fourtuple_report_timestamp_seconds Managed by "
    "fourtuple.clients. When.\n",
    "/var/lib/fourtuple/addresses.json": json.dumps(
        {"added": [["eth0", "198.51.100.1/32"]], "routes": ["203.0.113.8/29"]}
    ),
    "/etc/systemd/system/fourtuple-addresses.service": _MARK % "addresses"
    + "[Service]\nStandardInputText=route append local 203.0.113.8/29 dev lo proto kernel\n",
    # --- the kernel's tables ---
    "/proc/sys/net/ipv4/tcp_mem": "180000\t240000\t360000\n",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
    "/proc/sys/fs/file-nr": "1200\t0\t9223372036854775807\n",
    "/proc/sys/fs/dentry-state": "50000\t30000\t45\t0\t10\t0\n",
    "/proc/sys/vm/min_free_kbytes": "67584\n",
    "/proc/sys/net/netfilter/nf_conntrack_count": "3\n",
    "/proc/meminfo": "MemTotal: 8000000 kB\nMemFree: 4000000 kB\nMemAvailable: 6000000 kB\nMapped: 1000 kB\n"
    "Active(file): 2000 kB\nInactive(file): 3000 kB\nSReclaimable: 90000 kB\nSwapFree: 0 kB\n",
    "/proc/zoneinfo": "Node 0, zone Normal\n  pages free 3968\n        high     75\n    high: 186\n",
    "/proc/modules": "nf_conntrack 1 0 - Live 0x0\n",
    "/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t5\t50\t1\n",
    "/proc/cmdline": "root=LABEL=root thash_entries=1000\n",
    "/proc/loadavg": "0.00 0.01 0.05 1/100 1234\n",
    "/proc/slabinfo": "slabinfo - version: 2.1\nTCP 10 13 2368 13 8 : tunables 0 0 0\ndentry 1 21 192 21 1 : x\n",
    "/sys/kernel/slab/TCP/slab_size": "2368\n",
    "/sys/kernel/slab/TCP/order": "3\n",
    "/sys/kernel/slab/TCP/objs_per_slab": "13\n",
    "/proc/self/status": _STATUS,
    "/proc/self/limits": _LIMITS,
    "/proc/self/uid_map": "         0          0 4294967295\n",
    "/proc/self/cgroup": "5:memory:/user.slice/a\n4:pids:/user.slice\n"
    "1:name=systemd:/user.slice/x.scope\n0::/user.slice/a\n",
    "/proc/self/mountinfo": "30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 20 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "32 20 0:28 / /sys/fs/cgroup/un\\040ified rw - cgroup2 c rw\n",
    "/sys/fs/cgroup/memory/user.slice/a/memory.limit_in_bytes": "1000000000\n",
    "/sys/fs/cgroup/memory/user.slice/a/memory.usage_in_bytes": "5000000\n",
    "/sys/fs/cgroup/memory/user.slice/a/memory.stat": "total_active_file 1\ntotal_inactive_file 2\n",
    "/sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 900000000\n",
    "/sys/fs/cgroup/pids/user.slice/pids.max": "4000\n",
    "/sys/fs/cgroup/un ified/user.slice/a/memory.max": "max\n",
    "/proc/1/comm": "systemd\n",
    "/proc/1/limits": _LIMITS,
    "/proc/1/cgroup": "0::/init.scope\n",
    "/proc/1/status": _STATUS,
    "/proc/1/environ": "HOME=/\0TERM=linux\0",
    "/proc/77/comm": "sshd\n",
    "/proc/77/stat": "77 (sshd: (x) y) S 1 77 77 0 -1\n",
    "/proc/77/environ": "SSH_CONNECTION=192.0.2.7 50000 192.0.2.10 22\0",
    "/etc/resolv.conf": "search example.com\nnameserver 192.0.2.53 # ours\nnameserver fe80::1%eth0\n",
    "/proc/77/limits": _LIMITS,
    "/proc/77/cgroup": "1:name=systemd:/system.slice/ssh.service\n0::/system.slice/ssh.service\n",
    "/proc/net/sockstat": "sockets: used 100\nTCP: inuse 4 orphan 0 tw 0 alloc 5 mem 1\n",
    "/proc/net/sockstat6": "TCP6: inuse 2\n",
    "/proc/net/snmp": "Tcp: RtoAlgorithm CurrEstab\nTcp: 1 4\n",
    "/proc/net/tcp": _TCP,
    "/proc/net/udp": _TCP.replace(":0016 00000000:0000 0A", ":14E9 00000000:0000 07"),
    "/proc/net/tcp6": _TCP,
    "/proc/net/ip_tables_names": "filter\nnat\n",
}
FILES.update(
    {
        "/proc/sys/" + key.replace(".", "/"): "1024 65535\n" if key == sysctl_table.PORT_RANGE else "1048576\n"
        for key in sysctl_table.OF_SNAPSHOT
        if key not in ("net.ipv4.tcp_mem", sysctl_table.RESERVED_PORTS)
    }
)
FILES["/proc/sys/net/ipv4/ip_local_reserved_ports"] = "8080\n"

LINKS_ON_DISK = {
    "/etc/sysctl.d/99-sysctl.conf": "../sysctl.conf",
    "/etc/systemd/system/masked.service": "/dev/null",
    "/etc/systemd/system/sshd.service": "/usr/lib/systemd/system/ssh.service",
    "/lib": "usr/lib",
    "/sbin": "/usr/sbin",
    "/usr/sbin/init": "/lib/systemd/systemd",
    "/sys/kernel/slab/filp": "TCP",
}
FOLDERS = ("/run/systemd/system", "/proc/77/fd", "/dev")


def encode(text: str) -> bytes:
    """Return what stands in a file whose text read_text() returns; what no file can give is replaced."""
    return text.encode("utf-8", "surrogateescape") if text.isascii() else _encode_any(text)


def _encode_any(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


class SampleHost(HostFolder):
    """The host's files in a folder, to be changed and put back."""

    def __init__(self, root: pathlib.Path) -> None:
        super().__init__(root)
        for path in FILES:
            self.put(path)
        for path, target in LINKS_ON_DISK.items():
            self.below(path).symlink_to(target)
        for path in FOLDERS:
            self.below(path).mkdir(parents=True, exist_ok=True)

    def put(self, path: str, text: str | None = None) -> None:
        self.below(path).parent.mkdir(parents=True, exist_ok=True)
        self.below(path).write_bytes(encode(FILES[path] if text is None else text))

    def remove(self, path: str) -> None:
        target = self.below(path)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        elif os.path.lexists(target):
            target.unlink()
