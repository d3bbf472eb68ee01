"""Test ``POST /train`` with a real limiter: it starts a training, and its end is in model-info."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request

from flask_irl import IntelligentLimiter
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.web.state import state_of
from tests.admin.api import WRITE, Caller, problem_of
from tests.servers import wait_until

PATIENCE = 20.0


class Site:
    """Have an app whose trainings take until ``go_on`` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.entered = threading.Event()
        app = Flask("site")
        IntelligentLimiter(
            app,
            storage_uri="memory://",
            background=False,
            admin_token=WRITE,
            key_func=lambda: request.headers.get("X-Client", "operator"),
        )
        app.add_url_rule("/", "index", lambda: "hello")
        self.client = app.test_client()
        self.ask = Caller(self.client)
        self.limiter = state_of(app).limiter
        self.limiter.trainer._fit = self._fit

    def _fit(self, *_: object) -> Detector:
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        return NullDetector(len(FEATURE_NAMES))

    def learn(self) -> None:
        for number in range(12):
            for _ in range(8):
                self.client.get("/", headers={"X-Client": f"learner {number}"})

    def last_training(self) -> Any:
        return self.ask("GET", "/admin/model-info").json["last_training"]


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.go_on.set()
    site.limiter.close()


def test_a_training_is_answered_while_it_runs(site: Site) -> None:
    site.learn()
    response = site.ask("POST", "/admin/train")
    assert response.status_code == 202
    assert response.json["result"] == "started"
    assert site.entered.wait(PATIENCE)
    assert site.last_training() is None


def test_the_answer_says_where_the_end_of_the_training_is(site: Site) -> None:
    site.learn()
    see = site.ask("POST", "/admin/train").json["see"]
    site.go_on.set()
    wait_until(lambda: site.last_training() is not None, "the training's end", PATIENCE)
    info = site.ask("GET", see).json
    assert (info["version"], info["last_training"]["result"]) == (1, "accepted")
    assert info["last_training"]["clients"] == 12


def test_a_start_is_audited_with_its_operator(site: Site) -> None:
    site.learn()
    site.ask("POST", "/admin/train")
    [entry] = site.ask("GET", "/admin/audit").json["changes"]
    assert (entry["action"], entry["before"]) == ("train", {"version": 0})
    assert entry["after"] == {"result": "started"}


def test_a_second_training_is_a_conflict(site: Site) -> None:
    site.learn()
    site.ask("POST", "/admin/train")
    problem = problem_of(site.ask("POST", "/admin/train"), 409)
    assert problem["detail"] == "a training is running in this worker already"


def test_too_few_requests_are_a_conflict(site: Site) -> None:
    problem = problem_of(site.ask("POST", "/admin/train"), 409)
    assert "at least 50 are needed" in problem["detail"]
    assert site.last_training()["result"] == "refused"
