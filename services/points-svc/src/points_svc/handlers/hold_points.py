"""Points are held for a checkout, captured or given up (domain.md 3.5). The one thing not to break: the account is locked first, so that of
several who want to end one hold the first one does, and the others are told how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc import events
from points_svc.domain import holds, ledger
from points_svc.domain.account import OPEN, VOIDED, Account, Hold, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.handlers.expire_holds import end_due
from points_svc.handlers.follow_tiers import read_tiers
from points_svc.handlers.once import Answer, Keyed, once, refused, said
from points_svc.handlers.quote_checkout import share_refusal, worth_why
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore, explaining

MADE = 201
ENDED = 200
HOLD_FOR = timedelta(minutes=15)  # where no programme is in force yet


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hold as asked for, checked in form. `seconds`: None for as long as the programme says. `order_amount_minor`: given where points are
    money at a checkout; then they pay no more than their share of it."""

    member_id: UUID
    points: int
    order_id: str | None = None
    seconds: int | None = None
    order_amount_minor: int | None = None


class MemberUnknown(Exception):
    """No account here: nothing has been heard about such a member."""


class HoldUnknown(Exception):
    """There is no such hold."""


def link_to(hold_id: UUID) -> str:
    """Where a hold is seen."""
    return f"/v1/holds/{hold_id}"


def hold_id_of(asked: Keyed) -> UUID:
    """The hold that a key makes: always the same one, so that not even a lost answer can make two."""
    return derived_id("hold", asked.scope, asked.key)


