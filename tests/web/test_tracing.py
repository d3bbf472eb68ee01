"""Decisions on the spans of OpenTelemetry's own instrumentations."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flask_irl import IntelligentLimiter
from flask_irl.stores.state import Update
from flask_irl.web.observer import Observer
from flask_irl.web.state import state_of
from flask_irl.web.tracing import TRACERS
from tests.recorder import Recorder


class Spans:
    """Keep what is exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def attributes(self) -> list[Mapping[str, Any]]:
        return [span.attributes or {} for span in self.exporter.get_finished_spans()]

    def of(self, name: str) -> list[Any]:
        return [attributes.get(name) for attributes in self.attributes]


@pytest.fixture
def spans() -> Spans:
    return Spans()


def limited(app: Flask, **options: Any) -> IntelligentLimiter:
    options = {"admin": False, "background": False, "storage_uri": "memory://", **options}
    return IntelligentLimiter(app, **options)


def test_a_span_of_flasks_instrumentation_shows_outcome_and_score(spans: Spans) -> None:
    app = Flask("site")
    FlaskInstrumentor().instrument_app(app, tracer_provider=spans.provider)
    limited(app, base_limit=10)
    app.add_url_rule("/x", "x", lambda: "")
    app.test_client().get("/x")
    store = state_of(app).limiter.store
    (known,) = store.load(["127.0.0.1"])
    assert known is not None
    store.save([Update("127.0.0.1", known.revision, 1, -0.75, known.profile)], 600)
    answers = [app.test_client().get("/x").status_code for _ in range(4)]
    assert answers == [200, 200, 429, 429]
    assert spans.of("irl.outcome") == ["allowed"] * 3 + ["limited"] * 2
    assert spans.of("irl.score") == [0.0, *[-0.75] * 4]
    assert spans.of("http.status_code")[-1] == 429


def test_a_span_around_the_app_shows_refusals_in_front_of_flask(spans: Spans) -> None:
    app = Flask("site")
    listener = Recorder()
    limited(app, base_limit=1, listener=listener)
    app.add_url_rule("/x", "x", lambda: "")
    reached: list[int] = []
    app.teardown_request(lambda error: reached.append(1))
    traced = OpenTelemetryMiddleware(app.wsgi_app, tracer_provider=spans.provider)
    app.wsgi_app = traced  # type: ignore[method-assign]
    for _ in range(4):
        app.test_client().get("/x")
    assert spans.of("irl.outcome") == listener.outcomes == ["allowed", *["limited"] * 3]
    assert len(reached) == 2


def test_without_a_span_nothing_is_noted_and_the_app_goes_on() -> None:
    app = Flask("site")
    listener = Recorder()
    limited(app, listener=listener)
    app.add_url_rule("/x", "x", lambda: "")
    assert app.test_client().get("/x").status_code == 200
    assert (listener.outcomes, listener.swallowed_at) == (["allowed"], [])


def test_an_exempt_request_has_a_span_without_an_outcome(spans: Spans) -> None:
    app = Flask("site")
    FlaskInstrumentor().instrument_app(app, tracer_provider=spans.provider)
    app.add_url_rule("/x", "x", limited(app).exempt(lambda: ""))
    app.test_client().get("/x")
    assert spans.of("irl.outcome") == [None]


def test_an_app_that_traces_nothing_pays_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # What redis-py imports of OpenTelemetry wherever it is installed stays.
    for name in [name for name in sys.modules if name.startswith(TRACERS)]:
        monkeypatch.delitem(sys.modules, name)
    app = Flask("site")
    limited(app)
    assert "opentelemetry.trace" in sys.modules
    assert type(state_of(app).observer) is Observer
    assert not [name for name in sys.modules if name.startswith(TRACERS)]
