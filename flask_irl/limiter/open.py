"""Open a limiter with the store that the options name."""

from __future__ import annotations

from collections.abc import Callable

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.open import open_store
from flask_irl.telemetry.events import Listener
from flask_irl.training.fit import Fit, fit_in_child


def open_limiter(
    options: Options,
    *,
    listener: Listener | None = None,
    clock: Callable[[], float] | None = None,
    fit: Fit = fit_in_child,
) -> Limiter:
    """Open a limiter with the store that the options name.

    Raises:
        ConfigurationError: An option is wrong.
    """
    return Limiter(options, open_store(options, clock), listener=listener, fit=fit)
