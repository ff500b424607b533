# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics under Debian's node exporter and Prometheus, and the examples that use them."""

from __future__ import annotations

import collections
import enum
import inspect
import json
import pathlib
import re
import time
import typing as t
import urllib.parse

import grafana_foundation_sdk.cog.plugins
import pytest
import sample
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as openmetrics
from sandbox import Sandbox, Snapshot

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import metrics
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report.document import report

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/monitoring"
DASHBOARD = json.loads((EXAMPLES / "dashboard.json").read_text())
EXPRESSIONS = [
    (panel["title"], target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]

EXPORTER, PROMETHEUS = "127.0.0.1:9100", "127.0.0.1:9090"
NEED = {"tune_target_connections": 20000, "tune_binding": "bind_no_port"}

#: What the timer starts.
SERVICE = (EXAMPLES / "fourtuple-metrics.service").read_text()
(COMMAND,) = re.findall("^ExecStart=(.*)$", SERVICE, re.MULTILINE)

#: 84 connections of one pair whose program leaves the port to connect(), 10 by plain binds, one in TIME_WAIT.
HOLD = """
import socket, time
server = socket.create_server(("127.0.0.1", 8001), backlog=4096)
held = []
for number in range(95):
    one = socket.socket()
    if number < 85:
        one.setsockopt(socket.IPPROTO_IP, 24, 1)
    one.bind(("127.0.0.2" if number < 85 else "127.0.0.3", 0))
    one.connect(("127.0.0.1", 8001))
    held.append(one)
other, _address = server.accept()
held[0].close()
other.close()
open("/run/held", "w").close()
time.sleep(600)
"""

#: Every way in which a label may break a format.
NASTY = [
    '"',
    "\\",
    "\n",
    "\\n",
    '\\"',
    "a,b",
    "{}",
    "=",
    "#",
    " ",
    "\r",
    "\t",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\u2028",
    "é",
    "\U0001f600",
]

#: Prometheus scrapes as often as it can, as there are two samples of a series to be had.
CONFIGURATION = (
    """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [/etc/prometheus/fourtuple.rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["%s"]}]
"""
    % EXPORTER
)

FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=20).read())"


class Monitored:
    """A host with a running node exporter and Prometheus."""

    def __init__(self, host: Sandbox) -> None:
        self.host = host

    def start(self, *command: str) -> None:
        """Start what runs until the host is restored, or gone."""
        log = "/run/%s.log" % command[0].rpartition("/")[2]
        self.host.run("sh", "-c", 'log=$1; shift; setsid "$@" </dev/null >"$log" 2>&1 &', "sh", log, *command)

    def fetch(self, address: str) -> str:
        return self.host.run("python3", "-c", FETCH, "http://" + address).stdout

    def wait(self, what: str, there: t.Callable[[], t.Any]) -> t.Any:
        """Wait until there is something."""
        end = time.monotonic() + 60
        while True:
            found = there()
            if found:
                return found
            assert time.monotonic() < end, "no %s: %s" % (
                what,
                self.host.run("sh", "-c", "tail -n 20 /run/*.log").stdout,
            )
            time.sleep(0.2)

    def listens(self, address: str) -> bool:
        return self.host.run("python3", "-c", FETCH, "http://%s/" % address, status=None).returncode == 0

    def query(self, expression: str) -> list[dict[str, t.Any]]:
        answer = json.loads(
            self.fetch("%s/api/v1/query?%s" % (PROMETHEUS, urllib.parse.urlencode({"query": expression})))
        )
        assert answer["status"] == "success", answer
        return t.cast("list[dict[str, t.Any]]", answer["data"]["result"])


