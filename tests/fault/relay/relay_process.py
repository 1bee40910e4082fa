"""A relay alone in a process, without HTTP: python -m tests.fault.relay.relay_process NAME. It begins in a fraction of a second, so that a
test can let it die many times; NAME is what PostgreSQL calls its session."""

from __future__ import annotations

import asyncio
import os
import sys

from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database


async def main() -> None:
    database = Database(os.environ["LAUREL_DATABASE_URL"], application_name=sys.argv[1])
    await Relay(database, os.environ["KAFKA_BOOTSTRAP_SERVERS"]).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
