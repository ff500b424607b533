# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import re
import typing as t

import jsonschema
import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st
from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    NAMESPACE,
    Allowance,
    Constraint,
    Limits,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import hosts as filters
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import page as report_page
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import table
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import notes, report
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.table import count, short_names
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

ROLE = pathlib.Path(__file__).parents[3] / "roles/report"
SCHEMA = json.loads((ROLE / "files/report-schema-1.json").read_text(encoding="utf-8"))
TITLE = "Client hosts"


def made(*results: sample.Json) -> sample.Json:
    return report(results, TITLE, sample.GENERATED)


def counts() -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(0, 10**5) | st.integers(0, 2**63 - 1)


@st.composite
def results(draw: st.DrawFn) -> sample.Json:
    """Anything that a host may say, within the shape of tune_result."""

    def ceilings() -> sample.Json:
        names = draw(st.lists(st.sampled_from(list(sample.TITLES)), unique=True))
        made = [sample.constraint(name, draw(counts()), draw(st.text()), draw(st.text())) for name in names]
        return sample.ceilings(draw(counts()), *made)

    state = draw(st.sampled_from(["tuned", "refused", "failed", "audited", "untuned", "left alone", "planned"]))
    after = ceilings() if draw(st.booleans()) else None
    texts = st.lists(st.text(), max_size=3)
    return sample.result(
        draw(st.text(min_size=1)),
        ceilings(),
        after,
        state=state,
        checked_only=draw(st.booleans()),
        message=draw(st.text()),
        warnings=draw(texts),
        unread=[{"what": text, "why": text} for text in draw(texts)],
        drift=[{"what": text, "applied": text, "found": None} for text in draw(texts)],
    )


def test_the_schema_is_a_schema_and_describes_every_property() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    undescribed = []

    def visit(node: t.Any, path: str) -> None:
        if isinstance(node, dict):
            for name, value in node.get("properties", {}).items():
                if "description" not in value and "$ref" not in value:
                    undescribed.append("%s/%s" % (path, name))
            for name, value in node.items():
                visit(value, "%s/%s" % (path, name))

    visit(SCHEMA, "")
    assert undescribed == []


@pytest.mark.parametrize("made_of", [[], sample.mixed(), sample.fleet(500), [sample.hostile()]], ids=len)
def test_a_report_fits_its_schema(made_of: list[sample.Json]) -> None:
    document = json.loads(json.dumps(made(*made_of)))
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)


