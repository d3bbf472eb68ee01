"""Run the documents' Python blocks as they stand.

A block with a title is a file of its page, and may import the page's other files; any other is
complete by itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_irl.web.state import state_of
from tests.docs.blocks import BLOCKS, ROOT, Block, of, section
from tests.docs.exceptions import reason

COMPLETE = [block for block in of("python") if block.title is None and not reason(block)]
FILES = [block for block in BLOCKS if block.title is not None]
RUN_PYTEST = {block.page for block in of("shell") if block.text.startswith("pytest ")}
"""Pages whose shell blocks run their tests."""
PAGES_WITH_TESTS = sorted(
    {block.page for block in FILES if (block.title or "").startswith("test_")} - RUN_PYTEST
)


def run(text: str) -> dict[str, Any]:
    """Execute a block, and give its names."""
    names: dict[str, Any] = {"__name__": "yourapp"}
    exec(compile(text, "a page", "exec"), names)  # noqa: S102 - our own pages
    return names


@pytest.fixture
def close() -> Iterator[list[Flask]]:
    """Close the limiters of the apps in this list in the end."""
    apps: list[Flask] = []
    yield apps
    for app in apps:
        if "flask_irl" in app.extensions:
            state_of(app).close()


@pytest.mark.parametrize("block", COMPLETE, ids=lambda block: block.place)
def test_a_block_runs_and_its_app_serves(
    block: Block, close: list[Flask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in re.findall(r'os\.environ\["(\w+)"\]', block.text):
        monkeypatch.setenv(variable, f"a text for {variable}, made up by a test")
    app = run(block.text).get("app")
    assert isinstance(app, Flask), "a block that is complete has an app"
    close.append(app)
    rules = [rule for rule in app.url_map.iter_rules() if "static" not in rule.endpoint]
    paths = [rule.rule for rule in rules if "GET" in (rule.methods or ()) and not rule.arguments]
    for number, path in enumerate(["/this/is/nowhere", *paths]):
        # Each from an address of its own: some blocks block whoever asks.
        address = {"REMOTE_ADDR": f"192.0.2.{number}"}
        with app.test_client().get(path, environ_base=address) as answer:
            assert answer.status_code < 429, path


def test_the_metrics_of_the_page_are_served(close: list[Flask]) -> None:
    [block] = re.findall(
        r"^```python\n(.*?)^```$", section("metrics.md", "In your app"), re.M | re.S
    )
    app = run(block)["app"]
    close.append(app)
    client = app.test_client()
    client.get("/")
    assert (
        'irl_requests_total{outcome="allowed",route="unmatched"} 1.0' in client.get("/metrics").text
    )


@pytest.mark.integration
@pytest.mark.parametrize("page", PAGES_WITH_TESTS)
def test_the_tests_of_a_page_pass(page: str, tmp_path: Path) -> None:
    for block in FILES:
        if block.page == page:
            (tmp_path / str(block.title)).write_text(block.text)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q"]
    result = subprocess.run(
        [*command, "--rootdir", tmp_path, "-c", os.devnull, tmp_path],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            # Those of this environment's libraries take seconds to import.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
