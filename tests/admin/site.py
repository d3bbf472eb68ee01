"""Make the operations behind the admin API's tests: a real limiter with a client and models."""

from __future__ import annotations

from functools import cache

from flask_irl.api_keys.hashing import NOBODYS
from flask_irl.api_keys.record import ApiKey, Record
from flask_irl.campaigns.campaign import Campaign, Subject, Table
from flask_irl.model.model import Model
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import Listener
from tests.conftest import Clock
from tests.operations.worker import Worker

KNOWN = "203.0.113.7"
DAMAGED_MODEL, OLDER_MODEL, MODEL = 1, 2, 3
BASE_LIMIT = 100
KEY = "7f3aK9xQ2m"
"""Id of an API key."""
CAMPAIGN = Campaign(
    Subject("login", "/login", "direct"), 1_700_000_000.0, 213.4, 640.0, per_minute=0.5
)


def make_worker(clock: Clock | None = None, listener: Listener | None = None) -> Worker:
    """Make a worker with a client at step 1 that scans for paths, three models and a campaign."""
    worker = Worker(
        MemoryStore(clock=clock or Clock()),
        {
            "base_limit": BASE_LIMIT,
            "min_clients": 1,
            "api_keys": True,
            "api_key_secret": "a secret of the tests",
        },
        fit=lambda lesson: model().detector,
        listener=listener,
    )
    worker.store.publish(0, DAMAGED_MODEL, b"damaged")
    worker.publish(model(), OLDER_MODEL)
    worker.publish(model(), MODEL)
    worker.store.put_campaigns(0, Table({CAMPAIGN.subject: CAMPAIGN}).encode())
    worker.limiter.refresh()
    record = Record(
        ApiKey(KEY, "live", "export", "acme", ("export",), "", 1_700_000_000.0, None),
        (bytes(32), NOBODYS),
    )
    worker.store.put_api_key(KEY, b"", record.encoded())
    for path in range(20):
        worker.ask(KNOWN, "unmatched", path, 404)
    worker.limiter.flush()
    worker.flag(KNOWN, score=-0.7)
    worker.ask(KNOWN)
    return worker


def learn(worker: Worker) -> None:
    """Observe requests enough for a training."""
    for number in range(12):
        worker.admitted(8, f"learner-{number}")
    worker.limiter.flush()


@cache
def model() -> Model:
    """Train a model once for all tests."""
    worker = Worker(MemoryStore(clock=Clock()), {"base_limit": BASE_LIMIT, "min_clients": 1})
    learn(worker)
    assert worker.limiter.train().result == "accepted"
    return worker.limiter.trainer.model
