"""Errors are sorted by what must happen next."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import exc as sa

from laurel_kit.failures import (
    CONTENTION_ATTEMPTS_MAX,
    DeadLettersTooMany,
    Gap,
    PoolBusy,
    Stale,
    Verdict,
    again_on_contention,
    is_passing,
    sqlstate_of,
    verdict_of,
)
from laurel_kit.hearing import BrokenNumbers, Hold


def from_postgres(sqlstate: str) -> Exception:
    """The error as it comes out of SQLAlchemy, with PostgreSQL's below it."""
    inner = asyncpg.PostgresError.new({"C": sqlstate, "M": "so it is"})
    outer = sa.DBAPIError("SELECT 1", {}, inner)
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("sqlstate", "verdict"),
    [
        ("40001", Verdict.CONTENTION),
        ("40P01", Verdict.CONTENTION),
        ("55P03", Verdict.CONTENTION),
        ("08006", Verdict.INFRASTRUCTURE),
        ("53300", Verdict.INFRASTRUCTURE),
        ("57014", Verdict.INFRASTRUCTURE),
        ("57P01", Verdict.INFRASTRUCTURE),
        ("25P03", Verdict.INFRASTRUCTURE),
        ("42P01", Verdict.INFRASTRUCTURE),  # a missing table is a defect of the release, and no record's fault
        ("XX001", Verdict.INFRASTRUCTURE),
        ("22003", Verdict.DATA),
        ("23505", Verdict.DATA),
        ("23514", Verdict.DATA),
        ("P0001", Verdict.DATA),
    ],
)
def test_an_sqlstate_decides(sqlstate: str, verdict: Verdict) -> None:
    assert sqlstate_of(from_postgres(sqlstate)) == sqlstate
    assert verdict_of(from_postgres(sqlstate)) is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Hold("not loaded"), Verdict.HOLD),
        (BrokenNumbers("3 follows 1"), Verdict.HALT),
        (Gap("missing"), Verdict.HALT),
        (DeadLettersTooMany("51"), Verdict.HALT),
        (Stale("moved"), Verdict.STALE),
        (PoolBusy("busy"), Verdict.INFRASTRUCTURE),
        (ConnectionResetError(), Verdict.INFRASTRUCTURE),
        (TimeoutError(), Verdict.INFRASTRUCTURE),
        (asyncpg.InterfaceError("connection is closed"), Verdict.INFRASTRUCTURE),
        (asyncpg.InternalClientError("another operation (2) is in progress"), Verdict.INFRASTRUCTURE),
        (sa.TimeoutError(), Verdict.INFRASTRUCTURE),
        (KafkaConnectionError(), Verdict.INFRASTRUCTURE),
        (asyncpg.exceptions.DataError("value out of int64 range"), Verdict.DATA),
        (KeyError("x"), Verdict.DATA),
        (ZeroDivisionError(), Verdict.DATA),
    ],
)
def test_what_has_no_sqlstate_is_known_by_its_kind(error: Exception, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict


async def test_contention_is_tried_five_times_again_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laurel_kit.failures.CONTENTION_PAUSE_SECONDS", 0.0)
    tries = 0

    async def collide() -> None:
        nonlocal tries
        tries += 1
        raise from_postgres("40P01")

    with pytest.raises(sa.DBAPIError):
        await again_on_contention(collide)
    assert tries == CONTENTION_ATTEMPTS_MAX


async def test_nothing_but_contention_is_tried_again() -> None:
    tries = 0

    async def fail() -> None:
        nonlocal tries
        tries += 1
        raise from_postgres("23505")

    with pytest.raises(sa.DBAPIError):
        await again_on_contention(fail)
    assert tries == 1


async def test_contention_that_has_taken_long_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laurel_kit.failures.CONTENTION_SECONDS_MAX", -1.0)
    tries = 0

    async def collide() -> None:
        nonlocal tries
        tries += 1
        raise from_postgres("55P03")

    with pytest.raises(sa.DBAPIError):
        await again_on_contention(collide)
    assert tries == 1


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        *((from_postgres(state), True) for state in ("40001", "55P03", "08006", "53100", "57P01", "25P03", "58030")),
        *((from_postgres(state), False) for state in ("42P01", "23505", "22003", "P0001", "XX000")),
        (ConnectionResetError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("another operation (2) is in progress"), True),
        (asyncpg.exceptions.DataError("value out of int64 range"), False),
        (sa.NoResultFound(), False),
        (ZeroDivisionError(), False),
    ],
)
def test_a_caller_is_told_to_come_again_only_when_that_may_help(error: Exception, passes: bool) -> None:
    assert is_passing(error) is passes
