"""Test that each fenced block of the documents is run or checked by a test, or excepted."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from tests.docs.blocks import BLOCKS, Block, of
from tests.docs.exceptions import NOT_RUN, reason
from tests.nginx import find_nginx
from tests.servers import RedisServer

RUN = {"python", "shell", "json", "nginx", "redis", "html"}
"""Languages whose blocks are run: Python and shell in the files beside this one."""
CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
    *("-subj", "/CN=site", "-keyout", "site.key", "-out", "site.pem"),
)


def ids(block: Block) -> str:
    return block.place


def test_each_block_is_run_or_excepted() -> None:
    left = [block.place for block in BLOCKS if block.language not in RUN and not reason(block)]
    assert left == []


def test_each_exception_is_of_a_block_that_is_there() -> None:
    used = {
        (page, beginning)
        for page, beginning in NOT_RUN
        for block in BLOCKS
        if block.page == page and block.text.startswith(beginning)
    }
    assert NOT_RUN.keys() - used == set()


@pytest.mark.parametrize("block", of("python"), ids=ids)
def test_python_is_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", of("json"), ids=ids)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", of("html"), ids=ids)
def test_a_template_of_the_apps_is_shown_to_browsers(block: Block, tmp_path: Path) -> None:
    template = tmp_path / str(block.title)
    template.parent.mkdir(parents=True)
    template.write_text(block.text)
    (tmp_path / "templates" / "base.html").write_text("{% block content %}{% endblock %}")
    app = Flask("shop", root_path=str(tmp_path))
    limiter = IntelligentLimiter(app, base_limit=1, background=False)
    app.add_url_rule("/", "index", lambda: "hello")
    pages = [app.test_client().get("/", headers={"Accept": "text/html"}).text for _ in range(2)]
    limiter.close()
    assert "<h1>Slow down, please</h1>" in pages[1]


@pytest.mark.integration
@pytest.mark.parametrize("block", of("nginx"), ids=ids)
def test_nginx_takes_its_configuration(block: Block, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    subprocess.run(CERTIFICATE, cwd=tmp_path, check=True, capture_output=True)
    # Where the page's certificate lies on its own machine, there is none here.
    text = re.sub(r"/etc/ssl/(site\.\w+)", rf"{tmp_path}/\1", block.text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {text} }}"
    )
    command = [str(find_nginx()[0]), "-t", "-e", "stderr", "-p", str(tmp_path), "-c", "nginx.conf"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, "warn" in result.stderr) == (0, False), result.stderr


@pytest.mark.integration
@pytest.mark.parametrize("block", of("redis"), ids=ids)
def test_redis_takes_its_commands(block: Block, redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        for line in block.text.splitlines():
            assert client.execute_command(*line.split()) in (True, b"OK", "OK"), line
        client.execute_command("ACL", "DELUSER", "irl")
