"""GET /v1/members/{member_id}/status: one row, one read. The one thing not to break: what has expired by the business clock is not
available, whether or not the day has been closed; nothing is cached, so an answer is never older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec
from fastapi import APIRouter, Response

from member_svc.api.access import Access
from member_svc.api.errors import no_such_member
from member_svc.domain.status import Balance, spendable
from member_svc.store.status import StoredStatus

JSON = "application/json"

_ladder = msgspec.json.Decoder(list[tuple[datetime, int]])


class ExpiringSoon(msgspec.Struct):
    """Of the available points, those that expire within 30 days, and when the first of them do."""

    points: int
    next_at: datetime | None


class Status(msgspec.Struct):
    """A member's status, as internal services query it. `heard`: the last number heard from each who speaks of the member."""

    member_id: UUID
    state: str
    enrolled_at: datetime | None
    tier: str | None
    since: datetime | None
    until: datetime | None
    posted: int
    available: int
    pending: int
    held: int
    debt: int
    earned_net: int
    expiring_soon: ExpiringSoon
    coupon_count: int
    coupons: list[msgspec.Raw]
    heard: dict[str, int]


_coupons = msgspec.json.Decoder(list[msgspec.Raw])


class StatusLoader:
    """Reads that come in the same turn of the event loop share one statement; what is read is always read anew."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._asked: list[UUID] = []
        self._next: asyncio.Task[dict[UUID, StoredStatus]] | None = None

    async def load(self, member_id: UUID) -> StoredStatus | None:
        """The row of a member, or None."""
        if self._next is None:
            self._asked = []
            self._next = asyncio.create_task(self._read(self._asked))
        self._asked.append(member_id)
        return (await asyncio.shield(self._next)).get(member_id)

    async def _read(self, asked: list[UUID]) -> dict[UUID, StoredStatus]:
        await asyncio.sleep(0)  # let the others of this turn ask
        self._next = None
        return await self._access.read(lambda store: store.statuses.read(asked))


def router(access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The route of the status."""
    routes = APIRouter(prefix="/v1/members", tags=["members"])
    loader = StatusLoader(access)

    @routes.get("/{member_id}/status", response_class=Response)
    async def status(member_id: UUID) -> Response:
        row = await loader.load(member_id)
        if row is None:
            raise no_such_member()
        return Response(_encoded(row, now()), media_type=JSON)

    return routes


def _encoded(row: StoredStatus, now: datetime) -> bytes:
    balance = Balance(row.posted, row.held, row.debt, _ladder.decode(row.ladder), _ladder.decode(row.pending))
    points = spendable(balance, now)
    coupons = _coupons.decode(row.coupons)
    return msgspec.json.encode(
        Status(
            row.member_id, row.state, row.enrolled_at, row.tier, row.since, row.until, row.posted, points.available,
            points.pending, row.held, row.debt, row.earned_net,
            ExpiringSoon(points.expiring_soon, points.expiring_next_at), len(coupons), coupons,
            {"tiers": row.tiers_number, "campaigns": row.campaigns_number, "points": row.points_number},
        )
    )  # fmt: skip
