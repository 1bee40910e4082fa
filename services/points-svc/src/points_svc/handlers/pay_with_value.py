"""Stored value pays: at once, or held and then captured, or given up; and payments come back (ADR 0016). The one thing not to break: a
payment is a hold that was captured, so it ends once, is paid by what was there, and gives back no more than it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc.domain import holds, ledger, stored_value
from points_svc.domain.account import OPEN, VOIDED, Account, Hold, Payment, Why
from points_svc.domain.spending import Refused
from points_svc.domain.stored_value import Wallet
from points_svc.handlers.hold_points import HoldUnknown, close, hold_id_of
from points_svc.handlers.once import Answer, Keyed, once, refused, refused_plainly, said
from points_svc.handlers.top_up_value import balance, link_to, lock_wallet, open_wallet, owner_of
from points_svc.store import PointsStore

MADE = 201
ENDED = 200
IN_MONEY = {"points": "amount_minor", "captured": "captured_minor", "wanted": "wanted_minor"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A payment or a hold as asked for, checked in form. `at_once`: captured by the same request; `seconds`: None for as long as the
    programme says."""

    member_id: UUID
    amount_minor: int
    order_id: str | None = None
    reason: str | None = None
    at_once: bool = True
    seconds: int | None = None


def hold_link(hold_id: UUID) -> str:
    """Where a hold or a payment is seen."""
    return f"/v1/stored-value/holds/{hold_id}"


