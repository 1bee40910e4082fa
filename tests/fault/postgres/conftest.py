"""One PostgreSQL for the tests that need no Kafka; an empty database for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from laurel_cli.stack import Stack, throwaway_stack


@pytest.fixture(scope="session")
def fault_postgres() -> Iterator[Stack]:
    with throwaway_stack(only=("postgres",)) as stack:
        yield stack


@pytest.fixture
def empty_url(fault_postgres: Stack) -> str:
    return fault_postgres.fresh_database()
