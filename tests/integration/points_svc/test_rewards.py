"""The catalogue of rewards over HTTP on a real PostgreSQL (domain.md 3.5): points and stock move together, once, and come back together."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from points_svc.main import say_all_again
from tests.integration.points_svc.books import MEMBER, Books, ended
from tests.integration.points_svc.shopping import end, offer, redeem, redeemed, taken
from tests.integration.points_svc.test_saying import CLEAR, outbox
from tests.integration.points_svc.till import Checkout
from tests.unit.points_svc.script import SHANGHAI, Script, local


async def test_a_reward_is_offered_redeemed_seen_and_fulfilled(shop: Checkout) -> None:
    offered = await offer(shop, stock=5)
    assert (offered.status_code, offered.json()["left"], offered.json()["revision"]) == (200, 5, 1)
    made = await redeem(shop)
    redemption = made.json()
    assert (made.status_code, redemption["state"], redemption["points"]) == (201, "ordered", 30)
    assert made.headers["location"] == f"/v1/redemptions/{redemption['redemption_id']}"
    assert await shop.see(made.headers["location"]) == redemption
    assert await shop.figures() == (70, 0, 0, 70)
    assert (await shop.see("/v1/rewards"))["items"][0]["left"] == 4
    done = await end(shop, "fulfil", redemption["redemption_id"], reason="handed over at the counter")
    assert (done.status_code, done.json()["state"], done.json()["ended_by"]) == (200, "fulfilled", "mei")
    assert await shop.see(f"/v1/members/{MEMBER}/redemptions") == {"items": [done.json()], "next": None}


async def test_the_statement_says_which_reward_at_which_price_and_what_limits_were_kept(shop: Checkout) -> None:
    await offer(shop, stock=5, per_member=2, per_period=2, period="week")
    redemption = await redeemed(shop)
    entry = (await shop.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert (entry["kind"], entry["from"], entry["to"], entry["cause"]) == (
        "spent", "held", "redeemed", f"redemption {redemption}",
    )  # fmt: skip
    why = entry["why"]
    assert {name: why[name] for name in ("rule", "version", "reward_id", "revision", "points", "stock", "had", "per_member")} == {
        "rule": "redemption", "version": 1, "reward_id": "mug", "revision": 1, "points": 30, "stock": 5, "had": 0, "per_member": 2,
    }  # fmt: skip
    assert (why["period"], why["per_period"], why["had_in_period"]) == ("week", 2, 0)


async def test_a_cancelled_redemption_gives_points_back_to_their_lot_and_the_piece_to_the_stock(shop: Checkout) -> None:
    await offer(shop, stock=1)
    lots = (await shop.balance())["lots"]
    redemption = await redeemed(shop)
    cancelled = await end(shop, "cancel", redemption, reason="out of mugs after all")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await shop.balance())["lots"] == lots
    assert await taken(shop) == 0
    entry = (await shop.see(f"/v1/members/{MEMBER}/statement?limit=1"))["items"][0]
    assert (entry["kind"], entry["from"], entry["points"], entry["cause"]) == (
        "given_back", "redeemed", 30, f"cancellation {redemption}",
    )  # fmt: skip
    assert (entry["why"]["cancelled_by"], entry["why"]["reason"]) == ("mei", "out of mugs after all")
    await redeemed(shop)


async def test_points_of_several_lots_come_back_to_each_with_its_own_expiry(shop: Checkout, books: Books) -> None:
    script = Script(number=2, now=shop.clock.at)
    script.buy(5000, "o2", local(SHANGHAI, 2025, 6, 1))
    await books.play(script)
    shop.clock.at = script.now
    lots = (await shop.balance())["lots"]
    assert [lot["remaining"] for lot in lots] == [100, 50]
    await offer(shop, points=120)
    redemption = await redeemed(shop)
    assert [lot["remaining"] for lot in (await shop.balance())["lots"]] == [30]
    await end(shop, "cancel", redemption)
    assert (await shop.balance())["lots"] == lots


@pytest.mark.parametrize("closed", [False, True])
async def test_points_whose_lot_is_over_come_back_until_the_31st_local_day(
    shop: Checkout, books: Books, closed: bool
) -> None:
    """Broken by points that come back into a lot that nobody can spend any more, or that live for ever."""
    await offer(shop)
    redemption = await redeemed(shop)
    shop.clock.at = local(SHANGHAI, 2026, 4, 2, 15)  # the lot of March 2025 was over when April began
    if closed:
        await books.apply([ended(local(SHANGHAI, 2026, 4, 2))])
    await end(shop, "cancel", redemption)
    spendable = [lot for lot in (await shop.balance())["lots"] if lot["expires_at"] > "2026-04-02"]
    until = local(SHANGHAI, 2026, 5, 3).isoformat().replace("+00:00", "Z")
    assert [(lot["remaining"], lot["expires_at"]) for lot in spendable] == [(30, until)]
    assert (await shop.balance())["available"] == 30


async def test_what_comes_back_repays_debt_first(shop: Checkout, books: Books) -> None:
    await offer(shop)
    redemption = await redeemed(shop)
    script = Script(number=2, now=shop.clock.at)
    script.refund("o1", amount=10000)
    await books.play(script)
    shop.clock.at = script.now
    assert await shop.figures() == (0, 0, 30, 0)
    assert (await redeem(shop)).json()["type"] == "in_debt"
    await end(shop, "cancel", redemption)
    assert await shop.figures() == (0, 0, 0, 0)


async def test_a_redemption_ends_once_and_the_same_end_again_is_answered_as_it_was(shop: Checkout) -> None:
    await offer(shop, points=10)
    one, other = await redeemed(shop), await redeemed(shop)
    first = await end(shop, "fulfil", one)
    again = await end(shop, "fulfil", one)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, first.json(), "true")
    refused = await end(shop, "cancel", one)
    assert (refused.status_code, refused.json()["type"], refused.json()["state"]) == (
        409, "redemption_fulfilled", "fulfilled",
    )  # fmt: skip
    first = await end(shop, "cancel", other)
    again = await end(shop, "cancel", other)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await end(shop, "fulfil", other)).json()["type"] == "redemption_cancelled"
    assert await shop.figures() == (90, 0, 0, 90)


async def test_of_many_who_end_one_redemption_one_does(shop: Checkout) -> None:
    """Broken by an end that is decided before the account is locked: points or stock would come back twice."""
    await offer(shop, stock=3, points=30)
    for acts in (["cancel"] * 8, ["cancel", "fulfil"] * 4, ["fulfil"] * 8):
        before, (posted, *_) = await taken(shop), await shop.figures()
        redemption = await redeemed(shop)
        answers = await asyncio.gather(*(end(shop, act, redemption) for act in acts))
        states = {answer.json()["state"] for answer in answers}
        assert len(states) == 1
        assert {a.status_code for a in answers} <= {200, 409}
        kept = states == {"fulfilled"}
        assert (await shop.figures())[0] == posted - 30 * kept
        assert await taken(shop) == before + kept


async def test_a_key_redeems_once_and_a_refusal_stays_a_refusal(shop: Checkout) -> None:
    await offer(shop, stock=1)
    first, again = [await redeem(shop, key="redeem-a-mug-just-once") for _ in range(2)]
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert await shop.figures() == (70, 0, 0, 70)
    refused = await redeem(shop, key="there-is-no-second-mug")
    assert (refused.status_code, refused.json()["type"], refused.json()["stock"]) == (409, "sold_out", 1)
    await offer(shop, stock=2)
    assert (await redeem(shop, key="there-is-no-second-mug")).json() == refused.json()
    assert (await redeem(shop)).status_code == 201


async def test_a_reward_is_had_only_while_it_is_valid(shop: Checkout) -> None:
    now = shop.clock.at
    begins, ends = now + timedelta(hours=1), now + timedelta(hours=2)
    await offer(shop, valid_from=begins.isoformat(), valid_until=ends.isoformat())
    for at, status in [(now, 409), (begins, 201), (ends - timedelta(seconds=1), 201), (ends, 409)]:
        shop.clock.at = at
        answer = await redeem(shop)
        assert answer.status_code == status
        assert status == 201 or answer.json()["type"] == "reward_not_valid"


@pytest.mark.parametrize("name", ["valid_from", "valid_until"])
async def test_an_instant_that_cannot_be_kept_is_refused_and_for_ever_can_be_said(shop: Checkout, name: str) -> None:
    """Broken by what Python can say and not read back: years 0 and 10000 in UTC, and what the driver takes for infinity."""
    for instant in (
        "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999Z",
    ):  # fmt: skip
        refused = await offer(shop, **{name: instant})
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json"), instant
    assert (await shop.see("/v1/rewards"))["items"] == []
    assert (await offer(shop, valid_from="1970-01-01T00:00:00Z", valid_until="9999-12-31T23:59:59Z")).status_code == 200
    await redeemed(shop)


async def test_a_member_has_no_more_than_he_may_and_a_cancelled_one_does_not_count(shop: Checkout) -> None:
    await offer(shop, points=10, per_member=2)
    one, _ = await redeemed(shop), await redeemed(shop)
    refused = (await redeem(shop)).json()
    assert (refused["type"], refused["limit"], refused["at_most"], refused["had"]) == (
        "reward_limit",
        "per_member",
        2,
        2,
    )
    await end(shop, "cancel", one)
    await redeemed(shop)


async def test_a_limit_per_period_begins_anew_with_the_local_period(shop: Checkout) -> None:
    """Broken by days of UTC instead of the programme's zone: in Shanghai a day begins at 16:00 UTC. 5 March 2025 is a Wednesday."""
    for period, last_day in [("day", 5), ("week", 9), ("month", 31)]:
        await offer(shop, period, points=10, per_period=1, period=period)
        shop.clock.at = datetime(2025, 3, 5, 4, tzinfo=UTC)
        await redeemed(shop, period)
        outside = datetime(2025, 3, last_day, 16, tzinfo=UTC)
        shop.clock.at = outside - timedelta(seconds=1)
        refused = (await redeem(shop, period)).json()
        assert (refused["type"], refused["limit"], refused["had"]) == ("reward_limit", period, 1)
        shop.clock.at = outside
        await redeemed(shop, period)


