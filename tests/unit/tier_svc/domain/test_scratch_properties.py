"""T-L21: random histories under every option of the ladder, overrides on top and a new version on the way: judged in batches from running
sums, or recomputed from scratch at every step, a member comes to the same."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import model_programme as model
from tests.unit.tier_svc.domain.keeping import Keeper
from tests.unit.tier_svc.domain.ladders import MEMBER, rules_of
from tests.unit.tier_svc.domain.test_judge_properties import DEEDS, START, ZONE, Member, Op, every_metric
from tier_svc.domain.clubs import from_the_beginning
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.overlaying import Override
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Step, Stream

TIERS = ("regular", "silver", "gold", "diamond")
PERIODS: list[dict[str, Any]] = [
    {}, {"period": {"kind": "none"}}, {"period": {"ends": "month"}}, {"period": {"ends": "quarter"}},
    {"period": {"kind": "calendar", "ends": "month"}, "validity_months": 0}, {"period": {"kind": "anniversary"}},
    {"period": {"kind": "calendar", "dates": ["02-10", "03-31", "05-05"]}, "validity_months": 0},
]  # fmt: skip
GRACES: list[dict[str, Any]] = [{}, {}, {"grace_days": 3}, {"grace_days": 45}, {"grace_ends": "month"}]
ENDINGS: list[dict[str, Any]] = [
    {"on_lapse": lapse, "on_refund": refund}
    for lapse in ("to_kept", "one_step", "never")
    for refund in ("at_once", "at_period_end")
]
AFTERS, LATES = [0, 1, 5, 13, 24, 24, 50, 80, 170, 400], [0, 0, 0, 0, 2, 25, 90, 167, 168, 169, 400]
WHATS = [
    *["buys"] * 6,
    *["refunds"] * 2,
    *["closes"] * 3,
    "registers",
    "given",
    "lowered",
    "frozen",
    "taken back",
    *DEEDS,
]
AMOUNTS = [0, 1, 999, 2_000, 4_000, 6_000, 10_000, 21_000, 31_000]


class Scratch(Stream):
    """A judge that trusts no running sum: whatever is asked is added up anew from the member's whole history."""

    __slots__ = ()

    def _values(self, rules: Rules, day: int) -> list[int]:
        sums = self.sums
        sums.windows, sums.gauged_by, sums.as_of = rules.gauges.windows, rules.version, day
        sums.values = self.history().values(sums.windows, day, self.standing.restart)
        return sums.values

    def _after(self, step: Step, clock: datetime, rules: Rules) -> None:
        self._values(rules, rules.calendar.day_of(clock).toordinal())
        super()._after(step, clock, rules)


class Silent:
    """Stands for the independent model, which knows nothing of these options."""

    def close_day(self, as_of: datetime) -> None:
        pass


