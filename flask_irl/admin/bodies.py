"""The JSON that the admin API answers: for people at a terminal, too.

Written here, since the host's own JSON may be of another form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response


def json_response(
    content: Mapping[str, Any], status: int = 200, *, mimetype: str = "application/json"
) -> Response:
    """An answer whose members are in the order given, a line each."""
    return Response(json.dumps(content, indent=2) + "\n", status, mimetype=mimetype)