async def test_coupons_are_fulfilled_at_once_unless_the_catalogue_says_otherwise(shop: Checkout) -> None:
    await offer(shop, "ten-off", kind="coupon", points=10, gives="coupon ten-off")
    await offer(shop, "by-hand", kind="benefit", points=10, at_once=False)
    made = (await redeem(shop, "ten-off")).json()
    assert (made["state"], made["gives"]) == ("fulfilled", "coupon ten-off")
    assert (await redeem(shop, "by-hand")).json()["state"] == "ordered"


async def test_a_draw_is_a_ticket_until_somebody_draws_and_says_why(shop: Checkout) -> None:
    await offer(shop, "lottery", kind="draw", points=10)
    ticket = await redeemed(shop, "lottery")
    assert (await end(shop, "fulfil", ticket)).json()["type"] == "outcome_wanted"
    assert (await end(shop, "fulfil", ticket, outcome="won")).status_code == 422
    drawn = await end(shop, "fulfil", ticket, outcome="won", reason="drawn on 1 April before a notary")
    assert (drawn.json()["state"], drawn.json()["outcome"]) == ("fulfilled", "won")
    assert (await end(shop, "fulfil", ticket, outcome="lost", reason="no")).json()["type"] == "redemption_fulfilled"
    await offer(shop)
    mug = await redeemed(shop)
    assert (await end(shop, "fulfil", mug, outcome="won", reason="x")).json()["type"] == "outcome_unwanted"


