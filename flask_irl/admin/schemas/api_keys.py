"""Define the queries, bodies and responses of the endpoints on API keys."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import Number, described, integer, moment, objects, string
from flask_irl.admin.schemas.fields import strings as strings_of
from flask_irl.admin.schemas.requests import PageQuery, Request, check_one_line, reason_field
from flask_irl.admin.schemas.site import PageSchema
from flask_irl.api_keys.names import MAX_SCOPES, is_scope
from flask_irl.api_keys.text import ENVIRONMENTS
from flask_irl.operations.api_key_checks import CHANGEABLE, MAX_NAME
from flask_irl.operations.api_keys import GRACE_SECONDS, MAX_GRACE_SECONDS
from flask_irl.operations.texts import CONTROLS

PREFIX = "irl_live_7f3aK9xQ2m"
TEXT = f"{PREFIX}8h2kLm4nPq6rSt8uVw0xYz1aBc3dEf5g2Zk9Q1"
STATES = ("valid", "expired", "revoked")


def _check_scope(name: str) -> None:
    if not is_scope(name):
        raise ma.ValidationError("Give 1 to 64 ASCII letters, digits and . _ : / -")


def _line(text: str, example: str, **more: Any) -> fields.String:
    return fields.String(
        validate=[validate.Length(1, MAX_NAME), check_one_line],
        metadata=described(text, example, pattern=f"^[^{CONTROLS}]*$"),
        **more,
    )


def _scopes(**more: Any) -> fields.List[Any]:
    return fields.List(
        fields.String(
            validate=[validate.Length(1, 64), _check_scope],
            metadata={"pattern": "^[A-Za-z0-9._:/-]{1,64}$"},
        ),
        validate=validate.Length(max=MAX_SCOPES),
        metadata=described("Names of what it may be used for.", ["export"]),
        **more,
    )


def _plan(**more: Any) -> fields.String:
    return fields.String(
        allow_none=True,
        validate=validate.Length(1, 32),
        metadata=described("Name of its rate plan; null for none.", None, "pro"),
        **more,
    )


class _Time(fields.AwareDateTime):
    """Read a moment in ISO 8601 with its zone into seconds since the epoch."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found: datetime.datetime = super()._deserialize(value, attr, data, **kwargs)
        try:
            return max(found.timestamp(), 0.0)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None


def _expires(**more: Any) -> _Time:
    return _Time(
        allow_none=True,
        metadata=described("Its end, with a zone; null for none.", None, "2030-01-01T00:00:00Z"),
        **more,
    )


class ApiKeysQuery(PageQuery):
    """Select API keys."""

    prefix = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata=described("Only keys whose texts or ids begin with this.", "irl_live_7f3a"),
    )
    owner = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_NAME),
        metadata=described(
            "Only keys whose owners begin with this; with `prefix`, of exactly this owner."
        ),
    )


class IssueApiKeyRequest(Request):
    """Issue an API key."""

    example: ClassVar = {"name": "nightly export", "owner": "acme", "scopes": ["export"]}

    name = _line("Its name, for people.", "nightly export", required=True)
    owner = _line("Whose it is.", "acme", required=True)
    environment = fields.String(
        load_default="live",
        validate=validate.OneOf(ENVIRONMENTS),
        metadata=described("The part of its text that tells what it is for.", "live"),
    )
    scopes = _scopes(load_default=list)
    plan = _plan(load_default=None)
    expires_at = _expires(load_default=None)
    reason = reason_field("Contract 4711.")


class ChangeApiKeyRequest(Request):
    """Change an API key; what isn't given stays."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"required": [name]} for name in CHANGEABLE]
    }
    example: ClassVar = {"scopes": ["export", "import"]}

    name = _line("Its name, for people.", "nightly export")
    owner = _line("Whose it is.", "acme")
    scopes = _scopes()
    plan = _plan()
    expires_at = _expires()
    reason = reason_field("Contract 4711.")

    @ma.validates_schema
    def _check_any(self, data: Mapping[str, Any], **_: Any) -> None:
        if not set(CHANGEABLE) & set(data):
            raise ma.ValidationError(f"Give at least one of {', '.join(CHANGEABLE)}.")


class RotateApiKeyRequest(Request):
    """Rotate an API key."""

    optional = True
    example: ClassVar = {"grace_seconds": 86400}

    grace_seconds = Number(
        load_default=GRACE_SECONDS,
        validate=validate.Range(0, MAX_GRACE_SECONDS),
        metadata=described("Time for which the text before is valid, too.", GRACE_SECONDS),
    )
    reason = reason_field("Yearly rotation.")


class RevokeApiKeyRequest(Request):
    """Revoke an API key."""

    optional = True
    example: ClassVar = {"reason": "It was published in a repository."}

    reason = reason_field("It was published in a repository.")


class ApiKeySchema(ma.Schema):
    """Describe an API key, without its text."""

    example: ClassVar = {
        "id": "7f3aK9xQ2m",
        "prefix": PREFIX,
        "client": "key:7f3aK9xQ2m",
        "environment": "live",
        "name": "nightly export",
        "owner": "acme",
        "scopes": ["export"],
        "plan": "pro",
        "state": "valid",
        "created_at": "2026-11-01T09:00:00Z",
        "expires_at": "2030-01-01T00:00:00Z",
        "rotated_at": None,
        "old_until": None,
        "revoked_at": None,
        "requests": 18230,
        "refused": 12,
        "last_used_at": "2026-11-27T15:40:00Z",
    }

    id = string("Its id, which stays when it is rotated.", "7f3aK9xQ2m")
    prefix = string("Beginning of its text, which may be shown.", PREFIX)
    client = string("Id of the client that sends it.", "key:7f3aK9xQ2m")
    environment = string("What it is for.", "live", validate=validate.OneOf(ENVIRONMENTS))
    name = string("Its name, for people.", "nightly export")
    owner = string("Whose it is.", "acme")
    scopes = strings_of("Names of what it may be used for.", ["export"])
    plan = string("Its rate plan; null for none.", None, "pro", allow_none=True)
    state = string("Whether it is valid.", "valid", validate=validate.OneOf(STATES))
    created_at = moment("Time of its issue")
    expires_at = moment("Its end; null for none", allow_none=True)
    rotated_at = moment("Time of its latest rotation; null for none", allow_none=True)
    old_until = moment(
        "End of the time for which its text before the rotation is valid, too; null for none",
        allow_none=True,
    )
    revoked_at = moment("Time of its revocation; null for none", allow_none=True)
    requests = integer("Requests that presented it and were decided on.", 18230)
    refused = integer("Those of them that its limits refused.", 12)
    last_used_at = moment("Time of the latest, to the minute; null for none", allow_none=True)


class IssuedApiKeySchema(ApiKeySchema):
    """Describe an API key with its text, which is shown this once."""

    example: ClassVar = {**ApiKeySchema.example, "key": TEXT}

    key = string("Its text: keep it as a password, for nobody can show it again.", TEXT)


class ApiKeysSchema(PageSchema):
    """Describe a page of API keys."""

    example: ClassVar = {
        "total": 1,
        "page": 1,
        "page_size": 50,
        "api_keys": [ApiKeySchema.example],
    }

    api_keys = objects(ApiKeySchema, "The keys, by their ids or their owners.")
