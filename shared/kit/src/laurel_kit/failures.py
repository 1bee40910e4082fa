"""Sorts an error by what must happen next. A closed set, decided by a pure function. The one thing not to break: an error of the
infrastructure never becomes a dead letter; in doubt it is infrastructure, because waiting loses nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

import asyncpg
from aiokafka.errors import KafkaError
from sqlalchemy import exc as sa

from laurel_kit.hearing import BrokenNumbers, Hold

T = TypeVar("T")

CONTENTION_ATTEMPTS_MAX = 6  # five times again
CONTENTION_PAUSE_SECONDS = 0.01  # doubled per attempt, with jitter: at most some 0.6 s in all
CONTENTION_SECONDS_MAX = 4.0  # a lock is waited for up to 3 s each time; a caller does not wait for six of these

CONTENTION_STATES = frozenset({"40001", "40P01", "55P03"})
DATA_CLASSES = frozenset({"22", "23", "P0"})
# No connection, out of room, ended by somebody, a session that was cut off in its transaction, a disk that does not answer.
AWAY_CLASSES = frozenset({"08", "25", "53", "57", "58"})


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


# What a database can raise, through the layers above it. The last one is what the driver says of itself when a session is ended at a bad
# moment ("another operation is in progress"): it knows no more of the connection.
TROUBLE = (
    OSError, TimeoutError, sa.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
# Of these, what is no defect where there is no SQLSTATE: nobody answered, or the connection was gone.
_CUT_OFF = (
    OSError, TimeoutError, sa.DBAPIError, sa.TimeoutError, sa.PendingRollbackError, asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)  # fmt: skip
_INFRASTRUCTURE = (PoolBusy, KafkaError, MemoryError, *TROUBLE)


def _is_infrastructure(error: Exception) -> bool:
    return isinstance(error, _INFRASTRUCTURE)


def is_passing(error: Exception) -> bool:
    """Whether the same again may do: the database is away, out of room, or others stand in the way. Narrower than the verdict, by which a
    loop would wait: a statement that the server does not understand is a defect, and a caller must not be told to come again."""
    state = sqlstate_of(error)
    if state is not None:
        return state in CONTENTION_STATES or state[:2] in AWAY_CLASSES
    return isinstance(error, _CUT_OFF) and not _is_client_side_data_error(error)


def uneven(seconds: float) -> float:
    """A pause between half of `seconds` and all of it, so that those who wait for the same thing do not come back together."""
    return random.uniform(0.5, 1.0) * seconds  # noqa: S311 - nothing secret


async def again_on_contention(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`, and again when two transactions stood in each other's way: at most 5 times, with growing, uneven pauses, and not when
    that has taken long already."""
    began = time.monotonic()
    for attempt in range(1, CONTENTION_ATTEMPTS_MAX):
        try:
            return await work()
        except Exception as error:
            if verdict_of(error) is not Verdict.CONTENTION or time.monotonic() - began > CONTENTION_SECONDS_MAX:
                raise
        await asyncio.sleep(uneven(CONTENTION_PAUSE_SECONDS * 2**attempt))
    return await work()
