"""Stored value at a till: what is asked for over HTTP, and what of it must hold of the books whatever was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import msgspec

from laurel_contracts.programme import Programme, StoredValueRule
from tests.integration.points_svc.books import MEMBER, Books, activated, told
from tests.integration.points_svc.till import Checkout, open_checkout
from tests.unit.points_svc.script import Activity, Script, programme


def with_value(version: int = 1, **rule: Any) -> Programme:
    """The reference programme with something said about stored value."""
    return msgspec.structs.replace(programme(version=version), stored_value=StoredValueRule(**rule))


def path(member: UUID = MEMBER) -> str:
    return f"/v1/members/{member}/stored-value"


async def top_up(
    till: Checkout, paid: int, bonus: int = 0, *, key: str | None = None, member: UUID = MEMBER, **more: Any
) -> httpx.Response:
    return await till.post(f"{path(member)}/top-ups", {"paid_minor": paid, "bonus_minor": bonus, **more}, key)


async def pay(
    till: Checkout, amount: int, *, key: str | None = None, member: UUID = MEMBER, **more: Any
) -> httpx.Response:
    return await till.post(f"{path(member)}/payments", {"amount_minor": amount, **more}, key)


async def hold(
    till: Checkout, amount: int, *, key: str | None = None, member: UUID = MEMBER, **more: Any
) -> httpx.Response:
    return await till.post(f"{path(member)}/holds", {"amount_minor": amount, **more}, key)


async def capture(
    till: Checkout, hold_id: str, amount: int | None = None, *, key: str | None = None, **more: Any
) -> httpx.Response:
    return await till.post(f"/v1/stored-value/holds/{hold_id}/capture", {"amount_minor": amount, **more}, key)


async def void(till: Checkout, hold_id: str, *, key: str | None = None) -> httpx.Response:
    return await till.post(f"/v1/stored-value/holds/{hold_id}/void", {}, key)


async def refund(
    till: Checkout, payment_id: str, amount: int | None = None, *, key: str | None = None, **more: Any
) -> httpx.Response:
    return await till.post(f"/v1/stored-value/payments/{payment_id}/refunds", {"amount_minor": amount, **more}, key)


async def cash_out(
    till: Checkout, amount: int | None = None, *, key: str | None = None, member: UUID = MEMBER, **more: Any
) -> httpx.Response:
    return await till.post(f"{path(member)}/cash-outs", {"amount_minor": amount, **more}, key)


async def figures(till: Checkout, member: UUID = MEMBER) -> tuple[int, int, int]:
    """Paid and bonus value that can be spent now, and what is held."""
    shown = await till.see(path(member))
    assert shown["available_minor"] == shown["paid_available_minor"] + shown["bonus_available_minor"]
    return shown["paid_available_minor"], shown["bonus_available_minor"], shown["held_minor"]


async def money(till: Checkout) -> dict[str, Any]:
    """The trial balance of stored value, per currency; each sums to zero, points do, and no invariant is broken."""
    proof = await till.see("/v1/ledger/trial-balance")
    assert proof["sum"] == 0
    assert [unit for unit, books in proof["stored_value"].items() if books["sum"]] == []
    assert {name: count for name, count in proof["invariants"].items() if count} == {}
    return dict(proof["stored_value"])


@asynccontextmanager
async def opened(books: Books, *, pool_size: int = 8, register: bool = True, **rule: Any) -> AsyncIterator[Checkout]:
    """A member with 100 points where a programme about stored value is in force. At the end the books must be whole."""
    async with open_checkout(books, pool_size=pool_size) as till:
        script = Script(programme=with_value(**rule))
        if register:
            script.register()
        script.buy(10000)
        await books.play(script)
        await books.apply([activated()])
        till.clock.at = script.now
        yield till
        await money(till)


async def buy_more(books: Books, till: Checkout, order: str) -> None:
    """The member buys something else, for the next numbers of the stream."""
    balance = await till.see(f"/v1/members/{MEMBER}/orders")
    script = Script(number=balance["items"][-1]["activity"], now=till.clock.at, programme=with_value())
    script.buy(1000, order)
    step = script.steps[-1]
    assert isinstance(step, Activity)
    await books.apply([told(step, MEMBER, script.zone)])
