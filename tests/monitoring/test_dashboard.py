"""The Grafana dashboard: built as committed, whole, and every query shows something real."""

from __future__ import annotations

import http.client
import json
import math
import re
import threading
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from flask import Flask
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.serving import make_server

from demo_app import create_app
from demo_app.keys import SECRET, issue_key
from flask_irl import IntelligentLimiter, tenant_by_header
from flask_irl.telemetry.prometheus import PrometheusListener
from flask_irl.web.state import state_of
from monitoring.grafana import build_dashboard
from tests.integration.workers import PATIENCE, Workers
from tests.prometheus import PrometheusServer, Sample, scrape_config
from tests.servers import HOST, RedisServer, wait_until

ROOT: Final = Path(__file__).parents[2]
DATASOURCE: Final = "monitoring/grafana/provisioning/datasources/prometheus.yml"
COMMITTED: Final[dict[str, Any]] = json.loads(build_dashboard.OUT.read_text(encoding="utf-8"))
PANELS: Final = [panel for panel in COMMITTED["panels"] if panel["type"] != "row"]
FIRST_ROW_BELOW: Final = next(p for p in COMMITTED["panels"] if p["type"] == "row")["gridPos"]["y"]
SELECTOR: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
JOB: Final = "site"
VARIABLES: Final = ("job", "route", "tenant")
PROMETHEUS_OWN: Final = {"up"}
SCREEN: Final = 24
"""Rows of the grid on a screen of 1080 lines, less Grafana's own bars."""


class Target(NamedTuple):
    """One query of a panel."""

    panel: dict[str, Any]
    ref: str
    expr: str
    legend: str

    def ask(self, prometheus: PrometheusServer, **variables: str) -> list[Sample]:
        """What it gives, with the variables filled in."""
        return prometheus.query(filled(self.expr, **variables))


def filled(expr: str, **chosen: str) -> str:
    """A query as Grafana sends it, on a site that is scraped every second."""
    values = {"__rate_interval": "10s", "__range": "60s", **dict.fromkeys(VARIABLES, ".*")}
    values |= chosen
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], expr)


TARGETS: Final = [
    Target(panel, target["refId"], target["expr"], target.get("legendFormat", ""))
    for panel in PANELS
    for target in panel["targets"]
]
ONE_BY_ONE: Final = pytest.mark.parametrize(
    "target", TARGETS, ids=[f"{t.panel['title']}, {t.ref}" for t in TARGETS]
)
SHARES: Final = [
    target
    for target in TARGETS
    if target.panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    # Has an axis of its own.
    and target.legend != "exceptions"
]
EACH_PANEL: Final = pytest.mark.parametrize("panel", PANELS, ids=[p["title"] for p in PANELS])


def encoded(board: Dashboard) -> Any:
    return json.loads(json.dumps(board, cls=JSONEncoder))


def labels_in(legend: str) -> set[str]:
    return set(re.findall(r"\{\{(\w+)\}\}", legend))


# What is committed


def test_the_committed_file_is_what_the_code_builds() -> None:
    built = build_dashboard.text(build_dashboard.build())
    assert build_dashboard.OUT.read_text(encoding="utf-8") == built, "run make dashboard"


def test_grafanas_types_read_it_without_losing_anything() -> None:
    register_default_plugins()
    assert encoded(Dashboard.from_json(COMMITTED)) == COMMITTED


def test_ids_count_from_one() -> None:
    ids = [panel["id"] for panel in COMMITTED["panels"]]
    assert ids == list(range(1, len(ids) + 1))


def test_no_two_panels_have_the_same_title() -> None:
    titles = [panel["title"] for panel in COMMITTED["panels"]]
    assert len(titles) == len(set(titles))


