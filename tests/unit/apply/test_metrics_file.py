# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of metrics: where it may be, what is remembered of it, and whose it is."""

from __future__ import annotations

import os

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import metrics_file
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

DIRECTORY, OTHER = owned.METRICS_DIRECTORY, "/srv/metrics"
FILE, OTHER_FILE = ("%s/%s" % (directory, owned.METRICS_NAME) for directory in (DIRECTORY, OTHER))
RECORD = owned.state_path("metrics")
TEXT = "# HELP %s %s When.\n# EOF\n" % (owned.METRICS_FIRST, owned.METRICS_MARK)
THEIRS = "# HELP %s Ours.\n" % owned.METRICS_FIRST


@pytest.fixture
def host(host):
    for directory in (DIRECTORY, OTHER):
        host.below(directory).mkdir(parents=True)
    return host


def change(host, directory=DIRECTORY, text=TEXT, remember=True):
    planned = metrics_file.plan(host.look(), directory, text, remember)
    metrics_file.carry_out(host.look(), planned)
    return planned


def test_it_is_new_once(host):
    assert change(host).new
    assert not change(host, text=TEXT + "more").new
    assert host.text(FILE) == TEXT + "more"
    assert host.below(FILE).stat().st_mode & 0o777 == 0o644
    assert os.listdir(host.below(DIRECTORY)) == [owned.METRICS_NAME]


def test_another_directory_takes_the_place_of_the_first(host):
    change(host)
    assert change(host, OTHER).removals == {FILE: TEXT}
    assert (host.exists(FILE), host.exists(OTHER_FILE)) == (False, True)
    assert change(host, OTHER).removals == {}


@pytest.mark.parametrize("directory", [DIRECTORY, OTHER])
def test_what_is_remembered_goes_whatever_directory_is_named(host, directory):
    change(host)
    assert change(host, directory, None).removals == {FILE: TEXT}
    assert not host.exists(FILE)
    assert not host.exists(RECORD)
    assert change(host, directory, None).removals == {}


def test_all_of_it_is_taken_back(host):
    assert metrics_file.plan_back(host.look()).removals == {}
    change(host)
    metrics_file.carry_out(host.look(), metrics_file.plan_back(host.look()))
    assert not host.exists(FILE)
    assert not host.exists(owned.STATE_DIRECTORY)


def test_on_the_controller_nothing_is_remembered_or_forgotten(host):
    change(host)
    change(host, OTHER, remember=False)
    assert host.exists(FILE)
    assert change(host, OTHER, None, remember=False).removals == {OTHER_FILE: TEXT}
    assert metrics_file.plan_back(host.look()).removals == {FILE: TEXT}


def test_a_run_that_is_killed_leaves_no_file_that_is_forgotten(host, monkeypatch):
    change(host)
    write, written = metrics_file.replace_text, []

    def killed(root, path, text):
        written.append(path)
        write(root, path, text)
        raise KeyboardInterrupt

    monkeypatch.setattr(metrics_file, "replace_text", killed)
    with pytest.raises(KeyboardInterrupt):
        change(host, OTHER)
    assert written == [OTHER_FILE]
    assert metrics_file.plan_back(host.look()).removals == {FILE: TEXT, OTHER_FILE: TEXT}


def test_somebody_elses_file_stays(host):
    host.put(FILE, THEIRS)
    with pytest.raises(Refusal, match=r"fourtuple.prom:1.*Ours\..*rename or remove that file"):
        change(host)
    assert change(host, text=None).removals == {}
    # One that was ours when it was remembered.
    change(host, OTHER)
    host.put(OTHER_FILE, THEIRS)
    assert metrics_file.plan_back(host.look()).removals == {}
    assert host.text(FILE) == host.text(OTHER_FILE) == THEIRS


@pytest.mark.parametrize("directory", ["/srv/none", "/etc/passwd", "srv/metrics"])
def test_a_directory_that_is_none_is_refused(host, directory):
    host.put("/etc/passwd", "")
    with pytest.raises(Refusal, match="report_metrics_dir.*%s.*Install the node exporter" % directory):
        change(host, directory)
    assert not host.exists(RECORD)


def test_a_text_that_would_not_be_known_again_is_refused(host):
    with pytest.raises(Refusal, match="report_metrics"):
        change(host, text="x 1\n")


@pytest.mark.parametrize("record", ["", "[]", '{"paths": "/etc/passwd"}', '{"paths": ["etc"]}', '{"paths": [1]}'])
def test_a_record_that_is_none_is_told(host, record):
    host.put(RECORD, record)
    with pytest.raises(ValueError, match=RECORD):
        metrics_file.plan_back(host.look())
