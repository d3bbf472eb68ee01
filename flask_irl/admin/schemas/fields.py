"""Make fields with descriptions and examples, which the API's documentation shows."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields


def described(text: str, *examples: object, **more: Any) -> dict[str, Any]:
    """Give the metadata of a field: its description and examples for the documentation."""
    return {"description": text, **({"examples": list(examples)} if examples else {}), **more}


class Number(fields.Float):
    """Accept a JSON number, and no text that looks like one."""

    def _validated(self, value: Any) -> float:
        if not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Whole(fields.Integer):
    """Accept a JSON number without a fraction, such as 5 or 5.0, and no text like one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return super()._validated(value)


def integer(text: str, *examples: int | None, **more: Any) -> fields.Integer:
    """Make a member that is an integer."""
    return fields.Integer(required=True, metadata=described(text, *examples), **more)


def number(text: str, *examples: float | None, **more: Any) -> fields.Float:
    """Make a member that is a number."""
    return fields.Float(required=True, metadata=described(text, *examples), **more)


def string(text: str, *examples: str | None, **more: Any) -> fields.String:
    """Make a member that is a string."""
    return fields.String(required=True, metadata=described(text, *examples), **more)


def boolean(text: str, **more: Any) -> fields.Boolean:
    """Make a member that is a boolean."""
    return fields.Boolean(required=True, metadata=described(text), **more)


def moment(text: str, **more: Any) -> fields.Float:
    """Make a member that is a moment in seconds since the epoch."""
    return number(f"{text}, in seconds since the epoch.", 1_750_000_000.0, **more)


def counts(text: str, example: dict[str, int]) -> fields.Dict:
    """Make a member that maps names to counts."""
    return fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=described(text, example),
    )


def mapping(text: str, *examples: object, **more: Any) -> fields.Dict:
    """Make a member that maps names to values of any type."""
    return fields.Dict(
        keys=fields.String(), required=True, metadata=described(text, *examples), **more
    )


def strings(text: str, *examples: list[str]) -> fields.List[Any]:
    """Make a member that is a list of strings."""
    return fields.List(fields.String(), required=True, metadata=described(text, *examples))


def objects(schema: type[ma.Schema], text: str) -> fields.List[Any]:
    """Make a member that is a list of objects."""
    return fields.List(fields.Nested(schema), required=True, metadata=described(text))
