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
    **{
        f"attack:scraper_{rate}{'_jittered' * jitter}": f"copies the site at {rate} pages a "
        f"minute, {'with pauses like a person' if jitter else 'evenly paced'}"
        for rate in (20, 60, 95)
        for jitter in (False, True)
    },
    "attack:flood": "asks for one page hundreds to thousands of times a minute",
    "attack:stuffing": "tries stolen passwords from one address",
    "attack:stuffing_spread": "tries stolen passwords, a few from each of thousands of addresses",
    "attack:scan": "looks for files that others left open, nearly all of them not there",
    "attack:enumeration": "asks for people's ids one after the other, a few a minute, for hours",
    "attack:rotation": "copies the site, with a new address every few dozen requests",
    "attack:drift": "reads like a person first, ever faster for hours, then takes all it can get",
}
