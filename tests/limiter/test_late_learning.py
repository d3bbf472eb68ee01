"""Test what is loaded when: nothing heavy before the first answer, all of it before a fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

ANSWERED = """
import sys
from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("app")
limiter = IntelligentLimiter(app, storage_uri={uri!r})
app.add_url_rule("/", "index", lambda: "ok")

def ask():
    return app.test_client().get("/")
"""
HEAVY = {"numpy", "redis", "apscheduler", "flask_smorest", "sklearn", "limits"}
LEARNING = "flask_irl.limiter.learning"


def run(program: str, uri: str = "memory://") -> str:
    """Run a program behind ``ANSWERED`` in an interpreter of its own; give what it prints."""
    code = ANSWERED.format(uri=uri) + program
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.integration
def test_a_first_answer_needs_no_heavy_library() -> None:
    program = f"""
answer = ask()
loaded = sorted({HEAVY!r} & set(sys.modules))
print(answer.status_code, loaded, "X-RateLimit-Limit" in answer.headers)
"""
    assert run(program) == "200 [] True\n"


@pytest.mark.integration
def test_on_redis_a_first_answer_needs_no_more(redis_url: str) -> None:
    program = f"print(ask().status_code, sorted({HEAVY!r} & set(sys.modules)))"
    assert run(program, redis_url) == "200 []\n"


@pytest.mark.integration
def test_the_operators_part_is_loaded_when_somebody_looks() -> None:
    program = """
import flask_irl
ask()
part = "flask_irl.operations.operations"
print(part in sys.modules)
with app.app_context():
    kind = limiter.block("192.0.2.7")["kind"]
print(kind, flask_irl.ClientOverride.__name__, part in sys.modules)
"""
    assert run(program) == "False\nblock ClientOverride True\n"


@pytest.mark.integration
def test_an_interpreter_that_ends_after_one_request_learns_from_it(redis_url: str) -> None:
    run("print(ask().status_code)", redis_url)
    program = """
with app.app_context():
    print(limiter.client("127.0.0.1")["requests"])
"""
    assert run(program, redis_url) == "1\n"


@pytest.mark.integration
def test_forked_workers_share_what_learns_with_their_parent() -> None:
    # As gunicorn does with --preload: it makes the app, serves nothing, and forks.
    program = f"""
import os
before = {LEARNING!r} in sys.modules
pid = os.fork()
if pid == 0:
    is_there = {{{LEARNING!r}, "numpy", "apscheduler"}} <= set(sys.modules)
    os._exit(0 if is_there and ask().status_code == 200 else 1)
print(before, os.waitpid(pid, 0)[1], {LEARNING!r} in sys.modules)
"""
    assert run(program) == "False 0 True\n"


@pytest.mark.integration
def test_a_process_that_is_forked_while_another_thread_loads_is_whole() -> None:
    program = """
import os, threading, warnings
from flask_irl.limiter.late_learning import load

loader = threading.Thread(target=load)
loader.start()
# Python 3.12 warns of such forks, which nobody can keep an app from.
warnings.simplefilter("ignore", DeprecationWarning)
pid = os.fork()
if pid == 0:
    ask()
    with app.app_context():
        os._exit(0 if limiter.flush() == 1 else 1)
loader.join()
print(os.waitpid(pid, 0)[1])
"""
    assert run(program) == "0\n"


@pytest.mark.integration
def test_limits_hold_from_the_first_request() -> None:
    program = """
small = Flask("small")
IntelligentLimiter(small, storage_uri="memory://", base_limit=2)
small.add_url_rule("/", "index", lambda: "ok")
print([small.test_client().get("/").status_code for _ in range(3)], "numpy" in sys.modules)
"""
    assert run(program) == "[200, 200, 429] False\n"
