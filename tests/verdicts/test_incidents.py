"""Test attacks as incidents: one for each attack, whoever watches, with what its clients got."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.campaigns.incident import (
    CALM_SECONDS,
    KEPT,
    Incident,
    Told,
    decode,
    decode_told,
    encode,
    look,
)
from flask_irl.operations.incidents import IncidentState
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts.incident_watch import INCIDENTS
from tests.conftest import Clock
from tests.operations.worker import Site, Worker, sites_on


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Site]:
    """Make a site whose time stands still until the test advances it."""
    yield from sites_on(request, clock)


def attack(
    site: Site, *workers: Worker, client: str = "mallory", seconds: int = 30, status: int = 404
) -> None:
    """Ask for another missing path each half second, of one worker after the other."""
    for second in range(seconds):
        for half in range(2):
            worker = workers[(2 * second + half) % len(workers)]
            path = hash((client, second, half)) % 2**40
            method = "POST" if status == 401 else "GET"
            route = "/login" if status == 401 else "unmatched"
            worker.ask(client, route, path, status, method)
            site.clock.advance(0.5)
        for worker in workers:
            worker.limiter.flush()


def quiet(site: Site, seconds: float, *workers: Worker) -> None:
    """Let time pass in which somebody else asks for pages."""
    for _ in range(int(seconds / 10)):
        site.clock.advance(10)
        for worker in workers:
            worker.ask("ann", "/")
            worker.limiter.flush()


def incidents(worker: Worker) -> list[IncidentState]:
    return worker.operations.incidents()[0]


def test_an_attack_is_one_incident_of_all_workers(site: Site) -> None:
    one, two = (site.worker(base_limit=1000) for _ in range(2))
    began = site.clock()
    attack(site, one, two)
    [found] = incidents(one)
    assert (found["kind"], found["clients"], found["examples"]) == ("scanning", 1, ["mallory"])
    assert began < found["since"] < began + 30
    assert found["until"] is None
    quiet(site, CALM_SECONDS + 20, one, two)
    [found] = incidents(two)
    # From the request that flagged it on.
    assert found["missing"] + found["refused"] == found["requests"] > 20
    assert found["until"] is not None
    assert began + 29 <= found["until"] <= began + 30


def test_attacks_of_other_kinds_and_times_are_other_incidents(site: Site) -> None:
    worker = site.worker(base_limit=1000)
    attack(site, worker)
    quiet(site, CALM_SECONDS + 20, worker)
    attack(site, worker, client="guesser", status=401)
    attack(site, worker, client="other-scanner")
    quiet(site, 10, worker)
    found = incidents(worker)
    assert [one["kind"] for one in found] == ["scanning", "guessing", "scanning"]
    assert len({one["id"] for one in found}) == 3
    assert found[1]["denied"] > 0


def test_the_watch_goes_on_in_another_worker(site: Site) -> None:
    one, two = (site.worker(base_limit=1000) for _ in range(2))
    attack(site, one)
    [before] = incidents(two)
    owner = one.limiter.learning.campaigns.incidents._owner
    one.limiter.close()
    site.workers.remove(one)
    # Its lease ends, on Redis by the server's own time.
    two.store.release_lease(INCIDENTS, owner)
    attack(site, two, seconds=20)
    [after] = incidents(two)
    assert after["id"] == before["id"]
    assert after["requests"] > before["requests"]


def test_beginning_and_end_are_announced_once_by_all_workers(site: Site) -> None:
    workers = [site.worker(base_limit=1000) for _ in range(2)]
    told: list[tuple[str, str]] = []
    for worker in workers:
        watch = worker.limiter.learning.campaigns.incidents
        watch._announce = lambda name, incident: told.append((name, incident.kind))
    attack(site, *workers)
    assert told == [("attack_began", "scanning")]
    quiet(site, CALM_SECONDS + 80, *workers)
    assert told == [("attack_began", "scanning"), ("attack_ended", "scanning")]


def test_an_attack_is_over_for_who_looks_though_nobody_watches(site: Site) -> None:
    worker = site.worker(base_limit=1000)
    attack(site, worker)
    site.clock.advance(CALM_SECONDS + 1)
    [found] = incidents(worker)
    assert found["until"] is not None


def test_people_are_no_incident(site: Site) -> None:
    worker = site.worker(base_limit=1000)
    quiet(site, 300, worker)
    assert incidents(worker) == []


def test_a_campaign_is_an_incident_as_long_as_it_runs(site: Site) -> None:
    worker = site.worker(base_limit=1000)
    subject = Subject("login", "/login", "direct")
    campaign = Campaign(subject, site.clock() + 1, 213.4, 640.0, per_minute=0.5)
    assert worker.store.put_campaigns(0, Table({subject: campaign}).encode())
    quiet(site, 20, worker)
    worker.limiter.refresh()
    quiet(site, 20, worker)
    [found] = incidents(worker)
    assert (found["kind"], found["target"]) == ("campaign:login", "/login direct")
    assert found["common"] == "campaign on a login"
    assert (found["clients"], found["requests"]) == (213, 640)


# The table


def counter() -> Callable[..., int]:
    counted: dict[object, set[str]] = {}

    def count(pair: object, clients: list[str]) -> int:
        known = counted.setdefault(pair, set())
        before = len(known)
        known.update(clients)
        return len(known) - before

    return count


def told(kind: str, at: float, *clients: str) -> Told:
    return Told(kind, "", at, clients, (1, 0, 1, 0, 0, 0))


def test_one_or_two_unusual_clients_are_no_incident_and_three_are() -> None:
    count = counter()
    first = look((), [told("unusual", 10.0, "a", "b")], {}, 10.0, count)
    assert first.began == []
    second = look(first.incidents, [told("unusual", 20.0, "b", "c")], {}, 20.0, count)
    assert [(one.clients, one.since) for one in second.began] == [(3, 10.0)]
    third = look(second.incidents, [], {}, 20.0 + CALM_SECONDS, count)
    assert [one.until for one in third.ended] == [20.0]
    assert third.began == []
    alone = look((), [told("unusual", 10.0, "a")], {}, 10.0, counter())
    assert look(alone.incidents, [], {}, 999.0, counter()).incidents == ()


def test_the_latest_incidents_are_kept() -> None:
    old = tuple(
        Incident("flood", "", float(n), float(n), until=float(n)) for n in range(500, 0, -1)
    )
    found = look(old, [told("flood", 999.0, "a")], {}, 999.0, counter()).incidents
    assert len(found) == KEPT
    assert [one.since for one in found[:2]] == [999.0, 500.0]


def test_incidents_come_back_from_the_store() -> None:
    one = Incident("flood", "", 5.0, 6.0, 7.0, 3, 9, 8, 1, 0, 0, 0, ("a", "=b"))
    assert decode(encode([one])) == (one,)
    assert decode(None) == ()


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"{", b'{"incidents": 5}', b'{"incidents": [5, {}, null]}', b"\xff"),
        b'{"incidents": [{"kind": "flood", "target": "", "since": -1, "seen": 1}]}',
        b'{"incidents": [{"kind": "flood", "target": "", "since": NaN, "seen": 1}]}',
        b'{"incidents": [{"kind": "later", "target": "", "since": 1, "seen": 1}]}',
    ],
)
def test_damaged_incidents_are_left_out(data: bytes, clock: Clock) -> None:
    assert decode(data) == ()
    worker = Worker(MemoryStore(clock=clock), {})
    worker.store.put_table(INCIDENTS, 0, data)
    assert worker.operations.incidents() == ([], 0)


@pytest.mark.parametrize(
    "news", [5, {}, [5], [["flood", "", "x", [], []]], [["flood", "", 1, [], [1]]]]
)
def test_damaged_news_are_refused(news: object) -> None:
    if news == {}:
        assert decode_told(b"{}") == []
        return
    with pytest.raises(ValueError, match=r"news|figures|few|counts|values"):
        decode_told(json.dumps(news).encode())
