"""Keys used up once for ever: (source, id), business keys, and orders that something waits for. The one thing not to break: all keys
that can be told from reports alone go in by ONE sorted statement; keys that take a member go in under the member's lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from member_svc.domain.admission import Holder

# All keys of a request. Waits for whoever is inserting the same key; two transactions meet in one order.
CLAIMS_INSERT = text("""
INSERT INTO claim (key, activity, content)
SELECT * FROM unnest(CAST(:keys AS bytea[]), CAST(:activities AS bytea[]), CAST(:contents AS bytea[]))
ORDER BY 1
ON CONFLICT (key) DO NOTHING
RETURNING key
""")

# Who used up these keys.
CLAIMS_READ = text("SELECT key, activity, content FROM claim WHERE key = ANY(CAST(:keys AS bytea[]))")

# Orders that are waited for: whoever lets something wait and whoever brings the order take turns here.
CLAIMS_LOCK = text("""
SELECT key, activity, content FROM claim WHERE key = ANY(CAST(:keys AS bytea[])) ORDER BY key FOR NO KEY UPDATE
""")

# The key is used up by another report than the one it was inserted for, or is waited for from now on (NULL).
CLAIMS_SET = text("""
UPDATE claim c SET activity = s.activity, content = s.content
FROM unnest(CAST(:keys AS bytea[]), CAST(:activities AS bytea[]), CAST(:contents AS bytea[])) AS s(key, activity, content)
WHERE c.key = s.key
""")

# Keys that this transaction has inserted and no accepted report uses.
CLAIMS_DELETE = text("DELETE FROM claim WHERE key = ANY(CAST(:keys AS bytea[]))")

Wanted = Mapping[bytes, Holder | None]


class Existing(NamedTuple):
    """Keys that were there before: `taken` are used up, `awaited` are locked orders that something waits for."""

    taken: dict[bytes, Holder]
    awaited: set[bytes]


def _columns(wanted: Wanted) -> dict[str, list[bytes | None]]:
    return {
        "keys": list(wanted),
        "activities": [holder and holder[0] for holder in wanted.values()],
        "contents": [holder and holder[1] for holder in wanted.values()],
    }


class Claims:
    """Claims inside one transaction."""

    __slots__ = ("_tx",)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, wanted: Wanted) -> set[bytes]:
        """Insert what is not there; returns the keys that are ours now. None: a key that is only waited for."""
        rows = await self._tx.run(CLAIMS_INSERT, **_columns(wanted))
        return set(rows.scalars())

    async def existing(self, keys: Collection[bytes]) -> Existing:
        """Who has keys that could not be inserted. Orders that are waited for are locked; one that has come meanwhile is
        taken. A key that is gone again is in neither: the caller has been overtaken."""
        if not keys:
            return Existing({}, set())
        rows = (await self._tx.run(CLAIMS_READ, keys=list(keys))).all()
        taken = {key: Holder(activity, content) for key, activity, content in rows if activity is not None}
        waited_for = [key for key, activity, _ in rows if activity is None]
        awaited: set[bytes] = set()
        if waited_for:
            for key, activity, content in (await self._tx.run(CLAIMS_LOCK, keys=waited_for)).all():
                if activity is None:
                    awaited.add(key)
                else:
                    taken[key] = Holder(activity, content)
        return Existing(taken, awaited)

    async def taken(self, keys: Collection[bytes]) -> dict[bytes, Holder]:
        """Who used up keys that take a member; he is locked."""
        if not keys:
            return {}
        rows = await self._tx.run(CLAIMS_READ, keys=list(keys))
        return {key: Holder(activity, content) for key, activity, content in rows.all() if activity is not None}

    async def set(self, changed: Wanted) -> None:
        """Give keys of ours, or locked ones, another holder."""
        if changed:
            await self._tx.run(CLAIMS_SET, **_columns(changed))

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Give back keys of ours."""
        if keys:
            await self._tx.run(CLAIMS_DELETE, keys=keys)
