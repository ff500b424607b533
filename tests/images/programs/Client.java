// Copyright (c) 2026, the fourtuple.clients contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.IOException;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/**
 * Holds connections open until it is killed: Client NUMBER DESTINATION...
 * It tries NUMBER times, by Sources.connect, to each destination, and counts the failures.
 */
public class Client {
    public static void main(String[] args) throws Exception {
        int number = Integer.parseInt(args[0]);
        List<Socket> held = new ArrayList<>();
        int failed = 0;
        for (String destination : List.of(args).subList(1, args.length)) {
            String[] parts = destination.split(":");
            for (int i = 0; i < number; i++) {
                try {
                    held.add(Sources.connect(parts[0], Integer.parseInt(parts[1])));
                } catch (IOException e) {
                    failed++;
                }
            }
        }
        System.out.printf("holds %d, and failed %d times%n", held.size(), failed);
        Thread.currentThread().join();
    }
}
