"""Train a model for the benchmark on made-up traffic, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from flask_irl.config.sources import resolve
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.stores.base import Store
from loadtests.bench.cases import PATH, PLENTY

START: Final = 1_700_000_000.0
FLUSH_SECONDS: Final = 5.0
SIZES: Final = (2, 180, 900, 4_000)
PATHS: Final = 40
LEAST_CLIENTS: Final = 25


@dataclass(frozen=True)
class Trained:
    """Hold a model as stores keep it, and the packed rows and requests of its training."""

    version: int
    blob: bytes
    rows: tuple[bytes, ...]
    requests: int

    def install(self, limiter: Limiter) -> None:
        """Put the model in force in a limiter and its store; raise RuntimeError if it is not."""
        store = limiter.store
        store.publish(store.model_version(), self.version, self.blob)
        limiter.trainer.poll()
        model = limiter.trainer.model
        if model.version != self.version or model.advisory:
            raise RuntimeError(f"model {self.version} is not in force: {model.version=}")

    def lend_rows(self, store: Store) -> None:
        """Give the training rows of this model to a store."""
        store.add_rows(self.rows, len(self.rows))
        store.add_counts({"requests": self.requests, f"route:{PATH}": self.requests})


def train(clients: int, minutes: float) -> Trained:
    """Train on clients at paces of people and of quick programs, for minutes of virtual time."""
    if clients < LEAST_CLIENTS:
        raise ValueError(f"{clients} clients make no model that counts: {LEAST_CLIENTS} at least")
    now = START
    # A model that was learned for longer is no slower to ask.
    settings = {"background": False, "base_limit": PLENTY, "learning_minutes": 0}
    limiter = open_limiter(resolve(settings, {}, {}), clock=lambda: now)
    plan = limiter.plan(())
    requests = 0
    flush_at = START + FLUSH_SECONDS
    for at, client, path, size in _traffic(clients, START + minutes * 60.0):
        now = at
        if at >= flush_at:
            limiter.flush()
            flush_at = at + FLUSH_SECONDS
        decision = limiter.decide(plan, (client,))
        limiter.observe(decision, route=PATH, path=path, method="GET", status=200, size=size)
        requests += 1
    training = limiter.train()
    blob = limiter.store.model(training.version)
    if training.result != "accepted" or blob is None or limiter.trainer.model.advisory:
        raise RuntimeError(f"no model for the benchmark: {training}")
    return Trained(training.version, blob, tuple(limiter.store.rows()), requests)


def _traffic(clients: int, end: float) -> list[tuple[float, str, int, int]]:
    """Draw requests in order of time: time, client, hash of the path, size of the answer."""
    random = Random(2026)
    requests = []
    for number in range(clients):
        # Half pause for about ten seconds, half for about three.
        pace = 10.0 if number % 2 else 3.0
        at = START + random.uniform(0.0, 30.0)
        while at < end:
            client = f"10.9.{number // 256}.{number % 256}"
            requests.append((at, client, random.randrange(PATHS), random.choice(SIZES)))
            at += random.lognormvariate(0.0, 0.8) * pace
    return sorted(requests)
