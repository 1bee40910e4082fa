"""The wiring: the only file that knows every room. Builds in reading order; the kit runs it and drains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

from laurel_kit.clock import BusinessClock
from laurel_kit.hearing import id_of
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database, Transaction
from laurel_kit.reading import Reader
from laurel_kit.resaying import Page, for_a_moment
from laurel_kit.service import Service
from laurel_kit.telemetry import KitMetrics
from tier_svc.api import benefits, members, programmes, standings, tasks
from tier_svc.config import POOL_SIZE, Settings
from tier_svc.consumer import LISTENS_TO
from tier_svc.handlers.close_ahead import close_ahead
from tier_svc.handlers.say_again import NOBODY, say_common_again, say_member_again, say_members_again
from tier_svc.jobs import runs
from tier_svc.metrics import TierMetrics
from tier_svc.store import ProgrammeShelf, TierStore

NAME = "tier-svc"

OpenStore = Callable[[Transaction], TierStore]


def migrations() -> Path:
    """The revisions: inside a wheel, or beside `src` in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def build(env: Mapping[str, str]) -> Service:
    """tier-svc, ready to run. Raises SettingsError."""
    settings = Settings.read(env)
    kit = settings.kit
    clock = BusinessClock(kit.clock_offset_seconds)
    database = Database(kit.database_url, application_name=NAME, pool_size=POOL_SIZE)
    kafka = Kafka(kit.kafka_bootstrap, client_id=NAME, session_seconds=kit.kafka_session_seconds)
    kit_metrics = KitMetrics(NAME)
    metrics = TierMetrics(kit_metrics.registry)
    shelf = ProgrammeShelf()

    def open_store(tx: Transaction) -> TierStore:
        return TierStore(tx, shelf, topic_id=settings.topic_id, metrics=metrics)

    reader = Reader(
        database,
        group=NAME,
        listens_to=LISTENS_TO,
        open_store=open_store,
        kafka=kafka,
        batch_records_max=settings.batch_records_max,
        metrics=kit_metrics,
        skip_number=skip_number,
        partitions=kit.partitions,
        ahead=partial(close_ahead, most=settings.piece_members_max),
    )
    return Service(
        name=NAME,
        settings=kit,
        database=database,
        routers=[
            members.router(database, open_store),
            standings.router(database, open_store),
            benefits.router(database, open_store, clock),
            tasks.router(database, open_store, clock),
            programmes.router(database, open_store, clock),
        ],
        reader=reader,
        relay=Relay(database, kafka, metrics=kit_metrics),
        jobs=runs(database, open_store, clock),
        migrations=migrations(),
        metrics=kit_metrics,
        resay=partial(resay, database, open_store),
    )


async def skip_number(store: TierStore, _topic: str, key: bytes, number: int) -> None:
    """A dead letter was discarded: its number counts as passed."""
    await store.streams.skip_number(id_of(key), number)


async def resay(database: Database, open_store: OpenStore, member_id: UUID | None, after: UUID | None) -> Page:
    """Say again about one member, or a moment's worth about all; a transaction per page, so that the outbox drains meanwhile. Marks come
    last."""

    async def say_page(after: UUID | None) -> Page:
        async def say(tx: Transaction) -> Page:
            if member_id is not None:
                return Page(await say_member_again(member_id, open_store(tx)))
            last, said = await say_members_again(after or NOBODY, open_store(tx))
            return Page(said, last) if last is not None else Page(await say_common_again(open_store(tx)))

        return await database.in_transaction(say)  # a batch may meet it crosswise: it writes its members in two parts

    return await for_a_moment(say_page, after)
