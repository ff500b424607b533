# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call of a host does to the process that makes it."""

from __future__ import annotations

import gc

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils.run.host_calls import HostCalls


class Action:
    """Ansible's side of a call."""

    def __init__(self, error=None):
        self.error, self.collects = error, []

    def _execute_module(self, **_given):
        self.collects.append(gc.isenabled())
        if self.error is not None:
            raise self.error
        return {}


@pytest.fixture(autouse=True)
def enabled_again():
    yield
    gc.enable()


def test_nothing_is_collected_during_a_call():
    action = Action()
    HostCalls(action, {}).settings({})
    assert (action.collects, gc.isenabled()) == ([False], True)


def test_a_call_that_fails_leaves_the_collector_as_it_was():
    with pytest.raises(OSError, match="no host"):
        HostCalls(Action(OSError("no host")), {}).settings({})
    assert gc.isenabled()


def test_a_process_without_a_collector_gets_none():
    gc.disable()
    HostCalls(Action(), {}).settings({})
    assert not gc.isenabled()
