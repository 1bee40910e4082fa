"""What a closed day has passed expires once, whatever dies meanwhile, and quickly enough (reliability.md 3.6, T-L15)."""

from __future__ import annotations

import asyncio
import os
import random
import sys

import pytest

from laurel_kit.hearing import RawRecord
from tests.fault.ledger.many_lots import DUE_AT, EXPIRED_SO_FAR, ONCE, SAID, TWICE, Sizes, count, fill
from tests.fault.ledger.sweeping_process import LIMIT, URL
from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import Books, activated, ended
from tests.support.shop import ROOT, Deadline
from tests.unit.points_svc.script import programme

LOTS_PER_SECOND_MIN = 20_000
SECONDS_MAX = 120.0


async def close(books: Books) -> None:
    """The day closes: the record of either partition, in one batch."""
    await books.load(programme())
    records: list[RawRecord] = [activated(partition=0), activated(partition=1)]
    await books.apply(records)
    await books.apply([ended(DUE_AT, partition=0), ended(DUE_AT, partition=1)])


async def begin(books: Books, accounts: int | None = None) -> asyncio.subprocess.Process:
    """A process that sweeps so many accounts per transaction; None: as many as the service thinks fit."""
    url = books.database.url.render_as_string(hide_password=False)
    env = {**os.environ, URL: url} | ({} if accounts is None else {LIMIT: str(accounts)})
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fault.ledger.sweeping_process", env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


async def kill_after(books: Books, process: asyncio.subprocess.Process, entries: int, chance: random.Random) -> bool:
    """Kill -9 somewhere behind so many entries; whether it was still at work."""
    until = Deadline(SECONDS_MAX)
    while process.returncode is None and await count(books, EXPIRED_SO_FAR) < entries:
        assert not until.passed(), "the sweep does not get on"
        await asyncio.sleep(chance.random() * 0.01)
    if process.returncode is None:
        process.kill()
    return await process.wait() != 0


async def killed(books: Books, sizes: Sizes, kills: int, accounts: int, seed: int) -> tuple[bool, str]:
    """Sweep while the sweeper is killed so often; what became of the lots."""
    chance = random.Random(seed)
    await fill(books, sizes)
    await close(books)
    first = await count(books, EXPIRED_SO_FAR)
    died = 0
    for n in range(kills):
        aim = first + 1 + (sizes.members - first) * n // (kills + 1)
        died += await kill_after(books, await begin(books, accounts), aim, chance)
    last = await begin(books, accounts)
    assert await asyncio.wait_for(last.wait(), SECONDS_MAX) == 0
    left, once, twice = await count(books), await count(books, ONCE), await count(books, TWICE)
    async with books.database.reading() as tx:
        said, distinct = (await tx.run(SAID)).one()
    broken = await books.broken()
    figure = (
        f"{sizes.lots_due:,} due lots of {sizes.members:,} members, sweeper killed {died} times: expired once {once:,}, "
        f"twice {twice}, not at all {left}, said {said:,}, broken {broken or 0}"
    )
    held = (left, once, twice, broken) == (0, sizes.lots_due, 0, {}) and said == distinct == sizes.members
    return held and died == kills, figure


@pytest.mark.fault
async def test_each_lot_expires_once_although_the_sweeper_is_killed(books: Books) -> None:
    """T-L15, small. What would break it: progress kept anywhere but in what is swept, or said in another transaction."""
    seed = seed_of("T-L15", 15)
    held, figure = await killed(books, Sizes(members=2_500, each=3, due=2), 3, accounts=5, seed=seed)
    record("T-L15", figure, "each lot expired once", held, seed=seed)
    assert held, figure


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.full
async def test_each_of_200_000_lots_expires_once_although_the_sweeper_is_killed_50_times(books: Books) -> None:
    """T-L15: at full size."""
    seed = seed_of("T-L15", 150)
    held, figure = await killed(books, Sizes(members=50_000, each=6, due=4), 50, accounts=100, seed=seed)
    record("T-L15", figure, "each lot expired once", held, seed=seed)
    assert held, figure


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.full
@pytest.mark.parametrize("due", [4, 1], ids=["4 lots a member", "1 lot a member"])
async def test_200_000_lots_expire_at_20_000_a_second(books: Books, due: int) -> None:
    """T-L15: how quickly, on whatever machine this is; entries, lots, accounts and what is said of it, all in. Where each member has one
    due lot, it costs what a purchase costs: an account, an entry and a message for each; that is told, and has no bar."""
    sizes = Sizes(members=200_000 // due, each=due + 2, due=due)
    await fill(books, sizes)
    await close(books)
    left = await count(books)
    printed, _ = await asyncio.wait_for((await begin(books)).communicate(), SECONDS_MAX)
    seconds = float(printed)
    rate = left / seconds
    figure = f"{left:,} due lots, {due} a member, swept in {seconds:.1f} s: {rate:,.0f} lots/s"
    held = await count(books) == 0
    bar, is_quick = f">= {LOTS_PER_SECOND_MIN:,} lots/s", rate >= LOTS_PER_SECOND_MIN
    if due == 1:
        bar, is_quick = "told: each costs as much as a purchase", True
    record("T-L15", figure, bar, held and is_quick, seconds=seconds)
    assert held
    assert is_quick, figure
