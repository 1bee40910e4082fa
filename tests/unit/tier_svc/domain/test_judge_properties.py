"""Random histories of one member: the running sums equal what is added up anew, batches may be cut anywhere, and all of it equals the
independent model, which shares no code with the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laurel_contracts.activities import OrderLine, RefundLine
from tests.support import model_events as told
from tests.support import model_programme as model
from tests.support.model_tiers import Standings
from tests.unit.tier_svc.domain.keeping import Keeper
from tests.unit.tier_svc.domain.ladders import rules_of, short_document
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import History
from tier_svc.domain.stream import Close, Step, Stream

START = datetime(2018, 1, 3, 5, tzinfo=UTC)
ZONE = "America/New_York"

DEEDS: dict[str, Any] = {
    "sign_in": told.SignIn,
    "review": partial(told.Review, review_id="r"),
    "share": partial(told.Other, kind="shared"),
    "join": partial(told.Joined, activity_id="a"),
    "complaint": partial(told.Other, kind="complaint"),
    "survey": partial(told.Other, kind="survey"),
}


def every_metric() -> dict[str, Any]:
    """A ladder of short windows that uses every metric of domain.md 4, so that much happens in a few weeks."""
    words = short_document()
    tiers = {tier["id"]: tier for tier in words["tiers"]["ladder"]}
    tiers["silver"]["reach"] += [
        {
            "all": [
                {"metric": "active_days_in_days", "days": 9, "at_least": 3},
                {"metric": "orders_in_days", "days": 7, "at_least": 2},
            ]
        },
        {"metric": "growth_total", "at_least": 300},
    ]
    tiers["silver"]["keep"] += [{"metric": "complaints_in_days", "days": 20, "at_least": 3}]
    tiers["gold"]["reach"] += [{"metric": "orders_in_days", "days": 12, "at_least": 5}]
    tiers["gold"]["keep"] += [{"metric": "growth_in_days", "days": 25, "at_least": 150}]
    tiers["diamond"]["keep"] = [{"metric": "spend_in_days", "days": 7, "at_least": 20_000}]
    tiers["diamond"]["reach"] = [{"metric": "spend_in_days", "days": 7, "at_least": 20_000}]
    return words


def model_of(words: dict[str, Any]) -> model.Programme:
    """The same ladder for the independent model."""

    def rule(condition: dict[str, Any]) -> model.Rule:
        parts = condition.get("all", [condition])
        return tuple(model.Condition(part["metric"], part["at_least"], part.get("days", 0)) for part in parts)

    tiers = tuple(
        model.Tier(
            tier["id"],
            tuple(rule(each) for each in tier.get("reach", [])) or (model.ALWAYS,),
            tuple(rule(each) for each in tier.get("keep", [])) or (model.ALWAYS,),
            Fraction(1),
            validity_months=words["tiers"]["validity_months"],
            on_lapse=words["tiers"]["on_lapse"],
        )
        for tier in words["tiers"]["ladder"]
    )
    return replace(
        model.reference_programme("USD", ZONE),
        tiers=tiers,
        not_qualifying=frozenset(words["points"]["purchase"]["not_qualifying"]),
    )


@dataclass(frozen=True)
class Op:
    """One thing that happens: hours since the last one, how late it comes, what, and how much of what."""

    after: int
    late: int
    what: str
    amount: int
    which: int
    cut: bool  # a new batch begins here


OPS = st.lists(
    st.builds(
        Op,
        after=st.sampled_from([0, 1, 5, 13, 24, 24, 50, 80, 170, 400]),
        late=st.sampled_from([0, 0, 0, 0, 2, 25, 90, 167, 168, 169, 400]),
        what=st.sampled_from(["buys"] * 6 + ["refunds"] * 2 + ["closes"] * 2 + ["registers", *DEEDS]),
        amount=st.sampled_from([0, 1, 999, 2_000, 4_000, 6_000, 10_000, 21_000, 31_000]),
        which=st.integers(0, 7),
        cut=st.booleans(),
    ),
    min_size=1,
    max_size=45,
)


class Member:
    """Feeds the same history to the model and, in batches, to the judge."""

    def __init__(self, words: dict[str, Any]) -> None:
        self.rules: Rules = rules_of(words, zone=ZONE)
        self.timeline = Timeline([(None, self.rules)])
        self.programme = model_of(words)
        self.model = Standings(self.programme)
        self.keeper = Keeper()
        self.model_orders: dict[str, told.Order] = {}
        self.left: dict[str, list[int]] = {}
        self.by_line: dict[str, bool] = {}
        self.now, self.seq = START, 0
        self.closed: date | None = None
        self.pending: list[Any] = []
        self.reaches = START
        self.days: list[int] = []
        self.refunds: list[str] = []

    def tell(self, op: Op) -> None:
        if op.cut:
            self.flush()
        self.now += timedelta(hours=op.after)
        time = self.now - timedelta(hours=op.late)
        if op.what == "closes":
            self._close()
        elif op.what == "buys":
            self._buy(op, time)
        elif op.what == "refunds":
            self._refund(op, time)
        elif op.what == "registers":
            self._number(time)
            self._model(told.Registered(self.seq, time))
            self.pending.append(partial(_decide, step=self._step(time)))
        else:
            self._number(time)
            self._model(DEEDS[op.what](self.seq, time))
            self.pending.append(partial(_do, step=self._step(time), kind=op.what))

    def flush(self) -> None:
        """The end of a batch."""
        if self.pending:
            pending, self.pending = self.pending, []

            def judge(stream: Stream) -> None:
                for each in pending:
                    each(stream)

            self.keeper.batch(judge, reaches=self.reaches, days=self.days, refunds=self.refunds)
            self.days, self.refunds = [], []

    def _number(self, time: datetime) -> None:
        self.seq += 1
        self.reaches = max(self.reaches, time)
        self.days.append(self.rules.calendar.day_of(time).toordinal())

    def _step(self, time: datetime) -> Step:
        return Step(self.seq, time, self.rules.calendar.day_of(time), self.timeline)

    def _model(self, event: told.Event, order: told.Order | None = None) -> None:
        self.model.arrive(event)
        if isinstance(event, told.Refund):
            self.model_orders[event.order_id].refund(event)
        self.model.judge(event, order)

    def _close(self) -> None:
        day = self.rules.calendar.day_of(self.now)
        if self.seq and (self.closed is None or day > self.closed):
            self.closed = day
            as_of = self.rules.calendar.start_of(day)
            self.reaches = max(self.reaches, as_of)
            self.model.close_day(as_of)
            self.pending.append(partial(_close, close=Close(as_of, self.timeline)))

    def _buy(self, op: Op, time: datetime) -> None:
        self._number(time)
        order_id, gift = f"o{self.seq}", op.amount // 3 if op.which > 5 else 0
        lines = (
            OrderLine(line_id="1", sku="s", category="grocery", quantity=1, amount_minor=op.amount),
            OrderLine(line_id="2", sku="g", category="gift-card", quantity=1, amount_minor=gift),
        )
        self.left[order_id], self.by_line[order_id] = [op.amount, gift], op.which % 2 == 0
        same = [told.Line(line.line_id, line.sku, line.category, 1, line.amount_minor) for line in lines]
        purchase = told.Purchase(self.seq, time, order_id, same)
        order = self.model_orders[order_id] = told.Order(purchase, self.programme)
        self._model(purchase, order)
        self.pending.append(
            partial(_buy, step=self._step(time), order_id=order_id, lines=lines, amount=op.amount + gift)
        )

    def _refund(self, op: Op, time: datetime) -> None:
        orders = [order_id for order_id, left in self.left.items() if sum(left)]
        if not orders:
            return
        order_id = orders[-1 - op.which % len(orders)]
        left = self.left[order_id]
        self._number(time)
        self.refunds.append(order_id)
        if self.by_line[order_id]:
            line = 0 if left[0] else 1
            amount = min(left[line], max(1, op.amount))
            left[line] -= amount
            lines: tuple[RefundLine, ...] = (RefundLine(line_id=str(line + 1), quantity=0, amount_minor=amount),)
            event = told.Refund(self.seq, time, "f", order_id, ((str(line + 1), amount),), amount)
        else:
            amount = min(sum(left), max(1, op.amount))
            self.left[order_id] = [sum(left) - amount, 0]
            lines = ()
            event = told.Refund(self.seq, time, "f", order_id, (), amount)
        self._model(event)
        self.pending.append(partial(_refund, step=self._step(time), order_id=order_id, lines=lines, amount=amount))


def _close(stream: Stream, close: Close) -> None:
    stream.close(close)
    stream.move_on(close.as_of)  # the service does this before the next record; nothing is asked in between


def _decide(stream: Stream, step: Step) -> None:
    stream.decided(step)


def _do(stream: Stream, step: Step, kind: str) -> None:
    stream.deed(step, kind)
    _check(stream)


def _buy(stream: Stream, step: Step, order_id: str, lines: Any, amount: int) -> None:
    rules = step.timeline.at(step.time)
    stream.purchase(step, order_id, lines, amount, rules)
    _check(stream)


def _refund(stream: Stream, step: Step, order_id: str, lines: Any, amount: int) -> None:
    stream.refund(step, order_id, lines, amount)
    _check(stream)


def _check(stream: Stream) -> None:
    """INVARIANT: the running sums are what the history adds up to.

    A bucket that was not loaded when it left a window, or a day counted twice, would break it."""
    if stream.past is not None or stream.is_new:
        sums = stream.sums
        assert sums.values == stream.history().values(sums.windows, sums.as_of or 0, stream.standing.restart)


def _shown(facts: Any, names: list[str] | None = None) -> Iterator[tuple[Any, ...]]:
    for fact in facts:
        if names is None:
            yield (
                fact.ordinal, fact.holds_after, fact.kind, fact.tier_from, fact.tier_to, fact.standing.since, fact.standing.until,
            )  # fmt: skip
        else:
            yield (
                fact.ordinal, fact.holds_after, fact.kind, names[fact.tier_from], names[fact.tier_to], fact.since, fact.until,
            )  # fmt: skip


@pytest.mark.parametrize("on_lapse", ["to_kept", "one_step", "never"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ops=OPS)
def test_the_judge_in_batches_equals_the_independent_model(on_lapse: str, ops: list[Op]) -> None:
    words = every_metric()
    words["tiers"]["on_lapse"] = on_lapse
    member = Member(words)
    for op in ops:
        member.tell(op)
    member.flush()
    keeper, names = member.keeper, [tier.name for tier in member.programme.tiers]
    assert list(_shown(keeper.facts)) == list(_shown(member.model.facts, names))
    assert sum(fact.kind in ("kept", "lapsed") for fact in keeper.facts) == member.model.ends_judged
    sums, now = keeper.stream.sums, keeper.stream.standing
    history = History((keeper.orders.values(),), (keeper.deeds,))
    if sums.as_of is not None:
        assert sums.values == history.values(sums.windows, sums.as_of, now.restart)
    days = {day: bucket[0] for day, bucket in keeper.days.items()}
    assert sum(days.values()) == sum(order.counted for order in keeper.orders.values())
    assert now.restart == member.model.standing.restart
    assert now.held_since == member.model.standing.held_since
    assert [end.at for end in keeper.ends] == [end.at for end in member.model.ends]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ops=OPS, cuts=st.lists(st.booleans(), min_size=45, max_size=45))
def test_where_a_batch_is_cut_makes_no_difference(ops: list[Op], cuts: list[bool]) -> None:
    kept = []
    for cut in ([True] * len(ops), [False] * len(ops), cuts):
        member = Member(every_metric())
        for op, here in zip(ops, cut, strict=False):
            member.tell(replace(op, cut=here))
        member.flush()
        keeper = member.keeper
        kept.append(
            (
                keeper.facts,
                keeper.ends,
                keeper.path,
                keeper.days,
                keeper.stream.sums.values,
                keeper.stream.sums.as_of,
                keeper.stream.clock,
            )
        )
    assert kept[0] == kept[1] == kept[2]


def test_the_zone_of_the_histories_changes_its_clocks() -> None:
    assert ZoneInfo(ZONE).utcoffset(datetime(2018, 1, 1)) != ZoneInfo(ZONE).utcoffset(datetime(2018, 6, 1))
