"""An app with a limited function, for tests of where its limit counts."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_irl import IntelligentLimiter
from tests.recorder import Recorder


class Site:
    """An app, and a limiter that isn't registered with it yet, with a limited function."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.app.secret_key = "s"
        self.listener = Recorder()
        self.limiter = IntelligentLimiter(background=False, listener=self.listener, **options)
        self.ran = 0
        self.costly = self.limiter.limit("2/hour")(self.work)

    def work(self) -> None:
        self.ran += 1

    def start(self) -> None:
        self.limiter.init_app(self.app)
        self.app.add_url_rule("/x", "x", lambda: "x")

    def asks(self, count: int, path: str = "/x") -> list[int]:
        return [self.app.test_client().get(path).status_code for _ in range(count)]
