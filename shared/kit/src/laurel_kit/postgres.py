"""A service's own PostgreSQL: one engine, and the transaction in which everything of a batch happens. The one thing not to break: state,
positions and announcements commit together or not at all, and nobody but the context manager commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import CursorResult, TextClause, event, exc
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from laurel_contracts.envelope import derived_id
from laurel_kit import crash, instants, sql
from laurel_kit.failures import again_on_contention
from laurel_kit.hearing import Span
from laurel_kit.places import POOL_WAIT_SECONDS, Places

T = TypeVar("T")

# Prepared statements kept per connection: more than all statements of one service.
PREPARED_STATEMENTS_MAX = 500
CONNECT_SECONDS_MAX = 5.0
COMMAND_SECONDS_MAX = 15.0  # above statement_timeout: only a server that does not answer at all comes to this
# An audit reads everything there is: minutes on a ledger of ten million entries. One at a time, on a connection of its own, so that it
# takes no place from anybody else.
AUDIT_STATEMENT_SECONDS_MAX = 600
AUDIT_GRACE_SECONDS = 5.0  # the server ends such a statement, and the driver only where the server does not
AUDITS_AT_ONCE = 1
# Text that stands in a dead letter: enough for a path and a message, not for a record.
DETAIL_CHARS_MAX = 2_000

# A stopped process must not hold its locks for ever (idle_in_transaction, tcp_user), a waiting one must not wait for ever.
SESSION_SETTINGS = {
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "tcp_user_timeout": "10s",
    "jit": "off",
    # A generic plan that was made while a table was empty stays bad when it has grown.
    "plan_cache_mode": "force_custom_plan",
}


# What an acknowledged commit rests on. The sessions ask for synchronous commits themselves; who turns them off meant something else.
DURABILITY_SETTINGS = ("fsync", "synchronous_commit")


class NotDurable(Exception):
    """The server may forget what it has acknowledged; every promise of ours rests on it not doing so."""


class Said(NamedTuple):
    """One outbox row. `more_headers`: msgpack of further (name, value) pairs."""

    topic: str
    partition: int
    key: bytes | None
    type: str
    event_id: str
    number: int | None
    more_headers: bytes | None
    body: bytes


class DeadLetter(NamedTuple):
    """One record that could not be applied. `parks`: later records of its key wait behind it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    number: int | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    reason: str
    detail: str
    parks: bool


