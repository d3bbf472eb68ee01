"""Describe sites of five routes, of five hundred, and APIs of mobile apps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from loadtests.simulator.shapes import Shape


def small(kind: str, root: str) -> Shape:
    """Make a site of five routes."""
    home, item, order = f"{root}/", f"{root}/{{id}}", f"{root}/bookings/{{user}}"
    write, login = f"{root}/{{id}}/reply", f"{root}/enter"
    return Shape.parse(
        f"""
        kind: {kind} ids: slug users: int health: {home} home: {home} listing: {home}
        search: {home} item: {item} login_page: {login} login: {login} person: {order}
        order: {order} singles: 0.3 mobiles: 0.2 pages: {home} account: {order} writes: {write}
        assets:
        broken: /favicon.ico
        api: {item} api_writes: {write} rpc: {write} app_gets: {item} feeds: {home} {home}
        """
    )


def large(kind: str, words: Sequence[str]) -> Shape:
    """Make a site of some five hundred routes, in sections named by words."""
    pairs = [f"/{a}/{b}" for a, b in product(words, words) if a != b]
    pages, items, calls, posts = pairs[:180], pairs[180:260], pairs[260:360], pairs[360:400]

    def text(patterns: Sequence[str], before: str = "", after: str = "") -> str:
        return " ".join(f"{before}{pattern}{after}" for pattern in patterns)

    return Shape.parse(
        f"""
        kind: {kind} ids: hex users: uuid health: /{words[0]} home: / listing: /{words[1]}/{{cat}}
        search: /{words[2]}/search login_page: /{words[3]}/login login: /{words[3]}/login
        person: /{words[4]}/people/{{user}} order: /{words[4]}/files/{{user}} singles: 0.6
        mobiles: 0.5 assets: /{words[5]}/{{build}}.css /{words[5]}/{{n}}.png
        broken: /favicon.ico /{words[5]}/old.js feeds: /{words[6]}/feed /{words[7]}/feed
        item: {text(items, after="/{id}")}
        pages: {text(pages)}
        account: {text(pages[:20], after="/mine")}
        writes: {text(posts[:20], after="/{id}/note")}
        api: {text(calls, "/data", "/{id}")}
        api_writes: {text(posts[20:], "/data", "/{id}/seen")}
        rpc: {text(calls[:60], "/app", "/{id}")}
        app_gets: {text(calls[60:], "/app")}
        """
    )


COURIER = Shape.parse(
    """
    kind: courier ids: int users: hex health: /v3/alive
    home: /v3/start listing: /v3/areas/{cat} search: /v3/find item: /v3/parcels/{id}
    login_page: /v3/session login: /v3/session/login person: /v3/drivers/{user}
    order: /v3/tours/{user}
    browsers: 0.05 singles: 0.0 mobiles: 3.5
    pages: /v3/help /v3/terms
    account: /v3/me /v3/me/tours
    writes: /v3/parcels/{id}/scan /v3/parcels/{id}/photo
    assets:
    broken: /favicon.ico
    api: /v3/parcels/{id} /v3/areas/{cat}
    api_writes: /v3/telemetry /v3/parcels/{id}/track
    rpc: /v3/parcels/{id}/state /v3/parcels/{id}/note /v3/parcels/{id}/eta /v3/position
        /v3/stops/{id} /v3/stops/{id}/arrive /v3/stops/{id}/leave /v3/stops/{id}/sign /v3/sync
        /v3/messages /v3/messages/{id}/read /v3/routes/{id}/next /v3/routes/{id}/plan
        /v3/vehicles/{n}/state /v3/shift /v3/shift/pause /v3/customers/{id}/call
        /v3/addresses/{id}/hint /v3/search /v3/push
    app_gets: /v3/config /v3/maps/{n} /v3/parcels/{id}/label /v3/news
    feeds: /v3/changes /v3/version
    """
)

FITNESS = Shape.parse(
    """
    kind: fitness ids: uuid users: int health: /hc
    home: /api/home listing: /api/plans/{cat} search: /api/query item: /api/workouts/{id}
    login_page: /api/auth login: /api/auth/login person: /api/athletes/{user}
    order: /api/calendars/{user}
    browsers: 0.05 singles: 0.0 mobiles: 4.0
    pages: /api/legal /api/contact
    account: /api/self /api/self/goals
    writes: /api/workouts/{id}/done /api/workouts/{id}/comment
    assets:
    broken: /apple-touch-icon.png
    api: /api/workouts/{id} /api/plans/{cat}
    api_writes: /api/samples /api/workouts/{id}/beat
    rpc: /api/workouts/{id}/load /api/workouts/{id}/like /api/workouts/{id}/similar /api/feed
        /api/feed/{id}/seen /api/clubs/{id} /api/clubs/{id}/members /api/clubs/{id}/join
        /api/segments/{id} /api/segments/{id}/best /api/routes/{id} /api/routes/{id}/map
        /api/friends/{id} /api/friends/{id}/follow /api/notify /api/sync /api/challenges/{id}
        /api/challenges/{id}/rank /api/meals/{id} /api/meals/log /api/sleep /api/weight
        /api/devices/{n} /api/search
    app_gets: /api/config /api/photos/{id} /api/tips/{n} /api/badges
    feeds: /api/updates /api/version
    """
)
