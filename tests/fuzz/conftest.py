# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hypothesis

# `pytest tests/fuzz` is for every change; with --hypothesis-profile=nightly it looks 50 times as long.
_SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=100, suppress_health_check=_SLOW)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5000, suppress_health_check=_SLOW)
hypothesis.settings.load_profile("fuzz")
