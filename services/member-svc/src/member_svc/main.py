"""The wiring: the only file that knows every room. Builds in reading order; the kit runs it and drains it. The one thing not to break:
what our own topic knows is adopted before anything of this process runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from laurel_contracts import registry
from laurel_kit.clock import BusinessClock
from laurel_kit.decoding import Decoding
from laurel_kit.hearing import Heard
from laurel_kit.http import ACTIVITIES_BODY_BYTES_MAX
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database, Transaction
from laurel_kit.reading import Reader
from laurel_kit.replay import read_topic
from laurel_kit.resaying import Page
from laurel_kit.service import Service
from laurel_kit.telemetry import KitMetrics
from member_svc import config, jobs
from member_svc.api import activities, days, decisions, members, programmes, sources, status
from member_svc.api.access import Access
from member_svc.consumer import CHANNELS, LISTENS_TO
from member_svc.handlers.adopt_log import adopt_log
from member_svc.handlers.keep_status import skip_number
from member_svc.handlers.say_again import say_all_again, say_member_again
from member_svc.metrics import MemberMetrics
from member_svc.store import MemberStore
from member_svc.store.stream import TOPIC

NAME = "member-svc"
POOL_SIZE = 12  # eight requests in the door, the reader, the relay, a job, a look-up
ADOPT_RECORDS_MAX = 1_000

log = structlog.get_logger(__name__)

OpenStore = Callable[[Transaction], MemberStore]


def migrations() -> Path:
    """The revisions: inside a wheel, or beside `src` in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def build(env: Mapping[str, str]) -> Service:
    """member-svc, ready to run. Raises SettingsError."""
    settings = config.read(env)
    clock = BusinessClock(settings.clock_offset_seconds)
    database = Database(settings.database_url, application_name=NAME, pool_size=POOL_SIZE)
    kafka = Kafka(settings.kafka_bootstrap, client_id=NAME, session_seconds=settings.kafka_session_seconds)
    kit_metrics = KitMetrics(NAME)
    metrics = MemberMetrics(kit_metrics.registry)

    def open_store(tx: Transaction) -> MemberStore:
        return MemberStore(tx, now=clock.now(), partitions=settings.partitions, metrics=metrics)

    async def change(work: Callable[[MemberStore], Awaitable[int]]) -> int:
        return await database.in_transaction(lambda tx: work(open_store(tx)))

    async def count_waiting() -> int:
        async with database.reading() as tx:
            waiting = await open_store(tx).orders.waiting_count()
        metrics.waiting.set(waiting)
        return waiting

    access = Access(database, open_store)
    status_route = status.StatusRoute(access, clock.now)
    reader = Reader(
        database,
        group=NAME,
        listens_to=LISTENS_TO,
        open_store=open_store,
        kafka=kafka,
        metrics=kit_metrics,
        skip_number=skip_number,
        holes_allowed={CHANNELS},
        partitions=settings.partitions,
    )
    return Service(
        name=NAME,
        settings=settings,
        database=database,
        routers=[
            activities.router(access, metrics),
            status_route.router(),
            members.router(access),
            decisions.router(access),
            days.router(access, metrics),
            programmes.router(access),
            sources.router(access),
        ],
        reader=reader,
        relay=Relay(database, kafka, metrics=kit_metrics),
        jobs=jobs.runs(change, metrics, days_by_clock=settings.days == "clock"),
        on_start=[lambda: adopt(kafka, settings.partitions, database, open_store, metrics)],
        migrations=migrations(),
        metrics=kit_metrics,
        resay=partial(resay, access),
        count_waiting=count_waiting,
        body_bytes_max=ACTIVITIES_BODY_BYTES_MAX,
        short_way=status_route.short_way,
    )


async def adopt(
    kafka: Kafka, partitions: int, database: Database, open_store: OpenStore, metrics: MemberMetrics
) -> None:
    """Read our own topic from what the broker has acknowledged to its end, and adopt what the database lacks."""
    async with database.reading() as tx:
        acknowledged = await open_store(tx).stream.acknowledged()
    starts = {partition: acknowledged.get(partition, 0) for partition in range(partitions)}
    decoding = Decoding(registry.decoder)  # whole: what a purchase is known again by is made of all of it
    batch: list[Heard] = []
    adopted = 0
    async for record in read_topic(kafka, TOPIC, starts):
        heard = decoding.heard(record)
        if isinstance(heard, Heard):
            batch.append(heard)
        if len(batch) >= ADOPT_RECORDS_MAX:
            adopted += await _adopt(batch, database, open_store)
            batch = []
    if batch:
        adopted += await _adopt(batch, database, open_store)
    if adopted:
        metrics.adopted.inc(adopted)
        log.warning("the topic knew more than the database; adopted", entries=adopted)


async def _adopt(batch: list[Heard], database: Database, open_store: OpenStore) -> int:
    return await database.in_transaction(lambda tx: adopt_log(batch, open_store(tx)))


async def resay(access: Access, member_id: UUID | None, _after: UUID | None) -> Page:
    """Say one member's stream again, or the whole log: in one go, for the door is shut meanwhile."""
    said = await access.change(say_all_again if member_id is None else lambda store: say_member_again(member_id, store))
    access.database.woken.set()
    return Page(said)
