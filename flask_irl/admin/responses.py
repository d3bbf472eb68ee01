"""Write the JSON of the admin API's responses, readable at a terminal too.

The host's own JSON provider may write another form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response


def json_response(
    content: Mapping[str, Any], status: int = 200, *, mimetype: str = "application/json"
) -> Response:
    """Make a response whose members keep their order, a line each."""
    return Response(json.dumps(content, indent=2) + "\n", status, mimetype=mimetype)
