"""Channels that report on the topic, and how much of what they say is bad. The one thing not to break: a broken producer is shut, not the
lane, so that one channel never holds up the others (architecture.md 2, "Poison")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from laurel_kit.postgres import Transaction

WINDOW_REPORTS = 1_000
BAD_MAX = 50  # of a window: 5 %

SHUT_READ = text(
    "SELECT source FROM channel_source WHERE source = ANY(CAST(:sources AS text[])) AND shut_at IS NOT NULL"
)

# Sorted, because lanes of several processes may hear the same sources. A full window begins anew.
TALLY = text("""
INSERT INTO channel_source AS c (source, reports, bad, shut_at)
SELECT source, reports, bad, CASE WHEN bad > :bad_max THEN CAST(:now AS timestamptz) END
FROM unnest(CAST(:sources AS text[]), CAST(:reports AS bigint[]), CAST(:bad AS bigint[])) AS heard(source, reports, bad)
ORDER BY source
ON CONFLICT (source) DO UPDATE SET
  reports = CASE WHEN c.reports >= :window THEN 0 ELSE c.reports END + excluded.reports,
  bad = CASE WHEN c.reports >= :window THEN 0 ELSE c.bad END + excluded.bad,
  shut_at = coalesce(c.shut_at, CASE
    WHEN CASE WHEN c.reports >= :window THEN 0 ELSE c.bad END + excluded.bad > :bad_max THEN CAST(:now AS timestamptz) END)
""")

SOURCES_READ = text("SELECT source, reports, bad, shut_at FROM channel_source ORDER BY source LIMIT :limit")

SOURCE_OPEN = text("UPDATE channel_source SET shut_at = NULL, reports = 0, bad = 0 WHERE source = :source")


class Source(NamedTuple):
    """A channel: what it reported on the topic in this window, how much of it was bad, and since when it is shut."""

    source: str
    reports: int
    bad: int
    shut_at: datetime | None


class Sources:
    """Channels inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def shut(self, sources: Collection[str]) -> set[str]:
        """Which of these are shut."""
        return set((await self._tx.run(SHUT_READ, sources=list(sources))).scalars())

    async def tally(self, heard: Mapping[str, tuple[int, int]], now: datetime) -> None:
        """Count (reports, bad ones) by source; shut those of which too many are bad."""
        if heard:
            await self._tx.run(
                TALLY, sources=list(heard), reports=[reports for reports, _ in heard.values()],
                bad=[bad for _, bad in heard.values()], window=WINDOW_REPORTS, bad_max=BAD_MAX, now=now,
            )  # fmt: skip

    async def listed(self, limit: int) -> list[Source]:
        """All channels heard on the topic."""
        return [Source(*row) for row in (await self._tx.run(SOURCES_READ, limit=limit)).all()]

    async def open(self, source: str) -> bool:
        """Hear a source again, with a new window; False when there is none."""
        return (await self._tx.run(SOURCE_OPEN, source=source)).rowcount == 1
