"""The door in a test: a real database, a business clock that stands still, and reports one can read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import yaml
from sqlalchemy import text

from laurel_contracts import programme
from laurel_contracts.envelope import Event
from laurel_kit.postgres import Database, Transaction
from member_svc.domain.outcomes import Outcome
from member_svc.handlers.publish_programme import READERS, activate_programme, read_programme, store_programme
from member_svc.handlers.read_reports import read_body
from member_svc.handlers.take_request import take_request
from member_svc.store import MemberStore

T = TypeVar("T")

CLEAR = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""
NOW = datetime(2018, 1, 10, 12, tzinfo=UTC)
PARTITIONS = 4
REFERENCE = Path(__file__).parents[3] / "deploy" / "program" / "reference.yaml"
_any_event = msgspec.json.Decoder(Event[Any])


class World:
    """member-svc's rooms on a database of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, application_name="member-svc", pool_size=12)
        self.now = NOW
        self._ids = count(1)

    def open_store(self, tx: Transaction) -> MemberStore:
        return MemberStore(tx, now=self.now, partitions=PARTITIONS)

    async def change(self, work: Callable[[MemberStore], Awaitable[T]]) -> T:
        return await self.database.in_transaction(lambda tx: work(self.open_store(tx)))

    async def clear(self) -> None:
        """Empty all tables."""
        async with self.database.transaction() as tx:
            await tx.connection.exec_driver_sql(CLEAR)

    async def put_in_force(self, version: int = 1, effective_from: datetime | None = None, **changes: Any) -> None:
        """Publish a version of the reference programme, have it loaded by everybody, and activate it."""
        document = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
        document |= {"version": version, "currency": "USD", "zone": "America/New_York", **changes}
        parsed = read_programme(json.dumps(document).encode(), version)
        sha256 = programme.sha256(parsed)
        await self.change(lambda store: store_programme(parsed, store))
        await self.change(lambda store: store.programmes.note_loaded([(name, version, sha256) for name in READERS]))
        await self.change(lambda store: activate_programme(version, effective_from, store))

    async def take(self, *reports: dict[str, Any]) -> list[Outcome]:
        """Report over HTTP's entrance, without HTTP."""
        body = json.dumps(reports).encode()
        return await self.change(lambda store: take_request(read_body(body), store))

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.reading() as tx:
            return list((await tx.run(text(sql), **values)).all())

    async def value(self, sql: str, **values: Any) -> Any:
        return (await self.rows(sql, **values))[0][0]

    async def said(self) -> list[Event[Any]]:
        """What lies in the outbox, in order."""
        rows = await self.rows("SELECT body FROM outbox WHERE topic = 'activities' ORDER BY id")
        return [_any_event.decode(row.body) for row in rows]

    async def until_locked_out(self, task: asyncio.Task[Any]) -> None:
        """Until somebody waits for a lock, or the task is done without having waited."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not task.done() and not await self.value(waiting):  # noqa: ASYNC110 - nobody tells us but the database
            await asyncio.sleep(0)

    def report(self, type: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
        """A report of the channel pos/1, a day before now, with an id of its own unless told otherwise."""
        return {
            "specversion": "1.0",
            "id": f"e-{next(self._ids)}",
            "source": "pos/1",
            "type": f"laurel.{type}.v1",
            "time": "2018-01-09T12:00:00+00:00",
            "data": data,
        } | {name: value for name, value in envelope.items() if value is not None}

    def purchase(
        self, order_id: str, *amounts: int, phone: str | None = "1", data: dict[str, Any] | None = None, **envelope: Any
    ) -> dict[str, Any]:
        """A purchase with lines `l1`, `l2` … of two pieces each, amounts in minor units."""
        lines = [
            {"line_id": f"l{n}", "sku": f"s{n}", "quantity": 2, "amount_minor": amount}
            for n, amount in enumerate(amounts or (1000,), start=1)
        ]
        content: dict[str, Any] = {
            "order_id": order_id,
            "channel": "store",
            "currency": "USD",
            "lines": lines,
            "amount_minor": sum(line["amount_minor"] for line in lines),
        }
        return self.report("purchase.recorded", content | named(phone) | (data or {}), **envelope)

    def refund(
        self, order_id: str, refund_id: str, what: int | dict[str, tuple[int, int]], **envelope: Any
    ) -> dict[str, Any]:
        """A refund of an amount, or of lines: line id → (pieces, minor units)."""
        content: dict[str, Any] = {"order_id": order_id, "refund_id": refund_id}
        if isinstance(what, int):
            content["amount_minor"] = what
        else:
            content["lines"] = [
                {"line_id": line, "quantity": pieces, "amount_minor": amount} for line, (pieces, amount) in what.items()
            ]
        return self.report("purchase.refunded", content, **envelope)

    def review(self, order_id: str, phone: str | None = "1", **data: Any) -> dict[str, Any]:
        """A review of `s1` of an order, unless told otherwise."""
        content = {"review_id": f"r-{next(self._ids)}", "order_id": order_id, "rating": 5}
        if not {"sku", "line_id"} & data.keys():
            content["sku"] = "s1"
        return self.report("review.posted", content | named(phone) | data)

    def sign_in(self, phone: str | None = "1", **envelope: Any) -> dict[str, Any]:
        return self.report("member.signed-in", {"channel": "app"} | named(phone), **envelope)

    async def member_of(self, phone: str) -> UUID:
        found: UUID = await self.value(
            "SELECT member_id FROM identifier WHERE kind = 'phone' AND value = :phone", phone=phone
        )
        return found


def named(phone: str | None) -> dict[str, Any]:
    """The identifier in `data`, or nothing."""
    return {} if phone is None else {"identifier": {"kind": "phone", "value": phone}}


def verdicts(outcomes: Sequence[Outcome]) -> list[str]:
    """The verdicts, each with its reason behind a colon."""
    return [
        outcome.outcome if outcome.reason is None else f"{outcome.outcome}:{outcome.reason}" for outcome in outcomes
    ]
