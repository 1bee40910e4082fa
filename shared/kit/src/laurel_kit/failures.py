"""Sorts an error by what must happen next. A closed set, decided by a pure function. The one thing not to break: an error of the
infrastructure never becomes a dead letter; in doubt it is infrastructure, because waiting loses nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

import asyncpg
from aiokafka.errors import KafkaError
from sqlalchemy import exc as sa

from laurel_kit.hearing import BrokenNumbers, Hold

T = TypeVar("T")

CONTENTION_ATTEMPTS_MAX = 5
CONTENTION_PAUSE_SECONDS = 0.02  # doubled per attempt, with jitter: at most some 0.6 s in all

CONTENTION_STATES = frozenset({"40001", "40P01", "55P03"})
DATA_CLASSES = frozenset({"22", "23", "P0"})


class PoolBusy(Exception):
    """No connection became free in time. Nothing was done; the caller may come again."""


class Stale(Exception):
    """The cursor is not where this batch begins: somebody else has moved it, or a commit succeeded whose answer was lost."""


class Gap(Exception):
    """Records are missing between two offsets of a topic that has no holes."""


class DeadLettersTooMany(Exception):
    """More dead letters than poison explains: a defect, ours or the sayer's."""


class Verdict(Enum):
    """What must happen next."""

    CONTENTION = "two transactions stood in each other's way: at once again, a few times"
    INFRASTRUCTURE = "something we need is not there: pause, then again, without end"
    HOLD = "the lane waits and says why"
    HALT = "numbers or offsets are broken: the lane stops and alarms"
    STALE = "the position was moved by another: read it anew"
    DATA = "this record cannot be applied: find it and set it aside"


def sqlstate_of(error: BaseException | None) -> str | None:
    """The five letters PostgreSQL gave the error, through the layers above it."""
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state
        error = error.orig if isinstance(error, sa.DBAPIError) and error.orig is not None else error.__cause__
    return None


def _is_client_side_data_error(error: BaseException | None) -> bool:
    """A value that asyncpg cannot encode (too large, wrong type) never reaches the server and has no SQLSTATE."""
    while error is not None:
        if isinstance(error, asyncpg.exceptions.DataError):
            return True
        error = error.orig if isinstance(error, sa.DBAPIError) and error.orig is not None else error.__cause__
    return False


def verdict_of(error: Exception) -> Verdict:
    """What must happen after `error` came out of a transaction."""
    if isinstance(error, Hold):
        return Verdict.HOLD
    if isinstance(error, (BrokenNumbers, Gap, DeadLettersTooMany)):
        return Verdict.HALT
    if isinstance(error, Stale):
        return Verdict.STALE
    state = sqlstate_of(error)
    if state is not None:
        if state in CONTENTION_STATES:
            return Verdict.CONTENTION
        return Verdict.DATA if state[:2] in DATA_CLASSES else Verdict.INFRASTRUCTURE
    if _is_client_side_data_error(error):
        return Verdict.DATA
    if _is_infrastructure(error):
        return Verdict.INFRASTRUCTURE
    return Verdict.DATA


_INFRASTRUCTURE = (
    PoolBusy, KafkaError, OSError, TimeoutError, MemoryError, sa.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError,
)  # fmt: skip


def _is_infrastructure(error: Exception) -> bool:
    return isinstance(error, _INFRASTRUCTURE)


def uneven(seconds: float) -> float:
    """A pause between half of `seconds` and all of it, so that those who wait for the same thing do not come back together."""
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - nothing secret


async def again_on_contention(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`, and again when two transactions stood in each other's way: at most 5 times, with growing, uneven pauses."""
    for attempt in range(1, CONTENTION_ATTEMPTS_MAX):
        try:
            return await work()
        except Exception as error:
            if verdict_of(error) is not Verdict.CONTENTION:
                raise
        await asyncio.sleep(uneven(CONTENTION_PAUSE_SECONDS * 2**attempt))
    return await work()
