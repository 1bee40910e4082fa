"""Dead letters looked at, replayed and given up; who did so stays on record. The one thing not to break: within a key they are replayed
in order, under the lock of the lane's cursor, so that nothing of this key overtakes on the lane meanwhile."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from laurel_kit import crash, sql
from laurel_kit.applying import Applier
from laurel_kit.decoding import Unreadable
from laurel_kit.failures import Verdict, verdict_of
from laurel_kit.hearing import KEY_BYTES, BrokenNumbers, RawRecord
from laurel_kit.postgres import Transaction, storable

S = TypeVar("S")

LIST_MAX = 1_000
FOLLOWERS_MAX = 10_000  # of one key in one call; a second call goes on
SOMEBODY = "somebody"  # who asked, where nobody said so

_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes | None]])


class NotReplayable(Exception):
    """This dead letter cannot be dealt with now. `reason` is a short word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class UnreadableStill(Exception):
    """The record cannot be decoded by this version either."""


class Report(msgspec.Struct, frozen=True):
    """What came of a replay: how many records were applied, and what stopped it (empty: nothing). `duplicates`: how many had been applied
    by an earlier replay, so that nothing happened now."""

    replayed: int
    stopped_at: int | None = None  # the id of the dead letter that failed again
    detail: str = ""
    duplicates: int = 0


class _HadBeenApplied(Exception):
    """An earlier replay has applied this letter."""