class Transaction:
    """One transaction. What is said, set aside or marked in it is written just before the commit, in the order of the calls."""

    def __init__(
        self, connection: AsyncConnection, *, group: str, spans: Sequence[Span] = (), replaying: bool = False
    ) -> None:
        self.connection = connection
        self.group = group
        self.spans = spans
        self.dead_letters: list[DeadLetter] = []
        self.marks: list[tuple[str, int, int]] = []
        self._replaying = replaying
        self._said: list[Said] = []
        self._callbacks: list[Callable[[], None]] = []

    async def run(self, statement: TextClause, **values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement."""
        return await self.connection.execute(statement, values)

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement ($1, $2 …) by the driver alone, for a question that is asked so often that SQLAlchemy's share of its price
        counts. Only in `reading`: a transaction would not know of it."""
        raw = await self.connection.get_raw_connection()
        rows: list[Any] = await raw.driver_connection.fetch(statement, *values)  # type: ignore[union-attr]
        return rows

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows by binary COPY: of all ways in it asks least of the server, for what is only ever added."""
        connection: Any = (await self.connection.get_raw_connection()).driver_connection
        if not connection.is_in_transaction():
            await self.run(sql.BEGIN)  # else the rows would stand by themselves, whatever became of the transaction
        await connection.copy_records_to_table(table, columns=columns, records=rows)

    def say(
        self,
        *,
        topic: str,
        partition: int,
        key: bytes | None,
        type: str,
        id: str | UUID,
        number: int | None,
        body: bytes,
    ) -> None:
        """Into the outbox, in call order."""
        self._said.append(Said(topic, partition, key, type, str(id), number, None, body))

    async def dead_letter(
        self,
        *,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        reason: str,
        detail: str,
        number: int | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        parks: bool = False,
    ) -> None:
        """Set a record aside, in the transaction that moves the cursor over it. Its content stays in this service."""
        self.dead_letters.append(
            DeadLetter(topic, partition, offset, key, number, headers, value, reason, storable(detail), parks)
        )

    def move_mark(self, topic: str, partition: int, next_offset: int) -> None:
        """Remember that everything about `topic`/`partition` below `next_offset` has been said; gates see it after the commit."""
        self.marks.append((topic, partition, next_offset))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Called when the commit is known to have happened; never when its outcome is unknown."""
        self._callbacks.append(callback)

    @property
    def says(self) -> bool:
        """Whether anything goes to the outbox."""
        return bool(self._said)

    async def flush(self) -> None:
        """Write dead letters, outbox and marks. Called by the context manager, just before the commit."""
        if self.dead_letters:
            await self._write_dead_letters()
        if self._said:
            await self.copy("outbox", sql.OUTBOX_COLUMNS, self._said)
        if self.marks:
            topics, partitions, offsets = map(list, zip(*self.marks, strict=True))
            await self.run(sql.MARKS_MOVE, topics=topics, partitions=partitions, offsets=offsets)

    def committed(self) -> None:
        """Tell those who asked. Called by the context manager, after the commit."""
        for callback in self._callbacks:
            callback()

    async def _write_dead_letters(self) -> None:
        dead = self.dead_letters
        await self.run(
            sql.DEAD_LETTER_INSERT,
            grp=self.group,
            topics=[d.topic for d in dead],
            partitions=[d.partition for d in dead],
            offsets=[d.offset for d in dead],
            keys=[d.key for d in dead],
            numbers=[d.number for d in dead],
            headers=[msgspec.msgpack.encode(list(d.headers)) for d in dead],
            values=[d.value for d in dead],
            reasons=[d.reason for d in dead],
            details=[d.detail for d in dead],
        )
        parked = [(d.topic, d.key) for d in dead if d.parks and d.key is not None]
        if parked:
            await self.run(
                sql.PARKED_INSERT,
                grp=self.group,
                topics=[topic for topic, _ in parked],
                keys=[key for _, key in parked],
            )
        if not self._replaying:
            self._said.extend(self._announcement(d) for d in dead)

    def _announcement(self, dead: DeadLetter) -> Said:
        """What others learn of a dead letter: reason and position. Partition 0 exists on every topic; these are few. The key only where
        it is one of ours: somebody else's may be anything, a person's number too."""
        origin = f"{dead.topic}/{dead.partition}/{dead.offset}"
        more = msgspec.msgpack.encode([("reason", dead.reason.encode()), ("origin", origin.encode())])
        body = msgspec.json.encode({"group": self.group, "reason": dead.reason, "origin": origin})
        event_id = str(derived_id("dead-letter", self.group, dead.topic, dead.partition, dead.offset))
        key = dead.key if dead.parks else None
        return Said(f"{dead.topic}.dead-letter", 0, key, "laurel.record.set-aside.v1", event_id, None, more, body)


class Database:
    """The service's database: `pool_size` connections for transactions, and `reading_size` (None: as many) read-only ones. `woken` is set
    whenever a commit has put something into the outbox."""

    def __init__(self, url: str, *, application_name: str, pool_size: int = 8, reading_size: int | None = None) -> None:
        reading_size = reading_size or pool_size
        self.url = make_url(url)
        self.application_name = application_name
        self.woken = asyncio.Event()
        self.on_marks: list[Callable[[Iterable[tuple[str, int, int]]], None]] = []
        self._free = Places(pool_size)
        self._free_reading = Places(reading_size)
        self.engine: AsyncEngine = self._engine(pool_size, {})
        # Every statement for itself: one round trip instead of three. Nothing is open when a connection comes back to the pool.
        self._reading_engine: AsyncEngine = self._engine(
            reading_size,
            {"default_transaction_read_only": "on"},
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
        )

        self._free_audit = Places(AUDITS_AT_ONCE)
        self._audit_engine: AsyncEngine = self._engine(
            AUDITS_AT_ONCE,
            {"default_transaction_read_only": "on", "statement_timeout": f"{AUDIT_STATEMENT_SECONDS_MAX}s"},
            command_seconds=AUDIT_STATEMENT_SECONDS_MAX + AUDIT_GRACE_SECONDS,
            isolation_level="REPEATABLE READ",
        )

    def _engine(
        self, pool_size: int, settings: dict[str, str], *, command_seconds: float = COMMAND_SECONDS_MAX, **options: Any
    ) -> AsyncEngine:
        engine = create_async_engine(
            self.url.set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,
            connect_args={
                "server_settings": SESSION_SETTINGS | {"application_name": self.application_name} | settings,
                "timeout": CONNECT_SECONDS_MAX,
                "command_timeout": command_seconds,
                "prepared_statement_cache_size": PREPARED_STATEMENTS_MAX,
            },
            **options,
        )
        event.listen(engine.sync_engine, "connect", _teach_instants)
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
        event.listen(engine.sync_engine, "handle_error", _keep_the_others)
        return engine

    def transaction(
        self,
        *,
        spans: Sequence[Span] = (),
        group: str | None = None,
        replaying: bool = False,
        pool_wait_seconds: float = POOL_WAIT_SECONDS,
    ) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end, outbox rows and marks written just before; rolls back on any exception."""
        return self._transaction(spans, group or self.application_name, replaying, pool_wait_seconds)

    @asynccontextmanager
    async def _transaction(
        self, spans: Sequence[Span], group: str, replaying: bool, pool_wait_seconds: float
    ) -> AsyncIterator[Transaction]:
        async with self._connection(self.engine, self._free, pool_wait_seconds) as connection:
            async with connection.begin():
                tx = Transaction(connection, group=group, spans=spans, replaying=replaying)
                yield tx
                await tx.flush()
                crash.at("C7")
            crash.at("C8")
        if tx.marks:
            for listener in self.on_marks:
                listener(tx.marks)
        if tx.says:
            self.woken.set()
        tx.committed()

    @asynccontextmanager
    async def reading(
        self, *, still: bool = False, pool_wait_seconds: float = POOL_WAIT_SECONDS
    ) -> AsyncIterator[Transaction]:
        """Read only. Each statement sees what is committed when it begins, as it does under READ COMMITTED anyway; `still`: all of them
        see one moment, in a transaction, which costs two round trips more."""
        async with self._connection(self._reading_engine, self._free_reading, pool_wait_seconds) as connection:
            if not still:
                yield Transaction(connection, group=self.application_name)
                return
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield Transaction(connection, group=self.application_name)

    @asynccontextmanager
    async def auditing(self, *, pool_wait_seconds: float = POOL_WAIT_SECONDS) -> AsyncIterator[Transaction]:
        """Read only, all of one moment, and for as long as it takes to read everything. Raises PoolBusy while another audit runs."""
        async with (
            self._connection(self._audit_engine, self._free_audit, pool_wait_seconds) as connection,
            connection.begin(),
        ):
            yield Transaction(connection, group=self.application_name)

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction, again (at most 5 times) when two transactions stood in each other's way."""

        async def once() -> T:
            async with self.transaction() as tx:
                return await work(tx)

        return await again_on_contention(once)

    @asynccontextmanager
    async def _connection(
        self, engine: AsyncEngine, free: Places, pool_wait_seconds: float
    ) -> AsyncIterator[AsyncConnection]:
        await free.take(pool_wait_seconds)
        try:
            async with engine.connect() as connection:
                try:
                    yield connection
                except (
                    asyncpg.InternalClientError
                ):  # SQLAlchemy takes it for nothing of the connection's and would keep it
                    await connection.invalidate()
                    raise
        finally:
            free.release()

    @property
    def dsn(self) -> str:
        """The address for a connection outside the pool (session locks)."""
        return plain_dsn(self.url)

    async def close(self) -> None:
        await self.engine.dispose()
        await self._reading_engine.dispose()
        await self._audit_engine.dispose()


def _teach_instants(connection: Any, _record: Any) -> None:
    connection.run_async(instants.by_microseconds)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that the server has closed while it lay in the pool is replaced before anything is asked of it. Costs no round trip."""
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError("closed by the server meanwhile")


def _keep_the_others(context: ExceptionContext) -> None:
    """One connection that breaks says nothing of the others: each is looked at when it is taken."""
    context.invalidate_pool_on_disconnect = False


async def refuse_unless_durable(database_url: str) -> None:
    """Ask as an ordinary session, without our own settings. Raises NotDurable, with what must be set."""
    connection = await asyncpg.connect(plain_dsn(make_url(database_url)), timeout=CONNECT_SECONDS_MAX)
    try:
        off = [name for name in DURABILITY_SETTINGS if await connection.fetchval(f"SHOW {name}") == "off"]
    finally:
        await connection.close(timeout=CONNECT_SECONDS_MAX)
    if off:
        raise NotDurable(
            f"PostgreSQL runs with {' and '.join(f'{name}=off' for name in off)}: it may forget what it has acknowledged. "
            f"Set {' and '.join(f'{name}=on' for name in off)} (server, database and role) and start again."
        )


def plain_dsn(url: URL) -> str:
    """The address without a driver's name, as asyncpg wants it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def storable(text: str) -> str:
    """PostgreSQL text has no NUL and no lone surrogates."""
    return text[:DETAIL_CHARS_MAX].replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()