@given(st.lists(results(), max_size=4))
def test_whatever_hosts_say_fits_the_schema(made_of: list[sample.Json]) -> None:
    jsonschema.validate(made(*made_of), SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_refuses_what_is_no_report() -> None:
    wrong = made(sample.tuned("client1")) | {"schema": 2}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_a_tenth_constraint_is_planned_for_and_fits_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "net.core.somaxconn"

    def backlog(limits: Limits, request: ClientRequest) -> Allowance:
        number = int(limits["keys"][key]["now"])
        return Allowance(number, number, NAMESPACE, "%s %d" % (key, number), "raise %s" % key)

    tenth = Constraint("listen_backlog", "the listen backlog", backlog, key)
    monkeypatch.setattr(ceilings, "CONSTRAINTS", (*ceilings.CONSTRAINTS, tenth))
    limits = limits_of(keys={key: 4})
    limits["keys"][key]["writable"] = False

    planned = planner.plan(limits, {})
    assert (planned["before"]["binding_constraint"], planned["target"]) == ("listen_backlog", 4)
    document = made(sample.result("client1", planned["before"], planned["after"]))
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    assert "listen_back" in table.render(document)
    assert "the listen backlog" in json.dumps(report_page.content(document))

    refused = planner.plan(limits, {"target_connections": 5})
    assert "Raise net.core.somaxconn. It cannot be written here" in refused["refusal"]


@pytest.mark.parametrize("name", ["", "Four tuples", "9th", None])
def test_the_schema_wants_names_that_programs_can_use(name: str | None) -> None:
    document = made(sample.tuned("client1"))
    document["hosts"][0]["before"]["constraints"][0]["name"] = name
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_totals() -> None:
    totals = made(*sample.mixed())["totals"]
    assert totals == {
        "hosts": 9,
        "meeting": 4,
        "no_target": 0,
        "untuned": 0,
        "left_alone": 0,
        "no_result": 1,
        "unreachable": 0,
        "short": 2,
        "refused": 1,
        "failed": 1,
        "target": 6_900_000,
        # client2, 3, 4 and 6
        "shortfall": 587_700 + 3_971_768 + 971_768 + 238_068,
        "ceiling_before": 7 * 28_232 + 261_932,
        "ceiling_after": 3 * 258_048 + 412_300 + 2 * 28_232 + 240_000 + 261_932,
        "advised_before": 7 * 14_116 + 225_856,
        "advised_after": 4 * 129_024 + 412_300 + 2 * 14_116 + 225_856,
        "predicted": 1,
        "with_warnings": 2,
        "drifted": 1,
        "measured": 0,
        "held_together": None,
        "established": 0,
        "established_predicted": 0,
    }


@given(st.lists(results(), max_size=5))
def test_every_host_has_one_verdict(made_of: list[sample.Json]) -> None:
    totals = made(*made_of)["totals"]
    verdicts = (
        "meeting",
        "no_target",
        "short",
        "refused",
        "failed",
        "untuned",
        "left_alone",
        "unreachable",
        "no_result",
    )
    assert sum(totals[name] for name in verdicts) == totals["hosts"] == len(made_of)


def test_hosts_that_do_not_hold_their_target_come_first_then_by_number() -> None:
    hosts = made(*(sample.tuned("client%d" % number) for number in (10, 9, 1)), sample.short("client99"))["hosts"]
    assert [host["host"] for host in hosts] == ["client99", "client1", "client9", "client10"]


@pytest.mark.parametrize(
    ("result", "verdict", "outlook"),
    [
        (sample.tuned("c"), "meets", "after"),
        (sample.short("c"), "short", "after"),
        (sample.checked("c"), "meets", "predicted"),
        (sample.refused("c"), "refused", "before"),
        (sample.failed("c"), "failed", "before"),
        (sample.failed("c") | {"state": "planned", "message": ""}, "failed", "before"),
        (sample.audited("c"), "short", "before"),
        (sample.without("c"), "no result", None),
        (sample.tuned("c") | {"target": None}, "no target", "after"),
    ],
)
def test_what_is_said_of_a_host(result: sample.Json, verdict: str, outlook: str | None) -> None:
    (host,) = made(result)["hosts"]
    assert (host["verdict"], host["outlook"]) == (verdict, outlook)
    assert host["message"] or verdict in ("meets", "short", "no target")


def test_measured_figures_are_handed_on() -> None:
    hostvars = {"client1": {"tune_result": sample.tuned("client1"), "prove_result": sample.MEASURED}}
    (host,) = filters.of_hosts(hostvars, ["client1"], "A title", "2026-01-02T03:04:05Z")["hosts"]
    assert host["measured"] == sample.MEASURED
    said = "258,048 established, 258,050 predicted, for four_tuples; 99,999 of 100,000 answered; "
    said += "32,123 per second, 4,010 bytes each (towards a sink without sockets)"
    assert ("measured", said) in notes(host)


def test_a_host_that_fell_short_of_its_prediction_has_failed() -> None:
    wrong = {**sample.MEASURED, "established": None, "message": "The probe has not come back."}
    document = made(sample.tuned("client1", measured=sample.MEASURED), sample.tuned("client2", measured=wrong))
    lost, held = document["hosts"]
    assert (lost["host"], lost["verdict"], lost["message"]) == ("client2", "failed", "The probe has not come back.")
    assert held["verdict"] == "meets"
    assert not [text for kind, text in notes(lost) if kind == "measured"]
    totals = document["totals"]
    assert (totals["measured"], totals["established"], totals["established_predicted"]) == (1, 258_048, 516_100)


@pytest.mark.parametrize(("began", "together"), [(110.0, True), (110.1, False)])
def test_hosts_that_held_at_one_time(began: float, together: bool) -> None:
    later = {**sample.MEASURED, "held_from": began, "held_until": 120.0}
    document = made(sample.tuned("client1", measured=sample.MEASURED), sample.tuned("client2", measured=later))
    assert document["totals"]["held_together"] is together
    text = " ".join(table.render(document).split())
    assert "516,096 established %s" % ("at a time" if together else "in all") in text
    assert ("raise prove_hold" in text) is not together


def test_the_filter_reports_a_host_without_result() -> None:
    hostvars = {"client1": {"tune_result": sample.tuned("client1")}, "client2": {}}
    document = filters.of_hosts(hostvars, ["client1", "client2"], TITLE, sample.GENERATED)
    assert [(host["host"], host["state"]) for host in document["hosts"]] == [
        ("client2", "no result"),
        ("client1", "tuned"),
    ]


@given(st.lists(results(), max_size=6), st.text(), st.booleans())
def test_the_table_fits_100_columns_of_printable_ascii(made_of: list[sample.Json], title: str, colour: bool) -> None:
    text = table.render(report(made_of, title, sample.GENERATED), colour=colour)
    lines = re.sub(r"\033\[[0-9]+m", "", text).splitlines() if colour else text.split("\n")
    assert max(len(line) for line in lines) <= 100
    assert all(re.fullmatch("[ -~]*", line) for line in lines)


def test_the_widest_figures_fit() -> None:
    huge = sample.ceilings(10**18, sample.constraint("four_tuples", 999_999_999, "", ""))
    name = "loadgen-eu-central-1a-%04d.machines.internal.example.com"
    made_of = [sample.result(name % number, huge, None, predicted=huge, checked_only=True) for number in range(500)]
    lines = table.render(made(*made_of)).splitlines()
    assert max(map(len, lines)) <= 100


def test_a_small_fleet_has_a_row_for_each_host() -> None:
    lines = table.render(made(*sample.fleet(40))).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("---")) + 1
    assert len({row.split()[0] for row in lines[start : start + 40]}) == 40


