"""Look at a limiter's configuration and limits, and clear a client's: ``flask limiter``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlparse

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from limits import RateLimitItem
from werkzeug.exceptions import MethodNotAllowed, NotFound

from flask_irl.compat.constants import LIMITERS, ConfigVars, HeaderNames
from flask_irl.compat.definitions import Limit
from flask_irl.compat.resolution import Group, passes
from flask_irl.compat.routes import CompatRoute
from flask_irl.compat.state import CompatState
from flask_irl.limits.keys import canonical

BRANCH: Final = "└── "
ASK: Final = "Proceed with resetting limits for key: {}?"


@click.group(help="Look at the limits of flask_irl.compat, and clear them.")
def cli() -> None:
    """Group the commands."""


@cli.command(help="Show the configuration.")
@with_appcontext
def config() -> None:
    """Show the configuration of the app's limiter."""
    state = _state()
    if state is None:
        return
    settings = state.settings
    rows: list[tuple[str, str, Any]] = [
        ("Enabled", ConfigVars.ENABLED, state.enabled),
        ("Key Function", ConfigVars.KEY_FUNC, _function(settings.key_func)),
        ("Key Prefix", ConfigVars.KEY_PREFIX, settings.key_prefix),
        ("Strategy", ConfigVars.STRATEGY, settings.strategy),
        ("Storage", ConfigVars.STORAGE_URI, state.limiter.store.address),
        ("Application Limits", ConfigVars.APPLICATION_LIMITS, _texts(settings.application)),
        ("Default Limits", ConfigVars.DEFAULT_LIMITS, _texts(settings.default)),
        ("Meta Limits", ConfigVars.META_LIMITS, _texts(settings.meta)),
        ("Headers", ConfigVars.HEADERS_ENABLED, settings.headers_enabled),
        *(
            ("", f"RATELIMIT_HEADER_{name.name}", settings.headers[name])
            for name in HeaderNames
            if settings.headers_enabled
        ),
        ("Fail on first breach", ConfigVars.FAIL_ON_FIRST_BREACH, settings.fail_on_first_breach),
        ("On breach callback", ConfigVars.ON_BREACH, _function(settings.on_breach)),
    ]
    for note, key, value in rows:
        click.echo(f"{note:<22}{key:<36}{value}")
        if key == ConfigVars.STORAGE_URI:
            status = "OK" if state.storage.check() else "Error"
            click.echo(f"{'':<22}{BRANCH + 'Status':<36}{BRANCH}{status}")


@cli.command(help="List the routes with their limits.")
@click.option("--endpoint", default=None, help="Endpoint to filter by")
@click.option("--path", default=None, help="Path to filter by")
@click.option("--method", default=None, help="HTTP method to filter by")
@click.option("--key", default=None, help="Client to test the limits for")
@with_appcontext
def limits(endpoint: str | None, path: str | None, method: str | None, key: str | None) -> None:
    """List the routes with their limits, and how those stand for a client."""
    state = _state()
    if state is None:
        return
    only = _chosen(current_app, endpoint, path, method)
    with current_app.test_request_context():
        if only is None:
            for label, whole in _whole(state):
                click.echo(label)
                _print(state, whole, key)
        click.echo(current_app.name)
        for label, route, group in _routes(state, only, method):
            click.echo(f"{BRANCH}{label}")
            if group is None or route.exempt:
                click.echo(f"    {BRANCH}Exempt")
            else:
                _print(state, group, key, indent="    ")


@cli.command(help="Clear the limits of a client.")
@click.option("--endpoint", default=None, help="Endpoint to filter by")
@click.option("--path", default=None, help="Path to filter by")
@click.option("--method", default=None, help="HTTP method to filter by")
@click.option("--key", required=True, help="Client to clear the limits of")
@click.option("-y", is_flag=True, help="Don't ask")
@with_appcontext
def clear(key: str, endpoint: str | None, path: str | None, method: str | None, y: bool) -> None:
    """Forget a client; a filter chooses what is listed, since a client is cleared as a whole."""
    state = _state()
    if state is None:
        return
    only = _chosen(current_app, endpoint, path, method)
    if not y and not click.confirm(ASK.format(canonical(key))):
        return
    with current_app.test_request_context():
        _limiter().reset(key, who="cli:flask limiter clear")
        groups = [] if only else [group for _, group in _whole(state)]
        groups += [group for _, _, group in _routes(state, only, method) if group is not None]
        for listed in groups:
            for item, _ in _found(listed):
                click.echo(f"{BRANCH}{item}: Cleared")
    if only:
        click.echo("The client's other limits are cleared, too: its counts are kept together.")


