"""Members as they can be looked up. Reads only. The one thing not to break: pages follow the member id, so a page never repeats or skips
anybody while members are being added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text

from laurel_kit.postgres import Transaction
from member_svc.domain.identifiers import Name

_COLUMNS = """
SELECT m.member_id, m.state, m.enrolled_at, m.last_seq, m.partition,
       ARRAY(SELECT i.kind FROM identifier i WHERE i.member_id = m.member_id ORDER BY i.kind, i.value) AS kinds,
       ARRAY(SELECT i.value FROM identifier i WHERE i.member_id = m.member_id ORDER BY i.kind, i.value) AS values
FROM member m
"""

MEMBER_READ = text(f"{_COLUMNS} WHERE m.member_id = :member_id")

MEMBER_FIND = text(
    f"{_COLUMNS} JOIN identifier n ON n.member_id = m.member_id WHERE n.kind = :kind AND n.value = :value"
)

MEMBERS_PAGE = text(f"{_COLUMNS} WHERE m.member_id > :after ORDER BY m.member_id LIMIT :limit")


class Card(NamedTuple):
    """A member as staff see him."""

    member_id: UUID
    state: str
    enrolled_at: datetime
    last_seq: int
    partition: int
    identifiers: Sequence[Name]


class Directory:
    """Look-ups inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def get(self, member_id: UUID) -> Card | None:
        """The member of this id."""
        row = (await self._tx.run(MEMBER_READ, member_id=member_id)).one_or_none()
        return None if row is None else _card(row)

    async def find(self, name: Name) -> Card | None:
        """The member whom a channel knows by this identifier."""
        row = (await self._tx.run(MEMBER_FIND, kind=name[0], value=name[1])).one_or_none()
        return None if row is None else _card(row)

    async def page(self, after: UUID, limit: int) -> list[Card]:
        """Members with ids above `after`."""
        return [_card(row) for row in (await self._tx.run(MEMBERS_PAGE, after=after, limit=limit)).all()]


def _card(row: Row[*tuple[Any, ...]]) -> Card:
    member_id, state, enrolled_at, last_seq, partition, kinds, values = row
    return Card(member_id, state, enrolled_at, last_seq, partition, list(zip(kinds, values, strict=True)))
