"""Every named place where a process can die (laurel_kit.crash, reliability.md 2.4), each by itself, on the real stack.

INVARIANT: wherever it dies, every accepted report has had its effect exactly once, and what is said about it has no gaps.
What would break it, point by point: C0–C3 a position kept in memory or in Kafka; C4–C7 effects and position in two transactions; C8 a
guess about a commit whose answer was lost; C9 trust in Kafka's copy; C10 a listener that moves positions; C11 a relay that deletes first;
C12 a number given twice; C13 a replay whose effect and closing are apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Protocol

import asyncpg
import pytest

from laurel_cli.services import SERVICE_NAMES, Unreachable
from laurel_kit.kafka import Kafka
from tests.fault.report import record, seed_of, sized
from tests.fault.test_facts_of_two_channels import ids_that_count
from tests.support.comparing import differences
from tests.support.lives import Channel, Lives, quick_sessions
from tests.support.model_programme import reference_programme, with_campaigns
from tests.support.model_world import World
from tests.support.planned import Plan
from tests.support.reports import refund_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference
from tests.support.topics import SAID, numbers_of

SEED = seed_of("T-K06", 6)
MEMBERS = 6  # of each point; they are read one by one
FACTS_PER_REQUEST = 6
LOOK_SECONDS = 0.1  # between two requests

# Where which service dies in the quick size; every night every service dies everywhere it can.
QUICK = [
    *((f"C{number}", "points-svc") for number in range(11)),
    ("C7", "member-svc"),
    ("C8", "member-svc"),
    ("C11", "member-svc"),
    ("C12", "member-svc"),
]
EVERYWHERE = [(f"C{number}", service) for number in range(13) for service in SERVICE_NAMES]
# Places that are passed when partitions are given and taken away, not when records come.
REBALANCED = {"C0", "C10"}
# How often the place is passed before the first record is there: a life must come through its start to die over records.
BEFORE_RECORDS = {"C7": 3, "C8": 3}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with quick_sessions(), open_shop(reference(), partitions=4) as opened:
        yield opened


class GoesOn(Protocol):
    """Something that happens meanwhile, a piece at a time."""

    def go_on(self) -> None: ...


class Story:
    """Facts of one point's own members: told to the shop and to the independent model, in the same order."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop = shop
        self.plan = Plan(f"{name}-{SEED}".replace("-svc", ""), disputed_every=20, members=MEMBERS, times=15)
        self.world = World(with_campaigns(reference_programme("USD", "America/New_York")))
        self.channel = Channel(shop)
        self.told: list[str] = []
        self.facts = 0

    def go_on(self) -> None:
        """One request: some new facts, one of them told before, and one refund."""
        new = range(self.facts, self.facts + FACTS_PER_REQUEST)
        self.facts = new.stop
        reports = [self.plan.report(fact) for fact in new]
        if new.start:
            reports.append(self.plan.report(new.start - 1, 1))
            reports.append(self._refund(new.start - 2))
        self.told += [one["id"] for one in reports if not one["id"].startswith("back")]
        for report in reports:
            self.world.tell(report)
        self.channel.send(reports)
        Deadline(LOOK_SECONDS).wait(LOOK_SECONDS)

    def _refund(self, fact: int) -> Report:
        order = self.plan.order(fact)
        return refund_report("desk", f"back-{order}", f"{self.plan.day}T20:00:00+00:00", order, "r", 500 + fact % 400)

    def problems(self) -> list[str]:
        """What is not as it must be, of these members and in the books as a whole."""
        self.channel.send_the_rest()
        self.shop.settle()
        ours = self.plan.key
        found = [one for one in differences(self.world, self.shop, awards=True) if one.startswith(ours)]
        counted = [one for one in ids_that_count(self.shop) if self._is_ours(one)]
        found += self.plan.problems(self.told, counted)
        proof = self.shop.trial_balance()
        found += [f"{name} is broken {often} times" for name, often in proof["invariants"].items() if often]
        for topic in SAID:
            found += numbers_of(self.shop.stack.kafka_bootstrap, topic).broken
        found += [f"set aside: {letter}" for letter in self.shop.dead_letters() if letter["state"] == "open"]
        return found

    def _is_ours(self, event_id: str) -> bool:
        """By the id alone: another plan's key makes facts of it that nobody can have told."""
        return self.plan.of(event_id).fact < self.facts


def die(shop: Shop, point: str, service: str, passes: int) -> None:
    """So many lives that end at the point, each a pass later than the one before; then a life that lasts, and the books."""
    began = time.monotonic()
    story, lives = Story(shop, f"{point}-{service}"), Lives(shop, service)
    for life in range(passes):
        lives.begin(point, 1 + life % 4 + BEFORE_RECORDS.get(point, 0))
        if point in REBALANCED:
            asyncio.run(come_and_go(shop, lives, story))
        else:
            lives.until_over(story.go_on)
    lives.live_on()
    problems = story.problems()
    figure = f"{point} in {service}: died there {passes} times, {len(story.told)} reports, {len(problems)} problems"
    record("T-K06", figure, "000", not problems, SEED, time.monotonic() - began)
    assert problems[:5] == []