class Both(Member):
    """The same history for the judge in batches and for the one from scratch."""

    def __init__(self, words: dict[str, Any], later: dict[str, Any]) -> None:
        self.rules = rules_of(words, zone=ZONE)
        second = rules_of(later, zone=ZONE, version=2)
        self.timeline = Timeline([(None, self.rules), (START + timedelta(days=40), second)])
        self.programme = model.reference_programme("USD", ZONE)
        self.model = Silent()  # type: ignore[assignment]
        self.keeper, self.scratch = Keeper(), Scratch(MEMBER, 0, sums=Sums(), standing=Standing())
        self.model_orders, self.left, self.by_line = {}, {}, {}
        self.now, self.seq, self.closed, self.reaches = START, 0, None, START
        self.pending, self.days, self.refunds = [], [], []
        self.decided: list[int] = []  # the numbers of overrides

    def tell(self, op: Op) -> None:
        if op.cut:
            self.flush()
        before = len(self.pending)
        if op.what in ("given", "lowered", "frozen"):
            self._decide(op)
        elif op.what == "taken back":
            self._take_back(op)
        else:
            super().tell(replace(op, cut=False))
        for each in self.pending[before:]:
            each(self.scratch)

    def _model(self, event: Any, order: Any = None) -> None:
        pass

    def _decide(self, op: Op) -> None:
        self.now += timedelta(hours=op.after)
        self._number(self.now)
        since = self.now + timedelta(hours=[-300, -1, 0, 0, 30, 200, 500, 900][op.which])
        until = since + timedelta(hours=[1, 25, 300, 400, 700, 1_500, 20, 5_000][op.amount % 8])
        step, mode, act = self._step(self.now), "floor" if op.late else "exact", "assign"
        if op.what != "given":
            mode, act = "exact", "freeze" if op.what == "frozen" else "lower"
        tier = TIERS[op.amount % 4] if act == "assign" else ""
        entry = Override(step.seq, tier, since, until, mode, "r", "a", act, 1 if act == "lower" else 0)  # type: ignore[arg-type]
        self.pending.append(partial(_override, step=step, entry=entry))
        self.decided.append(step.seq)

    def _take_back(self, op: Op) -> None:
        self.now += timedelta(hours=op.after)
        if not self.decided:
            return
        self._number(self.now)
        which = self.decided[-1 - op.which % len(self.decided)]
        since = self.now + timedelta(hours=[-300, 0, 0, 5, 30, 200, 500, 900][op.amount % 8])
        self.pending.append(partial(_take_back, step=self._step(self.now), which=which, since=since))

    def differences(self) -> list[str]:
        """Where the two do not agree."""
        self.flush()
        kept, scratch = self.keeper, self.scratch
        pairs: dict[str, tuple[Any, Any]] = {
            "facts": (kept.facts, scratch.facts),
            "standing": (kept.stream.standing, scratch.standing),
            "overrides": (kept.stream.overlay.entries, scratch.overlay.entries),
            "overrides ever": (kept.overrides, scratch.overlay.changed),
            "taken back": (kept.taken_back, scratch.overlay.taken),
            "clock": (kept.stream.clock, scratch.clock),
            "wakes at": (kept.stream.wakes_at, scratch.wakes_at),
            "ends": (kept.ends, scratch.ends),
            "path": (kept.path, scratch.path),
            "clubs": (kept.stream.clubs.kept, scratch.clubs.kept),
            "club facts": (kept.club_facts, scratch.clubs.facts),
        }
        for club, now in scratch.clubs.kept.items():
            run = from_the_beginning(now, scratch.history(), self.timeline, scratch.standing.joined)
            if scratch.clock is not None:
                run.judge_ends(scratch.clock)
            pairs[f"{club} from the beginning"] = ((now.standing, now.last_end), (run.now, run.last_end))
        return [name for name, (one, other) in pairs.items() if one != other]


def _override(stream: Stream, step: Step, entry: Override) -> None:
    stream.override(step, entry)


def _take_back(stream: Stream, step: Step, which: int, since: datetime) -> None:
    stream.take_back(step, which, since, "r", "a")


WINE: dict[str, Any] = {
    "id": "wine",
    "validity_months": 1,
    "on_lapse": "one_step",
    "ladder": [
        {"id": "guest"},
        {
            "id": "friend",
            "reach": [
                {"metric": "orders_in_days", "days": 14, "at_least": 2},
                {"metric": "spend_total", "at_least": 9_000},
            ],
            "keep": [{"metric": "orders_in_days", "days": 14, "at_least": 1}],
            "requalify": "repeatedly",
        },
        {"id": "connoisseur", "reach": [{"metric": "largest_order", "at_least": 20_000}], "keep": []},
    ],
}
READERS: dict[str, Any] = {
    "id": "readers",
    "period": {"kind": "calendar", "ends": "month"},
    "validity_months": 0,
    "grace_days": 4,
    "ladder": [
        {"id": "listener"},
        {"id": "critic", "reach": [{"metric": "active_days_in_days", "days": 20, "at_least": 3}]},
    ],
}