async def pay_with_value(asked: Keyed, wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Pay, or set apart, what is there now."""

    async def decide() -> Answer:
        opened = await open_wallet(wanted.member_id, now, store, makes=False)
        if isinstance(opened, Refused):
            return refused_plainly(opened, link_to(wanted.member_id))
        account, rules, hold_id = opened.account, opened.rules, hold_id_of(asked)
        why: Why = {
            "rule": "payment" if wanted.at_once else "value hold", "version": rules.version, "payment_id": hold_id,
            "key": asked.key, "currency": opened.wallet.currency, "amount_minor": wanted.amount_minor,
            "spend_first": rules.wallet.spend_first,
        }  # fmt: skip
        if wanted.reason:
            why["reason"] = wanted.reason
        made: Hold | Refused
        if wanted.at_once:
            ledger.open_page(account, f"payment {hold_id}", now)
            made = stored_value.pay(
                account, hold_id, wanted.amount_minor, now, owner=opened.owner, rules=rules, why=why,
                order_id=wanted.order_id,
            )  # fmt: skip
        else:
            lasts = rules.hold_for if wanted.seconds is None else timedelta(seconds=wanted.seconds)
            ledger.open_page(account, f"hold {hold_id}", now)
            made = stored_value.hold(
                account, hold_id, wanted.amount_minor, now, lasts=lasts, owner=opened.owner, rules=rules,
                why=why | {"expires_at": now + lasts}, order_id=wanted.order_id,
            )  # fmt: skip
        await close(account, store)
        if isinstance(made, Refused):
            return refused(made, account, link_to(wanted.member_id))
        return said(MADE, document(opened.wallet, made, 0, now) | balance(account, now), hold_link(hold_id))

    return await once(asked, now, store, decide)


async def capture_value(
    asked: Keyed, hold_id: UUID, now: datetime, store: PointsStore, *, amount: int | None, order_id: str | None
) -> Answer:
    """Pay with what is held, or a part of it. The same once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        wallet, account, hold = await _open_hold(hold_id, now, store)
        if holds.is_captured_so(hold, amount, order_id):
            return await _ended(wallet, hold, now, store, replayed=True)
        why: Why = {
            "rule": "value capture", "payment_id": hold_id, "key": asked.key, "currency": wallet.currency,
            "amount_minor": hold.points if amount is None else amount, "held_minor": hold.points,
        }  # fmt: skip
        ledger.open_page(account, f"capture {hold_id}", now)
        owner = await owner_of(wallet.member_id, store)
        no = stored_value.capture(account, hold, amount, now, owner=owner, why=why, order_id=order_id)
        await close(account, store)
        return await _ended(wallet, hold, now, store) if no is None else _refused(no, account, hold_id)

    return await once(asked, now, store, decide)


async def void_value(asked: Keyed, hold_id: UUID, now: datetime, store: PointsStore) -> Answer:
    """Give a hold up. Once more, under another key, is answered as it was done."""

    async def decide() -> Answer:
        wallet, account, hold = await _open_hold(hold_id, now, store)
        if hold.state == VOIDED:
            return await _ended(wallet, hold, now, store, replayed=True)
        ledger.open_page(account, f"void {hold_id}", now)
        no = holds.void(account, hold, now)
        await close(account, store)
        return await _ended(wallet, hold, now, store) if no is None else _refused(no, account, hold_id)

    return await once(asked, now, store, decide)


async def refund_value(
    asked: Keyed, payment_id: UUID, now: datetime, store: PointsStore, *, amount: int | None, reason: str | None
) -> Answer:
    """Give a payment back, all that is left of it or so much; each key is a refund of its own."""

    async def decide() -> Answer:
        wallet, account, payment = await _open_hold(payment_id, now, store)
        member = await store.read_account(wallet.member_id)
        rules = None if member is None else await store.rules_in_force(member.day.partition, now)
        if rules is None:
            return refused_plainly(Refused("no_programme"), hold_link(payment_id))
        refund_id = derived_id("value refund", asked.scope, asked.key)
        why: Why = {
            "rule": "value refund", "version": rules.version, "refund_id": refund_id, "payment_id": payment_id,
            "key": asked.key, "currency": wallet.currency, "reason": reason,
        }  # fmt: skip
        places = await _places(account, payment, store)
        paid_out = await store.wallets.paid_out(account.member_id, stored_value.given_with(places))
        await store.read_lots([(account, lot) for lot in paid_out])
        ledger.open_page(account, f"refund {refund_id}", now)
        no = stored_value.refund(account, payment, places, amount, now, paid_out=paid_out, rules=rules, why=why)
        await close(account, store)
        if no is not None:
            return _refused(no, account, payment_id)
        page = account.entries[account.page_from :]
        back = [entry for entry in page if entry.kind == stored_value.REFUNDED]
        shown = {
            "refund_id": refund_id,
            "payment_id": payment_id,
            "member_id": wallet.member_id,
            "currency": wallet.currency,
            "amount_minor": sum(entry.amount for entry in back),
            "bonus_forfeited_minor": sum(entry.amount for entry in page if entry.kind == stored_value.BONUS_FORFEITED),
            "refunded_minor": sum(place.returned for place in places),
            "reason": reason,
            "at": now,
            "entry": page[0].seq,
            "lots": [{"lot": entry.lot, "amount_minor": entry.amount} for entry in back],
            **balance(account, now),
        }
        return said(MADE, shown, hold_link(payment_id))

    return await once(asked, now, store, decide)


async def show_value_hold(hold_id: UUID, now: datetime, store: PointsStore) -> dict[str, Any] | None:
    """A hold or payment as it stands; None: there is none."""
    found = await store.hold(hold_id)
    wallet = None if found is None else await store.wallets.named(found[0])
    if found is None or wallet is None:
        return None
    return document(wallet, found[1], await store.wallets.returned(wallet.account_id, found[1]), now)


async def _open_hold(hold_id: UUID, now: datetime, store: PointsStore) -> tuple[Wallet, Account, Hold]:
    """The hold, read after its wallet has been locked. Its own end is not told by this: past it the hold is refused by its state."""
    account_id = await store.hold_owner(hold_id)
    wallet = None if account_id is None else await store.wallets.named(account_id)
    if wallet is None:
        raise HoldUnknown
    account = await lock_wallet(wallet.account_id, now, store)
    await store.read_hold(account, hold_id)
    return wallet, account, account.holds[hold_id]


async def _places(account: Account, payment: Hold, store: PointsStore) -> Sequence[Payment]:
    """What paid, with the lots it came from, also the empty ones."""
    places = await store.wallets.read_places(account, payment)
    await store.read_lots([(account, place.lot) for place in places])
    return places


def document(wallet: Wallet, hold: Hold, refunded: int, now: datetime) -> dict[str, Any]:
    """A hold or payment as everybody sees it."""
    return {
        "hold_id": hold.hold_id,
        "member_id": wallet.member_id,
        "currency": wallet.currency,
        "amount_minor": hold.points,
        "state": holds.state_at(hold, now),
        "captured_minor": hold.captured,
        "released_minor": 0 if hold.state == OPEN else hold.points - hold.captured,
        "refunded_minor": refunded,
        "order_id": hold.order_id,
        "made_at": hold.made_at,
        "expires_at": hold.expires_at,
        "ended_at": hold.ended_at,
        "lots": [{"lot": lot, "paid": stored_value.is_paid(lot), "amount_minor": amount} for lot, amount in hold.parts],
    }


async def _ended(wallet: Wallet, hold: Hold, now: datetime, store: PointsStore, *, replayed: bool = False) -> Answer:
    refunded = await store.wallets.returned(wallet.account_id, hold) if replayed else 0
    return said(ENDED, document(wallet, hold, refunded, now), hold_link(hold.hold_id), replayed=replayed)


def _refused(no: Refused, account: Account, hold_id: UUID) -> Answer:
    """Holds speak of points; here they are minor units."""
    figures = {IN_MONEY.get(name, name): value for name, value in no.figures.items()}
    return refused(Refused(no.kind, figures), account, hold_link(hold_id))
