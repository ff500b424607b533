# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of configuration files, resolved by our code and by the real thing."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import pathlib
import stat
import subprocess
import typing as t

import hypothesis
import pytest
import trees

HERE = pathlib.Path(__file__).parent
CHECKOUT = HERE.parents[1]
FOUND = HERE / "found"

#: A tree of trees.py, the files that a plan would change in it, and what else the oracle is told.
Given = dict[str, t.Any]


class Answer(t.NamedTuple):
    """What our code says; ``contested`` where more than one line had a say, and not the same."""

    value: t.Any
    contested: bool


Ours = t.Callable[[str, Given], dict[str, Answer]]


class Host:
    """A disposable host, and the oracles in it. It goes when this process does, however it ends."""

    def __init__(self, image: str, purpose: str = "differential", options: t.Sequence[str] = ()) -> None:
        """options: of podman run, beside those of tests/images/start"""
        self.image = image
        checkout = hashlib.sha1(str(CHECKOUT).encode(), usedforsecurity=False).hexdigest()
        self.name = "%s.%s.%s" % (purpose, checkout[:8], image)
        self._oracles: dict[str, subprocess.Popen[str]] = {}
        self._roots: dict[str, pathlib.Path] = {}
        keep = 'start=$1; shift; trap "" INT TERM; podman rm --force --ignore --time 0 "$1" >/dev/null; '
        keep += '"$start" "$@" >&2 && echo started; cat >/dev/null; podman rm --force --time 0 "$1" >/dev/null'
        volume = "%s:/differential:ro" % HERE
        start = CHECKOUT / "tests/images/start"
        self._keeper = subprocess.Popen(
            ["sh", "-c", keep, "keeper", start, self.name, image, "--volume", volume, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def wait(self) -> None:
        assert self._keeper.stdout
        assert self._keeper.stdout.readline() == "started\n", "%s has not started" % self.name

    def stop(self) -> None:
        for oracle in self._oracles.values():
            assert oracle.stdin
            oracle.stdin.close()
            oracle.wait()
        assert self._keeper.stdin
        self._keeper.stdin.close()
        self._keeper.wait()

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command on the host and return what it prints."""
        done = subprocess.run(
            ["podman", "exec", self.name, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def start_oracle(self, resolver: str, root: pathlib.Path) -> None:
        """Start the oracle, and make the folder for our own code: what it says of this host, and /lib as it is there.

        root: a folder that does not exist yet
        """
        command = ["podman", "exec", "--interactive", "--workdir", "/differential", self.name]
        self._oracles[resolver] = subprocess.Popen(
            [*command, "python3", "-B", "-m", "oracles." + resolver],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        base = self.receive(resolver)
        for directory in ("dev", "usr/lib"):
            (root / directory).mkdir(parents=True)
        trees.write(
            str(root), {"files": base, "links": {"/lib": "usr/lib", "/etc/os-release": "../usr/lib/os-release"}}
        )
        os.mknod(root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        self._roots[resolver] = root

    def send(self, resolver: str, given: Given) -> None:
        pipe = self._oracles[resolver].stdin
        assert pipe
        pipe.write(json.dumps(given) + "\n")
        pipe.flush()

    def receive(self, resolver: str) -> t.Any:
        pipe = self._oracles[resolver].stdout
        assert pipe
        line = pipe.readline()
        assert line, "the oracle of %s on %s has ended" % (resolver, self.image)
        return json.loads(line)

    def ours(self, resolver: str, ours: Ours, given: Given) -> dict[str, Answer]:
        """Return what our code says of the same tree, in a folder that stands for this host."""
        root = str(self._roots[resolver])
        made = trees.write(root, trees.after(given["tree"], given.get("stand_ins", {})))
        try:
            return ours(root, given)
        finally:
            trees.remove(made)


class Comparison:
    """One resolver on its hosts, and the count of what was compared."""

    def __init__(self, resolver: str, hosts: list[Host], ours: Ours) -> None:
        self.resolver = resolver
        self.hosts = hosts
        self._ours = ours
        #: By host: trees, contested trees, answers, contested answers, differing answers.
        self.counts: dict[str, collections.Counter[str]] = {host.image: collections.Counter() for host in hosts}

    def __call__(self, given: Given) -> None:
        """Fail where our code and one of the hosts disagree on a tree."""
        differences = []
        for host in self.hosts:
            host.send(self.resolver, given)
        try:
            # All the oracles are at work meanwhile.
            says = {host.image: host.ours(self.resolver, self._ours, given) for host in self.hosts}
        finally:
            holds = {host.image: host.receive(self.resolver) for host in self.hosts}
        for host in self.hosts:
            real, ours, counts = holds[host.image], says[host.image], self.counts[host.image]
            contested = sum(ours[name].contested for name in real)
            wrong = [name for name in real if ours[name].value != real[name]]
            counts.update(
                trees=1, contested=contested > 0, answers=len(real), contests=contested, differences=len(wrong)
            )
            differences += [
                "%s: %s is %s, our code says %s"
                % (host.image, name, json.dumps(real[name]), json.dumps(ours[name].value))
                for name in wrong
            ]
        if differences:
            pytest.fail("%s\n%s" % (json.dumps(given, indent=1), "\n".join(differences)), pytrace=False)

    def generated(self, strategy: hypothesis.strategies.SearchStrategy[Given], count: int, seed: int) -> None:
        """Compare ``count`` generated trees; a difference is shrunk to the smallest tree that shows it."""

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            suppress_health_check=list(hypothesis.HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
        @hypothesis.given(strategy)
        def agrees(given: Given) -> None:
            self(given)

        agrees()
        for image, counts in self.counts.items():
            assert counts["trees"] >= count, "%s: only %d trees" % (image, counts["trees"])
            # Trees in which nothing competes would prove nothing.
            assert counts["contested"] >= counts["trees"] / 2, "%s: only %d contested" % (image, counts["contested"])

    def summary(self) -> list[str]:
        line = "%s on %s: %d trees (%d contested), %d answers (%d contested), %d differences"
        return [
            line % (self.resolver, image, c["trees"], c["contested"], c["answers"], c["contests"], c["differences"])
            for image, c in self.counts.items()
        ]


def mostly(common: t.Sequence[str], odd: t.Sequence[str], share: int) -> hypothesis.strategies.SearchStrategy[str]:
    """Draw from the common ones about ``share`` times as often as from the odd ones."""
    return hypothesis.strategies.sampled_from([*common] * max(1, share * len(odd) // len(common)) + [*odd])


def host_of(root: str, given: Given) -> t.Any:
    """Return a look at a tree below ``root``, with what is planned for it."""
    # Not before the collection's place is known.
    from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

    texts = given["planned"].items()
    as_read = {path: text and text.encode("latin-1").decode("utf-8", "surrogateescape") for path, text in texts}
    return Host(root).planning(as_read)


def found(resolver: str) -> list[pathlib.Path]:
    """Return the trees in which differences were found once."""
    return sorted(FOUND.glob(resolver + "-*.json"))


def load(path: pathlib.Path) -> Given:
    return json.loads(path.read_text())["given"]
