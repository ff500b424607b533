# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a connection from each source address that it is given, with an echo every 20 ms.

For each line that it reads it prints, as JSON, what became of each connection: the seconds since its last echo
(``silent``), the longest time without one since the line before (``gap``), and why it ended (``error``).
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time

PEERS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8:0:1::1"}


class Held(threading.Thread):
    def __init__(self, source: str) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.error: str | None = None
        self.last = time.monotonic()
        self.gap = 0.0

    def run(self) -> None:
        try:
            family = socket.AF_INET6 if ":" in self.source else socket.AF_INET
            with socket.create_connection((PEERS[family], 7), 10, (self.source, 0)) as connection:
                connection.settimeout(None)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while True:
                    connection.sendall(b"x")
                    if not connection.recv(1):
                        raise EOFError
                    now = time.monotonic()
                    self.gap, self.last = max(self.gap, now - self.last), now
                    time.sleep(0.02)
        except (OSError, EOFError) as error:
            self.error = repr(error)

    def told(self) -> dict[str, object]:
        silent = time.monotonic() - self.last
        gap, self.gap = max(self.gap, silent), 0.0
        return {"silent": silent, "gap": gap, "error": self.error}


held = [Held(source) for source in sys.argv[1:]]
for one in held:
    one.start()
with contextlib.suppress(KeyboardInterrupt):
    for _line in sys.stdin:
        sys.stdout.write(json.dumps({one.source: one.told() for one in held}) + "\n")
        sys.stdout.flush()
