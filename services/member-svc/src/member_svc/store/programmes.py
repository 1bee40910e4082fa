"""Programme versions: what is stored, who has loaded it, what is in force. The one thing not to break: the door reads what is in force
under the shared gate, and a version is activated under the exclusive one, so nobody stamps a version that is no longer in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from member_svc.domain.calendar import zone_of
from member_svc.domain.rulebook import Rulebook, Version

GATE = 0x1A0E2001  # any number: the advisory lock of the door

GATE_ENTER = text("SELECT pg_advisory_xact_lock_shared(:gate)")
GATE_SHUT = text("SELECT pg_advisory_xact_lock(:gate)")

# What is or will be in force. A statement of its own after the gate.
ACTIVATIONS_READ = text("""
SELECT version, effective_from, currency, zone, close_delay_hours, lowest_tier, sha256, position
FROM activation ORDER BY effective_from NULLS FIRST, version
""")

ACTIVATION_INSERT = text("""
INSERT INTO activation (version, sha256, effective_from, currency, zone, close_delay_hours, lowest_tier)
VALUES (:version, :sha256, :effective_from, :currency, :zone, :close_delay_hours, :lowest_tier)
ON CONFLICT DO NOTHING
""")

PROGRAMME_INSERT = text("""
INSERT INTO programme (version, sha256, document) VALUES (:version, :sha256, CAST(:document AS jsonb)) ON CONFLICT DO NOTHING
""")

PROGRAMME_READ = text("SELECT sha256, CAST(document AS text) AS document FROM programme WHERE version = :version")

# The tiers of a version, lowest first.
TIERS_READ = text("""
SELECT tier ->> 'id' AS id
FROM programme p, jsonb_array_elements(p.document -> 'tiers' -> 'ladder') WITH ORDINALITY AS step(tier, place)
WHERE p.version = :version ORDER BY place
""")

PROGRAMMES_LIST = text("""
SELECT p.version, p.sha256, a.version IS NOT NULL AS activated, a.effective_from,
       (SELECT coalesce(json_object_agg(l.service, l.sha256 ORDER BY l.service), '{}')
        FROM programme_loaded l WHERE l.version = p.version) AS loaded_by
FROM programme p LEFT JOIN activation a USING (version)
ORDER BY p.version
""")

# A service says what it has loaded; said again it is the same.
LOADED_UPSERT = text("""
INSERT INTO programme_loaded (service, version, sha256)
SELECT DISTINCT ON (1, 2) service, version, sha256
FROM unnest(CAST(:services AS text[]), CAST(:versions AS integer[]), CAST(:hashes AS text[])) WITH ORDINALITY
  AS l(service, version, sha256, place)
ORDER BY 1, 2, place DESC
ON CONFLICT (service, version) DO UPDATE SET sha256 = excluded.sha256
""")

LOADED_READ = text("SELECT service, sha256 FROM programme_loaded WHERE version = :version")


class Activation(NamedTuple):
    """An activated version at its place in the log."""

    version: int
    effective_from: datetime | None
    sha256: str
    position: int


class StoredProgramme(NamedTuple):
    """A version's document in canonical JSON, and its hash."""

    sha256: str
    document: str


class Listed(NamedTuple):
    """A stored version: whether it is activated, from when, and who has loaded which hash."""

    version: int
    sha256: str
    activated: bool
    effective_from: datetime | None
    loaded_by: dict[str, str]


class Programmes:
    """Programme versions inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def enter_gate(self) -> None:
        """Pass the door's gate: until the end of the transaction no version is activated and nothing is said again."""
        await self._tx.run(GATE_ENTER, gate=GATE)

    async def shut_gate(self) -> None:
        """Wait until nobody is in the door, and keep everybody out until the end of the transaction."""
        await self._tx.run(GATE_SHUT, gate=GATE)

    async def rulebook(self) -> Rulebook:
        """What is in force when."""
        rows = (await self._tx.run(ACTIVATIONS_READ)).all()
        return Rulebook(
            [
                Version(
                    row.version, row.effective_from, row.currency, zone_of(row.zone),
                    timedelta(hours=row.close_delay_hours), row.lowest_tier,
                )
                for row in rows
            ]
        )  # fmt: skip

    async def tiers_of(self, version: int) -> list[str]:
        """The tiers of a version, lowest first."""
        return [row.id for row in (await self._tx.run(TIERS_READ, version=version)).all()]

    async def activations(self) -> list[Activation]:
        """All activations, in the order of their place in the log."""
        rows = (await self._tx.run(ACTIVATIONS_READ)).all()
        return sorted(
            (Activation(row.version, row.effective_from, row.sha256, row.position) for row in rows),
            key=lambda activation: activation.position,
        )

    async def activate(self, version: Version, sha256: str) -> bool:
        """Put a version in force; False when it is so already."""
        done = await self._tx.run(
            ACTIVATION_INSERT,
            version=version.version,
            sha256=sha256,
            effective_from=version.effective_from,
            currency=version.currency,
            zone=version.zone.key,
            close_delay_hours=version.close_delay // timedelta(hours=1),
            lowest_tier=version.lowest_tier,
        )
        return done.rowcount == 1

    async def add(self, version: int, sha256: str, document: str) -> None:
        """Store a version; one that is there stays as it is."""
        await self._tx.run(PROGRAMME_INSERT, version=version, sha256=sha256, document=document)

    async def get(self, version: int) -> StoredProgramme | None:
        """A stored version."""
        row = (await self._tx.run(PROGRAMME_READ, version=version)).one_or_none()
        return None if row is None else StoredProgramme(row.sha256, row.document)

    async def listed(self) -> list[Listed]:
        """All stored versions."""
        return [Listed(*row) for row in (await self._tx.run(PROGRAMMES_LIST)).all()]

    async def note_loaded(self, loaded: Sequence[tuple[str, int, str]]) -> None:
        """Services have loaded versions: (service, version, sha256)."""
        if loaded:
            services, versions, hashes = map(list, zip(*loaded, strict=True))
            await self._tx.run(LOADED_UPSERT, services=services, versions=versions, hashes=hashes)

    async def loaded_by(self, version: int) -> dict[str, str]:
        """Who has loaded this version, with which hash."""
        return {row[0]: row[1] for row in (await self._tx.run(LOADED_READ, version=version)).all()}
