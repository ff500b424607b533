#!/usr/bin/env python3
# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open TCP connections until the kernel refuses, hold them, and report as JSON how many there are.

A server, until its standard input ends (it prints one line once it listens):
    hold_connections.py --serve --destination 127.0.0.1:7000 --limit 130000

A client; every source goes to every destination, in turn, each pair until an error:
    hold_connections.py --binding bind_no_port --source 127.0.0.2 --destination 127.0.0.1:7000

The report: "established" is what the kernel counts towards the destinations, "ended_by" the errors that
ended pairs; it is empty where --limit was reached first.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import ipaddress
import itertools
import json
import multiprocessing
import multiprocessing.connection
import resource
import select
import signal
import socket
import struct
import sys
import time
import typing as t

#: linux/in.h; socket has it from Python 3.12 on.
IP_BIND_ADDRESS_NO_PORT = 24

#: Descriptors that a process needs for itself.
RESERVE = 32

#: Closing sends a reset, so that neither end keeps the four-tuple in TIME_WAIT.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

ESTABLISHED = "01"

Destination = tuple[str, int]


def parse_destination(text: str) -> Destination:
    """Return the address and the port of ``address:port`` or ``[address]:port``."""
    host, _, port = text.rpartition(":")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="listen on the destinations and accept")
    parser.add_argument("--destination", action="append", required=True, type=parse_destination)
    parser.add_argument("--source", action="append", default=[], help="an address to connect from; repeatable")
    parser.add_argument("--binding", choices=["autobind", "bind", "bind_no_port"], default="autobind")
    parser.add_argument("--limit", type=int, help="stop at this many; default: as many as the port range allows")
    parser.add_argument("--processes", type=int, help="default: as many as the limit on open files demands")
    parser.add_argument("--hold", action="store_true", help="after the report, hold until standard input ends")
    chosen = parser.parse_args()
    if not chosen.serve and (chosen.binding == "autobind") == bool(chosen.source):
        parser.error("autobind takes no --source; bind and bind_no_port need one")
    return chosen


def local_ports() -> int:
    """Return how many ports the kernel may choose from, reserved ones included."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as value:
        low, high = map(int, value.read().split())
    return high - low + 1


def open_files() -> int:
    """Raise this process's soft limit to the hard one, and return how many sockets fit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - RESERVE


