"""Programme versions: the documents, and since when each is in force in a partition. The one thing not to break: a version once stored is
never changed, so that it can be kept in memory for ever."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text

from laurel_contracts import programme as contract
from laurel_kit.hearing import Hold
from laurel_kit.postgres import Transaction
from points_svc.domain.rules import Activation, Rules, rules_of

DOCUMENTS = text("""
SELECT version, CAST(document AS text) AS document FROM programme WHERE version = ANY(CAST(:versions AS integer[]))
""")

# Two of the same version at once: the first one stays.
ADD = text("""
INSERT INTO programme (version, sha256, document, loaded_at)
VALUES (:version, :sha256, CAST(CAST(:document AS text) AS jsonb), :at)
ON CONFLICT (version) DO NOTHING
""")

LIST = text("SELECT version, sha256, loaded_at FROM programme ORDER BY version")

STORED = text("SELECT sha256, loaded_at FROM programme WHERE version = :version")

ACTIVATE = text("""
INSERT INTO activation (partition, version, effective_from)
SELECT * FROM unnest(CAST(:partitions AS integer[]), CAST(:versions AS integer[]), CAST(:effective_from AS timestamptz[]))
ON CONFLICT (partition, version) DO NOTHING
""")

ACTIVATIONS = text("""
SELECT partition, version, effective_from FROM activation WHERE partition = ANY(CAST(:partitions AS integer[]))
""")


class Shelf:
    """What lives as long as the process: versions it has made ready, and how many `partitions` every topic of ours has."""

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self._rules: dict[int, Rules] = {}

    async def rules(self, tx: Transaction, versions: Collection[int]) -> dict[int, Rules]:
        """The versions by number. Raises Hold where one is not loaded: nobody guesses a rule."""
        missing = [version for version in versions if version not in self._rules]
        if missing:
            for row in await tx.run(DOCUMENTS, versions=missing):
                self._rules[row.version] = rules_of(msgspec.json.decode(row.document, type=contract.Programme))
        for version in missing:
            if version not in self._rules:
                raise Hold(f"programme version {version} is not loaded")
        return self._rules

    async def known(self, tx: Transaction, version: int) -> Rules | None:
        """One version, or None where it is not loaded: for what can do without."""
        try:
            return (await self.rules(tx, [version]))[version]
        except Hold:
            return None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version that is stored here."""

    version: int
    sha256: str
    loaded_at: datetime


async def add(tx: Transaction, programme: contract.Programme, at: datetime) -> Loaded:
    """Store a version, unless it is there already. What is returned is what stands, perhaps with other content."""
    sha256 = contract.sha256(programme)
    document = contract.canonical(programme).decode()
    await tx.run(ADD, version=programme.version, sha256=sha256, document=document, at=at)
    row = (await tx.run(STORED, version=programme.version)).one()
    return Loaded(programme.version, row.sha256, row.loaded_at)


async def listed(tx: Transaction) -> list[Loaded]:
    """All versions."""
    return [Loaded(*row) for row in await tx.run(LIST)]


async def activate(tx: Transaction, activations: Collection[tuple[int, int, datetime | None]]) -> None:
    """(partition, version, since when)."""
    if activations:
        partitions, versions, since = map(list, zip(*activations, strict=True))
        await tx.run(ACTIVATE, partitions=partitions, versions=versions, effective_from=since)


async def activations(tx: Transaction, partitions: Collection[int]) -> dict[int, list[Activation]]:
    """Since when each version is in force, as each partition has been told."""
    found: dict[int, list[Activation]] = {partition: [] for partition in partitions}
    for row in await tx.run(ACTIVATIONS, partitions=list(found)):
        found[row.partition].append(Activation(row.version, row.effective_from))
    return found
