"""Convert parts of the admin API's paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from werkzeug.routing import BaseConverter, Map

from flask_irl.admin.prefix import LAST, LAST_AT


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


class BelowConverter(BaseConverter):
    """Match every path below a prefix, as the very last: after all rules of the host.

    As the first part of a rule it gives way to rules that begin with a converter, as a host's
    catch-all does; a rule that begins with the prefix as plain text wouldn't.

    Args:
        map: The app's rules.
        prefix: The prefix, with its first slash.
    """

    part_isolating = False
    weight = 1_000_000

    def __init__(self, map: Map, prefix: str) -> None:
        super().__init__(map)
        self.regex = rf"{re.escape(prefix[1:])}/(?s:.*)"


class AtConverter(BaseConverter):
    """Match a prefix itself, with a slash at its end or without, after all rules of the host.

    Args:
        map: The app's rules.
        prefix: The prefix, with its first slash.
    """

    part_isolating = False
    weight = BelowConverter.weight - 1

    def __init__(self, map: Map, prefix: str) -> None:
        super().__init__(map)
        self.regex = rf"{re.escape(prefix[1:])}/?"


CONVERTERS: Final[Mapping[str, type[BaseConverter]]] = {
    "irl_client": ClientConverter,
    "irl_version": VersionConverter,
    LAST: BelowConverter,
    LAST_AT: AtConverter,
}
