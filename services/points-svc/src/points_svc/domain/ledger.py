"""The only moves there are: points are put into a lot, taken from lots, reserved, redeemed, released, expired; each writes two-sided
entries that sum to zero. The one thing not to break: while there is debt nothing is spendable (domain.md 3.3.3); only what is over may
still lie in lots."""

from __future__ import annotations

from datetime import datetime

from points_svc.domain.account import (
    AVAILABLE,
    CLEARING,
    DEBT,
    EXPIRED,
    EXPIRY,
    GIVEN_BACK,
    HELD,
    ISSUANCE,
    REDEEMED,
    RELEASED,
    REPAID,
    RESERVED,
    SPENT,
    UNSAID,
    Account,
    Entry,
    Lot,
    Posting,
    Statement,
    Why,
    has_been_expired,
    is_over,
)

POINTS_MAX = 10**15  # of one balance (reliability.md 3.1)


def open_page(account: Account, cause: str, at: datetime) -> None:
    """From here on entries cite this cause."""
    account.cause, account.at, account.page_from = cause, at, len(account.entries)


def close_page(account: Account) -> None:
    """What the cause moved becomes one statement, with the balance as it stands now; a cause that moved nothing says nothing."""
    if len(account.entries) == account.page_from:
        return
    if account.pending:
        account.pending = {when: points for when, points in account.pending.items() if _is_pending(account, when)}
    if account.said_at is None or account.at > account.said_at:
        account.said_at = account.at
    account.said += 1
    account.statements.append(
        Statement(
            number=account.said,
            cause=account.cause,
            at=account.at,
            postings=tuple(
                [
                    Posting(entry.kind, entry.amount if entry.credit == AVAILABLE else -entry.amount, entry.order_id)
                    for entry in account.entries[account.page_from :]
                    if entry.kind not in UNSAID
                ]
            ),
            posted=account.posted,
            held=account.held,
            debt=account.debt,
            ladder=tuple(sorted(account.ladder.items())),
            pending=tuple(sorted(account.pending.items())),
            earned_net=account.earned_net,
        )
    )


def write(
    account: Account,
    kind: str,
    amount: int,
    why: Why,
    *,
    debit: str,
    credit: str,
    order_id: str | None = None,
    lot: int | None = None,
    consumed: tuple[tuple[int, int], ...] = (),
) -> None:
    """One entry, behind all others of the account."""
    if amount <= 0:
        raise ValueError(f"an entry moves points, not {amount}")
    account.seq += 1
    leg = len(account.entries) - account.page_from + 1
    entry = Entry(
        account.seq, account.cause, leg, account.at, kind, debit, credit, amount, order_id, lot, why, consumed
    )
    account.entries.append(entry)


def put(
    account: Account,
    lot: Lot,
    amount: int,
    kind: str,
    why: Why,
    *,
    source: str = ISSUANCE,
    order_id: str | None = None,
) -> None:
    """Points come into a lot. Debt is repaid from them at once; what is left in a lot that has been expired expires with it."""
    write(account, kind, amount, why, debit=source, credit=AVAILABLE, order_id=order_id, lot=lot.lot)
    if source == ISSUANCE:
        lot.granted += amount
    account.posted += amount
    if account.posted > POINTS_MAX:
        raise ValueError("no account may hold so many points")
    _settle(account, lot, amount, why, order_id)


def _settle(account: Account, lot: Lot, amount: int, why: Why, order_id: str | None) -> None:
    """What has just come into a lot repays debt first; the rest stays, or expires at once in a lot that has been expired (3.3.5)."""
    _move(account, lot, amount)
    if account.debt:
        repaid = min(account.debt, amount)
        consumed = ((lot.lot, repaid),)
        write(account, REPAID, repaid, why, debit=AVAILABLE, credit=DEBT, order_id=order_id, consumed=consumed)
        _move(account, lot, -repaid)
        account.posted -= repaid
        account.debt -= repaid
    if lot.remaining and has_been_expired(lot, account.day):
        expire(account, [lot], {"rule": "expiry", "expires_at": lot.expires_at, "already": True})


def take(account: Account, own: Lot | None, amount: int, kind: str, why: Why, *, order_id: str | None = None) -> None:
    """Points are taken back (domain.md 3.3.2): from what is left of their own lot, then from what expired of it unspent (which is given
    back first, so that the balance does not move), then from the lots that expire soonest; what is missing becomes debt. Other lots
    that are over by the clock are left alone, swept or not: whether a day has been closed makes no difference. Points that were given a
    longer life in another lot are their own lot's all the same."""
    if not account.knows_all_lots:
        raise ValueError(f"points are taken back from {account.member_id} whose lots have not been read")
    consumed: list[tuple[int, int]] = []
    missing = amount
    ours = [] if own is None else family(account, own.lot)
    for lot in ours:
        missing -= _consume(account, lot, missing, consumed)
    for lot in ours:
        revived = min(missing, lot.expired)
        if revived:
            lot.expired -= revived
            write(account, GIVEN_BACK, revived, why, debit=EXPIRED, credit=AVAILABLE, order_id=order_id, lot=lot.lot)
            account.posted += revived
            _move(account, lot, revived)
            missing -= _consume(account, lot, revived, consumed)
    if missing:
        for lot in lots_in_turn(account):
            missing -= _consume(account, lot, missing, consumed)
            if not missing:
                break
    if consumed:
        taken = amount - missing
        account.posted -= taken
        places = _merged(consumed)
        write(account, kind, taken, why, debit=AVAILABLE, credit=ISSUANCE, order_id=order_id, consumed=places)
    if missing:
        account.debt += missing
        write(account, kind, missing, why, debit=DEBT, credit=ISSUANCE, order_id=order_id)


