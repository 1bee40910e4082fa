"""An independent witness: a trigger of the test's own writes down every move of every cursor, whoever makes it. What it wrote is judged
here, without the kit."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Database

STATEMENTS = (
    """CREATE TABLE cursor_moved (place bigint GENERATED ALWAYS AS IDENTITY, grp text, topic text, partition integer,
                                   was bigint, now bigint, xact bigint DEFAULT txid_current())""",
    """CREATE FUNCTION cursor_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO cursor_moved (grp, topic, partition, was, now)
         VALUES (NEW.grp, NEW.topic, NEW.partition, CASE TG_OP WHEN 'UPDATE' THEN OLD.next_offset END, NEW.next_offset);
         RETURN NULL;
       END $$""",
    """CREATE TRIGGER watched AFTER INSERT OR UPDATE ON consumer_cursor FOR EACH ROW EXECUTE FUNCTION cursor_moved()""",
)

MOVES = text("SELECT grp, topic, partition, was, now FROM cursor_moved ORDER BY place")


async def watch_cursors(database: Database) -> None:
    """From now on every move is written down."""
    async with database.transaction() as tx:
        for statement in STATEMENTS:
            await tx.run(text(statement))


async def broken_moves(database: Database, *, group: str | None = None) -> list[str]:
    """What no cursor may ever do: move back, or begin where it did not end. Empty is the promise."""
    broken = []
    at: dict[tuple[str, str, int], int] = {}
    async with database.reading() as tx:
        for grp, topic, partition, was, now in (await tx.run(MOVES)).all():
            lane = (grp, topic, partition)
            if group is not None and grp != group:
                continue
            if was is not None and (was != at.get(lane) or now <= was):
                broken.append(f"{topic}/{partition}: {was} -> {now}, and it stood at {at.get(lane)}")
            at[lane] = now
    return broken


async def count_moves(database: Database) -> int:
    """How many moves were written down, so that a test can tell silence from health."""
    async with database.reading() as tx:
        return len((await tx.run(MOVES)).all())


async def positions(database: Database, topic: str) -> dict[int, int]:
    """Where the lanes of a topic stand, by partition."""
    query = text("SELECT partition, next_offset FROM consumer_cursor WHERE topic = :topic")
    async with database.reading() as tx:
        return {row.partition: row.next_offset for row in await tx.run(query, topic=topic)}


async def rows(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.run(text(statement), **values)]


async def one(database: Database, statement: str, **values: Any) -> Any:
    """The one value of a statement."""
    return (await rows(database, statement, **values))[0][0]


async def dead_letters(database: Database) -> dict[str, int]:
    """How many dead letters by reason."""
    counted: dict[str, int] = defaultdict(int)
    for (reason,) in await rows(database, "SELECT reason FROM dead_letter"):
        counted[reason] += 1
    return dict(counted)
