"""Real servers with two processes on the embedded store: the log says that each counts apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.integration.wsgi_servers import PATIENCE, SERVERS, Command, Running
from tests.servers import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TWO = {
    "gunicorn sync": ("--workers=2",),
    "uWSGI http-socket": ("--processes=2",),
    "granian": ("--workers=2",),
}
WARNING = "memory_store_not_shared"


def with_options(command: Command, options: tuple[str, ...]) -> Command:
    """Add options to a server's command."""
    return lambda host, port, folder: [*command(host, port, folder), *options]


@pytest.mark.parametrize("name", TWO)
def test_two_processes_on_the_embedded_store_are_warned_of(name: str, tmp_path: Path) -> None:
    server = SERVERS[name]
    if server.missing:
        pytest.skip(server.missing)
    two = dataclasses.replace(server, command=with_options(server.command, TWO[name]))
    with Running(two, tmp_path, "memory://", 100) as running:
        wait_until(lambda: WARNING in running.log, "a warning", PATIENCE)
        assert "REDIS_URL" in running.log
