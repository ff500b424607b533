# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No reader is left out: each function of the collection that reads what others wrote is fuzzed, or called by one."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pathlib
import sys
import types
import typing as t

import pytest
from hosts import read_all
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sample_host import SampleHost
from targets import BYTES, TEXT, VARIABLES, Target

from ansible_collections.fourtuple.clients import plugins

_PLUGINS = pathlib.Path(plugins.__path__[0]).resolve()

#: What a function takes first that others wrote: a text, bytes, what people state, the files of a host.
_WRITTEN = {"text", "data", "where", "params", "stated", "variables"}
_FILES = {"host", "root"}
#: The packages that look at a host's files. The others get what these found, or change the host, or ask the kernel.
_LOOKS = {"host", "config", "nofile", "snapshot"}


def _reads(place: str, name: str, function: types.FunctionType) -> bool:
    """Tell whether a function reads what others wrote; all of ``config`` does, and none that returns nothing."""
    signature = inspect.signature(function)
    if signature.return_annotation in ("None", "t.Iterator[None]"):
        return False
    package, first = place.partition(".")[0], next(iter(signature.parameters))
    return (
        package == "config" or name.startswith("parse") or first in _WRITTEN or (first in _FILES and package in _LOOKS)
    )


def _functions() -> t.Iterator[tuple[str, str, types.FunctionType]]:
    """Yield every public function that takes something: its place, name, function. Filters only hand on."""
    for folder in ("module_utils", "plugin_utils"):
        for path in sorted((_PLUGINS / folder).rglob("[a-z]*.py")):
            place = ".".join(path.relative_to(_PLUGINS / folder).with_suffix("").parts)
            module = importlib.import_module("%s.%s.%s" % (plugins.__name__, folder, place))
            for name, found in vars(module).items():
                if name.startswith("_") or not inspect.isfunction(found) or found.__module__ != module.__name__:
                    continue
                if inspect.signature(found).parameters:
                    yield place, name, found


def _call(target: Target, see: t.Callable[[types.FrameType, str, object], None]) -> None:
    """Have a target take a few inputs under the eyes of ``see``."""

    @settings(
        max_examples=20,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def call(data: st.DataObject) -> None:
        value = data.draw(target.inputs)
        sys.setprofile(see)
        try:
            with contextlib.suppress(*target.errors):
                target.call(value)
        finally:
            sys.setprofile(None)

    call()


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> set[types.CodeType]:
    """What is called when each target takes a few inputs and each reader reads the sample host."""
    found: set[types.CodeType] = set()

    def see(frame: types.FrameType, event: str, _argument: object) -> None:
        if event == "call":
            found.add(frame.f_code)

    host = SampleHost(tmp_path_factory.mktemp("host"))

    for target in (*TEXT.values(), *BYTES.values(), *VARIABLES.values()):
        _call(target, see)
    sys.setprofile(see)
    try:
        assert list(read_all(host.root))
        # Once more as a container, whose keys are the machine's.
        host.below("/run/.containerenv").touch()
        assert list(read_all(host.root))
    finally:
        sys.setprofile(None)
    return found


def test_every_reader_is_reached(called: set[types.CodeType]) -> None:
    """One that is not: add it to targets.py, or what calls it to READERS of hosts.py."""
    readers = [one for one in _functions() if _reads(*one)]
    missed = [one for one in readers if inspect.unwrap(one[2]).__code__ not in called]
    assert ["%s.%s" % one[:2] for one in missed] == []


def test_the_rule_sees_readers_and_nothing_else() -> None:
    readers = {"%s.%s" % (place, name) for place, name, found in _functions() if _reads(place, name, found)}
    for reader in ("config.sysctl_d.parse", "host.mounts.parse", "values.port_set.parse_range", "sink.request.parse"):
        assert reader in readers
    assert "host.files.replace_text" not in readers
    assert len(readers) > 100
