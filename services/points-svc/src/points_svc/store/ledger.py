"""Entries, lots and what entries took from lots. The one thing not to break: entries are only ever added."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Entry, Lot, NoEffect, Payment

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

# What is only ever added is copied in, binary: the server does less for it than for the same rows out of a JSON text (ADR 0008).
NEW_ENTRY = ("member_id", "seq", "cause", "leg", "at", "kind", "debit", "credit", "amount", "order_id", "lot", "why")
NEW_NO_EFFECT = ("member_id", "cause", "at", "why")
NEW_CONSUMPTION = ("member_id", "seq", "place", "lot", "amount")
COPIED_FROM = (
    50  # rows of consumption: a sweep writes thousands at once; of a checkout's two or three one statement is cheaper
)

ADD_CONSUMPTION = text("""
INSERT INTO consumption (member_id, seq, place, lot, amount)
SELECT * FROM unnest(
  CAST(:ids AS uuid[]), CAST(:seq AS bigint[]), CAST(:place AS smallint[]), CAST(:lot AS bigint[]), CAST(:amount AS bigint[]))
""")

RETURN_CONSUMED = text("""
UPDATE consumption c SET returned = n.returned
FROM unnest(CAST(:ids AS uuid[]), CAST(:seq AS bigint[]), CAST(:place AS smallint[]), CAST(:returned AS bigint[]))
  AS n(member_id, seq, place, returned)
WHERE c.member_id = n.member_id AND c.seq = n.seq AND c.place = n.place
""")

CHANGE_LOTS = text("""
UPDATE lot l SET granted = n.granted, remaining = n.remaining, expired = n.expired
FROM unnest(CAST(:ids AS uuid[]), CAST(:lot AS bigint[]), CAST(:granted AS bigint[]), CAST(:remaining AS bigint[]),
            CAST(:expired AS bigint[])) AS n(member_id, lot, granted, remaining, expired)
WHERE l.member_id = n.member_id AND l.lot = n.lot
""")

NEW_LOT = (
    "member_id", "lot", "kind", "granted", "remaining", "expired", "earned_at", "available_at", "expires_at", "born_after",
    "extends",
)  # fmt: skip
LOT_COLUMNS = ", ".join(NEW_LOT)

# All lots that hold anything, of these members.
LIVE_LOTS = text(f"SELECT {LOT_COLUMNS} FROM lot WHERE member_id = ANY(CAST(:ids AS uuid[])) AND remaining > 0")

# Lots by name, whether or not they hold anything, and those that their points have moved on to.
OF_LOTS = ", ".join("l." + column for column in NEW_LOT)
NAMED_LOTS = text(f"""
WITH wanted AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:lots AS bigint[])) AS named(member_id, lot))
SELECT {OF_LOTS} FROM wanted w JOIN lot l ON l.member_id = w.member_id AND l.lot = w.lot
UNION ALL SELECT {OF_LOTS} FROM wanted w JOIN lot l ON l.member_id = w.member_id AND l.extends = w.lot
""")

# What was spent on these orders and out of which lots, the last spent first.
PAYMENTS = text("""
SELECT t.member_id, t.order_id, c.seq, c.place, c.lot, c.amount, c.returned
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS text[])) AS wanted(member_id, order_id)
JOIN transfer t ON t.member_id = wanted.member_id AND t.order_id = wanted.order_id AND t.credit = 'redeemed'
JOIN consumption c ON c.member_id = t.member_id AND c.seq = t.seq
ORDER BY t.member_id, c.seq DESC, c.place DESC
""")

ENTRY_COLUMNS = "seq, cause, leg, at, kind, debit, credit, amount, order_id, lot, CAST(why AS text) AS why"

# A page of the ledger, newest first.
ENTRIES_BEFORE = text(f"""
SELECT {ENTRY_COLUMNS} FROM transfer WHERE member_id = :member_id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")

# Entries of one order.
ENTRIES_OF_ORDER = text(f"""
SELECT {ENTRY_COLUMNS} FROM transfer WHERE member_id = :member_id AND order_id = :order_id ORDER BY seq
""")

CONSUMED_BY = text("""
SELECT seq, lot, amount FROM consumption WHERE member_id = :member_id AND seq = ANY(CAST(:seq AS bigint[])) ORDER BY seq, place
""")


async def read_live_lots(tx: Transaction, accounts: Iterable[Account]) -> None:
    """Every lot that holds anything, into these accounts."""
    wanted = {account.member_id: account for account in accounts}
    if wanted:
        _into(wanted, await tx.run(LIVE_LOTS, ids=list(wanted)))
        for account in wanted.values():
            account.knows_all_lots = True


async def read_lots(tx: Transaction, wanted: Collection[tuple[Account, int]]) -> None:
    """Single lots, also empty ones. What an account already holds in memory is newer and stays."""
    if wanted:
        accounts = {account.member_id: account for account, _ in wanted}
        rows = await tx.run(
            NAMED_LOTS, ids=[account.member_id for account, _ in wanted], lots=[lot for _, lot in wanted]
        )
        _into(accounts, rows)


