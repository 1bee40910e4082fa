"""Settings, frozen, read once; seen by main only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laurel_kit.settings import KitSettings, integer

POOL_SIZE = 8
BATCH_RECORDS_MAX = 1_000
PIECE_MEMBERS_MAX = 2_000  # some 100 ms of judging and as much of writing: nobody waits long for the lane's cursor


@dataclass(frozen=True, slots=True)
class Settings:
    """What tier-svc needs to run. `topic_id` tells marks about this cluster's `activities` from those about another's.
    `piece_members_max`: how many members of a closed day one transaction judges."""

    kit: KitSettings
    batch_records_max: int
    piece_members_max: int
    topic_id: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Settings:
        """From the environment. Raises SettingsError."""
        return cls(
            kit=KitSettings.read(env),
            batch_records_max=integer(env, "LAUREL_BATCH_RECORDS_MAX", BATCH_RECORDS_MAX, low=1, high=10_000),
            piece_members_max=integer(env, "LAUREL_PIECE_MEMBERS_MAX", PIECE_MEMBERS_MAX, low=1, high=100_000),
            topic_id=env.get("LAUREL_CLUSTER", "").strip() or "laurel",
        )
