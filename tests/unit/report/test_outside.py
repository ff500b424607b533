# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the outside of a container can set, as files, as a note and in the page."""

from __future__ import annotations

import json
import pathlib
import shlex
import typing as t

import jsonschema
import pytest
from limits_builder import container, limits_of

from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import document, files, page, table
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ENGINES
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import outcome

SCHEMA = json.loads((pathlib.Path(__file__).parents[3] / "roles/report/files/report-schema-1.json").read_text())
NEED = {"target_connections": 100000, "destinations": 4, "binding": "bind_no_port"}
EXPLICIT = {"reserved_ports": ["8080", "9000-9010"], "sysctl_floors": {"net.core.somaxconn": 9999}}


def reported(limits: dict[str, t.Any], name: str = "client1", **stated: t.Any) -> dict[str, t.Any]:
    """Return the report of one host."""
    stated = {**NEED, **stated}
    result = outcome.planned(name, "planned", stated, plan(limits, stated), limits | {"drift": []}, check_mode=False)
    return document.report([result], "Clients", "")


def content(limits: dict[str, t.Any], **stated: t.Any) -> str:
    ((_name, text),) = of_container(reported(limits, **stated))
    return text


def of_container(report: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(name, text) for name, text in files.files(report) if ".container." in name]


def test_a_host_that_is_no_container_has_no_file():
    report = reported(limits_of())
    assert report["hosts"][0]["container"] is None
    assert of_container(report) == []
    assert "container" not in dict(document.notes(report["hosts"][0]))


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_has_a_file(engine):
    report = reported(limits_of(), container_engine=engine, explicit=EXPLICIT)
    jsonschema.validate(report, SCHEMA, jsonschema.Draft202012Validator)
    ((name, text),) = of_container(report)
    assert name == "client1.container.%s.txt" % engine
    for one in report["hosts"][0]["container"]["texts"]:
        assert "\n# %s\n" % one["place"] in text
        assert one["text"] in text
        assert one["text"].endswith("\n")


def test_a_name_makes_no_folder_and_no_line():
    ((name, text),) = of_container(reported(container(), name="../a\nb"))
    assert name.isprintable()
    assert "/" not in name
    assert text.startswith("# What podman is to give the container ../a b, from outside.")


def test_the_note_says_it_in_a_sentence():
    (host,) = reported(container(), explicit=EXPLICIT)["hosts"]
    note = dict(document.notes(host))["container"]
    assert note.startswith(
        "podman is to give this container net.core.somaxconn = 9999, net.ipv4.ip_local_port_range = 1024 65535, "
        "net.ipv4.ip_local_reserved_ports = 8080,9000-9010, nofile "
    )
    assert "; the machine under it needs fs.nr_open = 1048576, " in note
    printed = " ".join(table.render(reported(container(), explicit=EXPLICIT)).split())
    assert "container client1: podman is to give this container net.core.somaxconn = 9999, " in printed
    (host,) = reported(limits_of(), container_engine="docker")["hosts"]
    assert dict(document.notes(host))["container"].startswith("docker is to give the program's container net.ipv4.")


def test_the_page_has_the_texts_and_no_note_of_them():
    report = reported(container())
    (host,) = page.content(report)["hosts"]
    assert (host["engine"], host["outside"]) == ("podman", report["hosts"][0]["container"]["texts"])
    assert "container" not in {note["kind"] for note in host["notes"]}


def test_a_shell_takes_the_options_apart():
    (podman,) = (
        line
        for line in content(limits_of(), container_engine="podman", explicit=EXPLICIT).splitlines()
        if "--" in line[:3]
    )
    (docker,) = (
        line
        for line in content(limits_of(), container_engine="docker", explicit=EXPLICIT).splitlines()
        if "--" in line[:3]
    )
    assert "net.ipv4.ip_local_port_range=1024 65535" in shlex.split(podman)
    # Podman takes what it is given apart once more, at commas.
    assert '"net.ipv4.ip_local_reserved_ports=8080,9000-9010"' in shlex.split(podman)
    assert "net.ipv4.ip_local_reserved_ports=8080,9000-9010" in shlex.split(docker)


def test_a_kubelet_is_told_of_keys_by_release():
    said = content(limits_of(), container_engine="kubernetes", explicit=EXPLICIT)
    assert (
        "allowedUnsafeSysctls:\n  - net.core.somaxconn\n"
        "  - net.ipv4.ip_local_reserved_ports  # only before Kubernetes 1.27\n"
    ) in said
    assert "allowedUnsafeSysctls" not in content(limits_of(), container_engine="kubernetes")


@pytest.mark.parametrize(("port_range", "said"), [("1024 65535", True), ("1024 29999", False)])
def test_node_ports_are_named_where_the_range_has_them(port_range, said):
    stated = {"container_engine": "kubernetes", "port_range": port_range, "target_connections": 50000}
    found = content(limits_of(), **stated)
    assert ("NodePorts" in found) is said
