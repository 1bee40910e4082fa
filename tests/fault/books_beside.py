"""The books of points-svc looked at again and again while others work on them. The one thing not to break: each look is one statement, so
it sees one instant; what it finds wrong is kept, and nobody can forget to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import asyncpg

EVERY_SECONDS = 0.02
PROBLEMS_KEPT = 20

# Of one instant: what members have and owe, what lies in clearing by the entries, and what is under way by the two sides' own rows.
LOOK = """
SELECT (SELECT coalesce(sum(posted - debt), 0) FROM account)::bigint AS with_members,
  (SELECT coalesce(sum(CASE WHEN credit = 'clearing' THEN amount ELSE -amount END), 0) FROM transfer
   WHERE debit = 'clearing' OR credit = 'clearing')::bigint AS in_clearing,
  (SELECT coalesce(sum(h.points), 0) FROM handover h WHERE h.state = 'under_way' AND NOT EXISTS (
     SELECT FROM arrival a WHERE a.handover_id = h.handover_id AND a.because IS NULL))::bigint AS under_way
"""


@dataclass
class Looks:
    """What was seen. `total`: what members and clearing held together when the looking began; nothing but transfers happens meanwhile."""

    total: int | None = None
    looks: int = 0
    with_points_between: int = 0
    most_between: int = 0
    problems: list[str] = field(default_factory=list)

    def see(self, with_members: int, in_clearing: int, under_way: int) -> None:
        """One instant."""
        self.looks += 1
        self.with_points_between += in_clearing > 0
        self.most_between = max(self.most_between, in_clearing)
        if self.total is None:
            self.total = with_members + in_clearing
        wrong = []
        if with_members + in_clearing != self.total:
            wrong.append(f"members have {with_members}, clearing {in_clearing}, together it was {self.total}")
        if in_clearing != under_way:
            wrong.append(f"clearing holds {in_clearing}, {under_way} are under way")
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems += wrong


async def _look(url: str, looks: Looks, over: Event) -> None:
    connection = await asyncpg.connect(url)
    try:
        while not over.is_set():
            looks.see(*await connection.fetchrow(LOOK))
            await asyncio.sleep(EVERY_SECONDS)
    finally:
        await connection.close()


@contextmanager
def looked_at(url: str) -> Iterator[Looks]:
    """Look at the books behind this address until the block is left. What stops the looking, is raised there."""
    looks, over = Looks(), Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(_look(url, looks, over))
        except BaseException as failure:  # noqa: BLE001 - told to who opened the block
            failed.append(failure)

    thread = Thread(target=run, name="looking at the books")
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]
