"""The demo: its cast, what its clients note, its verdict, and the whole of it, short and long."""

from __future__ import annotations

import functools
import heapq
import http.client
import io
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from demo_app import create_app
from demo_app.cast import SHARES, Act, Phase, Role, attack_roles, normal_roles
from demo_app.demo import HELD, INTERRUPTED, LIMIT, SECONDS, TRAINING_SHARE, WINDOW_SECONDS, main
from demo_app.display import Display
from demo_app.keys import SECRET, issue_key
from demo_app.ledger import Entry
from demo_app.personas import Call
from demo_app.report import print_clients
from demo_app.served import OPTIONS
from demo_app.traffic import Visitor, stop_all
from demo_app.verdict import complaints
from flask_irl.limiter.open import open_limiter
from flask_irl.training.fit import fit_here
from flask_irl.web.state import state_of
from tests.conftest import Clock
from tests.servers import wait_until

ROOT = Path(__file__).parents[2]
STOP = 60.0


def role(fate: Any = "normal", name: str = "somebody") -> Role:
    return Role(name, "somebody", fate, ())


def tell(
    entry: Entry, *, limit: int = LIMIT, status: int = 200, anomalous: bool = False, path: str = "/"
) -> None:
    body = json.dumps({"detail": {"is_anomalous": anomalous}}).encode() if status == 429 else b""
    entry.answered(path, status, {"X-RateLimit-Limit": str(limit)}, body, 0.001)


@pytest.fixture
def entry(clock: Clock) -> Entry:
    return Entry(role(), LIMIT, clock)


# --- the cast


def test_there_are_many_more_than_thirty_normal_clients_with_names_of_their_own() -> None:
    names = [r.name for r in normal_roles()]
    assert len(set(names)) == len(names) >= 30


def test_every_script_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    for persona in {r.persona: r for r in [*normal_roles(), *attack_roles()]}.values():
        for act in persona.acts:
            assert act.script is not None
            first, again, other = (
                list(itertools.islice(act.script(Random(seed)), 60)) for seed in (1, 1, 2)
            )
            assert first == again != other


@pytest.fixture(scope="module")
def routes() -> MapAdapter:
    return create_app({"IRL_BACKGROUND": False}).url_map.bind("site")


def _calls(roles: list[Role]) -> Iterator[Call]:
    for r in roles:
        for act in r.acts:
            assert act.script is not None
            yield from itertools.islice(act.script(Random(1)), 100)


def test_normal_clients_ask_for_what_the_site_has(routes: MapAdapter) -> None:
    for call in _calls(normal_roles()):
        routes.match(call.path.partition("?")[0], method=call.method)


def test_the_scanner_asks_for_what_it_has_not(routes: MapAdapter) -> None:
    for call in _calls([r for r in attack_roles() if r.persona == "scanner"]):
        with pytest.raises(NotFound):
            routes.match(call.path, method=call.method)


def test_the_largest_burst_stays_within_the_limit() -> None:
    burst = next(r for r in normal_roles() if r.persona == "burst").acts[-1]
    assert burst.script is not None
    for seed in range(20):
        times = itertools.accumulate(
            c.pause for c in itertools.islice(burst.script(Random(seed)), 90)
        )
        assert sum(1 for at in times if at <= WINDOW_SECONDS) < LIMIT


# --- what a client notes


def test_a_client_counts_what_it_sent_and_what_became_of_it(entry: Entry) -> None:
    tell(entry)
    tell(entry, status=401)
    tell(entry, status=429)
    tell(entry, status=500)
    entry.lost(15.0)
    assert (entry.sent, entry.admitted, entry.refused, entry.failed) == (5, 2, 1, 2)


def test_a_lower_limit_means_flagged_from_that_request_on(entry: Entry) -> None:
    tell(entry)
    assert (entry.is_flagged, entry.first_flagged) == (False, None)
    tell(entry, limit=HELD)
    tell(entry, limit=HELD)
    assert (entry.is_flagged, entry.first_flagged, entry.limit) == (True, 2, HELD)


def test_a_refusal_tells_whether_the_client_is_flagged(entry: Entry) -> None:
    tell(entry, status=429)
    assert not entry.is_flagged
    tell(entry, status=429, limit=HELD, anomalous=True)
    assert entry.is_flagged


def test_a_routes_own_limit_is_not_mistaken_for_a_flag(entry: Entry) -> None:
    tell(entry, limit=20, path="/api/heavy-operation?x=1")
    tell(entry, limit=20, status=429, path="/api/heavy-operation")
    assert (entry.is_flagged, entry.limit) == (False, LIMIT)


