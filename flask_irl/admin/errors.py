"""Answer errors of the admin API with problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.responses import json_response
from flask_irl.errors import ConfigurationError, ModelError, StoreError
from flask_irl.telemetry.log import event
from flask_irl.web.refusal_body import PROBLEM

MAX_ERRORS: Final = 20
MAX_FIELD: Final = 100
BODY: Final = "body"
"""Name of the field for errors of the body as a whole."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Errors = Mapping[str, list[str]]


def problem(
    status: int,
    detail: str,
    *,
    errors: Errors | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Make the response to an error.

    Args:
        status: The HTTP status, 400 or more.
        detail: Explanation for people, with the values that are allowed.
        errors: Texts by field of the request.
        headers: Further headers.
    """
    response = json_response(problem_members(status, detail, errors), status, mimetype=PROBLEM)
    response.headers.extend(list(headers))
    return response


def problem_members(status: int, detail: str, errors: Errors | None) -> dict[str, Any]:
    """Give the members of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return {**body, "errors": dict(errors)} if errors else body


def add_error_handlers(blueprint: Blueprint) -> None:
    """Answer all errors of a blueprint's views, and no others, with problems."""
    # By status, too: an app's handler for 404 goes before a blueprint's handler for all.
    for status in default_exceptions:
        blueprint.register_error_handler(status, _http_problem)
    blueprint.register_error_handler(HTTPException, _http_problem)
    blueprint.register_error_handler(StoreError, _store_problem)
    blueprint.register_error_handler(ConfigurationError, _configuration_problem)
    blueprint.register_error_handler(ModelError, _model_problem)


def _http_problem(error: HTTPException) -> BaseResponse:
    if error.response is not None:
        # A whole response, such as the host's redirect to its login.
        return error.get_response()
    headers = [(k, v) for k, v in error.get_headers() if k.lower() != "content-type"]
    errors = _flat(getattr(error, "data", {}).get("messages", {}))
    if errors:
        detail = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items())
    else:
        detail = error.description or ""
    return problem(error.code or 500, detail, errors=errors, headers=headers)


def _store_problem(error: StoreError) -> Response:
    event(logging.WARNING, "admin_store_error", kind=error.kind)
    detail = f"The store doesn't answer as it should: {str(error).rstrip('.')}."
    if request.method not in SAFE_METHODS:
        detail += " The change may have been made or not: send it again."
    return problem(503, detail, headers=[("Retry-After", "1")])


def _configuration_problem(error: ConfigurationError) -> Response:
    # The message begins with the option's name: "base_limit is 0, which is not allowed: give ...".
    name = str(error).partition(" ")[0].strip("'\":")
    body = request.get_json(silent=True)
    named = isinstance(body, dict) and name in body
    return problem(422, str(error), errors={name: [str(error)]} if named else None)


def _model_problem(error: ModelError) -> Response:
    return problem(409, str(error))


def _flat(messages: object) -> Errors:
    """Flatten validation messages: at most twenty fields and texts of each, names cut short."""
    if not isinstance(messages, Mapping):
        return {}
    result: dict[str, list[str]] = {}
    for fields in messages.values():
        if not isinstance(fields, Mapping):
            fields = {BODY: fields}
        for name, texts in list(fields.items())[:MAX_ERRORS]:
            field = BODY if name == "_schema" else str(name)[:MAX_FIELD]
            result[field] = list(islice(_texts(texts), MAX_ERRORS))
    return result


def _texts(messages: object) -> Iterator[str]:
    """List the texts on a field; of a list or a mapping, by its items."""
    if isinstance(messages, Mapping):
        for place, texts in messages.items():
            item = f"Item {place + 1}" if isinstance(place, int) else str(place)[:MAX_FIELD]
            yield from (f"{item}: {text}" for text in _texts(texts))
    elif isinstance(messages, list):
        yield from map(str, messages)
    else:
        yield str(messages)
