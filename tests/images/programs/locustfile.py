# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users that wait for an answer for as long as the server likes."""

import locust
from sources import SourceUser


class Person(SourceUser):
    wait_time = locust.constant(1)

    @locust.task
    def get(self):
        self.client.get("/")
