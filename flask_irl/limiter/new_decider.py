"""Choose what decides on requests: apps without API keys pay nothing for them."""

from __future__ import annotations

from collections.abc import Callable

from flask_irl.config.options import Options
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.access import Access
from flask_irl.limiter.decider import Decider
from flask_irl.limiter.failures import Failures
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import Notify


def new_decider(
    options: Options,
    store: Store,
    failures: Failures,
    access: Access,
    start: Callable[[], object],
    monotonic: Callable[[], float],
    notify: Notify,
) -> Decider:
    """Make what decides on requests.

    Args:
        options: All options.
        store: As of :class:`Decider`; so are the others.
        failures: Asks it.
        access: Knows operators' overrides.
        start: Starts background work.
        monotonic: Seconds of a clock that is never set.
        notify: Takes the events of API keys.

    Raises:
        ConfigurationError: There are API keys, but no secret for their hashes.
    """
    arguments = (options, store, failures, access, start, monotonic)
    if not options.api_keys:
        return Decider(*arguments)
    if not options.api_key_secret:
        raise ConfigurationError(
            "api_keys is on, but api_key_secret is not given, by which keys are hashed: set "
            "IRL_API_KEY_SECRET to a random text, such as that of 'openssl rand -hex 32', the same "
            "in all workers"
        )
    from flask_irl.limiter.key_ring import KeyRing
    from flask_irl.limiter.keyed_decider import KeyedDecider

    return KeyedDecider(*arguments, KeyRing(store, failures, options.api_key_secret, notify))
