"""Fixtures of the admin API's tests."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.admin.api import READ, Caller, make_app
from tests.admin.fakes import FakeOperations


@pytest.fixture
def operations() -> FakeOperations:
    """What the API does."""
    return FakeOperations()


@pytest.fixture
def app(operations: FakeOperations) -> Flask:
    """An app with the admin API, a token that may write and one that may read."""
    return make_app(operations)


@pytest.fixture
def ask(app: Flask) -> Caller:
    """Asks the API as somebody who may write."""
    return Caller(app.test_client())


@pytest.fixture
def ask_reading(app: Flask) -> Caller:
    """Asks the API as somebody who may read only."""
    return Caller(app.test_client(), READ)


@pytest.fixture
def ask_as_nobody(app: Flask) -> Caller:
    """Asks the API without a token."""
    return Caller(app.test_client(), None)
