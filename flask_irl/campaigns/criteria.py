"""Tell when a subject has left what is usual, and when it is back."""

from __future__ import annotations

import math
from typing import Final, Literal

from flask_irl.campaigns.activity import HOUR, MINUTE, SHORT, Activity

Where = Literal["site", "system", "network"]
"""Place where newcomers are counted: the whole site, an autonomous system, a /24 or a /48."""
LOGIN_FLOORS: Final = {
    "direct": ((SHORT, 12.0, 8.0), (HOUR, 40.0, 20.0)),
    "page": ((SHORT, 25.0, 15.0), (HOUR, 60.0, 30.0)),
    "visitor": ((SHORT, 25.0, 15.0), (HOUR, 60.0, 30.0)),
}
"""Least failed logins of newcomers, and least newcomers whose logins failed, within a horizon.

Apart from apps, hardly anybody logs in without a look at anything; people who have come by a page
may all come at once."""
TIMES: Final = 2.0
"""Multiple of what is usual that it takes besides."""
LOGIN_SPREAD: Final = 5.0
NEWCOMER_SPREAD: Final = 4.0
"""Multiple of the standard deviation (of a Poisson distribution) on top."""
FAILED_FOR_DONE: Final = 0.5
"""Failed logins for each that succeeded which people may need: a mail to all customers brings many
who have forgotten their password."""
WORKING_SHARE: Final = 0.3
"""Share of the usual successful logins below which it is the login that fails."""
EVIDENCE: Final = 3.0
"""Usual logins within a horizon from which on their absence says something."""
RECENT: Final = 0.05
"""Count over a minute that one login leaves for three minutes."""
LATELY: Final = 0.2
"""Count over five minutes that one login leaves for eight minutes."""
ODD_SECONDS: Final = 45.0
LONG_ODD_SECONDS: Final = 300.0
"""Time for which logins must be out of what is usual; the longer one where people log in that way,
who may fail for a while because of the site."""
TRIES: Final = 4.0
"""Most failed logins of a newcomer in the mean, where people log in that way: they try again and
again when the site fails them, and an attack goes on with its next address."""

SITE_FLOORS: Final = {
    "taking": ((SHORT, 3.0), (HOUR, 8.0)),
    "leafing": ((SHORT, 6.0), (HOUR, 16.0)),
    "pacing": ((SHORT, 6.0), (HOUR, 16.0)),
    "scanning": ((SHORT, 5.0), (HOUR, 12.0)),
}
NETWORK_FLOORS: Final = ((HOUR, 3.0),)
"""Least newcomers of a sort within a horizon. People leaf and pace more often
than they take."""
PRIOR_NEWCOMERS: Final = 100.0
PRIOR_SHARE: Final = 0.02
"""Share of a sort among newcomers that is assumed, as if so many had been seen."""
NETWORK_SHARE: Final = 0.5
"""Least share of the sort among a network's newcomers."""
MOST_OWN_SHARE: Final = 0.4
"""Share of a sort up to which a provider's own counts: else who comes slowly for a day could make
any number usual."""
LEARNING_SECONDS: Final = 1800.0
"""Time after which a site knows its newcomers, or those of the providers."""

LOGIN_CALM: Final = 300.0
LONGEST_SECONDS: Final = 6 * 3600.0
"""Time after which a campaign of a network or of the site ends in any case: it may be the site that
has changed, and people have waited for long enough."""
LEARNING_ANEW_SECONDS: Final = 86_400.0
"""Time for which it isn't named again then, and its subject is learned."""
NEWCOMER_CALM: Final = 600.0
"""Seconds for which a subject must be back to what is usual, for its campaign to end."""
LET_THROUGH: Final = 2.0
"""Count over five minutes of the successful logins that say of newcomers that they are people; one
in two minutes, the fewest that are let through, comes to more."""
GOES_ON: Final = 2.0
"""Requests of held clients in a minute from which on their campaign goes on."""


def odd_logins(sort: str, newcomers: Activity, done_by: Activity) -> int | None:
    """Tell the horizon within which newcomers' logins are out of what is usual; None for none.

    Args:
        sort: The sort of newcomers at a login.
        newcomers: Their activity at one route.
        done_by: The activity there whose successes excuse failures: their own at a login, that of
            all clients elsewhere, since what has a session that has ended fails first, and succeeds
            once it has logged in.
    """
    for horizon, failed, clients in LOGIN_FLOORS[sort]:
        usual = newcomers.expected("failed", horizon)
        done = done_by.count("done", horizon)
        usual_done = done_by.expected("done", HOUR)
        ratio = newcomers.expected("failed", HOUR) / usual_done if usual_done >= EVIDENCE else 0.0
        expected = max(usual, done * max(ratio, FAILED_FOR_DONE))
        least = failed + TIMES * expected + LOGIN_SPREAD * math.sqrt(expected)
        count, seen = newcomers.count("failed", horizon), newcomers.count("clients", horizon)
        if count >= least and seen >= clients and (count <= TRIES * seen or sort == "direct"):
            return horizon
    return None


