"""Provide sites with their shells, on each kind of store, and a model of a quiet site."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from flask_irl.config.sources import resolve
from flask_irl.limiter.open import open_limiter
from flask_irl.model.model import Model
from flask_irl.training.fit import fit_here
from tests.cli.shell import (
    Make,
    Site,
)
from tests.conftest import Clock


@pytest.fixture
def make() -> Iterator[Make]:
    sites: list[Site] = []

    def build(uri: str) -> Site:
        shell = Site(uri) if uri != "memory://" else None
        sites.append(Site(uri, shell=shell))
        return sites[-1]

    yield build
    for site in sites:
        site.close()


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, make: Make) -> Site:
    return make("memory://" if request.param == "memory" else request.getfixturevalue("redis_url"))


@pytest.fixture
def local(make: Make) -> Site:
    """Make a site whose shell is its own process, for tests that don't depend on the store."""
    return make("memory://")


@pytest.fixture(scope="module")
def trained() -> Model:
    """Train a model on forty people that read pages for some minutes, in virtual time."""
    clock, draw = Clock(), random.Random(7)
    engine = open_limiter(resolve({"background": False}, {}, {}), clock=clock, fit=fit_here)
    plan = engine.plan(())
    for second in range(300):
        for person in range(40):
            if draw.random() < 1 / (5 + person % 9):
                engine.observe(
                    engine.decide(plan, (f"person-{person}",)),
                    route="/page/<n>",
                    path=draw.randrange(12),
                    method="GET",
                    status=200,
                    size=draw.randint(2000, 9000),
                )
        clock.advance(1)
        if not second % 10:
            engine.flush()
    training = engine.train()
    assert training.result == "accepted", training
    engine.close()
    return engine.trainer.model
