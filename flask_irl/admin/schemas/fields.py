"""Make fields with descriptions and examples, which the API's documentation shows."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from flask_irl.operations.moments import when, with_moments


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


class Moment(fields.DateTime):
    """Write a moment, which is a number of seconds since the epoch inside, in ISO 8601."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str | None:
        return None if value is None else when(value)


class State(fields.Dict):
    """Write a mapping with the moments in it, which are numbers inside, in ISO 8601."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return None if value is None else with_moments(value)


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


def moment(text: str, **more: Any) -> Moment:
    """Make a member that is a moment."""
    metadata = described(f"{text}, in UTC.", "2026-11-27T15:40:00Z")
    return Moment(required=True, metadata=metadata, **more)


def old_name(name: str, example: float, **more: Any) -> fields.Float:
    """Make a member that has the value of another one, under the name that it had before."""
    metadata = described(f"Old name of `{name}`.", example, deprecated=True)
    return fields.Float(required=True, metadata=metadata, **more)


def counts(text: str, example: dict[str, int]) -> fields.Dict:
    """Make a member that maps names to counts."""
    return fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=described(text, example),
    )


def mapping(text: str, *examples: object, **more: Any) -> State:
    """Make a member that maps names to values of any type."""
    return State(keys=fields.String(), required=True, metadata=described(text, *examples), **more)


def strings(text: str, *examples: list[str]) -> fields.List[Any]:
    """Make a member that is a list of strings."""
    return fields.List(fields.String(), required=True, metadata=described(text, *examples))


def objects(schema: type[ma.Schema], text: str) -> fields.List[Any]:
    """Make a member that is a list of objects."""
    return fields.List(fields.Nested(schema), required=True, metadata=described(text))
