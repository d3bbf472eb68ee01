"""Export results as files: CSV that is safe in spreadsheets, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from werkzeug.exceptions import NotFound

from flask_irl.operations.moments import with_moments
from flask_irl.operations.spreadsheet import as_csv


def export(
    name: str, form: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> Response:
    """Write rows as a file for download, which no cache keeps.

    Args:
        name: Name of the file, without its end.
        form: ``csv`` or ``json``.
        rows: The rows.
        columns: Names of the members that are written, in order.

    Raises:
        werkzeug.exceptions.NotFound: There is no such form.
    """
    if form == "csv":
        response = Response(as_csv(rows, columns), mimetype="text/csv")
    elif form == "json":
        members = [with_moments({column: row[column] for column in columns}) for row in rows]
        response = Response(json.dumps(members), mimetype="application/json")
    else:
        raise NotFound("There is no such export: give csv or json.")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    return response
