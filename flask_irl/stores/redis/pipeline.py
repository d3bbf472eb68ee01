"""Run background commands on the servers that hold their keys, many in one round trip."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from flask_irl.errors import StoreError
from flask_irl.stores.redis.background import BACKGROUND_SECONDS
from flask_irl.stores.redis.damage import ServerDamage, is_damage
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    ResponseError,
    TryAgainError,
)
from flask_irl.stores.redis.outages import name_of_slot
from flask_irl.stores.redis.pool import Pool
from flask_irl.stores.redis.redirection import follow_in_background
from flask_irl.stores.redis.scripts import Script
from flask_irl.stores.redis.servers import Servers
from flask_irl.stores.redis.slots import key_slot

Command = Sequence[Any]
"""A command's name, its key, and its further arguments."""


class Pipeline:
    """Run background commands, pipelined per server.

    Args:
        servers: The servers.
        damage: Takes reports of damaged values.
    """

    def __init__(self, servers: Servers, damage: ServerDamage) -> None:
        self._servers = servers
        self._damage = damage

    def run(
        self,
        commands: Sequence[tuple[bytes, Command]],
        script: Script | None = None,
        *,
        strict: bool = False,
    ) -> list[Any]:
        """Run commands, and give their answers in order.

        Args:
            commands: Each with the key whose server runs it.
            script: The script that they call by its hash.
            strict: Raise for a damaged value, too.

        Returns:
            The answers; None where a value is damaged, which is reported.

        Raises:
            StoreError: A server or a command failed.
        """
        answers = self._answers(commands, script)
        for index, answer in enumerate(answers):
            if isinstance(answer, StoreError):
                raise answer
            if isinstance(answer, Exception):
                if strict or not is_damage(answer):
                    raise store_error(answer) from answer
                self._damaged(commands[index], answer)
                answers[index] = None
        return answers

    def run_reachable(
        self, commands: Sequence[tuple[bytes, Command]]
    ) -> tuple[list[Any], StoreError | None]:
        """Run commands, and give the answers of the servers of a cluster that answer.

        Args:
            commands: As for :meth:`run`.

        Returns:
            The answers, None where a value is damaged or its server gave none; and the first error
            of those servers, None if there is none.

        Raises:
            StoreError: The store failed as a whole.
        """
        failed: StoreError | None = None
        answers = self._answers(commands, None)
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception):
                answers[index] = None
                if is_damage(answer):
                    self._damaged(commands[index], answer)
                    continue
                error = store_error(answer)
                if not error.part:
                    raise error
                failed = failed or error
        return answers, failed

    def _damaged(self, command: tuple[bytes, Command], error: Exception) -> None:
        """Report a damaged value, which counts as absent."""
        self._damage.report(command[1][1], error)

    def _answers(
        self, commands: Sequence[tuple[bytes, Command]], script: Script | None
    ) -> list[Any]:
        """Run commands wherever their keys have gone; errors stand in their places."""
        answers = self._run_grouped(commands, script)
        moved = [i for i, answer in enumerate(answers) if isinstance(answer, MovedError)]
        if moved:
            self._servers.refresh()
            repeated = self._run_grouped([commands[i] for i in moved], script)
            for index, answer in zip(moved, repeated, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if isinstance(answer, AskError | TryAgainError):
                answers[index] = self._follow(answer, commands[index], script)
        return answers

    def _follow(
        self, error: AskError | TryAgainError, command: tuple[bytes, Command], script: Script | None
    ) -> Any:
        """Run a command where a cluster sends it."""
        key, words = command
        try:
            answer = follow_in_background(
                error, self._servers, key, words, BACKGROUND_SECONDS, script and script.text
            )
            part = name_of_slot(key_slot(key)) if self._servers.clustered else ""
            return _with_part(answer, part, final=True)
        except ResponseError as refused:
            return store_error(refused)
        except StoreError as failed:
            self._servers.report_failure(failed)
            return failed

    def scan(self, pattern: bytes, count: int) -> Iterator[list[bytes]]:
        """Walk through the keys of all servers that match a pattern, in parts.

        Args:
            pattern: Redis's, for keys.
            count: Keys of any kind that a server looks at for a part.

        Raises:
            StoreError: A server failed.
        """
        for pool in self._servers.all():
            cursor = b"0"
            while True:
                command = ("SCAN", cursor, "MATCH", pattern, "COUNT", count)
                [answer] = self._run_on(pool, [command])
                if isinstance(answer, Exception):
                    raise store_error(answer) from answer
                cursor, keys = answer
                yield keys
                if cursor == b"0":
                    break

    def _run_grouped(
        self, commands: Sequence[tuple[bytes, Command]], script: Script | None
    ) -> list[Any]:
        """Run commands, those of each server in one go; a server's failure is their answer."""
        answers: list[Any] = [None] * len(commands)
        groups: dict[Pool, Sequence[int]] = {}
        only = self._servers.only
        if only is not None and commands:
            groups[only] = range(len(commands))
        else:
            groups.update(self._by_node(commands, answers))
        for pool, indexes in groups.items():
            try:
                results = self._run_batch(pool, [commands[index][1] for index in indexes], script)
            except StoreError as error:
                results = [error] * len(indexes)
            for index, result in zip(indexes, results, strict=True):
                answers[index] = _with_part(result, pool.node)
        return answers

    def _by_node(
        self, commands: Sequence[tuple[bytes, Command]], answers: list[Any]
    ) -> dict[Pool, list[int]]:
        """Group the places of commands by node; the error of a slot without one is its answer."""
        groups: dict[Pool, list[int]] = {}
        deadline = time.monotonic() + BACKGROUND_SECONDS
        for index, (key, _) in enumerate(commands):
            try:
                groups.setdefault(self._servers.node_of(key, deadline), []).append(index)
            except StoreError as error:
                if not error.part:
                    raise
                answers[index] = error
        return groups

    def _run_batch(self, pool: Pool, batch: Sequence[Command], script: Script | None) -> list[Any]:
        results = self._run_on(pool, batch)
        if script is not None and any(isinstance(r, NoScriptError) for r in results):
            self._run_on(pool, [("SCRIPT", "LOAD", script.text)])
            results = self._run_on(pool, batch)
        return results

    def _run_on(self, pool: Pool, commands: Sequence[Command]) -> list[Any]:
        try:
            return pool.run(commands)
        except StoreError as error:
            self._servers.report_failure(error)
            raise


def _with_part(answer: Any, part: str, *, final: bool = False) -> Any:
    """Turn an error of a server into one that tells the part of a cluster that failed.

    Args:
        answer: An answer; errors of single values stay as they are.
        part: The node or the slot; empty for a single server.
        final: Whether redirections have been followed.
    """
    redirects = isinstance(answer, AskError | TryAgainError) and not final
    if not isinstance(answer, ResponseError) or redirects or is_damage(answer):
        return answer
    return store_error(answer, part=part)
