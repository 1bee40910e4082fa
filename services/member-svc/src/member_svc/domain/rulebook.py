"""Which programme version is in force when (domain.md 6), as far as the door needs it: currency, zone, delay of days, lowest tier.
The one thing not to break: an activity is stamped by its `time`, never by when it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Version:
    """A programme version that has been activated; `effective_from` None: from the beginning."""

    version: int
    effective_from: datetime | None
    currency: str
    zone: ZoneInfo
    close_delay: timedelta
    lowest_tier: str = ""


class NoProgramme(Exception):
    """No programme version is in force: the door has no currency and no calendar yet."""


class Rulebook:
    """The activated versions, oldest first."""

    __slots__ = ("_only", "versions")

    def __init__(self, versions: Sequence[Version]) -> None:
        self.versions = versions
        self._only = versions[0] if len(versions) == 1 and versions[0].effective_from is None else None

    def in_force(self, instant: datetime) -> Version:
        """The version in force at an instant: the latest activation that is not after it. Raises NoProgramme."""
        if self._only is not None:
            return self._only
        for version in reversed(self.versions):
            if version.effective_from is None or version.effective_from <= instant:
                return version
        raise NoProgramme
