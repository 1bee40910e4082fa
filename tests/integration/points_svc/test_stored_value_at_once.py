"""Many at one wallet at once, a key that is used again, and a process that dies on the way (ADR 0016)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.exc import ProgrammingError

from laurel_kit import once
from points_svc.store import ledger
from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.test_redeeming_at_once import all_at_once, crowd
from tests.integration.points_svc.till import Checkout
from tests.integration.points_svc.valuing import (
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
from tests.unit.points_svc.value_grains import Purse


async def test_payments_at_once_never_spend_more_than_there_is(books: Books) -> None:
    """60 payments and holds of 100 want what 23 can have. What would break it: a balance that is read before the wallet is locked."""
    async with opened(books) as till:
        await top_up(till, 2000, 350)
        results = await all_at_once([(pay if n % 2 else hold)(till, 100) for n in range(60)])
        kinds = Counter(one.json().get("type", "done") for one in results)
        assert kinds == {"done": 23, "insufficient_value": 37}
        paid, bonus, held = await figures(till)
        assert (paid, bonus) == (0, 50)
        assert held == 100 * sum(one.json().get("state") == "held" for one in results)


async def test_many_first_top_ups_open_one_wallet(books: Books) -> None:
    """What would break it: two who both see that there is none."""
    async with opened(books) as till:
        made = await all_at_once([top_up(till, 100, 10) for _ in range(16)])
        assert Counter(one.status_code for one in made) == {201: 16}
        assert await figures(till) == (1600, 160, 0)
        assert (await till.see("/v1/stored-value/liability"))["currencies"][0]["wallets"] == 1


async def test_a_payment_that_many_give_back_at_once_comes_back_once(books: Books) -> None:
    """What would break it: what is left of a payment, read before the wallet is locked."""
    async with opened(books) as till:
        await top_up(till, 1000)
        payment = (await pay(till, 500)).json()["hold_id"]
        results = await all_at_once([refund(till, payment, 90) for _ in range(20)])
        assert Counter(one.status_code for one in results) == {201: 5, 409: 15}
        assert await figures(till) == (950, 0, 0)
        held = (await hold(till, 900)).json()["hold_id"]
        ends = await all_at_once([(capture if n % 2 else void)(till, held) for n in range(10)])
        states = {one.json()["state"] for one in ends if one.status_code == 200}
        assert len(states) == 1
        assert await figures(till) == ((50, 0, 0) if states == {"captured"} else (950, 0, 0))


async def test_a_key_does_one_thing_and_is_answered_by_one_body(books: Books) -> None:
    """Every mutation, asked three times under one key, eight times at once under another; and refused for anything else."""
    async with opened(books) as till:
        await top_up(till, 10_000)
        payment, held, given_up = [(await act(till, 100)).json()["hold_id"] for act in (pay, hold, hold)]

        async def again(act: Any, *arguments: Any) -> None:
            key = till.key()
            first = await act(till, *arguments, key=key)
            assert first.status_code in (200, 201), first.text
            before = await money(till)
            for _ in range(2):
                more = await act(till, *arguments, key=key)
                assert (more.status_code, more.text) == (first.status_code, first.text)
                assert more.headers["idempotent-replayed"] == "true"
            assert await money(till) == before
            other = await top_up(till, 77, key=key) if act is not top_up else await pay(till, 77, key=key)
            assert (other.status_code, other.json()["type"]) == (422, "idempotency_key_reused")

        for act, *arguments in (
            (top_up, 500, 50), (pay, 70), (hold, 30), (capture, held, 60), (void, given_up), (refund, payment, 40), (cash_out, 200),
        ):  # fmt: skip
            await again(act, *arguments)
        before = await figures(till)
        key = till.key()
        at_once = await all_at_once([pay(till, 10, key=key) for _ in range(8)])
        assert {one.status_code for one in at_once} <= {201, 409}
        assert {one.json()["type"] for one in at_once if one.status_code == 409} <= {"request_in_flight"}
        assert len({one.text for one in at_once if one.status_code == 201}) == 1
        assert await figures(till) == (before[0] - 10, *before[1:])
        refused = await pay(till, 10**6, key=till.key())
        assert refused.status_code == 409


async def test_a_refusal_stays_a_refusal(books: Books) -> None:
    async with opened(books) as till:
        await top_up(till, 10)
        key = till.key()
        no = await pay(till, 11, key=key)
        await top_up(till, 100)
        assert (await pay(till, 11, key=key)).text == no.text
        assert (await pay(till, 11)).status_code == 201


DIES: list[tuple[Any, str]] = [(ledger, "write"), (once, "keep"), (once, "find")]


@pytest.mark.parametrize(("module", "name"), DIES, ids=[f"{m.__name__.split('.')[-1]}.{n}" for m, n in DIES])
async def test_who_dies_on_the_way_has_done_nothing_and_is_asked_again(
    books: Books, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """Dead before the entries, before the answer, before anything: the same key then does it once. What would break it: an entry, a lot or
    an answer of its own transaction."""
    async with opened(books) as till:
        await top_up(till, 1000, 100)
        payment = (await pay(till, 500)).json()["hold_id"]
        held = (await hold(till, 100)).json()["hold_id"]
        for act, *arguments in (
            (top_up, 50, 5), (pay, 10), (hold, 10), (capture, held, 60), (refund, payment, 100), (cash_out, 20),
        ):  # fmt: skip
            key, before = till.key(), (await money(till), await figures(till))
            with monkeypatch.context() as dying:
                dying.setattr(module, name, _dies)
                assert (await act(till, *arguments, key=key)).status_code >= 500
            assert (await money(till), await figures(till)) == before
            done = await act(till, *arguments, key=key)
            assert done.status_code in (200, 201), done.text
            assert "idempotent-replayed" not in done.headers
            after = await figures(till)
            assert after != before[1]
            assert (await act(till, *arguments, key=key)).text == done.text
            assert await figures(till) == after


async def _dies(*_arguments: Any, **_named: Any) -> Any:
    raise ProgrammingError("the process dies here", {}, Exception("dead"))  # a 503 that nobody retries by himself


@pytest.mark.parametrize(
    ("seed", "steps", "rule"),
    [(1, 40, {}), (2, 40, {"spend_first": "bonus", "bonus_days": 3}),
     *(pytest.param(seed, 400, {"bonus_days": 10, "bonus_on_cash_out": "keep"}, marks=pytest.mark.long) for seed in range(3, 9))],
)  # fmt: skip
async def test_any_mix_over_http_gives_what_the_model_of_grains_gives(
    books: Books, seed: int, steps: int, rule: dict[str, Any]
) -> None:
    """The same model as in the unit tests, now through the store: every answer and every figure; the trial balance is 0 per currency."""
    rng = random.Random(seed)
    purse = Purse(
        paid_first=rule.get("spend_first", "paid") == "paid", bonus_days=rule.get("bonus_days"),
        forfeits=rule.get("bonus_on_cash_out", "forfeit") == "forfeit",
    )  # fmt: skip
    made: list[str] = []
    async with opened(books, **rule) as till:
        for step in range(steps):
            if rng.random() < 0.2:
                till.clock.move(timedelta(days=rng.randint(0, 6), hours=rng.randint(0, 23)))
                await till.sweep()  # a reading frees no hold that is over
            purse.look(till.clock.now())
            answer, expected = await _one(rng, till, purse, made)
            assert answer.json().get("type", "done") == expected, (step, answer.text)
            assert await figures(till) == (
                purse.free(till.clock.at, paid=True),
                purse.free(till.clock.at, paid=False),
                purse.held,
            )
            if step % 10 == 9:
                await money(till)


async def _one(rng: random.Random, till: Checkout, purse: Purse, made: list[str]) -> tuple[httpx.Response, str]:
    now, amount = till.clock.now(), rng.randint(1, 60)
    act = rng.choice(["top_up", "pay", "hold", "capture", "capture", "void", "refund", "refund", "cash_out"])
    if not made or act == "top_up":
        if rng.random() < 0.6 or not made:
            bonus = rng.randint(0, 12)
            if not made and purse.top_ups:
                act = "pay"
            else:
                return await top_up(till, 100, bonus), purse.top_up(100, bonus, now)
        else:
            act = "pay"
    if act in ("pay", "hold"):
        answer = await (pay(till, amount) if act == "pay" else hold(till, amount, seconds=86_400))
        if answer.status_code == 201:
            made.append(answer.json()["hold_id"])
        return answer, purse.pay(amount, now) if act == "pay" else purse.hold(amount, now, timedelta(days=1))
    if act == "cash_out":
        return await cash_out(till, amount), purse.cash_out(amount)
    number = rng.randrange(len(made))
    part = rng.choice([None, amount])
    if act == "capture":
        state, before = purse.holds[number].state, len(purse.holds[number].spent)
        answer, expected = await capture(till, made[number], part), purse.capture(number, part)
        if state == "captured" and answer.status_code == 200:  # just this had been done before
            assert part is None or before <= part
            expected = "done"
        return answer, expected
    if act == "void":
        voided = purse.holds[number].state == "voided"
        answer, expected = await void(till, made[number]), purse.void(number)
        return answer, "done" if voided else expected
    return await refund(till, made[number], part), purse.refund(number, part, now)


async def test_whole_shops_of_wallets_leave_books_that_add_up(books: Books) -> None:
    """Twelve clients at four members' wallets: whatever they get, nothing is below zero and the books are whole at every look."""
    async with opened(books) as till:
        named = [MEMBER, *await crowd(books, 3, 10)]
        till.clock.move(timedelta(days=400))
        for member in named:
            assert (await top_up(till, 500, 100, member=member)).status_code == 201

        async def client(seed: int) -> None:
            rng = random.Random(seed)
            mine: list[str] = []
            for _ in range(12):
                member, amount = rng.choice(named), rng.randint(1, 120)
                act: Any = rng.choice([top_up, pay, pay, hold, cash_out])
                if mine and rng.random() < 0.5:
                    end: Any = rng.choice([capture, void, refund])
                    answer = await end(till, rng.choice(mine))
                else:
                    answer = await act(till, amount, member=member)
                assert answer.status_code < 500, answer.text
                if "hold_id" in answer.text and answer.status_code == 201 and "state" in answer.json():
                    mine.append(answer.json()["hold_id"])

        await asyncio.gather(*(client(seed) for seed in range(6)))
        await money(till)
        for member in named:
            assert min(await figures(till, member)) >= 0
        page = await till.see("/v1/ledger/verify")
        assert page["breaks"] == []
        assert UUID((await till.see(path()))["account_id"]) not in named
