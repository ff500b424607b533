# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a proxy for a page, NUMBER visitors at a time: visitors.py NUMBER PROXY:PORT PATH...

A visitor waits for as long as the proxy does, and asks again, by the next path, when he is sent away.
"""

import asyncio
import contextlib
import itertools
import sys


async def visit(host, port, paths):
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            request = "GET %s HTTP/1.1\r\nHost: servers\r\nConnection: close\r\n\r\n" % next(paths)
            writer.write(request.encode())
            await reader.read()
            writer.close()
        await asyncio.sleep(0.5)


async def main(number, proxy, paths):
    host, port = proxy.split(":")
    endless = itertools.cycle(paths)
    await asyncio.gather(*(visit(host, int(port), endless) for _visitor in range(int(number))))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
