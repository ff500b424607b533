# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example in the documentation is valid: YAML parses, playbooks start, commands and links lead somewhere."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import typing as t

import pytest
import yaml
from documented import ROLES, ROOT, options_of, tasks_in, unknown_options

from ansible_collections.fourtuple.clients.plugins.plugin_utils import fleet
from ansible_collections.fourtuple.clients.plugins.plugin_utils.fleet import known_addresses
from ansible_collections.fourtuple.clients.plugins.plugin_utils.known import taken

if t.TYPE_CHECKING:
    from conftest import Run

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("roles/*/README.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
)

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


_OUR_FILE = re.compile(r"(\./)?(playbooks|tests|\.ci|docs|roles)/")

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


class Example(t.NamedTuple):
    page: pathlib.Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return "%s:%d" % (self.page.relative_to(ROOT), self.line)


def examples(*languages: str) -> list[Example]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match["language"] in languages:
                line = text.count("\n", 0, match.start()) + 1
                body = re.sub("^" + match["indent"], "", match["text"], flags=re.MULTILINE)
                found.append(Example(page, line, match["language"], body))
    return found


def is_playbook(document: t.Any) -> bool:
    plays = ("hosts", "import_playbook", "ansible.builtin.import_playbook")
    return isinstance(document, list) and any(
        isinstance(entry, dict) and set(plays) & entry.keys() for entry in document
    )


def is_inventory(document: t.Any) -> bool:
    groups = document.values() if isinstance(document, dict) else []
    return bool(groups) and all(isinstance(group, dict) and {"hosts", "children"} & group.keys() for group in groups)


def names_in(document: t.Any) -> t.Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield str(key)
            yield from names_in(value)
    elif isinstance(document, list):
        for entry in document:
            yield from names_in(entry)


def commands() -> list[tuple[Example, list[str]]]:
    """Return every command line; in a console example those are the lines that a prompt begins."""
    found = []
    for example in examples("console", "shell", "sh", "bash"):
        lines = example.text.replace("\\\n", " ").splitlines()
        if example.language == "console":
            lines = [line[2:] for line in lines if line.startswith(("$ ", "# "))] or lines
        found += [(example, shlex.split(line, comments=True)) for line in lines]
    return [(example, words) for example, words in found if words]


def targets_in(words: list[str]) -> set[str]:
    return {word for word in words[1:] if re.fullmatch(r"[a-z][a-z-]*", word)}


@pytest.mark.parametrize("example", examples("yaml", "yml"), ids=str)
def test_a_yaml_example_is_valid(run: Run, collections: pathlib.Path, tmp_path: pathlib.Path, example: Example) -> None:
    for document in yaml.safe_load_all(example.text):
        assert document is not None
        assert unknown_options(document if isinstance(document, list) else []) == []
        check_names(document)
        file = tmp_path / "example.yml"
        if is_inventory(document):
            file.write_text(yaml.safe_dump(document))
            run("ansible-inventory", "-i", file, "--list", cwd=tmp_path)
            continue
        tasks = isinstance(document, list) and not is_playbook(document) and any(tasks_in(document))
        if tasks or is_playbook(document):
            plays = [{"hosts": "all", "tasks": document}] if tasks else document
            file.write_text(yaml.safe_dump(plays, sort_keys=False))
            command = ("ansible-playbook", "--syntax-check", "-i", "client,", file)
            run(*command, cwd=tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections))


def claimed(row: t.Mapping[str, t.Any]) -> list[t.Any]:
    """Return the addresses that a host of an inventory takes; of a slot that is not stated, all that it may be."""
    pool, slot = row.get("tune_address_pool", []), row.get("tune_slot")
    if pool and slot is not None:
        part = fleet.slice_of(fleet.Pool("tune_address_pool", pool), row.get("tune_slot_size", 16), slot, None)
        pool = ["-".join(run) for run in part.claim()]
    return [*pool, *row.get("addresses_list", [])]


def collisions(rows: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    known = known_addresses(rows, list(rows))
    return [
        "%s: %s is %s" % (name, one["address"], one["whose"])
        for name, row in rows.items()
        for one in taken(known, name, claimed(row))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_inventories_of_a_page_go_together(run: Run, tmp_path: pathlib.Path, page: pathlib.Path) -> None:
    """Who follows a page takes all of its examples: in none is a sink's address in the slot of a client."""
    rows: dict[str, t.Any] = {}
    for example in examples("yaml", "yml"):
        if example.page == page and is_inventory(yaml.safe_load(example.text)):
            file = tmp_path / "inventory.yml"
            file.write_text(example.text)
            hosts = json.loads(run("ansible-inventory", "-i", file, "--list", cwd=tmp_path).stdout)["_meta"]["hostvars"]
            rows |= {"%s (%s)" % (name, example): row for name, row in hosts.items()}
    assert collisions(rows) == []


def test_inventories_that_do_not_go_together_are_seen() -> None:
    """As the README's first two did."""
    client = {"tune_address_pool": ["192.0.2.0/24"], "tune_slot": 0}
    assert collisions({"client1": client, "sink1": {"prove_listen": ["192.0.2.10:7000"]}}) == [
        "client1: 192.0.2.10-192.0.2.10 is what the sink sink1 listens on (prove_listen)"
    ]


def check_names(document: t.Any) -> None:
    known = {name for role in ROLES for name in options_of(role)}
    ours = re.compile("(%s)_[a-z_]+" % "|".join(ROLES))
    assert [name for name in names_in(document) if ours.fullmatch(name) and name not in known] == []


@pytest.mark.parametrize("words", [pytest.param(words, id="%s %s" % (at, words[0])) for at, words in commands()])
def test_a_command_leads_somewhere(
    run: Run, copied_checkout: pathlib.Path, collections: pathlib.Path, words: list[str]
) -> None:
    """The files exist; one of our playbooks starts with the options given."""
    assert [word for word in words if _OUR_FILE.match(word) and not (ROOT / word).exists()] == []
    assert words[0] != "make" or targets_in(words) <= TARGETS
    if words[0] == "ansible-playbook":
        playbooks = [word for word in words if word.startswith(("playbooks/", "fourtuple.clients."))]
        known = [path.stem for path in ROOT.glob("playbooks/*.yml")]
        assert [
            name for name in playbooks if pathlib.Path(name.removeprefix("fourtuple.clients.")).stem not in known
        ] == []
        for name in [word[1:] for word in words if word.startswith("@")]:
            # The example of the page that begins with its name; or a list of hosts.
            texts = [one.text for one in examples("yaml") if "# %s\n" % name in one.text]
            (copied_checkout / name).write_text(texts[0] if texts else "localhost\n", encoding="utf-8")
        if playbooks:
            run(*words, "--syntax-check", cwd=copied_checkout, ANSIBLE_COLLECTIONS_PATH=str(collections))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_make_targets_of_a_page_exist(page: pathlib.Path) -> None:
    inline = re.findall(r"`(make [^`]+)`", page.read_text(encoding="utf-8"))
    assert {target for command in inline for target in targets_in(command.split())} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: pathlib.Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    relative = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def test_there_is_a_readme() -> None:
    assert ROOT / "README.md" in PAGES


def test_the_readme_lists_every_module_filter_and_role() -> None:
    told = set(re.findall(r"`([a-z_]+)`|\[([a-z]+)\]\(roles/", (ROOT / "README.md").read_text()))
    names = {name for pair in told for name in pair}
    files = [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/filter/*.yml"), *ROOT.glob("roles/*")]
    assert {path.stem for path in files} <= names
