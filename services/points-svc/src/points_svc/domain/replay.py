"""A member's books read again from the first entry: the balance after each cause, as it was said then. The one thing not to break: this
is a second reading of the ledger, so it shares nothing with the code that wrote it but the words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from points_svc.domain.account import (
    AVAILABLE,
    DEBT,
    EARNED,
    EXPIRED,
    HELD,
    RATED_AGAIN,
    TAKEN_BACK,
    UNSAID,
    Entry,
    Lot,
    Posting,
    Statement,
)

OF_ORDERS = frozenset({EARNED, RATED_AGAIN, TAKEN_BACK})


@dataclass(slots=True)
class Books:
    """Figures as the entries alone give them."""

    posted: int = 0
    held: int = 0
    debt: int = 0
    earned_net: int = 0
    said_at: datetime | None = None
    remaining: dict[int, int] = field(default_factory=dict)
    expired: dict[int, int] = field(default_factory=dict)


def statements(entries: Iterable[Entry], lots: Mapping[int, Lot]) -> tuple[list[Statement], Books]:
    """All statements of a member in the order in which they were said; and the figures at the end."""
    books = Books()
    said: list[Statement] = []
    for cause, group in groupby(entries, key=lambda entry: entry.cause):
        page = list(group)
        for entry in page:
            _follow(books, entry)
        said.append(_statement(len(said) + 1, cause, page, books, lots))
    return said, books


def figures(entries: Iterable[Entry]) -> Books:
    """What the entries alone give, without what was said on the way."""
    books = Books()
    for entry in entries:
        _follow(books, entry)
    return books


def _follow(books: Books, entry: Entry) -> None:
    mine = (AVAILABLE, HELD)
    books.posted += (entry.credit in mine) * entry.amount - (entry.debit in mine) * entry.amount
    books.held += (entry.credit == HELD) * entry.amount - (entry.debit == HELD) * entry.amount
    if entry.credit == AVAILABLE and entry.lot is not None:
        books.remaining[entry.lot] = books.remaining.get(entry.lot, 0) + entry.amount
        if entry.debit == EXPIRED:
            books.expired[entry.lot] -= entry.amount
    if entry.debit == AVAILABLE:
        for lot, points in entry.consumed:
            books.remaining[lot] -= points
            if entry.credit == EXPIRED:
                books.expired[lot] = books.expired.get(lot, 0) + points
    books.debt += (entry.debit == DEBT) * entry.amount - (entry.credit == DEBT) * entry.amount
    if entry.order_id is not None and entry.kind in OF_ORDERS:
        books.earned_net += entry.amount if entry.credit == AVAILABLE else -entry.amount


def _statement(number: int, cause: str, page: list[Entry], books: Books, lots: Mapping[int, Lot]) -> Statement:
    at = page[0].at
    books.said_at = at if books.said_at is None else max(at, books.said_at)
    ladder: dict[datetime, int] = {}
    pending: dict[datetime, int] = {}
    for lot, left in books.remaining.items():
        if left:
            ladder[lots[lot].expires_at] = ladder.get(lots[lot].expires_at, 0) + left
            if lots[lot].available_at > max(books.said_at, lots[lot].earned_at):
                pending[lots[lot].available_at] = pending.get(lots[lot].available_at, 0) + left
    return Statement(
        number=number,
        cause=cause,
        at=at,
        postings=tuple(
            Posting(entry.kind, entry.amount if entry.credit == AVAILABLE else -entry.amount, entry.order_id)
            for entry in page
            if entry.kind not in UNSAID
        ),
        posted=books.posted,
        held=books.held,
        debt=books.debt,
        ladder=tuple(sorted(ladder.items())),
        pending=tuple(sorted(pending.items())),
        earned_net=books.earned_net,
    )
