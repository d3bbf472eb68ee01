"""Servers end whatever the background does, and leave nothing: no process, no word."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.integration.leaving import COMMANDS, ENDLESS, MISSING, Leaving, Load, wait_for
from tests.servers import RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TERM, INT = signal.SIGTERM, signal.SIGINT
BY_SIGNAL = {"waitress", "flask run", "flask run --reload"}
"""Servers that leave SIGTERM to the system: Python doesn't end in good order then."""
QUIET = re.compile(
    # What the servers themselves say of their end.
    r"\[INFO\]|^\s*$|SIGINT/SIGTERM received|^worker \d+ buried|^goodbye|^VACUUM|gateway"
    r"|\"GET / HTTP/1\.1\" 200|Inotify|"
    # A store that hangs is worth a line.
    r"^(WARNING:flask_irl:)?store_(error|lost)|^ERROR:flask_irl:store_lost"
)


def words(log: str) -> list[str]:
    """List the lines of a log that nobody wants to read when a server ends."""
    return [line for line in log.splitlines() if not QUIET.search(line)]


def leave(server: Leaving, sent: signal.Signals = TERM, name: str = "") -> None:
    """Have a server end, and hold that it leaves nothing."""
    before = len(server.log)
    code = server.leave(sent)
    assert code == (-TERM if sent == TERM and name in BY_SIGNAL else 0), server.log
    # Children of trainings that outlive their parent look for it now and then.
    wait_for(lambda: not server.processes(), "the end of all its processes")
    assert words(server.log[before:]) == []


@pytest.mark.parametrize("name", ["sync", "gevent", "uWSGI", "granian", "waitress"])
def test_a_training_that_runs_ends_with_its_server(
    name: str, tmp_path: Path, redis_url: str
) -> None:
    with Leaving(name, tmp_path, redis_url, ENDLESS) as server:
        wait_for(server.trainings, "a training")
        leave(server, TERM, name)


def test_a_server_ends_where_trainings_begin_all_the_time(tmp_path: Path, redis_url: str) -> None:
    with Leaving("preloaded", tmp_path, redis_url, MISSING) as server:
        wait_for(server.trainings, "a training")
        leave(server)


@pytest.mark.parametrize("name", ["gthread", "gevent"])
def test_a_server_whose_store_hangs_ends(name: str, tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        Leaving(name, tmp_path, redis.url, IRL_TRAIN="false", STORE_TIMEOUT="0.2") as server,
    ):
        redis.freeze()
        # Observed, so that a flush hangs, too.
        server.ask()
        wait_for(lambda: "store_error" in server.log, "a call that hangs")
        leave(server)


@pytest.mark.parametrize("name", ["flask run", "flask run --reload"])
def test_ctrl_c_leaves_nothing(name: str, tmp_path: Path) -> None:
    with Leaving(name, tmp_path, "memory://", ENDLESS) as server:
        wait_for(server.trainings, "a training")
        leave(server, INT)


def test_the_reloader_leaves_nothing_of_the_server_that_it_ends(tmp_path: Path) -> None:
    with Leaving("reloader by stat", tmp_path, "memory://", ENDLESS) as server:
        wait_for(server.trainings, "a training")
        first, old = server.ask(), server.trainings()
        app = tmp_path / "shop.py"
        app.write_text(app.read_text() + "\n# changed\n")
        wait_for(lambda: _asks_another(server, first), "the reloaded server")
        wait_for(lambda: not set(old) & set(server.processes()), "the old training's end")
        leave(server, INT)


def _asks_another(server: Leaving, first: str) -> bool:
    try:
        return server.ask() != first
    except OSError:
        return False


@pytest.mark.parametrize("name", ["sync", "gthread", "gevent"])
def test_a_reload_under_load_loses_no_request(name: str, tmp_path: Path, redis_url: str) -> None:
    with Leaving(name, tmp_path, redis_url, IRL_TRAIN="false") as server:
        with Load(server) as load:
            for _ in range(2):
                old, known = server.workers(), set(load.workers)
                server.process.send_signal(signal.SIGHUP)
                wait_for(lambda o=old: not o & server.workers(), "the old workers' end")  # type: ignore[misc]
                # One of two may get all: who accepts a connection is chance.
                wait_for(lambda k=known: set(load.workers) - k, "a new worker's answer")  # type: ignore[misc]
        assert load.lost == []
        leave(server)


def test_workers_that_end_by_their_number_of_requests_lose_none(
    tmp_path: Path, redis_url: str
) -> None:
    with Leaving("recycled", tmp_path, redis_url, IRL_TRAIN="false") as server:
        with Load(server) as load:
            wait_for(lambda: len(load.workers) >= 5, "five workers")
        assert load.lost == []
        leave(server)


def test_every_server_is_tried() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'"{name}"' not in here] == []
