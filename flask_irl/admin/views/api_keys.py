"""Serve the endpoints on API keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from werkzeug.exceptions import Conflict, NotFound

from flask_irl.admin.blueprint import blueprint, operator
from flask_irl.admin.endpoints import Told
from flask_irl.admin.pagination import offset_and_limit, page_answer
from flask_irl.admin.schemas.api_keys import (
    ApiKeySchema,
    ApiKeysQuery,
    ApiKeysSchema,
    ChangeApiKeyRequest,
    IssueApiKeyRequest,
    IssuedApiKeySchema,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
)
from flask_irl.admin.state import current_admin
from flask_irl.operations.api_key_checks import CHANGEABLE, KeyConflictError
from flask_irl.operations.api_key_results import ApiKeyResult, IssuedApiKey
from flask_irl.operations.api_keys import OFF, ApiKeyOperations

T = TypeVar("T")

IS_OFF: Final = (OFF, None)
UNKNOWN: Final = ("There is no such API key: GET /api-keys lists those that there are.", None)
REVOKED: Final = ("key irl_live_7f3aK9xQ2m is revoked for good: issue another one", None)


def _told(field: str, text: str) -> Told:
    return f"{field}: {text}", {field: [text]}


TOO_LONG: Final = _told("prefix", "Longer than maximum length 100.")
NO_NAME: Final = _told("name", "Missing data for required field.")
NO_CHANGE: Final = _told("body", f"Give at least one of {', '.join(CHANGEABLE)}.")
NO_GRACE: Final = _told("grace_seconds", "Not a valid number.")
NO_REASON: Final = _told("why", "Unknown field.")


def _keys() -> ApiKeyOperations:
    keys = current_admin().operations.api_keys
    if not keys.enabled:
        raise Conflict(OFF)
    return keys


def _settled(work: Callable[[], T]) -> T:
    try:
        return work()
    except KeyConflictError as error:
        raise Conflict(str(error)) from error


def _found(result: T | None) -> T:
    if result is None:
        raise NotFound(UNKNOWN[0])
    return result


@blueprint.operation(
    "GET",
    "/api-keys",
    ApiKeysSchema,
    query=ApiKeysQuery,
    errors=(409,),
    told={409: IS_OFF, 422: TOO_LONG},
    paged=True,
    tag="api-keys",
)
def api_keys(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List API keys, or search for some by the beginning of their texts or of their owners

    Keys that have ended are listed for thirty days more. 409 where the app has no API keys.
    """
    offset, limit = offset_and_limit(query)
    found, total = _keys().page(
        prefix=query["prefix"], owner=query["owner"], offset=offset, limit=limit
    )
    return page_answer("api_keys", found, total, query)


@blueprint.operation(
    "POST",
    "/api-keys",
    IssuedApiKeySchema,
    status=201,
    body=IssueApiKeyRequest,
    errors=(409,),
    told={409: IS_OFF, 422: NO_NAME},
    tag="api-keys",
)
def issue_api_key(body: dict[str, Any]) -> IssuedApiKey:
    """Issue an API key; `key` is its text, which is shown this once

    It is valid in all workers at once. The store has no more than a keyed hash of it.
    """
    keys = _keys()
    return _settled(lambda: keys.issue(who=operator(), **body))


@blueprint.operation(
    "GET",
    "/api-keys/<string:key>",
    ApiKeySchema,
    errors=(404, 409),
    told={404: UNKNOWN, 409: IS_OFF},
    tag="api-keys",
)
def api_key(key: str) -> ApiKeyResult:
    """Describe an API key, with its uses

    Uses are a second late, and `last_used_at` is to the minute. Its text is never shown. 409 where
    the app has no API keys.
    """
    return _found(_keys().show(key))


@blueprint.operation(
    "PATCH",
    "/api-keys/<string:key>",
    ApiKeySchema,
    body=ChangeApiKeyRequest,
    errors=(404, 409),
    told={404: UNKNOWN, 409: REVOKED, 422: NO_CHANGE},
    tag="api-keys",
)
def change_api_key(changes: dict[str, Any], key: str) -> ApiKeyResult:
    """Change the name, owner, scopes, rate plan or end of an API key

    Holds in all workers within two seconds. An end that has passed ends the key at once. A revoked
    key can't be changed.
    """
    keys, reason = _keys(), changes.pop("reason")
    return _found(_settled(lambda: keys.change(key, changes, who=operator(), reason=reason)))


@blueprint.operation(
    "POST",
    "/api-keys/<string:key>/rotate",
    IssuedApiKeySchema,
    body=RotateApiKeyRequest,
    errors=(404, 409),
    told={404: UNKNOWN, 409: REVOKED, 422: NO_GRACE},
    tag="api-keys",
)
def rotate_api_key(body: dict[str, Any], key: str) -> IssuedApiKey:
    """Give an API key a new text, `key`, which is shown this once

    Its id stays, and with it its counts and its profile. The text before is valid for
    `grace_seconds` more. A revoked key can't be rotated.
    """
    keys = _keys()
    return _found(_settled(lambda: keys.rotate(key, who=operator(), **body)))


@blueprint.operation(
    "POST",
    "/api-keys/<string:key>/revoke",
    ApiKeySchema,
    body=RevokeApiKeyRequest,
    errors=(404, 409),
    told={404: UNKNOWN, 409: IS_OFF, 422: NO_REASON},
    tag="api-keys",
)
def revoke_api_key(body: dict[str, Any], key: str) -> ApiKeyResult:
    """Revoke an API key for good

    Holds in all workers within two seconds.
    """
    return _found(_keys().revoke(key, who=operator(), reason=body["reason"]))
