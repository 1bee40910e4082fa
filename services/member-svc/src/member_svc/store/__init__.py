"""The only room that speaks SQL. The one thing not to break: locks are taken in one order, identifiers, claims, members, each ascending,
and what is decided by is read in a later statement than its lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from laurel_kit.hearing import Heard
from laurel_kit.postgres import Transaction
from member_svc.domain.outcomes import Outcome
from member_svc.metrics import MemberMetrics
from member_svc.store.claims import Claims
from member_svc.store.days import Days
from member_svc.store.directory import Directory
from member_svc.store.identities import Identities
from member_svc.store.orders import Orders
from member_svc.store.programmes import Programmes
from member_svc.store.sources import Sources
from member_svc.store.status import Statuses
from member_svc.store.stream import Stream

__all__ = ["MemberStore", "Overtaken"]


CHANNEL_TOPIC = "channel-activities"
NO_PARTITION = -1  # of a dead letter that never stood in a topic


class Overtaken(Exception):
    """Another transaction was quicker with something we had read; nothing has happened, the same again will do.
    It bears PostgreSQL's own code for that, so that whoever retries a transaction retries this too."""

    sqlstate = "40001"


class MemberStore:
    """What a handler may do inside one transaction. `now`: the business clock when the transaction began."""

    def __init__(
        self, tx: Transaction, *, now: datetime, partitions: int, metrics: MemberMetrics | None = None
    ) -> None:
        self.now = now
        self.partitions = partitions
        self.identities = Identities(tx, partitions)
        self.claims = Claims(tx)
        self.orders = Orders(tx)
        self.stream = Stream(tx)
        self.programmes = Programmes(tx)
        self.days = Days(tx)
        self.statuses = Statuses(tx)
        self.directory = Directory(tx)
        self.sources = Sources(tx)
        self._tx = tx
        self._metrics = metrics

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count what became of reports, once it is known to have happened."""
        if self._metrics is not None:
            self._tx.after_commit(partial(self._metrics.count, outcomes))

    async def set_aside(self, heard: Heard, reason: str, detail: str) -> None:
        """A record of `channel-activities` that cannot be taken becomes a dead letter. Without its key: that would be said, and a
        channel may have taken an identifier for it; the door asks for none when it is replayed."""
        await self._tx.dead_letter(
            topic=heard.topic, partition=heard.partition, offset=heard.offset, key=None, value=heard.value,
            reason=reason, detail=detail,
        )  # fmt: skip

    async def set_report_aside(self, identity: bytes, report: bytes, reason: str, detail: str) -> None:
        """A report that stands at no offset (it came over HTTP, or has waited) becomes a dead letter, as if it stood in
        partition -1 at an offset made of `identity`: reported again it is the same dead letter."""
        await self._tx.dead_letter(
            topic=CHANNEL_TOPIC, partition=NO_PARTITION, offset=int.from_bytes(identity[:8]) >> 1, key=None, value=report,
            reason=reason, detail=detail,
        )  # fmt: skip
