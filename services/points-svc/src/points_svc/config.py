"""Settings of points-svc, read once from the environment by `main` and by nobody else. The one thing not to break: they are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laurel_kit.settings import KitSettings, integer, seconds

BATCH_RECORDS_MAX = 1_000
# Who waits for an account that a batch has locked waits in a place of the pool. A batch of a thousand names half of a small shop's members
# for 0.2 s; at 60 holds a second eight of them and more stood there at once, and others found no place (T-L05: 503, p99 349 ms).
POOL_SIZE = 16
READING_SIZE = 8
PATIENCE_SECONDS = 0.2
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`patience_seconds`: how long a batch of activities waits for tier-svc's mark while that mark is younger than `fresh_seconds`
    (domain.md 3.1). Waiting keeps statements quiet; the result does not depend on it."""

    kit: KitSettings
    batch_records_max: int
    patience_seconds: float
    fresh_seconds: float

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """From the environment. Raises SettingsError."""
        return cls(
            kit=KitSettings.read(env),
            batch_records_max=integer(env, "LAUREL_BATCH_RECORDS_MAX", BATCH_RECORDS_MAX, low=1, high=10_000),
            patience_seconds=seconds(env, "LAUREL_MARK_PATIENCE_SECONDS", PATIENCE_SECONDS),
            fresh_seconds=seconds(env, "LAUREL_MARK_FRESH_SECONDS", FRESH_SECONDS),
        )