def withdraw(
    account: Account, lots: list[Lot], amount: int, kind: str, why: Why, *, credit: str
) -> tuple[tuple[int, int], ...]:
    """Points of these lots, in this order, go to another account of the books; the caller has seen that they suffice. Which lot gave how
    many."""
    places = _in_turn(account, lots, amount)
    account.posted -= amount
    write(account, kind, amount, why, debit=AVAILABLE, credit=credit, consumed=places)
    return places


def reserve(
    account: Account, lots: list[Lot], amount: int, why: Why, *, order_id: str | None
) -> tuple[tuple[int, int], ...]:
    """Points of these lots, in this order, are held; the caller has seen that they suffice. Which lot gave how many."""
    places = _in_turn(account, lots, amount)
    account.held += amount
    write(account, RESERVED, amount, why, debit=AVAILABLE, credit=HELD, order_id=order_id, consumed=places)
    return places


def redeem(account: Account, parts: tuple[tuple[int, int], ...], why: Why, *, order_id: str | None) -> None:
    """Held points are spent. They have left their lots before."""
    amount = sum(points for _, points in parts)
    account.held -= amount
    account.posted -= amount
    write(account, SPENT, amount, why, debit=HELD, credit=REDEEMED, order_id=order_id, consumed=parts)


def release(account: Account, lot: Lot, amount: int, why: Why, *, order_id: str | None) -> None:
    """Held points go back into their lot, where they repay debt first, like whatever comes into one."""
    account.held -= amount
    write(account, RELEASED, amount, why, debit=HELD, credit=AVAILABLE, order_id=order_id, lot=lot.lot)
    _settle(account, lot, amount, why, order_id)


def move(account: Account, lot: Lot, to: Lot, kind: str, why: Why) -> None:
    """What is left of a lot moves into another one that was earned with it: two entries by way of clearing, so that either lot keeps its
    dates and what was said before can be said again."""
    amount = lot.remaining
    consumed: list[tuple[int, int]] = []
    _consume(account, lot, amount, consumed)
    write(account, kind, amount, why, debit=AVAILABLE, credit=CLEARING, consumed=tuple(consumed))
    write(account, kind, amount, why, debit=CLEARING, credit=AVAILABLE, lot=to.lot)
    to.granted += amount
    _move(account, to, amount)


def where_points_live(account: Account, number: int) -> Lot | None:
    """The lot of an activity, or the one that lasts longest of those that its points have moved on to; None: there is none yet."""
    return max(family(account, number), key=lambda lot: (lot.expires_at, lot.lot), default=None)


def family(account: Account, number: int) -> list[Lot]:
    """The lot of an activity, and those that its points have moved on to; its own first."""
    found = (lot for lot in account.lots.values() if number in (lot.lot, lot.extends))
    return sorted(found, key=lambda lot: lot.lot)


def lots_in_turn(account: Account) -> list[Lot]:
    """Lots that hold anything and are not over by the clock, the soonest to expire first."""
    lots = [lot for lot in account.lots.values() if lot.remaining and not is_over(lot, account)]
    return sorted(lots, key=lambda lot: lot.turn)


def expire(account: Account, lots: list[Lot], why: Why) -> None:
    """What is left of these lots expires; each keeps in mind how much."""
    consumed: list[tuple[int, int]] = []
    for lot in lots:
        lot.expired += lot.remaining
        _consume(account, lot, lot.remaining, consumed)
    amount = sum(points for _, points in consumed)
    account.posted -= amount
    write(account, EXPIRY, amount, why, debit=AVAILABLE, credit=EXPIRED, consumed=tuple(consumed))


def _in_turn(account: Account, lots: list[Lot], amount: int) -> tuple[tuple[int, int], ...]:
    """Take so many points out of these lots, in this order. Raises ValueError where they do not suffice."""
    consumed: list[tuple[int, int]] = []
    missing = amount
    for lot in lots:
        missing -= _consume(account, lot, missing, consumed)
        if not missing:
            break
    if missing:
        raise ValueError(f"{missing} points are missing of {amount}")
    return tuple(consumed)


def _consume(account: Account, lot: Lot, wanted: int, consumed: list[tuple[int, int]]) -> int:
    """Take up to `wanted` from a lot; how much it was."""
    amount = min(wanted, lot.remaining)
    if amount:
        _move(account, lot, -amount)
        consumed.append((lot.lot, amount))
    return amount


def _move(account: Account, lot: Lot, amount: int) -> None:
    """A lot and the ladders it stands in change together."""
    lot.remaining += amount
    lot.is_changed = True
    _add(account.ladder, lot.expires_at, amount)
    if lot.available_at > lot.earned_at and _is_pending(account, lot.available_at):
        _add(account.pending, lot.available_at, amount)


def _is_pending(account: Account, available_at: datetime) -> bool:
    """By the latest time among the causes that moved the account so far, which the entries hold; not by the clock, which they do not: so
    that a second reading of the ledger says the same."""
    return available_at > account.at and (account.said_at is None or available_at > account.said_at)


def _add(ladder: dict[datetime, int], at: datetime, amount: int) -> None:
    left = ladder.get(at, 0) + amount
    if left:
        ladder[at] = left
    else:
        ladder.pop(at, None)


def _merged(consumed: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """One place per lot: the own lot may have given twice, once from what was left and once from what had expired."""
    totals: dict[int, int] = {}
    for lot, points in consumed:
        totals[lot] = totals.get(lot, 0) + points
    return tuple(totals.items())
