# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection in somebody else's repository: the example, alone in a folder, with the commands of its CI jobs."""

from __future__ import annotations

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import typing as t
import uuid
import venv

import pytest
import yaml

if t.TYPE_CHECKING:
    from conftest import Run

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/molecule-in-your-repository"
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
README = (ROOT / "README.md").read_text()

SCENARIOS = sorted(path.parent.name for path in EXAMPLE.glob("molecule/*/molecule.yml"))
#: Each of them has something to run in both scenarios.
STAGES = ("create", "converge", "idempotence", "verify", "destroy")

WORKFLOW = EXAMPLE / ".github/workflows/molecule.yml"
PIPELINE = EXAMPLE / ".gitlab-ci.yml"
SCHEMAS = {WORKFLOW: "vendor.github-workflows", PIPELINE: "vendor.gitlab-ci"}

IMAGE = "localhost/fourtuple-clients-test:bookworm"
#: Where the releases of the collection are, and where the test has the one that it built.
RELEASES = "%s/releases/download/v%s/" % (GALAXY["repository"], GALAXY["version"])
SERVED = "http://127.0.0.1:8080/"


def of_github() -> list[str]:
    """Return the commands of the workflow; what it uses of others is setting up."""
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert used == ["actions/checkout", "actions/setup-python"]
    return [step["run"] for step in job["steps"] if "run" in step]


def of_gitlab() -> list[str]:
    (job,) = yaml.safe_load(PIPELINE.read_text()).values()
    return list(job["script"])


