"""What other members' partitions send: points handed over or back, bonuses due or undone. The one thing not to break: each is taken once
by its id, whatever is said twice; and what cannot be taken is handed back in the same transaction, and again where it is said again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from laurel_contracts.handovers import BonusDue, BonusUndone, PointsHandedBack, PointsHandedOver
from laurel_kit.hearing import Heard, id_of
from points_svc import events
from points_svc.domain import bonuses, handovers, ledger
from points_svc.domain.account import Account, Why
from points_svc.domain.between import UNDER_WAY, Arrival
from points_svc.domain.rules import Rules
from points_svc.handlers.follow_tiers import read_tiers
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore
from points_svc.store.handovers import Months


async def take_handovers(batch: Sequence[Heard], store: PointsStore) -> None:
    """All records of `handovers` in this transaction, per partition in their order."""
    told = [heard for heard in batch if heard.key is not None]
    if not told:
        return
    days = await store.days({heard.partition for heard in told})
    accounts = await store.lock({id_of(h.key): h.partition for h in told if h.key is not None}, days)
    await sweep_first(accounts.values(), store)
    over = {h.event.data.handover_id for h in told if isinstance(h.event.data, PointsHandedOver)}
    back = {h.event.data.handover_id for h in told if isinstance(h.event.data, PointsHandedBack)}
    arrived = await store.between.arrived(over)
    await store.between.read(accounts, back)
    tiers = await read_tiers(_coming_back(accounts), store)
    months, rules = await _read_bonuses(told, accounts, store)
    for heard in told:
        account, data = accounts[id_of(heard.key or b"")], heard.event.data
        if isinstance(data, PointsHandedOver):
            known = arrived.get(data.handover_id)
            if known is None:
                _arrive(account, heard, store)
                arrived[data.handover_id] = account.arrivals[data.handover_id]
            elif known.because is not None:  # who says it again may never have heard the answer
                _hand_back(account, data.sender_id, known, store)
        elif isinstance(data, PointsHandedBack):
            _come_back(account, heard, tiers)
        elif isinstance(data, BonusDue):
            _bonus(account, heard, months, rules)
        elif isinstance(data, BonusUndone):
            _undo(account, heard)
    await store.save(accounts.values())
    store.say(events.statements_of(accounts.values()))


def _arrive(account: Account, heard: Heard, store: PointsStore) -> None:
    data: PointsHandedOver = heard.event.data
    at = heard.event.time
    because = handovers.why_not(account, data.points)
    if because is not None:
        handovers.refuse(account, data.handover_id, data.points, at, because)
        _hand_back(account, data.sender_id, account.arrivals[data.handover_id], store)
        return
    why: Why = {
        "rule": "transfer", "transfer_id": data.handover_id, "from_member_id": data.sender_id, "points": data.points,
        "expiry": "that of the lots they came from",
    }  # fmt: skip
    ledger.open_page(account, f"handover {data.handover_id}", at)
    handovers.take_in(account, data.handover_id, data.parts, at, why=why)
    ledger.close_page(account)


def _hand_back(account: Account, sender_id: UUID, arrival: Arrival, store: PointsStore) -> None:
    store.say([events.handed_back(sender_id, store.partition_of(sender_id), account.member_id, arrival)])


def _coming_back(accounts: Mapping[UUID, Account]) -> list[tuple[Account, int]]:
    under_way = [(a, one) for a in accounts.values() for one in a.handovers.values() if one.state == UNDER_WAY]
    return [(account, lot) for account, one in under_way for lot, _ in one.parts]


def _come_back(account: Account, heard: Heard, tiers: Mapping[int, Rules]) -> None:
    data: PointsHandedBack = heard.event.data
    handover = account.handovers.get(data.handover_id)
    if handover is None:
        raise ValueError(f"handover {data.handover_id} comes back to {account.member_id}, who never sent it")
    if handover.state != UNDER_WAY:
        return
    why: Why = {
        "rule": "transfer returned", "transfer_id": data.handover_id, "to_member_id": data.receiver_id,
        "because": data.because, "points_sent": data.points,
    }  # fmt: skip
    ledger.open_page(account, f"handback {data.handover_id}", heard.event.time)
    handovers.take_back(account, handover, heard.event.time, why=why, rules=tiers)
    ledger.close_page(account)


async def _read_bonuses(
    told: Sequence[Heard], accounts: Mapping[UUID, Account], store: PointsStore
) -> tuple[Months, Mapping[int, Rules]]:
    """What has been rewarded so far, with what it takes to take it back; how often in the months concerned; and by which rules to go on."""
    due = [(id_of(heard.key), heard.event) for heard in told if heard.key and isinstance(heard.event.data, BonusDue)]
    undone = [heard for heard in told if isinstance(heard.event.data, BonusUndone)]
    ids = {event.data.bonus_id for _, event in due} | {heard.event.data.bonus_id for heard in undone}
    await store.between.read_bonuses(accounts, ids)
    if undone:
        concerned = {id_of(heard.key) for heard in undone if heard.key}
        await store.read_live_lots([accounts[member_id] for member_id in sorted(concerned)])
        await store.read_lots([(a, r.lot) for a in accounts.values() for r in a.bonuses.values() if r.lot is not None])
    wanted = {
        (to, event.data.kind, bonuses.month_of(event.localday)) for to, event in due if event.localday is not None
    }
    months = await store.between.bonuses_so_far(sorted(wanted))
    return months, await store.rules({e.programmeversion for _, e in due if e.programmeversion is not None})


def _bonus(account: Account, heard: Heard, months: Months, rules: Mapping[int, Rules]) -> None:
    event, data = heard.event, heard.event.data
    if event.programmeversion is None or event.localday is None:
        raise ValueError("this bonus bears no programme version or no day")
    why: Why = {"rule": f"{data.kind} bonus", "bonus_id": data.bonus_id, "by_member_id": data.by_member_id}
    if data.share_id is not None:
        why["share_id"] = data.share_id
    month = (account.member_id, data.kind, bonuses.month_of(event.localday))
    so_far = months.get(month, 0)
    ledger.open_page(account, f"bonus {data.bonus_id}", event.time)
    given = bonuses.grant(
        account, data.bonus_id, data.kind, at=event.time, day=event.localday, so_far=so_far,
        rules=rules[event.programmeversion], why=why,
    )  # fmt: skip
    months[month] = so_far + (given > 0)
    ledger.close_page(account)


def _undo(account: Account, heard: Heard) -> None:
    data = heard.event.data
    why: Why = {
        "rule": f"{data.kind} bonus undone",
        "bonus_id": data.bonus_id,
        "because": "the purchase is refunded whole",
    }
    ledger.open_page(account, f"undoing {data.bonus_id}", heard.event.time)
    bonuses.undo(account, data.bonus_id, data.kind, why)
    ledger.close_page(account)