def _into(accounts: dict[UUID, Account], rows: Iterable[Any]) -> None:
    for member_id, *columns in rows:
        lots = accounts[member_id].lots
        if columns[0] not in lots:
            lots[columns[0]] = Lot(*columns)


async def read_payments(tx: Transaction, wanted: Collection[tuple[Account, str]]) -> None:
    """What was spent on these orders; together with the lots it came from."""
    accounts = {account.member_id: account for account, _ in wanted}
    ids, orders = [account.member_id for account, _ in wanted], [order_id for _, order_id in wanted]
    lots = []
    for member_id, order_id, *columns in await tx.run(PAYMENTS, ids=ids, orders=orders):
        payment = Payment(*columns)
        accounts[member_id].payments.setdefault(order_id, []).append(payment)
        lots.append((accounts[member_id], payment.lot))
    await read_lots(tx, lots)


async def write(tx: Transaction, accounts: Collection[Account]) -> None:
    """New entries with what they consumed, new and changed lots, and what moved nothing."""
    entries = [(account.member_id, entry) for account in accounts for entry in account.entries]
    if entries:
        await _add_entries(tx, entries)
    lots = [(account.member_id, lot) for account in accounts for lot in account.lots.values() if lot.is_changed]
    new = [(member_id, lot) for member_id, lot in lots if lot.is_new]
    if new:
        await _add_lots(tx, new)
    changed = [(member_id, lot) for member_id, lot in lots if not lot.is_new]
    if changed:
        await tx.run(
            CHANGE_LOTS,
            ids=[member_id for member_id, _ in changed],
            lot=[lot.lot for _, lot in changed],
            granted=[lot.granted for _, lot in changed],
            remaining=[lot.remaining for _, lot in changed],
            expired=[lot.expired for _, lot in changed],
        )
    await _write_returned(tx, accounts)
    nothing = [(account.member_id, none) for account in accounts for none in account.no_effects]
    if nothing:
        await _add_no_effects(tx, nothing)


async def _add_entries(tx: Transaction, entries: list[tuple[UUID, Entry]]) -> None:
    rows = [
        (
            member_id, entry.seq, entry.cause, entry.leg, entry.at, entry.kind, entry.debit, entry.credit, entry.amount,
            entry.order_id, entry.lot, _encode(entry.why).decode(),
        )
        for member_id, entry in entries
    ]  # fmt: skip
    await tx.copy("transfer", NEW_ENTRY, rows)
    consumed = [
        (member_id, entry.seq, place, lot, amount)
        for member_id, entry in entries
        for place, (lot, amount) in enumerate(entry.consumed, 1)
    ]
    if len(consumed) >= COPIED_FROM:
        await tx.copy("consumption", NEW_CONSUMPTION, consumed)
    elif consumed:
        ids, seq, places, lots, amounts = map(list, zip(*consumed, strict=True))
        await tx.run(ADD_CONSUMPTION, ids=ids, seq=seq, place=places, lot=lots, amount=amounts)


async def _add_lots(tx: Transaction, lots: list[tuple[UUID, Lot]]) -> None:
    rows = [
        (
            member_id, lot.lot, lot.kind, lot.granted, lot.remaining, lot.expired, lot.earned_at, lot.available_at,
            lot.expires_at, lot.born_after, lot.extends,
        )
        for member_id, lot in lots
    ]  # fmt: skip
    await tx.copy("lot", NEW_LOT, rows)


async def _write_returned(tx: Transaction, accounts: Iterable[Account]) -> None:
    returned = [
        (account.member_id, payment.seq, payment.place, payment.returned)
        for account in accounts
        if account.payments
        for payments in account.payments.values()
        for payment in payments
        if payment.is_changed
    ]
    if returned:
        ids, seq, places, points = map(list, zip(*returned, strict=True))
        await tx.run(RETURN_CONSUMED, ids=ids, seq=seq, place=places, returned=points)


async def _add_no_effects(tx: Transaction, nothing: list[tuple[UUID, NoEffect]]) -> None:
    rows = [(member_id, none.cause, none.at, _encode(none.why).decode()) for member_id, none in nothing]
    await tx.copy("no_effect", NEW_NO_EFFECT, rows)


async def read_entries(tx: Transaction, member_id: UUID, rows: Iterable[Any]) -> list[Entry]:
    """Rows of entries together with what they consumed."""
    entries = [Entry(*row) for row in rows]
    for entry in entries:
        entry.why = _decode(entry.why)  # type: ignore[arg-type]
    by_seq = {entry.seq: entry for entry in entries}
    for seq, lot, amount in await tx.run(CONSUMED_BY, member_id=member_id, seq=list(by_seq)):
        by_seq[seq].consumed += ((lot, amount),)
    return entries
