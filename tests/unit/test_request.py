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
