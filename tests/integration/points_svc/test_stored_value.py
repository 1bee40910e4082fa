"""Stored value over HTTP on a real PostgreSQL (ADR 0016): the same ledger in another unit, and apart from points."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.handlers.end_bonuses import end_bonuses
from points_svc.main import say_all_again
from points_svc.store import PointsStore
from points_svc.store.proving import ProofStore
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.test_chain import seal
from tests.integration.points_svc.till import Checkout
from tests.integration.points_svc.valuing import (
    buy_more,
    capture,
    cash_out,
    figures,
    hold,
    money,
    opened,
    path,
    pay,
    refund,
    top_up,
    void,
)


async def test_money_goes_in_pays_comes_back_and_is_paid_out(books: Books) -> None:
    """Paid value first, the reference: 100.00 paid and 20.00 given; 110.00 spent, 15.00 back, what was paid is paid out."""
    async with opened(books) as till:
        made = await top_up(till, 10000, 2000, reference="till 7, receipt 4")
        assert (made.status_code, made.json()["available_minor"], made.json()["currency"]) == (201, 12000, "CNY")
        paid = await pay(till, 11000, order_id="o9")
        assert (paid.status_code, paid.json()["state"], paid.json()["captured_minor"]) == (201, "captured", 11000)
        assert [(lot["paid"], lot["amount_minor"]) for lot in paid.json()["lots"]] == [(True, 10000), (False, 1000)]
        back = await refund(till, paid.json()["hold_id"], 1500, reason="one came back")
        assert (back.status_code, back.json()["refunded_minor"]) == (201, 1500)
        assert await figures(till) == (500, 2000, 0)
        seen = await till.see(paid.headers["location"])
        assert (seen["state"], seen["refunded_minor"]) == ("captured", 1500)
        out = await cash_out(till)
        assert (out.json()["amount_minor"], out.json()["bonus_forfeited_minor"]) == (500, 2000)
        assert await figures(till) == (0, 0, 0)
        assert (await money(till))["CNY"]["by_account"] == {
            "available": 0, "cash": -9500, "held": 0, "promotion": 0, "redeemed": 9500,
        }  # fmt: skip


async def test_a_hold_is_captured_in_part_given_up_or_over(books: Books) -> None:
    async with opened(books) as till:
        await top_up(till, 1000)
        one, two, three = [(await hold(till, 300, seconds=60)).json()["hold_id"] for _ in range(3)]
        assert await figures(till) == (100, 0, 900)
        assert len((await till.see(path()))["holds"]) == 3
        captured = (await capture(till, one, 100, order_id="o9")).json()
        assert (captured["captured_minor"], captured["released_minor"], captured["order_id"]) == (100, 200, "o9")
        assert (await void(till, two)).json()["state"] == "voided"
        assert (await capture(till, two)).json()["type"] == "hold_voided"
        no = (await capture(till, three, 301)).json()
        assert (no["type"], no["amount_minor"], no["wanted_minor"]) == ("capture_exceeds_hold", 300, 301)
        till.clock.move(timedelta(seconds=60))
        assert (await till.see(f"/v1/stored-value/holds/{three}"))["state"] == "expired"
        assert await till.sweep() == 1  # the job that ends holds of points ends these
        assert (await capture(till, three)).json()["type"] == "hold_expired"
        assert await figures(till) == (900, 0, 0)


async def test_a_bonus_in_an_open_hold_goes_with_what_it_was_given_with_and_not_after_it(books: Books) -> None:
    """What would break it: paid value out as cash, and its bonus kept because a hold had it just then."""
    async with opened(books) as till:
        await top_up(till, 10000, 2000)
        paid, bonus = [(await hold(till, amount)).json()["hold_id"] for amount in (10000, 2000)]
        await void(till, paid)
        no = await cash_out(till)
        assert (no.status_code, no.json()["type"], no.json()["bonus_missing_minor"]) == (409, "bonus_held", 2000)
        assert await figures(till) == (10000, 0, 2000)
        await void(till, bonus)
        out = await cash_out(till, 5000)
        assert (out.json()["amount_minor"], out.json()["bonus_forfeited_minor"]) == (5000, 1000)
        await hold(till, 5000, seconds=60)  # all that is paid
        await hold(till, 400, seconds=60)
        till.clock.move(timedelta(seconds=60))
        assert (await cash_out(till)).json()["bonus_forfeited_minor"] == 1000  # holds that are over hinder nobody
        assert await figures(till) == (0, 0, 0)


async def test_a_bonus_that_a_refund_brings_back_goes_with_what_was_paid_out_and_the_proof_sees_if_not(
    books: Books,
) -> None:
    async with opened(books, spend_first="bonus") as till:
        await top_up(till, 10000, 2000)
        payment = (await pay(till, 2000)).json()["hold_id"]
        assert (await cash_out(till, 5000)).json()["bonus_forfeited_minor"] == 0
        back = (await refund(till, payment, 1001)).json()
        assert (back["amount_minor"], back["bonus_forfeited_minor"], back["refunded_minor"]) == (1001, 501, 1001)
        assert [lot["amount_minor"] for lot in back["lots"]] == [1001]
        statement = (await till.see(f"{path()}/statement?limit=1"))["items"][0]
        assert (statement["kind"], statement["to"]) == ("bonus_forfeited", "promotion")
        assert statement["why"]["payment_id"] == payment
        assert (await refund(till, payment)).json()["bonus_forfeited_minor"] == 500
        assert await figures(till) == (5000, 999, 0)
        held = (await hold(till, 400)).json()["hold_id"]  # of the bonus: it counts as there
        wallet = (await till.see(path()))["account_id"]
        for more, broken in ((1, {"I2", "lots", "ladder"}), (2, {"I2", "lots", "ladder", "value_forfeits"})):
            change = "UPDATE lot SET remaining = remaining {} WHERE member_id = :wallet AND kind = 'bonus'"
            await _change(till, change.format(f"+ {more}"), wallet)
            assert set(await books.broken()) == broken
            async with till.database.auditing() as tx:
                assert set(await ProofStore(tx).breakers(broken, 10)) == {UUID(wallet)}
            await _change(till, change.format(f"- {more}"), wallet)
        await void(till, held)
        assert (await cash_out(till)).json()["bonus_forfeited_minor"] == 999
        assert await figures(till) == (0, 0, 0)


async def test_every_entry_says_why_in_money(books: Books) -> None:
    async with opened(books) as till:
        await top_up(till, 1000, 100)
        await pay(till, 1050, reason="lunch")
        statement = await till.see(f"{path()}/statement")
        assert statement["currency"] == "CNY"
        assert [(e["kind"], e["from"], e["to"], e["amount_minor"], e["gained_minor"]) for e in statement["items"]] == [
            ("spent", "held", "redeemed", 1050, -1050),
            ("reserved", "available", "held", 1050, 0),
            ("bonus_given", "promotion", "available", 100, 100),
            ("topped_up", "cash", "available", 1000, 1000),
        ]
        assert [(lot["kind"], lot["remaining_minor"], lot["expires_at"]) for lot in statement["lots"]] == [
            ("paid", 0, None), ("bonus", 50, None),
        ]  # fmt: skip
        told = await till.see(f"{path()}/entries/4/explanation")
        assert (told["rule"], told["inputs"]["reason"], told["currency"]) == ("payment", "lunch", "CNY")
        assert "1,050 minor units of CNY moved from held to redeemed." in told["sentences"]
        assert "50 of them came from lot 1099511627777, which is bonus value." in told["sentences"]
        assert not [sentence for sentence in told["sentences"] if "point" in sentence]
        assert await till.see(f"/v1/entries/{told['entry_id']}/explanation") == told
        assert (await till.client.get(f"{path()}/entries/5/explanation")).status_code == 404
        assert (await till.see(f"{path()}/statement?limit=1"))["next"] == 4


async def test_a_bonus_that_is_over_pays_for_nothing_and_is_taken_out_by_the_job(books: Books) -> None:
    """The entry bears the end as its time, whether the job or a request has written it."""
    async with opened(books, bonus_days=3) as till:
        made = (await top_up(till, 1000, 100)).json()
        till.clock.move(timedelta(days=4))
        assert await figures(till) == (1000, 0, 0)

        async def work(tx: Transaction) -> int:
            return await end_bonuses(till.clock.now(), PointsStore(tx, books.shelf))

        assert (await till.see("/v1/stored-value/liability"))["currencies"][0]["overdue_minor"] == 100
        assert [await till.database.in_transaction(work) for _ in range(2)] == [1, 0]
        entry = (await till.see(f"{path()}/statement?limit=1"))["items"][0]
        assert (entry["kind"], entry["amount_minor"], entry["at"]) == ("expired", 100, made["bonus_expires_at"])


async def test_what_the_shop_owes_is_told_per_wallet_and_points_are_as_they_were(books: Books) -> None:
    """What would break it: any figure about points that also reads what lies in wallets."""
    asked = (
        "/v1/summary",
        "/v1/liability",
        "/v1/balances",
        f"/v1/members/{MEMBER}/balance",
        f"/v1/members/{MEMBER}/statement",
    )
    async with opened(books) as till:
        before = [await till.see(one) for one in asked]
        proof = await till.see("/v1/ledger/trial-balance")
        assert proof["stored_value"] == {}
        said = await books.said()
        await top_up(till, 5000, 500)
        paid = (await pay(till, 1200)).json()["hold_id"]
        await refund(till, paid, 200)
        await hold(till, 700)
        await cash_out(till, 100)
        assert [await till.see(one) for one in asked] == before
        after = await till.see("/v1/ledger/trial-balance")
        assert (after["by_account"], after["sum"]) == (proof["by_account"], 0)
        assert (await till.see("/v1/stored-value/liability"))["currencies"] == [{
            "currency": "CNY", "wallets": 1, "outstanding_minor": 4387, "paid_minor": 3200, "bonus_minor": 487,
            "overdue_minor": 0, "held_minor": 700, "topped_up_minor": 5000, "cashed_out_minor": 100,
            "bonus_given_minor": 500, "bonus_forfeited_minor": 13, "spent_minor": 1200, "refunded_minor": 200,
            "expired_minor": 0,
        }]  # fmt: skip
        assert await books.said() == said  # money is said on no topic,
        await say_all_again(till.database, books.shelf, None)  # also when everything is said again
        assert {who for who, _, _ in await books.said()} == {MEMBER}


async def test_a_wallet_is_no_member_to_anybody_who_asks_for_points(books: Books) -> None:
    """What would break it: money spent as points by whoever knows the wallet's id."""
    async with opened(books) as till:
        await top_up(till, 5000)
        wallet = UUID((await till.see(path()))["account_id"])
        held = (await hold(till, 100)).json()["hold_id"]
        for answer in (
            await till.spend(1, wallet), await till.hold(1, wallet), await till.capture(held), await till.void(held),
            await till.post(f"/v1/members/{wallet}/transfers", {"points": 1, "to_member_id": str(MEMBER)}),
            await till.post(f"/v1/members/{wallet}/adjustments", {"points": 1, "reason": "why not", "actor": "me"}),
            await till.client.get(f"/v1/members/{wallet}/balance"), await till.client.get(f"/v1/holds/{held}"),
            await till.client.get(f"/v1/members/{wallet}/explanation?cause=hold {held}"), await pay(till, 1, member=wallet),
        ):  # fmt: skip
            assert answer.status_code in (404, 409), answer.text
        answer = await till.post(f"/v1/members/{MEMBER}/transfers", {"points": 1, "to_member_id": str(wallet)})
        assert answer.json()["type"] == "receiver_unknown"
        points = (await till.held(1)), (await till.spend(1)).json()["hold_id"]
        for one in points:  # nor are points money
            for answer in (await capture(till, one), await void(till, one), await refund(till, one)):
                assert (answer.status_code, answer.json()["type"]) == (404, "hold_unknown")
        assert await figures(till) == (4900, 0, 100)


