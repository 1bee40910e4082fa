"""Expiry at the end of a day (domain.md 2.3, 3.4). A record moves its partition's day and opens a round; accounts are swept in chunks, and
each before anything else is done with it, so that its entries are the same as if all had been swept at once.
The one thing not to break: a record whose `as_of` is not later than the last one applied in its partition does nothing, and what is
made after a record waits for the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from points_svc.domain import ledger
from points_svc.domain.account import Account, Day, Lot, Round, Why

MOMENT = timedelta(microseconds=1)


def advance(day: Day, as_of: datetime) -> bool:
    """Whether the record counts in its partition; then the partition's day is moved on, for all its accounts at once."""
    if day.as_of is not None and as_of <= day.as_of:
        return False
    day.as_of, day.is_changed = as_of, True
    return True


def open_round(day: Day, local_day: date, version: int) -> None:
    """The day has been moved on: what has expired by then is to be swept."""
    if day.as_of is None:
        raise ValueError(f"no day record has been applied in partition {day.partition}")
    round_ = Round(day.as_of, local_day, version)
    day.rounds.append(round_)
    day.opened.append(round_)


def is_due(account: Account, as_of: datetime) -> bool:
    """Whether anything of the account may expire by a record: all of it stands in the ladder, so no lot is read to know this. A member
    whose stream begins after a record is not moved by it."""
    if not account.ladder or not account.activity or min(account.ladder) > as_of:
        return False
    return account.began_after is None or as_of > account.began_after


def is_behind(account: Account) -> bool:
    """Whether a round may not have come to this account yet."""
    rounds = account.day.rounds
    return bool(rounds) and is_due(account, rounds[-1].as_of)


def sweep(account: Account, rounds: Sequence[Round]) -> None:
    """Rounds that have not come to the account, oldest first, each a cause of its own. The lots that are due have been read."""
    for round_ in rounds:
        if is_due(account, round_.as_of):
            ledger.open_page(account, f"day {round_.day}", round_.as_of)
            expire_due(account, round_.as_of, {"rule": "expiry", "version": round_.version, "as_of": round_.as_of})
            ledger.close_page(account)
    account.is_swept = True


def expire_due(account: Account, as_of: datetime, why: Mapping[str, object]) -> None:
    """What is left of the lots that have expired by `as_of`, in the order of their expiry; a lot that was made after this record, past
    its expiry by then, waits for the next one."""
    over = [lot for lot in account.lots.values() if lot.remaining and lot.expires_at <= as_of]
    if sum(lot.remaining for lot in over) != sum(left for at, left in account.ladder.items() if at <= as_of):
        raise ValueError(f"lots and ladder of {account.member_id} differ; the books are not touched")
    due = sorted((lot for lot in over if _was_there(lot, as_of)), key=lambda lot: lot.turn)
    if due:
        reason: Why = dict(why)
        ledger.expire(account, due, reason)


def next_expiry(account: Account) -> datetime | None:
    """From which day record on the account is to be swept again. What a swept account still holds past the last record was made after it
    and waits for the next one, whose instant nobody knows: any later one."""
    first = min(account.ladder, default=None)
    as_of = account.day.as_of
    if first is None or as_of is None or first > as_of or not account.is_swept:
        return first
    return as_of + MOMENT


def _was_there(lot: Lot, as_of: datetime) -> bool:
    return lot.born_after is None or lot.born_after < as_of
