"""What a refused request still has to send is read and dropped, or as much of it as is fair."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from werkzeug.test import create_environ, run_wsgi_app

from flask_irl import IntelligentLimiter
from flask_irl.web.body import MOST_BYTES, MOST_SECONDS, BodyDrain
from flask_irl.web.state import state_of
from tests.conftest import Clock
from tests.recorder import Recorder

LENGTH = 300_000


class Upload:
    """A request's body on its way, as a server hands it out; fails if it is asked for more.

    Args:
        length: Bytes in all; None for no end.
        on_read: Called at each read.
    """

    def __init__(
        self, length: int | None = LENGTH, on_read: Callable[[], object] = lambda: None
    ) -> None:
        self.length = length
        self.taken = 0
        self._on_read = on_read

    def read(self, size: int = -1, /) -> bytes:
        self._on_read()
        assert size >= 0
        assert self.length is None or size <= self.length - self.taken, "this would block"
        self.taken += size
        return bytes(size)


class Site:
    """Build an app whose client, at ``address``, is over its limit, and ask it."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        given = {"base_limit": 2, "background": False, "listener": self.listener, **options}
        self.limiter = IntelligentLimiter(self.app, **given)
        self.app.add_url_rule("/", "index", lambda: "hello", methods=["GET", "POST"])

    def ask(self, upload: Upload | None = None, **environ: Any) -> str:
        base = create_environ("/", method="GET" if upload is None else "POST")
        if upload is not None:
            base |= {"wsgi.input": upload, "CONTENT_LENGTH": str(LENGTH)}
        _, status, _ = run_wsgi_app(self.app, {**base, "REMOTE_ADDR": "203.0.113.9", **environ})
        return status[:3]


def over_in_flask() -> Site:
    return exhausted(Site())


def exhausted(site: Site) -> Site:
    for _ in range(2):
        site.ask()
    return site


def over_early() -> Site:
    site = over_in_flask()
    site.ask(Upload())
    return site


def own_handler() -> Site:
    site = Site()
    site.app.register_error_handler(429, lambda error: ("slow down", 429))
    return exhausted(site)


def careless_handler() -> Site:
    """A handler of 429 that answers 200, as it does by default."""
    site = Site()
    site.app.register_error_handler(429, lambda error: "slow down")
    return exhausted(site)


def function_limit() -> Site:
    site = Site(base_limit=10)

    @site.limiter.limit("1/hour")
    def costly() -> str:
        return "done"

    site.app.view_functions["index"] = lambda: costly()
    site.ask()
    return site


def store_lost() -> Site:
    return Site(storage_uri="redis://127.0.0.1:1/0", on_store_error="deny", early_refusals=False)


def on_the_deny_list() -> Site:
    return Site(deny=["203.0.113.0/24"])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (over_in_flask, "429"),
        (over_early, "429"),
        (own_handler, "429"),
        (careless_handler, "200"),
        (function_limit, "429"),
        (store_lost, "503"),
        (on_the_deny_list, "429"),
    ],
)
def test_every_refusal_takes_the_whole_body(build: Callable[[], Site], expected: str) -> None:
    site, upload = build(), Upload()
    assert site.ask(upload) == expected
    assert upload.taken == LENGTH
    assert site.listener.swallowed_at == []
    state_of(site.app).limiter.close()


def test_an_admitted_request_keeps_its_body() -> None:
    site, upload = Site(), Upload()
    assert site.ask(upload) == "200"
    assert upload.taken == 0


def test_what_a_hook_has_read_is_not_waited_for() -> None:
    site, upload = Site(base_limit=1), Upload()
    site.ask()
    site.app.before_request_funcs[None].insert(0, lambda: request.stream.read(1000) and None)
    assert site.ask(upload) == "429"
    assert upload.taken == LENGTH


@pytest.fixture
def drain(clock: Clock) -> BodyDrain:
    """The drain of an app without MAX_CONTENT_LENGTH, by the test's clock."""
    return BodyDrain({}, fail, clock)


