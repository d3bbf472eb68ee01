"""Read the bearer tokens of the admin API from the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, cast, get_args

Scope = Literal["read", "write"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ADMIN: Final = "admin"
"""Name of the one token of the option ``admin_token``."""
MAX_NAME: Final = 64
_MEMBERS: Final = {"token", "scope"}
_FORM: Final = 'a mapping such as {"oncall": {"token": "…", "scope": "write"}}'


@dataclass(frozen=True, slots=True)
class Token:
    """Hold a token that admits to the admin API.

    Args:
        name: Name of the operator in the audit log; 1 to 64 printable characters.
        secret: Credentials, sent as ``Authorization: Bearer <secret>``; never shown.
        scope: ``read`` may look, ``write`` may change things too.
        tenant: The one tenant that it admits to; empty for all.
    """

    name: str
    secret: str = field(repr=False)
    scope: Scope
    tenant: str = ""


def parse_tokens(value: object) -> tuple[Token, ...]:
    """Read the option ``admin_tokens``: names, each with its token and scope.

    Args:
        value: ``{name: {"token": text, "scope": "read" or "write"}}``; None or empty is none.

    Raises:
        ValueError: The value is not of that form. The message says which form is allowed, and
            gives the number of the wrong entry, not its name: names and tokens may be mixed up,
            and no token may get into a log.
    """
    if value is None or value == "":
        return ()
    if not isinstance(value, Mapping):
        raise ValueError(_FORM)
    return _distinct(_token(number, *item) for number, item in enumerate(value.items(), 1))


def tenants_tokens(tokens: Mapping[str, object]) -> tuple[Token, ...]:
    """Read the option ``admin_tokens`` of each tenant, by the tenant's name.

    Raises:
        ValueError: As of :func:`parse_tokens`.
    """
    return tuple(
        replace(token, name=f"{tenant}:{token.name}", tenant=tenant)
        for tenant, value in tokens.items()
        for token in parse_tokens(value)
    )


def all_tokens(admin_token: str | None, named: Iterable[Token] = ()) -> tuple[Token, ...]:
    """Join the tokens of the options ``admin_token`` (named ``admin``, may write) and
    ``admin_tokens``.

    Raises:
        ValueError: Two have the same name or are the same, or ``admin_token`` can't be sent.
    """
    first: tuple[Token, ...] = ()
    if admin_token:
        first = (Token(ADMIN, _secret("admin_token", admin_token), "write"),)
    return _distinct((*first, *named))


def _token(number: int, name: object, entry: object) -> Token:
    if not (isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()):
        raise ValueError(f"names of 1 to {MAX_NAME} printable characters; entry {number} has none")
    if not isinstance(entry, Mapping) or set(entry) != _MEMBERS:
        raise ValueError(f"{_FORM}; entry {number} is not of that form")
    if entry["scope"] not in SCOPES:
        raise ValueError(f"a scope that is one of {', '.join(SCOPES)} in entry {number}")
    return Token(name, _secret(f"entry {number}", entry["token"]), cast(Scope, entry["scope"]))


def _secret(where: str, value: object) -> str:
    # Spaces around it in a header are stripped, and a header holds one line.
    if not isinstance(value, str) or not value.isprintable() or value != value.strip() or not value:
        raise ValueError(f"a token of printable characters without spaces around it in {where}")
    return value


def _distinct(tokens: Iterable[Token]) -> tuple[Token, ...]:
    result = tuple(tokens)
    if len({token.name for token in result}) < len(result):
        raise ValueError(f"a name of its own to each token ({ADMIN} is admin_token's)")
    if len({token.secret for token in result}) < len(result):
        raise ValueError("different tokens: two names share one")
    return result
