# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No reader is left out: each function of the collection is fuzzed, called by one that is, or named here and why."""

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

#: Modules whose work is to act, not to read: they get what the parsers have made.
_ACT = {
    "probe.run": "forks and connects; what it reads of /proc is the kernel's own, its workers' words are its own",
    "host.forked": "prctl(2) and descriptors",
    "sink.checks": "asks the kernel, by what is fuzzed here; a sink's record comes from records.parse_state",
    "sink.accept": "accepts and echoes; looks at no byte",
    "sink.control": "starts and stops",
    "sink.daemon": "forks; its pipe is its own",
    "sink.responder": "hands each packet to packets",
    "sink.tun": "makes a device and a route",
    "sink.records": "its own files in /run, written and removed",
    "host.observation": "asks the kernel, by what is fuzzed here",
    "host.name_service": "asks the host's name service",
}

#: Functions that get no text, bytes or variables but what others of these have made; or that write.
_NOT_READERS = {
    "host.host": {"looked_at_once"},
    "host.files": {"replace_text", "remove_path", "locked", "save_state", "drop_state", "broken_state"},
    "apply.drop_in": {"carry_out"},
    "values.container_options": {"start_with_nofile", "start_with_sysctl"},
    "model.ceilings": {"other_entries", "tracked_after_close", "memory_needed"},
    "apply.sysctl_change": {"carry_out", "forget"},
    "host.netlink": {"dump", "request"},
    "host.tcp_sockets": {"in_the_way", "holders", "said", "owner"},
    "host.interface_addresses": {"describe"},
    "host.listening": {"told_apart"},
    "host.socket_count": {"listeners", "towards", "peers_of_port", "bytecode_to", "bytecode_of", "port_windows"},
    "values.address_set": {
        "plan", "in_order", "check_against_host", "default_interfaces", "find_link", "live_pairs", "primaries",
        "address_infos", "preferred_pairs",
    },
    "nofile.safety_check": {"report"},
    "fleet": {"claims", "fleet"},
    "known": {"table_of"},
    "measured": {"measured"},
    "report": {"report"},
    "report.document": {"report", "summary", "outlook", "binding", "notes"},
    "report.page": {"page", "count"},
    "report.table": {"table", "count"},
}  # fmt: skip


def _functions() -> t.Iterator[tuple[str, str, types.FunctionType]]:
    """Yield every public function that takes something: its place, name, function."""
    for folder in ("module_utils", "plugin_utils", "filter"):
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


def test_every_function_is_reached_or_exempt(called: set[types.CodeType]) -> None:
    missing = {
        "%s.%s" % (file, name)
        for file, name, function in _functions()
        if inspect.unwrap(function).__code__ not in called
        and file not in _ACT
        and name not in _NOT_READERS.get(file, ())
    }
    assert missing == set()


def test_exemptions_are_of_what_there_is() -> None:
    there = {(file, name) for file, name, _function in _functions()}
    assert set(_ACT) <= {file for file, _name in there}
    assert {(file, name) for file, names in _NOT_READERS.items() for name in names} <= there
