# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planner is asked, as templates of several releases of ansible-core hand it over."""

from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import request


@pytest.mark.parametrize("unset", [None, ""])
def test_what_is_not_set_has_its_default(unset: object) -> None:
    """Before ansible-core 2.19 a null arrives as an empty text."""
    explicit = dict.fromkeys(request.Explicit._fields, unset)
    stated = {**dict.fromkeys(request._DEFAULTS, unset), "explicit": explicit}
    assert request.parse(stated) == request.parse({})


def test_numbers_may_be_texts() -> None:
    assert request.parse({"target_connections": "1000", "processes": "2"}).target == 1000


@pytest.mark.parametrize(
    ("name", "value"), [("binding", " "), ("users", "tester"), ("processes", False), ("port_fill", 0)]
)
def test_what_is_set_wrongly_is_refused(name: str, value: object) -> None:
    with pytest.raises(Refusal, match="tune_%s is " % name):
        request.parse({name: value})


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            {"binding": "bind_port"},
            "tune_program_ports is None; allowed: a range of ports with tune_binding: bind_port",
        ),
        ({"program_ports": "1-9"}, "tune_program_ports is '1-9'; allowed: nothing with tune_binding: autobind"),
        ({"binding": "bind_port", "program_ports": "9-1"}, "tune_program_ports is '9-1'; .*Swap the two ends"),
        ({"descriptors_per_connection": 0}, "tune_descriptors_per_connection is 0; .*Write 2 for a proxy"),
        ({"raises_nofile": "no"}, "tune_raises_nofile is 'no'; allowed: a whole number"),
        ({"reuse_address": "x"}, "tune_reuse_address is 'x'; allowed: true or false"),
        ({"closes_first": "me"}, "tune_closes_first is 'me'; allowed: one of client, server, reset"),
        (
            {"binding": "any"},
            "tune_binding is 'any'; allowed: one of autobind, bind, bind_no_port, bind_any, bind_port",
        ),
    ],
)
def test_what_a_program_does_is_said_in_full(stated: dict[str, object], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        request.parse(stated)


def test_booleans_may_be_texts() -> None:
    found = request.parse({"raises_nofile": "True", "reuse_address": "False"})
    assert (found.raises_nofile, found.reuse_address) == (True, False)
    assert request.parse({"raises_nofile": "10000"}).raises_nofile == 10000
