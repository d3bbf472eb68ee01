"""Attach the admin API to an app with a limiter, by the limiter's options."""

from __future__ import annotations

import logging
from functools import partial

from flask import Blueprint, Flask

from flask_irl.admin import give_way, is_wanted, register
from flask_irl.admin.prefix import OWN
from flask_irl.admin.tokens import all_tokens, parse_tokens
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import AdminRefused
from flask_irl.telemetry.log import event
from flask_irl.web.callbacks import Authorize
from flask_irl.web.state import AppState


def attach(app: Flask, state: AppState, authorize: Authorize | None) -> tuple[Blueprint, ...]:
    """Mount the admin API if somebody may use it and its libraries are installed.

    Args:
        app: The app.
        state: Its limiter, not yet registered with it.
        authorize: As of :func:`flask_irl.admin.register`.

    Returns:
        The blueprints that were registered, none of which should be limited.

    Raises:
        ConfigurationError: A token or the prefix is not allowed.
    """
    options, limiter = state.options, state.limiter
    state.own_blueprints = OWN
    try:
        tokens = all_tokens(options.admin_token, parse_tokens(options.admin_tokens))
    except ValueError as error:
        raise ConfigurationError(
            f"the admin API's tokens (not shown) are not allowed: give {error}"
        ) from None
    if not is_wanted(options.url_prefix, tokens, authorize):
        return ()
    from flask_irl.operations import Operations

    try:
        blueprints = register(
            app,
            operations=Operations(limiter),
            tokens=tokens,
            url_prefix=options.url_prefix,
            authorize=authorize,
            docs=options.admin_docs,
            pages=options.admin_page,
            routes=lambda: state.described_routes(app),
            plans=lambda: state.fixed_plans(app),
            failed=lambda reason: limiter.failures.guard(
                "admin", partial(limiter.notify, AdminRefused(reason))
            ),
        )
    except ImportError as error:
        # The limiter works without; whoever asked for the API by a token is told.
        missing = error.name if isinstance(error, ModuleNotFoundError) else error
        event(
            logging.WARNING,
            "admin_not_mounted",
            missing=missing,
            install="flask-irl[admin]",
        )
        return ()
    if blueprints:
        state.at_first_request(give_way)
    return blueprints