class DeadLetters(Generic[S]):
    """The dead letters of one reader."""

    def __init__(self, applier: Applier[S]) -> None:
        self._applier = applier
        self._database = applier.database
        self._grp = applier.group

    async def find(self, *, state: str | None = None, limit: int = 100, after: int = 0) -> list[dict[str, Any]]:
        """Without their content, by id."""
        async with self._database.reading() as tx:
            rows = await tx.run(
                sql.DEAD_LETTERS_LIST, grp=self._grp, state=state, limit=min(limit, LIST_MAX), after=after
            )
            return [_shown(row) for row in rows]

    async def show(self, letter_id: int) -> dict[str, Any]:
        """One with its content and what was done about it. Raises NotReplayable (`not_found`)."""
        async with self._database.reading() as tx:
            row = await self._row(tx, sql.DEAD_LETTER_READ, letter_id)
            history = await tx.run(sql.DEAD_LETTER_HISTORY, letter_id=letter_id)
            actions = [dict(action) for action in history.mappings()]
        headers = {
            name: None if value is None else value.decode("utf-8", "replace")
            for name, value in _headers.decode(row.headers)
        }
        value = None if row.value is None else row.value.decode("utf-8", "replace")
        content = {"headers": headers, "value": value, "key": None if row.key is None else row.key.hex()}
        return _shown(row) | content | {"actions": actions}

    async def replay(self, letter_id: int, asked_by: str = SOMEBODY) -> Report:
        """Apply one again, through the same handlers; if it held others of its key back, then those too, in order, each in its own
        transaction, until one fails. One that had been replayed is a duplicate: nothing happens but the note. Raises NotReplayable when it
        is discarded or not the first of its key."""
        return await self._replay_from(letter_id, storable(asked_by))

    async def discard(self, letter_id: int, asked_by: str = SOMEBODY) -> Report:
        """Give one up. Its number is skipped in the handler's books (a key that is no id has none there), and what stood behind it
        is replayed. Raises NotReplayable when it is not open, not the first of its key, or its number cannot be skipped."""
        asked_by = storable(asked_by)
        async with self._database.transaction(group=self._grp, replaying=True) as tx:
            row = await self._locked(tx, letter_id)
            _refuse_unless_open(row)
            await self._refuse_unless_first(tx, row)
            if row.key is not None and len(row.key) == KEY_BYTES and row.number is not None:
                await self._skip_number(tx, row)
            await self._close(tx, row, "discarded", asked_by)
            await self._note(tx, letter_id, "discard", "discarded", asked_by=asked_by)
            follower = await self._first_open(tx, row)
        if follower is None:
            return Report(replayed=0)
        return await self._replay_from(follower, asked_by)

    async def _skip_number(self, tx: Transaction, row: Any) -> None:
        if self._applier.skip_number is None:
            raise NotReplayable("cannot_skip", "this reader's numbers cannot be skipped; mend the cause and replay")
        try:
            await self._applier.skip_number(self._applier.open_store(tx), row.topic, row.key, row.number)
        except BrokenNumbers as error:
            raise NotReplayable("cannot_skip", str(error)) from error

    async def _replay_from(self, letter_id: int, asked_by: str) -> Report:
        replayed = 0
        while replayed < FOLLOWERS_MAX:
            try:
                follower, failed = await self._replay_one(letter_id, asked_by, is_first=replayed == 0)
            except NotReplayable:
                raise
            except _HadBeenApplied:  # by somebody else meanwhile, where it is a follower
                return Report(replayed, duplicates=1)
            except Exception as error:
                if verdict_of(error) in (Verdict.INFRASTRUCTURE, Verdict.CONTENTION):
                    raise
                failed = f"{type(error).__name__}: {error}"
                await self._failed_again(letter_id, failed, asked_by)
            if failed:
                return Report(replayed, letter_id, failed)
            replayed += 1
            if follower is None:
                break
            letter_id = follower
        return Report(replayed)

    async def _replay_one(self, letter_id: int, asked_by: str, *, is_first: bool) -> tuple[int | None, str]:
        """(the next of this key or None, ""), or (this one, why it failed again)."""
        applier = self._applier
        async with self._database.transaction(group=self._grp, replaying=True) as tx:
            row = await self._locked(tx, letter_id)
            if row.state == "replayed":
                await self._note(tx, letter_id, "replay", "duplicate", asked_by=asked_by)
            else:
                _refuse_unless_open(row)
                if is_first:
                    await self._refuse_unless_first(tx, row)
                return await self._apply(tx, row, applier, asked_by)
        raise _HadBeenApplied

    async def _apply(self, tx: Transaction, row: Any, applier: Applier[S], asked_by: str) -> tuple[int | None, str]:
        record = RawRecord(row.topic, row.partition, row.at_offset, row.key, row.value, _headers.decode(row.headers))
        heard = applier.read_one(record)
        if isinstance(heard, Unreadable):
            raise UnreadableStill(f"{heard.reason}: {heard.detail}")
        await applier.run_handlers(tx, {row.topic: [heard]})
        for again in tx.dead_letters:
            if (again.topic, again.partition, again.offset) == (row.topic, row.partition, row.at_offset):
                await self._note(tx, row.id, "replay", "failed", asked_by=asked_by, detail=again.detail)
                return row.id, again.detail
        await self._close(tx, row, "replayed", asked_by)
        await self._note(tx, row.id, "replay", "applied", asked_by=asked_by)
        crash.at("C13")
        return await self._first_open(tx, row), ""

    async def _locked(self, tx: Transaction, letter_id: int) -> Any:
        """The row, under the cursor's lock and its own. The cursor first, as everywhere."""
        row = await self._row(tx, sql.DEAD_LETTER_READ, letter_id)
        await tx.run(sql.CURSORS_LOCK, grp=self._grp, topics=[row.topic], partitions=[row.partition])
        return await self._row(tx, sql.DEAD_LETTER_LOCK, letter_id)

    async def _row(self, tx: Transaction, statement: Any, letter_id: int) -> Any:
        row = (await tx.run(statement, grp=self._grp, id=letter_id)).one_or_none()
        if row is None:
            raise NotReplayable("not_found", f"there is no dead letter {letter_id}")
        return row

    async def _first_open(self, tx: Transaction, row: Any) -> int | None:
        """The first of this key that is open; None where keys do not wait for each other."""
        if not self._applier.parks(RawRecord(row.topic, row.partition, row.at_offset, row.key, row.value)):
            return None
        found = await tx.run(sql.DEAD_LETTER_FIRST_OPEN, grp=self._grp, topic=row.topic, key=row.key)
        first: int | None = found.scalar_one_or_none()
        return first

    async def _refuse_unless_first(self, tx: Transaction, row: Any) -> None:
        first = await self._first_open(tx, row)
        if first is not None and first != row.id:
            raise NotReplayable("not_first", f"dead letter {first} of the same key comes first")

    async def _close(self, tx: Transaction, row: Any, state: str, asked_by: str) -> None:
        await tx.run(sql.DEAD_LETTER_CLOSE, id=row.id, state=state, asked_by=asked_by)
        if row.key is not None:
            await tx.run(sql.PARKED_RELEASE, grp=self._grp, topic=row.topic, key=row.key)

    async def _failed_again(self, letter_id: int, detail: str, asked_by: str) -> None:
        async with self._database.transaction(group=self._grp) as tx:
            await tx.run(sql.DEAD_LETTER_FAILED_AGAIN, grp=self._grp, id=letter_id, detail=storable(detail))
            await self._note(tx, letter_id, "replay", "failed", asked_by=asked_by, detail=detail)

    async def _note(
        self, tx: Transaction, letter_id: int, action: str, outcome: str, *, asked_by: str, detail: str = ""
    ) -> None:
        """One row per action, in the transaction of the action."""
        await tx.run(
            sql.DEAD_LETTER_NOTE,
            letter_id=letter_id,
            action=action,
            outcome=outcome,
            detail=storable(detail),
            asked_by=asked_by,
        )


def _refuse_unless_open(row: Any) -> None:
    if row.state == "discarded":
        raise NotReplayable(
            "discarded", f"dead letter {row.id} was discarded by {row.resolved_by}: it is given up for good"
        )
    if row.state != "open":
        raise NotReplayable("not_open", f"dead letter {row.id} is {row.state}")


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.id, "topic": row.topic, "partition": row.partition, "offset": row.at_offset, "number": row.number,
        "reason": row.reason, "detail": row.detail, "attempts": row.attempts, "first_at": row.first_at,
        "last_at": row.last_at, "state": row.state, "resolved_by": row.resolved_by,
    }  # fmt: skip
