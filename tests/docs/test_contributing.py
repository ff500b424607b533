# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked examples of CONTRIBUTING.md, each followed."""

from __future__ import annotations

import pathlib
import re
import runpy
import textwrap
import types
import typing as t

import pytest
from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.module_utils.config import network_interface, network_providers
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import Keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values import refusal, sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import programs, request
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, constraint
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

PAGE = pathlib.Path(__file__).parents[2].joinpath("CONTRIBUTING.md").read_text()


def example(heading: str) -> str:
    """Return the code below a heading."""
    section = PAGE.partition("### … %s\n" % heading)[2].partition("\n### ")[0]
    (code,) = re.findall(r"^ *```python\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(code)


def follow(tmp_path: pathlib.Path, code: str, module: types.ModuleType) -> dict[str, t.Any]:
    """Run an example as if it stood in a module; what its last paragraph comes to is ``made``."""
    before, blank, last = code.rpartition("\n\n\n")
    script = tmp_path / "example.py"
    script.write_text(before + blank + "made = " + last if "def " not in last and "raise" not in last else code)
    return runpy.run_path(str(script), vars(module))


def test_a_sysctl_key(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    comment, _newline, code = example("a sysctl key").partition("\n")
    key = comment.rpartition(" ")[2]
    assert key not in sysctl_table.KEYS
    row = follow(tmp_path, code, sysctl_table)["made"]
    monkeypatch.setitem(sysctl_table.KEYS, key, row)
    monkeypatch.setattr(sysctl_table, "OF_SNAPSHOT", (*sysctl_table.OF_SNAPSHOT, key))
    sysctl_keys.taken.cache_clear()
    kernel = sysctl_keys.Kernel()
    assert sysctl_keys.allowed(key, kernel) == "a whole number from 0 to 127"
    assert [sysctl_keys.taken(key, text, kernel) for text in ("127", "128")] == ["127", None]
    place = tmp_path / sysctl_keys.proc_path(key)[1:]
    place.parent.mkdir(parents=True)
    place.write_text("4\n")
    assert Keys(Host(str(tmp_path))).all()[key]["now"] == "4"


def test_a_constraint(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    added = follow(tmp_path, example("a constraint"), constraint)["made"]
    monkeypatch.setattr(ceilings, "CONSTRAINTS", (*ceilings.CONSTRAINTS, added))
    limits = limits_of(tcp={"max_orphans": 7})
    found = ceilings.predict(limits, {})
    assert (found["ceiling"], found["binding_constraint"]) == (7, "orphans")
    assert "raise net.ipv4.tcp_max_orphans" in planner.plan(limits, {"target_connections": 8})["refusal"].lower()
    unknown = ceilings.predict(limits_of(tcp={"max_orphans": None}), {})["unknown"]
    assert unknown == [{"name": "orphans", "why": "net.ipv4.tcp_max_orphans could not be read"}]


def test_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    added = follow(tmp_path, example("a program"), programs)["made"]
    monkeypatch.setitem(programs.PROGRAMS, "my-client", added)
    found = request.parse({"program": "my-client", "program_binds": True})
    assert (found.binding, found.descriptors_per_connection, found.closes_first) == ("bind", 1, "client")


def test_an_address_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    example_of = follow(tmp_path, example("an address provider"), network_interface)
    monkeypatch.setattr(network_providers, "MANAGERS", [*network_providers.MANAGERS, example_of["MANAGER"]])

    def found(provider: str) -> network_providers.Persistence:
        return network_providers.find(Host(str(tmp_path)), "addresses_provider", provider, "eth0", [])

    with pytest.raises(Refusal, match="netctl does not manage eth0"):
        found("netctl")
    with pytest.raises(Refusal, match="Nobody was found to manage eth0"):
        found("auto")
    tmp_path.joinpath("run/netctl").mkdir(parents=True)
    tmp_path.joinpath("run/netctl/eth0").touch()
    files = {"netctl_hook": "/etc/netctl/hooks/fourtuple"}
    assert found("auto") == found("netctl") == ("netctl", files, [])
    hook = tmp_path / "etc/netctl/hooks/fourtuple"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\n# somebody's\n")
    with pytest.raises(Refusal, match="rename or remove that file"):
        found("auto")
    hook.write_text("#!/bin/sh\n# Managed by fourtuple.clients: role addresses.\n")
    assert network_providers.own_files(Host(str(tmp_path))) == list(files.values())


def test_a_refusal(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refusal) as caught:
        follow(tmp_path, example("a refusal"), refusal)
    expected = "tune_processes is 0; allowed: a whole number of 1 or more. Write how many processes connect."
    assert str(caught.value) == expected
