"""A referral is paid when the new member's first purchase has outlived its refund window, by his clock (domain.md 3.2)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from laurel_contracts.decisions import MemberRegistered
from laurel_contracts.envelope import derived_id
from laurel_kit.hearing import RawRecord
from laurel_kit.partitions import partition_of
from tests.integration.points_svc.books import MEMBER, Books, activated, cuts, ended, told
from tests.integration.points_svc.handing import sayings
from tests.integration.points_svc.town import BUYER, DAY, NOON, OTHER, bonuses_of, bought, capped, neighbours, town
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

PARTITIONS = 4
WINDOW = 14 * DAY
TICK = timedelta(microseconds=1)
NewBooks = Callable[[], Awaitable[Books]]


@pytest.mark.parametrize("clock", ["activity", "day"])
async def test_it_is_paid_when_the_clock_gets_there_and_not_before(books: Books, clock: str) -> None:
    place = await town(books)
    await place.register(MEMBER)
    await place.register(BUYER, by=MEMBER)
    await place.buy("o1", None, NOON)

    async def move(to: datetime) -> None:
        if clock == "day":
            await place.close(to)
        else:
            await place.buy(f"at {to}", None, to, amount=0)

    await move(NOON + WINDOW - TICK)
    assert (await place.points(), await place.points(BUYER)) == (0, 1)
    await move(NOON + WINDOW)
    assert (await place.points(), await place.points(BUYER)) == (200, 101)
    await place.buy("o2", None, NOON + WINDOW + DAY)
    await move(NOON + 3 * WINDOW)
    await place.refund("o1", 100, NOON + 4 * WINDOW)
    assert (await place.points(), await place.points(BUYER)) == (200, 101)  # once, and nothing undoes it
    (entry,) = [row for row in (await books.dump())["transfer"] if row["cause"] == "referral"]
    assert (entry["kind"], entry["at"], entry["amount"]) == ("referred", str(NOON + WINDOW), "100")


async def test_a_purchase_of_which_nothing_is_left_counts_for_nothing_and_the_next_one_does(books: Books) -> None:
    """Broken by looking at the first purchase only, or at a refund that is told after the window as if it had come before."""
    place = await town(books)
    await place.register(BUYER, by=MEMBER)
    await place.buy("o0", None, NOON, amount=0)
    await place.buy("o1", None, NOON)
    await place.buy("o2", None, NOON + 3 * DAY)
    await place.refund("o1", 100, NOON + 4 * DAY)
    await place.close(NOON + 16 * DAY)
    assert (await place.points(), await place.points(BUYER)) == (0, 1)
    await place.refund(
        "o2", 100, NOON + 17 * DAY
    )  # the clock gets there with this very record, and is judged before it
    assert (await place.points(), await place.points(BUYER)) == (200, 100)


async def test_a_purchase_that_comes_late_is_old_at_once_and_one_before_the_registration_counts(books: Books) -> None:
    place = await town(books)
    await place.buy("o1", None, NOON)
    await place.buy("o2", None, NOON + 20 * DAY, amount=0)
    assert await place.points() == 0
    await place.register(BUYER, NOON + 21 * DAY, by=MEMBER)
    assert await place.points() == 200
    await place.register(OTHER, NOON + 21 * DAY, by=MEMBER)
    await place.buy("o3", None, NOON + 7 * DAY, member=OTHER)
    assert (await place.points(), await place.points(OTHER)) == (400, 101)


async def test_nobody_brings_himself(books: Books) -> None:
    place = await town(books)
    await place.register(MEMBER, by=MEMBER)
    await place.buy("o1", None, NOON, member=MEMBER)
    await place.close(NOON + 30 * DAY)
    assert await place.points() == 1


async def test_ten_a_local_month_of_payment(books: Books) -> None:
    """Broken by a cap on the month of the purchase or of the registration. The new members get theirs all the same."""
    place = await town(books)
    friends = [UUID(int=100 + n) for n in range(13)]
    for n, friend in enumerate(friends):
        await place.register(friend, NOON, by=MEMBER)
        await place.buy(f"o{n}", None, NOON if n < 12 else NOON + 9 * DAY, member=friend)
    await place.close(local(SHANGHAI, 2025, 3, 31))
    assert await place.points() == 10 * 200
    assert [await place.points(friend) for friend in friends] == [101] * 12 + [1]
    await place.close(local(SHANGHAI, 2025, 4, 3))
    assert await place.points() == 11 * 200


def crowd(seed: int, size: int) -> list[RawRecord]:
    """Members who bring each other, buy, give back, come late, while days close."""
    chance = random.Random(seed)
    members = [UUID(int=chance.getrandbits(128)) for _ in range(size)]
    wanted: list[tuple[datetime, UUID, str, Any]] = []
    for n, member in enumerate(members):
        begun = NOON + chance.random() * 20 * DAY
        wanted.append((begun, member, "tell", MemberRegistered(referrer_id=members[n % 3])))
        for k in range(5):
            at = begun + chance.uniform(-3, 30) * DAY
            told_at = at + chance.choice([0, 0, 0, 20]) * DAY
            wanted.append((told_at, member, "tell", (bought(f"{n}-{k}", None, chance.choice([0, 100])), at)))
            if chance.random() < 0.6:
                wanted.append((told_at + chance.random() * 20 * DAY, member, "refund", f"{n}-{k}"))
    scripts: dict[UUID, Script] = {member: Script() for member in members}
    amounts: dict[str, int] = {}
    log: list[RawRecord] = []
    closed = NOON
    for now, member, what, data in sorted(wanted, key=lambda one: (one[0], one[1])):
        while closed + 3 * DAY < now:
            closed += 3 * DAY
            log += [
                ended(local(SHANGHAI, closed.year, closed.month, closed.day), partition=p) for p in range(PARTITIONS)
            ]
        if what == "refund":
            if not amounts[data]:
                continue
            scripts[member].refund(data, amount=amounts[data], at=now)
        else:
            purchase, at = data if isinstance(data, tuple) else (data, now)
            if isinstance(data, tuple):
                amounts[purchase.order_id] = purchase.amount_minor
            scripts[member].tell(purchase, at)
        step = scripts[member].steps[-1]
        assert isinstance(step, Activity)
        log.append(told(step, member, SHANGHAI, partition=partition_of(member.bytes, PARTITIONS)))
    return log


@pytest.mark.parametrize(
    ("seed", "size"), [(3, 8), *(pytest.param(seed, 40, marks=pytest.mark.long) for seed in range(4, 10))]
)
async def test_referrals_do_not_depend_on_cuts_nor_on_which_partition_was_quicker(
    new_books: NewBooks, seed: int, size: int
) -> None:
    """T-K18 with referrals, beside the independent model. Broken by a clock that is looked at once per batch, or by a day that does not
    look up whose purchase is old."""
    log = crowd(seed, size)
    apart = sorted(log, key=lambda one: one.partition)
    dumps, saids = [], []
    for records, cut in [(log, 1), (log, 100), (apart, 1000)]:
        books = await new_books()
        books.shelf.partitions = PARTITIONS
        await books.load(programme())
        await books.apply([activated(partition=partition) for partition in range(PARTITIONS)])
        await books.apply_cut(records, cuts(cut))
        said = sorted(await sayings(books), key=lambda one: (one.key or b"", one.value or b""))
        await books.apply_cut(said, cuts(cut))
        assert await books.broken() == {}
        dumps.append(await books.dump())
        saids.append([one.value for one in said])
    for dump, said_now in zip(dumps[1:], saids[1:], strict=True):
        assert said_now == saids[0]
        for table in dumps[0]:
            assert dump[table] == dumps[0][table], table
    assert len(saids[0]) > size // 2
    due = neighbours(log).referrals()
    books_say = bonuses_of(dumps[0], "referral")
    assert books_say.keys() == {str(derived_id("referral", member)) for _, member, _ in due}
    given = Counter((row["member_id"], row["month"][:7]) for row in books_say.values() if row["points"] == "200")
    assert dict(given) == capped([(referrer, month) for referrer, _, month in due], 10)
    own = {row["member_id"] for row in dumps[0]["transfer"] if row["cause"] == "referral" and row["amount"] == "100"}
    assert own == {str(member) for _, member, _ in due}
