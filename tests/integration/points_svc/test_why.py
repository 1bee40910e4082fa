"""Every entry, and every activity that earned nothing, is explained in one call: rule, version, inputs, factors, caps, lots, and what
became of the points (domain.md 7)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from tests.integration.points_svc.books import MEMBER, Books
from tests.integration.points_svc.test_chain import lived
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import Script, programme


async def test_a_purchase_tells_its_whole_way_and_what_became_of_it(books: Books) -> None:
    """P2 with an excluded line, then a spending, a refund in part, and the expiry of the rest."""
    script = Script(programme=programme(not_qualifying=["gift-card"]))
    script.register()
    script.stand("silver")
    script.buy(10998, "o1", food=9999, gift_card=999)
    script.spend(30)
    script.refund("o1", food=3333)
    script.close_day((script.now + timedelta(days=500)).date())
    await books.play(script)
    async with open_checkout(books, script.now) as till:
        first = await till.see(f"/v1/members/{MEMBER}/entries/1/explanation")
        assert first == await till.see(f"/v1/entries/{MEMBER}:1/explanation")
        assert (first["entry_id"], first["rule"], first["version"], first["points"]) == (
            f"{MEMBER}:1",
            "purchase",
            1,
            119,
        )
        assert first["factors"]["multiplier"] == "1.2"
        assert first["inputs"]["amount_minor"] == 10998
        assert first["to_lot"]["granted"] == 119
        told = " ".join(first["sentences"])
        for words in (
            "Order o1 was of 109.98.", "99.99 of it earns 1 points per unit", "9.99 of it is in categories that do not qualify",
            "silver multiplies by 1.2", "rounded down once at the end, that is 119 points", "programme version 1", "activity 2",
            "30 points of them were spent", "40 points of them were taken back with a refund", "lost by expiry",
        ):  # fmt: skip
            assert words in told, (words, told)
        assert [one["kind"] for one in first["afterwards"]] == ["reserved", "spent", "taken_back", "expired"]
        spent = await till.see(f"/v1/members/{MEMBER}/entries/3/explanation")
        assert [(one["made_by"], one["points"]) for one in spent["from_lots"]] == [(1, 30)]
        assert "30 came from lot 2 (entry 1)" in " ".join(spent["sentences"])


async def test_an_activity_that_earned_nothing_says_why(books: Books) -> None:
    script = Script(programme=programme(not_qualifying=["gift-card"]))
    script.register()
    script.buy(999, "o1", gift_card=999)
    for number in range(4):
        script.review(f"sku{number}", at=script.now + timedelta(minutes=1))
    await books.play(script)
    async with open_checkout(books, script.now) as till:
        nothing = await till.see(f"/v1/members/{MEMBER}/explanation?cause=activity 2")
        assert (nothing["moved"], nothing["rule"], nothing["version"], nothing["results"]["points"]) == (
            False,
            "purchase",
            1,
            0,
        )
        assert "does not qualify" in " ".join(nothing["sentences"]) or "do not qualify" in " ".join(
            nothing["sentences"]
        )
        capped = await till.see(f"/v1/members/{MEMBER}/explanation?cause=activity 6")
        assert capped["caps"] == {"max_per_day": 3}
        assert "At most 3 reviews a day earn points." in capped["sentences"]
        moved = await till.see(f"/v1/members/{MEMBER}/explanation?cause=activity 3")
        assert [one["points"] for one in moved["entries"]] == [20]


UNKNOWN = [
    (f"members/{MEMBER}/entries/9/explanation", 404),
    (f"members/{MEMBER}/entries/0/explanation", 422),
    (f"members/{MEMBER}/entries/{2**63}/explanation", 422),
    (f"members/{UUID(int=9)}/entries/1/explanation", 404),
    ("entries/nonsense/explanation", 422),
    (f"entries/{MEMBER}:0/explanation", 422),
    (f"entries/{MEMBER}:7/explanation", 404),
    (f"members/{MEMBER}/explanation?cause=activity 99", 404),
    (f"members/{MEMBER}/explanation", 422),
    (f"members/{MEMBER}/explanation?cause=%00", 400),
]


async def test_what_cannot_be_explained_is_a_problem(books: Books) -> None:
    async with open_checkout(books) as till:
        for path, status in UNKNOWN:
            answer = await till.client.get(f"/v1/{path}")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.status_code == status, path


async def test_every_entry_of_a_random_history_is_explained(books: Books) -> None:
    """What would break it: a reason without a field that its sentence shows."""
    await lived(books, seed=11, events=150)
    async with open_checkout(books) as till:
        for member in [row["member_id"] for row in (await till.see("/v1/balances?limit=1000"))["items"]][:4]:
            statement = await till.see(f"/v1/members/{member}/statement?limit=1000")
            for entry in statement["items"]:
                told = await till.see(f"/v1/entries/{member}:{entry['entry']}/explanation")
                assert told["why"] == entry["why"]
                assert len(told["sentences"]) >= 2
                assert not [one for one in told["sentences"] if one.startswith("What was looked at")]
                if entry["lot"] is not None:
                    assert told["to_lot"]["remaining"] == next(
                        lot["remaining"] for lot in statement["lots"] if lot["lot"] == entry["lot"]
                    )


async def test_a_statement_says_per_lot_what_is_left_and_what_expires_soon(books: Books) -> None:
    script = Script()
    script.register()
    script.buy(10000, "o1")
    script.buy(5000, "o2", at=script.now + timedelta(days=40))
    await books.play(script)
    await books.spend(30, "spend-thirty-points", script.now)
    async with open_checkout(books, script.now) as till:
        shown = await till.see(f"/v1/members/{MEMBER}/statement")
        assert [(lot["granted"], lot["remaining"]) for lot in shown["lots"]] == [(100, 70), (50, 50)]
        assert shown["expiring"] == {"within_days": 30, "points": 0, "at": []}
        until = shown["lots"][0]["expires_at"]
        till.clock.at = type(script.now).fromisoformat(until) - timedelta(days=30)
        soon = (await till.see(f"/v1/members/{MEMBER}/statement?limit=1"))["expiring"]
        assert (soon["points"], soon["at"]) == (70, [{"expires_at": until, "points": 70}])
        till.clock.move(timedelta(days=30))
        assert (await till.see(f"/v1/members/{MEMBER}/statement"))["expiring"]["points"] == 50  # the first is over