def test_the_time_under_a_lower_limit_adds_up_over_stretches(entry: Entry, clock: Clock) -> None:
    for seconds in (4.0, 6.0):
        tell(entry, limit=HELD)
        clock.advance(seconds)
        tell(entry)
        clock.advance(100.0)
    assert (entry.flagged_for(), entry.mended, entry.limit, entry.lowest) == (10.0, 2, LIMIT, HELD)
    tell(entry, limit=HELD)
    clock.advance(3.0)
    assert entry.flagged_for() == 13.0


# --- the verdict


def verdict(*entries: Entry) -> list[str]:
    return complaints(entries, held_limit=HELD, window_seconds=WINDOW_SECONDS)


def test_a_normal_client_that_was_left_in_peace_is_as_it_should_be(entry: Entry) -> None:
    tell(entry)
    assert verdict(entry) == []


def test_a_refused_normal_client_is_a_complaint(entry: Entry) -> None:
    tell(entry)
    tell(entry, status=429)
    [complaint] = verdict(entry)
    assert "1 of 2 requests were refused" in complaint


def test_a_normal_client_that_was_flagged_for_a_while_is_a_complaint(entry: Entry) -> None:
    tell(entry, limit=HELD)
    tell(entry)
    [complaint] = verdict(entry)
    assert "flagged after 1 requests" in complaint


def test_an_unanswered_request_is_a_complaint(entry: Entry) -> None:
    tell(entry)
    entry.lost(15.0)
    [complaint] = verdict(entry)
    assert "1 of 2 requests got no proper answer" in complaint


def test_a_client_that_sent_nothing_is_a_complaint(entry: Entry) -> None:
    assert verdict(entry) == ["somebody: sent nothing"]


def _held(clock: Clock, limit: int, admitted: int, seconds: float, fate: str = "held") -> Entry:
    entry = Entry(role(fate), LIMIT, clock)
    for _ in range(admitted):
        tell(entry, limit=limit)
    clock.advance(seconds)
    return entry


def test_an_attacker_held_to_its_limit_is_as_it_should_be(clock: Clock) -> None:
    assert verdict(_held(clock, HELD, admitted=3 * HELD, seconds=20.0)) == []


def test_an_attacker_that_got_more_than_its_limit_is_a_complaint(clock: Clock) -> None:
    [complaint] = verdict(_held(clock, HELD, admitted=3 * HELD + 1, seconds=20.0))
    assert f"{3 * HELD + 1} requests were admitted in 20 s" in complaint


def test_an_attacker_that_was_not_flagged_is_a_complaint(clock: Clock) -> None:
    [complaint] = verdict(_held(clock, LIMIT, admitted=40, seconds=20.0))
    assert "was not flagged in 40 requests" in complaint


def test_an_attacker_held_to_another_limit_is_a_complaint(clock: Clock) -> None:
    [complaint] = verdict(_held(clock, 50, admitted=1, seconds=20.0))
    assert "its limit is 50 instead of 30" in complaint


def test_an_attacker_let_go_is_a_complaint(clock: Clock) -> None:
    entry = _held(clock, HELD, admitted=1, seconds=20.0)
    tell(entry)
    assert any("full limit back, though it went on" in text for text in verdict(entry))


def test_who_behaves_again_must_have_the_full_limit_back(clock: Clock) -> None:
    entry = _held(clock, HELD, admitted=1, seconds=20.0, fate="mended")
    [complaint] = verdict(entry)
    assert "its limit is still 30" in complaint
    tell(entry)
    assert verdict(entry) == []


# --- what it shows


def test_the_table_groups_untouched_clients_and_names_the_others(clock: Clock) -> None:
    entries = [Entry(role(name=f"reader {n}"), LIMIT, clock) for n in range(3)]
    held = Entry(Role("flood", "flood", "held", ()), LIMIT, clock)
    for one in (*entries, held):
        tell(one)
    tell(held, limit=HELD)
    tell(entries[2], status=429)
    out = io.StringIO()
    print_clients(Console(file=out, width=110), [*entries, held])
    shown = [re.sub(r"[^\w→]+", " ", line).strip() for line in out.getvalue().splitlines()]
    assert "2 somebodys somebody 2 2 0 no 100" in shown
    assert "reader 2 somebody 2 1 1 no 100" in shown
    assert "flood flood 2 2 0 yes 2 100 → 30" in shown