@EACH_PANEL
def test_a_panel_says_what_it_shows_and_when_to_worry(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert re.search(r"[Ww]orry|[Ll]ook", panel["description"])


@EACH_PANEL
def test_a_panel_has_a_unit_and_queries(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert [target["refId"] for target in panel["targets"]]
    assert all(target["expr"] for target in panel["targets"])


@EACH_PANEL
def test_a_panel_and_its_queries_use_the_chosen_data_source(panel: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["datasource"] == chosen
    assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])


@EACH_PANEL
def test_thresholds_rise(panel: dict[str, Any]) -> None:
    first, *others = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    values = [step["value"] for step in others]
    # The first reaches down to the smallest value there is.
    assert first["value"] is None
    assert values == sorted(set(values))


def test_panels_lie_within_the_grid_and_not_on_each_other() -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in COMMITTED["panels"]]
    assert all(p["x"] >= 0 and p["w"] > 0 and p["x"] + p["w"] <= 24 for _, p in places)
    overlaps = [
        (one, other)
        for (one, p), (other, q) in combinations(places, 2)
        if p["x"] < q["x"] + q["w"]
        and q["x"] < p["x"] + p["w"]
        and p["y"] < q["y"] + q["h"]
        and q["y"] < p["y"] + p["h"]
    ]
    assert overlaps == []


def test_the_first_screen_holds_what_the_brief_asks_for() -> None:
    assert FIRST_ROW_BELOW <= SCREEN
    first = {panel["title"] for panel in PANELS if panel["gridPos"]["y"] < FIRST_ROW_BELOW}
    asked = {
        "Request rate by outcome",
        "Hit rate",
        "Anomaly rate",
        "Anomaly scores",
        "Limiter latency",
        "Response time",
        "Model age",
        "Trainings by result",
        "Flagged clients",
        "Store errors",
        "Store errors and fallback",
    }
    assert asked <= first


def test_the_variables_are_the_data_source_jobs_routes_and_tenants() -> None:
    variables = {each["name"]: each for each in COMMITTED["templating"]["list"]}
    assert list(variables) == ["datasource", *VARIABLES]
    for name in VARIABLES:
        assert variables[name]["multi"] is True
        assert variables[name]["includeAll"] is True
        assert variables[name]["allValue"] == ".*"


# What it asks for


def shown_by_the_app() -> set[str]:
    """The names of all samples that the demo app's page of metrics can have."""
    page = create_app({"IRL_BACKGROUND": False}).test_client().get("/metrics").text
    names = set()
    for family in text_string_to_metric_families(page):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
        names |= {family.name + ending for ending in endings.get(family.type, [""])}
    return names


def test_every_metric_asked_for_is_one_that_the_app_shows() -> None:
    expressions = [target.expr for target in TARGETS]
    expressions += [each["query"]["query"] for each in COMMITTED["templating"]["list"][2:]]
    expressions += [each["expr"] for each in COMMITTED["annotations"]["list"]]
    asked = {name for expr in expressions for name, _ in SELECTOR.findall(expr)}
    assert asked - shown_by_the_app() == PROMETHEUS_OWN


@ONE_BY_ONE
def test_a_query_keeps_to_the_chosen_jobs(target: Target) -> None:
    selectors = SELECTOR.findall(target.expr)
    assert selectors
    assert all('job=~"$job"' in labels for _, labels in selectors)


@ONE_BY_ONE
def test_the_exporters_histogram_is_never_asked_about_refusals(target: Target) -> None:
    for name, labels in SELECTOR.findall(target.expr):
        if name.startswith("flask_http_request_duration_seconds"):
            assert 'status!="429"' in labels


def test_every_metric_of_the_limiter_has_a_panel() -> None:
    asked = {name for target in TARGETS for name, _ in SELECTOR.findall(target.expr)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown_by_the_app()}
    own = {name for name in shown if name.startswith("irl_") and not name.endswith("_created")}
    assert own - families == set()


def test_metrics_of_tenants_are_those_of_the_chosen_ones_and_no_others_are() -> None:
    selectors = [each for target in TARGETS for each in SELECTOR.findall(target.expr)]
    by_tenant = {name for name, labels in selectors if 'tenant=~"$tenant"' in labels}
    assert by_tenant == {name for name, _ in selectors if name.startswith("irl_tenant_")}
    assert all('tenant=~"$tenant"' in labels for name, labels in selectors if name in by_tenant)


# What goes with it


def in_file(pattern: str, path: str) -> str:
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"no {pattern} in {path}"
    return found[1]