def new_socket(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return opened


# The client


def connect(binding: str, source: str | None, destination: Destination) -> socket.socket:
    """Open one connection, and leave nothing behind where that fails."""
    opened = new_socket(destination[0])
    try:
        if source is not None:
            if binding == "bind_no_port":
                opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            opened.bind((source, 0))
        opened.connect(destination)
    except BaseException:
        opened.close()
        raise
    return opened


def fill(chosen: argparse.Namespace, most: int, first: int) -> tuple[list[socket.socket], list[str]]:
    """Open connections up to ``most``; return them with the errors that ended pairs.

    The pairs take turns, beginning with the one numbered ``first``: the kernel's search gets slow past half of
    a pair's ports, so all of them fill evenly.
    """
    held: list[socket.socket] = []
    errors = []
    pairs = collections.deque(itertools.product(chosen.source or [None], chosen.destination))
    pairs.rotate(-first)
    while pairs and len(held) < most:
        try:
            held.append(connect(chosen.binding, *pairs[0]))
        except OSError as error:
            errors.append(errno.errorcode[error.errno or 0])
            if error.errno in (errno.EMFILE, errno.ENFILE):
                break
            pairs.popleft()
        else:
            pairs.rotate(-1)
    return held, errors


def client_process(
    pipe: multiprocessing.connection.Connection,
    parents: list[multiprocessing.connection.Connection],
    chosen: argparse.Namespace,
    most: int,
    first: int,
) -> None:
    """Hold this process's part until the parent has closed its end of the pipe."""
    # A fork copies the parent's ends; while one is open here, nobody sees the parent close it.
    for end in parents:
        end.close()
    open_files()
    held, errors = fill(chosen, most, first)
    pipe.send((len(held), errors))
    with contextlib.suppress(EOFError):
        pipe.recv()
    for opened in held:
        opened.close()


def kernel_form(destination: Destination) -> str:
    """Return an endpoint as /proc/net/tcp and tcp6 print it: words in this machine's byte order."""
    packed = ipaddress.ip_address(destination[0]).packed
    words = struct.unpack("=%dI" % (len(packed) // 4), packed)
    return "%s:%04X" % ("".join("%08X" % word for word in words), destination[1])


def count_established(destinations: list[Destination]) -> int:
    """Count the sockets of this network namespace that are connected to the destinations."""
    remotes = {kernel_form(destination) for destination in destinations}
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:
            next(lines)
            for line in lines:
                _, _, remote, state, _ = line.split(None, 4)
                count += state == ESTABLISHED and remote in remotes
    return count


def shares(total: int, processes: int) -> list[int]:
    """Split a number as evenly as it goes."""
    return [total // processes + (index < total % processes) for index in range(processes)]


def hold(chosen: argparse.Namespace) -> None:
    room = open_files()
    possible = local_ports() * len(chosen.source or [None]) * len(chosen.destination)
    # Without a limit each process goes on until the kernel refuses: no share ends it early.
    wanted = possible if chosen.limit is None else chosen.limit
    processes = chosen.processes or max(1, -(-wanted // room))
    parts = shares(wanted, processes) if chosen.limit is not None else [possible + 1] * processes

    context = multiprocessing.get_context("fork")
    began = time.monotonic()
    pipes = []
    for index, most in enumerate(parts):
        ours, theirs = context.Pipe()
        pipes.append(ours)
        context.Process(target=client_process, args=(theirs, pipes, chosen, most, index), daemon=True).start()
        theirs.close()
    results = [pipe.recv() for pipe in pipes]
    seconds = time.monotonic() - began

    report = {
        "binding": chosen.binding,
        "sources": len(chosen.source) or 1,
        "destinations": len(chosen.destination),
        "processes": processes,
        "opened": sum(count for count, _ in results),
        "established": count_established(chosen.destination),
        "ended_by": sorted({error for _, errors in results for error in errors}),
        "seconds": round(seconds, 3),
    }
    print(json.dumps(report), flush=True)
    if chosen.hold:
        sys.stdin.read()
    for pipe in pipes:
        pipe.close()
    for child in multiprocessing.active_children():
        child.join()


# The server


def server_process(listeners: list[socket.socket], room: int) -> t.NoReturn:
    """Accept until this process is full, and close what the other end has closed."""
    open_files()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    poll = select.epoll()
    waiting = {listener.fileno(): listener for listener in listeners}
    held: dict[int, socket.socket] = {}

    def watch_listeners(watch: bool) -> None:
        for number in waiting:
            (poll.register(number, select.EPOLLIN | select.EPOLLEXCLUSIVE) if watch else poll.unregister(number))

    watch_listeners(True)
    while True:
        for number, _ in poll.poll():
            if number in held:
                held.pop(number).close()
                if len(held) == room - 1:
                    watch_listeners(True)
                continue
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                while len(held) < room:
                    accepted, _ = waiting[number].accept()
                    held[accepted.fileno()] = accepted
                    poll.register(accepted.fileno(), select.EPOLLRDHUP)
                watch_listeners(False)
                break


def serve(chosen: argparse.Namespace) -> None:
    listeners = []
    for destination in chosen.destination:
        listener = new_socket(destination[0])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(destination)
        # The kernel cuts it down to somaxconn.
        listener.listen(65535)
        listener.setblocking(False)
        listeners.append(listener)
    room = open_files() - len(listeners)
    processes = chosen.processes or max(1, -(-(chosen.limit or 130000) // room))
    context = multiprocessing.get_context("fork")
    for _ in range(processes):
        context.Process(target=server_process, args=(listeners, room), daemon=True).start()
    print(json.dumps({"listening": len(listeners), "processes": processes}), flush=True)
    sys.stdin.read()
    # Daemons: multiprocessing ends them with this process.


def main() -> None:
    chosen = parse_arguments()
    if chosen.serve:
        serve(chosen)
    else:
        hold(chosen)


if __name__ == "__main__":
    main()
