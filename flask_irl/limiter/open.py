"""Open a limiter with the store that the options name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.open import open_store
from flask_irl.telemetry.events import Listener

if TYPE_CHECKING:
    from flask_irl.training.fit import Fit


def open_limiter(
    options: Options,
    *,
    listener: Listener | None = None,
    clock: Callable[[], float] | None = None,
    fit: Fit | None = None,
) -> Limiter:
    """Open a limiter with the store that the options name.

    Raises:
        ConfigurationError: An option is wrong.
    """
    return Limiter(options, open_store(options, clock), listener=listener, fit=fit)
