"""Programme versions and what is known about each partition of `activities`: its activations and its last closed day. The one thing not
to break: a version that is not loaded holds the lane; nobody guesses one (domain.md 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from laurel_contracts import programme as document
from laurel_kit.hearing import Hold
from laurel_kit.postgres import Transaction
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.store import statements as sql
from tier_svc.store.shelf import ProgrammeShelf, Shelved


@dataclass(frozen=True, slots=True)
class Activation:
    """A version in force from an instant (None: from the beginning), as a partition was told."""

    version: int
    sha256: str
    effective_from: datetime | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version as it stands here."""

    version: int
    sha256: str
    loaded_at: datetime


@dataclass(slots=True)
class Lane:
    """What the calendar of one partition has come to."""

    partition: int
    as_of: datetime | None = None
    activations: list[Activation] = field(default_factory=list)

    def knows(self, version: int) -> bool:
        """Whether the version has been activated here before."""
        return any(activation.version == version for activation in self.activations)


class Programmes:
    """Reads and writes of programmes, activations and closed days."""

    def __init__(self, tx: Transaction, shelf: ProgrammeShelf) -> None:
        self._tx = tx
        self._shelf = shelf

    @property
    def have_tasks(self) -> bool:
        """Whether a version that has been in force in the lanes at hand has tasks; asked behind `timeline`, which loads them all."""
        return self._shelf.has_tasks

    async def lanes(self, partitions: Iterable[int]) -> dict[int, Lane]:
        """What is known about partitions."""
        wanted = sorted(set(partitions))
        lanes = {partition: Lane(partition) for partition in wanted}
        for row in (await self._tx.run(sql.LANES_READ, partitions=wanted)).all():
            lane = lanes[row.partition]
            lane.as_of = row.as_of
            if row.version is not None:
                lane.activations.append(Activation(row.version, row.sha256, row.effective_from))
        return lanes

    async def timeline(self, activations: Sequence[Activation]) -> Timeline:
        """The versions in force, by instant. Raises Hold where one is not loaded here, or is another document."""
        versions = await self.load(activation.version for activation in activations)
        for activation in activations:
            if versions[activation.version].sha256 != activation.sha256:
                raise Hold(f"programme version {activation.version} is another document here than the one activated")
        return Timeline([(each.effective_from, versions[each.version].rules) for each in activations])

    async def rules(self, versions: Iterable[int]) -> dict[int, Rules]:
        """The rules of some versions. Raises Hold where one is not loaded here."""
        return {version: shelved.rules for version, shelved in (await self.load(versions)).items()}

    async def load(self, versions: Iterable[int]) -> dict[int, Shelved]:
        """Some versions. Raises Hold where one is not loaded here."""
        wanted = set(versions)
        missing = self._shelf.missing(wanted)
        if missing:
            for row in (await self._tx.run(sql.PROGRAMMES_READ, versions=missing)).all():
                self._shelf.add(row.sha256, row.document)
        found = {version: shelved for version in wanted if (shelved := self._shelf.get(version)) is not None}
        if len(found) < len(wanted):
            raise Hold(f"programme version {min(wanted - found.keys())} is not loaded")
        return found

    async def close_days(self, closed: dict[int, datetime]) -> None:
        """Remember the last closed day of partitions."""
        if closed:
            await self._tx.run(sql.DAYS_CLOSE, partitions=list(closed), as_ofs=list(closed.values()))

    async def activate(self, activated: Sequence[tuple[int, int, Activation]]) -> None:
        """Remember activations, each with its partition and offset."""
        if activated:
            await self._tx.run(
                sql.ACTIVATIONS_ADD,
                partitions=[partition for partition, _, _ in activated],
                offsets=[offset for _, offset, _ in activated],
                versions=[activation.version for _, _, activation in activated],
                hashes=[activation.sha256 for _, _, activation in activated],
                froms=[activation.effective_from for _, _, activation in activated],
            )

    async def listed(self) -> list[Loaded]:
        """All versions that are loaded."""
        found = (await self._tx.run(sql.PROGRAMMES_LIST)).all()
        return [Loaded(row.version, row.sha256, row.loaded_at) for row in found]

    async def keep(self, programme: document.Programme, sha256: str, now: datetime) -> Loaded:
        """Keep a version; gives back what stands under its number, which may be another document."""
        canonical = document.canonical(programme).decode()
        await self._tx.run(
            sql.PROGRAMME_ADD, version=programme.version, sha256=sha256, document=canonical, loaded_at=now
        )
        row = (await self._tx.run(sql.PROGRAMMES_READ, versions=[programme.version])).one()
        return Loaded(row.version, row.sha256, row.loaded_at)

    async def newest_in_force(self) -> Rules | None:
        """The newest version that was activated anywhere; None before the first."""
        version = (await self._tx.run(sql.ACTIVATED_LAST)).scalar_one()
        return None if version is None else (await self.rules([version]))[version]
