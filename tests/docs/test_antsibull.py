# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation renders as the documentation site would render it, and the changelog is in order."""

from __future__ import annotations

import pathlib
import typing as t

if t.TYPE_CHECKING:
    from conftest import Run


def test_the_plugins_and_roles_render(run: Run, collections: pathlib.Path) -> None:
    installed = collections / "ansible_collections/fourtuple/clients"
    lint = ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self")
    run(*lint, installed, cwd=collections, ANSIBLE_COLLECTIONS_PATH=str(collections))


def test_the_changelog_fragments_are_valid(run: Run, checkout: pathlib.Path) -> None:
    run("antsibull-changelog", "lint", cwd=checkout)


def test_a_changelog_can_be_made(run: Run, copied_checkout: pathlib.Path) -> None:
    run("antsibull-changelog", "release", "--version", "99.0.0", "--date", "2026-01-01", cwd=copied_checkout)
