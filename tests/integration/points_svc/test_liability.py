"""What the shop owes in points (P35): every figure is in the trial balance as well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from points_svc.domain.calendar import expires_at, local_day
from tests.integration.points_svc.books import MEMBER, Books, activated, told
from tests.integration.points_svc.test_chain import lived
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import NEW_YORK, Activity, Script, local, programme


def adds_up(shown: dict[str, Any], balance: dict[str, Any]) -> None:
    """Months and holds are the two accounts of the members; debt is the third."""
    accounts = balance["by_account"]
    assert sum(month["points"] for month in shown["by_expiry_month"]) == accounts.get("available", 0)
    assert shown["held"] == accounts.get("held", 0)
    assert shown["outstanding"] == accounts.get("available", 0) + accounts.get("held", 0)
    assert shown["debt"] == -accounts.get("debt", 0)
    assert shown["breakage"]["expired"] == accounts.get("expired", 0)
    assert Decimal(shown["cost"]) == shown["outstanding"] * Decimal(shown["cost_per_point"])


async def test_the_liability_of_a_random_history_is_its_trial_balance(books: Books) -> None:
    """What would break it: a running total, or a month by UTC."""
    await lived(books, seed=13, events=250)
    async with open_checkout(books) as till:
        shown = await till.see("/v1/liability")
        adds_up(shown, await till.see("/v1/ledger/trial-balance"))
    assert (shown["currency"], shown["cost_per_point"], shown["programme_version"]) == ("CNY", "0.01", 1)
    assert shown["outstanding"] > 0
    assert shown["breakage"]["issued"] > 0


async def test_months_are_those_of_the_programme_in_which_points_can_be_spent_last(books: Books) -> None:
    """P9, P10: what expires at the first instant of February can be spent in January for the last time."""
    script = Script(zone=NEW_YORK, programme=programme(NEW_YORK, pending_days=2))
    script.register()
    at = local(NEW_YORK, 2025, 1, 31, 21)  # in UTC it is February
    script.buy(10000, "o1", at=at)
    script.buy(300, "o2", at=local(NEW_YORK, 2025, 3, 1, 9))
    await books.load(script.programme)
    await books.apply([activated()])
    for step in script.steps:
        assert isinstance(step, Activity)
        await books.apply([told(step, MEMBER, NEW_YORK)])
    async with open_checkout(books, script.now) as till:
        shown = await till.see("/v1/liability")
        assert shown["by_expiry_month"] == [
            {"month": "2026-01", "points": 100, "pending": 0, "cost": "1"},
            {"month": "2026-03", "points": 3, "pending": 3, "cost": "0.03"},
        ]
        assert (shown["pending"], shown["overdue"], shown["cost"]) == (3, 0, "1.03")
        till.clock.at = expires_at(local_day(at, NEW_YORK), 12, NEW_YORK)
        later = await till.see("/v1/liability")
        assert (later["pending"], later["overdue"]) == (0, 100)


async def test_before_there_is_a_programme_nothing_is_owed_and_nothing_guessed(books: Books) -> None:
    async with open_checkout(books) as till:
        shown = await till.see("/v1/liability")
    assert (shown["outstanding"], shown["cost"], shown["currency"], shown["breakage"]["share"]) == (0, None, None, None)
