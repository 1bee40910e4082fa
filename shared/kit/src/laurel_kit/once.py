"""One key, one answer (reliability.md 3.4), for any service. The one thing not to break: the answer is kept in the transaction that does
the work, also where it is a refusal; so a key does something at most once, and a retry cannot turn a refusal into a success."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction

REPLAYED_FOR = timedelta(days=7)  # no caller tries for longer; the key stays used for ever
CREATED, DONE, REFUSED = 201, 200, 409

# A key is used up for ever; `body` is what it was answered with, kept for seven days and longer until it is forgotten. For a migration.
TABLES = (
    """
    CREATE TABLE idempotency (
      scope text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      fingerprint bytea NOT NULL,
      status smallint NOT NULL,
      body text,
      link text NOT NULL,
      at timestamptz NOT NULL,
      PRIMARY KEY (scope, key)
    )
    """,
    "CREATE INDEX idempotency_old ON idempotency (at) WHERE body IS NOT NULL",
)

# Held until the transaction ends: a second request with the same key learns at once that the first is still running.
_CLAIM = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope || ' ' || :key, 7))")
# What a key was answered with.
_FIND = text("SELECT fingerprint, status, body, link, at FROM idempotency WHERE scope = :scope AND key = :key")
# The key is used up.
_KEEP = text("""
INSERT INTO idempotency (scope, key, fingerprint, status, body, link, at)
VALUES (:scope, :key, :fingerprint, :status, :body, :link, :at)
""")
# Bodies that are replayed no more, the oldest first. The keys stay.
_FORGET = text("""
UPDATE idempotency SET body = NULL
WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency WHERE body IS NOT NULL AND at < :before ORDER BY at LIMIT :limit))
""")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request under a key. `scope`: whose keys they are; two callers may use the same key. `fingerprint`: what makes two requests the
    same."""

    scope: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, scope: str, key: str, route: str, path: Mapping[str, object], body: Mapping[str, Any]) -> Keyed:
        """`route`: method and template; `body`: as it was checked, so that spelling makes no difference."""
        asked = [scope, route, {name: str(value) for name, value in path.items()}, body]
        return cls(scope, key, hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: status, JSON, where to see what came of it, and whether it was given before."""

    status: int
    body: str
    link: str
    replayed: bool = False


class InFlight(Exception):
    """The first request under this key is still running."""


class KeyReused(Exception):
    """The key was used for another request."""


class KeyTooOld(Exception):
    """The key was used so long ago that its answer is not replayed any more; what it did is seen at `link`."""

    def __init__(self, link: str) -> None:
        super().__init__(link)
        self.link = link


async def claim(tx: Transaction, scope: str, key: str) -> bool:
    """Whether nobody else is working under this key now; it is ours until the transaction ends."""
    return bool((await tx.run(_CLAIM, scope=scope, key=key)).scalar_one())


async def find(tx: Transaction, asked: Keyed) -> Any:
    """What the key was answered with; None: it was never used."""
    return (await tx.run(_FIND, scope=asked.scope, key=asked.key)).one_or_none()


async def keep(tx: Transaction, asked: Keyed, answer: Answer, now: datetime) -> None:
    """The key is used up."""
    await tx.run(
        _KEEP, scope=asked.scope, key=asked.key, fingerprint=asked.fingerprint, status=answer.status, body=answer.body,
        link=answer.link, at=now,
    )  # fmt: skip


async def once(asked: Keyed, now: datetime, tx: Transaction, decide: Callable[[], Awaitable[Answer]]) -> Answer:
    """Answer under the key: as before, or by deciding now. What `decide` raises is not kept, and the key stays usable."""
    if not await claim(tx, asked.scope, asked.key):
        raise InFlight
    before = await find(tx, asked)
    if before is not None:
        if bytes(before.fingerprint) != asked.fingerprint:
            raise KeyReused
        if before.body is None or now - before.at >= REPLAYED_FOR:
            raise KeyTooOld(before.link)
        return Answer(before.status, before.body, before.link, replayed=True)
    answer = await decide()
    await keep(tx, asked, answer, now)
    return answer


async def forget_old_answers(now: datetime, limit: int, tx: Transaction) -> int:
    """Drop bodies that are replayed no more; how many. The keys stay used."""
    return (await tx.run(_FORGET, before=now - REPLAYED_FOR, limit=limit)).rowcount


def said(status: int, document: Mapping[str, Any], link: str, *, replayed: bool = False) -> Answer:
    """A document as an answer."""
    return Answer(status, msgspec.json.encode(document).decode(), link, replayed)


def refused(kind: str, title: str, link: str, **figures: Any) -> Answer:
    """A refusal as a problem document; it is kept under the key like any other answer."""
    return said(REFUSED, {"type": kind, "title": title, "status": REFUSED} | figures, link)
