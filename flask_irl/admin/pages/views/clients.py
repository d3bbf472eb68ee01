"""List clients, show one, and change what holds for it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flask import Response, request
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages import words
from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.charts import Chart, Series, bars
from flask_irl.admin.pages.course_charts import course_charts
from flask_irl.admin.pages.forms import (
    DURATIONS,
    done,
    field,
    notice,
    page_number,
    reason,
    seconds,
    whole,
)
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.selections import selection
from flask_irl.admin.state import current_admin
from flask_irl.errors import ConfigurationError
from flask_irl.operations import COLUMNS, FEEDBACK, MAX_FOUND, MAX_TEXT, ORDERS
from flask_irl.operations.results import ClientEntry, ClientResult

PAGE_SIZE: Final = 50
FILTERS: Final = (
    *("q", "route", "order", "step", "plan", "country", "everybody", "sort", "ascending"),
)
HEADINGS: Final = (
    ("client", "client"),
    ("state", "state"),
    ("score", "score"),
    ("requests a minute", "rate"),
    ("refused", "refused"),
    ("last seen", "seen"),
    ("why", ""),
)
"""Headings of the list, each with the column that it is sorted by."""
LOWEST_FIRST: Final = frozenset({"client", "score"})
"""Columns whose lowest is shown first at the first click."""
NUMBERS: Final = frozenset({"score", "rate", "refused"})
KINDS: Final = ("allow", "block", "limit")
MAX_ID: Final = 2000
RATES: Final = (
    ("requests_per_minute", "last minute"),
    ("sustained_rate", "last ten minutes"),
    ("hourly_rate", "last hour"),
)


@pages.get("/page/clients")
def clients() -> Response:
    """List the clients of a ranking, or search for some."""
    query = {name: request.args.get(name, "").strip() for name in FILTERS}
    query["order"] = query["order"] if query["order"] in ORDERS else "active"
    query["sort"] = query["sort"] if query["sort"] in COLUMNS else ""
    query |= {name: "1" if query[name] == "1" else "" for name in ("ascending", "everybody")}
    operations, number, error = current_admin().operations, page_number(), ""
    entries: list[ClientEntry] = []
    total, selected = 0, selection(request.args)
    try:
        if selected is not None:
            entries, total = selected.entries((number - 1) * PAGE_SIZE, PAGE_SIZE)
        else:
            entries, total = _listed(query, number)
    except ConfigurationError as raised:
        error = f"{raised}."
    return page(
        "clients.html",
        query=query,
        selected=selected,
        columns=_columns(query, can_sort=selected is None),
        values=(
            {name: value for name, value in query.items() if value}
            if selected is None
            else selected.values
        ),
        entries=entries,
        total=total,
        number=number,
        pages=max(1, -(-total // PAGE_SIZE)),
        error=error,
        orders=words.ORDERS,
        steps=operations.site.limits()["steps"],
        plans=[plan["plan"] for plan in operations.plans.read()["plans"]],
        knows_countries=operations.clients.knows_countries,
        override=words.override,
        max_text=MAX_TEXT,
        max_found=MAX_FOUND,
    )


def _listed(query: dict[str, str], number: int) -> tuple[list[ClientEntry], int]:
    on_clients = current_admin().operations.clients
    chosen: dict[str, Any] = {
        "order": query["order"],
        "step": whole("step", query["step"]) if query["step"] else None,
        "plan": query["plan"] or None,
        "country": query["country"] or None,
        "sort": query["sort"] or None,
        "ascending": query["ascending"] == "1",
        "offset": (number - 1) * PAGE_SIZE,
        "limit": PAGE_SIZE,
    }
    if query["q"] or query["route"] or query["everybody"]:
        return on_clients.find(
            query["q"], route=query["route"], everybody=query["everybody"] == "1", **chosen
        )
    return on_clients.ranked(**chosen)


class _Column(NamedTuple):
    """Describe the heading of a column: its text, and where a click on it leads.

    Attributes:
        text: The heading.
        query: Query of the list sorted by it; None for a column that none is sorted by.
        sorted: ``ascending`` or ``descending`` if the list is; else empty.
        number: Whether it has numbers.
    """

    text: str
    query: dict[str, str] | None
    sorted: str
    number: bool


def _columns(query: dict[str, str], *, can_sort: bool) -> list[_Column]:
    """Describe the headings; a second click on one turns its order round."""
    if not can_sort:
        return [_Column(text, None, "", column in NUMBERS) for text, column in HEADINGS]
    kept = {name: value for name, value in query.items() if value}
    kept = {name: value for name, value in kept.items() if name not in ("sort", "ascending")}
    found: list[_Column] = []
    for text, column in HEADINGS:
        if not column:
            found.append(_Column(text, None, "", False))
            continue
        is_sorted, is_up = query["sort"] == column, query["ascending"] == "1"
        up = not is_up if is_sorted else column in LOWEST_FIRST
        way = "ascending" if is_up else "descending"
        target = {**kept, "sort": column, **({"ascending": "1"} if up else {})}
        found.append(_Column(text, target, way if is_sorted else "", column in NUMBERS))
    return found


@pages.get("/page/client")
def client() -> Response:
    """Show a client: its limits, its behaviour, and why it is where it is."""
    operations = current_admin().operations
    # In the query, not in the path: browsers resolve "..", and servers merge slashes.
    key = operations.clients.key_of(_id(request.args.get("id", "")))
    found = operations.clients.describe(key)
    course = operations.course(key)
    return page(
        "client.html",
        status=200 if found is not None else 404,
        key=key,
        client=found,
        limits=operations.quota.left(key, current_admin().plans()),
        rates=None if found is None else rate_chart(found),
        plans=operations.plans.read()["plans"],
        course=course_charts(course),
        steps=course["changes"],
        answers=words.answers(None if found is None else found["answers"]),
        threshold=operations.site.limits()["anomaly_threshold"],
        changes=operations.audit.of_target(key),
        durations=DURATIONS,
        override=words.override,
        change=words.change,
        **notice_values(),
    )


@pages.post("/page/client")
def change_client() -> Response | BaseResponse:
    """Allow, block or limit a client, clear that, reset it, or note what it is."""
    operations, who = current_admin().operations, visitor().who
    key = operations.clients.key_of(_id(field("id")))
    action = field("action")
    if action in KINDS:
        amount = whole("amount", field("amount")) if action == "limit" else 0
        operations.overrides.set(
            key, action, amount=amount, seconds=seconds(), reason=reason(), who=who
        )
    elif action == "clear":
        if not operations.overrides.clear(key, who):
            raise NotFound(f"Client {key} has no override.")
    elif action == "plan":
        plan = field("plan")
        if field("sure") != "1":
            return page(
                "confirm_assignment.html",
                key=key,
                plan=plan,
                seconds=seconds(),
                reason=reason(),
                preview=operations.what_if.assignment(key, plan),
            )
        operations.plans.assign(key, plan, seconds=seconds(), reason=reason(), who=who)
    elif action == "unassign":
        if not operations.plans.unassign(key, who):
            raise NotFound(f"Client {key} is assigned no plan.")
    elif action in FEEDBACK:
        if not operations.clients.feedback(key, action, who):
            raise NotFound(f"No client {key} is known.")
    elif action == "reset":
        if field("sure") != "1":
            return page("confirm_reset.html", key=key)
        if not operations.clients.reset(key, who):
            raise NotFound(f"No client {key} is known.")
    else:
        raise BadRequest("There is no such action.")
    return done("client", key, id=key)


def notice_values() -> dict[str, Any]:
    """Give what a view needs to tell of a change that was just made."""
    entry = notice()
    can_undo = entry is not None and current_admin().operations.undo.can_undo(entry)
    return {
        "notice": None if entry is None else words.change(entry),
        "undo": entry if can_undo else None,
    }


def rate_chart(found: ClientResult) -> Chart:
    """Draw a client's rate over three spans, as far as its profile remembers."""
    features = found["features"]
    return bars(
        "rates",
        "Requests a minute",
        "Means over three spans, which fade while it sends nothing; its profile keeps no more.",
        [name for _, name in RATES],
        [Series("requests a minute", "clients", [max(features[n], 0.0) for n, _ in RATES])],
    )


def _id(text: str) -> str:
    if not text or len(text) > MAX_ID:
        raise BadRequest("Give a client's id.")
    return text
