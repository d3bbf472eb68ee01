"""Requests made up from the OpenAPI document: no 500, and no answer that it doesn't tell of."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings

from tests.admin.api import WRITE, make_app
from tests.admin.fakes import FakeOperations


schema = schemathesis.openapi.from_wsgi("/admin/openapi.json", make_app(FakeOperations()))


@schema.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {WRITE}"})
