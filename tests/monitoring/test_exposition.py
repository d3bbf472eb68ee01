"""``/metrics`` of the demo app: bounded, by name, of one process and of several."""

from __future__ import annotations

import os
import random
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from demo_app import create_app
from flask_irl.web.state import state_of

ROOT = Path(__file__).parents[2]
ODD_REQUESTS = 4000
AT_ONCE = 500
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "BASE_LIMIT", "WINDOW_SECONDS", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app() -> Iterator[Flask]:
    made = create_app({"IRL_BACKGROUND": False})
    yield made
    state_of(made).limiter.close()


def series(text: str) -> set[str]:
    """The series of an exposition: names and labels, without values."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def odd_word(dice: random.Random) -> str:
    return "".join(dice.choices(string.ascii_letters + string.digits + "._~%&=é", k=9))


def odd_requests(app: Flask, dice: random.Random, number: int) -> None:
    """Requests with invented paths, queries, methods, hosts, keys and agents."""
    client = app.test_client()
    for _ in range(number):
        word = odd_word(dice)
        path = dice.choice(("/", "/api/data", "/api/items/", "/static/", "/metrics/", "/admin/"))
        client.open(
            path + (word if dice.random() < 0.7 else ""),
            method=dice.choice(METHODS) if dice.random() < 0.5 else word[:5].encode().hex().upper(),
            query_string={word: word},
            headers={
                "Host": f"{dice.getrandbits(40):x}.example:{dice.randrange(1, 65_536)}",
                "X-API-Key": f"{word}{dice.randrange(50)}",
                "User-Agent": word,
                "X-Forwarded-For": word,
            },
        )


@pytest.mark.slow
def test_thousands_of_odd_requests_add_no_more_series_than_a_few_hundred(app: Flask) -> None:
    dice = random.Random(5)
    odd_requests(app, dice, AT_ONCE)
    few = series(app.test_client().get("/metrics").text)
    odd_requests(app, dice, ODD_REQUESTS - AT_ONCE)
    many = series(app.test_client().get("/metrics").text)
    # What the first few hundred left to chance is a pair of method and status now and then.
    assert len(many) < len(few) * 1.3
    assert len(many) < 3000


def test_all_labels_are_words_of_ours(app: Flask) -> None:
    odd_requests(app, random.Random(6), AT_ONCE)
    text = app.test_client().get("/metrics").text
    rules = {str(rule) for rule in app.url_map.iter_rules()}
    assert set(re.findall(r'route="([^"]*)"', text)) <= rules | {"unmatched"}
    assert set(re.findall(r'method="([^"]*)"', text)) <= {*METHODS, "other"}
    names = set(re.findall(r'[{,](\w+)="', text))
    assert names == {
        "le",
        "route",
        "outcome",
        "method",
        "status",
        "kind",
        "result",
        "version",
        "job",
        "reason",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_the_metrics_leaves_no_trace_in_them(app: Flask, method: str) -> None:
    client = app.test_client()
    for _ in range(3):
        client.open("/metrics", method=method)
    text = client.get("/metrics").text
    assert 'route="/metrics"' not in text
    counted = re.findall(r"^(?:irl_requests|flask_http_request)_total.*", text, re.MULTILINE)
    assert counted == []


@pytest.mark.parametrize(("early", "seen_by_flask"), [(True, 4), (False, 9)])
def test_refusals_in_front_of_flask_are_in_the_limiters_metrics_alone(
    early: bool, seen_by_flask: int
) -> None:
    app = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 3, "IRL_EARLY_REFUSALS": early})
    client = app.test_client()
    statuses = [client.get("/api/data").status_code for _ in range(9)]
    assert statuses == [200] * 3 + [429] * 6
    text = client.get("/metrics").text
    state_of(app).limiter.close()
    assert 'irl_requests_total{outcome="limited",route="/api/data"} 6.0' in text
    flask = re.findall(r"^flask_http_request_total\{.*\} (\S+)$", text, re.MULTILINE)
    assert sum(map(float, flask)) == seen_by_flask


SHOWN = """
import sys
from demo_app import create_app
client = create_app({"IRL_BACKGROUND": False}).test_client()
client.get("/api/data")
for query in sys.argv[1:]:
    answer = client.get("/metrics" + query)
    print(answer.status_code, answer.text, sep="\\n", end="\\f")