@pytest.fixture(scope="module")
def monitored(shared: tuple[Sandbox, Snapshot], tmp_path_factory: pytest.TempPathFactory) -> Monitored:
    """What runs of the playbook have written, on the host and on the controller, is scraped."""
    host, _untouched = shared
    found = Monitored(host)
    host.set_key("net.ipv4.ip_local_port_range", "40000 40099")
    found.start("python3", "-c", HOLD)
    found.wait("connections", lambda: host.read("/run/held") is not None)
    folder = tmp_path_factory.mktemp("controller")
    # As the service does it. Status 2: it is short of its target.
    program, *words = COMMAND.split()
    assert (program, words[:3]) == ("ansible-playbook", ["-i", "inventory", "fourtuple.clients.audit_clients"])
    host.play("audit_clients.yml", *words[3:], **NEED).expect(2)
    host.play("audit_clients.yml", report_metrics="controller", report_metrics_dir=str(folder), **NEED).expect(2)
    # Both may be read by the same node exporter: a controller is a host, perhaps.
    host.write("%s/fleet.prom" % owned.METRICS_DIRECTORY, (folder / owned.METRICS_NAME).read_text())
    host.write("/etc/prometheus/prometheus.yml", CONFIGURATION)
    host.write("/etc/prometheus/fourtuple.rules.yml", (EXAMPLES / "fourtuple.rules.yml").read_text())
    # Without a directory: Debian's default is ours.
    found.start(
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--collector.textfile",
        "--web.listen-address=" + EXPORTER,
    )
    found.start(
        "prometheus",
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/tmp/prometheus",
        "--web.listen-address=" + PROMETHEUS,
    )
    found.wait("Prometheus", lambda: found.listens(PROMETHEUS + "/-/ready"))
    found.wait("scrape", lambda: found.query("count_over_time(%s[1m]) > 1" % owned.METRICS_FIRST))
    return found


def written(host: Sandbox) -> list[t.Any]:
    """Return the samples of the files of the host and of the controller."""
    texts = [host.read("%s/%s" % (owned.METRICS_DIRECTORY, name)) or "" for name in (owned.METRICS_NAME, "fleet.prom")]
    families = [family for text in texts for family in openmetrics.text_string_to_metric_families(text)]
    return [one for family in families for one in family.samples]


