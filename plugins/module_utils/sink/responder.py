# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sink that answers for a whole prefix and keeps no sockets: a tun device, and a process for each of its queues."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.sink import daemon, packets, records, tun

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

#: The largest IP packet, and the header before it.
_PACKET_BYTES = 65535 + packets.VNET.size


class Respond(daemon.Service):
    """The service that responds."""

    def __init__(self, prefix: Network, ports: t.Optional[bytes], processes: int) -> None:
        self.processes = processes
        self._prefix = prefix
        self._ports = ports
        self._device = tun.Device("", [])

    def open(self) -> t.Dict[str, t.Any]:
        self._device = tun.open_device(self.processes)
        tun.add_route(self._prefix, self._device.name)
        # The workers have them by the same numbers, each its own.
        return {"processes": self.processes, "device": self._device.name, "queues": list(self._device.queues)}

    def leave(self) -> None:
        # The device's end is then that of its last process; and a queue ends with its own.
        for queue in self._device.queues:
            os.close(queue)

    def work(self, index: int, board: records.Board) -> None:
        for number, queue in enumerate(self._device.queues):
            if number != index:
                os.close(queue)
        row = board.row(index)
        serve(self._device.queues[index], packets.Responder(row, self._ports), row)


def serve(queue: int, responder: packets.Responder, counters: records.Counters) -> t.NoReturn:
    """Answer what comes out of a tun device's queue, for ever."""
    packet = bytearray(_PACKET_BYTES)
    view = memoryview(packet)
    space = [view]
    read, write, answer = os.readv, os.write, responder.answer
    while True:
        # It waits for the next packet; writing does not wait, the kernel takes the answer at once (tun_get_user).
        size = answer(packet, read(queue, space))
        if size:
            try:
                write(queue, view[:size])
            except OSError:
                # No memory, or the kernel finds it malformed: the client asks again.
                counters[records.DROPPED] += 1
