"""Issue and change API keys from an app's own code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from flask_irl.control.base import Control, caller, check_whole, checked

if TYPE_CHECKING:
    from flask_irl.operations.api_key_results import ApiKeyResult, IssuedApiKey
    from flask_irl.operations.api_keys import ApiKeyOperations

MAX_LISTED: Final = 1000
DAY_SECONDS: Final = 86_400.0
UNCHANGED: Final[Any] = object()
"""Stands for what stays as it is."""


class ApiKeyControl(Control):
    """Give the operations on the API keys of the current app; ``limiter.api_keys``.

    Changes are in the audit log before they are made, without any key's text, and hold in all
    workers within two seconds. A key is named by its id, its prefix or its client. These calls
    raise :class:`~flask_irl.errors.StoreError` where the store doesn't answer (repeat the call),
    :class:`~flask_irl.errors.ConfigurationError` for an argument that isn't allowed, and
    ``RuntimeError`` where there is no app context.

    Args:
        states: Those of the extension's apps.
    """

    def issue(
        self,
        *,
        name: str,
        owner: str,
        scopes: Sequence[str] = (),
        plan: str | None = None,
        expires_at: float | None = None,
        environment: str = "live",
        reason: str = "",
        who: str | None = None,
    ) -> IssuedApiKey:
        """Issue an API key; the member ``key`` of the result is its text, which nobody can show
        again.

        Args:
            name: Its name, for people: a line of 1 to 100 characters.
            owner: Whose it is, such as a user's id: the same.
            scopes: Names of what it may be used for, at most 32.
            plan: Its rate plan, one of the option ``plans``; None for none.
            expires_at: Its end, in seconds since the epoch; None for none.
            environment: ``live`` or ``test``.
            reason: Why, for the audit log.
            who: Who does it; by default ``app:`` and the function that calls this.

        Raises:
            ConfigurationError: An argument isn't allowed. For the rest, see the class.
        """
        return self._keys("issue").issue(
            name=name,
            owner=owner,
            scopes=scopes,
            plan=plan,
            expires_at=expires_at,
            environment=environment,
            reason=reason,
            who=checked(who or caller()),
        )

    def rotate(
        self,
        key: str,
        *,
        grace_seconds: float = DAY_SECONDS,
        reason: str = "",
        who: str | None = None,
    ) -> IssuedApiKey | None:
        """Give an API key a new text; None where there is no such key.

        Args:
            key: Its id, prefix or client.
            grace_seconds: Time for which the text before is valid, too: 0 to 90 days.
            reason: As of :meth:`issue`.
            who: As of it.

        Raises:
            ConfigurationError: An argument isn't allowed, or the key is revoked.
        """
        return self._keys("rotate").rotate(
            key, grace_seconds=grace_seconds, reason=reason, who=checked(who or caller())
        )

    def revoke(self, key: str, *, reason: str = "", who: str | None = None) -> ApiKeyResult | None:
        """Revoke an API key for good; None where there is no such key. Arguments as of rotate."""
        return self._keys("revoke").revoke(key, reason=reason, who=checked(who or caller()))

    def change(
        self,
        key: str,
        *,
        name: str = UNCHANGED,
        owner: str = UNCHANGED,
        scopes: Sequence[str] = UNCHANGED,
        plan: str | None = UNCHANGED,
        expires_at: float | None = UNCHANGED,
        reason: str = "",
        who: str | None = None,
    ) -> ApiKeyResult | None:
        """Change an API key; what isn't given stays. None where there is no such key.

        Args:
            key: As of :meth:`rotate`.
            name: As of :meth:`issue`; so are the others.
            owner: Whose it is.
            scopes: Names of what it may be used for.
            plan: Its rate plan; None for none.
            expires_at: Its end; None for none.
            reason: Why.
            who: Who does it.

        Raises:
            ConfigurationError: An argument isn't allowed, or the key is revoked.
        """
        given = {
            "name": name,
            "owner": owner,
            "scopes": scopes,
            "plan": plan,
            "expires_at": expires_at,
        }
        changes = {name: value for name, value in given.items() if value is not UNCHANGED}
        return self._keys("change").change(
            key, changes, reason=reason, who=checked(who or caller())
        )

    def show(self, key: str) -> ApiKeyResult | None:
        """Describe an API key, by its id, prefix or client; None where there is no such key."""
        return self._keys("show").show(key)

    def list(
        self, *, prefix: str = "", owner: str = "", offset: int = 0, limit: int = 50
    ) -> list[ApiKeyResult]:
        """List API keys; those that have ended for thirty days more.

        Args:
            prefix: Only keys whose texts or ids begin with this.
            owner: Only keys whose owners begin with this; with a prefix, of exactly this owner.
            offset: The number of keys to skip, 0 or more.
            limit: The number of keys to list at most, 1 to 1000.

        Raises:
            ConfigurationError: An argument isn't allowed. For the rest, see the class.
        """
        check_whole("offset", offset, 0, sys.maxsize)
        check_whole("limit", limit, 1, MAX_LISTED)
        found, _ = self._keys("list").page(prefix=prefix, owner=owner, offset=offset, limit=limit)
        return found

    def _keys(self, call: str) -> ApiKeyOperations:
        return self._operations(f"api_keys.{call}()").api_keys