async def test_purchases_never_touch_a_wallet(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would break it: a statement of the hot path that reads, locks or writes what lies in wallets. The same statements run whether
    or not the member has one, and a wallet that somebody has locked keeps no purchase waiting."""
    ran: list[str] = []
    run = Transaction.run

    async def noted(self: Transaction, statement: Any, **values: Any) -> Any:
        ran.append(str(statement))
        return await run(self, statement, **values)

    async with opened(books) as till:
        monkeypatch.setattr(Transaction, "run", noted)
        await buy_more(books, till, "o2")
        without = list(ran)
        await top_up(till, 5000)
        wallet = (await till.see(path()))["account_id"]
        ran.clear()
        async with books.database.transaction() as tx:
            await tx.run(text("SELECT FROM account WHERE member_id = :wallet FOR UPDATE"), wallet=UUID(wallet))
            ran.clear()
            await buy_more(books, till, "o3")
        assert ran == without
        assert not [one for one in ran if "wallet" in one]


async def test_a_wallet_whose_books_are_broken_stands_still_by_itself(books: Books) -> None:
    """The proof names the wallet, not the member: points go on. It is lifted like any other account."""
    async with opened(books) as till:
        await top_up(till, 1000)
        wallet = (await till.see(path()))["account_id"]
        await _change(till, "UPDATE account SET halted = true WHERE member_id = :wallet", wallet)
        await _change(
            till, "INSERT INTO account_freeze (member_id, frozen_at, broken) VALUES (:wallet, now(), '{I4}')", wallet
        )
        assert (await pay(till, 1)).json()["type"] == "account_frozen"
        assert (await cash_out(till)).json()["type"] == "account_frozen"
        assert (await top_up(till, 1)).status_code == 201
        assert (await till.see(path()))["account_frozen"]
        assert (await till.spend(1)).status_code == 201
        lift = {"actor": "anna", "reason": "looked at"}
        assert (await till.post(f"/v1/members/{wallet}/account-freezes/lift", lift)).status_code == 200
        assert (await pay(till, 1)).status_code == 201


CHANGES = {
    "UPDATE account SET posted = posted + 1 WHERE member_id = :wallet": {"I2", "I4"},
    "UPDATE lot SET remaining = remaining - 1 WHERE member_id = :wallet AND kind = 'bonus'": {"I2", "lots", "ladder"},
    "UPDATE lot SET kind = 'paid' WHERE member_id = :wallet AND kind = 'bonus'": {"wallets"},
    "UPDATE account SET partition = 0 WHERE member_id = :wallet": {"wallets"},
    "UPDATE consumption SET returned = returned + 1 WHERE member_id = :wallet AND place = 2": {"value_refunds"},
}


async def test_the_proof_sees_what_was_changed_in_a_wallet_and_names_it(books: Books) -> None:
    """Each of these has been seen to be counted: the proof of money can fail. What is the wallet's own is named, so that it is frozen."""
    async with opened(books) as till:
        await top_up(till, 1000, 100)
        await pay(till, 1050)
        wallet = (await till.see(path()))["account_id"]
        before = await _rows(till, wallet)
        for statement, broken in CHANGES.items():
            await _change(till, statement, wallet)
            assert set(await books.broken()) == broken, statement
            async with till.database.auditing() as tx:
                named = await ProofStore(tx).breakers(broken, 10)
            assert set(named) == (set() if "partition" in statement else {UUID(wallet)}), statement
            for table, rows in before.items():  # as it was
                for row in rows:
                    await _put_back(till, table, row)


async def test_wallets_are_sealed_and_rebuilt_like_all_accounts(books: Books) -> None:
    async with opened(books) as till:
        await top_up(till, 1000, 100)
        await refund(till, (await pay(till, 1050)).json()["hold_id"], 70)

        await seal(books)
        page = await till.see("/v1/ledger/verify")
        assert (page["members"], page["breaks"]) == (2, [])
        assert page["sealed"] == page["entries"]


async def test_whose_money_it_is_cannot_be_changed(books: Books) -> None:
    async with opened(books) as till:
        await top_up(till, 1)
        for statement in ("UPDATE wallet SET currency = 'EUR'", "DELETE FROM wallet", "TRUNCATE wallet"):
            with pytest.raises(Exception, match=r"permission denied for table wallet|the ledger only grows"):
                await _change(till, statement)


BAD = [
    {}, {"paid_minor": 0}, {"paid_minor": -1}, {"paid_minor": 1.5}, {"paid_minor": "1"}, {"paid_minor": True},
    {"paid_minor": 10**12 + 1}, {"paid_minor": 1, "bonus_minor": -1}, {"paid_minor": 1, "currency": "cny"},
    {"paid_minor": 1, "more": 1}, {"paid_minor": 1, "reference": ""}, {"paid_minor": 1, "reference": "a\x00b"},
]  # fmt: skip


async def test_what_cannot_be_a_top_up_is_refused_and_uses_up_no_key(books: Books) -> None:
    async with opened(books) as till:
        for body in BAD:
            key = till.key()
            assert (await till.post(f"{path()}/top-ups", body, key)).status_code == 422, body
            assert (await top_up(till, 1, key=key)).status_code == 201


async def test_refusals_are_problems_with_a_word(books: Books) -> None:
    nobody = UUID(int=99)
    async with opened(books, bonus_max_percent=10, balance_max_minor=500, cash_out=False) as till:
        answers = [
            await pay(till, 1), await top_up(till, 100, 11), await top_up(till, 501),
            await top_up(till, 1, currency="EUR"), await top_up(till, 100), await cash_out(till),
            await pay(till, 101), await top_up(till, 1, member=nobody), await pay(till, 1, member=nobody),
            await refund(till, str(nobody)), await capture(till, str(nobody)),
        ]  # fmt: skip
        assert [(one.status_code, one.json().get("type", "done")) for one in answers] == [
            (409, "insufficient_value"), (409, "bonus_too_large"), (409, "value_full"), (409, "currency_differs"),
            (201, "done"), (409, "cash_out_not_allowed"), (409, "insufficient_value"), (404, "member_unknown"),
            (404, "member_unknown"), (404, "hold_unknown"), (404, "hold_unknown"),
        ]  # fmt: skip
        for one in answers:
            kind = one.headers["content-type"]
            assert kind == ("application/json" if one.status_code == 201 else "application/problem+json")
        assert (await till.client.get(path(nobody))).status_code == 404
        assert (await till.client.post(f"{path()}/payments", json={"amount_minor": 1})).status_code == 400


async def test_who_has_not_registered_pays_nothing_in(books: Books) -> None:
    async with opened(books, register=False) as till:
        assert (await top_up(till, 1)).json()["type"] == "member_not_active"
        assert (await till.see(path()))["available_minor"] == 0


async def _change(till: Checkout, statement: str, wallet: str | None = None) -> None:
    async def work(tx: Transaction) -> None:
        await tx.run(text(statement), **({} if wallet is None else {"wallet": UUID(wallet)}))

    await till.database.in_transaction(work)


async def _rows(till: Checkout, wallet: str) -> dict[str, list[Any]]:
    async with till.database.reading() as tx:
        return {
            table: list(await tx.run(text(f"SELECT * FROM {table} WHERE member_id = :wallet"), wallet=UUID(wallet)))
            for table in ("account", "lot", "consumption")
        }


async def _put_back(till: Checkout, table: str, row: Any) -> None:
    which = {"account": (), "lot": ("lot",), "consumption": ("seq", "place")}[table]
    what = {"account": ("posted", "partition"), "lot": ("remaining", "kind"), "consumption": ("returned",)}[table]
    named = {name: getattr(row, name) for name in (*which, *what, "member_id")}
    changes = ", ".join(f"{name} = :{name}" for name in what)
    where = " AND ".join(f"{name} = :{name}" for name in (*which, "member_id"))

    async def work(tx: Transaction) -> None:
        await tx.run(text(f"UPDATE {table} SET {changes} WHERE {where}"), **named)

    await till.database.in_transaction(work)
