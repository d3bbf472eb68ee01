"""Train in a process of its own, so that web workers need not: ``flask irl trainer``."""

from __future__ import annotations

import dataclasses
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import click
from flask import current_app

from flask_irl.cli.group import fail, irl, plain_errors
from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limiter.tenants import Tenants
from flask_irl.telemetry.events import Listener, StoreFailed
from flask_irl.telemetry.log import FORMS, Form, Sampler, event, formatter, logger
from flask_irl.training.forests import check_library
from flask_irl.web.state import state_of

SIGNALS = (signal.SIGTERM, signal.SIGINT)
RETRY_SECONDS = 2.0
WAITING_LOG_SECONDS = 60.0

Wait = Callable[[float | None], signal.Signals | None]
"""Wait for a signal to end, for so many seconds or, with None, until it comes; None for none."""


@irl.command()
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Serve this process's Prometheus metrics on a port, at /metrics.",
)
@click.option(
    "--metrics-address",
    default="127.0.0.1",
    show_default=True,
    envvar="METRICS_ADDRESS",
    help="The address to serve them on.",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    envvar="LOG_FORMAT",
    help="The form of the lines on stderr, unless the app has set up logging itself.",
)
@plain_errors
def trainer(metrics_port: int | None, metrics_address: str, log_format: Form) -> None:
    """Train on schedule in the foreground, serving no requests.

    It ends at SIGTERM or SIGINT. Web workers need not train then: set IRL_TRAIN=false for them. A
    store that doesn't answer yet is waited for.
    """
    state = state_of(current_app)
    if state.limiter.store.local:
        fail(
            "the store is memory://, which each process has for itself: a trainer would never "
            "see a request. Set REDIS_URL to the Redis of the web workers."
        )
    check_library()
    _log_to_stderr(log_format)
    # A limiter of its own: the app's metrics and requests stay out of it.
    listener = (
        state.limiter.listener
        if metrics_port is None
        else _serve_metrics(metrics_address, metrics_port)
    )
    limiter = open_limiter(_training(state.options), listener=listener)
    if state.tenants is not None:
        declared = {name: _training(options) for name, options in state.declared.items()}
        Tenants(limiter, declared).train_all()
    with _end_signals() as wait:
        try:
            number = _wait_for_store(limiter, wait)
            if number is not None:
                event(logging.INFO, "trainer_stopped", signal=number.name)
                return
            limiter.start(train_at_once=True)
            event(
                logging.INFO,
                "trainer_started",
                interval_minutes=limiter.options.training_interval_minutes,
                metrics_port=metrics_port,
            )
            number = wait(None)
            event(logging.INFO, "trainer_stopped", signal=number and number.name)
        finally:
            limiter.close()


def _training(options: Options) -> Options:
    return dataclasses.replace(
        options, background=True, train=True, country_file=None, asn_file=None
    )


def _wait_for_store(limiter: Limiter, wait: Wait) -> signal.Signals | None:
    """Take up the model in force, as soon as the store answers: it may start after this process.

    Before the first training: rows that the model in force has seen count as old.

    Returns:
        The signal that ended the wait; None when the store has answered.
    """
    tells = Sampler(WAITING_LOG_SECONDS)
    while True:
        try:
            limiter.refresh()
        except StoreError as error:
            limiter.failures.guard("listener", partial(limiter.notify, StoreFailed(error.kind)))
            if tells.passes() is not None:
                event(logging.WARNING, "trainer_waiting", kind=error.kind, error=error)
        else:
            return None
        number = wait(RETRY_SECONDS)
        if number is not None:
            return number


@contextmanager
def _end_signals() -> Iterator[Wait]:
    """Catch the signals to end, and give a function that waits for one."""

    def ignore(number: int, frame: FrameType | None) -> None:
        return

    def wait(seconds: float | None) -> signal.Signals | None:
        reading.settimeout(seconds)
        while True:
            try:
                number = signal.Signals(reading.recv(1)[0])
            except TimeoutError:
                return None
            if number in SIGNALS:
                return number

    # A signal writes to a socket, whenever it comes: an Event or a queue that a handler fills
    # would miss one that comes just before the wait begins.
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    handlers: dict[signal.Signals, Any] = {n: signal.signal(n, ignore) for n in SIGNALS}
    descriptor = signal.set_wakeup_fd(writing.fileno())
    try:
        yield wait
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()


def _log_to_stderr(form: Form) -> None:
    """Show events and other loggers' warnings, unless the app has set up logging."""
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    # The root logger's handler: else other loggers' warnings would be lines of another form.
    logging.getLogger().addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _serve_metrics(address: str, port: int) -> Listener:
    """Serve the metrics of a listener on a port.

    Raises:
        click.UsageError: prometheus-client isn't installed.
        click.ClickException: The port is taken or not allowed.
    """
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

        from flask_irl.telemetry.prometheus import PrometheusListener
    except ImportError as error:
        raise click.UsageError(
            f'--metrics-port needs {error.name}, which is not installed: pip install "flask-irl'
            '[metrics]"'
        ) from None
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    listener = PrometheusListener(registry)
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        fail(f"metrics can't be served on {address}:{port}: {error.strerror or error}")
    return listener
