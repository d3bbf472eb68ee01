"""End a campaign that is no attack: its clients are let go, it is muted, and put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_irl.behaviour import profile
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.campaigns.incident import Told, about, look
from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.operations import campaign_clients
from flask_irl.operations.results import AuditEntry
from flask_irl.stores.open import open_store
from tests.conftest import Clock
from tests.operations.worker import ADA, Worker

TAKING = Subject("site", "", "taking")
BEN = "ben"


@pytest.fixture(params=["memory", "redis"])
def worker(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Worker]:
    """Make a worker on a store of each kind, with a campaign on the whole site."""
    uri = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    worker = Worker(open_store(Options(storage_uri=uri), clock), {"base_limit": 1000})
    campaign = Campaign(TAKING, clock.now, 40.5, 700.0)
    assert worker.store.put_campaigns(0, Table({TAKING: campaign}).encode())
    worker.limiter.refresh()
    yield worker
    worker.limiter.close()


def take(worker: Worker, clock: Clock, *clients: str, first: int = 0) -> None:
    """Take one new path of a route after the other, as a scraper does."""
    for number in range(first, first + 12):
        for client in clients:
            worker.ask(client, "/item/<id>", 1000 + number)
        clock.advance(2.0)
    worker.limiter.flush()


def step(worker: Worker, client: str) -> int:
    found = worker.operations.clients.describe(client)
    assert found is not None
    return found["step"]


def campaign_id(worker: Worker) -> str:
    [running] = worker.operations.campaigns.running()
    return running["id"]


def latest(worker: Worker, who: str = ADA) -> AuditEntry:
    entry = worker.operations.undo.latest(who, None)
    assert entry is not None
    return entry


def undo(worker: Worker, who: str = BEN) -> None:
    entry = worker.audited()[0]
    worker.operations.undo.undo(entry["at"], entry["target"], who)


def test_clients_that_a_campaign_alone_holds_are_let_go(worker: Worker, clock: Clock) -> None:
    take(worker, clock, "ann", "bob", "mallory")
    assert [step(worker, name) for name in ("ann", "bob", "mallory")] == [2, 2, 2]
    worker.flag("mallory", score=-0.9, step=2)
    found = worker.operations.campaigns.held(campaign_id(worker))
    assert found is not None
    assert sorted(found[1]) == ["ann", "bob"]
    ended = worker.operations.campaigns.end(campaign_id(worker), ADA, "our own crawler")
    assert ended is not None
    assert ended["released"] == 2
    assert [step(worker, name) for name in ("ann", "bob", "mallory")] == [0, 0, 2]
    assert {e["client"] for e in worker.operations.clients.ranked(order="flagged")[0]} == {
        "mallory"
    }
    # They go on, and nothing is named nor held for it.
    take(worker, clock, "ann", "bob", first=50)
    assert [step(worker, name) for name in ("ann", "bob")] == [0, 0]


def test_those_that_the_ranking_has_no_place_for_are_let_go_too(
    worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(worker, clock, "ann", "bob", "cid", "dan")
    worker.flag("dan", score=-0.9, step=2)
    monkeypatch.setattr(campaign_clients, "RANKED", 1)
    found = worker.operations.campaigns.held(campaign_id(worker))
    assert found is not None
    assert len(found[1]) <= 1
    ended = worker.operations.campaigns.end(campaign_id(worker), ADA, "ours")
    assert ended is not None
    assert ended["released"] == 3
    assert [step(worker, name) for name in ("ann", "bob", "cid", "dan")] == [0, 0, 0, 2]


def test_the_courses_of_those_that_are_let_go_have_the_moment(worker: Worker, clock: Clock) -> None:
    take(worker, clock, "ann", "bob")
    clock.advance(600)
    worker.operations.campaigns.end(campaign_id(worker), ADA, "ours")
    for name in ("ann", "bob"):
        course = worker.operations.course(name)
        flagged, relieved = course["changes"]
        assert (flagged["change"], relieved["change"]) == ("flagged", "relieved")
        assert clock() - 2 <= relieved["at"] <= clock()
        assert [slot["requests"] for slot in course["slots"]] == [12, 0]
    take(worker, clock, "ann", first=50)
    assert [slot["requests"] for slot in worker.operations.course("ann")["slots"]] == [12, 12]


def test_those_that_are_let_go_keep_their_profiles(worker: Worker, clock: Clock) -> None:
    take(worker, clock, "ann")
    worker.operations.campaigns.end(campaign_id(worker), ADA, "ours")
    take(worker, clock, "ann", first=50)
    [state] = worker.store.load(["ann"])
    assert state is not None
    [record] = profile.decode([state.profile])
    assert (record["total"], record["offences"]) == (24, 0.0)


def test_one_that_breaks_a_rule_stays_held(worker: Worker, clock: Clock) -> None:
    take(worker, clock, "ann")
    for number in range(30):
        worker.ask("ann", "/login", number, 401, "POST")
    worker.limiter.flush()
    assert step(worker, "ann") >= 2
    found = worker.operations.campaigns.held(campaign_id(worker))
    assert found is not None
    assert found[1] == []


def test_one_of_another_campaign_stays_held(worker: Worker, clock: Clock) -> None:
    take(worker, clock, "10.0.0.1", "10.9.0.1")
    network = Subject("network", "10.0.0.0/24", "taking")
    revision, _ = worker.store.campaigns()
    site = worker.limiter.learning.campaigns.table.campaigns[TAKING]
    both = {TAKING: site, network: Campaign(network, clock.now)}
    assert worker.store.put_campaigns(revision, Table(both).encode())
    found = worker.operations.campaigns.held(site.id)
    assert found is not None
    assert found[1] == ["10.9.0.1"]


@pytest.mark.parametrize("seconds", [600.0, 7 * 86_400.0])
def test_none_is_named_for_the_same_for_the_time_that_was_said(
    worker: Worker, clock: Clock, seconds: float
) -> None:
    operations = worker.operations
    ended = operations.campaigns.end(campaign_id(worker), ADA, "ours", seconds)
    assert ended is not None
    assert ended["until"] == clock() + seconds
    [muted] = operations.campaigns.muted()
    assert (muted["until"], muted["place"]) == (clock() + seconds, "on the whole site")
    clock.advance(seconds - 1)
    assert len(operations.campaigns.muted()) == 1
    clock.advance(2)
    assert operations.campaigns.muted() == []


@pytest.mark.parametrize("seconds", [0, -1, 400 * 86_400.0, True, float("nan")])
def test_a_time_that_is_none_ends_nothing(worker: Worker, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        worker.operations.campaigns.end(campaign_id(worker), ADA, "", seconds)
    assert worker.operations.campaigns.running()
    assert worker.audited() == []


def test_the_end_of_a_campaign_is_undone_in_another_worker(worker: Worker, clock: Clock) -> None:
    there = Worker(worker.store, {"base_limit": 1000})
    take(worker, clock, "ann")
    before = worker.operations.campaigns.running()
    worker.operations.campaigns.end(before[0]["id"], ADA, "ours")
    there.limiter.refresh()
    assert there.operations.campaigns.running() == []
    assert worker.operations.undo.can_undo(latest(worker))
    clock.advance(5)
    undo(there)
    assert worker.operations.campaigns.running() == before
    assert worker.operations.campaigns.muted() == []
    assert [e["action"] for e in worker.audited()] == ["resume_campaign", "end_campaign"]
    assert step(worker, "ann") == 0
    take(worker, clock, "ann", first=20)
    assert step(worker, "ann") == 2


def test_a_worker_that_has_not_heard_of_the_end_holds_nobody_again(
    worker: Worker, clock: Clock
) -> None:
    there = Worker(worker.store, {"base_limit": 1000})
    there.limiter.refresh()
    take(worker, clock, "ann")
    there.ask("ann", "/item/<id>", 2000)
    worker.operations.campaigns.end(campaign_id(worker), ADA, "ours")
    there.limiter.flush()
    assert step(worker, "ann") == 0


def test_what_was_undone_is_undone_in_turn_with_the_same_end(worker: Worker, clock: Clock) -> None:
    ended = worker.operations.campaigns.end(campaign_id(worker), ADA, "ours", 5000.0)
    assert ended is not None
    clock.advance(5)
    undo(worker)
    clock.advance(5)
    undo(worker)
    [muted] = worker.operations.campaigns.muted()
    assert muted["until"] == ended["until"]
    assert worker.operations.campaigns.running() == []


def test_what_was_put_back_is_not_ended_again_once_the_time_of_its_end_is_over(
    worker: Worker, clock: Clock
) -> None:
    worker.operations.campaigns.end(campaign_id(worker), ADA, "ours", 60.0)
    undo(worker)
    clock.advance(61)
    with pytest.raises(ConfigurationError, match=r"ended until 20.*Z, which is past: nothing was"):
        undo(worker)
    assert len(worker.operations.campaigns.running()) == 1
    assert len(worker.audited()) == 2


def test_the_end_is_not_undone_once_it_is_over_or_was_changed(worker: Worker, clock: Clock) -> None:
    name = campaign_id(worker)
    worker.operations.campaigns.end(name, ADA, "ours", 60.0)
    entry = latest(worker)
    clock.advance(61)
    with pytest.raises(ConfigurationError, match="has ended"):
        worker.operations.undo.undo(entry["at"], name, BEN)
    revision, _ = worker.store.campaigns()
    again = Campaign(TAKING, clock.now)
    table = Table({TAKING: again}, {TAKING: entry["after"]["until"] + 100})  # type: ignore[index]
    assert worker.store.put_campaigns(revision, table.encode())
    with pytest.raises(ConfigurationError, match="changed again"):
        worker.operations.undo.undo(entry["at"], name, BEN)
    assert len(worker.audited()) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"kind": "site", "target": "", "sort": "taking", "since": 5.0}, None),
        ({"kind": "planet", "per_minute": 0, "slow": False}, {"until": 9e9}),
        (None, {"until": 9e9}),
    ],
    ids=["earlier build", "no campaign", "nothing"],
)
def test_an_entry_that_tells_too_little_puts_nothing_back(
    worker: Worker, before: dict[str, object] | None, after: dict[str, object] | None
) -> None:
    worker.operations.audit.record(ADA, "end_campaign", "0", before, after)
    running = worker.operations.campaigns.running()
    with pytest.raises(ConfigurationError, match="undone"):
        undo(worker)
    assert worker.operations.campaigns.running() == running
    assert len(worker.audited()) == 1


def test_a_campaign_that_is_put_back_is_the_same_incident(clock: Clock) -> None:
    campaign = Campaign(TAKING, clock.now, 40.0)
    pair = about(TAKING)

    def count(_: tuple[str, str], clients: object) -> int:
        return len(clients)  # type: ignore[arg-type]

    told = [Told(*pair, clock.now + 1, ("ann",), (5, 4, 1, 0, 0, 0))]
    running = look((), told, {TAKING: campaign}, clock.now + 5, count)
    ended = look(running.incidents, [], {}, clock.now + 10, count)
    assert [x.until for x in ended.incidents] == [clock.now + 1]
    again = look(ended.incidents, told, {TAKING: campaign}, clock.now + 20, count)
    [incident] = again.incidents
    assert (incident.id, incident.until, incident.requests) == (running.incidents[0].id, 0.0, 10)
    assert again.began == []
