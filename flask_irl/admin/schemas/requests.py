"""Define the queries and bodies of requests to the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, get_args

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.pagination import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE
from flask_irl.admin.schemas.fields import Number, Whole, described
from flask_irl.config.values import MAX_STEPS
from flask_irl.limits.limit import MAX_AMOUNT, MAX_WINDOW_SECONDS
from flask_irl.limits.override import KINDS, MAX_SECONDS
from flask_irl.limits.plan import Mode
from flask_irl.operations import COLUMNS, FEEDBACK, MAX_REASON, MAX_TEXT, ORDERS
from flask_irl.operations.moments import MAX_MOMENT
from flask_irl.operations.texts import CONTROLS, UNSAFE

MODES: Final = get_args(Mode)
VERDICTS: Final = tuple(FEEDBACK)
MAX_STEP: Final = 100
HOUR_SECONDS: Final = 3600


def check_one_line(text: str) -> None:
    if UNSAFE.search(text):
        raise ma.ValidationError("Give one line without control characters.")


def reason_field(example: str) -> fields.String:
    """Make a member for an operator's reason."""
    return fields.String(
        load_default="",
        validate=[validate.Length(max=MAX_REASON), check_one_line],
        metadata=described(
            "Reason, for the audit log; one line without control characters.",
            example,
            pattern=f"^[^{CONTROLS}]*$",
        ),
    )


def until_field() -> fields.String:
    """Make a member for the end of a change."""
    return fields.String(
        validate=validate.Length(max=MAX_MOMENT),
        metadata=described(
            "End, instead of `seconds`: a moment with its zone, later than now.",
            format="date-time",
        ),
    )


class Request(ma.Schema):
    """Refuse unknown fields."""

    class Meta:
        unknown = ma.RAISE

    json_schema: ClassVar[Mapping[str, Any]] = {}
    """Rules for the documentation beyond those of the fields."""
    example: ClassVar[Mapping[str, Any] | None] = None
    """Body that may be sent as it stands; None to make one of the fields' own examples."""
    optional: ClassVar[bool] = False
    """Tells that a request may go without the body."""


class PageQuery(Request):
    """Select a page of a list."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(1, MAX_PAGE),
        metadata=described("Number of the page, from 1."),
    )
    page_size = fields.Integer(
        load_default=PAGE_SIZE,
        validate=validate.Range(1, MAX_PAGE_SIZE),
        metadata=described("Entries on a page."),
    )


class ClientsQuery(PageQuery):
    """Select clients and their order."""

    order = fields.String(
        load_default="active",
        validate=validate.OneOf(ORDERS),
        metadata=described(
            "Ranking, the highest first; with `flagged`, only clients flagged now, the latest "
            "first; with `overridden`, only clients and networks with an override, the longest "
            "first."
        ),
    )
    step = fields.Integer(
        validate=validate.Range(0, MAX_STEP),
        metadata=described("Only clients at this step; 0 is the full limit."),
    )
    plan = fields.String(
        validate=validate.Length(1, MAX_TEXT),
        metadata=described(
            "Only clients that have this plan, or whose requests count under it at present."
        ),
    )
    country = fields.String(
        validate=[validate.Length(2, 2), validate.Regexp("^[A-Za-z]{2}$")],
        metadata=described(
            "Only clients whose address is of the country with this code of two letters; needs "
            "the option `country_file`.",
            "DE",
        ),
    )
    sort = fields.String(
        validate=validate.OneOf(COLUMNS),
        metadata=described(
            "Column to sort the clients of the ranking by, or those that are found; the ranking's "
            "own order without it."
        ),
    )
    ascending = fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=described("Whether `sort` puts the lowest first."),
    )
    q = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_TEXT),
        metadata=described(
            "Beginning of the ids of clients, an address, or a network; searches the clients of "
            "all rankings, a thousand of each at most, and the networks that are overridden.",
            "203.0.113.0/24",
        ),
    )
    route = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_TEXT),
        metadata=described(
            "Only clients that ask for this route, those that do so most first; perhaps with a "
            "method before it. Searches as `q` does. Routes are counted in 16 groups: clients of "
            "another route of its group may be among them.",
            "POST /login",
        ),
    )


class OverrideRequest(Request):
    """Override the limits and the model for a client."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "if": {"properties": {"kind": {"const": "limit"}}, "required": ["kind"]},
        "then": {"required": ["amount"]},
        "else": {"properties": {"amount": False}},
        "not": {"required": ["seconds", "until"]},
    }
    example: ClassVar = {"kind": "block", "seconds": 3600, "reason": "Scrapes the price list."}

    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata=described(
            "`allow`: no limit refuses the client; `block`: every request is refused; `limit`: "
            "`amount` requests per window.",
            "block",
        ),
    )
    amount = Whole(
        validate=validate.Range(1, MAX_AMOUNT),
        metadata=described("Requests per window; with kind `limit`, and with no other."),
    )
    seconds = Number(
        validate=validate.Range(0, MAX_SECONDS, min_inclusive=False),
        metadata=described(
            f"Duration of the override; {HOUR_SECONDS} without it and `until`.",
            HOUR_SECONDS,
            exclusiveMinimum=0,
        ),
    )
    until = until_field()
    reason = reason_field("Scrapes the price list.")

    @ma.validates_schema
    def _check_amount(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["kind"] == "limit" and "amount" not in data:
            raise ma.ValidationError("Needed with kind 'limit'.", "amount")
        if data["kind"] != "limit" and "amount" in data:
            raise ma.ValidationError("Only with kind 'limit'.", "amount")


class FeedbackRequest(Request):
    """Give feedback on a client."""

    example: ClassVar = {"verdict": "good"}

    verdict = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=described("Verdict on the client's traffic.", "good"),
    )