def _limiter() -> Any:
    """Give the app's limiter, or None."""
    return next((x for x in current_app.extensions.get(LIMITERS, ()) if x.initialized), None)


def _state() -> CompatState | None:
    limiter = _limiter()
    if limiter is None:
        click.echo(f"No Flask-Limiter extension installed on {current_app}")
        return None
    state: CompatState = limiter.state()
    return state


def _chosen(app: Flask, endpoint: str | None, path: str | None, method: str | None) -> str | None:
    """Give the endpoint that the filters choose; None for all.

    Raises:
        SystemExit: There is none such.
    """
    if endpoint:
        if endpoint in app.view_functions:
            return endpoint
        click.echo(f"Error: {endpoint} not found")
        raise SystemExit(1)
    if path:
        parsed = urlparse(path)
        try:
            found, _ = app.url_map.bind("app.invalid").match(
                parsed.path, method=method, query_args=parsed.query
            )
        except NotFound:
            click.echo(f"Error: {path} could not be matched to an endpoint")
        except MethodNotAllowed:
            name = (method or "GET").upper()
            click.echo(f"Error: {name}: {path} could not be matched to an endpoint")
        else:
            return str(found)
        raise SystemExit(1)
    return None


def _whole(state: CompatState) -> Iterator[tuple[str, Group]]:
    """List the limits that hold everywhere."""
    settings = state.settings
    if settings.meta:
        yield "Meta Limits", Group("", "GET", "", "", application=settings.meta)
    if settings.application:
        yield "Application Limits", Group("", "GET", "", "", application=settings.application)


def _routes(
    state: CompatState, only: str | None, method: str | None
) -> Iterator[tuple[str, Any, Group | None]]:
    for rule in sorted(current_app.url_map.iter_rules(only), key=str):
        if rule.endpoint.rpartition(".")[2] == "static":
            continue
        methods = (rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}
        verb = "GET" if "GET" in methods else min(methods, default="GET")
        verb = method.upper() if method else verb
        route = state.routes.route(current_app, rule, verb, path="")
        group = route.group if isinstance(route, CompatRoute) else None
        yield f"{rule.endpoint}: {rule}", route, group


def _found(group: Group) -> list[tuple[RateLimitItem, Limit]]:
    first, second = passes(group, lambda who, limit: _items(limit))
    whole = {id(x) for x in group.application} if group.endpoint else set()
    return [pair for pair in (*first, *second) if id(pair[1]) not in whole]


def _print(state: CompatState, group: Group, key: str | None, indent: str = "") -> None:
    for item, definition in _found(group):
        line = str(item)
        for name in ("deduct_when", "exempt_when"):
            function = getattr(definition, name)
            if function is not None:
                line += f" {{{name}: {_function(function)}}}"
        if key:
            line += _standing(state, group, item, definition, key)
        click.echo(f"{indent}{BRANCH}{line}")


def _standing(
    state: CompatState, group: Group, item: RateLimitItem, definition: Limit, key: str
) -> str:
    """Tell how a limit stands for a client."""
    if not state.storage.check():
        return ": Storage not available"
    scope = str(definition.scope) if definition.scope else group.endpoint
    if definition.scope and not definition.shared:
        scope = f"{group.endpoint}:{scope}"
    if definition.per_method:
        scope += f":{group.method}"
    passes_ = state.strategy.test(item, key, scope)
    left = state.strategy.get_window_stats(item, key, scope)[1]
    return f": {'Pass' if passes_ else 'Fail'} ({left} out of {item.amount} remaining)"


def _items(limit: Limit) -> Iterable[RateLimitItem]:
    try:
        return limit.items()
    except Exception:
        # A function that needs a real request.
        return ()


def _texts(limits: Iterable[Limit]) -> list[str]:
    return [str(item) for limit in limits for item in _items(limit)]


def _function(function: Any) -> str:
    if not callable(function):
        return str(function)
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}()"
