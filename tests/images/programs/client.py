# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold connections to MQTT brokers open until killed: client.py NUMBER DESTINATION...

It tries NUMBER times, by connect() of sources.py, to each destination, and counts the failures.
"""

import sys
import time

import sources
from paho.mqtt import client as mqtt

held, failed = [], 0
for destination in sys.argv[2:]:
    host, port = destination.split(":")
    for _try in range(int(sys.argv[1])):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        try:
            sources.connect(client, host, int(port))
        except OSError:
            failed += 1
        else:
            held.append(client)
sys.stdout.write("holds %d, and failed %d times\n" % (len(held), failed))
sys.stdout.flush()
while True:
    time.sleep(3600)