def test_of_500_hosts_those_with_problems_are_named_and_the_others_summed_up() -> None:
    document = made(*sample.fleet(500))
    lines = table.render(document).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("---")) + 1
    end = next(number for number, line in enumerate(lines[start:], start) if line.startswith("---"))
    *rows, rest = lines[start:end]
    named = [host["host"] for host in document["hosts"] if host["verdict"] in ("failed", "refused", "short")]
    assert [row.split()[0] + ".example.com" for row in rows] == named
    verdicts = [row.split()[-1] for row in rows]
    assert verdicts == sorted(verdicts, key=["failed", "refused", "short"].index)
    assert rest.split()[:2] == ["475", "hosts"]
    assert rest.endswith("meets")
    # Nobody is lost: what the rows have is the total.
    targets = [int(row.split()[1 if row is not rest else 2].replace(",", "")) for row in (*rows, rest)]
    assert sum(targets) == document["totals"]["target"]
    assert lines[end + 1].startswith("500 hosts")
    assert lines[end + 1].endswith("475 meet")
    # What is the same on many hosts is one paragraph.
    assert len(lines) < 80


def test_the_ports_in_use_of_few_hosts_are_in_the_table() -> None:
    text = " ".join(table.render(made(sample.audited("client1"))).split())
    assert "haproxy.service, bind_no_port (sure): 60,641 connections" in text
    assert "bind (likely, or bind_any): 55 % of 64,512 ports of 10.9.0.2 towards any destination" in text
    assert "binding unknown: under 1 % of 64,512 ports" in text
    many = table.render(made(*(sample.audited("client%d" % number) for number in range(4))))
    assert "haproxy" not in many
    assert many.count("pressure  ") == 1


def test_a_row_and_the_totals() -> None:
    lines = table.render(made(sample.tuned("client1"), sample.checked("client2"))).splitlines()
    assert lines[4].split() == ["client1", "100,000", "28,232", "258,048", "129,024", "four_tuples", "memory", "meets"]
    assert lines[5].split() == [
        "client2",
        "100,000",
        "28,232",
        "~258,048",
        "~129,024",
        "four_tuples",
        "memory",
        "meets",
    ]
    assert lines[7].split() == ["2", "hosts", "200,000", "56,464", "516,096", "258,048", "2", "meet"]


def test_colours_are_asked_for() -> None:
    document = made(sample.refused("client1"))
    assert "\033" not in table.render(document)
    assert "\033[31mclient1" in table.render(document, colour=True)


def test_hosts_cannot_steer_the_terminal() -> None:
    text = table.render(made(sample.hostile("client\x1b[2J\r\n\u202e")))
    assert "\x1b" not in text
    assert "client\\x1b[2J \\u202e" in text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0"),
        (28_232, "28,232"),
        (999_999_999, "999,999,999"),
        (1_239_999_999, "1.23 G"),
        (10**12, "1.00 T"),
        (2**63 - 1, "9.22 E"),
    ],
)
def test_counts(number: int | None, text: str) -> None:
    assert count(number) == text


def test_names_are_cut_where_they_stay_different() -> None:
    assert short_names(["alpha"], 8) == ["alpha"]
    assert short_names(["loadgen-01.eu.example", "loadgen-02.eu.example"], 14) != ["loadge..xample"] * 2
    assert short_names(["client-of-the-fleet-1", "client-of-the-fleet-2"], 10) == ["clie..et-1", "clie..et-2"]


def test_notes_come_in_the_order_of_their_gravity() -> None:
    (host,) = made(sample.audited("client1"))["hosts"]
    assert [kind for kind, _text in notes(host)] == ["short", "drift", "drift", "warning", *6 * ["pressure"]]


