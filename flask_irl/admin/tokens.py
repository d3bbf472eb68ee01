"""The bearer tokens of the admin API, as the configuration gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

Scope = Literal["read", "write"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ADMIN: Final = "admin"
"""What the one token of the option ``admin_token`` is called."""
MAX_NAME: Final = 64
_MEMBERS: Final = {"token", "scope"}
_FORM: Final = 'a mapping such as {"oncall": {"token": "…", "scope": "write"}}'


@dataclass(frozen=True, slots=True)
class Token:
    """Who may use the admin API.

    Args:
        name: Whom changes are logged under; 1 to 64 printable characters.
        secret: What is sent as ``Authorization: Bearer <secret>``; never shown.
        scope: ``read`` may look, ``write`` may change things too.
    """

    name: str
    secret: str = field(repr=False)
    scope: Scope


def parse_tokens(value: object) -> tuple[Token, ...]:
    """Read the option ``admin_tokens``: names, each with its token and scope.

    Args:
        value: ``{name: {"token": text, "scope": "read" or "write"}}``; None or empty is none.

    Raises:
        ValueError: It is not of that form; says what is allowed, and which entry isn't by its
            number: whoever mixes names and tokens up finds no token in a log.
    """
    if value is None or value == "":
        return ()
    if not isinstance(value, Mapping):
        raise ValueError(_FORM)
    return _distinct(_token(number, *item) for number, item in enumerate(value.items(), 1))


def all_tokens(admin_token: str | None, named: Iterable[Token] = ()) -> tuple[Token, ...]:
    """The tokens of the options ``admin_token`` (may write, named ``admin``) and ``admin_tokens``.

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
    # What surrounds it in a header is stripped, and a header holds one line.
    if not isinstance(value, str) or not value.isprintable() or value != value.strip() or not value:
        raise ValueError(f"a token of printable characters without spaces around it in {where}")
    return value


def _distinct(tokens: Iterable[Token]) -> tuple[Token, ...]:
    found = tuple(tokens)
    if len({token.name for token in found}) < len(found):
        raise ValueError(f"a name of its own to each token ({ADMIN} is admin_token's)")
    if len({token.secret for token in found}) < len(found):
        raise ValueError("different tokens: two names share one")
    return found
