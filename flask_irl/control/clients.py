"""Ask about clients, and steer them, from an app's own code."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from flask_irl.control.base import (
    ClientName,
    caller,
    check_whole,
    checked,
    may_name_anything,
    name_of_client,
    operations_on,
)
from flask_irl.control.plans import PlanControl

if TYPE_CHECKING:
    from flask_irl.operations.results import ClientEntry, ClientOverride, ClientResult

MAX_CLIENTS: Final = 1000
MAX_STEP: Final = 127
Order = Literal["active", "anomalous", "refused", "flagged", "overridden"]
Verdict = Literal["good", "abuse"]


class ClientControl(PlanControl):
    """Give an extension's calls on single clients: the operators' words, for the app's own code.

    Each is about the current app's clients, in a request or in an app context outside of one, and
    may be called from any thread. A client is named as the app's ``key_func`` names it: an
    address, a user's id; ``current_key`` is that of the current request. One that is called like a
    network is that client alone; where ``key_func`` is ``remote_address``, nobody is, and a network
    is meant. Changes are in the audit log before they are made, and hold in all workers at once (of
    networks within two seconds); but a worker that is refusing the client at the moment may go on
    for up to two seconds, and one in which it asks often may admit it for up to a second.

    These calls raise, since they are the app's own:

    - :class:`~flask_irl.errors.StoreError`: The store doesn't answer. A change may have been made
      or not: repeat it.
    - :class:`~flask_irl.errors.ConfigurationError` (a ``ValueError``): An argument isn't allowed.
    - ``RuntimeError``: There is no app context.
    - :class:`~flask_irl.errors.IrlError`: The app has no limiter.

    Args:
        states: Those of the extension's apps.
    """

    def block(
        self,
        client: ClientName,
        *,
        seconds: float | None = None,
        until: datetime | str | None = None,
        reason: str = "",
        who: str | None = None,
    ) -> ClientOverride:
        """Refuse every request of a client for a time.

        Args:
            client: Its name, as ``key_func`` gives it; it need not be known.
            seconds: For how long: above 0, up to 366 days; an hour without it and ``until``.
            until: The end instead: a ``datetime`` with a zone, or a text of ISO 8601 with it.
            reason: Why, for the audit log: a line of at most 500 characters.
            who: Who does it, for the audit log: a line of at most 100 characters. By default
                ``app:`` and the function that calls this.

        Returns:
            The override: ``client``, ``kind``, ``until`` (seconds since the epoch), ``amount``,
            ``reason`` and ``who``.

        Raises:
            ConfigurationError: An argument isn't allowed. For the rest, see the class.
        """
        return self._override("block", client, 0, (seconds, until), reason, who or caller())

    def allow(
        self,
        client: ClientName,
        *,
        seconds: float | None = None,
        until: datetime | str | None = None,
        reason: str = "",
        who: str | None = None,
    ) -> ClientOverride:
        """Let a client pass without limit for a time; arguments and errors as of :meth:`block`."""
        return self._override("allow", client, 0, (seconds, until), reason, who or caller())

    def override(
        self,
        client: ClientName,
        amount: int,
        *,
        seconds: float | None = None,
        until: datetime | str | None = None,
        reason: str = "",
        who: str | None = None,
    ) -> ClientOverride:
        """Give a client a base limit of its own for a time, whatever its behaviour.

        Args:
            client: As of :meth:`block`; so are the others, and the errors.
            amount: Requests per window, 1 to 2**31 - 1.
            seconds: For how long.
            until: Until when, instead.
            reason: Why.
            who: Who does it.
        """
        return self._override("override", client, amount, (seconds, until), reason, who or caller())

    def clear(self, client: ClientName, *, who: str | None = None) -> bool:
        """Take a block, an allowance or an override back; tell whether there was one.

        Arguments and errors as of :meth:`block`.
        """
        who = checked(who or caller())
        operations = self._operations("clear()")
        return operations.overrides.clear(name_of_client(client), who, named=may_name_anything())

    def feedback(self, client: ClientName, verdict: Verdict, *, who: str | None = None) -> bool:
        """Note that a client is good or an abuser, for models to learn from.

        For a good client only limits and rules hold, and no model's word.

        Args:
            client: As of :meth:`block`.
            verdict: ``good`` or ``abuse``.
            who: As of :meth:`block`.

        Returns:
            Whether the client is known; if not, there is nothing to note it with.

        Raises:
            ConfigurationError: An argument isn't allowed. For the rest, see the class.
        """
        who = checked(who or caller())
        operations = self._operations("feedback()")
        return operations.clients.feedback(
            operations.clients.key_of_name(name_of_client(client)), verdict, who
        )

    def client(self, client: ClientName) -> ClientResult | None:
        """Describe a client as of now: its step, score, rates and override, and the reasons.

        Args:
            client: As of :meth:`block`.

        Returns:
            Its members are those of ``GET /admin/client/<id>``, with moments in seconds since the
            epoch: ``since`` and ``until`` are those of ``override``, else of the step, and None at
            the full limit; ``limit`` is None where the base limit is off; ``covered_by`` is the
            override of the longest network that holds its address. None if nothing is known of it:
            it has not been here for a while, or never.

        Raises:
            ConfigurationError: The name isn't one. For the rest, see the class.
        """
        operations = self._operations("client()")
        return operations.clients.describe(operations.clients.key_of_name(name_of_client(client)))

    def clients(
        self,
        *,
        order: Order = "active",
        step: int | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> list[ClientEntry]:
        """List clients as of now, first those that are first in a ranking.

        Rates, scores and refusals fade while a client sends nothing; what it sends counts within
        about a second.

        Args:
            order: ``active``, ``anomalous``, ``refused``, ``flagged`` (the latest first) or
                ``overridden`` (by the override's end, the last first; networks, too).
            step: Only clients at this step, 0 (the full limit) to 127.
            offset: The number of clients to skip, 0 or more.
            limit: The number of clients to return at most, 1 to 1000.

        Returns:
            Their members are those of ``GET /admin/clients``: among them ``label`` (the name that
            ``label_of`` gives), ``override`` with ``amount``, and ``since``, ``until`` (in seconds
            since the epoch), ``reason`` and ``who`` of the override, else of the step.

        Raises:
            ConfigurationError: An argument isn't allowed. For the rest, see the class.
        """
        if step is not None:
            check_whole("step", step, 0, MAX_STEP)
        check_whole("offset", offset, 0, sys.maxsize)
        check_whole("limit", limit, 1, MAX_CLIENTS)
        on_clients = self._operations("clients()").clients
        return on_clients.ranked(order=order, step=step, offset=offset, limit=limit)[0]

    def reset(self, client: ClientName | None = None, *, who: str | None = None) -> bool:
        """Forget a client, by its name or stored key, or all of them; tell if any was known.

        It is about the current app; outside of an app context, about all apps. Overrides stay.

        Args:
            client: As of :meth:`block`; None for all clients.
            who: As of :meth:`block`.

        Raises:
            StoreError: The store failed; some may be forgotten.
            ConfigurationError: An argument isn't allowed.
        """
        who = checked(who or caller())
        name = None if client is None else name_of_client(client)
        known = False
        for state in self._states.here():
            on_clients = operations_on(state).clients
            if name is None:
                known |= on_clients.reset_all(who) > 0
            else:
                known |= on_clients.reset(on_clients.key_of_name(name), who)
        return known

    def _override(
        self,
        word: str,
        client: ClientName,
        amount: int,
        time: tuple[float | None, datetime | str | None],
        reason: str,
        who: str,
    ) -> ClientOverride:
        from flask_irl.operations.audit import MAX_REASON
        from flask_irl.operations.texts import check_line

        operations = self._operations(f"{word}()")
        return operations.overrides.set(
            name_of_client(client),
            "limit" if word == "override" else word,
            amount=amount,
            seconds=operations.seconds(*time),
            reason=check_line("reason", reason, MAX_REASON),
            who=checked(who),
            named=may_name_anything(),
        )
