"""Warn of settings that nobody reads: at start, and of those that come too late.

None of them is an error: the environment may hold another program's, and the app's config those of
an extension that is there as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from flask import Flask

from flask_irl.config.ignored import flask_limiter_keys, late_changes, unknown_variables
from flask_irl.config.options import Options
from flask_irl.telemetry.log import event

FLASK_LIMITER: Final = "limiter"
"""Name under which Flask-Limiter registers with an app."""
IN_TIME: Final = "set them before init_app; for a running app there is irl limits"


def warn_at_start(app: Flask) -> None:
    """Warn of variables that are no option's, and of Flask-Limiter's keys where it isn't there."""
    for variable, nearest in unknown_variables().items():
        event(logging.WARNING, "variable_unknown", variable=variable, nearest=nearest)
    keys = flask_limiter_keys(app.config)
    if keys and FLASK_LIMITER not in app.extensions:
        texts = [f"{key} (here {ours})" if ours else f"{key} (none)" for key, ours in keys.items()]
        event(logging.WARNING, "flask_limiter_config", keys=", ".join(texts))


def late_warning(options: Options, arguments: Mapping[str, Any]) -> Callable[[Flask], None]:
    """Give a function that warns of an app's settings that have changed since its start.

    Args:
        options: The options made at the start.
        arguments: The arguments of those.
    """
    return partial(_warn_of_changes, options, arguments)


def _warn_of_changes(options: Options, arguments: Mapping[str, Any], app: Flask) -> None:
    changed = late_changes(options, arguments, app.config)
    if changed:
        event(logging.WARNING, "config_changed_late", keys=", ".join(changed), mend=IN_TIME)
