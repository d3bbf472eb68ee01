"""Show the site on one screen: ``flask irl status``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from flask_irl.cli.group import as_json, irl, operations, plain_errors
from flask_irl.cli.output import draw, plain, print_record, text
from flask_irl.operations.rates import Rates
from flask_irl.operations.status import Status as SiteStatus
from flask_irl.operations.status import StoreStatus

AGES: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
MEBI: Final = 1024 * 1024


@irl.command()
@as_json
@plain_errors
def status(json_: bool) -> None:
    """Show traffic, clients, store, model and what operators changed."""
    found = operations().status.read()
    if json_:
        print_record(found, True)
    else:
        _draw(found)
    if not found["store"]["counts_requests"]:
        raise click.exceptions.Exit(1)


def ago(seconds: float) -> str:
    """Write a span of time in its largest unit, such as ``4 minutes``."""
    name, unit = next((age for age in AGES if seconds >= age[1]), AGES[-1])
    return _number_of(int(seconds // unit), name)


def _number_of(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _draw(found: SiteStatus) -> None:
    from rich.table import Table

    lines = Table.grid(padding=(0, 2))
    for name, line in _lines(found):
        lines.add_row(name, plain(line))
    draw(lines)


def _lines(found: SiteStatus) -> Iterator[tuple[str, str]]:
    if found["tenant"]:
        yield "tenant", found["tenant"]
    store, clients, workers = found["store"], found["clients"], found["workers"]
    yield "store", _store(store)
    if not store["answers"]:
        yield "mode", f"{found['mode']}, as this process knows it"
        yield "base limit", f"{found['base_limit']}, {found['strategy']}"
        if found["model_version"]:
            yield "model", f"version {found['model_version']}, as this process knows it"
        yield "breaker", found["breaker"]
        return
    if store["nodes_out"]:
        yield "nodes OUT", ", ".join(store["nodes_out"])
    yield from _memory(store)
    if found["now"] is not None:
        yield from _traffic(found["now"], found["hour_ago"])
    yield (
        "in all",
        (
            f"{_number_of(found['total_requests'] or 0, 'request')}, {found['refused']:,} refused"
            f" ({found['refused_share'] or 0:.1%})"
        ),
    )
    if clients is not None:
        kinds = ", ".join(f"{n} {kind}" for kind, n in clients["overridden"].items() if n)
        yield "clients", f"{clients['flagged']} flagged, {clients['blocked']} blocked"
        yield "overrides", kinds or "none"
    yield "mode", found["mode"]
    yield "base limit", f"{found['base_limit']}, {found['strategy']}"
    for name, change in (found["changed"] or {}).items():
        now, before = text(change["in_force"]), text(change["configured"])
        yield "changed", f"{name} is {now}, configured {before}"
    yield "model", _model(found)
    if found["model_shared"]:
        yield "learned from", found["model_shared"]
    yield "rollback", _rollback(found["rollback"])
    yield "last training", _training(found["last_training"])
    yield "crowd guard", "ON: nobody else is flagged" if found["crowd_guard"] else "off"
    yield "breaker", found["breaker"]
    yield "workers", f"{0 if workers is None else workers['seen']} seen"


def _store(store: StoreStatus) -> str:
    if not store["answers"]:
        return f"DOES NOT ANSWER: {store['address']}: {store['error']}"
    if not store["counts_requests"]:
        return f"REFUSES TO COUNT: {store['address']}: {store['error']}"
    if store["kind"] == "memory":
        return "in the memory of this process"
    version = f", {store['version']}" if store["version"] else ""
    return f"{store['address']} answers in {store['milliseconds']:.1f} ms{version}"


def _memory(store: StoreStatus) -> Iterator[tuple[str, str]]:
    used, limit = store["memory_used_bytes"], store["memory_limit_bytes"]
    if used is None:
        return
    most = "no limit" if limit is None else f"of {limit / MEBI:,.0f} MiB"
    policy = f", {store['policy']}" if store["policy"] else ""
    yield "memory", f"{used / MEBI:,.1f} MiB, {most}{policy}"


def _traffic(now: Rates, before: Rates | None) -> Iterator[tuple[str, str]]:
    requests = f"{now['requests_per_second']:,.1f} a second"
    refused = f"{now['refused_per_second']:,.1f} a second ({now['refused_share']:.1%})"
    if before is None:
        yield "requests", f"{requests}; an hour ago none were counted"
        yield "refused", refused
        return
    yield "requests", f"{requests}; an hour ago {before['requests_per_second']:,.1f}"
    yield (
        "refused",
        f"{refused}; an hour ago {before['refused_per_second']:,.1f}"
        f" ({before['refused_share']:.1%})",
    )


def _model(found: SiteStatus) -> str:
    if found["model_age_seconds"] is None:
        return "none yet: static limits apply"
    age = ago(found["model_age_seconds"])
    advisory = ", advisory: it tightens nobody's limit" if found["model_advisory"] else ", active"
    return f"version {found['model_version']}, {age} old{advisory}"


def _rollback(rollback: Mapping[str, Any] | None) -> str:
    if rollback is None:
        return "none"
    until = f" until {text(rollback['until'], 'until')}" if rollback["until"] else ""
    return f"version {rollback['version']} is pinned{until}; the newest is {rollback['newest']}"


def _training(training: Mapping[str, Any] | None) -> str:
    if training is None:
        return "none yet"
    line = f"{training['result']} at {text(training['at'], 'at')}"
    if training["reason"]:
        return f"{line}: {training['reason']}"
    return f"{line}: version {training['version']}, {_number_of(training['clients'], 'client')}"
