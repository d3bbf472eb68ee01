"""Convert parts of the admin API's paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from werkzeug.routing import BaseConverter


class ClientConverter(BaseConverter):
    """Match any client id: unlike ``path``, also with slashes at both ends."""

    part_isolating = False
    regex = r"(?s:.+)"
    weight = 200


class VersionConverter(BaseConverter):
    """Match a model's version, 1 to 999999999; ``int`` raises at thousands of digits."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: object) -> str:
        return str(value)


class RestConverter(BaseConverter):
    """Match the rest of a path, whatever it is."""

    part_isolating = False
    regex = r"(?s:.*)"
    weight = 1000


CONVERTERS: Final[Mapping[str, type[BaseConverter]]] = {
    "irl_client": ClientConverter,
    "irl_version": VersionConverter,
    "irl_rest": RestConverter,
}
