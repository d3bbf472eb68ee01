"""Make sites of a test module's own kind, which end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ParamSpec, Protocol, TypeVar

from flask import Flask

from flask_irl.web.state import state_of


class HasApp(Protocol):
    """Hold an app that a limiter is registered with."""

    app: Flask


P = ParamSpec("P")
SiteT = TypeVar("SiteT", bound=HasApp)


def sites_of(kind: Callable[P, SiteT]) -> Iterator[Callable[P, SiteT]]:
    """Give a fixture's test a maker of sites; their limiters are closed when the test ends."""
    sites: list[SiteT] = []

    def make(*arguments: P.args, **options: P.kwargs) -> SiteT:
        sites.append(kind(*arguments, **options))
        return sites[-1]

    yield make
    for site in sites:
        state_of(site.app).limiter.close()
