"""Read and write values of the site on Redis, under keys ``<prefix>1.{site}.<name>``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_irl.stores.redis.damage import DamagedError, ServerDamage, parse_whole
from flask_irl.stores.redis.pipeline import Command, Pipeline


class SiteValues:
    """Run commands on the site's keys, and read their answers.

    A damaged value is reported and counts as absent. Only calls that an operator makes, and that
    would be lost by it, raise.

    Args:
        pipeline: Runs the commands.
        prefix: Begins every key.
        damage: Takes reports of damaged values.
        clock: Seconds since the epoch, for tests; None for the server's time.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        prefix: str,
        damage: ServerDamage,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._damage = damage
        self._clock = clock
        self._site_prefix = site_prefix(prefix)

    def now(self) -> float:
        if self._clock is not None:
            return self._clock()
        [answer] = self._run(("TIME",))
        return _seconds(answer)

    def _run_with_time(self, *commands: Command) -> tuple[list[Any], float]:
        """Run commands, and tell the time, in one round trip."""
        if self._clock is not None:
            return self._run(*commands), self._clock()
        *answers, time = self._run(*commands, ("TIME",))
        return answers, _seconds(time)

    def _time_argument(self) -> int | str:
        """Give a script the time in milliseconds, or have it take the server's."""
        return "" if self._clock is None else int(self._clock() * 1000)

    def _site_key(self, *names: str) -> list[bytes]:
        return [self._site_prefix + name.encode() for name in names]

    def _run(self, *commands: Command) -> list[Any]:
        """Run commands on the site's keys; a damaged value's answer is None."""
        return self._pipeline.run([(self._site_prefix, command) for command in commands])

    def _run_strictly(self, *commands: Command) -> object:
        """Run commands on the site's keys, for the last one's answer; raise for damaged values."""
        keyed = [(self._site_prefix, command) for command in commands]
        return self._pipeline.run(keyed, strict=True)[-1]

    def _write(self, key: bytes, *commands: Command) -> list[Any]:
        """Run commands that write to a key; drop a value of another type, and run them again.

        None of their answers is None but for a damaged value.
        """
        answers = self._run(*commands)
        if None in answers:
            answers = self._run(("DEL", key), *commands)[1:]
        return answers

    def _whole(self, key: bytes, value: bytes | None, default: int = 0) -> int:
        """Read a whole number; the default for none or a damaged one."""
        if value is None:
            return default
        try:
            return parse_whole(value)
        except DamagedError as error:
            self._damage.report(key, error)
            return default

    def _texts(self, key: bytes, values: Sequence[bytes] | None) -> list[str]:
        """Read names; leave out damaged ones."""
        texts = (self._text(key, value) for value in values or ())
        return [text for text in texts if text is not None]

    def _text(self, key: bytes, value: bytes) -> str | None:
        """Read a name; None for a damaged one."""
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            self._damage.report(key, error)
            return None


def site_prefix(prefix: str) -> bytes:
    """Begin the keys of the site's values, in a store whose keys all begin with a prefix."""
    return f"{prefix}1.{{site}}.".encode()


def _seconds(time: tuple[bytes, bytes]) -> float:
    seconds, micros = time
    return int(seconds) + int(micros) / 1e6
