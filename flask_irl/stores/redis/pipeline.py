"""Run background commands on the servers that hold their keys, many in one round trip."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import MovedError, NoScriptError

from flask_irl.errors import StoreError
from flask_irl.stores.redis.damage import DamageLog, is_damage
from flask_irl.stores.redis.errors import store_error
from flask_irl.stores.redis.pool import BACKGROUND_SECONDS, Pool
from flask_irl.stores.redis.scripts import Script
from flask_irl.stores.redis.servers import Servers

Command = Sequence[Any]
"""A command's name, its key, and its further arguments."""


class Pipeline:
    """Run background commands, pipelined per server.

    Args:
        servers: The servers.
        damage: Takes reports of damaged values.
    """

    def __init__(self, servers: Servers, damage: DamageLog) -> None:
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
        answers = self._run_grouped(commands, script)
        moved = [i for i, answer in enumerate(answers) if isinstance(answer, MovedError)]
        if moved:
            self._servers.refresh()
            repeated = self._run_grouped([commands[i] for i in moved], script)
            for index, answer in zip(moved, repeated, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if isinstance(answer, Exception):
                if strict or not is_damage(answer):
                    raise store_error(answer) from answer
                self._damage.report(commands[index][1][1], answer)
                answers[index] = None
        return answers

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
        only = self._servers.only
        if only is not None and commands:
            return self._run_batch(only, [command for _, command in commands], script)
        groups: dict[Pool, list[int]] = {}
        deadline = time.monotonic() + BACKGROUND_SECONDS
        for index, (key, _) in enumerate(commands):
            groups.setdefault(self._servers.of(key, deadline), []).append(index)
        answers: list[Any] = [None] * len(commands)
        for pool, indexes in groups.items():
            results = self._run_batch(pool, [commands[index][1] for index in indexes], script)
            for index, result in zip(indexes, results, strict=True):
                answers[index] = result
        return answers

    def _run_batch(self, pool: Pool, batch: Sequence[Command], script: Script | None) -> list[Any]:
        results = self._run_on(pool, batch)
        if script is not None and any(isinstance(r, NoScriptError) for r in results):
            self._run_on(pool, [("SCRIPT", "LOAD", script.text)])
            results = self._run_on(pool, batch)
        return results

    def _run_on(self, pool: Pool, commands: Sequence[Command]) -> list[Any]:
        try:
            return pool.run(commands)
        except StoreError:
            self._servers.report_failure()
            raise
