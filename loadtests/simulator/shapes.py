"""Describe kinds of sites by the patterns of their paths; evaluation shares none with design."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

WORDS = tuple(
    "amber basin cedar delta ember fable grove harbor island juniper kettle lantern meadow nectar"
    " orchard pepper quartz river saddle timber umbra velvet willow yonder zephyr anchor breeze"
    " copper dune echo feather garnet hollow ivory jasper keel linen marble noble olive".split()
)

Paths = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Describe the paths of a kind of site.

    In a pattern ``{id}`` is an item, ``{user}`` a person or order, ``{cat}`` a category,
    ``{build}`` changes with a deploy, ``{n}`` is one of a few. ``item`` may have several patterns.
    The names of items (``ids``), and of people and orders (``users``), have a style: ``int``,
    ``slug``, ``hex``, ``uuid`` or ``dated``. Pages load ``assets``, unless another host serves
    them; ``api`` is for the single-page app, ``rpc`` and ``app_gets`` for the mobile app. The last
    three are factors on numbers of people.
    """

    kind: str
    ids: str
    users: str
    home: str
    listing: str
    search: str
    item: Paths
    pages: Paths
    login_page: str
    login: str
    account: Paths
    writes: Paths
    assets: Paths
    broken: Paths
    api: Paths
    api_writes: Paths
    rpc: Paths
    app_gets: Paths
    person: str
    order: str
    feeds: Paths
    health: str
    browsers: float = 1.0
    singles: float = 1.0
    mobiles: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read a shape from ``field:`` and its values, separated by spaces."""
        kinds = {field.name: field.type for field in fields(cls)}
        values: dict[str, Any] = {}
        for field in re.findall(r"\w+:[^:]*(?=\s\w+:|$)", text.strip()):
            name, *words = field.replace(":", " ").split()
            values[name] = tuple(words) if kinds[name] == "Paths" else words[0]
            if kinds[name] == "float":
                values[name] = float(words[0])
        return cls(**values)


SHOP = Shape.parse(
    """
    kind: shop ids: int users: int health: /healthz
    home: / listing: /category/{cat} search: /search item: /products/{id}
    login_page: /login login: /login person: /api/customers/{user} order: /api/orders/{user}
    singles: 0.6 mobiles: 0.5
    pages: /about /shipping /returns /contact /stores
    account: /account /account/orders /cart /wishlist
    writes: /cart/items /cart/items/{id} /products/{id}/reviews /newsletter
    assets: /static/app.{build}.css /static/app.{build}.js /static/vendor.{build}.js
        /static/fonts/text-{n}.woff2 /media/{id}-{n}.jpg /media/{id}-{n}.jpg /static/icons/{n}.svg
    broken: /favicon.ico /apple-touch-icon.png /static/banner.png /static/app.js.map
    api: /api/products/{id} /api/products/{id}/stock /api/products/{id}/similar
        /api/categories/{cat} /api/cart /api/me /api/recommendations /api/prices/{id}
    api_writes: /api/cart /api/events /api/wishlist/{id}
    rpc: /api/app/sync /api/app/events /api/app/feed /api/app/search /api/app/products/{id}/view
        /api/app/products/{id}/like /api/app/push /api/app/location /api/app/cart
    app_gets: /api/app/config /api/app/products/{id} /api/app/banners
    feeds: /api/status /api/stock/changes
    """
)

PORTAL = Shape.parse(
    """
    kind: portal ids: uuid users: int health: /health
    home: /app listing: /app/projects/{cat} search: /app/find item: /app/tasks/{id}
    login_page: /app/signin login: /auth/session person: /api/v1/users/{user} order:
        /api/v1/invoices/{user}
    browsers: 0.5 singles: 1.4 mobiles: 0.6
    pages: /app/help /app/pricing /app/status /app/changelog
    account: /app/settings /app/team /app/billing
    writes: /app/tasks/{id}/comments /app/feedback
    assets: /assets/main-{build}.js /assets/chunk-{n}-{build}.js /assets/main-{build}.css
        /assets/avatar-{n}.png
    broken: /favicon.ico /assets/logo@3x.png /robots.txt
    api: /api/v1/tasks/{id} /api/v1/tasks/{id}/comments /api/v1/tasks/{id}/history
        /api/v1/projects/{cat} /api/v1/me /api/v1/notifications /api/v1/members /api/v1/boards/{n}
    api_writes: /api/v1/tasks/{id} /api/v1/telemetry /api/v1/tasks/{id}/comments
    rpc: /api/v1/mobile/sync /api/v1/mobile/batch /api/v1/mobile/tasks/{id}
        /api/v1/mobile/tasks/{id}/done /api/v1/mobile/telemetry /api/v1/mobile/presence
        /api/v1/mobile/search
    app_gets: /api/v1/mobile/config /api/v1/mobile/inbox /api/v1/mobile/tasks/{id}
    feeds: /api/v1/changes /api/v1/builds/latest
    """
)

BACKEND = Shape.parse(
    """
    kind: backend ids: hex users: int health: /health/live
    home: / listing: /topics/{cat} search: /find item: /posts/{id}
    login_page: /session/new login: /session person: /v2/users/{user} order: /v2/threads/{user}
    browsers: 0.8 singles: 0.5 mobiles: 1.6
    pages: /terms /privacy /download /support
    account: /me /me/saved /me/followers
    writes: /posts/{id}/like /posts /report
    assets:
    broken: /favicon.ico /apple-app-site-association
    api: /v2/posts/{id} /v2/posts/{id}/replies /v2/timeline /v2/topics/{cat} /v2/me /v2/trends
    api_writes: /v2/posts/{id}/like /v2/metrics
    rpc: /v2/app/timeline /v2/app/posts/{id} /v2/app/posts/{id}/like /v2/app/posts/{id}/replies
        /v2/app/heartbeat /v2/app/metrics /v2/app/upload /v2/app/search /v2/app/contacts
        /v2/app/messages/{n} /v2/app/follow/{user}
    app_gets: /v2/app/config /v2/app/media/{id}
    feeds: /v2/ping /v2/firehose/next
    """
)

NEWS = Shape.parse(
    """
    kind: news ids: dated users: hex health: /status
    home: /en/ listing: /en/section/{cat}/ search: /en/archive/ item: /en/{id}/
    login_page: /subscribers/enter.html login: /subscribers/enter.html person:
        /_data/profile/{user}.json order: /_data/subscription/{user}.json
    singles: 0.5 mobiles: 0.4
    pages: /en/imprint/ /en/team/ /en/letters/ /en/weather/ /en/crossword/
    account: /subscribers/ /subscribers/saved.html
    writes: /en/{id}/comment /subscribers/letter
    assets: /_dist/{build}/site.css /_dist/{build}/site.js /img/{n}/{id}.webp /img/{n}/{id}.webp
        /_dist/{build}/ads.js /_dist/glyphs-{n}.svg
    broken: /favicon-32.png /img/spacer.gif /ads.txt
    api: /_data/story/{id}.json /_data/related/{id}.json /_data/comments/{id}.json
        /_data/section/{cat}.json /_data/ticker.json /_data/weather/{n}.json
    api_writes: /_data/read/{id} /_data/beacon
    rpc: /reader/News.Latest /reader/News.Story/{id} /reader/News.Seen/{id} /reader/Push.Register
        /reader/Stats.Send /reader/Comments.List/{id} /reader/Search.Query
    app_gets: /reader/manifest /reader/photo/{id}
    feeds: /en/feed.xml /_data/ticker.json
    """
)

BANK = Shape.parse(
    """
    kind: bank ids: int users: uuid health: /actuator/health
    home: /start listing: /products/list-{cat}.html search: /branch-finder item:
        /advice/article-{id}.html
    login_page: /banking/logon login: /banking/logon/check person: /gateway/parties/{user} order:
        /gateway/statements/{user}
    browsers: 0.7 singles: 1.2 mobiles: 1.2
    pages: /rates.html /fees.html /security.html /phone.html
    account: /banking/overview /banking/cards /banking/mailbox
    writes: /banking/transfer /callback-request
    assets:
    broken: /favicon.ico /start/hero-2x.avif
    api: /gateway/accounts/{user}/balance /gateway/accounts/{user}/entries /gateway/cards
        /gateway/session /gateway/messages/{n} /gateway/quotes/{id} /gateway/limits
    api_writes: /gateway/transfer/draft /gateway/clientlog
    rpc: /m/banking/accounts /m/banking/entries/{id} /m/banking/transfer /m/device/attest
        /m/device/log /m/quotes/{id} /m/quotes/{id}/watch /m/messages /m/session/extend
    app_gets: /m/config/{n} /m/quotes/{id}/chart
    feeds: /gateway/fx /gateway/maintenance
    """
)

FORUM = Shape.parse(
    """
    kind: forum ids: slug users: int health: /ready
    home: /board listing: /board/f/{cat} search: /board/latest item: /board/t/{id}
    login_page: /board/ucp login: /board/ucp/enter person: /board/u/{user} order: /board/p/{user}
    singles: 0.4 mobiles: 0.7
    pages: /board/rules /board/faq /board/members /board/wiki
    account: /board/inbox /board/ucp/prefs /board/bookmarks
    writes: /board/t/{id}/reply /board/t/{id}/vote /board/inbox/send
    assets: /board/styles/{build}/print.css /board/styles/{build}/theme.css /board/smilies/{n}.gif
        /board/avatars/{n}.png /board/attach/{id}/{n}.jpeg
    broken: /favicon.ico /board/smilies/old.gif /board/ranks/star.png
    api: /board/x/topic/{id} /board/x/posts/{id} /board/x/online /board/x/unread
        /board/x/forum/{cat} /board/x/likes/{id}
    api_writes: /board/x/typing /board/x/read/{id}
    rpc: /board/tapi/topics /board/tapi/topic/{id} /board/tapi/unread /board/tapi/mark/{id}
        /board/tapi/alerts /board/tapi/stats
    app_gets: /board/tapi/info /board/tapi/avatar/{n}
    feeds: /board/rss /board/x/online
    """
)
