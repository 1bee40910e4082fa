"""Stored value (ADR 0016): money that a member has paid in ahead, and the bonus that was given with it, in minor units of one currency. A
wallet is an account of the ledger like any other, so lots, entries and holds are those of points. The one thing not to break: paid value
never expires and is never given away; bonus value never becomes cash, and nobody keeps it whose paid value has been paid out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from points_svc.domain import calendar, holds, ledger, returning
from points_svc.domain.account import CAPTURED, OPEN, REDEEMED, Account, Hold, Lot, Payment, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused

# Accounts of the books that only money has: what customers have paid in less what they were paid out, and what the shop has given.
CASH = "cash"
PROMOTION = "promotion"

# Kinds of entries that only money has.
TOPPED_UP = "topped_up"
BONUS_GIVEN = "bonus_given"
BONUS_FORFEITED = "bonus_forfeited"
REFUNDED = "refunded"
CASHED_OUT = "cashed_out"

# Kinds of lots. What came back after its end is bonus too: paid value has no end.
PAID = "paid"
BONUS = "bonus"

NEVER = datetime(9999, 12, 31, tzinfo=UTC)  # when paid value expires; the ledger's lots all have an end
BONUS_LOTS_FROM = 1 << 40  # then the number of the paid lot that the bonus was given with


@dataclass(frozen=True, slots=True)
class Wallet:
    """Whose stored value an account of the books is. `account_id` is derived from the member's id, so that there is one per member."""

    account_id: UUID
    member_id: UUID
    currency: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """What the member's own account says about who may spend, read without a lock: it changes by the stream, not by the till."""

    active: bool
    frozen: bool


@dataclass(frozen=True, slots=True)
class Value:
    """What can be spent at a moment."""

    paid: int
    bonus: int

    @property
    def available(self) -> int:
        return self.paid + self.bonus


def value_at(account: Account, now: datetime) -> Value:
    """What lies in lots and is not over. What is held lies in no lot."""
    lots = _live(account, now)
    paid = sum(lot.remaining for lot in lots if lot.kind == PAID)
    return Value(paid, sum(lot.remaining for lot in lots) - paid)


def spendable(account: Account, now: datetime, first: str) -> list[Lot]:
    """Lots in the order in which they pay: all paid value before all bonus or the other way round, as the programme says; of either what
    expires soonest, then what came first."""
    return sorted(_live(account, now), key=lambda lot: ((lot.kind == PAID) != (first == PAID), lot.turn))


def _live(account: Account, now: datetime) -> list[Lot]:
    return [lot for lot in account.lots.values() if lot.remaining and now < lot.expires_at]


def is_paid(lot: int) -> bool:
    """By the lot's number."""
    return lot < BONUS_LOTS_FROM


def given_with(places: Sequence[Payment]) -> list[int]:
    """The paid lots with which the bonuses were given that paid."""
    return [place.lot - BONUS_LOTS_FROM for place in places if not is_paid(place.lot)]


def barred(account: Account, owner: Owner) -> str | None:
    """Why nothing may leave the wallet; None: it may."""
    if account.halted:
        return "account_frozen"
    if not owner.active:
        return "member_not_active"
    return "member_frozen" if owner.frozen else None


def top_up(
    account: Account, paid: int, bonus: int, now: datetime, *, owner: Owner, rules: Rules, why: Why
) -> Refused | None:
    """Money comes in, and a bonus with it, each into a lot of its own. None: done. A frozen member's money is taken: it was paid."""
    most = ledger.POINTS_MAX if rules.wallet.balance_max_minor is None else rules.wallet.balance_max_minor
    bonus_max = paid * rules.wallet.bonus_max_percent // 100
    figures = {"paid_minor": paid, "bonus_minor": bonus, "posted_minor": account.posted}
    if not owner.active:
        return Refused("member_not_active", figures)
    if bonus > bonus_max:
        return Refused("bonus_too_large", figures | {"bonus_max_minor": bonus_max})
    if account.posted + paid + bonus > most:
        return Refused("value_full", figures | {"balance_max_minor": most})
    number = account.seq + 1
    ledger.put(account, _lot(account, number, PAID, paid, now=now, until=NEVER), paid, TOPPED_UP, why, source=CASH)
    if bonus:
        lot = _lot(account, BONUS_LOTS_FROM + number, BONUS, bonus, now=now, until=bonus_end(now, rules))
        ledger.put(account, lot, bonus, BONUS_GIVEN, why, source=PROMOTION)
    return None


