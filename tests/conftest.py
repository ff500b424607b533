# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection in the ways in which people hold it: as a checkout, built, installed."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import hypothesis
import pytest
from host_folder import HostFolder

# A loaded machine is no failure: the time that one example takes says nothing. `make test-quick` looks at fewer
# examples than `make test`, and `make nightly` at more; tests/fuzz has numbers of its own.
hypothesis.settings.register_profile("fourtuple", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fourtuple")

CHECKOUT = pathlib.Path(__file__).parents[1]


#: Of the virtual machines.
RELEASES = ("bookworm", "trixie")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--release", action="append", choices=RELEASES, help="Debian's release; may be repeated")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Other tests have releases of their own.
    if {"machine", "release"} <= set(metafunc.fixturenames):
        chosen = metafunc.config.getoption("--release") or RELEASES
        metafunc.parametrize("release", chosen, scope="session")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # For who has no root, and so runs `make unit` or less; `make test` refuses to begin without it, so CI skips none.
    if item.get_closest_marker("root") and os.geteuid():
        pytest.skip("namespaces of its own take root")


#: What a clean clone does not have.
_NOT_CLONED = (".git", ".venv", ".cache", ".ansible", ".*_cache", ".hypothesis", "__pycache__", "*.tar.gz")


class Run(t.Protocol):
    def __call__(
        self, *command: str | pathlib.Path, cwd: pathlib.Path, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command with the environment's tools, as a person who has no Ansible settings of their own."""
    home = tmp_path_factory.mktemp("home")

    def run_command(
        *command: str | pathlib.Path, cwd: pathlib.Path, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        clean |= {
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(home),
            "PATH": "%s:%s" % (pathlib.Path(sys.executable).parent, clean["PATH"]),
        }
        done = subprocess.run(
            command,
            cwd=cwd,
            env=clean | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, "%s\n%s" % (" ".join(map(str, command)), done.stdout)
        return done

    return run_command


@pytest.fixture(scope="session")
def checkout() -> pathlib.Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def copied_checkout(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the checkout, in a folder whose name says nothing about the collection."""
    copy = tmp_path_factory.mktemp("copy") / "any other name"
    shutil.copytree(CHECKOUT, copy, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_CLONED))
    return copy


@pytest.fixture(scope="session")
def tarball(run: Run, copied_checkout: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("built")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, cwd=copied_checkout)
    (built,) = folder.glob("fourtuple-clients-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def collections(run: Run, tarball: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The collections path into which the tarball is installed, without Galaxy."""
    path = tmp_path_factory.mktemp("collections")
    install = ("ansible-galaxy", "collection", "install", tarball, "--offline")
    run(*install, cwd=path, ANSIBLE_COLLECTIONS_PATH=str(path))
    return path


@pytest.fixture
def host(tmp_path: pathlib.Path) -> HostFolder:
    return HostFolder(tmp_path / "host")


@pytest.fixture
def debian(host: HostFolder) -> HostFolder:
    """A Debian 12 that systemd runs, as installed. A test that needs more of it has a fixture of this name on top."""
    host.put("/etc/os-release", "ID=debian\n")
    host.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    host.put("/etc/security/limits.conf", "# nothing\n")
    host.put("/usr/lib/x86_64-linux-gnu/security/pam_limits.so", "/proc/sys/fs/nr_open\0%s%s%s%s\0")
    host.put("/usr/lib/systemd/systemd", "")
    for directory in ("etc/security/limits.d", "run/systemd/system"):
        (host.path / directory).mkdir(parents=True)
    host.sysctl(fs__nr_open=1048576)
    return host
