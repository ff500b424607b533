# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role report: printed, written, in check mode, for hosts that failed, and refused."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import jsonschema
import pytest
import sample
from limits_builder import container
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan

if t.TYPE_CHECKING:
    from conftest import Run

PLAY = """
- hosts: all
  connection: local
  become: true
  become_user: nobody
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.set_fact:
            tune_result: "{{ (lookup('file', results) | from_json)[inventory_hostname] }}"
          when: inventory_hostname != 'client3'
        - ansible.builtin.assert:
            that: tune_result.state == 'tuned'
      always:
        - ansible.builtin.import_role:
            name: fourtuple.clients.report
"""


@pytest.fixture
def play(run: Run, checkout: pathlib.Path, tmp_path: pathlib.Path) -> t.Callable[..., str]:
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays/play.yml").write_text(PLAY)
    results = {"client1": sample.refused("client1"), "client2": sample.told("client2")}
    # As a managed host may send it: nothing of this is a template.
    results["client2"]["warnings"] = ["{{ 7 * 7 }} <b>"]
    told = plan(container(), {"target_connections": 50000, "destinations": 4})["container"]
    results["client2"]["container"] = {**told, "sysctls": {"net.x": "{{ 7 * 7 }} <b>"}}
    results["client2"]["container"]["texts"][0]["text"] = "--sysctl 'net.x={{ 7 * 7 }} <b>'\n"
    (tmp_path / "results.json").write_text(json.dumps(results))

    def play_it(*options: str) -> str:
        given = json.dumps({"results": str(tmp_path / "results.json")})
        command = ("ansible-playbook", "plays/play.yml", "-i", "client1,client2,client3", "-e", given, *options)
        collections = str(checkout / "playbooks/collections")
        # client1 and client3 failed, which the report must not hide.
        return run(*command, cwd=tmp_path, status=2, ANSIBLE_COLLECTIONS_PATH=collections).stdout

    return play_it


