# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks with each release of ansible-core that the collection supports: to a host, all come to the same.

Before 2.19 a template makes an empty text of a null and text of a number, and with native Jinja it does not.

All are compared with the newest. Each runs with the Python of a Debian release that it is made for, in a root of that
release, so that it hangs on no Python of this machine; the one of the test environment runs as in all other tests. The
hosts have the Python of their Debian release, or the oldest one that is supported.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import typing as t

import pytest
from sandbox import CHECKOUT, PASSING, Sandbox, image_tree

HERE = pathlib.Path(__file__).parent
PLAYBOOKS = sorted(str(path) for path in CHECKOUT.glob("playbooks/*.yml"))

#: The Python of the hosts, by their image.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}
#: The oldest that modules have to run with, which no Debian release of today has.
OLDEST_PYTHON = "3.8"


class Release(t.NamedTuple):
    """A release of ansible-core.

    root: the image whose Python runs it; None of the release that the test environment has
    """

    name: str
    root: str | None

    @property
    def minor(self) -> int:
        return int(self.name.partition(".")[2])


def releases() -> list[Release]:
    pinned = re.search(r"^ansible-core==(2\.\d+)", (CHECKOUT / "tests/requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    found = [Release(pinned[1], None)]
    for path in HERE.glob("requirements-*.txt"):
        one = Release(path.stem.removeprefix("requirements-"), "bookworm")
        # From 2.20 on it takes Python 3.12 or later (docs.ansible.com, ansible-core support matrix).
        found.append(one._replace(root="trixie") if one.minor >= 20 else one)
    return sorted(found, key=lambda release: release.minor)


RELEASES = releases()


class Case(t.NamedTuple):
    """A run of everything.

    native: whether Jinja is native; None where it always is
    image: the host's
    python: the version that the host's modules run with, where it is not the image's
    """

    release: Release
    native: bool | None
    image: str
    python: str | None = None

    def __str__(self) -> str:
        words = [self.release.name, "native" if self.native else None, self.image, self.python]
        return "-".join(word for word in words if word)


def cases() -> t.Iterator[Case]:
    """Yield what is compared with the newest release."""
    for release in RELEASES[:-1]:
        for native in (False, True) if release.minor < 19 else (None,):
            yield Case(release, native, "bookworm")
            yield Case(release, native, "trixie")
            # 2.20 asks for Python 3.9 on hosts, and 2.19 knows none after 3.13.
            if release.minor >= 20:
                yield Case(release, native, "forky")
            elif not native:
                yield Case(release, native, "bookworm", OLDEST_PYTHON)


#: The oldest release, native Jinja and not, and the oldest Python. `make nightly` takes all of them.
IN_CI = tuple(RELEASES[0].name + what for what in ("-native-bookworm", "-bookworm-" + OLDEST_PYTHON))

ASKED: dict[str, t.Any] = {
    "tune_target_connections": 100000,
    "tune_destinations": 4,
    "tune_binding": "bind_no_port",
    "tune_processes": 4,
    "tune_users": ["tester"],
    "tune_units": ["client.service"],
    "tune_address_pool": ["198.51.100.0/24"],
    "tune_slot": 3,
    "tune_slot_size": 4,
    "tune_sysctl_values": {"net.ipv4.tcp_fin_timeout": 30},
    # The host is its own sink: a sandbox has no other.
    "prove_client": True,
    "prove_sinks": ["client"],
    "prove_listen": ["192.0.2.10:7000"],
    "prove_capacity": 4000,
    "prove_target": 2000,
    "prove_binding": "bind_no_port",
    "prove_hold": 0,
}
#: What a run may leave that is no setting of the host.
NO_SETTINGS = (*PASSING, "/etc/ld.so.cache", "/etc/.pwd.lock")

State = dict[str, dict[str, str]]
Life = dict[str, t.Any]


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[[Release], dict[str, str]]]:
    """Return a function that installs a release and returns the environment in which it is the ansible-playbook.

    None is left behind: pytest keeps its folders for some runs, and each release has 50 MB.
    """
    installed: dict[Release, pathlib.Path] = {}

    def install(release: Release, root: str) -> pathlib.Path:
        folder = tmp_path_factory.mktemp("ansible-core-" + release.name)
        packages, programs = folder / "packages", folder / "bin"
        # For the Python of the root, which is not the one that installs it.
        options = ["--quiet", "--no-deps", "--no-compile", "--ignore-requires-python", "--only-binary=:all:"]
        options += ["--python-version=" + PYTHONS[root], "--target=%s" % packages]
        requirements = HERE / ("requirements-%s.txt" % release.name)
        pip = [sys.executable, "-m", "pip", "install", *options, "--requirement", str(requirements)]
        subprocess.run(pip, check=True)
        folders = [CHECKOUT, tmp_path_factory.getbasetemp()]
        program = ["env", "PYTHONPATH=%s" % packages, "/usr/bin/python3", packages / "bin/ansible-playbook"]
        command = [HERE / "in_root", image_tree(root), *folders, "--", *program]
        programs.mkdir()
        (programs / "ansible-playbook").write_text('#!/bin/sh\nexec %s "$@"\n' % shlex.join(map(str, command)))
        (programs / "ansible-playbook").chmod(0o755)
        return programs

    def environment(release: Release) -> dict[str, str]:
        if release.root is None:
            return {}
        if release not in installed:
            installed[release] = install(release, release.root)
        return {"PATH": "%s:%s" % (installed[release], os.environ["PATH"])}

    yield environment
    for programs in installed.values():
        shutil.rmtree(programs.parent)


def old_python() -> pathlib.Path:
    """Return where an interpreter of the oldest version is installed.

    Debian has none, and the package registries none for Linux; version managers build or fetch one.
    """
    home = pathlib.Path.home()
    managed = [pathlib.Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions").glob(OLDEST_PYTHON + ".*")]
    managed += [(home / ".local/share/uv/python").glob("cpython-%s.*" % OLDEST_PYTHON)]
    found = [str(folder / "bin" / ("python" + OLDEST_PYTHON)) for folders in managed for folder in sorted(folders)]
    for python in filter(None, [*found, shutil.which("python" + OLDEST_PYTHON)]):
        ask = [python, "-c", "import sys; print(sys.base_prefix)"]
        done = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        # It is laid over the host's folder of that name, which /usr must not be.
        if done.returncode == 0 and done.stdout.strip() not in ("/usr", "/usr/local"):
            return pathlib.Path(done.stdout.strip())
    missing = "There is no Python %s for the host: `pyenv install %s` brings one." % (OLDEST_PYTHON, OLDEST_PYTHON)
    # CI has one, so it leaves out nothing.
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def give_python(host: Sandbox, prefix: pathlib.Path) -> dict[str, t.Any]:
    """Give a host an interpreter of this machine, at its own path; return what Ansible has to know of it."""
    quoted = shlex.quote("root%s" % prefix)
    host.in_namespaces("mkdir -p %s && mount --bind %s %s" % (quoted, shlex.quote(str(prefix)), quoted))
    host.in_namespaces("mount -o remount,bind,ro %s" % quoted)
    python = str(prefix / "bin" / ("python" + OLDEST_PYTHON))
    assert host.run(python, "--version").stdout.startswith("Python %s." % OLDEST_PYTHON)
    return {"ansible_python_interpreter": python}


def settings(host: Sandbox, given: pathlib.Path | None) -> State:
    """Return what a run may have changed; the folders of a Python that the host was given are no part of it."""
    state = host.state()
    files = {
        path: text
        for path, text in state["file"].items()
        if not path.startswith(NO_SETTINGS) and not (given and given.is_relative_to(path))
    }
    return {**state, "file": files}


def life(
    host: Sandbox, folder: pathlib.Path, environment: t.Mapping[str, str], python: pathlib.Path | None = None
) -> Life:
    """Parse every playbook; audit, check, tune, tune again, audit, prove and untune a host; return what came of it."""
    variables = ASKED | (give_python(host, python) if python else {})

    def play(name: str, status: int, *options: str) -> dict[str, int]:
        done = host.play(name, *options, environment=environment, **variables).expect(status)
        assert "DEPRECATION" not in done.output, done.output
        return done.counts

    play(PLAYBOOKS[0], 0, *PLAYBOOKS[1:], "--syntax-check")
    before = settings(host, python)
    play("audit_clients.yml", 2)
    checked = play("tune_clients.yml", 0, "--check", "--diff")
    assert settings(host, python) == before
    tuned = play("tune_clients.yml", 0, "-e", "report_dir=%s" % (folder / "tuned"))
    after = settings(host, python)
    assert play("tune_clients.yml", 0)["changed"] == 0
    audited = play("audit_clients.yml", 0)
    proven = play("prove_clients.yml", 0, "-e", "report_dir=%s" % (folder / "proven"))
    assert settings(host, python) == after
    # Of a process that ended the sandbox's first one collects nothing.
    running = host.run("ps", "-eo", "stat=,comm=").stdout.splitlines()
    assert [line for line in running if "fourtuple" in line and not line.startswith("Z")] == []
    untuned = play("untune_clients.yml", 0)
    assert settings(host, python) == before
    changed = [counts["changed"] for counts in (checked, tuned, audited, proven, untuned)]
    return {"changed": changed, "after": after, "tuned": report(folder / "tuned"), "proven": report(folder / "proven")}


def report(folder: pathlib.Path) -> list[dict[str, t.Any]]:
    assert (folder / "report.html").exists()
    return [steady(row) for row in json.loads((folder / "report.json").read_text())["hosts"]]


#: How fast it went, and what the kernel took for it.
_PASSING_FIGURES = ("bytes_per_connection", "held_from", "held_until", "latency", "per_second", "seconds")


def steady(row: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return of a host's row what does not depend on what else runs on the machine, which decides its memory."""
    facts = {name: type(value) if name == "memory" else value for name, value in row["host_facts"].items()}
    ceilings = {
        name: row[name]
        and {"binds": row[name]["binding_constraint"], "target": row[name]["target"], "keys": sorted(row[name])}
        | {one["name"]: one["scope"] for one in row[name]["constraints"]}
        for name in ("before", "predicted", "after")
    }
    measured = row["measured"] and {
        name: type(value) if name in _PASSING_FIGURES else value for name, value in row["measured"].items()
    }
    return {**row, "host_facts": facts, **ceilings, "measured": measured}


@pytest.fixture(scope="module")
def outcome(
    controller: t.Callable[[Release], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> t.Callable[[Case], Life]:
    """Return a function that carries out a case."""

    def carry_out(case: Case) -> Life:
        python = old_python() if case.python else None
        if case.image == "forky":
            subprocess.run([CHECKOUT / "tests/images/build", case.image], check=True)
        environment = controller(case.release)
        if case.native is not None:
            environment |= {"ANSIBLE_JINJA2_NATIVE": str(case.native)}
        ask = ["ansible-playbook", "--version"]
        said = subprocess.run(ask, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        assert "[core %s." % case.release.name in said
        if case.release.root:
            assert "python version = %s." % PYTHONS[case.release.root] in said
        with Sandbox(case.image) as host:
            assert host.run("python3", "--version").stdout.startswith("Python %s." % PYTHONS[case.image])
            return life(host, tmp_path_factory.mktemp(str(case)), environment, python)

    return carry_out


@pytest.fixture(scope="module")
def reference(outcome: t.Callable[[Case], Life]) -> t.Callable[[str], Life]:
    """Return a function that says what comes of it with the newest release, on hosts of an image."""
    known: dict[str, Life] = {}

    def of(image: str) -> Life:
        if image not in known:
            known[image] = outcome(Case(RELEASES[-1], None, image))
            (proven,) = known[image]["proven"]
            found = {name: proven["measured"][name] for name in ("established", "alive", "errors", "first_limit")}
            assert found == {"established": 2000, "alive": 2000, "errors": {}, "first_limit": None}
        return known[image]

    return of


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=str(case), marks=[] if str(case) in IN_CI else [pytest.mark.nightly]) for case in cases()],
)
def test_a_release_does_to_a_host_what_the_newest_does(
    outcome: t.Callable[[Case], Life], reference: t.Callable[[str], Life], case: Case
) -> None:
    assert outcome(case) == reference(case.image)


def test_every_case_of_ci_is_one() -> None:
    assert set(IN_CI) <= {str(case) for case in cases()}


def test_the_releases_are_those_that_the_collection_says() -> None:
    oldest, newest = RELEASES[0].name, RELEASES[-1].name
    assert '">=%s.0"' % oldest in (CHECKOUT / "meta/runtime.yml").read_text()
    for path in CHECKOUT.glob("roles/*/meta/main.yml"):
        assert 'min_ansible_version: "%s"' % oldest in path.read_text()
    readme = (CHECKOUT / "README.md").read_text()
    assert "ansible-core %s or later" % oldest in readme
    assert "%s to %s are tested" % (oldest, newest) in readme
    assert ["2.%d" % minor for minor in range(RELEASES[0].minor, RELEASES[-1].minor + 1)] == [
        release.name for release in RELEASES
    ]
