"""The wiring: the only file that knows every room. Builds in reading order; the kit runs it and drains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

from campaign_svc.api import campaigns, members, programmes
from campaign_svc.config import POOL_SIZE, Settings
from campaign_svc.consumer import LISTENS_TO
from campaign_svc.domain.awards import GRANTED
from campaign_svc.domain.deciding import Settled
from campaign_svc.handlers.say_again import say_common_again, say_members_again
from campaign_svc.metrics import CampaignMetrics
from campaign_svc.store import CampaignStore
from campaign_svc.store.resaying import Resaying
from campaign_svc.store.shelf import ProgrammeShelf
from laurel_kit.clock import BusinessClock
from laurel_kit.gates import BehindMarks, Marks
from laurel_kit.hearing import id_of
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database, Transaction
from laurel_kit.reading import Reader
from laurel_kit.resaying import Page, for_a_moment
from laurel_kit.service import Service
from laurel_kit.telemetry import KitMetrics

NAME = "campaign-svc"


def migrations() -> Path:
    """The revisions: inside a wheel, or beside `src` in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def build(env: Mapping[str, str]) -> Service:
    """campaign-svc, ready to run. Raises SettingsError."""
    settings = Settings.read(env)
    kit = settings.kit
    database = Database(kit.database_url, application_name=NAME, pool_size=POOL_SIZE)
    kafka = Kafka(kit.kafka_bootstrap, client_id=NAME, session_seconds=kit.kafka_session_seconds)
    kit_metrics = KitMetrics(NAME)
    metrics = CampaignMetrics(kit_metrics.registry)
    shelf = ProgrammeShelf()

    def open_store(tx: Transaction) -> CampaignStore:
        return CampaignStore(tx, shelf, lambda settled: count(metrics, settled))

    reader = Reader(
        database,
        group=NAME,
        listens_to=LISTENS_TO,
        open_store=open_store,
        kafka=kafka,
        # Hard: an activity is decided when every standing fact that holds for it is here, however long tier-svc takes.
        gates={"activities": BehindMarks(Marks(database), topic="activities")},
        batch_records_max=settings.batch_records_max,
        metrics=kit_metrics,
        skip_number=skip_number,
        partitions=kit.partitions,
    )
    return Service(
        name=NAME,
        settings=kit,
        database=database,
        routers=[
            members.router(database, shelf),
            campaigns.router(database, shelf),
            programmes.router(database, BusinessClock(kit.clock_offset_seconds)),
        ],
        reader=reader,
        relay=Relay(database, kafka, metrics=kit_metrics),
        migrations=migrations(),
        metrics=kit_metrics,
        resay=partial(resay, database),
    )


async def skip_number(store: CampaignStore, topic: str, key: bytes, number: int) -> None:
    """A dead letter was discarded: its number counts as passed."""
    await store.skip_number(topic, id_of(key), number)


async def resay(database: Database, member_id: UUID | None, after: UUID | None) -> Page:
    """Say again about one member, or a moment's worth about all and everything; a transaction per page, so that the outbox drains
    meanwhile."""

    async def say_page(after: UUID | None) -> Page:
        async with database.transaction() as tx:
            store = Resaying(tx)
            if member_id is not None:
                return Page(await say_members_again([member_id], store))
            said = await say_common_again(store) if after is None else 0
            page = await store.members_after(after or UUID(int=0))
            return Page(said + await say_members_again(page, store), page[-1] if page else None)

    return await for_a_moment(say_page, after)


def count(metrics: CampaignMetrics, settled: Settled) -> None:
    """A committed batch into the metrics."""
    metrics.count(
        Counter((award.campaign_id, award.kind) for award in settled.granted),
        Counter((taken.award.campaign_id, taken.award.kind) for taken in settled.taken_back),
        Counter(
            (campaign, outcome.partition(":")[0])
            for _, outcomes in settled.outcomes
            for campaign, outcome in outcomes.items()
            if outcome != GRANTED
        ),
        Counter(fact.campaign_id for fact in settled.emptied),
    )
