"""The toy as a real process, for the tests that kill it: python -m tests.integration.kit.toy_process. Reads the kit's settings."""

from __future__ import annotations

import os
from pathlib import Path

from laurel_contracts.activities import MemberSignedIn
from laurel_kit.hearing import hears
from laurel_kit.kafka import Kafka
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from laurel_kit.service import Service, run
from laurel_kit.settings import KitSettings

from .toy import GROUP, HEARD, Toy, ToyStore, skip_number


def main() -> None:
    settings = KitSettings.read(os.environ)
    # A killed process's partitions go on after two seconds: these tests kill many.
    kafka = Kafka(settings.kafka_bootstrap, client_id=GROUP, session_seconds=2.0)
    database = Database(settings.database_url, application_name=GROUP)
    reader = Reader(
        database, group=GROUP, listens_to=(hears(HEARD, Toy().add_up, MemberSignedIn),), open_store=ToyStore,
        kafka=kafka, skip_number=skip_number, batch_records_max=int(os.environ.get("TOY_BATCH", "100")),
    )  # fmt: skip
    run(
        Service(
            GROUP, settings, database, reader=reader, relay=Relay(database, kafka),
            migrations=Path(__file__).parent / "toy_migrations",
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