def bonus_end(now: datetime, rules: Rules) -> datetime:
    """When bonus value that is given now expires: so many whole local days after today."""
    if rules.wallet.bonus_days is None:
        return NEVER
    day = calendar.local_day(now, rules.zone)
    return calendar.start_of_day_after(day, rules.wallet.bonus_days + 1, rules.zone)


def _lot(account: Account, number: int, kind: str, amount: int, *, now: datetime, until: datetime) -> Lot:
    lot = Lot(number, kind, amount, 0, 0, now, now, until, is_new=True, is_changed=True)
    account.lots[number] = lot
    return lot


def hold(
    account: Account, hold_id: UUID, amount: int, now: datetime, *, lasts: timedelta, owner: Owner, rules: Rules, why: Why,
    order_id: str | None,
) -> Hold | Refused:  # fmt: skip
    """Set value apart for a checkout."""
    available = value_at(account, now).available
    kind = barred(account, owner) or ("insufficient_value" if amount > available else None)
    if kind is not None:
        return Refused(kind, {"amount_minor": amount, "available_minor": available})
    lots = spendable(account, now, rules.wallet.spend_first)
    return holds.reserve(account, lots, hold_id, amount, now, expires_at=now + lasts, why=why, order_id=order_id)


def pay(
    account: Account, hold_id: UUID, amount: int, now: datetime, *, owner: Owner, rules: Rules, why: Why, order_id: str | None
) -> Hold | Refused:  # fmt: skip
    """Hold and capture at once."""
    made = hold(
        account, hold_id, amount, now, lasts=timedelta(), owner=owner, rules=rules, why=why, order_id=order_id
    )  # fmt: skip
    if isinstance(made, Hold):
        holds.capture_at_once(account, made, now, why)
    return made


def capture(
    account: Account, held: Hold, amount: int | None, now: datetime, *, owner: Owner, why: Why, order_id: str | None
) -> Refused | None:
    """Pay with all of a hold or a part of it; the rest is free at once. None: done."""
    kind = barred(account, owner) if holds.state_at(held, now) == OPEN else None
    if kind is not None:
        return Refused(kind, {"state": held.state, "points": held.points})
    return holds.capture(account, held, amount, now, why=why, order_id=order_id)


def refund(
    account: Account, payment: Hold, places: Sequence[Payment], amount: int | None, now: datetime, *, paid_out: Mapping[int, int],
    rules: Rules, why: Why,
) -> Refused | None:  # fmt: skip
    """Give a payment back, or a part of it, into the lots that paid it, the last spent first; what came from a bonus that is over lasts
    until the start of the 31st local day, like points that come back. `places`: which lot paid how much, in that order; `paid_out`: how
    much of which paid lot went out as cash while a bonus was to go with it. None: done."""
    if payment.state != CAPTURED:
        return Refused("payment_not_made", {"state": payment.state})
    left = sum(place.amount - place.returned for place in places)
    wanted = left if amount is None else amount
    if wanted > left or not wanted:
        return Refused("refund_exceeds_payment", {"amount_minor": wanted, "left_minor": left})
    parts: list[tuple[int, int]] = []
    missing = wanted
    for place in reversed(places):
        back = min(missing, place.amount - place.returned)
        if back:
            place.returned += back
            place.is_changed = True
            parts.append((place.lot, back))
            missing -= back
    reason = why | {"amount_minor": wanted, "left_minor_before": left}
    for part in parts:
        returning.give_back(
            account, (part,), REFUNDED, now, rules=rules, why=reason, source=REDEEMED, order_id=payment.order_id
        )
        _forfeit_with_what_was_paid_out(account, *part, paid_out, why)
    return None


