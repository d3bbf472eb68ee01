"""``flask irl …``: what an operator asks for in a shell."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from werkzeug.routing import Rule

from flask_irl.app_state import AppState, state_of
from flask_irl.errors import IrlError, StoreError
from flask_irl.features import FEATURES
from flask_irl.keys import canonical
from flask_irl.limiter import Limiter
from flask_irl.log import logger
from flask_irl.profile import decode
from flask_irl.records import Plan

P = ParamSpec("P")
irl = AppGroup("irl", help="Look into and steer the app's IntelligentLimiter.")
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, for programs.")


def _fail(message: str) -> NoReturn:
    raise click.ClickException(message)


def _plain_errors(command: Callable[P, None]) -> Callable[P, None]:
    """What a user can mend is told in a line, without a traceback."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StoreError as error:
            _fail(f"the store does not answer ({error}): is the server up, and REDIS_URL right?")
        except IrlError as error:
            _fail(str(error))

    return guarded


def _limiter() -> Limiter:
    limiter = state_of(current_app).limiter
    if limiter.store.local:
        click.echo(
            "note: the store is memory://, which each process has for itself; "
            "this command sees nothing of a running server. Set REDIS_URL to share one.",
            err=True,
        )
    return limiter


def _print(rows: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "-"
    return str(value)


def _when(seconds: float) -> str | None:
    if not seconds:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")


@irl.command()
@as_json
@_plain_errors
def status(json_: bool) -> None:
    """Show whether the store answers, what was counted, and which model is in force."""
    limiter = _limiter()
    limiter.store.ping()
    limiter.trainer.poll()
    counts = limiter.store.counts()
    requests, refused = counts.get("requests", 0), counts.get("refused", 0)
    model = limiter.trainer.model
    _print(
        {
            "mode": limiter.mode,
            "strategy": limiter.options.strategy,
            "base_limit": str(limiter.options.base),
            "total_requests": requests,
            "refused": refused,
            "hit_rate": refused / requests if requests else 0.0,
            "training_rows": len(limiter.store.rows()),
            "model_version": model.version,
            "model_trained_at": _when(model.trained_at),
            "model_advisory": model.advisory,
        },
        json_,
    )


@irl.command()
@as_json
@_plain_errors
def train(json_: bool) -> None:
    """Train a model now on what was observed; exits with 1 if none came of it."""
    training = _limiter().train()
    _print(
        {
            "result": training.result,
            "reason": training.reason or None,
            "version": training.version,
            "rows": training.rows,
            "clients": training.clients,
            "requests": training.requests,
            "seconds": training.seconds,
        },
        json_,
    )
    if training.result != "accepted":
        raise click.exceptions.Exit(1)


@irl.command()
@click.argument("client_id")
@as_json
@_plain_errors
def client(client_id: str, json_: bool) -> None:
    """Show what is known of a client; exits with 1 if nothing is."""
    limiter = _limiter()
    limiter.trainer.poll()
    key = canonical(client_id)
    state = limiter.store.load([key])[0]
    if state is None:
        _fail(f"client {key} is not known: it has not been here for a while, or never")
    record = decode([state.profile])[0]
    factor = limiter.ladder.factors[min(state.step, len(limiter.ladder.factors) - 1)]
    features = limiter.profiler.features_of(state, limiter.store.now())
    _print(
        {
            "client": key,
            "step": state.step,
            "limit": limiter.options.base.at(factor),
            "score": state.score,
            "last_seen": _when(state.last_seen),
            "first_seen": _when(float(record["first"])),
            "requests": int(record["total"]),
            **{
                feature.name: round(float(value), 4)
                for feature, value in zip(FEATURES, features, strict=True)
            },
        },
        json_,
    )


@irl.command()
@click.argument("client_id")
@_plain_errors
def reset(client_id: str) -> None:
    """Forget a client: its counts, its profile and its step; exits with 1 if it isn't known."""
    key = canonical(client_id)
    if not _limiter().forget(key):
        _fail(f"client {key} is not known: there is nothing to forget")
    click.echo(f"client {key} is forgotten")


@irl.command()
@as_json
@_plain_errors
def model(json_: bool) -> None:
    """Show the model in force; exits with 1 if there is none yet."""
    limiter = _limiter()
    limiter.trainer.poll()
    model = limiter.trainer.model
    if not model.version:
        _fail("no model is in force yet: static limits apply until the first training")
    _print(
        {
            "version": model.version,
            "detector": model.detector.kind,
            "trained_at": _when(model.trained_at),
            "rows": model.rows,
            "clients": model.clients,
            "requests": model.requests,
            "advisory": model.advisory,
            "threshold": limiter.options.anomaly_threshold,
            "schema": model.schema,
            "features": list(model.features),
            "gate": dict(model.report.get("gate", {})),
            "versions": limiter.store.model_versions(),
        },
        json_,
    )


@irl.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Write the whole result as JSON.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the course as PNG.")
@_plain_errors
def replay(log: Path, report: Path | None, plot: Path | None) -> None:
    """Run an access log through the limiter in virtual time and tell what would have happened.

    LOG is in Common or Combined Log Format or CSV with a header, plain or gzip.
    """
    from flask_irl.replay.logs import LogReader
    from flask_irl.replay.plot import check_plottable
    from flask_irl.replay.plot import plot as draw
    from flask_irl.replay.report import check_writable, summary_lines
    from flask_irl.replay.routes import RouteFolder
    from flask_irl.replay.runner import Replay

    reader = LogReader(log)
    if report is not None:
        check_writable(report)
    if plot is not None:
        check_plottable(plot)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    state = state_of(app)
    run = Replay(state.options, route=RouteFolder(app.url_map).route, plan=_planner(app, state))
    level = logger.level
    # What the limiter would have logged is in the report.
    logger.setLevel(logging.ERROR)
    try:
        with click.progressbar(length=max(reader.bytes_total, 1), label="Replaying") as bar:
            for entry in reader:
                run.one(entry)
                if not run.requests % 500:
                    bar.update(max(0, reader.bytes_read - bar.pos))
            bar.update(max(0, bar.length - bar.pos) if bar.length else 0)
    finally:
        logger.setLevel(level)
        run.close()
    found = run.report(reader.unreadable_lines)
    for line in summary_lines(found):
        click.echo(line)
    for example in reader.unreadable_examples:
        click.echo(
            f"line {example.number} can't be read: {example.reason}: {example.text}", err=True
        )
    for note in (reader.problem, run.untrained and f"no model was trained: {run.untrained}"):
        if note:
            click.echo(f"note: {note}", err=True)
    if report is not None:
        found.write(report)
        click.echo(f"report written to {report}")
    if plot is not None:
        draw(found, run.series, plot)
        click.echo(f"picture written to {plot}")


def _planner(app: Flask, state: AppState) -> Callable[[Limiter, str, str], Plan | None]:
    """Plans of the app's own routes where a log's request fits one, else the limit on everything.

    A limit that depends on the request (a callable) can't be known from a log and is left out.
    """
    rules: dict[str, list[Rule]] = {}
    for rule in app.url_map.iter_rules():
        rules.setdefault(rule.rule, []).append(rule)
    plans: dict[tuple[int, int, str, str], Plan | None] = {}

    def plan(limiter: Limiter, label: str, method: str) -> Plan | None:
        key = (id(limiter), limiter.generation, label, method)
        if key not in plans:
            table = state.routes_for(limiter)
            # Several rules may have one text, each for methods of its own.
            rule = next((r for r in rules.get(label, ()) if _serves(r, method)), None)
            route = table.of(app, rule, method)
            plans[key] = None if route.exempt else table.fixed_plan(route)
        return plans[key]

    return plan


def _serves(rule: Rule, method: str) -> bool:
    return rule.methods is None or method in rule.methods
