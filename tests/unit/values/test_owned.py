# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our files, told from those of others."""

from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

MARK = owned.OWNER_MARK


@pytest.mark.parametrize("text", [MARK, MARK + " (role limits).\nx\n", "#!/bin/sh\n%s\nx\n" % MARK])
def test_ours(text):
    assert owned.is_ours(text)
    owned.refuse_foreign("/etc/x", text)


@pytest.mark.parametrize("text", ["", "\n", "x\n" + MARK, "#!/bin/sh\n", "# a comment\n%s\n" % MARK])
def test_not_ours(text):
    assert not owned.is_ours(text)
    with pytest.raises(Refusal, match=r"/etc/x:1.*rename or remove that file"):
        owned.refuse_foreign("/etc/x", text)


def test_no_file_is_nobodys():
    owned.refuse_foreign("/etc/x", None)
