"""Check what operators say of API keys, and name the keys for the index and for the audit log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flask_irl.api_keys.names import MAX_SCOPES, SCOPE_NAMES, is_scope
from flask_irl.api_keys.record import ApiKey, Record
from flask_irl.api_keys.text import BEGINNING, CLIENT, ENVIRONMENTS, ID_CHARACTERS, KEY_ID, id_in
from flask_irl.errors import ConfigurationError
from flask_irl.operations.texts import check_line
from flask_irl.stored import is_number
from flask_irl.telemetry.log import LAST_MOMENT

MAX_NAME: Final = 100
CHANGEABLE: Final = ("name", "owner", "scopes", "plan", "expires_at")
"""Members of a key that can be changed."""


class KeyConflictError(ConfigurationError):
    """Refuse a change of an API key that the key's state, or the configuration, doesn't allow."""


def key_id_of(key: str) -> str:
    """Read an API key's id out of its id, prefix, client or text; empty where there is none."""
    if whole := id_in(key):
        return whole
    for beginning in (CLIENT, *(f"{BEGINNING}{each}_" for each in ENVIRONMENTS)):
        key = key.removeprefix(beginning)
    return key if KEY_ID.fullmatch(key) else ""


def check_valid(record: Record) -> None:
    """Check that a key can still be changed.

    Raises:
        KeyConflictError: It is revoked.
    """
    if record.revoked is not None:
        raise KeyConflictError(f"key {record.key.prefix} is revoked for good: issue another one")


def changed(key: ApiKey, changes: Mapping[str, Any], plans: Collection[str]) -> ApiKey:
    """Check changes of a key, and make them.

    Args:
        key: The key.
        changes: New values by name, those of ``CHANGEABLE``.
        plans: The names of all rate plans.

    Raises:
        ConfigurationError: One isn't allowed; names it.
    """
    if "name" in changes:
        key = replace(key, name=_line("name", changes["name"]))
    if "owner" in changes:
        key = replace(key, owner=_line("owner", changes["owner"]))
    if "scopes" in changes:
        key = replace(key, scopes=_scopes(changes["scopes"]))
    if "plan" in changes:
        key = replace(key, plan=_plan(changes["plan"], plans))
    if "expires_at" in changes:
        expires = changes["expires_at"]
        if expires is not None and not (is_number(expires) and 0 <= expires <= LAST_MOMENT):
            raise ConfigurationError(
                f"expires_at is {expires!r:.100}: give seconds since the epoch, or none"
            )
        key = replace(key, expires=expires)
    return key


def _plan(plan: object, plans: Collection[str]) -> str:
    if plan is None or plan == "":
        return ""
    if not isinstance(plan, str) or plan not in plans:
        there_are = ", ".join(plans) or "none; give them as the option plans"
        raise ConfigurationError(f"plan is {plan!r:.100}, which is no plan; there are: {there_are}")
    return plan


def _line(name: str, value: object) -> str:
    text = check_line(name, value, MAX_NAME)
    if not text:
        raise ConfigurationError(f"{name} is empty: give 1 to {MAX_NAME} characters")
    return text


def _scopes(scopes: object) -> tuple[str, ...]:
    if isinstance(scopes, str) or not isinstance(scopes, Sequence):
        raise ConfigurationError(f"scopes is {scopes!r:.100}: give a list of names")
    found = tuple(dict.fromkeys(scopes))
    if len(found) > MAX_SCOPES or not all(map(is_scope, found)):
        raise ConfigurationError(
            f"scopes is {scopes!r:.100}: give at most {MAX_SCOPES} names of {SCOPE_NAMES}"
        )
    return found


def names_of(key: ApiKey) -> list[str]:
    """List the names under which a key is found: by its id, its text and its owner."""
    return [
        f"i:{key.id}",
        f"e:{key.environment}_{key.id}",
        f"o:{key.owner}\0{key.id}",
    ]


def beginning_of(prefix: str, owner: str) -> str:
    """Begin the names in the index that a search is for; a prefix is one of exactly that owner."""
    if owner and not prefix:
        return f"o:{owner}"
    if owner:
        return f"o:{owner}\0{_id_part(prefix)}"
    key_id = id_in(prefix)
    if key_id:
        return f"i:{key_id}"
    if prefix.startswith(BEGINNING):
        return f"e:{prefix.removeprefix(BEGINNING)}"
    return f"i:{prefix.removeprefix(CLIENT)}"


def _id_part(prefix: str) -> str:
    for environment in ENVIRONMENTS:
        prefix = prefix.removeprefix(f"{BEGINNING}{environment}_")
    return prefix.removeprefix(CLIENT)[:ID_CHARACTERS]


def state_of(record: Record) -> dict[str, Any]:
    """Describe a key for the audit log."""
    key = record.key
    return {
        "prefix": key.prefix,
        "name": key.name,
        "owner": key.owner,
        "scopes": list(key.scopes),
        "plan": key.plan or None,
        "expires_at": key.expires,
        "old_until": record.old_until or None,
        "revoked_at": record.revoked,
    }