def _forfeit_with_what_was_paid_out(
    account: Account, number: int, back: int, paid_out: Mapping[int, int], why: Why
) -> None:
    """A bonus that paid was not there when its paid value was paid out: now that it is back, the same part of it goes as had gone of that,
    rounded up. It lies where the last entry has put it, which need not be the lot it came from."""
    with_lot, lot = number - BONUS_LOTS_FROM, account.entries[-1].lot
    taken = paid_out.get(with_lot, 0)
    if not taken or lot is None:
        return
    of = account.lots[with_lot].granted
    reason = why | {"with_lot": with_lot, "taken_minor": taken, "of_minor": of, "bonus_back_minor": back}
    ledger.withdraw(account, [account.lots[lot]], -(-back * taken // of), BONUS_FORFEITED, reason, credit=PROMOTION)


def cash_out(
    account: Account, amount: int | None, now: datetime, *, owner: Owner, rules: Rules, why: Why
) -> Refused | None:
    """Pay paid value out, all that is free or so much of it, the oldest first. Of a bonus that was given with it, and is still there, the
    same part is forfeited, rounded up, unless the programme lets it be kept. What is in an open hold is still there, paid or bonus; only
    what is free can go, so where that is too little, the hold has to end first. The open holds have been read. None: done."""
    paid = value_at(account, now).paid
    wanted = paid if amount is None else amount
    kind = (
        "cash_out_not_allowed" if not rules.wallet.cash_out
        else barred(account, owner) or ("insufficient_value" if wanted > paid or not wanted else None)
    )  # fmt: skip
    if kind is not None:
        return Refused(kind, {"amount_minor": wanted, "available_minor": paid})
    lots = [lot for lot in spendable(account, now, PAID) if lot.kind == PAID]
    going = [] if rules.wallet.bonus_on_cash_out == "keep" else _going_with(account, lots, wanted)
    missing = sum(max(0, one.bonus - one.free) for one in going)
    if missing:
        return Refused("bonus_held", {"amount_minor": wanted, "available_minor": paid, "bonus_missing_minor": missing})
    # A refund that comes later goes by what is the rule now.
    why = why | {"bonus_on_cash_out": rules.wallet.bonus_on_cash_out}
    ledger.withdraw(account, lots, wanted, CASHED_OUT, why, credit=CASH)
    for one in going:
        reason = why | {"with_lot": one.with_lot, "taken_minor": one.taken, "of_minor": one.of}
        bonus = account.lots[BONUS_LOTS_FROM + one.with_lot]
        ledger.withdraw(account, [bonus], one.bonus, BONUS_FORFEITED, reason, credit=PROMOTION)
    return None


class Going(NamedTuple):
    """Bonus that goes because `taken` is paid out `of` the paid value that is there of one lot; `free`: what of the bonus is in no hold."""

    with_lot: int
    taken: int
    of: int
    bonus: int
    free: int


def _going_with(account: Account, lots: list[Lot], wanted: int) -> list[Going]:
    """What goes with so much out of these paid lots, in this order. What is held counts on both sides, so that it makes no difference
    whether a hold is given up before or after."""
    held: Counter[int] = Counter()
    for hold in account.holds.values():
        if hold.state == OPEN:
            held.update(dict(hold.parts))
    going = []
    for lot in lots:
        taken = min(wanted, lot.remaining)
        wanted -= taken
        bonus = account.lots.get(BONUS_LOTS_FROM + lot.lot)
        free, of = 0 if bonus is None else bonus.remaining, lot.remaining + held[lot.lot]
        goes = -(-(free + held[BONUS_LOTS_FROM + lot.lot]) * taken // of)
        if goes:
            going.append(Going(lot.lot, taken, of, goes, free))
    return going


def expire(account: Account, now: datetime) -> int:
    """Bonus value whose end has passed is gone, each end a cause of its own and at its own time; how many ends. The number of the entry is
    in the cause, because a hold that ends later may put value back into such a lot."""
    over = [lot for lot in account.lots.values() if lot.remaining and lot.expires_at <= now]
    ends = sorted({lot.expires_at for lot in over})
    for end in ends:
        ledger.open_page(account, f"end {account.seq + 1}", end)
        lots = sorted((lot for lot in over if lot.expires_at == end), key=lambda lot: lot.turn)
        ledger.expire(account, lots, {"rule": "end of a bonus", "expires_at": end})
        ledger.close_page(account)
    return len(ends)
