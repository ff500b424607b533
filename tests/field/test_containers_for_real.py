# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may do, asked of the kernel: real namespaces, and our code in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from namespaces import inside, needs_root

#: While its user may still read them: a person's Python may be where only he looks.
_IMPORTS = """
import json, os, resource, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, identity
from ansible_collections.fourtuple.clients.plugins.module_utils.values import capabilities
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import PORT_RANGE, Keys
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
"""

_RIGHTS = """
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, 501))
    kernel = True
except ValueError:
    # What CPython makes of EPERM.
    kernel = False
with open("/proc/self/status") as stream:
    status = stream.read()
with open("/proc/self/uid_map") as stream:
    uid_map = stream.read().split()
print(json.dumps({
    "kernel": kernel,
    "ours": identity.raises_limits(Host()),
    "container": containment.in_container(Host()),
    "effective": "CAP_SYS_RESOURCE" in capabilities.read(status),
    "bounding": "CAP_SYS_RESOURCE" in capabilities.read(status, "CapBnd"),
    "uid_map": uid_map,
}))
"""


#: CLONE_NEWUSER and CLONE_NEWNET, then its root. Not by unshare(1): whoever is executed while his number is mapped to
#: none has no capabilities.
_NEW = """
import ctypes
assert ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) == 0
print("unmapped", flush=True)
sys.stdin.readline()
os.setresuid(0, 0, 0)
"""


def python(script, *before, uid_map=None):
    """Return what a script prints as JSON, below the command ``before``, or in new namespaces with that uid_map."""
    process = subprocess.Popen(
        [
            *before,
            sys.executable,
            "-c",
            _IMPORTS + (_NEW if uid_map is not None else "") + script,
            json.dumps(sys.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if uid_map is not None:
        assert process.stdout.readline() == "unmapped\n"
        with open("/proc/%d/uid_map" % process.pid, "w") as stream:
            stream.write(uid_map)
    said, _errors = process.communicate("\n")
    return json.loads(said)


@pytest.mark.parametrize(
    ("command", "uid_map", "shown"),
    [
        (["unshare", "--user", "--map-root-user"], None, ["0", str(os.geteuid()), "1"]),
        pytest.param([], "0 100000 65536", ["0", "100000", "65536"], marks=needs_root),
        pytest.param([], "0 0 4294967295", ["0", "0", "4294967295"], marks=needs_root),
    ],
)
def test_root_of_a_user_namespace_raises_no_limit(command, uid_map, shown):
    """It has CAP_SYS_RESOURCE and is refused, also where its uid_map is that of the first namespace."""
    found = python(_RIGHTS, *command, uid_map=uid_map)
    assert (found["effective"], found["bounding"], found["uid_map"]) == (True, True, shown)
    assert (found["kernel"], found["ours"], found["container"]) == (False, False, True)


@needs_root
def test_root_of_the_machine_may_as_the_kernel_says():
    found = python(_RIGHTS)
    assert found["ours"] is found["kernel"]


@needs_root
def test_what_is_mounted_read_only_is_not_writable():
    """As a container engine does it, and as its user undoes it; each answer is compared with a write."""
    inside(
        """
import errno, json, subprocess, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.kernel_limits import PORT_RANGE, Keys
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

def kernel():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as stream:
            stream.write("30000 40001\\n")
    except OSError as error:
        assert error.errno == errno.EROFS, error
        return False
    return True

def ours():
    return Keys(Host("/")).all()[PORT_RANGE]["writable"]

assert (ours(), kernel()) == (True, True)
subprocess.run(["mount", "--bind", "-o", "ro", "/proc/sys", "/proc/sys"], check=True)
assert (ours(), kernel()) == (False, False)
subprocess.run(["mount", "-t", "proc", "proc", "/mnt"], check=True)
subprocess.run(["mount", "--bind", "/mnt/sys/net", "/proc/sys/net"], check=True)
assert (ours(), kernel()) == (True, True)
""",
        30,
    )


@needs_root
@pytest.mark.parametrize(("uid_map", "machines"), [("0 100000 65536", False), ("0 0 4294967295", True)])
def test_the_machines_keys_in_a_user_namespace(uid_map, machines):
    """Whose root is another user on the machine can write what his network namespace owns, and nothing else.

    Root of the machine stays the owner in any user namespace. It is the machine's key there as well, and not written.
    """
    script = """
keys = Keys(Host("/")).all()
try:
    # Opened and not written to.
    os.close(os.open("/proc/sys/fs/nr_open", os.O_WRONLY))
    kernel = True
except PermissionError:
    kernel = False
print(json.dumps([kernel, keys["fs.nr_open"]["writable"], keys["fs.nr_open"]["scope"], keys[PORT_RANGE]["writable"]]))
"""
    found = python(script, uid_map=uid_map)
    assert found == [machines, machines, "machine", True]