def odd_seconds(sort: str, newcomers: Activity) -> float:
    """Give the seconds for which newcomers' logins must be odd before a campaign is named."""
    is_peoples = sort != "direct" or newcomers.expected("done", HOUR) >= EVIDENCE
    return LONG_ODD_SECONDS if is_peoples else ODD_SECONDS


def login_works(sort: str, everybody: Activity) -> bool:
    """Tell whether logins succeed as ever: if not, it is the site that fails.

    Args:
        sort: The sort of newcomers that is to be judged.
        everybody: The activity of all clients at the login.
    """
    usual = everybody.expected("done", MINUTE)
    if usual >= EVIDENCE:
        return everybody.count("done", MINUTE) >= WORKING_SHARE * usual
    if everybody.expected("done", SHORT) >= EVIDENCE:
        if sort == "direct":
            # At night there are fewer, too.
            return everybody.count("done", SHORT) >= LATELY
        return everybody.count("done", MINUTE) >= RECENT
    # So quiet that nobody's success can be missed.
    return sort == "direct" or everybody.count("done", SHORT) >= RECENT


def calm_logins(newcomers: Activity, slow: bool) -> bool:
    """Tell whether newcomers' logins are back to what is usual.

    They are, too, where those that are let through succeed as people do: then those that are
    refused are people, however many, and would keep the campaign up for ever.
    """
    done = newcomers.count("done", SHORT)
    if done >= LET_THROUGH and newcomers.count("failed", SHORT) <= FAILED_FOR_DONE * done:
        return True
    horizon = SHORT if slow else MINUTE
    tried = newcomers.count("failed", horizon) + newcomers.count("refused", horizon)
    return tried <= 2.0 + TIMES * newcomers.expected("failed", horizon)


def odd_newcomers(sort: str, newcomers: Activity, site: Activity, *, where: Where) -> int | None:
    """Tell the horizon within which there are too many newcomers of a sort; None for none.

    What counts is their number and their share: a crowd brings more of every sort. An autonomous
    system may be as large as all of the site, and has the site's floors.

    Args:
        sort: The sort.
        newcomers: The activity of the sort, on the site or in a network.
        site: That of the same sort on the whole site.
        where: Where the first one is.
    """
    if site.learned < LEARNING_SECONDS:
        return None
    if where == "system" and newcomers.learned < LEARNING_SECONDS:
        return None
    share = expected_share(newcomers, site, where)
    for horizon, floor in NETWORK_FLOORS if where == "network" else SITE_FLOORS[sort]:
        odd, judged = newcomers.count("odd", horizon), newcomers.count("judged", horizon)
        if where != "site" and odd < NETWORK_SHARE * judged:
            continue
        expected = share * judged
        if where == "site":
            expected = max(expected, site.expected("odd", horizon))
        if odd >= floor + TIMES * expected + NEWCOMER_SPREAD * math.sqrt(expected):
            return horizon
    return None


def usual_share(site: Activity) -> float:
    """Compute the usual share of a sort among the site's newcomers, 0 to 1."""
    seconds = site.learned
    odd, judged = (site.usual.get(name, 0.0) * seconds for name in ("odd", "judged"))
    return min((odd + PRIOR_SHARE * PRIOR_NEWCOMERS) / (judged + PRIOR_NEWCOMERS), 1.0)


def expected_share(newcomers: Activity, site: Activity, where: Where) -> float:
    """Give the share of a sort that is expected among newcomers, 0 to 1.

    It is that of the site, or a provider's own: link previews and crawlers all move alike.

    Args:
        newcomers: The activity of the sort, on the site or in a network.
        site: That of the same sort on the whole site.
        where: Where the first one is.
    """
    share = usual_share(site)
    own = min(usual_share(newcomers), MOST_OWN_SHARE) if where == "system" else 0.0
    return max(share, own)


def calm_newcomers(newcomers: Activity, site: Activity, where: Where) -> bool:
    """Tell whether the newcomers of a sort are back to what is usual."""
    expected = expected_share(newcomers, site, where) * newcomers.count("judged", SHORT)
    goes_on = newcomers.count("held", MINUTE) > GOES_ON
    return not goes_on and newcomers.count("odd", SHORT) <= 0.7 + TIMES * expected