def test_the_provisioned_data_source_is_the_one_chosen_at_first() -> None:
    uid = in_file(r"^ +uid: (\S+)$", DATASOURCE)
    assert COMMITTED["templating"]["list"][0]["current"]["value"] == uid


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    scrapes = in_file(r"^ +scrape_interval: (\S+)$", "monitoring/prometheus/prometheus.yml")
    assert in_file(r"^ +timeInterval: (\S+)$", DATASOURCE) == scrapes


def test_the_runbook_has_every_heading_that_panels_link_to() -> None:
    links = [link["url"] for panel in PANELS for link in panel.get("links", [])]
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    assert links
    assert {link.removeprefix(f"{build_dashboard.RUNBOOK}#") for link in links} - anchors == set()


def test_the_runbook_may_be_elsewhere() -> None:
    built = build_dashboard.text(build_dashboard.build("https://wiki.example/runbook"))
    assert "https://wiki.example/runbook#irlhitratehigh" in built
    assert build_dashboard.RUNBOOK not in built


# In service

APP = """
import os

from demo_app import create_app
from flask import jsonify
from flask_irl.web.state import state_of
from flask_irl.web.decorators import add_exemption

app = create_app({
    "IRL_STORAGE_URI": os.environ["STORE"],
    "IRL_BASE_LIMIT": 30,
    "IRL_WINDOW_SECONDS": 5,
    # Nothing here is about the store's speed, and the machine may be busy.
    "IRL_STORE_TIMEOUT": 10.0,
    "IRL_ADMIN_TOKEN": os.environ["TOKEN"],
    # They are ordered, so that they come after the first scrape.
    "IRL_TRAINING_INTERVAL": 60,
})

@app.get("/model")
def model():
    return jsonify(version=state_of(app).limiter.trainer.model.version)

add_exemption(model, state_of(app).owner)
"""
TOKEN: Final = "made-up-token-of-the-dashboard-test"


