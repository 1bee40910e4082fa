"""A share is rewarded when another member's purchase follows it (domain.md 3.2), over two transactions and a topic between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from laurel_contracts.envelope import HEADER_TYPE, derived_id
from laurel_kit.hearing import RawRecord
from laurel_kit.partitions import partition_of
from tests.integration.points_svc.books import MEMBER, Books, activated, cuts, ended, told
from tests.integration.points_svc.handing import sayings
from tests.integration.points_svc.town import DAY, NOON, OTHER, bonuses_of, bought, capped, neighbours, shared, town
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

PARTITIONS = 4
NewBooks = Callable[[], Awaitable[Books]]


async def test_the_first_purchase_of_another_member_pays_50_once(books: Books) -> None:
    place = await town(books)
    await place.share("s1")
    assert await place.points() == 0
    await place.buy("own", "s1", member=MEMBER)
    assert await place.points() == 1
    await place.buy("nothing", "s1", amount=0)
    await place.buy("without", None)
    assert await place.points() == 1
    await place.buy("first", "s1")
    assert await place.points() == 51
    await place.buy("second", "s1")
    await place.buy("third", "s1", member=OTHER)
    assert await place.points() == 51
    (entry,) = [row for row in (await books.dump())["transfer"] if row["kind"] == "shared"]
    assert entry["cause"].startswith("bonus ")
    assert "'share_id': 's1'" in entry["why"]


async def test_a_purchase_waits_thirty_days_for_its_share_and_no_longer(books: Books) -> None:
    place = await town(books)
    await place.buy("o1", "s1", NOON)
    await place.buy("o2", "s2", NOON)
    await place.share("s1", NOON + 30 * DAY)
    assert await place.points() == 50
    await place.share("s2", NOON + 30 * DAY + timedelta(microseconds=1))
    assert await place.points() == 50
    await place.buy("o3", "s2", NOON + 31 * DAY)
    assert await place.points() == 100


async def test_a_whole_refund_takes_it_back_and_a_partial_one_does_not(books: Books) -> None:
    place = await town(books)
    await place.share("s1")
    await place.buy("o1", "s1")
    await place.refund("o1", 99, NOON + 2 * DAY)
    assert await place.points() == 50
    await place.refund("o1", 1, NOON + 3 * DAY)
    assert await place.points() == 0
    await place.buy("o2", "s1", NOON + 4 * DAY)
    assert await place.points() == 0  # once per share
    kinds = [row["kind"] for row in (await books.dump())["transfer"] if row["member_id"] == str(MEMBER)]
    assert kinds == ["shared", "share_taken_back"]


async def test_refunded_before_the_share_is_known_comes_to_the_same(books: Books) -> None:
    place = await town(books)
    await place.buy("o1", "s1")
    await place.refund("o1", 100, NOON + 2 * DAY)
    await place.share("s1")
    assert await place.points() == 0
    await place.buy("o2", "s1", NOON + 4 * DAY)
    assert await place.points() == 0


async def test_five_a_local_month_of_the_purchase(books: Books) -> None:
    """Broken by a cap on the month of the share, or of UTC: 31 March 17:00 there is April in Shanghai."""
    place = await town(books)
    for n in range(8):
        await place.share(f"s{n}")
    for n in range(6):
        await place.buy(f"o{n}", f"s{n}", local(SHANGHAI, 2025, 3, 31, 23))
    assert await place.points() == 250
    await place.buy("o6", "s6", local(SHANGHAI, 2025, 4, 1, 1))
    assert await place.points() == 300
    await place.refund("o0", 100, local(SHANGHAI, 2025, 4, 2, 1))
    await place.buy("o7", "s7", local(SHANGHAI, 2025, 3, 31, 22))
    assert await place.points() == 250  # what was granted counts
    (capped,) = [row for row in (await books.dump())["no_effect"] if "'month': '2025-03'" in row["why"]][-1:]
    assert "'max_per_month': 5" in capped["why"]


async def test_undone_before_due_gives_nothing_and_all_of_it_counts_once(books: Books) -> None:
    """Broken by a bonus that comes after its undoing."""
    place = await town(books)
    await place.share("s1")
    await place.buy("o1", "s1")
    await place.refund("o1", 100, NOON + 2 * DAY)
    due, undone = await sayings(books)
    await books.apply([undone, due, due, undone])
    assert await books.broken() == {}
    rows = await books.dump()
    assert [row["kind"] for row in rows["transfer"] if row["member_id"] == str(MEMBER)] == []
    assert [(row["points"], row["undone"]) for row in rows["bonus"]] == [("0", "True")]


def crowd(seed: int, size: int) -> list[RawRecord]:
    """Members in pairs; each shares and buys by what his partner shares, sooner, later, late, himself; much of it is refunded."""
    chance = random.Random(seed)
    members = [UUID(int=chance.getrandbits(128)) for _ in range(size)]
    scripts = {member: Script() for member in members}
    log: list[RawRecord] = []
    wanted: list[tuple[datetime, UUID, str, Any]] = []
    for n, member in enumerate(members):
        partner = members[n ^ 1]
        for k in range(8):
            share, at = f"{n}-{k}", NOON + chance.random() * 50 * DAY
            wanted.append((at, member, "tell", shared(share)))
            for buyer in (partner, partner, member):
                order, when = f"{share}-{len(wanted)}", at + chance.uniform(-35, 20) * DAY
                wanted.append((when, buyer, "tell", bought(order, share, 100)))
                if chance.random() < 0.4:
                    wanted.append((when + DAY, buyer, "refund", (order, chance.choice([50, 100]))))
    closed = NOON - 40 * DAY
    for at, member, what, data in sorted(wanted, key=lambda one: (one[0], one[1])):
        script = scripts[member]
        if what == "tell":
            script.tell(data, at)
        else:
            script.refund(data[0], amount=data[1], at=at)
        step = script.steps[-1]
        assert isinstance(step, Activity)
        log.append(told(step, member, SHANGHAI, partition=partition_of(member.bytes, PARTITIONS)))
        if at > closed + 10 * DAY:
            closed += 10 * DAY
            log += [
                ended(local(SHANGHAI, closed.year, closed.month, closed.day), partition=p) for p in range(PARTITIONS)
            ]
    return log


def told_in_turn(one: RawRecord) -> tuple[bytes, bytes, bytes]:
    """One order for all: of each receiver what is due first, as the outbox has it, then what is undone."""
    return one.key or b"", dict(one.headers)[HEADER_TYPE] or b"", one.value or b""


@pytest.mark.parametrize(
    ("seed", "size"), [(1, 4), *(pytest.param(seed, 30, marks=pytest.mark.long) for seed in range(2, 8))]
)
async def test_shares_do_not_depend_on_cuts_nor_on_which_partition_was_quicker(
    new_books: NewBooks, seed: int, size: int
) -> None:
    """T-K18 with what crosses, beside the independent model. Of each share one buyer buys, so that nothing is left to who comes first; the
    caps are reached. Broken by a purchase that misses a share of another partition, or waits by the clock on the wall."""
    log = crowd(seed, size)
    apart = sorted(log, key=lambda one: one.partition)
    backwards = sorted(log, key=lambda one: -one.partition)
    dumps, saids = [], []
    for records, cut in [(log, 1), (apart, 100), (backwards, 1000)]:
        books = await new_books()
        books.shelf.partitions = PARTITIONS
        await books.load(programme())
        await books.apply([activated(partition=partition) for partition in range(PARTITIONS)])
        await books.apply_cut(records, cuts(cut))
        assert await books.broken() == {}
        said = sorted(await sayings(books), key=told_in_turn)
        await books.apply_cut(said, cuts(cut))
        assert await books.broken() == {}
        dumps.append(await books.dump())
        saids.append([one.value for one in said])
    for dump, said_now in zip(dumps[1:], saids[1:], strict=True):
        assert said_now == saids[0]
        for table in dumps[0]:
            assert dump[table] == dumps[0][table], table
    kinds = [row["kind"] for row in dumps[0]["transfer"]]
    assert kinds.count("shared") > size
    assert kinds.count("share_taken_back") > 1
    model = neighbours(log)
    followed = {str(derived_id("share", share_id)): one for share_id, one in model.followed().items()}
    books_say = bonuses_of(dumps[0], "share")
    assert books_say.keys() == followed.keys()
    assert {name for name, row in books_say.items() if row["undone"] == "True"} == {
        name for name, one in followed.items() if one.refunded == one.amount
    }
    given = Counter((row["member_id"], row["month"][:7]) for row in books_say.values() if row["points"] == "50")
    due = [(model.shares[one.share_id or ""][0], model.month(one.time)) for one in followed.values()]
    assert dict(given) == capped(due, 5)
