"""Growth tasks: worked examples as tables, and random histories in which what is counted on the way equals what is counted from scratch."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel_contracts import programme as document
from laurel_contracts.activities import OrderLine, RefundLine
from tests.unit.tier_svc.domain.ladders import MEMBER, reference_document
from tier_svc.domain.benefit_checks import faults_of_benefits, faults_of_tasks
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Step, Stream
from tier_svc.domain.tasks import Doing, Task, done_with, progress_of
from tier_svc.store.shelf import benefits_of, compiled, tasks_of

ZONE = ZoneInfo("Asia/Shanghai")
MONTHLY = {"id": "three-a-month", "done_by": "purchase", "count": 3, "per": "month", "growth": 100}
FIRST_REVIEW = {"id": "first-review", "done_by": "review", "growth": 50}
PHOTOS = {"id": "two-with-photos", "done_by": "review", "count": 2, "photos": 1, "growth": 30, "within_days": 7}
PROFILE = {"id": "profile", "done_by": "join", "which": "profile-complete", "growth": 20}
BIG = {"id": "big", "done_by": "purchase", "least_minor": 10_000, "growth": 40, "per": "quarter"}
DATED = {"id": "dated", "done_by": "sign_in", "count": 2, "growth": 7, "from_day": "2026-05-01", "to_day": "2026-05-03"}


def rules_with(*tasks: dict[str, Any], version: int = 1, **tiers: Any) -> Rules:
    words = reference_document(**tiers) | {"version": version, "tasks": list(tasks)}
    programme = document.parse(msgspec.json.encode(words))
    assert faults_of_tasks(tasks_of(programme)) == []
    return compiled(programme)


class Doer:
    """One member's stream, told by hand in local time."""

    def __init__(self, rules: Rules) -> None:
        self.rules, self.timeline = rules, Timeline([(None, rules)])
        self.stream = Stream(MEMBER, 0, sums=Sums(), standing=Standing())

    def _step(self, time: str) -> Step:
        instant = datetime.fromisoformat(time).replace(tzinfo=ZONE).astimezone(UTC)
        return Step(self.stream.last_seq + 1, instant, self.rules.calendar.day_of(instant), self.timeline)

    def buys(self, time: str, amount: int, category: str = "grocery") -> str:
        step = self._step(time)
        line = OrderLine(line_id="1", sku="s", category=category, quantity=1, amount_minor=amount)
        self.stream.purchase(step, f"o{step.seq}", (line,), amount, self.rules)
        return f"o{step.seq}"

    def refunds(self, time: str, order_id: str, amount: int) -> None:
        self.stream.refund(
            self._step(time), order_id, (RefundLine(line_id="1", quantity=0, amount_minor=amount),), None
        )

    def does(self, time: str, kind: str, **what: Any) -> None:
        self.stream.deed(self._step(time), kind, self.rules, Doing(kind, **what))

    @property
    def given(self) -> list[tuple[str, int]]:
        """Local days and the growth that tasks give on them."""
        efforts = self.stream.efforts
        given = efforts.given(date.max.toordinal()) if efforts is not None else []
        return sorted((date.fromordinal(day).isoformat(), growth) for day, growth in given)


