"""Make the app of the demo's own server: the demo app, and a view of its model."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from demo_app.app import create_app as create_demo_app
from flask_irl.web.decorators import add_exemption
from flask_irl.web.state import state_of

INSIDE: Final = "/demo/inside"
OPTIONS: Final = {
    # Two minutes show the first step down, by a model that acts at once.
    "IRL_FURTHER_FACTORS": "",
    "IRL_LEARNING_MINUTES": 0,
}


def create_app() -> Flask:
    """Make the app in a gunicorn worker that ends when its standard input does."""
    app = create_demo_app(OPTIONS)
    state = state_of(app)

    @app.get(INSIDE)
    def inside() -> ResponseReturnValue:
        model, last = state.limiter.trainer.model, state.limiter.trainer.last
        return jsonify(
            version=model.version,
            detector=model.detector.kind,
            features=model.features,
            rows=model.rows,
            clients=model.clients,
            requests=model.requests,
            advisory=model.advisory,
            trained_at=model.trained_at,
            threshold=state.options.anomaly_threshold,
            false_flag_rate=state.options.false_flag_rate,
            report=model.report,
            last_training=None
            if last is None
            else {"result": last.result, "reason": last.reason, "seconds": last.seconds},
        )

    add_exemption(inside, state.owner)
    threading.Thread(target=_end_with_demo, args=(os.getppid(),), daemon=True).start()
    return app


def _end_with_demo(server: int) -> None:
    # However the demo ends, its server must not outlive it. Not through sys.stdin: its lock,
    # held by this thread, would stop the process from ending.
    while os.read(0, 1):
        pass
    if os.getppid() == server:
        os.kill(server, signal.SIGTERM)