def series(samples: t.Iterable[t.Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {(one.name, frozenset(one.labels.items())): float(one.value) for one in samples}


@pytest.mark.parametrize("name", [owned.METRICS_NAME, "fleet.prom"])
def test_promtool_has_nothing_to_say_of_the_file(monitored: Monitored, name: str) -> None:
    text = monitored.host.read("%s/%s" % (owned.METRICS_DIRECTORY, name))
    done = monitored.host.run("promtool", "check", "metrics", data=text)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_node_exporter_serves_what_was_written(monitored: Monitored) -> None:
    served = monitored.fetch(EXPORTER + "/metrics")
    assert "\nnode_textfile_scrape_error 0\n" in served
    ours = [one for family in text_format.text_string_to_metric_families(served) for one in family.samples]
    assert series(one for one in ours if one.name.startswith("fourtuple_")) == series(written(monitored.host))
    # The help of both files is the same; where it differs, the exporter says so instead of it.
    assert set(re.findall(r"^# HELP (fourtuple_\w+) (.*)$", served, re.MULTILINE)) <= set(metrics.METRICS.items())


def test_prometheus_knows_which_pair_is_full_and_whose_it_is(monitored: Monitored) -> None:
    (fullest,) = monitored.query('topk(1, fourtuple_pair_used_ratio{host=""})')
    assert (fullest["metric"]["source"], fullest["metric"]["destination"]) == ("127.0.0.2", "127.0.0.1:8001")
    assert 0.8 < float(fullest["value"][1]) <= 1
    (program, *_more) = monitored.query(
        'topk(1, fourtuple_pair_program_connections{host="",source="127.0.0.2",destination="127.0.0.1:8001"})'
    )
    assert (program["metric"]["program"], program["metric"]["binding"]) == ("root", "bind_no_port")
    assert program["value"][1] == "84"
    assert [one["value"][1] for one in monitored.query('fourtuple_taken_ports{host=""}')] == ["10"]
    assert {one["metric"]["host"] for one in monitored.query('fourtuple_ceiling_connections{host!=""}')} == {"client"}


@pytest.mark.parametrize(("title", "expression", "legend"), EXPRESSIONS, ids=[one[0] for one in EXPRESSIONS])
@pytest.mark.parametrize("host", [".*", "client"], ids=["all", "one"])
def test_an_expression_of_the_dashboard_has_a_result(
    monitored: Monitored, title: str, expression: str, legend: str, host: str
) -> None:
    asked = expression.replace("$instance", ".*").replace("$host", host)
    assert "$" not in asked
    found = monitored.query(asked)
    assert found, asked
    # A file on a host has no label host.
    wanted = set(re.findall(r"\{\{(\w+)\}\}", legend)) - {"host"}
    assert all(wanted <= one["metric"].keys() for one in found)


def test_the_dashboard_uses_what_is_written(monitored: Monitored) -> None:
    labels: dict[str, set[str]] = collections.defaultdict(lambda: {"instance", "job"})
    for one in written(monitored.host):
        labels[one.name].update(one.labels)
    used = " ".join(expression for _title, expression, _legend in EXPRESSIONS)
    rules = (EXAMPLES / "fourtuple.rules.yml").read_text()
    assert set(re.findall(r"\bfourtuple_\w+\b", used + rules)) <= labels.keys()
    selected = re.findall(r"\b(fourtuple_\w+)\{([^}]*)\}", used)
    assert selected
    for name, selector in selected:
        assert set(re.findall(r"(\w+)=", selector)) <= labels[name], name
    for names in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", used):
        assert set(names.split(", ")) <= set.union(*labels.values())
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    for name in ("instance", "host"):
        query = variables[name]["query"]["query"]
        asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert asked, query
        metric, label = asked.groups()
        values = json.loads(monitored.fetch("%s/api/v1/label/%s/values?match[]=%s" % (PROMETHEUS, label, metric)))[
            "data"
        ]
        assert values == {"instance": [EXPORTER], "host": ["client"]}[name]


def test_the_rules_run_and_one_fires(monitored: Monitored) -> None:
    def rules() -> dict[str, t.Any]:
        (group,) = json.loads(monitored.fetch(PROMETHEUS + "/api/v1/rules"))["data"]["groups"]
        return {rule["name"]: rule for rule in group["rules"]}

    monitored.wait("evaluation", lambda: all(rule["health"] != "unknown" for rule in rules().values()))
    found = rules()
    assert {rule["health"] for rule in found.values()} == {"ok"}
    states = {name for name, rule in found.items() if rule["state"] != "inactive"}
    assert states == {"FourtuplePortsAlmostExhausted", "FourtupleShortOfTarget"}


def test_labels_come_through_as_they_are(monitored: Monitored) -> None:
    """By the parsers of both programs: that of the node exporter, and Prometheus' own."""
    host = sample.audited("nasty")
    program = host["pressure"]["programs"][0]
    host["pressure"]["programs"] = [dict(program, program=text) for text in [*NASTY, "".join(NASTY)]]
    text = metrics.render(report([host], "Clients", sample.GENERATED))
    monitored.host.write("%s/nasty.prom" % owned.METRICS_DIRECTORY, text)
    done = monitored.host.run("promtool", "check", "metrics", data=text)
    assert (done.stdout, done.stderr) == ("", "")
    expression = 'fourtuple_program_connections{host="nasty"}'
    found = monitored.wait("scrape", lambda: monitored.query(expression))
    assert {one["metric"]["program"] for one in found} == {*NASTY, "".join(NASTY)}
    monitored.host.remove("%s/nasty.prom" % owned.METRICS_DIRECTORY)


def test_the_rules_say_what_they_should(monitored: Monitored) -> None:
    for path in (EXAMPLES / "fourtuple.rules.yml", pathlib.Path(__file__).with_name("rules_test.yml")):
        monitored.host.write("/srv/rules/" + path.name, path.read_text())
    checked = monitored.host.run(
        "promtool", "check", "rules", "--lint=all", "--lint-fatal", "/srv/rules/fourtuple.rules.yml"
    )
    assert "SUCCESS: 7 rules found" in checked.stdout
    monitored.host.run("promtool", "test", "rules", "/srv/rules/rules_test.yml")
    # And a rule that is another one is found out.
    wrong = (EXAMPLES / "fourtuple.rules.yml").read_text().replace("> 0.8", "> 0.95")
    monitored.host.write("/srv/rules/fourtuple.rules.yml", wrong)
    failed = monitored.host.run("promtool", "test", "rules", "/srv/rules/rules_test.yml", status=1)
    assert "FourtuplePortsAlmostExhausted" in failed.stdout + failed.stderr


def test_every_rule_has_a_test_and_a_line_in_the_documentation() -> None:
    (group,) = yaml.safe_load((EXAMPLES / "fourtuple.rules.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    tests = yaml.safe_load(pathlib.Path(__file__).with_name("rules_test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert fired == set(names)
    page = (ROOT / "docs/monitoring.md").read_text()
    assert re.findall(r"^\| `(Fourtuple\w+)` \|", page, re.MULTILINE) == names


def conforms(value: t.Any, wanted: t.Any) -> bool:
    """Tell whether what Grafana's classes hold is of the types that they say; they do not look themselves."""
    origin, arguments = t.get_origin(wanted), t.get_args(wanted)
    if origin is t.Literal:
        return value in arguments
    if origin is t.Union:
        return any(conforms(value, one) for one in arguments)
    if origin in (list, dict):
        return isinstance(value, origin) and all(
            conforms(one, arguments[-1]) for one in (value.values() if origin is dict else value)
        )
    if issubclass(wanted, enum.Enum):
        return value in {one.value for one in wanted}
    if isinstance(value, dict) and hasattr(wanted, "from_json"):
        # Of what stands in a list, they leave the JSON.
        made = wanted.from_json(value)
        return value.keys() <= made.to_json().keys() and conforms(made, wanted)
    members = t.get_type_hints(type(value)).items() if hasattr(value, "to_json") else ()
    right = isinstance(value, (int, float) if wanted is float else wanted) or inspect.isabstract(wanted)
    return right and all(conforms(getattr(value, name), hint) for name, hint in members)


def test_grafana_knows_everything_in_the_dashboard() -> None:
    """By the classes that Grafana makes of its schema: what they do not know gets lost, and types are as they say."""
    grafana_foundation_sdk.cog.plugins.register_default_plugins()
    loaded = Dashboard.from_json(DASHBOARD)
    assert conforms(loaded, Dashboard)
    # And what is wrong is found out.
    first = DASHBOARD["panels"][0]
    for wrong in ({"title": 1}, {"gridPos": {**first["gridPos"], "x": "0"}}, {"transformations": [{"id": 1}]}):
        assert not conforms(Dashboard.from_json({**DASHBOARD, "panels": [{**first, **wrong}]}), Dashboard)

    def lost(before: t.Any, after: t.Any, path: str = "") -> list[str]:
        if isinstance(before, dict) and isinstance(after, dict):
            return [one for key in before for one in lost(before[key], after.get(key), "%s/%s" % (path, key))]
        if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            return [
                one
                for number, (x, y) in enumerate(zip(before, after, strict=True))
                for one in lost(x, y, "%s/%d" % (path, number))
            ]
        return [] if before == after else [path]

    assert lost(DASHBOARD, json.loads(JSONEncoder().encode(loaded))) == []
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells), "two panels overlap"
    assert max(x for x, _y in cells) < 24


def test_systemd_takes_the_timer(monitored: Monitored) -> None:
    names = sorted(path.name for path in EXAMPLES.glob("fourtuple-metrics.*"))
    assert names == ["fourtuple-metrics.service", "fourtuple-metrics.timer"]
    units = ["/etc/systemd/system/" + name for name in names]
    for unit, name in zip(units, names, strict=True):
        monitored.host.write(unit, (EXAMPLES / name).read_text())
    monitored.host.write("/usr/local/bin/ansible-playbook", "#!/bin/sh\n", 0o755)
    verify = ("systemd-analyze", "verify", "--man=no")
    said = monitored.host.run(*verify, *units).stderr
    assert [line for line in said.splitlines() if "fourtuple-metrics" in line] == []
    # And what is wrong is found out.
    monitored.host.write(units[1], (EXAMPLES / names[1]).read_text().replace("*:0/5", "*:0/x"))
    assert "fourtuple-metrics.timer" in monitored.host.run(*verify, units[1], status=None).stderr
