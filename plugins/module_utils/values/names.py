# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What messages call an option: the variable that a person wrote."""

from __future__ import annotations

import types
import typing as t


class Names(t.NamedTuple):
    """The names of a module's options in messages.

    prefix:  put before the name of an option
    renamed: names that this does not give, by option (``list``), or by one entry of it (``floors[fs.file-max]``)
    """

    prefix: str = ""
    renamed: t.Mapping[str, str] = types.MappingProxyType({})

    def of(self, option: str) -> str:
        """Return the name of an option, or of an entry of it as messages write it: ``floors[fs.file-max]``."""
        head, bracket, rest = option.partition("[")
        return self.renamed.get(option) or self.renamed.get(head, self.prefix + head) + bracket + rest


#: The options by their own names.
OPTIONS = Names()
