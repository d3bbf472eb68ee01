"""Fields with descriptions and examples, which the API's documentation shows."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields


def told(text: str, *examples: object, **more: Any) -> dict[str, Any]:
    """A field's description and examples for the API's documentation."""
    return {"description": text, **({"examples": list(examples)} if examples else {}), **more}


class Number(fields.Float):
    """A JSON number; a text that looks like one is none."""

    def _validated(self, value: Any) -> float:
        if not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Whole(fields.Integer):
    """A JSON number without a fraction, such as 5 or 5.0; a text that looks like one is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return super()._validated(value)


def whole(text: str, *examples: int | None, **more: Any) -> fields.Integer:
    return fields.Integer(required=True, metadata=told(text, *examples), **more)


def number(text: str, *examples: float | None, **more: Any) -> fields.Float:
    return fields.Float(required=True, metadata=told(text, *examples), **more)


def words(text: str, *examples: str | None, **more: Any) -> fields.String:
    return fields.String(required=True, metadata=told(text, *examples), **more)


def truth(text: str) -> fields.Boolean:
    return fields.Boolean(required=True, metadata=told(text))


def moment(text: str, **more: Any) -> fields.Float:
    return number(f"{text}, in seconds since the epoch.", 1_750_000_000.0, **more)


def counts(text: str, example: dict[str, int]) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=told(text, example),
    )


def listed(schema: type[ma.Schema], text: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata=told(text))
