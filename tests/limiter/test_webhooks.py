"""Test webhooks on both stores, with a real receiver: signed, retried, told by one worker."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug import Request, Response
from werkzeug.serving import make_server

from flask_irl import IntelligentLimiter
from flask_irl.campaigns.incident import Incident
from flask_irl.config.sources import resolve
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter.deliveries import MOST_WAITING
from flask_irl.limiter.webhooks import LEASE_SECONDS, MOST_TRIES, WEBHOOKS, Webhooks
from flask_irl.stores.base import Store
from flask_irl.stores.location import locate
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.redis.store import RedisStore
from flask_irl.telemetry.events import (
    ClientsFlagged,
    Event,
    StoreBack,
    StoreLost,
    TrainingEnded,
    Webhook,
)
from flask_irl.telemetry.webhook_request import host_of, signature
from flask_irl.web.state import state_of
from tests.conftest import Clock

SECRET = "a secret of some length"


class Receiver:
    """Serve on a port, and answer as it is told to; keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Response] = []
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.port}/hook"

    def _serve(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.got.append((dict(request.headers), request.get_data()))
        answer = self.answers.pop(0) if self.answers else Response(status=204)
        return answer(environ, start_response)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(clock=clock)
        return
    found = RedisStore(locate(request.getfixturevalue("redis_url")), timeout=5, clock=clock)
    yield found
    found.close()


Make = Callable[..., Webhooks]


@pytest.fixture
def make(store: Store, clock: Clock, receiver: Receiver) -> Make:
    """Make workers that deliver on the test's own thread, by the test's clock."""

    def build(*urls: str, events: list[Event] | None = None, **more: Any) -> Webhooks:
        heard: list[Event] = [] if events is None else events
        options = {"clock": clock, "monotonic": clock, "jitter": lambda: 0.5, "threaded": False}
        chosen = urls or (receiver.url,)
        return Webhooks(store, chosen, SECRET, heard.append, **{**options, **more})

    return build


def outcomes(events: list[Event]) -> list[str]:
    return [event.outcome for event in events if isinstance(event, Webhook)]


def test_an_event_is_delivered_signed_with_its_time(
    make: Make, receiver: Receiver, clock: Clock
) -> None:
    events: list[Event] = []
    worker = make(events=events)
    worker.announce("attack_began", {"clients": 3})
    worker.tell()
    worker.deliver()
    [(headers, body)] = receiver.got
    members = json.loads(body)
    assert (members["event"], members["data"]) == ("attack_began", {"clients": 3})
    assert members["at"] == "2023-11-14T22:13:20Z"
    assert (headers["X-Irl-Event"], headers["X-Irl-Delivery"]) == ("attack_began", members["id"])
    signed = f"{int(clock())}.".encode() + body
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Irl-Signature"] == f"t={int(clock())},v1={mac}"
    assert outcomes(events) == ["delivered"]
    worker.tell()
    worker.deliver()
    assert len(receiver.got) == 1


def test_one_that_fails_is_tried_again_later_and_later_under_its_id(
    make: Make, receiver: Receiver, clock: Clock
) -> None:
    events: list[Event] = []
    worker = make(events=events)
    elsewhere = Response(status=302, headers={"Location": f"{receiver.url}/other"})
    receiver.answers += [Response(status=500), Response(status=429), elsewhere]
    worker.announce("attack_began", {})
    worker.tell()
    pauses = []
    for _ in range(4):
        pauses.append(worker.deliver())
        clock.advance(pauses[-1] - 0.1)
        worker.deliver()
        clock.advance(0.1)
    assert pauses[:3] == pytest.approx([1, 2, 4])
    assert outcomes(events) == ["retried"] * 3 + ["delivered"]
    assert len({members["id"] for members in receiver.bodies}) == 1
    assert len(receiver.got) == 4
    # Each try is signed anew.
    assert len({headers["X-Irl-Signature"] for headers, _ in receiver.got}) == 4


def test_one_that_nobody_takes_is_given_up_and_logged_without_its_path(
    make: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []

    def refuse(*_: object) -> int:
        raise ConnectionRefusedError("https://example.org/secret")

    worker = make("https://example.org/secret", events=events, send=refuse)
    worker.announce("attack_began", {})
    worker.tell()
    for _ in range(2 * MOST_TRIES):
        worker.deliver()
        clock.advance(600)
    assert outcomes(events) == ["retried"] * (MOST_TRIES - 1) + ["failed"]
    assert "webhook_failed" in caplog.text
    assert "example.org" in caplog.text
    assert "secret" not in caplog.text


def test_one_worker_delivers_what_all_tell(make: Make, receiver: Receiver) -> None:
    one, two = make(), make()
    one.tell()
    two.announce("attack_began", {})
    two.tell()
    two.deliver()
    assert receiver.got == []
    one.tell()
    one.deliver()
    assert [members["event"] for members in receiver.bodies] == ["attack_began"]


def test_another_worker_goes_on_with_what_is_under_way(
    make: Make, receiver: Receiver, store: Store, clock: Clock
) -> None:
    one, two = make(), make()
    receiver.answers.append(Response(status=500))
    one.announce("attack_began", {})
    one.tell()
    one.deliver()
    one.tell()
    # On Redis leases go by the server's time.
    store.release_lease(WEBHOOKS, one._owner)
    clock.advance(LEASE_SECONDS)
    two.tell()
    two.deliver()
    assert len(receiver.got) == 2
    assert len({members["id"] for members in receiver.bodies}) == 1
    one.tell()
    one.deliver()
    assert len(receiver.got) == 2


def test_every_receiver_is_told_by_itself(make: Make, receiver: Receiver, clock: Clock) -> None:
    asked: list[str] = []

    def send(url: str, *_: object) -> int:
        asked.append(url)
        return 500 if url == "http://a" else 200

    worker = make("http://a", "http://b", send=send)
    worker.announce("attack_began", {})
    worker.tell()
    for _ in range(2):
        worker.deliver()
        clock.advance(2)
    assert asked == ["http://a", "http://b", "http://a"]


def test_a_store_that_is_lost_is_told_of_by_the_worker_with_the_lease(
    make: Make, receiver: Receiver, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make(), make()
    one.tell()
    two.tell()

    def fail(*_: object) -> None:
        raise StoreError("out", kind="connection")

    for name in ("add_news", "take_lease", "take_news", "table", "put_table"):
        monkeypatch.setattr(store, name, fail)
    for worker in (one, two):
        worker.watch(StoreLost("no answer"))
        worker.deliver()
    [told] = receiver.bodies
    assert (told["event"], told["data"]) == ("store_lost", {"reason": "no answer"})
    monkeypatch.undo()
    for worker in (one, two):
        worker.watch(StoreBack())
        worker.tell()
        worker.deliver()
    assert [members["event"] for members in receiver.bodies] == ["store_lost", "store_back"]


def test_what_is_watched_is_handed_on_and_a_refused_candidate_is_told(
    make: Make, receiver: Receiver
) -> None:
    events: list[Event] = []
    worker = make(events=events)
    watched: list[Event] = [
        ClientsFlagged(3),
        TrainingEnded("rejected", 1.0),
        TrainingEnded("accepted", 1.0),
    ]
    for event in watched:
        worker.watch(event)
    assert events == watched
    worker.tell()
    worker.deliver()
    assert [members["event"] for members in receiver.bodies] == ["candidate_refused"]


def test_an_incident_has_times_in_iso_8601(make: Make, receiver: Receiver) -> None:
    worker = make()
    worker.announce_incident("attack_began", Incident("flood", "", 1.7e9, 1.7e9, clients=3))
    worker.tell()
    worker.deliver()
    [members] = receiver.bodies
    data = members["data"]
    assert (data["since"], data["until"]) == ("2023-11-14T22:13:20Z", None)
    assert (data["common"], data["clients"], len(data["id"])) == ("flood of requests", 3, 8)


def test_the_queue_is_bounded_and_the_oldest_go(make: Make, receiver: Receiver) -> None:
    events: list[Event] = []
    worker = make(events=events)
    for number in range(MOST_WAITING + 3):
        worker.announce("attack_began", {"number": number})
    worker.tell()
    worker.deliver()
    numbers = [members["data"]["number"] for members in receiver.bodies]
    assert numbers == list(range(3, MOST_WAITING + 3))
    assert outcomes(events).count("dropped") == 3


@pytest.mark.parametrize("data", [b"", b"{", b"5", b"[5, {}, null]", b'[{"id": "a"}]', b"\xff"])
def test_a_damaged_table_loses_no_later_webhook(
    make: Make, receiver: Receiver, store: Store, data: bytes
) -> None:
    store.put_table(WEBHOOKS, 0, data)
    store.add_news(WEBHOOKS, b"\xff{", 9)
    worker = make()
    worker.announce("attack_began", {})
    worker.tell()
    worker.deliver()
    assert [members["event"] for members in receiver.bodies] == ["attack_began"]


def test_a_thread_delivers_without_being_called(make: Make, receiver: Receiver) -> None:
    done = threading.Event()

    def send(*_: object) -> int:
        done.set()
        return 200

    worker = make(send=send, threaded=True)
    worker.announce("attack_began", {})
    worker.tell()
    assert done.wait(30)
    worker.close()


@pytest.mark.parametrize(
    "value",
    [
        *("ftp://a/b", "example.org", "https://", "https://user:word@example.org", "http://a:x/"),
        *("http://a b/", "http://a/\x7f", "javascript:alert(1)", "http://\xfc/", 5),
    ],
)
def test_receivers_that_are_none_are_refused_without_being_quoted(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^IRL_WEBHOOKS is \(not shown\)") as raised:
        resolve({}, {"IRL_WEBHOOKS": [value], "IRL_WEBHOOK_SECRET": SECRET}, {})
    assert str(value) not in str(raised.value).partition("give")[0]


def test_webhooks_need_a_secret_of_some_length() -> None:
    with pytest.raises(ConfigurationError, match="IRL_WEBHOOK_SECRET"):
        IntelligentLimiter(Flask("site"), webhooks="https://example.org/a")
    with pytest.raises(ConfigurationError, match="at least 16 characters") as raised:
        resolve({"webhooks": "https://example.org/a", "webhook_secret": "hunter2"}, {}, {})
    assert "hunter2" not in str(raised.value)
    found = resolve(
        {}, {}, {"IRL_WEBHOOKS": "https://a.example/x, http://b/", "IRL_WEBHOOK_SECRET": SECRET}
    )
    assert found.webhooks == ("https://a.example/x", "http://b/")
    assert SECRET not in repr(found)
    assert "a.example" not in repr(found)


def test_a_signature_is_of_time_and_body() -> None:
    one = signature(SECRET, b"{}", 1)
    assert one.startswith("t=1,v1=")
    assert len({one[4:], signature(SECRET, b"{}", 2)[4:], signature(SECRET, b"[]", 1)[4:]}) == 3
    assert host_of("https://hooks.example/T0/secret") == "hooks.example"


def test_an_apps_attack_is_told_by_its_own_jobs(receiver: Receiver) -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(
        app, background=False, webhooks=[receiver.url], webhook_secret=SECRET
    )
    engine = state_of(app).limiter
    for path in range(40):
        decision = engine.decide(engine.plan(()), ("mallory",))
        engine.observe(decision, route="unmatched", path=path, method="GET", status=404, size=9)
    engine.flush()
    engine.worker.jobs.tell()
    deadline = time.monotonic() + 30
    while not receiver.got and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [members["event"] for members in receiver.bodies] == ["attack_began"]
    assert receiver.bodies[0]["data"]["examples"] == ["mallory"]
    with app.app_context():
        limiter.close()
