# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept connections at each ADDRESS:PORT, begin to answer and never end; when it ends itself, it resets them all.

So neither side keeps a four-tuple in TIME_WAIT (socket(7), SO_LINGER without time): what follows finds all ports free.
"""

import asyncio
import socket
import struct
import sys

#: ab opens one connection, and the others when it has the header of an answer (ab.c, succeeded_once).
HEADER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


class Endless(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.begun = transport, False
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def data_received(self, _data):
        if not self.begun:
            self.transport.write(HEADER)
        self.begun = True

    def eof_received(self):
        return False


async def main(endpoints):
    loop = asyncio.get_running_loop()
    for host, port in (endpoint.split(":") for endpoint in endpoints):
        await loop.create_server(Endless, host, int(port), backlog=4096)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1:]))
