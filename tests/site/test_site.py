# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role tune among other roles: their variables, ours beside it, tags, forms of inclusion, and what is printed."""

from __future__ import annotations

import re
import subprocess
import typing as t

import pytest
import yaml
from house import NEED, Site
from sandbox import Played

TUNE = "fourtuple.clients.tune"
KEYS = "/etc/sysctl.d/99-zz-fourtuple.conf"
LIMITS = "/etc/security/limits.d/99-zz-fourtuple.conf"


def roles(*names: str) -> dict[str, t.Any]:
    return {"roles": list(names)}


def changed(played: Played) -> int:
    return played.counts["changed"]


# --- variables ---

#: What other products call theirs, with values that ours would take.
OF_OTHERS = {
    "sysctl_values": {"net.core.somaxconn": 11111},
    "sysctl_floors": {"net.core.somaxconn": 22222},
    "sysctl_reserved_ports": [33333],
    "limits_nofile_hard": 44444,
    "limits_domains": ["nobody"],
    "limits_units": [],
    "limits_restart_units": True,
    "addresses_list": ["198.51.100.77"],
    "addresses_interface": "eth9",
}


def test_variables_of_other_roles_count_for_nothing(site: Site) -> None:
    site.play(roles(TUNE), **NEED, tune_units=["client.service"]).expect(0)
    alone = site.host.state()
    again = site.play(roles(TUNE), **NEED, tune_units=["client.service"], **OF_OTHERS).expect(0)
    assert (changed(again), site.host.state()) == (0, alone)


@pytest.mark.parametrize("never", [{"when": False}, {"tags": ["never"]}])
def test_defaults_of_a_role_that_does_not_run_count_for_nothing(site: Site, never: dict[str, t.Any]) -> None:
    play = {"roles": [{"role": "fourtuple.clients.limits", **never}, {"role": TUNE}]}
    site.play(play, **NEED, tune_units=["client.service"]).expect(0)
    assert "LimitNOFILE=" in (site.host.read("/etc/systemd/system/client.service.d/zzzz-fourtuple.conf") or "")


@pytest.mark.parametrize("need", [NEED, {}])
def test_a_misspelled_variable_is_refused_with_the_nearest_name(site: Site, need: dict[str, t.Any]) -> None:
    before = site.host.state()
    refused = site.play(roles(TUNE), **need, tune_target_conections=30000).expect(2)
    assert refused.message.startswith(
        "tune_target_conections is 30000; allowed: a variable of role tune, perhaps tune_target_connections. "
    )
    assert site.host.state() == before


def test_an_audit_says_the_same_of_a_misspelled_variable(site: Site) -> None:
    refused = site.host.play("audit_clients.yml", **NEED, tune_target_conections=30000).expect(2)
    assert refused.message.startswith("tune_target_conections is 30000; allowed: a variable of role tune, perhaps ")
    assert "refused  client: tune_target_conections" in refused.output


def test_a_variable_by_its_earlier_name_is_refused_unless_it_is_another_role_s(site: Site) -> None:
    for role, old, new in (
        ("sysctl", {"sysctl_values": {"net.core.somaxconn": 8192}}, "sysctl_exact_values"),
        ("limits", {"limits_domains": ["root"]}, "limits_nofile_domains"),
    ):
        refused = site.play(roles("fourtuple.clients." + role), **old).expect(2)
        assert "%s is now %s" % (*old, new) in refused.message
        # Followed, both ways.
        value = next(iter(old.values()))
        site.play(roles("fourtuple.clients." + role), **old, **{new: value}).expect(0)
        site.play(roles("fourtuple.clients." + role), **{new: value}).expect(0)


# --- roles side by side ---

