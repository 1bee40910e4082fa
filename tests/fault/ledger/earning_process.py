"""python -m tests.fault.ledger.earning_process URL MEMBERS SECONDS: a thousand purchases of these members at a time, one thousand after
another, in transactions of the size that the consume loop would give them, in a process of its own so that they take no time from the
callers'. Prints how many transactions and events, and how long a transaction took, which is how long its accounts were locked."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from uuid import UUID

import msgspec

from laurel_kit.batch_size import BatchSize
from laurel_kit.service import quiet_garbage_collector
from tests.integration.points_svc.books import Books, activated, told
from tests.unit.points_svc.script import SHANGHAI, Script, programme

BATCH = 1_000
LAID_ACTIVITY = 0  # members that were laid have heard no activity yet


async def earn(url: str, members: int, seconds: float) -> dict[str, float]:
    """Until the time is over; every thousand names as many members, so that all of a transaction are locked at once."""
    books, rng = Books(url), random.Random(5)
    await books.load(programme())
    scripts = [Script(number=LAID_ACTIVITY) for _ in range(members)]
    await books.apply([activated()])
    quiet_garbage_collector()
    size, events, took, until = BatchSize(BATCH), 0, [], time.monotonic() + seconds
    while time.monotonic() < until:
        records = []
        for n in rng.sample(range(members), min(BATCH, members)):
            script = scripts[n]
            script.buy(rng.randint(100, 30_000), f"o{n}-{script.number}")
            records.append(told(script.steps.pop(), UUID(int=n + 1), SHANGHAI))  # type: ignore[arg-type]
        while records:
            taken, records = records[: size.records], records[size.records :]
            began = time.monotonic()
            size.applied(waited_for=await books.apply(taken))
            took.append(time.monotonic() - began)
            events += len(taken)
    await books.database.close()
    took.sort()
    return {
        "batches": len(took), "events": events, "median_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[int(len(took) * 0.99)],
    }  # fmt: skip


def main() -> None:
    url, members, seconds = sys.argv[1:]
    sys.stdout.write(msgspec.json.encode(asyncio.run(earn(url, int(members), float(seconds)))).decode() + "\n")


if __name__ == "__main__":
    main()
