"""Provide fixtures of the admin API's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_irl.operations import Operations
from tests.admin.api import READ, Caller, make_app
from tests.admin.site import make_worker
from tests.conftest import Clock
from tests.operations.worker import Worker


@pytest.fixture
def worker(clock: Clock) -> Worker:
    """Make the limiter behind the API."""
    return make_worker(clock)


@pytest.fixture
def operations(worker: Worker) -> Operations:
    """Give the operations behind the API."""
    return worker.operations


@pytest.fixture
def app(operations: Operations) -> Flask:
    """Make an app with the admin API, a token that may write and one that may read."""
    return make_app(operations)


@pytest.fixture
def ask(app: Flask) -> Caller:
    """Ask the API with a token that may write."""
    return Caller(app.test_client())


@pytest.fixture
def ask_reading(app: Flask) -> Caller:
    """Ask the API with a token that may read only."""
    return Caller(app.test_client(), READ)


@pytest.fixture
def ask_as_nobody(app: Flask) -> Caller:
    """Ask the API without a token."""
    return Caller(app.test_client(), None)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """Load the plugin of schemathesis, seconds of imports, only where it is needed."""
    if module_path.name == "test_schemathesis.py":
        parent.config.pluginmanager.import_plugin("schemathesis.pytest.plugin")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each operation that schemathesis tries a node id of its own.

    pytest 9.2 leaves the operation out of it, and pytest-xdist runs one test of an id.
    """
    operation = getattr(item, "operation_label", None)
    if operation is not None and operation not in item.nodeid:
        item._id = item.id.with_params(operation)
