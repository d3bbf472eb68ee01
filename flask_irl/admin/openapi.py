"""Describe the admin API in OpenAPI, beside a host app's own API and without touching it."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any, Final

import flask_smorest
from apispec.ext.marshmallow import MarshmallowPlugin

from flask_irl.admin.converters import ClientConverter, VersionConverter
from flask_irl.admin.endpoints import TENANT
from flask_irl.admin.errors import problem_members
from flask_irl.admin.openapi_texts import (
    DESCRIPTION,
    ERROR_EXAMPLES,
    ERROR_HEADERS,
    ERROR_TEXTS,
    TAGS,
)
from flask_irl.admin.schemas.problem import ProblemSchema
from flask_irl.web.refusal_body import PROBLEM

CONFIG_PREFIX: Final = "IRL_ADMIN"
BEARER: Final = "bearer"
NOT_FOUND: Final = "#/components/responses/NOT_FOUND"


def _tell_of_tenants(item: dict[str, Any], there_are: bool) -> None:
    """Keep the parameter that names a tenant, with the answer to a wrong one, or leave it out."""
    parameters = item.get("parameters", [])
    if not there_are:
        item["parameters"] = [x for x in parameters if x.get("name") != TENANT]
        return
    for name, operation in item.items():
        if name != "parameters":
            operation["responses"].setdefault("404", {"$ref": NOT_FOUND})


class _Plugin(MarshmallowPlugin):
    """Add a schema's ``json_schema``: the rules that marshmallow's fields can't express."""

    # The base class differs from its own base class in this.
    def schema_helper(  # type: ignore[override]
        self, name: Any, _: Any, schema: Any = None, **kwargs: Any
    ) -> Any:
        result = super().schema_helper(name, _, schema, **kwargs)  # type: ignore[no-untyped-call]
        return result and {**result, **getattr(schema, "json_schema", {})}


class AdminApi(flask_smorest.Api):  # type: ignore[misc]
    """Leave the host's error pages, commands and configuration alone.

    Args:
        app: The host app.
        by_token: True if bearer tokens decide on access, False if the host's login does.
        tenants: Whether the app has tenants.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Any, *, by_token: bool, tenants: bool) -> None:
        self._tenants = tenants
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
                "description": "A token of the configuration; one of scope read changes nothing.",
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
        """Give the OpenAPI document."""
        # A copy: the specification's own stays as it was declared.
        document: dict[str, Any] = copy.deepcopy(self.spec.to_dict())
        for item in document["paths"].values():
            _tell_of_tenants(item, self._tenants)
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
            response: dict[str, Any] = {
                "description": text,
                "content": {
                    PROBLEM: {
                        "schema": ProblemSchema,
                        "example": problem_members(status, *ERROR_EXAMPLES[status]),
                    }
                },
            }
            if status in ERROR_HEADERS:
                response["headers"] = {
                    name: {"description": description, "schema": {"type": "string"}}
                    for name, description in ERROR_HEADERS[status].items()
                }
            self.spec.components.response(HTTPStatus(status).name, response, lazy=True)
