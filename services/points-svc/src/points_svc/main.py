"""Wiring: the only file that knows every room. The one thing not to break: everything that lives as long as the process is built here, and
the environment is read here alone."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter

from laurel_kit.clock import BusinessClock
from laurel_kit.failures import PoolBusy
from laurel_kit.gates import BehindMarks, Marks
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database, Transaction
from laurel_kit.reading import Reader
from laurel_kit.resaying import Page, SayPage, for_a_moment, to_the_end
from laurel_kit.service import Service, run
from laurel_kit.telemetry import KitMetrics
from points_svc import jobs
from points_svc.api.accounts import of_accounts
from points_svc.api.adjustments import of_adjustments
from points_svc.api.books import of_books
from points_svc.api.checkout import of_checkout
from points_svc.api.explanations import of_explanations
from points_svc.api.extensions import of_extensions
from points_svc.api.freezes import of_freezes
from points_svc.api.holds import of_holds
from points_svc.api.previews import of_previews
from points_svc.api.programmes import of_programmes
from points_svc.api.proofs import of_proofs
from points_svc.api.rewards import of_rewards
from points_svc.api.spendings import of_spendings
from points_svc.api.stored_value import of_stored_value
from points_svc.api.transfers import of_transfers
from points_svc.config import POOL_SIZE, READING_SIZE, Settings
from points_svc.consumer import LISTENS_TO
from points_svc.handlers.prove_books import Walk, freeze_broken, prove_books
from points_svc.handlers.say_again import say_again
from points_svc.handlers.show_liability import show_liability
from points_svc.metrics import PointsMetrics
from points_svc.store import PointsStore, Shelf, unfinished
from points_svc.store.proving import ProofStore

T = TypeVar("T")
NAME = "points-svc"


def migrations() -> Path:
    """The revisions: inside a wheel, or beside `src` in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "migrations"


def routers(database: Database, shelf: Shelf, clock: BusinessClock, metrics: PointsMetrics) -> list[APIRouter]:
    """All of this service's own routes."""
    return [
        of_accounts(database, shelf, clock),
        of_spendings(database, shelf, clock, metrics),
        of_holds(database, shelf, clock, metrics),
        of_transfers(database, shelf, clock, metrics),
        of_extensions(database, shelf, clock, metrics),
        of_checkout(database, shelf, clock),
        of_stored_value(database, shelf, clock, metrics),
        of_adjustments(database, shelf, clock, metrics),
        of_rewards(database, shelf, clock, metrics),
        of_books(database, shelf, clock, metrics),
        of_proofs(database),
        of_freezes(database, shelf, clock),
        of_explanations(database, shelf),
        of_previews(database, shelf, clock),
        of_programmes(database, shelf, clock),
    ]


def saying_again(database: Database, shelf: Shelf, only: UUID | None) -> SayPage:
    """Says one page again, in a transaction of its own."""

    async def say_page(after: UUID | None) -> Page:
        return await database.in_transaction(lambda tx: say_again(after, only, PointsStore(tx, shelf)))

    return say_page


async def say_all_again(database: Database, shelf: Shelf, only: UUID | None) -> int:
    """Say everything again, page by page; how much it was."""
    return await to_the_end(saying_again(database, shelf, only))


async def resay(database: Database, shelf: Shelf, only: UUID | None, after: UUID | None) -> Page:
    """Say again about one member, or a moment's worth about all."""
    return await for_a_moment(saying_again(database, shelf, only), after)


async def count_unfinished(database: Database) -> Mapping[str, int]:
    """What has been begun and has not come to its end."""
    async with database.reading() as tx:
        return await unfinished.counts(tx)


async def sweeping_is_due(database: Database, shelf: Shelf) -> bool:
    """Whether there is anything to sweep; who cannot look, because everybody is reading, sweeps."""
    try:
        async with database.reading() as tx:
            return await PointsStore(tx, shelf).sweeping_is_due()
    except PoolBusy:
        return True


def build(env: Mapping[str, str]) -> Service:
    """The service from its settings. Raises SettingsError."""
    settings = Settings.read(env)
    database = Database(
        settings.kit.database_url, application_name=NAME, pool_size=POOL_SIZE, reading_size=READING_SIZE
    )
    kit_metrics = KitMetrics(NAME)
    metrics = PointsMetrics(kit_metrics.registry)
    clock = BusinessClock(settings.kit.clock_offset_seconds)
    shelf = Shelf(settings.kit.partitions)
    gate = BehindMarks(
        Marks(database),
        topic="activities",
        patience_seconds=settings.patience_seconds,
        fresh_seconds=settings.fresh_seconds,
    )

    def open_store(tx: Transaction) -> PointsStore:
        return PointsStore(tx, shelf, metrics.count_points)

    walk = Walk()

    async def prove() -> None:
        async with database.auditing() as tx:
            found = await prove_books(walk, ProofStore(tx))
            metrics.note_liability(await show_liability(clock.now(), PointsStore(tx, shelf)))
        frozen = await database.in_transaction(lambda tx: freeze_broken(found.broken, clock.now(), ProofStore(tx)))
        metrics.note_proof(found.invariants)
        metrics.count_drift(found.invariants, frozen)

    async def change(work: Callable[[PointsStore], Awaitable[T]]) -> T:
        return await database.in_transaction(lambda tx: work(open_store(tx)))

    kafka = Kafka(settings.kit.kafka_bootstrap, client_id=NAME, session_seconds=settings.kit.kafka_session_seconds)
    reader = Reader(
        database,
        group=NAME,
        listens_to=LISTENS_TO,
        open_store=open_store,
        kafka=kafka,
        gates={"activities": gate},
        batch_records_max=settings.batch_records_max,
        metrics=kit_metrics,
        skip_number=PointsStore.skip_number,
        partitions=settings.kit.partitions,
    )
    return Service(
        name=NAME,
        settings=settings.kit,
        database=database,
        routers=routers(database, shelf, clock, metrics),
        reader=reader,
        relay=Relay(database, kafka),
        migrations=migrations(),
        metrics=kit_metrics,
        resay=partial(resay, database, shelf),
        count_unfinished=partial(count_unfinished, database),
        jobs=jobs.runs(change, partial(sweeping_is_due, database, shelf), prove, clock, metrics),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM."""
    run(build(os.environ), arguments)
