# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README word for word: each of its commands, from a shell, in the order in which it gives them."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import typing as t

from sandbox import Sandbox

#: What each playbook ends with: hosts short of their target, and a proof that has nothing to connect to, are 2.
FIRST_USE = ["audit_clients 2", "tune_clients 0", "tune_clients 0"]
FROM_A_CHECKOUT = ["audit_clients 0", "tune_clients 0", "tune_clients 0", "prove_clients 2", "untune_clients 0"]


def blocks(readme: str, kind: str) -> list[str]:
    return re.findall(r"^```%s\n(.*?)^```" % kind, readme, re.MULTILINE | re.DOTALL)


def shell(command: str, folder: pathlib.Path, home: pathlib.Path) -> subprocess.CompletedProcess[str]:
    path = "%s:/usr/sbin:/usr/bin:/sbin:/bin" % pathlib.Path(sys.executable).parent
    environment = {"HOME": str(home), "PATH": path, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_every_command_of_the_readme_in_its_order(copied_checkout: pathlib.Path, tmp_path: pathlib.Path) -> None:
    readme = (copied_checkout / "README.md").read_text()
    commands = [line for block in blocks(readme, "console") for line in block.splitlines()]
    ours = [command for command in commands if not command.startswith("make ")]
    targets = [command.split()[1] for command in commands if command.startswith("make ")]
    makefile = (copied_checkout / "Makefile").read_text()
    assert [target for target in targets if not re.search("^%s:" % target, makefile, re.MULTILINE)] == []

    expected = iter([*FIRST_USE, *FROM_A_CHECKOUT])
    inventory = next(block for block in blocks(readme, "yaml") if "tune_address_pool" in block)
    names = re.findall(r"^ +(client\S+):$", inventory, re.MULTILINE)
    said: dict[str, str] = {}
    with Sandbox("bookworm") as one, Sandbox("trixie") as two:
        before = one.state(), two.state()
        for command in ours:
            if "-i inventory" in command and not (copied_checkout / "inventory").exists():
                (copied_checkout / "inventory").write_text(inventory)
                (copied_checkout / "host_vars").mkdir()
                for name, host in zip(names, (one, two), strict=True):
                    (copied_checkout / "host_vars" / (name + ".json")).write_text(json.dumps(host.connection()))
            done = shell(command, copied_checkout, tmp_path)
            playbook = re.search(r"(\w+_clients)", command)
            status = int(next(expected).removeprefix(playbook[1])) if playbook else 0
            assert done.returncode == status, "%s\n%s" % (command, done.stdout)
            said[command] = done.stdout
        after = one.state(), two.state()
    assert list(expected) == []
    for was, now in zip(before, after, strict=True):
        assert (now["key"], now["address"]) == (was["key"], was["address"])
    proof = next(output for command, output in said.items() if "prove_clients" in command)
    assert "Add hosts with prove_listen to the group sinks" in " ".join(proof.split())
    assert (copied_checkout / "report/report.html").exists()


def test_the_sample_of_the_table_has_todays_columns(copied_checkout: pathlib.Path) -> None:
    columns: t.Iterable[str] = ("HOST", "TARGET", "BEFORE", "AFTER", "ADVISED", "BINDS", "NEXT", "VERDICT")
    headings = [line.split() for line in (copied_checkout / "README.md").read_text().splitlines() if "HOST " in line]
    assert headings[0] == list(columns)
