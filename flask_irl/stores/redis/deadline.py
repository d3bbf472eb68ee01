"""Do blocking work that has no time limit of its own until a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from flask_irl.errors import StoreError
from flask_irl.stores.redis.errors import span, store_error

T = TypeVar("T")


def run_until(
    deadline: float, work: Callable[[], T], late: Callable[[T], object], given: float | None = None
) -> T:
    """Do blocking work on a helper thread, and wait for it no longer than until a deadline.

    Args:
        deadline: Time of ``time.monotonic``.
        work: Blocking work.
        late: Takes the result if it comes after the wait.
        given: Seconds that the whole call was given, for the message; those left by default.

    Raises:
        StoreError: The deadline has passed, or the work failed.
    """
    done = threading.Event()
    abandoned = threading.Event()
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            errors.append(error)
        else:
            results.append(result)
            if abandoned.is_set():
                late(result)
        done.set()

    seconds = max(deadline - time.monotonic(), 0.0)
    try:
        threading.Thread(target=run, name="irl-connect", daemon=True).start()
    except RuntimeError as error:
        raise StoreError(f"no connection: {error}") from error
    if not done.wait(seconds):
        abandoned.set()
        waited = span(seconds if given is None else given)
        raise StoreError(f"no connection within {waited}", kind="timeout")
    if errors:
        raise store_error(errors[0]) from errors[0]
    return results[0]
