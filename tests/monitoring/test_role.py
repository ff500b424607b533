# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of metrics on a host: what runs write, and what untuning leaves of it."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sandbox import Sandbox

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned

FILE = "%s/%s" % (owned.METRICS_DIRECTORY, owned.METRICS_NAME)
NEED = {"tune_target_connections": 20000, "tune_binding": "bind_no_port"}


def value(host: Sandbox, name: str) -> float:
    families = text_string_to_metric_families(host.read(FILE) or "")
    (sample,) = (one for family in families for one in family.samples if one.name == name)
    return float(sample.value)


def test_from_check_mode_to_untuned(host: Sandbox) -> None:
    untouched = host.state()
    host.play("tune_clients.yml", "--check", report_metrics="host", **NEED).expect(0)
    assert host.state() == untouched, "check mode"

    host.play("tune_clients.yml", report_metrics="host", **NEED).expect(0)
    assert value(host, "fourtuple_ceiling_connections") >= value(host, "fourtuple_target_connections") == 20000
    assert host.path(FILE).stat().st_mode & 0o777 == 0o644
    first = value(host, owned.METRICS_FIRST)

    audited = host.play("audit_clients.yml", report_metrics="host", **NEED).expect(0)
    assert audited.counts["changed"] == 0, "renewed"
    assert value(host, owned.METRICS_FIRST) > first

    # A part that is taken back alone is no reason to stop watching the rest. Then, nobody has to say where the file is.
    host.play("untune_clients.yml", "--tags", "limits").expect(0)
    assert host.read(FILE) is not None
    untuned = host.play("untune_clients.yml", "--diff").expect(0)
    assert "-fourtuple_ceiling_connections" in untuned.output
    assert host.state() == untouched


@pytest.mark.nightly
def test_without_tuning_and_without_metrics_again(host: Sandbox) -> None:
    untouched = host.state()
    host.play("audit_clients.yml", report_metrics="host").expect(0)
    assert host.state() != untouched
    removed = host.play("audit_clients.yml", report_metrics="absent").expect(0)
    assert removed.counts["changed"] == 1
    assert host.state() == untouched


def test_what_is_refused_fails_the_host_with_the_reason(host: Sandbox) -> None:
    played = host.play("audit_clients.yml", report_metrics="host", report_metrics_dir="/srv/none").expect(2)
    assert "report_metrics_dir is '/srv/none'; allowed: the path of a directory that is there" in played.message
