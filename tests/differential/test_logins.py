# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nofile_subjects against real logins on Debian 12 and 13: a real sshd, with and without PAM, and a real su.

The ssh server begins with 4000:20000, and root calls su from a session of it: no hard limit can be raised here.
"""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import differential
import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Subjects

_SERVER = "Max open files            4000                 20000                files\n"
_CONFIG = "/etc/ssh/sshd_config"
_HOSTS_OWN = (
    "/etc/ssh/sshd_config",
    "/etc/pam.d/sshd",
    "/etc/pam.d/su",
    "/etc/pam.d/su-l",
    "/etc/security/limits.conf",
)
_LINE = "session required pam_limits.so"

_SSHD, _SU = "/etc/pam.d/sshd", "/etc/pam.d/su"
_ROOT_OK = "auth sufficient pam_rootok.so\n"
_BEHIND_MATCH = "Match User x\nX11Forwarding no\nMatch all\nUsePAM yes\n"

#: What is changed on the host as installed, by the way in: path and text.
_CASES: dict[str, tuple[str, dict[str, str]]] = {
    "ssh as installed": ("ssh", {}),
    "UsePAM no": ("ssh", {_CONFIG: "UsePAM no\n"}),
    "no UsePAM": ("ssh", {_CONFIG: "X11Forwarding no\n"}),
    "the first UsePAM wins": ("ssh", {_CONFIG: 'usepam = "no"\nUsePAM yes\n'}),
    "UsePAM in an Include": (
        "ssh",
        {
            _CONFIG: "Include sshd_config.d/*-us?.conf\nUsePAM no\n",
            _CONFIG + ".d/1-use.conf": "UsePAM yes\n",
        },
    ),
    "UsePAM behind Match all": ("ssh", {_CONFIG: _BEHIND_MATCH}),
    "ssh without pam_limits": ("ssh", {_SSHD: "account required pam_permit.so\n@include common-session\n"}),
    "ssh with conf=": (
        "ssh",
        {
            _SSHD: "account required pam_permit.so\n%s conf=/etc/security/ssh.conf\n" % _LINE,
            "/etc/security/ssh.conf": "root hard nofile 2000\nroot soft nofile 1900\n",
        },
    ),
    "su as installed": ("su", {}),
    "su without pam_limits": ("su", {_SU: _ROOT_OK + "session required pam_permit.so\n"}),
    "su past pam_limits": ("su", {_SU: "%ssession sufficient pam_permit.so\n%s\n" % (_ROOT_OK, _LINE)}),
}


class _Machine:
    """A disposable host whose files are changed for one case, and those of it that our own code has to see."""

    def __init__(self, host: differential.Host, folder: pathlib.Path, key: pathlib.Path) -> None:
        self._name, self._folder, self._key = host.name, folder, key
        self._put("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text())

    def _run(self, *command: str, given: str | None = None) -> str:
        whole = ["podman", "exec", "--interactive", self._name, *command]
        return subprocess.run(whole, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout

    def _put(self, path: str, text: str) -> None:
        self._run("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "-", path, given=text)

    def with_files(self, files: t.Mapping[str, str]) -> None:
        for path, text in files.items():
            self._put(path, text)

    def without(self, files: t.Iterable[str], kept: t.Mapping[str, str]) -> None:
        self._run("rm", "-f", *files)
        self.with_files(kept)

    def read(self, paths: t.Iterable[str]) -> dict[str, str]:
        return {path: self._run("cat", path) for path in paths}

    def copy(self, mine: t.Mapping[str, str]) -> str:
        """Return a folder that stands for this host."""
        root = self._folder
        archive = [
            "tar",
            "-C",
            "/",
            "-ch",
            "etc/pam.d",
            "etc/ssh",
            "etc/security",
            "etc/passwd",
            "etc/group",
            "etc/os-release",
        ]
        libraries = "usr/lib/x86_64-linux-gnu/"
        archive += [libraries + "libpam.so.0", libraries + "security/pam_limits.so"]
        with subprocess.Popen(["podman", "exec", self._name, *archive], stdout=subprocess.PIPE) as packed:
            subprocess.run(["tar", "-x", "-C", root, "--no-same-owner"], stdin=packed.stdout, check=True)
        for path, text in {**mine, **self.read(["/proc/1/limits", "/proc/1/status", "/proc/sys/fs/nr_open"])}.items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return str(root)

    def session(self, way: str) -> list[str]:
        asked = "ulimit -Sn; ulimit -Hn"
        begin = ["podman", "exec", "--interactive", self._name, "prlimit", "--nofile=4000:20000"]
        if way == "su":
            asked = "su root -c '%s'" % asked
        proxy = "ProxyCommand=%s /usr/local/sbin/ssh-session" % " ".join(begin)
        options = ["-F", "none", "-o", proxy, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        command = ["ssh", "-q", "-i", str(self._key), *options, "root@host", asked]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.mark.parametrize("image", ["bookworm", "trixie"])
def test_a_login_has_what_is_predicted_for_its_way_in(
    hosts: dict[str, differential.Host], image: str, key: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    differences, seen = [], set()
    limits_d = {"/etc/security/limits.d/zz.conf": "root soft nofile 3000\nroot hard nofile 3100\n"}
    server = {"/proc/200/comm": "sshd\n", "/proc/200/limits": _SERVER}
    for number, (name, (way, files)) in enumerate(_CASES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        machine = _Machine(hosts[image], folder, key)
        kept = machine.read(_HOSTS_OWN)
        machine.with_files({**limits_d, **files})
        try:
            subject = Subjects(Host(machine.copy(server)), {}, ways=[way]).user("users", "root")
            predicted = [str(subject["now"]["soft"]), str(subject["now"]["hard"])]
            real = machine.session(way)
        finally:
            machine.without({**limits_d, **files}, kept)
        seen.add(tuple(real))
        if predicted != real:
            differences.append("%s: %s, predicted %s by %s" % (name, real, predicted, subject["by"]))
    assert differences == []
    assert len(seen) >= 3
