"""The rules and alerts of Prometheus: valid, tested by promtool, each alert in the runbook."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from monitoring import runbook
from tests.prometheus import START_TIMEOUT, PrometheusServer, promtool
from tests.redis_server import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "monitoring" / "prometheus"
RULES = ("irl_rules.yml", "irl_alert_rules.yml")
TESTS = sorted((FOLDER / "tests").glob("*rules_test.yml"))


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules that have such a key, ``alert`` or ``record``."""
    groups = [
        group for name in RULES for group in yaml.safe_load((FOLDER / name).read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def unit_tests() -> Iterator[dict[str, Any]]:
    """All unit tests."""
    for path in TESTS:
        yield from yaml.safe_load(path.read_text())["tests"]


ALERTS = {rule["alert"]: rule for rule in rules("alert")}
RECORDS = [rule["record"] for rule in rules("record")]


def headings() -> dict[str, str]:
    """The runbook's sections by their anchors."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {title.lower(): body for title, body in zip(sections[::2], sections[1::2], strict=True)}


def test_the_configuration_is_valid_and_finds_its_rules() -> None:
    done = promtool("check", "config", FOLDER / "prometheus.yml")
    assert done.returncode == 0, done.stdout
    assert f"{len(RULES)} rule files found" in done.stdout


@pytest.mark.parametrize("name", RULES)
def test_the_rules_are_valid_and_none_is_there_twice(name: str) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", FOLDER / name)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_do_what_their_unit_tests_say(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_fired_by_one_unit_test_and_not_by_another(alert: str) -> None:
    fired = [
        any(case["exp_alerts"] for case in own)
        for test in unit_tests()
        if (own := [c for c in test.get("alert_rule_test", ()) if c["alertname"] == alert])
    ]
    assert True in fired
    assert False in fired


@pytest.mark.parametrize("record", RECORDS)
def test_a_recorded_series_is_in_a_unit_test_that_expects_a_value(record: str) -> None:
    cases = [case for test in unit_tests() for case in test.get("promql_expr_test", ())]
    own = [case for case in cases if record in case["expr"]]
    assert any(case["exp_samples"] for case in own)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_what_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    url, anchor = rule["annotations"]["runbook_url"].split("#")
    assert url == runbook.URL
    assert f'id="{anchor}"' in runbook.PAGE.read_text()
    section = headings()[anchor]
    assert [word for word in ("Means", "Look at", "Do") if f"**{word}:**" not in section] == []


def test_the_runbook_knows_no_other_alerts() -> None:
    assert set(headings()) == {alert.lower() for alert in ALERTS}


def test_links_within_the_runbook_lead_somewhere() -> None:
    linked = {
        anchor for body in headings().values() for anchor in re.findall(r"\]\(#(.+?)\)", body)
    }
    assert linked <= set(headings())


def test_the_runbooks_page_is_that_of_the_docs() -> None:
    built = runbook.page(runbook.SOURCE.read_text())
    assert runbook.PAGE.read_text() == built, "python -m monitoring.runbook"


def test_an_alerts_link_leads_to_its_section(tmp_path: Path) -> None:
    rule = {**ALERTS["IrlModelPinned"], "expr": "vector(7)", "for": "0s"}
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]})
    )
    config = yaml.safe_dump(
        {"global": {"evaluation_interval": "1s"}, "rule_files": [str(tmp_path / "rules.yml")]}
    )
    with PrometheusServer(config, f"--web.console.templates={runbook.CONSOLES}") as server:
        wait_until(lambda: bool(server.api("alerts")["alerts"]), "the alert", START_TIMEOUT)
        [alert] = server.api("alerts")["alerts"]
        link = alert["annotations"]["runbook_url"]
        assert link == f"{server.url}/consoles/runbook.html#irlmodelpinned"
        with urllib.request.urlopen(link, timeout=START_TIMEOUT) as answer:  # noqa: S310
            shown = answer.read().decode()
    assert '<h2 id="irlmodelpinned">IrlModelPinned</h2>' in shown
    assert "{{" not in shown


def test_a_runbook_published_elsewhere_may_be_linked_to() -> None:
    there = runbook.linked(runbook.RULES.read_text(), "https://docs.example/runbook/")
    links = re.findall(r"runbook_url: (.+)", there)
    assert len(links) == len(ALERTS)
    assert {link.strip('"').split("#")[0] for link in links} == {"https://docs.example/runbook/"}
    assert runbook.linked(there, runbook.URL) == runbook.RULES.read_text()
