"""What has been said, read from the books in pages of members, to be said again. The one thing not to break: the members of a page are
locked before their facts are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from campaign_svc.domain.awards import Emptied
from campaign_svc.store.answers import BACK_COLUMNS, KeptAward, kept_award
from campaign_svc.store.programmes import LoadedProgramme, ProgrammeStore
from campaign_svc.store.statements import AWARD_COLUMNS, MEMBERS_LOCK
from laurel_kit.postgres import Said, Transaction

PAGE_MEMBERS = 1_000

SAID_OF_MEMBERS = text(f"""
SELECT {AWARD_COLUMNS}, {BACK_COLUMNS} FROM award a
WHERE a.member_id = ANY(CAST(:members AS uuid[])) ORDER BY a.member_id, a.said_number
""")
MEMBERS_PAGE = text(
    "SELECT member_id FROM member WHERE member_id > :after AND said_number > 0 ORDER BY member_id LIMIT :limit"
)
EMPTIED_LIST = text("SELECT campaign_id, budget, partition, version, at FROM emptied ORDER BY campaign_id, budget")


class Resaying:
    """One transaction in which facts are said again."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def members_after(self, after: UUID) -> list[UUID]:
        """The next page of members about whom anything was said."""
        found = await self._tx.run(MEMBERS_PAGE, after=after, limit=PAGE_MEMBERS)
        return [row.member_id for row in found]

    async def hold(self, members: Sequence[UUID]) -> None:
        await self._tx.run(MEMBERS_LOCK, ids=sorted(members))

    async def said_of(self, members: Sequence[UUID]) -> list[KeptAward]:
        return [kept_award(row) for row in await self._tx.run(SAID_OF_MEMBERS, members=list(members))]

    async def emptied(self) -> list[Emptied]:
        found = await self._tx.run(EMPTIED_LIST)
        return [Emptied(row.campaign_id, row.budget, row.partition, row.version, row.at) for row in found]

    async def programmes(self) -> list[LoadedProgramme]:
        return await ProgrammeStore(self._tx).all()

    def say(self, messages: Iterable[Said]) -> None:
        for said in messages:
            self._tx.say(
                topic=said.topic, partition=said.partition, key=said.key, type=said.type, id=said.event_id,
                number=said.number, body=said.body,
            )  # fmt: skip
