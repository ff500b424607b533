/*
 * Copyright (c) 2026, the fourtuple.clients contributors
 * GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a plain C client reaches: blocking connect() in a loop. The measure that connect_rate holds the probe to.
 *
 *     connect_loop DESTINATION PORT BINDING FIRST_SOURCE SOURCES NUMBER PROCESSES AT_ONCE
 *     connect_loop 127.0.0.1 7000 bind_no_port 10.240.0.1 54 1000000 54 2
 *
 * NUMBER connections in all, shared out over PROCESSES, of which AT_ONCE connect at a time. BINDING is autobind or
 * bind_no_port; the process numbered i binds to the address FIRST_SOURCE + i modulo SOURCES. Prints one JSON line when
 * all are open, holds them until its standard input ends, and lets them go by RST. IPv4 only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static void fail(const char *what)
{
    fprintf(stderr, "connect_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static struct sockaddr_in endpoint(const char *address, int port)
{
    struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &result.sin_addr) != 1) {
        errno = EINVAL;
        fail(address);
    }
    return result;
}

/* Open up to that many connections; return how many there are, and the errno that ended them early. */
static long fill(const struct sockaddr_in *destination, const struct sockaddr_in *source, long number, int *error)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    const int on = 1;
    long opened;

    for (opened = 0; opened < number; opened++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client < 0)
            break;
        /* Whatever ends the process then sends RST, so that neither end keeps the four-tuple in TIME_WAIT. */
        if (setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) ||
            (source && (setsockopt(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) ||
                        bind(client, (const struct sockaddr *)source, sizeof *source))) ||
            connect(client, (const struct sockaddr *)destination, sizeof *destination)) {
            *error = errno;
            close(client);
            return opened;
        }
    }
    *error = opened < number ? errno : 0;
    return opened;
}

struct report {
    long opened;
    int error;
};

int main(int count, char **word)
{
    int turns[2], reports[2], ends[2], error = 0;
    struct rlimit files;
    struct report report;
    long opened = 0;

    if (count != 9) {
        fprintf(stderr, "connect_loop DESTINATION PORT BINDING FIRST_SOURCE SOURCES NUMBER PROCESSES AT_ONCE\n");
        return 2;
    }
    const struct sockaddr_in destination = endpoint(word[1], atoi(word[2]));
    const int binds = !strcmp(word[3], "bind_no_port");
    const struct sockaddr_in first = endpoint(word[4], 0);
    const long sources = atol(word[5]), number = atol(word[6]), processes = atol(word[7]), at_once = atol(word[8]);
    if ((!binds && strcmp(word[3], "autobind")) || sources < 1 || number < 1 || processes < 1 || at_once < 1) {
        errno = EINVAL;
        fail("the arguments");
    }
    if (getrlimit(RLIMIT_NOFILE, &files))
        fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) || pipe(turns) || pipe(reports) || pipe(ends))
        fail("set-up");

    const pid_t parent = getpid();
    const double began = now();
    for (long index = 0; index < processes; index++) {
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child)
            continue;
        char turn;
        struct sockaddr_in source = first;
        source.sin_addr.s_addr = htonl(ntohl(first.sin_addr.s_addr) + (uint32_t)(index % sources));
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(ends[1]);
        /* A byte in this pipe is leave to connect; who is done passes it on. */
        if (read(turns[0], &turn, 1) != 1)
            _exit(1);
        report.opened = fill(&destination, binds ? &source : NULL,
                             number / processes + (index < number % processes), &report.error);
        if (write(turns[1], &turn, 1) != 1 || write(reports[1], &report, sizeof report) != sizeof report)
            _exit(1);
        /* The parent's end of this pipe is closed when all may go. */
        if (read(ends[0], &turn, 1) < 0)
            _exit(1);
        _exit(0);
    }
    close(reports[1]);
    for (long turn = 0; turn < at_once; turn++)
        if (write(turns[1], ".", 1) != 1)
            fail("write");
    for (long index = 0; index < processes; index++) {
        if (read(reports[0], &report, sizeof report) != sizeof report)
            fail("a process ended");
        opened += report.opened;
        error = report.error ? report.error : error;
    }
    const double seconds = now() - began;
    printf("{\"opened\": %ld, \"seconds\": %.4f, \"per_second\": %.0f, \"error\": %d}\n", opened, seconds,
           opened / seconds, error);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    const double let_go = now();
    close(ends[1]);
    while (wait(NULL) > 0)
        ;
    printf("{\"close_seconds\": %.4f}\n", now() - let_go);
    return opened < number;
}
