"""Members of whom the same is told to tier-svc (a log, a database) and to the independent model, and what each says of them by now."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec

from laurel_contracts import activities, decisions
from tests.integration.tier_svc.world import Log, World, purchase, refund
from tests.support import model_events as told
from tests.support import model_programme as model
from tests.support.model_clubs import club_standing
from tests.support.model_metrics import AsOf, metric
from tests.support.model_overlays import Decided, Overlaid, TakenBack
from tests.support.model_tasks import Task
from tests.unit.tier_svc.domain.test_judge_properties import every_metric
from tests.unit.tier_svc.domain.test_scratch_properties import WINE
from tier_svc.store.rows import effective

START = datetime(2018, 1, 3, 5, tzinfo=UTC)
LAST = date(2100, 1, 1)
ZONE = "Asia/Shanghai"  # no change of clocks: the model's grace is hours
AFTERS, LATES = (0, 1, 5, 13, 24, 24, 50, 80, 170, 400), (0, 0, 0, 0, 0, 2, 25, 90, 167, 168, 169, 400)
AMOUNTS = (0, 1, 999, 2_000, 4_000, 6_000, 10_000, 21_000, 31_000)
KINDS = (*["buys"] * 6, *["refunds"] * 2, *["closes"] * 2, "sign_in", "sign_in", "review", "share", "join", "complaint", "survey",
         "registers", "decides", "decides", "takes back")  # fmt: skip
TALKERS: dict[str, Any] = {
    "id": "talkers",
    "validity_months": 2,
    "grace_days": 3,
    "ladder": [
        {"id": "listener"},
        {"id": "critic", "reach": [{"metric": "growth_in_days", "days": 20, "at_least": 60}], "requalify": "repeatedly"},
    ],
}  # fmt: skip
TASKS: list[dict[str, Any]] = [
    {"id": "three-a-month", "done_by": "purchase", "count": 3, "per": "month", "growth": 100, "least_minor": 1_000},
    {"id": "first-review", "done_by": "review", "growth": 50, "photos": 1},
    {"id": "two-a-week", "done_by": "sign_in", "count": 2, "per": "week", "within_days": 3, "growth": 7},
    {"id": "profile", "done_by": "join", "which": "profile", "growth": 20},
]
NAMES = {
    "review": "review",
    "sign_in": "signin",
    "join": "joined",
    "purchase": "purchase",
}  # tier-svc's and the model's

MEMBERS = """
SELECT member_id, tier, held_since, growth_total, CAST(overrides AS text) AS overrides, CAST(clubs AS text) AS clubs FROM member
"""
FACTS = """
SELECT member_id, ordinal, holds_after, kind, tier_from, tier_to, since, until, at, effective_from, effective_to
FROM standing ORDER BY member_id, ordinal
"""


def words_of(chance: random.Random) -> dict[str, Any]:
    """A programme that uses much of what there is."""
    words = every_metric() | {"zone": ZONE}
    tiers = words["tiers"] = dict(words["tiers"])
    tiers["on_lapse"] = chance.choice(("to_kept", "one_step", "never"))
    tiers["on_refund"] = chance.choice(("at_once", "at_once", "at_period_end"))
    tiers["grace_days"] = chance.choice((0, 0, 2))
    for tier in tiers["ladder"][1:]:
        if chance.random() < 0.4:
            tier["requalify"] = "repeatedly"
    if chance.random() < 0.7:
        tiers["clubs"] = [WINE, TALKERS]
    if chance.random() < 0.7:
        words["tasks"] = TASKS
    return words


def ladder_of(words: dict[str, Any]) -> tuple[model.Tier, ...]:
    """A ladder for the model."""

    def rule(condition: dict[str, Any]) -> model.Rule:
        parts = condition.get("all", [condition])
        return tuple(model.Condition(part["metric"], part["at_least"], part.get("days", 0)) for part in parts)

    return tuple(
        model.Tier(
            tier["id"],
            tuple(rule(each) for each in tier.get("reach", ())) if rank else (model.ALWAYS,),
            tuple(rule(each) for each in tier.get("keep", ())) if rank else (model.ALWAYS,),
            Fraction(1),
            validity_months=words["validity_months"],
            grace=timedelta(days=words.get("grace_days", 0)),
            on_lapse=words.get("on_lapse", "to_kept"),
            requalify=tier.get("requalify") == "repeatedly",
        )
        for rank, tier in enumerate(words["ladder"])
    )


def tasks_of(words: dict[str, Any]) -> tuple[Task, ...]:
    """The tasks for the model."""
    return tuple(
        Task(
            NAMES[each["done_by"]], each.get("count", 1), each["growth"], each.get("per"), each.get("which"), each.get("photos", 0),
            each.get("least_minor", 0), each.get("within_days"),
        )
        for each in words.get("tasks", ())
    )  # fmt: skip


@dataclass
class Neighbour:
    """One member in the model, and what can still be refunded of him."""

    id: UUID
    standings: Overlaid
    orders: dict[str, told.Order] = field(default_factory=dict)
    left: dict[str, list[int]] = field(default_factory=dict)
    by_line: dict[str, bool] = field(default_factory=dict)
    decided: list[int] = field(default_factory=list)


class Neighbourhood:
    """Tells both sides the same, step by step."""

    def __init__(self, seed: int, members: int) -> None:
        self.chance = random.Random(seed)
        self.words = words_of(self.chance)
        self.programme = changed(
            model.reference_programme("CNY", ZONE),
            tiers=ladder_of(self.words["tiers"]),
            on_refund=self.words["tiers"]["on_refund"],
            not_qualifying=frozenset(self.words["points"]["purchase"]["not_qualifying"]),
        )
        self.names = [tier.name for tier in self.programme.tiers]
        self.clubs = {club["id"]: ladder_of(club) for club in self.words["tiers"].get("clubs", ())}
        self.log = Log(ZONE)
        self.log.activate(self.words)
        self.people = [Neighbour(UUID(int=seed * 1_000 + n + 1), Overlaid(self.programme)) for n in range(members)]
        for person in self.people:
            person.standings.known.tasks = tasks_of(self.words)
        self.now, self.closed = START, date.min

    def step(self) -> None:
        """One more record."""
        chance = self.chance
        self.now += timedelta(hours=chance.choice(AFTERS)) / len(self.people)
        kind, person = chance.choice(KINDS), chance.choice(self.people)
        if kind == "closes" and self.log.calendar.day_of(self.now) > self.closed:
            return self._close()
        time = self.now - timedelta(hours=chance.choice(LATES))
        seq = self.log.numbers.get(person.id, 0) + 1
        if kind == "refunds" and any(map(sum, person.left.values())):
            return self._refund(person, seq, time)
        if kind == "decides":
            return self._decide(person, seq)
        if kind == "takes back" and person.decided:
            return self._take_back(person, seq)
        if kind in ("buys", "refunds", "takes back", "closes"):
            return self._buy(person, seq, time)
        return self._do(person, seq, time, kind)

    # what can happen

    def _close(self) -> None:
        self.closed = self.log.calendar.day_of(self.now)
        as_of = self.log.calendar.start_of(self.closed)
        self.log.close_day(as_of)
        for person in self.people:
            person.standings.close_day(as_of)

    def _tell(self, person: Neighbour, data: Any, event: told.Event, order: told.Order | None = None) -> None:
        self.log.tell(person.id, data, event.time)
        person.standings.arrive(event)
        if isinstance(event, told.Refund):
            person.orders[event.order_id].refund(event)
        person.standings.judge(event, order)

    def _buy(self, person: Neighbour, seq: int, time: datetime) -> None:
        amount, order_id = self.chance.choice(AMOUNTS), f"o{person.id.int}-{seq}"
        gift = amount // 3 if self.chance.random() < 0.2 else 0
        person.left[order_id], person.by_line[order_id] = [amount, gift], self.chance.random() < 0.5
        lines = (told.Line("0", "s", "grocery", 1, amount), told.Line("1", "g", "gift-card", 1, gift))
        event = told.Purchase(seq, time, order_id, lines)
        order = person.orders[order_id] = told.Order(event, self.programme)
        self._tell(person, purchase(order_id, amount, gift, categories=("grocery", "gift-card")), event, order)

    def _refund(self, person: Neighbour, seq: int, time: datetime) -> None:
        order_id = self.chance.choice([order for order, left in person.left.items() if sum(left)])
        left, amount = person.left[order_id], max(1, self.chance.choice(AMOUNTS))
        if person.by_line[order_id]:
            line = 0 if left[0] else 1
            amount = min(left[line], amount)
            left[line] -= amount
            data = refund(order_id, f"f{seq}", amount, line=str(line))
            return self._tell(person, data, told.Refund(seq, time, f"f{seq}", order_id, ((str(line), amount),), amount))
        amount = min(sum(left), amount)
        person.left[order_id] = [sum(left) - amount, 0]
        data = refund(order_id, f"f{seq}", amount, line=None)
        return self._tell(person, data, told.Refund(seq, time, f"f{seq}", order_id, (), amount))

    def _do(self, person: Neighbour, seq: int, time: datetime, kind: str) -> None:
        photos, which = self.chance.choice((0, 1)), self.chance.choice(("profile", f"a{seq}"))
        both: dict[str, tuple[Any, told.Event]] = {
            "sign_in": (activities.MemberSignedIn(channel="app"), told.SignIn(seq, time)),
            "review": (
                activities.ReviewPosted(review_id=f"r{seq}", order_id="o", sku="s", rating=5, photos=photos),
                told.Review(seq, time, f"r{seq}", photos),
            ),
            "share": (activities.ProductShared(share_id=f"s{seq}", sku="s", network="n"), told.Other(seq, time, "shared")),
            "join": (activities.ActivityJoined(activity_id=which), told.Joined(seq, time, which)),
            "complaint": (activities.ComplaintFiled(complaint_id=f"c{seq}", kind="late"), told.Other(seq, time, "complaint")),
            "survey": (activities.SurveyAnswered(survey_id=f"v{seq}", score=3), told.Other(seq, time, "survey")),
            "registers": (decisions.MemberRegistered(), told.Registered(seq, time)),
        }  # fmt: skip
        self._tell(person, *both[kind])

    def _decide(self, person: Neighbour, seq: int) -> None:
        chance = self.chance
        since = self.now + timedelta(hours=chance.choice((-300, -1, 0, 0, 30, 200, 500)))
        until = since + timedelta(hours=chance.choice((1, 25, 300, 400, 700, 1_500, 5_000)))
        act = chance.choice(("assign", "assign", "assign", "freeze", "lower"))
        person.decided.append(seq)
        if act == "assign":
            tier, floor = chance.choice((*self.names, "unheard-of")), chance.random() < 0.5
            number = self.names.index(tier) if tier in self.names else None
            data: Any = decisions.StandingOverridden(
                tier=tier, since=since, until=until, mode="floor" if floor else "exact", reason="r", actor="a"
            )
            event = Decided(seq, self.now, act, since, until, number, floor)
        else:
            steps, kind = chance.choice((1, 2)), "lower" if act == "lower" else "freeze"
            data = decisions.StandingSanctioned(
                act="lower" if kind == "lower" else "freeze",
                steps=steps,
                since=since,
                until=until,
                reason="r",
                actor="a",
            )
            event = Decided(seq, self.now, act, since, until, steps=steps)
        self.log.tell(person.id, data, self.now)
        person.standings.decide(event)

    def _take_back(self, person: Neighbour, seq: int) -> None:
        which = self.chance.choice((*person.decided, max(1, seq - 1)))
        since = self.now + timedelta(hours=self.chance.choice((-300, 0, 0, 5, 30, 200, 500)))
        data = decisions.OverrideTakenBack(override_seq=which, since=since, reason="r", actor="b")
        self.log.tell(person.id, data, self.now)
        person.standings.take_back(TakenBack(seq, self.now, which, since))

    # what each says by now

    def by_the_model(self, person: Neighbour) -> dict[str, Any]:
        """What the model says of a member."""
        now, names = person.standings, self.names
        facts = [
            (
                f.ordinal,
                f.holds_after,
                f.kind,
                names[f.tier_from],
                names[f.tier_to],
                f.since,
                f.until,
                f.at,
                names[a],
                names[b],
            )
            for f, (a, b) in zip(now.facts, now.applied, strict=True)
        ]
        clubs = {}
        for club, ladder in self.clubs.items():
            there = club_standing(self.programme, ladder, now.known, now.steps)
            clubs[club] = (ladder[there.tier].name, there.since, there.until, there.held_since)
        growth = metric(model.Condition("growth_total", 0), now.known, AsOf(LAST, None))
        return {
            "facts": facts, "applies": names[now.effective], "held since": now.standing.held_since, "clubs": clubs,
            "growth": growth,
        }  # fmt: skip

    async def by_the_service(self, world: World) -> dict[UUID, dict[str, Any]]:
        """What tier-svc keeps of all members."""
        async with world.database.reading() as tx:
            store = world.open_store(tx)
            rules = await store.programmes.newest_in_force()
        assert rules is not None
        found: dict[UUID, dict[str, Any]] = {}
        for row in await world.rows(MEMBERS):
            clubs: dict[str, tuple[Any, ...]] = {c: (self.clubs[c][0].name, None, None, None) for c in self.clubs}
            for each in msgspec.json.decode(row.clubs) if row.clubs else ():
                there = msgspec.convert(each["standing"], Kept)
                name = there.tier or self.clubs[each["club"]][0].name
                clubs[each["club"]] = (name, there.since, there.until, there.held_since)
            found[row.member_id] = {
                "facts": [], "applies": effective(row, rules), "held since": row.held_since, "clubs": clubs,
                "growth": row.growth_total,
            }  # fmt: skip
        for row in await world.rows(FACTS):
            found[row.member_id]["facts"].append(tuple(row)[1:])
        return found


class Kept(msgspec.Struct):
    """A standing in a club as it is stored with the member."""

    tier: str
    since: datetime | None
    until: datetime | None
    held_since: date | None
