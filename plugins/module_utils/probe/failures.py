# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe ends without a result."""

from __future__ import annotations


class Gone(Exception):
    """Whoever waits for the result does so no longer."""


class ProbeFailed(Exception):
    """The host does not let the probe run; the text says why."""
