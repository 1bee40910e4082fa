"""The member's status: kept from what the others say, one row, one read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_contracts.envelope import HEADER_NUMBER, HEADER_TYPE, Event, derived_id, encode
from laurel_contracts.points import PointsPosted
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_contracts.registry import TYPE_OF
from laurel_contracts.tiers import ActivitiesAssessed, StandingChanged
from laurel_kit.applying import Applier
from laurel_kit.hearing import BrokenNumbers, RawRecord
from member_svc.consumer import LISTENS_TO
from member_svc.handlers.keep_status import skip_number
from tests.integration.member_svc.world import World

AT = datetime(2018, 1, 9, tzinfo=UTC)


class Sayer:
    """One of the others, with offsets of its own."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.offsets: Iterator[int] = count()

    def says(self, data: Any, member_id: UUID | None = None, number: int | None = None) -> RawRecord:
        kind = TYPE_OF[type(data)]
        event = Event(
            id=str(number), source=self.topic, type=kind, time=AT, subject=member_id, memberseq=number, data=data
        )
        headers = [(HEADER_TYPE, kind.encode())]
        if number is not None:
            headers.append((HEADER_NUMBER, str(number).encode()))
        key = None if member_id is None else member_id.bytes
        return RawRecord(self.topic, 0, next(self.offsets), key, encode(event), headers)


def standing(ordinal: int, tier: str) -> StandingChanged:
    return StandingChanged(
        ordinal=ordinal, holds_after=1, kind="raised", computed_from="regular", computed_to=tier,
        effective_from="regular", effective_to=tier, since=AT, until=None, cause="activity 1",
    )  # fmt: skip


def balance(posted: int, **more: Any) -> PointsPosted:
    return PointsPosted(cause="activity 1", postings=(), posted=posted, held=0, debt=0, earned_net=posted, **more)


def coupon(name: str) -> AwardGranted:
    return AwardGranted(
        award_id=derived_id(name),
        campaign_id="gift",
        kind="coupon",
        coupon=name,
        cause="standing 1",
        cause_number=1,
        at=AT,
    )


@pytest.fixture
def applier(world: World) -> Applier[Any]:
    return Applier(
        world.database, group="member-svc", listens_to=LISTENS_TO, open_store=world.open_store, skip_number=skip_number
    )


async def status(world: World, member_id: UUID) -> Any:
    async with world.database.reading() as tx:
        return (await world.open_store(tx).statuses.read([member_id]))[member_id]


async def test_a_batch_is_folded_to_one_row_per_member(world: World, applier: Applier[Any]) -> None:
    await world.take(world.sign_in("1"))
    one, other = await world.member_of("1"), derived_id("somebody")
    tiers, points, campaigns = Sayer("tiers"), Sayer("points"), Sayer("campaigns")
    mark = ActivitiesAssessed(topic="activities", topic_id="t", partition=0, next_offset=9)
    await applier.apply(
        [
            tiers.says(standing(1, "silver"), one, 1),
            tiers.says(mark),
            tiers.says(standing(1, "silver"), other, 1),
            tiers.says(standing(2, "gold"), one, 2),
            points.says(balance(10), one, 1),
            points.says(balance(30, ladder=((AT, 30),)), one, 2),
            campaigns.says(coupon("a"), one, 1),
            campaigns.says(coupon("b"), one, 2),
        ]
    )
    row = await status(world, one)
    assert (row.tier, row.since, row.posted, row.earned_net, row.state) == ("gold", AT, 30, 30, "provisional")
    assert (row.tiers_number, row.points_number, row.campaigns_number) == (2, 2, 2)
    assert row.coupons.count("award_id") == 2
    assert (await status(world, other)).tier == "silver"  # heard of before the door's own row was there


async def test_what_is_said_again_counts_once_and_a_gap_halts_the_lane(world: World, applier: Applier[Any]) -> None:
    one, points = derived_id("one"), Sayer("points")
    await applier.apply([points.says(balance(10), one, 1), points.says(balance(20), one, 2)])
    await applier.apply([points.says(balance(10), one, 1), points.says(balance(20), one, 2)])
    assert (await status(world, one)).posted == 20
    with pytest.raises(BrokenNumbers):
        await applier.apply([points.says(balance(40), one, 4)])
    assert (await status(world, one)).posted == 20


async def test_a_coupon_that_is_taken_back_is_gone(world: World, applier: Applier[Any]) -> None:
    one, campaigns = derived_id("one"), Sayer("campaigns")
    taken = AwardTakenBack(
        award_id=derived_id("a"), campaign_id="gift", kind="coupon", cause="activity 2", cause_number=2, at=AT
    )
    await applier.apply([campaigns.says(coupon("a"), one, 1), campaigns.says(coupon("b"), one, 2)])
    await applier.apply([campaigns.says(taken, one, 3)])
    assert '"b"' in (await status(world, one)).coupons
    assert '"a"' not in (await status(world, one)).coupons


async def test_the_door_remembers_who_has_loaded_which_programme(bare_world: World) -> None:
    world = bare_world
    applier: Applier[Any] = Applier(
        world.database, group="member-svc", listens_to=LISTENS_TO, open_store=world.open_store
    )
    await applier.apply(
        [
            Sayer("tiers").says(ProgrammeLoaded(service="tier-svc", version=1, sha256="x")),
            Sayer("points").says(ProgrammeLoaded(service="points-svc", version=1, sha256="y")),
        ]
    )
    assert await world.change(lambda store: store.programmes.loaded_by(1)) == {"tier-svc": "x", "points-svc": "y"}