"""
QUERIES = {
    "one counter": "?name[]=irl_requests_total",
    "one gauge": "?name[]=irl_store_fallback",
    "part of a histogram": "?name[]=irl_decision_seconds_count",
    "two": "?name[]=irl_requests_total&name[]=flask_http_request_total",
    "one of two unknown": "?name[]=irl_requests_total&name[]=nothing",
    "unknown": "?name[]=nothing",
    "empty": "?name[]=",
}


def shown(code: str, *arguments: str, folder: Path | None = None) -> str:
    """What a process of its own prints, in multiprocess mode if there is a folder."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    if folder is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
def test_metrics_by_name_are_the_same_of_one_process_as_of_several(tmp_path: Path) -> None:
    alone = shown(SHOWN, *QUERIES.values()).split("\f")
    together = shown(SHOWN, *QUERIES.values(), folder=tmp_path).split("\f")
    by_query = dict(zip(QUERIES, alone, strict=False))
    assert {name: answer.split("\n")[0] for name, answer in by_query.items()} == dict.fromkeys(
        QUERIES, "200"
    )
    found = {name: series(answer.partition("\n")[2]) for name, answer in by_query.items()}
    assert found == {
        name: series(answer.partition("\n")[2])
        for name, answer in zip(QUERIES, together, strict=False)
    }
    sample = 'irl_requests_total{outcome="allowed",route="/api/data"}'
    assert found["one counter"] == found["one of two unknown"] == {sample}
    assert found["one gauge"] == {"irl_store_fallback"}
    assert found["part of a histogram"] == {"irl_decision_seconds_count"}
    assert found["two"] == {sample, 'flask_http_request_total{method="GET",status="200"}'}
    assert found["unknown"] == found["empty"] == set()


TWO_APPS = """
from demo_app import create_app
one, other = (create_app({"IRL_BACKGROUND": False}).test_client() for _ in range(2))
for _ in range(5):
    one.get("/api/data")
for _ in range(2):
    other.get("/api/data")
one.get("/api/data")
for client in (one, other):
    print(client.get("/metrics").text, end="\\f")
"""


@pytest.mark.integration
def test_two_apps_of_a_process_count_apart_or_add_up_and_never_over_each_other(
    tmp_path: Path,
) -> None:
    counters = (
        'irl_requests_total{outcome="allowed",route="/api/data"}',
        'flask_http_request_total{method="GET",status="200"}',
        'flask_http_request_duration_seconds_count{method="GET",route="/api/data",status="200"}',
    )
    for folder, expected in ((None, (6, 2)), (tmp_path, (8, 8))):
        pages = shown(TWO_APPS, folder=folder).split("\f")
        for page, requests in zip(pages, expected, strict=False):
            assert [c for c in counters if f"{c} {requests}.0" not in page.splitlines()] == []


COMMAND = """
from prometheus_client import CollectorRegistry
from flask_irl.telemetry.prometheus import PrometheusListener
from flask_irl.telemetry.events import StoreLost, TrainingEnded

listener = PrometheusListener(CollectorRegistry())
listener.notify(StoreLost("refused"))
listener.notify(TrainingEnded("accepted", 1.0))
"""


@pytest.mark.integration
def test_a_command_that_ended_leaves_its_counts_but_no_gauge(tmp_path: Path) -> None:
    shown(COMMAND, folder=tmp_path)
    text = shown(SHOWN, "", folder=tmp_path)
    assert 'irl_model_trainings_total{result="accepted"} 1.0' in text
    assert "irl_store_fallback 0.0" in text
