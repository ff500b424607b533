// Copyright (c) 2026, the fourtuple.clients contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Holds connections open until it is killed: client.js NUMBER DESTINATION...
// It tries NUMBER times, from what source() of sources.js returns, to each destination, and counts the failures.
const net = require('node:net');
const { source } = require('/srv/sources.js');

const [number, ...destinations] = process.argv.slice(2);
const held = [];
let failed = 0;

function connect(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, localAddress: source() });
    socket.on('connect', () => resolve(held.push(socket)));
    socket.on('error', () => resolve(failed++));
  });
}

async function main() {
  for (const destination of destinations) {
    const [host, port] = destination.split(':');
    for (let i = 0; i < Number(number); i++) await connect(host, Number(port));
  }
  console.log('holds ' + held.length + ', and failed ' + failed + ' times');
}

main();
