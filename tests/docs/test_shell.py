"""Run the documents' shell blocks as they stand, and the commands of the table of commands."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from demo_app import create_app
from flask_irl.cli import irl
from flask_irl.web.state import state_of
from tests.docs.blocks import BLOCKS, section
from tests.docs.shell import Page, checkout, commands_of, files_of
from tests.servers import RedisServer

pytestmark = pytest.mark.integration

PIP = {
    # Neither the network nor anything of this environment: what is built lies in the folder.
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_TARGET": "installed",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""Environment of ``pip install``."""
PAGES = sorted({block.page for block in BLOCKS if commands_of(block.page)})
ADDRESS = "203.0.113.7"


@pytest.fixture
def redis(redis_url: str) -> str:
    """Give the address of an empty Redis."""
    return redis_url.removeprefix("redis://").removesuffix("/0")


def outputs(page: str, folder: Path, redis: str, **environment: str) -> dict[str, str]:
    """Run a page's shell blocks, and give their outputs by the blocks' first lines."""
    found = {}
    for name, text in files_of(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with Page(folder, redis, **environment) as shell:
        for block in commands_of(page):
            if not block.text.startswith("pip install"):
                found[block.text.partition("\n")[0]] = shell.run(block)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_order(page: str, tmp_path: Path, redis: str) -> None:
    found = outputs(page, tmp_path, redis)
    if page == "start.md":
        asked = found["for i in $(seq 21); do"]
        assert asked.startswith("200 " * 20 + "429 HTTP/1.1 429 TOO MANY REQUESTS")
        [shown] = [block.text for block in BLOCKS if block.text.startswith("HTTP/1.1 429")]
        headers = re.findall(r"^([\w-]+):", shown, re.MULTILINE)
        assert [name for name in headers if f"\n{name}: " not in asked] == []


@pytest.mark.slow
def test_pip_installs_it_from_a_checkout_and_from_git(tmp_path: Path, redis: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git")
    blocks = [block for block in BLOCKS if block.text.startswith("pip install")]
    assert {block.page for block in blocks} == {"README.md", "start.md"}
    folder = checkout(tmp_path)
    with Page(folder, redis, **PIP, REPOSITORY=f"file://{folder}") as shell:
        for text in {block.text: block for block in blocks}.values():
            shutil.rmtree(folder / "installed", ignore_errors=True)
            shell.run(text)
            assert (folder / "installed" / "flask_irl" / "extension.py").exists()


# The table of commands


@pytest.fixture
def app(redis_server: RedisServer, redis_url: str) -> Iterator[Flask]:
    """Make the demo app on Redis, with one client known."""
    app = create_app({"IRL_STORAGE_URI": redis_url, "IRL_BACKGROUND": False})
    client = app.test_client()
    for _ in range(30):
        client.get("/api/data", environ_base={"REMOTE_ADDR": ADDRESS})
    state_of(app).limiter.flush()
    yield app
    state_of(app).close()


def rows_of_commands() -> list[str]:
    """List the commands of the table."""
    _, _, rows = section("admin.md", "Command line").partition("irl …` | does |\n")
    return re.findall(r"^\| `([^`]+)` \|", rows.partition("\n\n")[0], re.MULTILINE)


def test_the_table_has_every_command(app: Flask) -> None:
    named = {row.split()[0] for row in rows_of_commands()}
    assert named == set(irl.commands)


def test_the_commands_of_the_table_run_in_order(app: Flask) -> None:
    runner = app.test_cli_runner()
    app.cli.add_command(irl)
    failed = {}
    for row in rows_of_commands():
        if row.split()[0] in STARTED_ELSEWHERE:
            continue
        result = runner.invoke(args=["irl", *shlex.split(row)])
        if result.exit_code != EXPECTED.get(row, 0) or not result.output:
            failed[row] = result.output
    assert failed == {}


STARTED_ELSEWHERE = {"replay", "trainer", "migrate", "keys", "tenants", "top"}
"""Commands that read a log or source, or run until SIGTERM; other tests run them."""
EXPECTED = {
    "train": 1,
    "model": 1,
    'rollback 12 --hours 24 --reason "flags our partners"': 1,
    "unpin": 1,
}
"""Exit codes other than 0: too little to learn from here, so no model, none pinned."""
