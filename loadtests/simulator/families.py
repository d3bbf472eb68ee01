"""Describe the families of clients in words, by label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FAMILIES: Final[Mapping[str, str]] = {
    "legit:browser": "people: pages, and bursts of assets where the site serves them",
    "legit:spa": "people in a single-page app: a burst of calls for each view",
    "legit:mobile_app": "people in a mobile app, which mostly posts; some scroll without end",
    "legit:mistyped_password": "people who fail to log in a few times, then browse or give up",
    "legit:office_6": "six people behind one address",
    "legit:office_60": "sixty people behind one address",
    "legit:flash_crowd": "ten times the usual number of people, for one thing",
    "legit:poller": "programs that ask for one or two feeds every 10 to 60 s",
    "legit:batch": "a job at 80 requests a minute on schedule, through ids of its own",
    "legit:new_batch": "such a job that is new: a holiday's",
    "legit:crawler": "a search engine's, through all items and some that are gone",
    "legit:health_check": "checks that the site is up",
    "legit:optimistic_lock": "changes told 412, four a second, until one gets through",
    "legit:form": "forms that are checked at each key press, and told 422",
    "legit:lock_wait": "waits for something that others have locked: 423, 409",
    "legit:upload_quota": "uploads of files that are too large: 413",
    "legit:graphql": "calls of one endpoint, half of them with errors: 400",
    "legit:wrong_method": "calls by a method that isn't allowed first: 405",
    "legit:conditional_create": "creates something that is there, or without a condition: 412, 428",
    "legit:eager_telemetry": "phones that send up to 190 measurements in a minute",
    "legit:eager_autosave": "texts that are saved each few seconds",
    "legit:eager_chat": "chats that ask for news each second or two, and post",
    "legit:eager_polling": "open pages that ask for the new version after a deploy",
    "legit:marketing_mail": "newcomers who follow one link of a mailing at nine",
    "legit:morning_login": "an office's people, who all log in at nine, from one network",
    "legit:carrier": "people in a mobile carrier's network, each time with a new address",
    "legit:person": "browsers of a real log that neither scan nor guess, by weak rules",
    **{
        f"attack:walk_{rate}": f"asks {rate} times a minute for what the log has, in any order, at "
        "any pace"
        for rate in (20, 60, 95)
    },
    "attack:replayed_visits": "sends a person's visit again and again, with other ids",
    **{
        f"attack:scraper_{rate}{'_jittered' * jitter}": f"copies the site at {rate} pages a "
        f"minute, {'with pauses like a person' if jitter else 'evenly paced'}"
        for rate in (20, 60, 95)
        for jitter in (False, True)
    },
    "attack:flood": "asks for one page hundreds to thousands of times a minute",
    "attack:stuffing": "tries stolen passwords from one address",
    "attack:stuffing_spread": "tries stolen passwords, a few from each of hundreds of addresses",
    "attack:scan": "looks for files that others left open, nearly all of them not there",
    "attack:enumeration": "asks for people's ids one after the other, a few a minute, for hours",
    "attack:rotation": "copies the site, with another IPv6 network (/64) every 50 requests",
    "attack:drift": "reads like a person first, then ever faster, until it takes all it can get",
}
