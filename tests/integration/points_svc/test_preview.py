"""A dry run says what the ledger would say, and leaves no trace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_contracts.decisions import MemberRegistered
from tests.integration.points_svc.books import MEMBER, Books, activated, told
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

PATH = f"/v1/members/{MEMBER}/purchase-preview"
TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace) ORDER BY 1"
)


async def everything(books: Books) -> dict[str, Any]:
    """All rows of all tables."""
    async with books.database.reading() as tx:
        return {
            table: sorted(str(row) for row in await tx.run(text(f"SELECT * FROM {table}")))
            for table in (await tx.run(TABLES)).scalars().all()
        }


async def test_a_preview_is_what_the_purchase_then_earns_and_writes_nothing(books: Books) -> None:
    """What would break it: a second way to rate, or a copy that is saved."""
    script = Script(programme=programme(not_qualifying=["gift-card"], max_points_per_order=500, pending_days=3))
    script.register()
    script.stand("silver")
    script.buy(100, "o0")
    await books.play(script)
    await books.apply([activated()])
    async with open_checkout(books, script.now) as till:
        for number, lines in enumerate(
            ({"food": 9999}, {"food": 9999, "gift_card": 999}, {"food": 99999}, {"gift_card": 5}, {"food": 0})
        ):
            script.buy(sum(lines.values()), f"o{number + 1}", None, **lines)
            step = script.steps[-1]
            assert isinstance(step, Activity)
            body = {
                "currency": "CNY", "time": step.at.isoformat(),
                "lines": [{"category": line.category, "amount_minor": line.amount_minor} for line in step.data.lines],
            }  # fmt: skip
            before = await everything(books)
            preview = (await till.client.post(PATH, json=body)).json()
            assert await everything(books) == before
            await books.apply([told(step, MEMBER, script.zone)])
            moved = await till.see(f"/v1/members/{MEMBER}/explanation?cause=activity {step.number}")
            if moved["moved"]:
                (entry,) = moved["entries"]
                assert (preview["points"], preview["why"]) == (entry["points"], entry["why"])
                assert preview["expires_at"] == entry["to_lot"]["expires_at"]
                assert preview["available_at"] == entry["to_lot"]["available_at"]
            else:
                assert (preview["points"], preview["expires_at"]) == (0, None)
            assert (preview["tier"], preview["programme_version"]) == ("silver", 1)
            assert len(preview["sentences"]) > 2


async def test_debt_that_would_be_repaid_is_told(books: Books) -> None:
    script = Script()
    script.register()
    script.buy(9999, "o1")
    script.spend(60)
    script.refund("o1", amount=9999)
    await books.play(script)
    await books.apply([activated()])
    async with open_checkout(books, script.now) as till:
        body = {"currency": "CNY", "lines": [{"amount_minor": 10000}]}
        preview = (await till.client.post(PATH, json=body)).json()
    assert (preview["points"], preview["repays_debt"], preview["tier"]) == (100, 60, "regular")


async def test_where_expiry_slides_only_the_purchase_is_told_of_and_not_what_it_prolongs(books: Books) -> None:
    """What would break it: points that move on into longer lots counted as points of the purchase; or lots that nobody has read, which
    was a 500."""
    script = Script(programme=programme(expiry={"policy": "sliding", "months": 2}))
    script.register()
    script.buy(10_000, "o1", at=local(SHANGHAI, 2025, 1, 10, 9))
    await books.play(script)
    await books.apply([activated()])
    async with open_checkout(books, local(SHANGHAI, 2025, 3, 5, 9)) as till:
        answer = await till.client.post(PATH, json={"currency": "CNY", "lines": [{"amount_minor": 5000}]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["points"] == 50
    assert datetime.fromisoformat(answer.json()["expires_at"]) == local(SHANGHAI, 2025, 6, 1)


async def test_a_referral_that_matures_on_the_way_is_none_of_the_purchase(books: Books) -> None:
    """What would break it: the new member's own 100 points told as earned by the purchase, or a first purchase of another version."""
    script = Script()
    script.tell(MemberRegistered(referrer_id=UUID(int=2)))
    script.buy(10_000, "o1")
    await books.play(script)
    await books.load(programme(version=2))
    await books.apply([activated(), activated(2, script.now + timedelta(days=1))])
    async with open_checkout(books, script.now + timedelta(days=30)) as till:
        for amount, points in ((5_000, 50), (50, 0)):
            answer = await till.client.post(PATH, json={"currency": "CNY", "lines": [{"amount_minor": amount}]})
            assert answer.status_code == 200, answer.text
            told_of = answer.json()
            assert (told_of["points"], told_of["why"]["rule"], told_of["why"]["version"]) == (points, "purchase", 2)


async def test_what_cannot_be_a_purchase_is_refused_in_words(books: Books) -> None:
    script = Script()
    script.register()
    await books.play(script)
    good: dict[str, Any] = {"currency": "CNY", "lines": [{"amount_minor": 100}]}
    async with open_checkout(books, script.now) as till:
        assert (await till.client.post(PATH, json=good)).json()["type"] == "no_programme"
        await books.apply([activated()])
        assert (await till.client.post(PATH, json=good)).status_code == 200
        unknown = await till.client.post(f"/v1/members/{UUID(int=9)}/purchase-preview", json=good)
        assert (unknown.status_code, unknown.json()["type"]) == (404, "member_unknown")
        bad: list[dict[str, Any]] = [
            {}, good | {"currency": "EUR"}, good | {"currency": "cny"}, good | {"lines": []}, good | {"more": 1},
            *(good | {"lines": [{"amount_minor": amount}]} for amount in (-1, 1.5, "1", True, None, 10**12 + 1, 2**63)),
            good | {"lines": [{"amount_minor": 10**12}, {"amount_minor": 1}]},
            good | {"lines": [{"amount_minor": 1}] * 2001},
            good | {"lines": [{"amount_minor": 1, "category": "\x00"}]},
            *(good | {"time": time} for time in (0, "2025", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2025-01-01T00:00:00")),
            good | {"time": (script.now + timedelta(days=367)).isoformat()},
        ]  # fmt: skip
        for body in bad:
            answer = await till.client.post(PATH, json=body)
            assert answer.status_code in range(400, 500), (body, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
