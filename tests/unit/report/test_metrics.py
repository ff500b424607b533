# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics, read back by the parsers of prometheus_client: OpenMetrics, and the Prometheus text format."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as openmetrics

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import metrics
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import report

PAGE = pathlib.Path(__file__).parents[3] / "docs/monitoring.md"

Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, Labels], float]


def made(*results: sample.Json, host_label: bool = True) -> str:
    return metrics.render(report(results, "Clients", sample.GENERATED), host_label)


def read_back(text: str) -> Series:
    """Return every series; both parsers have to agree, and none may be there twice."""
    found: list[Series] = []
    for parser in (openmetrics, text_format):
        families = list(parser.text_string_to_metric_families(text))
        assert {family.type for family in families} <= {"gauge"}
        assert {family.name: family.documentation for family in families}.items() <= metrics.METRICS.items()
        samples = [one for family in families for one in family.samples]
        found.append({(one.name, frozenset(one.labels.items())): one.value for one in samples})
        assert len(found[-1]) == len(samples)
    assert found[0] == found[1]
    return found[0]


def of(text: str, name: str) -> dict[Labels, float]:
    return {labels: value for (metric, labels), value in read_back(text).items() if metric == name}


def labelled(**labels: str) -> Labels:
    return frozenset(labels.items())


def test_whose_it_is_and_where_it_ends() -> None:
    text = made(sample.tuned("client1"))
    assert owned.is_our_metrics(text)
    assert text.endswith("\n# EOF\n")
    assert not owned.is_ours(text)
    assert owned.is_our_metrics(made())


def test_what_a_host_holds() -> None:
    text = made(sample.audited("client1"), host_label=False)
    assert of(text, "fourtuple_report_timestamp_seconds") == {labelled(): 1767323045}
    assert of(text, "fourtuple_target_connections") == {labelled(): 500_000}
    assert of(text, "fourtuple_ceiling_connections") == {labelled(): 261_932}
    assert of(text, "fourtuple_drifted_settings") == {labelled(): 2}
    binding = of(text, "fourtuple_binding_constraint")
    assert [labels for labels, value in binding.items() if value] == [labelled(constraint="conntrack")]
    assert labelled(constraint="tasks") in binding
    allows = of(text, "fourtuple_constraint_connections")
    assert allows[labelled(constraint="conntrack", scope="host")] == 261_932
    assert labelled(constraint="tasks", scope="host") not in allows, "does not limit"
    verdicts = of(text, "fourtuple_host_verdict")
    assert verdicts[labelled(verdict="short")] == 1 == sum(verdicts.values())


def test_pressure() -> None:
    text = made(sample.audited("client1"), host_label=False)
    pressure = sample.under_pressure()
    places = [
        labelled(source=pair["source"] or "any", destination=pair["destination"] or "any") for pair in pressure["pairs"]
    ]
    assert of(text, "fourtuple_pair_used_ratio") == {
        place: pair["share"] for place, pair in zip(places, pressure["pairs"], strict=True) if pair["share"] is not None
    }
    assert of(text, "fourtuple_pair_connections").keys() == set(places)
    programs = {
        labelled(
            program=one["program"] or "unknown",
            kind=one["kind"] or "unknown",
            binding=one["binding"] or "unknown",
            certainty=one["certainty"],
        ): one["connections"]
        for one in pressure["programs"]
    }
    assert of(text, "fourtuple_program_connections") == programs
    assert of(text, "fourtuple_taken_ports") == {labelled(): pressure["taken"]}


def test_a_pair_of_programs_that_name_ports_and_others_is_one_series() -> None:
    host = sample.audited("client1")
    pair = dict(host["pressure"]["pairs"][0], connections=10, timewait=2, ports=100, share=0.12, programs=[])
    own = dict(pair, connections=5, timewait=0, ports=None, share=None)
    host["pressure"]["pairs"] = [pair, own]
    text = made(host, host_label=False)
    assert list(of(text, "fourtuple_pair_connections").values()) == [15]
    assert list(of(text, "fourtuple_pair_time_wait_connections").values()) == [2]
    assert list(of(text, "fourtuple_pair_used_ratio").values()) == [0.12]