def ladder(
    chosen: list[dict[str, Any]], *, joined: bool, permanent: bool, clubs: bool = False, renews: bool = False
) -> dict[str, Any]:
    """A ladder of every metric under some terms."""
    words = every_metric()
    if clubs:
        words["tiers"]["clubs"] = [WINE, READERS]
    for terms in chosen:
        words["tiers"].update(terms)
    tiers = {tier["id"]: tier for tier in words["tiers"]["ladder"]}
    if joined:
        either = [
            {"metric": "orders_in_days", "days": 5, "at_least": 2},
            {"metric": "growth_in_days", "days": 9, "at_least": 90},
        ]
        quiet = {"metric": "complaints_in_days", "days": 30, "at_most": 0}
        tiers["silver"]["reach"].append({"all": [{"any": either}, quiet]})
        tiers["silver"]["on_lapse"] = "one_step"
    if permanent:
        tiers["diamond"]["permanent"] = True
    for tier in ("silver", "gold") if renews else ():
        tiers[tier]["requalify"] = "repeatedly"
    return words


LADDERS = st.builds(
    lambda period, grace, ending, joined, permanent, clubs, renews: ladder(
        [period, grace, ending], joined=joined, permanent=permanent, clubs=clubs, renews=renews
    ),
    st.sampled_from(PERIODS), st.sampled_from(GRACES), st.sampled_from(ENDINGS), st.booleans(), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
OPS = st.lists(
    st.builds(
        Op,
        after=st.sampled_from(AFTERS),
        late=st.sampled_from(LATES),
        what=st.sampled_from(WHATS),
        amount=st.sampled_from(AMOUNTS),
        which=st.integers(0, 7),
        cut=st.booleans(),
    ),
    min_size=1,
    max_size=45,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=LADDERS, later=LADDERS, ops=OPS)
def test_in_batches_from_running_sums_is_the_same_as_from_scratch(
    words: dict[str, Any], later: dict[str, Any], ops: list[Op]
) -> None:
    """INVARIANT: what a member comes to depends on his stream alone.

    A window carried over a period end that grace has put off, or a sum that a version with other windows did not add up anew, would
    break it."""
    if "clubs" in words["tiers"]:
        later["tiers"]["clubs"] = words["tiers"]["clubs"]  # no version drops a club
    both = Both(words, later)
    for op in ops:
        both.tell(op)
    assert both.differences() == []
    facts = both.keeper.facts
    assert [fact.ordinal for fact in facts] == list(range(1, len(facts) + 1))
    assert all(one.applied_to == two.applied_from for one, two in pairwise(facts))


def compared(members: int, seed: int) -> tuple[int, int]:
    """Random members by a plain generator; (facts, members that differ)."""
    chance, facts, differing = random.Random(seed), 0, 0
    ladders = [
        ladder(
            [period, grace, ending],
            joined=chance.random() < 0.5,
            permanent=chance.random() < 0.3,
            renews=chance.random() < 0.4,
        )
        for period in PERIODS
        for grace in GRACES
        for ending in chance.sample(ENDINGS, 2)
    ]
    compiled = [(rules_of(words, zone=ZONE), rules_of(words, zone=ZONE, version=2)) for words in ladders]
    both = Both(ladders[0], ladders[1])
    for _ in range(members):
        one, (first, _), (_, second) = Both.__new__(Both), chance.choice(compiled), chance.choice(compiled)
        one.__dict__.update(both.__dict__)
        one.rules, one.timeline = first, Timeline([(None, first), (START + timedelta(days=40), second)])
        one.keeper, one.scratch = Keeper(), Scratch(MEMBER, 0, sums=Sums(), standing=Standing())
        one.model_orders, one.left, one.by_line = {}, {}, {}
        one.pending, one.days, one.refunds, one.decided = [], [], [], []
        for _ in range(chance.randint(3, 25)):
            one.tell(
                Op(
                    chance.choice(AFTERS), chance.choice(LATES), chance.choice(WHATS), chance.choice(AMOUNTS), chance.randint(0, 7),
                    chance.random() < 0.4,
                )
            )  # fmt: skip
        differing += bool(one.differences())
        facts += len(one.keeper.facts)
    return facts, differing


@pytest.mark.parametrize(
    ("members", "seed"), [(300, 1), pytest.param(100_000, 2, marks=pytest.mark.long)], ids=["300", "100000"]
)
def test_many_members_come_to_the_same(members: int, seed: int) -> None:
    facts, differing = compared(members, seed)
    sys.stderr.write(f"\nT-L21: {members:,} members, {facts:,} facts, {differing} differ\n")
    assert differing == 0
    assert facts > members
