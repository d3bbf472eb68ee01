"""flask-smorest as the admin API uses it: beside a host app, touching nothing of the host's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, Literal, NoReturn, TypeVar

import flask_smorest
import marshmallow as ma
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Request, Response
from flask.typing import ResponseReturnValue
from webargs.flaskparser import FlaskParser, abort
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.routing import BaseConverter

from flask_irl.admin.bodies import json_response
from flask_irl.admin.errors import BODY, problem_members
from flask_irl.admin.schemas import ProblemSchema
from flask_irl.admin.schemas import Request as Body
from flask_irl.admin.texts import (
    DESCRIPTION,
    ERROR_EXAMPLES,
    ERROR_HEADERS,
    ERROR_TEXTS,
    PAGINATION,
    PARAMETERS,
    TAGS,
)
from flask_irl.web.responses import PROBLEM

CONFIG_PREFIX: Final = "IRL_ADMIN"
BEARER: Final = "bearer"
COMMON_ERRORS: Final = (401, 403, 413, 429, 503)
BODY_ERRORS: Final = (400, 415, 422)

View = TypeVar("View", bound=Callable[..., Any])
Schema = type[ma.Schema]


class ClientConverter(BaseConverter):
    """Whatever a client may be called: unlike ``path``, also with slashes at both ends."""

    part_isolating = False
    regex = r"(?s:.+)"
    weight = 200


class VersionConverter(BaseConverter):
    """A model's version, 1 to 999999999; ``int`` raises at thousands of digits."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: object) -> str:
        return str(value)


class RestConverter(BaseConverter):
    """All that is left of a path."""

    part_isolating = False
    regex = r"(?s:.*)"
    weight = 1000


CONVERTERS: Final[Mapping[str, type[BaseConverter]]] = {
    "irl_client": ClientConverter,
    "irl_version": VersionConverter,
    "irl_rest": RestConverter,
}


class _Plugin(MarshmallowPlugin):
    """Adds to a schema what marshmallow can't say: its class's ``json_schema``."""

    # The base class differs from its own base class in this.
    def schema_helper(  # type: ignore[override]
        self, name: Any, _: Any, schema: Any = None, **kwargs: Any
    ) -> Any:
        made = super().schema_helper(name, _, schema, **kwargs)  # type: ignore[no-untyped-call]
        return made and {**made, **getattr(schema, "json_schema", {})}


class AdminApi(flask_smorest.Api):  # type: ignore[misc]
    """An ``Api`` that leaves the host's error pages, commands and configuration alone."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Any, *, by_token: bool) -> None:
        options: dict[str, Any] = {
            "title": "flask_irl admin API",
            "version": "1",
            "openapi_version": "3.1.0",
            "marshmallow_plugin": _Plugin(),
            "info": {"description": DESCRIPTION},
        }
        if by_token:
            options["security"] = [{BEARER: []}]
        super().__init__(app, spec_kwargs=options, config_prefix=CONFIG_PREFIX)
        if by_token:
            scheme = {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of the configuration; a read token may only look.",
            }
            self.spec.components.security_scheme(BEARER, scheme)
        self.register_converter(
            ClientConverter, lambda converter: {"type": "string", "minLength": 1}
        )
        self.register_converter(
            VersionConverter,
            lambda converter: {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        )

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document: dict[str, Any] = self.spec.to_dict()
        tags = [{"name": name, "description": text} for name, text in TAGS.items()]
        return {**document, "tags": tags}

    def _init_spec(self, **options: Any) -> None:
        commands = self._app.cli.commands
        before = commands.get("openapi")
        super()._init_spec(**options)
        if before is None:
            commands.pop("openapi", None)
        else:
            commands["openapi"] = before

    def _register_error_handlers(self) -> None:
        # The base class would turn the host's error pages into JSON.
        return

    def _register_responses(self) -> None:
        for status, text in ERROR_TEXTS.items():
            answer: dict[str, Any] = {
                "description": text,
                "content": {
                    PROBLEM: {
                        "schema": ProblemSchema,
                        "example": problem_members(status, *ERROR_EXAMPLES[status]),
                    }
                },
            }
            if status in ERROR_HEADERS:
                answer["headers"] = {
                    name: {"description": said, "schema": {"type": "string"}}
                    for name, said in ERROR_HEADERS[status].items()
                }
            self.spec.components.response(HTTPStatus(status).name, answer, lazy=True)


class _Parser(FlaskParser):
    """Takes JSON for JSON only, and no more fields than there are."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE}  # noqa: RUF012

    def _raw_load_json(self, req: Request) -> Any:
        if not req.is_json:
            raise UnsupportedMediaType("Send JSON, with 'Content-Type: application/json'.")
        data = req.get_data(cache=True)
        if req.max_content_length is not None and len(data) >= req.max_content_length:
            raise RequestEntityTooLarge(f"Send less than {req.max_content_length} bytes.")
        try:
            return json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            # Also numbers of thousands of digits, and arrays thousands deep.
            abort(400, messages={"json": {BODY: ["Not JSON."]}})


class AdminBlueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A blueprint whose operations are declared in one place each."""

    ARGUMENTS_PARSER = _Parser()

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
        tag: Literal["site", "clients", "models"],
    ) -> Callable[[View], View]:
        """Register a view, and document it: its docstring is the operation's text.

        Args:
            method: The HTTP method.
            rule: The path, below the blueprint's prefix.
            answer: What it answers.
            status: With which status.
            body: What its body must be; handed to the view as a dict.
            query: What its query may be; handed to the view as a dict.
            errors: The statuses of its errors, beside those that all have.
            paged: Whether the answer has a header ``X-Pagination``.
            tag: What it is listed under.
        """
        statuses = {*COMMON_ERRORS, *errors}
        if body is not None:
            statuses |= {*BODY_ERRORS}
        if query is not None:
            statuses |= {422}

        def decorate(view: View) -> View:
            headers = {"X-Pagination": PAGINATION} if paged else None
            written = _written(view, answer(), status)
            view_func = self.response(status, answer, headers=headers)(written)
            if body is not None:
                view_func = self.arguments(body, location="json", example=body.example)(view_func)
            if query is not None:
                view_func = self.arguments(query, location="query")(view_func)
            for code in sorted(statuses, reverse=True):
                view_func = self.alt_response(code, HTTPStatus(code).name)(view_func)
            view_func = self.doc(operationId=view.__name__)(view_func)
            self.add_url_rule(
                rule,
                view.__name__,
                view_func,
                methods=[method],
                tags=[tag],
                parameters=[told for name, told in PARAMETERS.items() if f":{name}>" in rule],
            )
            return view

        return decorate

    def catch_all(self, endpoint: str, view: Callable[..., ResponseReturnValue]) -> None:
        """Serve whatever else is asked for below the prefix, with any method, known or not."""

        def add(state: Any) -> None:
            app = state.app
            name = f"{state.name_prefix}.{state.name}.{endpoint}".lstrip(".")
            rule = app.url_rule_class(f"{state.url_prefix}/<irl_rest:rest>", endpoint=name)
            app.url_map.add(rule)
            app.view_functions[name] = view

        self.record(add)


def _written(view: Callable[..., Any], schema: ma.Schema, status: int) -> Callable[..., Response]:
    """A view whose answer, perhaps with headers, is dumped by a schema and written as JSON."""

    @wraps(view)
    def write(*args: Any, **kwargs: Any) -> Response:
        found = view(*args, **kwargs)
        content, headers = found if isinstance(found, tuple) else (found, {})
        response = json_response(schema.dump(content), status)
        response.headers.update(headers)
        return response

    return write


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
