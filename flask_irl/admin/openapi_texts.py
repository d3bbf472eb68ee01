"""Hold the texts of the API's documentation beside those of the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask_irl.admin.errors import Errors

ERROR_TEXTS: Final[Mapping[int, str]] = {
    400: "The body is not JSON.",
    401: "No token was sent.",
    403: "The token is not known, may not change anything, or is another tenant's.",
    404: "Nothing of that name is known.",
    409: "The change can't be made now; `detail` says why.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A value is missing, unknown or not allowed; `errors` names each.",
    429: "Too many wrong tokens from this address.",
    500: "The change was tried and failed; `detail` says why.",
    503: "The store doesn't answer. A change may have been made or not: send it again.",
}
ERROR_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Scheme to authenticate with."},
    429: {"Retry-After": "Seconds until tokens are looked at again."},
    503: {"Retry-After": "Seconds to wait before another try."},
}

ERROR_EXAMPLES: Final[Mapping[int, tuple[str, Errors | None]]] = {
    400: ("body: Not JSON.", {"body": ["Not JSON."]}),
    401: ("This needs a token: send it as 'Authorization: Bearer <token>'.", None),
    403: ("This token may read, but not change anything.", None),
    404: ("No client 203.0.113.7 is known.", None),
    409: ("another worker is training", None),
    413: ("Send at most 65536 bytes.", None),
    415: ("Send JSON, with 'Content-Type: application/json'.", None),
    422: ("amount: Needed with kind 'limit'.", {"amount": ["Needed with kind 'limit'."]}),
    429: ("Too many wrong tokens from this address. Try again in 42 seconds.", None),
    500: ("OSError: [Errno 12] Cannot allocate memory", None),
    503: ("The store doesn't answer as it should: no connection within 50 ms.", None),
}
"""Details and errors by field, by status."""

PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "id": {
        "in": "path",
        "name": "id",
        "description": "Id of the client, or a network; slashes may be sent as they are or as "
        "%2F, but # only as %23.",
        "example": "203.0.113.7",
    },
    "campaign": {
        "in": "path",
        "name": "campaign",
        "description": "Id of a campaign.",
        "example": "4189c322",
    },
    "key": {
        "in": "path",
        "name": "key",
        "description": "Id of an API key, or the beginning of its text.",
        "example": "7f3aK9xQ2m",
    },
    "version": {
        "in": "path",
        "name": "version",
        "description": "A model's version.",
        "example": 6,
    },
}
TENANT_PARAMETER: Final[Mapping[str, Any]] = {
    "in": "query",
    "name": "tenant",
    "required": False,
    "description": "Tenant that the request is about, where the app has tenants: `default`, or one "
    "that `GET /tenants` lists. Without it, the token's own tenant, or `default`.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
PAGINATION: Final = {
    "description": "As JSON: `total`, `total_pages`, and the numbers of the `first_page`, "
    "`last_page`, `previous_page`, this `page` and the `next_page`, where there are such.",
    "schema": {"type": "string"},
}
TAGS: Final = {
    "site": "The site as a whole, and its tenants.",
    "clients": "Single clients.",
    "plans": "Rate plans, and the clients that are assigned one.",
    "api-keys": "API keys that the app's clients send.",
    "models": "Trainings and models.",
}
DESCRIPTION: Final = (
    "Look into the limiter and change it. The id of a client is its address (IPv6: its /64 "
    "network), or the key that the app's key function gives it; overrides also take networks. "
    "Errors are problem+json (RFC 9457)."
)
