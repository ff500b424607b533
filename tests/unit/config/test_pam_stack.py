# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_stack

LIMITS = "session required pam_limits.so\n"
RHEL = (
    "session optional pam_keyinit.so revoke\nsession required pam_limits.so\n-session optional pam_systemd.so\n"
    "session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid\n"
    "session required pam_unix.so\n"
)


def ways(host, service="sshd"):
    """Return the lines with pam_limits on each way through the stack, None where the host says nothing."""
    stack = pam_stack.stack(host.look(), service)
    return None if stack is None else sorted([run.line for run in runs] for runs in stack.ways)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIMITS, [[1]]),
        ("-SESSION\toptional \\\n  /lib/security/$ISA/pam_limits.so # x\n", [[1]]),
        ("auth required pam_limits.so\nsession required pam_permit.so\n", [[]]),
        ("session required pam_permit.so\n#" + LIMITS, [[]]),
        (RHEL, [[2]]),
        ("session sufficient pam_unix.so\n" + LIMITS, [[], [2]]),
        ("session [success=1 default=ignore] pam_succeed_if.so uid = 0\n" + LIMITS + LIMITS, [[2, 3], [3]]),
        ("session [default=1] pam_permit.so\nsession requisite pam_deny.so\n" + LIMITS, [[3]]),
        ("session sufficient pam_permit.so\n" + LIMITS, [[]]),
        ("session requisite pam_deny.so\n" + LIMITS, []),
        ("session required pam_limits\nsession required pam_permit.so\n", [[]]),
        (LIMITS + "session required pam_permit.so \\\n", []),
        (LIMITS + "session include nothing\n", [[1]]),
    ],
)
def test_which_lines_a_session_runs(host, text, expected):
    host.put("/etc/pam.d/sshd", text)
    assert ways(host) == expected


def test_what_a_substack_decides_ends_there_and_what_is_included_does_not(host):
    host.put("/etc/pam.d/c", "session sufficient pam_permit.so\nsession requisite pam_deny.so\n")
    host.put("/etc/pam.d/sshd", "session substack c\n" + LIMITS)
    assert ways(host) == [[2]]
    for line in ("session include c\n", "@include c\n", "session include /etc/pam.d/c\n"):
        host.put("/etc/pam.d/sshd", line + LIMITS)
        assert ways(host) == [[]]


def test_where_a_service_is_looked_for(host):
    assert ways(host) is None
    host.put("/etc/pam.conf", "SSHD session required pam_limits.so\nother session required pam_permit.so\n")
    assert (ways(host), ways(host, "su")) == ([[1]], [[]])
    host.put("/usr/lib/pam.d/sshd", "session required pam_permit.so\n")
    assert (ways(host), ways(host, "su")) == ([[]], None)
    host.put("/etc/pam.d/other", LIMITS)
    assert (ways(host), ways(host, "su")) == ([[]], [[1]])
    host.put("/etc/pam.d/sshd", "auth required pam_unix.so\n")
    # Without a line for sessions, those of other hold.
    assert ways(host) == [[1]]
    assert pam_stack.configured(host.look(), "sshd")
    assert not pam_stack.configured(host.look(), "su")


def test_the_vendors_directory_and_debians_include_are_told_from_the_library(host):
    host.put("/usr/lib64/libpam.so.0", "\0/etc/pam.d/%s\0/usr/etc/pam.d/%s\0")
    host.put("/usr/etc/pam.d/sshd", "session include common\nsession required pam_permit.so\n")
    host.put("/usr/etc/pam.d/common", LIMITS)
    assert ways(host) == [[1]]
    host.put("/usr/lib64/libpam.so.0", "\0/etc/pam.d/%s\0/usr/etc/pam.d/%s\0@include\0")
    assert ways(host) == [[]]


def test_the_options_of_pam_limits(host):
    host.put("/etc/pam.d/sshd", "session optional pam_limits.so set_all conf=/a [conf=/b c]\n")
    ((run,),) = pam_stack.stack(host.look(), "sshd").ways
    assert run == ("/etc/pam.d/sshd", 1, "/b c", True, False)
