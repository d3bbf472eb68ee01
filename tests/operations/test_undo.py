"""Test that changes are taken back, in every worker and on both stores."""

from __future__ import annotations

import json

import pytest

from flask_irl.errors import ConfigurationError
from flask_irl.operations.clients import FORGOTTEN_SECONDS, MOST_FORGOTTEN
from flask_irl.operations.results import AuditEntry
from flask_irl.stores.state import ClientState
from tests.operations.worker import ADA, Site, Worker, attack, override

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


# Resets


def flagged(site: Site, worker: Worker, client: str = "c") -> ClientState:
    """Make a client known, at a step, and over its limit of ten."""
    for _ in range(12):
        worker.ask(client)
    worker.limiter.flush()
    worker.flag(client, score=-0.8, step=1)
    site.clock.advance(1)
    return state_of(worker, client)


def state_of(worker: Worker, client: str = "c") -> ClientState:
    [state] = worker.store.load([client])
    assert state is not None
    return state


def reset(worker: Worker, client: str = "c") -> AuditEntry:
    assert worker.operations.clients.reset(client, ADA)
    entry = worker.audited()[0]
    assert worker.operations.undo.can_undo(entry)
    return entry


def test_a_reset_is_undone_in_another_worker_counts_included(site: Site, here: Worker) -> None:
    there = site.worker()
    before = flagged(site, here)
    reset(here)
    assert there.store.load(["c"]) == [None]
    site.clock.advance(5)
    undo_latest(there)
    after = state_of(here)
    assert after._replace(revision=0) == before._replace(revision=0)
    assert after.revision != before.revision
    for worker in (here, there):
        worker.limiter.refresh()
        assert not worker.ask().admitted
    assert [(e["who"], e["action"]) for e in here.audited()] == [(BEN, "restore"), (ADA, "reset")]
    for order in ("active", "anomalous"):
        assert [e["client"] for e in here.operations.clients.ranked(order=order)[0]] == ["c"]


def test_one_that_was_flagged_is_listed_again(site: Site) -> None:
    here = site.worker(base_limit=1000)
    attack(site, here)
    [before] = here.operations.clients.ranked(order="flagged")[0]
    reset(here, "mallory")
    assert here.operations.clients.ranked(order="flagged")[0] == []
    site.clock.advance(1)
    undo_latest(here, "mallory")
    [after] = here.operations.clients.ranked(order="flagged")[0]
    assert (after["client"], after["step"], after["since"]) == (
        "mallory",
        before["step"],
        before["since"],
    )


def test_one_that_has_been_here_since_keeps_its_counts_since(site: Site, here: Worker) -> None:
    before = flagged(site, here)
    reset(here)
    here.limiter.refresh()
    assert here.admitted(9) == 9
    here.limiter.flush()
    site.clock.advance(1)
    undo_latest(here)
    after = state_of(here)
    assert (after.step, after.score, after.profile) == (before.step, before.score, before.profile)
    here.limiter.refresh()
    # Three of ten at this step, and nine are used.
    assert not here.ask().admitted


def test_one_that_has_been_here_more_often_since_is_left_alone(site: Site, here: Worker) -> None:
    flagged(site, here)
    reset(here)
    here.limiter.refresh()
    here.admitted(13)
    here.limiter.flush()
    site.clock.advance(1)
    before = state_of(here)
    with pytest.raises(ConfigurationError, match="13 requests since, more than the 12"):
        undo_latest(here)
    assert state_of(here) == before
    assert len(here.audited()) == 1


def test_one_that_was_noted_since_is_left_alone(site: Site, here: Worker) -> None:
    flagged(site, here)
    entry = reset(here)
    site.clock.advance(1)
    here.limiter.refresh()
    here.ask()
    here.limiter.flush()
    here.operations.clients.feedback("c", "good", BEN)
    with pytest.raises(ConfigurationError, match="noted as good since"):
        here.operations.undo.undo(entry["at"], "c", ADA)


def test_an_override_set_since_stays(site: Site, here: Worker) -> None:
    override(here, "limit", "c")
    before = flagged(site, here)
    entry = reset(here)
    site.clock.advance(1)
    override(here, "block", "c", who=BEN)
    here.operations.undo.undo(entry["at"], "c", ADA)
    after = state_of(here)
    assert after.override is not None
    assert (after.override.kind, after.step, after.profile) == ("block", 1, before.profile)


