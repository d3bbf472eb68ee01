"""Issue and verify the demo app's API keys: a client's name, signed with the demo's secret.

An app of your own keeps its keys in a database; the demo has none. ``python -m demo_app.keys NAME``
prints a key for the secret in the environment variable ``DEMO_KEYS_SECRET``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from typing import Final

SECRET: Final = "DEMO_KEYS_SECRET"  # noqa: S105 - the name of a variable
SIGNATURE_DIGITS: Final = 32


def issue_key(name: str, secret: str) -> str:
    """Issue the API key of a client.

    Args:
        name: The client's name.
        secret: The demo's secret, not empty.
    """
    return f"{name}.{_signature(name, secret)}"


def key_exists(key: str, secret: str) -> bool:
    """Tell whether an API key was issued; without a secret none was."""
    name, _, signature = key.rpartition(".")
    expected = _signature(name, secret) if secret else ""
    return bool(secret) and hmac.compare_digest(signature.encode(), expected.encode())


def _signature(name: str, secret: str) -> str:
    digest = hmac.new(secret.encode(), name.encode(errors="replace"), hashlib.sha256)
    return digest.hexdigest()[:SIGNATURE_DIGITS]


def main() -> int:
    """Print a key for each name on the command line; returns the exit status."""
    secret = os.environ.get(SECRET)
    if not secret or len(sys.argv) < 2:
        print(f"usage: {SECRET}=… python -m demo_app.keys NAME [NAME …]", file=sys.stderr)
        return 2
    for name in sys.argv[1:]:
        print(issue_key(name, secret))
    return 0


if __name__ == "__main__":
    sys.exit(main())
