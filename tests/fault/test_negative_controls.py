"""Three builds that are wrong on purpose, each with one safeguard taken away (laurel_kit.negative_control). The checks of this suite must
notice every one of them; a check that cannot fail proves nothing. Beside it the same check of the product as it is, which must be green.

The tests share one stack and stand in this order, because a wrong build leaves wrong books behind."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from laurel_kit import negative_control, sql
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from tests.fault.report import record
from tests.fault.test_kills import SEED, story
from tests.support.comparing import differences
from tests.support.lives import quick_sessions
from tests.support.model_programme import reference_programme, with_campaigns
from tests.support.model_world import World
from tests.support.reports import purchase_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference

pytestmark = pytest.mark.fault

SPENDERS, SPENDINGS, EACH = 8, 10, 30  # each has 100 points, and asks ten times at once for 30
CLIENTS = 16


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with quick_sessions(), open_shop(reference(), partitions=4) as opened:
        yield opened


@contextmanager
def without(control: str) -> Iterator[None]:
    """Processes started meanwhile, and this one, run without that safeguard."""
    os.environ[negative_control.VARIABLE] = control
    negative_control.on.cache_clear()
    try:
        yield
    finally:
        del os.environ[negative_control.VARIABLE]
        negative_control.on.cache_clear()


def restart(shop: Shop, service: str) -> None:
    shop.stack.kill_service(service)
    shop.stack.start_service(service)


# A relay with a high-water mark


async def said_and_left(shop: Shop, topic: str) -> tuple[list[int], int]:
    """Three rows, of which the first commits last; the numbers that reach the topic, and the rows that stay behind for ever."""
    url = shop.stack.fresh_database()
    first, others = await asyncpg.connect(url), await asyncpg.connect(url)
    for statement in sql.TABLES:
        await others.execute(statement)
    admin = AIOKafkaAdminClient(bootstrap_servers=shop.stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    database = Database(url, application_name=topic)
    relay = Relay(database, shop.stack.kafka_bootstrap)
    late = first.transaction()
    await late.start()
    await lay(first, topic, 1)
    await lay(others, topic, 2)
    await say_all(relay)
    await late.commit()
    await say_all(relay)
    await lay(others, topic, 3)
    await say_all(relay)
    left = await others.fetchval("SELECT count(*) FROM outbox")
    stop = asyncio.Event()
    stop.set()
    await relay.run(stop)  # closes what it has opened
    await database.close()
    await first.close()
    await others.close()
    return await numbers_on(shop.stack.kafka_bootstrap, topic), int(left)


async def lay(connection: asyncpg.Connection, topic: str, number: int) -> None:
    """A row of a key of its own, as two transactions about two members lay them."""
    await connection.execute(
        "INSERT INTO outbox (topic, partition, key, type, event_id, number, body) VALUES ($1, 0, $2, 't', $3, $4, '{}')",
        topic, UUID(int=number).bytes, f"{topic}-{number}", number,
    )  # fmt: skip


async def say_all(relay: Relay) -> None:
    """Rounds until nothing moves any more."""
    connection = await relay.lead()
    assert connection is not None
    while await relay.say_once(connection) or relay.blocked:
        pass


async def numbers_on(bootstrap: str, topic: str) -> list[int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        part = TopicPartition(topic, 0)
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        end = (await consumer.end_offsets([part]))[part]
        heard: list[int] = []
        while len(heard) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                heard += [int(dict(record.headers)["number"]) for record in records]
        return heard
    finally:
        await consumer.stop()


def test_a_relay_with_a_high_water_mark_is_noticed(shop: Shop) -> None:
    """T-K29 (negative control): ids commit out of order, so a relay that asks for what lies above the last one loses a row for ever.
    What would break the check: rows that always commit in the order of their ids."""
    said, left = asyncio.run(said_and_left(shop, "control-as-it-is"))
    assert (sorted(said), left) == ([1, 2, 3], 0)
    with without(negative_control.HIGH_WATER_MARK):
        lost, stays = asyncio.run(said_and_left(shop, "control-high-water-mark"))
    caught = 1 not in lost and stays == 1
    figure = f"high-water mark: said {lost}, lost for ever {stays}; as it is: said {sorted(said)}, lost {left}"
    record("T-K29", figure, "negative control caught", caught)
    assert caught, "the negative control was not caught: this check proves nothing"


# A redemption that reads, and writes later


def spendings_at_once(shop: Shop, name: str) -> list[str]:
    """Everybody spends at once more than there is; what is not as it must be: exactly three granted, the rest refused, books in order."""
    identifiers = [{"kind": "card", "value": f"{name}-{n}"} for n in range(SPENDERS)]
    time = (datetime.now(UTC) - timedelta(days=1)).isoformat()  # spending goes by the clock of today
    told: list[Report] = [{"command": "register", "identifier": one, "time": time} for one in identifiers]
    told += [
        purchase_report("pos", f"{name}-{n}", time, f"{name}-{n}", f"{name}-{n}", [10_000], currency="USD")
        for n in range(SPENDERS)
    ]
    shop.tell(told)
    shop.settle()
    members = [shop.services.member.find(f"card:{one['value']}") for one in identifiers]
    # The programme's own campaigns may have given more than the purchase did: what is there is what counts.
    there = {one: shop.services.points.balance(one)["available"] for one in members}
    asked = [(one, f"{name}-{one}-{n:04d}") for one in members for n in range(SPENDINGS)]
    with ThreadPoolExecutor(CLIENTS) as pool, httpx.Client(base_url=shop.url("points-svc"), timeout=30.0) as client:
        statuses = list(pool.map(lambda one: spend(client, share(there[one[0]]), *one), asked))
    problems = []
    for member in members:
        answers = Counter(status for (one, _), status in zip(asked, statuses, strict=True) if one == member)
        left = shop.services.points.balance(member)["posted"]
        if answers != {201: 3, 409: SPENDINGS - 3} or left != there[member] - 3 * share(there[member]):
            problems.append(f"{there[member]} points, {dict(answers)} × {share(there[member])}, {left} left")
    proof = shop.trial_balance()
    return problems + [f"{broken} × {invariant}" for invariant, broken in proof["invariants"].items() if broken]


def share(points: int) -> int:
    """What is asked for each time: three times it is there, a fourth time not."""
    return points * EACH // 100


def spend(client: httpx.Client, points: int, member: UUID, key: str) -> int:
    """One spending; busy (503) is asked again under the same key."""
    until = Deadline(60.0)
    while True:
        answer = client.post(
            f"/v1/members/{member}/spendings", json={"points": points}, headers={"Idempotency-Key": key}
        )
        if answer.status_code != 503 or until.passed():
            return answer.status_code
        until.wait()


def test_a_redemption_that_reads_without_a_lock_is_noticed(shop: Shop) -> None:
    """T-L03: ten spendings of 30 at once on 100 points; read without the lock and written later, more is granted than was there.
    What would break the check: clients that wait for each other, so that no two transactions ever overlap."""
    assert spendings_at_once(shop, "careful") == []
    with without(negative_control.READ_THEN_WRITE):
        restart(shop, "points-svc")
        problems = [*spendings_at_once(shop, "careless"), "nothing"]
    restart(shop, "points-svc")
    overspent = [problem for problem in problems if "left" in problem]
    caught = bool(overspent) and any("× I4" in problem for problem in problems)
    figure = f"read, then write: {len(overspent)} of {SPENDERS} members overspent, e.g. {problems[0]}; as it is: 0"
    record("T-L03", figure, "negative control caught", caught)
    assert caught, problems


# A reader without deduplication


def test_saying_everything_again_changes_nothing_and_without_the_dedupe_the_check_notices(shop: Shop) -> None:
    """T-K05 (negative control): everything is said again under the same numbers. As it is, nothing changes; a reader that believes
    whatever it reads lays entries of one cause twice, and its books refuse. What would break the check: numbers that nobody compares."""
    told = [report for report in story(400) if "command" not in report]
    world = World(with_campaigns(reference_programme("USD", "America/New_York")))
    for report in told:
        world.tell(report)
    shop.tell(told)
    shop.settle()
    shop.services.member.resay(None)
    shop.rested = False
    shop.settle()
    ours = tuple(value for _, value in world.door.identifiers)
    problems = [one for one in differences(world, shop, awards=True) if one.partition(":")[0] in ours]
    assert problems[:5] == []
    before = heard_twice(shop)
    with without(negative_control.NO_DEDUPE):
        restart(shop, "points-svc")
        shop.services.member.resay(None)
        caught = noticed(shop, before)
    figure = f"no dedupe: {heard_twice(shop) - before} records refused by the books; as it is: 0 differences"
    record("T-K05", figure, "negative control caught", caught, seed=SEED)
    assert caught, "the negative control was not caught: this check proves nothing"


def heard_twice(shop: Shop) -> int:
    """Records of `activities` that were set aside: entries of one cause refuse to stand twice."""
    letters: Sequence[dict[str, object]] = shop.dead_letters()
    return sum(letter["topic"] == "activities" for letter in letters)


def noticed(shop: Shop, before: int) -> bool:
    """Whether the books show what was heard twice."""
    until = Deadline(60.0)
    while not until.passed():
        if heard_twice(shop) > before:
            return True
        until.wait()
    return False