def fail(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


def posted(upload: object, **environ: Any) -> dict[str, Any]:
    return {"REQUEST_METHOD": "POST", "wsgi.input": upload, **environ}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": "-5"},
        {"CONTENT_LENGTH": "many"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"REQUEST_METHOD": "GET", "wsgi.input_terminated": True},
        # Whoever asks first whether to send sends nothing, and reads the answer.
        {"CONTENT_LENGTH": "5", "HTTP_EXPECT": "100-continue"},
    ],
    ids=str,
)
def test_nothing_is_read_where_no_end_of_a_body_is_known(
    drain: BodyDrain, environ: dict[str, Any]
) -> None:
    upload = Upload(0)
    drain.drop(posted(upload, **environ))
    assert upload.taken == 0


@pytest.mark.parametrize(
    "environ",
    [
        {"CONTENT_LENGTH": "9" * 5000},
        {"CONTENT_LENGTH": str(MOST_BYTES + 1)},
        {"CONTENT_LENGTH": str(MOST_BYTES + 1), "wsgi.input_terminated": True},
    ],
)
def test_of_what_is_too_long_nothing_is_read(drain: BodyDrain, environ: dict[str, Any]) -> None:
    upload = Upload(None)
    drain.drop(posted(upload, **environ))
    assert upload.taken == 0


def test_a_body_of_unknown_length_is_read_up_to_the_most(drain: BodyDrain) -> None:
    upload = Upload(None)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    drain.drop(posted(upload, **chunked))
    assert upload.taken == MOST_BYTES


def test_longer_bodies_that_the_app_allows_are_read(clock: Clock) -> None:
    length = MOST_BYTES + 1
    upload = Upload(length)
    BodyDrain({"MAX_CONTENT_LENGTH": length}, fail, clock).drop(
        posted(upload, CONTENT_LENGTH=str(length))
    )
    assert upload.taken == length


def test_a_slow_client_is_not_waited_for_longer_than_is_fair(
    drain: BodyDrain, clock: Clock
) -> None:
    began = clock()
    upload = Upload(LENGTH, lambda: clock.advance(0.75))
    drain.drop(posted(upload, CONTENT_LENGTH=str(LENGTH)))
    assert 0 < upload.taken < LENGTH
    assert clock() - began < MOST_SECONDS + 0.75


def test_a_client_that_hangs_up_ends_it(drain: BodyDrain) -> None:
    def hang_up() -> None:
        raise ConnectionResetError

    upload = Upload(LENGTH, hang_up)
    drain.drop(posted(upload, CONTENT_LENGTH=str(LENGTH)))
    assert upload.taken == 0


class Drip:
    """A client's socket that gives its first packet at once and then a byte every half second."""

    def __init__(self, clock: Clock, first: bytes) -> None:
        self._clock = clock
        self._first = first
        self.timeout: float | None = None

    def recv(self, size: int) -> bytes:
        first, self._first = self._first, b""
        if first:
            return first
        assert self.timeout is not None, "nothing bounds this wait"
        if self.timeout < 0.5:
            self._clock.advance(self.timeout)
            raise TimeoutError
        self._clock.advance(0.5)
        return b"5"

    def gettimeout(self) -> float | None:
        return self.timeout

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = seconds


@pytest.mark.parametrize("declared", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_gunicorns_reader_ends_at_the_deadline_though_bytes_drip_in(
    drain: BodyDrain, clock: Clock, declared: str
) -> None:
    head = f"POST / HTTP/1.1\r\nHost: shop\r\n{declared}\r\n\r\n".encode()
    client = Drip(clock, head)
    body = next(RequestParser(Config(), client, ("203.0.113.9", 1))).body
    began = clock()
    environ: dict[str, Any] = {"wsgi.input_terminated": True, "gunicorn.socket": client}
    if "Transfer" in declared:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = "1000"
    drain.drop(posted(body, **environ))
    assert clock() - began == pytest.approx(MOST_SECONDS)
    assert client.timeout is None


@pytest.mark.parametrize("module", ["granian._granian", "a2wsgi.wsgi"])
def test_a_read_that_nothing_bounds_is_not_waited_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    class Body(Upload):
        """One that any thread may read, and that ends with the answer."""

        __module__ = module

    answered = threading.Event()
    monkeypatch.setattr("flask_irl.web.body.MOST_SECONDS", 0.01)
    upload = Body(LENGTH, answered.wait)
    BodyDrain({}, fail, clock).drop(posted(upload, CONTENT_LENGTH=str(LENGTH)))
    assert upload.taken == 0
    answered.set()
    for thread in threading.enumerate():
        if thread.name == "irl-body":
            thread.join()
    assert upload.taken == LENGTH
