# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What audit_clients.yml says of a tuned host that has booted since."""

from __future__ import annotations

import json
import pathlib


def test_the_target_is_met_and_nothing_has_drifted(play, platform: str, tmp_path: pathlib.Path) -> None:
    played = play("audit_clients.yml", report_dir=str(tmp_path))
    assert (played.status, played.counts[platform]["changed"]) == (0, 0), played.output
    (host,) = json.loads((tmp_path / "report.json").read_text())["hosts"]
    assert (host["meets_target"], host["drift"], host["unread"]) == (True, [], [])