class RollbackRequest(Request):
    """Pin a model, for a time or until it is unpinned."""

    optional = True
    example: ClassVar = {"seconds": 86400, "reason": "The new one flags our partners."}

    seconds = Number(
        validate=validate.Range(0, MAX_SECONDS, min_inclusive=False),
        metadata=described(
            "Duration of the pin; without it, it lasts until it is taken back.",
            86_400,
            exclusiveMinimum=0,
        ),
    )
    reason = reason_field("The new one flags our partners.")


class ModeRequest(Request):
    """Change the mode of the limiter."""

    example: ClassVar = {"mode": "shadow"}

    mode = fields.String(
        required=True,
        validate=validate.OneOf(MODES),
        metadata=described(
            "`enforce`; `shadow`: decide, count and log, but refuse nobody on the model's word; "
            "`off`: static limits alone, and nothing is learned.",
            "shadow",
        ),
    )


class LimitsRequest(Request):
    """Change limits; null goes back to the configured value."""

    json_schema: ClassVar[Mapping[str, Any]] = {"minProperties": 1}
    example: ClassVar = {"base_limit": 120, "further_factors": [0.1]}

    base_limit = Whole(
        allow_none=True,
        validate=validate.Range(1, MAX_AMOUNT),
        metadata=described("Requests per window for a normal client.", 120),
    )
    window_seconds = Whole(
        allow_none=True,
        validate=validate.Range(1, MAX_WINDOW_SECONDS),
        metadata=described("Length of the window.", 60),
    )
    anomalous_factor = Number(
        allow_none=True,
        validate=validate.Range(0, 1, min_inclusive=False),
        metadata=described(
            "Share of its limits that an anomalous client keeps.", 0.3, exclusiveMinimum=0
        ),
    )
    further_factors = fields.List(
        Number(validate=validate.Range(0, 1)),
        allow_none=True,
        validate=validate.Length(max=MAX_STEPS),
        metadata=described(
            "Shares at the steps below that one, in any order; shares that are not less than it "
            "are left out. 0 is a block.",
            [0.1, 0],
        ),
    )
    anomaly_threshold = Number(
        allow_none=True,
        validate=validate.Range(-1, 0),
        metadata=described("Score below which a client is anomalous; higher is stricter.", -0.5),
    )

    @ma.validates_schema
    def _check_any(self, data: Mapping[str, Any], **_: Any) -> None:
        if not data:
            raise ma.ValidationError(f"Give at least one of {', '.join(self.fields)}.")

    @ma.post_load
    def _sort(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data.get("further_factors") is not None:
            data["further_factors"] = sorted(set(data["further_factors"]), reverse=True)
        return data