async def make_hold(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Reserve points, those that expire soonest."""

    async def decide() -> Answer:
        account = await open_account(wanted.member_id, now, store)
        rules = await store.rules_in_force(account.day.partition, now)
        lasts = HOLD_FOR if rules is None else rules.hold_for
        if wanted.seconds is not None:
            lasts = timedelta(seconds=wanted.seconds)
        hold_id = hold_id_of(asked)
        why: Why = {
            "rule": "hold", "hold_id": hold_id, "key": asked.key, "points": wanted.points,
            "order": "soonest expiry first", "expires_at": now + lasts,
        }  # fmt: skip
        if rules is not None:
            why["version"] = rules.version
        ledger.open_page(account, f"hold {hold_id}", now)
        no = await above_share(account, wanted, rules, why, now=now, store=store)
        if no is not None:
            await close(account, store)
            return refused(no, account, f"/v1/members/{wanted.member_id}/holds")
        made = holds.make(
            account, hold_id, wanted.points, now, expires_at=now + lasts, why=why, order_id=wanted.order_id
        )
        await close(account, store)
        if isinstance(made, Hold):
            return said(MADE, document(account.member_id, made, now), link_to(hold_id))
        return refused(made, account, f"/v1/members/{wanted.member_id}/holds")

    return await once(asked, now, store, decide)


class ForOrder(Protocol):
    """A hold or a spending that may name the amount of the order it pays for."""

    @property
    def points(self) -> int: ...
    @property
    def order_id(self) -> str | None: ...
    @property
    def order_amount_minor(self) -> int | None: ...


async def above_share(
    account: Account, wanted: ForOrder, rules: Rules | None, why: Why, *, now: datetime, store: PointsStore
) -> Refused | None:
    """Points that are money pay no more than their share of the order; what the rule looked at goes into `why`."""
    if wanted.order_amount_minor is None:
        return None
    points, amount = wanted.points, wanted.order_amount_minor
    no = await share_refusal(account, points, amount, wanted.order_id, rules=rules, now=now, store=store)
    if rules is not None:
        why |= worth_why(points, amount, rules)
    return no


async def capture_hold(
    asked: Keyed, hold_id: UUID, now: datetime, store: PointsStore, *, points: int | None, order_id: str | None
) -> Answer:
    """Spend what is held, or a part of it. The same once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        account, hold = await _open_hold(hold_id, store)
        if holds.is_captured_so(hold, points, order_id):
            return _ended(account, hold, now, replayed=True)
        wanted = hold.points if points is None else points
        why: Why = {
            "rule": "capture", "hold_id": hold_id, "key": asked.key, "points": wanted, "held": hold.points,
        }  # fmt: skip
        rules = await _read_tiers(account, hold, hold.points - wanted, store)
        ledger.open_page(account, f"capture {hold_id}", now)
        no = await _above_share_of(order_id, account, hold, wanted, now=now, store=store)
        no = no or holds.capture(account, hold, points, now, why=why, order_id=order_id, rules=rules)
        await close(account, store)
        return _ended(account, hold, now) if no is None else refused(no, account, link_to(hold_id))

    return await once(asked, now, store, decide)


async def _above_share_of(
    order_id: str | None, account: Account, hold: Hold, wanted: int, *, now: datetime, store: PointsStore
) -> Refused | None:
    """A hold that was made for an amount and for no order, and is now captured for one, counts with the others of that order."""
    if order_id is None or hold.order_id is not None or holds.state_at(hold, now) != OPEN:
        return None
    made = await explaining.entry(store.tx, account.member_id, hold.seq)
    amount = None if made is None else made.why.get("order_amount_minor")
    if amount is None:
        return None
    rules = await store.rules_in_force(account.day.partition, now)
    return await share_refusal(
        account, wanted, amount, order_id, rules=rules, now=now, store=store, chosen_before=True
    )  # fmt: skip


async def void_hold(asked: Keyed, hold_id: UUID, now: datetime, store: PointsStore) -> Answer:
    """Give a hold up. Once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        account, hold = await _open_hold(hold_id, store)
        if hold.state == VOIDED:
            return _ended(account, hold, now, replayed=True)
        rules = await _read_tiers(account, hold, hold.points, store)
        ledger.open_page(account, f"void {hold_id}", now)
        no = holds.void(account, hold, now, rules=rules)
        await close(account, store)
        return _ended(account, hold, now) if no is None else refused(no, account, link_to(hold_id))

    return await once(asked, now, store, decide)


async def open_account(member_id: UUID, now: datetime, store: PointsStore) -> Account:
    """A member's account, locked, with what can be spent: holds whose time is over have given their points back."""
    account = await store.lock_one(member_id)
    if account is None:
        raise MemberUnknown
    await sweep_first([account], store)
    if account.held:
        await end_due([account], now, store)
    await store.read_live_lots([account])
    return account


async def close(account: Account, store: PointsStore) -> None:
    """The page is full: keep and say what it says."""
    ledger.close_page(account)
    if account.entries:
        await store.save([account])
        store.say(events.statements_of([account]))


async def _open_hold(hold_id: UUID, store: PointsStore) -> tuple[Account, Hold]:
    member_id = await store.hold_owner(hold_id)
    account = None if member_id is None else await store.lock_one(member_id)
    if account is None:
        raise HoldUnknown
    await sweep_first([account], store)
    await store.read_hold(account, hold_id)
    return account, account.holds[hold_id]


async def _read_tiers(account: Account, hold: Hold, back: int, store: PointsStore) -> Mapping[int, Rules]:
    """Only where points of a hold come back; a capture of all of it, as most are, asks for nothing."""
    if hold.state != OPEN or back <= 0:
        return {}
    return await read_tiers([(account, lot) for lot, _ in hold.parts], store)


def document(member_id: UUID, hold: Hold, now: datetime) -> dict[str, Any]:
    """A hold as everybody sees it; it depends on the hold alone, so that the same end always looks the same."""
    return {
        "hold_id": hold.hold_id,
        "member_id": member_id,
        "points": hold.points,
        "state": holds.state_at(hold, now),
        "captured": hold.captured,
        "released": 0 if hold.state == OPEN else hold.points - hold.captured,
        "order_id": hold.order_id,
        "made_at": hold.made_at,
        "expires_at": hold.expires_at,
        "ended_at": hold.ended_at,
        "lots": [{"lot": lot, "points": points} for lot, points in hold.parts],
    }


def _ended(account: Account, hold: Hold, now: datetime, *, replayed: bool = False) -> Answer:
    return said(ENDED, document(account.member_id, hold, now), link_to(hold.hold_id), replayed=replayed)
