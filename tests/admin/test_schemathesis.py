"""Try requests made up from the OpenAPI document: no 500, and no answer that it doesn't have."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
import schemathesis
from flask import Flask, Response, request
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import allow_header_conformance, positive_data_acceptance

from flask_irl import IntelligentLimiter
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.override import Override
from flask_irl.model.detectors import Detector
from flask_irl.operations import Operations
from flask_irl.stores.state import Update
from flask_irl.training.fit import fit_here
from flask_irl.training.training_set import TrainingSet
from flask_irl.web.state import state_of
from tests.admin.api import WRITE

EXAMPLES = 40
"""For each operation, beside those that schemathesis always tries."""
OPERATIONS = 37
TOLD_BY_NO_DOCUMENT = (
    *("/plans", "/plan", "/override", "/end", "/admin/clients"),
    *("/api-keys", "/api-keys/{key}"),
)
"""Ends of paths whose bodies or queries are well formed, and yet refused: a plan that there is not,
a moment that is past."""
Answered = Counter[tuple[str, int]]
"""How often each operation answered with which status."""
KNOWN = ("203.0.113.7", "2001:db8:0:7::/64", "user/7", "\u00fc", "ann@example.com", "flagged")
"""Every other one has an override."""


class Site:
    """Hold an app with a limiter, some clients that are always there, and two models."""

    def __init__(self) -> None:
        self.app = Flask("site")
        IntelligentLimiter(
            self.app,
            storage_uri="memory://",
            background=False,
            min_clients=1,
            admin_token=WRITE,
            api_keys=True,
            api_key_secret="a secret of the tests",
        )
        self.engine: Limiter = state_of(self.app).limiter
        self.engine.trainer._fit = self._fit
        self._detector: Detector | None = None
        self.keys: list[str] = []

    def learn(self) -> None:
        """Train two models, when first asked to."""
        if self._detector is not None:
            return
        for number in range(12):
            for _ in range(8):
                self._visit(f"learner-{number}")
        for _ in range(2):
            assert self.engine.train().result == "accepted"

    def populate(self) -> None:
        """Make the known clients known again."""
        for client in KNOWN:
            self._visit(client)
        keys = Operations(self.engine).api_keys
        self.keys = [keys.issue(name="a", owner="acme", who="ada")["id"]]
        store = self.engine.store
        for client in KNOWN[::2]:
            store.set_override(client, Override("limit", store.now() + 600, 5), 600)
        [state] = store.load(["flagged"])
        assert state is not None
        if state.step == 0:
            update = Update("flagged", state.revision, 1, -0.9, state.profile)
            store.save([update], 600)

    def _visit(self, client: str) -> None:
        engine = self.engine
        decision = engine.decide(engine.plan(()), (client,))
        engine.observe(decision, route="/", path=7, method="GET", status=200, size=512)

    def _fit(self, training_set: TrainingSet) -> Detector:
        """Train once: a training takes half a second, and all have the same result."""
        if self._detector is None:
            self._detector = fit_here(training_set)
        return self._detector


def serve(app: Flask, answered: Answered) -> Any:
    """Load the document of an app, and count its responses."""
    numbers = itertools.count()
    wsgi_app = app.wsgi_app

    def from_anywhere(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Else the wrong tokens that are tried would have all of them refused.
        number = next(numbers)
        environ["REMOTE_ADDR"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return wsgi_app(environ, start_response)

    def count(response: Response) -> Response:
        answered[(request.endpoint or "").removeprefix("irl_admin."), response.status_code] += 1
        return response

    app.wsgi_app = from_anywhere  # type: ignore[method-assign]
    app.after_request(count)
    schema = schemathesis.openapi.from_wsgi("/admin/openapi.json", app)
    # The token comes from here.
    schema.config.generation.update(with_security_parameters=False)
    return schema


def serve_site(site: Site, answered: Answered) -> Any:
    """Load the document of a site; most ids and versions are known ones."""
    schema = serve(site.app, answered)

    @schema.hook  # type: ignore[untyped-decorator]
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        parameters = dict(path_parameters or {})
        for name, known in (
            ("id", KNOWN),
            ("version", (1, 2)),
            ("key", site.keys),
        ):
            number = zlib.crc32(repr(parameters.get(name)).encode())
            if name in parameters and number % 4:
                parameters[name] = known[number // 2 % len(known)]
        return parameters

    @schema.hook  # type: ignore[untyped-decorator]
    def map_body(context: Any, body: Any) -> Any:
        # No text that is made up is the name of a key's plan.
        keyed = isinstance(body, dict) and "plan" in body and "/api-keys" in context.operation.path
        if keyed and isinstance(body["plan"], str):
            return {**body, "plan": None}
        return body

    return schema


answered: Answered = Counter()
site = Site()
api = serve_site(site, answered)
tried = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_all_operations_are_tried(request: pytest.FixtureRequest) -> None:
    assert len(list(api.get_all_operations())) == OPERATIONS
    # Of several tests of one id pytest-xdist would run one.
    names = [item.nodeid for item in request.session.items]
    assert len(set(names)) == len(names)


@api.parametrize()  # type: ignore[untyped-decorator]
@tried
def test_answers_are_as_documented(case: schemathesis.Case[Any]) -> None:
    site.learn()
    site.populate()
    # Slashes belong to ids: GET of /client/a/feedback is about the client a/feedback.
    excluded = [allow_header_conformance]
    if case.operation.path.endswith(TOLD_BY_NO_DOCUMENT) and case.method != "DELETE":
        excluded.append(positive_data_acceptance)
    case.call_and_validate(headers={"Authorization": f"Bearer {WRITE}"}, excluded_checks=excluded)


def test_what_was_tried_was_answered_not_only_refused() -> None:
    tried = {name for name, _ in answered} - {"unknown"}
    done = {name for name, status in answered if status < 300}
    assert tried - done == set()