Told = list[tuple[Any, ...]]
CASES: list[tuple[str, dict[str, Any], Told, list[tuple[str, int]]]] = [
    ("the first review, and no second one", FIRST_REVIEW,
     [("does", "2026-05-01", "review"), ("does", "2026-05-02", "review")], [("2026-05-01", 50)]),
    ("two purchases are not three", MONTHLY, [("buys", "2026-05-01", 100), ("buys", "2026-05-31", 100)], []),
    ("three in a local month", MONTHLY,
     [("buys", "2026-05-01 00:00", 100), ("buys", "2026-05-15", 100), ("buys", "2026-05-31 23:59", 100)], [("2026-05-31", 100)]),
    ("the month is the programme's, not UTC's", MONTHLY,
     [("buys", "2026-05-01 00:00", 100), ("buys", "2026-05-15", 100), ("buys", "2026-06-01 00:00", 100)], []),
    ("more in a month gives no more", MONTHLY, [("buys", f"2026-05-0{day}", 100) for day in range(1, 8)], [("2026-05-03", 100)]),
    ("each month anew", MONTHLY,
     [("buys", f"2026-0{month}-1{day}", 100) for month in (5, 6) for day in range(3)], [("2026-05-12", 100), ("2026-06-12", 100)]),
    ("a late purchase fills the month it happened in", MONTHLY,
     [("buys", "2026-05-01", 100), ("buys", "2026-05-20", 100), ("buys", "2026-06-02", 100), ("buys", "2026-05-10", 100)],
     [("2026-05-20", 100)]),
    ("an order of 0 is an order", MONTHLY, [("buys", f"2026-05-0{day}", 0) for day in (1, 2, 3)], [("2026-05-03", 100)]),
    ("an order refunded to 0 no longer counts", MONTHLY,
     [("buys", f"2026-05-0{day}", 100) for day in (1, 2, 3)] + [("refunds", "2026-05-09", "o2", 100)], []),
    ("an order refunded in part counts", MONTHLY,
     [("buys", f"2026-05-0{day}", 100) for day in (1, 2, 3)] + [("refunds", "2026-05-09", "o2", 99)], [("2026-05-03", 100)]),
    ("the next purchase fills the place of a refunded one", MONTHLY,
     [("buys", f"2026-05-0{day}", 100) for day in (1, 2, 3)] + [("refunds", "2026-05-09", "o1", 100), ("buys", "2026-05-10", 1)],
     [("2026-05-10", 100)]),
    ("a fourth purchase stands by", MONTHLY,
     [("buys", f"2026-05-0{day}", 100) for day in (1, 2, 3, 4)] + [("refunds", "2026-05-09", "o2", 100)], [("2026-05-04", 100)]),
    ("a refund next month takes this month's growth", MONTHLY,
     [("buys", f"2026-05-0{day}", 100) for day in (1, 2, 3)] + [("refunds", "2026-06-09", "o3", 100)], []),
    ("two within seven days", PHOTOS,
     [("does", "2026-05-01", "review", 1), ("does", "2026-05-07", "review", 2)], [("2026-05-07", 30)]),
    ("two within eight days", PHOTOS, [("does", "2026-05-01", "review", 1), ("does", "2026-05-08", "review", 1)], []),
    ("without photos is not with photos", PHOTOS, [("does", "2026-05-01", "review", 0), ("does", "2026-05-02", "review", 1)], []),
    ("the window moves on", PHOTOS,
     [("does", "2026-05-01", "review", 1), ("does", "2026-05-08", "review", 1), ("does", "2026-05-14", "review", 1)],
     [("2026-05-14", 30)]),
    ("just that activity", PROFILE, [("does", "2026-05-01", "join", 0, "quiz")], []),
    ("the profile is complete", PROFILE, [("does", "2026-05-01", "join", 0, "profile-complete")], [("2026-05-01", 20)]),
    ("gift cards make no order big", BIG, [("buys", "2026-05-01", 10_000, "gift-card")], []),
    ("big, then not so big", BIG, [("buys", "2026-05-01", 10_000), ("refunds", "2026-05-02", "o1", 1)], []),
    ("once a quarter", BIG,
     [("buys", "2026-05-01", 10_000), ("buys", "2026-06-30", 10_000), ("buys", "2026-07-01", 10_000)],
     [("2026-05-01", 40), ("2026-07-01", 40)]),
    ("only on the days between", DATED,
     [("does", "2026-04-30", "sign_in"), ("does", "2026-05-01", "sign_in"), ("does", "2026-05-04", "sign_in")], []),
    ("on the last of the days", DATED,
     [("does", "2026-05-01", "sign_in"), ("does", "2026-05-03 23:59", "sign_in")], [("2026-05-03", 7)]),
]  # fmt: skip


