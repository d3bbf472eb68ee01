"""Paste the documents' walk through the admin API against a served demo, with curl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.demo.gunicorn_server import MEMORY, ROOT, Gunicorn
from tests.servers import HOST

pytestmark = [pytest.mark.slow, pytest.mark.integration]

DOCUMENTS: Final = (*(ROOT / "docs").glob("*.md"), ROOT / "README.md")
TOKEN: Final = "a-long-random-token"
STATE: Final = ("limits", "mode", "clients?order=overridden", "client/127.0.0.1")
"""Endpoints that show what the walk might leave behind."""
TELL: Final = r"""
curl() {
  command curl -w '\n%{http_code}\n=====\n' "$@"
}
"""
"""Has curl print the status behind the answer."""
TIMEOUT: Final = 120.0


class Answer(NamedTuple):
    """What a line of the walk shows."""

    status: int
    members: dict[str, Any]


def walk_of_documents() -> str:
    """Find the walk: the block that asks for the site's status and its counters."""
    blocks = (
        block
        for document in DOCUMENTS
        for block in re.findall(r"^```\w*\n(.*?)^```$", document.read_text(), re.M | re.S)
    )
    [walk] = {block for block in blocks if re.search(r"^curl .*/admin/stats", block, re.M)}
    return str(walk)


def run(script: str, port: int) -> str:
    """Run lines with bash against the demo."""
    result = subprocess.run(
        ["bash", "-uc", script.replace("localhost:8000", f"{HOST}:{port}")],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "IRL_ADMIN_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert result.stderr == ""
    return result.stdout


def answers(output: str) -> list[Answer]:
    found = []
    for part in output.split("=====\n")[:-1]:
        body, status = part.rstrip("\n").rsplit("\n", 1)
        found.append(Answer(int(status), json.loads(body)))
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    """Serve the demo app as ``make run`` does."""
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    home: Path = tmp_path_factory.mktemp("demo")
    with Gunicorn(MEMORY, home, IRL_ADMIN_TOKEN=TOKEN) as server:
        yield server


def state(demo: Gunicorn) -> list[Answer]:
    asked = (
        f'curl -s -H "Authorization: Bearer {TOKEN}" "http://localhost:8000/admin/{path}"'
        for path in STATE
    )
    return answers(run("\n".join([TELL, *asked]), demo.port))


def test_each_line_shows_something_and_the_demo_is_left_as_it_was(demo: Gunicorn) -> None:
    walk = walk_of_documents()
    before = state(demo)
    # Only lines that begin with curl show something; the others prepare, or wait.
    lines = re.sub(r"(?<!^)\bcurl\b", "command curl", walk, flags=re.M)
    shown = answers(run(TELL + lines, demo.port))
    assert len(shown) == len(re.findall(r"^curl ", walk, re.M)) > 15
    assert [answer for answer in shown if answer.status >= 300] == []
    # A list that is empty shows nothing.
    lists = ("clients", "models", "changes", "routes", "history")
    # But for the report's, which is of those that were refused, and the moments of flag in a
    # client's course: there are none yet.
    without = {"refused_by_app", "slot_seconds"}
    empty = [
        a
        for a in shown
        if any(a.members.get(name) == [] for name in lists) and not without & a.members.keys()
    ]
    assert empty == []
    assert state(demo) == before
