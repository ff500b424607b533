# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import files

_ARGUMENTS: dict[str, t.Any] = {
    "report": {"type": "dict", "required": True},
    "directory": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Writes files on the controller, one after the other: those of a fleet together may be larger than its memory."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # ActionBase is not annotated; a wrong option still fails the task.
        _checked, given = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        directory, written, changed = pathlib.Path(given["directory"]), [], False
        for name, text in files.files(given["report"]):
            changed = _write(directory / name, text, bool(self._task.check_mode)) or changed
            written.append(name)
        return {**result, "changed": changed, "files": written}


def _write(path: pathlib.Path, text: str, check_mode: bool) -> bool:
    """Write a file that is not so already, and return whether it was not."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        if not check_mode:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail("%s cannot be written: %s" % (path, error)) from error
    return True
