"""What the calendar starts. The one thing not to break: each run is short and may be repeated; what it does not reach, the
next one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from laurel_kit.service import Job
from member_svc.handlers.close_days import close_next_day
from member_svc.handlers.expire_waiting import expire_waiting
from member_svc.handlers.hold_days import drop_dead_leases
from member_svc.metrics import MemberMetrics
from member_svc.store import MemberStore

Change = Callable[[Callable[[MemberStore], Awaitable[int]]], Awaitable[int]]

CLOSE_EVERY_SECONDS = 15.0  # a day closes six hours after its end; seconds do not matter
EXPIRE_EVERY_SECONDS = 60.0
LEASES_EVERY_SECONDS = 60.0


def runs(change: Change, metrics: MemberMetrics, *, days_by_clock: bool) -> list[Job]:
    """Schedule → handler. `change` runs a handler in a transaction of its own."""

    async def close_days() -> None:
        while await change(_close_one):
            metrics.days_closed.labels("clock").inc()

    async def expire() -> None:
        while expired := await change(expire_waiting):
            metrics.expired.inc(expired)

    async def leases() -> None:
        await change(drop_dead_leases)

    jobs = [Job("expire_waiting", EXPIRE_EVERY_SECONDS, expire), Job("drop_dead_leases", LEASES_EVERY_SECONDS, leases)]
    return [Job("close_days", CLOSE_EVERY_SECONDS, close_days), *jobs] if days_by_clock else jobs


async def _close_one(store: MemberStore) -> int:
    return 0 if await close_next_day(store) is None else 1
