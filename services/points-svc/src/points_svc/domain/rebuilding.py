"""An account rebuilt from its entries, from zero, and compared with what stands (P31): balances, numbers, lots, ladder, holds. The one
thing not to break: everything here comes from the entries; what stands is only compared, and every difference becomes a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from points_svc.domain import replay
from points_svc.domain.account import AVAILABLE, HELD, OPEN, REDEEMED, Account, Entry, Hold, Lot


def differences(
    account: Account | None, entries: Sequence[Entry], lots: Mapping[int, Lot], holds: Iterable[Hold]
) -> list[str]:
    """What of a member is not what his entries say; empty is the promise."""
    if account is None:
        return [f"{len(entries)} entries and no account"]
    try:
        books = replay.figures(entries)
    except KeyError as lot:
        return [f"the entries take from lot {lot}, into which they have put nothing"]
    return [*_figures(account, entries, books), *_lots(account, lots, books), *_holds(entries, holds)]


def _figures(account: Account, entries: Sequence[Entry], books: replay.Books) -> Iterator[str]:
    figures = {
        "posted": (account.posted, books.posted),
        "held": (account.held, books.held),
        "debt": (account.debt, books.debt),
        "earned net": (account.earned_net, books.earned_net),
        "last entry": (account.seq, len(entries)),
        "causes said": (account.said, sum(entry.leg == 1 for entry in entries)),
    }
    for name, (stands, rebuilt) in figures.items():
        if stands != rebuilt:
            yield f"{name}: {stands} stands, the entries give {rebuilt}"
    for place, entry in enumerate(entries, 1):
        if entry.seq != place:
            yield f"entry {place} is missing: number {entry.seq} stands in its place"
            return


def _lots(account: Account, lots: Mapping[int, Lot], books: replay.Books) -> Iterator[str]:
    ladder: dict[datetime, int] = {}
    for number, remaining in books.remaining.items():
        lot = lots.get(number)
        if lot is None:
            yield f"lot {number}: it is not there, the entries leave {remaining} in it"
            continue
        if lot.remaining != remaining:
            yield f"lot {number}: {lot.remaining} stand in it, the entries leave {remaining}"
        if lot.expired != books.expired.get(number, 0):
            yield f"lot {number}: {lot.expired} stand as expired, the entries give {books.expired.get(number, 0)}"
        if remaining:
            ladder[lot.expires_at] = ladder.get(lot.expires_at, 0) + remaining
    for number in lots.keys() - books.remaining.keys():
        if lots[number].remaining or lots[number].expired:
            yield f"lot {number}: {lots[number].remaining} stand in it, no entry has put any there"
    if ladder != account.ladder:
        yield f"ladder: {_told(account.ladder)} stands, the entries give {_told(ladder)}"


def _holds(entries: Iterable[Entry], holds: Iterable[Hold]) -> Iterator[str]:
    """What each hold reserved, spent and gave back, from the entries of the cause that made it and of the one that ended it."""
    reserved: dict[int, int] = {}
    out: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.credit == HELD:
            reserved[entry.seq] = entry.amount
        elif entry.debit == HELD:
            out[entry.cause, entry.credit] = out.get((entry.cause, entry.credit), 0) + entry.amount
    for hold in holds:
        made = reserved.pop(hold.seq, 0)
        if made != hold.points:
            yield f"hold {hold.hold_id}: {hold.points} points stand, entry {hold.seq} reserved {made}"
        if hold.state == OPEN or hold.ended_by is None:
            continue
        spent, back = out.pop((hold.ended_by, REDEEMED), 0), out.pop((hold.ended_by, AVAILABLE), 0)
        if (spent, back) != (hold.captured, hold.points - hold.captured):
            yield (
                f"hold {hold.hold_id}: {hold.captured} captured and {hold.points - hold.captured} given back stand, "
                f"the entries give {spent} and {back}"
            )
    for seq in reserved:
        yield f"entry {seq} reserved points for a hold that is not there"
    for cause, side in out:
        yield f"cause {cause!r} moved held points to {side} for a hold that it did not end"


def _told(ladder: Mapping[datetime, int]) -> str:
    return ", ".join(f"{points} until {at.isoformat()}" for at, points in sorted(ladder.items())) or "nothing"
