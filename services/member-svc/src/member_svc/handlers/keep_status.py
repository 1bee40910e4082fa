"""Keep the member's status from what the others say: tier, points, coupons. The one thing not to break: a batch is folded to one row
per member, and every number is looked at, so that nothing counts twice and a gap halts the lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_contracts.points import PointsPosted
from laurel_contracts.tiers import StandingChanged
from laurel_kit.hearing import Heard, fresh, id_of
from member_svc.store import MemberStore
from member_svc.store.status import Last, NewBalance, NewCoupons, NewStanding, Sayer

D = TypeVar("D")

_coupons = msgspec.json.Decoder(list[dict[str, Any]])


class _Spoken(NamedTuple, Generic[D]):
    """What is new about one member: the last number, and the data to be applied, in order."""

    number: int
    data: list[D]


async def keep_standings(batch: Sequence[Heard], store: MemberStore) -> None:
    """The tier a member holds: the latest standing fact says it all."""
    _, spoken = await _hear(batch, store, lambda last: last.tiers, StandingChanged)
    standings = []
    for member_id, (number, facts) in spoken.items():
        if facts:
            fact = facts[-1]
            standings.append(NewStanding(member_id, number, fact.effective_to, fact.since, fact.until))
        else:
            await store.statuses.skip("tiers", member_id, number)
    await store.statuses.save_standings(standings)


async def keep_balances(batch: Sequence[Heard], store: MemberStore) -> None:
    """Points as they stand: every posting carries the balance after it."""
    _, spoken = await _hear(batch, store, lambda last: last.points, PointsPosted)
    balances = []
    encode = msgspec.json.encode
    for member_id, (number, posted) in spoken.items():
        if posted:
            now = posted[-1]
            balances.append(
                NewBalance(
                    member_id, number, now.posted, now.held, now.debt, now.earned_net, encode(now.ladder).decode(),
                    encode(now.pending).decode(),
                )
            )  # fmt: skip
        else:
            await store.statuses.skip("points", member_id, number)
    await store.statuses.save_balances(balances)


async def keep_coupons(batch: Sequence[Heard], store: MemberStore) -> None:
    """The coupons a member has: granted and not taken back."""
    locked, spoken = await _hear(batch, store, lambda last: last.campaigns, AwardGranted, AwardTakenBack)
    kept = []
    for member_id, (number, awards) in spoken.items():
        coupons = _coupons.decode(locked[member_id].coupons)
        for award in awards:
            if isinstance(award, (AwardGranted, AwardTakenBack)) and award.kind == "coupon":
                coupons = _after(coupons, award)
        kept.append(NewCoupons(member_id, number, msgspec.json.encode(coupons).decode()))
    await store.statuses.save_coupons(kept)


async def skip_number(store: MemberStore, topic: str, key: bytes, number: int) -> None:
    """Give up a number whose record became a dead letter, so that the next one is fresh."""
    sayers: dict[str, Sayer] = {"tiers": "tiers", "points": "points", "campaigns": "campaigns"}
    if topic in sayers:
        await store.statuses.skip(sayers[topic], id_of(key), number)


async def _hear(
    batch: Sequence[Heard], store: MemberStore, last_of: Callable[[Last], int], *shapes: type[D]
) -> tuple[dict[UUID, Last], dict[UUID, _Spoken[D]]]:
    """Lock the rows of the members spoken of; what is new about each. A type we do not know still counts its number."""
    ids = {heard.key: id_of(heard.key) for heard in batch if heard.key is not None and heard.number is not None}
    if not ids:
        return {}, {}
    locked = await store.statuses.lock(ids.values())
    spoken: dict[UUID, _Spoken[D]] = {}
    for heard in batch:
        if heard.key is None or heard.number is None:
            continue
        member_id = ids[heard.key]
        before = spoken.get(member_id)
        if not fresh(last_of(locked[member_id]) if before is None else before.number, heard.number):
            continue
        data = [] if before is None else before.data
        if isinstance(heard.event.data, shapes):
            data.append(heard.event.data)
        spoken[member_id] = _Spoken(heard.number, data)
    return locked, spoken


def _after(coupons: list[dict[str, Any]], award: AwardGranted | AwardTakenBack) -> list[dict[str, Any]]:
    award_id = str(award.award_id)
    others = [coupon for coupon in coupons if coupon["award_id"] != award_id]
    if isinstance(award, AwardTakenBack):
        return others
    granted = {
        "award_id": award_id,
        "coupon": award.coupon,
        "campaign_id": award.campaign_id,
        "at": award.at.isoformat(),
    }
    return [*others, granted]
