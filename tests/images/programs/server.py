# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept connections at each ADDRESS:PORT and never answer; when it ends, it resets them all.

So neither side keeps a four-tuple in TIME_WAIT (socket(7), SO_LINGER without time): what follows finds all ports free.
"""

import asyncio
import socket
import struct
import sys


class Silent(asyncio.Protocol):
    def connection_made(self, transport):
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def eof_received(self):
        return False


async def main(endpoints):
    loop = asyncio.get_running_loop()
    for host, port in (endpoint.split(":") for endpoint in endpoints):
        await loop.create_server(Silent, host, int(port), backlog=4096)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1:]))