@pytest.mark.parametrize(("task", "told", "given_"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_task_is_done(task: dict[str, Any], told: Told, given_: list[tuple[str, int]]) -> None:
    doer = Doer(rules_with(task))
    without = Doer(rules_with())
    for what, time, *rest in told:
        for each in (doer, without):
            if what == "buys":
                each.buys(time, *rest)
            elif what == "refunds":
                each.refunds(time, *rest)
            else:
                each.does(time, rest[0], **dict(zip(("photos", "which"), rest[1:], strict=False)))
    assert doer.given == given_
    growth = [each.stream.sums.values[2] for each in (doer, without)]
    assert growth[0] - growth[1] == sum(amount for _, amount in given_)


def test_the_activity_that_does_a_task_lifts_at_once_and_its_refund_lowers() -> None:
    """Growth by tasks counts in `growth_total` and `growth_in_days`, with the activity that it is done with."""
    document_ = reference_document()
    ladder = document_["tiers"]["ladder"]
    ladder[1] |= {"reach": [{"metric": "growth_in_days", "days": 30, "at_least": 100}], "keep": []}
    ladder[2] |= {"reach": [{"metric": "growth_total", "at_least": 10_000}], "keep": []}
    doer = Doer(rules_with(MONTHLY, ladder=ladder))
    for day in (1, 2, 3):
        assert doer.stream.standing.tier == ""
        doer.buys(f"2026-05-0{day}", 99)
    assert doer.stream.standing.tier == "silver"
    assert doer.stream.facts[-1].rule == "silver is reached: growth_in_days(30) 100 ≥ 100"
    doer.refunds("2026-05-04", "o2", 99)
    assert doer.stream.facts[-1].kind == "lowered"
    assert doer.stream.sums.values[2] == 0


def test_progress_says_what_is_missing_and_until_when() -> None:
    doer = Doer(rules_with(MONTHLY, PHOTOS))
    doer.buys("2026-05-01", 100)
    doer.does("2026-05-03", "review", photos=1)
    efforts = doer.stream.efforts
    assert efforts is not None
    monthly, photos = doer.rules.tasks
    by_task = {each.task: each for each in efforts.to_add()}
    shown = progress_of(monthly, [by_task["three-a-month"]], date(2026, 5, 4))
    assert (shown.have, shown.missing, shown.by, shown.done) == (1, 2, date(2026, 5, 31).toordinal(), None)
    assert shown.why == "1 of 3 counts; asked: 3 × purchase, once per month"
    shown = progress_of(photos, [by_task["two-with-photos"]], date(2026, 5, 4))
    assert (shown.have, shown.missing, shown.by) == (1, 1, date(2026, 5, 9).toordinal())
    later = progress_of(photos, [by_task["two-with-photos"]], date(2026, 5, 10))
    assert (later.have, later.missing, later.by) == (0, 2, None)


@pytest.mark.parametrize(
    ("task", "path"),
    [
        ({"id": "t", "done_by": "review"}, "$.tasks[0]"),
        ({"id": "t", "done_by": "review", "growth": 1, "which": "x"}, "$.tasks[0].which"),
        ({"id": "t", "done_by": "review", "growth": 1, "least_minor": 1}, "$.tasks[0].least_minor"),
        ({"id": "t", "done_by": "purchase", "growth": 1, "photos": 1}, "$.tasks[0].photos"),
        ({"id": "t", "done_by": "review", "growth": 1, "from_day": "2026-02-30"}, "$.tasks[0].from_day"),
        (
            {"id": "t", "done_by": "review", "growth": 1, "from_day": "2026-02-02", "to_day": "2026-02-01"},
            "$.tasks[0].to_day",
        ),
    ],
)
def test_a_task_that_cannot_be_kept_is_refused(task: dict[str, Any], path: str) -> None:
    programme = document.parse(msgspec.json.encode(reference_document() | {"tasks": [task]}))
    assert [fault.path for fault in faults_of_tasks(tasks_of(programme))] == [path]


Act = tuple[int, str, int, int]  # hours before or after the last one, what, amount or photos, which
ACTS = st.lists(
    st.tuples(
        st.sampled_from([0, 3, 11, 24, 24, 50, 200, -20, -100, -400]),
        st.sampled_from(["buys"] * 4 + ["refunds"] * 3 + ["review", "sign_in", "join"]),
        st.sampled_from([0, 1, 50, 9_999, 10_000, 25_000]),
        st.integers(0, 9),
    ),
    max_size=40,
)
ALL = (MONTHLY, FIRST_REVIEW, PHOTOS, PROFILE, BIG, DATED | {"count": 1, "per": "week", "to_day": "2026-07-01"})


def recounted(
    tasks: Iterable[Task], rows: Iterable[tuple[date, int, Doing, int, bool]]
) -> dict[tuple[str, date], date]:
    """The naive way: of each task and period, the first day by which enough had happened, looking at every day of the calendar."""
    rows = list(rows)
    found: dict[tuple[str, date], date] = {}
    for task in tasks:
        days = sorted(
            day
            for day, _, doing, worth, counts in rows
            if doing.kind == task.done_by
            and counts
            and (doing.kind != "purchase" or worth >= task.least_minor)
            and (task.which is None or task.which == doing.which)
            and doing.photos >= task.photos
            and task.first_day <= day.toordinal() <= task.last_day
        )
        for day in dict.fromkeys(days):
            period = date.fromordinal(task.period_of(day))
            first = day - timedelta(days=task.within_days - 1) if task.within_days else period
            there = [d for d in days if max(first, period) <= d <= day]
            if len(there) >= task.count:
                found.setdefault((task.id, period), day)
    return found


@settings(max_examples=70, deadline=None)
@given(acts=ACTS)
def test_progress_equals_a_recount_from_scratch_after_every_activity(acts: list[Act]) -> None:
    """INVARIANT: after every activity, whatever came late and was refunded, the tasks that are done, their days, and the running growth are
    those of a recount from nothing. A task done twice, a growth that stays after its order is gone, or one that stands on the wrong day
    would break it."""
    words = reference_document()["tiers"]["ladder"]
    words[1]["keep"] = [{"metric": "growth_in_days", "days": 20, "at_least": 1}]
    rules = rules_with(*ALL, ladder=words)
    doer, plain = Doer(rules), Doer(rules_with(ladder=words))
    now = datetime(2026, 5, 1, 9)
    rows: list[tuple[date, int, Doing, int, bool]] = []
    left: dict[str, int] = {}
    for hours, what, amount, which in acts:
        now += timedelta(hours=max(0, hours))
        at = (now + timedelta(hours=min(0, hours))).isoformat()
        day = date.fromisoformat(at[:10])
        if what == "refunds":
            if not left:
                continue
            order_id = sorted(left)[which % len(left)]
            back = min(left[order_id], max(1, amount))
            left[order_id] -= back
            for each in (doer, plain):
                each.refunds(now.isoformat(), order_id, back)
            place = next(n for n, row in enumerate(rows) if f"o{row[1]}" == order_id)
            rows[place] = (*rows[place][:3], left[order_id], left[order_id] > 0)
            if not left[order_id]:
                del left[order_id]
        elif what == "buys":
            for each in (doer, plain):
                order_id = each.buys(at, amount)
            rows.append((day, doer.stream.last_seq, Doing("purchase"), amount, True))
            if amount:
                left[order_id] = amount
        else:
            doing = (
                Doing(what, "profile-complete" if which > 4 else "quiz", which % 3)
                if what != "sign_in"
                else Doing(what)
            )
            for each in (doer, plain):
                each.does(at, what, which=doing.which, photos=doing.photos)
            rows.append((day, doer.stream.last_seq, doing, 0, True))
        expected = recounted(rules.tasks, rows)
        growth_of = {task.id: task.growth for task in rules.tasks}
        assert doer.given == sorted((on.isoformat(), growth_of[task]) for (task, _), on in expected.items())
        sums, efforts = doer.stream.sums, doer.stream.efforts
        assert sums.values == doer.stream.history().values(sums.windows, sums.as_of or 0, doer.stream.standing.restart)
        assert sums.values[2] - plain.stream.sums.values[2] == sum(growth_of[task] for task, _ in expected)
        slot = rules.gauges.names.index("growth_in_days(20)")
        today = sums.as_of or 0
        recent = sum(growth_of[task] for (task, _), on in expected.items() if today - 20 < on.toordinal() <= today)
        assert sums.values[slot] - plain.stream.sums.values[slot] == recent
        assert efforts is None or efforts.whole


@given(acts=ACTS, seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_the_order_of_arrival_makes_no_difference(acts: list[Act], seed: int) -> None:
    """INVARIANT: the same activities in another order do the same tasks on the same days."""
    rules = rules_with(*ALL)
    given_ = []
    told = [(hours, what, amount, which) for hours, what, amount, which in acts if what != "refunds"]
    start = datetime(2026, 5, 1, 9)
    timed = [
        (start + timedelta(hours=abs(hours) * n % 2_000), what, amount, which)
        for n, (hours, what, amount, which) in enumerate(told)
    ]
    for _ in range(2):
        doer = Doer(rules)
        for at, what, amount, which in timed:
            if what == "buys":
                doer.buys(at.isoformat(), amount)
            else:
                doer.does(at.isoformat(), what, which="profile-complete" if which > 4 else "quiz", photos=which % 3)
        given_.append(doer.given)
        random.Random(seed).shuffle(timed)
    assert given_[0] == given_[1]


def test_a_task_changed_by_a_new_version_goes_on_counting() -> None:
    """Two of three purchases are done when a version asks for two only: the next one, by its own version, is the one it is done with."""
    first, second = rules_with(MONTHLY), rules_with(MONTHLY | {"count": 2, "growth": 5}, version=2)
    doer = Doer(first)
    doer.buys("2026-05-01", 100)
    doer.buys("2026-05-02", 100)
    assert doer.given == []
    doer.rules = second
    doer.buys("2026-05-03", 100)
    assert doer.given == [("2026-05-03", 5)]
    efforts = doer.stream.efforts
    assert efforts is not None
    done = done_with(efforts.to_add())
    assert done is not None
    assert (done.effort.version, done.effort.seq) == (2, 3)


def test_the_programme_that_the_readme_shows_is_accepted() -> None:
    readme = Path(__file__).parents[4] / "services" / "tier-svc" / "README.md"
    shown = readme.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    programme = document.parse(msgspec.json.encode(reference_document() | yaml.safe_load(shown)))
    assert faults_of_benefits(benefits_of(programme), programme.tiers.ladder) == []
    assert faults_of_tasks(tasks_of(programme)) == []
    assert len(compiled(programme).tasks) == 3