@given(st.lists(counts(), max_size=6), counts())
def test_the_scale_keeps_order_and_stays_on_the_page(numbers: list[int | None], number: int | None) -> None:
    scale = report_page.Scale(numbers)
    places = [scale.at(one) for one in sorted(one for one in [*numbers, number] if one is not None)]
    assert all(place is not None and 0 <= place <= 100 for place in places)
    assert places == sorted(t.cast("list[float]", places))
    assert all(not scale.beyond(one) for one in numbers)
    assert scale.ticks()[0]["at"] == 0
    assert 2 <= len(scale.ticks()) <= 6


@given(st.lists(results(), max_size=4))
def test_a_page_can_be_made_of_whatever_hosts_say(made_of: list[sample.Json]) -> None:
    page = report_page.content(made(*made_of))
    assert len(page["hosts"]) == len(made_of)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"binding": "bind"}, ["bind"]),
        ({"binding": None}, ["autobind"]),
        ({"program": "haproxy", "program_binds": True}, ["haproxy", "bind_no_port"]),
        ({"program": "haproxy", "binding": "bind"}, ["haproxy", "bind"]),
        ({"program": "my own"}, ["my own"]),
        ({"binding": "anyhow"}, ["anyhow"]),
    ],
)
def test_a_page_says_how_the_program_binds(request_: dict[str, t.Any], said: list[str]) -> None:
    result = sample.tuned("client1")
    result["request"] = request_
    (host,) = report_page.content(made(result))["hosts"]
    assert host["facts"][-len(said) :] == said


def test_a_page_says_how_to_raise_what_binds_and_what_binds_next() -> None:
    (host,) = report_page.content(made(sample.tuned("client1")))["hosts"]
    assert [one["role"] for one in host["constraints"]] == ["binds", "next", "", "", "", "", ""]
    assert [bool(one["change"]) for one in host["constraints"]] == [True, True, False, False, False, False, False]
    assert host["constraints"][-2]["after"] == "9.2 × 10¹⁸"
    assert host["constraints"][-2]["after_beyond"]


def test_everything_that_the_template_prints_is_escaped() -> None:
    """Ansible ignores Jinja's autoescape, so nothing but this keeps a host's words from being HTML."""
    template = (ROLE / "templates/report.html.j2").read_text(encoding="utf-8")
    printed = re.findall(r"\{\{(.*?)\}\}", template, re.DOTALL)
    assert len(printed) > 40
    assert [expression for expression in printed if not expression.endswith(" | e ")] == []
    assert not re.search(r"=\{\{", template), "an attribute without quotes"


def test_hosts_that_nobody_reached_come_before_those_that_fall_short() -> None:
    document = made(sample.short("a"), sample.without("b"), sample.tuned("c"), sample.refused("d"))
    assert [host["host"] for host in document["hosts"]] == ["d", "b", "a", "c"]


def test_a_ceiling_that_stays_is_not_called_a_growth() -> None:
    same = sample.host_ceilings(1000)
    (figure,) = [
        one for one in report_page.content(made(sample.result("c", same, same)))["figures"] if "after" in one["label"]
    ]
    assert figure["more"] == "advised 14,116"
    (figure,) = [one for one in report_page.content(made(sample.tuned("c")))["figures"] if "after" in one["label"]]
    assert figure["more"] == "9.1 × before, advised 129,024"


def test_a_row_is_the_same_with_an_ansible_core_that_makes_texts_of_numbers_and_nulls() -> None:
    for result in (sample.tuned("c"), sample.audited("c"), sample.refused("c")):
        facts = dict(result["host_facts"], memory=str(result["host_facts"]["memory"]))
        texts = {name: "" if value is None else value for name, value in result.items()}
        asked = result["request"] | {"target_connections": str(result["target"]), "explicit": {"units": ""}}
        older = texts | {"target": str(result["target"]), "host_facts": facts, "request": asked}
        newer = result | {"request": result["request"] | {"explicit": {"units": None}}}
        assert made(older)["hosts"] == made(newer)["hosts"]


def test_why_a_host_was_lost_is_what_ansible_had() -> None:
    lost = {"unreachable": True, "msg": "Failed to connect to the host via ssh: Connection refused"}
    hostvars = {"a": {"__tune_before": lost}, "b": {"tune_result": lost, "__tune_before": {"limits": {}}}, "c": {}}
    hosts = filters.of_hosts(hostvars, ["a", "b", "c"], TITLE, sample.GENERATED)["hosts"]
    verdicts = [(host["host"], host["verdict"]) for host in hosts]
    assert verdicts == [("a", "unreachable"), ("b", "unreachable"), ("c", "no result")]
    assert [host["message"] for host in hosts[:2]] == [lost["msg"]] * 2
    assert hosts[2]["message"] == "The run has not come to this host."
