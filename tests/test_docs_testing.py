"""Run the page on testing an app: its fixtures and tests, with an app of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = """
from flask import Flask
from flask_irl import IntelligentLimiter

limiter = IntelligentLimiter()


def create_app(config):
    app = Flask("myapp")
    app.config.from_mapping(config)
    limiter.init_app(app)
    app.add_url_rule("/export", "export", limiter.limit("2/hour")(lambda: "rows"))
    return app
"""


@pytest.mark.integration
def test_the_pages_fixtures_and_tests_work(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "testing.md").read_text()
    fixtures, tests = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "myapp.py").write_text(APP)
    (tmp_path / "conftest.py").write_text(fixtures)
    (tmp_path / "test_export.py").write_text(tests)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:dash"]
    result = subprocess.run(
        [*command, "--rootdir", tmp_path, "-c", os.devnull, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout
