"""Rules of the catalogue (domain.md 3.5): periods of the calendar, limits, and a cancellation that undoes a redemption exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from points_svc.domain import calendar, earning, ledger, rewards
from points_svc.domain.account import Account, Dated, Day
from points_svc.domain.rewards import Had, Redemption, Reward
from points_svc.domain.rules import rules_of
from points_svc.domain.spending import Refused, worth_at
from tests.unit.points_svc.script import programme

NOW = datetime(2025, 6, 15, 4, tzinfo=UTC)
RULES = rules_of(programme())
DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


def reward(points: int = 10, **more: object) -> Reward:
    whole = {
        "stock": None, "taken": 0, "valid_from": None, "valid_until": None, "per_member": None, "per_period": None,
        "period": None, "at_once": False, "gives": None, "revision": 1,
    } | more  # fmt: skip
    return Reward("mug", "A mug", "goods", points, **whole)  # type: ignore[arg-type]


def account(lots: list[tuple[int, int]]) -> Account:
    """A registered member with lots of (points, days until they expire)."""
    made = Account(UUID(int=1), Day(0), active=True, knows_all_lots=True, reached=NOW)
    ledger.open_page(made, "test", NOW)
    for number, (points, days) in enumerate(lots, 1):
        lot = earning.lot_until(made, "purchase", Dated(number, NOW, NOW.date()), NOW + timedelta(days=days))
        ledger.put(made, lot, points, "earned", {"rule": "test"})
    ledger.close_page(made)
    return made


@given(DAYS, st.sampled_from(["day", "week", "month"]))
def test_a_period_holds_its_day_and_begins_where_the_calendar_says(day: date, period: str) -> None:
    """Broken by a period that begins after the day it is for, or two periods that overlap."""
    since = rewards.period_since(period, day)
    assert since <= day
    assert rewards.period_since(period, since) == since
    before = since - timedelta(days=1)
    assert rewards.period_since(period, before) < since
    assert {"day": since == day, "week": since.weekday() == 0, "month": since.day == 1}[period]


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_nobody_has_more_than_stock_and_limits_allow(
    ever: int, lately: int, per_member: int, per_period: int, taken: int, left: int
) -> None:
    """Broken by any limit that is looked at instead of, and not besides, the others."""
    offered = reward(stock=taken + left, taken=taken, per_member=per_member, per_period=per_period, period="day")
    no = rewards.refusal(account([(100, 30)]), offered, Had(ever, lately), NOW)
    assert (no is None) == (left > 0 and ever < per_member and lately < per_period)


LOTS = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 400)), min_size=1, max_size=6)


def redeemed(member: Account, points: int) -> tuple[Redemption, tuple[tuple[int, int], ...]]:
    ledger.open_page(member, "redemption x", NOW)
    made = rewards.redeem(
        member,
        reward(points),
        NOW,
        redemption_id=UUID(int=2),
        hold_id=UUID(int=3),
        day=NOW.date(),
        why={"rule": "test"},
    )
    ledger.close_page(member)
    return made, member.holds[UUID(int=3)].parts


@settings(max_examples=60)
@given(LOTS, st.data())
def test_a_cancellation_undoes_a_redemption_lot_by_lot_and_entries_say_the_same(
    lots: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Broken by points that come back into another lot, with another expiry, or in another number."""
    member = account(lots)
    points = data.draw(st.integers(1, sum(points for points, _ in lots)))
    before = {lot.lot: (lot.remaining, lot.expires_at) for lot in member.lots.values()}
    ladder, posted = dict(member.ladder), member.posted
    made, parts = redeemed(member, points)
    assert (made.points, member.posted, sum(p for _, p in parts)) == (points, posted - points, points)
    assert rewards.cancel(member, made, parts, NOW, RULES, actor="mei", reason=None) is None
    assert {lot.lot: (lot.remaining, lot.expires_at) for lot in member.lots.values()} == before
    assert (member.ladder, member.posted, member.held) == (ladder, posted, 0)
    again = rewards.cancel(member, made, parts, NOW, RULES, actor="mei", reason=None)
    assert isinstance(again, Refused)
    assert (again.kind, member.posted) == ("redemption_cancelled", posted)


@settings(max_examples=60)
@given(LOTS, st.integers(0, 420), st.data())
def test_whenever_it_is_cancelled_all_points_that_were_spent_can_be_spent_again(
    lots: list[tuple[int, int]], later: int, data: st.DataObject
) -> None:
    """Broken by points that come back into a lot that is over: they would be lost (3.3.4). Only these
    live anew, until the 31st local day."""
    member = account(lots)
    points = data.draw(st.integers(1, sum(points for points, _ in lots)))
    made, parts = redeemed(member, points)
    now = NOW + timedelta(days=later)
    still = worth_at(member, now).available
    ledger.open_page(member, "cancellation x", now)
    assert rewards.cancel(member, made, parts, now, RULES, actor="mei", reason=None) is None
    assert worth_at(member, now).available == still + points
    day = calendar.local_day(now, RULES.zone)
    until = calendar.start_of_day_after(day, 31, RULES.zone)
    anew = [lot for lot in member.lots.values() if lot.kind == "returned"]
    assert {lot.expires_at for lot in anew} <= {until}
    assert sum(lot.remaining for lot in anew) == sum(p for lot, p in parts if member.lots[lot].expires_at <= now)
