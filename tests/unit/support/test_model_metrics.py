"""Tier metrics of the independent model that the reference programme does not use (domain.md 4). Amounts in minor units."""

from __future__ import annotations

from tests.support.model_calendar import local_day
from tests.support.model_metrics import AsOf, metric
from tests.support.model_programme import Condition
from tests.support.stories import Story


def value(story: Story, name: str, days: int = 0, at: str = "2025-03-10 12:00") -> int:
    """A metric as of a local day, before any lapse."""
    as_of = AsOf(local_day(story.instant(at), story.programme.zone), None)
    return metric(Condition(name, 0, days), story.member.standings.known, as_of)


def lively() -> Story:
    """Two orders, one of them refunded to 0, one worth 0, and some other deeds."""
    story = Story()
    story.buys("a", 12345, at="2025-03-01 10:00")
    story.buys("b", 5000, at="2025-03-02 10:00")
    story.buys("free", 0, at="2025-03-03 10:00")
    story.refunds("b", 5000, at="2025-03-04 10:00")
    story.signs_in("2025-03-05 10:00")
    story.reviews("r", at="2025-03-05 11:00")
    story.does("shared", at="2025-03-06 10:00")
    story.does("complaint", at="2025-03-10 10:00")
    return story


def test_an_order_refunded_to_nothing_counts_no_more_and_one_recorded_as_0_does() -> None:
    assert value(lively(), "orders_in_days", 30) == 2


def test_a_window_ends_with_the_day_and_has_n_days() -> None:
    assert [value(lively(), "spend_in_days", days) for days in (9, 10)] == [0, 12345]


def test_a_refund_or_a_complaint_makes_no_day_active() -> None:
    assert value(lively(), "active_days_in_days", 30) == 5


def test_complaints_are_counted_in_their_window() -> None:
    assert value(lively(), "complaints_in_days", 1) == 1
    assert value(lively(), "complaints_in_days", 30, at="2025-03-09 12:00") == 0


def test_growth_is_made_of_orders_reviews_shares_and_sign_ins() -> None:
    assert value(lively(), "growth_total") == 123 + 0 + 10 + 5 + 1
    assert value(lively(), "growth_in_days", 6) == 10 + 5 + 1
