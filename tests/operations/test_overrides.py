"""Test overrides, with each kind of store."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.limits.override import MAX_SECONDS
from flask_irl.operations import MAX_REASON
from flask_irl.operations.results import OverrideResult
from tests.operations.worker import ADA, Site, Worker, override


@pytest.mark.parametrize(("kind", "admitted"), [("allow", 12), ("block", 0), ("limit", 2)])
def test_an_override_decides_until_it_ends(
    site: Site, here: Worker, kind: str, admitted: int
) -> None:
    override(here, kind)
    assert here.admitted(12) == admitted
    site.clock.advance(600)
    assert here.admitted(12) == 10


@pytest.mark.parametrize(("kind", "amount"), [("allow", 0), ("limit", 11)])
def test_an_override_lets_in_who_was_just_refused(here: Worker, kind: str, amount: int) -> None:
    here.admitted(12)
    override(here, kind, amount=amount)
    assert here.ask().admitted


def test_an_override_holds_over_a_verdict(here: Worker) -> None:
    here.ask()
    here.flag()
    override(here, "limit", amount=8)
    assert here.ask().limit == 8


def test_a_blocked_client_is_told_when_to_come_back(site: Site, here: Worker) -> None:
    override(here, "block", seconds=90)
    decision = here.ask()
    assert decision.outcome == "blocked"
    assert decision.retry_after == pytest.approx(90, abs=1e-5)


def test_an_override_holds_in_every_worker(site: Site, here: Worker) -> None:
    there = site.worker()
    assert there.admitted(12) == 10
    override(here, "allow")
    there.limiter.refresh()
    assert there.admitted(5) == 5
    override(here, "block")
    assert there.admitted(5) == 0


def test_an_override_outlives_the_reset_of_its_client(here: Worker) -> None:
    here.ask()
    override(here, "block")
    assert here.operations.clients.reset("c", ADA)
    assert here.admitted(3) == 0


def test_an_override_of_nobody_known_is_shown(site: Site, here: Worker) -> None:
    override(here, "block", "new")
    found = here.operations.clients.describe("new")
    assert found is not None
    assert found["override"] == {
        **{"kind": "block", "until": site.clock() + 600, "amount": 0},
        **{"reason": "", "who": ADA},
    }
    assert (found["requests"], found["last_seen"]) == (0, 0.0)


def test_an_override_that_ended_is_one_no_more(site: Site, here: Worker) -> None:
    override(here, "block", seconds=60)
    here.ask()
    site.clock.advance(60)
    found = here.operations.clients.describe("c")
    assert found is not None
    assert found["override"] is None
    assert not here.operations.overrides.clear("c", ADA)
    override(here, "allow")
    assert here.audited()[0]["before"] is None


def test_an_override_is_audited_with_its_reason(site: Site, here: Worker) -> None:
    override(here, "block")
    given = override(here, "limit", amount=7, seconds=90, reason="Too keen.", who="bob")
    until = site.clock() + 90
    assert given == {
        **{"client": "c", "kind": "limit", "amount": 7, "until": until},
        **{"reason": "Too keen.", "who": "bob", "known": True},
    }
    entry = here.audited()[0]
    assert (entry["who"], entry["action"], entry["target"]) == ("bob", "override", "c")
    assert entry["before"] == {"kind": "block", "until": site.clock() + 600, "amount": 0}
    assert entry["after"] == {"kind": "limit", "until": until, "amount": 7}
    assert entry["reason"] == "Too keen."


def test_an_override_is_shown_with_who_said_so_and_why(here: Worker) -> None:
    override(here, "block", reason="Scrapes.", who="bob")
    override(here, "limit", "other", reason="Another's.")
    here.operations.clients.feedback("c", "abuse", ADA)
    current = override_of(here)
    assert (current["reason"], current["who"]) == ("Scrapes.", "bob")
    override(here, "allow")
    current = override_of(here)
    assert (current["reason"], current["who"]) == ("", ADA)


def test_an_override_is_shown_even_if_the_audit_log_forgot_it(
    here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    override(here, "block", reason="Scrapes.")
    monkeypatch.setattr(here.store, "audit", lambda offset, count: ([], 0))
    current = override_of(here)
    assert (current["kind"], current["who"]) == ("block", None)


def override_of(worker: Worker) -> OverrideResult:
    """Describe the override of the client ``c``."""
    result = worker.operations.clients.describe("c")
    assert result is not None
    assert result["override"] is not None
    return result["override"]


def overridden(worker: Worker) -> tuple[list[tuple[str, str | None]], int]:
    """List the clients with an override, and count them."""
    entries, total = worker.operations.clients.ranked(order="overridden")
    return [(entry["client"], entry["override"]) for entry in entries], total


def test_clients_with_an_override_are_listed_until_it_ends(site: Site, here: Worker) -> None:
    here.ask("without")
    here.limiter.flush()
    override(here, "block", "short", seconds=60)
    override(here, "allow", "long", seconds=900)
    override(here, "limit", "cleared")
    assert overridden(here) == (
        [("long", "allow"), ("cleared", "limit"), ("short", "block")],
        3,
    )
    here.operations.overrides.clear("cleared", ADA)
    assert overridden(here) == ([("long", "allow"), ("short", "block")], 2)
    # An override outlives a reset, and so does its place here.
    here.operations.clients.reset("long", ADA)
    site.clock.advance(60)
    assert overridden(here) == ([("long", "allow")], 1)


def test_any_list_tells_who_has_an_override(here: Worker) -> None:
    here.ask("c")
    here.ask("free")
    here.limiter.flush()
    override(here, "block")
    entries, _ = here.operations.clients.ranked()
    assert {entry["client"]: entry["override"] for entry in entries} == {"c": "block", "free": None}


def test_a_cleared_override_decides_no_more(site: Site, here: Worker) -> None:
    override(here, "block")
    assert here.admitted(2) == 0
    assert here.operations.overrides.clear("c", ADA)
    assert here.admitted(2) == 2
    entry = here.audited()[0]
    assert (entry["who"], entry["action"], entry["target"]) == (ADA, "clear", "c")
    assert entry["before"] == {"kind": "block", "until": site.clock() + 600, "amount": 0}


def test_where_there_is_no_override_none_is_cleared(here: Worker) -> None:
    here.ask("known")
    assert not here.operations.overrides.clear("known", ADA)
    assert not here.operations.overrides.clear("unknown", ADA)
    assert here.audited() == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kind": "deny"}, "kind is 'deny'"),
        ({"amount": 5}, "amount is 5"),
        ({"kind": "limit", "amount": 0}, "amount is 0"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": -1}, "seconds is -1"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"seconds": MAX_SECONDS + 1}, "seconds is"),
        ({"reason": "x" * (MAX_REASON + 1)}, "reason is too long"),
    ],
)
def test_an_override_that_is_not_allowed_changes_nothing(
    here: Worker, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        override(here, **{"kind": "block", **given})
    assert here.operations.clients.describe("c") is None
    assert here.audited() == []
