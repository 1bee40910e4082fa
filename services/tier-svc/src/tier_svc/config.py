"""Settings, frozen, read once; seen by main only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laurel_kit.settings import KitSettings, integer

POOL_SIZE = 8
BATCH_RECORDS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What tier-svc needs to run. `topic_id` tells marks about this cluster's `activities` from those about another's."""

    kit: KitSettings
    batch_records_max: int
    topic_id: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """From the environment. Raises SettingsError."""
        return cls(
            kit=KitSettings.read(env),
            batch_records_max=integer(env, "LAUREL_BATCH_RECORDS_MAX", BATCH_RECORDS_MAX, low=1, high=10_000),
            topic_id=env.get("LAUREL_CLUSTER", "").strip() or "laurel",
        )
