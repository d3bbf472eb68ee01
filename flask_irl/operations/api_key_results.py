"""Describe API keys for people and programs; moments are in seconds since the epoch."""

from __future__ import annotations

from typing import TypedDict

from flask_irl.api_keys.record import Record
from flask_irl.stores.api_keys import KeyUse


class ApiKeyResult(TypedDict):
    """Describe an API key.

    Members:
        state: ``valid``, ``expired`` or ``revoked``.
        old_until: End of the time for which the text before its rotation is valid, too.
        requests: Requests that presented it and were decided on; ``refused`` by its limits.
        last_used_at: Time of the latest, to the minute.
    """

    id: str
    prefix: str
    client: str
    environment: str
    name: str
    owner: str
    scopes: list[str]
    plan: str | None
    state: str
    created_at: float
    expires_at: float | None
    rotated_at: float | None
    old_until: float | None
    revoked_at: float | None
    requests: int
    refused: int
    last_used_at: float | None


class IssuedApiKey(ApiKeyResult):
    """Describe an API key that was issued or rotated, with its text, which is shown this once."""

    key: str


def describe(record: Record, use: KeyUse, now: float) -> ApiKeyResult:
    """Describe an API key as of now.

    Args:
        record: Its record.
        use: Its uses.
        now: Seconds since the epoch.
    """
    key = record.key
    state = "valid"
    if record.revoked is not None:
        state = "revoked"
    elif key.expires is not None and key.expires <= now:
        state = "expired"
    return {
        "id": key.id,
        "prefix": key.prefix,
        "client": key.client,
        "environment": key.environment,
        "name": key.name,
        "owner": key.owner,
        "scopes": list(key.scopes),
        "plan": key.plan or None,
        "state": state,
        "created_at": key.created,
        "expires_at": key.expires,
        "rotated_at": record.rotated,
        "old_until": record.old_until if record.old_until > now else None,
        "revoked_at": record.revoked,
        "requests": use.requests,
        "refused": use.refused,
        "last_used_at": use.last // 60 * 60 or None,
    }
