"""The engine as a whole, in virtual time: it learns a site, and tells attackers from people."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from flask_irl.behaviour import profile
from flask_irl.config.sources import resolve
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.decision import Decision
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from flask_irl.training.fit import fit_here
from tests.conftest import Clock

Request = tuple[str, str, int, int]
"""Path, method, status, size."""
PAGES = [f"/page/{i}" for i in range(12)]


class Town:
    """A site with people on it, a second at a time."""

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self.draw = random.Random(seed)
        self.limiter = open_limiter(
            resolve({"background": False, "learning_minutes": 0}, {}, {}),
            clock=clock,
            fit=fit_here,
        )
        self.plan = self.limiter.plan(())
        self.people = {f"person-{i}": self.draw.uniform(4, 40) for i in range(40)}
        self.attackers: dict[str, Callable[[int], list[Request]]] = {}
        self.sent: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.flagged_after: dict[str, int] = {}
        self.admitted_late: Counter[str] = Counter()

    def ask(self, client: str, request: Request) -> Decision:
        path, method, status, size = request
        decision = self.limiter.decide(self.plan, (client,))
        self.limiter.observe(
            decision,
            route="/page/<n>" if path.startswith("/page") else "/" + path.split("/")[1],
            path=zlib.crc32(path.encode()),
            method=method,
            status=status if decision.admitted else 429,
            size=size,
        )
        self.sent[client] += 1
        self.refused[client] += not decision.admitted
        if decision.is_anomalous:
            self.flagged_after.setdefault(client, self.sent[client])
        return decision

    def live(self, seconds: int) -> None:
        for second in range(seconds):
            for name, pause in self.people.items():
                if self.draw.random() < 1 / pause:
                    for _ in range(self.draw.choice([1, 1, 2, 3])):
                        page = (self.draw.choice(PAGES), "GET", 200, self.draw.randint(2000, 9000))
                        self.ask(name, page)
            for name, act in self.attackers.items():
                for request in act(second):
                    decision = self.ask(name, request)
                    if decision.admitted and second >= seconds - 60:
                        self.admitted_late[name] += 1
            self.clock.advance(1)
            self.limiter.flush()


def scraper(second: int) -> list[Request]:
    return [(f"/items/{second}-{i}", "GET", 200, 500) for i in range(2 if second % 2 else 1)]


def stuffer(second: int) -> list[Request]:
    return [("/login", "POST", 401, 60)] if second % 3 else []


def flood(second: int) -> list[Request]:
    return [("/page/1", "GET", 200, 4000)] * 8


@pytest.mark.slow
def test_people_are_left_in_peace_and_attackers_are_held_to_their_share(clock: Clock) -> None:
    town = Town(clock)
    town.live(600)
    assert town.limiter.trainer.train().result == "accepted"
    town.attackers = {"scraper": scraper, "stuffer": stuffer, "flood": flood}
    town.live(240)
    people_refused = sum(n for name, n in town.refused.items() if name in town.people)
    assert people_refused == 0
    assert sum(name in town.people for name in town.flagged_after) <= 1
    assert {name for name in town.flagged_after if name not in town.people} == set(town.attackers)
    # The flood is refused by the limit itself long before it is worth a flag.
    assert all(town.flagged_after[name] <= 75 for name in ("scraper", "stuffer"))
    assert all(town.admitted_late[name] == 0 for name in town.attackers)

    town.attackers = {}
    town.people |= dict.fromkeys(("scraper", "stuffer", "flood"), 12.0)
    town.live(4000)
    limits = {town.ask(name, ("/page/1", "GET", 200, 4000)).limit for name in town.flagged_after}
    assert limits == {100}


def test_the_same_traffic_has_the_same_outcome(clock: Clock) -> None:
    outcomes = []
    for _ in range(2):
        clock.now = 1_700_000_000.0
        town = Town(clock)
        town.live(200)
        town.limiter.trainer.train()
        town.attackers = {"scraper": scraper}
        town.live(60)
        outcomes.append((town.sent, town.refused, town.flagged_after))
    assert outcomes[0] == outcomes[1]


@pytest.fixture
def workers(redis_url: str) -> Iterator[list[Limiter]]:
    options = resolve({"background": False, "storage_uri": redis_url}, {}, {})
    found = [Limiter(options, RedisStore(locate(redis_url), timeout=5), fit=fit_here)] * 1
    found.append(Limiter(options, RedisStore(locate(redis_url), timeout=5), fit=fit_here))
    yield found
    for limiter in found:
        limiter.close()


def work(limiter: Limiter, client: str, count: int) -> None:
    plan = limiter.plan(())
    for i in range(count):
        decision = limiter.decide(plan, (client,))
        limiter.observe(decision, route="/", path=i, method="GET", status=200, size=10)


def test_what_two_workers_saw_of_a_client_adds_up(workers: list[Limiter]) -> None:
    for limiter in workers:
        work(limiter, "a", 30)
    for limiter in workers:
        limiter.flush()
    assert workers[0].store.counts()["requests"] == 60
    [state] = workers[0].store.load(["a"])
    assert state is not None
    assert profile.sums_of(profile.decode([state.profile]), "recent")[0] > 55


def counting(calls: Counter[str], name: str, whole: Callable[..., object]) -> Callable[..., object]:
    def counted(*given: object) -> object:
        calls[name] += 1
        return whole(*given)

    return counted


def test_a_flood_costs_a_flush_no_more_calls_than_a_request(
    workers: list[Limiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, calls = workers[0], Counter[str]()
    for name in ("load", "save", "add_counts", "add_rows", "rank", "count_unique"):
        whole = getattr(limiter.store, name)
        monkeypatch.setattr(limiter.store, name, counting(calls, name, whole))
    work(limiter, "a", 1)
    limiter.flush()
    one = sum(calls.values())
    calls.clear()
    work(limiter, "b", 90)
    limiter.flush()
    # Enough requests for a training row make two more: the row, and its count.
    assert sum(calls.values()) <= one + 2


def test_a_client_forgotten_before_the_flush_stays_forgotten(workers: list[Limiter]) -> None:
    limiter = workers[0]
    work(limiter, "a", 5)
    assert limiter.forget("a")
    limiter.flush()
    assert limiter.store.load(["a"]) == [None]


def test_a_flush_that_failed_is_followed_by_one_that_works(
    workers: list[Limiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = workers[0]

    def fail(*_: object) -> object:
        raise StoreError("out")

    work(limiter, "a", 5)
    with monkeypatch.context() as patch:
        patch.setattr(limiter.store, "load_reachable", fail)
        with pytest.raises(StoreError):
            limiter.flush()
    work(limiter, "a", 5)
    assert limiter.flush() == 5
