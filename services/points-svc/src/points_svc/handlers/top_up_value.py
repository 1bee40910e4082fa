"""Stored value comes in and is paid out (ADR 0016). The one thing not to break: of the two accounts of a member only the wallet is locked,
so a payment at a till never waits for a batch of purchases, nor they for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from laurel_contracts.envelope import derived_id
from points_svc.domain import ledger, stored_value
from points_svc.domain.account import Account, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused
from points_svc.domain.stored_value import Owner, Wallet
from points_svc.handlers.expire_holds import end_due
from points_svc.handlers.hold_points import MemberUnknown, close
from points_svc.handlers.once import Answer, Keyed, once, refused, refused_plainly, said
from points_svc.store import PointsStore

DONE = 201


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money paid in as asked for, checked in form. `reference`: the merchant's own number of it."""

    member_id: UUID
    paid_minor: int
    bonus_minor: int = 0
    currency: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class CashOut:
    """Money to be paid out. `amount_minor`: None for all that is free."""

    member_id: UUID
    amount_minor: int | None = None
    reason: str | None = None


@dataclass(slots=True)
class Opened:
    """A wallet, locked, with everything that lies in it; who owns it, and by which programme something is to be done with it now."""

    wallet: Wallet
    account: Account
    owner: Owner
    rules: Rules


def link_to(member_id: UUID) -> str:
    """Where a member's stored value is seen."""
    return f"/v1/members/{member_id}/stored-value"


async def open_wallet(
    member_id: UUID, now: datetime, store: PointsStore, *, makes: bool, currency: str | None = None
) -> Opened | Refused:
    """A member's wallet, locked; what is over by now has been given back or is gone. `makes`: it is opened where there is none."""
    member = await store.read_account(member_id)
    if member is None:
        raise MemberUnknown
    rules = await store.rules_in_force(member.day.partition, now)
    if rules is None:
        return Refused("no_programme")
    wallet = await store.wallets.of_member(member_id)
    asked = currency or rules.currency
    if asked != rules.currency or (wallet is not None and wallet.currency != rules.currency):
        return Refused(
            "currency_differs", {"currency": rules.currency if wallet is None else wallet.currency, "asked": asked}
        )
    if wallet is None:
        if not makes:
            return Refused("insufficient_value", {"available_minor": 0})
        wallet = await store.wallets.open(Wallet(derived_id("stored value", member_id), member_id, rules.currency, now))
    account = await lock_wallet(wallet.account_id, now, store)
    return Opened(wallet, account, await owner_of(member_id, store), rules)


async def lock_wallet(account_id: UUID, now: datetime, store: PointsStore) -> Account:
    """The wallet's account, with its lots; holds and bonuses whose time is over have ended."""
    account = await store.lock_any(account_id)
    if account is None:
        raise LookupError(f"wallet {account_id} has no account")
    if account.held:
        await end_due([account], now, store)
    await store.read_live_lots([account])
    stored_value.expire(account, now)
    return account


async def owner_of(member_id: UUID, store: PointsStore) -> Owner:
    """What the member's own account says, read after the wallet has been locked and without a lock of its own."""
    member = await store.read_account(member_id)
    return Owner(active=False, frozen=False) if member is None else Owner(member.active, member.frozen)


async def top_up_value(asked: Keyed, wanted: TopUp, now: datetime, store: PointsStore) -> Answer:
    """Take money in, and give the bonus with it."""

    async def decide() -> Answer:
        opened = await open_wallet(wanted.member_id, now, store, makes=True, currency=wanted.currency)
        if isinstance(opened, Refused):
            return refused_plainly(opened, link_to(wanted.member_id))
        top_up_id = derived_id("top-up", asked.scope, asked.key)
        why: Why = {
            "rule": "top-up", "version": opened.rules.version, "top_up_id": top_up_id, "key": asked.key,
            "currency": opened.wallet.currency, "paid_minor": wanted.paid_minor, "bonus_minor": wanted.bonus_minor,
        }  # fmt: skip
        if wanted.reference:
            why["reference"] = wanted.reference
        account = opened.account
        ledger.open_page(account, f"top-up {top_up_id}", now)
        no = stored_value.top_up(
            account, wanted.paid_minor, wanted.bonus_minor, now, owner=opened.owner, rules=opened.rules, why=why
        )
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(wanted.member_id))
        document = {
            "top_up_id": top_up_id,
            "member_id": wanted.member_id,
            "currency": opened.wallet.currency,
            "paid_minor": wanted.paid_minor,
            "bonus_minor": wanted.bonus_minor,
            "bonus_expires_at": _end_of(account),
            "reference": wanted.reference,
            "at": now,
            "entry": account.entries[account.page_from].seq,
            **balance(account, now),
        }
        return said(DONE, document, link_to(wanted.member_id))

    return await once(asked, now, store, decide)


async def cash_out_value(asked: Keyed, wanted: CashOut, now: datetime, store: PointsStore) -> Answer:
    """Pay out what was paid in and is still there."""

    async def decide() -> Answer:
        opened = await open_wallet(wanted.member_id, now, store, makes=False)
        if isinstance(opened, Refused):
            return refused_plainly(opened, link_to(wanted.member_id))
        cash_out_id = derived_id("cash-out", asked.scope, asked.key)
        why: Why = {
            "rule": "cash-out", "version": opened.rules.version, "cash_out_id": cash_out_id, "key": asked.key,
            "currency": opened.wallet.currency,
        }  # fmt: skip
        if wanted.reason:
            why["reason"] = wanted.reason
        account = opened.account
        if account.held:
            await store.read_open_holds([account])
        ledger.open_page(account, f"cash-out {cash_out_id}", now)
        no = stored_value.cash_out(account, wanted.amount_minor, now, owner=opened.owner, rules=opened.rules, why=why)
        await close(account, store)
        if no is not None:
            return refused(no, account, link_to(wanted.member_id))
        page = account.entries[account.page_from :]
        document = {
            "cash_out_id": cash_out_id,
            "member_id": wanted.member_id,
            "currency": opened.wallet.currency,
            "amount_minor": sum(entry.amount for entry in page if entry.kind == stored_value.CASHED_OUT),
            "bonus_forfeited_minor": sum(entry.amount for entry in page if entry.kind == stored_value.BONUS_FORFEITED),
            "reason": wanted.reason,
            "at": now,
            "entry": page[0].seq,
            **balance(account, now),
        }
        return said(DONE, document, link_to(wanted.member_id))

    return await once(asked, now, store, decide)


def balance(account: Account, now: datetime) -> dict[str, int]:
    """What there is after something was done."""
    value = stored_value.value_at(account, now)
    return {
        "available_minor": value.available,
        "paid_available_minor": value.paid,
        "bonus_available_minor": value.bonus,
        "held_minor": account.held,
    }


def end_of(until: datetime) -> datetime | None:
    """When value expires, as it is shown; None: never."""
    return None if until == stored_value.NEVER else until


def _end_of(account: Account) -> datetime | None:
    """Of the bonus that the page has given."""
    given = [entry.lot for entry in account.entries[account.page_from :] if entry.kind == stored_value.BONUS_GIVEN]
    return end_of(account.lots[given[0]].expires_at) if given and given[0] is not None else None
