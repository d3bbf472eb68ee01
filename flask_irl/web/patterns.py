"""Apply the rules of the configuration to routes: patterns that exempt or limit them.

Nearly all routes are decided on when they are met. A pattern may also match some of the paths of a
rule (``/health`` those of ``/<path:path>``): for such a rule, and no other, the path of each
request counts.
"""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from werkzeug.routing import Map, Rule

from flask_irl.config.values import ENDPOINT
from flask_irl.limits.limit import Limit
from flask_irl.telemetry.log import event
from flask_irl.web.route_limits import RouteLimit

Reach = Literal["whole", "part", "none"]
"""Says how much of a rule a pattern matches: all its paths, perhaps some, or none."""

PLACEHOLDER: Final = re.compile(r"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
WILD: Final = re.compile(r"[*?[]")
NEGATED: Final = "[!"
SAMPLES: Final = ("\ue000", "\ue000\ue001/\ue000\ue001")
"""Texts in the place of a rule's placeholders that only a * matches all of."""


class Pattern:
    """Match routes by their path or their endpoint.

    Args:
        text: ``endpoint:`` and a name, or a path, as a rule has it or as requests do; ``*`` stands
            for anything, slashes too, ``?`` for one character, ``[ab]`` for one of some.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._by_endpoint = text.startswith(ENDPOINT)
        glob = text.removeprefix(ENDPOINT)
        self.matches = re.compile(fnmatch.translate(glob)).match
        """Match a path, or an endpoint's name."""

    def reach(self, rule: str, endpoint: str = "") -> Reach:
        """Tell how much of a rule it matches.

        Args:
            rule: The rule's text, or the pattern of paths in a log.
            endpoint: Its endpoint, if it has one.
        """
        if self._by_endpoint:
            return "whole" if self.matches(endpoint) else "none"
        samples = [PLACEHOLDER.sub(sample, rule) for sample in SAMPLES]
        placeholders = samples[0] != rule
        # Without one character, or some, a pattern has these samples, and not all paths.
        if rule == self.text or (
            all(map(self.matches, samples)) and not (placeholders and NEGATED in self.text)
        ):
            return "whole"
        return "part" if placeholders and self._meets(rule) else "none"

    def _meets(self, rule: str) -> bool:
        """Tell whether a path may match both this and a rule with placeholders."""
        if not WILD.search(self.text):
            path = ".+".join(map(re.escape, PLACEHOLDER.split(rule)))
            return re.fullmatch(path, self.text, re.DOTALL) is not None
        ours, theirs = WILD.split(self.text), PLACEHOLDER.split(rule)
        begin, end = (ours[0], theirs[0]), (ours[-1], theirs[-1])
        return (begin[0].startswith(begin[1]) or begin[1].startswith(begin[0])) and (
            "[" in self.text or end[0].endswith(end[1]) or end[1].endswith(end[0])
        )


class ConfiguredRules:
    """Hold the patterns of an app's configuration.

    Args:
        owner: The extension.
        exempt: Patterns of routes that aren't limited.
        limits: Limits by pattern: all that a pattern matches counts together.
    """

    def __init__(
        self, owner: object, exempt: Sequence[str], limits: Mapping[str, tuple[Limit, ...]]
    ) -> None:
        self._exempt = {text: Pattern(text) for text in exempt}
        self._limited = {text: Pattern(text) for text in limits}
        self._limits = {
            text: RouteLimit(owner, limits=given, shared=f"limits:{text}")
            for text, given in limits.items()
        }
        self._patterns = {**self._exempt, **self._limited}
        self._parts: dict[tuple[str, object], tuple[Pattern, ...]] = {}

    def parts(self, rule: Rule) -> tuple[Pattern, ...]:
        """List the patterns that may match some of a rule's paths, but not all of them."""
        key = (rule.rule, rule.endpoint)
        parts = self._parts.get(key)
        if parts is None:
            parts = tuple(x for x in self._patterns.values() if x.reach(*key) == "part")
            self._parts[key] = parts
        return parts

    def apply(self, rule: Rule, parts: Sequence[str]) -> tuple[bool, list[RouteLimit]]:
        """Tell whether a rule's requests are exempt, and give their limits.

        Args:
            rule: The rule.
            parts: Those of :meth:`parts` that match the request's path.
        """

        names = (rule.rule, rule.endpoint)

        def matching(patterns: Iterable[Pattern]) -> list[str]:
            return [x.text for x in patterns if x.text in parts or x.reach(*names) == "whole"]

        if matching(self._exempt.values()):
            return True, []
        return False, [self._limits[text] for text in matching(self._limited.values())]

    def warn_of_useless(self, url_map: Map) -> None:
        """Warn of each pattern that matches none of an app's rules."""
        for option, patterns in (("IRL_EXEMPT", self._exempt), ("IRL_LIMITS", self._limited)):
            for pattern in patterns.values():
                if all(pattern.reach(x.rule, x.endpoint) == "none" for x in url_map.iter_rules()):
                    warn_of_useless(option, pattern)


def warn_of_useless(option: str, pattern: Pattern) -> None:
    """Warn of an option's pattern that matches no route: most likely it is misspelt."""
    event(logging.WARNING, "pattern_matches_nothing", option=option, pattern=pattern.text)
