"""Tell which names the scopes of API keys may have."""

from __future__ import annotations

import re
from typing import Final

MAX_SCOPES: Final = 32
SCOPE_NAMES: Final = "1 to 64 ASCII letters, digits and . _ : / -"
_SCOPE: Final = re.compile(r"[A-Za-z0-9._:/-]{1,64}")


def is_scope(name: object) -> bool:
    """Tell whether a value is the name of a scope."""
    return isinstance(name, str) and _SCOPE.fullmatch(name) is not None
