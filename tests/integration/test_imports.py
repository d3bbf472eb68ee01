"""What a web worker loads: never scikit-learn, and none of the extras that aren't installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SECONDS = 60
HEAVY = ("sklearn", "scipy", "pandas", "matplotlib", "joblib")
EXTRAS = (
    *HEAVY,
    *("flask_smorest", "flask_swagger_ui", "marshmallow", "apispec", "webargs"),
    *("prometheus_client", "prometheus_flask_exporter", "gunicorn", "flask_login"),
)
DRAWING = "rich"
"""Library of the command line's tables, which is installed and yet not loaded before they are."""

APP = """
import json, sys
from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("site")
limiter = IntelligentLimiter(
    app, storage_uri="memory://", base_limit=1000, background=False, min_clients=1,
    key_func=lambda: __import__("flask").request.headers["X-Client"],
)

@app.get("/")
@limiter.limit("500/minute")
def index():
    return "hello"

def serve(clients, requests):
    client = app.test_client()
    return {
        client.get(path, headers={"X-Client": f"c{c}"}).status_code
        for c in range(clients) for _ in range(requests) for path in ("/", "/nothing")
    }

def train():
    return app.extensions["flask_irl"].limiter.train()

def loaded(*names):
    return sorted({name.partition(".")[0] for name in sys.modules} & set(names))
"""

BLOCK = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Block())
"""


def told(*parts: str) -> Any:
    """What a fresh interpreter says when it runs these parts, as JSON on its last line."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("IRL_", "REDIS_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(textwrap.dedent(part) for part in parts)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_an_app_that_serves_and_trains_loads_no_scikit_learn() -> None:
    found = told(
        APP,
        f"""
        statuses = sorted(serve(20, 10))
        training = train()
        statuses += sorted(serve(20, 10))
        limiter_of_app = app.extensions["flask_irl"].limiter
        limiter_of_app.flush()
        print(json.dumps([statuses, training.result, limiter_of_app.trainer.model.version,
                          loaded(*{HEAVY!r})]))
        """,
    )
    statuses, result, version, loaded = found
    assert statuses == [200, 404, 200, 404]
    assert (result, version) == ("accepted", 1)
    assert loaded == []


def test_without_any_extra_it_serves_and_says_what_training_needs() -> None:
    statuses, names = told(
        BLOCK,
        APP,
        f"""
        import flask_irl.cli, flask_irl.replay.runner, flask_irl.replay.summary
        print(json.dumps([sorted(serve(2, 3)), loaded(*{EXTRAS!r}, {DRAWING!r})]))
        """,
    )
    assert statuses == [200, 404]
    assert names == []


def test_without_scikit_learn_a_replay_is_refused_no_more_than_its_trainings() -> None:
    reason = told(
        BLOCK,
        """
        import json
        import numpy as np
        from flask_irl.errors import TrainingRefused
        from flask_irl.behaviour.features import FEATURE_NAMES
        from flask_irl.training.fit import fit_here
        from flask_irl.training.training_set import TrainingSet
        rows = np.zeros((5, len(FEATURE_NAMES)), dtype=np.float32)
        try:
            fit_here(TrainingSet("blend", rows, seed=1))
        except TrainingRefused as error:
            print(json.dumps(str(error)))
        """,
    )
    assert "flask-irl[train]" in reason


def test_without_prometheus_client_metrics_name_the_extra() -> None:
    text, name = told(
        BLOCK,
        """
        import json
        try:
            import flask_irl.telemetry.prometheus
        except ModuleNotFoundError as error:
            print(json.dumps([str(error), error.name]))
        """,
    )
    assert name == "prometheus_client"
    assert 'pip install "flask-irl[metrics]"' in text


def test_without_flask_smorest_a_token_is_answered_by_a_warning() -> None:
    texts, status = told(
        BLOCK,
        """
        import json, logging
        from flask import Flask
        from flask_irl import IntelligentLimiter

        texts = []
        handler = logging.Handler()
        handler.emit = lambda record: texts.append([record.levelname, record.getMessage()])
        logging.getLogger("flask_irl").addHandler(handler)
        app = Flask("site")
        IntelligentLimiter(app, background=False, admin_token="t" * 40)
        print(json.dumps([texts, app.test_client().get("/admin/stats").status_code]))
        """,
    )
    assert texts == [
        ["WARNING", "admin_not_mounted missing=flask_smorest install=flask-irl[admin]"]
    ]
    assert status == 404


@pytest.mark.parametrize("module", ["flask_irl", "flask_irl.cli"])
def test_importing_and_an_extension_without_an_app_start_nothing(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    found = told(
        f"""
        import json, os, sys, threading
        sys.dont_write_bytecode = True
        started = []
        events = "socket. subprocess. os.fork os.posix_spawn _thread.start_new_thread".split()
        sys.addaudithook(
            lambda event, _: started.append(event) if event.startswith(tuple(events)) else None
        )
        handles = len(os.listdir("/proc/self/fd"))
        import {module}
        from flask_irl import IntelligentLimiter
        limiter = IntelligentLimiter()
        print(json.dumps({{
            "started": started,
            "threads": [thread.name for thread in threading.enumerate()],
            "handles": len(os.listdir("/proc/self/fd")) - handles,
            "files": os.listdir({str(tmp_path)!r}),
        }}))
        """
    )
    assert found == {"started": [], "threads": ["MainThread"], "handles": 0, "files": []}
