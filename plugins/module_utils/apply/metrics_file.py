# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of metrics for the textfile collector of the Prometheus node exporter.

Where it is, is the operator's choice. So a host remembers its path, by which what takes everything back finds it.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    broken_state,
    drop_state,
    load_state,
    remove_path,
    replace_text,
    save_state,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

_TOPIC = "metrics"
_PATHS = "paths"
_VARIABLE = "report_metrics_dir"


class MetricsChange(t.NamedTuple):
    """What is done about the file.

    path:     where it is to be; None where it is to be gone
    text:     what is to be in it
    new:      whether it is not there yet
    removals: those of ours that go, by their paths, with their texts
    remember: whether the host remembers the path
    """

    path: t.Optional[str]
    text: str
    new: bool
    removals: t.Dict[str, str]
    remember: bool


def plan(host: Host, directory: str, text: t.Optional[str], remember: bool) -> MetricsChange:
    """Return the change that puts ``text`` into the file in ``directory``, or removes it.

    A file of ours that the host remembers to be elsewhere goes.
    raises: Refusal, ValueError for a record that is not ours, OSError
    """
    path = os.path.join(directory, owned.METRICS_NAME)
    found = _ours(host, [*(_recorded(host) if remember else []), path])
    if text is None:
        return MetricsChange(None, "", False, found, remember)
    _refuse(host, directory, path, text)
    removals = {other: before for other, before in found.items() if other != path}
    return MetricsChange(path, text, path not in found, removals, remember)


def plan_back(host: Host) -> MetricsChange:
    """Return the change that removes what the host remembers. raises: ValueError, OSError"""
    return MetricsChange(None, "", False, _ours(host, _recorded(host)), True)


def carry_out(host: Host, change: MetricsChange) -> None:
    """Write the file, and remove what goes. A run that is killed on the way leaves no file that is not remembered.

    raises: OSError
    """
    kept = [] if change.path is None else [change.path]
    if change.path is not None:
        if change.remember:
            _record(host, [*kept, *change.removals])
        replace_text(host.root, change.path, change.text)
    for path in change.removals:
        remove_path(host.root, path)
    if change.remember:
        _record(host, kept)


def _ours(host: Host, paths: t.Iterable[str]) -> t.Dict[str, str]:
    texts = {path: host.read(path) for path in paths}
    return {path: text for path, text in texts.items() if text is not None and owned.is_our_metrics(text)}


def _recorded(host: Host) -> t.List[str]:
    paths = (load_state(host.root, _TOPIC) or {}).get(_PATHS, [])
    if not isinstance(paths, list) or not all(isinstance(path, str) and path.startswith("/") for path in paths):
        raise broken_state(_TOPIC, "no list of paths")
    return paths


def _record(host: Host, paths: t.List[str]) -> None:
    if not paths:
        drop_state(host.root, _TOPIC)
    elif paths != (load_state(host.root, _TOPIC) or {}).get(_PATHS):
        save_state(host.root, _TOPIC, {_PATHS: paths})


def _refuse(host: Host, directory: str, path: str, text: str) -> None:
    """Refuse a directory that is none of the node exporter's, and a file that is not ours."""
    remedy = "Install the node exporter, or name the directory that its --collector.textfile.directory names."
    if not os.path.isabs(directory) or not host.is_directory(directory):
        raise Refusal(_VARIABLE, directory, "the path of a directory that is there", remedy)
    if not os.access(host.place(directory), os.W_OK):
        raise Refusal(_VARIABLE, directory, "a directory that user %d may write to" % os.geteuid(), "Become root.")
    if not owned.is_our_metrics(text):
        raise Refusal("content", text.split("\n", 1)[0], "what the filter report_metrics returns", "Use the filter.")
    there = host.read(path)
    if there is not None and not owned.is_our_metrics(there):
        remedy = "The name is ours: rename or remove that file, or name another directory in %s." % _VARIABLE
        raise Refusal(path + ":1", there.split("\n", 1)[0], "metrics that this collection has written", remedy)
