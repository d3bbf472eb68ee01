"""Test that the operator's page changes plans and assigns them, after a preview."""

from __future__ import annotations

import pytest

from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import make_app
from tests.admin.pages.visitor import Visitor, notice
from tests.conftest import Clock
from tests.operations.test_what_if import keep
from tests.operations.worker import Worker


@pytest.fixture
def planned(clock: Clock) -> Worker:
    """Make a worker with two plans."""
    worker = Worker(MemoryStore(clock=clock), {"plans": {"free": "20/minute", "pro": "100/minute"}})
    for client in ("a", "b"):
        keep(worker, client, 50, 30)
    return worker


def plan_form(limits: str, **more: object) -> dict[str, object]:
    return {"action": "plan", "plan": "free", "limits": limits, **more}


def test_a_plan_is_previewed_changed_and_undone(planned: Worker, clock: Clock) -> None:
    planned.operations.plans.assign("a", "free", seconds=6000, reason="", who="ada")
    clock.advance(1)
    visitor = Visitor(make_app(planned.operations))
    assert "20 per 60 seconds" in visitor.open("/limits").text
    asked = visitor.send("/limits", plan_form("40/minute;1000/day"))
    told = "Of 1 client, <strong>1</strong> would have been refused <strong>10 requests</strong>"
    assert told in asked.text
    assert "it is 1 client and 40 requests" in asked.text
    assert "id=a" in asked.text
    assert "plan only the app tells belongs to it if it counts under it now" in asked.text
    answer = visitor.change("/limits", plan_form("40/minute;1000/day", sure=1))
    assert notice(answer).startswith("Changed: free 40 per 60 seconds/1000 per 86400 seconds")
    [free, _] = planned.operations.plans.read()["plans"]
    assert free["limits"] == ["40 per 60 seconds", "1000 per 86400 seconds"]
    clock.advance(1)
    undone = visitor.undo(answer)
    assert undone.request.path == "/admin/page/limits"
    assert notice(undone) == "Changed: free 20 per 60 seconds, default plan none."
    [free, _] = planned.operations.plans.read()["plans"]
    assert free["limits"] == ["20 per 60 seconds"]
    assert planned.operations.status.read()["changed"] == {}


@pytest.mark.parametrize(
    ("plan", "limits", "status"),
    [("free", "20/minute", 400), ("free", "a lot", 422), ("gold", "5/minute", 422), ("", "", 422)],
)
def test_a_plan_that_is_none_is_told(planned: Worker, plan: str, limits: str, status: int) -> None:
    visitor = Visitor(make_app(planned.operations))
    form = {"action": "plan", "plan": plan, "limits": limits}
    assert visitor.send("/limits", form).status_code == status


def test_a_plan_is_assigned_after_a_preview_and_undone(planned: Worker, clock: Clock) -> None:
    visitor = Visitor(make_app(planned.operations))
    form = {"id": "a", "action": "plan", "plan": "pro", "seconds": 600, "reason": "trial"}
    asked = visitor.send("/client", form)
    assert "Of its 80 requests in the last 24 hours, plan pro would have refused" in asked.text
    assert "<strong>0</strong>; the base limit would have refused 60." in asked.text
    assert planned.operations.plans.assigned()[1] == 0
    answer = visitor.change("/client", {**form, "sure": 1})
    assert notice(answer).startswith("a has plan pro until ")
    assert planned.operations.plans.assigned()[1] == 1
    clock.advance(1)
    undone = visitor.undo(answer)
    assert undone.request.path == "/admin/page/client"
    assert notice(undone) == "The plan assigned to a is taken back."
    assert planned.operations.plans.assigned()[1] == 0
    assert visitor.send("/client", {"id": "a", "action": "unassign"}).status_code == 404
    assert visitor.send("/client", {**form, "plan": "gold"}).status_code == 422
    assert "No course of it is kept" in visitor.send("/client", {**form, "id": "z"}).text


def test_an_assignment_comes_back_with_its_end_and_reason(planned: Worker, clock: Clock) -> None:
    plans = planned.operations.plans
    first = plans.assign("a", "pro", seconds=600, reason="trial", who="ada")
    clock.advance(1)
    visitor = Visitor(make_app(planned.operations))
    planned.ask("a")
    planned.limiter.flush()
    text = visitor.open("/client?id=a").text
    assert "Plan pro until" in text
    assert "by ada: <q><bdi>trial</bdi></q>" in text
    answer = visitor.change("/client", {"id": "a", "action": "unassign"})
    assert notice(answer) == "The plan assigned to a is taken back."
    clock.advance(1)
    visitor.undo(answer)
    [found] = plans.assigned()[0]
    assert (found["plan"], found["until"], found["reason"]) == ("pro", first["until"], "trial")
