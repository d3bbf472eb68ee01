"""The form of the lines that gunicorn and the limiter log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.demo.gunicorn_server import MEMORY, START, Gunicorn

pytestmark = pytest.mark.integration


def test_every_line_can_be_json(tmp_path: Path) -> None:
    with Gunicorn(MEMORY, tmp_path, BASE_LIMIT="1", LOG_FORMAT="json") as server:
        for _ in range(2):
            server.get("/api/data", "logged")
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert {line["logger"] for line in lines} == {"gunicorn.error", "flask_irl"}
    refusal = next(line for line in lines if line["event"] == "request_refused")
    assert (refusal["route"], refusal["limit"], refusal["anomalous"]) == ("/api/data", 1, False)


def test_a_form_that_is_not_known_is_refused(tmp_path: Path) -> None:
    server = Gunicorn(MEMORY, tmp_path, LOG_FORMAT="xml")
    assert server.start().wait(START) != 0
    assert "LOG_FORMAT is 'xml', which is not allowed: give text or json" in server.log


def test_a_level_that_is_not_known_is_refused(tmp_path: Path) -> None:
    server = Gunicorn(MEMORY, tmp_path, LOG_LEVEL="loud")
    assert server.start().wait(START) != 0
    assert "LOG_LEVEL is 'LOUD', which is not allowed: give DEBUG, INFO" in server.log
