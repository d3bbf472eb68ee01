"""Print what is known of a client, for people: the plainest first, the model's figures last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from flask_irl.cli.client_table import base_limit, overridden_limit, override_note
from flask_irl.cli.output import plain, print_record, when
from flask_irl.operations.courses import ClientCourse
from flask_irl.operations.plan_results import ClientPlan
from flask_irl.operations.results import ClientResult, OverrideResult
from flask_irl.verdicts.sentences import percent
from flask_irl.verdicts.sentences import plain as number

ANSWERS: Final = {
    "refused": "refused (429)",
    "denied": "denied (401, 403, failed logins)",
    "missing": "404",
    "other_4xx": "other 4xx",
    "failed": "5xx",
    "fine": "fine",
}
UNMATCHED: Final = "unmatched"
MOST_CHANGES: Final = 4
"""Moments of flag and relief that are printed, the latest."""


def print_client(result: ClientResult, course: ClientCourse, *, wide: bool = False) -> None:
    """Print a client.

    Args:
        result: The client.
        course: Its course.
        wide: Prints the features that the model sees, too.
    """
    print_record(dict([*facts(result), *course_facts(course)]), False)
    for line in reasons(result):
        click.echo(line)
    for line in requests_of(result):
        click.echo(line)
    if wide:
        click.echo()
        print_record(result["features"], False)


def reasons(result: ClientResult) -> Iterator[str]:
    """Write why a client is judged as it is, a line each."""
    for rule in result["rules"]:
        yield f"rule: {plain(rule)}"
    for index, reason in enumerate(result["why"], 1):
        yield f"why {index}: {reason['sentence']}"
    if result["step"] and not result["rules"] and not result["why"]:
        yield "why: nothing in its profile; it may have hit a honeypot, or mended since"


def course_facts(course: ClientCourse) -> Iterator[tuple[str, str]]:
    """Write what a client did in the last day, by name; nothing where no course is kept."""
    slots, changes = course["slots"], course["changes"]
    if slots:
        total, refused = (sum(slot[name] for slot in slots) for name in ("requests", "refused"))
        lowest = min(slot["lowest_score"] for slot in slots)
        yield (
            "last 24 hours",
            f"{total:,} requests, {refused:,} refused, lowest score {lowest:.2f}",
        )
    if changes:
        told = [f"{change['change']} {when(change['at'])}" for change in changes[-MOST_CHANGES:]]
        yield "flag and relief", ", ".join(told)


def requests_of(result: ClientResult) -> Iterator[str]:
    """Write the requests of a client that are kept, a line each; nothing where none are."""
    for request in result["recent_requests"] or ():
        times = f" ({request['times']:,} times)" if request["times"] > 1 else ""
        outcome = "" if request["outcome"] == "allowed" else f", {request['outcome']}"
        what = plain(f"{request['method']} {request['route']}")
        yield f"request: {when(request['at'])} {what} {request['status']}{outcome}{times}"


def facts(result: ClientResult) -> Iterator[tuple[str, str]]:
    """Write what is known of a client, by name."""
    yield "client", result["client"]
    if result["tenant"]:
        yield "tenant", result["tenant"]
    if result["label"]:
        yield "label", result["label"]
    if result["country"]:
        name = result["country_name"]
        yield "country", f"{name} ({result['country']})" if name else result["country"]
    yield "limit", _limit(result)
    if result["plan"] is not None:
        yield "plan", plan_note(result["plan"])
    override, covering = result["override"], result["covered_by"]
    since, until = when(result["since"] or 0.0), when(result["until"] or 0.0)
    if since and until and override is None:
        yield "held", f"since {since}, until {until} at least"
    if override is not None:
        yield "override", _note(override)
    if covering is not None:
        yield "covered by", f"network {covering['network']}, {_note(covering)}"
    if result["listed"]:
        yield "configuration", f"{result['listed']}, whatever else is said here"
    if result["feedback"]:
        yield "feedback", result["feedback"]
    yield "score", f"{result['score'] + 0.0:.2f}"
    yield "requests", _requests(result)
    yield "requests a minute", number(result["requests_per_minute"])
    answers = result["answers"]
    if answers is not None:
        shares = [(float(answers[name]), words) for name, words in ANSWERS.items()]  # type: ignore[literal-required]
        shares.sort(key=lambda item: -item[0])
        yield "answers", ", ".join(f"{percent(x)} {words}" for x, words in shares if x >= 0.005)
    if result["routes"]:
        yield "routes", ", ".join(_route(x["routes"], x["share"]) for x in result["routes"])


def _limit(result: ClientResult) -> str:
    override, covering = result["override"], result["covered_by"]
    if override is not None:
        return overridden_limit(override["kind"], override["amount"])
    if covering is not None:
        together = ", all its clients together" if covering["kind"] == "limit" else ""
        limit = overridden_limit(covering["kind"], covering["amount"])
        return f"{limit} (network {covering['network']}{together})"
    limit, plan = base_limit(result["limit"]), result["plan"]
    if plan is not None:
        limit = f"{limit}, or that of its plan" if plan["plan"] is None else "that of its plan"
    if not result["step"]:
        return limit
    if not result["factor"]:
        return f"blocked (step {result['step']})"
    share = percent(result["factor"])
    return f"{limit} (step {result['step']}, {share} of every limit)"


def plan_note(plan: ClientPlan) -> str:
    """Write the plan of a client, and where it comes from."""
    name, counted = plan["plan"], ", ".join(plan["counted"])
    if name is None:
        told = "told with each request by the app, or its API key"
        return f"{told}; counted under: {counted or 'none now'}"
    if plan["source"] == "default":
        return f"{name} (the default)"
    words = [f"assigned by {plan['who']}", f"until {when(plan['until'] or 0.0)}"]
    if plan["reason"]:
        words.append(plan["reason"])
    others = [x for x in plan["counted"] if x != name]
    also = f"; counted also under: {', '.join(others)}" if others else ""
    return f"{name} ({', '.join(words)}){also}"


def _note(override: OverrideResult) -> str:
    return override_note(override["kind"], override["who"], override["until"], override["reason"])


def _requests(result: ClientResult) -> str:
    count = f"{result['requests']:,}"
    first, last = when(result["first_seen"]), when(result["last_seen"])
    return f"{count} since {first}, the latest {last}" if first and last else count


def _route(routes: list[str], share: float) -> str:
    names = [("paths that no route matches" if x == UNMATCHED else x) for x in routes]
    if not names:
        return f"{percent(share)} other routes"
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    return f"{percent(share)} {names[0]}{others}"
