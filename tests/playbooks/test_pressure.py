# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""audit_clients.yml on a host whose clients use up its ports: this machine, in a network namespace of its own."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

from namespaces import needs_root

if t.TYPE_CHECKING:
    from conftest import Run

INVENTORY = """
[clients]
one
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter={{ ansible_playbook_python }}
tune_binding=autobind
"""

#: Holds connections, 85 of 100 ports by the option and 10 by plain binds, while a command runs.
HOLD = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40099")
server = socket.create_server(("127.0.0.1", 8001), backlog=4096)
stray = socket.create_server(("", 40099))
held = []
for number in range(94):
    one = socket.socket()
    if number < 84:
        one.setsockopt(socket.IPPROTO_IP, 24, 1)
    one.bind(("127.0.0.2" if number < 84 else "127.0.0.3", 0))
    one.connect(("127.0.0.1", 8001))
    held.append(one)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


@needs_root
def test_an_audit_says_what_is_used_up_and_how(run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "hosts.ini").write_text(INVENTORY)
    audit = ("ansible-playbook", "playbooks/audit_clients.yml", "-i", tmp_path / "hosts.ini", "-e", "report_dir=out")
    said = run("unshare", "--net", sys.executable, "-c", HOLD, *audit, cwd=copied_checkout).stdout
    user = "user root"
    folder = next(path for path in (copied_checkout / "out", copied_checkout / "playbooks/out") if path.exists())
    (host,) = json.loads((folder / "report.json").read_text())["hosts"]
    fullest = host["pressure"]["pairs"][0]
    assert (fullest["source"], fullest["destination"]) == ("127.0.0.2", "127.0.0.1:8001")
    assert (fullest["connections"], fullest["ports"]) == (84, 89)
    assert [(one["binding"], one["certainty"], one["connections"]) for one in host["pressure"]["programs"]] == [
        ("bind_no_port", "sure", 84),
        ("bind", "sure", 10),
    ]
    page = (folder / "report.html").read_text()
    for text in (" ".join(said.split()), page):
        assert user + ", bind_no_port (sure)" in text
        assert "127.0.0.2 towards 127.0.0.1:8001" in text
    warned = "\n".join(host["warnings"])
    assert "94 % of 89 ports of 127.0.0.2 towards 127.0.0.1:8001 (84 connections): above 80 %" in warned
    assert "user root has 84 connections by bind_no_port (sure)" not in warned, "fewer than a hundred"
    assert "10 of 99 ports are bound (user root, bind (sure))" in warned
    assert "not reserved: 40099 (user root)" in warned


@needs_root
def test_a_tune_run_does_not_look(run: Run, copied_checkout: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "hosts.ini").write_text(INVENTORY + "tune_target_connections=1000\n")
    command = ("ansible-playbook", "playbooks/tune_clients.yml", "--check", "-vv", "-i", tmp_path / "hosts.ini")
    # It refuses a host without an address, once that is read.
    said = run("unshare", "--net", *command, cwd=copied_checkout, status=2).stdout
    assert '"pressure": null' in said
