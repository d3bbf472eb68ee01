"""Test the endpoints on rate plans."""

from __future__ import annotations

from typing import Any

import pytest

from flask_irl.operations import Operations
from tests.admin.api import Caller, moment, problem_of
from tests.conftest import Clock

CLIENT = "203.0.113.7"
MONTH = 30 * 86_400


@pytest.fixture
def ask(ask: Caller) -> Caller:
    plans = {"free": "60/minute", "pro": "600/minute;20000/day"}
    assert ask("PUT", "/admin/plans", json={"plans": plans}).status_code == 200
    return ask


def test_plans_are_shown_and_changed(ask: Caller) -> None:
    body = {"plans": {"free": "90/minute"}, "default_plan": "free"}
    changed = ask("PUT", "/admin/plans", json=body).json
    assert changed == ask("GET", "/admin/plans").json
    assert changed == {
        "plans": [
            {"plan": "free", "limits": ["90 per 60 seconds"], "configured": None, "assigned": 0},
            {
                "plan": "pro",
                "limits": ["600 per 60 seconds", "20000 per 86400 seconds"],
                "configured": None,
                "assigned": 0,
            },
        ],
        "default_plan": "free",
    }


def test_a_client_is_assigned_a_plan_listed_and_left_to_itself_again(
    ask: Caller, clock: Clock
) -> None:
    path = f"/admin/client/{CLIENT}/plan"
    body = {"plan": "pro", "seconds": MONTH, "reason": "Trial."}
    entry = {
        **{"client": CLIENT, "plan": "pro", "until": moment(clock() + MONTH)},
        **{"reason": "Trial.", "who": "oncall"},
    }
    assert ask("PUT", path, json=body).json == entry
    assert ask("GET", "/admin/plans/clients").json["clients"] == [entry]
    assert ask("GET", "/admin/plans").json["plans"][1]["assigned"] == 1
    problem_of(ask("PUT", "/admin/plans", json={"plans": {"pro": None}}), 422)
    assert ask("DELETE", path).json == {"client": CLIENT, "removed": True}
    problem_of(ask("DELETE", path), 404)


@pytest.mark.parametrize("path", ["plan", "override"])
def test_an_end_may_be_given_instead_of_a_time(ask: Caller, clock: Clock, path: str) -> None:
    body: dict[str, Any] = {"plan": "pro"} if path == "plan" else {"kind": "allow"}
    url, until = f"/admin/client/{CLIENT}/{path}", moment(clock() + 500)
    assert ask("PUT", url, json={**body, "until": until}).json["until"] == until
    for wrong in (moment(clock() - 500), "2026-12-31", "2099-01-01T00:00:00", "soon", "9" * 400):
        problem_of(ask("PUT", url, json={**body, "until": wrong}), 422)
    problem_of(ask("PUT", url, json={**body, "until": until, "seconds": 5}), 422)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("client/c/plan", {"plan": "gold"}, "there are: free, pro"),
        ("client/c/plan", {}, "plan"),
        ("client/c/plan", {"plan": "pro", "seconds": 1e9}, "seconds"),
        ("client/192.0.2.0%2F24/plan", {"plan": "pro"}, "is a network"),
        ("plans", {}, "Give at least one of"),
        ("plans", {"plans": {"a b": "1/minute"}}, "no name of a plan"),
        ("plans", {"plans": {"a": "lots"}}, "a: limit 'lots'"),
        ("plans", {"plans": {"a": 5}}, "a"),
        ("plans", {"default_plan": "gold"}, "there are: free, pro"),
    ],
)
def test_wrong_values_are_refused_and_named(
    ask: Caller, operations: Operations, path: str, body: Any, named: str
) -> None:
    before = operations.audit.entries()[1]
    assert named in problem_of(ask("PUT", f"/admin/{path}", json=body), 422)["detail"]
    assert operations.audit.entries()[1] == before
