"""The programme documents that have been loaded. The one thing not to break: a version, once stored, never changes; a second document
under the same number is refused by its hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign_svc.store.statements import BUDGETS_ADD
from laurel_kit.postgres import Said, Transaction

PROGRAMME_ADD = text("""
INSERT INTO programme (version, sha256, document, loaded_at) VALUES (:version, :sha256, CAST(:document AS jsonb), :loaded_at)
ON CONFLICT DO NOTHING
""")

PROGRAMMES_LIST = text("SELECT version, sha256, loaded_at FROM programme ORDER BY version")
# What a version must be, where it has been activated.
ACTIVATED_HASH = text("SELECT sha256 FROM activation WHERE version = :version LIMIT 1")
PROGRAMME_ROW = text("SELECT version, sha256, loaded_at FROM programme WHERE version = :version")


@dataclass(frozen=True, slots=True)
class LoadedProgramme:
    """A version as it is stored; `loaded_at` is when it was first stored."""

    version: int
    sha256: str
    loaded_at: datetime


class ProgrammeStore:
    """The programme documents in one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def keep(
        self, version: int, sha256: str, document: bytes, budgets: Sequence[str], loaded_at: datetime
    ) -> LoadedProgramme:
        """Store the version, unless it is stored; returns what stands there (read after the insert, in a new statement). `budgets` are
        the campaigns that have one."""
        await self._tx.run(
            PROGRAMME_ADD, version=version, sha256=sha256, document=document.decode(), loaded_at=loaded_at
        )
        row = (await self._tx.run(PROGRAMME_ROW, version=version)).one()
        if row.sha256 == sha256 and budgets:
            await self._tx.run(BUDGETS_ADD, campaigns=sorted(budgets))
        return LoadedProgramme(row.version, row.sha256, row.loaded_at)

    async def activated_hash(self, version: int) -> str | None:
        return (await self._tx.run(ACTIVATED_HASH, version=version)).scalar_one_or_none()

    async def all(self) -> list[LoadedProgramme]:
        found = await self._tx.run(PROGRAMMES_LIST)
        return [LoadedProgramme(row.version, row.sha256, row.loaded_at) for row in found]

    def say(self, said: Said) -> None:
        self._tx.say(
            topic=said.topic, partition=said.partition, key=said.key, type=said.type, id=said.event_id,
            number=said.number, body=said.body,
        )  # fmt: skip