class Site:
    """The demo app in two workers, with people and a flood on it, and Prometheus watching."""

    def __init__(self, port: int, prometheus: PrometheusServer) -> None:
        self.prometheus = prometheus
        self._port = port
        self._over = threading.Event()
        self._visitors = threading.Thread(target=self._visit)

    def __enter__(self) -> Site:
        self._visitors.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._visitors.join()

    def ask(self, method: str, path: str, **headers: str) -> int:
        """One request; its status."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def train(self) -> None:
        """Order a training as soon as there is enough to learn from."""

        def trained() -> bool:
            return self.ask("POST", "/admin/train", Authorization=f"Bearer {TOKEN}") == 202

        wait_until(trained, "a training", PATIENCE)

    def _visit(self) -> None:
        turn = 0
        while not self._over.wait(0.1):
            turn += 1
            for path in ("/", "/api/data"):
                self.ask("GET", path, **{"X-API-Key": issue_key(f"person {turn % 12}", TOKEN)})
            for path in ("/api/data", "/nowhere"):
                self.ask("GET", path, **{"X-API-Key": issue_key("flood", TOKEN)})
            self.ask("GET", "/admin/stats")


@pytest.fixture(scope="module")
def site(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with redis_server.client() as client:
        client.flushall()
    folder, metrics = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("metrics")
    environment = {"TOKEN": TOKEN, SECRET: TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    with (
        Workers(folder, redis_server.url, APP, **environment) as workers,
        PrometheusServer(scrape_config({JOB: f"{HOST}:{workers.port}"})) as prometheus,
        Site(workers.port, prometheus) as running,
    ):
        wait_until(lambda: prometheus.value("irl_store_fallback") == 0, "a scrape", PATIENCE)
        running.train()
        wait_until(lambda: prometheus.value("irl_model_version") == 1, "the model", PATIENCE)
        yield running


def shown(samples: list[Sample], labels: set[str]) -> bool:
    """Whether Grafana has something to draw, each with the labels that the legend names.

    A quantile is no number for a route that nobody asks for just now: a gap in its line.
    """
    values = [sample.value for sample in samples]
    return (
        any(math.isfinite(value) for value in values)
        and not any(math.isinf(value) for value in values)
        and all(labels <= set(sample.labels) for sample in samples)
    )


def offered(name: str, prometheus: PrometheusServer) -> set[str]:
    """The values that a variable of the dashboard has to choose from."""
    variables = {each["name"]: each for each in COMMITTED["templating"]["list"]}
    query = filled(variables[name]["query"]["query"])
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match is not None
    return set(prometheus.api(f"label/{match[2]}/values", **{"match[]": match[1]}))


@pytest.mark.integration
@pytest.mark.slow
@ONE_BY_ONE
def test_a_query_shows_data_of_a_site_in_service(target: Target, site: Site) -> None:
    labels = labels_in(target.legend)
    wait_until(lambda: shown(target.ask(site.prometheus), labels), "data", PATIENCE)


@pytest.mark.integration
@pytest.mark.slow
@ONE_BY_ONE
def test_a_query_keeps_to_the_chosen_job(target: Target, site: Site) -> None:
    # What shows a zero for what never happened still does.
    assert {each.value for each in target.ask(site.prometheus, job="another")} <= {0.0}


@pytest.mark.integration
@pytest.mark.slow
def test_a_new_model_is_noted(site: Site) -> None:
    (note,) = COMMITTED["annotations"]["list"]
    assert [each.labels for each in site.prometheus.query(filled(note["expr"]))] == [{"job": JOB}]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_offers_what_there_is(name: str, site: Site) -> None:
    expected = {"job": {JOB}, "route": {"/", "/api/data", "unmatched"}, "tenant": set[str]()}
    assert expected[name] <= offered(name, site.prometheus)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("target", SHARES, ids=[f"{t.panel['title']}, {t.ref}" for t in SHARES])
def test_a_share_lies_between_none_and_all(target: Target, site: Site) -> None:
    assert all(0 <= each.value <= 1 for each in target.ask(site.prometheus))


# An app with tenants

BY_TENANT: Final = [target for target in TARGETS if "$tenant" in target.expr]
NEVER: Final = ("trainings", "model_version", "flagged")
"""Parts of the names of metrics of what never happens in that app."""


class Tenants(NamedTuple):
    """An app of two tenants in this process, and Prometheus watching."""

    app: Flask
    prometheus: PrometheusServer

    def visit(self) -> None:
        for tenant in ("a", "b"):
            self.app.test_client().get("/", headers={"X-Tenant": tenant})

    def shown(self, target: Target, **chosen: str) -> set[str]:
        """The tenants that a query shows just now, with new requests of both."""
        self.visit()
        return {sample.labels["tenant"] for sample in target.ask(self.prometheus, **chosen)}


@pytest.fixture(scope="module")
def tenants() -> Iterator[Tenants]:
    app, registry = Flask("site"), CollectorRegistry()
    IntelligentLimiter(
        app,
        storage_uri="memory://",
        background=False,
        admin=False,
        base_limit=10,
        tenant_of=tenant_by_header("X-Tenant", known=["a", "b"]),
        listener=PrometheusListener(registry),
    )
    app.get("/")(lambda: "hello")
    server = make_server(HOST, 0, make_wsgi_app(registry), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with PrometheusServer(scrape_config({JOB: f"{HOST}:{server.port}"})) as prometheus:
            yield Tenants(app, prometheus)
    finally:
        server.shutdown()
        thread.join()
        state_of(app).close()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(
    "target", BY_TENANT, ids=[f"{t.panel['title']}, {t.ref}" for t in BY_TENANT]
)
def test_a_query_shows_the_chosen_tenants(target: Target, tenants: Tenants) -> None:
    never = any(part in target.expr for part in NEVER)
    for chosen, expected in ((".*", {"a", "b"}), ("a", {"a"}), ("a|b", {"a", "b"})):
        wanted = {"none"} if never else expected

        def is_shown(chosen: str = chosen, wanted: set[str] = wanted) -> bool:
            return tenants.shown(target, tenant=chosen) == wanted

        wait_until(is_shown, f"{wanted} of {chosen}", PATIENCE)


@pytest.mark.integration
@pytest.mark.slow
def test_the_variable_offers_the_tenants_that_there_are(tenants: Tenants) -> None:
    tenants.visit()
    wait_until(lambda: offered("tenant", tenants.prometheus) == {"a", "b"}, "both", PATIENCE)