#: The small roles, with what each sets, and how role tune is asked for the same.
SMALL: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "sysctl": (
        {"sysctl_exact_values": {"net.core.somaxconn": 8192}},
        {"tune_sysctl_values": {"net.core.somaxconn": 8192}},
    ),
    "limits": ({"limits_nofile_hard": 1048576, "limits_units": ["client.service"]}, {"tune_units": ["client.service"]}),
    "addresses": ({"addresses_list": ["198.51.100.7"]}, {"tune_addresses": ["198.51.100.7"]}),
}
#: Two addresses' worth, so that tune keeps addresses, too.
WITH_ADDRESSES = NEED | {"tune_addresses": ["198.51.100.8"]}


@pytest.mark.parametrize(
    ("small", "first"),
    [
        pytest.param(small, first, marks=() if first or small == "addresses" else pytest.mark.nightly)
        for small in SMALL
        for first in (True, False)
    ],
)
def test_two_roles_that_keep_one_part_are_refused_before_the_second_changes_anything(
    site: Site, small: str, first: bool
) -> None:
    name = "fourtuple.clients." + small
    of_small, of_tune = SMALL[small]
    both = roles(*([name, TUNE] if first else [TUNE, name]))
    site.play(roles(name if first else TUNE), **WITH_ADDRESSES, **of_small).expect(0)
    begun = site.host.state()
    refused = site.play(both, **WITH_ADDRESSES, **of_small).expect(2)
    assert (changed(refused), site.host.state()) == (0, begun)
    assert "no other role keeps" in refused.message
    # The way out: all of it through role tune, without the other, which has taken back its own.
    assert next(iter(of_tune)) in refused.message
    if first:
        assert "run role %s once with %s_state: absent" % (small, small) in refused.message
        site.play(roles(name), **{small + "_state": "absent"}).expect(0)
    asked = WITH_ADDRESSES | of_tune
    site.play(roles(TUNE), **asked).expect(0)
    assert changed(site.play(roles(TUNE), **asked).expect(0)) == 0


@pytest.mark.parametrize(
    ("order", "provider"),
    [
        ([TUNE, "fourtuple.clients.addresses"], "auto"),
        (["fourtuple.clients.addresses", TUNE], "none"),
        pytest.param([TUNE, "fourtuple.clients.addresses"], "none", marks=pytest.mark.nightly),
        pytest.param(["fourtuple.clients.addresses", TUNE], "auto", marks=pytest.mark.nightly),
    ],
)
def test_a_part_that_tune_does_not_keep_is_another_role_s(site: Site, order: list[str], provider: str) -> None:
    of_small = SMALL["addresses"][0] | {"addresses_provider": provider}
    site.play(roles(*order), **NEED, **of_small).expect(0)
    both = site.host.state()
    assert any("198.51.100.7" in pair for pair in both["address"])
    again = site.play(roles(*order), **NEED, **of_small).expect(0)
    assert (changed(again), site.host.state()) == (0, both)
    # Untune takes back what is tune's, and says whose the rest is.
    untuned = site.play({"roles": [{"role": TUNE, "vars": {"tune_state": "absent"}}]}, **NEED).expect(0)
    assert "role addresses keeps the addresses of this host" in " ".join(untuned.output.split())
    assert any("198.51.100.7" in pair for pair in site.host.state()["address"])
    assert site.host.read(KEYS) is None


def test_files_of_release_0_1_0_are_taken_over(site: Site) -> None:
    site.play(roles(TUNE), **NEED).expect(0)
    for path in (KEYS, LIMITS):
        role = "sysctl" if path == KEYS else "limits"
        text = (site.host.read(path) or "").replace(": role tune.", " (role %s)." % role)
        assert "(role" in text
        site.host.write(path, text)
    assert changed(site.play(roles(TUNE), **NEED).expect(0)) == 1
    assert ": role tune." in (site.host.read(KEYS) or "")


# --- tags ---


def test_other_tags_run_nothing_of_it_and_its_refusal_stops_nobody(site: Site) -> None:
    site.role("nginx", [{"name": "Serve", "ansible.builtin.command": "touch /etc/served", "tags": ["nginx"]}])
    before = site.host.state()
    # A target that no host can hold.
    played = site.play(roles(TUNE, "nginx"), "--tags", "nginx", tune_target_connections=10**9).expect(0)
    assert "Read every limit" not in played.output
    after = site.host.state()
    assert after["file"].pop("/etc/served")
    assert (after["file"], after["key"]) == (before["file"], before["key"])