def test_without_a_terminal_events_are_plain_lines(clock: Clock) -> None:
    out = io.StringIO()
    entry = Entry(role("mended", "app [1]"), LIMIT, clock)
    with Display(Console(file=out, width=110), [entry]) as display:
        display.phase("Attack", "It begins.", 10.0)
        tell(entry, limit=HELD)
        display.update(1.0)
        display.update(1.1)
        tell(entry)
        display.update(2.0)
    lines = [line.split(" s  ")[-1] for line in out.getvalue().splitlines() if line]
    assert lines == [
        "Attack. It begins.",
        "app [1] is flagged after 1 requests: 30 of 100 left",
        "app [1] behaves again: full limit of 100",
    ]
    assert "\x1b" not in out.getvalue()


# --- the whole of it


@pytest.mark.slow
def test_the_whole_demo_in_virtual_time_goes_as_it_should(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = functools.partial(open_limiter, clock=clock, fit=fit_here)
    monkeypatch.setattr("flask_irl.web.state.open_limiter", timed)
    settings = {
        "IRL_BACKGROUND": False,
        "IRL_STORAGE_URI": "memory://",
        "IRL_BASE_LIMIT": LIMIT,
        "IRL_WINDOW_SECONDS": WINDOW_SECONDS,
        SECRET: "made up",
    }
    app = create_app(OPTIONS | settings)
    limiter, site, start = state_of(app).limiter, app.test_client(), clock.now
    learning = SECONDS * SHARES[Phase.LEARNING]
    training = learning * TRAINING_SHARE
    entries = [Entry(r, LIMIT, clock) for r in (*normal_roles(), *attack_roles())]
    due = [(float(second), 0, "flush", None) for second in range(1, int(SECONDS))]
    due += [(training, 1, "train", None), (2 * training, 2, "train", None)]
    agenda: list[tuple[float, int, Any, Any]] = list(due)
    heapq.heapify(agenda)
    number, random = itertools.count(3), Random(1)
    for entry in entries:
        for begin, end, script in _stretches(entry.role.acts):
            calls = script(Random(random.random()))
            heapq.heappush(agenda, (begin, next(number), "begin", (entry, calls, end)))
    while agenda:
        at, _, what, given = heapq.heappop(agenda)
        if at > SECONDS:
            break
        clock.now = start + at
        if what == "flush":
            limiter.flush()
        elif what == "train":
            assert limiter.train().result == "accepted"
        else:
            entry, calls, end = given
            if what != "begin":
                _send(site, entry, what)
            call = next(calls)
            # An answer takes a few milliseconds.
            later = at + max(0.0, call.pause) + 0.004
            if later < end:
                heapq.heappush(agenda, (later, next(number), call, given))
    limiter.close()
    assert verdict(*entries) == []


def _stretches(acts: tuple[Act, ...]) -> Iterator[tuple[float, float, Any]]:
    begins = [
        SECONDS * (sum(SHARES[p] for p in Phase if p < act.phase) + act.at * SHARES[act.phase])
        for act in acts
    ]
    for begin, end, act in zip(begins, [*begins[1:], SECONDS], acts, strict=True):
        yield begin, end, act.script


def _send(site: Any, entry: Entry, call: Call) -> None:
    headers = {"X-API-Key": issue_key(entry.role.name, "made up")}
    answer = site.open(call.path, method=call.method, data=call.body, headers=headers)
    entry.answered(call.path, answer.status_code, answer.headers, answer.data, 0.004)


DEMO = (
    "import runpy, signal\n"
    # Where the tests run in a shell's background, SIGINT is ignored.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "runpy.run_module('demo_app.demo', run_name='__main__')"
)


def _demo(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DEMO, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.integration
@pytest.mark.slow
def test_a_demo_too_short_to_learn_says_so_and_fails() -> None:
    # What the environment says of limits is not the demo's.
    nonsense = {"TRAINING_INTERVAL": "nonsense", "IRL_MODE": "nonsense"}
    process = _demo("--seconds", "5", BASE_LIMIT="1", **nonsense)
    shown, _ = process.communicate(timeout=STOP)
    assert process.returncode == 1, shown
    assert "Who was admitted, flagged, refused" in shown
    assert "26 readers" in shown
    assert "Not as it should be:" in shown
    assert "flood: was not flagged" in shown
    assert "Traceback" not in shown


def _until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the demo ended without saying {words!r}")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("mode", "status", "how"),
    [
        ("once", INTERRUPTED, signal.SIGINT),
        ("once", INTERRUPTED, signal.SIGTERM),
        ("continuous", 0, signal.SIGINT),
    ],
)
def test_when_interrupted_it_ends_with_its_table(mode: str, status: int, how: int) -> None:
    process = _demo(mode)
    _until(process, "Learning.")
    process.send_signal(how)
    shown, _ = process.communicate(timeout=STOP)
    assert process.returncode == status, shown
    assert "Who was admitted, flagged, refused" in shown
    assert "Traceback" not in shown


AT_A_TERMINAL = (
    "import fcntl, runpy, signal, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    # Where the tests run in a shell's background, SIGINT is ignored.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "sys.argv[:] = ['demo', '--seconds', '5']\n"
    "runpy.run_module('demo_app.demo', run_name='__main__')"
)
"""Runs the demo as a shell does: its standard input is the terminal that Ctrl-C comes from."""


class Terminal:
    """Run the demo at a pseudo-terminal."""

    def __init__(self) -> None:
        self._own, other = os.openpty()
        termios.tcsetwinsize(self._own, (50, 110))
        self.process = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self.shown = ""

    def read_until(self, words: str) -> None:
        """Read what is shown until some words are; or, without any, until the end."""
        ends = time.monotonic() + STOP
        while not words or words not in self.shown:
            ready, _, _ = select.select([self._own], [], [], max(ends - time.monotonic(), 0.0))
            assert ready, f"{words!r} was not shown: {self.shown[-2000:]}"
            try:
                part = os.read(self._own, 65_536)
            except OSError:
                # Linux's word for the end.
                part = b""
            if not part:
                assert not words, f"it ended without {words!r}: {self.shown[-2000:]}"
                return
            self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part.decode(errors="replace"))

    def press(self, key: bytes) -> None:
        os.write(self._own, key)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("key", [b"\x03", b"\x04", b"\n"], ids=["Ctrl-C", "Ctrl-D", "Enter"])