def test_what_check_mode_predicts_is_not_said_to_hold() -> None:
    host = sample.checked("client1")
    assert of(made(host), "fourtuple_ceiling_connections") == {labelled(host="client1"): host["before"]["ceiling"]}


def test_every_kind_of_host_and_what_is_not_known_is_left_out() -> None:
    text = made(*sample.mixed(), sample.hostile())
    hosts = {dict(labels)["host"] for labels in of(text, "fourtuple_host_verdict")}
    assert {dict(labels)["host"] for _name, labels in read_back(text)} == hosts
    assert len(hosts) == 10
    assert not [
        labels for labels in of(text, "fourtuple_ceiling_connections") if ("host", "client8.example.com") in labels
    ]


def test_without_the_label_it_is_of_one_host() -> None:
    assert all("host" not in dict(labels) for _name, labels in read_back(made(sample.tuned("a"), host_label=False)))
    for hosts in ((), (sample.tuned("a"), sample.tuned("b"))):
        with pytest.raises(ValueError, match="of one host, and this report has %d" % len(hosts)):
            made(*hosts, host_label=False)


#: As a host may name a program or a unit: any text at all, the characters with a meaning of their own more often.
TEXTS = st.text(st.sampled_from('"\\\n\r\t\0{},=# \u2028\x85\x1b\ufffdé') | st.characters(), min_size=1)


@given(TEXTS)
def test_a_label_comes_back_as_it_was(text: str) -> None:
    host = sample.audited(text)
    for one in host["pressure"]["programs"][:1]:
        one["program"] = text
    kept = re.sub("[\0\ud800-\udfff]", "\ufffd", text)
    found = read_back(made(host))
    assert {dict(labels)["host"] for _name, labels in found} == {kept}
    assert kept in {dict(labels).get("program") for _name, labels in found}


@given(st.lists(TEXTS, max_size=8))
def test_no_series_is_there_twice_whatever_a_host_says(names: list[str]) -> None:
    """The node exporter would fail as a whole, with all its other metrics."""
    host = sample.audited("client1")
    (program, *_rest), (pair, *_others) = host["pressure"]["programs"], host["pressure"]["pairs"]
    host["pressure"]["programs"] = [dict(program, program=name) for name in names]
    host["pressure"]["pairs"] = [dict(pair, source=name, programs=[program, program]) for name in names]
    read_back(made(host, host_label=False))


@given(st.integers(0, 2**63 - 1))
def test_numbers_are_whole(number: int) -> None:
    host = sample.result("a", sample.ceilings(number, sample.constraint("nofile", number, "", "")), None)
    assert "\nfourtuple_ceiling_connections %d\n" % number in made(host, host_label=False)


def test_names_by_the_conventions_of_prometheus() -> None:
    units = ("_seconds", "_connections", "_ports", "_ratio", "_info", "_settings", "_sources", "_warnings")
    states = ("fourtuple_host_verdict", "fourtuple_binding_constraint")
    for name, meaning in metrics.METRICS.items():
        assert re.fullmatch("fourtuple(_[a-z]+)+", name)
        # _total is for counters; of what the metrics have, nothing only grows.
        assert name.endswith(units) or name in states
        assert not set(meaning) & set('"\\\n')
        assert meaning.endswith(".")


def test_the_page_names_every_metric_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `(fourtuple_\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert list(rows) == list(metrics.METRICS)
    written: dict[str, set[str]] = {}
    for name, labels in read_back(made(*sample.mixed(), sample.hostile())):
        written.setdefault(name, set()).update(dict(labels).keys() - {"host"})
    documented: dict[str, t.Any] = {name: set(re.findall(r"`(\w+)`", row)) for name, row in rows.items()}
    assert documented == written