@pytest.mark.parametrize("seconds", [FORGOTTEN_SECONDS - 2, FORGOTTEN_SECONDS + 1])
def test_a_reset_is_undone_for_a_quarter_of_an_hour(site: Site, here: Worker, seconds: int) -> None:
    before = flagged(site, here)
    reset(here)
    site.clock.advance(seconds)
    if seconds < FORGOTTEN_SECONDS:
        undo_latest(here)
        assert state_of(here).profile == before.profile
    else:
        with pytest.raises(ConfigurationError, match="15 minutes"):
            undo_latest(here)
        assert here.store.load(["c"]) == [None]


def test_only_the_latest_reset_is_undone_and_only_once(site: Site, here: Worker) -> None:
    flagged(site, here)
    first = reset(here)
    site.clock.advance(1)
    flagged(site, here)
    second = reset(here)
    site.clock.advance(1)
    with pytest.raises(ConfigurationError, match="until its next reset"):
        here.operations.undo.undo(first["at"], "c", ADA)
    here.operations.undo.undo(second["at"], "c", ADA)
    with pytest.raises(ConfigurationError, match="nothing was undone"):
        here.operations.undo.undo(second["at"], "c", ADA)


def test_the_undo_of_a_reset_is_undone(site: Site, here: Worker) -> None:
    before = flagged(site, here)
    reset(here)
    site.clock.advance(1)
    undo_latest(here)
    site.clock.advance(1)
    undo_latest(here, who=BEN)
    assert here.store.load(["c"]) == [None]
    assert here.audited()[0]["action"] == "reset"
    site.clock.advance(1)
    undo_latest(here, who=BEN)
    assert state_of(here).profile == before.profile


def test_of_the_last_hundred_clients_a_reset_is_undone(site: Site, here: Worker) -> None:
    for number in range(MOST_FORGOTTEN + 1):
        here.ask(f"c{number}")
        here.limiter.flush()
        site.clock.advance(1)
        reset(here, f"c{number}")
    assert here.store.forgotten("c0") is None
    assert here.store.forgotten("c1") is not None


def test_a_reset_of_everybody_or_of_nobody_is_not_undone(here: Worker) -> None:
    here.ask()
    here.operations.clients.reset_all(ADA)
    here.operations.clients.reset("nobody", ADA)
    for entry in here.audited():
        assert not here.operations.undo.can_undo(entry)
        with pytest.raises(ConfigurationError, match="reset can't be undone"):
            here.operations.undo.undo(entry["at"], entry["target"], ADA)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"at": AT}',
        b'{"at": AT, "state": 5}',
        b'{"at": AT, "state": "AAAA"}',
    ],
)
def test_what_somebody_else_has_written_is_put_back_by_nobody(
    site: Site, here: Worker, content: bytes
) -> None:
    flagged(site, here)
    entry = reset(here)
    forged = content.replace(b"AT", repr(entry["at"]).encode())
    here.store.keep_forgotten("c", forged, site.clock() + 99, 5)
    with pytest.raises(ConfigurationError, match="nothing was undone"):
        here.operations.undo.undo(entry["at"], "c", BEN)
    assert here.store.load(["c"]) == [None]


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


@pytest.mark.parametrize("before", [{}, {"until": "x", "version": "x", "verdict": [1]}])
@pytest.mark.parametrize(
    "action", ["feedback", "mode", "plan", "resume_campaign", "rollback", "unpin"]
)
def test_an_entry_that_somebody_has_forged_is_not_undone(
    here: Worker, action: str, before: object
) -> None:
    here.ask()
    here.limiter.flush()
    after = {
        "feedback": {"verdict": None},
        "mode": {"mode": "enforce"},
        "plan": None,
    }.get(action, here.operations.models.in_force())
    entry = {"at": 1.7e9, "who": ADA, "action": action, "target": "c", "reason": ""}
    here.store.add_audit(json.dumps({**entry, "before": before, "after": after}).encode())
    with pytest.raises(ConfigurationError):
        here.operations.undo.undo(1.7e9, "c", BEN)
