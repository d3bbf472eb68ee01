"""Attach the admin API to an app with a limiter, by the limiter's options."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from flask_irl.admin import give_way, is_wanted, register
from flask_irl.admin.prefix import OWN
from flask_irl.admin.tokens import all_tokens, parse_tokens, tenants_tokens
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import AdminRefused
from flask_irl.telemetry.log import event
from flask_irl.web.callbacks import Authorize
from flask_irl.web.state import AppState
from flask_irl.web.tenants import TenantStates

if TYPE_CHECKING:
    from flask_irl.admin.state import Part


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
        of_tenants = {name: x.admin_tokens for name, x in state.declared.items()}
        named = (*parse_tokens(options.admin_tokens), *tenants_tokens(of_tenants))
        tokens = all_tokens(options.admin_token, named)
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
            tenants=None if state.tenants is None else _TenantParts(app, state.tenants),
            plans=lambda: state.fixed_plans(app),
            scopes=lambda: state.described_scopes(app),
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


class _TenantParts:
    """Find what the admin API is about, for each tenant of an app.

    Args:
        app: The app.
        states: The states of its tenants.
    """

    def __init__(self, app: Flask, states: TenantStates[AppState]) -> None:
        self._app = app
        self._states = states

    def find(self, tenant: str) -> Part | None:
        """Find that of a tenant; None if there is no such tenant."""
        from flask_irl.admin.state import Part
        from flask_irl.operations import Operations

        limiter = self._states.limiters.find(tenant)
        if limiter is None:
            return None
        state = self._states.state(limiter)
        routes = partial(state.described_routes, self._app)
        plans = partial(state.fixed_plans, self._app)
        scopes = partial(state.described_scopes, self._app)
        return Part(Operations(limiter), routes, plans, scopes, tenant)

    def names(self) -> list[str]:
        """List the tenants."""
        return self._states.limiters.names()
