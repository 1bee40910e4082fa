"""Awards of points are credited once and taken back at most once. The one thing not to break: an award dates from its activity, not from
the day on which it is heard of."""

from __future__ import annotations

from collections.abc import Sequence

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_kit.hearing import BrokenNumbers, Heard, Hold, fresh, id_of
from points_svc import events
from points_svc.domain import awards, ledger
from points_svc.domain.account import AWARD_LOTS_FROM, Account
from points_svc.domain.rules import in_force
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore

POINTS = "points"


async def credit_awards(batch: Sequence[Heard], store: PointsStore) -> None:
    """All records of `campaigns` in this transaction, per partition in their order."""
    told = [heard for heard in batch if heard.key is not None]
    if not told:
        return
    days = await store.days({heard.partition for heard in told})
    accounts = await store.lock({id_of(h.key): h.partition for h in told if h.key is not None}, days)
    by_key = {account.member_id.bytes: account for account in accounts.values()}
    await sweep_first(accounts.values(), store)
    versions = await _versions(told, store)
    rules = await store.rules(set(versions.values()))
    await _read_awards_to_take_back(told, by_key, store)
    for place, heard in enumerate(told):
        account = by_key[heard.key or b""]
        number = heard.number
        if number is None:
            raise BrokenNumbers("an award without a number")
        if not fresh(account.award, number):
            continue
        account.award = number
        data = heard.event.data
        if isinstance(data, (AwardGranted, AwardTakenBack)) and data.kind == POINTS:
            ledger.open_page(account, f"award {number}", heard.event.time)
            why = {"rule": "campaign", "campaign_id": data.campaign_id, "award_id": data.award_id}
            why |= {"award_cause": data.cause, "because": data.why, "points": data.points}
            if isinstance(data, AwardGranted):
                version = versions[place]
                awards.credit(account, data, rules[version], number=number, at=data.at, why=why | {"version": version})
            else:
                awards.take_back(account, award_id=data.award_id, why=why)
            ledger.close_page(account)
    await store.save(by_key.values())
    store.say(events.statements_of(by_key.values()))


async def _versions(told: Sequence[Heard], store: PointsStore) -> dict[int, int]:
    """The programme version each award dates from: the one it is stamped with, else the one in force at its activity."""
    granted = {
        place: heard
        for place, heard in enumerate(told)
        if isinstance(heard.event.data, AwardGranted) and heard.event.data.kind == POINTS
    }
    versions = {place: h.event.programmeversion for place, h in granted.items() if h.event.programmeversion is not None}
    if len(versions) == len(granted):
        return versions
    activations = await store.activations({heard.partition for heard in granted.values()})
    for place, heard in granted.items():
        if place not in versions:
            version = in_force(activations[heard.partition], heard.event.data.at)
            if version is None:
                raise Hold(f"no programme is known to be in force at {heard.event.data.at.isoformat()}")
            versions[place] = version
    return versions


async def _read_awards_to_take_back(told: Sequence[Heard], by_key: dict[bytes, Account], store: PointsStore) -> None:
    wanted = [
        (by_key[heard.key or b""], heard.event.data.award_id)
        for heard in told
        if isinstance(heard.event.data, AwardTakenBack) and heard.event.data.kind == POINTS
    ]
    if wanted:
        await store.read_awards(wanted)
        own = [(account, AWARD_LOTS_FROM + a.number) for account, _ in wanted for a in account.awards.values()]
        await store.read_lots(own)
