"""Campaign awards: credited once, dated from their activity, taken back at most once."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_kit.hearing import BrokenNumbers, Hold
from tests.integration.points_svc.books import MEMBER, Books, activated, awarded, ended
from tests.unit.points_svc.script import SHANGHAI, Script, local, programme

AT = local(SHANGHAI, 2025, 3, 3, 12)
AWARD = UUID(int=77)


def granted(points: int = 50, at: datetime = AT, award_id: UUID = AWARD) -> AwardGranted:
    return AwardGranted(
        award_id=award_id, campaign_id="big-basket", kind="points", points=points, cause="activity 1", cause_number=1,
        order_id="o1", at=at, why="100.00 or more",
    )  # fmt: skip


def taken_back(at: datetime = AT) -> AwardTakenBack:
    return AwardTakenBack(
        award_id=AWARD, campaign_id="big-basket", kind="points", points=50, cause="activity 2", cause_number=2, at=at
    )


async def opened(books: Books) -> Books:
    await books.load(programme())
    await books.apply([activated()])
    return books


async def test_an_award_may_come_before_anything_else_is_known_of_the_member(books: Books) -> None:
    await opened(books)
    await books.apply([awarded(1, granted())])
    outcome = await books.outcome()
    assert outcome.posted == 50
    assert outcome.lots == ((local(SHANGHAI, 2026, 4, 1), 50),)
    (who, number, said) = (await books.said())[0]
    assert (who, number, said.cause, said.postings[0].kind) == (MEMBER, 1, "award 1", "awarded")


async def test_an_award_is_taken_back_once_and_what_is_missing_is_owed(books: Books) -> None:
    await opened(books)
    script = Script()
    script.register()
    await books.apply([awarded(1, granted())])
    await books.play(script)
    await books.spend(30, "spend-the-award-01", script.now)
    await books.apply([awarded(2, taken_back()), awarded(3, taken_back())])
    outcome = await books.outcome()
    assert (outcome.posted, outcome.debt) == (0, 30)
    assert await books.broken() == {}


async def test_an_award_granted_and_taken_back_in_one_batch_leaves_nothing(books: Books) -> None:
    await opened(books)
    await books.apply([awarded(1, granted()), awarded(2, taken_back())])
    assert (await books.outcome()).posted == 0


async def test_a_coupon_counts_as_a_number_and_moves_nothing(books: Books) -> None:
    await opened(books)
    coupon = AwardGranted(
        award_id=UUID(int=5),
        campaign_id="upgrade-gift",
        kind="coupon",
        coupon="gift",
        cause="standing 1",
        cause_number=1,
        at=AT,
    )
    await books.apply([awarded(1, coupon), awarded(2, granted()), awarded(2, granted())])
    assert (await books.outcome()).posted == 50


async def test_a_missing_number_halts_and_changes_nothing(books: Books) -> None:
    await opened(books)
    with pytest.raises(BrokenNumbers):
        await books.apply([awarded(2, granted())])
    assert await books.said() == []


async def test_an_award_waits_for_a_programme_that_is_not_known_yet(books: Books) -> None:
    with pytest.raises(Hold, match="no programme is known"):
        await books.apply([awarded(1, granted())])


async def test_an_award_that_dates_from_long_ago_expires_with_the_next_closed_day(books: Books) -> None:
    await opened(books)
    script = Script()
    script.join("x", at=AT + timedelta(days=400))
    await books.play(script)
    await books.apply([ended(local(SHANGHAI, 2026, 5, 1))])
    await books.apply([awarded(1, granted())])
    assert (await books.outcome()).posted == 80
    await books.apply([ended(local(SHANGHAI, 2026, 5, 2))])
    assert (await books.outcome()).posted == 30
    assert await books.broken() == {}


async def test_a_stamped_version_that_is_not_loaded_holds_the_lane(books: Books) -> None:
    from tests.integration.points_svc.books import told
    from tests.unit.points_svc.script import Activity

    script = Script()
    script.buy(10000)
    step = script.steps[0]
    assert isinstance(step, Activity)
    with pytest.raises(Hold, match="programme version 3 is not loaded"):
        await books.apply([told(step, MEMBER, SHANGHAI, version=3)])
