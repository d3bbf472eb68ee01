"""MLflow's client logs a run to MLflow's server behind the limiter: all arrives, nobody is flagged.

MLflow wants other versions of libraries than the tests do, so it has an environment of its own,
which takes minutes to install: ``make test-mlflow`` sets that up and runs this.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.servers import HOST, free_port, wait_until

PYTHON = Path(__file__).parents[2] / ".venv-mlflow" / "bin" / "python"
METRICS = 200
PATIENCE = 90.0
"""Seconds for the server's start; it makes its database first."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="MLflow isn't installed: make test-mlflow"),
]

SERVER = """
import logging, os
from mlflow.server import app
from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from werkzeug.serving import run_simple

logging.getLogger("werkzeug").setLevel(logging.ERROR)
# 200 metrics one by one are more than the default limit admits in a minute, by design.
limiter = IntelligentLimiter(app, base_limit=1000)

@app.get("/verdict")
@limiter.exempt
def verdict():
    limiter.flush()
    store = state_of(app).limiter.store
    counts = {name: store.counts().get(name, 0) for name in ("requests", "refused")}
    return {**counts, "flagged": store.ranked("flagged", 0, 10)[0]}

run_simple("127.0.0.1", int(os.environ["SITE_PORT"]), app, threaded=True)
"""

CLIENT = """
import os, sys
import mlflow

mlflow.set_tracking_uri(os.environ["SITE"])
mlflow.set_experiment("metrics")
with mlflow.start_run() as run:
    for step in range(int(sys.argv[1])):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
print(len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")))
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve MLflow, and give its address."""
    port = free_port()
    environment = {
        **os.environ,
        "SITE_PORT": str(port),
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{tmp_path}/runs.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(tmp_path / "artifacts"),
    }
    server = subprocess.Popen([PYTHON, "-c", SERVER], env=environment, cwd=tmp_path)
    try:
        url = f"http://{HOST}:{port}"
        wait_until(partial(answers, url, server), "MLflow answers", timeout=PATIENCE)
        yield url
    finally:
        server.terminate()
        server.wait()


def answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    """Tell whether the server answers yet; fails if it has ended."""
    assert server.poll() is None
    try:
        verdict_of(url)
    except OSError:
        return False
    return True


def verdict_of(url: str) -> dict[str, Any]:
    """Ask the limiter what it made of the clients."""
    with urllib.request.urlopen(f"{url}/verdict") as answer:  # noqa: S310
        return dict(json.load(answer))


def test_a_run_of_many_metrics_is_logged_and_nobody_is_flagged(site: str, tmp_path: Path) -> None:
    """As the client sends them: one request for each metric, as fast as it can."""
    client = subprocess.run(
        [PYTHON, "-c", CLIENT, str(METRICS)],
        env={**os.environ, "SITE": site},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    verdict = verdict_of(site)

    assert str(METRICS) in client.stdout.splitlines()
    assert verdict["requests"] > METRICS
    assert (verdict["refused"], verdict["flagged"]) == (0, [])
