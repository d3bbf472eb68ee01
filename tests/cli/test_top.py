"""Test the live page: its lines, its keys, and all of it in a terminal of 80 columns."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from flask_irl.campaigns.incident import Incident, encode
from flask_irl.cli.live_page import View, bars, page_of
from flask_irl.cli.top import Screen
from flask_irl.errors import StoreError
from flask_irl.operations import Operations
from flask_irl.verdicts.incident_watch import INCIDENTS
from tests.cli.shell import ODD, Site
from tests.operations.worker import break_store

WIDTH, HEIGHT = 80, 24
PATIENCE = 60.0


@pytest.fixture
def busy(local: Site) -> Site:
    """Give a site with thirty clients."""
    for number in range(30):
        local.ask(f"client-{number}", 1 + number % 3)
    local.ask("busiest", 9)
    local.engine.flush()
    return local


def screen_of(site: Site) -> Screen:
    return Screen(Operations(site.engine), View())


def drawn(screen: Screen, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    lines = page_of(screen.top, screen.view, width, height)
    assert len(lines) == height
    assert all(len(line.text) <= width and line.text.isprintable() for line in lines)
    return [line.text for line in lines]


def marked(screen: Screen) -> list[str]:
    return [x.text for x in page_of(screen.top, screen.view, WIDTH, HEIGHT) if x.marked]


def test_the_page_has_traffic_and_the_busiest_client_first(busy: Site) -> None:
    page = drawn(screen_of(busy))
    assert "mode enforce, base limit 40 per 60 seconds" in page[0]
    assert "requests a second" in page[1]
    assert page[4] == "no attack"
    assert page[6].split() == ["client", "by", "active", "limit", "req/min", "refused", "score"]
    assert page[7].split()[:3] == ["busiest", "40", "9"]
    assert page[-1].endswith("q quit")


@pytest.mark.parametrize(("width", "height"), [(20, 5), (80, 8), (200, 60), (1, 1)])
def test_the_page_fits_any_terminal(busy: Site, width: int, height: int) -> None:
    drawn(screen_of(busy), width, height)


def test_arrows_select_and_the_page_follows(busy: Site) -> None:
    screen = screen_of(busy)
    assert [line.split()[0] for line in marked(screen)] == ["busiest"]
    for _ in range(40):
        assert screen.answer("down")
    assert screen.view.selected == 30
    assert len(marked(screen)) == 1
    for _ in range(40):
        screen.answer("up")
    assert [line.split()[0] for line in marked(screen)] == ["busiest"]


def test_enter_explains_and_escape_goes_back(busy: Site) -> None:
    screen = screen_of(busy)
    screen.answer("enter")
    page = drawn(screen)
    assert any(line.startswith("client              busiest") for line in page)
    assert any(line.startswith("requests a minute") for line in page)
    screen.answer("escape")
    assert drawn(screen)[7].startswith("busiest")


def test_a_client_is_blocked_only_when_it_is_confirmed(busy: Site) -> None:
    screen = screen_of(busy)
    for key in ("n", "x", "escape", "q"):
        screen.answer("b")
        assert drawn(screen)[-1] == "block busiest for an hour? y or n"
        assert screen.answer(key)
    assert busy.ask("busiest") == [200]
    screen.answer("b")
    screen.answer("y")
    assert drawn(screen)[-1].startswith("busiest is blocked for an hour")
    assert busy.ask("busiest") == [429]
    [entry] = busy.json("audit", "--limit", "1")
    assert (entry["action"], entry["target"], entry["reason"]) == ("override", "busiest", "irl top")


def test_the_order_goes_round(busy: Site) -> None:
    screen = screen_of(busy)
    orders = []
    for _ in range(4):
        screen.answer("o")
        orders.append(screen.view.order)
    assert sorted(orders) == ["active", "anomalous", "flagged", "refused"]
    assert not screen.answer("q")


def test_a_site_without_clients_can_be_looked_at(local: Site) -> None:
    screen = screen_of(local)
    for key in ("down", "up", "enter", "b", "y", "o"):
        assert screen.answer(key)
        drawn(screen)
    assert "nobody" in drawn(screen)


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_no_name_does_anything_to_the_terminal(busy: Site, name: str) -> None:
    busy.engine.label_of = lambda client: name
    busy.engine.store.put_table(
        INCIDENTS, 0, encode([Incident("flood", "", 1.8e9, 1.8e9, examples=(name,))])
    )
    screen = screen_of(busy)
    for key in ("x", "enter", "b"):
        screen.answer(key)
        drawn(screen)


def test_attacks_that_go_on_are_told(busy: Site) -> None:
    now = time.time()
    one = Incident("guessing", "", now - 9, now, clients=2)
    busy.engine.store.put_table(INCIDENTS, 0, encode([one]))
    assert drawn(screen_of(busy))[4].startswith("ATTACK: guessing of passwords since 2")


def test_a_store_that_is_out_is_told(busy: Site) -> None:
    screen = screen_of(busy)
    break_store(busy.engine.store, StoreError("no answer", kind="timeout"))
    screen.top = screen._read()
    assert drawn(screen)[0].startswith("store DOES NOT ANSWER")
    screen.answer("b")
    drawn(screen)


def test_bars_have_the_height_of_their_values() -> None:
    assert bars([0, 1, 50, 100], 100) == " ▁▄█"
    assert bars([0], 0) == " "


def test_it_needs_a_terminal(local: Site) -> None:
    assert "needs a terminal" in local.failed("top")


# In a terminal

APP = """
from flask import Flask
from flask_irl import IntelligentLimiter
app = Flask(__name__)
IntelligentLimiter(app, storage_uri={url!r}, background=False, base_limit=40, store_timeout=10.0)
"""


class Terminal:
    """Run a command in a terminal of 80 columns and 24 lines."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        self.slave = slave
        self.raw = b""

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: str) -> list[str]:
        """Read until the screen shows a text."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            if any(text in line for line in self.screen.display):
                return list(self.screen.display)
            if select.select([self._master], [], [], 0.1)[0]:
                data = os.read(self._master, 65536)
                self.raw += data
                self._stream.feed(data)
        raise AssertionError(f"{text!r} isn't shown:\n" + "\n".join(self.screen.display))

    def end(self) -> int:
        """Wait until the command has ended, and give its exit code."""
        ends = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < ends:
            if select.select([self._master], [], [], 0.1)[0]:
                self.raw += os.read(self._master, 65536)
        code = self.process.poll()
        assert code is not None
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path: Path, redis_url: str) -> Iterator[Terminal]:
    (tmp_path / "site_app.py").write_text(APP.format(url=redis_url))
    found = Terminal([sys.executable, "-m", "flask", "--app", "site_app", "irl", "top"], tmp_path)
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.integration
def test_it_works_in_a_terminal(redis_url: str, terminal: Terminal) -> None:
    site = Site(redis_url)
    site.ask("busiest", 9)
    site.ask("evil\x1b[31mname", 3)
    site.engine.flush()
    before = termios.tcgetattr(terminal.slave)
    page = terminal.wait_for("busiest")
    assert any("requests a second" in line for line in page)
    terminal.press(b"\x1b[B")
    terminal.press(b"\r")
    terminal.wait_for("requests a minute")
    terminal.press(b"\x1b")
    terminal.wait_for("client by active")
    terminal.press(b"\x1b[A")
    terminal.press(b"b")
    terminal.wait_for("block busiest for an hour? y or n")
    terminal.press(b"y")
    terminal.wait_for("busiest is blocked for an hour")
    assert site.ask("busiest") == [429]
    terminal.press(b"q")
    assert terminal.end() == 0
    assert b"\x1b[31m" not in terminal.raw
    # The screen of before is back, and the terminal as it was.
    assert b"\x1b[?1049l" in terminal.raw
    assert termios.tcgetattr(terminal.slave) == before
    site.close()