class Network(t.NamedTuple):
    """The network of somebody else's machine."""

    enter: tuple[str, ...]

    def podman(self, *arguments: str) -> list[str]:
        command = [*self.enter, "podman", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


@pytest.fixture(scope="module")
def network(tarball: pathlib.Path) -> t.Iterator[Network]:
    """Make a network in which Podman's bridge and firewall rules come and go; a server there has the tarball.

    So this machine stays as it is, which is proven, and other tests beside this one see nothing.
    """
    guard = ROOT / "tests/tools/machine_guard"
    record = tarball.parent / "machine.json"
    subprocess.run([guard, "snapshot", record], check=True)
    server = ("-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", tarball.parent, "8080")
    script = 'ip link set lo up && mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"'
    holder = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c", script, "sh", sys.executable]
        + [*map(str, server)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith("Serving HTTP")
        yield Network(("nsenter", "--net=/proc/%d/ns/net" % holder.pid, "--mount=/proc/%d/ns/mnt" % holder.pid))
    finally:
        holder.kill()
        holder.wait()
    subprocess.run([guard, "compare", record], check=True)


def engine_settings() -> str:
    """Return what Podman has to be told here and on no usual machine, as tests/images/start does."""
    lines = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= hard < 1048576:
        lines += ["[containers]", 'default_ulimits = ["nofile=%d:%d", "nproc=%d:%d"]' % (hard, hard, hard, hard)]
    if not pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists() and shutil.which("runc"):
        lines += ["[engine]", 'runtime = "runc"']
    return "".join(line + "\n" for line in lines)


class Stranger:
    """Somebody with a repository, a fresh Python environment, and no settings of Ansible."""

    def __init__(self, folder: pathlib.Path, network: Network, run: Run) -> None:
        self.folder, self.network, self._run = folder, network, run
        self.job = "test-%s" % uuid.uuid4().hex[:8]
        venv.create(folder / "environment", with_pip=True)
        (folder / "home").mkdir()
        ours = str(pathlib.Path(sys.executable).parent)
        others = [place for place in os.environ["PATH"].split(":") if place != ours]
        self.environment = {
            "CI_JOB_ID": self.job,
            "HOME": str(folder / "home"),
            "MOLECULE_COMMAND_BORDERS": "false",
            "MOLECULE_IMAGE": IMAGE,
            "NO_COLOR": "1",
            "PATH": ":".join([str(folder / "environment/bin"), *others]),
            "PIP_CACHE_DIR": str(ROOT / ".cache/pip"),
        }
        settings = engine_settings()
        if settings:
            (folder / "containers.conf").write_text(settings)
            self.environment["CONTAINERS_CONF"] = str(folder / "containers.conf")

    def checkout(self, name: str) -> pathlib.Path:
        """Return the repository, with the one address changed at which the tarball is not yet."""
        repository = self.folder / name
        shutil.copytree(EXAMPLE, repository)
        requirements = repository / "requirements.yml"
        assert requirements.read_text().count(RELEASES) == 1
        requirements.write_text(requirements.read_text().replace(RELEASES, SERVED))
        return repository

    def run(self, command: str, repository: pathlib.Path, status: int = 0) -> str:
        """Run a command as a CI job does; only pip gets at the machine's own network."""
        # In a mount namespace of its own nsenter(1) begins at the root.
        enter = () if command.startswith("pip ") else (*self.network.enter, "env", "--chdir=%s" % repository)
        return self._run(*enter, "bash", "-ec", command, cwd=repository, status=status, **self.environment).stdout

    def containers(self) -> list[str]:
        return self.network.podman("ps", "--all", "--filter", "name=" + self.job, "--format", "{{.Names}}")


@pytest.fixture(scope="module")
def stranger(network: Network, run: Run) -> t.Iterator[Stranger]:
    # Ansible with all its collections takes half a gigabyte, which pytest would keep for three runs.
    with tempfile.TemporaryDirectory(prefix="adoption-") as folder:
        somebody = Stranger(pathlib.Path(folder), network, run)
        try:
            *installing, _testing = of_github()
            for command in installing:
                somebody.run(command, EXAMPLE)
            yield somebody
        finally:
            network.podman("rm", "--force", "--ignore", "--time", "0", *somebody.containers(), somebody.job)


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda path: path.name)
def test_a_ci_file_is_valid(run: Run, file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run("check-jsonschema", "--builtin-schema", SCHEMAS[file], file, cwd=tmp_path)


def test_an_invalid_ci_file_is_seen(run: Run, tmp_path: pathlib.Path) -> None:
    for file, schema in SCHEMAS.items():
        wrong = tmp_path / file.name
        wrong.write_text(re.sub("steps:|script:", "commands:", file.read_text()))
        run("check-jsonschema", "--builtin-schema", schema, wrong, cwd=tmp_path, status=1)


def test_both_ci_files_run_the_same_commands() -> None:
    assert of_github() == of_gitlab()
    assert [command.split()[:2] for command in of_github()] == [["pip", "install"], ["molecule", "test"]]


def test_the_scenarios_pass(stranger: Stranger) -> None:
    repository = stranger.checkout("passes")
    said = stranger.run(of_github()[-1], repository)
    stages = re.findall(r"^(\S+) > (\w+): Executed: Successful", said, re.MULTILINE)
    assert set(stages) >= {(scenario, stage) for scenario in SCENARIOS for stage in STAGES}
    assert said.count("All assertions passed") == len(SCENARIOS) == 2
    assert stranger.containers() == []


def test_a_host_that_nobody_tuned_fails(stranger: Stranger) -> None:
    """Both scenarios verify with one file."""
    repository = stranger.checkout("fails")
    site = repository / "site.yml"
    site.write_text(site.read_text().replace("    - fourtuple.clients.tune\n", "    []\n"))
    said = stranger.run("molecule test --scenario-name %s" % SCENARIOS[-1], repository, status=2)
    assert "allowed: at least 15000, the soft nofile that user root needs" in said
    assert stranger.containers() == []


def requirements_of_the_readme() -> list[str]:
    return re.findall(r"^```yaml\n(---\ncollections:\n.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_shows_the_requirement_of_the_example() -> None:
    tarball, git = requirements_of_the_readme()
    assert tarball == (EXAMPLE / "requirements.yml").read_text()
    assert yaml.safe_load(git)["collections"] == [
        {"name": "git+%s.git" % GALAXY["repository"], "version": "v" + GALAXY["version"]}
    ]


def test_the_readme_leads_to_the_example() -> None:
    place = "%s/tree/HEAD/%s" % (GALAXY["repository"], EXAMPLE.relative_to(ROOT))
    assert "](%s)" % place in README


def files_of(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_git_requirement_installs_the_same(
    run: Run, copied_checkout: pathlib.Path, collections: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Git is told where the repository of that address is; all else is as the README has it."""
    repository, home = tmp_path / "clients.git", tmp_path / "home"
    shutil.copytree(copied_checkout, repository, symlinks=True)
    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
    author |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in author.items()}
    for command in ("init --quiet", "add --all", "commit --quiet --message all", "tag v" + GALAXY["version"]):
        run("git", *command.split(), cwd=repository, status=0, **author)
    requirements = tmp_path / "requirements.yml"
    requirements.write_text(requirements_of_the_readme()[1])
    elsewhere = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.file://%s.insteadOf" % repository,
        "GIT_CONFIG_VALUE_0": GALAXY["repository"] + ".git",
    }
    install = ("ansible-galaxy", "collection", "install", "-r", requirements)
    run(*install, cwd=tmp_path, status=0, HOME=str(home), **elsewhere)
    place = "ansible_collections/fourtuple/clients"
    # The record of where it came from.
    there = {name for name in files_of(home / ".ansible/collections" / place) if not name.startswith(".")}
    assert there == {name for name in files_of(collections / place) if not name.startswith(".")}
