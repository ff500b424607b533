# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A function that is imported when it is called.

To find one filter, Ansible loads the files of all (plugins/loader.py, Jinja2Loader), in the process of each task of
each host. What these files import is paid that often.
"""

from __future__ import annotations

import importlib
import typing as t

_UTILS = "ansible_collections.fourtuple.clients.plugins.plugin_utils."


def imported(module: str, name: str) -> t.Callable[..., t.Any]:
    """Return a function that calls ``name`` of a module of plugin_utils, such as ``model.ceilings``."""

    def call(*given: t.Any, **named: t.Any) -> t.Any:
        return getattr(importlib.import_module(_UTILS + module), name)(*given, **named)

    return call
