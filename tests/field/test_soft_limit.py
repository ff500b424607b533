# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The soft limit is what the request needs, and never below what is there; only the hard one is for everybody."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import recorded
import yaml
from limits_builder import container, limits_of, subject

from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import grants, safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.prediction import predict

ROLES = pathlib.Path(__file__).parents[2] / "roles"
DROP_IN = "/etc/security/limits.d/99-zz-fourtuple.conf"
UNITS = "/usr/lib/systemd/system/"
USUAL = 1048576


def settings(limits: t.Any = None, **asked: t.Any) -> dict[str, t.Any]:
    found = planner.plan(limits or limits_of(), {"explicit": {}} | asked)
    assert "refusal" not in found, found["refusal"]
    return t.cast(dict[str, t.Any], found["settings"])


@pytest.mark.parametrize(
    ("asked", "soft", "hard"),
    [
        # 20,000 and 64 files of the program's own, 1,024 more, in whole steps of 1,024
        ({"target_connections": 20000}, 21504, USUAL),
        ({"target_connections": 1}, 2048, USUAL),
        # What the four-tuples allow, 64,512, where nobody says how many.
        ({}, 66560, USUAL),
        # 250,064 in each of four processes, and a quarter more, for they do not share evenly.
        ({"target_connections": 10**6, "destinations": 40, "processes": 4}, 313344, USUAL),
        # Never above the hard one.
        ({"target_connections": 1048000, "destinations": 40}, 1049088, 1049088),
        ({"target_connections": 2 * 10**6, "destinations": 80}, 2001088, 2001088),
    ],
)
def test_soft_by_the_request_and_hard_for_everybody(asked: dict[str, t.Any], soft: int, hard: int) -> None:
    found = settings(**asked)
    assert (found["nofile_soft"], found["nofile_hard"]) == (soft, hard)


def test_what_the_operator_sets_wins() -> None:
    for explicit, expected in [
        ({"nofile_soft": 30000}, (30000, USUAL)),
        ({"nofile_hard": 30000}, (21504, 30000)),
        ({"nofile_hard": 20064}, (20064, 20064)),
    ]:
        found = settings(target_connections=20000, explicit=explicit)
        assert (found["nofile_soft"], found["nofile_hard"]) == expected


def test_in_a_container_that_may_not_raise_limits() -> None:
    found = [subject("user", "root", 1024, 20000)]
    limits = container(
        host={"capabilities": []}, nofile={"subjects": found, "inherited": {"soft": 1024, "hard": 20000}}
    )
    planned = settings(limits)
    assert (planned["nofile_soft"], planned["nofile_hard"]) == (20000, 20000)


@pytest.mark.parametrize("name", recorded.names())
def test_the_plan_of_a_tuned_host_is_the_plan_that_tuned_it(name: str, tmp_path: pathlib.Path) -> None:
    recording = recorded.Recording.load(name)
    recording.materialise(tmp_path)
    limits = recording.limits(tmp_path)
    for target in (None, 5000):
        asked = {"target_connections": target, "explicit": {}}
        first = planner.plan(limits, asked)
        assert "refusal" not in first, first["refusal"]
        soft, hard = first["settings"]["nofile_soft"], first["settings"]["nofile_hard"]
        assert soft <= hard
        tuned = predict(limits, first["settings"])
        assert planner.plan(tuned, asked)["settings"] == first["settings"]
        for was, becomes in zip(limits["nofile"]["subjects"], tuned["nofile"]["subjects"], strict=False):
            if was["now"] and not (was["by"] or "").startswith(DROP_IN):
                assert becomes["now"]["soft"] >= min(was["now"]["soft"], hard)


# --- the files that come of it ---


@pytest.fixture
def debian(debian):
    """A Debian 12 on which others have given root and one service a soft limit that is higher than any request."""
    debian.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:5:5::/:/bin/sh\n")
    debian.put("/etc/security/limits.conf", "root soft nofile 200000\n")
    debian.put(UNITS + "low.service", "[Service]\n")
    debian.put(UNITS + "high.service", "[Service]\nLimitNOFILE=300000:524288\n")
    debian.sysctl(fs__nr_open=USUAL, net__ipv4__ip_local_port_range="32768 60999")
    debian.put("/proc/sys/fs/file-max", "1000000\n")
    return debian