def test_at_a_terminal_it_ends_with_the_operators_page(terminal: Terminal, key: bytes) -> None:
    terminal.read_until("Press Enter to end.")
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/admin/)\s+Its token is (\S+)\.", terminal.shown)
    assert found, terminal.shown[-2000:]
    port, path, token = int(found[1]), found[2], found[3]
    site = http.client.HTTPConnection("127.0.0.1", port, timeout=STOP)
    # The address leads a browser to the form, and the token through it.
    for _ in range(4):
        site.request("GET", path)
        answer = site.getresponse()
        body = answer.read()
        if answer.status == 200:
            break
        path = answer.headers["Location"]
    assert (answer.status, b'name="token"' in body) == (200, True)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    site.request("POST", "/admin/page/sign-in", f"token={token}", form)
    answer = site.getresponse()
    answer.read()
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    site.request("GET", answer.headers["Location"], headers={"Cookie": cookie})
    answer = site.getresponse()
    assert (answer.status, b"<h1>Overview</h1>" in answer.read()) == (200, True)
    site.close()
    terminal.press(key)
    terminal.read_until("")
    # Too short a demo to go as it should; what else may be asked of its end is all there.
    assert terminal.process.wait(STOP) == 1
    assert "Traceback" not in terminal.shown
    assert not _listens(port)


@pytest.mark.integration
def test_its_server_does_not_outlive_it_however_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom demo_app.server import Server\n"
        "with Server({}) as server:\n print(server.port, flush=True)\n time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    process.kill()
    process.communicate()
    wait_until(lambda: not _listens(port), "the server's end", STOP)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.integration
def test_a_server_that_ends_too_early_shows_its_last_words() -> None:
    code = (
        "from demo_app.server import Server, ServerError\n"
        "try:\n"
        "    with Server({'BASE_LIMIT': 'many'}): pass\n"
        "except ServerError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=STOP,
        check=False,
    )
    assert "BASE_LIMIT is 'many', which is not allowed" in done.stdout, done.stderr


@pytest.mark.integration
def test_the_demos_server_tells_of_its_model_and_nobody_is_limited_by_it() -> None:
    code = (
        "import json\nfrom demo_app.server import Server\n"
        "with Server({'BASE_LIMIT': '1'}) as server:\n"
        "    told = [server.inside() for _ in range(3)]\n"
        "    print(json.dumps([told[0], server.metric('irl_model_version')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=STOP,
        check=True,
    )
    told, version = json.loads(done.stdout)
    assert (told["version"], told["last_training"], version) == (0, None, 0.0)
    assert told["threshold"] == -0.5


def test_bad_arguments_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--seconds", "1"], ["--seconds", "x"], ["--seed", "x"], ["forever"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "give 5 to 86400 seconds, not x" in capsys.readouterr().err


def test_a_client_notes_requests_that_nobody_answers(entry: Entry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    visitor = Visitor(entry, port, 1.0, "key")
    visitor.play(lambda random: iter([Call(0.0, "GET", "/"), Call(0.0, "GET", "/")]))
    wait_until(lambda: entry.sent == 2, "two requests")
    stop_all([visitor])
    assert (entry.failed, entry.admitted) == (2, 0)
