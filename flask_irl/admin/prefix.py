"""Share a prefix with the host's pages: leave theirs to them, and warn of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, RequestRedirect, Rule

from flask_irl.telemetry.log import event, failure

BLUEPRINT: Final = "irl_admin"
DOCS_BLUEPRINT: Final = "irl_admin_docs"
PAGES_BLUEPRINT: Final = "irl_admin_pages"
OWN: Final = frozenset((BLUEPRINT, DOCS_BLUEPRINT, PAGES_BLUEPRINT))
NAMED: Final = 5
"""Rules of the host that a line of the log names at most."""
SAMPLE: Final = "1"
"""A text that each converter of the API's rules matches."""
LAST: Final = "irl_below"
"""Name of the converter of the rule that comes after all others."""
LAST_AT: Final = f"{LAST}_at"
"""Name of the converter of the rule before that, for the prefix itself."""


def is_own(rule: Rule) -> bool:
    """Tell whether a rule is one of the admin API's."""
    return str(rule.endpoint).rpartition(".")[0] in OWN


class Prefix:
    """Share the prefix that the admin API is mounted at with the host: its pages go first.

    Args:
        path: The prefix, such as ``/admin``.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: set[tuple[str, object]] = set()

    def give_way(self, app: Flask) -> None:
        """Leave to the host's rules at or below the prefix what they serve, and warn of them.

        Rules that an earlier call found are left out.
        """
        rules = [r for r in self._rules_of_host(app) if (r.rule, r.endpoint) not in self._known]
        self._known.update((rule.rule, rule.endpoint) for rule in rules)
        if rules:
            texts = list(dict.fromkeys(rule.rule for rule in rules))
            withdrawn: list[str] = []
            try:
                withdrawn = _withdraw(app, rules)
            except Exception as error:
                # A converter of the host's may work with the app's own map only.
                failure("limiter_error", error, where="admin_prefix")
            event(
                logging.WARNING,
                "admin_prefix_shared",
                prefix=self.path,
                rules=texts[:NAMED],
                more=len(texts) - len(texts[:NAMED]),
                left_to_host=withdrawn,
                set="IRL_ADMIN_URL_PREFIX",
            )

    def has_pages_of_host(self, app: Flask) -> bool:
        """Tell whether the host has a rule at or below the prefix."""
        return bool(self._rules_of_host(app))

    def _rules_of_host(self, app: Flask) -> list[Rule]:
        below = f"{self.path}/"
        return [
            rule
            for rule in app.url_map.iter_rules()
            if (rule.rule == self.path or rule.rule.startswith(below)) and not is_own(rule)
        ]


def _withdraw(app: Flask, rules: Sequence[Rule]) -> list[str]:
    """Withdraw the API's rules for what rules of the host serve, whatever the host's subdomain.

    Werkzeug would take the one that was registered first, or has the path as plain text.

    Returns:
        The texts of the API's rules.
    """
    host = Map(
        [
            Rule(rule.rule, methods=rule.methods, strict_slashes=rule.strict_slashes)
            for rule in rules
            if not rule.build_only
        ],
        converters=app.url_map.converters,
    ).bind("localhost")
    withdrawn: dict[str, None] = {}
    for rule in app.url_map.iter_rules():
        if is_own(rule) and LAST not in rule.rule and rule.methods is not None:
            path = re.sub("<[^>]*>", SAMPLE, rule.rule)
            # OPTIONS stays, which tells of the methods of both.
            served = {m for m in rule.methods - {"OPTIONS"} if _serves(host, path, m)}
            if served:
                rule.methods = rule.methods - served
                withdrawn[rule.rule] = None
    return list(withdrawn)


def _serves(host: MapAdapter, path: str, method: str) -> bool:
    try:
        host.match(path, method)
    except RequestRedirect:
        return True
    except HTTPException:
        return False
    return True
