"""What the admin API is sent, and how it says no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.described import Number, Whole, told
from flask_irl.admin.pages import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE
from flask_irl.config.values import MAX_STEPS
from flask_irl.limits.limit import MAX_AMOUNT, MAX_WINDOW_SECONDS
from flask_irl.limits.override import KINDS, MAX_SECONDS
from flask_irl.operations import ORDERS

MODES: Final = ("enforce", "shadow", "off")
VERDICTS: Final = ("good", "abuse")
MAX_REASON: Final = 500
MAX_STEP: Final = 100
HOUR_SECONDS: Final = 3600
CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""What breaks a line, moves a terminal's cursor or turns the text around, for a regex's set."""


def _one_line(text: str) -> None:
    # Nor lone surrogates: no store takes them.
    if re.search(f"[{CONTROLS}\ud800-\udfff]", text):
        raise ma.ValidationError("Give one line without control characters.")


class Request(ma.Schema):
    """Takes no fields that it doesn't know."""

    class Meta:
        unknown = ma.RAISE

    json_schema: ClassVar[Mapping[str, Any]] = {}
    """What the documentation says beyond the fields."""
    example: ClassVar[Mapping[str, Any] | None] = None
    """A body that may be sent as it stands; made of the fields' own examples if there is none."""


class PageQuery(Request):
    """Which page of a list."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(1, MAX_PAGE),
        metadata=told("Which page, from 1."),
    )
    page_size = fields.Integer(
        load_default=PAGE_SIZE,
        validate=validate.Range(1, MAX_PAGE_SIZE),
        metadata=told("Entries on a page."),
    )


class ClientsQuery(PageQuery):
    """Which clients, in which order."""

    order = fields.String(
        load_default="active",
        validate=validate.OneOf(ORDERS),
        metadata=told(
            "What the first ones are most of; with `flagged`, only those flagged now, the latest "
            "first; with `overridden`, only those with an override, the longest first."
        ),
    )
    step = fields.Integer(
        validate=validate.Range(0, MAX_STEP),
        metadata=told("Only clients at this step; 0 is the full limit."),
    )


class OverrideRequest(Request):
    """What to do with a client, whatever the limits and the model say."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "if": {"properties": {"kind": {"const": "limit"}}, "required": ["kind"]},
        "then": {"required": ["amount"]},
        "else": {"properties": {"amount": False}},
    }
    example: ClassVar = {"kind": "block", "seconds": 3600, "reason": "Scrapes the price list."}

    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata=told(
            "`allow`: no limit refuses it; `block`: every request is refused; `limit`: `amount` "
            "requests per window.",
            "block",
        ),
    )
    amount = Whole(
        validate=validate.Range(1, MAX_AMOUNT),
        metadata=told("Requests per window; with kind `limit`, and with no other."),
    )
    seconds = Number(
        load_default=HOUR_SECONDS,
        validate=validate.Range(0, MAX_SECONDS, min_inclusive=False),
        metadata=told("For how long.", HOUR_SECONDS, exclusiveMinimum=0),
    )
    reason = fields.String(
        load_default="",
        validate=[validate.Length(max=MAX_REASON), _one_line],
        metadata=told(
            "Why, for the audit log; one line without control characters.",
            "Scrapes the price list.",
            pattern=f"^[^{CONTROLS}]*$",
        ),
    )

    @ma.validates_schema
    def _check_amount(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["kind"] == "limit" and "amount" not in data:
            raise ma.ValidationError("Needed with kind 'limit'.", "amount")
        if data["kind"] != "limit" and "amount" in data:
            raise ma.ValidationError("Only with kind 'limit'.", "amount")


class FeedbackRequest(Request):
    """What a person thinks of a client."""

    example: ClassVar = {"verdict": "good"}

    verdict = fields.String(
        required=True,
        validate=validate.OneOf(VERDICTS),
        metadata=told("Whether its traffic is legitimate.", "good"),
    )


class ModeRequest(Request):
    """What the limiter does."""

    example: ClassVar = {"mode": "shadow"}

    mode = fields.String(
        required=True,
        validate=validate.OneOf(MODES),
        metadata=told(
            "`enforce`; `shadow`: decide, count and log, but refuse nobody on the model's word; "
            "`off`: static limits alone, and nothing is learned.",
            "shadow",
        ),
    )


class LimitsRequest(Request):
    """Limits to change; null goes back to what is configured."""

    json_schema: ClassVar[Mapping[str, Any]] = {"minProperties": 1}
    example: ClassVar = {"base_limit": 120, "further_factors": [0.1]}

    base_limit = Whole(
        allow_none=True,
        validate=validate.Range(1, MAX_AMOUNT),
        metadata=told("Requests per window for a normal client.", 120),
    )
    window_seconds = Whole(
        allow_none=True,
        validate=validate.Range(1, MAX_WINDOW_SECONDS),
        metadata=told("The window.", 60),
    )
    anomalous_factor = Number(
        allow_none=True,
        validate=validate.Range(0, 1, min_inclusive=False),
        metadata=told(
            "Share of its limits that an anomalous client keeps.", 0.3, exclusiveMinimum=0
        ),
    )
    further_factors = fields.List(
        Number(validate=validate.Range(0, 1)),
        allow_none=True,
        validate=validate.Length(max=MAX_STEPS),
        metadata=told(
            "The shares at the steps below that one, in any order; those that are not less than "
            "it are left out. 0 is a block.",
            [0.1, 0],
        ),
    )
    anomaly_threshold = Number(
        allow_none=True,
        validate=validate.Range(-1, 0),
        metadata=told("A client whose score is below is anomalous; higher is stricter.", -0.5),
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


class ProblemSchema(ma.Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, metadata=told("What kind of problem it is.", "about:blank"))
    title = fields.String(required=True, metadata=told("The status in words.", "Not Found"))
    status = fields.Integer(required=True, metadata=told("The status.", 404))
    detail = fields.String(
        required=True, metadata=told("What happened.", "No client of that id is known.")
    )
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata=told("By field, what is wrong with it; `body` is the whole."),
    )
