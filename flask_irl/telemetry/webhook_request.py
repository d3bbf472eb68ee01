"""Send one webhook: a signed POST, without redirects, with a time-out."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_SECONDS: Final = 5.0
"""Time-out of each step of a delivery."""
MOST_READ: Final = 1024
SIGNATURE: Final = "X-IRL-Signature"


def signature(secret: str, body: bytes, at: int) -> str:
    """Sign a body.

    Args:
        secret: The secret that sender and receiver share.
        body: The body.
        at: Time of the signature, in seconds since the epoch: a receiver refuses old ones.

    Returns:
        The value of the header ``X-IRL-Signature``: ``t=…,v1=…``, where v1 is HMAC-SHA256 of time,
        a full stop and body, in hex digits.
    """
    mac = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def send(url: str, body: bytes, headers: dict[str, str]) -> int:
    """POST a body; returns the answer's status, a redirect's too.

    Raises:
        OSError: No answer came.
    """
    # Loaded by the one worker that delivers, when it does.
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        """Follow no redirect: a receiver must not have others' servers asked."""

        def redirect_request(self, *_: object) -> None:
            """Answer with the redirect itself."""

    request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        with build_opener(NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(MOST_READ)
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (HTTPException, ValueError) as error:
        raise OSError(f"no answer of HTTP: {type(error).__name__}") from error


def host_of(url: str) -> str:
    """Name the host of a URL for the log: its path may hold a secret."""
    return urlsplit(url).hostname or ""