def test_the_table_is_printed_as_it_is_and_nothing_written(play: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    before = sorted(tmp_path.iterdir())
    said = play()
    # The message of a task: each line of the table is a line of it, in quotes.
    rows = [line.split() for line in re.findall(r'^ +"(client\d +[\d,]+ .*)",$', said, re.MULTILINE)]
    assert rows == [
        ["client1", "4,000,000", "28,232", "28,232", "14,116", "four_tuples", "nofile", "refused"],
        ["client2", "100,000", "28,232", "258,048", "129,024", "four_tuples", "memory", "meets"],
    ]
    assert "no result  client3: The run has not come to this host" in said
    assert "client2: {{ 7 * 7 }} <b>" in said
    assert sorted(tmp_path.iterdir()) == before


#: What stands beside the report of the sample's hosts.
BESIDE = ["client2.sources.txt", "client2.haproxy.cfg", "client2.container.podman.txt"]


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")], ids=["run", "check"])
def test_the_files_are_written_and_no_host_changed(
    play: t.Callable[..., str], checkout: pathlib.Path, tmp_path: pathlib.Path, mode: tuple[str, ...]
) -> None:
    folder = tmp_path / "new" / "folder"
    said = play("-e", "report_dir=%s" % folder, "-e", "report_title='A & B'", *mode)
    assert "The report is in %s/report.html" % folder in said
    assert set(re.findall(r"changed=(\d+)", said)) == {"0"}
    document = json.loads((folder / "report.json").read_text())
    schema = json.loads((checkout / "roles/report/files/report-schema-1.json").read_text())
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
    assert [host["host"] for host in document["hosts"]] == ["client1", "client3", "client2"]
    assert document["title"] == "A & B"
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.html", *BESIDE}
    pasted = (folder / "client2.container.podman.txt").read_text()
    assert "\n# podman run\n" in pasted
    assert "\n--sysctl 'net.x={{ 7 * 7 }} <b>'\n" in pasted
    page = (folder / "report.html").read_text()
    assert '<pre tabindex="0">--sysctl &#39;net.x={{ 7 * 7 }} &lt;b&gt;&#39;\n</pre>' in page
    assert "<h1><bdi>A &amp; B</bdi></h1>" in page
    assert "{{ 7 * 7 }} &lt;b&gt;" in page
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")], ids=["run", "check"])
def test_a_program_is_told_its_source_addresses(
    play: t.Callable[..., str], tmp_path: pathlib.Path, mode: tuple[str, ...]
) -> None:
    said = play("-e", "report_dir=%s" % (tmp_path / "new"), *mode)
    assert "have to be told: %s." % ", ".join(BESIDE) in re.sub(r"\s+", " ", said)
    files = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert set(files) == {"report.json", "report.html", *BESIDE}
    assert files["client2.sources.txt"] == "198.51.100.7\n198.51.100.10\n198.51.100.11\n198.51.100.12\n"
    servers = re.findall(r"^    server \S+ (\S+) source (\S+)$", files["client2.haproxy.cfg"], re.MULTILINE)
    assert servers == [("192.0.2.10:8001", address) for address in files["client2.sources.txt"].split()]
    (host,) = (host for host in json.loads(files["report.json"])["hosts"] if host["host"] == "client2")
    assert host["files"] == BESIDE
    assert host["sources"]["ranges"] == ["198.51.100.7", "198.51.100.10-198.51.100.12"]
    assert "4 source addresses: 198.51.100.7, 198.51.100.10-198.51.100.12</bdi>" in files["report.html"]
    assert '<a href="client2.haproxy.cfg">client2.haproxy.cfg</a>' in files["report.html"]


def test_a_file_that_cannot_be_written_is_named(play: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "new/client2.haproxy.cfg").mkdir(parents=True)
    said = play("-e", "report_dir=%s" % (tmp_path / "new"))
    assert re.search(r"%s/new/client2.haproxy.cfg\s+cannot\s+be\s+written" % tmp_path, said)


def test_a_folder_is_where_the_command_was_given(play: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    said = play("-e", "report_dir=report")
    assert "The report is in %s/report/report.html" % tmp_path in said
    assert (tmp_path / "report/report.html").exists()
    assert [path.name for path in (tmp_path / "plays").iterdir()] == ["play.yml"]


def test_a_folder_that_cannot_be_made_is_refused_once(play: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    said = play("-e", "report_dir=%s/file/folder" % tmp_path)
    assert len(re.findall(r"fatal: .*report_dir is ", said)) == 1
    assert "Name a folder on the controller" in said
    assert "VERDICT" in said


@pytest.mark.parametrize("mode", [(), ("--check",)], ids=["run", "check"])
def test_the_metrics_of_all_hosts_are_written_on_the_controller(
    play: t.Callable[..., str], tmp_path: pathlib.Path, mode: tuple[str, ...]
) -> None:
    (tmp_path / "metrics").mkdir()
    where = ("-e", "report_metrics_dir=%s/metrics" % tmp_path)
    said = play("-e", "report_metrics=controller", *where, *mode)
    assert set(re.findall(r"changed=(\d+)", said)) == {"0"}
    (file,) = (tmp_path / "metrics").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("fourtuple.prom", 0o644)
    found = {
        (one.name, one.labels["host"]): one.value
        for family in text_string_to_metric_families(file.read_text())
        for one in family.samples
        if one.labels.keys() == {"host"}
    }
    assert {host for _name, host in found} == {"client1", "client2", "client3"}
    assert found["fourtuple_ceiling_connections", "client2"] == 258_048
    assert found["fourtuple_warnings", "client2"] == 1
    refused = play("-e", "report_metrics=hosts", *where)
    assert "value of report_metrics must be one of: none, controller, host, absent, got: hosts" in refused
    # Check mode removes nothing.
    play("-e", "report_metrics=absent", *where, "--check", "-e", "ansible_become=false")
    assert file.exists()