def test_a_tag_of_an_include_does_nothing_without_apply_and_everything_with_it(site: Site) -> None:
    before = site.host.state()
    include = {"name": "Tune", "ansible.builtin.include_role": {"name": TUNE}, "tags": ["clients"]}
    played = site.play({"tasks": [include]}, "--tags", "clients", **NEED).expect(0)
    assert "connections planned" not in played.output
    assert site.host.state() == before
    include["ansible.builtin.include_role"]["apply"] = {"tags": ["clients"]}
    played = site.play({"tasks": [include]}, "--tags", "clients", **NEED).expect(0)
    assert "30000 connections planned" in played.output
    assert site.host.read(LIMITS) and site.host.read(KEYS)  # noqa: PT018


def test_a_tag_of_the_role_does_everything_and_one_of_a_step_that_step(site: Site) -> None:
    play = {"roles": [{"role": TUNE, "tags": ["clients"]}]}
    site.play(play, "--tags", "sysctl", **NEED).expect(0)
    assert (site.host.read(LIMITS), bool(site.host.read(KEYS))) == (None, True)
    site.play(play, "--tags", "clients", **NEED).expect(0)
    assert site.host.read(LIMITS)


# --- forms ---

FORMS: dict[str, tuple[dict[str, t.Any], tuple[str, ...]]] = {
    "roles": (roles(TUNE), ()),
    "import_role": ({"tasks": [{"name": "Tune", "ansible.builtin.import_role": {"name": TUNE}}]}, ()),
    "include_role": ({"tasks": [{"name": "Tune", "ansible.builtin.include_role": {"name": TUNE}}]}, ()),
    "start-at-task": (
        {
            "tasks": [
                {"name": "Skip", "ansible.builtin.fail": {"msg": "It is not skipped."}},
                {"name": "Begin", "ansible.builtin.debug": {"msg": "It begins."}},
                {"name": "Tune", "ansible.builtin.include_role": {"name": TUNE}},
            ]
        },
        ("--start-at-task", "Begin"),
    ),
    "strategy free": (roles(TUNE) | {"strategy": "free"}, ()),
    "serial": (roles(TUNE) | {"serial": 1}, ()),
    "any_errors_fatal": (roles(TUNE) | {"any_errors_fatal": True}, ()),
    "facts gathered": (roles(TUNE) | {"gather_facts": True}, ()),
    "variables of the play": (roles(TUNE) | {"vars": NEED}, ()),
}


#: The others are left to `make nightly`.
QUICK = ("roles", "include_role", "start-at-task", "serial")


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form in QUICK else pytest.mark.nightly) for form in FORMS]
)
def test_every_form_tunes_the_host_and_a_second_run_changes_nothing(site: Site, form: str) -> None:
    play, options = FORMS[form]
    given = {} if "vars" in play else NEED
    assert changed(site.play(play, *options, **given).expect(0)) == 1
    assert site.host.read(LIMITS)
    assert changed(site.play(play, *options, **given).expect(0)) == 0


def test_variables_from_groups_hosts_and_vaults(site: Site) -> None:
    (site.folder / "group_vars").mkdir()
    (site.folder / "host_vars").mkdir()
    password = site.folder / "password"
    password.write_text("secret\n")
    (site.folder / "group_vars/all.yml").write_text(yaml.safe_dump({"tune_target_connections": 1}))
    (site.folder / "host_vars/client.yml").write_text(yaml.safe_dump({"tune_reserved_ports": [8080]}))
    vaulted = site.folder / "vaulted.yml"
    vaulted.write_text(yaml.safe_dump(NEED))
    command = ["ansible-vault", "encrypt", "--vault-password-file", str(password), str(vaulted)]
    subprocess.run(command, check=True, capture_output=True)
    options = ["--vault-password-file", str(password)]
    play = roles(TUNE) | {"vars_files": [str(vaulted)]}
    played = site.play(play, *options).expect(0)
    assert "30000 connections planned" in played.output
    assert "ip_local_reserved_ports = 8080" in (site.host.read(KEYS) or "")