def taken(host: t.Any) -> dict[str, t.Any]:
    observation = recorded.Recording.load("debian-12").content["observation"]
    request = whole.SnapshotRequest(("root", "ann"), ("low.service", "high.service"))
    return whole.snapshot(host.look(), observation | {"accounts": {}}, request)


def nofile_of(limits: dict[str, t.Any]) -> dict[str, tuple[int, int]]:
    found = limits["nofile"]["subjects"]
    return {one["name"]: (one["after_boot"]["soft"], one["after_boot"]["hard"]) for one in found}


def write(host: t.Any, planned: dict[str, t.Any]) -> None:
    """Do what role limits does."""
    soft, hard = planned["nofile_soft"], planned["nofile_hard"]
    tree = host.look()
    plan = grants.make_plan(tree, soft, hard, planned["domains"], planned["units"], False)
    for path, text in plan.files().items():
        host.put(path, text)


def test_nobody_has_less_than_before_and_a_second_run_writes_the_same(debian):
    asked = {
        "target_connections": 20000,
        "users": ["root", "ann"],
        "units": ["low.service", "high.service"],
        "memory_reserve": 0,
    }
    before = taken(debian)
    assert nofile_of(before) == {
        "root": (200000, 524288),
        "ann": (1024, 524288),
        "low.service": (1024, 524288),
        "high.service": (300000, 524288),
    }
    planned = settings(before, **asked)
    expected = {
        "root": (200000, USUAL),
        "ann": (21504, USUAL),
        "low.service": (21504, USUAL),
        "high.service": (300000, USUAL),
    }
    predicted = predict(before, planned)
    assert nofile_of(predicted) == expected
    write(debian, planned)
    written = debian.text(DROP_IN)
    after = taken(debian)
    assert nofile_of(after) == expected
    assert settings(after, **asked) == planned
    # A smaller request needs less, and what others grant stays.
    less = settings(after, **dict(asked, target_connections=1000))
    write(debian, less)
    assert nofile_of(taken(debian)) == expected | {"ann": (3072, USUAL), "low.service": (3072, USUAL)}
    write(debian, planned)
    assert debian.text(DROP_IN) == written


def test_role_limits_alone_leaves_the_soft_limits(debian):
    defaults = yaml.safe_load((ROLES / "limits/defaults/main.yml").read_text())
    assert (defaults["limits_nofile_soft"], defaults["limits_nofile_hard"]) == (None, USUAL)
    request = safety_check.CheckRequest(
        nofile_soft=defaults["limits_nofile_soft"],
        nofile_hard=defaults["limits_nofile_hard"],
        domains=["*", "root", "ann"],
        units=["low.service", "high.service"],
        systemd_default=True,
    )
    result, message = safety_check.check(debian.look(), request)
    assert (result["ok"], message) == (True, "")
    # Others' own soft line is copied, because root's lines of ours take the place of theirs.
    assert result["grants"]["domains"] == {
        "*": {"soft": None, "hard": USUAL},
        "root": {"soft": 200000, "hard": USUAL},
        "ann": {"soft": None, "hard": USUAL},
    }
    assert {name: unit["limit"] for name, unit in result["grants"]["units"].items()} == {
        "low.service": "1024:%d" % USUAL,
        "high.service": "300000:%d" % USUAL,
    }
    assert result["grants"]["default"] == "1024:%d" % USUAL
    before = nofile_of(taken(debian))
    domains, units = ["*", "root", "ann"], list(request.units)
    write(debian, {"nofile_soft": None, "nofile_hard": USUAL, "domains": domains, "units": units})
    after = nofile_of(taken(debian))
    assert {name: soft for name, (soft, _hard) in after.items()} == {name: soft for name, (soft, _) in before.items()}
    assert {hard for _soft, hard in after.values()} == {USUAL}
