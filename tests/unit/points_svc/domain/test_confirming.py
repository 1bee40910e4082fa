"""Activation of points by an event: they wait until the order is confirmed, or until the days have passed, as the rule says."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel_contracts.programme import canonical, sha256
from tests.unit.points_svc.lasting import interleaved, lasting
from tests.unit.points_svc.pure import Play, play
from tests.unit.points_svc.script import SHANGHAI, Fact, Script, Step, local, programme

TIERS = ["regular", "silver", "gold", "diamond"]
AT = local(SHANGHAI, 2025, 3, 3, 12)
DAY = timedelta(days=1)


def available(stage: Play, now: datetime) -> int:
    return sum(lot.remaining for lot in stage.account.lots.values() if lot.available_at <= now < lot.expires_at)


@pytest.mark.parametrize(
    ("activation", "pending_days", "confirmed_after", "expected"),
    [
        # points available one hour, 5, 10 and 100 days after the purchase
        ("event", 0, None, (0, 0, 0, 0)),
        ("event", 7, None, (0, 0, 0, 0)),
        ("event", 7, 3, (0, 100, 100, 100)),
        ("event", 7, 50, (0, 0, 0, 100)),
        ("days_or_event", 7, None, (0, 0, 100, 100)),
        ("days_or_event", 7, 3, (0, 100, 100, 100)),
        ("days_or_event", 7, 50, (0, 0, 100, 100)),
        ("days", 7, 3, (0, 0, 100, 100)),
    ],
)
def test_points_wait_for_what_the_rule_says(
    activation: str, pending_days: int, confirmed_after: int | None, expected: tuple[int, ...]
) -> None:
    s = Script(programme=programme(activation=activation, pending_days=pending_days))
    s.buy(10_000, at=AT)
    if confirmed_after is not None:
        s.confirm(at=AT + confirmed_after * DAY)
    stage = play(s)
    assert tuple(available(stage, AT + after) for after in (DAY / 24, 5 * DAY, 10 * DAY, 100 * DAY)) == expected
    assert stage.account.ladder == {local(SHANGHAI, 2026, 4, 1): 100}  # expiry counts from the purchase


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_what_is_available_does_not_depend_on_when_a_standing_becomes_known(seed: int) -> None:
    """INVARIANT: orders, refunds, confirmations and late standings in any interleaving leave the same net points, pending and free, until
    the same instants. A rise that comes into the lot that still waits, or a confirmation forgotten where nothing was left to move, would
    break it."""
    chance = random.Random(seed)
    document = lasting(activation=chance.choice(("event", "days_or_event")), pending_days=chance.choice((0, 14)))
    script, left, unconfirmed = Script(programme=document, now=AT), dict[str, int](), list[str]()
    for n in range(chance.randint(2, 12)):
        at, what = (
            script.now + timedelta(hours=chance.randint(1, 300)),
            chance.choice(("buy", "buy", "refund", "confirm")),
        )
        if what == "refund" and left:
            order = chance.choice(sorted(left))
            amount = chance.choice((left[order], chance.randint(0, left[order])))
            left[order] -= amount
            script.refund(order, amount=amount, at=at)
        elif what == "confirm" and unconfirmed:
            script.confirm(unconfirmed.pop(chance.randrange(len(unconfirmed))), at)
        else:
            left[f"o{n}"] = chance.choice((60, 15_000, 60_000))  # 0.60 earns nothing below diamond
            unconfirmed.append(f"o{n}")
            script.buy(left[f"o{n}"], f"o{n}", at)
    holds = sorted(chance.randint(0, script.number) for _ in range(chance.randint(1, 4)))
    facts: list[Step] = [Fact(n, after, chance.choice(TIERS)) for n, after in enumerate(holds, 1)]
    activities = list(script.steps)
    orders = [facts + activities, activities + facts, *(interleaved(chance, activities, facts) for _ in range(3))]
    seen = []
    for steps in orders:
        stage = play(Script(programme=document, steps=steps))
        account = stage.account
        instants = [script.now + days * DAY for days in (0, 10, 20, 300)]
        free = [available(stage, now) for now in instants]
        seen.append((stage.outcome().nets, account.posted, account.debt, account.ladder, free))
    assert all(one == seen[0] for one in seen)


def test_pending_points_cannot_be_spent_and_activated_ones_can() -> None:
    s = Script(programme=programme(activation="event"))
    s.register()
    s.buy(10_000, at=AT)
    s.spend(10, now=AT + DAY)
    s.confirm(at=AT + 2 * DAY)
    s.spend(10, now=AT + 3 * DAY)
    stage = play(s)
    assert stage.spendings == ["insufficient_points", "spent"]
    assert [entry.kind for entry in stage.account.entries][:3] == ["earned", "activated", "activated"]


def test_a_refund_takes_what_has_been_activated_and_a_second_confirmation_cannot_come() -> None:
    s = Script(programme=programme(activation="days_or_event", pending_days=30))
    s.buy(10_000, at=AT)
    s.confirm(at=AT + DAY)
    s.refund(amount=4_000, at=AT + 2 * DAY)
    stage = play(s)
    assert (stage.account.posted, stage.account.debt, available(stage, AT + 3 * DAY)) == (60, 0, 60)


def test_a_programme_that_does_not_say_keeps_its_hash() -> None:
    """The hash that all four services compare is over the canonical text, in which nothing stands that is not set."""
    assert b"activation" not in canonical(programme())
    assert sha256(programme(activation="days")) != sha256(programme())
