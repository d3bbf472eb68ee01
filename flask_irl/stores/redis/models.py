"""Keep the models of the site on Redis.

All are in the hash ``models.kept``, their times of publication in ``models.times``. The latest few,
and the one in force, are in ``models``, too: builds before this one know no other place, and drop
what is older from it. ``model`` is the version in force, unless ``pin`` holds another one there.
"""

from __future__ import annotations

from typing import Final

from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.redis.values import SiteValues
from flask_irl.stores.retention import LATEST_KEPT, superfluous
from flask_irl.stores.site import Pin, Publication, Revisions

PIN: Final = read_script("pin")
PUBLISH: Final = read_script("publish")
UNPIN: Final = read_script("unpin")
LATEST: Final = "models"
KEPT: Final = "models.kept"
TIMES: Final = "models.times"


class RedisModels(SiteValues):
    """Keep the models of the site; see the protocol ``SiteStore``."""

    def revisions(self) -> Revisions:
        names = ("model", "settings", "epoch", "networks", "pin", "campaigns", "assigned")
        model, settings, epoch, networks, pin, campaigns, assigned = self._site_key(*names)
        answers, now = self._run_with_time(
            ("GET", model),
            ("HGET", settings, "revision"),
            ("GET", epoch),
            ("HGET", networks, "revision"),
            ("HMGET", pin, "version", "until"),
            ("HGET", campaigns, "revision"),
            ("HGET", assigned, "revision"),
        )
        pinned = self._pin(pin, answers[4], now)
        return Revisions(
            self._whole(model, answers[0]) if pinned is None else pinned.version,
            self._whole(settings, answers[1]),
            self._whole(epoch, answers[2]),
            self._whole(networks, answers[3]),
            pinned,
            self._whole(campaigns, answers[5]),
            self._whole(assigned, answers[6]),
        )

    def model_version(self) -> int:
        model, pin = self._site_key("model", "pin")
        commands = (("GET", model), ("HMGET", pin, "version", "until"))
        (version, held), now = self._run_with_time(*commands)
        pinned = self._pin(pin, held, now)
        return self._whole(model, version) if pinned is None else pinned.version

    def model(self, version: int) -> bytes | None:
        blobs = self._run(*(("HGET", key, version) for key in self._site_key(KEPT, LATEST)))
        return next((bytes(blob) for blob in blobs if blob is not None), None)

    def model_versions(self) -> list[int]:
        keys = self._site_key(LATEST, KEPT)
        versions = {
            self._whole(key, name, -1)
            for key, names in zip(keys, self._run(*(("HKEYS", key) for key in keys)), strict=True)
            for name in names or ()
        }
        return sorted((version for version in versions if version >= 0), reverse=True)

    def publish(self, expected: int, version: int, blob: bytes) -> Publication:
        keys = self._site_key("model", LATEST, KEPT, TIMES, "pin")
        arguments = (expected, version, blob, self._time_argument(), LATEST_KEPT)
        command = ("EVAL", PUBLISH.text, len(keys), *keys, *arguments, *self._superfluous(version))
        answer = self._run_strictly(command)
        return Publication(answer) if isinstance(answer, int) else Publication.OVERTAKEN

    def pin(self, version: int, until: float = 0.0) -> bool:
        keys = self._site_key("model", LATEST, KEPT, "pin")
        command = ("EVAL", PIN.text, len(keys), *keys, version, int(until * 1000))
        return self._run_strictly(command) == 1

    def unpin(self) -> bool:
        keys = self._site_key("model", LATEST, KEPT, "pin")
        command = ("EVAL", UNPIN.text, len(keys), *keys, self._time_argument())
        return self._run_strictly(command) == 1

    def _superfluous(self, version: int) -> list[int]:
        """List the models to drop when a version is published; the script spares one in force."""
        latest, kept, times = self._site_key(LATEST, KEPT, TIMES)
        commands = (("HKEYS", latest), ("HKEYS", kept), ("HGETALL", times))
        (*names, stored), now = self._run_with_time(*commands)
        known = {
            self._whole(times, name, -1): self._whole(times, value, -1) / 1000
            for name, value in (stored or {}).items()
        }
        versions = {self._whole(kept, name, -1) for group in names for name in group or ()}
        published = {number: known.get(number, now) for number in versions if number >= 0}
        published[version] = now
        # Times without a model, too: a build before this one may have dropped it.
        lost = [number for number in known if number >= 0 and number not in published]
        return superfluous(published, now, {self.model_version()}) + lost

    def _pin(self, key: bytes, answer: list[bytes | None] | None, now: float) -> Pin | None:
        """Read the pin in force; the twin of ``pinned.lua``."""
        version, until = answer or (None, None)
        pin = Pin(self._whole(key, version), self._whole(key, until, -1) / 1000)
        return pin if pin.version and pin.until >= 0 and pin.holds(now) else None
