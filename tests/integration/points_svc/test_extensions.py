"""Points get a longer life on request: never a shorter one, no longer than the programme allows, once per key (domain.md 3.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.integration.points_svc.books import MEMBER, Books, activated, ended, told
from tests.integration.points_svc.test_sweeping import extend, said_again
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import SHANGHAI, Script, local

PATH = f"/v1/members/{MEMBER}/extensions"
WHY = {"reason": "lost in the post", "actor": "staff-7"}
FIRST = local(SHANGHAI, 2026, 4, 1)  # the till's 100 points were earned in March 2025


@pytest.fixture
async def desk(till: Checkout) -> Checkout:
    await till.books.apply([activated()])
    return till


async def ask(desk: Checkout, key: str | None = None, **body: Any) -> httpx.Response:
    return await desk.post(PATH, {**WHY, **body}, key)


async def tell(books: Books, at: datetime, number: int, order: str, amount: int, refund: bool = False) -> None:
    script = Script(now=at, number=number)
    if refund:
        script.refund(order, amount=amount, at=at)
    else:
        script.buy(amount, order, at=at)
    await books.apply([told(script.steps[0], MEMBER, SHANGHAI)])  # type: ignore[arg-type]


async def lots(desk: Checkout) -> list[tuple[int, datetime]]:
    return [(lot["remaining"], datetime.fromisoformat(lot["expires_at"])) for lot in (await desk.balance())["lots"]]


async def test_points_live_on_until_the_end_of_the_day_that_was_asked_for(desk: Checkout) -> None:
    answer = await ask(desk, until="2026-06-30")
    assert answer.status_code == 201, answer.text
    (moved,) = answer.json()["lots"]
    assert (moved["lot"], moved["points"], answer.json()["points"]) == (2, 100, 100)
    assert await lots(desk) == [(100, local(SHANGHAI, 2026, 7, 1))]
    assert await desk.figures() == (100, 0, 0, 100)
    entries = (await desk.see(f"/v1/members/{MEMBER}/statement"))["items"]
    assert [(entry["kind"], entry["points"]) for entry in entries[:2]] == [("extended", 100), ("extended", -100)]
    assert entries[0]["why"] | {"reason": "lost in the post", "actor": "staff-7", "points": 100} == entries[0]["why"]
    desk.clock.at = FIRST + timedelta(days=80)
    assert (await desk.spend(100)).status_code == 201


async def test_what_was_said_before_and_after_can_be_said_again(desk: Checkout) -> None:
    """What would break it: a lot whose expiry is changed in place."""
    await ask(desk, days=30)
    await tell(desk.books, desk.clock.at + timedelta(days=1), 2, "o2", 5_000)
    await said_again(desk.books)


async def test_the_same_request_is_answered_the_same_and_extends_once(desk: Checkout) -> None:
    key = desk.key()
    first, again = await ask(desk, key, days=30), await ask(desk, key, days=30)
    assert first.text == again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await ask(desk, key, days=31)).status_code == 422
    assert await lots(desk) == [(100, local(SHANGHAI, 2026, 5, 1))]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"until": "2026-03-31"}, "nothing_to_extend"),  # the day on which it ends anyway
    ({"until": "2025-12-31"}, "nothing_to_extend"),
    ({"days": 367}, "extension_too_long"),
    ({"until": "2027-04-02"}, "extension_too_long"),
    ({"days": 30, "lots": [2, 99]}, "lot_not_live"),
]


async def test_an_extension_never_shortens_and_goes_no_further_than_the_programme_allows(desk: Checkout) -> None:
    for body, kind in REFUSED:
        answer = await ask(desk, **body)
        assert (answer.status_code, answer.json()["type"]) == (409, kind), body
    assert await lots(desk) == [(100, FIRST)]


async def test_two_extensions_together_go_no_further_than_one_may(desk: Checkout) -> None:
    assert (await ask(desk, days=366)).status_code == 201
    answer = await ask(desk, days=1)
    assert (answer.status_code, answer.json()["type"]) == (409, "extension_too_long")


async def test_what_has_expired_is_not_extended_whether_or_not_the_day_has_closed(desk: Checkout) -> None:
    desk.clock.at = FIRST
    answer = await ask(desk, days=30)
    assert (answer.status_code, answer.json()["type"]) == (409, "nothing_to_extend")
    assert (await ask(desk, days=30, lots=[2])).json()["type"] == "lot_not_live"


@pytest.mark.parametrize("expired", [False, True])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_refund_finds_the_points_of_its_order_wherever_they_live_on(
    desk: Checkout, *, expired: bool, times: int
) -> None:
    """domain.md 3.3.2. What would break it: an extension that loses whose points these were: the refund would take others, or make debt."""
    for _ in range(times):
        assert (await ask(desk, days=30, lots=None)).status_code == 201
    await tell(desk.books, desk.clock.at + timedelta(days=300), 2, "o2", 7_000)
    if expired:
        await desk.books.apply([ended(FIRST + timedelta(days=61))])
    await tell(desk.books, FIRST + timedelta(days=90 if expired else 1), 3, "o1", 4_000, refund=True)
    await tell(desk.books, FIRST + timedelta(days=91 if expired else 2), 4, "o1", 6_000, refund=True)
    balance = await desk.balance()
    assert (balance["posted"], balance["debt"], balance["earned_net"]) == (70, 0, 70)
    assert [lot["remaining"] for lot in balance["lots"]] == [70]
    await said_again(desk.books)


CANNOT_BE: list[dict[str, Any]] = [
    {},
    {"days": 30, "until": "2026-12-31"},
    {"days": 0},
    {"days": True},
    {"days": "30"},
    {"days": 10**9},
    {"until": "31.12.2026"},
    {"until": 1790000000},
    {"until": "1798675200"},
    {"until": "2026-02-30"},
    {"until": "9999-12-31"},
    {"days": 30, "lots": []},
    {"days": 30, "lots": ["2"]},
    {"days": 30, "lots": [2**63]},
    {"days": 30, "reason": ""},
    {"days": 30, "actor": "a\x00b"},
    {"days": 30, "more": 1},
]


async def test_what_cannot_be_an_extension_is_refused_and_uses_up_no_key(desk: Checkout) -> None:
    key = desk.key()
    for body in CANNOT_BE:
        answer = await desk.post(PATH, {**WHY, **body}, key)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await ask(desk, key, days=30)).status_code == 201


async def test_an_extension_that_shortens_is_caught(books: Books) -> None:
    """The invariant has been seen to fail."""
    script = Script()
    script.register()
    script.buy(10_000, "o1")
    await books.play(script)
    await books.apply([activated()])
    await extend(books, MEMBER, script.now)
    assert await books.broken() == {}
    async with books.database.transaction() as tx:
        await tx.run(text("UPDATE lot SET earned_at = earned_at - interval '1 day' WHERE extends IS NOT NULL"))
    assert await books.broken() == {"extended": 1}
