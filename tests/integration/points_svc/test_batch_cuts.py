"""The result must not depend on where a batch is cut, nor on how far each service had got (architecture.md 2, domain.md 3.1)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from laurel_kit.hearing import RawRecord
from tests.fault.report import record
from tests.integration.points_svc.books import Books, activated, cuts
from tests.integration.points_svc.histories import History, make
from tests.unit.points_svc.script import programme

NewBooks = Callable[[], Awaitable[Books]]
PARTITIONS = 3


async def opened(new_books: NewBooks) -> Books:
    books = await new_books()
    await books.load(programme())
    await books.apply([activated(partition=partition) for partition in range(PARTITIONS)])
    return books


async def spend_all_there_is(books: Books, history: History) -> None:
    """So that what is taken back later becomes debt, and what comes then repays it."""
    now = history.times[len(history.times) // 2]
    for member in history.members:
        there = (await books.outcome(member)).posted
        await books.spend(max(1, there - 20), f"spending-of-{member}", now, member=member)


@pytest.mark.fault
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_log_gives_the_same_books_however_it_is_cut(new_books: NewBooks, seed: int) -> None:
    """T-K18: points-svc. What would break it: anything a handler knows from the batch and not from the books."""
    years = seed == 2
    history = make(
        seed,
        members=12,
        events=300,
        partitions=PARTITIONS,
        days_per_step=3.0 if years else 0.05,
        close_days=9 if years else 1,
    )
    half = len(history.facts_ahead) // 2
    dumps, saids = {}, {}
    for cut in (1, 7, 100, 1000, "random"):
        books = await opened(new_books)
        await books.apply_cut(history.facts_ahead[:half], cuts(cut, seed))
        await spend_all_there_is(books, history)
        await books.apply_cut(history.campaigns, cuts(cut, seed))
        await books.apply_cut(history.facts_ahead[half:], cuts(cut, seed))
        assert await books.broken() == {}
        dumps[cut] = await books.dump()
        saids[cut] = sorted(await books.said(), key=lambda one: (one[0], one[1]))
    differing = [cut for cut in dumps if (dumps[cut], saids[cut]) != (dumps[1], saids[1])]
    figure = (
        f"points-svc, {len(history.facts_ahead)} records, cuts {', '.join(map(str, dumps))}: {len(differing)} differ"
    )
    record("T-K18", figure, "identical state", not differing, seed=seed)
    for cut in dumps:
        for table in dumps[1]:
            assert dumps[cut][table] == dumps[1][table], f"{table} cut by {cut}"
        assert saids[cut] == saids[1]
    kinds = {row["kind"] for row in dumps[1]["transfer"]}
    assert kinds >= {"earned", "taken_back", "awarded", "award_taken_back", "spent", "repaid"}
    assert ("expired" in kinds) == years


@pytest.mark.parametrize("seed", [3, 4, 5])
async def test_nets_lots_and_debt_do_not_depend_on_which_service_was_quicker(new_books: NewBooks, seed: int) -> None:
    history = make(seed, members=12, events=200, partitions=PARTITIONS)
    chance = random.Random(seed)
    apart: list[Sequence[RawRecord]] = [history.activities, history.tiers, history.campaigns]
    logs = [
        [*history.tiers, *history.campaigns, *history.activities],
        [*history.activities, *history.tiers, *history.campaigns],
        [*history.campaigns, *history.activities, *history.tiers],
        mixed(chance, apart),
        mixed(chance, apart),
    ]
    states, rated_again = [], 0
    for log in logs:
        books = await opened(new_books)
        await books.apply_cut(log, cuts("random", seed))
        assert await books.broken() == {}
        dump = await books.dump()
        rated_again += sum(row["kind"] == "rated_again" for row in dump["transfer"])
        states.append(
            {
                "nets": [(row["member_id"], row["order_id"], row["net"], row["tier"]) for row in dump["purchase"]],
                "awards": [(row["award_id"], row["net"]) for row in dump["award"]],
                "lots": [(row["member_id"], row["lot"], row["remaining"]) for row in dump["lot"] if row["remaining"] != "0"],
                "debt": [(row["member_id"], row["debt"], row["posted"], row["earned_net"]) for row in dump["account"]],
            }
        )  # fmt: skip
    assert all(state == states[0] for state in states)
    assert rated_again


def mixed(chance: random.Random, logs: Sequence[Sequence[RawRecord]]) -> list[RawRecord]:
    """Each log in its own order, mixed by chance."""
    rest = [list(log) for log in logs]
    result: list[RawRecord] = []
    while any(rest):
        (log,) = chance.choices(rest, [len(log) for log in rest])
        result.append(log.pop(0))
    return result


async def test_a_redelivered_record_counts_once(new_books: NewBooks) -> None:
    history = make(9, members=5, events=100, partitions=PARTITIONS)
    once, twice = await opened(new_books), await opened(new_books)
    await once.apply(history.facts_ahead)
    await twice.apply(history.facts_ahead[:60])
    await twice.apply([one for one in history.facts_ahead[:60] if one.key is not None])
    await twice.apply(history.facts_ahead[60:])
    assert await twice.dump() == await once.dump()
