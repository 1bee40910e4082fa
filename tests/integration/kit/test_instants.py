"""Instants between a service and its real PostgreSQL. Breaks where the two count from different days, in other units, or only one of the
ways in (a statement's value, an array, a copied row) is ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Database

AT = [
    datetime(2026, 11, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=timezone(timedelta(hours=-4))),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2, 1, 1, tzinfo=UTC),
    datetime(9998, 12, 31, 12, tzinfo=timezone(timedelta(hours=14))),
]
TOLD = "SELECT at, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') AS told FROM moment ORDER BY place"


@pytest.mark.parametrize("way", ["value", "array", "copied"])
async def test_postgres_tells_an_instant_as_it_was_written(database: Database, way: str) -> None:
    async with database.transaction() as tx:
        await tx.run(text("CREATE TABLE moment (place integer, at timestamptz)"))
        if way == "value":
            for place, at in enumerate(AT):
                await tx.run(text("INSERT INTO moment VALUES (:place, :at)"), place=place, at=at)
        elif way == "array":
            arrays = "SELECT * FROM unnest(CAST(:places AS integer[]), CAST(:ats AS timestamptz[]))"
            await tx.run(text(f"INSERT INTO moment {arrays}"), places=list(range(len(AT))), ats=AT)
        else:
            await tx.copy("moment", ("place", "at"), enumerate(AT))
    async with database.reading() as tx:
        rows = (await tx.run(text(TOLD))).all()
        raw = await tx.fetch(TOLD)
    for found in (rows, raw):
        assert [row[0] for row in found] == AT
        assert [row[1] for row in found] == [at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").zfill(26) for at in AT]
