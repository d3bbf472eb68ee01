"""Declare the endpoints of the admin API, each with its documentation in one place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, Literal, NoReturn, TypeVar

import flask_smorest
import marshmallow as ma
from flask import Request, Response
from flask.typing import ResponseReturnValue
from webargs.flaskparser import FlaskParser, abort
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from flask_irl.admin.errors import BODY, Errors, problem_members
from flask_irl.admin.openapi_texts import ERROR_TEXTS, PAGINATION, PARAMETERS, TENANT_PARAMETER
from flask_irl.admin.prefix import LAST
from flask_irl.admin.responses import json_response
from flask_irl.admin.schemas.problem import ProblemSchema
from flask_irl.admin.schemas.requests import Request as Body
from flask_irl.web.refusal_body import PROBLEM

COMMON_ERRORS: Final = (401, 403, 413, 429, 503)
BODY_ERRORS: Final = (400, 415, 422)
Told = tuple[str, Errors | None]
NOTHING: Final[Mapping[int, Told]] = {}

TENANT: Final = "tenant"
"""Name in the query under which any request may name the tenant that it is about."""

View = TypeVar("View", bound=Callable[..., Any])
Schema = type[ma.Schema]


class _Parser(FlaskParser):
    """Read JSON only from bodies declared as JSON, and refuse unknown fields."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE}  # noqa: RUF012

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        if isinstance(schema, Body) and schema.optional and not self._has_body(req):
            return {}
        return super().load_json(req, schema)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        # Which tenant is meant was looked at before, for every endpoint.
        query = MultiDict(item for item in req.args.items(multi=True) if item[0] != TENANT)
        return self._makeproxy(query, schema)

    def _has_body(self, req: Request) -> bool:
        return bool(req.get_data(cache=True))

    def _raw_load_json(self, req: Request) -> Any:
        if not req.is_json:
            raise UnsupportedMediaType("Send JSON, with 'Content-Type: application/json'.")
        data = req.get_data(cache=True)
        if req.max_content_length is not None and len(data) >= req.max_content_length:
            raise RequestEntityTooLarge(f"Send less than {req.max_content_length} bytes.")
        try:
            return json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            # Also numbers of thousands of digits, and arrays thousands deep.
            abort(400, messages={"json": {BODY: ["Not JSON."]}})


class _AnyMethod(frozenset[str]):
    """Hold every method that a request can have; who lists them finds those it was made of.

    A rule without methods would match any, too, but extensions that walk through an app's rules
    rely on a set.
    """

    def __contains__(self, method: object) -> bool:
        # Werkzeug asks with that one for the methods of all rules that match a path.
        return method != "--"


class AdminBlueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Register views with their schemas, errors and texts."""

    ARGUMENTS_PARSER = _Parser()
    enable_openapi = False
    """Tells APIFlask that its own document leaves these views out."""

    def operation(
        self,
        method: str,
        rule: str,
        answer: Schema,
        *,
        status: int = 200,
        body: type[Body] | None = None,
        query: Schema | None = None,
        errors: Iterable[int] = (),
        paged: bool = False,
        deprecated: bool = False,
        told: Mapping[int, Told] = NOTHING,
        tag: Literal["site", "clients", "plans", "api-keys", "models"],
    ) -> Callable[[View], View]:
        """Register a view, and document it: the view's docstring is the operation's text.

        Args:
            method: The HTTP method.
            rule: The path, below the blueprint's prefix.
            answer: The schema of the response's body.
            status: The response's status.
            body: The schema of the request's body, which the view gets as a dict.
            query: The schema of the request's query, which the view gets as a dict.
            errors: The statuses of the view's errors, beside those of all views.
            paged: Adds a header ``X-Pagination`` to the documentation.
            deprecated: Marks an endpoint that another one has replaced.
            told: Examples of its own errors by status, each a detail, and the texts by field.
            tag: The group in the documentation.
        """
        statuses = {*COMMON_ERRORS, *errors}
        if body is not None:
            statuses |= {*BODY_ERRORS}
        if query is not None:
            statuses |= {422}

        def decorate(view: View) -> View:
            headers = {"X-Pagination": PAGINATION} if paged else None
            example = getattr(answer, "example", None)
            view_func = self.response(status, answer, headers=headers, example=example)(
                _respond(view, answer(), status)
            )
            if body is not None:
                view_func = self.arguments(
                    body, location="json", required=not body.optional, example=body.example
                )(view_func)
            if query is not None:
                view_func = self.arguments(query, location="query")(view_func)
            for code in sorted(statuses, reverse=True):
                view_func = self.alt_response(code, **_error(code, told))(view_func)
            marks = {"deprecated": True} if deprecated else {}
            view_func = self.doc(operationId=view.__name__, **marks)(view_func)
            self.add_url_rule(
                rule,
                view.__name__,
                view_func,
                methods=[method],
                tags=[tag],
                parameters=[
                    *(text for name, text in PARAMETERS.items() if f":{name}>" in rule),
                    TENANT_PARAMETER,
                ],
            )
            return view

        return decorate

    def catch_all(self, endpoint: str, view: Callable[..., ResponseReturnValue]) -> None:
        """Serve all other paths below the prefix that are nobody's, with any method."""

        def add(state: Any) -> None:
            app = state.app
            name = f"{state.name_prefix}.{state.name}.{endpoint}".lstrip(".")
            text = f'/<{LAST}("{state.url_prefix}"):path>'
            # Not by add_url_rule, which would answer OPTIONS by itself.
            rule = app.url_rule_class(text, endpoint=name)
            # What is listed joins the Allow of a host's page below the prefix: OPTIONS is there.
            rule.methods = _AnyMethod(("OPTIONS",))
            app.url_map.add(rule)
            app.view_functions[name] = view

        self.record(add)


def _error(status: int, told: Mapping[int, Told]) -> dict[str, Any]:
    """Describe the answer to an error: that of all operations, or with a detail of its own."""
    if status not in told:
        return {"response": HTTPStatus(status).name}
    return {
        "schema": ProblemSchema,
        "description": ERROR_TEXTS[status],
        "example": problem_members(status, *told[status]),
        "content_type": PROBLEM,
    }


def _respond(view: Callable[..., Any], schema: ma.Schema, status: int) -> Callable[..., Response]:
    """Dump a view's result, perhaps with headers, by a schema and write it as JSON."""

    @wraps(view)
    def respond(*args: Any, **kwargs: Any) -> Response:
        result = view(*args, **kwargs)
        content, headers = result if isinstance(result, tuple) else (result, {})
        response = json_response(schema.dump(content), status)
        response.headers.update(headers)
        return response

    return respond


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
