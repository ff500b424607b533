# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.when_called import imported


class FilterModule:
    """Filters of the report."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "report": imported("report.hosts", "of_hosts"),
            "report_table": imported("report.table", "render"),
            "report_metrics": imported("report.metrics", "render"),
            "report_page": imported("report.page", "content"),
        }