async def come_and_go(shop: Shop, lives: Lives, story: GoesOn) -> None:
    """A stranger joins the group and leaves it, so that partitions are taken away and given back, until it has died of that."""
    kafka = Kafka(shop.stack.kafka_bootstrap, client_id="stranger", session_seconds=2.0)
    until = Deadline(60.0)
    while not lives.is_over():
        assert not until.passed(), "nothing was taken away"
        await asyncio.to_thread(story.go_on)
        stranger = await kafka.started_consumer(lives.service)
        try:
            stranger.subscribe(topics=["activities"])
            await asyncio.wait_for(stranger.getmany(timeout_ms=1_000), 20)
        except Exception:  # noqa: BLE001 - before any seek it may not read, and it need not
            continue
        finally:
            await stranger.stop()


@pytest.mark.fault
@pytest.mark.long
@pytest.mark.parametrize(("point", "service"), QUICK, ids=lambda value: value)
def test_a_service_dies_at_a_point_three_times(shop: Shop, point: str, service: str) -> None:
    """T-K06: 3 passes at each named point; each point has members of its own, laid beside the model by itself."""
    die(shop, point, service, passes=3)


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.parametrize(("point", "service"), EVERYWHERE, ids=lambda value: value)
def test_every_service_dies_at_every_point_twenty_times(shop: Shop, point: str, service: str) -> None:
    """T-K06: 20 passes at each named point, in every service."""
    die(shop, point, service, passes=sized(20, 3))


# C13: a dead letter is replayed, and the process dies before the commit.

REFUSE = """
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '22023'; END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON purchase FOR EACH ROW WHEN (NEW.order_id LIKE 'C13-%-poison-%')
EXECUTE FUNCTION refuse_poison();
"""
MEND = "DROP TRIGGER refuse_poison ON purchase; DROP FUNCTION refuse_poison();"


async def run_sql(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


class Poisoned(Story):
    """Orders that the database of points-svc refuses until it is mended, each with three that stand behind it."""

    def tell_poison(self, members: int) -> None:
        for member in range(members):
            for place in range(4):
                fact = self.facts
                self.facts += 1
                report = self.plan.report(fact)
                report["data"]["identifier"]["value"] = f"{self.plan.key}-poisoned-{member}"
                if place == 0:
                    report["data"]["order_id"] = f"C13-{SEED}-poison-{member}"
                self.told.append(report["id"])
                self.world.tell(report)
                self.channel.send([report])


def first_letters(shop: Shop) -> list[dict[str, Any]]:
    """Open dead letters of points-svc that wait for nobody."""
    return [one for one in shop.services.points.dead_letters("open", 1000) if one["reason"] != "behind_a_dead_letter"]


def replayed_until_it_dies(shop: Shop, passes: int) -> None:
    began = time.monotonic()
    url = shop.stack.database_url("points-svc")
    asyncio.run(run_sql(url, REFUSE))
    story, lives = Poisoned(shop, "C13-points-svc"), Lives(shop, "points-svc")
    story.tell_poison(passes)
    shop.settle()
    letters = first_letters(shop)
    assert len(letters) == passes, letters
    asyncio.run(run_sql(url, MEND))
    for life, letter in enumerate(letters):
        lives.begin("C13", 1 + life % 4)  # later passes die over what stood behind it
        with pytest.raises(Unreachable):
            shop.services.points.replay(letter["id"])
        lives.until_over(lambda: None)
    lives.live_on()
    for letter in shop.services.points.dead_letters("open", 1000):
        if shop.services.points.dead_letter(letter["id"])["state"] == "open":
            shop.services.points.replay(letter["id"])
    shop.rested = False
    problems = story.problems()
    figure = f"C13 in points-svc: died there {passes} times, {len(story.told)} reports, {len(problems)} problems"
    record("T-K06", figure, "000", not problems, SEED, time.monotonic() - began)
    assert problems[:5] == []


@pytest.mark.fault
@pytest.mark.long
def test_a_replay_dies_three_times(shop: Shop) -> None:
    """T-K06: C13, three replays of dead letters that die before their commit; replayed again, each counts once."""
    replayed_until_it_dies(shop, passes=3)


@pytest.mark.nightly
@pytest.mark.long
def test_a_replay_dies_twenty_times(shop: Shop) -> None:
    """T-K06: C13, twenty times."""
    replayed_until_it_dies(shop, passes=sized(20, 3))
