"""The only room that speaks SQL: what tier-svc keeps, as the handlers ask for it. The one thing not to break: nothing here decides."""

from __future__ import annotations

from laurel_kit.postgres import Transaction
from tier_svc.metrics import TierMetrics
from tier_svc.store.answers import Answers
from tier_svc.store.benefits import Benefits
from tier_svc.store.programmes import Programmes
from tier_svc.store.rewards import TaskRewards
from tier_svc.store.shelf import ProgrammeShelf
from tier_svc.store.streams import Streams

__all__ = ["ProgrammeShelf", "TierStore"]


class TierStore:
    """One transaction's view of everything that tier-svc keeps. `topic_id` says which `activities` our marks are about."""

    def __init__(
        self, tx: Transaction, shelf: ProgrammeShelf, *, topic_id: str = "", metrics: TierMetrics | None = None
    ) -> None:
        self.tx = tx
        self.topic_id = topic_id
        self.metrics = metrics or TierMetrics()
        self.programmes = Programmes(tx, shelf)
        self.streams = Streams(tx, self.programmes)
        self.rewards = TaskRewards(tx)
        self.answers = Answers(tx)
        self.benefits = Benefits(tx)
