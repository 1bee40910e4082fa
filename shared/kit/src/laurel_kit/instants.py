"""How an instant goes to PostgreSQL and comes back: as the microseconds since 2000 that it is on the wire. The driver's own way looks for
the time zone of each and turns it three times, which was half the price of copying a batch in. The one thing not to break: to the
microsecond, and nothing without a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's (its documentation, 54.7 and datatype/timestamp.h)
_SECONDS_PER_DAY = 86_400
_MICROSECONDS = 1_000_000
# What can be read back: the years 1 to 9999 in UTC. An instant with another offset may lie hours outside of them.
_FIRST, _LAST = -63_082_281_600_000_000, 252_455_615_999_999_999


def written(at: datetime, _epoch: datetime = _EPOCH) -> tuple[int]:
    """Microseconds since 2000. Raises TypeError for what has no time zone, as no instant of ours is without, and OverflowError for what
    nobody could read back."""
    since = at - _epoch
    microseconds = (since.days * _SECONDS_PER_DAY + since.seconds) * _MICROSECONDS + since.microseconds
    if not _FIRST <= microseconds <= _LAST:
        raise OverflowError("an instant outside of the years 1 to 9999 in UTC")
    return (microseconds,)


def read(wire: tuple[int], _epoch: datetime = _EPOCH, _timedelta: type[timedelta] = timedelta) -> datetime:
    """The instant, in UTC. Raises OverflowError outside of Python's years (`infinity` among them)."""
    return _epoch + _timedelta(0, 0, wire[0])


async def by_microseconds(connection: asyncpg.Connection) -> None:
    """From now on this connection writes and reads its instants so; once per connection, without asking the server."""
    await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=written, decoder=read, format="tuple")
