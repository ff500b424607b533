// Copyright (c) 2026, the fourtuple.clients contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Holds connections open until it is killed: client NUMBER DESTINATION...
// It tries NUMBER times, by dial of sources.go, to each destination, and counts the failures.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
)

func main() {
	number, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var held []net.Conn
	failed := 0
	for _, destination := range os.Args[2:] {
		for i := 0; i < number; i++ {
			if connection, err := dial(context.Background(), "tcp", destination); err != nil {
				failed++
			} else {
				held = append(held, connection)
			}
		}
	}
	fmt.Printf("holds %d, and failed %d times\n", len(held), failed)
	select {}
}
