"""GET /v1/members/{member_id}/status: one row, one read. The one thing not to break: what has expired by the business clock is not
available, whether or not the day has been closed; nothing is cached, so an answer is never older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import msgspec
from fastapi import APIRouter, Response

from laurel_kit.short_way import ShortWay
from member_svc.api.access import Access
from member_svc.api.errors import no_such_member
from member_svc.domain.status import Balance, spendable
from member_svc.store import MemberStore
from member_svc.store.status import StoredStatus

JSON = "application/json"
PATH = "/v1/members/{id}/status"
READS_AT_ONCE = 2  # more connections would only split what one statement can answer

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
    """Questions share statements: those that come in one turn of the event loop, and those that come while READS_AT_ONCE are under way.
    A statement begins after the questions it answers, so what is read is always read anew."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._asked: list[tuple[UUID, asyncio.Future[StoredStatus | None]]] = []
        self._reading = 0
        self._readers: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly

    async def load(self, member_id: UUID) -> StoredStatus | None:
        """The row of a member, or None."""
        answer: asyncio.Future[StoredStatus | None] = asyncio.get_running_loop().create_future()
        if not self._asked and self._reading < READS_AT_ONCE:
            self._reading += 1
            reader = asyncio.create_task(self._read_on())  # it begins in the next turn: the others of this turn may ask
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        self._asked.append((member_id, answer))
        return await answer

    async def _read_on(self) -> None:
        """As long as there are questions."""
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                ids = list({member_id for member_id, _ in asked})
                rows = await self._access.read(partial(_read, ids))
            except Exception as error:  # noqa: BLE001 - everybody who asked hears it
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for member_id, answer in asked:
                    if not answer.done():  # who has gone away waits no more
                        answer.set_result(rows.get(member_id))
        self._reading -= 1  # in the turn that saw no question left, so that the next one finds nobody reading


async def _read(ids: list[UUID], store: MemberStore) -> dict[UUID, StoredStatus]:
    return await store.statuses.read(ids)


class StatusRoute:
    """One way to the row for both ways to the route."""

    def __init__(self, access: Access, now: Callable[[], datetime]) -> None:
        self._loader = StatusLoader(access)
        self._now = now
        self.short_way = ShortWay(PATH, self.answer)

    async def answer(self, member_id: UUID) -> bytes | None:
        """The status as JSON, or None where nobody is."""
        row = await self._loader.load(member_id)
        return None if row is None else _encoded(row, self._now())

    def router(self) -> APIRouter:
        """The route of the status."""
        routes = APIRouter(tags=["members"])

        @routes.get(PATH.replace("{id}", "{member_id}"), response_class=Response)
        async def status(member_id: UUID) -> Response:
            body = await self.answer(member_id)
            if body is None:
                raise no_such_member()
            return Response(body, media_type=JSON)

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
