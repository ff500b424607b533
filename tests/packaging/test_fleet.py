# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person says about a fleet reaches the play: batches, the number that may fail, the hosts.

The hosts are this machine, which is only looked at: what is asked for cannot be had, so each refuses before a change.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Run

INVENTORY = """
[clients]
one
two
three
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter={{ ansible_playbook_python }}
tune_processes=0
"""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("inventory") / "hosts.ini"
    path.write_text(INVENTORY)
    return path


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ((), {"one", "two", "three"}),
        (("-e", "clients_serial=1", "-e", "clients_max_fail_percentage=0"), {"one"}),
        (("-e", "clients_serial=2", "-e", "clients_max_fail_percentage=40"), {"one", "two"}),
        (("-e", "clients_hosts=two"), {"two"}),
        (("--limit", "three"), {"three"}),
        (("--tags", "limits"), {"one", "two", "three"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_who_is_reached(
    run: Run, copied_checkout: pathlib.Path, inventory: pathlib.Path, options: tuple[str, ...], reached: set[str]
) -> None:
    command = ("ansible-playbook", "playbooks/tune_clients.yml", "-i", inventory, *options)
    said = run(*command, cwd=copied_checkout, status=2).stdout
    refused = "tune_processes is 0; allowed: a whole number from 1 to 1000000. Write how many processes connect."
    assert said.count(refused) >= len(reached)
    assert set(re.findall(r"^(\w+) +: ok=.* failed=1 ", said, re.MULTILINE)) == reached