# --- a first check ---


def test_a_first_check_predicts_with_a_user_and_a_unit_that_an_earlier_role_creates(site: Site) -> None:
    site.role(
        "loadgen",
        [
            {
                "name": "Create the user",
                "ansible.builtin.lineinfile": {
                    "path": "/etc/passwd",
                    "line": "loadgen:x:1500:1500::/home/loadgen:/bin/sh",
                },
            },
            {
                "name": "Install the unit",
                "ansible.builtin.copy": {
                    "dest": "/etc/systemd/system/loadgen.service",
                    "content": "[Service]\nExecStart=/bin/sleep infinity\n",
                    "mode": "0644",
                },
            },
        ],
    )
    asked = NEED | {"tune_users": ["loadgen"], "tune_units": ["loadgen.service"]}
    checked = site.play(roles("loadgen", TUNE), "--check", "--diff", **asked).expect(0)
    assert "/etc/systemd/system/loadgen.service.d/zzzz-fourtuple.conf" in checked.output
    assert "loadgen hard nofile" in checked.output
    made = site.play(roles("loadgen", TUNE), "--diff", **asked).expect(0)
    ours = re.compile(r"^[+-].*(?:nofile|LimitNOFILE|fs[.]|net[.]).*$", re.MULTILINE)
    assert ours.findall(checked.output) == ours.findall(made.output)
    assert changed(site.play(roles("loadgen", TUNE), **asked).expect(0)) == 0
    # Without --check nobody creates them later.
    refused = site.play(roles(TUNE), **asked | {"tune_units": ["lodgen.service"]}).expect(2)
    assert "tune_units is 'lodgen.service'" in refused.message


# --- who is tuned ---


def test_a_host_that_states_no_need_is_left_alone_and_named(site: Site) -> None:
    before = site.host.state()
    played = site.host.play("tune_clients.yml").expect(0)
    assert "left alone  client: States no need" in played.output
    assert site.host.state() == before
    # As the message says.
    played = site.host.play("tune_clients.yml", tune_target_connections="max").expect(0)
    assert changed(played) == 1


def test_a_host_without_a_part_of_the_fleet_s_target_is_left_alone(site: Site) -> None:
    before = site.host.state()
    played = site.host.play("tune_clients.yml", tune_fleet_target=100000, tune_weight=0).expect(0)
    assert "left alone" in played.output
    assert site.host.state() == before


# --- what is printed ---


def test_a_callback_that_prints_json_prints_nothing_else(site: Site) -> None:
    play = roles(TUNE, "fourtuple.clients.report")
    results = site.json(play, **NEED)
    (table,) = [one["msg"] for one in results if one["task"].endswith("Show the table")]
    assert any(line.startswith("client ") and line.endswith("meets") for line in table)


# --- what is kept ---


def test_a_host_that_is_done_keeps_its_result_and_its_addresses(site: Site) -> None:
    """Of each of a thousand hosts; the snapshot and the plan took another 28,000 characters."""
    names = "lookup('ansible.builtin.varnames', '^(__tune_before|__tune_plan|tune_result)$', wantlist=true)"
    kept = {
        "name": "Measure",
        "ansible.builtin.debug": {
            "msg": "{{ lookup('ansible.builtin.vars', *%s, wantlist=true) | to_json | length }}" % names
        },
    }
    play = {"tasks": [{"name": "Tune", "ansible.builtin.import_role": {"name": TUNE}}, kept]}
    for _run in range(2):
        results = site.json(play, **NEED, tune_units=["client.service"])
        (size,) = [int(one["msg"]) for one in results if one["task"] == "Measure"]
        assert 2_000 < size < 12_000
