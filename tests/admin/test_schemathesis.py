"""Requests made up from the OpenAPI document: no 500, and no answer that it doesn't tell of."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import schemathesis
from flask import Response, request
from hypothesis import HealthCheck, settings

from tests.admin.api import WRITE, make_app
from tests.admin.fakes import FakeOperations

EXAMPLES = 40
"""For each operation, beside those that schemathesis always tries."""
answered: Counter[tuple[str, int]] = Counter()
"""How often each operation answered with which status."""


class HalfOfAll(set[str]):
    """Holds half of all texts."""

    def __contains__(self, client: object) -> bool:
        # GET of an override's path asks for a client of that name: none has it.
        path = str(client)
        return zlib.crc32(path.encode()) % 2 == 0 and not path.endswith(("/override", "/feedback"))


class ManyClients(FakeOperations):
    """Knows half of all clients, and has overrides of them."""

    def __init__(self) -> None:
        super().__init__()
        self.known = HalfOfAll()

    def clear_override(self, client: str, who: str) -> bool:
        return super().clear_override(client, who) or client in self.known


def load_schema() -> Any:
    """The document of an app that knows every other client."""
    app = make_app(ManyClients())
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


schema = load_schema()


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {WRITE}"})


def test_what_was_tried_was_answered_not_only_refused() -> None:
    tried = {name for name, _ in answered} - {"unknown"}
    done = {name for name, status in answered if status < 300}
    assert tried - done == set()
