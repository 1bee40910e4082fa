"""Whose stored value is which account of the books, and what that needs beside the ledger's own statements. The one thing not to break: a
wallet is opened once and never changes its member or its currency; everything else of it is read and written as of any account."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import NO_LANE, Account, Hold, Payment
from points_svc.domain.stored_value import Wallet
from points_svc.store import accounts

COLUMNS = "account_id, member_id, currency, opened_at"

OF_MEMBER = text(f"SELECT {COLUMNS} FROM wallet WHERE member_id = :member_id")

NAMED = text(f"SELECT {COLUMNS} FROM wallet WHERE account_id = :account_id")

# The account's row first: who opens the same one at the same time waits here, and then finds both.
OPEN_ACCOUNT = text(f"""
INSERT INTO account (member_id, partition) VALUES (:account_id, {NO_LANE}) ON CONFLICT DO NOTHING
""")

OPEN = text(f"""
INSERT INTO wallet ({COLUMNS}) VALUES (:account_id, :member_id, :currency, :opened_at) ON CONFLICT DO NOTHING
""")

# What paid, lot by lot: the entry by which a hold was captured.
PLACES = text("""
SELECT c.seq, c.place, c.lot, c.amount, c.returned FROM transfer t JOIN consumption c USING (member_id, seq)
WHERE t.member_id = :account_id AND t.cause = :cause AND t.credit = 'redeemed' ORDER BY c.seq, c.place
""")

# How much of these paid lots went out as cash while the programme had their bonus go with it.
PAID_OUT = text("""
SELECT c.lot, sum(c.amount) AS amount FROM transfer t JOIN consumption c USING (member_id, seq)
WHERE t.member_id = :account_id AND t.credit = 'cash' AND t.why->>'bonus_on_cash_out' = 'forfeit'
  AND c.lot = ANY(CAST(:lots AS bigint[])) GROUP BY c.lot
""")

# Wallets of which a bonus is over; the index that finds whose points expire finds them too.
DUE = text(f"""
SELECT member_id FROM account WHERE partition = {NO_LANE} AND next_expiry <= :now ORDER BY next_expiry LIMIT :limit
""")

# What the shop owes, per currency: paid value by itself, because it can be asked back.
OWED = text("""
SELECT w.currency, count(DISTINCT w.account_id) AS wallets,
  coalesce(sum(l.remaining) FILTER (WHERE l.kind = 'paid'), 0) AS paid,
  coalesce(sum(l.remaining) FILTER (WHERE l.kind <> 'paid' AND l.expires_at > :now), 0) AS bonus,
  coalesce(sum(l.remaining) FILTER (WHERE l.expires_at <= :now), 0) AS overdue
FROM wallet w LEFT JOIN lot l ON l.member_id = w.account_id AND l.remaining > 0 GROUP BY w.currency ORDER BY w.currency
""")

HELD = text("""
SELECT w.currency, sum(a.held) AS held, sum(a.posted) AS posted FROM wallet w JOIN account a ON a.member_id = w.account_id
GROUP BY w.currency
""")

# Where it came from and went, per currency.
MOVED = text("""
SELECT w.currency,
  coalesce(sum(t.amount) FILTER (WHERE t.debit = 'cash'), 0) AS topped_up,
  coalesce(sum(t.amount) FILTER (WHERE t.credit = 'cash'), 0) AS cashed_out,
  coalesce(sum(t.amount) FILTER (WHERE t.debit = 'promotion'), 0) AS bonus_given,
  coalesce(sum(t.amount) FILTER (WHERE t.credit = 'promotion'), 0) AS bonus_forfeited,
  coalesce(sum(t.amount) FILTER (WHERE t.credit = 'redeemed'), 0) AS spent,
  coalesce(sum(t.amount) FILTER (WHERE t.debit = 'redeemed'), 0) AS refunded,
  coalesce(sum(t.amount) FILTER (WHERE t.credit = 'expired'), 0) AS expired
FROM wallet w JOIN transfer t ON t.member_id = w.account_id GROUP BY w.currency
""")


class Wallets:
    """Stored value, within one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def of_member(self, member_id: UUID) -> Wallet | None:
        """A member's wallet; None: he has never paid anything in."""
        row = (await self._tx.run(OF_MEMBER, member_id=member_id)).one_or_none()
        return None if row is None else Wallet(*row)

    async def named(self, account_id: UUID) -> Wallet | None:
        """Whose stored value an account is; None: it is none."""
        row = (await self._tx.run(NAMED, account_id=account_id)).one_or_none()
        return None if row is None else Wallet(*row)

    async def open(self, wallet: Wallet) -> Wallet:
        """Open it unless it is there; what stands is returned."""
        await self._tx.run(OPEN_ACCOUNT, account_id=wallet.account_id)
        await self._tx.run(
            OPEN, account_id=wallet.account_id, member_id=wallet.member_id, currency=wallet.currency,
            opened_at=wallet.opened_at,
        )  # fmt: skip
        return await self.of_member(wallet.member_id) or wallet

    async def read_places(self, account: Account, payment: Hold) -> list[Payment]:
        """Which lots paid, in that order, and how much of it has come back; what changes of it is saved with the account."""
        rows = await self._tx.run(PLACES, account_id=account.member_id, cause=payment.ended_by)
        places = [Payment(*row) for row in rows]
        account.payments[str(payment.hold_id)] = places
        return places

    async def returned(self, account_id: UUID, payment: Hold) -> int:
        """How much of a payment has come back."""
        rows = await self._tx.run(PLACES, account_id=account_id, cause=payment.ended_by)
        return sum(row.returned for row in rows)

    async def paid_out(self, account_id: UUID, lots: list[int]) -> dict[int, int]:
        """Of each of these paid lots, if anything, what was paid out of it and took its bonus along."""
        if not lots:
            return {}
        return {row.lot: int(row.amount) for row in await self._tx.run(PAID_OUT, account_id=account_id, lots=lots)}

    async def lock_due(self, now: datetime, limit: int) -> list[Account]:
        """The wallets of which a bonus has been over for longest, locked in ascending order."""
        ids = sorted((await self._tx.run(DUE, now=now, limit=limit)).scalars())
        rows = (await self._tx.run(accounts.LOCK, ids=ids)).all() if ids else []
        return accounts.from_rows(rows, await accounts.read_days(self._tx, {NO_LANE})) if rows else []

    async def liability(self, now: datetime) -> list[dict[str, Any]]:
        """What is owed in each currency, and where all of it came from and went. Reads every entry of every wallet, and no other."""
        held = {row.currency: (int(row.held), int(row.posted)) for row in await self._tx.run(HELD)}
        moved = {
            row.currency: {name: int(value) for name, value in row._mapping.items() if name != "currency"}
            for row in await self._tx.run(MOVED)
        }
        return [
            {
                "currency": row.currency,
                "wallets": row.wallets,
                "outstanding_minor": held[row.currency][1],
                "paid_minor": int(row.paid),
                "bonus_minor": int(row.bonus),
                "overdue_minor": int(row.overdue),
                "held_minor": held[row.currency][0],
            }
            | {f"{name}_minor": value for name, value in moved.get(row.currency, {}).items()}
            for row in await self._tx.run(OWED, now=now)
        ]