async def test_a_changed_price_holds_for_who_redeems_after_it(shop: Checkout) -> None:
    await offer(shop, points=10)
    before = await redeemed(shop)
    assert (await offer(shop, points=60)).json()["revision"] == 2
    assert (await redeem(shop)).json()["points"] == 60
    assert (await redeem(shop)).json()["type"] == "insufficient_points"
    await end(shop, "cancel", before)
    assert await shop.figures() == (40, 0, 0, 40)


async def test_the_stock_cannot_be_cut_below_what_is_taken(shop: Checkout) -> None:
    await offer(shop, points=10, stock=3)
    for _ in range(2):
        await redeemed(shop)
    refused = (await offer(shop, points=10, stock=1)).json()
    assert (refused["type"], refused["stock"], refused["taken"]) == ("stock_below_taken", 1, 2)
    assert (await offer(shop, points=10, stock=2)).json()["left"] == 0
    assert (await redeem(shop)).json()["type"] == "sold_out"
    assert (await offer(shop, points=10, stock=None)).json()["left"] is None
    await redeemed(shop)


async def test_who_cannot_spend_cannot_redeem_and_nothing_is_taken(shop: Checkout, books: Books) -> None:
    await offer(shop, points=101, stock=5)
    refused = (await redeem(shop)).json()
    assert (refused["type"], refused["points"], refused["available"]) == ("insufficient_points", 101, 100)
    await offer(shop, points=1, stock=5)
    redemption = await redeemed(shop)
    script = Script(number=2, now=shop.clock.at)
    script.freeze(True)
    await books.play(script)
    assert (await redeem(shop)).json()["type"] == "member_frozen"
    assert (await end(shop, "cancel", redemption)).status_code == 200  # giving back goes on
    assert await taken(shop) == 0


async def test_without_a_programme_in_force_nothing_is_redeemed(till: Checkout) -> None:
    await offer(till)
    assert (await redeem(till)).json()["type"] == "no_programme"


async def test_a_hold_that_is_over_pays_a_redemption_and_everything_can_be_said_again(
    shop: Checkout, books: Books
) -> None:
    await shop.held(90)
    await offer(shop, points=80)
    assert (await redeem(shop)).json()["type"] == "insufficient_points"
    shop.clock.move(timedelta(minutes=15))
    redemption = await redeemed(shop)
    await end(shop, "cancel", redemption)
    said = [data for _, _, data in await books.said()]
    assert [(one.posted, one.held) for one in said] == [(100, 0), (100, 90), (100, 0), (20, 0), (100, 0)]
    first = [row for row in await outbox(books) if row[1] is not None]
    async with books.database.transaction() as tx:
        await tx.run(CLEAR)
    await say_all_again(books.database, books.shelf, None)
    assert [row for row in await outbox(books) if row[1] is not None] == first


async def test_catalogue_and_redemptions_are_shown_page_by_page(shop: Checkout) -> None:
    for reward_id in ("c", "a", "b"):
        await offer(shop, reward_id, points=10)
        await redeemed(shop, reward_id)
    page = await shop.see("/v1/rewards?limit=2")
    rest = await shop.see(f"/v1/rewards?limit=2&after={page['next']}")
    assert [one["reward_id"] for one in page["items"] + rest["items"]] == ["a", "b", "c"]
    page = await shop.see(f"/v1/members/{MEMBER}/redemptions?limit=2")
    rest = await shop.see(f"/v1/members/{MEMBER}/redemptions?limit=2&before={page['next']}")
    assert [one["reward_id"] for one in page["items"] + rest["items"]] == ["b", "a", "c"]
    assert rest["next"] is None
