"""Log a run of metrics with MLflow's client to MLflow's server behind the limiter, for real.

``python -m loadtests.mlflow_run [OPTION=VALUE …]`` installs both in a virtual environment of its
own, which takes minutes, and says how long the run took, and whom the limiter refused and flagged.
It fails if a metric is lost or anybody is flagged. Options of the limiter may be given, such as
``base_limit=1000``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path
from typing import Final

MLFLOW: Final = "mlflow==3.17.2"
METRICS: Final = 200
PORT: Final = 8399
PATIENCE: Final = 60.0
"""Seconds for the server's start; it makes its database first."""

ROOT: Final = Path(__file__).parents[1]

SERVER: Final = """
import json, logging, os
from mlflow.server import app
from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from werkzeug.serving import run_simple

logging.getLogger("werkzeug").setLevel(logging.ERROR)
limiter = IntelligentLimiter(app, **json.loads(os.environ["OPTIONS"]))

@app.get("/verdict")
@limiter.exempt
def verdict():
    limiter.flush()
    store = state_of(app).limiter.store
    counts = {name: store.counts().get(name, 0) for name in ("requests", "refused")}
    return {**counts, "flagged": store.ranked("flagged", 0, 10)[0]}

run_simple("127.0.0.1", int(os.environ["SITE_PORT"]), app, threaded=True)
"""

CLIENT: Final = """
import os, time
import mlflow

mlflow.set_tracking_uri(f"http://127.0.0.1:{os.environ['SITE_PORT']}")
mlflow.set_experiment("metrics")
began = time.monotonic()
with mlflow.start_run() as run:
    for step in range(int(os.environ["METRICS"])):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
seconds = time.monotonic() - began
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
print(f"MLflow {mlflow.__version__}: {len(history)} metrics logged in {seconds:.1f} s")
raise SystemExit(len(history) != int(os.environ["METRICS"]))
"""


def option(text: str) -> tuple[str, object]:
    """Read an option such as ``base_limit=1000``; what isn't JSON is text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def install(folder: Path) -> Path:
    """Make a virtual environment with MLflow and this checkout, and give its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = (python, "-m", "pip", "install", "-q", MLFLOW, "--editable", ROOT)
    subprocess.run(install, check=True)
    return python


def ask(path: str) -> bytes:
    """Fetch a page of the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}") as answer:
        return bytes(answer.read())


def wait_for(server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers.

    Raises:
        RuntimeError: It ended, or doesn't answer in time.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            ask("/verdict")
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server doesn't answer")


def main(arguments: list[str]) -> int:
    """Run server and client, and print what came of it; give 0 if all is as it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = install(folder / "venv")
        environment = {
            **os.environ,
            "METRICS": str(METRICS),
            "OPTIONS": json.dumps(dict(map(option, arguments))),
            "SITE_PORT": str(PORT),
        }
        storage = {
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/runs.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": str(folder / "artifacts"),
        }
        server = subprocess.Popen([python, "-c", SERVER], env=environment | storage, cwd=folder)
        try:
            wait_for(server)
            client = subprocess.run([python, "-c", CLIENT], env=environment, cwd=folder)
            verdict = json.loads(ask("/verdict"))
            print(f"The limiter: {verdict}")
        finally:
            server.terminate()
            server.wait()
    return int(client.returncode != 0 or bool(verdict["flagged"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
