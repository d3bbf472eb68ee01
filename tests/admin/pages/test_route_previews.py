"""Test that the operator's page tells what other limits of routes would have refused."""

from __future__ import annotations

import pytest

from flask_irl.limits.limit import parse_limits
from flask_irl.limits.route_scope import RouteScope
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import READ, make_app
from tests.admin.pages.visitor import Visitor
from tests.conftest import Clock
from tests.operations.test_route_previews import keep
from tests.operations.worker import Worker

HTML = "<i>x</i>"
SCOPES = (
    RouteScope("login", (("GET", "/login"), ("POST", "/login")), parse_limits("100/minute")),
    RouteScope("shared:api", tuple(("GET", f"/{n}") for n in range(5))),
    RouteScope("odd", (("GET", f"/{HTML}"),), unknown="counts refusals"),
    RouteScope(HTML, (("GET", f"/{HTML}"),)),
)


@pytest.fixture
def worker(clock: Clock) -> Worker:
    found = Worker(MemoryStore(clock=clock), {})
    for client, count in (("a", 50), ("b", 30)):
        keep(found, client, count)
    return found


@pytest.fixture
def visitor(worker: Worker) -> Visitor:
    return Visitor(make_app(worker.operations, scopes=lambda: SCOPES), READ)


def test_a_preview_tells_whom_it_would_have_refused(visitor: Visitor) -> None:
    text = visitor.open("/limits?scope=login&limits=35/minute").text
    told = "Of 2 clients, <strong>1</strong> would have been refused <strong>15 requests</strong>"
    assert told in text
    assert "with what is in force it is 0 clients and 0 requests" in text
    assert "id=a" in text
    assert "id=b" not in text
    assert "whose course on them is kept" in text
    assert "Of the 2 routes that count together, courses are kept of 1" in text
    assert '<option value="login" selected>GET, POST /login: 100 per 60 seconds</option>' in text
    assert 'value="35/minute"' in text


def test_scopes_are_named_by_their_routes(visitor: Visitor) -> None:
    text = visitor.open("/limits").text
    assert ">GET /0; GET /1; GET /2; and 2 more (shared): no limit</option>" in text
    assert "1 limit of routes has no preview" in text
    assert "it counts refusals" in text
    assert "would have been refused" not in text
    assert HTML not in text


def test_what_nobody_knows_is_told(visitor: Visitor) -> None:
    text = visitor.open("/limits?scope=shared:api&limits=5/minute").text
    assert "No course is kept of any client on these routes" in text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("scope=login&limits=a+lot", "a lot"),
        ("scope=login", "can&#39;t be read"),
        ("scope=odd&limits=5/minute", "it counts refusals."),
        ("scope=gone&limits=5/minute", "There are no such routes any more."),
        ("limits=5/minute", "There are no such routes any more."),
    ],
)
def test_what_can_not_be_told_says_why(visitor: Visitor, query: str, told: str) -> None:
    answer = visitor.open(f"/limits?{query}")
    assert answer.status_code == 200
    assert told in answer.text.partition('role="alert"')[2].partition("</p>")[0]


def test_without_routes_there_is_no_form(worker: Worker) -> None:
    assert "Other limits of routes" not in Visitor(make_app(worker.operations)).open("/limits").text
