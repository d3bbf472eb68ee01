"""Test that changes are taken back, in every worker and on both stores."""

from __future__ import annotations

import pytest

from flask_irl.errors import ConfigurationError
from tests.operations.worker import ADA, Site, Worker, override

BEN = "ben"


def undo_latest(worker: Worker, target: str = "c", who: str = ADA) -> None:
    """Take the operator's latest change back, as somebody else."""
    entry = worker.operations.undo.latest(who, target)
    assert entry is not None
    worker.operations.undo.undo(entry["at"], target, BEN)


def in_force(worker: Worker, target: str = "c") -> object:
    return worker.operations.overrides.in_force(target)


def test_an_override_is_taken_back_in_another_worker(site: Site, here: Worker) -> None:
    there = site.worker()
    override(here, "block")
    assert not there.ask().admitted
    site.clock.advance(1)
    undo_latest(there)
    assert in_force(here) is None
    here.limiter.refresh()
    assert here.ask().admitted
    assert [(entry["who"], entry["action"]) for entry in here.audited()] == [
        (BEN, "clear"),
        (ADA, "override"),
    ]


@pytest.mark.parametrize("client", ["c", "203.0.113.0/24", "2001:db8::/48"])
def test_the_override_before_comes_back_with_its_end_and_reason(
    site: Site, here: Worker, client: str
) -> None:
    override(here, "limit", client, seconds=5000.0, reason="first")
    before = in_force(here, client)
    site.clock.advance(1)
    override(here, "allow", client, seconds=10.0)
    site.clock.advance(1)
    undo_latest(here, client)
    assert in_force(here, client) == before
    assert here.audited()[0]["reason"] == "first"


def test_an_override_that_would_have_ended_does_not_come_back(site: Site, here: Worker) -> None:
    override(here, "limit", seconds=5.0)
    site.clock.advance(1)
    override(here, "block", seconds=5000.0)
    site.clock.advance(10)
    undo_latest(here)
    assert in_force(here) is None


def test_an_override_that_has_ended_is_not_undone(site: Site, here: Worker) -> None:
    override(here, "block", seconds=5.0)
    site.clock.advance(10)
    with pytest.raises(ConfigurationError, match="has ended"):
        undo_latest(here)


def test_what_was_changed_again_is_not_undone(site: Site, here: Worker) -> None:
    override(here, "block")
    entry = here.operations.undo.latest(ADA, "c")
    assert entry is not None
    site.clock.advance(1)
    override(here, "allow", who=BEN)
    changes = len(here.audited())
    with pytest.raises(ConfigurationError, match="changed again"):
        here.operations.undo.undo(entry["at"], "c", ADA)
    assert len(here.audited()) == changes


@pytest.mark.parametrize("before", [None, "good"])
def test_feedback_is_taken_back(site: Site, here: Worker, before: str | None) -> None:
    here.ask()
    here.limiter.flush()
    if before is not None:
        here.operations.clients.feedback("c", before, ADA)
        site.clock.advance(1)
    here.operations.clients.feedback("c", "abuse", ADA)
    site.clock.advance(1)
    undo_latest(here)
    found = here.operations.clients.describe("c")
    assert found is not None
    assert found["feedback"] == before


def test_limits_go_back_to_those_configured(site: Site, here: Worker) -> None:
    there = site.worker()
    here.operations.site.set_limits({"base_limit": 3, "further_factors": [0.2]}, ADA)
    site.clock.advance(1)
    undo_latest(there, "")
    assert there.operations.status.read()["changed"] == {}
    assert here.operations.site.limits()["base_limit"] == 10


def test_limits_go_back_to_those_of_an_operator(site: Site, here: Worker) -> None:
    for limit in (3, 4):
        here.operations.site.set_limits({"base_limit": limit}, ADA)
        site.clock.advance(1)
    undo_latest(here, "")
    assert here.operations.site.limits()["base_limit"] == 3


def test_a_reset_cannot_be_undone(here: Worker) -> None:
    here.ask()
    here.operations.clients.reset("c", ADA)
    entry = here.operations.undo.latest(ADA, "c")
    assert entry is not None
    assert not here.operations.undo.can_undo(entry)
    with pytest.raises(ConfigurationError, match="reset can't be undone"):
        here.operations.undo.undo(entry["at"], "c", ADA)


@pytest.mark.parametrize("before", [{"kind": "nothing", "until": 9e9, "amount": 0}])
def test_a_state_that_is_not_allowed_changes_nothing(
    site: Site, here: Worker, before: dict[str, object]
) -> None:
    override(here, "block")
    after = here.audited()[0]["after"]
    site.clock.advance(1)
    here.operations.audit.record(ADA, "override", "c", before, after)
    with pytest.raises(ConfigurationError, match="kind"):
        undo_latest(here)
    assert in_force(here) == after
