# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other end of a host's cable: a gateway that sends back what it gets on port 7, and leases one address.

Runs in a network namespace of its own with the host's programs. It takes the prefixes of the source addresses for
neighbours, as a network does that has been given these for the host.
"""

from __future__ import annotations

import contextlib
import pathlib
import socketserver
import subprocess
import threading
import time

SETUP = """
link set lo up
link set peer0 up
address add 192.0.2.1/24 dev peer0
address add 2001:db8:0:1::1/64 dev peer0 nodad
route add 198.51.100.0/24 dev peer0
"""
#: There where the host is to get its address by DHCP: the last number of the address. Two minutes are the least that
#: dnsmasq leases for. IPv6 comes by router advertisements.
LEASED = pathlib.Path("/run/peer.leased")
DHCP = (
    "dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=peer0 --bind-interfaces --dhcp-authoritative "
    "--dhcp-leasefile=/run/peer.leases.%(number)s --dhcp-range=192.0.2.%(number)s,192.0.2.%(number)s,2m --enable-ra "
    "--dhcp-range=2001:db8:0:1::,ra-only,64 --ra-param=peer0,10,1800"
)


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    address_family = 10  # AF_INET6, which takes IPv4 too
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def lease() -> None:
    """Lease the address that the file says, and another one once it says so."""
    while True:
        number = LEASED.read_text().strip()
        server = subprocess.Popen((DHCP % {"number": number}).split())
        while LEASED.read_text().strip() == number:
            time.sleep(0.2)
        server.terminate()
        server.wait()


def main() -> None:
    while subprocess.run(["ip", "link", "show", "peer0"], capture_output=True, check=False).returncode != 0:
        time.sleep(0.05)
    subprocess.run(["ip", "-batch", "-"], input=SETUP, text=True, check=True)
    threading.Thread(target=Server(("::", 7), Echo).serve_forever, daemon=True).start()
    setup = pathlib.Path("/setup/leased")
    if setup.exists():
        LEASED.write_text(setup.read_text())
        lease()
    threading.Event().wait()


main()
